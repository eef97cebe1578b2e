//! A connection: one socket, what it is up to, and nothing that it does not need at rest.

mod aside;
mod pool;
mod socket;

use std::net::IpAddr;

use ringdove_core::ids::{ConnectionId, Version};

pub(crate) use aside::{Aside, Attempt, Greeting, Pull, Tokens};
pub(crate) use pool::BufferPool;
pub(crate) use socket::Socket;

use crate::clock::Tick;
use crate::dialect::Dialect;

/// Where a connection is in its life.
///
/// ```text
///       first bytes            hello                welcome           a version ahead
///  NEW ────────────▶ GREETING ──────▶ CHECKING ───────────────▶ LIVE ────────────────▶ BEHIND
///   │                 ▲  │ too many,    │ refused               │ ▲                      │ │
///   │ garbage,        └──┼─ too long ◀──┘                       │ └── synced to the end ─┘ │
///   │ silence            │ bye                              bye │                      bye │
///   ▼                    ▼                                      ▼                          ▼
///  gone               PARTING: the bye is being flushed ──▶ LINGERING: FIN is sent, input is thrown away ──▶ gone
///
///  the admin door's connections are OPERATOR from the accept on
/// ```
/// A peer that closes its sending half gets its answers, then the close; an error of the socket ends any state at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was said yet.
    New,
    /// The dialect is known; a hello is expected.
    Greeting,
    /// A hello is being answered; nothing behind it is decoded.
    Checking,
    /// Signed in, and entries are pushed.
    Live,
    /// Signed in, and behind: pushes are left out until a sync has reached the end.
    Behind,
    /// On the admin door.
    Operator,
    /// The last bytes are on their way out.
    Parting,
    /// All is said; waiting for the peer to have read it.
    Lingering,
}

impl Stage {
    pub fn is_signed_in(self) -> bool {
        matches!(self, Self::Live | Self::Behind)
    }
    pub fn is_ending(self) -> bool {
        matches!(self, Self::Parting | Self::Lingering)
    }
}

/// One socket and its state. At rest it owns no memory but this struct.
#[derive(Debug)]
pub(crate) struct Connection {
    pub socket: Socket,
    pub generation: u32,
    pub stage: Stage,
    pub dialect: Dialect,

    /// Bytes that were read and not decoded: half a frame, or what has to wait.
    pub partial: Vec<u8>,
    /// Bytes to write, of which `written` are gone.
    pub out: Vec<u8>,
    pub written: u32,
    /// Bytes of a frame over the limit that are still to be thrown away.
    pub skip: u32,

    /// Requests that the engine has not answered.
    pub unanswered: u32,
    /// The request id of the sync that is on its way, 0: none; another one waits until it is answered.
    pub sync: u32,
    /// The newest version of the user's inbox that was heard of.
    pub head: Version,
    /// The newest version that was written to this connection.
    pub sent: Version,
    /// The newest version that the device has acknowledged.
    pub acked: Version,

    /// When the last byte came.
    pub heard: Tick,
    /// Signed in: so many ticks of silence end it. Else: the tick that does.
    pub patience: Tick,
    /// The tick of the one deadline in the wheel that counts; 0: none.
    pub armed: Tick,
    /// When the last notice was written.
    pub noticed: Tick,
    /// When the engine last heard an acknowledgement.
    pub ack_told: Tick,
    /// Sends that are allowed now, in thousandths, as of `allowed_ms`.
    pub allowance: u32,
    pub allowed_ms: u32,

    pub address: Option<IpAddr>,
    /// What only some states need.
    pub aside: Option<Box<Aside>>,

    /// Stands in the list of those to be read.
    pub queued: bool,
    /// There may be bytes in the socket.
    pub readable: bool,
    /// The peer has closed its sending half, as far as the event says; a short read does not mean drained.
    pub read_closing: bool,
    /// The end of its bytes was read.
    pub read_closed: bool,
    /// Whole frames may stand in `partial`: decode before reading.
    pub holding: bool,
    /// The socket took less than was written: wait until it is writable.
    pub write_blocked: bool,
    /// Stands in a list of those that this turn flushes.
    pub touched: bool,
    /// Stands in the list of those whose answers wait for company.
    pub waits: bool,
    /// Wants notices, no pushes.
    pub quiet: bool,
    /// A notice waits to be written.
    pub notice_due: bool,
    /// An acknowledgement waits to be forwarded.
    pub ack_due: bool,
    /// Said bye: takes no more requests.
    pub deaf: bool,
    /// The engine has heard of it and must hear of its end.
    pub known: bool,
}

impl Connection {
    pub fn new(socket: Socket, generation: u32, stage: Stage, dialect: Dialect, now: Tick) -> Self {
        Self {
            socket,
            generation,
            stage,
            dialect,
            partial: Vec::new(),
            out: Vec::new(),
            written: 0,
            skip: 0,
            unanswered: 0,
            head: Version(0),
            sent: Version(0),
            acked: Version(0),
            heard: now,
            patience: Tick(u32::MAX),
            armed: Tick(0),
            noticed: Tick(0),
            ack_told: Tick(0),
            allowance: 0,
            allowed_ms: 0,
            address: None,
            aside: None,
            queued: false,
            readable: true,
            read_closing: false,
            read_closed: false,
            holding: false,
            write_blocked: false,
            touched: false,
            waits: false,
            quiet: false,
            notice_due: false,
            ack_due: false,
            sync: 0,
            deaf: false,
            known: false,
        }
    }

    /// Nobody is signed in on it yet, or its peer has closed its half.
    pub fn comes_or_goes(&self) -> bool {
        self.read_closing || matches!(self.stage, Stage::New | Stage::Greeting)
    }

    /// Bytes that wait to be written.
    pub fn backlog(&self) -> usize {
        self.out.len() - self.written as usize
    }

    /// Nothing waits to be written, and the socket has not said that it takes no more.
    pub fn has_nothing_to_write(&self) -> bool {
        self.backlog() == 0 && !self.touched && !self.write_blocked
    }

    pub fn id(&self, reactor: u8, key: u32) -> ConnectionId {
        ConnectionId { reactor, key, generation: self.generation }
    }

    pub fn greeting(&mut self) -> Option<&mut Greeting> {
        match self.aside.as_deref_mut() {
            Some(Aside::Greeting(greeting)) => Some(greeting),
            _ => None,
        }
    }

    pub fn pull(&mut self) -> Option<&mut Pull> {
        match self.aside.as_deref_mut() {
            Some(Aside::Pull(pull)) => Some(pull),
            _ => None,
        }
    }

    /// Whether everything that was asked for is answered and written.
    pub fn is_settled(&self) -> bool {
        self.unanswered == 0 && self.backlog() == 0 && self.sync == 0 && self.stage != Stage::Checking && !self.holding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle connection costs this struct, one entry in the wheel and nothing else.
    #[test]
    fn a_connection_at_rest_is_lean() {
        let entry = size_of::<Connection>() + size_of::<crate::deadlines::Deadline>();
        assert!(entry <= 232, "{entry} bytes");
    }
}
