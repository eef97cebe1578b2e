//! Groups: the first member of each writes to all others.

use super::flow::{Flow, Loop, Pace, Schedule};
use super::{Clock, Workload};
use crate::crew::Crew;
use crate::latency::Named;
use crate::results::Checked;
use crate::system::To;

/// Stream n is that of group n.
pub struct Fanout {
    pace: Pace,
    schedule: Schedule,
    flow: Flow,
    stopped: bool,
}

impl Fanout {
    /// Groups of so many members each, the sender among them.
    pub fn new(groups: usize, members: usize, answers: bool, pace: Pace) -> Self {
        let (rate, kind) = if let Pace::Rate(rate) = pace { (rate, Loop::Open) } else { (1.0, Loop::Closed) };
        let mut flow = Flow::new(groups * members, answers, kind);
        for group in 0..groups {
            let first = group * members;
            flow.stream(first, To::Group(group), first + 1..first + members);
        }
        Self { pace, schedule: Schedule::new(rate), flow, stopped: false }
    }

    /// A closed loop: the next send, when one is over.
    fn go_on(&mut self, crew: &mut Crew, group: usize, now_ns: u64) {
        if let Pace::Window(_) = self.pace
            && !self.stopped
        {
            self.flow.send(crew, group, now_ns, now_ns);
            crew.mark(self.flow.sender(group));
        }
    }
}

impl Workload for Fanout {
    fn begin(&mut self, crew: &mut Crew, now_ns: u64) {
        let Pace::Window(window) = self.pace else { return };
        let groups = self.flow.streams();
        for group in 0..groups {
            for _ in 0..Pace::share(window, group, groups) {
                self.go_on(crew, group, now_ns);
            }
        }
    }

    fn due(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        let Pace::Rate(_) = self.pace else { return Ok(None) };
        if self.stopped {
            return Ok(None);
        }
        let streams = self.flow.streams();
        let stream_of = |number| number as usize % streams;
        self.flow.send_due(crew, clock, &mut self.schedule, stream_of, |_, _| {}).map(Some)
    }

    fn answered(&mut self, crew: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        if let Some(group) = self.flow.answered(who, now_ns)? {
            self.go_on(crew, group, now_ns);
        }
        Ok(())
    }

    fn delivered(&mut self, crew: &mut Crew, who: usize, text: &[u8], now_ns: u64) -> Result<(), String> {
        if let Some(arrived) = self.flow.delivered(who, text, now_ns)? {
            self.flow.record(&arrived, now_ns);
            if arrived.over {
                self.go_on(crew, arrived.stream, now_ns);
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn measure(&mut self, on: bool, now_ns: u64) {
        self.flow.measure(on, now_ns);
    }

    fn sent(&self) -> u64 {
        self.flow.sent()
    }

    fn counts(&self) -> Checked {
        self.flow.counts()
    }

    fn missing(&self) -> Option<String> {
        self.flow.missing_words()
    }

    fn latencies(&mut self) -> Vec<&mut Named> {
        self.flow.latencies()
    }
}
