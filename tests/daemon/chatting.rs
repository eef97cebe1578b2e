//! `ringdove chat`, as two people at two terminals use it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tempfile::tempdir;

use crate::broker::{Broker, PATIENCE, ringdove, serve, serve_at};
use crate::operators::asked;

/// Someone at a terminal.
struct Person {
    process: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<String>,
}

impl Person {
    fn sits_down(broker: &Broker, home: &Path, handle: &str) -> Self {
        let mut command = ringdove(["chat", "--register", "--as", handle, "--addr", &broker.address.to_string()]);
        command.arg("--home").arg(home).env("RINGDOVE_PASSWORD", "correct horse");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, screen) = channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let keyboard = process.stdin.take();
        let person = Self { process, keyboard, screen };
        person.sees(&format!("you are {handle}"));
        person
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line with these words.
    fn sees(&self, words: &str) -> String {
        loop {
            let line = self.screen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{words:?} never comes"));
            if line.contains(words) {
                return line;
            }
        }
    }

    fn leaves(mut self) {
        drop(self.keyboard.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_people_talk() {
    let folder = tempdir().unwrap();
    let home = folder.path().join("home");
    let broker = Broker::on(&folder.path().join("data"));
    let mut bob = Person::sits_down(&broker, &home, "bob");
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@bob hello \x1b[2J");
    // her handle is not known to him yet, and her escape codes do nothing
    assert!(bob.sees("hello").ends_with("u512: hello \\u{1b}[2J"));
    bob.types("@ann hello ann");
    ann.sees("bob: hello ann");
    ann.types("/group create picnic @bob");
    ann.sees("the group is #256");
    bob.sees("* ann made #256 (picnic), added you to #256");
    bob.types("#256 who comes?");
    ann.sees("#256 bob: who comes?");
    bob.leaves();

    ann.types("me");
    ann.types("@bob are you there?");
    ann.types("@nobody hello");
    ann.sees("not sent: Not there");
    let mut bob = Person::sits_down(&broker, &home, "bob");
    bob.sees("while you were away");
    bob.sees("#256 ann: me");
    bob.sees("ann: are you there?");
    bob.types("/group leave #256");
    ann.sees("* bob removed bob from #256");
    bob.types("/logout");
    assert!(bob.process.wait().unwrap().success());
    ann.leaves();
    broker.stop();
}

/// Who was signed out elsewhere signs in with a password, though what this device asked for behind its token is refused too.
#[test]
fn one_who_was_signed_out_comes_back_with_a_password() {
    let folder = tempdir().unwrap();
    let (home, data) = (folder.path().join("home"), folder.path().join("data"));
    let broker = Broker::on(&data);
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@ann a note");
    ann.types("#notes another");
    ann.sees("that names nobody");
    ann.leaves();
    assert!(asked("user sign-out ann", &data).status().unwrap().success());
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@ann hello again");
    ann.types("@nobody hello");
    ann.sees("not sent: Not there");
    ann.leaves();
    broker.stop();
}

/// What is typed while the broker is down is sent when it is back, once.
#[test]
fn a_restart_of_the_broker_loses_nothing() {
    let folder = tempdir().unwrap();
    let home = folder.path().join("home");
    let data = folder.path().join("data");
    let broker = Broker::on(&data);
    let address = broker.address.to_string();
    let bob = Person::sits_down(&broker, &home, "bob");
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@bob one");
    bob.sees("one");
    broker.crash();
    ann.sees("the connection is lost");
    ann.types("two");
    let broker = Broker::start(serve_at(&address, &data));
    ann.sees("connected again");
    let line = bob.sees("two");
    assert!(line.ends_with("u512: two"), "{line}");
    ann.types("three");
    assert!(bob.sees("u512: ").ends_with("three"), "two came once");
    ann.leaves();
    bob.leaves();
    broker.stop();
}

/// What is refused for now is sent again, and nothing that was typed later overtakes it.
#[test]
fn a_rate_limit_changes_no_order() {
    let folder = tempdir().unwrap();
    let home = folder.path().join("home");
    let mut command = serve(&folder.path().join("data"));
    command.env("RINGDOVE_LIMITS_RATE", "20").env("RINGDOVE_LIMITS_BURST", "2");
    let broker = Broker::start(command);
    let bob = Person::sits_down(&broker, &home, "bob");
    let mut ann = Person::sits_down(&broker, &home, "ann");
    ann.types("@bob line 0");
    (1..10).for_each(|nth| ann.types(&format!("line {nth}")));
    ann.sees("trying again");
    for nth in 0..10 {
        let line = bob.sees("line");
        assert!(line.ends_with(&format!("line {nth}")), "{line}");
    }
    ann.leaves();
    bob.leaves();
    broker.stop();
}
