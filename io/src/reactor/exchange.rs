//! Exchanges: several entries behind each other from one connection to one other. Who is told and who is answered is looked up once.

use ringdove_core::ids::{ConnectionId, Version};
use ringdove_core::rings::{Answer, AnswerBody, CommitSlot, Recipient};
use ringdove_core::wire::hot::{self, Tail};

use super::Edge;
use super::delivering::{PUSH_HEAD, new_tail, sent_entry};
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
    /// The exchange that the first of `slots` begins, if at least two of them belong to it.
    pub(super) fn first_of(slots: &'a [&'a CommitSlot], reactor: u8) -> Option<Self> {
        let (first, behind) = slots.split_first()?;
        let sides = Sides::of(first, reactor)?;
        let follows = |slot: &&&CommitSlot| Sides::of(slot, reactor).is_some_and(|others| sides.are_same(others));
        let more = behind.iter().take_while(follows).count();
        (more > 0).then_some(Self { slots: &slots[..=more], sides })
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
        slots.len() * (usize::from(told.is_some()) + usize::from(answered.is_some()))
    }

    /// Writes the entry of each slot as news to one connection, or leaves those out that find no room or come to one that is behind or quiet.
    fn push_all(&mut self, to: Recipient, slots: &[&CommitSlot]) {
        let Self { connections, output, index, .. } = self;
        let mut pushed = 0;
        if let Some(connection) = connections.get_mut(to.key() as usize).filter(|connection| connection.takes_news(to))
        {
            let mut version = connection.sent;
            for slot in slots {
                let content = slot.content();
                let tail = new_tail(to.is_own(), &slot.delivery, &content);
                if !output.has_room(connection, tail.bound() + PUSH_HEAD) {
                    break;
                }
                version = recipients(slot, *index).first().map_or(version, |one| one.version);
                tail.put_push(output.open(connection), version.0);
                pushed += 1;
            }
            if pushed > 0 {
                output.note_pushed(to.key(), connection);
                connection.was_told(version);
                output.counters.add(Counter::Pushes, pushed as u64);
            }
        }
        for slot in &slots[pushed..] {
            let recipients = recipients(slot, self.index);
            recipients.iter().for_each(|one| self.push(one, &new_tail(one.is_own(), &slot.delivery, &slot.content())));
        }
    }

    /// Answers each slot's request, which all came from one connection.
    fn answer_all(&mut self, to: ConnectionId, slots: &[&CommitSlot]) {
        let Self { connections, output, .. } = self;
        let connection = connections.get_mut(to.key as usize).filter(|connection| connection.takes_answers(to));
        let Some(connection) = connection else {
            slots.iter().for_each(|slot| _ = self.answer_slot(slot));
            return;
        };
        let mut newest = Version(0);
        for slot in slots {
            let Some(answer) = &slot.answer else { continue };
            let Some(sent) = sent_entry(&answer.body) else { continue };
            newest.0 = newest.0.max(sent.version);
            hot::put_answer(output.open(connection), answer.request, sent);
        }
        output.note_answered(to.key, connection);
        connection.unanswered = connection.unanswered.saturating_sub(slots.len() as u32);
        connection.was_answered(newest);
        self.resume(to.key);
    }
}
