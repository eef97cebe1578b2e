//! The admin door: import and figures, for the owner of the data folder only.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use prost::Message;
use ringdove_core::ids::{DeviceId, Position, UserId};
use ringdove_core::rings::{AnswerBody, Command};
use ringdove_core::wire::admin::{self, admin_answer::Body, admin_frame::Request};
use ringdove_core::wire::frame::{Split, split};
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
    let made = vec![Ok((UserId(256), DeviceId(1))), Err(Refusal::of(Code::Exists))];
    bench.answer(&heard, AnswerBody::Imported(Box::new(made)));
    let answer = operator.answer(&mut bench);
    let Some(Body::Imported(imported)) = answer.body else { panic!("{answer:?}") };
    assert_eq!((answer.id, imported.made.len()), (4, 2));
    let ann = &imported.made[0];
    assert_eq!((ann.user, ann.device, ann.code), (256, 1, 0));
    assert_eq!(import[0].token, <[u8; 32]>::from(Sha256::digest(ann.token.as_bytes())));
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
        bench.settle();
        assert!(bench.heard.is_empty(), "one at a time");
        bench.answer(&heard, AnswerBody::Imported(Box::new(vec![Ok((UserId(256), DeviceId(1)))])));
        let answer = operator.answer(&mut bench);
        let Some(Body::Imported(imported)) = answer.body else { panic!("{answer:?}") };
        assert_eq!(answer.id, id);
        assert_eq!(import[0].token, <[u8; 32]>::from(Sha256::digest(imported.made[0].token.as_bytes())));
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
    bench.answer(&heard, AnswerBody::Imported(Box::new(vec![Ok((UserId(256), DeviceId(1)))])));
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
    for (request, code, field) in
        [(accounts(&["ann", "?"]), Code::Invalid, "handle"), (accounts(&vec!["ann"; 257]), Code::TooLarge, "accounts")]
    {
        operator.ask(1, request);
        let answer = operator.answer(&mut bench);
        let Some(Body::Refusal(refusal)) = answer.body else { panic!("{answer:?}") };
        assert_eq!((refusal.code, refusal.field.as_str()), (u32::from(code.number()), field));
    }
    assert!(bench.heard.is_empty());
}
