//! Random deeds of a few people, for properties that have to hold whatever happens.
#![allow(dead_code, reason = "each test file uses its part")]

use super::bench::{Bench, change, contact, members, text};
use proptest::prelude::*;
use ringdove_core::ids::{DeviceId, Epoch, GroupId, Key, Time, UserId, Version};
use ringdove_core::rings::{Command, Imported, NewSecret, Parcel, SignIn, To, Vouched};
use ringdove_core::wire::admin::{self, admin_frame};
use ringdove_core::wire::v1::{self, GroupChange, get};

pub const PEOPLE: u64 = 5;

/// What somebody does; users and groups may not exist, keys repeat, connections may be signed out.
#[derive(Clone, Debug)]
pub enum Deed {
    Send { by: u32, key: u64, to: u64, text: String },
    Train { by: u32, to: u64, messages: Vec<(u64, String)> },
    SendToGroup { by: u32, key: u64, group: u64, text: String },
    SendToHandle { by: u32, handle: String },
    Change { by: u32, key: u64, group: u64, add: Vec<u64>, remove: Vec<u64>, name: Option<String> },
    Create { by: u32, key: u64, set: Vec<u64> },
    Sync { by: u32, since: u64 },
    Acknowledge { by: u32, version: u64 },
    SignIn { connection: u32, user: u64, device: u32, token: u8 },
    Resume { connection: u32, token: u8 },
    Bye { by: u32, all: bool },
    Closed { by: u32 },
    Import { handles: Vec<String> },
    Contact { by: u32, key: u64, to: u64, state: i32, remark: String },
    Profile { by: u32, key: u64, name: String, status: Option<String> },
    Presence { by: u32, state: u32 },
    Get { by: u32, what: get::What, since: u64 },
    Tick { at: u64 },
    Operate(admin_frame::Request),
    Vouch { connection: u32, handle: String, create: bool, device: u32, token: u8 },
    NewSecret { by: u32, credential: u32 },
}

fn operation() -> impl Strategy<Value = admin_frame::Request> {
    use admin::change::What;
    let who = || (1..PEOPLE + 3).prop_map(|nth| Some(admin::Who { user: UserId::nth(nth).0, handle: String::new() }));
    let what = prop_oneof![
        any::<bool>().prop_map(What::Disable),
        "[a-z]{0,2}".prop_map(What::Password),
        Just(What::Delete(true)),
        (0..3_u64).prop_map(What::SignOut),
    ];
    let friends = ("p[1-5]xx", prop::collection::vec("p[1-6]xx", 0..4));
    let friends = friends.prop_map(|(handle, contacts)| admin::Friends { handle, contacts });
    prop_oneof![
        4 => (who(), what).prop_map(|(who, what)| admin_frame::Request::Change(admin::Change { who, what: Some(what) })),
        1 => "[p-q][0-9]{2}".prop_map(|handle| admin_frame::Request::Add(admin::Add { handle, ..admin::Add::default() })),
        1 => who().prop_map(|who| admin_frame::Request::Show(admin::Show { who })),
        1 => Just(admin_frame::Request::List(admin::List { after: 0, limit: 3 })),
        2 => prop::collection::vec(friends, 0..3).prop_map(|friends| admin_frame::Request::ImportContacts(admin::ImportContacts { friends })),
    ]
}

fn reading() -> impl Strategy<Value = get::What> {
    use get::What;
    prop_oneof![
        Just(What::Contacts(true)),
        Just(What::Online(true)),
        Just(What::Devices(true)),
        (1..PEOPLE + 2).prop_map(|nth| What::Mutual(UserId::nth(nth).0)),
        (1..3_u64).prop_map(|nth| What::Known(GroupId::nth(nth).0)),
    ]
}

/// What one of the first few does to the relation with another one; few of them go through all that two people can be to each other.
pub fn contact_deed(people: u32) -> impl Strategy<Value = Deed> {
    let to = 1..=u64::from(people).min(PEOPLE + 1);
    (0..=people, prop_oneof![4 => Just(0), 1 => 0..12_u64], to, 0..8_i32, "[a-b]{0,1}")
        .prop_map(|(by, key, to, state, remark)| Deed::Contact { by, key, to, state, remark })
}

/// Messages with keys that grow, with none, or with any.
fn train() -> impl Strategy<Value = Vec<(u64, String)>> {
    let keys = prop_oneof![
        (0..1_000_u64).prop_map(|from| (from..from + 6).collect::<Vec<_>>()),
        Just(vec![0; 6]),
        prop::collection::vec(0..12_u64, 6),
    ];
    let texts = prop::collection::vec("[a-c]{1,3}", 2..6);
    (keys, texts).prop_map(|(keys, texts)| keys.into_iter().zip(texts).collect())
}

pub fn deed() -> impl Strategy<Value = Deed> {
    let by = 0..8_u32;
    let key = 0..12_u64;
    let person = 1..PEOPLE + 2;
    let group = 1..4_u64;
    let people = prop::collection::vec(1..PEOPLE + 2, 0..4);
    prop_oneof![
        6 => (by.clone(), key.clone(), person.clone(), "[a-c]{1,3}").prop_map(|(by, key, to, text)| Deed::Send { by, key, to, text }),
        3 => (by.clone(), person.clone(), train()).prop_map(|(by, to, messages)| Deed::Train { by, to, messages }),
        4 => (by.clone(), key.clone(), group.clone(), "[a-c]{1,3}")
            .prop_map(|(by, key, group, text)| Deed::SendToGroup { by, key, group, text }),
        1 => (by.clone(), "p[0-9]").prop_map(|(by, handle)| Deed::SendToHandle { by, handle }),
        3 => (by.clone(), key.clone(), group, people.clone(), people.clone(), proptest::option::of("[a-z]{0,4}"))
            .prop_map(|(by, key, group, add, remove, name)| Deed::Change { by, key, group, add, remove, name }),
        2 => (by.clone(), key, people).prop_map(|(by, key, set)| Deed::Create { by, key, set }),
        1 => (by.clone(), 0..20_u64).prop_map(|(by, since)| Deed::Sync { by, since }),
        2 => (by.clone(), 0..20_u64).prop_map(|(by, version)| Deed::Acknowledge { by, version }),
        2 => (by.clone(), person, 0..4_u32, any::<u8>())
            .prop_map(|(connection, user, device, token)| Deed::SignIn { connection, user, device, token }),
        2 => (by.clone(), any::<u8>()).prop_map(|(connection, token)| Deed::Resume { connection, token }),
        1 => (by.clone(), any::<bool>()).prop_map(|(by, all)| Deed::Bye { by, all }),
        1 => by.prop_map(|by| Deed::Closed { by }),
        1 => prop::collection::vec("[p-q][0-9]{1,3}", 0..4).prop_map(|handles| Deed::Import { handles }),
        6 => contact_deed(8),
        1 => (0..8_u32, 0..12_u64, "[a-c]{1,3}", proptest::option::of("[a-c]{0,2}"))
            .prop_map(|(by, key, name, status)| Deed::Profile { by, key, name, status }),
        1 => (0..8_u32, 1..5_u32).prop_map(|(by, state)| Deed::Presence { by, state }),
        1 => (0..8_u32, reading(), 0..9_u64).prop_map(|(by, what, since)| Deed::Get { by, what, since }),
        2 => (0..100_000_u64).prop_map(|at| Deed::Tick { at }),
        2 => operation().prop_map(Deed::Operate),
        2 => (0..8_u32, "[p-q][0-9]{1,2}", any::<bool>(), 0..3_u32, any::<u8>())
            .prop_map(|(connection, handle, create, device, token)| Deed::Vouch { connection, handle, create, device, token }),
        1 => (0..8_u32, 0..4_u32).prop_map(|(by, credential)| Deed::NewSecret { by, credential }),
    ]
}

/// The same as [`put`], but for trains: their messages are put one by one.
pub fn put_alone(bench: &mut Bench, request: u32, deed: &Deed) {
    let Deed::Train { by, to, messages } = deed else { return put(bench, request, deed) };
    for (request, (key, said)) in (request..).zip(messages) {
        let send = Command::Send { key: Key(*key), to: To::User(UserId::nth(*to)) };
        bench.put(*by, request, send, &text(said));
    }
}

pub fn put(bench: &mut Bench, request: u32, deed: &Deed) {
    let ids = |people: &[u64]| people.iter().map(|nth| UserId::nth(*nth)).collect::<Vec<_>>();
    match deed.clone() {
        Deed::Send { by, key, to, text: said } => {
            bench.put(by, request, Command::Send { key: Key(key), to: To::User(UserId::nth(to)) }, &text(&said));
        }
        Deed::Train { by, to, messages } => {
            let messages: Vec<_> = messages.iter().map(|(key, said)| (*key, text(said))).collect();
            bench.put_train(by, request, UserId::nth(to), &messages);
        }
        Deed::SendToGroup { by, key, group, text: said } => {
            bench.put(by, request, Command::Send { key: Key(key), to: To::Group(GroupId::nth(group)) }, &text(&said));
        }
        Deed::SendToHandle { by, handle } => {
            let body = [handle.as_bytes(), &text("hi")].concat();
            bench.put(by, request, Command::Send { key: Key(0), to: To::Handle(handle.len() as u8) }, &body);
        }
        Deed::Change { by, key, group, add, remove, name } => {
            let remove = ids(&remove).iter().map(|user| user.0).collect();
            let change_ = GroupChange { set: members(&ids(&add)), remove, name, ..GroupChange::default() };
            bench.put(
                by,
                request,
                Command::ChangeGroup { key: Key(key), group: GroupId::nth(group) },
                &change(change_),
            );
        }
        Deed::Create { by, key, set } => {
            let change_ = GroupChange { create: true, set: members(&ids(&set)), ..GroupChange::default() };
            bench.put(by, request, Command::ChangeGroup { key: Key(key), group: GroupId(0) }, &change(change_));
        }
        Deed::Sync { by, since } => bench.put(by, request, Command::Sync { since: Version(since), limit: 0 }, b""),
        Deed::Acknowledge { by, version } => bench.put_ack(by, Version(version)),
        Deed::SignIn { connection, user, device, token } => {
            let sign_in = SignIn {
                user: UserId::nth(user),
                credential: 1,
                device: DeviceId(device),
                token: [token; 32],
                ..SignIn::default()
            };
            bench.put(connection, request, Command::SignIn(Box::new(sign_in)), b"");
        }
        Deed::Vouch { connection, handle, create, device, token } => {
            let sign_in = SignIn { device: DeviceId(device), token: [token; 32], ..SignIn::default() };
            let vouched = Vouched { handle, name: String::new(), create, sign_in };
            bench.put(connection, request, Command::Vouched(Box::new(vouched)), b"");
        }
        Deed::NewSecret { by, credential } => {
            let new = NewSecret { credential, secret: "new".into() };
            bench.put(by, request, Command::ChangeSecret(Box::new(new)), b"");
        }
        Deed::Resume { connection, token } => {
            let cursor = Some((Epoch(1), Version(0)));
            bench.put(connection, request, Command::Resume { token: [token; 32], cursor }, b"");
        }
        Deed::Bye { by, all } => bench.put(by, request, Command::Bye { all_devices: all, device: DeviceId(0) }, b""),
        Deed::Closed { by } => bench.put(by, 0, Command::Closed, b""),
        Deed::Contact { by, key, to, state, remark } => {
            let change = contact(v1::ContactChange { state, remark, ..v1::ContactChange::default() });
            bench.put(by, request, Command::ChangeContact { key: Key(key), to: To::User(UserId::nth(to)) }, &change);
        }
        Deed::Profile { by, key, name, status } => {
            let change = v1::ProfileChange { name: Some(name), status, ..v1::ProfileChange::default() };
            let content = v1::Entry { profile_change: Some(change), ..v1::Entry::default() };
            let content = prost::Message::encode_to_vec(&content);
            bench.put(by, request, Command::ChangeProfile { key: Key(key) }, &content);
        }
        Deed::Presence { by, state } => bench.put(by, request, Command::ChoosePresence { state }, b""),
        Deed::Get { by, what, since } => {
            let get = v1::Get { what: Some(what), since, ..v1::Get::default() };
            bench.put(by, request, Command::Get(Box::new(get)), b"");
        }
        Deed::Tick { at } => {
            bench.now = Time(at);
            bench.put(0, 0, Command::Tick, b"");
        }
        Deed::Operate(operation) => bench.put(40, request, Command::Operate(Box::new(operation)), b""),
        Deed::Import { handles } => {
            let account = |(nth, handle): (usize, String)| Imported {
                handle,
                // one in three comes without a device, one in two with a password
                token: (nth % 3 != 2).then_some([request as u8 ^ nth as u8; 32]),
                secret: if nth % 2 == 1 { "phc".into() } else { String::new() },
                ..Imported::default()
            };
            bench.put(
                0,
                request,
                Command::Import(Parcel::of(handles.into_iter().enumerate().map(account).collect())),
                b"",
            );
        }
    }
}
