//! `decide`: what a command of a signed-in device leads to. It reads state and changes nothing.

use smallvec::{SmallVec, smallvec};

use super::chats::Chat;
use super::contact_rules::may_write;
use super::event::Event;
use super::groups;
use super::keys::{Known, Sent};
use super::state::{State, fingerprint};
use super::users::{self, Device, Standing, User};
use crate::ids::{DeviceId, GroupId, Key, Time, UserId};
use crate::rings::{Imported, Made, Register, SignIn, To, TrainSend, Vouched};
use crate::wire::log::{AccountRegistered, DeviceAdded, DeviceRemoved, Reason, SessionClosed};
use crate::wire::names;
use crate::wire::record::LogEntry;
use crate::wire::v1;
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
    /// Contacts of a user at most.
    pub contacts: usize,
    /// Requests for contacts that wait, of a user and for a user, at most.
    pub requests: usize,
    /// Requests for contacts that a user makes in a day at most.
    pub requests_a_day: usize,
    /// Only contacts may write to each other.
    pub contacts_only: bool,
    /// A token that was not used for so many milliseconds has expired.
    pub token_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            group: 500,
            devices: 16,
            page: 1000,
            contacts: 5_000,
            requests: 1_000,
            requests_a_day: 100,
            contacts_only: false,
            token_ms: 90 * 86_400_000,
        }
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

/// A message. Refused in this order: the recipient, membership, the key, whether the recipient takes it.
pub(super) fn send<'a>(
    state: &State,
    limits: &Limits,
    asker: Asker,
    key: Key,
    to: To,
    body: &'a [u8],
) -> Result<Decided<'a>, Refusal> {
    let (user, group, content) = recipient(state, asker.user, to, body)?;
    if let Some(sent) = known(state, asker, key, || fingerprint(user.0, group.0, content))? {
        return Ok(Decided::Again(sent));
    }
    may_write(state, limits, asker.user, user)?;
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

/// The conversation that a train goes on with, if each of its messages happens whatever the others say: the recipient, who is somebody else, takes
/// them, each wants an answer, and each key is above all that the device has used, or none. `None`: each has to be decided alone.
pub(super) fn train(state: &State, limits: &Limits, asker: Asker, to: UserId, sends: &[TrainSend]) -> Option<Chat> {
    let device = state.device(asker.user, asker.device)?;
    let mut highest = device.keys.highest();
    for send in sends {
        if send.request == 0 || (send.key.0 != 0 && send.key <= highest) {
            return None;
        }
        highest = highest.max(send.key);
    }
    let is_plain = to != asker.user && state.account(to).is_some() && may_write(state, limits, asker.user, to).is_ok();
    is_plain.then(|| state.chats.get(asker.user, to))
}

/// Who is meant, and the content that is left of the body.
pub(super) fn recipient<'a>(
    state: &State,
    asker: UserId,
    to: To,
    body: &'a [u8],
) -> Result<(UserId, GroupId, &'a [u8]), Refusal> {
    let not_found = |field| Refusal::of(Code::NotFound).field(field);
    match to {
        To::Myself => Ok((asker, GroupId(0), body)),
        To::User(user) => match state.account(user) {
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
pub(super) fn known(
    state: &State,
    asker: Asker,
    key: Key,
    fingerprint: impl FnOnce() -> u64,
) -> Result<Option<Sent>, Refusal> {
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
    if state.is_taken(&register.handle) {
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
    let user = state.account(sign_in.user).ok_or(wrong)?;
    if user.credential != sign_in.credential || user.secret.is_empty() {
        return Err(wrong);
    }
    let device = device_of(user, limits, sign_in)?;
    Ok((device, smallvec![added(sign_in.user, device, sign_in)]))
}

/// A device signs in for whose handle a product vouches. Who has no account gets one, if that is wanted and nobody ever had the handle.
pub(super) fn vouched(
    state: &State,
    limits: &Limits,
    vouched: &Vouched,
) -> Result<(UserId, DeviceId, Events<'static>), Refusal> {
    let Vouched { handle, name, create, sign_in } = vouched;
    let known = state.find(handle).and_then(|id| state.account(id).map(|user| (id, user)));
    if let Some((id, user)) = known {
        let device = device_of(user, limits, sign_in)?;
        return Ok((id, device, smallvec![added(id, device, sign_in)]));
    }
    // one answer for all that is wrong with a token: also for a handle that is none, or is not given again
    let wrong = Refusal::of(Code::Unauthenticated);
    if !create {
        return Err(wrong);
    }
    let new = Register { handle: handle.clone(), name: name.clone(), secret: String::new(), sign_in: sign_in.clone() };
    let events = register(state, &new).map_err(|_| wrong)?;
    Ok((state.next_user(), DeviceId(1), events))
}

/// The device of an account that signs in: the one that is named if it has it, otherwise a new one.
fn device_of(user: &User, limits: &Limits, sign_in: &SignIn) -> Result<DeviceId, Refusal> {
    check_standing(user)?;
    match user.device(sign_in.device) {
        Some(device) => Ok(device.id),
        None if user.devices.len() >= limits.devices => Err(Refusal::of(Code::Full).field("device")),
        None => Ok(DeviceId(user.devices_made + 1)),
    }
}

/// Whether the password that was checked is still the account's.
pub(super) fn check_credential(state: &State, user: UserId, checked: u32) -> Result<(), Refusal> {
    match state.account(user) {
        Some(user) if user.credential == checked => Ok(()),
        _ => Err(Refusal::of(Code::Unauthenticated).field("old")),
    }
}

/// Whose token it is, if it is one that may be used.
pub(super) fn resume(
    state: &State,
    limits: &Limits,
    token: &users::Token,
    now: Time,
) -> Result<(UserId, DeviceId), Refusal> {
    let signed_out = Refusal::of(Code::SignedOut);
    let (id, device) = state.with_token(token).ok_or(signed_out)?;
    let user = state.account(id).ok_or(signed_out)?;
    check_standing(user)?;
    match user.device(device) {
        // whoever is connected uses it
        Some(device) if device.online || device.used().0.saturating_add(limits.token_ms) > now.0 => Ok((id, device.id)),
        _ => Err(signed_out),
    }
}

/// A disabled account is told so, but only to who could sign in.
pub(super) fn check_standing(user: &User) -> Result<(), Refusal> {
    if user.standing == Standing::Disabled { Err(Refusal::of(Code::Disabled)) } else { Ok(()) }
}

/// A profile's change; the content is the change with its tag.
pub(super) fn change_profile<'a>(
    state: &State,
    asker: Asker,
    key: Key,
    content: &'a [u8],
) -> Result<Decided<'a>, Refusal> {
    if let Some(sent) = known(state, asker, key, || fingerprint(asker.user.0, 0, content))? {
        return Ok(Decided::Again(sent));
    }
    let entry = <v1::Entry as prost::Message>::decode(content).ok();
    let change =
        entry.and_then(|entry| entry.profile_change).ok_or(Refusal::of(Code::Invalid).field("profile_change"))?;
    users::check_profile(&change)?;
    Ok(Decided::Happens(Event::ProfileChanged(LogEntry {
        from: asker.user.0,
        device: asker.device.0,
        key: key.0,
        user: asker.user.0,
        content,
        ..LogEntry::default()
    })))
}

/// Accounts in bulk: each is made, or refused alone.
pub(super) fn import(state: &State, accounts: &[Imported]) -> (Events<'static>, Made) {
    let mut events = Events::new();
    let mut made = Vec::with_capacity(accounts.len());
    let mut next = state.users.len() as u64 + 1;
    for (nth, account) in accounts.iter().enumerate() {
        let handle = &*account.handle;
        let among = |others: &[Imported]| others.iter().any(|other| names::is_same(&other.handle, handle));
        let taken = || state.is_taken(handle) || among(&accounts[..nth]);
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
            secret: account.secret.clone(),
        }));
        let device = account.token.map_or(DeviceId(0), |_| DeviceId(1));
        let device_added = |token| added(user, device, &SignIn { token, ..SignIn::default() });
        events.extend(account.token.map(device_added));
        made.push(Ok((user, device)));
    }
    (events, made)
}

/// What signing a device out means for it, if it is one.
pub(super) fn sign_out(user: UserId, device: &Device, reason: Reason) -> Events<'static> {
    let mut events = Events::new();
    if device.online {
        events.push(closed(user, device.id, reason));
    }
    events.push(Event::DeviceRemoved(DeviceRemoved { user: user.0, device: device.id.0 }));
    events
}

/// A session that ends.
pub(super) fn closed(user: UserId, device: DeviceId, reason: Reason) -> Event<'static> {
    Event::SessionClosed(SessionClosed { user: user.0, device: device.0, reason: reason.into() })
}

pub(super) fn added(user: UserId, device: DeviceId, sign_in: &SignIn) -> Event<'static> {
    Event::DeviceAdded(DeviceAdded {
        user: user.0,
        device: device.0,
        token: sign_in.token.to_vec(),
        name: sign_in.device_name.clone(),
        kind: sign_in.kind,
    })
}
