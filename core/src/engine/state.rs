//! All journaled state, and the one function that changes it.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::chats::{Chat, Chats};
use super::chunked::{Chunked, Parted};
use super::event::{self, Event, Unreadable};
use super::groups::{self, Group};
use super::inbox::WindowBudget;
use super::keys::Sent;
use super::users::{Device, Token, User};
use crate::ids::{DeviceId, GroupId, Key, Ordinal, Position, Time, UserId, Version};
use crate::record::RecordHead;
use crate::wire::record::LogEntry;

/// Everything that the journal's events say. It reads no clock and no configuration.
#[derive(Debug)]
pub struct State {
    pub(super) users: Chunked<User>,
    pub(super) handles: Parted<Box<str>, UserId>,
    pub(super) tokens: Parted<Token, (UserId, DeviceId)>,
    pub(super) chats: Chats,
    pub(super) groups: Chunked<Group>,
    pub(super) windows: WindowBudget,
}

/// Hears of every inbox entry while an event is applied: the live engine turns it into recipients, recovery ignores it.
pub(super) trait Listener {
    /// `user` has a new entry of this version.
    fn entry(&mut self, user: UserId, version: Version);
}

/// Recovery: nobody listens.
pub(super) struct Nobody;

impl Listener for Nobody {
    fn entry(&mut self, _: UserId, _: Version) {}
}

impl State {
    /// An empty state. A window keeps at most `window` entries, and all windows together `windows_bytes`.
    pub fn new(window: usize, windows_bytes: usize) -> Self {
        let windows = WindowBudget { each: window, left: windows_bytes / size_of::<u64>() };
        Self {
            users: Chunked::new(),
            handles: Parted::new(),
            tokens: Parted::new(),
            chats: Chats::new(),
            groups: Chunked::new(),
            windows,
        }
    }

    /// Applies one record of the journal: recovery.
    ///
    /// # Errors
    /// The body is no record that this version can read. Nothing of it was applied, or its first events were.
    pub fn replay(&mut self, head: RecordHead, body: &[u8]) -> Result<(), Unreadable> {
        event::decode(body, |event| self.apply(head, &event, &mut Nobody))
    }

    /// Applies one event. Total: an event that names what does not exist changes nothing.
    pub(super) fn apply(&mut self, head: RecordHead, event: &Event<'_>, listener: &mut impl Listener) {
        match event {
            Event::MessageSent(entry) => self.message_sent(head, entry, listener),
            Event::GroupChanged(entry) => self.group_changed(head, entry, listener),
            Event::CursorMoved(event) => {
                if let Some(device) = self.device_mut(UserId(event.user), DeviceId(event.device)) {
                    device.acked = device.acked.max(Version(event.version));
                }
            }
            Event::AccountRegistered(event) => {
                let user = UserId(event.user);
                if user == self.next_user() {
                    self.handles.insert(super::users::fold(&event.handle).into(), user);
                    self.users.push(User::new(&event.handle, &event.name, &event.secret));
                }
            }
            Event::DeviceAdded(event) => self.device_added(event),
            Event::DeviceRemoved(event) => {
                let (user, device) = (UserId(event.user), DeviceId(event.device));
                if let Some(removed) = self.user_mut(user).and_then(|user| user.remove(device)) {
                    self.tokens.remove(&removed.token);
                }
            }
            _ => {}
        }
    }

    fn device_added(&mut self, event: &crate::wire::log::DeviceAdded) {
        let Ok(token) = Token::try_from(event.token.as_slice()) else { return };
        let (id, device) = (UserId(event.user), DeviceId(event.device));
        let Some(user) = self.user_mut(id) else { return };
        if let Some(old) = user.add(Device::new(device, token, &event.name, event.kind)) {
            self.tokens.remove(&old);
        }
        self.tokens.insert(token, (id, device));
    }

    fn message_sent(&mut self, head: RecordHead, entry: &LogEntry<'_>, listener: &mut impl Listener) {
        let (from, group) = (UserId(entry.from), GroupId(entry.group));
        let latest = Chat { ordinal: Ordinal(entry.ordinal), last: head.position };
        let own = if let Some(group) = group.counter() {
            let Some(group) = self.groups.get_mut(group as usize - 1) else { return };
            group.chat = latest;
            deliver(&mut self.users, &mut self.windows, group.member_ids(), from, head.position, listener)
        } else {
            let other = UserId(entry.user);
            self.chats.set(from, other, latest);
            let both = [from, other];
            let people = if from == other { &both[..1] } else { &both[..] };
            deliver(&mut self.users, &mut self.windows, people.iter().copied(), from, head.position, listener)
        };
        self.remember(head, entry, own, 0);
    }

    fn group_changed(&mut self, head: RecordHead, entry: &LogEntry<'_>, listener: &mut impl Listener) {
        let Some(change) = groups::change_of(entry.content) else { return };
        let (from, id) = (UserId(entry.from), GroupId(entry.group));
        if id == self.next_group() {
            self.groups.push(Group::default());
        }
        let Some(group) = id.counter().and_then(|counter| self.groups.get_mut(counter as usize - 1)) else { return };
        group.chat = Chat { ordinal: Ordinal(entry.ordinal), last: head.position };
        // whoever is removed hears of it once, and of nothing after
        let told = group.apply(&change, from);
        let own = deliver(&mut self.users, &mut self.windows, told.into_iter(), from, head.position, listener);
        self.remember(head, entry, own, if change.create { entry.group } else { 0 });
    }

    fn remember(&mut self, head: RecordHead, entry: &LogEntry<'_>, version: Version, made: u64) {
        if entry.key == 0 {
            return;
        }
        let sent = Sent {
            key: Key(entry.key),
            version,
            ordinal: Ordinal(entry.ordinal),
            time: head.time,
            position: head.position,
            fingerprint: fingerprint(entry.user, if made == 0 { entry.group } else { 0 }, entry.content),
            made,
        };
        if let Some(device) = self.device_mut(UserId(entry.from), DeviceId(entry.device)) {
            device.keys.remember(sent);
        }
    }

    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(id.counter()? as usize - 1)
    }

    pub(super) fn user_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.users.get_mut(id.counter()? as usize - 1)
    }

    pub(super) fn device(&self, user: UserId, device: DeviceId) -> Option<&Device> {
        self.user(user)?.device(device)
    }

    fn device_mut(&mut self, user: UserId, device: DeviceId) -> Option<&mut Device> {
        self.user_mut(user)?.device_mut(device)
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.counter()? as usize - 1)
    }

    pub(super) fn find(&self, handle: &str) -> Option<UserId> {
        self.handles.get(super::users::fold(handle).as_str()).copied()
    }

    /// The id of the next account.
    pub(super) fn next_user(&self) -> UserId {
        UserId::nth(self.users.len() as u64 + 1)
    }

    /// The id of the next group.
    pub(super) fn next_group(&self) -> GroupId {
        GroupId::nth(self.groups.len() as u64 + 1)
    }

    /// Registered users.
    pub fn accounts(&self) -> u64 {
        self.users.len() as u64
    }

    /// Groups that exist.
    pub fn existing_groups(&self) -> u64 {
        self.groups.iter().filter(|group| !group.is_dissolved()).count() as u64
    }
}

/// Gives the entry at `position` to everyone, and returns the version that it has for its sender.
fn deliver(
    users: &mut Chunked<User>,
    windows: &mut WindowBudget,
    people: impl Iterator<Item = UserId>,
    from: UserId,
    position: Position,
    listener: &mut impl Listener,
) -> Version {
    let mut own = Version(0);
    for id in people {
        let user = id.counter().and_then(|counter| users.get_mut(counter as usize - 1));
        let Some(user) = user else { continue };
        let version = user.inbox.push(position, windows);
        if id == from {
            own = version;
        }
        listener.entry(id, version);
    }
    own
}

/// What "the same content" means for a key: the recipient's id and the content. Not a hash for tables: clients choose the content, but
/// gain nothing from two contents of their own that look the same.
pub(super) fn fingerprint(user: u64, group: u64, content: &[u8]) -> u64 {
    rapidhash_v3_seeded(content, &RapidSecrets::seed_cpp(user ^ group.rotate_left(32)))
}

/// The time of a record: the wall clock's, but never less than the record's before.
pub(super) fn later(before: Time, now: Time) -> Time {
    before.max(now)
}
