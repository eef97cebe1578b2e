//! How far two cores are apart: what a cache line takes from one to the other and back. The host of a virtual machine moves its cores about, and
//! everything that two of them do together is slower while they are far apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::Thread;
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

/// A cache line never takes so many nanoseconds from one core to the other and back: one of the threads had no core meanwhile.
pub const NEVER_NS: f64 = 5_000.0;

/// What is thrown: odd on its way there, even on its way back. Nothing is published with it, so that any order of other accesses is right.
#[repr(align(128))]
struct Ball(AtomicU64);

/// What both threads share.
struct Court {
    ball: Ball,
    /// Whether whoever throws it back may rest.
    over: AtomicBool,
    /// Whether they may go.
    closed: AtomicBool,
}

/// A thread on another core, which throws the ball back when it is asked to, and else sleeps.
pub struct Partner {
    court: Arc<Court>,
    thread: Thread,
}

/// Nanoseconds that a cache line takes from one of these cores to the other and back, in about 10 ms. `None`: they are one core, there is no
/// such core, or other work left no time for it.
pub fn round_trip_ns(cores: Cores) -> Option<f64> {
    if cores.server == cores.load {
        return None;
    }
    let (tell, told) = mpsc::channel();
    let throw = move || {
        process::pin(cores.load).ok()?;
        // nobody hears of it any more: it was too late
        let _ = tell.send(Partner::on(cores.server).and_then(|partner| partner.round_trip_ns()));
        Some(())
    };
    // nobody joins it: a thread that gets no time would hold loadgen up
    std::thread::Builder::new().name("throws".into()).spawn(throw).ok()?;
    told.recv_timeout(2 * PATIENCE).ok().flatten()
}

impl Partner {
    /// One on this core; `None`: the system has no thread left.
    pub fn on(core: usize) -> Option<Self> {
        let court = Arc::new(Court::default());
        let other = court.clone();
        let thread = std::thread::Builder::new().name("throws back".into());
        let thread = thread.spawn(move || process::pin(core).is_ok().then(|| other.attend())).ok()?;
        Some(Self { court, thread: thread.thread().clone() })
    }

    /// Nanoseconds that a cache line takes from the core of this thread to the partner's and back, in about 10 ms. `None`: there is no such core,
    /// or other work left no time for it.
    pub fn round_trip_ns(&self) -> Option<f64> {
        self.court.over.store(false, Ordering::Relaxed);
        self.thread.unpark();
        let best = self.court.best_block_ns(Instant::now() + PATIENCE);
        self.court.over.store(true, Ordering::Relaxed);
        best.filter(|ns| *ns < NEVER_NS)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.court.closed.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

impl Default for Court {
    fn default() -> Self {
        Self { ball: Ball(AtomicU64::new(0)), over: AtomicBool::new(true), closed: AtomicBool::new(false) }
    }
}

impl Court {
    fn attend(&self) {
        while !self.closed.load(Ordering::Relaxed) {
            self.throw_back();
            std::thread::park();
        }
    }

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
        let mut ball = self.ball.0.load(Ordering::Relaxed).next_multiple_of(2);
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
        let court = Court::default();
        assert_eq!(court.best_block_ns(Instant::now()), None);
    }

    #[test]
    fn a_ball_comes_back_as_often_as_it_is_thrown() {
        let court = Arc::new(Court::default());
        let other = court.clone();
        court.over.store(false, Ordering::Relaxed);
        let thread = std::thread::spawn(move || other.throw_back());
        // an hour: a machine that runs tests has other work
        let until = Instant::now() + Duration::from_secs(3_600);
        for _ in 0..2 {
            assert!(court.best_block_ns(until).is_some_and(|ns| ns > 0.0));
        }
        court.over.store(true, Ordering::Relaxed);
        thread.join().unwrap();
    }

    /// The thread that throws back ends with whoever asked for it.
    #[test]
    fn a_partner_goes_home() {
        let partner = Partner::on(0).unwrap();
        let court = Arc::downgrade(&partner.court);
        drop(partner);
        while court.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
