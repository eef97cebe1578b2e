//! Contacts: what people are to each other, and sets of them.
//!
//! ```text
//!            REQUEST               ACCEPT                REMOVE
//!  none ───────────────▶ requested ───────▶ accepted ───────────▶ removed     and from each of the last three a new REQUEST
//!                            │ DECLINE, WITHDRAW
//!                            └──────────────▶ declined, withdrawn
//! ```
//! Both have the same state in their lists, but for who asked. That one blocks the other lies over it, in the list of the one who does.
//! What is over stays as a tombstone, so that a device that asks what changed hears of it.

use std::collections::BTreeMap;

use crate::ids::{UserId, Version};
use crate::wire::v1::{self, Contact, ContactChange};

/// Tombstones that a list keeps; then the oldest is forgotten, and a device that asks further back gets the whole list.
const TOMBSTONES: usize = 1_000;

/// What someone is to the owner of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    /// Never BLOCKED: see `blocked`.
    pub(super) state: Contact,
    /// REQUESTED: the other one asked.
    pub(super) asked_by_them: bool,
    pub(super) blocked: bool,
    /// Of the owner's inbox, when this last changed.
    pub(super) version: Version,
}

/// What else a list knows of someone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// REQUESTED: what was said with it.
    pub(super) greeting: String,
    pub(super) remark: String,
    pub(super) tags: Vec<String>,
}

/// A user's contacts. Twelve bytes for each: ids apart from the rest, so that sets are intersected over small memory.
#[derive(Debug, Default)]
pub(super) struct ContactList {
    /// The counters of their ids, growing.
    ids: Vec<u32>,
    /// For each, packed: version, blocked, who asked, state.
    ties: Vec<u64>,
    /// Few have any.
    #[allow(clippy::box_collection, reason = "one pointer for those who have none")]
    notes: Option<Box<BTreeMap<u32, Note>>>,
    counts: Counts,
    /// The highest version of a tombstone that was forgotten.
    forgotten: Version,
}

/// How many are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u32,
    /// Requests of the owner that wait for an answer.
    pub(super) asked: u32,
    /// Requests that wait for the owner's answer.
    pub(super) asking: u32,
    pub(super) blocked: u32,
    pub(super) tombstones: u32,
}

impl Tie {
    const BLOCKED: u64 = 1 << 4;
    const THEIRS: u64 = 1 << 3;
    const STATE: u64 = 0b111;

    const fn pack(self) -> u64 {
        let blocked = if self.blocked { Self::BLOCKED } else { 0 };
        let theirs = if self.asked_by_them { Self::THEIRS } else { 0 };
        self.version.0 << 8 | blocked | theirs | self.state as u64
    }

    fn unpack(packed: u64) -> Self {
        Self {
            state: Contact::try_from((packed & Self::STATE) as i32).unwrap_or_default(),
            asked_by_them: packed & Self::THEIRS != 0,
            blocked: packed & Self::BLOCKED != 0,
            version: Version(packed >> 8),
        }
    }

    pub(super) fn is_accepted(self) -> bool {
        self.state == Contact::Accepted
    }

    /// Only there so that devices hear that it is over.
    pub(super) fn is_tombstone(self) -> bool {
        !self.blocked && !matches!(self.state, Contact::Accepted | Contact::Requested)
    }

    fn count(self, counts: &mut Counts, by: impl Fn(&mut u32)) {
        match self.state {
            Contact::Accepted => by(&mut counts.accepted),
            Contact::Requested if self.asked_by_them => by(&mut counts.asking),
            Contact::Requested => by(&mut counts.asked),
            _ => {}
        }
        if self.blocked {
            by(&mut counts.blocked);
        }
        if self.is_tombstone() {
            by(&mut counts.tombstones);
        }
    }

    /// As a list on the wire shows it.
    pub(super) fn on_wire(self, note: Option<&Note>) -> ContactChange {
        let state = if self.blocked { Contact::Blocked } else { self.state };
        let Note { greeting, remark, tags } = note.cloned().unwrap_or_default();
        ContactChange { state: state.into(), greeting, remark, tags }
    }
}

impl ContactList {
    pub(super) fn get(&self, id: u32) -> Option<Tie> {
        let at = self.ids.binary_search(&id).ok()?;
        self.ties.get(at).copied().map(Tie::unpack)
    }

    pub(super) fn note(&self, id: u32) -> Option<&Note> {
        self.notes.as_ref()?.get(&id)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// A device that knows the list of this version, or of an earlier one, may have missed a tombstone.
    pub(super) fn forgotten(&self) -> Version {
        self.forgotten
    }

    /// Whether the owner takes nothing of that user.
    pub(super) fn blocks(&self, id: u32) -> bool {
        self.counts.blocked > 0 && self.get(id).is_some_and(|tie| tie.blocked)
    }

    /// Whether that user is a contact. Blocked ones are, too.
    pub(super) fn has(&self, id: u32) -> bool {
        self.get(id).is_some_and(Tie::is_accepted)
    }

    /// Everyone in the list with an id above `after`, growing.
    pub(super) fn behind(&self, after: u32) -> impl Iterator<Item = (u32, Tie)> + '_ {
        let from = self.ids.partition_point(|id| *id <= after);
        let ties = self.ties[from..].iter().map(|tie| Tie::unpack(*tie));
        self.ids[from..].iter().copied().zip(ties)
    }

    /// Contacts, growing.
    pub(super) fn accepted(&self) -> impl Iterator<Item = u32> + '_ {
        let is_accepted = |tie: &u64| tie & Tie::STATE == Contact::Accepted as u64;
        self.ids.iter().zip(&self.ties).filter(move |(_, tie)| is_accepted(tie)).map(|(id, _)| *id)
    }

    pub(super) fn set(&mut self, id: u32, tie: Tie) {
        match self.ids.binary_search(&id) {
            Ok(at) => {
                Tie::unpack(self.ties[at]).count(&mut self.counts, |count| *count -= 1);
                self.ties[at] = tie.pack();
            }
            Err(at) => {
                self.ids.insert(at, id);
                self.ties.insert(at, tie.pack());
            }
        }
        tie.count(&mut self.counts, |count| *count += 1);
        if self.counts.tombstones as usize > TOMBSTONES {
            self.forget_oldest();
        }
    }

    /// Adds contacts in bulk; `ids` grow. Others are as they were.
    pub(super) fn add_all(&mut self, ids: &[u32], version: Version) {
        let new = Tie { state: Contact::Accepted, asked_by_them: false, blocked: false, version };
        if !self.ids.is_empty() {
            for id in ids {
                let blocked = self.get(*id).is_some_and(|tie| tie.blocked);
                self.set(*id, Tie { blocked, ..new });
            }
            return;
        }
        self.ids = ids.to_vec();
        self.ties = vec![new.pack(); ids.len()];
        self.counts.accepted = ids.len() as u32;
    }

    pub(super) fn set_note(&mut self, id: u32, change: impl FnOnce(&mut Note)) {
        let notes = self.notes.get_or_insert_default();
        let note = notes.entry(id).or_default();
        change(note);
        if *note == Note::default() {
            notes.remove(&id);
        }
        if notes.is_empty() {
            self.notes = None;
        }
    }

    fn forget_oldest(&mut self) {
        let ties = self.ties.iter().enumerate().map(|(at, tie)| (at, Tie::unpack(*tie)));
        let oldest = ties.filter(|(_, tie)| tie.is_tombstone()).min_by_key(|(_, tie)| tie.version);
        if let Some((at, tie)) = oldest {
            let id = self.ids.remove(at);
            self.ties.remove(at);
            self.set_note(id, |note| *note = Note::default());
            self.counts.tombstones -= 1;
            self.forgotten = self.forgotten.max(tie.version);
        }
    }

    /// Adds the ids that both lists have as contacts to `out`, growing.
    pub(super) fn mutual(&self, other: &Self, out: &mut Vec<u32>) {
        let begin = out.len();
        common(&self.ids, &other.ids, out);
        self.keep_contacts(out, begin);
        other.keep_contacts(out, begin);
    }

    /// Adds those of some ids, growing, who are contacts to `out`, growing.
    pub(super) fn among(&self, ids: &[u32], out: &mut Vec<u32>) {
        let begin = out.len();
        common(&self.ids, ids, out);
        self.keep_contacts(out, begin);
    }

    /// Of some who stand in the list, keeps those who are contacts. Most lists have nobody else, and their ties are not looked at.
    fn keep_contacts(&self, ids: &mut Vec<u32>, begin: usize) {
        if self.counts.accepted as usize == self.ids.len() {
            return;
        }
        let mut kept = begin;
        for at in begin..ids.len() {
            let id = ids[at];
            ids[kept] = id;
            kept += usize::from(self.has(id));
        }
        ids.truncate(kept);
    }

    /// Everything in it, for the state's hash.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, u64, Option<&Note>)> {
        self.ids.iter().zip(&self.ties).map(|(id, tie)| (*id, *tie, self.note(*id)))
    }
}

/// Ids of the larger set that are compared at a time: two vectors of the smallest processor.
const BLOCK: usize = 8;

/// Adds the ids that stand in both of two growing lists to `out`, growing. Each id of the smaller list is compared with a whole block of the larger one
/// at once, and every step writes, whether it found something or not: there is nothing to wait for, and little to mispredict. It is twice as fast
/// as a merge that goes on by one.
fn common(one: &[u32], other: &[u32], out: &mut Vec<u32>) {
    let (few, many) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let begin = out.len();
    out.resize(begin + few.len(), 0);
    let found = &mut out[begin..];
    let mut count = 0;
    let (blocks, rest) = many.as_chunks::<BLOCK>();
    let mut blocks = blocks.iter();
    let mut block = blocks.next();
    for id in few {
        while block.is_some_and(|block| block[BLOCK - 1] < *id) {
            block = blocks.next();
        }
        let is_there = match block {
            Some(block) => block.iter().fold(false, |is_there, other| is_there | (other == id)),
            None => rest.binary_search(id).is_ok(),
        };
        found[count] = *id;
        count += usize::from(is_there);
    }
    out.truncate(begin + count);
}

/// The place of a user in sets: the counter of its id.
pub(super) fn place(user: UserId) -> Option<u32> {
    u32::try_from(user.counter()?).ok()
}

/// The change that an entry's content holds.
pub(super) fn change_of(content: &[u8]) -> Option<ContactChange> {
    <v1::Entry as prost::Message>::decode(content).ok()?.contact_change
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(state: Contact, version: u64) -> Tie {
        Tie { state, asked_by_them: false, blocked: false, version: Version(version) }
    }

    #[test]
    fn a_tie_is_packed_without_loss() {
        for state in 0..6 {
            for (asked_by_them, blocked) in [(false, false), (true, false), (false, true), (true, true)] {
                let tie = Tie { asked_by_them, blocked, ..tie(Contact::try_from(state).unwrap(), 1 << 52) };
                assert_eq!(Tie::unpack(tie.pack()), tie);
            }
        }
    }

    #[test]
    fn mutual_contacts_are_those_whom_both_have() {
        let mut one = ContactList::default();
        let mut other = ContactList::default();
        one.add_all(&[1, 3, 5, 7, 9], Version(1));
        other.add_all(&[2, 3, 7, 8, 9, 10], Version(1));
        other.set(9, tie(Contact::Requested, 2));
        let mut found = Vec::new();
        one.mutual(&other, &mut found);
        assert_eq!(found, [3, 7]);
        assert_eq!(other.counts(), Counts { accepted: 5, asked: 1, ..Counts::default() });
    }

    #[test]
    fn what_two_lists_have_in_common_is_what_sets_say() {
        use std::collections::BTreeSet;
        for (few, many, step) in [(0, 9, 1), (3, 8, 1), (7, 64, 3), (200, 200, 2), (5, 1_001, 7), (40, 17, 1)] {
            let one: Vec<u32> = (1..=few).map(|n| n * step + n % 3).collect();
            let other: Vec<u32> = (1..=many).map(|n| n * 2).collect();
            let sets: [BTreeSet<u32>; 2] = [one.iter().copied().collect(), other.iter().copied().collect()];
            let [one, other] = [&sets[0], &sets[1]].map(|set| set.iter().copied().collect::<Vec<_>>());
            let mut found = vec![7];
            common(&one, &other, &mut found);
            assert!(found[1..].iter().eq(sets[0].intersection(&sets[1])), "{one:?} {other:?}: {found:?}");
            let mut same = vec![7];
            common(&other, &one, &mut same);
            assert_eq!(found, same);
        }
    }

    #[test]
    fn tombstones_are_kept_up_to_a_bound() {
        let mut list = ContactList::default();
        list.set(1, tie(Contact::Accepted, 1));
        for id in 2..=TOMBSTONES as u32 + 3 {
            list.set(id, tie(Contact::Removed, id.into()));
        }
        assert_eq!(list.counts().tombstones as usize, TOMBSTONES);
        assert_eq!(list.forgotten(), Version(3));
        assert!(list.has(1) && list.get(2).is_none() && list.get(4).is_some());
    }

    #[test]
    fn a_note_without_anything_is_none() {
        let mut list = ContactList::default();
        list.set_note(1, |note| note.remark = "boss".into());
        assert_eq!(list.note(1).map(|note| &*note.remark), Some("boss"));
        list.set_note(1, |note| note.remark.clear());
        assert!(list.notes.is_none());
    }
}
