//! An engine behind its rings, whose journal is a list and whose reactor is the test.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use prost::Message;
use ringdove_core::agent::Agent;
use ringdove_core::engine::{Engine, Limits, Start, State, Ties};
use ringdove_core::ids::{ConnectionId, Epoch, Key, Position, Time, UserId, Version};
use ringdove_core::record::{Cursor, RecordHead};
use ringdove_core::rings::{
    Answer, AnswerBody, Command, CommitConsumer, CommitGate, Doorbell, InboundProducer, InboundSlot, Progress,
    Recipient, Register, Shutdown, SignIn, SpaceSignal, TrainSend, commit_ring, inbound_ring,
};
use ringdove_core::wire::hot::SentEntry;
use ringdove_core::wire::v1::{ContactChange, Entry, GroupChange, Member, ServerFrame, Signal, server_frame::Body};

const SEGMENT: u64 = 1 << 26;

/// An engine with its rings, whose journal is a list and whose reactor is this test.
pub struct Bench {
    pub engine: Engine,
    pub inbound: InboundProducer,
    pub gate: CommitGate,
    pub consumer: CommitConsumer,
    pub records: Vec<(RecordHead, Vec<u8>)>,
    pub progress: Arc<Progress>,
    /// What the reactor's clock shows.
    pub now: Time,
    /// How often the places of its connections were used.
    pub generation: u32,
}

/// What a turn showed.
#[derive(Default)]
pub struct Seen {
    pub answers: Vec<Answer>,
    /// Who was told of an entry of theirs: the connection, the request, and what became of it. Of a train, all of them.
    pub sent: Vec<(ConnectionId, u32, SentEntry)>,
    /// Entries in each slot that answers with one.
    pub together: Vec<usize>,
    /// Connection key, version, whether it is the sender's own, content.
    pub told: Vec<(u32, u64, bool, Vec<u8>)>,
    /// Of each slot that tells of an entry: whether the next one tells the same.
    pub goes_on: Vec<bool>,
    pub pages: Vec<Vec<Position>>,
    /// Connection key, and the signal.
    pub signals: Vec<(u32, Signal)>,
}

impl Bench {
    pub fn new(limits: Limits, commit_slots: usize, batch: u64) -> Self {
        Self::going_on(State::new(1024, 1 << 24), limits, commit_slots, batch)
    }

    /// An engine that begins with a state: a restart.
    pub fn going_on(state: State, limits: Limits, commit_slots: usize, batch: u64) -> Self {
        let (mut inbound, consumer) = inbound_ring(256, 1 << 20, 1);
        let (commit, gate, mut reactors) = commit_ring(commit_slots, 1);
        let bell = || Arc::new(Doorbell::new(Box::new(|| ())));
        let progress = Arc::new(Progress::new(Position(0), Position(1 << 40)));
        let ties = Ties {
            inbound: consumer,
            commit,
            progress: Arc::clone(&progress),
            journal: bell(),
            inbound_space: vec![Arc::new(SpaceSignal::new(bell()))],
            commit_space: Arc::new(SpaceSignal::new(bell())),
            shutdown: Arc::new(Shutdown::new()),
        };
        // the next segment is not far
        let start = Start { cursor: Cursor::new(Position(SEGMENT - 6_000), SEGMENT), epoch: Epoch(1), time: Time(0) };
        let engine = Engine::new(state, limits, start, batch, ties);
        Self {
            engine,
            inbound: inbound.remove(0),
            gate,
            consumer: reactors.remove(0),
            records: Vec::new(),
            progress,
            now: Time(10_000),
            generation: 1,
        }
    }

    pub fn put(&mut self, connection: u32, request: u32, command: Command, body: &[u8]) {
        self.put_with(connection, request, command, |slot| slot.set_body(body));
    }

    /// A command whose body, and train, `fill` puts in.
    fn put_with(&mut self, connection: u32, request: u32, command: Command, fill: impl FnOnce(&mut InboundSlot)) {
        let (now, generation) = (self.now, self.generation);
        let put = self.inbound.try_publish(|slot| {
            slot.connection = ConnectionId { reactor: 0, key: connection, generation };
            slot.request = request;
            slot.ack = Version(0);
            slot.time = now;
            slot.command = command;
            fill(slot);
        });
        assert!(put, "the inbound ring is full");
    }

    /// Messages that came right behind each other: the first one's request, and key and content of each.
    pub fn put_train(&mut self, connection: u32, request: u32, to: UserId, messages: &[(u64, Vec<u8>)]) {
        self.put_with(connection, request, Command::Train { to }, |slot| {
            slot.train.clear();
            let mut body = Vec::new();
            for (request, (key, content)) in (request..).zip(messages) {
                body.extend_from_slice(content);
                slot.train.push(TrainSend { request, key: Key(*key), end: body.len() as u32 });
            }
            slot.set_body(&body);
        });
    }

    /// An acknowledgement alone.
    pub fn put_ack(&mut self, connection: u32, version: Version) {
        let now = self.now;
        let put = self.inbound.try_publish(|slot| {
            slot.connection = ConnectionId { reactor: 0, key: connection, generation: 1 };
            slot.request = 0;
            slot.ack = version;
            slot.time = now.max(Time(20_000));
            slot.command = Command::Nothing;
            slot.set_body(b"");
        });
        assert!(put, "the inbound ring is full");
    }

    /// Runs engine, journal and reactor until nothing is left.
    pub fn run(&mut self) -> Seen {
        let mut seen = Seen::default();
        loop {
            let work = self.engine.do_work();
            let Self { gate, records, consumer, .. } = self;
            if let Some(mut guard) = gate.take(u64::MAX) {
                for slot in &mut guard {
                    slot.each_record(|head, body| records.push((head, body.to_vec())));
                }
            }
            let drained = consumer.take(u64::MAX, |slots| {
                for slot in slots {
                    if !slot.signal && !slot.recipients[0].is_empty() {
                        seen.goes_on.push(slot.goes_on);
                    }
                    if slot.signal {
                        let frame = ServerFrame::decode(&slot.content()[..]).expect("a whole frame");
                        let Some(Body::Signal(signal)) = frame.body else { panic!("no signal") };
                        seen.signals.extend(slot.recipients[0].iter().map(|to| (to.key(), signal.clone())));
                    } else {
                        for piece in slot.pieces() {
                            let told =
                                |to: &Recipient| (to.key(), piece.version(to).0, to.is_own(), piece.content().to_vec());
                            seen.told.extend(slot.recipients[0].iter().map(told));
                        }
                    }
                    if let Some(answer) = &slot.answer {
                        slot.each_answer(|id, sent| seen.sent.push((answer.connection, id, sent)));
                        seen.together.extend(answer.body.sent().map(|_| slot.pieces_len()));
                    }
                    seen.answers.extend(slot.answer.clone());
                    if !slot.page.is_empty() {
                        seen.pages.push(slot.page.clone());
                    }
                }
            });
            if work + drained == 0 {
                return seen;
            }
        }
    }

    /// Lets time pass, which the engine is told if it wants to know.
    pub fn pass(&mut self, ms: u64) -> Seen {
        self.now.0 += ms;
        if self.progress.ticks_wanted() {
            self.put(0, 0, Command::Tick, b"");
        }
        self.run()
    }

    pub fn ask(&mut self, connection: u32, command: Command, body: &[u8]) -> AnswerBody {
        self.put(connection, 7, command, body);
        let mut answers = self.run().answers;
        answers.retain(|answer| answer.connection.key == connection);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0).body
    }

    /// Registers a user, signed in on the connection.
    pub fn register(&mut self, connection: u32, handle: &str) -> UserId {
        let sign_in = SignIn { token: [connection as u8; 32], ..SignIn::default() };
        let register = Register { handle: handle.into(), secret: "phc".into(), sign_in, ..Register::default() };
        match self.ask(connection, Command::Register(Box::new(register)), b"") {
            AnswerBody::Welcome(welcome) => welcome.user,
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub fn replayed(&self) -> State {
        let mut state = State::new(1024, 1 << 24);
        for (head, body) in &self.records {
            state.replay(*head, body).expect("a record of the engine is readable");
        }
        state
    }
}

pub fn text(text: &str) -> Vec<u8> {
    Entry { text: text.into(), ..Entry::default() }.encode_to_vec()
}

pub fn change(change: GroupChange) -> Vec<u8> {
    Entry { group_change: Some(change), ..Entry::default() }.encode_to_vec()
}

pub fn contact(change: ContactChange) -> Vec<u8> {
    Entry { contact_change: Some(change), ..Entry::default() }.encode_to_vec()
}

pub fn members(users: &[UserId]) -> Vec<Member> {
    users.iter().map(|user| Member { user: user.0, ..Member::default() }).collect()
}
