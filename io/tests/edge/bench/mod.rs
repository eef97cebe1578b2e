//! A reactor with real sockets and an engine that says what a test tells it to. Everything runs on the test's own thread, turn by turn;
//! only password workers have threads.

mod client;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use client::{Client, framed, request_frame, text_to, token_hello};
use parking_lot::Mutex;
use ringdove_core::agent::Agent;
use ringdove_core::ids::{ConnectionId, Epoch, Ordinal, Position, Time, UserId, Version};
use ringdove_core::record::{RecordHead, Records};
use ringdove_core::rings::{
    Answer, AnswerBody, Command, CommitGate, CommitProducer, CommitSlot, Delivery, Doorbell, InboundConsumer, Progress,
    Recipient, Shutdown, SpaceSignal, To, Welcome, commit_ring, inbound_ring,
};
use ringdove_core::wire::record::{LogEntry, put_message};
use ringdove_core::wire::{Refusal, hot};
use ringdove_io::{
    Admission, AttemptLimits, Attempts, Counter, Counters, Doors, JwtKeys, PageReader, PasswordParams, PasswordPool,
    Poller, Reactor, ReactorConfig, Seams, page_queue,
};

/// A test that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a test chooses.
pub struct Setup {
    pub config: ReactorConfig,
    /// Slots of the inbound ring.
    pub inbound: usize,
    /// Slots of the commit ring.
    pub commits: usize,
    /// Bytes of large bodies.
    pub large: usize,
    pub passwords: usize,
    pub pages: usize,
    pub connections: usize,
    pub per_address: u32,
    pub attempts: AttemptLimits,
    pub jwt: Option<JwtKeys>,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = ReactorConfig::default();
        config.limits.rate = 0;
        Self {
            config,
            inbound: 1024,
            commits: 64,
            large: 1 << 20,
            passwords: 16,
            pages: 16,
            connections: 256,
            per_address: 0,
            attempts: AttemptLimits::default(),
            jwt: None,
        }
    }
}

/// A command as the engine got it; each message of a train as if it had come alone.
#[derive(Debug)]
pub struct Heard {
    pub connection: ConnectionId,
    pub request: u32,
    pub ack: u64,
    pub command: Command,
    pub body: Vec<u8>,
    /// Messages that came in the same slot.
    pub together: usize,
}

/// The journal's records, as far as a test wrote some.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<HashMap<u64, Vec<u8>>>>);

impl Journal {
    pub fn write(&self, position: u64, entry: &LogEntry<'_>) {
        let mut body = Vec::new();
        put_message(&mut body, entry);
        self.0.lock().insert(position, body);
    }
}

impl Records for Journal {
    fn read(&self, position: Position, into: &mut Vec<u8>) -> Option<RecordHead> {
        into.extend_from_slice(self.0.lock().get(&position.0)?);
        Some(RecordHead { position, epoch: Epoch(1), time: Time(1_000 + position.0) })
    }
}

pub struct Bench {
    pub reactor: Reactor,
    pub pages: PageReader,
    pub journal: Journal,
    /// The page reader does not get its turn while this is set.
    pub pages_stand: bool,
    /// The engine takes nothing while this is set.
    pub engine_stands: bool,
    pub inbound: InboundConsumer,
    pub commits: CommitProducer,
    pub gate: CommitGate,
    pub space: Arc<SpaceSignal>,
    pub shutdown: Arc<Shutdown>,
    pub progress: Arc<Progress>,
    pub admission: Arc<Admission>,
    pub heard: VecDeque<Heard>,
    pub address: SocketAddr,
    pub admin: PathBuf,
    counters: Arc<Counters>,
    _pool: PasswordPool,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = folder.path().join("admin.sock");
        let doors = Doors::open("127.0.0.1:0".parse().unwrap(), Some(&admin)).unwrap();
        let address = doors.address().unwrap();
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        let bell = Arc::new(Doorbell::new(Box::new(move || waker.wake().unwrap())));
        let quiet = || Arc::new(Doorbell::new(Box::new(|| ())));
        let (mut inbound, inbound_consumer) = inbound_ring(setup.inbound, setup.large, 1);
        let (commits, gate, mut consumers) = commit_ring(setup.commits, 1);
        let space = Arc::new(SpaceSignal::new(Arc::clone(&bell)));
        let progress = Arc::new(Progress::new(Position(64), Position(1 << 20)));
        let shutdown = Arc::new(Shutdown::new());
        let admission = Arc::new(Admission::new(setup.connections, setup.per_address));
        let cheap = PasswordParams { memory_kib: 64, passes: 1 };
        let pool = PasswordPool::start(1, setup.passwords, cheap).unwrap();
        let (page_desk, queue) = page_queue(setup.pages, quiet());
        let journal = Journal::default();
        let pages = PageReader::new(queue, Box::new(journal.clone()), Arc::clone(&shutdown));
        let seams = Seams {
            poller,
            inbound: inbound.remove(0),
            commits: consumers.remove(0),
            space: Arc::clone(&space),
            commit_space: Arc::new(SpaceSignal::new(quiet())),
            bell,
            engine: quiet(),
            progress: Arc::clone(&progress),
            projected: Arc::default(),
            shutdown: Arc::clone(&shutdown),
            admission: Arc::clone(&admission),
            attempts: Arc::new(Attempts::new(setup.attempts)),
            jwt: setup.jwt.map(Arc::new),
            passwords: pool.desk(),
            pages: page_desk,
        };
        let mut reactor = Reactor::new(0, Arc::new(setup.config), seams).unwrap();
        reactor.open(doors, &[]).unwrap();
        let counters = reactor.counters();
        Self {
            reactor,
            pages,
            journal,
            pages_stand: false,
            engine_stands: false,
            inbound: inbound_consumer,
            commits,
            gate,
            space,
            shutdown,
            progress,
            admission,
            heard: VecDeque::new(),
            address,
            admin,
            counters,
            _pool: pool,
            _folder: folder,
        }
    }

    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// One turn of everything. Returns how much was done.
    pub fn turn(&mut self) -> usize {
        let mut work = self.reactor.do_work();
        if !self.pages_stand {
            work += self.pages.do_work();
        }
        if !self.engine_stands {
            work += self.listen(64);
        }
        work
    }

    /// The engine takes up to `limit` commands.
    pub fn listen(&mut self, limit: u64) -> usize {
        let (heard, budget) = (&mut self.heard, Arc::clone(self.inbound.budget()));
        let taken = self.inbound.take(limit, |slot| {
            let large = slot.take_large();
            if let Some(large) = &large {
                budget.give_back(large.len());
            }
            let one = |request, ack, command, body, together| Heard {
                connection: slot.connection,
                request,
                ack,
                command,
                body,
                together,
            };
            let mut ack = slot.ack.0;
            let Command::Train { to } = slot.command else {
                let body = large.map_or_else(|| slot.body().to_vec(), |large| *large);
                return heard.push_back(one(slot.request, ack, slot.command.clone(), body, 1));
            };
            assert_eq!(slot.request, slot.train[0].request);
            let mut begin = 0;
            for send in &slot.train {
                let end = send.end as usize;
                let command = Command::Send { key: send.key, to: To::User(to) };
                let body = slot.body()[begin..end].to_vec();
                heard.push_back(one(send.request, std::mem::take(&mut ack), command, body, slot.train.len()));
                begin = end;
            }
        });
        if taken > 0 {
            self.space.freed();
        }
        taken
    }

    /// Turns until `found` finds something.
    pub fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if self.turn() == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        }
    }

    /// Turns until nothing is left to be done.
    pub fn settle(&mut self) {
        let mut idle = 0;
        while idle < 5 {
            if self.turn() == 0 {
                idle += 1;
                std::thread::sleep(Duration::from_micros(500));
            } else {
                idle = 0;
            }
        }
    }

    /// The next command that the engine gets, closes left out.
    pub fn command(&mut self) -> Heard {
        self.until("a command", |bench| {
            bench.heard.pop_front_if(|heard| heard.command == Command::Closed);
            bench.heard.pop_front_if(|heard| heard.command != Command::Closed)
        })
    }

    /// The next close that the engine gets, everything else left out.
    pub fn closed(&mut self) -> Heard {
        self.until("a close", |bench| bench.heard.pop_front().filter(|heard| heard.command == Command::Closed))
    }

    /// Publishes a slot, past the journal.
    pub fn slot(&mut self, fill: impl FnOnce(&mut CommitSlot)) {
        while self.commits.credit() == 0 {
            self.turn();
        }
        assert!(self.commits.try_publish(fill));
        drop(self.gate.take(64));
    }

    /// Answers a command.
    pub fn say(&mut self, connection: ConnectionId, request: u32, body: AnswerBody) {
        self.slot(|slot| slot.answer = Some(Answer { connection, request, body }));
    }

    pub fn answer(&mut self, heard: &Heard, body: AnswerBody) {
        self.say(heard.connection, heard.request, body);
    }

    pub fn refuse(&mut self, heard: &Heard, refusal: Refusal) {
        self.answer(heard, AnswerBody::Refused(refusal));
    }

    /// Pushes a text of user `from` in a 1:1 chat.
    pub fn push(&mut self, to: &[Recipient], from: u64, user: u64, ordinal: u64, text: &str) {
        self.slot(|slot| {
            slot.recipients[0].extend_from_slice(to);
            fill_entry(slot, from, user, 0, ordinal, text);
        });
    }

    /// A client that said hello with a token and was welcomed at `since` of `version`.
    pub fn signed_in(&mut self, user: u64, since: u64, version: u64) -> Client {
        let mut client = Client::connect(self);
        client.hello();
        self.welcome(&mut client, user, since, version);
        client
    }

    /// Welcomes the client that has said hello.
    pub fn welcome(&mut self, client: &mut Client, user: u64, since: u64, version: u64) {
        let heard = self.command();
        assert!(matches!(heard.command, Command::Resume { .. }), "{heard:?}");
        client.id = heard.connection;
        self.answer(&heard, AnswerBody::Welcome(welcome(user, since, version)));
        let welcome = client.frame(self);
        assert!(matches!(welcome.body, Some(ringdove_core::wire::v1::server_frame::Body::Welcome(_))), "{welcome:?}");
    }
}

/// The answer to a send whose entry has this version, and the same ordinal.
pub fn sent(version: u64) -> AnswerBody {
    AnswerBody::Entry {
        version: Version(version),
        ordinal: Ordinal(version),
        time: Time(5),
        position: Position(160),
        user: None,
        group: None,
    }
}

/// Fills an entry in.
pub fn fill_entry(slot: &mut CommitSlot, from: u64, user: u64, group: u64, ordinal: u64, text: &str) {
    let mut content = Vec::new();
    hot::put_text_content(&mut content, text);
    slot.set_payload(&content);
    slot.content = (0, content.len() as u32);
    slot.delivery = Delivery {
        from: UserId(from),
        user: UserId(user),
        group: ringdove_core::ids::GroupId(group),
        ordinal: ringdove_core::ids::Ordinal(ordinal),
        time: Time(5),
    };
}

pub fn welcome(user: u64, since: u64, version: u64) -> Box<Welcome> {
    Box::new(Welcome {
        user: UserId(user),
        device: ringdove_core::ids::DeviceId(1),
        handle: format!("user{user}"),
        new_token: false,
        epoch: Epoch(1),
        version: Version(version),
        gap: false,
        since: Version(since),
    })
}
