//! Ids, clocks and addresses as types of their own, so that none is taken for another.
//!
//! Ids of users and groups, and positions on the wire, carry their shard in the low 8 bits: `counter x 256 + shard`.
//! There is one shard, 0, for now. All of them stay below 2^53, so that JSON clients can hold them in a number.

use std::fmt;

/// The shard of everything that this process owns.
pub const SHARD: u64 = 0;
/// Ids and positions on the wire stay below this bound (2^53).
pub const WIRE_BOUND: u64 = 1 << 53;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

number!(
    /// A user, as on the wire; 0 is nobody.
    UserId(u64)
);
number!(
    /// A group, as on the wire; 0 is none.
    GroupId(u64)
);
number!(
    /// A user's install, counted from 1 within the user; 0 is none.
    DeviceId(u32)
);
number!(
    /// The gapless number of a message in its conversation, from 1.
    Ordinal(u64)
);
number!(
    /// The gapless number of an entry in a user's inbox, from 1; 0 is before the first.
    Version(u64)
);
number!(
    /// The byte address of a record's header in the journal, over all segments; 0 is none (a segment begins with a header of its own).
    Position(u64)
);
number!(
    /// The journal's epoch, from 1. A sync cursor is (epoch, version).
    Epoch(u32)
);
number!(
    /// A device's idempotency key of a send; 0 is none.
    Key(u64)
);
number!(
    /// The server's clock: milliseconds since 1970-01-01 UTC.
    Time(u64)
);

impl UserId {
    /// The id of the `counter`-th account, counted from 1.
    pub const fn nth(counter: u64) -> Self {
        Self((counter << 8) | SHARD)
    }
    /// The counter inside the id; `None` for another shard or nobody.
    pub const fn counter(self) -> Option<u64> {
        counter(self.0)
    }
}

impl GroupId {
    /// The id of the `counter`-th group, counted from 1.
    pub const fn nth(counter: u64) -> Self {
        Self((counter << 8) | SHARD)
    }
    /// The counter inside the id; `None` for another shard or no group.
    pub const fn counter(self) -> Option<u64> {
        counter(self.0)
    }
}

impl Position {
    /// The position as clients see it: with the shard in its low 8 bits.
    pub const fn on_wire(self) -> u64 {
        (self.0 << 8) | SHARD
    }
}

const fn counter(id: u64) -> Option<u64> {
    if id & 0xff == SHARD && id >> 8 != 0 { Some(id >> 8) } else { None }
}

/// A socket of a reactor. The generation tells it from earlier sockets in the same place, so that output that is late is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Index of the reactor that owns the socket.
    pub reactor: u8,
    /// The socket's place in its reactor, below 2^31.
    pub key: u32,
    /// How often that place was used before.
    pub generation: u32,
}
