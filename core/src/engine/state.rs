//! All journaled state, and the one function that changes it.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::chats::{Chat, Chats};
use super::chunked::{Chunked, Index};
use super::contacts::{self, Tie, place};
use super::event::{self, Event, Unreadable};
use super::groups::{self, Group};
use super::inbox::{Inbox, WindowBudget};
use super::keys::Sent;
use super::online::Online;
use super::users::{Device, Standing, Token, User};
use crate::ids::{DeviceId, GroupId, Key, Ordinal, Position, Time, UserId, Version};
use crate::record::RecordHead;
use crate::wire::log::{Act, Left};
use crate::wire::names::{fold, is_same};
use crate::wire::record::LogEntry;
use crate::wire::v1::{self, Contact};

/// Everything that the journal's events say. It reads no clock and no configuration.
#[derive(Debug)]
pub struct State {
    pub(super) users: Chunked<User>,
    /// One for each user, in the same place.
    pub(super) inboxes: Chunked<Inbox>,
    /// The user of a handle, by its place; also of those who are deleted.
    handles: Index<u32>,
    /// The device of a token, by its user's place.
    tokens: Index<(u32, DeviceId)>,
    pub(super) chats: Chats,
    pub(super) groups: Chunked<Group>,
    pub(super) windows: WindowBudget,
    pub(super) online: Online,
    pub(super) deleted: u64,
}

/// Hears of every inbox entry while an event is applied: the live engine turns it into recipients, recovery ignores it.
pub(super) trait Listener {
    /// `user`, who is not the one who did it, has a new entry of this version.
    fn entry(&mut self, user: UserId, version: Version);
    /// Whoever did it has.
    fn own_entry(&mut self, from: UserId, version: Version);
}

/// Recovery: nobody listens.
pub(super) struct Nobody;

impl Listener for Nobody {
    fn entry(&mut self, _: UserId, _: Version) {}
    fn own_entry(&mut self, _: UserId, _: Version) {}
}

impl State {
    /// An empty state. A window keeps at most `window` entries, and all windows together `windows_bytes`.
    pub fn new(window: usize, windows_bytes: usize) -> Self {
        let windows = WindowBudget { each: window, left: windows_bytes / size_of::<u64>() };
        Self {
            users: Chunked::new(),
            inboxes: Chunked::new(),
            handles: Index::new(),
            tokens: Index::new(),
            chats: Chats::new(),
            groups: Chunked::new(),
            windows,
            online: Online::default(),
            deleted: 0,
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
                if let Some(place) = place(user).filter(|_| user == self.next_user()) {
                    self.handles.insert(&*fold(&event.handle), place);
                    self.users.push(User::new(&event.handle, &event.name, &event.secret, head.time));
                    self.inboxes.push(Inbox::default());
                }
            }
            Event::DeviceAdded(event) => self.device_added(head, event),
            Event::DeviceRemoved(event) => self.device_removed(head, UserId(event.user), DeviceId(event.device)),
            Event::ContactChanged(entry, act) => self.contact_changed(head, entry, *act, listener),
            Event::ContactsImported(entry, contacts) => self.contacts_imported(head, entry, contacts, listener),
            Event::ProfileChanged(entry) => self.profile_changed(head, entry, listener),
            Event::AccountDeleted(entry, left) => self.account_deleted(head, entry, left, listener),
            Event::SecretChanged(event) => {
                if let Some(user) = self.user_mut(UserId(event.user)) {
                    user.secret = event.secret.as_str().into();
                    user.credential += 1;
                }
            }
            Event::AccountDisabled(event) => {
                if let Some(user) = self.user_mut(UserId(event.user)) {
                    user.standing = if event.disabled { Standing::Disabled } else { Standing::Good };
                }
            }
            Event::PresenceChosen(event) => self.presence_chosen(head.time, *event),
            Event::SessionOpened(event) => self.session_opened(head.time, event),
            Event::SessionClosed(event) => self.session_closed(head.time, event),
            Event::SessionsClosed(event) => self.sessions_closed(*event),
        }
    }

    fn device_added(&mut self, head: RecordHead, event: &crate::wire::log::DeviceAdded) {
        let Ok(token) = Token::try_from(event.token.as_slice()) else { return };
        let (id, device) = (UserId(event.user), DeviceId(event.device));
        let (Some(user), Some(place)) = (self.user_mut(id), place(id)) else { return };
        if let Some(old) = user.add(Device::new(device, token, &event.name, event.kind, head.time)) {
            self.tokens.remove(&old, |of| of == (place, device));
        }
        // a token is worth what it was given for last
        let Self { users, tokens, .. } = self;
        tokens.remove(&token, |of| has_token(users, of, &token));
        tokens.insert(&token, (place, device));
    }

    fn device_removed(&mut self, head: RecordHead, user: UserId, device: DeviceId) {
        self.device_gone(head.time, user, device);
        if let (Some(removed), Some(place)) = (self.user_mut(user).and_then(|user| user.remove(device)), place(user)) {
            self.tokens.remove(&removed.token, |of| of == (place, device));
        }
    }

    fn contact_changed(&mut self, head: RecordHead, entry: &LogEntry<'_>, act: Act, listener: &mut impl Listener) {
        let (from, other) = (UserId(entry.from), UserId(entry.user));
        let Some(change) = contacts::change_of(entry.content) else { return };
        if from == other || self.user(from).is_none() || self.user(other).is_none() {
            return;
        }
        let both = [from, other];
        let told = if matches!(act, Act::Block | Act::Unblock | Act::Annotate) { &both[..1] } else { &both[..] };
        let own = deliver(&mut self.inboxes, &mut self.windows, told.iter().copied(), from, head.position, listener);
        if act == Act::Request
            && let Some(user) = self.user_mut(from)
        {
            user.asks.add(head.time);
        }
        for (owner, contact) in [(from, other), (other, from)].into_iter().take(told.len()) {
            self.tie_changed(owner, contact, &change, act, owner == other);
        }
        self.remember(head, entry, own, 0);
    }

    /// One list's side of a change; `passive`: the other one did it.
    fn tie_changed(&mut self, owner: UserId, contact: UserId, change: &v1::ContactChange, act: Act, passive: bool) {
        let Some(place) = place(contact) else { return };
        let version = self.head(owner);
        let Some(user) = self.user_mut(owner) else { return };
        let list = &mut user.contacts;
        let before = list.get(place);
        let state = before.map_or(Contact::None, |tie| tie.state);
        let asked_by_them = before.is_some_and(|tie| tie.asked_by_them);
        let blocked = before.is_some_and(|tie| tie.blocked);
        // what is over leaves nothing behind for a block to lie over
        let state = if before.is_some_and(Tie::is_tombstone) { Contact::None } else { state };
        let tie = Tie { state, asked_by_them, blocked, version };
        let becomes = |state| Tie { state, asked_by_them: false, ..tie };
        let tie = match act {
            Act::Request => Tie { state: Contact::Requested, asked_by_them: passive, ..tie },
            Act::Accept => becomes(Contact::Accepted),
            Act::Decline => becomes(Contact::Declined),
            Act::Withdraw => becomes(Contact::Withdrawn),
            Act::Remove => becomes(Contact::Removed),
            Act::Block => Tie { blocked: true, ..tie },
            Act::Unblock => Tie { blocked: false, ..tie },
            Act::Annotate | Act::None => tie,
        };
        list.set_note(place, |note| match act {
            Act::Request => note.greeting.clone_from(&change.greeting),
            Act::Accept | Act::Decline | Act::Withdraw => note.greeting.clear(),
            Act::Remove => *note = contacts::Note::default(),
            Act::Annotate => {
                note.remark.clone_from(&change.remark);
                note.tags.clone_from(&change.tags);
            }
            Act::Block | Act::Unblock | Act::None => {}
        });
        if tie.is_tombstone() {
            // whoever comes back begins anew
            list.set_note(place, |note| *note = contacts::Note::default());
        }
        list.set(place, tie);
    }

    fn contacts_imported(
        &mut self,
        head: RecordHead,
        entry: &LogEntry<'_>,
        others: &[u64],
        listener: &mut impl Listener,
    ) {
        let from = UserId(entry.from);
        deliver(&mut self.inboxes, &mut self.windows, [from].into_iter(), from, head.position, listener);
        let places: Vec<u32> = others.iter().filter_map(|other| place(UserId(*other))).collect();
        let version = self.head(from);
        if let Some(user) = self.user_mut(from) {
            user.contacts.add_all(&places, version);
        }
    }

    fn profile_changed(&mut self, head: RecordHead, entry: &LogEntry<'_>, listener: &mut impl Listener) {
        let from = UserId(entry.from);
        let own = deliver(&mut self.inboxes, &mut self.windows, [from].into_iter(), from, head.position, listener);
        let content = <v1::Entry as prost::Message>::decode(entry.content);
        if let (Some(user), Ok(v1::Entry { profile_change: Some(change), .. })) = (self.user_mut(from), content) {
            user.change_profile(change);
        }
        self.remember(head, entry, own, 0);
    }

    fn account_deleted(&mut self, head: RecordHead, entry: &LogEntry<'_>, left: &[Left], listener: &mut impl Listener) {
        let from = UserId(entry.from);
        let Some(user) = self.user(from).filter(|user| user.standing != Standing::Deleted) else { return };
        let devices: Vec<_> = user.devices.iter().map(|device| device.id).collect();
        for device in devices {
            self.device_removed(head, from, device);
        }
        for Left { group, heir } in left {
            let group = GroupId(*group).counter().and_then(|counter| self.groups.get_mut(counter as usize - 1));
            if let Some(group) = group {
                group.bequeath(from, UserId(*heir));
            }
        }
        let Some(user) = self.user_mut(from) else { return };
        let handle = std::mem::take(&mut user.handle);
        let gone = std::mem::replace(user, User { handle, standing: Standing::Deleted, ..User::default() });
        user.registered = gone.registered;
        if let Some(inbox) = self.inbox_mut(from).map(std::mem::take) {
            inbox.give_back(&mut self.windows);
        }
        self.deleted += 1;
        let others =
            gone.contacts.behind(0).filter(|(_, tie)| matches!(tie.state, Contact::Accepted | Contact::Requested));
        let others: Vec<_> = others.map(|(id, _)| UserId::nth(id.into())).collect();
        deliver(&mut self.inboxes, &mut self.windows, others.iter().copied(), from, head.position, listener);
        for other in others {
            self.tie_changed(other, from, &v1::ContactChange::default(), Act::Remove, true);
        }
    }

    fn message_sent(&mut self, head: RecordHead, entry: &LogEntry<'_>, listener: &mut impl Listener) {
        let (from, group) = (UserId(entry.from), GroupId(entry.group));
        let latest = Chat { ordinal: Ordinal(entry.ordinal), last: head.position };
        let own = if let Some(group) = group.counter() {
            let Some(group) = self.groups.get_mut(group as usize - 1) else { return };
            group.chat = latest;
            deliver(&mut self.inboxes, &mut self.windows, group.member_ids(), from, head.position, listener)
        } else {
            let other = UserId(entry.user);
            self.chats.set(from, other, latest);
            let both = [from, other];
            let people = if from == other { &both[..1] } else { &both[..] };
            deliver(&mut self.inboxes, &mut self.windows, people.iter().copied(), from, head.position, listener)
        };
        self.remember(head, entry, own, 0);
    }

    /// Applies messages of a device to another user, as [`State::apply`] does one by one (recovery knows no trains); a version is put into each. Returns
    /// the first one's version for its sender and for the recipient: those of the others follow. Only windows may come out otherwise, which are no
    /// part of the state: where their budget runs out, the sender's takes what is left before the recipient's.
    pub(super) fn messages_sent(
        &mut self,
        (from, device): (UserId, DeviceId),
        to: UserId,
        messages: &mut [Sent],
    ) -> (Version, Version) {
        let (own, theirs) = (self.give(from, messages), self.give(to, messages));
        for (message, version) in messages.iter_mut().zip(own.0..) {
            message.version = Version(version);
        }
        if let Some(last) = messages.last() {
            self.chats.set(from, to, Chat { ordinal: last.ordinal, last: last.position });
        }
        if let Some(device) = self.device_mut(from, device) {
            device.keys.remember_all(messages);
        }
        (own, theirs)
    }

    /// Gives messages to one inbox, and returns the version of the first.
    fn give(&mut self, to: UserId, messages: &[Sent]) -> Version {
        let inbox = to.counter().and_then(|counter| self.inboxes.get_mut(counter as usize - 1));
        let Some(inbox) = inbox else { return Version(0) };
        let first = Version(inbox.head().0 + 1);
        for message in messages {
            inbox.push(message.position, &mut self.windows);
        }
        first
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
        let creator = change.create.then_some(from.0);
        for joined in change.set.iter().map(|member| member.user).chain(creator) {
            if let Some(user) = self.user_mut(UserId(joined)) {
                user.joined(id);
            }
        }
        for left in &change.remove {
            if let Some(user) = self.user_mut(UserId(*left)) {
                user.left(id);
            }
        }
        let own = deliver(&mut self.inboxes, &mut self.windows, told.into_iter(), from, head.position, listener);
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

    pub(super) fn inbox(&self, id: UserId) -> Option<&Inbox> {
        self.inboxes.get(id.counter()? as usize - 1)
    }

    fn inbox_mut(&mut self, id: UserId) -> Option<&mut Inbox> {
        self.inboxes.get_mut(id.counter()? as usize - 1)
    }

    /// The newest version of a user's inbox.
    pub(super) fn head(&self, id: UserId) -> Version {
        self.inbox(id).map_or(Version(0), Inbox::head)
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

    /// A user whose account is not deleted.
    pub(super) fn account(&self, id: UserId) -> Option<&User> {
        self.user(id).filter(|user| user.standing != Standing::Deleted)
    }

    /// The account with this handle.
    pub(super) fn find(&self, handle: &str) -> Option<UserId> {
        self.whose(handle).filter(|id| self.account(*id).is_some())
    }

    /// Whether somebody has the handle, or had it: it is not given twice.
    pub(super) fn is_taken(&self, handle: &str) -> bool {
        self.whose(handle).is_some()
    }

    fn whose(&self, handle: &str) -> Option<UserId> {
        let is_it = |place: u32| self.user(UserId::nth(place.into())).is_some_and(|user| is_same(&user.handle, handle));
        self.handles.get(&*fold(handle), is_it).map(|place| UserId::nth(place.into()))
    }

    /// The device with this token.
    pub(super) fn with_token(&self, token: &Token) -> Option<(UserId, DeviceId)> {
        let found = self.tokens.get(token, |of| has_token(&self.users, of, token));
        found.map(|(place, device)| (UserId::nth(place.into()), device))
    }

    /// The id of the next account.
    pub(super) fn next_user(&self) -> UserId {
        UserId::nth(self.users.len() as u64 + 1)
    }

    /// The id of the next group.
    pub(super) fn next_group(&self) -> GroupId {
        GroupId::nth(self.groups.len() as u64 + 1)
    }

    /// Registered users, without those who were deleted.
    pub fn accounts(&self) -> u64 {
        self.users.len() as u64 - self.deleted
    }

    /// Groups that exist.
    pub fn existing_groups(&self) -> u64 {
        self.groups.iter().filter(|group| !group.is_dissolved()).count() as u64
    }
}

fn has_token(users: &Chunked<User>, (place, device): (u32, DeviceId), token: &Token) -> bool {
    let user = users.get(place as usize - 1);
    user.and_then(|user| user.device(device)).is_some_and(|device| device.token == *token)
}

/// Gives the entry at `position` to everyone, and returns the version that it has for its sender.
fn deliver(
    inboxes: &mut Chunked<Inbox>,
    windows: &mut WindowBudget,
    people: impl Iterator<Item = UserId>,
    from: UserId,
    position: Position,
    listener: &mut impl Listener,
) -> Version {
    let mut own = Version(0);
    for id in people {
        let inbox = id.counter().and_then(|counter| inboxes.get_mut(counter as usize - 1));
        let Some(inbox) = inbox else { continue };
        let version = inbox.push(position, windows);
        if id == from {
            own = version;
            listener.own_entry(id, version);
        } else {
            listener.entry(id, version);
        }
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
