//! The commit ring: engine -> journal -> reactors. One producer; every reactor sees every slot, once the journal has passed it.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use disruptor::{
    BusySpin, EventGuard, EventPoller, MultiConsumerBarrier, Producer, SingleConsumerBarrier, SingleProducer,
    SingleProducerBarrier, build_single_producer,
};
use smallvec::SmallVec;

use super::parcel::Parcel;
use super::payload::{AT_FIRST, Bytes, Payload};
use super::train::TrainEntry;
use crate::ids::{ConnectionId, DeviceId, Epoch, GroupId, Ordinal, Position, Time, UserId, Version};
use crate::record::RecordHead;
use crate::wire::hot::SentEntry;
use crate::wire::{Refusal, admin, v1};

/// At most so many recipients stand in one slot, over all reactors; a larger fan-out goes on in the slots behind it.
pub const RECIPIENTS: usize = 256;

/// Slots that a reactor reads together without an allocation: a group of 2,000 is told of more than 16 messages in them.
pub const PORTION: usize = 256;

/// One connection that gets an entry, and the version that the entry has for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    key_and_own: u32,
    /// The generation of the connection.
    pub generation: u32,
    /// The entry's version in the recipient's inbox.
    pub version: Version,
}

impl Recipient {
    const OWN: u32 = 1 << 31;

    /// `own`: the connection belongs to the sender (another device of theirs).
    pub const fn new(connection: ConnectionId, version: Version, own: bool) -> Self {
        let flag = if own { Self::OWN } else { 0 };
        Self { key_and_own: connection.key | flag, generation: connection.generation, version }
    }

    /// The connection's key in its reactor.
    pub const fn key(self) -> u32 {
        self.key_and_own & !Self::OWN
    }

    /// Whether both are the same connection, and both its sender's own or neither: they differ in nothing but the version.
    pub const fn is_same(self, other: Self) -> bool {
        self.key_and_own == other.key_and_own && self.generation == other.generation
    }

    /// Whether the entry goes to another device of its sender.
    pub const fn is_own(self) -> bool {
        self.key_and_own & Self::OWN != 0
    }
}

/// An entry that is pushed; its content is [`CommitSlot::content`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Who did it.
    pub from: UserId,
    /// 1:1: the other one; nobody for a group.
    pub user: UserId,
    /// The group, or none.
    pub group: GroupId,
    /// Its number in the conversation.
    pub ordinal: Ordinal,
    /// When.
    pub time: Time,
}

/// The answer to a request, or news to one connection (request 0).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where it goes.
    pub connection: ConnectionId,
    /// The request's id.
    pub request: u32,
    /// What it says.
    pub body: AnswerBody,
}

/// The accounts of a bulk import, in order: user and device, or why not.
pub type Made = Vec<Result<(UserId, DeviceId), Refusal>>;

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerBody {
    /// Done.
    Done,
    /// The entry that a send became. Without a request id it goes out as news, from the slot's content.
    Entry {
        /// Its version for the sender.
        version: Version,
        /// Its number in the conversation.
        ordinal: Ordinal,
        /// When.
        time: Time,
        /// Its position.
        position: Position,
        /// The number of the recipient, if the sender knew only the handle.
        user: Option<UserId>,
        /// The group that was made.
        group: Option<GroupId>,
    },
    /// No.
    Refused(Refusal),
    /// The engine knows the handle, or acts as if.
    Challenge(Box<Challenge>),
    /// Signed in.
    Welcome(Box<Welcome>),
    /// A sync page: the records stand in [`CommitSlot::page`].
    Page(Page),
    /// The inbox window has passed this device, which is LIVE at this version now.
    Gap(Version),
    /// The accounts of a bulk import, in order: user and device, or why not.
    Imported(Parcel<Made>),
    /// Figures for the admin door: how many there are, and where in the journal that is so.
    Figures {
        /// Registered users.
        accounts: u64,
        /// Groups that exist.
        groups: u64,
        /// Signed-in connections.
        sessions: u64,
        /// Users who have one.
        online: u64,
        /// Everything below was counted. It is released when this is told.
        at: Position,
    },
    /// A list.
    Found(Parcel<v1::Found>),
    /// What an operator asked for.
    Operated(Parcel<admin::admin_answer::Body>),
    /// Bye, then close. A request id above 0 is answered "done" first.
    Close(Refusal),
    /// The device's own bye: "done", then close without a farewell.
    SignedOut,
}

impl AnswerBody {
    /// What the sender of an entry is told of it.
    pub fn sent(&self) -> Option<SentEntry> {
        let Self::Entry { version, ordinal, time, position, user, group } = *self else { return None };
        Some(SentEntry {
            version: version.0,
            user: user.map_or(0, |user| user.0),
            group: group.map_or(0, |group| group.0),
            ordinal: ordinal.0,
            time: time.0,
            position: position.on_wire(),
        })
    }

    /// Lets go of what is large in it, whoever did or did not take it.
    pub fn let_go(&self) {
        match self {
            Self::Found(found) => drop(found.take()),
            Self::Operated(body) => drop(body.take()),
            Self::Imported(made) => drop(made.take()),
            _ => {}
        }
    }
}

/// What a password has to be checked against. For an unknown handle it is a made-up one, so that the check takes as long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Whose; nobody if the handle is unknown.
    pub user: UserId,
    /// The account's handle; empty if it is unknown.
    pub handle: String,
    /// The credential's version.
    pub credential: u32,
    /// argon2id in PHC form; empty: take the made-up one.
    pub secret: String,
}

/// Signed in: what the reactor needs to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Who.
    pub user: UserId,
    /// On which device.
    pub device: DeviceId,
    /// The handle.
    pub handle: String,
    /// A new token was issued: the one whose hash came with the command.
    pub new_token: bool,
    /// The epoch.
    pub epoch: Epoch,
    /// The head of the user's inbox.
    pub version: Version,
    /// The cursor cannot be continued; the device starts LIVE at `version`.
    pub gap: bool,
    /// The device stands here: BEHIND if less than `version`.
    pub since: Version,
}

/// A page of a sync, not read yet: the slot's `page` lists the positions of its entries' records, by version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Whose inbox.
    pub user: UserId,
    /// The version of the first entry.
    pub first: Version,
    /// More entries follow behind the listed ones.
    pub more: bool,
    /// The head of the inbox when this was decided: without `more` the device is LIVE from here.
    pub head: Version,
}

/// One slot of the commit ring.
#[derive(Debug, Default)]
pub struct CommitSlot {
    /// What the journal has to write: the first `record_len` bytes are the body. Of a train it is the first one's.
    pub record: Option<RecordHead>,
    /// Length of the record's body in the payload.
    pub record_len: u32,
    /// The messages of a train; empty unless there are several. What stands beside it is then that of the first one: versions and ordinals grow by
    /// one from each to the next.
    pub train: Vec<TrainEntry>,
    /// The record's body, or just the content of an entry.
    payload: Payload,
    /// Where in these bytes the entry's content (fields 8 to 18) stands: begin and end.
    pub content: (u32, u32),
    /// The content is no entry's but a whole frame: a signal, which is stored nowhere.
    pub signal: bool,
    /// The entry for the recipients.
    pub delivery: Delivery,
    /// Who gets it, for each reactor.
    pub recipients: Vec<Vec<Recipient>>,
    /// The next slot tells the same entry to further recipients, none of whom is one of this slot.
    pub goes_on: bool,
    /// The answer; it goes out behind the entry.
    pub answer: Option<Answer>,
    /// The positions of a page's records.
    pub page: Vec<Position>,
}

impl CommitSlot {
    /// The entry's content.
    pub fn content(&self) -> Bytes<'_> {
        self.bytes(self.content)
    }

    /// Part of the payload: begin and end.
    pub(super) fn bytes(&self, (begin, end): (u32, u32)) -> Bytes<'_> {
        self.payload.part(begin as usize..end as usize)
    }

    /// Puts the record's body, or an entry's content, in. The ranges that lead into it are set beside it.
    pub fn set_payload(&mut self, bytes: &[u8]) {
        self.payload.set(bytes);
    }

    /// The same, without a copy if the buffer is of an ordinary size. It comes back empty.
    pub fn take_payload(&mut self, bytes: &mut Vec<u8>) {
        self.payload.exchange(bytes);
    }

    /// Empties the slot, keeping its buffers up to what it may keep at rest.
    pub fn reset(&mut self) {
        self.record = None;
        self.record_len = 0;
        self.train.clear();
        self.content = (0, 0);
        self.signal = false;
        self.goes_on = false;
        self.answer = None;
        self.page.clear();
        self.payload.clear();
        for list in &mut self.recipients {
            list.clear();
        }
    }
}

/// The engine's end of the commit ring.
pub struct CommitProducer {
    ring: SingleProducer<CommitSlot, MultiConsumerBarrier>,
    size: u64,
    published: u64,
    drained: Vec<Arc<CachePadded<AtomicU64>>>,
}

impl CommitProducer {
    /// How many slots are certainly free.
    pub fn credit(&self) -> u64 {
        let drained = self.drained.iter().map(|count| count.load(Ordering::Acquire)).min().unwrap_or(self.published);
        self.size - (self.published - drained)
    }

    /// Publishes one slot, which `fill` finds reset. Returns false if the ring is full, which cannot be after [`CommitProducer::credit`]
    /// said otherwise. `fill` must not panic.
    pub fn try_publish(&mut self, fill: impl FnOnce(&mut CommitSlot)) -> bool {
        let published = self.ring.try_publish(|slot| {
            slot.reset();
            fill(slot);
        });
        self.published += u64::from(published.is_ok());
        published.is_ok()
    }

    /// Slots in the ring.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many reactors read the ring.
    pub fn reactors(&self) -> usize {
        self.drained.len()
    }
}

/// The journal's end of the commit ring: no reactor sees a slot before the journal has dropped the guard it was read under.
pub struct CommitGate {
    ring: EventPoller<CommitSlot, SingleProducerBarrier>,
}

impl CommitGate {
    /// How many slots wait.
    pub fn waiting(&mut self) -> usize {
        let Ok(guard) = self.ring.poll() else { return 0 };
        let mut guard = ManuallyDrop::new(guard);
        // dropping it would show them to the reactors
        let slots = &mut *guard;
        slots.len()
    }

    /// All slots that wait, at most `limit`. Dropping the guard shows them to the reactors; a journal that failed must
    /// `mem::forget` it.
    pub fn take(&mut self, limit: u64) -> Option<EventGuard<'_, CommitSlot, SingleProducerBarrier>> {
        self.ring.take(limit).ok()
    }
}

/// A reactor's end of the commit ring.
pub struct CommitConsumer {
    ring: EventPoller<CommitSlot, SingleConsumerBarrier>,
    drained: Arc<CachePadded<AtomicU64>>,
}

impl CommitConsumer {
    /// Hands up to `limit` slots to `read`, in the engine's order, and returns how many. Up to [`PORTION`] it allocates nothing.
    pub fn take(&mut self, limit: u64, read: impl FnOnce(&[&CommitSlot])) -> usize {
        let Ok(mut guard) = self.ring.take(limit) else { return 0 };
        let mut slots: SmallVec<[&CommitSlot; PORTION]> = SmallVec::new();
        let mut some_large = false;
        for slot in &mut guard {
            some_large |= slot.payload.is_large();
            slots.push(slot);
        }
        read(&slots);
        if some_large {
            slots.iter().for_each(|slot| slot.payload.pass(slot.recipients.len()));
        }
        let count = slots.len();
        drop(slots);
        drop(guard);
        self.drained.fetch_add(count as u64, Ordering::Release);
        count
    }
}

/// Makes the commit ring: `size` slots (a power of two), read by the journal and then by `reactors` reactors.
pub fn commit_ring(size: usize, reactors: usize) -> (CommitProducer, CommitGate, Vec<CommitConsumer>) {
    let factory = || CommitSlot {
        payload: Payload::with_capacity(AT_FIRST),
        recipients: vec![Vec::with_capacity(4); reactors],
        ..CommitSlot::default()
    };
    let (gate, builder) = build_single_producer(size, factory, BusySpin).new_event_poller();
    let mut builder = builder.and_then().with_multi_consumer();
    let mut consumers = Vec::with_capacity(reactors);
    for _ in 0..reactors {
        let (poller, next) = builder.new_event_poller();
        builder = next;
        consumers.push(CommitConsumer { ring: poller, drained: Arc::default() });
    }
    let drained = consumers.iter().map(|consumer| Arc::clone(&consumer.drained)).collect();
    let producer = CommitProducer { ring: builder.build(), size: size as u64, published: 0, drained };
    (producer, CommitGate { ring: gate }, consumers)
}
