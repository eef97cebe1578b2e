//! From slots to sockets: entries, answers, and who sees what.

use ringdove_core::ids::{GroupId, UserId, Version};
use ringdove_core::rings::{Answer, AnswerBody, Command, Recipient};
use ringdove_core::wire::v1::{self, client_frame::Request, entry::To, server_frame::Body};
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup, fill_entry, request_frame, sent, welcome};

#[test]
fn a_message_crosses_and_everyone_sees_it_as_theirs() {
    let mut bench = Bench::new(Setup::default());
    let (mut phone, mut laptop) = (bench.signed_in(256, 0, 0), bench.signed_in(256, 0, 0));
    let mut other = bench.signed_in(512, 0, 0);
    phone.send_text(2, 512, "hi");
    let heard = bench.command();
    bench.slot(|slot| {
        slot.recipients[0].extend([laptop.recipient(1, true), other.recipient(1, false)]);
        fill_entry(slot, 256, 512, 0, 1, "hi");
        slot.answer = Some(Answer { connection: heard.connection, request: 2, body: sent(1) });
    });
    let answer = phone.frame(&mut bench);
    assert_eq!(answer.id, 2);
    let expected = v1::Entry { version: 1, ordinal: 1, time: 5, position: 160 << 8, ..v1::Entry::default() };
    assert_eq!(answer.body, Some(Body::Entry(expected.clone())));
    let seen = v1::Entry { position: 0, text: "hi".into(), ..expected };
    assert_eq!(other.entry(&mut bench), v1::Entry { from: 256, ..seen.clone() });
    assert_eq!(laptop.entry(&mut bench), v1::Entry { to: Some(To::User(512)), ..seen });
}

#[test]
fn a_group_message_names_sender_and_group_for_everyone() {
    let mut bench = Bench::new(Setup::default());
    let (mut own, mut member) = (bench.signed_in(256, 0, 0), bench.signed_in(512, 0, 0));
    bench.slot(|slot| {
        slot.recipients[0].extend([own.recipient(4, true), member.recipient(9, false)]);
        fill_entry(slot, 256, 0, 768, 3, "all");
    });
    let seen = v1::Entry {
        from: 256,
        to: Some(To::Group(768)),
        ordinal: 3,
        time: 5,
        text: "all".into(),
        ..v1::Entry::default()
    };
    assert_eq!(own.entry(&mut bench), v1::Entry { version: 4, ..seen.clone() });
    assert_eq!(member.entry(&mut bench), v1::Entry { version: 9, ..seen });
}

#[test]
fn a_note_to_oneself_names_nobody() {
    let mut bench = Bench::new(Setup::default());
    let mut other = bench.signed_in(256, 0, 0);
    bench.push(&[other.recipient(1, true)], 256, 256, 1, "note");
    let seen = v1::Entry { version: 1, ordinal: 1, time: 5, text: "note".into(), ..v1::Entry::default() };
    assert_eq!(other.entry(&mut bench), seen);
}

#[test]
fn the_answer_to_a_new_group_and_to_a_handle_carry_their_numbers() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    let change = v1::GroupChange { create: true, name: Some("crew".into()), ..v1::GroupChange::default() };
    client.ask(2, Request::Send(v1::Send { key: 9, group_change: Some(change), ..v1::Send::default() }));
    let heard = bench.command();
    let Command::ChangeGroup { key, group: GroupId(0) } = heard.command else { panic!("{heard:?}") };
    assert_eq!((key.0, heard.body[0]), (9, 0x82), "field 16 with its tag");
    let AnswerBody::Entry { version, ordinal, time, position, .. } = sent(1) else { return };
    let body = AnswerBody::Entry { version, ordinal, time, position, user: None, group: Some(GroupId(768)) };
    bench.answer(&heard, body);
    assert_eq!(client.entry(&mut bench).to, Some(To::Group(768)));

    let to = Some(v1::send::To::Handle("Bob".into()));
    client.ask(3, Request::Send(v1::Send { to, text: "hi".into(), ..v1::Send::default() }));
    let heard = bench.command();
    assert_eq!(heard.body, b"Bob\x42\x02hi");
    let body = AnswerBody::Entry { version, ordinal, time, position, user: Some(UserId(512)), group: None };
    bench.answer(&heard, body);
    assert_eq!(client.entry(&mut bench).to, Some(To::User(512)));
}

#[test]
fn a_send_without_an_id_comes_back_as_news() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.send_text(0, 512, "hi");
    let heard = bench.command();
    bench.slot(|slot| {
        fill_entry(slot, 256, 512, 0, 1, "hi");
        slot.answer = Some(Answer { connection: heard.connection, request: 0, body: sent(1) });
    });
    let entry = client.entry(&mut bench);
    assert_eq!((entry.version, entry.to, entry.text.as_str()), (1, Some(To::User(512)), "hi"));
}

/// A key is used again as soon as its socket is gone; the generation tells late output from news.
#[test]
fn output_for_a_socket_that_is_gone_is_dropped() {
    let mut bench = Bench::new(Setup::default());
    let gone = bench.signed_in(256, 0, 0);
    let (late, id) = (gone.recipient(1, false), gone.id);
    drop(gone);
    bench.closed();
    let mut next = bench.signed_in(512, 0, 0);
    assert_eq!(next.id.key, id.key);
    bench.push(&[late, Recipient::new(next.id, Version(7), false)], 768, 256, 1, "hi");
    bench.say(id, 3, AnswerBody::Done);
    assert_eq!(next.entry(&mut bench).version, 7);
    bench.settle();
    assert!(next.frame_now().is_none());
    assert_eq!(bench.counted(Counter::Stale), 2);
}

#[test]
fn a_frame_with_an_id_and_nothing_else_is_done_in_its_turn() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 4, 4);
    client.raw_frame(&[0x08, 0x05, 0x10, 0x04]);
    let heard = bench.command();
    assert_eq!((heard.request, heard.ack, &heard.command), (5, 4, &Command::Nothing));
    bench.answer(&heard, AnswerBody::Done);
    assert_eq!(client.frame(&mut bench), v1::ServerFrame { id: 5, body: None });
}

#[test]
fn json_lines_carry_the_same_entries() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::silent(&mut bench);
    client.bytes(b"{\"id\":1,\"hello\":{\"token\":\"t\"}}\n");
    let heard = bench.command();
    client.id = heard.connection;
    bench.answer(&heard, AnswerBody::Welcome(welcome(512, 0, 0)));
    client.line(&mut bench);
    bench.push(&[client.recipient(99, false)], 8, 512, 12, "hi");
    let line = client.line(&mut bench);
    assert_eq!(line, r#"{"entry":{"version":"99","from":"8","ordinal":"12","time":"5","text":"hi"}}"#);
}

/// Everything of a turn goes out in one write: the answers of a hundred sends that came in one read.
#[test]
fn a_turn_writes_once_to_each_connection() {
    let mut bench = Bench::new(Setup::default());
    let (mut sender, mut reader) = (bench.signed_in(256, 0, 0), bench.signed_in(512, 0, 0));
    let frame = crate::bench::framed(&request_frame(9, Request::Send(crate::bench::text_to(512, "hi"))));
    sender.bytes(&frame.repeat(20));
    bench.until("20 sends", |bench| (bench.heard.len() == 20).then_some(()));
    let before = bench.counted(Counter::Writes);
    for nth in 1..=20 {
        let heard = bench.command();
        bench.slot(|slot| {
            slot.recipients[0].push(reader.recipient(nth, false));
            fill_entry(slot, 256, 512, 0, nth, "hi");
            slot.answer = Some(Answer { connection: heard.connection, request: 9, body: sent(nth) });
        });
    }
    for nth in 1..=20 {
        assert_eq!(reader.entry(&mut bench).version, nth);
        assert_eq!(sender.entry(&mut bench).version, nth);
    }
    assert_eq!(bench.counted(Counter::Writes) - before, 2);
}

/// In NOTICE mode there is one notice for however many entries, and it is what a ping is answered with.
#[test]
fn a_device_in_the_background_gets_notices() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 3, 3);
    client.ask(2, Request::Mode(v1::Mode::Notice as i32));
    assert_eq!(client.frame(&mut bench), v1::ServerFrame { id: 2, body: None });
    for version in 4..=6 {
        bench.push(&[client.recipient(version, false)], 512, 256, version, "hi");
    }
    bench.settle();
    client.ping();
    let notice = |version, unread| Some(Body::Notice(v1::Notice { version, unread, chats: Vec::new() }));
    assert_eq!(client.frame(&mut bench).body, notice(6, 3));
    client.ping();
    assert_eq!(client.frame(&mut bench), v1::ServerFrame::default());
    bench.push(&[client.recipient(7, false)], 512, 256, 7, "hi");
    assert_eq!(client.frame(&mut bench).body, notice(7, 4), "a second later, by itself");
}
