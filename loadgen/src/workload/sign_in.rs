//! People who connect, sign in and leave, one after the other: how many of them a server takes in a second.

use super::{Clock, Workload};
use crate::crew::{Crew, Presence};
use crate::latency::Named;
use crate::reports::count;
use crate::results::Checked;

/// One sign-in that is on its way.
#[derive(Clone, Copy, Debug)]
struct Caller {
    who: usize,
    begun_ns: u64,
}

/// So many are on their way in at a time; each leaves as soon as it is welcome, without a farewell.
pub struct SignIn {
    callers: Vec<Option<Caller>>,
    /// Who is called next.
    next: usize,
    begin: bool,
    stopped: bool,
    measuring: bool,
    counts: Checked,
    latency: Named,
}

impl SignIn {
    /// `at_once` are on their way at a time.
    pub fn new(at_once: usize) -> Self {
        Self {
            callers: vec![None; at_once],
            next: 0,
            begin: false,
            stopped: false,
            measuring: false,
            counts: Checked::default(),
            latency: Named::new("sign-in", "response"),
        }
    }

    fn call(&mut self, crew: &mut Crew, place: usize, now_ns: u64) -> Result<(), String> {
        let who = self.next % crew.len();
        if crew.presence(who) != Presence::Away {
            return Err("there have to be more people than sign in at once".into());
        }
        self.next += 1;
        self.callers[place] = Some(Caller { who, begun_ns: now_ns });
        crew.connect(who)
    }
}

impl Workload for SignIn {
    fn begin(&mut self, _: &mut Crew, _: u64) {
        self.begin = true;
    }

    fn due(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        if std::mem::take(&mut self.begin) {
            (0..self.callers.len()).try_for_each(|place| self.call(crew, place, clock.now_ns()))?;
        }
        Ok(None)
    }

    fn ready(&mut self, crew: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        let place = self.callers.iter().position(|caller| caller.is_some_and(|caller| caller.who == who));
        let Some((place, caller)) = place.and_then(|place| self.callers[place].take().map(|caller| (place, caller)))
        else {
            return Err(format!("person {who} was welcomed, and did not come"));
        };
        self.counts.sends += 1;
        if self.measuring {
            self.latency.latency.record(now_ns.saturating_sub(caller.begun_ns));
        }
        crew.cut(who);
        if self.stopped { Ok(()) } else { self.call(crew, place, now_ns) }
    }

    fn answered(&mut self, _: &mut Crew, who: usize, _: u64) -> Result<(), String> {
        Err(format!("person {who} sent nothing, and was answered"))
    }

    fn delivered(&mut self, _: &mut Crew, who: usize, _: &[u8], _: u64) -> Result<(), String> {
        Err(format!("nobody wrote to person {who}, who got a text"))
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn measure(&mut self, on: bool, _: u64) {
        self.measuring = on;
    }

    fn counts(&self) -> Checked {
        let coming = self.callers.iter().flatten().count();
        Checked { lost: coming as u64, ..self.counts }
    }

    fn missing(&self) -> Option<String> {
        let coming = self.callers.iter().flatten().count();
        (coming > 0).then(|| format!("{} unanswered", count(coming as u64, "sign-in", "sign-ins")))
    }

    fn latencies(&mut self) -> Vec<&mut Named> {
        vec![&mut self.latency]
    }
}
