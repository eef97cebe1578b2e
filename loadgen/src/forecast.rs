//! How long a call will take at least, which is said before its first run; and, while it takes longer, why that may go on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::compare::{PAUSE, Plan};
use crate::reports::count;
use crate::results::Run;

/// Up to here it is said in seconds, from here on in minutes.
const MINUTES: Duration = Duration::from_secs(120);

/// How many runs these plans are, and how long they take at least. What a server's start takes is no part of it, nor whatever else takes as long as
/// it takes: connecting, what arrives late, and waiting until the cores are near.
pub fn words<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> String {
    let (mut runs, mut long) = (0, Duration::ZERO);
    for plan in plans {
        let (more, each) = round(plan);
        runs += more * u64::from(plan.rounds);
        long = long.saturating_add(each.saturating_mul(plan.rounds));
    }
    let (runs, long) = (count(runs, "run", "runs"), humantime::format_duration(rounded(long)));
    format!("{runs}: about {long} at least, void runs aside")
}

/// The runs of one round, and how long they take at least. What a system cannot do takes no time.
fn round(plan: &Plan) -> (u64, Duration) {
    let (mut runs, mut long) = (0, Duration::ZERO);
    for load in &plan.loads {
        for _ in plan.systems.iter().filter(|system| load.suits(**system).is_ok()) {
            runs += 1;
            long = long.saturating_add(PAUSE).saturating_add(load.at_least(plan.timing));
        }
    }
    (runs, long)
}

/// To whole seconds, or minutes where there are some.
fn rounded(long: Duration) -> Duration {
    let unit = if long < MINUTES { 1 } else { 60 };
    Duration::from_secs((long.as_secs_f64() / unit as f64).round().max(1.0) as u64).saturating_mul(unit)
}

/// Watches how many runs of a call count for nothing.
#[derive(Debug, Default)]
pub struct Prospects {
    /// Whether each of the last runs is void.
    recent: VecDeque<bool>,
}

impl Prospects {
    /// So many runs are looked at.
    const RECENT: usize = 12;
    /// From so many void ones on it is said, and said again when all of them have been replaced.
    const MANY: usize = 8;

    /// Another run is over: what is to be said about how many are void, if it is time to.
    pub fn after(&mut self, run: &Run) -> Option<String> {
        self.recent.push_back(!run.void.is_empty());
        if self.recent.len() < Self::RECENT {
            return None;
        }
        let void = self.recent.iter().filter(|is_void| **is_void).count();
        if void < Self::MANY {
            self.recent.pop_front();
            return None;
        }
        self.recent.clear();
        Some(format!(
            "{void} of the last {} runs count for nothing, for the reasons said. Where that is the machine's doing, this call may take several times as long, or end without figures: a quieter hour or machine is quicker",
            Self::RECENT
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::broker::Broker;
    use crate::fleet::Timing;
    use crate::load::{DURABLE, Load};
    use crate::measure::OnTime;
    use crate::server::{Cores, Place};
    use crate::system::named;
    use crate::workload::{Pace, Weather};

    const PAIR: Load = Load::Pair { pairs: 1, payload: 64, pace: None, name: "pair" };

    /// So many rounds of these loads on these systems, each run measured for so many milliseconds behind 300 ms.
    fn plan(loads: &[Load], systems: &[&str], rounds: u32, duration_ms: u64) -> Plan {
        Plan {
            loads: loads.to_vec(),
            systems: systems.iter().map(|name| named(name).unwrap()).collect(),
            rounds,
            pool: 1,
            attempts: 3,
            timing: Timing {
                warm_up: Duration::from_millis(300),
                duration: Duration::from_millis(duration_ms),
                spin: Duration::ZERO,
                on_time: OnTime::P99,
                server_core: Some(0),
                at_most_ns: None,
            },
            place: Place {
                cores: Cores { server: 0, load: 1 },
                folder: PathBuf::new(),
                broker: Broker::new(None),
                spin: Duration::ZERO,
                tethers: false,
            },
        }
    }

    #[test]
    fn every_run_of_every_plan_is_in_it() {
        // 300 ms of pause, 300 of warm-up, 1,200 measured, 100 around that
        let one = plan(&[PAIR], &["floor"], 1, 1_200);
        assert_eq!(words([&one]), "1 run: about 2s at least, void runs aside");
        let many = plan(&[PAIR, PAIR], &["floor", "nats", "redis"], 9, 1_200);
        assert_eq!(words([&many]), "54 runs: about 1m 43s at least, void runs aside");
        assert_eq!(words([&many, &one, &many]), "109 runs: about 3m at least, void runs aside");
        let hours = plan(&[PAIR], &["floor", "nats"], 1_000, 2_500);
        assert_eq!(words([&hours]), "2,000 runs: about 1h 47m at least, void runs aside");
    }

    #[test]
    fn some_loads_have_a_length_of_their_own() {
        let least = |load| round(&plan(&[load], &["floor"], 1, 1_200)).1;
        let usual = least(PAIR);
        let weather = Weather { pairs: 1, rate: 1.0, people: 1, storms: 4 };
        assert_eq!(least(Load::Storm { weather, payload: 64 }) - usual, Duration::from_secs(4));
        assert_eq!(least(Load::Idle { connections: 1 }) - usual, Duration::from_secs(2));
        assert_eq!(least(Load::SignIn { people: 2, at_once: 1 }), usual);
    }

    #[test]
    fn what_a_system_cannot_do_takes_no_time() {
        let durable = Load::Pair { pairs: 1, payload: 64, pace: Some(Pace::Window(1)), name: DURABLE };
        let both = plan(&[durable], &["nats", "floor-synced"], 3, 700);
        assert_eq!(words([&both]), "3 runs: about 4s at least, void runs aside");
    }

    #[test]
    fn no_length_is_too_long() {
        let ages = plan(&[PAIR, PAIR], &["floor"], 1_000, u64::MAX);
        assert!(words([&ages]).ends_with(" at least, void runs aside"));
    }

    #[test]
    fn it_is_said_when_most_runs_count_for_nothing_and_not_behind_each() {
        let named = named("floor").unwrap();
        let counts = crate::measure::empty(&PAIR, named);
        let void = Run { void: vec!["other work took 9 % of a core".into()], ..counts.clone() };
        let said = |prospects: &mut Prospects, runs: &[&Run]| {
            runs.iter().map(|run| prospects.after(run).is_some()).collect::<Vec<_>>()
        };
        let mut prospects = Prospects::default();
        assert_eq!(said(&mut prospects, &[&void; 11]), [false; 11]);
        assert!(prospects.after(&counts).unwrap().starts_with("11 of the last 12 runs count for nothing"));
        assert_eq!(said(&mut prospects, &[&void; 12]), [&[false; 11][..], &[true]].concat());
        assert_eq!(said(&mut prospects, &[&counts; 12]), [false; 12]);
        // they are looked at anew behind each run, not by the dozen
        assert_eq!(said(&mut prospects, &[&void; 8]), [&[false; 7][..], &[true]].concat());
    }
}
