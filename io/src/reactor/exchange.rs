//! Exchanges: several entries behind each other from one connection to one other, in one slot or in several. Who is told and who is answered is looked
//! up once.

use ringdove_core::ids::{ConnectionId, Version};
use ringdove_core::rings::{Answer, AnswerBody, CommitSlot, Recipient};
use ringdove_core::wire::hot::{self, Tail};

use super::Edge;
use super::delivering::{PUSH_HEAD, heading_of, new_tail};
use super::runs::recipients;
use crate::counters::Counter;

/// Slots of which each tells one and the same connection an entry, and answers one and the same other one.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    slots: &'a [&'a CommitSlot],
    sides: Sides,
}

/// Who hears of an entry, as far as one reactor is concerned: one of both may be with another reactor, and nobody need be told.
#[derive(Clone, Copy)]
struct Sides {
    told: Option<Recipient>,
    answered: Option<ConnectionId>,
}

impl Sides {
    /// Nothing unless all is simple: an entry for one connection at most, and an answer to another one that asked with an id.
    fn of(slot: &CommitSlot, reactor: u8) -> Option<Self> {
        let told = match recipients(slot, reactor) {
            [] => None,
            [one] => Some(*one),
            _ => return None,
        };
        let answered = match &slot.answer {
            Some(Answer { connection, request: 1.., body: AnswerBody::Entry { .. } }) => {
                (connection.reactor == reactor).then_some(*connection)
            }
            _ => return None,
        };
        let themselves = told.is_some_and(|told| answered.is_some_and(|answered| answered.key == told.key()));
        let is_simple = !slot.goes_on && !slot.signal && !themselves && (told.is_some() || answered.is_some());
        is_simple.then_some(Self { told, answered })
    }

    fn are_same(self, other: Self) -> bool {
        let told = match (self.told, other.told) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        told && self.answered == other.answered
    }
}

impl<'a> Exchange<'a> {
    /// The exchange that the first of `slots` begins, if at least two entries belong to it.
    pub(super) fn first_of(slots: &'a [&'a CommitSlot], reactor: u8) -> Option<Self> {
        let (first, behind) = slots.split_first()?;
        let sides = Sides::of(first, reactor)?;
        let follows = |slot: &&&CommitSlot| Sides::of(slot, reactor).is_some_and(|others| sides.are_same(others));
        let more = behind.iter().take_while(follows).count();
        (more > 0 || first.pieces_len() > 1).then_some(Self { slots: &slots[..=more], sides })
    }

    /// How many slots belong to it.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

impl Edge {
    /// Writes what an exchange says, the entries first. Returns how many writes into buffers that were.
    pub(super) fn deliver_exchange(&mut self, exchange: Exchange<'_>) -> usize {
        let Exchange { slots, sides: Sides { told, answered } } = exchange;
        if let Some(to) = told {
            self.push_all(to, slots);
        }
        if let Some(to) = answered {
            self.answer_all(to, slots);
        }
        let entries: usize = slots.iter().map(|slot| slot.pieces_len()).sum();
        entries * (usize::from(told.is_some()) + usize::from(answered.is_some()))
    }

    /// Writes each entry as news to one connection, or leaves those out that find no room or come to one that is behind or quiet.
    fn push_all(&mut self, to: Recipient, slots: &[&CommitSlot]) {
        let Self { connections, output, index, .. } = self;
        let mut pushed = 0;
        if let Some(connection) = connections.get_mut(to.key() as usize).filter(|connection| connection.takes_news(to))
        {
            let mut version = connection.sent;
            'room: for (slot, one) in told(slots, *index) {
                let heading = heading_of(to.is_own(), &slot.delivery);
                for piece in slot.pieces() {
                    let content = piece.content();
                    let tail = new_tail(&heading, piece.ordinal(), &content);
                    if !output.has_room(connection, tail.bound() + PUSH_HEAD) {
                        break 'room;
                    }
                    version = piece.version(one);
                    tail.put_push(output.open(connection), version.0);
                    pushed += 1;
                }
            }
            if pushed > 0 {
                output.note_pushed(to.key(), connection);
                connection.was_told(version);
                output.counters.add(Counter::Pushes, pushed as u64);
            }
        }
        let entries =
            told(slots, self.index).flat_map(|(slot, one)| slot.pieces().map(move |piece| (slot, piece, one)));
        for (slot, piece, one) in entries.skip(pushed) {
            let (content, heading) = (piece.content(), heading_of(one.is_own(), &slot.delivery));
            let tail = new_tail(&heading, piece.ordinal(), &content);
            self.push_entry(one.key(), one.generation, piece.version(one), &tail);
        }
    }

    /// Answers the request of each entry, all of which came from one connection.
    fn answer_all(&mut self, to: ConnectionId, slots: &[&CommitSlot]) {
        let Self { connections, output, .. } = self;
        let connection = connections.get_mut(to.key as usize).filter(|connection| connection.takes_answers(to));
        let Some(connection) = connection else {
            return slots
                .iter()
                .for_each(|slot| slot.each_answer(|request, sent| self.answer_piece(to, request, sent)));
        };
        let (mut newest, mut count) = (Version(0), 0);
        let (mut ms, mut time) = (0, hot::time_field(0));
        for slot in slots {
            slot.each_answer(|request, sent| {
                newest.0 = newest.0.max(sent.version);
                count += 1;
                if sent.time != ms {
                    (ms, time) = (sent.time, hot::time_field(sent.time));
                }
                hot::put_answer_of(output.open(connection), request, &sent, &time);
            });
        }
        output.note_answered(to.key, connection);
        connection.unanswered = connection.unanswered.saturating_sub(count);
        connection.was_answered(newest);
        self.resume(to.key);
    }
}

/// Each of these slots, with the one connection of this reactor that is told of it.
fn told<'a>(slots: &'a [&'a CommitSlot], reactor: u8) -> impl Iterator<Item = (&'a CommitSlot, &'a Recipient)> {
    slots.iter().filter_map(move |slot| Some((*slot, recipients(slot, reactor).first()?)))
}
