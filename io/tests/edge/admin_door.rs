//! The admin door: import and figures, for the owner of the data folder only.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use prost::Message;
use ringdove_core::ids::{DeviceId, Position, UserId};
use ringdove_core::rings::{AnswerBody, Challenge, Command, Parcel};
use ringdove_core::wire::admin::{self, admin_answer::Body, admin_frame::Request};
use ringdove_core::wire::frame::{Split, split};
use ringdove_core::wire::v1::{self, client_frame::Request as ClientRequest};
use ringdove_core::wire::{Code, Refusal};
use ringdove_io::Doors;
use sha2::{Digest, Sha256};

use crate::bench::{Bench, Setup, framed};

struct Operator {
    socket: UnixStream,
    received: Vec<u8>,
}

impl Operator {
    fn connect(bench: &Bench) -> Self {
        let socket = UnixStream::connect(&bench.admin).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, received: Vec::new() }
    }

    fn ask(&mut self, id: u32, request: Request) {
        let frame = admin::AdminFrame { id, request: Some(request) }.encode_to_vec();
        self.socket.write_all(&framed(&frame)).unwrap();
    }

    fn answer(&mut self, bench: &mut Bench) -> admin::AdminAnswer {
        bench.until("an answer", |_| {
            let mut chunk = [0; 65_536];
            match self.socket.read(&mut chunk) {
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            let Split::Frame { frame, used } = split(&self.received, usize::MAX) else { return None };
            let answer = admin::AdminAnswer::decode(frame).unwrap();
            self.received.drain(..used);
            Some(answer)
        })
    }
}

fn accounts(handles: &[&str]) -> Request {
    let account = |handle: &&str| admin::Account { handle: (*handle).into(), ..admin::Account::default() };
    Request::Import(admin::Import { accounts: handles.iter().map(account).collect() })
}

/// A password of another system.
const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$hOlUvICJmMFEqIgjWKfYa0SFCHtXQGGfXJQQwkHhDKg";

fn add(secret: &str) -> Request {
    Request::Add(admin::Add { handle: "ann".into(), secret: secret.into(), ..admin::Add::default() })
}

fn password(secret: &str) -> Request {
    let who = admin::Who { handle: "ann".into(), user: 0 };
    Request::Change(admin::Change { who: Some(who), what: Some(admin::change::What::Password(secret.into())) })
}

#[test]
fn the_door_is_for_its_owner_only() {
    let bench = Bench::new(Setup::default());
    let mode = std::fs::metadata(&bench.admin).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_socket_file_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let any = "127.0.0.1:0".parse().unwrap();
    let door = Doors::open(any, Some(&path)).unwrap();
    let Err(error) = Doors::open(any, Some(&path)) else { panic!("two doors in one place") };
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(door);
    assert!(!path.exists());
}

#[test]
fn imported_accounts_get_tokens_whose_hashes_the_engine_got() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    operator.ask(4, accounts(&["ann", "bob"]));
    let heard = bench.command();
    let Command::Import(import) = &heard.command else { panic!("{heard:?}") };
    let import = import.take().expect("accounts");
    let made = vec![Ok((UserId(256), DeviceId(1))), Err(Refusal::of(Code::Exists))];
    bench.answer(&heard, AnswerBody::Imported(Parcel::of(made)));
    let answer = operator.answer(&mut bench);
    let Some(Body::Imported(imported)) = answer.body else { panic!("{answer:?}") };
    assert_eq!((answer.id, imported.made.len()), (4, 2));
    let ann = &imported.made[0];
    assert_eq!((ann.user, ann.device, ann.code), (256, 1, 0));
    assert_eq!(import[0].token, Some(Sha256::digest(ann.token.as_bytes()).into()));
    let bob = &imported.made[1];
    assert_eq!((bob.user, bob.token.as_str(), bob.code), (0, "", 4206));
}

/// An operator writes many requests at once; the answers must not take each other's tokens.
#[test]
fn imports_behind_each_other_keep_their_tokens() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    for id in 1..=3 {
        operator.ask(id, accounts(&["ann"]));
    }
    for id in 1..=3 {
        let heard = bench.command();
        let Command::Import(import) = &heard.command else { panic!("{heard:?}") };
        let import = import.take().expect("accounts");
        bench.settle();
        assert!(bench.heard.is_empty(), "one at a time");
        bench.answer(&heard, AnswerBody::Imported(Parcel::of(vec![Ok((UserId(256), DeviceId(1)))])));
        let answer = operator.answer(&mut bench);
        let Some(Body::Imported(imported)) = answer.body else { panic!("{answer:?}") };
        assert_eq!(answer.id, id);
        assert_eq!(import[0].token, Some(Sha256::digest(imported.made[0].token.as_bytes()).into()));
    }
}

#[test]
fn figures_come_from_everywhere() {
    let mut bench = Bench::new(Setup::default());
    let _client = bench.signed_in(256, 0, 0);
    bench.progress.release(Position(5_000));
    let mut operator = Operator::connect(&bench);
    operator.ask(1, Request::Stats(admin::Stats {}));
    let heard = bench.command();
    assert_eq!(heard.command, Command::Figures);
    bench.answer(&heard, AnswerBody::Figures { accounts: 3, groups: 2, sessions: 1, online: 1, at: Position(4_000) });
    let answer = operator.answer(&mut bench);
    let Some(Body::Figures(figures)) = answer.body else { panic!("{answer:?}") };
    assert_eq!((figures.accounts, figures.groups, figures.sessions, figures.connections), (3, 2, 1, 1));
    assert_eq!((figures.released, figures.synced, figures.epoch, figures.at), (5_000, 64, 1, 4_000));
}

/// Whoever imports sends it in smaller portions then.
#[test]
fn a_frame_over_the_limit_is_refused_in_its_turn_and_the_connection_goes_on() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    operator.ask(1, accounts(&["ann"]));
    let heard = bench.command();
    operator.ask(2, accounts(&["a-handle-of-forty-letters-or-so-it-seemed"; 4096]));
    operator.ask(3, Request::Stats(admin::Stats {}));
    bench.settle();
    bench.answer(&heard, AnswerBody::Imported(Parcel::of(vec![Ok((UserId(256), DeviceId(1)))])));
    let first = operator.answer(&mut bench);
    assert!(matches!((first.id, first.body), (1, Some(Body::Imported(_)))));
    let second = operator.answer(&mut bench);
    let Some(Body::Refusal(refusal)) = second.body else { panic!("{second:?}") };
    assert_eq!((second.id, refusal.code, &*refusal.field), (2, u32::from(Code::TooLarge.number()), "frame"));
    assert_eq!(bench.command().command, Command::Figures);
}

#[test]
fn what_is_wrong_with_an_import_is_named() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    let account = |name: &str, secret: &str| {
        let account =
            admin::Account { handle: "ann".into(), name: name.into(), secret: secret.into(), no_device: false };
        Request::Import(admin::Import { accounts: vec![account] })
    };
    for (request, code, field) in [
        (accounts(&["ann", "?"]), Code::Invalid, "handle"),
        (accounts(&vec!["ann"; 257]), Code::TooLarge, "accounts"),
        (account("ann\u{202e}", ""), Code::Invalid, "name"),
        (account("", "correct horse"), Code::Invalid, "secret"),
        (account("", &HASH.replace("m=64", "m=4000000")), Code::Invalid, "secret"),
        (account("", &HASH.replace("argon2id", "argon2i")), Code::Invalid, "secret"),
        (add("short"), Code::Invalid, "secret"),
        (add(&"x".repeat(1025)), Code::Invalid, "secret"),
        (password("short"), Code::Invalid, "secret"),
    ] {
        operator.ask(1, request);
        let answer = operator.answer(&mut bench);
        let Some(Body::Refusal(refusal)) = answer.body else { panic!("{answer:?}") };
        assert_eq!((refusal.code, refusal.field.as_str()), (u32::from(code.number()), field));
    }
    assert!(bench.heard.is_empty());
}

/// What an operator types is hashed before the engine, and so the journal, sees it.
#[test]
fn passwords_of_operators_are_hashed_before_the_engine_sees_them() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    for (id, request) in [(1, add("correct horse")), (2, password("battery staple"))] {
        operator.ask(id, request.clone());
        // whatever is behind it waits for its answer
        operator.ask(9, Request::Stats(admin::Stats {}));
        let heard = bench.command();
        let Command::Operate(hashed) = &heard.command else { panic!("{heard:?}") };
        let (secret, rest) = match (hashed.as_ref().clone(), request) {
            (Request::Add(mut hashed), Request::Add(typed)) => {
                let secret = std::mem::replace(&mut hashed.secret, typed.secret.clone());
                (secret, hashed == typed)
            }
            (Request::Change(hashed), Request::Change(typed)) => {
                let Some(admin::change::What::Password(secret)) = hashed.what else { panic!("{heard:?}") };
                (secret, hashed.who == typed.who)
            }
            other => panic!("{other:?}"),
        };
        assert!(secret.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && rest, "{heard:?}");
        bench.settle();
        assert!(bench.heard.is_empty(), "one at a time");
        bench.answer(&heard, AnswerBody::Operated(Parcel::of(Body::User(admin::User::default()))));
        assert!(
            matches!(operator.answer(&mut bench), admin::AdminAnswer { id: answered, body: Some(Body::User(_)) } if answered == id)
        );
        let stats = bench.command();
        assert_eq!(stats.command, Command::Figures);
        bench.answer(&stats, AnswerBody::Figures { accounts: 0, groups: 0, sessions: 0, online: 0, at: Position(64) });
        operator.answer(&mut bench);
    }
    // none is none: there is nothing to hash
    for (id, request) in [(3, add("")), (4, password(""))] {
        operator.ask(id, request.clone());
        let heard = bench.command();
        assert_eq!(heard.command, Command::Operate(Box::new(request)));
        bench.refuse(&heard, Refusal::of(Code::Exists).field("handle"));
        assert!(matches!(operator.answer(&mut bench).body, Some(Body::Refusal(refused)) if refused.code == 4206));
    }
}

/// An operator hangs up while a password is hashed, and the next one takes the place: each password stays with its own request.
#[test]
fn a_hash_for_an_operator_who_is_gone_goes_nowhere() {
    let mut bench = Bench::new(Setup::default());
    // something that takes the one worker long enough for all that follows
    let mut client = bench.signed_in(256, 0, 0);
    client.ask(5, ClientRequest::NewPassword(v1::NewPassword { old: "x".into(), secret: "correct horse".into() }));
    let heard = bench.command();
    let slow = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
    bench.answer(&heard, AnswerBody::Challenge(Box::new(Challenge { secret: slow.into(), ..Challenge::default() })));
    let mut operator = Operator::connect(&bench);
    operator.ask(1, add("correct horse"));
    // with something behind it nobody waits for the answers of a socket that is closed
    operator.ask(2, Request::Stats(admin::Stats {}));
    bench.settle();
    drop(operator);
    bench.settle();
    let mut next = Operator::connect(&bench);
    next.ask(2, add("battery staple"));
    let heard = bench.command();
    let Command::Operate(hashed) = &heard.command else { panic!("{heard:?}") };
    let Request::Add(add) = hashed.as_ref() else { panic!("{heard:?}") };
    let hash = PasswordHash::new(&add.secret).unwrap();
    assert!(Argon2::default().verify_password(b"battery staple", &hash).is_ok(), "not the other one's");
    bench.answer(&heard, AnswerBody::Operated(Parcel::of(Body::User(admin::User::default()))));
    assert_eq!(next.answer(&mut bench).id, 2);
    bench.settle();
    assert!(bench.heard.is_empty());
}

#[test]
fn an_import_brings_passwords_along_and_needs_no_device() {
    let mut bench = Bench::new(Setup::default());
    let mut operator = Operator::connect(&bench);
    let account = |handle: &str, secret: &str, no_device| admin::Account {
        handle: handle.into(),
        secret: secret.into(),
        no_device,
        ..admin::Account::default()
    };
    let accounts = vec![account("ann", HASH, true), account("bob", "", false)];
    operator.ask(1, Request::Import(admin::Import { accounts }));
    let heard = bench.command();
    let Command::Import(import) = &heard.command else { panic!("{heard:?}") };
    let import = import.take().expect("accounts");
    assert_eq!((import[0].secret.as_str(), import[0].token), (HASH, None));
    assert_eq!((import[1].secret.as_str(), import[1].token.is_some()), ("", true));
    let made = vec![Ok((UserId(256), DeviceId(0))), Ok((UserId(512), DeviceId(1)))];
    bench.answer(&heard, AnswerBody::Imported(Parcel::of(made)));
    let Some(Body::Imported(imported)) = operator.answer(&mut bench).body else { panic!("no import") };
    assert_eq!((imported.made[0].device, imported.made[0].token.as_str()), (0, ""));
    assert!(imported.made[1].device == 1 && imported.made[1].token.starts_with("rdt_"));
}
