//! Answers that wait for company while there is more to read.
//!
//! A write into a socket costs ten times as much as all that is done for the answer in it, and keeps a recipient waiting who stands behind it. So as
//! long as each poll finds events, which with much to do are people to be read, a connection that has a few bytes of answers and no push is left alone for a
//! moment: others' messages go first, and its next answer may come into the same write. When a poll finds nothing, everyone is written to at once.

use std::collections::VecDeque;

use super::Edge;

/// With so many bytes a write is worth its while: some four answers to sends. (A train's, or those of a window, are more.)
pub(super) const ENOUGH: usize = 64;
/// The longest that a connection is left alone, in microseconds.
const PATIENCE_US: u64 = 2_000;

/// Connections that wait, the first one for the longest. Each stands here once, as its `waits` says; but one that is gone may be left.
#[derive(Default)]
pub(super) struct Waiting {
    /// With the time that it waits since.
    connections: VecDeque<(u32, u64)>,
    /// When this turn was, in microseconds of the reactor's clock.
    now_us: u64,
}

impl Waiting {
    /// Begins to wait.
    pub fn put(&mut self, key: u32) {
        self.connections.push_back((key, self.now_us));
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whoever has waited long enough: all of them if the poll found nothing.
    fn take(&mut self, idle: bool) -> Option<u32> {
        let now_us = self.now_us;
        let is_due = |&mut (_, since_us): &mut (u32, u64)| idle || now_us.saturating_sub(since_us) >= PATIENCE_US;
        self.connections.pop_front_if(is_due).map(|(key, _)| key)
    }
}

impl Edge {
    /// Flushes those who have waited long enough. `idle`: the poll has found nothing. Returns how many.
    pub(super) fn flush_waiting(&mut self, idle: bool) -> usize {
        self.output.waiting.now_us = self.clock.now_us();
        let mut count = 0;
        while let Some(key) = self.output.waiting.take(idle) {
            if let Some(connection) = self.connections.get_mut(key as usize) {
                connection.waits = false;
                self.flush_one(key);
                count += 1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_due_when_nobody_is_read_or_time_is_up() {
        let mut waiting = Waiting { now_us: 10_000, ..Waiting::default() };
        let at = |waiting: &mut Waiting, us, idle| {
            waiting.now_us = us;
            waiting.take(idle)
        };
        waiting.put(1);
        waiting.now_us = 10_500;
        waiting.put(2);
        assert_eq!(at(&mut waiting, 10_000 + PATIENCE_US - 1, false), None);
        assert_eq!(at(&mut waiting, 10_000 + PATIENCE_US, false), Some(1));
        assert_eq!(at(&mut waiting, 10_000 + PATIENCE_US, false), None, "the second has not waited so long");
        assert_eq!(at(&mut waiting, 10_500, true), Some(2));
        assert!(waiting.is_empty());
    }
}
