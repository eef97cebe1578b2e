//! From events to slots: places a record, applies it, and hands record, deliveries and answer to the commit ring.

use std::sync::Arc;

use super::event::{self, Event};
use super::keys::Sent;
use super::sessions::Sessions;
use super::state::{Listener, State};
use super::trains::Train;
use crate::ids::{ConnectionId, Epoch, GroupId, Ordinal, Position, Time, UserId, Version};
use crate::record::{Cursor, MAX_BODY, RecordHead};
use crate::rings::{
    AROUND, Answer, AnswerBody, CommitProducer, Delivery, Progress, RECIPIENTS, Recipient, TrainEntry, TrainSend,
    make_room,
};
use crate::wire::record::{Between, LogEntry, put_message_between};
use crate::wire::{Code, Refusal};

/// One command takes at most so many slots at once; a larger fan-out goes on in later turns.
pub(super) const SLOTS_PER_COMMAND: u64 = 64;
/// Prepared bytes that only sign-outs and cursors may still use.
const RESERVE: u64 = 1 << 20;
/// Suggested pause when the next segment is not ready yet, and when the disk is full.
const BUSY_MS: u32 = 200;
const DISK_FULL_MS: u32 = 5_000;

/// Whether a record may use the bytes kept back for drops and shutdown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Ordinary,
    Reserve,
}

pub(super) struct Publisher {
    commit: CommitProducer,
    cursor: Cursor,
    epoch: Epoch,
    progress: Arc<Progress>,
    body: Vec<u8>,
    /// The train that is being published, and what is remembered of its messages.
    train: Vec<TrainEntry>,
    sent: Vec<Sent>,
    fan_out: FanOut,
    published: usize,
}

/// A delivery that is being handed to the ring. It may need more slots than there are; nothing else is decided until it is done,
/// so that every connection is told in the engine's order.
#[derive(Default)]
struct FanOut {
    pending: bool,
    /// What is told is a signal, not an entry.
    signal: bool,
    delivery: Delivery,
    content: Vec<u8>,
    /// For each reactor: who is told, and how many of them have been handed over.
    told: Vec<(Vec<Recipient>, usize)>,
    answer: Option<Answer>,
}

impl FanOut {
    /// How many have not been handed over.
    fn left(&self) -> usize {
        self.told.iter().map(|(list, done)| list.len() - done).sum()
    }
}

/// Turns inbox entries into recipients.
struct Audience<'a> {
    sessions: &'a Sessions,
    told: &'a mut [(Vec<Recipient>, usize)],
    /// The sender's own connection is answered, not told.
    answered: Option<ConnectionId>,
    own: Version,
}

impl Listener for Audience<'_> {
    #[inline]
    fn entry(&mut self, user: UserId, version: Version) {
        for session in self.sessions.of(user) {
            self.tell(session.connection, version, false);
        }
    }

    /// The sender's other devices are told, the one that asked is answered.
    fn own_entry(&mut self, from: UserId, version: Version) {
        self.own = version;
        for session in self.sessions.of(from) {
            if Some(session.connection) != self.answered {
                self.tell(session.connection, version, true);
            }
        }
    }
}

impl Audience<'_> {
    #[inline]
    fn tell(&mut self, connection: ConnectionId, version: Version, own: bool) {
        if let Some((list, _)) = self.told.get_mut(connection.reactor as usize) {
            list.push(Recipient::new(connection, version, own));
        }
    }
}

/// The events of one command, on their way to become a record.
pub(super) struct Act<'a> {
    pub(super) events: &'a [Event<'a>],
    pub(super) time: Time,
    pub(super) room: Room,
    /// This connection is answered, so it is not told.
    pub(super) answered: Option<ConnectionId>,
}

/// What a published entry is for its sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) head: RecordHead,
    pub(super) own: Version,
    pub(super) ordinal: Ordinal,
    pub(super) group: GroupId,
}

impl Publisher {
    pub(super) fn new(commit: CommitProducer, cursor: Cursor, epoch: Epoch, progress: Arc<Progress>) -> Self {
        let told = (0..commit.reactors()).map(|_| (Vec::new(), 0)).collect();
        let fan_out = FanOut { told, ..FanOut::default() };
        let (body, train, sent) = (Vec::new(), Vec::new(), Vec::new());
        Self { commit, cursor, epoch, progress, body, train, sent, fan_out, published: 0 }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where the next record goes: all that was decided stands below.
    pub(super) fn next(&self) -> Position {
        self.cursor.next()
    }

    /// How far the journal is.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Slots that may be used now; none while a fan-out is going on.
    pub(super) fn credit(&self) -> u64 {
        if self.fan_out.pending { 0 } else { self.commit.credit() }
    }

    /// How many slots were published since this was asked last.
    pub(super) fn take_published(&mut self) -> usize {
        std::mem::take(&mut self.published)
    }

    /// An answer without an event.
    pub(super) fn say(&mut self, answer: Answer) {
        self.slot(|slot| slot.answer = Some(answer));
    }

    /// An answer that lists records.
    pub(super) fn say_page(&mut self, answer: Answer, positions: impl Iterator<Item = crate::ids::Position>) {
        self.slot(|slot| {
            slot.answer = Some(answer);
            slot.page.extend(positions);
        });
    }

    /// Makes `events` happen: one record. Refused with nothing applied when the journal has no room prepared.
    ///
    /// If one of them is an entry, it goes to everyone's sessions, and `answer` is made of what it became.
    pub(super) fn record(
        &mut self,
        state: &mut State,
        sessions: &Sessions,
        act: Act<'_>,
        answer: impl FnOnce(Published) -> Option<Answer>,
    ) -> Result<(), Refusal> {
        let Act { events, time, room, answered } = act;
        self.body.clear();
        let content = event::encode(&mut self.body, events);
        if self.body.len() > MAX_BODY {
            return Err(Refusal::of(Code::TooLarge));
        }
        let (position, end) = self.cursor.place(self.body.len());
        let kept_back = if room == Room::Ordinary { RESERVE } else { 0 };
        if end.0 + kept_back > self.progress.prepared().0 {
            let full = self.progress.disk_full();
            return Err(if full {
                Refusal::of(Code::DiskFull).retry(DISK_FULL_MS)
            } else {
                Refusal::of(Code::Busy).retry(BUSY_MS)
            });
        }
        let head = RecordHead { position, epoch: self.epoch, time };
        self.cursor.advance(end);

        let told = &mut self.fan_out.told;
        let mut audience = Audience { sessions, told, answered, own: Version(0) };
        for event in events {
            state.apply(head, event, &mut audience);
        }
        let own = audience.own;

        let Self { commit, body, fan_out, .. } = self;
        let total = fan_out.left();
        // made once: in the slot itself, unless the fan-out goes on behind it
        let answer =
            |delivery: &Delivery| answer(Published { head, own, ordinal: delivery.ordinal, group: delivery.group });
        let mut answer = Some(answer);
        if total > RECIPIENTS {
            fan_out.content.clear();
            fan_out.content.extend_from_slice(&body[content.0 as usize..content.1 as usize]);
        }
        let published = commit.try_publish(|slot| {
            slot.record = Some(head);
            slot.record_len = body.len() as u32;
            slot.take_payload(body);
            slot.content = content;
            set_delivery(&mut slot.delivery, events, time);
            hand_over(&mut fan_out.told, &mut slot.recipients);
            slot.goes_on = total > RECIPIENTS;
            if !slot.goes_on {
                slot.answer = answer.take().and_then(|answer| answer(&slot.delivery));
            }
        });
        assert!(published, "the engine decided without credit");
        self.published += 1;
        if total <= RECIPIENTS {
            return Ok(());
        }
        fan_out.pending = true;
        fan_out.signal = false;
        set_delivery(&mut fan_out.delivery, events, time);
        fan_out.answer = answer.take().and_then(|answer| answer(&fan_out.delivery));
        self.go_on();
        Ok(())
    }

    /// Makes the messages of a train happen, each a record of its own, all of them in one slot. Returns false, with nothing applied, when the
    /// journal has no room prepared for all.
    pub(super) fn train<'a>(
        &mut self,
        state: &mut State,
        sessions: &Sessions,
        train: &Train,
        sends: impl Iterator<Item = (&'a TrainSend, &'a [u8])>,
    ) -> bool {
        let Self { commit, body, train: entries, sent, fan_out, .. } = self;
        body.clear();
        entries.clear();
        sent.clear();
        let (mut cursor, mut chat) = (self.cursor, train.chat);
        let Train { asker, to, time, answered, .. } = *train;
        let (from, device) = (asker.user.0, asker.device.0);
        let alike = LogEntry { from, device, user: to.0, ..LogEntry::default() };
        let between = Between::of(&alike);
        for (send, content) in sends {
            chat.ordinal.0 += 1;
            let begin = body.len();
            make_room(body, content.len() + AROUND);
            let (key, ordinal, previous) = (send.key.0, chat.ordinal.0, chat.last.0);
            let stands = put_message_between(body, &between, &LogEntry { key, ordinal, content, previous, ..alike });
            let (position, end) = cursor.place(body.len() - begin);
            cursor.advance(end);
            chat.last = position;
            let content_at = (stands.start as u32, stands.end as u32);
            entries.push(TrainEntry { request: send.request, position, end: body.len() as u32, content: content_at });
            sent.push(train.sent(send, content, chat.ordinal, position));
        }
        let Some(first) = entries.first().copied() else { return true };
        if cursor.next().0 + RESERVE > self.progress.prepared().0 {
            return false;
        }
        self.cursor = cursor;
        let (own, theirs) = state.messages_sent((asker.user, asker.device), to, sent);
        let ordinal = Ordinal(train.chat.ordinal.0 + 1);
        let mut audience = Audience { sessions, told: &mut fan_out.told, answered: Some(answered), own };
        audience.own_entry(asker.user, own);
        audience.entry(to, theirs);
        // what is left over would go out with the next slot, which others are told of
        assert!(fan_out.left() <= RECIPIENTS, "two people have more devices than a slot has room for");
        let published = commit.try_publish(|slot| {
            slot.record = Some(RecordHead { position: first.position, epoch: self.epoch, time });
            slot.record_len = first.end;
            slot.content = first.content;
            slot.take_payload(body);
            std::mem::swap(&mut slot.train, entries);
            slot.delivery = Delivery { from: asker.user, user: to, group: GroupId(0), ordinal, time };
            hand_over(&mut fan_out.told, &mut slot.recipients);
            let (user, group, position) = (None, None, first.position);
            let body = AnswerBody::Entry { version: own, ordinal, time, position, user, group };
            slot.answer = Some(Answer { connection: answered, request: first.request, body });
        });
        assert!(published, "the engine decided without credit");
        self.published += 1;
        true
    }

    /// Goes on with a fan-out as far as the ring has room.
    pub(super) fn go_on(&mut self) {
        let Self { commit, fan_out, .. } = self;
        while fan_out.pending && commit.credit() > 0 {
            let left = fan_out.left();
            let published = commit.try_publish(|slot| {
                slot.signal = fan_out.signal;
                slot.set_payload(&fan_out.content);
                slot.content = (0, fan_out.content.len() as u32);
                slot.delivery = fan_out.delivery;
                hand_over(&mut fan_out.told, &mut slot.recipients);
                slot.goes_on = left > RECIPIENTS;
                if !slot.goes_on {
                    slot.answer = fan_out.answer.take();
                }
            });
            assert!(published, "a slot that was free is not");
            self.published += 1;
            if left <= RECIPIENTS {
                fan_out.pending = false;
            }
        }
    }

    /// Tells all sessions of `people` something that is stored nowhere: `frame` is a whole one, without its length.
    pub(super) fn signal(&mut self, sessions: &Sessions, frame: &[u8], people: impl Iterator<Item = UserId>) {
        let Self { fan_out, .. } = self;
        for session in people.flat_map(|user| sessions.of(user)) {
            if let Some((list, _)) = fan_out.told.get_mut(session.connection.reactor as usize) {
                list.push(Recipient::new(session.connection, Version(0), false));
                fan_out.pending = true;
            }
        }
        if fan_out.pending {
            fan_out.signal = true;
            fan_out.delivery = Delivery::default();
            fan_out.content.clear();
            fan_out.content.extend_from_slice(frame);
            self.go_on();
        }
    }

    pub(super) fn is_going_on(&self) -> bool {
        self.fan_out.pending
    }

    fn slot(&mut self, fill: impl FnOnce(&mut crate::rings::CommitSlot)) {
        let published = self.commit.try_publish(fill);
        assert!(published, "the engine decided without credit");
        self.published += 1;
    }
}

/// Moves the next [`RECIPIENTS`] into a slot, reactor after reactor. A list is empty again once all of it has been moved.
fn hand_over(told: &mut [(Vec<Recipient>, usize)], slot: &mut [Vec<Recipient>]) {
    let mut room = RECIPIENTS;
    for ((list, done), out) in told.iter_mut().zip(slot) {
        let next = &list[*done..];
        let count = room.min(next.len());
        out.extend_from_slice(&next[..count]);
        room -= count;
        *done += count;
        if *done == list.len() {
            list.clear();
            *done = 0;
        }
    }
}

/// The entry among the events, if there is one: it comes first.
fn entry_of<'a>(events: &'a [Event<'_>]) -> Option<&'a LogEntry<'a>> {
    events.first().and_then(Event::entry)
}

/// Fills in who is told what. Field by field: a struct that is built elsewhere and copied right away makes the processor wait for
/// its own stores.
fn set_delivery(delivery: &mut Delivery, events: &[Event<'_>], time: Time) {
    let Some(entry) = entry_of(events) else {
        *delivery = Delivery::default();
        return;
    };
    delivery.from = UserId(entry.from);
    delivery.user = UserId(entry.user);
    delivery.group = GroupId(entry.group);
    delivery.ordinal = Ordinal(entry.ordinal);
    delivery.time = time;
}

/// The answer to a send.
pub(super) fn entry_answer(
    connection: ConnectionId,
    request: u32,
    published: Published,
    user: Option<UserId>,
    made: bool,
) -> Answer {
    let body = AnswerBody::Entry {
        version: published.own,
        ordinal: published.ordinal,
        time: published.head.time,
        position: published.head.position,
        user,
        group: made.then_some(published.group),
    };
    Answer { connection, request, body }
}
