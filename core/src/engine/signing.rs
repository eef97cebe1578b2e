//! Signing in and out. Every session that begins or ends is an event, so that the log knows who was online, and why not any more.

use super::decide::{self, Asker, Events, closed, sign_out};
use super::desk::Desk;
use super::event::Event;
use super::inbox::Since;
use super::publish::Room;
use crate::ids::{ConnectionId, DeviceId, Epoch, UserId, Version};
use crate::rings::{Answer, AnswerBody, Challenge, InboundSlot, NewSecret, Register, SignIn, Vouched, Welcome};
use crate::wire::log::{CursorMoved, Reason, SessionOpened};
use crate::wire::{Code, Refusal};

/// Who signs in, and how.
struct Entering {
    user: UserId,
    device: DeviceId,
    cursor: Option<(Epoch, Version)>,
    /// Why the session begins.
    reason: Reason,
    /// What else has to happen in the same record.
    events: Events<'static>,
}

impl Desk {
    pub(super) fn resume(
        &mut self,
        slot: &InboundSlot,
        token: &[u8; 32],
        cursor: Option<(Epoch, Version)>,
    ) -> Result<(), Refusal> {
        let (user, device) = decide::resume(&self.state, &self.limits, token, self.clock)?;
        self.enter(slot, Entering { user, device, cursor, reason: Reason::Resumed, events: Events::new() })
    }

    pub(super) fn look_up(&mut self, slot: &InboundSlot, body: &[u8]) -> Result<(), Refusal> {
        let user = std::str::from_utf8(body).ok().and_then(|handle| self.state.find(handle));
        self.challenge(slot, user.unwrap_or_default());
        Ok(())
    }

    /// What the asker's own password is checked against.
    pub(super) fn tell_credential(&mut self, slot: &InboundSlot, asker: Asker) -> Result<(), Refusal> {
        self.challenge(slot, asker.user);
        Ok(())
    }

    fn challenge(&mut self, slot: &InboundSlot, user: UserId) {
        let challenge = self.state.account(user).map(|account| Challenge {
            user,
            handle: account.handle.to_string(),
            credential: account.credential,
            secret: account.secret.to_string(),
        });
        self.answer(slot, AnswerBody::Challenge(Box::new(challenge.unwrap_or_default())));
    }

    /// Changes the asker's password, whose old one was right. The device that asks stays, all others are signed out.
    pub(super) fn renew_secret(&mut self, slot: &InboundSlot, asker: Asker, new: &NewSecret) -> Result<(), Refusal> {
        decide::check_credential(&self.state, asker.user, new.credential)?;
        self.change_secret(asker.user, &new.secret, Some(asker.device))?;
        self.answer(slot, AnswerBody::Done);
        Ok(())
    }

    pub(super) fn sign_in(&mut self, slot: &InboundSlot, sign_in: &SignIn) -> Result<(), Refusal> {
        let (device, events) = decide::sign_in(&self.state, &self.limits, sign_in)?;
        let SignIn { user, cursor, .. } = *sign_in;
        self.enter(slot, Entering { user, device, cursor, reason: Reason::Login, events })
    }

    pub(super) fn register(&mut self, slot: &InboundSlot, register: &Register) -> Result<(), Refusal> {
        let user = self.state.next_user();
        let events = decide::register(&self.state, register)?;
        self.enter(slot, Entering { user, device: DeviceId(1), cursor: None, reason: Reason::Login, events })
    }

    /// A product vouches for a handle: its account signs in, or is made.
    pub(super) fn vouched(&mut self, slot: &InboundSlot, vouched: &Vouched) -> Result<(), Refusal> {
        let (user, device, events) = decide::vouched(&self.state, &self.limits, vouched)?;
        let cursor = vouched.sign_in.cursor;
        self.enter(slot, Entering { user, device, cursor, reason: Reason::Login, events })
    }

    /// Lets a device in: whoever had its place or its name before is closed in the same record.
    fn enter(&mut self, slot: &InboundSlot, entering: Entering) -> Result<(), Refusal> {
        let Entering { user, device, cursor, reason, mut events } = entering;
        // a place is used again before its close was heard of
        let sits = self.sessions.sits(slot.connection);
        let vacated = sits.filter(|sits| *sits != (user, device));
        let elsewhere = sits != Some((user, device));
        let replaced = self.sessions.connection_of(user, device).filter(|_| elsewhere);
        if let Some((gone, on)) = vacated {
            events.push(closed(gone, on, Reason::Dropped));
        }
        // once for each session that began, also if its end found no room in the journal until now
        if self.state.device(user, device).is_some_and(|device| device.online) {
            events.push(closed(user, device, if replaced.is_some() { Reason::Replaced } else { Reason::Dropped }));
        }
        let opened = SessionOpened { user: user.0, device: device.0, reason: reason.into() };
        events.push(Event::SessionOpened(opened));
        if let Some((gone, _)) = vacated {
            self.news_of(gone);
        }
        self.news_of(user);
        // whoever has a token reads on when the disk is full
        let room = if reason == Reason::Resumed { Room::Reserve } else { Room::Ordinary };
        self.happen(&events, room)?;
        // a session whose end was not journaled yet has ended with this record at the latest
        self.ended.retain(|ended| *ended != (user, device));
        if let Some(before) = replaced {
            let body = AnswerBody::Close(Refusal::of(Code::Replaced));
            self.publisher.say(Answer { connection: before, request: 0, body });
        }
        self.welcome(slot, user, device, cursor, reason == Reason::Login);
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
        let (Some(account), Some(inbox)) = (self.state.user(user), self.state.inbox(user)) else { return };
        let head = inbox.head();
        let since = match cursor {
            Some((epoch, since)) if epoch == self.publisher.epoch() => match inbox.since(since) {
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
        self.sessions.open(slot.connection, user, device, welcome.since);
        self.answer(slot, AnswerBody::Welcome(Box::new(welcome)));
    }

    /// A connection is gone. Whatever it had acknowledged is kept.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        let Some(seat) = self.sessions.seat(connection) else { return };
        let (user, device, acked) = (seat.user, seat.device, seat.acked);
        self.sessions.close(connection);
        let known = self.state.device(user, device).map_or(Version(0), |device| device.acked);
        if acked > known {
            let moved = CursorMoved { user: user.0, device: device.0, version: acked.0 };
            // losing one is harmless
            let _ = self.happen(&[Event::CursorMoved(moved)], Room::Reserve);
        }
        self.session_ended(user, device);
    }

    /// Journals that a device is not connected any more, unless that stands in the journal already. Returns false, and comes back to it,
    /// if there is no room for that.
    pub(super) fn session_ended(&mut self, user: UserId, device: DeviceId) -> bool {
        // signed out or disabled while this waited for room
        if !self.state.device(user, device).is_some_and(|device| device.online) {
            return true;
        }
        self.news_of(user);
        let happened = self.happen(&[closed(user, device, Reason::Dropped)], Room::Reserve).is_ok();
        if !happened {
            self.ended.push_back((user, device));
        }
        happened
    }

    /// Signs out the asker's device, another one of theirs, or all.
    pub(super) fn bye(
        &mut self,
        slot: &InboundSlot,
        asker: Asker,
        all_devices: bool,
        device: DeviceId,
    ) -> Result<(), Refusal> {
        let device = if device == DeviceId(0) { asker.device } else { device };
        let is_meant = |id: DeviceId| all_devices || id == device;
        let Some(user) = self.state.user(asker.user) else { return Ok(()) };
        if !all_devices && user.device(device).is_none() {
            return Err(Refusal::of(Code::NotFound).field("device"));
        }
        let reason = |id: DeviceId| if id == asker.device { Reason::Logout } else { Reason::Kicked };
        let meant = user.devices.iter().filter(|known| is_meant(known.id));
        let events: Events<'static> = meant.flat_map(|known| sign_out(asker.user, known, reason(known.id))).collect();
        self.news_of(asker.user);
        self.happen(&events, Room::Reserve)?;
        for session in self.sessions.of(asker.user).to_vec() {
            if !is_meant(session.device) {
                continue;
            }
            self.sessions.close(session.connection);
            let own = session.connection == slot.connection;
            let body = if own { AnswerBody::SignedOut } else { AnswerBody::Close(Refusal::of(Code::SignedOut)) };
            let request = if own { slot.request } else { 0 };
            self.publisher.say(Answer { connection: session.connection, request, body });
        }
        if !is_meant(asker.device) {
            self.answer(slot, AnswerBody::Done);
        }
        Ok(())
    }

    /// Closes the sessions of a user whose devices were signed out; their ends are journaled already.
    pub(super) fn kick(&mut self, user: UserId, code: Code, is_meant: impl Fn(DeviceId) -> bool) {
        for session in self.sessions.of(user).to_vec() {
            if is_meant(session.device) {
                self.sessions.close(session.connection);
                let body = AnswerBody::Close(Refusal::of(code));
                self.publisher.say(Answer { connection: session.connection, request: 0, body });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;

    use super::*;
    use crate::engine::publish::Publisher;
    use crate::engine::{Limits, State};
    use crate::ids::{Position, Time};
    use crate::record::Cursor;
    use crate::rings::{ByteBudget, Command, CommitGate, Progress, SignIn, commit_ring};
    use crate::wire::admin::{Change, Who, admin_frame::Request, change::What};
    use crate::wire::log::{Record, event::Event as Arm};

    /// Prepared up to here there is room for everything.
    const ROOM: Position = Position(1 << 40);

    fn put(desk: &mut Desk, key: u32, command: Command) {
        let mut slot = InboundSlot::default();
        slot.connection = ConnectionId { reactor: 0, key, generation: 1 };
        slot.request = 1;
        slot.command = command;
        desk.handle(&slot);
    }

    /// Sessions that began (1) and ended (-1), as the journal has it.
    fn journaled(gate: &mut CommitGate) -> Vec<(i64, Reason)> {
        let mut found = Vec::new();
        let Some(mut guard) = gate.take(u64::MAX) else { return found };
        for slot in &mut guard {
            let mut events = Vec::new();
            slot.each_record(|_, body| events.extend(Record::decode(body).expect("a record").events));
            for event in events {
                match event.event {
                    Some(Arm::SessionOpened(opened)) => found.push((1, opened.reason())),
                    Some(Arm::SessionClosed(closed)) => found.push((-1, closed.reason())),
                    _ => {}
                }
            }
        }
        found
    }

    /// The story: a session ends while the journal has no room. Before that can be journaled its device comes back, is signed out, or
    /// its account is disabled: then there was an end too few, or one too many, for whoever counts the events.
    #[test]
    fn an_end_that_waits_for_room_is_journaled_once() {
        let resume = || Command::Resume { token: [1; 32], cursor: None };
        let change = |what| {
            let who = Some(Who { user: UserId::nth(1).0, ..Who::default() });
            Command::Operate(Box::new(Request::Change(Change { who, what: Some(what) })))
        };
        let (login, kicked) = ((1, Reason::Login), (-1, Reason::Kicked));
        let cases: [(Command, &[(i64, Reason)]); 4] = [
            (resume(), &[login, (-1, Reason::Dropped), (1, Reason::Resumed)]),
            (change(What::SignOut(0)), &[login, kicked]),
            (change(What::Disable(true)), &[login, kicked]),
            (change(What::Delete(true)), &[login, kicked]),
        ];
        for (meanwhile, expected) in cases {
            let (commit, mut gate, _reactors) = commit_ring(512, 1);
            let progress = Arc::new(Progress::new(Position(0), ROOM));
            let cursor = Cursor::new(Position(0), 1 << 26);
            let publisher = Publisher::new(commit, cursor, Epoch(1), Arc::clone(&progress));
            let large = Arc::new(ByteBudget::new(1 << 20));
            let mut desk = Desk::open(State::new(16, 1 << 20), 1, publisher, Limits::default(), Time(1), large);
            let sign_in = SignIn { token: [1; 32], ..SignIn::default() };
            let register = Register { handle: "bob".into(), secret: "phc".into(), sign_in, ..Register::default() };
            put(&mut desk, 3, Command::Register(Box::new(register)));
            progress.prepare(Position(0), true);
            put(&mut desk, 3, Command::Closed);
            assert_eq!(desk.state.sessions(), 1, "its end waits");
            progress.prepare(ROOM, false);
            put(&mut desk, 4, meanwhile);
            desk.catch_up();
            assert_eq!(journaled(&mut gate), expected);
            let counted: i64 = expected.iter().map(|(grown, _)| grown).sum();
            assert_eq!(desk.state.sessions() as i64, counted);
        }
    }
}
