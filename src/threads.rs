//! Runs agents on threads: spin a little, then sleep behind a doorbell.

use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringdove_core::agent::Agent;
use ringdove_core::rings::Doorbell;

/// A sleeping thread looks around at least this often: deadlines of connections, and background syncs, are this coarse.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// How an idle thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Spin so long before sleeping, but only while recent gaps were shorter than this; zero: sleep at once.
    pub spin: Duration,
}

/// Wakes a thread that parks, once it has started.
#[derive(Clone, Default)]
pub struct Sleeper {
    thread: Arc<Mutex<Option<Thread>>>,
}

impl Sleeper {
    /// Makes its thread's next or current park return. Nothing is lost before the thread has started: it looks for work first.
    pub fn wake(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

/// The agents of one thread, in the order in which they run.
pub struct Crew {
    /// The thread's name.
    pub name: String,
    /// The agents; a message goes through them in this order.
    pub agents: Vec<Box<dyn Agent>>,
    /// The doorbell of the thread.
    pub doorbell: Arc<Doorbell>,
    /// What the doorbell wakes, if no agent sleeps by itself.
    pub sleeper: Sleeper,
}

/// Starts a thread that runs its agents until all of them have finished.
///
/// # Errors
/// The system has no thread left.
pub fn start(crew: Crew, idle: Idle) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(crew.name.clone()).spawn(move || run(crew, idle))
}

fn run(mut crew: Crew, idle: Idle) {
    *crew.sleeper.thread.lock() = Some(thread::current());
    let mut gaps = Gaps::new(idle.spin);
    loop {
        if turn(&mut crew.agents) > 0 {
            continue;
        }
        if crew.agents.iter().all(|agent| agent.is_finished()) {
            return;
        }
        let quiet_since = Instant::now();
        if !(gaps.worth_spinning() && spin(&mut crew.agents, quiet_since, idle.spin)) {
            crew.doorbell.arm();
            // whatever was published before the bell was armed is found here; all after it rings
            if turn(&mut crew.agents) == 0 {
                sleep(&mut crew.agents);
            }
            crew.doorbell.disarm();
        }
        gaps.note(quiet_since.elapsed());
    }
}

fn turn(agents: &mut [Box<dyn Agent>]) -> usize {
    agents.iter_mut().map(|agent| agent.do_work()).sum()
}

/// Whether work came within the spin time.
fn spin(agents: &mut [Box<dyn Agent>], since: Instant, spin: Duration) -> bool {
    while since.elapsed() < spin {
        if turn(agents) > 0 {
            return true;
        }
        std::hint::spin_loop();
    }
    false
}

fn sleep(agents: &mut [Box<dyn Agent>]) {
    let longest = LONGEST_SLEEP.as_micros() as u64;
    if !agents.iter_mut().any(|agent| agent.sleep(longest)) {
        thread::park_timeout(LONGEST_SLEEP);
    }
}

/// Whether spinning pays: at 10,000 messages/s it costs several times the CPU for almost nothing, so a thread spins only while
/// most recent gaps ended within the spin time.
struct Gaps {
    spin: Duration,
    /// The share of short gaps, of 256, as a moving average.
    short: u32,
}

impl Gaps {
    fn new(spin: Duration) -> Self {
        Self { spin, short: 128 }
    }

    fn worth_spinning(&self) -> bool {
        self.spin > Duration::ZERO && self.short >= 64
    }

    fn note(&mut self, gap: Duration) {
        let short = if gap < self.spin { 256 } else { 0 };
        self.short = (self.short * 7 + short) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_stops_when_gaps_grow_long_and_comes_back_when_they_are_short() {
        let mut gaps = Gaps::new(Duration::from_micros(50));
        assert!(gaps.worth_spinning());
        (0..20).for_each(|_| gaps.note(Duration::from_micros(80)));
        assert!(!gaps.worth_spinning());
        (0..20).for_each(|_| gaps.note(Duration::from_micros(10)));
        assert!(gaps.worth_spinning());
    }

    #[test]
    fn without_a_spin_time_a_thread_never_spins() {
        let mut gaps = Gaps::new(Duration::ZERO);
        (0..20).for_each(|_| gaps.note(Duration::ZERO));
        assert!(!gaps.worth_spinning());
    }
}
