//! What speaks ringdove's native protocol: ringdove itself, at each level of durability, and its floor.

pub mod accounts;
mod counters;
mod dialect;
pub mod relay;
pub mod signed_in;
pub mod wire;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::{Book, Cast, Counted, Dialect, Keeps, System, Target};
use crate::server::{Place, Server, Start, version};
use accounts::User;
use dialect::{Device, Names};
use signed_in::SignedIn;

/// ringdove.
pub struct Ringdove {
    name: &'static str,
    about: &'static str,
    level: &'static str,
    spins: bool,
}

impl Ringdove {
    /// As it comes: told when it is in the page cache of the journal.
    pub const PROCESS: Self = Self {
        name: "ringdove",
        about: "accounts, inboxes, sync; every send is answered once it is in the journal (survives a killed process)",
        level: "process",
        spins: true,
    };
    /// It sleeps in epoll as soon as there is nothing to do.
    pub const SLEEPING: Self = Self {
        name: "ringdove-sleeping",
        about: "ringdove that never spins before it sleeps",
        level: "process",
        spins: false,
    };
    /// The journal is a bounded map of memory.
    pub const MEMORY: Self = Self {
        name: "ringdove-memory",
        about: "ringdove at level memory: the journal is kept in memory only",
        level: "memory",
        spins: true,
    };
    /// Told when it is on disk.
    pub const DISK: Self = Self {
        name: "ringdove-disk",
        about: "ringdove at level disk: every send is answered once it is synced (survives a loss of power)",
        level: "disk",
        spins: true,
    };
}

/// Members of a group, however it is configured.
const LARGEST_GROUP: usize = 10_000;

impl System for Ringdove {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn answers(&self) -> bool {
        true
    }

    fn is_durable(&self) -> bool {
        self.level != "memory"
    }

    fn keeps(&self) -> Keeps {
        Keeps::AndTellsHowFar
    }

    fn tells_presence(&self) -> bool {
        true
    }

    fn suits(&self, cast: &Cast) -> Result<(), &'static str> {
        let largest = cast.groups.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        if largest > LARGEST_GROUP { Err("its groups have 10,000 members at most") } else { Ok(()) }
    }

    fn usual_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)))
    }

    fn version(&self, place: &Place) -> Result<String, String> {
        version(place.broker.program()?, "--version")
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let mut start = Start::new(place.broker.program()?, place)?;
        start.set(&["serve"]).set(&["--durability", self.level]);
        start.set(&["--idle", &spin(self.spins, place)]);
        let data = start.folder().to_string_lossy().into_owned();
        start.place(&["--listen", "127.0.0.1:0", "--data", &data]);
        // the load is more than one person types, and groups are larger than most people's
        start.variable("RINGDOVE_LIMITS_RATE", "0").variable("RINGDOVE_LIMITS_GROUP", "10000");
        start.until_it_says_where(place.cores, Some("admin.sock"))
    }

    fn prepare(&self, target: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        let door = target.admin.as_deref().ok_or("say --admin: where is its admin door?")?;
        let users = accounts::import(door, cast.people)?;
        if let Some(circle) = cast.circle {
            accounts::befriend(door, &users, |place| circle.of(place))?;
        }
        register(target, cast, users)
    }

    fn keeps_its_level(&self, target: &Target) -> Result<bool, String> {
        if self.level != "disk" {
            return Err(format!(
                "whether a ringdove that runs already is at level {} cannot be known: say --start, or --system ringdove-disk",
                self.level
            ));
        }
        counters::is_on_disk(target.admin.as_deref().ok_or("say --admin: where is its admin door?")?)
    }

    fn counted(&self, target: &Target, place: &Place) -> Result<Counted, String> {
        let door = target.admin.as_deref().ok_or("say --admin: where is its admin door?")?;
        counters::counted(door, place.broker.program().ok())
    }
}

/// A relay that only forwards: what nothing that does more can beat.
pub struct Floor {
    name: &'static str,
    about: &'static str,
    spins: bool,
    syncs: bool,
}

impl Floor {
    /// It spins as long as ringdove before it sleeps.
    pub const SPINNING: Self = Self {
        name: "floor",
        about: "loadgen's own relay: ringdove's frames, answers included, forwarded without checks, state or storage; spins before it sleeps",
        spins: true,
        syncs: false,
    };
    /// It sleeps in epoll as soon as there is nothing to do, as all rivals do.
    pub const SLEEPING: Self = Self {
        name: "floor-sleeping",
        about: "the floor, without spinning before it sleeps",
        spins: false,
        syncs: false,
    };
    /// It syncs each batch.
    pub const SYNCED: Self = Self {
        name: "floor-synced",
        about: "the floor, which writes and syncs (fdatasync) every batch before it is told",
        spins: true,
        syncs: true,
    };
}

impl System for Floor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_durable(&self) -> bool {
        self.syncs
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn answers(&self) -> bool {
        true
    }

    fn version(&self, _: &Place) -> Result<String, String> {
        Ok(format!("loadgen {}", env!("CARGO_PKG_VERSION")))
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut start = Start::new(&own, place)?;
        start.set(&["relay"]).set(&["--spin", &spin(self.spins, place)]);
        if self.syncs {
            let file = start.folder().join("synced").to_string_lossy().into_owned();
            start.set(&["--sync"]).place(&[&file]);
        }
        start.until_it_says_where(place.cores, None)
    }

    fn prepare(&self, target: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        register(target, cast, accounts::made_up(cast.people))
    }
}

fn spin(spins: bool, place: &Place) -> String {
    humantime::format_duration(if spins { place.spin } else { Duration::ZERO }).to_string()
}

/// Makes the groups, and notes how everyone is called.
fn register(target: &Target, cast: &Cast, users: Vec<User>) -> Result<Box<dyn Book>, String> {
    let numbers: Vec<u64> = users.iter().map(|user| user.user).collect();
    let mut groups = Vec::with_capacity(cast.groups.len());
    for members in &cast.groups {
        let mut first = SignedIn::hello(target.address, &users[members.start])?;
        groups.push(first.make_group(&numbers[members.start + 1..members.end])?);
    }
    let places: HashMap<u64, usize> = numbers.iter().enumerate().map(|(place, user)| (*user, place)).collect();
    let tokens = users.into_iter().map(|user| user.token).collect();
    let watches = cast.circle.is_some();
    Ok(Box::new(Everyone(Rc::new(Names { users: numbers, tokens, groups, places, watches }))))
}

struct Everyone(Rc<Names>);

impl Book for Everyone {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        Box::new(Device::new(self.0.clone(), place))
    }
}
