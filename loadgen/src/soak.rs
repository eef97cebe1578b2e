//! A mixed load for hours: a line now and then, and at its end what loadgen did against what the server counted.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

use crate::fleet::Measured;
use crate::load::Load;
use crate::onlooker::Onlooker;
use crate::process::Family;
use crate::reports;
use crate::results::Checked;
use crate::server::Place;
use crate::signals;
use crate::system::{Counted, System, Target};
use crate::terminal::say;
use crate::workload::Workload;

/// What the server does behind a connection's end may take so long to be counted: it is asked again after each of these.
const SETTLING: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// Sends of so many seconds may be under way.
const LATE_S: f64 = 0.1;
/// Of a run: memory is compared with what it was then.
const WARM: u32 = 10;

/// Whoever looks on during a soak.
pub struct Soak<'a> {
    system: &'a dyn System,
    target: &'a Target,
    place: Place,
    every: Duration,
    duration: Duration,
    rate: f64,
    people: u64,
    groups: u64,
    /// Known when everyone has come.
    server: Option<Family>,
    /// Before anyone came, and when everyone had.
    before: Counted,
    gathered: Counted,
    /// At the last line.
    last: (Duration, Duration),
    /// Resident memory after the first tenth.
    warm: Option<u64>,
}

impl<'a> Soak<'a> {
    /// A line so often, in a run of such a length, of this load.
    ///
    /// # Errors
    /// The server does not say what it counts.
    pub fn new(
        system: &'a dyn System,
        target: &'a Target,
        place: Place,
        (every, duration): (Duration, Duration),
        load: &Load,
    ) -> Result<Self, String> {
        let cast = load.cast(system);
        let before = system.counted(target, &place)?;
        if before.is_empty() {
            return Err(format!("{} counts nothing that a soak could be compared with", system.name()));
        }
        Ok(Self {
            system,
            target,
            place,
            every,
            duration,
            rate: load.offered().unwrap_or_default(),
            people: cast.people as u64,
            groups: cast.groups.len() as u64,
            server: None,
            before,
            gathered: Counted::new(),
            last: (Duration::ZERO, Duration::ZERO),
            warm: None,
        })
    }

    /// What the server counts now, as soon as that is what is meant; else what is different after a while.
    fn settled(&self, since: &Counted, meant: &[(&'static str, i64)]) -> Result<(Counted, Vec<String>), String> {
        let mut pauses = SETTLING.iter();
        loop {
            let now = self.system.counted(self.target, &self.place)?;
            let different = differences(since, &now, meant);
            match pauses.next() {
                Some(pause) if !different.is_empty() => std::thread::sleep(*pause),
                _ => return Ok((now, different)),
            }
        }
    }
}

impl Onlooker for Soak<'_> {
    fn gathered(&mut self) -> Result<(), String> {
        let (people, groups) = (self.people as i64, self.groups as i64);
        // whoever makes a group signs in for that, and leaves again
        let meant = [
            ("accounts", people),
            ("groups", groups),
            ("online", people),
            ("sessions", people),
            ("connections", people),
            ("epoch", 0),
            ("sessions begun", people + groups),
            ("sessions ended", groups),
        ];
        self.server = self.target.pid.map(Family::of);
        let (now, different) = self.settled(&self.before, &meant)?;
        self.gathered = now;
        if different.is_empty() { Ok(()) } else { Err(different.join("; ")) }
    }

    fn every(&self) -> Option<Duration> {
        Some(self.every)
    }

    fn has_enough(&self) -> bool {
        signals::run_is_ended()
    }

    fn look(&mut self, workload: &mut dyn Workload, at: Duration) -> Result<(), String> {
        let counts = workload.counts();
        let cut =
            workload.figures().iter().find(|(name, _)| *name == "people cut off").map_or(0, |figure| figure.1 as u64);
        let mut line = format!(
            "{} sends {} deliveries {} reconnects {}",
            humantime::format_duration(Duration::from_secs(at.as_secs())),
            HumanCount(counts.sends),
            HumanCount(counts.deliveries),
            HumanCount(cut),
        );
        for named in workload.latencies() {
            if let ("delivery", "response", Some(last)) = (named.of, named.kind, named.latency.slices().last()) {
                line += &format!(" p99 {:.0} us", last.histogram.value_at_quantile(0.99) as f64 / 1_000.0);
            }
        }
        if let Some(server) = &self.server {
            let (cpu, memory) = (server.cpu()?, server.memory()?);
            let share = (cpu.saturating_sub(self.last.1)).as_secs_f64() / (at - self.last.0).as_secs_f64();
            line += &format!(" rss {}", HumanBytes(memory.rss));
            // what was spent before the first line is not of this run
            if !self.last.1.is_zero() {
                line += &format!(" cpu {:.0} %", share * 100.0);
            }
            self.last = (at, cpu);
            if at >= self.duration / WARM {
                self.warm.get_or_insert(memory.rss);
            }
        }
        let behind = at.as_secs_f64() * self.rate - counts.sends as f64;
        say(&format!("{line}{}", so_far(&counts, behind, self.rate)));
        Ok(())
    }

    fn ended(&mut self, measured: &Measured, figures: &mut Vec<(&'static str, f64)>) -> Result<Vec<String>, String> {
        if signals::run_is_ended() && measured.duration < self.duration {
            let lasted = humantime::format_duration(Duration::from_secs(measured.duration.as_secs()));
            say(&format!("ended by a signal after {lasted}"));
        }
        let figure = |of: &str| figures.iter().find(|(name, _)| *name == of).map_or(0, |figure| figure.1 as i64);
        let (cut, back) = (figure("people cut off"), figure("people back"));
        let there = measured.present as i64 - self.people as i64;
        let meant = [
            ("accounts", 0),
            ("groups", 0),
            ("online", there),
            ("sessions", there),
            ("connections", there),
            ("epoch", 0),
            ("entries in inboxes", (measured.all.sends + measured.all.deliveries) as i64),
            ("sessions begun", back),
            ("sessions ended", cut),
        ];
        let (now, different) = self.settled(&self.gathered, &meant)?;
        for (name, _) in meant.iter().filter(|(name, _)| now.contains_key(name)) {
            say(&format!("{name}: {} before, {} at the end", HumanCount(self.gathered[name]), HumanCount(now[name])));
        }
        figures.push(("counters compared", meant.iter().filter(|(name, _)| now.contains_key(name)).count() as f64));
        if let (Some(warm), Some(memory)) = (self.warm, measured.memory) {
            figures.push(("rss after a tenth bytes", warm as f64));
            figures.push(("rss at the end of that ratio", memory.rss as f64 / warm as f64));
        }
        Ok(different)
    }
}

/// Counters that changed by something else than what is meant; those that the server does not count are left out.
fn differences(since: &Counted, now: &Counted, meant: &[(&'static str, i64)]) -> Vec<String> {
    let different = meant.iter().filter_map(|(name, meant)| {
        let counted = *now.get(name)? as i64 - *since.get(name)? as i64;
        (counted != *meant).then(|| format!("{name}: the server counted {counted}, and loadgen {meant}"))
    });
    different.collect()
}

/// What makes the run count for nothing already, in words.
fn so_far(counts: &Checked, behind: f64, rate: f64) -> String {
    let late = if behind > rate * LATE_S {
        format!("; {} late", reports::count(behind.round() as u64, "send", "sends"))
    } else {
        String::new()
    };
    let wrong = [(counts.duplicated, "arrived twice"), (counts.reordered, "arrived out of order")];
    let wrong = wrong.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
    wrong.chain([late]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_counter_and_both_numbers() {
        let since = Counted::from([("accounts", 10), ("online", 5)]);
        let now = Counted::from([("accounts", 10), ("online", 3)]);
        assert!(differences(&since, &now, &[("accounts", 0), ("online", -2), ("messages", 7)]).is_empty());
        let different = differences(&since, &now, &[("accounts", 1), ("online", -2)]);
        assert_eq!(different, ["accounts: the server counted 0, and loadgen 1"]);
    }

    #[test]
    fn a_line_says_what_is_wrong_already() {
        assert_eq!(so_far(&Checked::default(), 9.0, 100.0), "");
        let counts = Checked { duplicated: 2, reordered: 1, ..Checked::default() };
        assert_eq!(so_far(&counts, 11.0, 100.0), "; 2 arrived twice; 1 arrived out of order; 11 sends late");
    }
}
