//! Contacts, profiles and presence over real sockets, and across a crash.

use ringdove_core::wire::v1::{
    self, Contact, ContactChange, State, client_frame::Request, get::What, server_frame::Body, signal,
};
use tempfile::tempdir;

use crate::broker::Broker;
use crate::client::Client;

fn contact(user: u64, state: Contact) -> v1::Send {
    let change = ContactChange { state: state.into(), ..ContactChange::default() };
    v1::Send { to: Some(v1::send::To::User(user)), contact_change: Some(change), ..v1::Send::default() }
}

fn found(client: &mut Client, what: What) -> v1::Found {
    match client.ask(Request::Get(v1::Get { what: Some(what), ..v1::Get::default() })) {
        Ok(Body::Found(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// The next presence that the client is told, entries left out.
fn presence(client: &mut Client) -> (u64, State) {
    loop {
        if let Some(Body::Signal(v1::Signal { from, what: Some(signal::What::Presence(presence)), .. })) =
            client.news().body
        {
            return (from, presence.state());
        }
    }
}

/// The next entry that the client is told, presence left out.
fn entry(client: &mut Client) -> v1::Entry {
    loop {
        if let Some(Body::Entry(entry)) = client.news().body {
            return entry;
        }
    }
}

#[test]
fn two_people_become_contacts_and_see_each_other_come_and_go() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let mut bob = Client::register(broker.address, "bob");
    let (ann_id, bob_id) = (ann.welcome.user, bob.welcome.user);
    let greeting =
        ContactChange { greeting: "hi bob".into(), ..contact(0, Contact::Requested).contact_change.unwrap() };
    // by handle, as people type
    let request = v1::Send {
        to: Some(v1::send::To::Handle("Bob".into())),
        contact_change: Some(greeting.clone()),
        ..v1::Send::default()
    };
    let sent = ann.send(request).unwrap();
    assert_eq!((sent.to, sent.version, sent.ordinal), (Some(v1::entry::To::User(bob_id)), 1, 0));
    let heard = entry(&mut bob);
    assert_eq!((heard.from, heard.version, heard.contact_change), (ann_id, 1, Some(greeting.clone())));
    bob.send(contact(ann_id, Contact::Accepted)).unwrap();
    assert_eq!(entry(&mut ann).contact_change.unwrap().state(), Contact::Accepted);
    assert_eq!(presence(&mut ann), (bob_id, State::Online));
    assert_eq!(presence(&mut bob), (ann_id, State::Online));

    // the kernel tells that bob's socket is gone
    let bobs = bob.identity();
    drop(bob);
    assert_eq!(presence(&mut ann), (bob_id, State::Offline));
    let mut bob = Client::resume(broker.address, &bobs, Some((bobs.epoch, 0)));
    assert_eq!(presence(&mut ann), (bob_id, State::Online));
    // whoever was away pulls the same entries
    let missed = bob.sync(0);
    assert_eq!(missed[0].contact_change, Some(greeting));
    assert_eq!(missed[1].contact_change.as_ref().map(ContactChange::state), Some(Contact::Accepted));
    assert_eq!((missed[0].from, missed[1].from, missed[1].to), (ann_id, 0, Some(v1::entry::To::User(ann_id))));
    let list = found(&mut bob, What::Contacts(true));
    assert_eq!((list.version, list.profiles.len(), &*list.profiles[0].handle), (2, 1, "ann"));
    assert_eq!(list.profiles[0].presence.as_ref().map(v1::Presence::state), Some(State::Online));
    broker.stop();
}

#[test]
fn profiles_and_lists_survive_a_crash_and_nobody_is_left_online() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let mut bob = Client::register(broker.address, "bob");
    let (ann_id, bob_id) = (ann.welcome.user, bob.welcome.user);
    ann.send(contact(bob_id, Contact::Requested)).unwrap();
    bob.send(contact(ann_id, Contact::Accepted)).unwrap();
    let change = v1::ProfileChange { name: Some("Bob ✿".into()), status: Some("away ✈".into()), avatar: None };
    bob.send(v1::Send { key: 4, profile_change: Some(change.clone()), ..v1::Send::default() }).unwrap();
    assert!(matches!(
        ann.ask(Request::Signal(v1::Signal { what: Some(signal::What::Typing(true)), ..v1::Signal::default() })),
        Err(refusal) if refusal.name == "UNSUPPORTED" && refusal.field == "typing"
    ));
    let anns = ann.identity();
    broker.crash();

    let broker = Broker::on(folder.path());
    let mut ann = Client::resume(broker.address, &anns, Some((anns.epoch, 2)));
    let list = found(&mut ann, What::Contacts(true));
    let [bob] = &list.profiles[..] else { panic!("{list:?}") };
    assert_eq!((&*bob.name, &*bob.status), ("Bob ✿", "away ✈"));
    let seen = bob.presence.clone().unwrap();
    assert_eq!((seen.state(), seen.last_seen > 0), (State::Offline, true), "no ghosts");
    assert!(found(&mut ann, What::Online(true)).profiles.is_empty());
    let devices = found(&mut ann, What::Devices(true)).devices;
    assert_eq!((devices.len(), devices[0].online), (1, true));
    broker.stop();
}

/// A device is signed out from another one.
#[test]
fn one_device_signs_another_one_out() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut phone = Client::register(broker.address, "ann");
    let password = v1::Password { handle: "ann".into(), secret: "correct horse".into(), ..v1::Password::default() };
    let mut desk = Client::hello(broker.address, v1::hello::Auth::Password(password), None);
    let device = desk.welcome.device;
    let refused = phone.ask(Request::Bye(v1::Bye { device: 99, ..v1::Bye::default() }));
    assert!(matches!(refused, Err(refusal) if refusal.name == "NOT_FOUND" && refusal.field == "device"));
    let id = phone.write(Request::Bye(v1::Bye { device, ..v1::Bye::default() })).unwrap();
    let done = phone.frame().unwrap();
    assert_eq!((done.id, done.body), (id, None));
    assert!(matches!(desk.news().body, Some(Body::Bye(bye)) if bye.name == "SIGNED_OUT"));
    assert_eq!(found(&mut phone, What::Devices(true)).devices.len(), 1);
    broker.stop();
}
