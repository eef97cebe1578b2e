//! From the commit ring to the connections: entries to their recipients first, then the answer.

use ringdove_core::ids::{ConnectionId, GroupId, Ordinal, UserId, Version};
use ringdove_core::rings::{Answer, AnswerBody, CommitSlot, Delivery, PORTION, Recipient};
use ringdove_core::wire::bundle::Bundle;
use ringdove_core::wire::frame::put_length;
use ringdove_core::wire::hot::{self, Heading, Names, NewTail, SentEntry, Tail};
use ringdove_core::wire::{Refusal, v1};

use super::Edge;
use super::exchange::Exchange;
use super::output::put_refusal;
use super::runs::{Run, recipients};
use crate::connection::{Connection, Stage};
use crate::counters::Counter;
use crate::dialect::Dialect;

/// Bytes of version, tags and lengths in front of a shared tail, at most.
pub(super) const PUSH_HEAD: usize = 24;

/// The part of an entry that several recipients share: as everyone else sees it, and as the sender's own devices see it. Each is
/// encoded when the first one needs it.
#[derive(Default)]
pub(super) struct Tails {
    others: Vec<u8>,
    own: Vec<u8>,
}

impl Tails {
    /// Another entry is told.
    pub(super) fn clear(&mut self) {
        self.others.clear();
        self.own.clear();
    }

    /// The entry's tail, for the sender's own devices or for anyone else.
    pub(super) fn of(&mut self, own: bool, slot: &CommitSlot) -> &[u8] {
        let tail = if own { &mut self.own } else { &mut self.others };
        if tail.is_empty() {
            new_tail(&heading_of(own, &slot.delivery), slot.delivery.ordinal, &slot.content()).put(tail);
        }
        tail
    }
}

/// What all entries of a slot say, to the sender's own devices or to anyone else.
#[inline]
pub(super) fn heading_of(own: bool, delivery: &Delivery) -> Heading {
    let Delivery { from: UserId(from), user: UserId(user), group: GroupId(group), time, .. } = *delivery;
    // nobody is not the sender: any viewer who is not stands for all of them
    let names = Names::for_viewer(if own { from } else { 0 }, from, user, group);
    Heading::new(names, time.0)
}

/// The tail of one entry.
#[inline]
pub(super) fn new_tail<'a>(heading: &'a Heading, ordinal: Ordinal, content: &'a [u8]) -> NewTail<'a> {
    NewTail { heading, ordinal: ordinal.0, content }
}

impl Edge {
    /// Writes what slots say to this reactor's connections. Returns how many writes into buffers that were.
    pub(super) fn deliver_all(&mut self, mut slots: &[&CommitSlot], tails: &mut Tails, bundle: &mut Bundle) -> usize {
        let mut count = 0;
        let is_all = slots.len() < PORTION;
        while let [first, behind @ ..] = slots {
            if !first.goes_on && recipients(first, self.index).len() < 2 {
                let Some(exchange) = Exchange::first_of(slots, self.index) else {
                    count += self.deliver(first, tails);
                    slots = behind;
                    continue;
                };
                slots = &slots[exchange.len()..];
                count += self.deliver_exchange(exchange);
                continue;
            }
            let run = Run::first_of(slots, self.index);
            slots = &slots[run.slots().len()..];
            let at_once = run.is_full() || (is_all && slots.is_empty());
            if run.is_run() || (at_once && run.is_told_to_several()) {
                count += self.deliver_run(&run, at_once, tails, bundle);
            } else {
                count += run.slots().iter().map(|slot| self.deliver(slot, tails)).sum::<usize>();
            }
        }
        count
    }

    /// Writes what a slot says. Returns how many writes that were.
    fn deliver(&mut self, slot: &CommitSlot, tails: &mut Tails) -> usize {
        let recipients = recipients(slot, self.index);
        match recipients {
            [] => {}
            all if slot.signal => {
                let frame = slot.content();
                all.iter().for_each(|one| self.push_signal(one.key(), one.generation, &frame));
            }
            _ if !slot.train.is_empty() => return self.deliver_train(slot),
            [one] => {
                let heading = heading_of(one.is_own(), &slot.delivery);
                self.push(one, &new_tail(&heading, slot.delivery.ordinal, &slot.content()));
            }
            many => {
                tails.clear();
                for recipient in many {
                    self.push(recipient, tails.of(recipient.is_own(), slot));
                }
            }
        }
        recipients.len() + self.answer_slot(slot)
    }

    /// Writes what a train says, connection by connection: first to those who are told, none of whom is the one who is answered then.
    fn deliver_train(&mut self, slot: &CommitSlot) -> usize {
        let mut count = 0;
        for one in recipients(slot, self.index) {
            let heading = heading_of(one.is_own(), &slot.delivery);
            for piece in slot.pieces() {
                let content = piece.content();
                let tail = new_tail(&heading, piece.ordinal(), &content);
                self.push_entry(one.key(), one.generation, piece.version(one), &tail);
                count += 1;
            }
        }
        let asker = slot.answer.as_ref().map(|answer| answer.connection).filter(|to| to.reactor == self.index);
        if let Some(to) = asker {
            slot.each_answer(|request, sent| {
                self.answer_piece(to, request, sent);
                count += 1;
            });
        }
        count
    }

    /// Writes a slot's answer, if it is for one of this reactor's connections. Returns how many were written.
    pub(super) fn answer_slot(&mut self, slot: &CommitSlot) -> usize {
        match &slot.answer {
            Some(answer) if answer.connection.reactor == self.index => {
                self.answer(slot, answer);
                answer.body.let_go();
                1
            }
            _ => 0,
        }
    }

    pub(super) fn push(&mut self, recipient: &Recipient, tail: &(impl Tail + ?Sized)) {
        self.push_entry(recipient.key(), recipient.generation, recipient.version, tail);
    }

    /// Writes an entry as news, or leaves it out if the connection is behind or quiet.
    pub(super) fn push_entry(&mut self, key: u32, generation: u32, version: Version, tail: &(impl Tail + ?Sized)) {
        let connection = match self.connections.get_mut(key as usize) {
            Some(connection) if connection.generation == generation => connection,
            _ => return self.output.counters.count(Counter::Stale),
        };
        if !connection.stage.is_signed_in() {
            return;
        }
        connection.head = connection.head.max(version);
        let (size, bound, quiet) = (tail.bound() + PUSH_HEAD, self.output.bound, connection.quiet);
        if let Some(pull) = connection.pull() {
            // in NOTICE mode the page ends LIVE, and what came meanwhile is told by a notice
            if !quiet {
                pull.hold_push(bound, size, |out| tail.put_push(out, version.0));
            }
            return;
        }
        if connection.stage == Stage::Live && !quiet {
            if self.output.push(key, connection, size, |out| tail.put_push(out, version.0)) {
                connection.sent = version;
                return self.output.counters.count(Counter::Pushes);
            }
            self.output.counters.count(Counter::FellBehind);
        }
        connection.stage = Stage::Behind;
        self.output.counters.count(Counter::PushesLeftOut);
        self.owe_notice(key);
    }

    /// Writes a signal, a whole frame without its length. One that finds no room is not kept: a notice says that something was missed.
    fn push_signal(&mut self, key: u32, generation: u32, frame: &[u8]) {
        let connection = match self.connections.get_mut(key as usize) {
            Some(connection) if connection.generation == generation => connection,
            _ => return self.output.counters.count(Counter::Stale),
        };
        if !connection.stage.is_signed_in() || connection.quiet {
            return;
        }
        let put = |out: &mut Vec<u8>| {
            put_length(out, frame.len());
            out.extend_from_slice(frame);
        };
        if self.output.push(key, connection, frame.len() + PUSH_HEAD, put) {
            return self.output.counters.count(Counter::Signals);
        }
        self.output.counters.count(Counter::SignalsDropped);
        self.owe_notice(key);
    }

    fn answer(&mut self, slot: &CommitSlot, answer: &Answer) {
        let (key, id) = (answer.connection.key, answer.request);
        let counts = id > 0 && !matches!(answer.body, AnswerBody::Challenge(_));
        if !self.takes_an_answer(answer.connection, u32::from(counts)) {
            return;
        }
        match &answer.body {
            AnswerBody::Done => self.answer_done(key, id),
            AnswerBody::Entry { .. } => self.answer_entry(key, slot, answer),
            AnswerBody::Refused(refusal) => self.answer_refused(key, id, refusal),
            AnswerBody::Challenge(challenge) => self.challenged(key, challenge),
            AnswerBody::Welcome(welcome) => self.welcome(key, welcome),
            AnswerBody::Page(page) => self.pull(key, id, page, &slot.page),
            AnswerBody::Gap(version) => self.answer_gap(key, id, *version),
            AnswerBody::Imported(made) => {
                if let Some(made) = made.take() {
                    self.answer_imported(key, id, &made);
                }
            }
            AnswerBody::Figures { .. } => self.answer_figures(key, id, &answer.body),
            AnswerBody::Operated(body) => {
                if let Some(body) = body.take() {
                    self.answer_operator(key, id, *body);
                }
            }
            AnswerBody::Found(found) => {
                if let Some(found) = found.take() {
                    self.answer_found(key, id, *found);
                }
            }
            AnswerBody::Close(refusal) => {
                self.answer_done(key, id);
                self.bye_with(key, *refusal);
            }
            AnswerBody::SignedOut => {
                self.answer_done(key, id);
                self.part(key);
            }
        }
        self.resume(key);
    }

    /// Whether the connection that asked is there, still wants an answer, and waits for so many fewer then.
    fn takes_an_answer(&mut self, to: ConnectionId, answered: u32) -> bool {
        let connection = match self.connections.get_mut(to.key as usize) {
            Some(connection) if connection.generation == to.generation => connection,
            _ => {
                self.output.counters.count(Counter::Stale);
                return false;
            }
        };
        if connection.stage.is_ending() {
            return false;
        }
        connection.unanswered = connection.unanswered.saturating_sub(answered);
        true
    }

    /// Tells the sender of an entry what became of it, whatever its connection is like.
    pub(super) fn answer_piece(&mut self, to: ConnectionId, id: u32, sent: SentEntry) {
        if self.takes_an_answer(to, 1) {
            self.answer_sent(to.key, id, sent);
            self.resume(to.key);
        }
    }

    fn answer_done(&mut self, key: u32, id: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if id > 0 {
            self.output.answer(key, connection, |out| hot::put_done(out, id));
        }
    }

    fn answer_found(&mut self, key: u32, id: u32, found: v1::Found) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let frame = v1::ServerFrame { id, body: Some(v1::server_frame::Body::Found(found)) };
        self.output.answer(key, connection, |out| hot::put_server(out, &frame));
    }

    fn answer_entry(&mut self, key: u32, slot: &CommitSlot, answer: &Answer) {
        let Some(sent) = answer.body.sent() else { return };
        if answer.request > 0 {
            return self.answer_sent(key, answer.request, sent);
        }
        let content = slot.content();
        let heading = heading_of(true, &slot.delivery);
        let tail = new_tail(&heading, slot.delivery.ordinal, &content);
        self.push_entry(key, answer.connection.generation, Version(sent.version), &tail);
    }

    fn answer_sent(&mut self, key: u32, id: u32, sent: SentEntry) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.was_answered(Version(sent.version));
        self.output.answer(key, connection, |out| hot::put_answer(out, id, sent));
    }

    fn answer_refused(&mut self, key: u32, id: u32, refusal: &Refusal) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        match connection.stage {
            Stage::Checking => self.hello_refused(key, *refusal),
            Stage::Operator => self.refuse_operator(key, id, refusal),
            _ => {
                if id > 0 {
                    if connection.sync == id {
                        connection.sync = 0;
                    }
                    self.output.answer(key, connection, |out| put_refusal(out, id, *refusal));
                }
            }
        }
    }

    fn answer_gap(&mut self, key: u32, id: u32, version: Version) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.sync = 0;
        connection.caught_up(version);
        self.output.answer(key, connection, |out| hot::put_entries(out, id, &[], false, true, version.0));
    }

    /// Owes the connection a notice: one a second at most, and none while it does not read.
    pub(super) fn owe_notice(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if !connection.notice_due {
            connection.notice_due = true;
            self.arm(key);
        }
    }
}

impl Connection {
    /// Whether news can be written to it as they are: it is LIVE and wants them, nothing has to come before, and it speaks the native dialect.
    pub(super) fn takes_news(&self, to: Recipient) -> bool {
        self.generation == to.generation
            && self.stage == Stage::Live
            && !self.quiet
            && self.aside.is_none()
            && self.dialect != Dialect::JsonLines
    }

    /// Whether answers can be written to it as they are: it is there, nothing has to come before, and it speaks the native dialect.
    pub(super) fn takes_answers(&self, to: ConnectionId) -> bool {
        self.generation == to.generation
            && !self.stage.is_ending()
            && self.aside.is_none()
            && self.dialect != Dialect::JsonLines
    }

    /// News up to `version` were written to it.
    pub(super) fn was_told(&mut self, version: Version) {
        self.sent = version;
        self.head = self.head.max(version);
    }

    /// Its own entry of this version was answered: it has that, and nothing between, if it is LIVE.
    pub(super) fn was_answered(&mut self, version: Version) {
        self.head = self.head.max(version);
        if self.stage == Stage::Live {
            self.sent = self.sent.max(version);
        }
    }

    /// The device has heard, or will hear with what is written now, of everything up to `version`.
    pub(crate) fn caught_up(&mut self, version: Version) {
        self.stage = Stage::Live;
        self.head = self.head.max(version);
        self.sent = version;
        self.notice_due = false;
    }
}
