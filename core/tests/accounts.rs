//! Accounts: who may sign in and how, new passwords, and what an import brings along.

mod bench;

use bench::Bench;
use ringdove_core::engine::Limits;
use ringdove_core::ids::{DeviceId, UserId};
use ringdove_core::rings::{
    Answer, AnswerBody, Challenge, Command, Imported, NewSecret, Parcel, SignIn, Vouched, Welcome,
};
use ringdove_core::wire::log::{Reason, Record, event::Event};
use ringdove_core::wire::{Code, admin, admin::change::What};

fn refusal(body: AnswerBody) -> (Code, &'static str) {
    match body {
        AnswerBody::Refused(refusal) => (refusal.code, refusal.field),
        other => panic!("no refusal: {other:?}"),
    }
}

fn welcome(body: AnswerBody) -> Welcome {
    match body {
        AnswerBody::Welcome(welcome) => *welcome,
        other => panic!("no welcome: {other:?}"),
    }
}

fn challenge(bench: &mut Bench, connection: u32, command: Command, handle: &str) -> Challenge {
    match bench.ask(connection, command, handle.as_bytes()) {
        AnswerBody::Challenge(challenge) => *challenge,
        other => panic!("no challenge: {other:?}"),
    }
}

/// A product vouches for a handle, whose device gets this token.
fn vouched(handle: &str, create: bool, device: u32, token: u8) -> Command {
    let sign_in =
        SignIn { device: DeviceId(device), token: [token; 32], device_name: "phone".into(), ..SignIn::default() };
    Command::Vouched(Box::new(Vouched { handle: handle.into(), name: "Bob".into(), create, sign_in }))
}

fn new_secret(credential: u32, secret: &str) -> Command {
    Command::ChangeSecret(Box::new(NewSecret { credential, secret: secret.into() }))
}

/// An operator's change to a user; news to others is left out.
fn operate(bench: &mut Bench, user: UserId, what: What) {
    let who = Some(admin::Who { user: user.0, handle: String::new() });
    let change = admin::admin_frame::Request::Change(admin::Change { who, what: Some(what) });
    assert!(matches!(bench.ask(50, Command::Operate(Box::new(change)), b""), AnswerBody::Operated(_)));
}

fn resume(bench: &mut Bench, connection: u32, token: u8) -> AnswerBody {
    bench.ask(connection, Command::Resume { token: [token; 32], cursor: None }, b"")
}

/// The events of the last record.
fn last_events(bench: &Bench) -> Vec<Event> {
    let (_, body) = bench.records.last().expect("a record");
    let record: Record = prost::Message::decode(&body[..]).expect("a record");
    record.events.into_iter().filter_map(|event| event.event).collect()
}

#[test]
fn an_account_is_made_on_first_sight_and_found_after_that() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    assert_eq!(refusal(bench.ask(1, vouched("Bob", false, 0, 1), b"")), (Code::Unauthenticated, ""));
    let first = welcome(bench.ask(1, vouched("Bob", true, 0, 1), b""));
    assert_eq!((first.user, first.device, &*first.handle, first.new_token), (UserId::nth(1), DeviceId(1), "Bob", true));
    let [Event::AccountRegistered(account), Event::DeviceAdded(device), Event::SessionOpened(opened)] =
        &last_events(&bench)[..]
    else {
        panic!("{:?}", last_events(&bench))
    };
    assert_eq!((&*account.handle, &*account.name, &*account.secret), ("Bob", "Bob", ""));
    assert_eq!((&*device.name, opened.reason()), ("phone", Reason::Login));
    // a second device, and the first one again with a new token
    let second = welcome(bench.ask(2, vouched("bob", true, 0, 2), b""));
    assert_eq!((second.user, second.device), (first.user, DeviceId(2)));
    let again = welcome(bench.ask(3, vouched("bob", false, 1, 3), b""));
    assert_eq!((again.user, again.device), (first.user, DeviceId(1)));
    assert_eq!(refusal(resume(&mut bench, 9, 1)).0, Code::SignedOut, "the token before is dead");
    assert_eq!(welcome(resume(&mut bench, 9, 3)).device, DeviceId(1));
    assert_eq!(bench.engine.state().accounts(), 1);
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn who_may_not_sign_in_may_not_with_a_jwt_either() {
    let mut bench = Bench::new(Limits { devices: 1, ..Limits::default() }, 512, 64);
    let bob = welcome(bench.ask(1, vouched("bob", true, 0, 1), b"")).user;
    assert_eq!(refusal(bench.ask(2, vouched("bob", true, 0, 2), b"")), (Code::Full, "device"));
    operate(&mut bench, bob, What::Disable(true));
    assert_eq!(refusal(bench.ask(2, vouched("bob", true, 1, 2), b"")).0, Code::Disabled);
    assert_eq!(refusal(resume(&mut bench, 2, 1)).0, Code::Disabled);
    operate(&mut bench, bob, What::Disable(false));
    assert_eq!(welcome(bench.ask(2, vouched("bob", true, 1, 2), b"")).user, bob);
    operate(&mut bench, bob, What::Delete(true));
    for (handle, create) in [("bob", true), ("BOB", true), ("bob", false), ("b\u{430}b", true), ("", true)] {
        assert_eq!(refusal(bench.ask(3, vouched(handle, create, 0, 3), b"")), (Code::Unauthenticated, ""), "{handle}");
    }
    assert_eq!(refusal(resume(&mut bench, 3, 2)).0, Code::SignedOut);
    assert_eq!(bench.engine.state().accounts(), 0);
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn a_new_password_signs_out_all_other_devices() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let bob = bench.register(1, "bob");
    let other = SignIn { user: bob, credential: 1, token: [9; 32], ..SignIn::default() };
    welcome(bench.ask(2, Command::SignIn(Box::new(other)), b""));
    let known = challenge(&mut bench, 1, Command::Credential, "");
    assert_eq!((known.user, &*known.handle, known.credential, &*known.secret), (bob, "bob", 1, "phc"));
    bench.put(1, 7, new_secret(known.credential, "new"), b"");
    let seen = bench.run().answers;
    let closed: Vec<_> = seen.iter().filter(|answer| matches!(answer.body, AnswerBody::Close(_))).collect();
    assert!(matches!(closed[..], [Answer { connection, .. }] if connection.key == 2), "{seen:?}");
    assert!(
        seen.iter().any(|answer| (answer.connection.key, answer.request) == (1, 7) && answer.body == AnswerBody::Done)
    );
    assert_eq!(refusal(resume(&mut bench, 3, 9)).0, Code::SignedOut);
    assert_eq!(&*challenge(&mut bench, 4, Command::LookUp, "bob").secret, "new");
    assert_eq!(welcome(resume(&mut bench, 5, 1)).user, bob, "whoever asked stays");
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

/// Between the look at the old password and the change something else changes it: an operator, or another device.
#[test]
fn a_password_that_was_changed_meanwhile_is_not_changed_again() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let bob = bench.register(1, "bob");
    let known = challenge(&mut bench, 1, Command::Credential, "");
    assert_eq!(bench.ask(1, new_secret(known.credential, "first"), b""), AnswerBody::Done);
    assert_eq!(refusal(bench.ask(1, new_secret(known.credential, "late"), b"")), (Code::Unauthenticated, "old"));
    // so it is with a sign-in whose password was right a moment ago
    let late = SignIn { user: bob, credential: known.credential, token: [9; 32], ..SignIn::default() };
    assert_eq!(refusal(bench.ask(2, Command::SignIn(Box::new(late)), b"")).0, Code::Unauthenticated);
    assert_eq!(&*challenge(&mut bench, 4, Command::LookUp, "bob").secret, "first");
    // whoever is not signed in (any more) changes nothing
    operate(&mut bench, bob, What::SignOut(0));
    bench.put(1, 8, new_secret(2, "ghost"), b"");
    assert!(bench.run().answers.is_empty());
    assert_eq!(&*challenge(&mut bench, 4, Command::LookUp, "bob").secret, "first");
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn an_imported_account_may_have_a_password_and_no_device() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let account = |handle: &str, secret: &str, token: Option<u8>| Imported {
        handle: handle.into(),
        secret: secret.into(),
        token: token.map(|token| [token; 32]),
        ..Imported::default()
    };
    let accounts = vec![account("ann", "phc of ann", None), account("bob", "", Some(2)), account("cyd", "", None)];
    let made = bench.ask(1, Command::Import(Parcel::of(accounts)), b"");
    let AnswerBody::Imported(made) = made else { panic!("{made:?}") };
    let made = made.take().expect("a list");
    let devices: Vec<_> = made.iter().map(|made| made.map(|(_, device)| device.0)).collect();
    assert_eq!(devices, [Ok(0), Ok(1), Ok(0)]);
    let ann = challenge(&mut bench, 1, Command::LookUp, "ann");
    assert_eq!(&*ann.secret, "phc of ann");
    let sign_in = SignIn { user: ann.user, credential: ann.credential, token: [3; 32], ..SignIn::default() };
    assert_eq!(welcome(bench.ask(1, Command::SignIn(Box::new(sign_in)), b"")).device, DeviceId(1), "her first one");
    assert_eq!(welcome(resume(&mut bench, 2, 2)).user, UserId::nth(2));
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn a_token_that_was_not_used_for_long_has_expired() {
    let mut bench = Bench::new(Limits { token_ms: 60_000, ..Limits::default() }, 512, 64);
    bench.register(1, "bob");
    bench.pass(300_000);
    assert_eq!(welcome(resume(&mut bench, 2, 1)).user, UserId::nth(1), "whoever is connected uses it");
    bench.put(2, 0, Command::Closed, b"");
    bench.run();
    bench.pass(59_000);
    welcome(resume(&mut bench, 3, 1));
    bench.put(3, 0, Command::Closed, b"");
    bench.run();
    bench.pass(60_001);
    assert_eq!(refusal(resume(&mut bench, 4, 1)).0, Code::SignedOut);
}
