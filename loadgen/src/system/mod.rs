//! Systems that a load can be put on, behind one interface: how each is started, and how its clients talk. A further one is one new file with a
//! [`System`] and a [`Dialect`], and its line in [`ALL`].

mod mosquitto;
pub mod native;
mod nats;
mod redis;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use crate::server::{Place, Server};
use crate::workload::Circle;

/// Every system that is known, in the order in which reports name them.
pub const ALL: &[&dyn System] = &[
    &native::Ringdove::PROCESS,
    &native::Ringdove::SLEEPING,
    &native::Ringdove::MEMORY,
    &native::Ringdove::DISK,
    &native::Floor::SPINNING,
    &native::Floor::SLEEPING,
    &native::Floor::SYNCED,
    &nats::Nats,
    &nats::JetStream,
    &redis::Redis::SILENT,
    &redis::Redis::REPLIES,
    &redis::Redis::STREAMS,
    &mosquitto::Mosquitto::QOS0,
    &mosquitto::Mosquitto::QOS1,
];

/// The system of this name.
///
/// # Errors
/// There is none, and these there are.
pub fn named(name: &str) -> Result<&'static dyn System, String> {
    ALL.iter().copied().find(|system| system.name() == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|system| system.name()).collect();
        format!("there is no system {name}; there are {}", names.join(", "))
    })
}

/// A system under load.
pub trait System: Sync {
    /// Its name on the command line and in reports: letters, digits and hyphens.
    fn name(&self) -> &'static str;

    /// What it is and what it promises, in one line.
    fn about(&self) -> &'static str;

    /// Whether a sender is told that its text was taken. Where it is not, a send is over once it has reached everyone.
    fn answers(&self) -> bool;

    /// Whether what it answers is kept: it can be compared with others that say the same.
    fn is_durable(&self) -> bool {
        self.keeps() != Keeps::Nothing
    }

    /// What it does with texts for those who are away.
    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    /// Whether people are told when their contacts come and go.
    fn tells_presence(&self) -> bool {
        false
    }

    /// Whether it can do what this cast needs: groups, contacts. Otherwise it is not started for such a load.
    ///
    /// # Errors
    /// What it cannot do.
    fn suits(&self, _: &Cast) -> Result<(), &'static str> {
        Ok(())
    }

    /// Where it is looked for if nobody says where it runs.
    fn usual_address(&self) -> Option<SocketAddr> {
        None
    }

    /// The version that its program on this machine tells.
    ///
    /// # Errors
    /// It is not on this machine.
    fn version(&self, place: &Place) -> Result<String, String>;

    /// Starts it with a data folder and a loopback port of its own.
    ///
    /// # Errors
    /// It does not start.
    fn start(&self, place: &Place) -> Result<Server, String>;

    /// Makes everyone known to a server that runs: accounts, groups, streams.
    ///
    /// # Errors
    /// It refuses.
    fn prepare(&self, target: &Target, cast: &Cast) -> Result<Box<dyn Book>, String>;

    /// Whether a server that runs, and that loadgen has not started, keeps by now what this system promises, as far as it tells. Of one that tells
    /// nothing: yes.
    ///
    /// # Errors
    /// It does not say, or what it promises cannot be known of one that runs.
    fn keeps_its_level(&self, _: &Target) -> Result<bool, String> {
        Ok(true)
    }

    /// What a server that runs has counted by now, by name. Of one that counts nothing: nothing.
    ///
    /// # Errors
    /// It does not say.
    fn counted(&self, _: &Target, _: &Place) -> Result<Counted, String> {
        Ok(Counted::new())
    }
}

/// A server's own counters, by name.
pub type Counted = BTreeMap<&'static str, u64>;

/// What a system does with texts for those who are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// They are lost.
    Nothing,
    /// They are there when somebody comes back.
    Texts,
    /// And whoever comes back is told how many there are, so that a client knows when it has them all.
    AndTellsHowFar,
}

impl std::fmt::Debug for dyn System {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A server that takes a load.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// ringdove's admin door.
    pub admin: Option<PathBuf>,
    /// Whose CPU time and memory are counted.
    pub pid: Option<u32>,
    /// Whether loadgen has started it.
    pub is_started: bool,
}

/// Who takes part in a load. People are called by their place, from 0.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// How many.
    pub people: usize,
    /// Members of each group; the first one writes, the others read.
    pub groups: Vec<Range<usize>>,
    /// Who has whom as a contact, and is told when they come and go.
    pub circle: Option<Circle>,
    /// Whether the people of even places only write, and the others only read.
    pub one_way: bool,
}

impl Cast {
    /// The groups that the person of this place reads, by their own place.
    pub fn groups_read_by(&self, place: usize) -> impl Iterator<Item = usize> {
        let reads = move |members: &Range<usize>| members.contains(&place) && members.start != place;
        self.groups.iter().enumerate().filter(move |(_, members)| reads(members)).map(|(group, _)| group)
    }
}

/// How everyone is called in a system.
pub trait Book {
    /// The client of one person, who is not connected yet.
    fn dialect(&self, place: usize) -> Box<dyn Dialect>;
}

/// Whom a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The person of this place.
    Person(usize),
    /// The group of this place in the cast.
    Group(usize),
}

/// What a client heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Nothing that a load looks at.
    Nothing,
    /// From now on it gets what is sent to it, and may send: once for each [`hello`](Dialect::hello), when all that the server had to confirm is confirmed.
    Ready,
    /// A text from somebody else: as it stands in what was read, or decoded.
    Text(Cow<'a, [u8]>),
    /// Several that were missed: a page of them.
    Texts(Vec<Vec<u8>>),
    /// The oldest unanswered send of this client was taken. A frame that answers several is said to have taken 0 bytes until the last of them.
    Answered,
    /// A contact came or went.
    Presence {
        /// The contact's place.
        who: usize,
        /// Whether they are there.
        online: bool,
    },
    /// Contacts who are there: a page of the list that a client reads when it comes, and whenever it may have missed news.
    There {
        /// The contacts' places.
        who: Vec<usize>,
        /// The first page: nobody is there but who is named from now on.
        first: bool,
    },
}

/// One client's half of a protocol, without its socket. It outlives connections: after a new [`hello`](Self::hello) it goes on where it was.
pub trait Dialect {
    /// A new connection: appends what a client says first.
    fn hello(&mut self, out: &mut Vec<u8>);

    /// Appends a text, all of it ASCII from `0` to `z`: letters, digits, and what stands between them, the backslash for one, but no
    /// space, quote or line end.
    fn send(&mut self, out: &mut Vec<u8>, to: To, text: &[u8]);

    /// Reads the first frame: how many bytes it took, and what it said; `None`: it is not whole yet. What has to be said back at once is appended.
    ///
    /// # Errors
    /// The server refuses, or breaks its protocol.
    fn hear<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<Option<(usize, Heard<'a>)>, String>;

    /// Before something is written, and now and then (`all`): appends acknowledgements that are due.
    fn acknowledge(&mut self, _out: &mut Vec<u8>, _all: bool) {}

    /// Whether it has asked for what it had missed, and does not have all of it yet.
    fn is_behind(&self) -> bool {
        false
    }

    /// How often it had to ask for what it had missed.
    fn syncs(&self) -> u64 {
        0
    }
}
