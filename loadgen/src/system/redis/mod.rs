//! Redis, as a broker: pub/sub with and without answers, and streams that are on disk before anyone is told. It serves all clients on one
//! thread; those that it has besides (they free memory and close files) share that thread's core.

mod pubsub;
mod resp;
mod streams;

use std::rc::Rc;
use std::time::SystemTime;

use super::{Book, Cast, Keeps, System, Target};
use crate::server::{Place, Server, Start, free_address, program, version};
use pubsub::Channels;
use streams::Streams;

/// Settings of each variant.
const EVERYWHERE: [&str; 4] = [
    // no snapshots: they would take the core now and then, and promise nothing
    "save \"\"",
    // ten times what a load opens; lowered by Redis itself where the system allows fewer files
    "maxclients 100000",
    // everyone may come at once
    "tcp-backlog 4096",
    // nothing to say while it runs
    "loglevel warning",
];
/// Settings of pub/sub.
const PUBSUB: [&str; 2] = [
    // pub/sub stores nothing
    "appendonly no",
    // nobody who reads slowly is thrown out, however much waits for them
    "client-output-buffer-limit pubsub 0 0 0",
];
/// Settings of streams.
const STREAMS: [&str; 3] = [
    // each command goes into a file
    "appendonly yes",
    // and is synced there before it is answered: all that were read in one turn at once
    "appendfsync always",
    // no copy of the file is made beside the load
    "auto-aof-rewrite-percentage 0",
];

/// How Redis is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Silent,
    Replies,
    Streams,
}

/// Redis.
pub struct Redis {
    name: &'static str,
    about: &'static str,
    way: Way,
}

impl Redis {
    /// Pub/sub, and nobody is answered.
    pub const SILENT: Self = Self {
        name: "redis",
        about: "pub/sub, answers switched off (CLIENT REPLY OFF); nothing is stored: what is sent to somebody who is away is lost",
        way: Way::Silent,
    };
    /// Pub/sub, answered.
    pub const REPLIES: Self = Self {
        name: "redis-replies",
        about: "pub/sub; every PUBLISH is answered with how many got it; nothing is stored",
        way: Way::Replies,
    };
    /// Streams on disk.
    pub const STREAMS: Self = Self {
        name: "redis-streams",
        about: "a stream for each person, read with XREAD; every XADD is answered once it is synced (survives a loss of power)",
        way: Way::Streams,
    };
}

impl System for Redis {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn answers(&self) -> bool {
        self.way != Way::Silent
    }

    fn keeps(&self) -> Keeps {
        if self.way == Way::Streams { Keeps::Texts } else { Keeps::Nothing }
    }

    fn suits(&self, cast: &Cast) -> Result<(), &'static str> {
        if cast.circle.is_some() {
            return Err("Redis tells nobody who comes and goes");
        }
        if self.way == Way::Streams && !cast.groups.is_empty() {
            return Err("a stream has one reader here: there are no groups");
        }
        if self.way == Way::Streams && !cast.one_way {
            return Err("whoever waits in XREAD cannot write meanwhile: it takes loads that go one way");
        }
        Ok(())
    }

    fn version(&self, _: &Place) -> Result<String, String> {
        version(&program("redis-server", "redis-server")?, "--version")
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let mut start = Start::new(&program("redis-server", "redis-server")?, place)?;
        let own = if self.way == Way::Streams { &STREAMS[..] } else { &PUBSUB };
        let settings = [&EVERYWHERE[..], own].concat().join("\n");
        let address = free_address()?;
        let folder = start.folder().display().to_string();
        let places = format!("bind {}\nport {}\ndir \"{folder}\"", address.ip(), address.port());
        let file = start.file("redis.conf", &settings, &places)?;
        start.place(&[&file.to_string_lossy()]);
        start.until_it_listens(place.cores, address)
    }

    fn prepare(&self, _: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        if self.way == Way::Streams {
            let tag = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
            return Ok(Box::new(Rc::new(Streams::new(cast.people, tag))));
        }
        Ok(Box::new(Rc::new(Channels::new(cast, self.way == Way::Replies))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_take_what_goes_one_way_between_two() {
        let one_way = Cast { people: 2, one_way: true, ..Cast::default() };
        let both_ways = Cast { people: 2, ..Cast::default() };
        let group = Cast { people: 2, groups: std::iter::once(0..2).collect(), one_way: true, ..Cast::default() };
        for (cast, suits) in [(&one_way, true), (&both_ways, false), (&group, false)] {
            assert_eq!(Redis::STREAMS.suits(cast).is_ok(), suits, "{cast:?}");
            assert!(Redis::SILENT.suits(cast).is_ok() && Redis::REPLIES.suits(cast).is_ok());
        }
    }
}
