//! The inbound ring: reactors -> engine. Many producers, one consumer; slots and their buffers are reused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::atomic::AtomicCell;
use disruptor::{
    BusySpin, EventPoller, MultiProducer, MultiProducerBarrier, Producer, SingleConsumerBarrier, SingleProducer,
    SingleProducerBarrier, build_multi_producer, build_single_producer,
};

use super::parcel::Parcel;
use super::train::TrainSend;
use crate::ids::{ConnectionId, DeviceId, Epoch, GroupId, Key, Time, UserId, Version};
use crate::wire::{admin, v1};

/// A body above this many bytes does not stay in its slot: it is moved through the ring and counted against a [`ByteBudget`].
pub const LARGE_BODY: usize = 4096;

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To oneself.
    Myself,
    /// To a user by number.
    User(UserId),
    /// To a group.
    Group(GroupId),
    /// To a user by handle: the first so many bytes of the body are the handle, the rest is the content.
    Handle(u8),
}

/// The sync cursor that a device brings along.
pub type SyncCursor = Option<(Epoch, Version)>;

/// A new account, its secret hashed already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The handle as it was typed.
    pub handle: String,
    /// The name to show; may be empty.
    pub name: String,
    /// argon2id in PHC form.
    pub secret: String,
    /// The device that signs in with it.
    pub sign_in: SignIn,
}

/// The device that signs in, after its password was found right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Whose password was checked; nobody in [`Register`].
    pub user: UserId,
    /// The version of the credential that was checked, from [`super::Challenge`].
    pub credential: u32,
    /// A device of that user, or 0 for a new one.
    pub device: DeviceId,
    /// SHA-256 of the token that the device gets.
    pub token: [u8; 32],
    /// The device's name; may be empty.
    pub device_name: String,
    /// The device's kind (`ringdove.v1.Kind`).
    pub kind: u32,
    /// Where the device is.
    pub cursor: SyncCursor,
}

/// The device that signs in after a JWT was found good: a product that has its own accounts vouches for a handle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// The handle, as the token has it.
    pub handle: String,
    /// The name that a new account gets; may be empty.
    pub name: String,
    /// Whether the account is made if there is none.
    pub create: bool,
    /// The device that signs in; its `user` and `credential` say nothing.
    pub sign_in: SignIn,
}

/// A new password for the asker's own account, after the old one was found right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSecret {
    /// The version of the credential that was checked, from [`super::Challenge`].
    pub credential: u32,
    /// argon2id in PHC form.
    pub secret: String,
}

/// One account of a bulk import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The account's handle.
    pub handle: String,
    /// The name to show; may be empty.
    pub name: String,
    /// argon2id in PHC form, from another system; empty: no password.
    pub secret: String,
    /// SHA-256 of the token of its one device; `None`: it has no device yet.
    pub token: Option<[u8; 32]>,
}

/// What a connection asks the engine for. Hot ones carry their bytes in the slot's body, the others in a box.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Command {
    /// Nothing but the acknowledgement that rides on the slot; answered "done" if it has a request id.
    #[default]
    Nothing,
    /// A message; the body holds fields 8 to 18 of an Entry, re-encoded in field order.
    Send {
        /// The device's idempotency key.
        key: Key,
        /// The recipient.
        to: To,
    },
    /// Several messages to one user, right behind each other; [`InboundSlot::train`] lists them, the body holds their contents.
    Train {
        /// The recipient.
        to: UserId,
    },
    /// A group is made (`group` 0) or changed; the body holds field 16 of an Entry with its tag.
    ChangeGroup {
        /// The device's idempotency key.
        key: Key,
        /// The group, or 0 to make one.
        group: GroupId,
    },
    /// A relation with another user is changed; the body holds field 17 of an Entry with its tag, behind the handle if `to` says so.
    ChangeContact {
        /// The device's idempotency key.
        key: Key,
        /// The other one.
        to: To,
    },
    /// The own profile is changed; the body holds field 18 of an Entry with its tag.
    ChangeProfile {
        /// The device's idempotency key.
        key: Key,
    },
    /// What others see of who is there: `ringdove.v1.State`, not OFFLINE.
    ChoosePresence {
        /// The state.
        state: u32,
    },
    /// A list is read.
    Get(Box<v1::Get>),
    /// Everything since a version.
    Sync {
        /// The device has everything up to here.
        since: Version,
        /// At most so many entries; 0: as many as a page holds.
        limit: u32,
    },
    /// Hello with a token: its SHA-256.
    Resume {
        /// SHA-256 of the token.
        token: [u8; 32],
        /// Where the device is.
        cursor: SyncCursor,
    },
    /// Hello with a password, first half: the body holds the handle. Answered by a [`super::Challenge`].
    LookUp,
    /// Hello with a password, second half: the password was right.
    SignIn(Box<SignIn>),
    /// Hello with register.
    Register(Box<Register>),
    /// Hello with a JWT, which is good.
    Vouched(Box<Vouched>),
    /// A new password, first half: what the old one is checked against. Answered by a [`super::Challenge`] for the asker's own account.
    Credential,
    /// A new password, second half: the old one was right. All other devices are signed out.
    ChangeSecret(Box<NewSecret>),
    /// Sign out: the token dies.
    Bye {
        /// Sign all devices of the user out.
        all_devices: bool,
        /// Sign this one out; 0: the one that asks.
        device: DeviceId,
    },
    /// The connection is gone. Never refused, never lost.
    Closed,
    /// Time has passed; sent now and then while [`super::Progress::ticks_wanted`].
    Tick,
    /// Accounts in bulk, through the admin door.
    Import(Parcel<Vec<Imported>>),
    /// Figures for the admin door.
    Figures,
    /// What else an operator asks; passwords in it are hashed.
    Operate(Box<admin::admin_frame::Request>),
}

/// One slot of the inbound ring.
#[derive(Default)]
pub struct InboundSlot {
    /// Who asks, and where the answer goes.
    pub connection: ConnectionId,
    /// The id of the client's frame; 0: no answer wanted.
    pub request: u32,
    /// The highest version that the device has acknowledged, 0: nothing new.
    pub ack: Version,
    /// The reactor's clock when it read the command.
    pub time: Time,
    /// What is asked for.
    pub command: Command,
    /// Of [`Command::Train`]: its messages. Of any other command: whatever stood here before.
    pub train: Vec<TrainSend>,
    small: Vec<u8>,
    /// The cell may hold a body. Most slots do not, and are spared an atomic swap on either side.
    is_large: bool,
    #[allow(clippy::box_collection, reason = "one thin pointer, so that the cell is lock-free")]
    large: AtomicCell<Option<Box<Vec<u8>>>>,
}

impl InboundSlot {
    /// The body, if it is at most [`LARGE_BODY`] bytes; see [`InboundSlot::take_large`].
    pub fn body(&self) -> &[u8] {
        &self.small
    }

    /// A larger body. It is taken out, so that its memory goes back as soon as it has been used.
    pub fn take_large(&self) -> Option<Box<Vec<u8>>> {
        if self.is_large { self.large.take() } else { None }
    }

    /// A copy that outlives the slot; a larger body moves into it.
    pub fn set_aside(&self) -> Self {
        Self {
            connection: self.connection,
            request: self.request,
            ack: self.ack,
            time: self.time,
            command: self.command.clone(),
            train: if matches!(self.command, Command::Train { .. }) { self.train.clone() } else { Vec::new() },
            small: self.small.clone(),
            is_large: self.is_large,
            large: AtomicCell::new(self.take_large()),
        }
    }

    /// The buffer for a body of at most [`LARGE_BODY`] bytes, emptied.
    pub fn body_mut(&mut self) -> &mut Vec<u8> {
        if std::mem::take(&mut self.is_large) {
            self.large.store(None);
        }
        self.small.clear();
        &mut self.small
    }

    /// Fills in the body of at most [`LARGE_BODY`] bytes.
    pub fn set_body(&mut self, body: &[u8]) {
        self.body_mut().extend_from_slice(body);
    }

    /// Moves a larger body in; its bytes were taken from the ring's [`ByteBudget`] before.
    pub fn set_large(&mut self, body: Box<Vec<u8>>) {
        self.small.clear();
        self.is_large = true;
        self.large.store(Some(body));
    }
}

/// Bounds the bytes of large bodies that wait in a ring. A producer that gets none does as if the ring were full.
#[derive(Debug)]
pub struct ByteBudget {
    left: AtomicUsize,
}

impl ByteBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Takes `bytes`, or nothing.
    pub fn take(&self, bytes: usize) -> bool {
        self.left.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Gives them back.
    pub fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::AcqRel);
    }
}

/// A reactor's end of the inbound ring.
pub struct InboundProducer {
    ring: Into,
    budget: Arc<ByteBudget>,
}

/// A single producer has nobody to agree with, and is spared two locked instructions for each command.
enum Into {
    Alone(SingleProducer<InboundSlot, SingleConsumerBarrier>),
    Among(MultiProducer<InboundSlot, SingleConsumerBarrier>),
}

impl InboundProducer {
    /// Publishes one command, or returns false if the ring is full. `fill` must not panic and sets every public field that its command has; it is called at
    /// most once, with a slot that still holds older values.
    pub fn try_publish(&mut self, fill: impl FnOnce(&mut InboundSlot)) -> bool {
        match &mut self.ring {
            Into::Alone(ring) => ring.try_publish(fill).is_ok(),
            Into::Among(ring) => ring.try_publish(fill).is_ok(),
        }
    }

    /// The budget for bodies above [`LARGE_BODY`].
    pub fn budget(&self) -> &Arc<ByteBudget> {
        &self.budget
    }
}

/// The engine's end of the inbound ring.
pub struct InboundConsumer {
    ring: OutOf,
    budget: Arc<ByteBudget>,
}

enum OutOf {
    One(EventPoller<InboundSlot, SingleProducerBarrier>),
    Many(EventPoller<InboundSlot, MultiProducerBarrier>),
}

impl InboundConsumer {
    /// Hands up to `limit` commands to `each`, in order, and returns how many. All of them count as consumed.
    pub fn take(&mut self, limit: u64, each: impl FnMut(&InboundSlot)) -> usize {
        match &mut self.ring {
            OutOf::One(ring) => ring.take(limit).map_or(0, |mut slots| hand_out(&mut slots, each)),
            OutOf::Many(ring) => ring.take(limit).map_or(0, |mut slots| hand_out(&mut slots, each)),
        }
    }

    /// The budget for bodies above [`LARGE_BODY`].
    pub fn budget(&self) -> &Arc<ByteBudget> {
        &self.budget
    }
}

fn hand_out<'a>(slots: impl IntoIterator<Item = &'a InboundSlot>, mut each: impl FnMut(&InboundSlot)) -> usize {
    let mut count = 0;
    for slot in slots {
        each(slot);
        count += 1;
    }
    count
}

/// Makes the inbound ring: `size` slots (a power of two, at least 64), `large_bytes` for bodies above [`LARGE_BODY`] that are on their way, and
/// so many producers.
pub fn inbound_ring(size: usize, large_bytes: usize, producers: usize) -> (Vec<InboundProducer>, InboundConsumer) {
    let factory = || InboundSlot { small: Vec::with_capacity(256), ..InboundSlot::default() };
    let budget = Arc::new(ByteBudget::new(large_bytes));
    let producer = |ring| InboundProducer { ring, budget: Arc::clone(&budget) };
    let (ends, ring) = if producers == 1 {
        let (poller, builder) = build_single_producer(size, factory, BusySpin).new_event_poller();
        (vec![producer(Into::Alone(builder.build()))], OutOf::One(poller))
    } else {
        let (poller, builder) = build_multi_producer(size, factory, BusySpin).new_event_poller();
        let ring = builder.build();
        ((0..producers).map(|_| producer(Into::Among(ring.clone()))).collect(), OutOf::Many(poller))
    };
    (ends, InboundConsumer { ring, budget })
}
