//! How far two cores are apart: what a cache line takes from one to the other and back. The host of a virtual machine moves its cores about, and
//! everything that two of them do together is slower while they are far apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::process;
use crate::server::Cores;

/// How long the ball is thrown: some forty blocks.
const GAME: Duration = Duration::from_millis(10);
/// How long a block is at least. The shortest of many short ones is one in which nobody took a core away, nor slowed it down.
const BLOCK: Duration = Duration::from_micros(250);
/// Round trips between two looks at the clock.
const THROWS: u32 = 100;
/// How often it is looked whether the ball is back, between two looks at the clock.
const GLANCES: u32 = 10_000;
/// How long both threads may take in all: on a busy machine one of them may get no time.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is thrown: odd on its way there, even on its way back. Nothing is published with it, so that any order of other accesses is right.
#[repr(align(128))]
struct Ball(AtomicU64);

/// What both threads share.
struct Court {
    ball: Ball,
    /// Whether whoever throws it back may stop.
    over: AtomicBool,
}

/// Nanoseconds that a cache line takes from one of these cores to the other and back, in about 10 ms. `None`: they are one core, there is no
/// such core, or other work left no time for it.
pub fn round_trip_ns(cores: Cores) -> Option<f64> {
    if cores.server == cores.load {
        return None;
    }
    let court = Arc::new(Court { ball: Ball(AtomicU64::new(0)), over: AtomicBool::new(false) });
    let (tell, told) = mpsc::channel();
    let begin = Instant::now();
    let on = |core, name: &str, act: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(name.into());
        // nobody joins them: a thread that gets no time would hold loadgen up
        thread.spawn(move || process::pin(core).is_ok().then(act)).is_ok()
    };
    let (there, here) = (court.clone(), court.clone());
    let throw_back = Box::new(move || there.throw_back());
    let throw = Box::new(move || {
        // nobody hears of it any more: it was too late
        let _ = tell.send(here.best_block_ns(begin + PATIENCE));
    });
    let plays = on(cores.server, "returns", throw_back) && on(cores.load, "throws", throw);
    let best = if plays { told.recv_timeout(PATIENCE).ok().flatten() } else { None };
    court.over.store(true, Ordering::Relaxed);
    best
}

impl Court {
    fn throw_back(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let ball = self.ball.0.load(Ordering::Relaxed);
            if ball % 2 == 1 {
                self.ball.0.store(ball + 1, Ordering::Relaxed);
            }
        }
    }

    /// The mean of the shortest block, in nanoseconds; `None`: none was over in time.
    fn best_block_ns(&self, until: Instant) -> Option<f64> {
        let mut ball = 0;
        // the other thread has to be there before anything is measured
        self.throw(&mut ball, until)?;
        let end = (Instant::now() + GAME).min(until);
        let mut best: Option<f64> = None;
        loop {
            let begin = Instant::now();
            let mut trips = 0;
            let mut now = begin;
            while now - begin < BLOCK {
                for _ in 0..THROWS {
                    if self.throw(&mut ball, until).is_none() {
                        return best;
                    }
                }
                trips += THROWS;
                now = Instant::now();
            }
            // a tenth of a nanosecond is more than it is good for
            let mean_ns = ((now - begin).as_nanos() as f64 / f64::from(trips) * 10.0).round() / 10.0;
            best = Some(best.map_or(mean_ns, |best| best.min(mean_ns)));
            if now >= end {
                return best;
            }
        }
    }

    /// Once there and back; `None`: it does not come back in time.
    fn throw(&self, ball: &mut u64, until: Instant) -> Option<()> {
        self.ball.0.store(*ball + 1, Ordering::Relaxed);
        *ball += 2;
        loop {
            for _ in 0..GLANCES {
                if self.ball.0.load(Ordering::Relaxed) == *ball {
                    return Some(());
                }
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_alone_has_no_distance() {
        assert_eq!(round_trip_ns(Cores { server: 0, load: 0 }), None);
    }

    /// Neither is waited for.
    #[test]
    fn a_core_that_does_not_exist_has_no_distance() {
        for cores in [Cores { server: 0, load: 1_000_000 }, Cores { server: 1_000_000, load: 0 }] {
            assert_eq!(round_trip_ns(cores), None);
        }
    }

    /// With nobody who throws it back, there is an end all the same.
    #[test]
    fn a_ball_that_does_not_come_back_is_given_up() {
        let court = Court { ball: Ball(AtomicU64::new(0)), over: AtomicBool::new(false) };
        assert_eq!(court.best_block_ns(Instant::now()), None);
    }

    #[test]
    fn a_ball_comes_back() {
        let court = Arc::new(Court { ball: Ball(AtomicU64::new(0)), over: AtomicBool::new(false) });
        let other = court.clone();
        let thread = std::thread::spawn(move || other.throw_back());
        // an hour: a machine that runs tests has other work
        let best = court.best_block_ns(Instant::now() + Duration::from_secs(3_600));
        court.over.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        assert!(best.is_some_and(|ns| ns > 0.0));
    }
}
