//! What the writer leaves for those who follow it and care for few records: between two landmarks they need not read.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ringdove_core::ids::Position;

/// Where the last record stands, and up to where any may say more than that people wrote to each other. Written by the writer alone.
#[derive(Debug)]
pub(crate) struct Landmarks {
    telling: AtomicU64,
    last: AtomicU64,
    chain: AtomicU32,
}

/// Landmarks as they were at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The last record; 0: none was written yet.
    pub(super) last: Position,
    /// The checksum of its header. It may be that of a later record: compare it with what stands there.
    pub(super) chain: u32,
    /// From here to the last record there are none but talk.
    pub(super) telling: Position,
}

impl Landmarks {
    /// Nobody writes yet: any record may say anything.
    pub(super) fn new() -> Self {
        Self { telling: AtomicU64::new(u64::MAX), last: AtomicU64::new(0), chain: AtomicU32::new(0) }
    }

    /// Everything of interest so far stands below `end`. To be called before the record there is released.
    pub(super) fn tell(&self, end: Position) {
        self.telling.store(end.0, Ordering::Relaxed);
    }

    /// The last record that was written, whole.
    pub(super) fn pass(&self, last: Position, chain: u32) {
        self.chain.store(chain, Ordering::Relaxed);
        // whoever sees this position sees what was told of the records up to it
        self.last.store(last.0, Ordering::Release);
    }

    pub(super) fn look(&self) -> Sight {
        let last = Position(self.last.load(Ordering::Acquire));
        let telling = Position(self.telling.load(Ordering::Relaxed));
        Sight { last, chain: self.chain.load(Ordering::Relaxed), telling }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_anything_is_written_any_record_may_say_anything() {
        let landmarks = Landmarks::new();
        assert_eq!(landmarks.look(), Sight { last: Position(0), chain: 0, telling: Position(u64::MAX) });
        landmarks.tell(Position(64));
        landmarks.pass(Position(200), 7);
        assert_eq!(landmarks.look(), Sight { last: Position(200), chain: 7, telling: Position(64) });
    }
}
