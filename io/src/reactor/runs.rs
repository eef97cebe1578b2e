//! Runs: entries behind each other that go to the same connections. What one of these gets is written together, so that its memory is
//! touched once for all of them.

use ringdove_core::ids::Version;
use ringdove_core::rings::{CommitSlot, Recipient};
use ringdove_core::wire::bundle::Bundle;

use super::Edge;
use super::delivering::{PUSH_HEAD, Tails, heading_of, new_tail};
use crate::counters::Counter;

/// Entries of a run at most: more in one write would gain nothing.
const ENTRIES: usize = 64;
/// Bytes of what the entries of a run say, about: more would not stay in the cache, and a connection may have no room for so much at once.
const BYTES: usize = 64 << 10;

/// The slots of a run: all parts of the first entry's fan-out, then all of the next one's.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    slots: &'a [&'a CommitSlot],
    /// Slots of each entry: a large fan-out is told in several, no two of which have a recipient in common.
    parts: usize,
    reactor: u8,
}

impl<'a> Run<'a> {
    /// The run that the first of `slots` begins, as far as this reactor is concerned. Each of its connections gets its entries in the
    /// order of the slots, and nobody who is answered before the last entry is a recipient: so parts may be written one after the other, and
    /// all answers behind them.
    pub(super) fn first_of(slots: &'a [&'a CommitSlot], reactor: u8) -> Self {
        let goes_on = slots.iter().take_while(|slot| slot.goes_on).count();
        let parts = (goes_on + 1).min(slots.len());
        let (mut fan_out, mut behind) = slots.split_at(parts);
        let (mut entries, mut bytes) = (1, bytes_of(fan_out));
        while entries < ENTRIES
            && bytes < BYTES
            && let Some((next, rest)) = behind.split_at_checked(parts)
            && may_follow(fan_out, next, reactor)
        {
            (fan_out, behind) = (next, rest);
            entries += 1;
            bytes += bytes_of(fan_out);
        }
        Self { slots: &slots[..entries * parts], parts, reactor }
    }

    /// All slots, in the engine's order.
    pub(super) fn slots(&self) -> &'a [&'a CommitSlot] {
        self.slots
    }

    /// Whether there is more than one entry.
    pub(super) fn is_run(&self) -> bool {
        self.slots.len() > self.parts
    }

    /// Whether several connections are told of its first entry, in one slot at least. A single such entry, too, is put together once and written
    /// from there.
    pub(super) fn is_told_to_several(&self) -> bool {
        self.slots[..self.parts]
            .iter()
            .any(|slot| !slot.signal && slot.train.is_empty() && recipients(slot, self.reactor).len() > 1)
    }

    /// Whether it has as many entries as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() == ENTRIES * self.parts
    }

    /// One slot of each entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'a CommitSlot> {
        self.slots.iter().step_by(self.parts).copied()
    }

    /// Part after part: the recipients of each entry. All lists of a part have the same connections.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let Self { slots, parts, reactor } = *self;
        (0..parts).map(move |part| {
            let mut lists = [&[][..]; ENTRIES];
            for (list, slot) in lists.iter_mut().zip(slots.iter().skip(part).step_by(parts)) {
                *list = recipients(slot, reactor);
            }
            Part { lists, entries: slots.len() / parts }
        })
    }
}

/// Some of the connections that a run goes to.
pub(super) struct Part<'a> {
    lists: [&'a [Recipient]; ENTRIES],
    entries: usize,
}

impl<'a> Part<'a> {
    /// For each entry, its recipients.
    pub(super) fn lists(&self) -> &[&'a [Recipient]] {
        &self.lists[..self.entries]
    }
}

/// Who is told of a slot's entry by this reactor.
pub(super) fn recipients(slot: &CommitSlot, reactor: u8) -> &[Recipient] {
    slot.recipients.get(usize::from(reactor)).map_or(&[][..], Vec::as_slice)
}

/// Bytes of what the entry says that this fan-out tells.
fn bytes_of(fan_out: &[&CommitSlot]) -> usize {
    fan_out.first().map_or(0, |slot| slot.content.1.saturating_sub(slot.content.0) as usize)
}

/// Whether the fan-out `next` belongs to the run that `before` is part of.
fn may_follow(before: &[&CommitSlot], next: &[&CommitSlot], reactor: u8) -> bool {
    // with a single one there is nothing to share
    before.iter().any(|slot| recipients(slot, reactor).len() > 1)
        && before.iter().zip(next).all(|(one, other)| goes_to_the_same(one, other, reactor))
        && !before.iter().any(|slot| answers_one_of(slot, before, reactor))
}

fn goes_to_the_same(one: &CommitSlot, other: &CommitSlot, reactor: u8) -> bool {
    let (list, others) = (recipients(one, reactor), recipients(other, reactor));
    !one.signal
        && !other.signal
        && one.train.is_empty()
        && other.train.is_empty()
        && one.goes_on == other.goes_on
        && list.len() == others.len()
        && list.iter().zip(others).all(|(one, other)| one.is_same(*other))
}

/// Whether the answer in `slot` goes to a connection that is told of the entry too.
fn answers_one_of(slot: &CommitSlot, fan_out: &[&CommitSlot], reactor: u8) -> bool {
    let Some(answer) = slot.answer.as_ref().filter(|answer| answer.connection.reactor == reactor) else { return false };
    let key = answer.connection.key;
    fan_out.iter().any(|slot| recipients(slot, reactor).iter().any(|to| to.key() == key))
}

impl Edge {
    /// Writes what the slots of a run say: connection by connection, then the answers. `at_once`: nothing more would come into the same
    /// write, or enough is in it, so that each connection is flushed as soon as it has its entries, while they are in the cache.
    pub(super) fn deliver_run(
        &mut self,
        run: &Run<'_>,
        at_once: bool,
        tails: &mut Tails,
        bundle: &mut Bundle,
    ) -> usize {
        bundle.clear();
        for slot in run.entries() {
            let heading = heading_of(false, &slot.delivery);
            bundle.add(|out| new_tail(&heading, slot.delivery.ordinal, &slot.content()).put(out));
        }
        let mut count = 0;
        for part in run.parts() {
            let lists = part.lists();
            let mut versions = [0; ENTRIES];
            let versions = &mut versions[..lists.len()];
            for nth in 0..lists[0].len() {
                for (version, list) in versions.iter_mut().zip(lists) {
                    *version = list[nth].version.0;
                }
                let to = lists[0][nth];
                if self.push_bundle(to, versions, bundle, at_once) {
                    continue;
                }
                if to.is_own() {
                    for (slot, list) in run.entries().zip(lists) {
                        tails.clear();
                        self.push(&list[nth], tails.of(true, slot));
                    }
                } else {
                    bundle.tails().zip(lists).for_each(|(tail, list)| self.push(&list[nth], tail));
                }
            }
            count += lists.len() * lists[0].len();
        }
        count + run.slots().iter().map(|slot| self.answer_slot(slot)).sum::<usize>()
    }

    /// Writes several entries together as news. Returns false, with nothing done, unless all is simple: the connection is LIVE, speaks the
    /// native dialect and has room for all of them. `at_once`: they go to the socket right away, if nothing waits before them.
    fn push_bundle(&mut self, to: Recipient, versions: &[u64], bundle: &mut Bundle, at_once: bool) -> bool {
        let key = to.key();
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        let Some(last) = versions.last().filter(|_| connection.takes_news(to) && !to.is_own()) else { return false };
        let size = bundle.tails_len() + versions.len() * PUSH_HEAD;
        if !self.output.has_room(connection, size) {
            return false;
        }
        connection.was_told(Version(*last));
        self.output.counters.add(Counter::Pushes, versions.len() as u64);
        let pushes = bundle.pushes(versions);
        if at_once && connection.has_nothing_to_write() {
            self.write_at_once(key, pushes);
        } else {
            self.output.open(connection).extend_from_slice(pushes);
            self.output.note_pushed(key, connection);
        }
        true
    }
}
