//! `ringdove chat` at a terminal, where it can ask.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};
use tempfile::{TempDir, tempdir};

use crate::broker::{Broker, PATIENCE, ringdove, serve};

/// So long the broker waits for a hello: longer than a program takes to say one, and shorter than people take to type.
const HELLO: Duration = Duration::from_secs(3);

fn broker() -> (TempDir, Broker) {
    let folder = tempdir().unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.env("RINGDOVE_LIMITS_HELLO_MS", HELLO.as_millis().to_string());
    (folder, Broker::start(command))
}

fn chat(folder: &TempDir, address: SocketAddr, options: &[&str]) -> PtySession {
    let mut command = ringdove(["chat", "--as", "ann", "--addr", &address.to_string(), "--home"]);
    command.arg(folder.path().join("home")).args(options).stdin(Stdio::inherit());
    spawn_command(command, Some(PATIENCE.as_millis() as u64)).unwrap()
}

/// Types a line behind these words.
fn answer(session: &mut PtySession, words: &str, line: &str) {
    session.exp_string(words).unwrap_or_else(|error| panic!("{words:?} never comes: {error}"));
    session.send_line(line).unwrap();
}

/// Leaves by the end of what is typed, and forgets the device's token.
fn leave(mut session: PtySession, folder: &TempDir) {
    session.exp_string("-- you are ann").unwrap();
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();
    assert!(matches!(session.process().wait(), Ok(WaitStatus::Exited(_, 0))));
    std::fs::remove_dir_all(folder.path().join("home")).unwrap();
}

#[test]
fn a_new_password_is_typed_twice_and_a_wrong_one_is_asked_for_again() {
    let (folder, broker) = broker();
    let mut session = chat(&folder, broker.address, &[]);
    answer(&mut session, "password for ann: ", "correct horse");
    answer(&mut session, "make the account? [y/N] ", "y");
    answer(&mut session, "once more, for a new account: ", "correct hrose");
    session.exp_string("-- these two differ").unwrap();
    answer(&mut session, "password for ann: ", "short");
    answer(&mut session, "make the account? [y/N] ", "y");
    session.exp_string("-- a password has 8 to").unwrap();
    answer(&mut session, "password for ann: ", "correct horse");
    answer(&mut session, "make the account? [y/N] ", "y");
    answer(&mut session, "once more, for a new account: ", "correct horse");
    leave(session, &folder);

    let mut session = chat(&folder, broker.address, &[]);
    answer(&mut session, "password for ann: ", "incorrect horse");
    answer(&mut session, "make the account? [y/N] ", "n");
    answer(&mut session, "password for ann: ", "incorrect horse");
    answer(&mut session, "make the account? [y/N] ", "y");
    answer(&mut session, "once more, for a new account: ", "incorrect horse");
    session.exp_string("-- ann exists, and that is not its password").unwrap();
    answer(&mut session, "password for ann: ", "correct horse");
    leave(session, &folder);

    let mut session = chat(&folder, broker.address, &[]);
    answer(&mut session, "password for ann: ", "");
    session.exp_string("no password, no conversation").unwrap();
    session.exp_eof().unwrap();
    broker.stop();
}

#[test]
fn whoever_wants_an_account_is_not_asked_whether_and_types_the_password_twice_too() {
    let (folder, broker) = broker();
    let mut session = chat(&folder, broker.address, &["--register"]);
    // nobody has to hurry
    std::thread::sleep(HELLO + HELLO / 10);
    answer(&mut session, "password for ann: ", "correct horse");
    answer(&mut session, "once more, for a new account: ", "correct horse");
    leave(session, &folder);
    let mut session = chat(&folder, broker.address, &["--register"]);
    answer(&mut session, "password for ann: ", "correct horse");
    leave(session, &folder);
    broker.stop();
}

#[test]
fn nobody_is_asked_for_a_password_that_nobody_takes() {
    let (folder, broker) = broker();
    let address = broker.address;
    broker.stop();
    let said = chat(&folder, address, &[]).exp_eof().unwrap();
    assert!(said.contains("is a broker running?") && !said.contains("password"), "{said}");
}
