//! Trains: sends right behind each other from one connection to one user go through the rings in one slot, and nobody can tell.

use ringdove_core::ids::{ConnectionId, GroupId, Ordinal, Position, Time, UserId, Version};
use ringdove_core::record::RecordHead;
use ringdove_core::rings::{Answer, AnswerBody, CommitSlot, Delivery, Recipient, TRAIN, TrainEntry, train_has_room};
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_core::wire::{Code, hot};
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup, framed, request_frame, text_to, welcome};

/// A frame with a text.
fn send(id: u32, user: u64, text: &str) -> Vec<u8> {
    framed(&request_frame(id, Request::Send(text_to(user, text))))
}

/// Hears so many sends; returns the request of each, and how many came with it.
fn heard(bench: &mut Bench, count: usize) -> Vec<(u32, usize)> {
    (0..count).map(|_| bench.command()).map(|heard| (heard.request, heard.together)).collect()
}

#[test]
fn sends_that_were_read_together_go_together() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&(10..15).flat_map(|id| send(id, 512, &format!("text {id}"))).collect::<Vec<_>>());
    for id in 10..15 {
        let heard = bench.command();
        assert_eq!((heard.request, heard.together), (id, 5));
        assert!(heard.body.ends_with(format!("text {id}").as_bytes()), "{heard:?}");
    }
    assert_eq!(bench.counted(Counter::FramesIn), 6, "the hello and five sends");
}

#[test]
fn whatever_is_special_goes_alone() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 3, 3);
    let with_ack = v1::ClientFrame { ack: 2, id: 5, request: Some(Request::Send(text_to(512, "read"))) };
    let long = "x".repeat(4_000);
    assert!(!train_has_room(2, long.len() + 1));
    let bytes = [
        send(1, 512, "a"),
        send(2, 512, "b"),
        send(3, 768, "to another one"),
        send(4, 768, "c"),
        framed(&prost::Message::encode_to_vec(&with_ack)),
        send(6, 512, "d"),
        framed(&prost::Message::encode_to_vec(&v1::ClientFrame { id: 11, ..with_ack })),
        send(0, 512, "no answer wanted"),
        send(7, 512, &long),
        send(8, 512, &long),
        send(9, 512, "e"),
        vec![0],
        send(10, 512, "behind a ping"),
    ];
    client.bytes(&bytes.concat());
    let alone = |id| (id, 1);
    let meant = [
        (1, 2),
        (2, 2),
        (3, 2),
        (4, 2),
        // what it acknowledges goes with all three: the last one says nothing new
        (5, 3),
        (6, 3),
        (11, 3),
        alone(0),
        alone(7),
        alone(8),
        alone(9),
        alone(10),
    ];
    assert_eq!(heard(&mut bench, meant.len()), meant);
    // there is a bound on how many go together
    let many: Vec<_> = (1..=TRAIN as u32 + 2).flat_map(|id| send(id, 512, "x")).collect();
    client.bytes(&many);
    let together: Vec<_> = heard(&mut bench, TRAIN + 2).into_iter().map(|(_, together)| together).collect();
    assert_eq!(together, [vec![TRAIN; TRAIN], vec![2; 2]].concat());
}

#[test]
fn long_texts_go_together_as_far_as_a_slot_has_room_for_them() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    let text = |id: u32| id.to_string().repeat(1_024);
    assert!(train_has_room(3, 3 * 1_027) && !train_has_room(4, 4 * 1_027));
    client.bytes(&(1..=8).flat_map(|id| send(id, 512, &text(id))).collect::<Vec<_>>());
    for (id, together) in [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3), (7, 2), (8, 2)] {
        let heard = bench.command();
        assert_eq!((heard.request, heard.together), (id, together));
        assert!(heard.body.ends_with(text(id).as_bytes()), "{heard:?}");
    }
}

#[test]
fn a_text_that_is_too_long_is_refused_alone() {
    let mut setup = Setup::default();
    setup.config.limits.text = 10;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&[send(1, 512, "a"), send(2, 512, "b"), send(3, 512, "far too long"), send(4, 512, "c")].concat());
    assert_eq!(heard(&mut bench, 3), [(1, 2), (2, 2), (4, 1)]);
    assert_eq!(client.refusal(&mut bench, 3), (Code::TooLarge.number().into(), "text".into()));
}

#[test]
fn a_train_is_as_long_as_the_sender_may_send() {
    let mut setup = Setup::default();
    (setup.config.limits.rate, setup.config.limits.burst) = (1, 3);
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&(1..=5).flat_map(|id| send(id, 512, "x")).collect::<Vec<_>>());
    assert_eq!(heard(&mut bench, 3), [(1, 3), (2, 3), (3, 3)]);
    for id in 4..=5 {
        assert_eq!(client.refusal(&mut bench, id).0, u32::from(Code::RateLimited.number()));
    }

    let mut setup = Setup::default();
    setup.config.limits.unanswered = 4;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&(1..=7).flat_map(|id| send(id, 512, "x")).collect::<Vec<_>>());
    assert_eq!(heard(&mut bench, 4), [(1, 4), (2, 4), (3, 4), (4, 4)]);
    bench.settle();
    assert!(bench.heard.is_empty(), "the others wait for an answer");
    bench.say(client.id, 1, AnswerBody::Done);
    bench.say(client.id, 2, AnswerBody::Done);
    assert_eq!(heard(&mut bench, 2), [(5, 2), (6, 2)]);
}

/// A train that finds the ring full is put together again later, with what has come meanwhile.
#[test]
fn a_train_that_meets_a_full_ring_waits() {
    let mut setup = Setup { inbound: 64, ..Setup::default() };
    (setup.config.limits.rate, setup.config.limits.burst) = (1, 60);
    let mut bench = Bench::new(setup);
    let mut clients: Vec<_> = (0..2).map(|_| bench.signed_in(256, 0, 0)).collect();
    bench.engine_stands = true;
    // nothing but an id: a slot each
    let fill: Vec<_> = (0..70).flat_map(|_| framed(&[0x08, 0x05])).collect();
    clients[0].bytes(&fill);
    bench.settle();
    clients[1].bytes(&(1..=10).flat_map(|id| send(id, 512, &format!("text {id}"))).collect::<Vec<_>>());
    bench.settle();
    assert!(bench.counted(Counter::RingFull) > 0);
    clients[1].bytes(&(11..=60).flat_map(|id| send(id, 512, &format!("text {id}"))).collect::<Vec<_>>());
    bench.engine_stands = false;
    let mut next = 1;
    for _ in 0..130 {
        let heard = bench.command();
        if heard.connection.key == clients[1].id.key {
            assert_eq!(heard.request, next, "in order, once");
            assert!(heard.body.ends_with(format!("text {next}").as_bytes()));
            next += 1;
        }
    }
    assert_eq!(next, 61, "none of them was refused: what waits is allowed once");
}

/// A slot with the texts of a train, from user 256 to user 512, with versions and ordinals from 1 on.
fn fill_train(slot: &mut CommitSlot, told: Option<Recipient>, asker: ConnectionId, texts: &[&str]) {
    let mut payload = Vec::new();
    for (request, text) in (9..).zip(texts) {
        let begin = payload.len() as u32;
        hot::put_text_content(&mut payload, text);
        let (end, position) = (payload.len() as u32, Position(160 + u64::from(request)));
        slot.train.push(TrainEntry { request, position, end, content: (begin, end) });
    }
    let first = slot.train[0];
    slot.record = Some(RecordHead { position: first.position, ..RecordHead::default() });
    (slot.record_len, slot.content) = (first.end, first.content);
    slot.set_payload(&payload);
    slot.delivery =
        Delivery { from: UserId(256), user: UserId(512), group: GroupId(0), ordinal: Ordinal(1), time: Time(5) };
    slot.recipients[0].extend(told);
    let (version, ordinal, time) = (Version(1), Ordinal(1), Time(5));
    let body = AnswerBody::Entry { version, ordinal, time, position: first.position, user: None, group: None };
    slot.answer = Some(Answer { connection: asker, request: first.request, body });
}

const TEXTS: [&str; 3] = ["one", "two", "three"];

/// The asker is answered for each of the texts.
fn is_answered(bench: &mut Bench, asker: &mut Client) {
    for nth in 0..TEXTS.len() as u32 {
        let answer = asker.frame(bench);
        let (version, position) = (u64::from(nth) + 1, (160 + 9 + u64::from(nth)) << 8);
        let entry = v1::Entry { version, ordinal: version, time: 5, position, ..v1::Entry::default() };
        assert_eq!((answer.id, answer.body), (9 + nth, Some(Body::Entry(entry))));
    }
}

#[test]
fn a_train_is_told_entry_by_entry() {
    let mut bench = Bench::new(Setup::default());
    let (mut asker, mut reader) = (bench.signed_in(256, 0, 0), bench.signed_in(512, 0, 0));
    let before = bench.counted(Counter::Writes);
    let told = Some(reader.recipient(1, false));
    bench.slot(|slot| fill_train(slot, told, asker.id, &TEXTS));
    for (version, text) in (1..).zip(TEXTS) {
        let text = text.to_owned();
        let meant = v1::Entry { version, from: 256, ordinal: version, time: 5, text, ..v1::Entry::default() };
        assert_eq!(reader.entry(&mut bench), meant);
    }
    is_answered(&mut bench, &mut asker);
    assert_eq!((bench.counted(Counter::Writes) - before, bench.counted(Counter::Pushes)), (2, 3));
    // whoever is told sits at another reactor, or nowhere
    bench.slot(|slot| fill_train(slot, None, asker.id, &TEXTS));
    is_answered(&mut bench, &mut asker);
}

/// Several devices of the recipient, and another one of the sender.
#[test]
fn a_train_is_told_to_all_devices() {
    let mut bench = Bench::new(Setup::default());
    let (mut asker, mut own) = (bench.signed_in(256, 0, 0), bench.signed_in(256, 0, 0));
    let mut readers = [bench.signed_in(512, 0, 0), bench.signed_in(512, 0, 0)];
    for _ in 0..2 {
        // two behind each other are no run
        let told: Vec<_> =
            readers.iter().map(|reader| reader.recipient(1, false)).chain([own.recipient(1, true)]).collect();
        bench.slot(|slot| {
            slot.recipients[0].extend(told);
            fill_train(slot, None, asker.id, &TEXTS);
        });
    }
    for _ in 0..2 {
        for (version, text) in (1..).zip(TEXTS) {
            let entry = v1::Entry { version, ordinal: version, time: 5, text: text.to_owned(), ..v1::Entry::default() };
            for reader in &mut readers {
                assert_eq!(reader.entry(&mut bench), v1::Entry { from: 256, ..entry.clone() });
            }
            let to = Some(v1::entry::To::User(512));
            assert_eq!(own.entry(&mut bench), v1::Entry { to, ..entry });
        }
        is_answered(&mut bench, &mut asker);
    }
}

#[test]
fn json_lines_carry_a_train_too() {
    let mut bench = Bench::new(Setup::default());
    let mut lines = |user| {
        let mut client = Client::silent(&mut bench);
        client.bytes(b"{\"id\":1,\"hello\":{\"token\":\"t\"}}\n");
        let heard = bench.command();
        client.id = heard.connection;
        bench.answer(&heard, AnswerBody::Welcome(welcome(user, 0, 0)));
        client.line(&mut bench);
        client
    };
    let (mut asker, mut reader) = (lines(256), lines(512));
    let told = Some(reader.recipient(1, false));
    bench.slot(|slot| fill_train(slot, told, asker.id, &TEXTS));
    for (nth, text) in (1..).zip(TEXTS) {
        let line = reader.line(&mut bench);
        let meant =
            format!(r#"{{"entry":{{"version":"{nth}","from":"256","ordinal":"{nth}","time":"5","text":"{text}"}}}}"#);
        assert_eq!(line, meant);
    }
    for nth in 1..=3 {
        let line = asker.line(&mut bench);
        assert!(
            line.starts_with(&format!(r#"{{"id":{},"entry":{{"version":"{nth}","ordinal":"{nth}""#, 8 + nth)),
            "{line}"
        );
    }
}

#[test]
fn a_train_to_who_is_gone_or_wants_no_news_is_answered() {
    let mut bench = Bench::new(Setup::default());
    let (mut asker, mut reader) = (bench.signed_in(256, 0, 0), bench.signed_in(512, 0, 0));
    reader.ask(2, Request::Mode(v1::Mode::Notice as i32));
    assert_eq!(reader.frame(&mut bench).id, 2);
    let told = Some(reader.recipient(1, false));
    bench.slot(|slot| fill_train(slot, told, asker.id, &TEXTS));
    is_answered(&mut bench, &mut asker);
    let Some(Body::Notice(notice)) = reader.frame(&mut bench).body else { panic!("no notice") };
    assert_eq!((notice.version, notice.unread), (3, 3));
    assert_eq!(bench.counted(Counter::PushesLeftOut), 3);
    drop(reader);
    bench.closed();
    bench.slot(|slot| fill_train(slot, told, asker.id, &TEXTS));
    is_answered(&mut bench, &mut asker);
    assert_eq!(bench.counted(Counter::Stale), 3);
    // and the other way round
    let mut reader = bench.signed_in(512, 0, 0);
    let told = Some(reader.recipient(1, false));
    let gone = asker.id;
    drop(asker);
    bench.closed();
    bench.slot(|slot| fill_train(slot, told, gone, &TEXTS));
    for version in 1..=3 {
        assert_eq!(reader.entry(&mut bench).version, version);
    }
    assert_eq!(bench.counted(Counter::Stale), 6);
}

/// A reader whose buffer has room for a part of a train gets that part, and a notice.
#[test]
fn a_train_that_finds_room_for_a_part_is_told_in_part() {
    let mut setup = Setup::default();
    setup.config.out_buffer = 64 << 10;
    let mut bench = Bench::new(setup);
    let (mut asker, mut reader) = (bench.signed_in(256, 0, 0), bench.signed_in(512, 0, 0));
    let text = "x".repeat(1_000);
    let texts = [&*text; 3];
    let mut head = 0;
    while bench.counted(Counter::FellBehind) == 0 {
        let told = Some(reader.recipient(head + 1, false));
        bench.slot(|slot| fill_train(slot, told, asker.id, &texts));
        for _ in 0..3 {
            asker.frame(&mut bench);
        }
        head += 3;
        assert!(head < 100_000, "it never falls behind");
    }
    let pushed = bench.counted(Counter::Pushes);
    assert_eq!(pushed + bench.counted(Counter::PushesLeftOut), head);
    let mut version = 0;
    let notice = loop {
        match reader.frame(&mut bench).body {
            Some(Body::Entry(entry)) => {
                version += 1;
                assert_eq!(entry.version, version);
            }
            Some(Body::Notice(notice)) => break notice,
            body => panic!("{body:?}"),
        }
    };
    assert_eq!((version, notice.version), (pushed, head));
}
