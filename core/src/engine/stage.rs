//! The engine as a stage: commands in from the inbound ring, slots out to the commit ring, one thread.

use std::collections::VecDeque;
use std::sync::Arc;

use super::decide::{self, Asker, Decided, Limits};
use super::event::Event;
use super::inbox::Since;
use super::publish::{Act, Publisher, Room, SLOTS_PER_COMMAND, entry_answer};
use super::sessions::Sessions;
use super::state::{State, later};
use crate::agent::Agent;
use crate::ids::{ConnectionId, DeviceId, Epoch, Time, UserId, Version};
use crate::record::Cursor;
use crate::rings::{
    Answer, AnswerBody, Challenge, Command, CommitProducer, Doorbell, InboundConsumer, InboundSlot, Page, Progress,
    Register, Shutdown, SignIn, SpaceSignal, To, Welcome,
};
use crate::wire::log::CursorMoved;
use crate::wire::{Code, Refusal};

/// A device's cursor is journaled at most once in so many milliseconds.
const CURSOR_MS: u64 = 10_000;

/// Where the journal goes on.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Where the next record goes.
    pub cursor: Cursor,
    /// The epoch of everything new.
    pub epoch: Epoch,
    /// The time of the last record.
    pub time: Time,
}

/// How the engine is tied to the other stages.
pub struct Ties {
    /// What reactors ask.
    pub inbound: InboundConsumer,
    /// What is told.
    pub commit: CommitProducer,
    /// How far the journal is.
    pub progress: Arc<Progress>,
    /// The thread of the journal.
    pub journal: Arc<Doorbell>,
    /// Tells reactors that the inbound ring has space again.
    pub inbound_space: Vec<Arc<SpaceSignal>>,
    /// Set when the engine waits for the commit ring; reactors tell it that there is space again.
    pub commit_space: Arc<SpaceSignal>,
    /// The shutdown handshake.
    pub shutdown: Arc<Shutdown>,
}

/// The single-threaded owner of all state.
pub struct Engine {
    inbound: InboundConsumer,
    desk: Desk,
    journal: Arc<Doorbell>,
    inbound_space: Vec<Arc<SpaceSignal>>,
    commit_space: Arc<SpaceSignal>,
    shutdown: Arc<Shutdown>,
    reactors: u64,
    batch: u64,
    /// Commands of a batch that met a ring without credit. At most a batch.
    waiting: VecDeque<InboundSlot>,
    finished: bool,
}

/// Everything that a command needs.
struct Desk {
    state: State,
    sessions: Sessions,
    publisher: Publisher,
    limits: Limits,
    clock: Time,
    large: Arc<crate::rings::ByteBudget>,
}

impl Engine {
    /// An engine that goes on from `state`, deciding at most `batch` commands in a turn.
    pub fn new(state: State, limits: Limits, start: Start, batch: u64, ties: Ties) -> Self {
        let reactors = ties.commit.reactors();
        let large = Arc::clone(ties.inbound.budget());
        let publisher = Publisher::new(ties.commit, start.cursor, start.epoch, ties.progress);
        let desk = Desk { state, sessions: Sessions::new(reactors), publisher, limits, clock: start.time, large };
        Self {
            inbound: ties.inbound,
            desk,
            journal: ties.journal,
            inbound_space: ties.inbound_space,
            commit_space: ties.commit_space,
            shutdown: ties.shutdown,
            reactors: reactors as u64,
            batch,
            waiting: VecDeque::new(),
            finished: false,
        }
    }

    /// The state as it is now: for tests and figures.
    pub fn state(&self) -> &State {
        &self.desk.state
    }

    /// Decides what waits, then what is new, as far as credit goes. Returns how many commands.
    fn turn(&mut self) -> usize {
        let Self { inbound, desk, waiting, batch, .. } = self;
        desk.publisher.go_on();
        let mut decided = 0;
        while desk.has_credit()
            && let Some(slot) = waiting.pop_front()
        {
            desk.handle(&slot);
            decided += 1;
        }
        let credit = desk.publisher.credit();
        if !waiting.is_empty() || credit < SLOTS_PER_COMMAND {
            return decided;
        }
        // most commands take one slot: leave half for those that take more
        let taken = inbound.take((*batch).min(credit / 2), |slot| {
            if waiting.is_empty() && desk.has_credit() {
                desk.handle(slot);
                decided += 1;
            } else {
                waiting.push_back(slot.set_aside());
            }
        });
        if taken > 0 {
            for space in &self.inbound_space {
                space.freed();
            }
        }
        decided.max(taken)
    }

    fn is_out_of_credit(&self) -> bool {
        self.desk.publisher.is_going_on()
            || !self.waiting.is_empty()
            || self.desk.publisher.credit() < SLOTS_PER_COMMAND
    }
}

impl Agent for Engine {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn do_work(&mut self) -> usize {
        if self.finished {
            return 0;
        }
        // read before the ring: what the reactors published before they said so is in it
        let last = self.shutdown.is_asked() && self.shutdown.reactors_done() >= self.reactors;
        let mut work = self.turn();
        if self.is_out_of_credit() {
            self.commit_space.wait();
            work += self.turn();
        }
        let published = self.desk.publisher.take_published();
        if last && work == 0 && published == 0 && !self.is_out_of_credit() {
            self.shutdown.engine_done();
            self.finished = true;
            self.journal.ring();
        } else if published > 0 {
            self.journal.ring();
        }
        work + published
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Desk {
    fn has_credit(&self) -> bool {
        self.publisher.credit() >= SLOTS_PER_COMMAND
    }

    fn handle(&mut self, slot: &InboundSlot) {
        self.clock = later(self.clock, slot.time);
        let large = slot.take_large();
        let body = large.as_ref().map_or(slot.body(), |large| large.as_slice());
        if let Err(refusal) = self.command(slot, body) {
            self.answer(slot, AnswerBody::Refused(refusal));
        }
        if let Some(large) = large {
            self.large.give_back(large.len());
        }
    }

    fn command(&mut self, slot: &InboundSlot, body: &[u8]) -> Result<(), Refusal> {
        match &slot.command {
            Command::Resume { token, cursor } => return self.resume(slot, token, *cursor),
            Command::LookUp => return self.look_up(slot, body),
            Command::SignIn(sign_in) => return self.sign_in(slot, sign_in),
            Command::Register(register) => return self.register(slot, register),
            Command::Import(accounts) => return self.import(slot, accounts),
            Command::Figures => {
                self.figures(slot);
                return Ok(());
            }
            Command::Closed => {
                self.sessions.close(slot.connection);
                return Ok(());
            }
            Command::Nothing
            | Command::Send { .. }
            | Command::ChangeGroup { .. }
            | Command::Sync { .. }
            | Command::Bye { .. } => {}
        }
        // a session that was replaced or signed out is on its way to be closed: nothing is owed to it
        let Some(seat) = self.sessions.seat(slot.connection) else { return Ok(()) };
        let asker = Asker { user: seat.user, device: seat.device };
        if slot.ack > Version(0) {
            self.acknowledge(slot.connection, asker, slot.ack);
        }
        match slot.command {
            Command::Send { key, to } => self.send(slot, asker, key, to, body),
            Command::ChangeGroup { key, group } => {
                let decided = decide::change_group(&self.state, &self.limits, asker, key, group, body)?;
                self.entry(slot, asker, &decided, None)
            }
            Command::Sync { since, limit } => self.sync(slot, asker, since, limit),
            Command::Bye { all_devices } => self.bye(slot, asker, all_devices),
            _ => {
                self.answer(slot, AnswerBody::Done);
                Ok(())
            }
        }
    }

    fn send(
        &mut self,
        slot: &InboundSlot,
        asker: Asker,
        key: crate::ids::Key,
        to: To,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let decided = decide::send(&self.state, asker, key, to, body)?;
        let named = match (&decided, to) {
            (Decided::Happens(Event::MessageSent(entry)), To::Handle(_)) => Some(UserId(entry.user)),
            (Decided::Again(_), To::Handle(length)) => {
                std::str::from_utf8(&body[..length as usize]).ok().and_then(|handle| self.state.find(handle))
            }
            _ => None,
        };
        self.entry(slot, asker, &decided, named)
    }

    /// An entry happens, or a retry gets the first answer.
    fn entry(
        &mut self,
        slot: &InboundSlot,
        asker: Asker,
        decided: &Decided<'_>,
        named: Option<UserId>,
    ) -> Result<(), Refusal> {
        let event = match decided {
            Decided::Happens(event) => event,
            Decided::Again(sent) => {
                self.answer(
                    slot,
                    AnswerBody::Entry {
                        version: sent.version,
                        ordinal: sent.ordinal,
                        time: sent.time,
                        position: sent.position,
                        user: named,
                        group: (sent.made != 0).then_some(crate::ids::GroupId(sent.made)),
                    },
                );
                return Ok(());
            }
        };
        debug_assert!(asker.user != UserId(0));
        let made = self.state.next_group();
        // a send without an id comes back as news, so that the sender's versions have no hole
        let answered = (slot.request != 0).then_some(slot.connection);
        let (connection, request) = (slot.connection, slot.request);
        let act = Act { events: std::slice::from_ref(event), time: self.clock, room: Room::Ordinary, answered };
        self.publisher.record(&mut self.state, &self.sessions, act, |published| {
            answered.map(|_| entry_answer(connection, request, published, named, published.group == made))
        })
    }

    fn sync(&mut self, slot: &InboundSlot, asker: Asker, since: Version, limit: u32) -> Result<(), Refusal> {
        self.acknowledge(slot.connection, asker, since);
        let Some(user) = self.state.user(asker.user) else { return Ok(()) };
        let (connection, request) = (slot.connection, slot.request);
        let head = user.inbox.head();
        let missed = match user.inbox.since(since) {
            Since::Future => return Err(Refusal::of(Code::BadCursor).field("since")),
            Since::Gap => {
                self.publisher.say(Answer { connection, request, body: AnswerBody::Gap(head) });
                return Ok(());
            }
            Since::Missed(missed) => missed,
        };
        let most = if limit == 0 { self.limits.page } else { self.limits.page.min(limit as usize) };
        let page = Page { user: asker.user, first: Version(since.0 + 1), more: missed > most as u64, head };
        let answer = Answer { connection, request, body: AnswerBody::Page(page) };
        self.publisher.say_page(answer, user.inbox.newest(missed).take(most));
        Ok(())
    }

    /// Keeps the highest version that the device has, and journals it now and then. A version from the future is ignored.
    fn acknowledge(&mut self, connection: ConnectionId, asker: Asker, version: Version) {
        let Some(user) = self.state.user(asker.user) else { return };
        let Some(seat) = self.sessions.seat(connection) else { return };
        if version <= seat.acked || version > user.inbox.head() {
            return;
        }
        seat.acked = version;
        if self.clock.0 < seat.journaled.0 + CURSOR_MS {
            return;
        }
        seat.journaled = self.clock;
        let moved = CursorMoved { user: asker.user.0, device: asker.device.0, version: version.0 };
        let events = [Event::CursorMoved(moved)];
        // without room the cursor stays where it was: losing one is harmless
        let _ = self.happen(&events, Room::Reserve);
    }

    fn resume(
        &mut self,
        slot: &InboundSlot,
        token: &[u8; 32],
        cursor: Option<(Epoch, Version)>,
    ) -> Result<(), Refusal> {
        let (user, device) = *self.state.tokens.get(token).ok_or(Refusal::of(Code::SignedOut))?;
        self.welcome(slot, user, device, cursor, false);
        Ok(())
    }

    fn look_up(&mut self, slot: &InboundSlot, body: &[u8]) -> Result<(), Refusal> {
        let user = std::str::from_utf8(body).ok().and_then(|handle| self.state.find(handle));
        let challenge = user.and_then(|id| self.state.user(id).map(|user| (id, user))).map(|(id, user)| Challenge {
            user: id,
            credential: user.credential,
            secret: user.secret.to_string(),
        });
        self.answer(slot, AnswerBody::Challenge(Box::new(challenge.unwrap_or_default())));
        Ok(())
    }

    fn sign_in(&mut self, slot: &InboundSlot, sign_in: &SignIn) -> Result<(), Refusal> {
        let (device, events) = decide::sign_in(&self.state, &self.limits, sign_in)?;
        self.happen(&events, Room::Ordinary)?;
        self.welcome(slot, sign_in.user, device, sign_in.cursor, true);
        Ok(())
    }

    fn register(&mut self, slot: &InboundSlot, register: &Register) -> Result<(), Refusal> {
        let user = self.state.next_user();
        let events = decide::register(&self.state, register)?;
        self.happen(&events, Room::Ordinary)?;
        self.welcome(slot, user, DeviceId(1), None, true);
        Ok(())
    }

    fn import(&mut self, slot: &InboundSlot, accounts: &[crate::rings::Imported]) -> Result<(), Refusal> {
        let (events, made) = decide::import(&self.state, accounts);
        if !events.is_empty() {
            self.happen(&events, Room::Ordinary)?;
        }
        self.answer(slot, AnswerBody::Imported(Box::new(made)));
        Ok(())
    }

    fn bye(&mut self, slot: &InboundSlot, asker: Asker, all_devices: bool) -> Result<(), Refusal> {
        let events = decide::bye(&self.state, asker, all_devices);
        self.happen(&events, Room::Reserve)?;
        for session in self.sessions.of(asker.user).to_vec() {
            let own = session.connection == slot.connection;
            if !own && !all_devices {
                continue;
            }
            self.sessions.close(session.connection);
            let body = if own { AnswerBody::SignedOut } else { AnswerBody::Close(Refusal::of(Code::SignedOut)) };
            let request = if own { slot.request } else { 0 };
            self.publisher.say(Answer { connection: session.connection, request, body });
        }
        Ok(())
    }

    fn welcome(
        &mut self,
        slot: &InboundSlot,
        user: UserId,
        device: DeviceId,
        cursor: Option<(Epoch, Version)>,
        new_token: bool,
    ) {
        let Some(account) = self.state.user(user) else { return };
        let head = account.inbox.head();
        let since = match cursor {
            Some((epoch, since)) if epoch == self.publisher.epoch() => match account.inbox.since(since) {
                Since::Missed(_) => Some(since),
                Since::Gap | Since::Future => None,
            },
            _ => None,
        };
        let welcome = Welcome {
            user,
            device,
            handle: account.handle.to_string(),
            new_token,
            epoch: self.publisher.epoch(),
            version: head,
            gap: cursor.is_some() && since.is_none(),
            since: since.unwrap_or(head),
        };
        if let Some(before) = self.sessions.open(slot.connection, user, device, welcome.since) {
            let body = AnswerBody::Close(Refusal::of(Code::Replaced));
            self.publisher.say(Answer { connection: before, request: 0, body });
        }
        self.answer(slot, AnswerBody::Welcome(Box::new(welcome)));
    }

    fn figures(&mut self, slot: &InboundSlot) {
        let body = AnswerBody::Figures {
            accounts: self.state.accounts(),
            groups: self.state.existing_groups(),
            sessions: self.sessions.count(),
        };
        self.answer(slot, body);
    }

    /// Events that nobody is told of.
    fn happen(&mut self, events: &[Event<'_>], room: Room) -> Result<(), Refusal> {
        let act = Act { events, time: self.clock, room, answered: None };
        self.publisher.record(&mut self.state, &self.sessions, act, |_| None)
    }

    /// Answers a request. One without an id gets no answer, but signing in, which its reactor waits for.
    fn answer(&mut self, slot: &InboundSlot, body: AnswerBody) {
        let signs_in = matches!(
            slot.command,
            Command::Resume { .. } | Command::LookUp | Command::SignIn(_) | Command::Register(_)
        );
        if slot.request != 0 || signs_in {
            self.publisher.say(Answer { connection: slot.connection, request: slot.request, body });
        }
    }
}
