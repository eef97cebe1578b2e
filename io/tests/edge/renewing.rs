//! A new password: the old one is checked, and everything else goes on.

use ringdove_core::ids::UserId;
use ringdove_core::rings::{AnswerBody, Challenge, Command};
use ringdove_core::wire::v1::{self, client_frame::Request};
use ringdove_core::wire::{Code, Refusal};
use ringdove_io::AttemptLimits;

use crate::bench::{Bench, Client, Setup};

fn new_password(old: &str, secret: &str) -> Request {
    Request::NewPassword(v1::NewPassword { old: old.into(), secret: secret.into() })
}

fn code(code: Code) -> u32 {
    u32::from(code.number())
}

/// What the engine knows of a user with this password; hashed by the bench's own workers.
fn challenge(bench: &mut Bench, password: &str) -> AnswerBody {
    let mut client = Client::connect(bench);
    let register = v1::Password { handle: "bob".into(), secret: password.into(), ..v1::Password::default() };
    let auth = Some(v1::hello::Auth::Register(register));
    client.ask(1, Request::Hello(v1::Hello { auth, ..v1::Hello::default() }));
    let heard = bench.command();
    let Command::Register(register) = heard.command else { panic!("{heard:?}") };
    of(&register.secret)
}

fn of(secret: &str) -> AnswerBody {
    let challenge = Challenge { user: UserId(256), handle: "bob".into(), credential: 4, secret: secret.into() };
    AnswerBody::Challenge(Box::new(challenge))
}

#[test]
fn the_old_password_opens_the_way_to_a_new_one() {
    let mut bench = Bench::new(Setup::default());
    let challenge = challenge(&mut bench, "correct horse");
    let mut client = bench.signed_in(256, 0, 0);
    client.ask(5, new_password("correct horse", "battery staple"));
    let asked = bench.command();
    assert_eq!((&asked.command, asked.request), (&Command::Credential, 5));
    bench.answer(&asked, challenge);
    let heard = bench.command();
    let Command::ChangeSecret(new) = &heard.command else { panic!("{heard:?}") };
    assert_eq!((new.credential, heard.request), (4, 5));
    assert!(new.secret.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    bench.answer(&heard, AnswerBody::Done);
    let done = client.frame(&mut bench);
    assert_eq!((done.id, done.body), (5, None));
}

#[test]
fn a_wrong_old_password_changes_nothing() {
    let mut bench = Bench::new(Setup::default());
    let challenge = challenge(&mut bench, "correct horse");
    let mut client = bench.signed_in(256, 0, 0);
    for (old, challenge) in [("wrong horse", challenge.clone()), ("", challenge), ("guess", of(""))] {
        client.ask(6, new_password(old, "battery staple"));
        let heard = bench.command();
        bench.answer(&heard, challenge);
        assert_eq!(client.refusal(&mut bench, 6), (code(Code::Unauthenticated), "old".into()));
    }
    assert!(bench.heard.is_empty());
    // who has none says so
    client.ask(7, new_password("", "battery staple"));
    let heard = bench.command();
    bench.answer(&heard, of(""));
    let heard = bench.command();
    assert!(matches!(&heard.command, Command::ChangeSecret(_)), "{heard:?}");
    bench.refuse(&heard, Refusal::of(Code::Unauthenticated).field("old"));
    assert_eq!(client.refusal(&mut bench, 7), (code(Code::Unauthenticated), "old".into()), "it was changed meanwhile");
}

#[test]
fn what_is_wrong_with_a_new_password_is_named() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    for (old, secret, field) in [
        ("correct horse", "short", "secret"),
        ("correct horse", &*"x".repeat(1025), "secret"),
        (&*"x".repeat(1025), "battery staple", "old"),
    ] {
        client.ask(3, new_password(old, secret));
        assert_eq!(client.refusal(&mut bench, 3), (code(Code::Invalid), field.into()));
    }
    client.ask(0, new_password("correct horse", "battery staple"));
    bench.settle();
    assert!(bench.heard.is_empty() && client.frame_now().is_none(), "whoever wants no answer changes no password");
    let mut stranger = Client::connect(&mut bench);
    stranger.ask(2, new_password("correct horse", "battery staple"));
    assert_eq!(stranger.refusal(&mut bench, 2).0, code(Code::OutOfOrder));
}

#[test]
fn other_requests_go_on_and_a_second_one_does_not() {
    let mut bench = Bench::new(Setup::default());
    let challenge = challenge(&mut bench, "correct horse");
    let mut client = bench.signed_in(256, 0, 0);
    client.ask(5, new_password("correct horse", "battery staple"));
    client.ask(6, new_password("correct horse", "staple battery"));
    client.send_text(7, 512, "meanwhile");
    assert_eq!(client.refusal(&mut bench, 6).0, code(Code::Busy));
    let asked = bench.command();
    let sent = bench.command();
    assert_eq!((asked.request, sent.request), (5, 7));
    bench.answer(&sent, AnswerBody::Done);
    assert_eq!(client.frame(&mut bench).id, 7);
    bench.answer(&asked, challenge.clone());
    let heard = bench.command();
    bench.answer(&heard, AnswerBody::Done);
    assert_eq!(client.frame(&mut bench).id, 5);
    client.ask(8, new_password("correct horse", "staple battery"));
    assert_eq!(bench.command().command, Command::Credential, "the next one has its turn");
}

#[test]
fn guessing_the_old_password_counts_as_a_failed_sign_in() {
    let attempts = AttemptLimits { per_account: 2, ..AttemptLimits::default() };
    let mut bench = Bench::new(Setup { attempts, ..Setup::default() });
    let challenge = challenge(&mut bench, "correct horse");
    let mut client = bench.signed_in(256, 0, 0);
    for expected in [Code::Unauthenticated, Code::Unauthenticated, Code::TooMany, Code::TooMany] {
        client.ask(6, new_password("wrong horse", "battery staple"));
        let heard = bench.command();
        bench.answer(&heard, challenge.clone());
        assert_eq!(client.refusal(&mut bench, 6).0, code(expected));
    }
    client.ping();
    assert_eq!(client.frame(&mut bench), v1::ServerFrame::default(), "the session goes on");
}

/// The worker's result comes when the connection is gone, and its place is taken by somebody who changes a password, too.
#[test]
fn a_late_result_changes_nothing() {
    let mut bench = Bench::new(Setup::default());
    let challenge = challenge(&mut bench, "correct horse");
    let mut client = bench.signed_in(256, 0, 0);
    client.ping();
    client.ask(5, new_password("wrong horse", "battery staple"));
    let asked = bench.command();
    // it takes the one worker long enough for all that follows
    bench.answer(&asked, of("$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"));
    bench.settle();
    drop(client);
    assert_eq!(bench.closed().connection, asked.connection);
    let mut other = bench.signed_in(512, 0, 0);
    assert_eq!(other.id.key, asked.connection.key, "the place is taken again");
    other.ask(6, new_password("correct horse", "battery staple"));
    let heard = bench.command();
    bench.answer(&heard, challenge);
    let heard = bench.command();
    assert!(matches!(heard.command, Command::ChangeSecret(_)) && heard.request == 6, "{heard:?}");
    assert!(other.frame_now().is_none());
}
