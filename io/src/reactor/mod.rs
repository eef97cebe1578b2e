//! The reactor: a thread's poll. It owns connections, decodes frames in, writes frames out, and never waits but in its poll.
//!
//! A turn: what the engine and the journal have let through goes to the connections, each of which is written to once (a large fan-out
//! goes out as it is put together); then the sockets are read. So whatever was read in one turn is answered in the next one's single write, recipients before
//! acknowledgements; while there is more to read, small ones wait a moment (`waiting.rs`).

mod accepting;
mod delivering;
mod ending;
mod exchange;
mod operating;
mod output;
mod publishing;
mod pulling;
mod reading;
mod renewing;
mod requests;
mod runs;
mod shutting_down;
mod sign_in;
mod timing;
mod trains;
mod waiting;
mod writing;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use mio::net::TcpStream;
use mio::{Events, Poll, Registry, Token, Waker};
use ringdove_core::agent::Agent;
use ringdove_core::ids::Time;
use ringdove_core::projected::Projected;
use ringdove_core::rings::{CommitConsumer, Doorbell, InboundProducer, PORTION, Progress, Shutdown, SpaceSignal};
use ringdove_core::wire::bundle::Bundle;
use slab::Slab;

pub use accepting::Doors;

use crate::admission::Admission;
use crate::attempts::Attempts;
use crate::clock::{Clock, TICK_MS, Tick};
use crate::config::{PREFIX, READ_CHUNK, ReactorConfig};
use crate::connection::Connection;
use crate::counters::Counters;
use crate::deadlines::{Deadline, Wheel};
use crate::jwt::JwtKeys;
use crate::mailbox::{Letter, Mailbox};
use crate::pages::PageDesk;
use crate::passwords::PasswordDesk;

use accepting::Accepting;
use delivering::Tails;
use output::Output;
use publishing::Inlet;
use reading::Ready;
use renewing::Renewal;
use shutting_down::Phase;
use trains::Train;

const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
const ADMIN: Token = Token(usize::MAX - 2);

/// Events that one poll hands out at most.
const EVENTS: usize = 1024;
/// A turn goes on to the sockets after so many writes into buffers ...
const WRITES: usize = 4096;
/// ... but not before so many for each connection that has something to be flushed, if that many wait: its system call costs as much as
/// dozens of them, and large groups would pay it for every second message.
const WRITES_EACH: usize = 16;
/// Letters that one turn opens at most.
const LETTERS: usize = 64;

/// A reactor's poll, made before the reactor so that its waker can stand behind a doorbell.
pub struct Poller {
    poll: Poll,
    waker: Arc<Waker>,
}

impl Poller {
    /// Opens a poll.
    ///
    /// # Errors
    /// As the system says.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self { poll, waker })
    }

    /// Wakes a reactor that sleeps in this poll: what its thread's doorbell needs.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }
}

/// What a reactor is connected to.
pub struct Seams {
    /// Its poll.
    pub poller: Poller,
    /// The way to the engine.
    pub inbound: InboundProducer,
    /// What the engine and the journal have let through.
    pub commits: CommitConsumer,
    /// Rings when a full inbound ring has space again; its producer is this reactor's thread.
    pub space: Arc<SpaceSignal>,
    /// Rings when a full commit ring has space again; its producer is the engine's thread.
    pub commit_space: Arc<SpaceSignal>,
    /// The doorbell of this reactor's own thread.
    pub bell: Arc<Doorbell>,
    /// The doorbell of the engine's thread.
    pub engine: Arc<Doorbell>,
    /// How far the journal is.
    pub progress: Arc<Progress>,
    /// How far the tables in SQL are.
    pub projected: Arc<Projected>,
    /// The shutdown handshake.
    pub shutdown: Arc<Shutdown>,
    /// Who may come in; one for all reactors.
    pub admission: Arc<Admission>,
    /// Who may try to sign in; one for all reactors.
    pub attempts: Arc<Attempts>,
    /// Whose JWTs are taken, if any are.
    pub jwt: Option<Arc<JwtKeys>>,
    /// The way to the password workers.
    pub passwords: PasswordDesk,
    /// The way to the page reader.
    pub pages: PageDesk,
}

/// The agent.
pub struct Reactor {
    poll: Poll,
    waker: Arc<Waker>,
    events: Events,
    /// Events were found while sleeping.
    found: bool,
    commits: CommitConsumer,
    commit_space: Arc<SpaceSignal>,
    letters: Receiver<Letter>,
    tails: Tails,
    bundle: Bundle,
    edge: Edge,
}

/// Everything of a reactor but its ends of ring, poll and mailbox.
pub(crate) struct Edge {
    config: Arc<ReactorConfig>,
    index: u8,
    registry: Registry,
    connections: Slab<Connection>,
    generation: u32,
    output: Output,
    ready: Ready,
    wheel: Wheel,
    due: Vec<Deadline>,
    /// When the engine was last told that time passes.
    ticked: Tick,
    clock: Clock,
    inlet: Inlet,
    engine: Arc<Doorbell>,
    accepting: Accepting,
    admission: Arc<Admission>,
    attempts: Arc<Attempts>,
    jwt: Option<Arc<JwtKeys>>,
    /// Passwords that are being changed, by connection.
    renewals: HashMap<u32, Box<Renewal>>,
    mailbox: Mailbox,
    passwords: PasswordDesk,
    pages: PageDesk,
    progress: Arc<Progress>,
    projected: Arc<Projected>,
    shutdown: Arc<Shutdown>,
    phase: Phase,
    buffer: Vec<u8>,
    content: Vec<u8>,
    train: Train,
}

impl Reactor {
    /// A reactor with the given index (its place among the commit ring's readers), which has no doors yet.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(index: u8, config: Arc<ReactorConfig>, seams: Seams) -> io::Result<Self> {
        let Poller { poll, waker } = seams.poller;
        let (mailbox, letters) = Mailbox::new(seams.bell);
        let counters = Arc::new(Counters::default());
        // memory for all connections that may come is set aside, not touched: a table that grows would stall the thread
        let connections = Slab::with_capacity(seams.admission.connections());
        let buffer = vec![0; 2 * READ_CHUNK + config.limits.frame as usize + PREFIX];
        let edge = Edge {
            index,
            registry: poll.registry().try_clone()?,
            connections,
            generation: 0,
            output: Output::new(config.out_buffer, counters),
            ready: Ready::default(),
            wheel: Wheel::new(),
            due: Vec::new(),
            ticked: Tick(0),
            clock: Clock::start(),
            inlet: Inlet::new(seams.inbound, seams.space),
            engine: seams.engine,
            accepting: Accepting::default(),
            admission: seams.admission,
            attempts: seams.attempts,
            jwt: seams.jwt,
            renewals: HashMap::new(),
            mailbox,
            passwords: seams.passwords,
            pages: seams.pages,
            progress: seams.progress,
            projected: seams.projected,
            shutdown: seams.shutdown,
            phase: Phase::Running,
            buffer,
            content: Vec::new(),
            train: Train::default(),
            config,
        };
        Ok(Self {
            poll,
            waker,
            events: Events::with_capacity(EVENTS),
            found: false,
            commits: seams.commits,
            commit_space: seams.commit_space,
            letters,
            tails: Tails::default(),
            bundle: Bundle::default(),
            edge,
        })
    }

    /// Gives the doors to this reactor, and the other reactors as those to share the sockets with.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(&mut self, mut doors: Doors, others: &[&Reactor]) -> io::Result<()> {
        doors.register(&self.edge.registry)?;
        self.edge.accepting.peers = others.iter().map(|reactor| reactor.edge.mailbox.clone()).collect();
        self.edge.accepting.doors = Some(doors);
        self.edge.accepting.tcp_waits = true;
        self.edge.accepting.admin_waits = true;
        Ok(())
    }

    /// Wakes this reactor when it sleeps in its poll.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// What this reactor has counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.edge.output.counters)
    }

    fn drain_commits(&mut self) -> usize {
        let Self { commits, edge, tails, bundle, .. } = self;
        let (mut slots, mut writes) = (0, 0);
        while writes < WRITES.max(WRITES_EACH * edge.output.pushed.len()) {
            let taken = commits.take(PORTION as u64, |slots| writes += edge.deliver_all(slots, tails, bundle));
            slots += taken;
            if taken < PORTION {
                break;
            }
        }
        if slots > 0 {
            self.commit_space.freed();
        }
        slots
    }

    fn open_letters(&mut self) -> usize {
        let mut count = 0;
        while count < LETTERS {
            let Ok(letter) = self.letters.try_recv() else { break };
            self.edge.open_letter(letter);
            count += 1;
        }
        count
    }

    fn poll(&mut self, timeout: Duration) -> usize {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Ok(()) => self.events.iter().count(),
            // a signal; whatever else could be wrong with a poll, the next turn meets it again
            Err(_) => 0,
        }
    }

    fn note_events(&mut self) {
        for event in &self.events {
            self.edge.note(event);
        }
    }
}

impl Edge {
    fn note(&mut self, event: &mio::event::Event) {
        match event.token() {
            WAKER => {}
            LISTENER => self.accepting.tcp_waits = true,
            ADMIN => self.accepting.admin_waits = true,
            token => self.note_socket((token.0 & u32::MAX as usize) as u32, (token.0 >> 32) as u32, event),
        }
    }

    fn note_socket(&mut self, key: u32, generation: u32, event: &mio::event::Event) {
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.generation != generation {
            return;
        }
        if event.is_write_closed() && connection.holding {
            // nobody is there to read the answers that it waits for; else what was sent is read first
            return self.drop_connection(key);
        }
        if event.is_writable() && std::mem::take(&mut connection.write_blocked) {
            // it reads: that is a sign of life
            connection.heard = now;
            self.output.must_flush(key, connection);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable = true;
            connection.read_closing |= event.is_read_closed() || event.is_error();
            if !connection.holding {
                self.enqueue(key);
            }
        }
    }

    fn open_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Socket(socket, address) if self.phase == Phase::Running => {
                self.admit_client(TcpStream::from_std(socket), address);
            }
            Letter::Socket(_, address) => self.admission.leave(address),
            Letter::Checked(at, right) => self.checked(at, right),
            Letter::Hashed(at, secret) => self.hashed(at, secret),
            Letter::Renewed(at, renewed) => self.renewed(at, renewed),
            Letter::Vouched(at, visitor) => self.vouched(at, visitor),
            Letter::Page(page) => self.page_read(&page),
        }
    }

    /// Whether there is something to do that no event would tell of.
    fn has_work(&self) -> bool {
        !self.output.pushed.is_empty()
            || !self.output.answered.is_empty()
            || !self.output.waiting.is_empty()
            || (!self.ready.is_empty() && !self.inlet.full && self.phase == Phase::Running)
    }
}

impl Agent for Reactor {
    fn name(&self) -> &'static str {
        "reactor"
    }

    fn do_work(&mut self) -> usize {
        let mut work = self.drain_commits();
        work += self.open_letters();
        work += self.edge.flush();
        let events = if std::mem::take(&mut self.found) { 1 } else { self.poll(Duration::ZERO) };
        work += events;
        self.edge.clock.read();
        work += self.edge.flush_waiting(events == 0);
        self.note_events();
        work += self.edge.inlet.publish_pending(&self.edge.output.counters);
        work += self.edge.run_phase(work == 0);
        work += self.edge.turn_wheel();
        self.edge.tick_engine();
        if self.edge.inlet.take_published() {
            self.edge.engine.ring();
        }
        work
    }

    fn sleep(&mut self, timeout_us: u64) -> bool {
        if self.found || self.edge.has_work() || !self.letters.is_empty() {
            return true;
        }
        let mut timeout = Duration::from_micros(timeout_us);
        let waits = !self.edge.wheel.is_empty() || self.edge.accepting.tcp_waits || self.edge.ticks_engine();
        if waits || self.edge.phase != Phase::Running {
            timeout = timeout.min(Duration::from_millis(TICK_MS));
        }
        self.found = self.poll(timeout) > 0;
        true
    }

    fn is_finished(&self) -> bool {
        self.edge.phase == Phase::Finished
    }
}

fn token(key: u32, generation: u32) -> Token {
    Token((generation as usize) << 32 | key as usize)
}

fn wall_ms(time: Time) -> u64 {
    time.0
}
