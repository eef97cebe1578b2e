//! ringdove beside its floor: the same loads against both, in turns, and the ratios of what came out.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::fleet::Timing;
use crate::load::{FanoutLoad, PairLoad, Target, fanout, pair};
use crate::report::Report;
use crate::servers::{Cores, Server};
use crate::workload::{Pace, idle};

/// Bytes of a text, for all goals.
const PAYLOAD: usize = 64;
/// How long whoever spins does so before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// Idle connections.
const IDLE: usize = 10_000;
/// What an idle connection may cost, in bytes.
const IDLE_BYTES: f64 = 1_000.0;

/// What ringdove has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// p50 of a round trip, both spin before they sleep: at most 1.5 times the floor's.
    RoundTripSpinning,
    /// The same, both sleep in epoll: at most 1.3 times.
    RoundTripSleeping,
    /// One way, 50 pairs, 1,000 outstanding: at least 0.6 times the messages, at most 2.2 times the CPU for each.
    Throughput,
    /// A group of 500, 16 sends outstanding: at least 0.8 times the deliveries.
    Fanout,
    /// 256 sends outstanding over 32 connections, each batch synced: at least 0.6 times the messages.
    Disk,
    /// 10,000 connections that say nothing: at most 1,000 bytes each.
    Idle,
}

/// How goals are measured.
pub struct Comparison {
    /// The broker's binary.
    pub broker: PathBuf,
    /// Rounds, each with a run of both.
    pub rounds: usize,
    /// How long is measured in a run.
    pub duration: Duration,
    /// Where they run.
    pub cores: Cores,
    /// Where data folders are made.
    pub folder: PathBuf,
}

/// A figure of a run, and what its ratio to the floor's has to be.
struct Measure {
    name: &'static str,
    of: fn(&Report) -> f64,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn measures(self) -> Vec<Measure> {
        let p50 = |report: &Report| report.latency("round trip").map_or(f64::NAN, |latency| latency.us(0.5));
        let round_trip = |most| vec![Measure { name: "p50 us", of: p50, bound: Bound::AtMost(most) }];
        let sends = Measure { name: "messages/s", of: Report::sends_per_s, bound: Bound::AtLeast(0.6) };
        match self {
            Self::RoundTripSpinning => round_trip(1.5),
            Self::RoundTripSleeping => round_trip(1.3),
            Self::Throughput => vec![
                sends,
                Measure {
                    name: "CPU ns/message",
                    of: |report| report.server_ns().unwrap_or(f64::NAN),
                    bound: Bound::AtMost(2.2),
                },
            ],
            Self::Fanout => {
                vec![Measure { name: "deliveries/s", of: Report::deliveries_per_s, bound: Bound::AtLeast(0.8) }]
            }
            Self::Disk => vec![sends],
            Self::Idle => Vec::new(),
        }
    }

    fn spin(self) -> Duration {
        if self == Self::RoundTripSleeping { Duration::ZERO } else { SPIN }
    }

    /// How long the load looks for news before it sleeps. Where the most that goes through is measured it never does: waking it would be
    /// counted as the server's work, and with clients on other machines it is not.
    fn load_spin(self) -> Duration {
        match self {
            Self::RoundTripSpinning | Self::RoundTripSleeping => self.spin(),
            Self::Throughput | Self::Fanout | Self::Disk | Self::Idle => Duration::from_secs(1),
        }
    }

    fn run(self, target: &Target, duration: Duration) -> Result<Report, String> {
        let timing = Timing { warm_up: Duration::from_millis(500), duration, spin: self.load_spin() };
        let pairs = |pairs, pace| pair(target, PairLoad { pairs, payload: PAYLOAD, pace }, timing);
        match self {
            Self::RoundTripSpinning | Self::RoundTripSleeping => pairs(1, None),
            Self::Throughput => pairs(50, Some(Pace::Window(1_000))),
            Self::Disk => pairs(32, Some(Pace::Window(256))),
            Self::Fanout => {
                let load = FanoutLoad { groups: 1, members: 500, payload: PAYLOAD, pace: Pace::Window(16) };
                fanout(target, load, timing)
            }
            Self::Idle => {
                let users = target.users(IDLE)?;
                idle(target.address, &users, target.pid.unwrap_or_default(), duration)
            }
        }
    }
}

impl Comparison {
    /// Measures one goal, prints what came out, and returns it.
    ///
    /// # Errors
    /// A server does not start, or a run fails its checks.
    pub fn measure(&self, goal: Goal) -> Result<Value, String> {
        if goal == Goal::Idle {
            return self.measure_idle();
        }
        let mut reports = Vec::new();
        for round in 0..self.rounds {
            // who goes first changes from round to round
            let order = if round % 2 == 0 { [true, false] } else { [false, true] };
            let mut pair = [None, None];
            for floor in order {
                pair[usize::from(floor)] = Some(self.run(goal, floor)?);
            }
            if let [Some(broker), Some(floor)] = pair {
                reports.push((broker, floor));
            }
        }
        let name = goal.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut results = Vec::new();
        for measure in goal.measures() {
            let of = |report: &Report| (measure.of)(report);
            let ratios = sorted(reports.iter().map(|(broker, floor)| of(broker) / of(floor)));
            let broker = median(&sorted(reports.iter().map(|(broker, _)| of(broker))));
            let floor = median(&sorted(reports.iter().map(|(_, floor)| of(floor))));
            let ratio = median(&ratios);
            let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
            let (words, verdict) = measure.bound.judge(ratio, low, high);
            println!(
                "{name:<20} {:<15} ringdove {broker:>12.1}  floor {floor:>12.1}  ratio {ratio:.2} ({low:.2} to {high:.2})  goal {words}: {verdict}",
                measure.name
            );
            results.push(json!({
                "goal": name, "measure": measure.name, "ringdove": broker, "floor": floor, "ratio": ratio,
                "ratios": ratios, "bound": words, "verdict": verdict,
            }));
        }
        Ok(Value::Array(results))
    }

    fn run(&self, goal: Goal, floor: bool) -> Result<Report, String> {
        let disk = goal == Goal::Disk;
        let server = if floor {
            Server::relay(self.cores, goal.spin(), disk, &self.folder)?
        } else {
            let durability = if disk { "disk" } else { "process" };
            Server::ringdove(&self.broker, self.cores, goal.spin(), durability, &self.folder)?
        };
        let target = Target {
            name: if floor { "floor" } else { "ringdove" }.into(),
            address: server.address,
            admin: server.admin.clone(),
            pid: Some(server.pid()),
        };
        goal.run(&target, self.duration)
    }

    fn measure_idle(&self) -> Result<Value, String> {
        let report = self.run(Goal::Idle, false)?;
        let bytes = report.figures.first().map_or(f64::NAN, |(_, bytes)| *bytes);
        let verdict = if bytes <= IDLE_BYTES { "reached" } else { "missed" };
        println!("{:<20} {IDLE} connections   {bytes:.0} bytes each  goal at most {IDLE_BYTES}: {verdict}", "idle");
        Ok(json!([{ "goal": "idle", "connections": IDLE, "bytes": bytes, "bound": IDLE_BYTES, "verdict": verdict }]))
    }
}

impl Bound {
    /// A goal inside the spread is undecided.
    fn judge(self, ratio: f64, low: f64, high: f64) -> (String, &'static str) {
        let (words, bound, good) = match self {
            Self::AtMost(bound) => (format!("at most {bound}"), bound, ratio <= bound),
            Self::AtLeast(bound) => (format!("at least {bound}"), bound, ratio >= bound),
        };
        let verdict = match (low <= bound && bound <= high, good) {
            (true, true) => "undecided (inside the spread, the median reaches it)",
            (true, false) => "undecided (inside the spread, the median misses it)",
            (false, true) => "reached",
            (false, false) => "missed",
        };
        (words, verdict)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_inside_the_spread_is_undecided() {
        assert_eq!(Bound::AtMost(1.5).judge(1.2, 1.1, 1.4).1, "reached");
        assert_eq!(Bound::AtMost(1.5).judge(1.7, 1.6, 1.8).1, "missed");
        assert!(Bound::AtLeast(0.6).judge(0.65, 0.5, 0.7).1.starts_with("undecided"));
        assert_eq!(Bound::AtLeast(0.6).judge(0.7, 0.65, 0.8).1, "reached");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&sorted([3.0, 1.0, 2.0].into_iter())), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
    }
}
