//! A peer that stops reading: memory stays bounded, others do not notice, and it finds everything by sync later.

use std::fs;

use ringdove_core::wire::v1::server_frame::Body;
use tempfile::tempdir;

use crate::broker::Broker;
use crate::client::{Client, text};

/// Anonymous memory of a process, in bytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

#[test]
fn memory_is_bounded_and_everything_is_found_later() {
    const MESSAGES: u64 = 1_000;
    const BYTES: usize = 16_000;
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let mut bob = Client::register(broker.address, "bob");
    let mut cyd = Client::register(broker.address, "cyd");
    let message = |key: u64| format!("{key:04}{}", "x".repeat(BYTES - 4));
    ann.send(text(cyd.welcome.user, 1, message(1))).unwrap();
    let before = memory(broker.pid());
    for key in 2..=MESSAGES {
        ann.send(text(bob.welcome.user, key, message(key))).unwrap();
    }
    let grown = memory(broker.pid()).saturating_sub(before);
    // far below the 16 MB that it did not read: an out-buffer, and what the pipeline keeps at rest
    assert!(grown < 6 << 20, "{grown} bytes");
    // others do not notice
    assert!(matches!(cyd.news().body, Some(Body::Entry(_))));
    // it reads on: pushes without a hole, then a notice, then what a sync says
    let mut version = 0;
    let notice = loop {
        match bob.news().body {
            Some(Body::Entry(entry)) => {
                version += 1;
                assert_eq!(entry.version, version);
            }
            Some(Body::Notice(notice)) => break notice,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(notice.version, MESSAGES - 1);
    let missed = bob.sync(version);
    assert_eq!(version + missed.len() as u64, MESSAGES - 1);
    for (entry, key) in missed.iter().zip(version + 2..) {
        assert!(entry.text == message(key), "message {key} is whole");
    }
    // and it is live again
    ann.send(text(bob.welcome.user, MESSAGES + 1, "live")).unwrap();
    let Some(Body::Entry(entry)) = bob.news().body else { panic!("no push") };
    assert_eq!((&*entry.text, entry.version), ("live", MESSAGES));
    broker.stop();
}
