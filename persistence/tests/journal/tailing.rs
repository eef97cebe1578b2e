//! Whoever follows the journal and cares only for who there is need not read what people write to each other.

use prost::Message;
use ringdove_core::wire::log::{CursorMoved, DeviceRemoved, Event, MessageSent, Record, event};
use ringdove_persistence::journal::{Broken, Tail};
use ringdove_persistence::{Durability, FileStorage};

use crate::bench::Bench;
use crate::on_disk::Folder;

fn record(event: event::Event) -> Vec<u8> {
    Record { events: vec![Event { event: Some(event) }] }.encode_to_vec()
}

fn message() -> Vec<u8> {
    record(event::Event::MessageSent(MessageSent {
        from: 256,
        ordinal: 1,
        content: vec![7; 900],
        ..MessageSent::default()
    }))
}

fn telling() -> Vec<u8> {
    record(event::Event::DeviceRemoved(DeviceRemoved { user: 256, device: 1 }))
}

fn write(log: &mut Bench<FileStorage>, body: &[u8]) {
    if !log.publish_body(body.to_vec()) {
        log.prepare();
        assert!(log.publish_body(body.to_vec()), "there is room for it");
    }
    log.write();
    log.seen();
}

/// Reads all below what is on disk, and returns how many records were looked at.
fn read(log: &Bench<FileStorage>, tail: &mut Tail<FileStorage>) -> usize {
    let end = log.progress.synced();
    let mut count = 0;
    while tail
        .read(end, |_, _| {
            count += 1;
            Ok::<_, Broken>(true)
        })
        .expect("the journal is whole")
    {}
    count
}

#[test]
fn talk_is_skipped_over_segments_and_what_tells_more_never_is() {
    let mut folder = Folder::new();
    folder.durability = Durability::Process;
    let mut log = folder.bench();
    let mut tail = log.opened.tail();
    let cursor = record(event::Event::CursorMoved(CursorMoved { user: 256, device: 1, version: 3 }));

    write(&mut log, &telling());
    (0..3).for_each(|_| write(&mut log, &message()));
    log.prepare();
    assert!(!tail.skip_talk(log.progress.synced()), "the first one tells more");
    assert_eq!(read(&log, &mut tail), 4);

    // further than a segment, and another kind of talk
    (0..12).for_each(|_| write(&mut log, &message()));
    write(&mut log, &cursor);
    let last = log.published.last().expect("something was published").clone();
    assert!(tail.skip_talk(log.progress.synced()), "nothing more is on disk");
    log.prepare();
    assert!(tail.skip_talk(log.progress.synced()));
    assert_eq!((tail.last().expect("it has passed records").position, tail.next()), (last.head.position, last.end()));

    // what tells more may stand behind the last talk that was seen
    write(&mut log, &message());
    assert!(tail.skip_talk(log.progress.synced()));
    write(&mut log, &telling());
    write(&mut log, &message());
    log.prepare();
    assert!(!tail.skip_talk(log.progress.synced()));
    assert_eq!(read(&log, &mut tail), 2, "the message before it was skipped");
    assert!(tail.skip_talk(log.progress.synced()));
    log.close();
}

#[test]
fn a_start_lets_nothing_of_before_be_skipped() {
    let folder = Folder::new();
    let mut log = folder.bench();
    write(&mut log, &telling());
    write(&mut log, &message());
    log.close();
    let mut log = folder.bench();
    let mut tail = log.opened.tail();
    write(&mut log, &message());
    assert!(!tail.skip_talk(log.progress.synced()));
    assert_eq!(read(&log, &mut tail), 3);
    assert!(tail.skip_talk(log.progress.synced()));
    log.close();
}
