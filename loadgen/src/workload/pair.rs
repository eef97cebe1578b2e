//! Pairs of people: A writes to B. Round trip (B answers on delivery), a window, or a rate.

use super::flow::{Flow, Loop, Pace, Schedule};
use super::{Clock, Workload};
use crate::crew::Crew;
use crate::latency::Named;
use crate::results::Checked;
use crate::system::To;

/// People 2n and 2n + 1 are a pair.
pub struct Pair {
    pace: Option<Pace>,
    schedule: Schedule,
    flow: Flow,
    stopped: bool,
    /// When the round trip of each pair began.
    begun_ns: Vec<u64>,
    round_trip: Named,
}

impl Pair {
    /// So many pairs. Without a pace: one message in flight for each pair, B answers it, and A then sends the next.
    pub fn new(pairs: usize, answers: bool, pace: Option<Pace>) -> Self {
        let (rate, kind) = if let Some(Pace::Rate(rate)) = pace { (rate, Loop::Open) } else { (1.0, Loop::Closed) };
        let mut flow = Flow::new(2 * pairs, answers, kind);
        // stream n is written by person n, if B writes at all
        let step = if pace.is_none() { 1 } else { 2 };
        for who in (0..2 * pairs).step_by(step) {
            flow.stream(who, To::Person(who ^ 1), std::iter::once(who ^ 1));
        }
        let round_trip = Named::new("round trip", "response");
        Self { pace, schedule: Schedule::new(rate), flow, stopped: false, begun_ns: vec![0; pairs], round_trip }
    }
}

impl Workload for Pair {
    fn begin(&mut self, crew: &mut Crew, now_ns: u64) {
        let streams = self.flow.streams();
        for stream in 0..streams {
            let first = match self.pace {
                None => 1 - stream as u64 % 2,
                Some(Pace::Window(window)) => Pace::share(window, stream, streams),
                Some(Pace::Rate(_)) => 0,
            };
            if self.pace.is_none() {
                self.begun_ns[stream / 2] = now_ns;
            }
            (0..first).for_each(|_| self.flow.send(crew, stream, now_ns, now_ns));
            crew.mark(self.flow.sender(stream));
        }
    }

    fn due(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        let Some(Pace::Rate(_)) = self.pace else { return Ok(None) };
        if self.stopped {
            return Ok(None);
        }
        let streams = self.flow.streams();
        let stream_of = |number| number as usize % streams;
        self.flow.send_due(crew, clock, &mut self.schedule, stream_of, |_, _| {}).map(Some)
    }

    fn answered(&mut self, crew: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        if let Some(stream) = self.flow.answered(who, now_ns)? {
            self.go_on(crew, stream, who, now_ns);
        }
        Ok(())
    }

    fn delivered(&mut self, crew: &mut Crew, who: usize, text: &[u8], now_ns: u64) -> Result<(), String> {
        let Some(arrived) = self.flow.delivered(who, text, now_ns)? else { return Ok(()) };
        self.flow.record(&arrived, now_ns);
        if self.pace.is_some() {
            if arrived.over {
                self.go_on(crew, arrived.stream, who, now_ns);
            }
        } else if who.is_multiple_of(2) {
            let begun_ns = self.begun_ns[who / 2];
            if self.flow.measures(begun_ns) {
                self.round_trip.latency.record(now_ns.saturating_sub(begun_ns));
            }
            if !self.stopped {
                self.begun_ns[who / 2] = now_ns;
                self.flow.send(crew, who, now_ns, now_ns);
            }
        } else {
            self.flow.send(crew, who, now_ns, now_ns);
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
        let mut all = self.flow.latencies();
        all.push(&mut self.round_trip);
        all
    }
}

impl Pair {
    /// A closed loop: the next send, when one is over.
    fn go_on(&mut self, crew: &mut Crew, stream: usize, heard: usize, now_ns: u64) {
        if let Some(Pace::Window(_)) = self.pace
            && !self.stopped
        {
            self.flow.send(crew, stream, now_ns, now_ns);
            let sender = self.flow.sender(stream);
            if sender != heard {
                crew.mark(sender);
            }
        }
    }
}
