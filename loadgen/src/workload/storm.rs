//! A storm: thousands of people lose their connections at the same moment and all come back at once, while a few go on talking.

use std::time::Duration;

use super::flow::{Flow, Loop, Schedule};
use super::{Clock, Workload};
use crate::crew::Crew;
use crate::latency::Named;
use crate::reports::count;
use crate::results::Checked;
use crate::system::To;

/// How long a storm may take.
const PATIENCE_NS: u64 = 20_000_000_000;
/// Between two storms nothing is measured for so long.
const PAUSE_NS: u64 = 1_000_000_000;
/// A 99th percentile of fewer says nothing.
const ENOUGH: u64 = 10_000;

/// How a storm is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Pairs of people who write to each other all the time: the people of the first places.
    pub pairs: usize,
    /// Sends a second of all of them.
    pub rate: f64,
    /// People who are cut off, and come back: the places behind the pairs.
    pub people: usize,
    /// How often.
    pub storms: u32,
}

impl Weather {
    /// How long it takes at least beyond the calm, were everyone back at once.
    pub fn at_least(self) -> Duration {
        Duration::from_nanos(PAUSE_NS) * self.storms
    }
}

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not measured yet, or not any more.
    Unmeasured,
    /// Measured, until then.
    Calm(u64),
    /// Everyone is cut off: this one is next.
    Cutting(usize),
    /// Everyone comes back: this one is next.
    Coming(usize),
    /// They were all called.
    Waiting,
    /// All are back; until then nothing is measured.
    Pause(u64),
}

/// What is told apart: calm weather, and a storm.
struct Measured {
    delivery: Named,
    service: Named,
    lag: Named,
}

impl Measured {
    fn new(delivery: &'static str, send: &'static str) -> Self {
        Self {
            delivery: Named::new(delivery, "response"),
            service: Named::new(delivery, "service"),
            lag: Named::new(send, "lag"),
        }
    }

    fn latencies(&mut self) -> [&mut Named; 3] {
        [&mut self.delivery, &mut self.service, &mut self.lag]
    }

    /// 99th percentile and longest of the service in microseconds, where there are enough: the load's own lag, which is larger while it opens
    /// thousands of connections, is no part of it.
    fn p99_and_max_us(&self) -> Option<(f64, f64)> {
        let total = self.service.latency.total();
        let us = |ns: u64| ns as f64 / 1_000.0;
        (total.len() >= ENOUGH).then(|| (us(total.value_at_quantile(0.99)), us(total.max())))
    }
}

/// Stream n is what person 2n writes to person 2n + 1.
pub struct Storm {
    weather: Weather,
    calm_ns: u64,
    flow: Flow,
    schedule: Schedule,
    /// Sends of one turn: when each was meant, and when it was sent.
    sent: Vec<(u64, u64)>,
    stopped: bool,
    phase: Phase,
    /// Storms that were begun, and when the last one was.
    storms: u32,
    since_ns: u64,
    /// When each of the people began to come.
    called_ns: Vec<u64>,
    /// People who are not back.
    gone: usize,
    /// Those of them who were given up.
    lost: usize,
    /// How long each storm took.
    took_ns: Vec<u64>,
    calm: Measured,
    stormy: Measured,
    back: Named,
    back_service: Named,
}

impl Storm {
    /// A storm after so much measured calm. `answers`: every send is answered.
    pub fn new(weather: Weather, calm: Duration, answers: bool) -> Self {
        let people = 2 * weather.pairs + weather.people;
        let mut flow = Flow::new(people, answers, Loop::Open);
        for pair in 0..weather.pairs {
            flow.stream(2 * pair, To::Person(2 * pair + 1), std::iter::once(2 * pair + 1));
        }
        Self {
            weather,
            calm_ns: calm.as_nanos() as u64,
            flow,
            schedule: Schedule::new(weather.rate),
            sent: Vec::new(),
            stopped: false,
            phase: Phase::Unmeasured,
            storms: 0,
            since_ns: 0,
            called_ns: vec![0; people],
            gone: 0,
            lost: 0,
            took_ns: Vec::new(),
            calm: Measured::new("delivery calm", "send calm"),
            stormy: Measured::new("delivery in the storm", "send in the storm"),
            back: Named::new("back", "response"),
            back_service: Named::new("back", "service"),
        }
    }

    /// Sends what is due. Returns when the next send is.
    fn send(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        if self.stopped {
            return Ok(None);
        }
        let streams = self.flow.streams();
        let stream_of = |number| number as usize % streams;
        let mut sent = std::mem::take(&mut self.sent);
        let sends = |meant_ns, now_ns| sent.push((meant_ns, now_ns));
        let next = self.flow.send_due(crew, clock, &mut self.schedule, stream_of, sends)?;
        for (meant_ns, now_ns) in sent.drain(..) {
            if let Some(measured) = self.measured(meant_ns, now_ns) {
                measured.lag.latency.record(now_ns - meant_ns);
            }
        }
        self.sent = sent;
        Ok(Some(next))
    }

    /// Where a send counts that was meant then, and is over now: what meets a storm is no calm any more, and what was meant in one belongs to it
    /// however late it comes.
    fn measured(&mut self, meant_ns: u64, now_ns: u64) -> Option<&mut Measured> {
        match self.phase {
            Phase::Calm(until_ns) => (now_ns < until_ns).then_some(&mut self.calm),
            Phase::Cutting(_) | Phase::Coming(_) | Phase::Waiting => Some(&mut self.stormy),
            Phase::Pause(until_ns) => (meant_ns + PAUSE_NS < until_ns).then_some(&mut self.stormy),
            Phase::Unmeasured => {
                let last_ns = self.since_ns + self.took_ns.last().copied().unwrap_or_default();
                (self.storms > 0 && meant_ns < last_ns).then_some(&mut self.stormy)
            }
        }
    }

    /// Goes on with the weather, by one connection that is cut or opened: each keeps the load's thread from those who go on writing for some 40 us.
    /// Whether there is more to do at once.
    fn go_on(&mut self, crew: &mut Crew, now_ns: u64) -> Result<bool, String> {
        let first = 2 * self.weather.pairs;
        let end = first + self.weather.people;
        match self.phase {
            Phase::Calm(until_ns) | Phase::Pause(until_ns) if now_ns >= until_ns => {
                if self.storms < self.weather.storms {
                    self.storms += 1;
                    self.since_ns = now_ns;
                    self.gone = self.weather.people;
                    self.phase = Phase::Cutting(first);
                } else {
                    self.phase = Phase::Unmeasured;
                }
            }
            Phase::Cutting(who) if who < end => {
                crew.cut(who);
                self.phase = Phase::Cutting(who + 1);
            }
            Phase::Cutting(_) => self.phase = Phase::Coming(first),
            Phase::Coming(who) if who < end => {
                self.called_ns[who] = now_ns;
                crew.connect(who)?;
                self.phase = Phase::Coming(who + 1);
            }
            Phase::Coming(_) => self.phase = Phase::Waiting,
            Phase::Waiting if now_ns > self.since_ns + PATIENCE_NS => {
                self.lost = self.gone;
                self.phase = Phase::Unmeasured;
            }
            _ => {}
        }
        Ok(matches!(self.phase, Phase::Cutting(_) | Phase::Coming(_)))
    }
}

impl Workload for Storm {
    fn begin(&mut self, _: &mut Crew, _: u64) {}

    fn due(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        if let Phase::Calm(until_ns) = &mut self.phase
            && *until_ns == 0
        {
            *until_ns = clock.now_ns() + self.calm_ns;
        }
        self.send(crew, clock)
    }

    fn turn(&mut self, crew: &mut Crew, clock: Clock) -> Result<bool, String> {
        self.go_on(crew, clock.now_ns())
    }

    fn answered(&mut self, _: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        self.flow.answered(who, now_ns).map(drop)
    }

    fn delivered(&mut self, _: &mut Crew, who: usize, text: &[u8], now_ns: u64) -> Result<(), String> {
        if let Some(arrived) = self.flow.delivered(who, text, now_ns)?
            && let Some(measured) = self.measured(arrived.meant_ns, now_ns)
        {
            measured.delivery.latency.record(arrived.took_ns);
            measured.service.latency.record(now_ns.saturating_sub(arrived.sent_ns));
        }
        Ok(())
    }

    fn ready(&mut self, _: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        if who < 2 * self.weather.pairs || self.gone == 0 {
            return Err(format!("person {who} was welcomed, and did not come"));
        }
        self.gone -= 1;
        self.back.latency.record(now_ns.saturating_sub(self.since_ns));
        self.back_service.latency.record(now_ns.saturating_sub(self.called_ns[who]));
        if self.gone == 0 {
            self.took_ns.push(now_ns - self.since_ns);
            self.phase = Phase::Pause(now_ns + PAUSE_NS);
        }
        Ok(())
    }

    fn is_amid(&self) -> bool {
        self.phase != Phase::Unmeasured
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn sent(&self) -> u64 {
        self.flow.sent()
    }

    fn measure(&mut self, on: bool, _: u64) {
        if on {
            self.phase = Phase::Calm(0);
        }
    }

    fn counts(&self) -> Checked {
        self.flow.counts()
    }

    fn missing(&self) -> Option<String> {
        if self.lost > 0 {
            return Some(format!(
                "{} of {} did not come back in time",
                self.lost,
                count(self.weather.people as u64, "person", "people")
            ));
        }
        self.flow.missing_words()
    }

    fn latencies(&mut self) -> Vec<&mut Named> {
        let mut all: Vec<&mut Named> = self.calm.latencies().into_iter().collect();
        all.extend(self.stormy.latencies());
        all.extend([&mut self.back, &mut self.back_service]);
        all
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut took: Vec<_> = self.took_ns.iter().map(|ns| *ns as f64 / 1e9).collect();
        took.sort_by(f64::total_cmp);
        let mut figures = Vec::new();
        if let Some(longest) = took.last() {
            figures.push(("all back s", *longest));
            figures.push(("all back median s", took[took.len() / 2]));
        }
        if let (Some(calm), Some(stormy)) = (self.calm.p99_and_max_us(), self.stormy.p99_and_max_us()) {
            figures.push(("service calm p99 us", calm.0));
            figures.push(("service in the storm p99 us", stormy.0));
            figures.push(("service in the storm p99 ratio", stormy.0 / calm.0));
            figures.push(("service in the storm max ratio", stormy.1 / calm.1));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm() -> Storm {
        let weather = Weather { pairs: 1, rate: 10.0, people: 3, storms: 1 };
        Storm::new(weather, Duration::from_secs(1), true)
    }

    /// Which of both a delivery counts for that was meant and arrived then.
    fn counts_for(storm: &mut Storm, meant_ns: u64, now_ns: u64) -> Option<&'static str> {
        storm.measured(meant_ns, now_ns).map(|measured| measured.delivery.of)
    }

    #[test]
    fn what_meets_a_storm_is_no_calm_any_more() {
        let mut storm = storm();
        assert_eq!(counts_for(&mut storm, 5, 10), None, "nothing is measured yet");
        storm.phase = Phase::Calm(1_000);
        assert_eq!(counts_for(&mut storm, 5, 999), Some("delivery calm"));
        assert_eq!(counts_for(&mut storm, 5, 1_000), None, "it is over, and the storm has not begun");
        for phase in [Phase::Cutting(2), Phase::Coming(3), Phase::Waiting] {
            storm.phase = phase;
            assert_eq!(counts_for(&mut storm, 5, 1_001), Some("delivery in the storm"));
        }
    }

    #[test]
    fn what_was_meant_in_a_storm_belongs_to_it_however_late_it_comes() {
        let mut storm = storm();
        let end_ns = 5_000;
        storm.phase = Phase::Pause(end_ns + PAUSE_NS);
        assert_eq!(counts_for(&mut storm, end_ns - 1, end_ns + 700), Some("delivery in the storm"));
        assert_eq!(counts_for(&mut storm, end_ns, end_ns + 700), None);
        (storm.phase, storm.storms, storm.since_ns) = (Phase::Unmeasured, 1, 2_000);
        storm.took_ns.push(3_000);
        assert_eq!(counts_for(&mut storm, end_ns - 1, end_ns + 2 * PAUSE_NS), Some("delivery in the storm"));
        assert_eq!(counts_for(&mut storm, end_ns, end_ns + 2 * PAUSE_NS), None);
    }

    #[test]
    fn whoever_did_not_come_back_is_missing() {
        let mut storm = storm();
        storm.measure(true, 0);
        assert!(storm.is_amid(), "the storm is to come");
        (storm.phase, storm.gone, storm.since_ns) = (Phase::Waiting, 2, 7);
        assert_eq!(storm.missing(), None, "they may still come");
        let mut crew = crate::crew::tests::nobody_of(5);
        storm.go_on(&mut crew, 7 + PATIENCE_NS).unwrap();
        assert!(storm.is_amid());
        storm.go_on(&mut crew, 8 + PATIENCE_NS).unwrap();
        assert!(!storm.is_amid());
        assert_eq!(storm.missing().as_deref(), Some("2 of 3 people did not come back in time"));
    }
}
