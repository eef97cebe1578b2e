//! The reactor's clock: read once a turn.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ringdove_core::ids::Time;

/// How long one tick of the coarse clock is, in milliseconds. Deadlines are as exact as this.
pub(crate) const TICK_MS: u64 = 100;

/// The wall clock is looked at again after so many milliseconds, to follow its corrections.
const FOLLOW_MS: u64 = 1_000;

/// A point in time on the monotonic coarse clock, in ticks since the reactor began. It wraps after 13 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub u32);

impl Tick {
    /// The tick that is at least `after_ms` milliseconds later.
    pub fn after(self, after_ms: u64) -> Self {
        Self(self.0.saturating_add(u32::try_from(after_ms.div_ceil(TICK_MS)).unwrap_or(u32::MAX)))
    }
}

/// Monotonic time for deadlines, and the wall clock for what is written down.
pub(crate) struct Clock {
    start: Instant,
    now_us: u64,
    turn_us: u64,
    now_ms: u64,
    tick: Tick,
    wall_base_ms: u64,
    followed_ms: u64,
}

impl Clock {
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            now_us: 0,
            turn_us: 0,
            now_ms: 0,
            tick: Tick(0),
            wall_base_ms: wall_ms(),
            followed_ms: 0,
        }
    }

    /// Reads the clock. Everything below answers with what was read last.
    pub fn read(&mut self) {
        let now_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.turn_us = now_us - self.now_us;
        self.now_us = now_us;
        self.now_ms = self.now_us / 1_000;
        self.tick = Tick(u32::try_from(self.now_ms / TICK_MS).unwrap_or(u32::MAX));
        if self.now_ms - self.followed_ms >= FOLLOW_MS {
            self.followed_ms = self.now_ms;
            self.wall_base_ms = wall_ms().saturating_sub(self.now_ms);
        }
    }

    /// Microseconds since the reactor began.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Microseconds since the clock was read before.
    pub fn turn_us(&self) -> u64 {
        self.turn_us
    }

    /// Milliseconds since the reactor began.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub fn tick(&self) -> Tick {
        self.tick
    }

    pub fn wall(&self) -> Time {
        Time(self.wall_base_ms + self.now_ms)
    }
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| u64::try_from(past.as_millis()).unwrap_or(0))
}
