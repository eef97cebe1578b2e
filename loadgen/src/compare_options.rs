//! What can be typed behind `loadgen compare`: workloads, systems, and the settings that are swept.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::command_line::{PlaceOptions, count, duration, members, payload, rate, reconnects, writers};
use crate::compare::Plan;
use crate::fleet::Timing;
use crate::goals::{Course, Goal};
use crate::load::{DURABLE, Load};
use crate::measure::OnTime;
use crate::system::{self, System};
use crate::verdict::ENOUGH;
use crate::workload::{Pace, Rates, Weather};

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Pairs: round trips of one pair, an open loop of 50,000 sends a second, and as much as goes through, unless settings say otherwise.
    Pair,
    /// Groups of 100, 500 and 2,000 members, as much as goes through, unless settings say otherwise.
    Fanout,
    /// 32 pairs, with 1 and 256 sends at a time that are not over.
    Durable,
    /// 200 people, 10,000 sends a second, one in five to groups of 20, while 20 people a second are cut off and come back, unless settings
    /// say otherwise.
    Mixed,
    /// 10,000 people who lose their connections at once and come back, beside 100 pairs with 2,000 sends a second, unless settings say otherwise.
    Storm,
    /// 1,000 and 10,000 connections that say nothing.
    Idle,
    /// People who connect, sign in and leave.
    SignIn,
}

/// The comparison.
#[derive(Debug, Args)]
pub struct CompareOptions {
    /// What is run; may be said several times.
    #[arg(long, value_enum, required = true, value_delimiter = ',')]
    workload: Vec<Kind>,
    /// On what, see `loadgen systems`.
    #[arg(long, value_delimiter = ',', value_parser = system::named, required = true)]
    systems: Vec<&'static dyn System>,
    /// Rounds; in each every system runs everything once.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// How often a run that counts for nothing is tried, at most.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: u32,
    /// Where results and the report are kept; those that are there stay.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How long is measured in a run.
    #[arg(long, default_value = "5s", value_parser = duration)]
    duration: Duration,
    /// Before that, not measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Up to which percentile the load has to be on time: its lag at most a tenth of the response.
    #[arg(long, value_enum, default_value = "p99")]
    on_time: OnTime,
    /// Pairs.
    #[arg(long, value_parser = count, value_delimiter = ',')]
    pairs: Vec<usize>,
    /// Groups.
    #[arg(long, default_value_t = 1, value_parser = count)]
    groups: usize,
    /// Members of a group, the sender among them.
    #[arg(long, value_parser = members, value_delimiter = ',')]
    members: Vec<usize>,
    /// Bytes of a text.
    #[arg(long, value_parser = payload, value_delimiter = ',', default_value = "64")]
    payload: Vec<usize>,
    /// Closed loop: so many sends at a time that are not over.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    window: Vec<u64>,
    /// Open loop: so many sends a second.
    #[arg(long, value_delimiter = ',', value_parser = rate)]
    rate: Vec<f64>,
    /// People who write to each other in `mixed`.
    #[arg(long, value_parser = writers, value_delimiter = ',', default_value = "200")]
    people: Vec<usize>,
    /// People who are cut off a second in `mixed`.
    #[arg(long, value_parser = reconnects, value_delimiter = ',', default_value = "20")]
    reconnects: Vec<f64>,
    /// Storms in one run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    storms: u32,
    /// People who lose their connections in `storm`, idle connections, and people who sign in.
    #[arg(long, value_delimiter = ',', value_parser = count)]
    connections: Vec<usize>,
    /// Where servers are started.
    #[command(flatten)]
    pub place: PlaceOptions,
}

impl CompareOptions {
    /// The plan.
    ///
    /// # Errors
    /// A system is named twice, or server and load share a core.
    pub fn plan(&self) -> Result<Plan, String> {
        each_once(&self.systems)?;
        Ok(Plan {
            loads: self.workload.iter().flat_map(|kind| self.loads(*kind)).collect(),
            systems: self.systems.clone(),
            rounds: self.rounds,
            pool: 1,
            attempts: self.attempts,
            // the load never sleeps: waking it would be counted as the server's work, and with clients on other machines it is not
            timing: Timing {
                warm_up: self.warmup,
                duration: self.duration,
                spin: Duration::from_secs(1),
                on_time: self.on_time,
                server_core: self.place.place().cores.server_apart(),
                at_most_ns: None,
            },
            place: self.place.of_two_cores()?,
        })
    }

    /// Every combination of the settings that a workload has.
    fn loads(&self, kind: Kind) -> Vec<Load> {
        let mut loads = Vec::new();
        match kind {
            Kind::Pair | Kind::Durable => {
                let name = if kind == Kind::Pair { "pair" } else { DURABLE };
                for (payload, pace) in self.each(&self.payload, &self.paces(kind)) {
                    let usual = if pace.is_none() { 1 } else { 50 };
                    let usual = if kind == Kind::Durable { 32 } else { usual };
                    let load = |pairs| Load::Pair { pairs, payload, pace, name };
                    loads.extend(or(&self.pairs, &[usual]).into_iter().map(load));
                }
            }
            Kind::Fanout => {
                for (payload, pace) in self.each(&self.payload, &self.paces(kind)) {
                    let pace = pace.unwrap_or(Pace::Window(16));
                    let load = |members| Load::Fanout { groups: self.groups, members, payload, pace };
                    loads.extend(or(&self.members, &[100, 500, 2_000]).into_iter().map(load));
                }
            }
            Kind::Mixed => {
                let rates = self.each(&or(&self.rate, &[10_000.0]), &self.reconnects);
                let sizes = self.each(&self.people, &or(&self.members, &[20]));
                for (payload, (sends, reconnects)) in self.each(&self.payload, &rates) {
                    let rates = Rates { sends, reconnects };
                    let load = |(people, members)| Load::Mixed { people, members, payload, rates, name: "mixed" };
                    loads.extend(sizes.iter().copied().map(load));
                }
            }
            Kind::Storm => {
                let sizes = self.each(&or(&self.pairs, &[100]), &or(&self.connections, &[10_000]));
                for (payload, rate) in self.each(&self.payload, &or(&self.rate, &[2_000.0])) {
                    let weather = |(pairs, people)| Weather { pairs, rate, people, storms: self.storms };
                    loads.extend(sizes.iter().copied().map(|size| Load::Storm { weather: weather(size), payload }));
                }
            }
            Kind::Idle => {
                let load = |connections| Load::Idle { connections };
                loads.extend(or(&self.connections, &[1_000, 10_000]).into_iter().map(load));
            }
            Kind::SignIn => {
                let load = |people| Load::SignIn { people, at_once: 64 };
                loads.extend(or(&self.connections, &[9_000]).into_iter().map(load));
            }
        }
        loads
    }

    fn paces(&self, kind: Kind) -> Vec<Option<Pace>> {
        let windows = self.window.iter().map(|window| Some(Pace::Window(*window)));
        let said: Vec<_> = windows.chain(self.rate.iter().map(|rate| Some(Pace::Rate(*rate)))).collect();
        let usual: &[Option<Pace>] = match kind {
            Kind::Pair => &[None, Some(Pace::Rate(50_000.0)), Some(Pace::Window(1_000))],
            Kind::Durable => &[Some(Pace::Window(1)), Some(Pace::Window(256))],
            Kind::Fanout => &[Some(Pace::Window(16))],
            Kind::Mixed | Kind::Storm | Kind::Idle | Kind::SignIn => &[],
        };
        or(&said, usual)
    }

    fn each<A: Copy, B: Copy>(&self, first: &[A], second: &[B]) -> Vec<(A, B)> {
        first.iter().flat_map(|one| second.iter().map(move |other| (*one, *other))).collect()
    }
}

/// The goals.
#[derive(Debug, Args)]
pub struct GoalsOptions {
    /// Only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    goal: Vec<Goal>,
    /// Rounds; in each ringdove and everyone beside it run once.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// So many rounds behind each other are judged as one, by the median of each system's figures in them.
    #[arg(long, value_name = "ROUNDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pool: u32,
    /// How often a run that counts for nothing is tried, at most.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: u32,
    /// How long is measured in a run.
    #[arg(long, default_value = "2500ms", value_parser = duration)]
    duration: Duration,
    /// Before that, not measured.
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Only beside these; by default beside all that a goal names and that are on this machine.
    #[arg(long, value_delimiter = ',', value_parser = system::named)]
    systems: Vec<&'static dyn System>,
    /// Where results and the report are kept; those that are there stay.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where servers are started.
    #[command(flatten)]
    pub place: PlaceOptions,
}

impl GoalsOptions {
    /// Which goals.
    pub fn goals(&self) -> Vec<Goal> {
        if self.goal.is_empty() { Goal::value_variants().to_vec() } else { self.goal.clone() }
    }

    /// How one of them is measured here, and who of those that it names is not on this machine.
    ///
    /// # Errors
    /// A system has no such name or is named twice, a pool would lack rounds, or server and load share a core.
    pub fn plan(&self, course: &Course) -> Result<(Plan, Vec<String>), String> {
        each_once(&self.systems)?;
        self.whole_pools()?;
        let place = self.place.of_two_cores()?;
        let (mut systems, mut missing) = (vec![system::named(course.ringdove)?], Vec::new());
        for name in &course.others {
            let other = system::named(name)?;
            if !self.systems.is_empty() && !self.systems.iter().any(|wanted| wanted.name() == *name) {
                continue;
            }
            match other.version(&place) {
                Ok(_) => systems.push(other),
                Err(why) => missing.push(why),
            }
        }
        let plan = Plan {
            loads: course.loads.clone(),
            systems,
            rounds: self.rounds,
            pool: self.pool,
            attempts: self.attempts,
            // the load never sleeps, as in comparisons, and the goals of open loops are about p50 and p90
            timing: Timing {
                warm_up: self.warmup,
                duration: self.duration,
                spin: Duration::from_secs(1),
                on_time: OnTime::P90,
                server_core: place.cores.server_apart(),
                at_most_ns: None,
            },
            place,
        };
        Ok((plan, missing))
    }

    fn whole_pools(&self) -> Result<(), String> {
        let Self { rounds, pool, .. } = self;
        if rounds.is_multiple_of(*pool) {
            return Ok(());
        }
        let enough = ENOUGH * pool;
        Err(format!(
            "--rounds {rounds} is no multiple of --pool {pool}: the last pool would lack rounds (a goal is decided by {ENOUGH} pools, which is --rounds {enough})"
        ))
    }
}

fn each_once(systems: &[&'static dyn System]) -> Result<(), String> {
    let twice = |place: &usize| systems[..*place].iter().any(|before| before.name() == systems[*place].name());
    match (0..systems.len()).find(twice) {
        Some(place) => Err(format!("--systems names {} twice", systems[place].name())),
        None => Ok(()),
    }
}

/// What was said, or else what is usual.
fn or<T: Clone>(said: &[T], usual: &[T]) -> Vec<T> {
    if said.is_empty() { usual.to_vec() } else { said.to_vec() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::command_line::{Command, CommandLine};
    use crate::goals::Goal;

    /// What a comparison is refused for.
    fn compare(words: &[&str]) -> Result<(), String> {
        let usual = ["loadgen", "compare", "--workload", "pair", "--out", "out"];
        match CommandLine::parse_from(usual.iter().chain(words)).command {
            Command::Compare(options) => options.plan().map(drop),
            other => panic!("{other:?}"),
        }
    }

    fn goals(words: &[&str]) -> Result<(), String> {
        match CommandLine::parse_from(["loadgen", "goals"].iter().chain(words)).command {
            Command::Goals(options) => options.plan(&Goal::Storm.course()).map(drop),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_system_is_named_once() {
        assert_eq!(compare(&["--systems", "floor,nats,redis"]), Ok(()));
        assert_eq!(compare(&["--systems", "floor,nats,floor"]), Err("--systems names floor twice".into()));
        assert_eq!(goals(&["--systems", "nats", "--systems", "nats"]), Err("--systems names nats twice".into()));
    }

    #[test]
    fn every_pool_has_all_its_rounds() {
        assert_eq!(goals(&["--rounds", "45", "--pool", "5"]), Ok(()));
        assert_eq!(goals(&["--rounds", "46"]), Ok(()));
        let why = goals(&["--rounds", "46", "--pool", "5"]).unwrap_err();
        assert!(why.starts_with("--rounds 46 is no multiple of --pool 5: "), "{why}");
        assert!(why.ends_with("which is --rounds 45)"), "{why}");
        assert!(goals(&["--rounds", "2", "--pool", "4"]).unwrap_err().starts_with("--rounds 2 is no multiple of "));
    }

    #[test]
    fn server_and_load_have_a_core_each() {
        let why = compare(&["--systems", "floor", "--load-core", "0"]).unwrap_err();
        assert!(why.starts_with("on core 0 server and load would wait for each other"), "{why}");
        assert!(goals(&["--server-core", "1"]).unwrap_err().starts_with("on core 1 "));
        assert_eq!(goals(&["--server-core", "1", "--load-core", "0"]), Ok(()));
    }

    #[test]
    fn data_folders_are_made_where_there_is_a_folder() {
        let why = compare(&["--systems", "floor", "--folder", "no/such"]).unwrap_err();
        assert_eq!(why, "no/such: no folder is there (say another --folder)");
    }
}
