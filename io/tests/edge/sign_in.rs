//! Hello in all its forms, up to Welcome.

use ringdove_core::ids::{DeviceId, Epoch, UserId, Version};
use ringdove_core::rings::{AnswerBody, Challenge, Command, Welcome};
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};
use ringdove_core::wire::{Code, Refusal};
use sha2::{Digest, Sha256};

use crate::bench::{Bench, Client, Heard, Setup, request_frame, text_to, token_hello, welcome};

fn password(handle: &str, secret: &str) -> v1::Password {
    v1::Password { handle: handle.into(), secret: secret.into(), ..v1::Password::default() }
}

fn hello(auth: Auth) -> Request {
    Request::Hello(v1::Hello { auth: Some(auth), ..v1::Hello::default() })
}

fn welcome_of(frame: v1::ServerFrame) -> v1::Welcome {
    match frame.body {
        Some(Body::Welcome(welcome)) => welcome,
        body => panic!("no welcome: {body:?}"),
    }
}

fn code(code: Code) -> u32 {
    u32::from(code.number())
}

/// Registers `secret` and returns what the engine is told.
fn registered(bench: &mut Bench, client: &mut Client, secret: &str) -> (Heard, ringdove_core::rings::Register) {
    client.ask(1, hello(Auth::Register(password("Bob", secret))));
    let heard = bench.command();
    let Command::Register(register) = heard.command.clone() else { panic!("{heard:?}") };
    (heard, *register)
}

#[test]
fn a_token_resumes_and_welcome_tells_the_limits() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    let mut said = token_hello("rdt_abc");
    (said.epoch, said.since, said.idle_ms) = (3, 41, 1_000);
    client.ask(7, Request::Hello(said));
    let heard = bench.command();
    let Command::Resume { token, cursor } = heard.command else { panic!("{heard:?}") };
    assert_eq!(token, <[u8; 32]>::from(Sha256::digest(b"rdt_abc")));
    assert_eq!(cursor, Some((Epoch(3), Version(41))));
    bench.answer(&heard, AnswerBody::Welcome(welcome(256, 41, 41)));
    let frame = client.frame(&mut bench);
    assert_eq!(frame.id, 7);
    let welcome = welcome_of(frame);
    assert_eq!((welcome.user, welcome.version, welcome.idle_ms), (256, 41, 15_000));
    assert_eq!(welcome.limits.map(|limits| (limits.frame, limits.unanswered)), Some((65_536, 1_000)));
    assert!(welcome.server.starts_with("ringdove/") && welcome.token.is_empty() && welcome.time > 0);
}

#[test]
fn an_epoch_makes_a_cursor_and_without_one_there_is_none() {
    let mut bench = Bench::new(Setup::default());
    for (epoch, since, expected) in [(0, 9, None), (2, 0, Some((Epoch(2), Version(0))))] {
        let mut client = Client::connect(&mut bench);
        client.ask(1, Request::Hello(v1::Hello { epoch, since, ..token_hello("t") }));
        let heard = bench.command();
        assert!(matches!(heard.command, Command::Resume { cursor, .. } if cursor == expected), "{heard:?}");
    }
}

#[test]
fn a_new_account_gets_a_token_whose_hash_the_engine_got() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    let (heard, register) = registered(&mut bench, &mut client, "correct horse");
    assert_eq!(register.handle, "Bob");
    assert!(register.secret.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    bench.answer(&heard, AnswerBody::Welcome(Box::new(Welcome { new_token: true, ..*welcome(256, 0, 0) })));
    let token = welcome_of(client.frame(&mut bench)).token;
    assert_eq!(register.sign_in.token, <[u8; 32]>::from(Sha256::digest(token.as_bytes())));
}

#[test]
fn the_right_password_signs_in_and_a_wrong_one_is_told_like_an_unknown_handle() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    let (_, register) = registered(&mut bench, &mut client, "correct horse");
    let challenge = Challenge { user: UserId(512), handle: "bob".into(), credential: 4, secret: register.secret };
    let unknown = Challenge::default();
    for (secret, challenge, right) in
        [("wrong horse", &challenge, false), ("correct horse", &unknown, false), ("correct horse", &challenge, true)]
    {
        let mut client = Client::connect(&mut bench);
        client.ask(5, hello(Auth::Password(password("bob", secret))));
        let heard = bench.command();
        assert_eq!((&heard.command, &heard.body[..]), (&Command::LookUp, &b"bob"[..]));
        bench.answer(&heard, AnswerBody::Challenge(Box::new(challenge.clone())));
        if !right {
            assert_eq!(client.refusal(&mut bench, 5), (code(Code::Unauthenticated), String::new()));
            continue;
        }
        let heard = bench.command();
        let Command::SignIn(sign_in) = &heard.command else { panic!("{heard:?}") };
        assert_eq!((sign_in.user, sign_in.credential, sign_in.device), (UserId(512), 4, DeviceId(0)));
        bench.answer(&heard, AnswerBody::Welcome(welcome(512, 0, 0)));
        assert_eq!(welcome_of(client.frame(&mut bench)).user, 512);
    }
}

#[test]
fn requests_behind_a_hello_wait_for_it() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.hello();
    client.send_text(2, 512, "early");
    client.ping();
    let heard = bench.command();
    bench.settle();
    assert!(bench.heard.is_empty(), "nothing behind the hello is decoded");
    assert!(client.frame_now().is_none());
    bench.answer(&heard, AnswerBody::Welcome(welcome(256, 0, 0)));
    welcome_of(client.frame(&mut bench));
    assert_eq!(bench.command().request, 2);
    assert_eq!(client.frame(&mut bench), v1::ServerFrame::default());
}

#[test]
fn requests_behind_a_refused_hello_are_refused() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.hello();
    client.send_text(2, 512, "early");
    client.ask(3, Request::Sync(v1::Sync::default()));
    let heard = bench.command();
    bench.refuse(&heard, Refusal::of(Code::SignedOut));
    assert_eq!(client.refusal(&mut bench, 1).0, code(Code::SignedOut));
    assert_eq!(client.refusal(&mut bench, 2).0, code(Code::OutOfOrder));
    assert_eq!(client.refusal(&mut bench, 3).0, code(Code::OutOfOrder));
    client.hello();
    bench.welcome(&mut client, 256, 0, 0);
}

#[test]
fn after_the_fifth_failure_there_is_no_sixth_attempt() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    for _ in 0..5 {
        client.hello();
        let heard = bench.command();
        bench.refuse(&heard, Refusal::of(Code::SignedOut));
        assert_eq!(client.refusal(&mut bench, 1).0, code(Code::SignedOut));
    }
    let frame = client.frame(&mut bench);
    let Some(Body::Bye(bye)) = frame.body else { panic!("{frame:?}") };
    assert_eq!(bye.code, code(Code::TooMany));
    assert!(bye.retry_ms > 0);
    client.end(&mut bench);
}

#[test]
fn a_second_hello_is_out_of_order() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.ask(9, Request::Hello(token_hello("again")));
    assert_eq!(client.refusal(&mut bench, 9).0, code(Code::OutOfOrder));
}

#[test]
fn what_is_wrong_with_a_hello_is_named() {
    let mut bench = Bench::new(Setup::default());
    let long_name = v1::Hello { device_name: "x".repeat(65), ..token_hello("t") };
    let far = v1::Hello { since: 1 << 53, epoch: 1, ..token_hello("t") };
    for (request, field) in [
        (hello(Auth::Register(password("9bob", "correct horse"))), "handle"),
        (hello(Auth::Register(password("bob", "short"))), "secret"),
        (hello(Auth::Password(password("b", "correct horse"))), "handle"),
        (hello(Auth::Password(password("bob", &"x".repeat(1025)))), "secret"),
        (Request::Hello(v1::Hello::default()), "auth"),
        (Request::Hello(long_name), "device_name"),
        (Request::Hello(far), "since"),
    ] {
        let mut client = Client::connect(&mut bench);
        client.ask(1, request);
        assert_eq!(client.refusal(&mut bench, 1), (code(Code::Invalid), field.to_owned()));
    }
    let mut client = Client::connect(&mut bench);
    client.ask(1, hello(Auth::Jwt("x".into())));
    assert_eq!(client.refusal(&mut bench, 1), (code(Code::Unsupported), "jwt".into()));
    assert!(bench.heard.is_empty());
}

/// The result of a check for a socket that is gone goes nowhere, also when its place is taken again.
#[test]
fn a_late_password_result_signs_nobody_in() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.ping();
    client.ask(1, hello(Auth::Password(password("bob", "correct horse"))));
    let heard = bench.command();
    // a close with the pong unread is a reset: unlike a half-closed socket, nobody waits for the answer
    bench.settle();
    drop(client);
    assert_eq!(bench.closed().connection, heard.connection);
    let mut other = Client::connect(&mut bench);
    other.hello();
    let hello = bench.command();
    assert_eq!(hello.connection.key, heard.connection.key, "the place is taken again");
    assert_ne!(hello.connection.generation, heard.connection.generation);
    bench.answer(&heard, AnswerBody::Challenge(Box::default()));
    bench.answer(&hello, AnswerBody::Welcome(welcome(256, 0, 0)));
    welcome_of(other.frame(&mut bench));
    bench.settle();
    assert!(bench.heard.is_empty() && other.frame_now().is_none());
}

/// A full queue of passwords is told at once, and a busy server is no failed attempt.
#[test]
fn a_full_password_queue_says_come_again() {
    let mut bench = Bench::new(Setup { passwords: 1, ..Setup::default() });
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect(&mut bench)).collect();
    for client in &mut clients {
        client.ask(1, hello(Auth::Register(password("bob", "correct horse"))));
    }
    let mut busy = 0;
    bench.until("40 outcomes", |bench| {
        for client in &mut clients {
            if let Some(frame) = client.frame_now() {
                let Some(Body::Refusal(refusal)) = frame.body else { panic!("{frame:?}") };
                assert_eq!(refusal.code, code(Code::Busy));
                assert!(refusal.retry_ms > 0);
                busy += 1;
            }
        }
        (busy + bench.heard.len() == 40).then_some(())
    });
    assert!(!bench.heard.is_empty(), "some got through");
}

#[test]
fn the_hello_of_a_person_with_netcat_is_answered_in_json() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::silent(&mut bench);
    client.bytes(b"{\"hello\":{\"token\":\"t\"}}\n");
    let heard = bench.command();
    bench.answer(&heard, AnswerBody::Welcome(welcome(256, 0, 3)));
    let line = client.line(&mut bench);
    assert!(line.starts_with("{\"welcome\":{\"user\":\"256\""), "{line}");
    client.bytes(b"{}\n{\"id\":2,\"send\":{\"user\":\"512\",\"text\":\"hi\"}}\r\n");
    assert_eq!(client.line(&mut bench), "{}");
    let heard = bench.command();
    assert_eq!((heard.request, &heard.body[..]), (2, &b"\x42\x02hi"[..]));
}

/// "Only hello before Welcome" holds for hot frames too, and they do not reach the engine.
#[test]
fn nothing_but_hello_comes_before_welcome() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.raw_frame(&request_frame(4, Request::Send(text_to(512, "hi"))));
    assert_eq!(client.refusal(&mut bench, 4).0, code(Code::OutOfOrder));
    client.raw_frame(&request_frame(5, Request::Mode(0)));
    assert_eq!(client.refusal(&mut bench, 5).0, code(Code::OutOfOrder));
    assert!(bench.heard.is_empty());
}
