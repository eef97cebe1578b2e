//! What ringdove has to reach beside its floor and its rivals: which load, which figure, and which bound.

use std::ops::Range;

use clap::ValueEnum;

use crate::load::{DURABLE, Load};
use crate::pool;
use crate::results::Run;
use crate::workload::{Pace, Weather};

/// Those that a goal may name as rivals, as they come.
const RIVALS: &[&str] = &["nats", "redis", "redis-replies", "mosquitto"];
/// Those that keep what they answer.
const KEEPERS: &[&str] = &["redis-streams", "jetstream"];
/// Bytes of a text, unless a goal is about larger ones.
const PAYLOAD: usize = 64;
/// Sends under way at a time in pairs, where as much as goes through is measured. No single number shows that: more of them make more messages up to
/// where a system has enough to do at a time, and that is not the same for all.
const WINDOWS: [u64; 4] = [1_000, 4_000, 16_000, 32_000];
/// The same with texts of 1 KiB, of which 4,000 are 4 MB.
const WINDOWS_1K: [u64; 2] = [1_000, 4_000];

/// What ringdove has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// One message in flight: A sends, B answers on delivery, both sends are acknowledged.
    RoundTrip,
    /// 50 pairs, 50,000 sends a second.
    #[value(name = "open-50k")]
    Open50k,
    /// 50 pairs, 100,000 sends a second.
    #[value(name = "open-100k")]
    Open100k,
    /// 50 pairs, as much as goes through: the best of 1,000, 4,000, 16,000 and 32,000 sends under way, each system's own.
    PairMaximum,
    /// A group of 100, 500 and 2,000, as much as goes through.
    FanoutMaximum,
    /// 100 sends a second to a group of 500: until the last member has it.
    LastMember,
    /// Texts of 1 KiB, as much as goes through: 50 pairs, the best of 1,000 and 4,000 sends under way, each system's own; and a group of 100.
    #[value(name = "payload-1k")]
    Payload1k,
    /// 10,000 connections that say nothing.
    Idle,
    /// Connections that are accepted and signed in by token.
    SignIn,
    /// Level `disk`, 256 sends at a time.
    #[value(name = "disk-256")]
    Disk256,
    /// Level `disk`, one send at a time.
    #[value(name = "disk-1")]
    Disk1,
    /// 10,000 people are cut off at once and come back at once, while 100 pairs write.
    Storm,
}

/// Under which of a goal's loads, by their places, a figure is taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Under {
    /// This one.
    One(usize),
    /// This one of several that are judged together: told and held against their bound, and no goal of its own.
    Alone(usize),
    /// All of these: each system is judged by the best that it reaches under any of them, in each pool anew.
    BestOf(Range<usize>),
}

/// What stands beside ringdove's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beside {
    /// Nothing: the bound is a plain number.
    Nothing,
    /// The figure of one system.
    One(&'static str),
    /// The best of the figures that these reached, each its own median of the pool.
    Best(&'static [&'static str]),
    /// ringdove's own figure under another of the goal's loads.
    Load(usize),
}

/// What a ratio, or a plain figure, has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The median at most this.
    AtMost(f64),
    /// The median at least this.
    AtLeast(f64),
    /// Below this in every pool.
    AlwaysBelow(f64),
    /// Above this in every pool.
    AlwaysAbove(f64),
}

/// A figure of a run.
pub type Figure = fn(&Run) -> Option<f64>;

/// A figure, and what it has to be.
pub struct Measure {
    /// Which figure, with its unit.
    pub name: &'static str,
    /// Under which of the goal's loads.
    pub under: Under,
    /// The figure.
    pub of: Figure,
    /// Beside what.
    pub beside: Beside,
    /// What it has to be.
    pub bound: Bound,
}

/// How a goal is measured.
pub struct Course {
    /// What is run.
    pub loads: Vec<Load>,
    /// ringdove, as it takes part.
    pub ringdove: &'static str,
    /// Who stands beside it.
    pub others: Vec<&'static str>,
    /// What is looked at.
    pub measures: Vec<Measure>,
}

const SENDS: Figure = |run| Some(run.sends_per_s);
const DELIVERIES: Figure = |run| Some(run.deliveries_per_s);
const ALL_BACK: Figure = |run| run.figures.get("all back s").copied();
const STORM_TO_CALM: Figure = |run| run.figures.get("service in the storm p99 ratio").copied();
const CPU: Figure = |run| run.cpu.server_s_per_million_deliveries;

fn percentile(run: &Run, of: &str, percentile: &str) -> Option<f64> {
    let latency = run.latencies.iter().find(|latency| latency.of == of && latency.kind == "response")?;
    latency.percentiles_us.get(percentile).copied()
}

fn pairs(pairs: usize, payload: usize, pace: Option<Pace>) -> Load {
    Load::Pair { pairs, payload, pace, name: "pair" }
}

/// 50 pairs, once with each of these numbers of sends under way.
fn windows(windows: &[u64], payload: usize) -> Vec<Load> {
    windows.iter().map(|window| pairs(50, payload, Some(Pace::Window(*window)))).collect()
}

fn durable(window: u64) -> Load {
    Load::Pair { pairs: 32, payload: PAYLOAD, pace: Some(Pace::Window(window)), name: DURABLE }
}

fn group(members: usize, payload: usize) -> Load {
    Load::Fanout { groups: 1, members, payload, pace: Pace::Window(16) }
}

impl Under {
    /// The loads, by their places; at least one.
    pub fn loads(&self) -> Range<usize> {
        match self {
            Self::One(load) | Self::Alone(load) => *load..load + 1,
            Self::BestOf(loads) => loads.clone(),
        }
    }

    /// Several loads that are judged together, and then each of them alone.
    fn best_and_alone(loads: Range<usize>) -> impl Iterator<Item = Self> {
        std::iter::once(Self::BestOf(loads.clone())).chain(loads.map(Self::Alone))
    }
}

impl Goal {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How it is measured.
    pub fn course(self) -> Course {
        use Beside::{Best, Load as OtherLoad, Nothing, One};
        use Bound::{AlwaysAbove, AlwaysBelow, AtLeast, AtMost};
        let measure = |name, of, beside, bound| Measure { name, under: Under::One(0), of, beside, bound };
        let course = |loads, others: &[&'static str], measures| Course {
            loads,
            ringdove: "ringdove",
            others: others.to_vec(),
            measures,
        };
        match self {
            Self::RoundTrip => {
                let p50: Figure = |run| percentile(run, "round trip", "p50");
                let others: Vec<_> = ["floor", "floor-sleeping"].iter().chain(RIVALS).copied().collect();
                course(
                    vec![pairs(1, PAYLOAD, None)],
                    &others,
                    vec![
                        measure("p50 us", p50, One("floor"), AtMost(1.3)),
                        measure("p50 us", p50, Best(RIVALS), AlwaysBelow(1.0)),
                    ],
                )
            }
            Self::Open50k => {
                let others: Vec<_> = ["floor", "floor-sleeping"].iter().chain(RIVALS).copied().collect();
                course(
                    vec![pairs(50, PAYLOAD, Some(Pace::Rate(50_000.0)))],
                    &others,
                    vec![measure("p50 us", |run| percentile(run, "delivery", "p50"), Best(RIVALS), AtMost(0.7))],
                )
            }
            Self::Open100k => course(
                vec![pairs(50, PAYLOAD, Some(Pace::Rate(100_000.0)))],
                &["floor-sleeping", "floor"],
                vec![measure("p90 us", |run| percentile(run, "delivery", "p90"), One("floor-sleeping"), AtMost(1.0))],
            ),
            Self::PairMaximum => {
                let loads = windows(&WINDOWS, PAYLOAD);
                let messages = |under: Under| {
                    [("nats", 1.0), ("redis-replies", 1.2)].map(|(other, least)| Measure {
                        under: under.clone(),
                        ..measure("messages/s", SENDS, One(other), AtLeast(least))
                    })
                };
                let cost = |load| Measure {
                    under: Under::One(load),
                    ..measure("CPU s/million", CPU, One("floor"), AtMost(1.8))
                };
                let all = 0..loads.len();
                let measures = Under::best_and_alone(all.clone()).flat_map(messages).chain(all.map(cost)).collect();
                course(loads, &["floor", "nats", "redis", "redis-replies"], measures)
            }
            Self::FanoutMaximum => {
                let others: Vec<_> = std::iter::once(&"floor").chain(RIVALS).copied().collect();
                let loads = vec![group(100, PAYLOAD), group(500, PAYLOAD), group(2_000, PAYLOAD)];
                let each = |load| {
                    let under = Under::One(load);
                    let measure = move |beside, bound| Measure {
                        under: under.clone(),
                        ..measure("deliveries/s", DELIVERIES, beside, bound)
                    };
                    [measure(One("floor"), AtLeast(0.95)), measure(Best(RIVALS), AlwaysAbove(1.0))]
                };
                let mut measures: Vec<_> = (0..loads.len()).flat_map(each).collect();
                measures
                    .push(Measure { under: Under::One(2), ..measure("CPU s/million", CPU, OtherLoad(0), AtMost(1.6)) });
                course(loads, &others, measures)
            }
            Self::LastMember => course(
                vec![Load::Fanout { groups: 1, members: 500, payload: PAYLOAD, pace: Pace::Rate(100.0) }],
                &["floor", "nats", "redis", "mosquitto"],
                vec![measure("p50 us", |run| percentile(run, "last member", "p50"), One("floor"), AtMost(1.1))],
            ),
            Self::Payload1k => {
                let mut loads = windows(&WINDOWS_1K, 1_024);
                let (pairs, in_group) = (0..loads.len(), loads.len());
                loads.push(group(100, 1_024));
                let deliveries =
                    |under| Measure { under, ..measure("deliveries/s", DELIVERIES, One("floor"), AtLeast(0.8)) };
                let unders = Under::best_and_alone(pairs).chain([Under::One(in_group)]);
                course(loads, &["floor", "nats", "redis"], unders.map(deliveries).collect())
            }
            Self::Idle => course(
                vec![Load::Idle { connections: 10_000 }],
                &["floor", "nats", "redis", "mosquitto"],
                vec![measure(
                    "bytes/connection",
                    |run| run.memory.map(|memory| memory.process_bytes_per_connection),
                    Nothing,
                    AtMost(500.0),
                )],
            ),
            Self::SignIn => course(
                vec![Load::SignIn { people: 9_000, at_once: 64 }],
                &["floor", "nats", "redis", "mosquitto"],
                vec![measure("sign-ins/s", SENDS, Nothing, AtLeast(15_000.0))],
            ),
            Self::Disk256 => {
                let others: Vec<_> = std::iter::once(&"floor-synced").chain(KEEPERS).copied().collect();
                let measures = vec![
                    measure("messages/s", SENDS, One("floor-synced"), AtLeast(0.85)),
                    measure("messages/s", SENDS, Best(KEEPERS), AtLeast(3.0)),
                ];
                Course { ringdove: "ringdove-disk", ..course(vec![durable(256)], &others, measures) }
            }
            Self::Disk1 => {
                let p50: Figure = |run| percentile(run, "answer", "p50");
                let measures = vec![measure("answer p50 us", p50, One("floor-synced"), AtMost(1.2))];
                let others = ["floor-synced", "redis-streams"];
                Course { ringdove: "ringdove-disk", ..course(vec![durable(1)], &others, measures) }
            }
            Self::Storm => {
                let weather = Weather { pairs: 100, rate: 10_000.0, people: 10_000, storms: 4 };
                let measures = vec![
                    measure("s until all are back", ALL_BACK, Nothing, AtMost(2.0)),
                    measure("p99, storm to calm", STORM_TO_CALM, Nothing, AtMost(3.0)),
                ];
                course(vec![Load::Storm { weather, payload: PAYLOAD }], &["floor"], measures)
            }
        }
    }
}

impl Bound {
    /// In words, where so many rounds make a pool.
    pub fn words(self, pool: u32) -> String {
        let each = pool::one(pool);
        match self {
            Self::AtMost(bound) => format!("at most {bound}"),
            Self::AtLeast(bound) => format!("at least {bound}"),
            Self::AlwaysBelow(bound) => format!("below {bound} in every {each}"),
            Self::AlwaysAbove(bound) => format!("above {bound} in every {each}"),
        }
    }

    /// Whether a smaller figure is the better one.
    pub fn wants_less(self) -> bool {
        matches!(self, Self::AtMost(_) | Self::AlwaysBelow(_))
    }

    /// What came of it, from sorted figures of at least one pool. A goal inside the spread is undecided.
    pub fn judge(self, sorted: &[f64], median: f64) -> &'static str {
        let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
        match self {
            Self::AlwaysBelow(bound) if high < bound => "reached",
            Self::AlwaysAbove(bound) if low > bound => "reached",
            Self::AlwaysBelow(_) | Self::AlwaysAbove(_) => "missed",
            Self::AtMost(bound) | Self::AtLeast(bound) => {
                let good = if self.wants_less() { median <= bound } else { median >= bound };
                match (low <= bound && bound <= high, good) {
                    (true, true) => "undecided: inside the spread, the median reaches it",
                    (true, false) => "undecided: inside the spread, the median misses it",
                    (false, true) => "reached",
                    (false, false) => "missed",
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_inside_the_spread_is_undecided() {
        let judge = |bound: Bound, low: f64, median: f64, high: f64| bound.judge(&[low, median, high], median);
        assert_eq!(judge(Bound::AtMost(1.5), 1.1, 1.2, 1.4), "reached");
        assert_eq!(judge(Bound::AtMost(1.5), 1.6, 1.7, 1.8), "missed");
        assert!(judge(Bound::AtLeast(0.6), 0.5, 0.65, 0.7).starts_with("undecided"));
        assert_eq!(judge(Bound::AtLeast(0.6), 0.65, 0.7, 0.8), "reached");
        assert_eq!(judge(Bound::AlwaysBelow(1.0), 0.5, 0.7, 0.99), "reached");
        assert_eq!(judge(Bound::AlwaysAbove(1.0), 0.99, 1.4, 1.5), "missed");
    }

    #[test]
    fn every_system_of_a_goal_is_known() {
        for goal in Goal::value_variants() {
            let course = goal.course();
            for name in course.others.iter().chain([&course.ringdove]) {
                assert!(crate::system::named(name).is_ok(), "{goal:?} names {name}");
            }
            for measure in &course.measures {
                let under = measure.under.loads();
                assert!(!under.is_empty() && under.end <= course.loads.len(), "{goal:?} is judged under {under:?}");
                let named: Vec<&str> = match measure.beside {
                    Beside::One(name) => vec![name],
                    Beside::Best(names) => names.to_vec(),
                    Beside::Load(load) => {
                        assert!(load < course.loads.len(), "{goal:?} is judged beside {load}");
                        Vec::new()
                    }
                    Beside::Nothing => Vec::new(),
                };
                assert!(named.iter().all(|name| course.others.contains(name)), "{goal:?}");
            }
        }
    }

    /// Loads that are judged together are of one workload, and each of them is told alone, held against the same bound, and nothing else is.
    #[test]
    fn whatever_is_judged_together_is_also_told_alone() {
        for goal in Goal::value_variants() {
            let course = goal.course();
            let said = |measure: &Measure| (measure.name, measure.beside, measure.bound);
            let alone = || course.measures.iter().filter(|measure| matches!(measure.under, Under::Alone(_)));
            let mut told = 0;
            for whole in course.measures.iter().filter(|measure| matches!(measure.under, Under::BestOf(_))) {
                let parts = alone().filter(|part| said(part) == said(whole)).flat_map(|part| part.under.loads());
                assert!(parts.eq(whole.under.loads()), "{goal:?}: {} {:?}", whole.name, whole.beside);
                let mut workloads = course.loads[whole.under.loads()].iter().map(|load| load.case().workload);
                let first = workloads.next();
                assert!(workloads.all(|other| Some(other) == first), "{goal:?}");
                told += whole.under.loads().len();
            }
            assert_eq!(alone().count(), told, "{goal:?}");
        }
    }
}
