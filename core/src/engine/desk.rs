//! The desk: what a command needs, and who sees to it. Signing in and out is in `signing`, lists are in `lists`, messages that came together
//! are in `trains`, what operators ask is in `operating`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::contact_rules;
use super::decide::{self, Asker, Decided, Limits};
use super::event::Event;
use super::inbox::Since;
use super::presence::Presence;
use super::publish::{Act, Publisher, Room, SLOTS_PER_COMMAND, entry_answer};
use super::sessions::Sessions;
use super::state::{State, later};
use crate::ids::{ConnectionId, DeviceId, Key, Time, UserId, Version};
use crate::rings::{Answer, AnswerBody, ByteBudget, Command, InboundSlot, Page, To};
use crate::wire::log::{self, CursorMoved, PresenceChosen, SessionsClosed};
use crate::wire::record::LogEntry;
use crate::wire::{Code, Refusal};

/// A device's cursor is journaled at most once in so many milliseconds.
const CURSOR_MS: u64 = 10_000;

/// A request, and where its answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) connection: ConnectionId,
    /// The id of the client's frame; 0: no answer wanted.
    pub(super) request: u32,
}

impl InboundSlot {
    fn asked(&self) -> Asked {
        Asked { connection: self.connection, request: self.request }
    }
}

/// Everything that a command needs.
pub(super) struct Desk {
    pub(super) state: State,
    pub(super) sessions: Sessions,
    pub(super) publisher: Publisher,
    pub(super) limits: Limits,
    pub(super) clock: Time,
    pub(super) presence: Presence,
    /// Sessions that ended while the journal had no room for that. At most as many as there are devices.
    pub(super) ended: VecDeque<(UserId, DeviceId)>,
    large: Arc<ByteBudget>,
}

impl Desk {
    /// A desk that goes on from `state`: nobody is connected any more, and that is an event.
    pub(super) fn open(
        state: State,
        reactors: usize,
        publisher: Publisher,
        limits: Limits,
        clock: Time,
        large: Arc<ByteBudget>,
    ) -> Self {
        let sessions = Sessions::new(reactors);
        let (presence, ended) = (Presence::default(), VecDeque::new());
        let mut desk = Self { state, sessions, publisher, limits, clock, presence, ended, large };
        if desk.state.sessions() > 0 {
            let closed = SessionsClosed { at: clock.0, sessions: desk.state.sessions() };
            let happened = desk.happen(&[Event::SessionsClosed(closed)], Room::Reserve);
            debug_assert!(happened.is_ok(), "a journal begins with a whole segment prepared");
        }
        desk
    }

    pub(super) fn has_credit(&self) -> bool {
        self.publisher.credit() >= SLOTS_PER_COMMAND
    }

    /// What was left undone: ends of sessions that found no room, and news of who is online. Returns how much was done.
    pub(super) fn catch_up(&mut self) -> usize {
        let mut done = 0;
        while self.has_credit()
            && let Some((user, device)) = self.ended.pop_front()
        {
            if !self.session_ended(user, device) {
                break;
            }
            done += 1;
        }
        let Self { presence, state, sessions, publisher, .. } = self;
        done + presence.tell(state, sessions, publisher, SLOTS_PER_COMMAND)
    }

    pub(super) fn handle(&mut self, slot: &InboundSlot) {
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
            Command::Vouched(vouched) => return self.vouched(slot, vouched),
            Command::Import(accounts) => return self.import(slot, &accounts.take().unwrap_or_default()),
            Command::Figures => {
                self.figures(slot);
                return Ok(());
            }
            Command::Operate(request) => return self.operate(slot, request),
            Command::Closed => {
                self.closed(slot.connection);
                return Ok(());
            }
            Command::Tick => {
                self.presence.tick(self.clock);
                return Ok(());
            }
            Command::Nothing
            | Command::Send { .. }
            | Command::Train { .. }
            | Command::ChangeGroup { .. }
            | Command::ChangeContact { .. }
            | Command::ChangeProfile { .. }
            | Command::ChoosePresence { .. }
            | Command::Get(_)
            | Command::Sync { .. }
            | Command::Credential
            | Command::ChangeSecret(_)
            | Command::Bye { .. } => {}
        }
        // a session that was replaced or signed out is on its way to be closed: nothing is owed to it
        let Some(seat) = self.sessions.seat(slot.connection) else { return Ok(()) };
        let asker = Asker { user: seat.user, device: seat.device };
        if slot.ack > Version(0) {
            self.acknowledge(slot.connection, asker, slot.ack);
        }
        match slot.command {
            Command::Send { key, to } => self.send(slot.asked(), asker, key, to, body),
            Command::Train { to } => {
                self.train(slot, asker, to, body);
                Ok(())
            }
            Command::ChangeGroup { key, group } => {
                let decided = decide::change_group(&self.state, &self.limits, asker, key, group, body)?;
                self.entry(slot.asked(), asker, &decided, None)
            }
            Command::ChangeContact { key, to } => self.change_contact(slot, asker, key, to, body),
            Command::ChangeProfile { key } => {
                let decided = decide::change_profile(&self.state, asker, key, body)?;
                self.entry(slot.asked(), asker, &decided, None)
            }
            Command::ChoosePresence { state } => self.choose_presence(slot, asker, state),
            Command::Get(ref get) => self.list(slot, asker, get),
            Command::Sync { since, limit } => self.sync(slot, asker, since, limit),
            Command::Bye { all_devices, device } => self.bye(slot, asker, all_devices, device),
            Command::Credential => self.tell_credential(slot, asker),
            Command::ChangeSecret(ref new) => self.renew_secret(slot, asker, new),
            _ => {
                self.answer(slot, AnswerBody::Done);
                Ok(())
            }
        }
    }

    pub(super) fn send(&mut self, asked: Asked, asker: Asker, key: Key, to: To, body: &[u8]) -> Result<(), Refusal> {
        let decided = decide::send(&self.state, &self.limits, asker, key, to, body)?;
        let named = self.named(to, body);
        self.entry(asked, asker, &decided, named)
    }

    /// The number of a recipient of whom the sender knew only the handle.
    fn named(&self, to: To, body: &[u8]) -> Option<UserId> {
        let To::Handle(length) = to else { return None };
        std::str::from_utf8(body.get(..length as usize)?).ok().and_then(|handle| self.state.find(handle))
    }

    fn change_contact(
        &mut self,
        slot: &InboundSlot,
        asker: Asker,
        key: Key,
        to: To,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let decided = contact_rules::change_contact(&self.state, &self.limits, (asker, key), to, body, self.clock)?;
        let named = self.named(to, body);
        self.entry(slot.asked(), asker, &decided, named)?;
        if let Decided::Happens(Event::ContactChanged(LogEntry { user, .. }, act)) = decided {
            self.introduce(asker.user, UserId(user), act);
        }
        Ok(())
    }

    /// Two people begin to see each other, or one of them hides from the other.
    fn introduce(&mut self, from: UserId, other: UserId, act: log::Act) {
        let Self { state, sessions, publisher, presence, clock, .. } = self;
        let mut tell = |of, to, hidden| presence.introduce(state, sessions, publisher, (of, to), hidden);
        let knows = || Some(state.user(other)?.contacts.has(super::contacts::place(from)?));
        match act {
            log::Act::Accept => {
                tell(from, other, None);
                tell(other, from, None);
            }
            log::Act::Block | log::Act::Unblock if knows() == Some(true) => {
                tell(from, other, (act == log::Act::Block).then_some(*clock));
            }
            _ => {}
        }
    }

    /// There may be news of who is online, to be told when it was gathered for a while. To be called before the event that makes the news
    /// is published, so that whoever reads that slot knows that ticks are wanted.
    pub(super) fn news_of(&mut self, user: UserId) {
        self.presence.changed(user, self.clock);
        self.publisher.progress().want_ticks(true);
    }

    fn choose_presence(&mut self, slot: &InboundSlot, asker: Asker, state: u32) -> Result<(), Refusal> {
        let chosen = PresenceChosen { user: asker.user.0, state };
        self.news_of(asker.user);
        self.happen(&[Event::PresenceChosen(chosen)], Room::Ordinary)?;
        self.answer(slot, AnswerBody::Done);
        Ok(())
    }

    /// An entry happens, or a retry gets the first answer.
    fn entry(
        &mut self,
        asked: Asked,
        asker: Asker,
        decided: &Decided<'_>,
        named: Option<UserId>,
    ) -> Result<(), Refusal> {
        let event = match decided {
            Decided::Happens(event) => event,
            Decided::Again(sent) => {
                self.say(
                    asked,
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
        let Asked { connection, request } = asked;
        let answered = (request != 0).then_some(connection);
        let act = Act { events: std::slice::from_ref(event), time: self.clock, room: Room::Ordinary, answered };
        self.publisher.record(&mut self.state, &self.sessions, act, |published| {
            answered.map(|_| entry_answer(connection, request, published, named, published.group == made))
        })
    }

    fn sync(&mut self, slot: &InboundSlot, asker: Asker, since: Version, limit: u32) -> Result<(), Refusal> {
        self.acknowledge(slot.connection, asker, since);
        let Some(inbox) = self.state.inbox(asker.user) else { return Ok(()) };
        let (connection, request) = (slot.connection, slot.request);
        let head = inbox.head();
        let missed = match inbox.since(since) {
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
        self.publisher.say_page(answer, inbox.newest(missed).take(most));
        Ok(())
    }

    /// Keeps the highest version that the device has, and journals it now and then. A version from the future is ignored.
    fn acknowledge(&mut self, connection: ConnectionId, asker: Asker, version: Version) {
        let Some(seat) = self.sessions.seat(connection) else { return };
        if version <= seat.acked || version > self.state.head(asker.user) {
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

    /// Events that nobody is told of.
    pub(super) fn happen(&mut self, events: &[Event<'_>], room: Room) -> Result<(), Refusal> {
        let act = Act { events, time: self.clock, room, answered: None };
        self.publisher.record(&mut self.state, &self.sessions, act, |_| None)
    }

    /// Answers a request. One without an id gets no answer, but signing in, which its reactor waits for.
    pub(super) fn answer(&mut self, slot: &InboundSlot, body: AnswerBody) {
        let signs_in = matches!(
            slot.command,
            Command::Resume { .. } | Command::LookUp | Command::SignIn(_) | Command::Register(_) | Command::Vouched(_)
        );
        if signs_in {
            self.publisher.say(Answer { connection: slot.connection, request: slot.request, body });
        } else {
            self.say(slot.asked(), body);
        }
    }

    /// Answers a request of a device that is signed in, if it has an id.
    pub(super) fn say(&mut self, Asked { connection, request }: Asked, body: AnswerBody) {
        if request != 0 {
            self.publisher.say(Answer { connection, request, body });
        }
    }
}
