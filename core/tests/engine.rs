//! The engine behind its rings, driven turn by turn: what a command is answered with, and who is told.

mod bench;

use std::sync::Arc;

use bench::{Bench, change, members, text};
use ringdove_core::engine::Limits;
use ringdove_core::ids::{ConnectionId, DeviceId, Epoch, GroupId, Key, Position, UserId, Version};
use ringdove_core::rings::{Answer, AnswerBody, Command, Imported, InboundSlot, Parcel, SignIn, To};
use ringdove_core::wire::Code;
use ringdove_core::wire::v1::GroupChange;

fn refusal(body: AnswerBody) -> Code {
    match body {
        AnswerBody::Refused(refusal) => refusal.code,
        other => panic!("not refused but {other:?}"),
    }
}

fn send(key: u64, to: UserId) -> Command {
    Command::Send { key: Key(key), to: To::User(to) }
}

#[test]
fn a_message_reaches_the_other_one_and_the_senders_other_device() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let alice = bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    let sign_in = SignIn { user: alice, credential: 1, token: [9; 32], ..SignIn::default() };
    bench.ask(3, Command::SignIn(Box::new(sign_in)), b"");
    bench.put(1, 5, send(1, bob), &text("hi"));
    let seen = bench.run();
    assert_eq!(seen.told, [(3, 1, true, text("hi")), (2, 1, false, text("hi"))]);
    assert!(matches!(
        seen.answers[..],
        [Answer { request: 5, body: AnswerBody::Entry { version: Version(1), .. }, .. }]
    ));
}

#[test]
fn a_send_without_an_id_comes_back_as_news() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    bench.put(1, 0, send(0, bob), &text("hi"));
    let seen = bench.run();
    assert_eq!(seen.told, [(1, 1, true, text("hi")), (2, 1, false, text("hi"))]);
    assert!(seen.answers.is_empty());
}

#[test]
fn a_retry_gets_the_first_answer_and_nobody_is_told_twice() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    let first = bench.ask(1, send(10, bob), &text("hi"));
    bench.put(1, 7, send(10, bob), &text("hi"));
    let seen = bench.run();
    assert_eq!(seen.answers[0].body, first);
    assert!(seen.told.is_empty());
    assert_eq!(refusal(bench.ask(1, send(10, bob), &text("other"))), Code::KeyReused);
}

#[test]
fn a_handle_finds_its_user_and_the_answer_tells_the_number() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "Bob");
    let body = [b"BOB", &text("hi")[..]].concat();
    let to = Command::Send { key: Key(1), to: To::Handle(3) };
    assert!(matches!(bench.ask(1, to.clone(), &body), AnswerBody::Entry { user: Some(user), .. } if user == bob));
    // the retry too
    assert!(matches!(bench.ask(1, to, &body), AnswerBody::Entry { user: Some(user), .. } if user == bob));
    let nobody = [b"eve", &text("hi")[..]].concat();
    let to = Command::Send { key: Key(2), to: To::Handle(3) };
    assert_eq!(refusal(bench.ask(1, to, &nobody)), Code::NotFound);
}

#[test]
fn groups_tell_their_members_and_whoever_is_removed_once() {
    let mut bench = Bench::new(Limits { group: 3, ..Limits::default() }, 512, 64);
    let people: Vec<_> = (1..=4).map(|n| bench.register(n, &format!("user{n}"))).collect();
    let fifth = bench.register(5, "user5");
    let create = GroupChange { create: true, set: members(&people[1..3]), ..GroupChange::default() };
    let made = bench.ask(1, Command::ChangeGroup { key: Key(1), group: GroupId(0) }, &change(create.clone()));
    let AnswerBody::Entry { group: Some(group), .. } = made else { panic!("{made:?}") };
    let again = bench.ask(1, Command::ChangeGroup { key: Key(1), group: GroupId(0) }, &change(create));
    assert_eq!(again, made);

    let alter = |bench: &mut Bench, by: u32, change_: GroupChange| {
        bench.ask(by, Command::ChangeGroup { key: Key(0), group }, &change(change_))
    };
    let add = GroupChange { set: members(&people[3..]), ..GroupChange::default() };
    assert_eq!(refusal(alter(&mut bench, 1, add.clone())), Code::Full);
    assert_eq!(refusal(alter(&mut bench, 2, add.clone())), Code::Forbidden);
    assert_eq!(refusal(alter(&mut bench, 4, add)), Code::NotFound);
    let leave = |user: UserId| GroupChange { remove: vec![user.0], ..GroupChange::default() };
    assert_eq!(refusal(alter(&mut bench, 1, leave(people[0]))), Code::Forbidden);

    let to_group = Command::Send { key: Key(0), to: To::Group(group) };
    bench.put(2, 1, to_group.clone(), &text("all"));
    assert_eq!(bench.run().told.iter().map(|told| told.0).collect::<Vec<_>>(), [1, 3]);
    bench.put(1, 1, Command::ChangeGroup { key: Key(0), group }, &change(leave(people[2])));
    assert_eq!(bench.run().told.iter().map(|told| told.0).collect::<Vec<_>>(), [2, 3]);
    bench.put(1, 1, to_group.clone(), &text("without three"));
    assert_eq!(bench.run().told.iter().map(|told| told.0).collect::<Vec<_>>(), [2]);
    assert_eq!(refusal(bench.ask(3, to_group.clone(), &text("x"))), Code::NotFound);
    // a full group may swap members, but two cannot go by one name
    let swap = |remove: &[UserId], set: &[UserId]| GroupChange {
        remove: remove.iter().map(|user| user.0).collect(),
        set: members(set),
        ..GroupChange::default()
    };
    assert!(matches!(alter(&mut bench, 1, swap(&[], &people[2..3])), AnswerBody::Entry { .. }));
    let twice = swap(&[people[2], people[2]], &people[3..]);
    assert!(matches!(alter(&mut bench, 1, twice), AnswerBody::Entry { .. }));
    assert_eq!(refusal(alter(&mut bench, 1, swap(&[people[3], people[3]], &[people[2], fifth]))), Code::Full);
    alter(&mut bench, 1, swap(&people[3..], &[]));
    // the last one dissolves it
    alter(&mut bench, 2, leave(people[1]));
    assert!(matches!(alter(&mut bench, 1, leave(people[0])), AnswerBody::Entry { .. }));
    assert_eq!(refusal(bench.ask(1, to_group, &text("x"))), Code::NotFound);
    assert_eq!(bench.engine.state().existing_groups(), 0);
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn sync_lists_what_was_missed_and_refuses_the_future() {
    let mut bench = Bench::new(Limits { page: 3, ..Limits::default() }, 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    for n in 1..=5 {
        bench.ask(1, send(n, bob), &text("hi"));
    }
    bench.put(2, 1, Command::Sync { since: Version(1), limit: 0 }, b"");
    let seen = bench.run();
    let AnswerBody::Page(page) = &seen.answers[0].body else { panic!() };
    assert_eq!((page.first, page.more, page.head), (Version(2), true, Version(5)));
    assert_eq!(seen.pages[0].len(), 3);
    assert_eq!(seen.pages[0][0], bench.records[3].0.position);
    assert_eq!(refusal(bench.ask(2, Command::Sync { since: Version(6), limit: 0 }, b"")), Code::BadCursor);
}

#[test]
fn a_second_hello_replaces_the_first_and_bye_kills_the_token() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    bench.put(2, 1, Command::Resume { token: [1; 32], cursor: Some((Epoch(1), Version(0))) }, b"");
    let seen = bench.run();
    assert!(matches!(&seen.answers[0], Answer { connection, body: AnswerBody::Close(refusal), .. }
        if connection.key == 1 && refusal.code == Code::Replaced));
    assert!(matches!(&seen.answers[1].body, AnswerBody::Welcome(welcome) if !welcome.gap));
    // the replaced connection's close, and whatever it still says, change nothing
    bench.put(1, 3, Command::Nothing, b"");
    bench.put(1, 0, Command::Closed, b"");
    assert!(bench.run().answers.is_empty());
    assert_eq!(bench.ask(2, Command::Nothing, b""), AnswerBody::Done);
    assert_eq!(bench.ask(2, Command::Bye { all_devices: false, device: DeviceId(0) }, b""), AnswerBody::SignedOut);
    assert_eq!(refusal(bench.ask(3, Command::Resume { token: [1; 32], cursor: None }, b"")), Code::SignedOut);
}

#[test]
fn a_cursor_of_another_epoch_or_from_the_future_is_a_gap() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    for (connection, cursor) in [(2, (Epoch(2), Version(0))), (3, (Epoch(1), Version(1)))] {
        let welcome = bench.ask(connection, Command::Resume { token: [1; 32], cursor: Some(cursor) }, b"");
        assert!(matches!(welcome, AnswerBody::Welcome(welcome) if welcome.gap));
    }
}

#[test]
fn a_wrong_credential_version_signs_nobody_in_and_devices_are_capped() {
    let mut bench = Bench::new(Limits { devices: 2, ..Limits::default() }, 512, 64);
    let alice = bench.register(1, "alice");
    let sign_in = |credential, token| {
        Command::SignIn(Box::new(SignIn { user: alice, credential, token: [token; 32], ..SignIn::default() }))
    };
    assert_eq!(refusal(bench.ask(2, sign_in(2, 50), b"")), Code::Unauthenticated);
    assert!(matches!(bench.ask(2, sign_in(1, 51), b""), AnswerBody::Welcome(welcome) if welcome.device == DeviceId(2)));
    assert_eq!(refusal(bench.ask(3, sign_in(1, 52), b"")), Code::Full);
}

#[test]
fn an_import_makes_accounts_without_a_password() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let account =
        |handle: &str, token| Imported { handle: handle.into(), token: Some([token; 32]), ..Imported::default() };
    let accounts = vec![account("one", 1), account("ONE", 2), account("2", 3), account("two", 4)];
    let AnswerBody::Imported(made) = bench.ask(1, Command::Import(Parcel::of(accounts)), b"") else { panic!() };
    let made = made.take().expect("a list");
    assert_eq!(made[0], Ok((UserId::nth(1), DeviceId(1))));
    assert_eq!(made[1].map_err(|refusal| refusal.code), Err(Code::Exists));
    assert_eq!(made[2].map_err(|refusal| refusal.code), Err(Code::Invalid));
    assert_eq!(made[3], Ok((UserId::nth(2), DeviceId(1))));
    let sign_in = SignIn { user: UserId::nth(1), credential: 1, ..SignIn::default() };
    assert_eq!(refusal(bench.ask(2, Command::SignIn(Box::new(sign_in)), b"")), Code::Unauthenticated);
    assert!(matches!(bench.ask(2, Command::Resume { token: [4; 32], cursor: None }, b""), AnswerBody::Welcome(_)));
}

#[test]
fn a_fan_out_that_is_larger_than_the_ring_goes_on_until_everyone_is_told_in_order() {
    let mut bench = Bench::new(Limits { group: 10_000, ..Limits::default() }, 64, 64);
    let owner = bench.register(0, "owner");
    let mut people = Vec::new();
    for chunk in 0..20 {
        let accounts = (0..256).map(|n| {
            let mut token = [255; 32];
            token[..4].copy_from_slice(&(chunk * 256 + n as u32).to_le_bytes());
            Imported { handle: format!("u{chunk}-{n}"), token: Some(token), ..Imported::default() }
        });
        let AnswerBody::Imported(made) = bench.ask(0, Command::Import(Parcel::of(accounts.collect())), b"") else {
            panic!()
        };
        people.extend(made.take().expect("a list").into_iter().map(|made| made.expect("made").0));
    }
    for n in 0..people.len() as u32 {
        let mut token = [255; 32];
        token[..4].copy_from_slice(&n.to_le_bytes());
        bench.ask(1 + n, Command::Resume { token, cursor: None }, b"");
    }
    let create = GroupChange { create: true, set: members(&people[..400]), ..GroupChange::default() };
    let made = bench.ask(0, Command::ChangeGroup { key: Key(1), group: GroupId(0) }, &change(create));
    let AnswerBody::Entry { group: Some(group), .. } = made else { panic!("{made:?}") };
    for part in people[400..].chunks(500) {
        let add = GroupChange { set: members(part), ..GroupChange::default() };
        bench.ask(0, Command::ChangeGroup { key: Key(0), group }, &change(add));
    }
    for n in 0..5 {
        bench.put(0, 10 + n, Command::Send { key: Key(0), to: To::Group(group) }, &text(&n.to_string()));
    }
    let seen = bench.run();
    assert_eq!(seen.told.len(), 5 * people.len());
    assert_eq!(seen.answers.len(), 5);
    // 256 recipients a slot; all but the last say that the same entry goes on
    let slots = people.len().div_ceil(256);
    assert_eq!(seen.goes_on, (0..5 * slots).map(|nth| nth % slots != slots - 1).collect::<Vec<_>>());
    for key in [1, 400, 5120] {
        let heard: Vec<_> = seen.told.iter().filter(|told| told.0 == key).collect();
        assert_eq!(
            heard.iter().map(|told| told.3.clone()).collect::<Vec<_>>(),
            (0..5).map(|n| text(&n.to_string())).collect::<Vec<_>>()
        );
        assert!(heard.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1));
    }
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
    assert_ne!(owner, people[0]);
}

#[test]
fn without_prepared_room_a_send_is_refused_and_nothing_happens() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    let digest = bench.engine.state().digest();
    bench.progress.prepare(Position(4096), true);
    assert_eq!(refusal(bench.ask(1, send(1, bob), &text("hi"))), Code::DiskFull);
    bench.progress.prepare(Position(4096), false);
    assert_eq!(refusal(bench.ask(1, send(1, bob), &text("hi"))), Code::Busy);
    assert_eq!(bench.engine.state().digest(), digest);
    bench.progress.prepare(Position(1 << 30), false);
    assert!(matches!(bench.ask(1, send(1, bob), &text("hi")), AnswerBody::Entry { .. }));
}

#[test]
fn a_large_body_goes_through_and_its_bytes_come_back() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    let long = text(&"x".repeat(10_000));
    let budget = Arc::clone(bench.inbound.budget());
    assert!(budget.take(long.len()));
    let fill = |slot: &mut InboundSlot| {
        slot.connection = ConnectionId { reactor: 0, key: 1, generation: 1 };
        slot.request = 1;
        slot.command = send(1, bob);
        slot.set_large(Box::new(long.clone()));
    };
    assert!(bench.inbound.try_publish(fill));
    assert_eq!(bench.run().told, [(2, 1, false, long)]);
    assert!(budget.take(1 << 20), "all bytes came back");
}

/// Messages to one user that came right behind each other, with keys from 1 on.
fn messages(texts: &[&str]) -> Vec<(u64, Vec<u8>)> {
    (1..).zip(texts).map(|(key, said)| (key, text(said))).collect()
}

#[test]
fn a_train_reaches_all_devices_of_both() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let (alice, bob) = (bench.register(1, "alice"), bench.register(2, "bob"));
    for (connection, user) in [(3, alice), (4, bob)] {
        let sign_in = SignIn { user, credential: 1, token: [connection as u8; 32], ..SignIn::default() };
        bench.ask(connection, Command::SignIn(Box::new(sign_in)), b"");
    }
    bench.ask(2, send(1, alice), &text("first"));
    bench.put_train(1, 10, bob, &messages(&["a", "b"]));
    let seen = bench.run();
    let told: Vec<_> = seen.told.iter().map(|(key, version, own, _)| (*key, *version, *own)).collect();
    let meant = [2, 3].map(|version| [(3, version, true), (2, version, false), (4, version, false)]);
    assert_eq!((told, seen.together), (meant.concat(), vec![2]));
}

#[test]
fn a_train_is_told_and_answered_as_its_messages_would_be() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let (_alice, bob) = (bench.register(1, "alice"), bench.register(2, "bob"));
    let before = bench.records.len();
    bench.put_train(1, 10, bob, &messages(&["one", "two", "three"]));
    let seen = bench.run();
    assert_eq!(seen.told, [(2, 1, false, text("one")), (2, 2, false, text("two")), (2, 3, false, text("three"))]);
    let answers: Vec<_> = seen.sent.iter().map(|(_, id, sent)| (*id, sent.version, sent.ordinal)).collect();
    assert_eq!((answers, seen.together), (vec![(10, 1, 1), (11, 2, 2), (12, 3, 3)], vec![3]));
    let positions: Vec<_> = bench.records[before..].iter().map(|(head, _)| head.position.on_wire()).collect();
    assert_eq!(positions, seen.sent.iter().map(|(_, _, sent)| sent.position).collect::<Vec<_>>());
    // the same again: nobody is told twice, and all get their first answers
    bench.put_train(1, 20, bob, &messages(&["one", "two", "three"]));
    let again = bench.run();
    assert!(again.told.is_empty() && bench.records.len() == before + 3);
    let sent = |seen: &[(ConnectionId, u32, _)]| seen.iter().map(|(_, _, sent)| *sent).collect::<Vec<_>>();
    assert_eq!(sent(&again.sent), sent(&seen.sent));
    // whoever is not there is told of nothing, and has it in the inbox
    bench.put(2, 0, Command::Closed, b"");
    bench.put_train(1, 30, bob, &[(4, text("four")), (5, text("five"))]);
    let unheard = bench.run();
    assert_eq!((unheard.told.len(), unheard.together), (0, vec![2]));
    let sign_in = SignIn { user: bob, credential: 1, token: [3; 32], ..SignIn::default() };
    bench.ask(3, Command::SignIn(Box::new(sign_in)), b"");
    bench.put(3, 40, Command::Sync { since: Version(0), limit: 0 }, b"");
    let page: Vec<_> = bench.run().pages.concat().iter().map(|position| position.on_wire()).collect();
    let all: Vec<_> = seen.sent.iter().chain(&unheard.sent).map(|(_, _, sent)| sent.position).collect();
    assert_eq!(page, all);
    assert_eq!(bench.engine.state().digest(), bench.replayed().digest());
}

#[test]
fn a_train_that_is_not_simple_goes_message_by_message() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let (alice, bob) = (bench.register(1, "alice"), bench.register(2, "bob"));
    let three = messages(&["one", "two", "three"]);
    // to nobody: each is refused
    bench.put_train(1, 10, UserId::nth(99), &three);
    let refused: Vec<_> =
        bench.run().answers.into_iter().map(|answer| (answer.request, refusal(answer.body))).collect();
    assert_eq!(refused, [10, 11, 12].map(|id| (id, Code::NotFound)));
    // one of the keys was used before
    bench.ask(1, send(2, bob), &text("two"));
    bench.put_train(1, 20, bob, &three);
    let seen = bench.run();
    assert_eq!(seen.told, [(2, 2, false, text("one")), (2, 3, false, text("three"))]);
    assert_eq!(seen.together, [1, 1, 1]);
    // to oneself
    bench.put_train(1, 30, alice, &[(0, text("note")), (0, text("note"))]);
    assert_eq!(bench.run().together, [1, 1]);
    assert_eq!(bench.engine.state().digest(), bench.replayed().digest());
}

#[test]
fn a_train_for_which_the_journal_has_no_room_goes_as_far_as_there_is() {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    bench.register(1, "alice");
    let bob = bench.register(2, "bob");
    let at = bench.records.last().map(|(head, body)| head.position.0 + body.len() as u64).expect("an account");
    // what is kept back, and two short records
    bench.progress.prepare(Position(at + (1 << 20) + 260), false);
    bench.put_train(1, 10, bob, &messages(&["one", "two", "three", "four"]));
    let seen = bench.run();
    assert_eq!(seen.told, [(2, 1, false, text("one")), (2, 2, false, text("two"))]);
    let refused: Vec<_> =
        seen.answers[2..].iter().map(|answer| (answer.request, refusal(answer.body.clone()))).collect();
    assert_eq!(refused, [(12, Code::Busy), (13, Code::Busy)]);
}
