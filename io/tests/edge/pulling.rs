//! Sync: pages from the journal, and what has to stay behind them.

use ringdove_core::ids::{Position, UserId, Version};
use ringdove_core::rings::{Answer, AnswerBody, Command, Page};
use ringdove_core::wire::record::LogEntry;
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_core::wire::{Code, Refusal, hot};

use crate::bench::{Bench, Client, Heard, Setup};

const ME: u64 = 256;

/// Writes messages to me from 512, of `size` bytes of text, at positions that are their ordinals.
fn write(bench: &Bench, ordinals: std::ops::RangeInclusive<u64>, size: usize) {
    for ordinal in ordinals {
        let mut content = Vec::new();
        hot::put_text_content(&mut content, &"x".repeat(size));
        let entry = LogEntry { from: 512, user: ME, ordinal, content: &content, ..LogEntry::default() };
        bench.journal.write(ordinal, &entry);
    }
}

fn ask(bench: &mut Bench, client: &mut Client, id: u32, since: u64) -> Heard {
    client.ask(id, Request::Sync(v1::Sync { since, limit: 0 }));
    let heard = bench.command();
    assert!(matches!(heard.command, Command::Sync { since: Version(asked), .. } if asked == since), "{heard:?}");
    heard
}

/// The engine lists the records of a page: versions equal their positions here.
fn list(bench: &mut Bench, heard: &Heard, versions: std::ops::RangeInclusive<u64>, more: bool, head: u64) {
    bench.slot(|slot| {
        let page = Page { user: UserId(ME), first: Version(*versions.start()), more, head: Version(head) };
        slot.page.extend(versions.map(Position));
        slot.answer =
            Some(Answer { connection: heard.connection, request: heard.request, body: AnswerBody::Page(page) });
    });
}

fn entries(frame: v1::ServerFrame) -> v1::Entries {
    match frame.body {
        Some(Body::Entries(entries)) => entries,
        body => panic!("no entries: {body:?}"),
    }
}

#[test]
fn whoever_was_away_gets_what_was_missed_and_then_what_is_new() {
    let mut bench = Bench::new(Setup::default());
    write(&bench, 1..=3, 2);
    let mut client = bench.signed_in(ME, 0, 3);
    bench.push(&[client.recipient(4, false)], 512, ME, 4, "not yet");
    write(&bench, 4..=4, 2);
    let heard = ask(&mut bench, &mut client, 2, 0);
    list(&mut bench, &heard, 1..=4, false, 4);
    let page = entries(client.frame(&mut bench));
    assert!(!page.more && !page.gap);
    let versions: Vec<_> = page.list.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [1, 0, 0, 0], "absent: one more than the one before");
    assert!(page.list.iter().all(|entry| entry.from == 512 && entry.to.is_none() && entry.text == "xx"));
    assert_eq!(page.list[3].time, 1_004);
    bench.push(&[client.recipient(5, false)], 512, ME, 5, "live");
    assert_eq!(client.entry(&mut bench).version, 5);
}

#[test]
fn what_happens_while_a_page_is_read_follows_it() {
    let mut bench = Bench::new(Setup::default());
    write(&bench, 1..=2, 2);
    let mut client = bench.signed_in(ME, 0, 2);
    bench.pages_stand = true;
    let heard = ask(&mut bench, &mut client, 2, 0);
    list(&mut bench, &heard, 1..=2, false, 2);
    bench.push(&[client.recipient(3, false)], 512, ME, 3, "new");
    client.send_text(3, 512, "mine");
    client.ping();
    assert_eq!(client.frame(&mut bench), v1::ServerFrame::default(), "a pong waits for nothing");
    let sent = bench.command();
    bench.answer(&sent, AnswerBody::Done);
    bench.push(&[client.recipient(5, false)], 512, ME, 4, "newer");
    bench.settle();
    assert!(client.frame_now().is_none());
    bench.pages_stand = false;
    assert_eq!(entries(client.frame(&mut bench)).list.len(), 2);
    assert_eq!(client.entry(&mut bench).version, 3);
    assert_eq!(client.frame(&mut bench).id, 3);
    assert_eq!(client.entry(&mut bench).version, 5);
}

#[test]
fn a_page_ends_at_64_kib_and_the_rest_is_asked_for() {
    let mut bench = Bench::new(Setup::default());
    write(&bench, 1..=10, 10_000);
    let mut client = bench.signed_in(ME, 0, 10);
    let mut since = 0;
    let mut pages = Vec::new();
    loop {
        let heard = ask(&mut bench, &mut client, 2, since);
        list(&mut bench, &heard, since + 1..=10, false, 10);
        let page = entries(client.frame(&mut bench));
        assert_eq!(page.list[0].version, since + 1);
        since += page.list.len() as u64;
        pages.push((page.list.len(), page.more));
        bench.push(&[client.recipient(10, false)], 512, ME, 10, "left out while behind");
        if !page.more {
            break;
        }
        client.ping();
        let behind = client.frame(&mut bench);
        assert!(matches!(behind.body, Some(Body::Notice(_))), "{behind:?}");
    }
    assert_eq!(pages, [(6, true), (4, false)]);
    assert_eq!(client.entry(&mut bench).version, 10);
}

#[test]
fn too_much_at_once_makes_the_page_not_the_last() {
    let mut setup = Setup::default();
    setup.config.out_buffer = 4_000;
    let mut bench = Bench::new(setup);
    write(&bench, 1..=40, 2);
    let mut client = bench.signed_in(ME, 0, 2);
    bench.pages_stand = true;
    let heard = ask(&mut bench, &mut client, 2, 0);
    list(&mut bench, &heard, 1..=2, false, 2);
    for version in 3..=40 {
        bench.push(&[client.recipient(version, false)], 512, ME, version, &"x".repeat(1_000));
    }
    client.send_text(3, 512, "mine");
    let sent = bench.command();
    bench.answer(&sent, AnswerBody::Done);
    bench.settle();
    bench.pages_stand = false;
    let page = entries(client.frame(&mut bench));
    assert!(page.more && page.list.len() == 2);
    assert_eq!(client.frame(&mut bench).id, 3, "answers are never dropped");
    bench.settle();
    assert!(client.frame_now().is_none());
    let heard = ask(&mut bench, &mut client, 4, 2);
    list(&mut bench, &heard, 3..=40, false, 40);
    let page = entries(client.frame(&mut bench));
    assert_eq!((page.list.len(), page.list[0].version, page.more), (38, 3, false));
}

#[test]
fn a_second_sync_waits_for_the_first() {
    let mut bench = Bench::new(Setup::default());
    write(&bench, 1..=2, 2);
    let mut client = bench.signed_in(ME, 0, 2);
    client.ask(2, Request::Sync(v1::Sync { since: 0, limit: 1 }));
    client.ask(3, Request::Sync(v1::Sync { since: 1, limit: 0 }));
    let first = bench.command();
    bench.settle();
    assert!(bench.heard.is_empty());
    list(&mut bench, &first, 1..=1, true, 2);
    assert!(entries(client.frame(&mut bench)).more);
    let second = bench.command();
    assert_eq!((second.request, second.ack), (3, 1), "what a device asks behind, it has");
    list(&mut bench, &second, 2..=2, false, 2);
    assert_eq!(entries(client.frame(&mut bench)).list[0].version, 2);
}

#[test]
fn nothing_missed_is_an_empty_page_and_the_device_is_live() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(ME, 7, 7);
    let heard = ask(&mut bench, &mut client, 2, 7);
    bench.slot(|slot| {
        let page = Page { user: UserId(ME), first: Version(8), more: false, head: Version(7) };
        slot.answer = Some(Answer { connection: heard.connection, request: 2, body: AnswerBody::Page(page) });
    });
    let frame = client.frame(&mut bench);
    assert_eq!(frame.id, 2);
    assert_eq!(entries(frame), v1::Entries::default());
    bench.push(&[client.recipient(8, false)], 512, ME, 8, "live");
    assert_eq!(client.entry(&mut bench).version, 8);
}

#[test]
fn a_device_that_the_window_has_passed_is_live_where_the_gap_says() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(ME, 3, 5_000);
    let heard = ask(&mut bench, &mut client, 2, 3);
    bench.answer(&heard, AnswerBody::Gap(Version(5_000)));
    let page = entries(client.frame(&mut bench));
    assert!(page.gap && !page.more && page.list.is_empty() && page.version == 5_000);
    bench.push(&[client.recipient(5_001, false)], 512, ME, 1, "live");
    assert_eq!(client.entry(&mut bench).version, 5_001);
}

/// Level `memory` keeps records for a while only.
#[test]
fn a_record_that_is_gone_is_a_gap() {
    let mut bench = Bench::new(Setup::default());
    write(&bench, 1..=2, 2);
    let mut client = bench.signed_in(ME, 0, 3);
    let heard = ask(&mut bench, &mut client, 2, 0);
    list(&mut bench, &heard, 1..=3, false, 3);
    let page = entries(client.frame(&mut bench));
    assert!(page.gap && page.list.is_empty() && page.version == 3);
}

#[test]
fn a_busy_page_reader_says_come_again() {
    let mut bench = Bench::new(Setup { pages: 1, ..Setup::default() });
    write(&bench, 1..=1, 2);
    let (mut first, mut second) = (bench.signed_in(ME, 0, 1), bench.signed_in(ME, 0, 1));
    bench.pages_stand = true;
    for client in [&mut first, &mut second] {
        let heard = ask(&mut bench, client, 2, 0);
        list(&mut bench, &heard, 1..=1, false, 1);
    }
    assert_eq!(second.refusal(&mut bench, 2).0, u32::from(Code::Busy.number()));
    bench.pages_stand = false;
    assert_eq!(entries(first.frame(&mut bench)).list.len(), 1);
    let heard = ask(&mut bench, &mut second, 3, 0);
    list(&mut bench, &heard, 1..=1, false, 1);
    assert_eq!(entries(second.frame(&mut bench)).list.len(), 1);
}

#[test]
fn a_sync_from_the_future_is_refused_and_another_may_follow() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(ME, 1, 1);
    let heard = ask(&mut bench, &mut client, 2, 9);
    bench.refuse(&heard, Refusal::of(Code::BadCursor).field("since"));
    assert_eq!(client.refusal(&mut bench, 2).0, u32::from(Code::BadCursor.number()));
    ask(&mut bench, &mut client, 3, 1);
}
