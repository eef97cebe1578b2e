//! A device's idempotency keys: what a retry is answered with, and which keys are too old to tell.

use std::collections::VecDeque;

use crate::ids::{Key, Ordinal, Position, Time, Version};

/// Keys are kept for ten minutes of the journal's time ...
pub(super) const KEPT_MS: u64 = 600_000;
/// ... and at most so many for a device.
const KEPT: usize = 1024;
/// Of these, so many are forgotten at once: read in a row, they come without waiting.
const SWEPT: usize = 128;

/// The first answer to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) key: Key,
    pub(super) version: Version,
    pub(super) ordinal: Ordinal,
    pub(super) time: Time,
    pub(super) position: Position,
    /// Of the recipient and the content: the same key with another one is refused.
    pub(super) fingerprint: u64,
    /// The group that this send made; 0: none.
    pub(super) made: u64,
}

/// What a key means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Never seen.
    New,
    /// Seen, with this answer.
    Again(Sent),
    /// At or below a key that was forgotten.
    TooLate,
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The keys of those that are kept, apart from what belongs to them: to forget some, only their keys are read, and memory that nobody has touched
    /// for a thousand sends is slow.
    keys: VecDeque<Key>,
    kept: VecDeque<Sent>,
    /// When the oldest one that is kept was sent.
    oldest: Time,
    highest: u64,
    forgotten: u64,
}

impl Keys {
    pub(super) fn look_up(&self, key: Key) -> Known {
        if key.0 > self.highest {
            return Known::New;
        }
        // newest first: a retry comes soon
        match self.keys.iter().rposition(|kept| *kept == key).and_then(|place| self.kept.get(place)) {
            Some(sent) => Known::Again(*sent),
            None if key.0 <= self.forgotten => Known::TooLate,
            None => Known::New,
        }
    }

    pub(super) fn remember(&mut self, sent: Sent) {
        if self.kept.len() >= KEPT || self.oldest.0 + KEPT_MS <= sent.time.0 {
            self.forget(sent.time);
        }
        if self.kept.is_empty() {
            self.oldest = sent.time;
        }
        self.highest = self.highest.max(sent.key.0);
        self.keys.push_back(sent.key);
        self.kept.push_back(sent);
    }

    /// Remembers those of several sends that have a key, exactly as one by one; where nothing has to be forgotten, all at once.
    pub(super) fn remember_all(&mut self, all: &[Sent]) {
        let (oldest, room) = (self.oldest.0, KEPT.saturating_sub(self.kept.len()));
        let is_plain = |sent: &Sent| sent.key.0 != 0 && oldest + KEPT_MS > sent.time.0;
        if self.kept.is_empty() || all.len() > room || !all.iter().all(is_plain) {
            return all.iter().filter(|sent| sent.key.0 != 0).for_each(|sent| self.remember(*sent));
        }
        self.highest = all.iter().fold(self.highest, |highest, sent| highest.max(sent.key.0));
        self.keys.extend(all.iter().map(|sent| sent.key));
        self.kept.extend(all);
    }

    /// In line it would cost every send the registers that it needs.
    #[inline(never)]
    fn forget(&mut self, now: Time) {
        let most = if self.kept.len() >= KEPT { KEPT - SWEPT } else { KEPT };
        let over = self.kept.len().saturating_sub(most);
        let old = self.kept.iter().skip(over).take_while(|sent| sent.time.0 + KEPT_MS <= now.0).count();
        let highest = self.keys.drain(..over + old).max();
        self.kept.drain(..over + old);
        self.forgotten = self.forgotten.max(highest.map_or(0, |key| key.0));
        self.oldest = self.kept.front().map_or(Time(0), |oldest| oldest.time);
    }

    /// The highest one that was ever used; 0: none was.
    pub(super) fn highest(&self) -> Key {
        Key(self.highest)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.kept.iter()
    }

    pub(super) fn bounds(&self) -> (u64, u64) {
        (self.highest, self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(key: u64, time: u64) -> Sent {
        Sent {
            key: Key(key),
            version: Version(key),
            ordinal: Ordinal(key),
            time: Time(time),
            position: Position(key),
            fingerprint: 0,
            made: 0,
        }
    }

    #[test]
    fn a_key_below_the_highest_is_new_until_something_above_it_is_forgotten() {
        let mut keys = Keys::default();
        keys.remember(sent(10, 0));
        assert_eq!(keys.look_up(Key(5)), Known::New);
        keys.remember(sent(20, KEPT_MS));
        assert_eq!(keys.look_up(Key(5)), Known::TooLate);
        assert_eq!(keys.look_up(Key(10)), Known::TooLate);
        assert_eq!(keys.look_up(Key(15)), Known::New);
        assert_eq!(keys.look_up(Key(20)), Known::Again(sent(20, KEPT_MS)));
    }

    #[test]
    fn several_at_once_are_the_same_as_one_by_one() {
        let (mut together, mut alone) = (Keys::default(), Keys::default());
        let mut next = 0;
        // some without a key, some out of order; first more than are kept, then some that are too old
        for step in 0..400 {
            let time = step * if step < 200 { 3_000 } else { 20_000 };
            let all: Vec<_> =
                (0..1 + step % 23).map(|nth| sent(if nth % 11 == 10 { 0 } else { (next + nth) ^ 1 }, time)).collect();
            next += 23;
            together.remember_all(&all);
            all.iter().filter(|sent| sent.key.0 != 0).for_each(|sent| alone.remember(*sent));
            assert!(together.iter().eq(alone.iter()), "{step}");
            assert_eq!((together.bounds(), together.oldest), (alone.bounds(), alone.oldest), "{step}");
            assert_eq!(together.keys, alone.keys);
        }
        assert!(together.bounds().1 > 0, "some were forgotten");
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut keys = Keys::default();
        for key in 1..=3000 {
            keys.remember(sent(key, 0));
        }
        assert!((KEPT - SWEPT..=KEPT).contains(&keys.iter().count()));
        assert_eq!(
            keys.look_up(Key(3001 - (KEPT - SWEPT) as u64)),
            Known::Again(sent(3001 - (KEPT - SWEPT) as u64, 0))
        );
        assert_eq!(keys.look_up(Key(1)), Known::TooLate);
        assert_eq!(keys.look_up(Key(3000)), Known::Again(sent(3000, 0)));
    }
}
