//! NATS: its core, which forwards and forgets, and JetStream, which stores. Both are one program with its threads on the one core that all
//! systems get: it sees that by itself, and runs one of them at a time.

mod client;
mod door;
mod frame;
mod jetstream;

use std::net::SocketAddr;
use std::rc::Rc;

use super::{Book, Cast, Dialect, Keeps, System, Target};
use crate::server::{self, Place, Server, Start};
use client::{Client, Subjects};

/// What differs from the program's defaults, and why. There is no log of messages or connections, and TCP_NODELAY is set, by default.
const SETTINGS: &str = concat!(
    // a reader for whom more waits is dropped, and long before that whoever writes to it is slowed down (64MB)
    "max_pending: 1GB\n",
    // a reader is dropped too if one write takes longer (10s)
    "write_deadline: \"60s\"\n",
    // more than any load opens (64K)
    "max_connections: 1000000\n",
);

/// NATS without JetStream.
pub struct Nats;

impl System for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn about(&self) -> &'static str {
        "NATS core: subjects in memory; sends are not answered, and nothing is stored (who is away misses what is sent)"
    }

    fn answers(&self) -> bool {
        false
    }

    fn suits(&self, cast: &Cast) -> Result<(), &'static str> {
        suits(cast)
    }

    fn version(&self, _: &Place) -> Result<String, String> {
        version()
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let (start, address) = configured(place, "", "")?;
        start.until_it_listens(place.cores, address)
    }

    fn prepare(&self, _: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        Ok(Box::new(Everyone(Rc::new(Subjects::of(cast)))))
    }
}

/// NATS with JetStream.
pub struct JetStream;

/// JetStream's own setting. How often it syncs its files cannot be set in 2.9: that needs 2.10's `sync_interval`.
const STORE: &str = "jetstream: enabled\n";

impl System for JetStream {
    fn name(&self) -> &'static str {
        "jetstream"
    }

    fn about(&self) -> &'static str {
        "NATS JetStream: a stream in files; every send is answered once it is written (survives a killed process; files are synced later)"
    }

    fn answers(&self) -> bool {
        true
    }

    fn keeps(&self) -> Keeps {
        Keeps::Texts
    }

    fn suits(&self, cast: &Cast) -> Result<(), &'static str> {
        suits(cast)
    }

    fn version(&self, _: &Place) -> Result<String, String> {
        version()
    }

    fn start(&self, place: &Place) -> Result<Server, String> {
        let (mut start, address) = configured(place, STORE, "store_dir: \"FOLDER\"\n")?;
        start.note(format!("stream {}", jetstream::stream()));
        start.note(format!("consumers {}", jetstream::consumer()));
        start.until_it_listens(place.cores, address)
    }

    fn prepare(&self, target: &Target, cast: &Cast) -> Result<Box<dyn Book>, String> {
        let request = jetstream::stream();
        door::ask(target.address, &format!("$JS.API.STREAM.CREATE.{}", jetstream::STREAM), &request)?;
        Ok(Box::new(Readers(Rc::new(Subjects::of(cast)))))
    }
}

/// Who is there nobody is told.
fn suits(cast: &Cast) -> Result<(), &'static str> {
    if cast.circle.is_some() { Err("NATS knows no contacts, and tells nobody who comes and goes") } else { Ok(()) }
}

fn version() -> Result<String, String> {
    server::version(&server::program("nats-server", "nats-server")?, "--version")
}

/// The program with its configuration, and where it will listen. `settings` and `places` stand in it besides what both variants have;
/// FOLDER is that of this start.
fn configured(place: &Place, settings: &str, places: &str) -> Result<(Start, SocketAddr), String> {
    let mut start = Start::new(&server::program("nats-server", "nats-server")?, place)?;
    let address = server::free_address()?;
    let folder = start.folder().display().to_string();
    let places = format!("listen: \"{address}\"\n{places}").replace("FOLDER", &folder);
    let file = start.file("nats.conf", &format!("{SETTINGS}{settings}"), &places)?;
    start.place(&["--config", &file.to_string_lossy()]);
    Ok((start, address))
}

struct Everyone(Rc<Subjects>);

impl Book for Everyone {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        Box::new(Client::new(self.0.clone(), place))
    }
}

struct Readers(Rc<Subjects>);

impl Book for Readers {
    fn dialect(&self, place: usize) -> Box<dyn Dialect> {
        Box::new(jetstream::Client::new(self.0.clone(), place))
    }
}
