//! Contacts: what two people may become to each other, who is told, and what lists say.

mod bench;

use bench::{Bench, contact, text};
use ringdove_core::engine::Limits;
use ringdove_core::ids::{GroupId, Key, UserId};
use ringdove_core::rings::{AnswerBody, Command, To};
use ringdove_core::wire::v1::{Contact, ContactChange, Found, Get, GroupChange, ProfileChange, Users, get::What};
use ringdove_core::wire::{Code, admin};

fn to(user: UserId) -> Command {
    Command::ChangeContact { key: Key(0), to: To::User(user) }
}

fn state(state: Contact) -> ContactChange {
    ContactChange { state: state.into(), ..ContactChange::default() }
}

/// Asks for a change, and says what became of it: nothing, or the refusal's code and field.
fn change(bench: &mut Bench, by: u32, user: UserId, change: ContactChange) -> Result<(), (Code, &'static str)> {
    match bench.ask(by, to(user), &contact(change)) {
        AnswerBody::Entry { .. } => Ok(()),
        AnswerBody::Refused(refusal) => Err((refusal.code, refusal.field)),
        other => panic!("{other:?}"),
    }
}

fn become_(bench: &mut Bench, by: u32, user: UserId, becomes: Contact) -> Result<(), (Code, &'static str)> {
    change(bench, by, user, state(becomes))
}

fn get(bench: &mut Bench, by: u32, get: Get) -> Found {
    match bench.ask(by, Command::Get(Box::new(get)), b"") {
        AnswerBody::Found(found) => *found.take().expect("a list"),
        other => panic!("{other:?}"),
    }
}

fn what(what: What) -> Get {
    Get { what: Some(what), ..Get::default() }
}

/// The states of a contact list, by user.
fn list(bench: &mut Bench, by: u32, since: u64) -> Vec<(UserId, Contact)> {
    let found = get(bench, by, Get { since, ..what(What::Contacts(true)) });
    found.profiles.iter().map(|one| (UserId(one.user), one.contact.as_ref().unwrap().state())).collect()
}

fn friends(bench: &mut Bench, one: (u32, UserId), other: (u32, UserId)) {
    become_(bench, one.0, other.1, Contact::Requested).unwrap();
    become_(bench, other.0, one.1, Contact::Accepted).unwrap();
}

fn bench(people: u32) -> (Bench, Vec<(u32, UserId)>) {
    let mut bench = Bench::new(Limits { requests: 3, contacts: 3, requests_a_day: 6, ..Limits::default() }, 512, 64);
    let people = (1..=people).map(|n| (n, bench.register(n, &format!("user{n}")))).collect();
    (bench, people)
}

#[test]
fn a_request_is_accepted_and_both_lists_say_so() {
    let (mut bench, people) = bench(2);
    let [(ann, ann_id), (bob, bob_id)] = people[..] else { panic!() };
    let hello = ContactChange { greeting: "it's me".into(), ..state(Contact::Requested) };
    bench.put(ann, 1, to(bob_id), &contact(hello.clone()));
    let seen = bench.run();
    // the other one is told what was asked for, and the asker is answered with it
    assert_eq!(seen.told, [(bob, 1, false, contact(hello))]);
    let asked = get(&mut bench, bob, what(What::Contacts(true)));
    let [profile] = &asked.profiles[..] else { panic!("{asked:?}") };
    assert_eq!((profile.asked, &*profile.contact.as_ref().unwrap().greeting), (ann_id.0, "it's me"));
    assert!(profile.presence.is_none(), "nothing is shown to strangers");
    assert_eq!(become_(&mut bench, ann, bob_id, Contact::Accepted), Err((Code::NotFound, "state")));
    assert_eq!(become_(&mut bench, ann, bob_id, Contact::Requested), Err((Code::Exists, "state")));
    become_(&mut bench, bob, ann_id, Contact::Accepted).unwrap();
    assert_eq!(list(&mut bench, ann, 0), [(bob_id, Contact::Accepted)]);
    assert_eq!(list(&mut bench, bob, 0), [(ann_id, Contact::Accepted)]);
    assert_eq!(become_(&mut bench, ann, bob_id, Contact::Requested), Err((Code::Exists, "state")));
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn what_changed_since_a_version_holds_tombstones() {
    let (mut bench, people) = bench(4);
    let [ann, bob, cyd, dan] = people[..] else { panic!() };
    friends(&mut bench, ann, bob);
    friends(&mut bench, ann, cyd);
    let since = get(&mut bench, ann.0, what(What::Contacts(true))).version;
    assert_eq!(list(&mut bench, ann.0, since), []);
    become_(&mut bench, bob.0, ann.1, Contact::Removed).unwrap();
    become_(&mut bench, ann.0, dan.1, Contact::Requested).unwrap();
    become_(&mut bench, ann.0, dan.1, Contact::Withdrawn).unwrap();
    assert_eq!(list(&mut bench, ann.0, since), [(bob.1, Contact::Removed), (dan.1, Contact::Withdrawn)]);
    // whoever begins anew is not told of what is over
    assert_eq!(list(&mut bench, ann.0, 0), [(cyd.1, Contact::Accepted)]);
    become_(&mut bench, dan.0, ann.1, Contact::Requested).unwrap();
    become_(&mut bench, ann.0, dan.1, Contact::Declined).unwrap();
    assert_eq!(list(&mut bench, dan.0, 1).last(), Some(&(ann.1, Contact::Declined)));
    assert_eq!(become_(&mut bench, ann.0, bob.1, Contact::Removed), Err((Code::NotFound, "state")));
}

/// Two people ask each other at once: the second request is the acceptance, also for whoever asks again.
#[test]
fn two_requests_that_cross_make_contacts() {
    let (mut bench, people) = bench(2);
    let [ann, bob] = people[..] else { panic!() };
    let ask = contact(ContactChange { greeting: "hey".into(), ..state(Contact::Requested) });
    let key = |user| Command::ChangeContact { key: Key(9), to: To::User(user) };
    bench.ask(ann.0, key(bob.1), &ask);
    bench.put(bob.0, 1, key(ann.1), &ask);
    let seen = bench.run();
    assert_eq!(seen.told, [(ann.0, 2, false, contact(state(Contact::Accepted)))]);
    let again = bench.ask(bob.0, key(ann.1), &ask);
    assert_eq!(again, seen.answers[0].body, "a retry gets the first answer");
    let other = contact(state(Contact::Blocked));
    assert!(matches!(bench.ask(bob.0, key(ann.1), &other), AnswerBody::Refused(no) if no.code == Code::KeyReused));
    assert_eq!(list(&mut bench, ann.0, 0), [(bob.1, Contact::Accepted)]);
}

#[test]
fn whoever_is_blocked_can_neither_write_nor_ask() {
    let (mut bench, people) = bench(3);
    let [ann, bob, cyd] = people[..] else { panic!() };
    friends(&mut bench, ann, bob);
    bench.put(ann.0, 1, to(bob.1), &contact(state(Contact::Blocked)));
    // who is blocked is not told
    assert!(bench.run().told.is_empty());
    let write = |to| Command::Send { key: Key(0), to: To::User(to) };
    let code = |body| if let AnswerBody::Refused(no) = body { Some(no.code) } else { None };
    assert_eq!(code(bench.ask(bob.0, write(ann.1), &text("hi"))), Some(Code::Blocked));
    assert_eq!(code(bench.ask(ann.0, write(bob.1), &text("hi"))), None);
    assert_eq!(list(&mut bench, ann.0, 0), [(bob.1, Contact::Blocked)]);
    assert_eq!(list(&mut bench, bob.0, 0), [(ann.1, Contact::Accepted)]);
    // a stranger can be blocked too
    become_(&mut bench, ann.0, cyd.1, Contact::Blocked).unwrap();
    assert_eq!(become_(&mut bench, cyd.0, ann.1, Contact::Requested), Err((Code::Blocked, "user")));
    assert_eq!(become_(&mut bench, ann.0, cyd.1, Contact::Requested), Err((Code::Invalid, "state")));
    assert_eq!(become_(&mut bench, ann.0, cyd.1, Contact::Blocked), Err((Code::Exists, "state")));
    // what they were to each other comes back
    become_(&mut bench, ann.0, bob.1, Contact::None).unwrap();
    assert_eq!(list(&mut bench, ann.0, 0)[0], (bob.1, Contact::Accepted));
    assert_eq!(code(bench.ask(bob.0, write(ann.1), &text("hi"))), None);
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn only_contacts_may_write_if_that_is_set() {
    let mut bench = Bench::new(Limits { contacts_only: true, ..Limits::default() }, 512, 64);
    let people: Vec<_> = (1..=2).map(|n| (n, bench.register(n, &format!("user{n}")))).collect();
    let write = |to: UserId| Command::Send { key: Key(1), to: To::User(to) };
    let refused = bench.ask(1, write(people[1].1), &text("hi"));
    assert!(matches!(refused, AnswerBody::Refused(no) if no.code == Code::NotContact));
    assert!(matches!(bench.ask(1, write(people[0].1), &text("me")), AnswerBody::Entry { .. }), "to oneself");
    friends(&mut bench, people[0], people[1]);
    let write = Command::Send { key: Key(2), to: To::User(people[1].1) };
    let first = bench.ask(1, write.clone(), &text("hi"));
    assert!(matches!(first, AnswerBody::Entry { .. }));
    become_(&mut bench, 2, people[0].1, Contact::Removed).unwrap();
    assert_eq!(bench.ask(1, write, &text("hi")), first, "a retry gets the first answer");
}

#[test]
fn remarks_and_tags_are_ones_own() {
    let (mut bench, people) = bench(2);
    let [ann, bob] = people[..] else { panic!() };
    let note = ContactChange { remark: "boss".into(), tags: vec!["work".into()], ..ContactChange::default() };
    assert_eq!(change(&mut bench, ann.0, bob.1, note.clone()), Err((Code::NotFound, "state")));
    friends(&mut bench, ann, bob);
    bench.put(ann.0, 1, to(bob.1), &contact(note.clone()));
    assert!(bench.run().told.is_empty(), "nobody else is told");
    let found = get(&mut bench, ann.0, what(What::Contacts(true)));
    let shown = found.profiles[0].contact.clone().unwrap();
    assert_eq!((&*shown.remark, &shown.tags[..]), ("boss", &["work".to_owned()][..]));
    assert_eq!(list(&mut bench, bob.0, 0), [(ann.1, Contact::Accepted)]);
    let both = ContactChange { remark: "x".into(), ..state(Contact::Blocked) };
    assert_eq!(change(&mut bench, ann.0, bob.1, both), Err((Code::Invalid, "remark")));
    change(&mut bench, ann.0, bob.1, ContactChange::default()).unwrap();
    let found = get(&mut bench, ann.0, what(What::Contacts(true)));
    assert_eq!(found.profiles[0].contact, Some(state(Contact::Accepted)));
}

#[test]
fn bad_changes_are_refused_by_their_field() {
    let (mut bench, people) = bench(2);
    let [ann, bob] = people[..] else { panic!() };
    let mut refused = |user, wrong| change(&mut bench, ann.0, user, wrong).unwrap_err();
    assert_eq!(refused(ann.1, state(Contact::Requested)), (Code::Invalid, "user"));
    assert_eq!(refused(UserId::nth(99), state(Contact::Requested)), (Code::NotFound, "user"));
    assert_eq!(refused(UserId(7), state(Contact::Requested)), (Code::NotFound, "user"));
    let greeting = |text: String| ContactChange { greeting: text, ..state(Contact::Requested) };
    assert_eq!(refused(bob.1, greeting("x".repeat(257))), (Code::TooLarge, "greeting"));
    assert_eq!(refused(bob.1, greeting("a\u{202e}b".into())), (Code::Invalid, "greeting"));
    assert_eq!(refused(bob.1, ContactChange { state: 77, ..ContactChange::default() }), (Code::Invalid, "state"));
    let tags = |tags: Vec<String>| ContactChange { tags, ..ContactChange::default() };
    assert_eq!(refused(bob.1, tags(vec!["x".into(); 17])), (Code::TooLarge, "tags"));
    assert_eq!(refused(bob.1, tags(vec![String::new()])), (Code::Invalid, "tags"));
    let late = ContactChange { greeting: "x".into(), ..state(Contact::Declined) };
    assert_eq!(refused(bob.1, late), (Code::Invalid, "greeting"));
}

#[test]
fn a_flood_of_requests_meets_its_bounds() {
    let (mut bench, people) = bench(8);
    let (ann, others) = people.split_first().unwrap();
    // three wait at most: of one, and for one
    for other in &others[..3] {
        become_(&mut bench, ann.0, other.1, Contact::Requested).unwrap();
    }
    assert_eq!(become_(&mut bench, ann.0, others[3].1, Contact::Requested), Err((Code::Full, "user")));
    for other in &others[3..6] {
        become_(&mut bench, other.0, others[6].1, Contact::Requested).unwrap();
    }
    assert_eq!(become_(&mut bench, others[0].0, others[6].1, Contact::Requested), Err((Code::Full, "user")));
    // six a day
    for _ in 0..3 {
        become_(&mut bench, ann.0, others[0].1, Contact::Withdrawn).unwrap();
        become_(&mut bench, ann.0, others[0].1, Contact::Requested).unwrap();
    }
    become_(&mut bench, ann.0, others[0].1, Contact::Withdrawn).unwrap();
    match bench.ask(ann.0, to(others[0].1), &contact(state(Contact::Requested))) {
        AnswerBody::Refused(refusal) => assert!(refusal.code == Code::TooMany && refusal.retry_ms > 0),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn a_full_list_takes_no_more() {
    let (mut bench, people) = bench(5);
    for other in &people[1..4] {
        friends(&mut bench, people[0], *other);
    }
    become_(&mut bench, people[4].0, people[0].1, Contact::Requested).unwrap();
    assert_eq!(become_(&mut bench, people[0].0, people[4].1, Contact::Accepted), Err((Code::Full, "user")));
    assert_eq!(become_(&mut bench, people[0].0, people[4].1, Contact::Requested), Err((Code::Full, "user")));
}

#[test]
fn joins_find_whom_both_know_and_show_no_strangers() {
    let (mut bench, people) = bench(5);
    let [ann, bob, cyd, dan, eve] = people[..] else { panic!() };
    friends(&mut bench, ann, bob);
    friends(&mut bench, ann, cyd);
    friends(&mut bench, bob, cyd);
    friends(&mut bench, bob, dan);
    let ids = |found: Found| found.profiles.iter().map(|one| UserId(one.user)).collect::<Vec<_>>();
    assert_eq!(ids(get(&mut bench, ann.0, what(What::Mutual(bob.1.0)))), [cyd.1]);
    assert_eq!(ids(get(&mut bench, ann.0, what(What::Online(true)))), [bob.1, cyd.1]);
    let refused = bench.ask(ann.0, Command::Get(Box::new(what(What::Mutual(dan.1.0)))), b"");
    assert!(matches!(refused, AnswerBody::Refused(no) if no.code == Code::NotFound));
    let create = GroupChange { create: true, set: bench::members(&[bob.1, dan.1, eve.1]), ..GroupChange::default() };
    let made = bench.ask(ann.0, Command::ChangeGroup { key: Key(0), group: GroupId(0) }, &bench::change(create));
    let AnswerBody::Entry { group: Some(group), .. } = made else { panic!("{made:?}") };
    assert_eq!(ids(get(&mut bench, ann.0, what(What::Known(group.0)))), [bob.1]);
    let page = get(&mut bench, ann.0, Get { limit: 2, ..what(What::Members(group.0)) });
    assert_eq!(page.members.len(), 2);
    let rest = get(&mut bench, ann.0, Get { page: page.page, ..what(What::Members(group.0)) });
    assert_eq!((rest.members.len(), &*rest.page), (2, ""));
    let refused = bench.ask(cyd.0, Command::Get(Box::new(what(What::Members(group.0)))), b"");
    assert!(matches!(refused, AnswerBody::Refused(no) if no.code == Code::NotFound));
}

#[test]
fn lists_come_in_pages() {
    let (mut bench, people) = bench(4);
    for other in &people[1..] {
        friends(&mut bench, people[0], *other);
    }
    let mut seen = Vec::new();
    let mut page = String::new();
    loop {
        let found = get(&mut bench, 1, Get { limit: 1, page, ..what(What::Contacts(true)) });
        seen.extend(found.profiles.iter().map(|one| UserId(one.user)));
        page = found.page;
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [people[1].1, people[2].1, people[3].1]);
    let wrong = bench.ask(1, Command::Get(Box::new(Get { page: "x".into(), ..what(What::Contacts(true)) })), b"");
    assert!(matches!(wrong, AnswerBody::Refused(no) if no.field == "page"));
}

#[test]
fn a_profile_reaches_ones_own_devices_and_lookups() {
    let (mut bench, people) = bench(2);
    let profile = |change: ProfileChange| {
        prost::Message::encode_to_vec(&ringdove_core::wire::v1::Entry {
            profile_change: Some(change),
            ..Default::default()
        })
    };
    let change =
        ProfileChange { name: Some("Ann ✿".into()), avatar: Some("https://a.example/1.png".into()), status: None };
    assert!(matches!(
        bench.ask(1, Command::ChangeProfile { key: Key(1) }, &profile(change.clone())),
        AnswerBody::Entry { .. }
    ));
    let users = Users { users: vec![people[0].1.0, 12345], handles: vec!["USER2".into(), "nobody".into()] };
    let found = get(&mut bench, 2, what(What::Users(users)));
    assert_eq!(found.profiles.len(), 2, "who is not there is left out");
    assert_eq!((&*found.profiles[0].name, &*found.profiles[0].avatar), ("Ann ✿", "https://a.example/1.png"));
    for (wrong, code) in [
        (ProfileChange { name: Some("x".repeat(10 << 20)), ..ProfileChange::default() }, Code::TooLarge),
        (ProfileChange { name: Some("a\u{0}".into()), ..ProfileChange::default() }, Code::Invalid),
        (ProfileChange { avatar: Some("javascript:alert(1)".into()), ..ProfileChange::default() }, Code::Invalid),
    ] {
        let mut state = profile(wrong);
        state.truncate(state.len());
        // what is too large for the ring's budget is refused earlier; here the engine itself is asked
        match bench.ask(1, Command::ChangeProfile { key: Key(0) }, &state) {
            AnswerBody::Refused(refusal) => assert_eq!(refusal.code, code),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

#[test]
fn a_deleted_account_is_gone_for_everyone_and_its_handle_is_not_given_again() {
    let (mut bench, people) = bench(3);
    let [ann, bob, cyd] = people[..] else { panic!() };
    friends(&mut bench, ann, bob);
    let create = GroupChange { create: true, set: bench::members(&[bob.1, cyd.1]), ..GroupChange::default() };
    bench.ask(ann.0, Command::ChangeGroup { key: Key(0), group: GroupId(0) }, &bench::change(create));
    let who = Some(admin::Who { user: ann.1.0, handle: String::new() });
    let delete = admin::Change { who: who.clone(), what: Some(admin::change::What::Delete(true)) };
    bench.put(50, 1, Command::Operate(Box::new(admin::admin_frame::Request::Change(delete.clone()))), b"");
    let seen = bench.run();
    // bob hears of it; nobody else had ann as a contact
    assert_eq!(seen.told, [(bob.0, 4, false, contact(state(Contact::Removed)))]);
    let closed =
        seen.answers.iter().filter(|answer| matches!(answer.body, AnswerBody::Close(no) if no.code == Code::Disabled));
    assert_eq!(closed.map(|answer| answer.connection.key).collect::<Vec<_>>(), [ann.0]);
    assert_eq!(bench.engine.state().accounts(), 2);
    let write = Command::Send { key: Key(0), to: To::User(ann.1) };
    assert!(matches!(bench.ask(bob.0, write, &text("?")), AnswerBody::Refused(no) if no.code == Code::NotFound));
    let resume = Command::Resume { token: [1; 32], cursor: None };
    assert!(matches!(bench.ask(9, resume, b""), AnswerBody::Refused(no) if no.code == Code::SignedOut));
    let again = Command::Operate(Box::new(admin::admin_frame::Request::Change(delete)));
    assert!(matches!(bench.ask(50, again, b""), AnswerBody::Refused(no) if no.code == Code::NotFound));
    let register =
        ringdove_core::rings::Register { handle: "USER1".into(), secret: "phc".into(), ..Default::default() };
    let refused = bench.ask(9, Command::Register(Box::new(register)), b"");
    assert!(matches!(refused, AnswerBody::Refused(no) if no.code == Code::Exists));
    // the group has a new owner, who may change it
    let rename = GroupChange { name: Some("ours".into()), ..GroupChange::default() };
    let renamed =
        bench.ask(bob.0, Command::ChangeGroup { key: Key(0), group: GroupId::nth(1) }, &bench::change(rename));
    assert!(matches!(renamed, AnswerBody::Entry { .. }), "{renamed:?}");
    assert_eq!(bench.replayed().digest(), bench.engine.state().digest());
}

/// An import that was interrupted is done again: it journals only what is new, and a full list is no reason to refuse what stands in it.
#[test]
fn an_import_of_contacts_can_be_done_again() {
    let (mut bench, _) = bench(4);
    let import = |bench: &mut Bench, contacts: &[&str]| {
        let contacts = contacts.iter().map(|handle| (*handle).to_owned()).collect();
        let friends = vec![admin::Friends { handle: "user1".into(), contacts }];
        let request = admin::admin_frame::Request::ImportContacts(admin::ImportContacts { friends });
        match bench.ask(1, Command::Operate(Box::new(request)), b"") {
            AnswerBody::Operated(body) => match *body.take().expect("an answer") {
                admin::admin_answer::Body::ContactsImported(imported) => imported.made[0].code,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(import(&mut bench, &["user2", "user3"]), 0);
    let records = bench.records.len();
    assert_eq!(import(&mut bench, &["user3", "user2"]), 0);
    assert_eq!(bench.records.len(), records, "nothing is new");
    assert_eq!(import(&mut bench, &["user2", "user3", "user4"]), 0);
    assert_eq!(list(&mut bench, 1, 0).len(), 3);
    assert_eq!(import(&mut bench, &["user2", "user3", "user4"]), 0, "the list is full, and stays so");
}

/// A remark about somebody who was blocked is forgotten with the block, where there is nothing else between the two.
#[test]
fn whoever_is_let_go_begins_anew() {
    let (mut bench, people) = bench(2);
    let [(one, _), (_, other)] = people[..] else { panic!() };
    become_(&mut bench, one, other, Contact::Blocked).unwrap();
    change(&mut bench, one, other, ContactChange { remark: "spam".into(), ..state(Contact::None) }).unwrap();
    become_(&mut bench, one, other, Contact::None).unwrap();
    friends(&mut bench, people[0], people[1]);
    let list = get(&mut bench, one, what(What::Contacts(true)));
    let tie = list.profiles[0].contact.clone().unwrap();
    assert_eq!((tie.state(), &*tie.remark), (Contact::Accepted, ""));
    let rows: Vec<_> = bench.engine.state().contact_rows().map(|row| (row.user, row.remark.to_owned())).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|(_, remark)| remark.is_empty()));
}

/// A block that comes when all else is over stands alone: what was over is not in the list any more.
#[test]
fn a_block_lies_over_nothing_that_is_over() {
    for over in [Contact::Withdrawn, Contact::Declined, Contact::Removed] {
        let (mut bench, people) = bench(2);
        let [(one, first), (two, second)] = people[..] else { panic!() };
        become_(&mut bench, one, second, Contact::Requested).unwrap();
        match over {
            Contact::Withdrawn => become_(&mut bench, one, second, over).unwrap(),
            Contact::Declined => become_(&mut bench, two, first, over).unwrap(),
            _ => {
                become_(&mut bench, two, first, Contact::Accepted).unwrap();
                become_(&mut bench, one, second, over).unwrap();
            }
        }
        become_(&mut bench, one, second, Contact::Blocked).unwrap();
        let rows: Vec<_> = bench.engine.state().contact_rows().map(|row| (row.user, row.state, row.blocked)).collect();
        assert_eq!(rows, [(first, Contact::None, true)]);
    }
}

/// An import may have given only one of two people the other: either of them can mend that.
#[test]
fn a_list_of_one_side_is_mended_by_either() {
    let import = |bench: &mut Bench| {
        let friends = admin::Friends { handle: "user1".into(), contacts: vec!["user2".into()] };
        let import = admin::ImportContacts { friends: vec![friends] };
        bench.ask(40, Command::Operate(Box::new(admin::admin_frame::Request::ImportContacts(import))), b"");
    };
    let mutual = |bench: &mut Bench, one: u32, two: u32, of: (UserId, UserId)| {
        assert_eq!(list(bench, one, 0), [(of.1, Contact::Accepted)]);
        assert_eq!(list(bench, two, 0), [(of.0, Contact::Accepted)]);
    };
    for (by_second, becomes, asked) in [
        (true, Contact::Requested, false),
        (true, Contact::Accepted, false),
        (false, Contact::Accepted, true),
        (false, Contact::Requested, true),
    ] {
        let (mut bench, people) = bench(2);
        let [(one, first), (two, second)] = people[..] else { panic!() };
        if asked {
            become_(&mut bench, two, first, Contact::Requested).unwrap();
        }
        import(&mut bench);
        let (by, of) = if by_second { (two, first) } else { (one, second) };
        become_(&mut bench, by, of, becomes).unwrap();
        mutual(&mut bench, one, two, (first, second));
    }
    // whoever has the other asks anew where nobody has asked
    let (mut bench, people) = bench(2);
    let [(one, first), (two, second)] = people[..] else { panic!() };
    import(&mut bench);
    become_(&mut bench, one, second, Contact::Requested).unwrap();
    become_(&mut bench, two, first, Contact::Accepted).unwrap();
    mutual(&mut bench, one, two, (first, second));
}
