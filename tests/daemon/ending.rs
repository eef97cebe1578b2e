//! How it ends.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ringdove_core::wire::Code;
use ringdove_core::wire::v1::server_frame::Body;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::broker::{Broker, done, ringdove, serve};
use crate::client::{Client, text};

fn ends_in_order(signal: Signal) {
    let folder = tempdir().unwrap();
    let mut broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let user = ann.welcome.user;
    ann.send(text(user, 1, "a note to myself")).unwrap();
    broker.signal(signal);
    let Some(Body::Bye(bye)) = ann.news().body else { panic!("no bye") };
    assert_eq!(bye.code, u32::from(Code::GoingAway.number()));
    assert!(bye.retry_ms > 0);
    assert!(ann.frame().is_none(), "and then the end");
    // within 5 s, or it would have given up with another code
    assert_eq!(broker.wait(), Some(0));
    let said = done(ringdove(["log", "verify", "--data"]).arg(folder.path()));
    assert!(said.starts_with("whole: 2 records"), "{said}");
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    ends_in_order(Signal::TERM);
}

#[test]
fn sigint_drains_and_exits_with_0() {
    ends_in_order(Signal::INT);
}

/// Whoever collects the log restarts: its lines are lost, and nothing else.
#[test]
fn a_reader_of_the_log_that_goes_away_ends_nothing() {
    let folder = tempdir().unwrap();
    let mut command = serve(folder.path());
    let mut process = command.stderr(Stdio::piped()).env("RINGDOVE_LOG_LEVEL", "debug").spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("durability") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ends before it listens");
    }
    drop(log);
    // its end is a line of the log
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

/// Someone with megabytes to read, who reads nothing.
fn stuck_reader(broker: &Broker) -> Client {
    let mut ann = Client::register(broker.address, "ann");
    let bob = Client::register(broker.address, "bob");
    for key in 1..=800 {
        ann.send(text(bob.welcome.user, key, "x".repeat(16_000))).unwrap();
    }
    bob
}

#[test]
fn a_reader_that_is_stuck_does_not_hold_it_up() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let _bob = stuck_reader(&broker);
    broker.stop();
}

/// Both signals are there when it runs on, so that the second one is not late for a drain that takes half a second.
#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempdir().unwrap();
    let mut broker = Broker::on(folder.path());
    // whoever waits for its bye keeps the drain going for a while
    let mut ann = Client::register(broker.address, "ann");
    let user = ann.welcome.user;
    ann.send(text(user, 1, "a note to myself")).unwrap();
    broker.pause();
    let signals = [Signal::TERM, Signal::INT];
    signals.into_iter().chain([Signal::CONT]).for_each(|signal| broker.signal(signal));
    // either of them may be taken first
    let mut taken = ["draining", "a second signal"].map(|words| {
        let line = broker.hear_all(words).remove(0);
        if line.contains("SIGTERM") { Signal::TERM } else { Signal::INT }
    });
    assert_eq!(broker.wait(), Some(128 + taken[1].as_raw()));
    taken.sort_by_key(|signal| signal.as_raw());
    assert_eq!(taken, [Signal::INT, Signal::TERM]);
    // whatever was told is there
    let broker = Broker::on(folder.path());
    let mut ann = Client::resume(broker.address, &ann.identity(), Some((ann.welcome.epoch, 0)));
    assert_eq!(ann.sync(0).len(), 1);
    broker.stop();
}
