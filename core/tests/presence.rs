//! Presence: who is told of whom, when, and what of it the journal keeps.

mod bench;

use bench::{Bench, Seen, contact};
use ringdove_core::engine::Limits;
use ringdove_core::ids::{DeviceId, Key, UserId};
use ringdove_core::rings::{AnswerBody, Command, SignIn, To};
use ringdove_core::wire::log::{Reason, Record, event::Event};
use ringdove_core::wire::v1::{self, Contact, ContactChange, Get, State, get::What, signal};

/// Connection, of whom, state, kinds.
fn told(seen: &Seen) -> Vec<(u32, u64, State, Vec<i32>)> {
    let mut told: Vec<_> = seen
        .signals
        .iter()
        .map(|(to, signal)| {
            let Some(signal::What::Presence(presence)) = &signal.what else { panic!("{signal:?}") };
            (*to, UserId(signal.from).counter().unwrap(), presence.state(), presence.kinds.clone())
        })
        .collect();
    told.sort();
    told
}

fn become_(bench: &mut Bench, by: u32, user: UserId, state: Contact) -> Seen {
    let change = ContactChange { state: state.into(), ..ContactChange::default() };
    bench.put(by, 1, Command::ChangeContact { key: Key(0), to: To::User(user) }, &contact(change));
    bench.run()
}

/// Ann, bob and cyd, each on the connection of that number; ann has the other two as contacts.
fn friends() -> (Bench, [UserId; 3]) {
    let mut bench = Bench::new(Limits::default(), 512, 64);
    let people = [1, 2, 3].map(|n| bench.register(n, &format!("user{n}")));
    for other in [2, 3] {
        become_(&mut bench, 1, people[other as usize - 1], Contact::Requested);
        become_(&mut bench, other, people[0], Contact::Accepted);
    }
    bench.pass(200);
    (bench, people)
}

fn drop_connection(bench: &mut Bench, connection: u32) {
    bench.put(connection, 0, Command::Closed, b"");
    bench.run();
}

fn resume(bench: &mut Bench, connection: u32, token: u8) {
    let welcome = bench.ask(connection, Command::Resume { token: [token; 32], cursor: None }, b"");
    assert!(matches!(welcome, AnswerBody::Welcome(_)), "{welcome:?}");
}

fn choose(bench: &mut Bench, by: u32, state: State) {
    assert_eq!(bench.ask(by, Command::ChoosePresence { state: state as u32 }, b""), AnswerBody::Done);
}

/// What a user sees of another one.
fn sees(bench: &mut Bench, by: u32, user: UserId) -> Option<v1::Presence> {
    let users = v1::Users { users: vec![user.0], handles: Vec::new() };
    let get = Get { what: Some(What::Users(users)), ..Get::default() };
    match bench.ask(by, Command::Get(Box::new(get)), b"") {
        AnswerBody::Found(found) => found.take().expect("a list").profiles[0].presence.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn contacts_who_are_online_are_told_and_nobody_else() {
    let (mut bench, _) = friends();
    drop_connection(&mut bench, 2);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Offline, vec![])], "not cyd, who does not know bob");
    drop_connection(&mut bench, 1);
    assert_eq!(told(&bench.pass(200)), [(3, 1, State::Offline, vec![])], "not bob, who is not there");
    resume(&mut bench, 1, 1);
    assert_eq!(told(&bench.pass(200)), [(3, 1, State::Online, vec![0])]);
    assert!(!bench.progress.ticks_wanted(), "nothing is left to be told");
}

#[test]
fn whoever_is_back_at_once_was_never_gone() {
    let (mut bench, people) = friends();
    for _ in 0..50 {
        drop_connection(&mut bench, 2);
        resume(&mut bench, 2, 2);
    }
    assert_eq!(told(&bench.pass(200)), []);
    drop_connection(&mut bench, 2);
    assert_eq!(told(&bench.pass(50)), [], "it is gathered for 100 ms");
    assert_eq!(told(&bench.pass(60)), [(1, 2, State::Offline, vec![])]);
    let seen = sees(&mut bench, 1, people[1]).unwrap();
    assert_eq!((seen.state(), seen.last_seen > 0, seen.since), (State::Offline, true, 0));
}

#[test]
fn kinds_of_device_are_told() {
    let (mut bench, people) = friends();
    let sign_in =
        SignIn { user: people[1], credential: 1, token: [77; 32], kind: v1::Kind::Phone as u32, ..SignIn::default() };
    bench.ask(20, Command::SignIn(Box::new(sign_in)), b"");
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Online, vec![0, 1])]);
    drop_connection(&mut bench, 2);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Online, vec![1])]);
}

#[test]
fn who_is_invisible_looks_as_if_not_there() {
    let (mut bench, people) = friends();
    choose(&mut bench, 2, State::Busy);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Busy, vec![0])]);
    choose(&mut bench, 2, State::Invisible);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Offline, vec![])]);
    let hidden = sees(&mut bench, 1, people[1]).unwrap();
    // who is hidden sees the others, and comes and goes unseen
    assert_eq!(sees(&mut bench, 2, people[0]).unwrap().state(), State::Online);
    bench.pass(60_000);
    drop_connection(&mut bench, 2);
    resume(&mut bench, 2, 2);
    assert_eq!(told(&bench.pass(200)), []);
    assert_eq!(sees(&mut bench, 1, people[1]), Some(hidden), "nor does the time betray it");
    let get = Get { what: Some(What::Online(true)), ..Get::default() };
    let AnswerBody::Found(found) = bench.ask(1, Command::Get(Box::new(get)), b"") else { panic!() };
    let found = found.take().expect("a list");
    assert_eq!(found.profiles.iter().map(|one| UserId(one.user)).collect::<Vec<_>>(), [people[2]]);
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn new_contacts_see_each_other_at_once_and_blocked_ones_no_more() {
    let (mut bench, people) = friends();
    become_(&mut bench, 2, people[2], Contact::Requested);
    let seen = become_(&mut bench, 3, people[1], Contact::Accepted);
    assert_eq!(told(&seen), [(2, 3, State::Online, vec![0]), (3, 2, State::Online, vec![0])]);
    let seen = become_(&mut bench, 2, people[2], Contact::Blocked);
    assert_eq!(told(&seen), [(3, 2, State::Offline, vec![])]);
    assert!(sees(&mut bench, 3, people[1]).is_none());
    drop_connection(&mut bench, 2);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Offline, vec![])], "cyd is not told");
    resume(&mut bench, 2, 2);
    bench.pass(200);
    assert_eq!(told(&become_(&mut bench, 2, people[2], Contact::None)), [(3, 2, State::Online, vec![0])]);
}

/// Who asks which contacts are there sees what the others are told only later. The story: it was taken back before that, so that nobody was told
/// anything, and whoever had seen it went on believing it.
#[test]
fn who_was_shown_what_is_taken_back_is_told_and_nobody_else() {
    let (mut bench, people) = friends();
    let lists_ann = |bench: &mut Bench| {
        let get = Get { what: Some(What::Online(true)), ..Get::default() };
        let AnswerBody::Found(found) = bench.ask(2, Command::Get(Box::new(get)), b"") else { panic!() };
        found.take().expect("a list").profiles.iter().any(|one| one.user == people[0].0)
    };
    drop_connection(&mut bench, 1);
    assert!(!lists_ann(&mut bench));
    resume(&mut bench, 1, 1);
    assert_eq!(told(&bench.pass(200)), [(2, 1, State::Online, vec![0])]);

    drop_connection(&mut bench, 1);
    bench.pass(200);
    resume(&mut bench, 1, 1);
    assert!(lists_ann(&mut bench) && lists_ann(&mut bench));
    drop_connection(&mut bench, 1);
    assert_eq!(told(&bench.pass(200)), [(2, 1, State::Offline, vec![])]);

    // what is not taken back all are told, once
    resume(&mut bench, 1, 1);
    assert!(lists_ann(&mut bench));
    assert_eq!(told(&bench.pass(200)), [(2, 1, State::Online, vec![0]), (3, 1, State::Online, vec![0])]);
    assert_eq!(told(&bench.pass(200)), []);
}

/// The story: who had come a moment before they became somebody's contact was told of at once, and once more when what had changed was told.
#[test]
fn new_contacts_are_told_of_once_however_near_that_is_to_a_change() {
    let (mut bench, people) = friends();
    become_(&mut bench, 2, people[2], Contact::Requested);
    drop_connection(&mut bench, 2);
    bench.pass(200);
    // there again a moment ago, which ann is still to hear
    resume(&mut bench, 2, 2);
    let seen = become_(&mut bench, 3, people[1], Contact::Accepted);
    assert_eq!(told(&seen), [(2, 3, State::Online, vec![0])]);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Online, vec![0]), (3, 2, State::Online, vec![0])]);
    assert_eq!(told(&bench.pass(200)), []);
}

#[test]
fn who_was_never_gone_is_told_to_a_new_contact_alone() {
    let (mut bench, people) = friends();
    become_(&mut bench, 2, people[2], Contact::Requested);
    drop_connection(&mut bench, 2);
    resume(&mut bench, 2, 2);
    let seen = become_(&mut bench, 3, people[1], Contact::Accepted);
    assert_eq!(told(&seen), [(2, 3, State::Online, vec![0]), (3, 2, State::Online, vec![0])]);
    assert_eq!(told(&bench.pass(200)), [], "ann knows");
}

/// The story: who was gone at that moment, and back before that was told, was never told of.
#[test]
fn who_was_gone_for_a_moment_is_told_to_a_new_contact_too() {
    let (mut bench, people) = friends();
    become_(&mut bench, 2, people[2], Contact::Requested);
    drop_connection(&mut bench, 2);
    assert_eq!(told(&become_(&mut bench, 3, people[1], Contact::Accepted)), []);
    resume(&mut bench, 2, 2);
    assert!(told(&bench.pass(200)).contains(&(3, 2, State::Online, vec![0])));
    // what bob missed he asks for
}

/// Why sessions began (1) and ended (-1), as the journal has it.
fn reasons(bench: &Bench) -> Vec<(i64, Reason)> {
    let mut reasons = Vec::new();
    for (_, body) in &bench.records {
        for event in <Record as prost::Message>::decode(&body[..]).unwrap().events {
            match event.event {
                Some(Event::SessionOpened(opened)) => reasons.push((1, opened.reason())),
                Some(Event::SessionClosed(closed)) => reasons.push((-1, closed.reason())),
                _ => {}
            }
        }
    }
    reasons
}

/// Whoever only counts the journal's events gets what the broker says.
fn assert_counts(bench: &Bench) {
    let counted: i64 = reasons(bench).iter().map(|(grown, _)| grown).sum();
    assert_eq!(counted, bench.engine.state().sessions() as i64, "{:?}", reasons(bench));
}

/// Every session that begins or ends is in the journal with its reason, and a broker that starts has nobody online.
#[test]
fn the_journal_knows_why() {
    let (mut bench, people) = friends();
    resume(&mut bench, 22, 2); // replaces connection 2
    drop_connection(&mut bench, 3);
    let sign_in = SignIn { user: people[0], credential: 1, token: [9; 32], ..SignIn::default() };
    bench.ask(11, Command::SignIn(Box::new(sign_in)), b"");
    bench.ask(1, Command::Bye { all_devices: false, device: DeviceId(2) }, b"");
    bench.put(22, 5, Command::Bye { all_devices: true, device: DeviceId(0) }, b"");
    bench.run();
    let reasons = reasons(&bench);
    use Reason::{Dropped, Kicked, Login, Logout, Replaced, Resumed};
    let login = (1, Login);
    let expected =
        [login, login, login, (-1, Replaced), (1, Resumed), (-1, Dropped), login, (-1, Kicked), (-1, Logout)];
    assert_eq!(reasons, expected);
    let state = bench.engine.state();
    assert_eq!((state.sessions(), state.online()), (1, 1));
    assert_eq!(bench.replayed().digest(), state.digest());

    // a restart
    let replayed = bench.replayed();
    assert_eq!(replayed.sessions(), 1);
    let mut again = Bench::going_on(replayed, Limits::default(), 512, 64);
    again.run();
    assert_eq!((again.engine.state().sessions(), again.engine.state().online()), (0, 0));
    assert_eq!(again.records.len(), 1, "one event closes all");
}

/// The end of a session that finds no room in the journal is journaled when there is some.
#[test]
fn an_end_is_never_lost() {
    let (mut bench, _) = friends();
    let prepared = bench.progress.prepared();
    bench.progress.prepare(ringdove_core::ids::Position(0), true);
    drop_connection(&mut bench, 2);
    assert_eq!(bench.engine.state().sessions(), 3);
    bench.progress.prepare(prepared, false);
    bench.run();
    assert_eq!(bench.engine.state().sessions(), 2);
    assert_eq!(told(&bench.pass(200)), [(1, 2, State::Offline, vec![])]);
}

/// The story: a device comes back into the place of its old connection, whose close was not heard of yet. That was journaled as two ends.
#[test]
fn a_device_that_takes_its_own_place_ends_one_session() {
    let (mut bench, _) = friends();
    bench.generation = 2;
    resume(&mut bench, 2, 2);
    assert_eq!(reasons(&bench)[3..], [(-1, Reason::Dropped), (1, Reason::Resumed)]);
    bench.generation = 1;
    drop_connection(&mut bench, 2);
    assert_eq!(bench.engine.state().sessions(), 3, "the close of the old one hurts nobody");
    assert_counts(&bench);
}
