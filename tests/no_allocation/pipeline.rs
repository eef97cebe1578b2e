//! The broker as `serve` builds it at level `memory`, with reactor, engine and journal on one thread that is counted. What may
//! block, and makes segments, has threads of its own, which are not.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringdove_core::agent::Agent;
use ringdove_core::engine::{self, Engine, State};
use ringdove_core::rings::{Doorbell, Shutdown, SpaceSignal, commit_ring, inbound_ring};
use ringdove_io::{
    Admission, AttemptLimits, Attempts, Doors, PageReader, PasswordParams, PasswordPool, Poller, Reactor,
    ReactorConfig, Seams, page_queue,
};
use ringdove_persistence::{Durability, Options, Ties, open_memory};

use crate::counting;

/// Small enough that the run crosses from one segment to the next.
const SEGMENT_BYTES: u64 = 2 << 20;
/// Rings that a warm-up goes around several times.
const SLOTS: usize = 512;
/// Entries that an inbox keeps.
const WINDOW: usize = 256;
/// Ten seconds in the daemon; the run is shorter than that.
const ACK_ALONE_MS: u64 = 100;
/// Sleeping agents look around so often.
const NAP: Duration = Duration::from_millis(2);

pub struct Pipeline {
    pub address: SocketAddr,
    shutdown: Arc<Shutdown>,
    bell: Arc<Doorbell>,
    threads: Vec<JoinHandle<()>>,
    passwords: PasswordPool,
}

impl Pipeline {
    pub fn start(folder: &Path) -> Self {
        let doors = Doors::open(([127, 0, 0, 1], 0).into(), Some(&folder.join("admin.sock"))).expect("a free port");
        let address = doors.address().expect("its address");
        let opened = open_memory(options()).expect("memory");
        let poller = Poller::new().expect("a poll");
        let waker = poller.waker();
        let bell = Arc::new(Doorbell::new(Box::new(move || drop(waker.wake()))));
        let quiet = || Arc::new(Doorbell::new(Box::new(|| ())));
        let shutdown = Arc::new(Shutdown::new());
        let progress = Arc::clone(&opened.progress);
        let (mut inbound, engine_inbound) = inbound_ring(SLOTS, 1 << 20, 1);
        let (commit, gate, mut commits) = commit_ring(SLOTS, 1);
        let space = Arc::new(SpaceSignal::new(Arc::clone(&bell)));
        let commit_space = Arc::new(SpaceSignal::new(Arc::clone(&bell)));
        let engine = Engine::new(
            State::new(WINDOW, 1 << 20),
            engine::Limits::default(),
            opened.start,
            256,
            engine::Ties {
                inbound: engine_inbound,
                commit,
                progress: Arc::clone(&progress),
                journal: Arc::clone(&bell),
                inbound_space: vec![Arc::clone(&space)],
                commit_space: Arc::clone(&commit_space),
                shutdown: Arc::clone(&shutdown),
            },
        );
        let journal = opened
            .journal(Ties {
                gate,
                progress: Arc::clone(&progress),
                readers: vec![Arc::clone(&bell)],
                preparer: quiet(),
                shutdown: Arc::clone(&shutdown),
                on_fault: Box::new(|fault| panic!("{fault:?}")),
            })
            .expect("the first segment");
        let preparer =
            opened.preparer(Arc::clone(&shutdown), Box::new(|fault| panic!("{fault:?}")), Box::new(Instant::now));
        let passwords = PasswordPool::start(1, 16, PasswordParams { memory_kib: 64, passes: 1 }).expect("a thread");
        let (page_desk, queue) = page_queue(16, quiet());
        let pages = PageReader::new(queue, Box::new(opened.reader()), Arc::clone(&shutdown));
        let mut config = ReactorConfig::default();
        config.limits.rate = 0;
        // acknowledgements that go alone, and their deadlines, belong to what is measured
        config.ack_alone_ms = ACK_ALONE_MS;
        let seams = Seams {
            poller,
            inbound: inbound.remove(0),
            commits: commits.remove(0),
            space,
            commit_space,
            bell: Arc::clone(&bell),
            engine: Arc::clone(&bell),
            progress,
            projected: Arc::default(),
            shutdown: Arc::clone(&shutdown),
            admission: Arc::new(Admission::new(64, 0)),
            attempts: Arc::new(Attempts::new(AttemptLimits::default())),
            jwt: None,
            passwords: passwords.desk(),
            pages: page_desk,
        };
        let mut reactor = Reactor::new(0, Arc::new(config), seams).expect("a reactor");
        reactor.open(doors, &[]).expect("its doors");

        let hot: Vec<Box<dyn Agent>> = vec![Box::new(reactor), Box::new(engine), Box::new(journal)];
        let own_bell = Arc::clone(&bell);
        let threads = vec![
            thread::spawn(move || run_counted(hot, &own_bell)),
            thread::spawn(move || run(&mut [Box::new(preparer), Box::new(pages)])),
        ];
        Self { address, shutdown, bell, threads, passwords }
    }

    /// Ends in order, so that whatever went wrong on a thread fails the test.
    pub fn stop(self) {
        self.shutdown.ask();
        self.bell.ring();
        for thread in self.threads {
            thread.join().expect("no agent panics");
        }
        self.passwords.join();
    }
}

fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        durability: Durability::Memory,
        sync_every: Duration::from_secs(1),
        memory_bytes: 4 * SEGMENT_BYTES,
        new_uuid: [7; 16],
        boot: String::new(),
        folder: String::new(),
    }
}

fn turn(agents: &mut [Box<dyn Agent>]) -> usize {
    agents.iter_mut().map(|agent| agent.do_work()).sum()
}

fn are_finished(agents: &[Box<dyn Agent>]) -> bool {
    agents.iter().all(|agent| agent.is_finished())
}

/// The daemon's loop for a hot thread, which sleeps in its poll.
fn run_counted(mut agents: Vec<Box<dyn Agent>>, bell: &Doorbell) {
    counting::count_this_thread();
    while !are_finished(&agents) {
        if turn(&mut agents) > 0 {
            continue;
        }
        bell.arm();
        if turn(&mut agents) == 0 {
            agents[0].sleep(NAP.as_micros() as u64);
        }
        bell.disarm();
    }
}

fn run(agents: &mut [Box<dyn Agent>]) {
    while !are_finished(agents) {
        if turn(agents) == 0 {
            thread::sleep(NAP);
        }
    }
}
