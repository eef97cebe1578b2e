//! How fast segments fill, and so how many have to be ready.

use std::time::{Duration, Instant};

/// So many segments are ready beyond the one that is written, at least.
const LEAST: u64 = 2;
/// And so many at most, however fast they fill.
const MOST: u64 = 8;
/// As many are ready as this fills: making one, or the sync before it, can take long where the disk has much to do.
const LEAD: Duration = Duration::from_secs(1);

/// The pace at which a journal fills its segments.
#[derive(Debug)]
pub(super) struct Pace {
    /// The segment that is written, and since when.
    index: u64,
    since: Instant,
    ahead: u64,
}

impl Pace {
    /// Nothing was filled yet: `index` is written.
    pub(super) fn new(index: u64, now: Instant) -> Self {
        Self { index, since: now, ahead: LEAST }
    }

    /// So many segments should be ready beyond `index`, which is written now. One less at most than for the segment before, as what fills slowly may have
    /// waited for its disk: so the last of them never becomes an earlier one.
    pub(super) fn ahead(&mut self, index: u64, now: Instant) -> u64 {
        let filled = index.saturating_sub(self.index);
        if filled > 0 {
            let took = now.saturating_duration_since(self.since).as_nanos().max(1);
            let needed = (u128::from(filled) * LEAD.as_nanos()).div_ceil(took);
            self.ahead = u64::try_from(needed).unwrap_or(MOST).max(self.ahead - 1).clamp(LEAST, MOST);
            (self.index, self.since) = (index, now);
        }
        self.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_segments_are_wanted_as_a_second_fills() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut pace = Pace::new(7, begin);
        assert_eq!(pace.ahead(7, at(10)), 2, "none was filled");
        assert_eq!(pace.ahead(8, at(60_000)), 2, "one in a minute");
        assert_eq!(pace.ahead(9, at(60_240)), 5, "4.2 in a second");
        assert_eq!(pace.ahead(9, at(70_000)), 5, "until the next one is full");
        assert_eq!(pace.ahead(10, at(70_001)), 4, "0.1 in a second: one less");
        assert_eq!(pace.ahead(11, at(70_002)), 8, "a thousand in a second");
        assert_eq!(pace.ahead(12, at(70_002)), 8, "no time at all");
        assert_eq!(
            [13, 14, 15, 16, 17, 18, 19].map(|index| pace.ahead(index, at(index * 10_000))),
            [7, 6, 5, 4, 3, 2, 2]
        );
    }

    /// The preparer relies on it: a segment that could not be made, and is not wanted any more, would not be tried again, and sends refused for lack
    /// of room that is there.
    #[test]
    fn the_last_segment_that_is_wanted_never_becomes_an_earlier_one() {
        let begin = Instant::now();
        // fast, in a leap, slowly, in a slow leap
        let fills = [(1, 1), (2, 1), (5, 1), (1, 60_000), (1, 60_000), (4, 600_000), (1, 60_000), (1, 1), (3, 90_000)];
        let (mut pace, mut index, mut time_ms, mut last) = (Pace::new(0, begin), 0, 0, 0);
        for (filled, took_ms) in fills {
            (index, time_ms) = (index + filled, time_ms + took_ms);
            let wanted = index + pace.ahead(index, begin + Duration::from_millis(time_ms));
            assert!(wanted >= last, "{wanted} behind {last}");
            last = wanted;
        }
    }
}
