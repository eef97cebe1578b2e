//! Tables that follow.

use std::fs;

use ringdove_core::wire::v1::{self, Contact, ContactChange, GroupChange, Member, ProfileChange, Role, send::To};
use tempfile::tempdir;

use crate::broker::Broker;
use crate::client::{Client, text};
use crate::operator::{Door, rebuild, rebuild_in_vain, serve_with, verify};
use crate::postgres::Postgres;

fn contact(user: u64, change: ContactChange) -> v1::Send {
    v1::Send { to: Some(To::User(user)), contact_change: Some(change), ..v1::Send::default() }
}

fn group(to: Option<u64>, change: GroupChange) -> v1::Send {
    v1::Send { to: to.map(To::Group), group_change: Some(change), ..v1::Send::default() }
}

/// People meet, part, block, make groups and leave them, sign out; with a crash in between, and the tables are right at every turn.
fn people_come_and_go(sql: &str) {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let broker = Broker::start(serve_with(data, sql));
    let mut ann = Client::register(broker.address, "ann");
    let mut bob = Client::register(broker.address, "bob");
    let mut cyd = Client::register(broker.address, "cyd");
    let (ann_id, bob_id, cyd_id) = (ann.welcome.user, bob.welcome.user, cyd.welcome.user);
    let state = |state: Contact| ContactChange { state: state.into(), ..ContactChange::default() };
    let greeting = ContactChange { greeting: "hi \u{0}\u{1f54a}?".replace('\0', ""), ..state(Contact::Requested) };
    ann.send(contact(bob_id, greeting)).unwrap();
    bob.send(contact(ann_id, state(Contact::Accepted))).unwrap();
    ann.send(contact(
        bob_id,
        ContactChange { remark: "\"boss\"".into(), tags: vec!["a,b".into()], ..state(Contact::None) },
    ))
    .unwrap();
    cyd.send(contact(ann_id, state(Contact::Requested))).unwrap();
    ann.send(contact(cyd_id, state(Contact::Blocked))).unwrap();
    ann.send(contact(cyd_id, state(Contact::Declined))).unwrap();
    let profile = ProfileChange { name: Some("Ann 🕊".into()), status: Some("là".into()), avatar: None };
    ann.send(v1::Send { profile_change: Some(profile), ..v1::Send::default() }).unwrap();
    let member = |user: u64, role: Role| Member { user, role: role.into(), ..Member::default() };
    let made = GroupChange {
        create: true,
        // Postgres has no text with a zero in it
        name: Some("pic\0nic".into()),
        set: vec![member(bob_id, Role::Admin), member(cyd_id, Role::Member)],
        ..GroupChange::default()
    };
    let picnic = match ann.send(group(None, made)).unwrap().to {
        Some(v1::entry::To::Group(group)) => group,
        other => panic!("{other:?}"),
    };
    cyd.send(group(Some(picnic), GroupChange { remove: vec![cyd_id], ..GroupChange::default() })).unwrap();
    ann.send(text(bob_id, 9, "messages are none of their business")).unwrap();
    let figures = Door::of(data).caught_up();
    assert_eq!((figures.accounts, figures.groups, figures.sessions), (3, 1, 3));
    let said = verify(data, sql);
    assert!(said.contains("3 accounts, 3 devices, 3 contacts, 1 groups, 2 memberships"), "{said}");

    let anns = ann.identity();
    broker.crash();
    let broker = Broker::start(serve_with(data, sql));
    let mut ann = Client::resume(broker.address, &anns, None);
    ann.send(contact(bob_id, state(Contact::Removed))).unwrap();
    ann.send(contact(cyd_id, state(Contact::None))).unwrap();
    ann.send(group(Some(picnic), GroupChange { dissolve: true, ..GroupChange::default() })).unwrap();
    Door::of(data).caught_up();
    let said = verify(data, sql);
    assert!(said.contains("3 accounts, 3 devices, 0 contacts, 0 groups, 0 memberships"), "{said}");
    assert!(rebuild_in_vain(data, sql).contains("in use by process"));
    broker.stop();
    // the end brings the last of it
    assert!(verify(data, sql).contains("the tables are right"));
    rebuild(data, sql);
    let said = verify(data, sql);
    assert!(said.contains("3 accounts, 3 devices, 0 contacts, 0 groups, 0 memberships"), "{said}");
}

#[test]
fn sqlite_follows_people_who_come_and_go() {
    people_come_and_go("sqlite");
}

#[test]
fn postgres_follows_people_who_come_and_go() {
    let server = Postgres::start();
    people_come_and_go(&server.url("chat"));
}

/// Thousands of accounts at once, over many transactions and segments; the count of SQL is the engine's.
fn a_bulk_import_is_projected_whole(sql: &str) {
    let folder = tempdir().unwrap();
    let broker = Broker::start(serve_with(folder.path(), sql));
    let mut door = Door::of(folder.path());
    door.import("dove", 12_000);
    assert_eq!(door.caught_up().accounts, 12_000);
    let said = verify(folder.path(), sql);
    assert!(said.contains("12000 accounts, 12000 devices, 11999 contacts"), "{said}");
    // into lists that are there already
    door.befriend("dove", 12_000, 2);
    door.caught_up();
    let said = verify(folder.path(), sql);
    assert!(said.contains("12000 accounts, 12000 devices, 23997 contacts"), "{said}");
    broker.crash();
    let broker = Broker::start(serve_with(folder.path(), sql));
    Door::of(folder.path()).caught_up();
    broker.stop();
    rebuild(folder.path(), sql);
    assert!(verify(folder.path(), sql).contains("12000 accounts, 12000 devices, 23997 contacts"));
}

#[test]
fn sqlite_takes_a_bulk_import() {
    a_bulk_import_is_projected_whole("sqlite");
}

#[test]
fn postgres_takes_a_bulk_import() {
    let server = Postgres::start();
    a_bulk_import_is_projected_whole(&server.url("chat"));
    // what an operator types
    let row = server.client("chat").query_one("SELECT count(*) FROM accounts", &[]).unwrap();
    assert_eq!(row.get::<_, i64>(0), 12_000);
}

/// Tables can be had later, or elsewhere, or not at all.
#[test]
fn sqlite_is_made_from_a_journal_that_was_there_before_and_is_its_owners_alone() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("ringdove.sqlite");
    let broker = Broker::start(serve_with(folder.path(), "off"));
    Door::of(folder.path()).import("dove", 300);
    assert_eq!(Door::of(folder.path()).figures().sql, "off");
    broker.stop();
    assert!(!file.exists());
    let broker = Broker::start(serve_with(folder.path(), "sqlite"));
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), "sqlite").contains("300 accounts"));
    for name in ["ringdove.sqlite", "ringdove.sqlite-wal", "ringdove.sqlite-shm"] {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.path().join(name)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}: hashes of passwords lie in it");
    }
    broker.stop();
    // without the file it is made anew
    fs::remove_file(&file).unwrap();
    let broker = Broker::start(serve_with(folder.path(), "sqlite"));
    Door::of(folder.path()).caught_up();
    assert!(verify(folder.path(), "sqlite").contains("300 accounts"));
    broker.stop();
}
