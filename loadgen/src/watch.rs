//! Looks now and then how far the cores of server and load are apart while a run is measured: two threads, one on each, wake at the same time
//! and play a short game. That takes either core some 5 us where the other thread comes, 50 at most where it does not.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::meeting::{Meeting, PATIENCE};
use crate::process;
use crate::results::During;

/// Between two looks: with 50 us for each of them, at most a two-thousandth of either core.
pub const EVERY: Duration = Duration::from_millis(100);
/// By how many nanoseconds they may wake late for the system's convenience: both have to wake at the same time.
const SLACK: Option<NonZeroU64> = NonZeroU64::new(1);

/// What both threads share.
#[derive(Default)]
struct Place {
    meeting: Meeting,
    closed: AtomicBool,
}

/// Two threads that look on. They end with this.
pub struct Watch {
    place: Arc<Place>,
    throws: Option<JoinHandle<During>>,
    throws_back: Option<JoinHandle<()>>,
}

impl Watch {
    /// From the core that the caller is kept on to this one. `None`: the system has no thread left.
    pub fn on(core: usize) -> Option<Self> {
        Self::every(EVERY, core)
    }

    fn every(every: Duration, core: usize) -> Option<Self> {
        let mut watch = Self { place: Arc::default(), throws: None, throws_back: None };
        let begin = Instant::now();
        let place = watch.place.clone();
        let throw_back = move || {
            if process::pin(core).is_ok() {
                place.come(begin, every, |game, until| place.meeting.throw_back(game, until));
            }
        };
        watch.throws_back = Some(thread::Builder::new().name("watches back".into()).spawn(throw_back).ok()?);
        let place = watch.place.clone();
        let throw = move || {
            let mut during = During::default();
            place.come(begin, every, |game, until| during.take(place.meeting.throw(game, until)));
            during
        };
        watch.throws = Some(thread::Builder::new().name("watches".into()).spawn(throw).ok()?);
        Some(watch)
    }

    /// From now on nobody looks any more. The threads end as soon as they get time; nobody waits for that here.
    pub fn close(&self) {
        self.place.closed.store(true, Ordering::Relaxed);
        for thread in [self.throws.as_ref().map(JoinHandle::thread), self.throws_back.as_ref().map(JoinHandle::thread)]
        {
            thread.inspect(|thread| thread.unpark());
        }
    }

    /// What was seen. Both threads have ended then.
    pub fn end(mut self) -> During {
        self.close();
        self.throws.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
        let _ = self.throws.take().map(JoinHandle::join);
        let _ = self.throws_back.take().map(JoinHandle::join);
    }
}

impl Place {
    /// Plays each game at its time, until this is closed. One whose time was over before this thread got any is left out.
    fn come(&self, begin: Instant, every: Duration, mut play: impl FnMut(u32, Instant)) {
        let _ = rustix::thread::set_current_timer_slack(SLACK);
        loop {
            let game = next(begin.elapsed(), every);
            if !self.sleep_until(begin + every * game) {
                return;
            }
            play(game, Instant::now() + PATIENCE);
        }
    }

    /// Whether it is still open then.
    fn sleep_until(&self, when: Instant) -> bool {
        while !self.closed.load(Ordering::Relaxed) {
            let left = when.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left);
        }
        false
    }
}

/// The first game whose time is still ahead; they are counted from 1.
fn next(elapsed: Duration, every: Duration) -> u32 {
    u32::try_from(elapsed.as_nanos() / every.as_nanos()).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sleeps_until_the_next_look_ends_at_once() {
        let watch = Watch::every(Duration::from_secs(3_600), 0).unwrap();
        let place = Arc::downgrade(&watch.place);
        assert_eq!(watch.end(), During::default());
        assert_eq!(place.strong_count(), 0, "a thread is left over");
    }

    /// As where a run breaks.
    #[test]
    fn threads_end_with_a_watch_that_nobody_asks() {
        let watch = Watch::every(Duration::from_micros(100), 0).unwrap();
        let place = Arc::downgrade(&watch.place);
        drop(watch);
        assert_eq!(place.strong_count(), 0, "a thread is left over");
    }

    /// Each look is one, whether it says something or not.
    #[test]
    fn a_partner_that_never_comes_is_waited_for_again_and_again() {
        let watch = Watch::every(Duration::from_micros(100), 1_000_000).unwrap();
        while watch.place.meeting.game() < 5 {
            thread::yield_now();
        }
        let during = watch.end();
        assert!(during.looks > 0, "{during:?}");
        assert_eq!((during.readings, during.far, during.ns), (0, None, Vec::new()));
    }

    #[test]
    fn a_game_whose_time_is_over_is_left_out() {
        let after = |ms| next(Duration::from_millis(ms), EVERY);
        assert_eq!([after(0), after(99), after(100), after(1_050)], [1, 1, 2, 11]);
    }
}
