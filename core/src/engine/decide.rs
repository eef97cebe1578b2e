//! `decide`: what a command of a signed-in device leads to. It reads state and changes nothing.

use smallvec::{SmallVec, smallvec};

use super::event::Event;
use super::groups;
use super::keys::{Known, Sent};
use super::state::{State, fingerprint};
use super::users;
use crate::ids::{DeviceId, GroupId, Key, UserId};
use crate::rings::{Imported, Made, Register, SignIn, To};
use crate::wire::log::{AccountRegistered, DeviceAdded, DeviceRemoved};
use crate::wire::record::LogEntry;
use crate::wire::{Code, Refusal};

/// What the engine holds everyone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members of a group at most, up to 10,000.
    pub group: usize,
    /// Devices of a user at most, up to 60.
    pub devices: usize,
    /// Entries in one page of a sync at most.
    pub page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { group: 500, devices: 16, page: 1000 }
    }
}

/// The events of one command that becomes no entry.
pub(super) type Events<'a> = SmallVec<[Event<'a>; 1]>;

/// What was decided of something that becomes an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Decided<'a> {
    /// This happens.
    Happens(Event<'a>),
    /// It has happened: a retry gets the first answer.
    Again(Sent),
}

/// Who asks: a signed-in device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) user: UserId,
    pub(super) device: DeviceId,
}

/// A message. Refused in this order: the recipient, membership, the key.
pub(super) fn send<'a>(state: &State, asker: Asker, key: Key, to: To, body: &'a [u8]) -> Result<Decided<'a>, Refusal> {
    let (user, group, content) = recipient(state, asker.user, to, body)?;
    if let Some(sent) = known(state, asker, key, || fingerprint(user.0, group.0, content))? {
        return Ok(Decided::Again(sent));
    }
    let chat = match state.group(group) {
        Some(group) => group.chat,
        None => state.chats.get(asker.user, user),
    };
    Ok(Decided::Happens(Event::MessageSent(LogEntry {
        from: asker.user.0,
        device: asker.device.0,
        key: key.0,
        user: user.0,
        group: group.0,
        ordinal: chat.ordinal.0 + 1,
        content,
        previous: chat.last.0,
    })))
}

fn recipient<'a>(state: &State, asker: UserId, to: To, body: &'a [u8]) -> Result<(UserId, GroupId, &'a [u8]), Refusal> {
    let not_found = |field| Refusal::of(Code::NotFound).field(field);
    match to {
        To::Myself => Ok((asker, GroupId(0), body)),
        To::User(user) => match state.user(user) {
            Some(_) => Ok((user, GroupId(0), body)),
            None => Err(not_found("user")),
        },
        To::Group(group) => match state.group(group).and_then(|group| group.member(asker)) {
            Some(_) => Ok((UserId(0), group, body)),
            None => Err(not_found("group")),
        },
        To::Handle(length) => {
            let (handle, content) = body.split_at_checked(length as usize).ok_or(not_found("handle"))?;
            let user = std::str::from_utf8(handle).ok().and_then(|handle| state.find(handle));
            user.map(|user| (user, GroupId(0), content)).ok_or(not_found("handle"))
        }
    }
}

/// A group that is made or changed; the content is the change with its tag.
pub(super) fn change_group<'a>(
    state: &State,
    limits: &Limits,
    asker: Asker,
    key: Key,
    group: GroupId,
    content: &'a [u8],
) -> Result<Decided<'a>, Refusal> {
    if let Some(sent) = known(state, asker, key, || fingerprint(0, group.0, content))? {
        return Ok(Decided::Again(sent));
    }
    let change = groups::change_of(content).ok_or(Refusal::of(Code::Invalid).field("group_change"))?;
    groups::check(state, asker.user, group, &change, limits.group)?;
    let chat = state.group(group).map(|group| group.chat).unwrap_or_default();
    let group = if change.create { state.next_group() } else { group };
    Ok(Decided::Happens(Event::GroupChanged(LogEntry {
        from: asker.user.0,
        device: asker.device.0,
        key: key.0,
        user: 0,
        group: group.0,
        ordinal: chat.ordinal.0 + 1,
        content,
        previous: chat.last.0,
    })))
}

/// The first answer to this key, if it has one.
fn known(state: &State, asker: Asker, key: Key, fingerprint: impl FnOnce() -> u64) -> Result<Option<Sent>, Refusal> {
    if key.0 == 0 {
        return Ok(None);
    }
    let device = state.device(asker.user, asker.device).ok_or(Refusal::of(Code::SignedOut))?;
    match device.keys.look_up(key) {
        Known::New => Ok(None),
        Known::Again(sent) if sent.fingerprint == fingerprint() => Ok(Some(sent)),
        Known::Again(_) => Err(Refusal::of(Code::KeyReused).field("key")),
        Known::TooLate => Err(Refusal::of(Code::TooLate).field("key")),
    }
}

/// A new account with its first device.
pub(super) fn register(state: &State, register: &Register) -> Result<Events<'static>, Refusal> {
    users::check(&register.handle, &register.name)?;
    if state.find(&register.handle).is_some() {
        return Err(Refusal::of(Code::Exists).field("handle"));
    }
    let user = state.next_user();
    let account = AccountRegistered {
        user: user.0,
        handle: register.handle.clone(),
        name: register.name.clone(),
        secret: register.secret.clone(),
    };
    Ok(smallvec![Event::AccountRegistered(account), added(user, DeviceId(1), &register.sign_in)])
}

/// A device signs in with a password that was found right: a known device of that user gets a new token, any other is a new one.
pub(super) fn sign_in(
    state: &State,
    limits: &Limits,
    sign_in: &SignIn,
) -> Result<(DeviceId, Events<'static>), Refusal> {
    let wrong = Refusal::of(Code::Unauthenticated);
    let user = state.user(sign_in.user).ok_or(wrong)?;
    if user.credential != sign_in.credential || user.secret.is_empty() {
        return Err(wrong);
    }
    let device = match user.device(sign_in.device) {
        Some(device) => device.id,
        None if user.devices.len() >= limits.devices => return Err(Refusal::of(Code::Full).field("device")),
        None => DeviceId(user.devices_made + 1),
    };
    Ok((device, smallvec![added(sign_in.user, device, sign_in)]))
}

/// Accounts in bulk: each is made, or refused alone.
pub(super) fn import(state: &State, accounts: &[Imported]) -> (Events<'static>, Made) {
    let mut events = Events::new();
    let mut made = Vec::with_capacity(accounts.len());
    let mut next = state.accounts() + 1;
    for (nth, account) in accounts.iter().enumerate() {
        let handle = users::fold(&account.handle);
        let taken = || {
            state.find(&handle).is_some() || accounts[..nth].iter().any(|other| users::fold(&other.handle) == handle)
        };
        let checked = users::check(&account.handle, &account.name);
        let checked =
            checked.and_then(|()| if taken() { Err(Refusal::of(Code::Exists).field("handle")) } else { Ok(()) });
        if let Err(refusal) = checked {
            made.push(Err(refusal));
            continue;
        }
        let user = UserId::nth(next);
        next += 1;
        events.push(Event::AccountRegistered(AccountRegistered {
            user: user.0,
            handle: account.handle.clone(),
            name: account.name.clone(),
            secret: String::new(),
        }));
        events.push(added(user, DeviceId(1), &SignIn { token: account.token, ..SignIn::default() }));
        made.push(Ok((user, DeviceId(1))));
    }
    (events, made)
}

/// Sign out: the token dies, or all tokens of the user.
pub(super) fn bye(state: &State, asker: Asker, all_devices: bool) -> Events<'static> {
    let removed = |device: DeviceId| Event::DeviceRemoved(DeviceRemoved { user: asker.user.0, device: device.0 });
    match state.user(asker.user) {
        Some(user) if all_devices => user.devices.iter().map(|device| removed(device.id)).collect(),
        _ => smallvec![removed(asker.device)],
    }
}

fn added(user: UserId, device: DeviceId, sign_in: &SignIn) -> Event<'static> {
    Event::DeviceAdded(DeviceAdded {
        user: user.0,
        device: device.0,
        token: sign_in.token.to_vec(),
        name: sign_in.device_name.clone(),
        kind: sign_in.kind,
    })
}
