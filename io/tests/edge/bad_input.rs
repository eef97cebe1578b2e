//! Bad input: each kind gets its clear answer, and nobody else notices.

use prost::Message;
use ringdove_core::rings::{Command, To};
use ringdove_core::wire::Code;
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup, framed, request_frame, text_to, token_hello};

fn number(code: Code) -> u32 {
    u32::from(code.number())
}

#[test]
fn garbage_is_closed_without_a_bye() {
    let mut bench = Bench::new(Setup::default());
    for garbage in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"\xD0vx\x01", b"\x00"] {
        let mut client = Client::silent(&mut bench);
        client.bytes(garbage);
        client.end(&mut bench);
    }
    assert_eq!(bench.counted(Counter::UnknownDialect), 4);
    assert_eq!(bench.admission.open(), 0);
}

#[test]
fn another_major_version_is_told_so() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::silent(&mut bench);
    client.bytes(b"\xD0ve\x02\x00");
    assert_eq!(client.bye(&mut bench), number(Code::Unsupported));
}

#[test]
fn a_silent_client_is_sent_away_and_a_mute_one_closed() {
    let mut setup = Setup::default();
    setup.config.hello_timeout_ms = 200;
    let mut bench = Bench::new(setup);
    let mut mute = Client::silent(&mut bench);
    let mut half = Client::silent(&mut bench);
    half.bytes(b"\xD0v");
    let mut silent = Client::connect(&mut bench);
    let mut slow = Client::connect(&mut bench);
    slow.bytes(&[20, 0x08]);
    mute.end(&mut bench);
    half.end(&mut bench);
    assert_eq!(silent.bye(&mut bench), number(Code::HelloTimeout));
    assert_eq!(slow.bye(&mut bench), number(Code::HelloTimeout));
    assert_eq!(bench.counted(Counter::UnknownDialect), 2);
}

/// Time in our own queues is not the client's.
#[test]
fn a_hello_that_waits_for_us_is_not_timed_out() {
    let mut setup = Setup::default();
    setup.config.hello_timeout_ms = 200;
    let mut bench = Bench::new(setup);
    let mut client = Client::connect(&mut bench);
    client.hello();
    let mut silent = Client::connect(&mut bench);
    assert_eq!(silent.bye(&mut bench), number(Code::HelloTimeout), "by then the other's time is over as well");
    bench.welcome(&mut client, 256, 0, 0);
}

#[test]
fn whoever_is_silent_for_too_long_is_told_idle() {
    let mut setup = Setup::default();
    setup.config.idle_least_ms = 100;
    let mut bench = Bench::new(setup);
    let mut client = Client::connect(&mut bench);
    client.ask(1, Request::Hello(v1::Hello { idle_ms: 100, ..token_hello("t") }));
    bench.welcome(&mut client, 256, 0, 0);
    assert_eq!(client.bye(&mut bench), number(Code::Idle));
    assert_eq!(bench.closed().connection, client.id);
}

#[test]
fn a_frame_over_the_limit_before_welcome_ends_the_connection() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.raw_frame(&request_frame(1, Request::Hello(token_hello(&"x".repeat(4_096)))));
    assert_eq!(client.bye(&mut bench), number(Code::TooLarge));
}

#[test]
fn all_frames_before_welcome_together_have_a_limit() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    for _ in 0..3 {
        client.raw_frame(&request_frame(0, Request::Send(text_to(512, &"x".repeat(3_000)))));
    }
    assert_eq!(client.bye(&mut bench), number(Code::TooLarge));
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_id_and_the_connection_goes_on() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    let large = framed(&request_frame(77, Request::Send(text_to(512, &"x".repeat(200_000)))));
    client.many_bytes(&mut bench, &large);
    client.send_text(78, 512, "small");
    assert_eq!(client.refusal(&mut bench, 77), (number(Code::TooLarge), "frame".into()));
    let heard = bench.command();
    assert_eq!(heard.request, 78);
}

#[test]
fn a_frame_over_the_limit_that_does_not_begin_with_an_id_ends_the_connection() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&[0xff, 0xff, 0x7f, 0x1a, 0, 0, 0, 0, 0, 0]);
    assert_eq!(client.bye(&mut bench), number(Code::TooLarge));
}

#[test]
fn a_length_of_four_bytes_or_a_padded_one_is_malformed() {
    let mut bench = Bench::new(Setup::default());
    for bytes in [&[0xff, 0xff, 0xff, 0x01][..], &[0x80, 0x00]] {
        let mut client = bench.signed_in(256, 0, 0);
        client.bytes(bytes);
        assert_eq!(client.bye(&mut bench), number(Code::Malformed));
    }
}

#[test]
fn a_known_field_of_the_wrong_type_is_malformed() {
    let mut bench = Bench::new(Setup::default());
    // id as bytes; send as a number; text that is not UTF-8
    for frame in [&[0x0a, 0x01, 0x41][..], &[0x08, 0x01, 0x18, 0x01], &[0x1a, 0x03, 0x42, 0x01, 0xff]] {
        let mut client = bench.signed_in(256, 0, 0);
        client.raw_frame(frame);
        assert_eq!(client.bye(&mut bench), number(Code::Malformed), "{frame:?}");
    }
}

#[test]
fn broken_json_is_malformed_and_a_wrong_value_is_refused() {
    let mut bench = Bench::new(Setup::default());
    for line in [&b"{\"id\":\n"[..], b"{\"id\":1,\"id\":2}\n", b"[]\n", b"{}}\n"] {
        let mut client = Client::silent(&mut bench);
        client.bytes(b"{}\n");
        assert_eq!(client.line(&mut bench), "{}");
        client.bytes(line);
        let said = client.line(&mut bench);
        assert!(said.starts_with("{\"bye\":{\"code\":4000,"), "{said}");
    }
    let mut client = Client::silent(&mut bench);
    client.bytes(b"{\"id\":3,\"hello\":{\"token\":7}}\n");
    let said = client.line(&mut bench);
    assert!(said.starts_with("{\"id\":3,\"refusal\":{\"code\":4002,"), "{said}");
}

#[test]
fn a_line_without_end_is_too_large() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::silent(&mut bench);
    client.bytes(&[b'{'; 5_000]);
    let said = client.line(&mut bench);
    assert!(said.starts_with("{\"bye\":{\"code\":4003,"), "{said}");
    client.end(&mut bench);
}

#[test]
fn half_a_frame_and_then_the_end_ends_the_session() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.bytes(&[50, 0x08, 0x01]);
    client.finish_writing();
    client.end(&mut bench);
    assert_eq!(bench.closed().connection, client.id);
    assert_eq!(bench.admission.open(), 0);
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let mut setup = Setup::default();
    setup.config.limits.text = 100;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    let group = |change| v1::Send { group_change: Some(change), ..v1::Send::default() };
    let create = || v1::GroupChange { create: true, ..v1::GroupChange::default() };
    let sends = [
        (v1::Send::default(), Code::Invalid, "text"),
        (text_to(0, "hi"), Code::Invalid, "user"),
        (text_to(1 << 53, "hi"), Code::Invalid, "user"),
        (v1::Send { key: 1 << 53, ..text_to(512, "hi") }, Code::Invalid, "key"),
        (text_to(512, &"x".repeat(101)), Code::TooLarge, "text"),
        (v1::Send { reply: 1, ..text_to(512, "hi") }, Code::Unsupported, "reply"),
        (v1::Send { mark: Some(v1::Mark::default()), ..text_to(512, "hi") }, Code::Invalid, "send"),
        (v1::Send { mark: Some(v1::Mark::default()), ..text_to(512, "") }, Code::Unsupported, "mark"),
        (v1::Send { text: "hi".into(), ..group(create()) }, Code::Invalid, "send"),
        (v1::Send { to: Some(v1::send::To::Group(256)), ..group(create()) }, Code::Invalid, "to"),
        (group(v1::GroupChange::default()), Code::Invalid, "group"),
        (group(v1::GroupChange { remove: vec![256; 501], ..create() }), Code::TooLarge, "group_change"),
        (v1::Send { to: Some(v1::send::To::Handle("?".into())), ..text_to(0, "hi") }, Code::Invalid, "handle"),
    ];
    for (send, code, field) in sends {
        client.ask(1, Request::Send(send.clone()));
        assert_eq!(client.refusal(&mut bench, 1), (number(code), field.to_owned()), "{send:?}");
    }
    client.ask(2, Request::Sync(v1::Sync { since: 1 << 53, limit: 0 }));
    assert_eq!(client.refusal(&mut bench, 2), (number(Code::Invalid), "since".into()));
    client.ask(3, Request::History(v1::History::default()));
    assert_eq!(client.refusal(&mut bench, 3).0, number(Code::UnknownRequest));
    client.raw_frame(&[0x08, 0x04, 0x5a, 0x00]);
    assert_eq!(client.refusal(&mut bench, 4).0, number(Code::UnknownRequest), "a request of a newer client");
    assert!(bench.heard.is_empty());
}

/// Fields 5 to 7 of a send are unknown; in an entry they are ordinal, time and position.
#[test]
fn a_client_cannot_forge_what_the_server_says() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    let mut send = text_to(512, "hi").encode_to_vec();
    send.extend_from_slice(&[0x28, 0x63, 0x30, 0x63, 0x38, 0x63, 0xa0, 0x06, 0x01]);
    let mut frame = vec![0x08, 0x01, 0x1a, send.len() as u8];
    frame.extend_from_slice(&send);
    client.raw_frame(&frame);
    let heard = bench.command();
    assert_eq!(heard.body, b"\x42\x02hi");
    assert!(matches!(heard.command, Command::Send { to: To::User(user), .. } if user.0 == 512));
}

#[test]
fn whoever_sends_too_fast_is_told_when_to_come_again() {
    let mut setup = Setup::default();
    (setup.config.limits.rate, setup.config.limits.burst) = (1, 3);
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    for id in 1..=4 {
        client.send_text(id, 512, "hi");
    }
    let frame = client.frame(&mut bench);
    assert_eq!(frame.id, 4);
    let Some(Body::Refusal(refusal)) = frame.body else { panic!("{:?}", frame.body) };
    assert_eq!(refusal.code, number(Code::RateLimited));
    assert!((1..=1_000).contains(&refusal.retry_ms), "{}", refusal.retry_ms);
    assert_eq!(bench.heard.len(), 3);
}

#[test]
fn an_acknowledgement_from_the_future_is_counted_and_ignored() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 5, 5);
    client.bytes(&[2, 0x10, 6]);
    client.send_text(2, 512, "hi");
    assert_eq!(bench.command().ack, 0);
    assert_eq!(bench.counted(Counter::FutureAcks), 1);
    client.bytes(&[2, 0x10, 5]);
    client.send_text(3, 512, "hi");
    assert_eq!(bench.command().ack, 5);
}

#[test]
fn too_many_connections_are_turned_away() {
    let mut bench = Bench::new(Setup { per_address: 2, ..Setup::default() });
    let first = bench.signed_in(256, 0, 0);
    let _second = bench.signed_in(256, 0, 0);
    let mut third = Client::connect(&mut bench);
    third.end(&mut bench);
    assert_eq!(bench.counted(Counter::TurnedAway), 1);
    drop(first);
    bench.closed();
    bench.signed_in(512, 0, 0);
}
