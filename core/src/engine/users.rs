//! Accounts and their devices.

use super::contacts::ContactList;
use super::keys::Keys;
use crate::ids::{DeviceId, GroupId, Time, Version};
use crate::wire::names::{self, NAME};
use crate::wire::v1::{ProfileChange, State as Shown};
use crate::wire::{Code, Refusal};

/// SHA-256 of a session token.
pub(super) type Token = [u8; 32];

/// Longest status and avatar, in bytes.
const STATUS: usize = 256;
const AVATAR: usize = 2048;

#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) handle: Box<str>,
    pub(super) name: Box<str>,
    pub(super) secret: Box<str>,
    /// Few have any.
    pub(super) about: Option<Box<About>>,
    /// Grows with every change of the secret.
    pub(super) credential: u32,
    /// Devices that ever were: a device's number is never used again.
    pub(super) devices_made: u32,
    pub(super) devices: Vec<Device>,
    pub(super) contacts: ContactList,
    /// The groups it is in, growing.
    pub(super) groups: Vec<GroupId>,
    pub(super) asks: Asks,
    pub(super) registered: Time,
    pub(super) seen: Seen,
    pub(super) standing: Standing,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Good,
    Disabled,
    Deleted,
}

/// What a profile says beside the name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) avatar: Box<str>,
    pub(super) status: Box<str>,
}

/// What others may see of when someone is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// As the user chose it: ONLINE, AWAY, BUSY or INVISIBLE. OFFLINE, 0: not chosen, which is ONLINE.
    pub(super) chosen: u8,
    /// Devices that are connected.
    pub(super) open: u8,
    /// Visible since, while visible.
    pub(super) since: Time,
    /// When it stopped being visible last.
    pub(super) last: Time,
}

/// Requests for contacts on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asks {
    day: u32,
    count: u16,
}

/// An install of a user, with what it keeps between connections.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) token: Token,
    pub(super) name: Box<str>,
    pub(super) kind: u8,
    /// It is connected.
    pub(super) online: bool,
    /// When it got its token.
    pub(super) signed_in: Time,
    /// When it came or went last; 0: it was never there.
    pub(super) last_seen: Time,
    /// The journaled cursor: everything up to here is safe on the device.
    pub(super) acked: Version,
    pub(super) keys: Keys,
}

impl Seen {
    pub(super) fn is_visible(self) -> bool {
        self.open > 0 && !self.is_hidden()
    }

    fn is_hidden(self) -> bool {
        self.chosen == Shown::Invisible as u8
    }

    /// What others see of someone who is visible.
    pub(super) fn shown(self) -> Shown {
        match Shown::try_from(i32::from(self.chosen)) {
            _ if !self.is_visible() => Shown::Offline,
            Ok(Shown::Offline) | Err(_) => Shown::Online,
            Ok(chosen) => chosen,
        }
    }

    /// Changes something, and notes when that made the user visible or hid it.
    pub(super) fn change(&mut self, at: Time, change: impl FnOnce(&mut Self)) {
        let before = self.is_visible();
        change(self);
        match (before, self.is_visible()) {
            (false, true) => self.since = at,
            (true, false) => self.last = at,
            _ => {}
        }
    }
}

impl Asks {
    const DAY_MS: u64 = 86_400_000;

    /// How many there were on the day of `now`, and in how many milliseconds that ends.
    pub(super) fn today(self, now: Time) -> (u16, u64) {
        let today = (now.0 / Self::DAY_MS) as u32;
        let count = if self.day == today { self.count } else { 0 };
        (count, Self::DAY_MS - now.0 % Self::DAY_MS)
    }

    pub(super) fn add(&mut self, now: Time) {
        let (count, _) = self.today(now);
        *self = Self { day: (now.0 / Self::DAY_MS) as u32, count: count.saturating_add(1) };
    }

    pub(super) fn numbers(self) -> (u32, u16) {
        (self.day, self.count)
    }
}

impl User {
    pub(super) fn new(handle: &str, name: &str, secret: &str, registered: Time) -> Self {
        let (handle, name, secret) = (handle.into(), name.into(), secret.into());
        Self { handle, name, secret, credential: 1, registered, ..Self::default() }
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    pub(super) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// Adds a device, or gives one a new token and returns its old one.
    pub(super) fn add(&mut self, device: Device) -> Option<Token> {
        self.devices_made = self.devices_made.max(device.id.0);
        let Some(known) = self.device_mut(device.id) else {
            // most have one or two
            self.devices.reserve_exact(1);
            self.devices.push(device);
            return None;
        };
        known.signed_in = device.signed_in;
        Some(std::mem::replace(&mut known.token, device.token))
    }

    pub(super) fn remove(&mut self, id: DeviceId) -> Option<Device> {
        let at = self.devices.iter().position(|device| device.id == id)?;
        Some(self.devices.remove(at))
    }

    pub(super) fn change_profile(&mut self, change: ProfileChange) {
        if let Some(name) = change.name {
            self.name = name.into();
        }
        if change.avatar.is_some() || change.status.is_some() {
            let about = self.about.get_or_insert_default();
            about.avatar = change.avatar.map_or(std::mem::take(&mut about.avatar), Into::into);
            about.status = change.status.map_or(std::mem::take(&mut about.status), Into::into);
            if **about == About::default() {
                self.about = None;
            }
        }
    }

    pub(super) fn joined(&mut self, group: GroupId) {
        if let Err(at) = self.groups.binary_search(&group) {
            self.groups.insert(at, group);
        }
    }

    pub(super) fn left(&mut self, group: GroupId) {
        if let Ok(at) = self.groups.binary_search(&group) {
            self.groups.remove(at);
        }
    }
}

impl Device {
    /// When its token was made or used last.
    pub(super) fn used(&self) -> Time {
        self.signed_in.max(self.last_seen)
    }

    pub(super) fn new(id: DeviceId, token: Token, name: &str, kind: u32, at: Time) -> Self {
        Self {
            id,
            token,
            name: name.into(),
            kind: u8::try_from(kind).unwrap_or(0),
            online: false,
            signed_in: at,
            last_seen: Time(0),
            acked: Version(0),
            keys: Keys::default(),
        }
    }
}

/// Whether a new account may have this handle and name.
pub(super) fn check(handle: &str, name: &str) -> Result<(), Refusal> {
    if !names::is_handle(handle) {
        return Err(Refusal::of(Code::Invalid).field("handle"));
    }
    if !names::is_line(name, NAME) {
        return Err(Refusal::of(Code::Invalid).field("name"));
    }
    Ok(())
}

/// Whether a profile may say this.
pub(super) fn check_profile(change: &ProfileChange) -> Result<(), Refusal> {
    let texts = [(&change.name, NAME, "name"), (&change.avatar, AVATAR, "avatar"), (&change.status, STATUS, "status")];
    for (text, longest, field) in texts {
        let Some(text) = text else { continue };
        if text.len() > longest {
            return Err(Refusal::of(Code::TooLarge).field(field));
        }
        if !names::is_line(text, longest) {
            return Err(Refusal::of(Code::Invalid).field(field));
        }
    }
    if change.avatar.as_ref().is_some_and(|avatar| !is_address(avatar)) {
        return Err(Refusal::of(Code::Invalid).field("avatar"));
    }
    Ok(())
}

/// What a client may be told to load: nothing, or something from the web. Never a script or a file.
fn is_address(avatar: &str) -> bool {
    avatar.is_empty()
        || (["https://", "http://"].iter().any(|scheme| avatar.starts_with(scheme)) && !avatar.contains(' '))
}
