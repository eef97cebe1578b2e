//! The loads: what is sent, when, and what has to arrive.

mod circle;
mod fanout;
mod flow;
mod known;
mod mixed;
mod pair;
mod reconnect;
mod roles;
mod sign_in;
mod storm;

pub use circle::Circle;
pub use fanout::Fanout;
pub use flow::Pace;
pub use mixed::{AWAY_MS, Mixed, Rates, STAYS_AWAY};
pub use pair::Pair;
pub use reconnect::reconnect;
pub use roles::Roles;
pub use sign_in::SignIn;
pub use storm::{Storm, Weather};

use std::time::Instant;

use crate::crew::Crew;
use crate::latency::Named;
use crate::results::Checked;

/// The time of a load.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// It begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since it began.
    pub fn now_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// Does something that takes no time by this clock, and by those that are copied from it afterwards.
    pub fn stand_still<T>(&mut self, what: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = what();
        self.0 += begin.elapsed();
        done
    }
}

/// What people do, and what they make of what they hear.
pub trait Workload {
    /// Everyone who has to be is connected: the first sends of a closed loop.
    fn begin(&mut self, crew: &mut Crew, now_ns: u64);

    /// Does what is due by now; returns when the next thing is due. It is asked between any two reads, so that a schedule is kept while much
    /// comes in.
    ///
    /// # Errors
    /// A connection broke.
    fn due(&mut self, _: &mut Crew, _: Clock) -> Result<Option<u64>, String> {
        Ok(None)
    }

    /// Once a turn, between writing and reading: does a little of what is to be done as soon as possible, but must not delay what has its time.
    /// Returns whether there is more.
    ///
    /// # Errors
    /// The system has no socket left.
    fn turn(&mut self, _: &mut Crew, _: Clock) -> Result<bool, String> {
        Ok(false)
    }

    /// The oldest unanswered send of `who` was answered.
    ///
    /// # Errors
    /// There was none.
    fn answered(&mut self, crew: &mut Crew, who: usize, now_ns: u64) -> Result<(), String>;

    /// `who` got a text.
    ///
    /// # Errors
    /// It is none that can be counted.
    fn delivered(&mut self, crew: &mut Crew, who: usize, text: &[u8], now_ns: u64) -> Result<(), String>;

    /// `who` has signed in.
    ///
    /// # Errors
    /// The system has no socket left.
    fn ready(&mut self, _: &mut Crew, _who: usize, _now_ns: u64) -> Result<(), String> {
        Ok(())
    }

    /// `who` is back, and has all that was sent to them meanwhile.
    ///
    /// # Errors
    /// Nobody expects them.
    fn caught_up(&mut self, _: &mut Crew, _who: usize, _now_ns: u64) -> Result<(), String> {
        Ok(())
    }

    /// `who` was told that a contact came or went.
    ///
    /// # Errors
    /// It is none of their contacts.
    fn presence(&mut self, _who: usize, _contact: usize, _online: bool) -> Result<(), String> {
        Ok(())
    }

    /// `who` was told which contacts are there: the first page of that, or a further one.
    ///
    /// # Errors
    /// One of them is none of their contacts.
    fn there(&mut self, _who: usize, _contacts: &[usize], _first: bool) -> Result<(), String> {
        Ok(())
    }

    /// Whether measuring goes on although its time is over, as something has begun that is not through.
    fn is_amid(&self) -> bool {
        false
    }

    /// From now on nothing new is sent.
    fn stop(&mut self);

    /// From now on latencies count, or do not any more; what was meant until now does.
    fn measure(&mut self, on: bool, now_ns: u64);

    /// Sends that were handed over so far, where a schedule says when.
    fn sent(&self) -> u64 {
        0
    }

    /// What was counted so far.
    fn counts(&self) -> Checked;

    /// What is missing, in words; `None`: every message has arrived everywhere, and every send was answered.
    fn missing(&self) -> Option<String>;

    /// All latencies; one of which nothing was recorded is left out of reports.
    fn latencies(&mut self) -> Vec<&mut Named>;

    /// More figures at the end, the unit at the end of each name.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}
