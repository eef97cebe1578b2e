//! Trains: messages that one connection sent to one user right behind each other. They go through both rings in one slot, so that what they have
//! in common is looked up, decided and handed on once for all of them.

use super::commit::{CommitSlot, Recipient};
use super::inbound::LARGE_BODY;
use super::payload::{AT_REST, Bytes};
use crate::ids::{Key, Ordinal, Position, Version};
use crate::record::RecordHead;
use crate::wire::hot::SentEntry;

/// Messages of a train at most.
pub const TRAIN: usize = 24;

/// Bytes of a record around its content, at most: eight numbers with their tags, and three lengths with theirs.
pub const AROUND: usize = 8 * 11 + 3 * 4;

const _: () = assert!(AT_REST <= LARGE_BODY, "a train fits in its slot");
const _: () = assert!(TRAIN * AROUND < AT_REST, "and may have as many messages as it may, if they are short");

/// Whether a train may have so many messages, with contents of so many bytes together: not if what a commit slot holds of them, with what records
/// add to a content, could be more than it keeps at rest.
#[inline]
pub const fn train_has_room(messages: usize, contents: usize) -> bool {
    messages <= TRAIN && contents + messages * AROUND <= AT_REST
}

/// A message of a train, on its way to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainSend {
    /// The id of the client's frame, not 0.
    pub request: u32,
    /// The device's idempotency key; 0: none.
    pub key: Key,
    /// Where its content ends in the slot's body; it begins where the one before ends.
    pub end: u32,
}

/// A message of a train that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainEntry {
    /// The id of the client's frame.
    pub request: u32,
    /// The position of its record.
    pub position: Position,
    /// Where its record's body ends in the slot's payload; it begins where the one before ends.
    pub end: u32,
    /// Where in the payload its content stands: begin and end.
    pub content: (u32, u32),
}

/// One entry of a slot, with what its recipients are told: the slot's only one, or one of a train's.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    slot: &'a CommitSlot,
    entry: Option<&'a TrainEntry>,
    nth: u64,
}

impl<'a> Piece<'a> {
    /// Its content.
    pub fn content(&self) -> Bytes<'a> {
        self.slot.bytes(self.entry.map_or(self.slot.content, |entry| entry.content))
    }

    /// Its number in the conversation.
    pub fn ordinal(&self) -> Ordinal {
        Ordinal(self.slot.delivery.ordinal.0 + self.nth)
    }

    /// The version that it has in the inbox of one of the slot's recipients.
    pub fn version(&self, recipient: &Recipient) -> Version {
        Version(recipient.version.0 + self.nth)
    }
}

impl CommitSlot {
    /// How many entries stand in it, if any does: more than one in a train.
    pub fn pieces_len(&self) -> usize {
        self.train.len().max(1)
    }

    /// Each of its entries, in the engine's order. A slot without one has a piece too, which says nothing.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let alone = self.train.is_empty().then_some(Piece { slot: self, entry: None, nth: 0 });
        let train = (0..).zip(&self.train).map(|(nth, entry)| Piece { slot: self, entry: Some(entry), nth });
        alone.into_iter().chain(train)
    }

    /// Tells `each` what the sender of each of its entries is told, and in answer to which request; nothing if the slot answers nobody with an entry.
    /// No iterator: it would move each answer through memory, in other words than it was written in, and the processor would wait for it.
    #[inline]
    pub fn each_answer(&self, mut each: impl FnMut(u32, SentEntry)) {
        let Some(answer) = &self.answer else { return };
        let Some(sent) = answer.body.sent() else { return };
        if self.train.is_empty() {
            return each(answer.request, sent);
        }
        for (nth, entry) in (0..).zip(&self.train) {
            let (version, ordinal, position) = (sent.version + nth, sent.ordinal + nth, entry.position.on_wire());
            each(entry.request, SentEntry { version, ordinal, position, ..sent });
        }
    }

    /// Gives `each` of its records, in the engine's order: what the journal has to write.
    #[inline]
    pub fn each_record(&self, mut each: impl FnMut(RecordHead, &[u8])) {
        let Some(head) = self.record else { return };
        let Some(last) = self.train.last() else { return each(head, &self.bytes((0, self.record_len))) };
        let bodies = self.bytes((0, last.end));
        let mut begin = 0;
        for entry in &self.train {
            let body = bodies.get(begin..entry.end as usize).unwrap_or_default();
            begin = entry.end as usize;
            each(RecordHead { position: entry.position, ..head }, body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record::{LogEntry, put_message};

    #[test]
    fn what_a_record_adds_to_a_content_is_no_more_than_was_reckoned() {
        let (most, content) = (u64::MAX, [7; 4000]);
        let (from, device, key, user, group, ordinal, previous) = (most, u32::MAX, most, most, most, most, most);
        let mut out = Vec::new();
        let entry = LogEntry { from, device, key, user, group, ordinal, content: &content, previous };
        put_message(&mut out, &entry);
        assert!(out.len() - content.len() <= AROUND, "{}", out.len() - content.len());
    }
}
