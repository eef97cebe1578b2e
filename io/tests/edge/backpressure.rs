//! Full rings and full buffers: nobody is blocked, nothing that was accepted is lost, memory is bounded.

use std::collections::HashMap;

use ringdove_core::ids::{Ordinal, Position, Time, Version};
use ringdove_core::rings::{Answer, AnswerBody, Command};
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_io::Counter;

use crate::bench::{Bench, Setup, fill_entry, framed, request_frame, text_to};

fn send_bytes(id: u32, text: &str) -> Vec<u8> {
    framed(&request_frame(id, Request::Send(text_to(512, text))))
}

#[test]
fn a_full_ring_stops_reading_and_loses_nothing() {
    let mut bench = Bench::new(Setup { inbound: 64, ..Setup::default() });
    let mut clients: Vec<_> = (0..5).map(|_| bench.signed_in(256, 0, 0)).collect();
    bench.engine_stands = true;
    for client in &mut clients {
        for id in 1..=50 {
            // to one and the other, so that each takes a slot of its own
            let send = text_to(512 + 256 * u64::from(id % 2), &format!("text {id}"));
            client.raw_frame(&request_frame(id, Request::Send(send)));
        }
    }
    bench.settle();
    assert!(bench.counted(Counter::RingFull) > 0);
    // the outbound side goes on
    bench.say(clients[0].id, 99, AnswerBody::Done);
    assert_eq!(clients[0].frame(&mut bench).id, 99);

    let mut next: HashMap<u32, u32> = HashMap::new();
    for _ in 0..250 {
        bench.until("a slot", |bench| (bench.listen(1) > 0).then_some(()));
        let heard = bench.command();
        let expected = next.entry(heard.connection.key).or_insert(1);
        assert_eq!(heard.request, *expected, "in order, once");
        assert!(heard.body.ends_with(format!("text {expected}").as_bytes()));
        *expected += 1;
    }
    assert_eq!(next.values().copied().collect::<Vec<_>>(), [51; 5]);
}

/// Ghosts: sessions whose sockets are gone and whose close was lost.
#[test]
fn a_close_that_meets_a_full_ring_is_told_later() {
    let mut bench = Bench::new(Setup { inbound: 64, ..Setup::default() });
    let clients: Vec<_> = (0..100).map(|_| bench.signed_in(256, 0, 0)).collect();
    let mut keys: Vec<_> = clients.iter().map(|client| client.id.key).collect();
    bench.engine_stands = true;
    drop(clients);
    bench.settle();
    assert_eq!(bench.admission.open(), 0);
    bench.engine_stands = false;
    let mut closed: Vec<_> = (0..100).map(|_| bench.closed().connection.key).collect();
    keys.sort_unstable();
    closed.sort_unstable();
    assert_eq!(closed, keys);
    bench.settle();
    assert!(bench.heard.is_empty(), "once");
}

#[test]
fn large_bodies_wait_for_their_budget() {
    let mut bench = Bench::new(Setup { large: 10_000, ..Setup::default() });
    let mut client = bench.signed_in(256, 0, 0);
    bench.engine_stands = true;
    let text = "x".repeat(6_000);
    for id in 1..=3 {
        client.bytes(&send_bytes(id, &text));
    }
    bench.settle();
    bench.engine_stands = false;
    for id in 1..=3 {
        let heard = bench.command();
        assert_eq!((heard.request, heard.body.len()), (id, 6_003));
    }
}

#[test]
fn a_peer_that_stops_reading_falls_behind_is_told_and_syncs() {
    let mut setup = Setup::default();
    setup.config.out_buffer = 64 * 1024;
    let mut bench = Bench::new(setup);
    let mut slow = bench.signed_in(256, 0, 0);
    let mut brisk = bench.signed_in(512, 0, 0);
    let text = "x".repeat(10_000);
    let mut head = 0;
    // as much as the kernel's buffers take, and then more than we keep
    while bench.counted(Counter::FellBehind) == 0 {
        head += 1;
        let both = [slow.recipient(head, false), brisk.recipient(head, false)];
        bench.push(&both, 768, 256, head, &text);
        assert_eq!(brisk.entry(&mut bench).version, head, "others do not notice");
        assert!(head < 10_000, "it never falls behind");
    }
    head += 100;
    for version in head - 99..=head {
        bench.push(&[slow.recipient(version, false)], 768, 256, version, &text);
    }
    bench.settle();
    assert_eq!(bench.counted(Counter::FellBehind), 1);
    assert_eq!(bench.counted(Counter::PushesLeftOut), 101);

    // it reads on: what was written, without a hole, and then one notice
    let mut version = 0;
    let notice = loop {
        match slow.frame(&mut bench).body {
            Some(Body::Entry(entry)) => {
                version += 1;
                assert_eq!(entry.version, version);
            }
            Some(Body::Notice(notice)) => break notice,
            body => panic!("{body:?}"),
        }
    };
    assert_eq!((notice.version, u64::from(notice.unread)), (head, head - version));
    slow.ask(2, Request::Sync(v1::Sync { since: version, limit: 0 }));
    let heard = bench.command();
    assert_eq!(heard.ack, version);
    bench.answer(&heard, AnswerBody::Gap(Version(head)));
    assert!(matches!(slow.frame(&mut bench).body, Some(Body::Entries(_))));
    bench.push(&[slow.recipient(head + 1, false)], 768, 256, 1, "live");
    assert_eq!(slow.entry(&mut bench).version, head + 1);
}

#[test]
fn above_the_unanswered_requests_the_socket_is_not_read() {
    let mut setup = Setup::default();
    setup.config.limits.unanswered = 10;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    for id in 1..=30 {
        client.bytes(&send_bytes(id, "hi"));
    }
    bench.settle();
    assert_eq!(bench.heard.len(), 10);
    for id in 1..=30 {
        let heard = bench.command();
        assert_eq!(heard.request, id);
        bench.answer(&heard, AnswerBody::Done);
        assert_eq!(client.frame(&mut bench).id, id);
    }
}

/// Answers that come together make as much room as single ones, also for someone who has nothing more to ask.
#[test]
fn answers_to_an_exchange_let_its_sender_go_on() {
    let mut setup = Setup::default();
    setup.config.limits.unanswered = 10;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    let mut other = bench.signed_in(512, 0, 0);
    for id in 1..=30 {
        client.bytes(&send_bytes(id, "hi"));
    }
    client.ask(31, Request::Sync(v1::Sync { since: 30, limit: 0 }));
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    for first in [1, 11, 21] {
        bench.settle();
        let heard: Vec<_> = (0..10).map(|_| bench.command()).collect();
        assert!(heard.iter().map(|heard| heard.request).eq(first..first + 10));
        assert!(bench.heard.is_empty(), "more than it may ask at once");
        for heard in heard {
            let version = Version(heard.request.into());
            let sent = AnswerBody::Entry {
                version,
                ordinal: Ordinal(version.0),
                time: Time(5),
                position: Position(160),
                user: None,
                group: None,
            };
            let to = other.recipient(version.0, false);
            bench.slot(|slot| {
                slot.recipients[0].push(to);
                fill_entry(slot, 256, 512, 0, version.0, "hi");
                slot.answer = Some(Answer { connection: heard.connection, request: heard.request, body: sent });
            });
        }
        for version in first..first + 10 {
            assert_eq!(other.entry(&mut bench).version, u64::from(version));
            assert_eq!(client.frame(&mut bench).id, version);
        }
    }
    let heard = bench.command();
    assert_eq!((heard.request, heard.ack), (31, 30), "it has what it was answered");
    bench.answer(&heard, AnswerBody::Gap(Version(30)));
    assert_eq!(client.frame(&mut bench).id, 31);
    bench.closed();
}

/// Pongs are bytes too: whoever asks for them and does not read them is not read either.
#[test]
fn a_flood_of_pings_without_reading_is_bounded() {
    let mut setup = Setup::default();
    setup.config.out_buffer = 16 * 1024;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    let before = bench.counted(Counter::BytesIn);
    let pings = vec![0; 64 * 1024];
    let mut taken = 0;
    let mut idle = 0;
    while idle < 200 {
        match std::io::Write::write(&mut client.socket, &pings) {
            Ok(count) => {
                taken += count as u64;
                idle = 0;
            }
            Err(_) => idle += 1,
        }
        bench.turn();
        assert!(taken < 1 << 30, "it is read for ever");
    }
    let read = bench.counted(Counter::BytesIn) - before;
    let written = bench.counted(Counter::BytesOut);
    // a read, what is kept, and what the kernel took
    assert!(read <= written + 16 * 1024 + 3 * 64 * 1024, "{read} read, {written} written");
    let mut pongs = 0;
    let mut chunk = vec![0; 64 * 1024];
    while pongs < read {
        bench.turn();
        while let Ok(count) = std::io::Read::read(&mut client.socket, &mut chunk) {
            assert!(count > 0 && chunk[..count].iter().all(|byte| *byte == 0), "a pong is one zero byte");
            pongs += count as u64;
        }
    }
    assert_eq!(pongs, read);
}

#[test]
fn acknowledgements_ride_along_and_go_alone_only_now_and_then() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 9);
    for version in 1..=5 {
        client.raw_frame(&[0x10, version]);
    }
    bench.settle();
    assert!(bench.heard.is_empty(), "ten seconds are not over");
    client.send_text(2, 512, "hi");
    let heard = bench.command();
    assert_eq!(heard.ack, 5);
    bench.answer(&heard, AnswerBody::Done);
    client.raw_frame(&[0x10, 6]);
    client.raw_frame(&[0x10, 3]);
    bench.settle();
    drop(client);
    let closed = bench.closed();
    assert_eq!((closed.ack, closed.command), (6, Command::Closed));
}

#[test]
fn an_acknowledgement_with_nothing_to_ride_on_goes_alone() {
    let mut setup = Setup::default();
    setup.config.ack_alone_ms = 100;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 9);
    client.raw_frame(&[0x10, 4]);
    let heard = bench.command();
    assert_eq!((heard.ack, heard.request, heard.command), (4, 0, Command::Nothing));
}
