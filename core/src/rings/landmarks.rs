//! What the writer leaves for those who follow it and care for few records: between two landmarks they need not read.

use super::sync::{AtomicU64, Ordering};
use crate::ids::Position;

/// Where the last record stands, and up to where any may say more than that people wrote to each other. Written by the writer alone.
#[derive(Debug)]
pub struct Landmarks {
    telling: AtomicU64,
    last: AtomicU64,
    chain: AtomicU64,
}

/// Landmarks as they were at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The last record; 0: none was written yet.
    pub last: Position,
    /// The checksum of its header. It may be that of a later record: compare it with what stands there.
    pub chain: u32,
    /// From here to the last record there are none but talk.
    pub telling: Position,
}

impl Default for Landmarks {
    fn default() -> Self {
        Self::new()
    }
}

impl Landmarks {
    /// Nobody writes yet: any record may say anything.
    pub fn new() -> Self {
        Self { telling: AtomicU64::new(u64::MAX), last: AtomicU64::new(0), chain: AtomicU64::new(0) }
    }

    /// Everything of interest so far stands below `end`. To be called before the record there is released.
    pub fn tell(&self, end: Position) {
        self.telling.store(end.0, Ordering::Relaxed);
    }

    /// The last record that was written, whole.
    pub fn pass(&self, last: Position, chain: u32) {
        self.chain.store(chain.into(), Ordering::Relaxed);
        // whoever sees this position sees what was told of the records up to it
        self.last.store(last.0, Ordering::Release);
    }

    /// What is there now. Whoever has seen a position released sees everything of interest below it told.
    pub fn look(&self) -> Sight {
        let last = Position(self.last.load(Ordering::Acquire));
        let telling = Position(self.telling.load(Ordering::Relaxed));
        // a checksum has 32 bits
        Sight { last, chain: self.chain.load(Ordering::Relaxed) as u32, telling }
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
