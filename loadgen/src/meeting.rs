//! A short game of two threads on two cores, to see how far these are apart while both have work: a cache line is thrown to and fro some thirty
//! times. Whoever waits for the other one in vain leaves soon, as a busy core is not to lose time for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::distance::NEVER_NS;

/// How long either of them waits for the other one, counted from when it woke, and how long it begins anything new.
pub const PATIENCE: Duration = Duration::from_micros(50);
/// Blocks, the shortest of which counts: in that one nobody took a core away.
const BLOCKS: u32 = 3;
/// Round trips of a block, between two looks at the clock.
const THROWS: u32 = 10;
/// How often it is looked for the ball between two looks at the clock: less than a microsecond.
const GLANCES: u32 = 200;
/// The lower half of a ball with which somebody has left: even, and far more than are thrown.
const LEFT: u64 = u32::MAX as u64 - 1;

/// Where two threads meet, and the ball. Its upper half is the number of the game, counted from 1; the lower one is odd on its way there, even on
/// its way back, and at last [`LEFT`]. Nothing is published with it, so that any order of other accesses is right. A thread that comes or
/// stores late spoils at most one game, of which nothing is known then.
#[repr(align(128))]
#[derive(Default)]
pub struct Meeting(AtomicU64);

impl Meeting {
    /// Throws first. Nanoseconds that the ball takes there and back; `None`: the other one did not come in time, or has left.
    pub fn throw(&self, game: u32, until: Instant) -> Option<f64> {
        if self.0.load(Ordering::Relaxed) == left(game) {
            return None;
        }
        let best = self.best_block_ns(game, until);
        self.0.store(left(game), Ordering::Relaxed);
        best.filter(|ns| *ns < NEVER_NS)
    }

    /// Throws back whatever comes in this game, until the other one has left, or does not throw in time.
    pub fn throw_back(&self, game: u32, until: Instant) {
        loop {
            let seen = self.wait(|ball| is_over(ball, game) || is_coming(ball, game), until);
            match seen {
                Ok(ball) if is_over(ball, game) => return,
                Ok(ball) => self.0.store(ball + 1, Ordering::Relaxed),
                // who comes later sees that nobody waits; fails where the ball was thrown just now
                Err(last) => {
                    if self.0.compare_exchange(last, left(game), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                        return;
                    }
                }
            }
        }
    }

    /// The last game.
    #[cfg(test)]
    pub fn game(&self) -> u64 {
        self.0.load(Ordering::Relaxed) >> 32
    }

    fn best_block_ns(&self, game: u32, until: Instant) -> Option<f64> {
        let mut ball = u64::from(game) << 32;
        // the other one has to be there before anything is measured
        self.once(&mut ball, until)?;
        let mut best: Option<f64> = None;
        for _ in 0..BLOCKS {
            let begin = Instant::now();
            for _ in 0..THROWS {
                if self.once(&mut ball, until).is_none() {
                    return best;
                }
            }
            let mean_ns = begin.elapsed().as_nanos() as f64 / f64::from(THROWS);
            best = Some(best.map_or(mean_ns, |best| best.min(mean_ns)));
        }
        best
    }

    /// Once there and back; `None`: it does not come back in time.
    fn once(&self, ball: &mut u64, until: Instant) -> Option<()> {
        self.0.store(*ball + 1, Ordering::Relaxed);
        *ball += 2;
        self.wait(|seen| seen == *ball, until).ok().map(drop)
    }

    /// Waits for a ball that is the right one.
    ///
    /// # Errors
    /// None came in time: the one that was seen last.
    fn wait(&self, is_right: impl Fn(u64) -> bool, until: Instant) -> Result<u64, u64> {
        loop {
            let mut ball = 0;
            for _ in 0..GLANCES {
                ball = self.0.load(Ordering::Relaxed);
                if is_right(ball) {
                    return Ok(ball);
                }
            }
            if Instant::now() >= until {
                return Err(ball);
            }
        }
    }
}

fn left(game: u32) -> u64 {
    (u64::from(game) << 32) + LEFT
}

/// Somebody has left, or plays the next one already.
fn is_over(ball: u64, game: u32) -> bool {
    ball >= left(game)
}

fn is_coming(ball: u64, game: u32) -> bool {
    ball >> 32 == u64::from(game) && ball % 2 == 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A machine that runs tests has other work.
    fn in_an_hour() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    #[test]
    fn two_who_come_know_how_far_they_are_apart() {
        let meeting = Arc::new(Meeting::default());
        let other = meeting.clone();
        let thread = std::thread::spawn(move || (1..=3).for_each(|game| other.throw_back(game, in_an_hour())));
        // the next game may begin before the other one has seen the end of this one
        for game in 1..=3 {
            assert!(meeting.throw(game, in_an_hour()).is_some_and(|ns| ns > 0.0));
        }
        thread.join().unwrap();
    }

    #[test]
    fn who_comes_later_than_the_other_one_waits_does_not_wait_at_all() {
        let meeting = Meeting::default();
        assert_eq!(meeting.throw(1, Instant::now()), None);
        meeting.throw_back(1, in_an_hour());
        meeting.throw_back(2, Instant::now());
        assert_eq!(meeting.throw(2, in_an_hour()), None);
    }

    #[test]
    fn a_ball_of_an_earlier_game_is_none() {
        let meeting = Meeting::default();
        meeting.0.store((1 << 32) + 1, Ordering::Relaxed);
        meeting.throw_back(2, Instant::now());
        assert_eq!(meeting.0.load(Ordering::Relaxed), left(2));
    }
}
