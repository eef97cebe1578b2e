//! Systems side by side: every case on every system in every round, in turns, so that what the machine does meanwhile meets all of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::archive::Archive;
use crate::fleet::Timing;
use crate::load::Load;
use crate::machine;
use crate::measure::{self, Done};
use crate::results::{Comparison, Run, SystemFacts, Verdict};
use crate::server::Place;
use crate::system::System;

/// What is compared, and how.
pub struct Plan {
    /// The loads.
    pub loads: Vec<Load>,
    /// The systems.
    pub systems: Vec<&'static dyn System>,
    /// Rounds.
    pub rounds: u32,
    /// How often a run that counts for nothing is tried, at most.
    pub attempts: u32,
    /// How long.
    pub timing: Timing,
    /// Where servers are started.
    pub place: Place,
    /// Where results are kept; `None`: nowhere.
    pub out: Option<PathBuf>,
}

/// Between the end of a server and the start of the next: what it dirtied goes to disk.
const PAUSE: Duration = Duration::from_millis(300);

/// Makes one run of this load on this system: what came out, and the settings of its server.
type Once<'a> = dyn FnMut(&Load, &'static dyn System) -> (Done, Vec<String>) + 'a;

impl Plan {
    /// Runs it. Each run is kept and told as soon as it is over, and what `judge` makes of all of them is kept after each round.
    ///
    /// # Errors
    /// A system is not on this machine, another loadgen writes into the folder, or the results cannot be kept.
    pub fn run(
        &self,
        tell: &mut dyn FnMut(&Run),
        judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
    ) -> Result<Comparison, String> {
        self.run_by(&mut |load, system| self.once(load, system), tell, judge)
    }

    /// The same, each run made by `once`.
    fn run_by(
        &self,
        once: &mut Once<'_>,
        tell: &mut dyn FnMut(&Run),
        judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
    ) -> Result<Comparison, String> {
        let mut archive = self.out.as_deref().map(Archive::open).transpose()?;
        let mut systems = Vec::new();
        for system in &self.systems {
            systems.push(SystemFacts {
                name: system.name().to_owned(),
                about: system.about().to_owned(),
                version: system.version(&self.place)?,
                settings: Vec::new(),
            });
        }
        let mut comparison = Comparison {
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: command(),
            loadgen: env!("CARGO_PKG_VERSION").to_owned(),
            commit: machine::commit(),
            machine: machine::machine(self.place.cores),
            systems,
            rounds: self.rounds,
            warmup_s: Some(self.timing.warm_up.as_secs_f64()),
            duration_s: Some(self.timing.duration.as_secs_f64()),
            on_time: Some(self.timing.on_time.name().to_owned()),
            runs: Vec::new(),
            verdicts: Vec::new(),
        };
        for round in 1..=self.rounds {
            for load in &self.loads {
                for place in turns(self.systems.len(), round) {
                    let system = self.systems[place];
                    // what a system cannot do it cannot do the next time either
                    let attempts = if load.suits(system).is_ok() { self.attempts } else { 1 };
                    for attempt in 1..=attempts {
                        let (done, settings) = once(load, system);
                        // a run that did not start has none: those of an earlier one stay
                        if !settings.is_empty() {
                            comparison.systems[place].settings = settings;
                        }
                        let mut run = Run { round, attempt, ..done.run };
                        if let Some(archive) = &archive {
                            archive.keep(&mut run, &done.latencies, done.measured_from)?;
                        }
                        let counts = run.void.is_empty();
                        comparison.runs.push(run.clone());
                        // whatever ends loadgen now, this run is kept
                        if let Some(archive) = &mut archive {
                            archive.save(&comparison)?;
                        }
                        tell(&run);
                        if counts {
                            break;
                        }
                    }
                }
            }
            comparison.verdicts = judge(&comparison);
            if let Some(archive) = &mut archive {
                archive.save(&comparison)?;
            }
        }
        Ok(comparison)
    }

    /// One run on a server of its own.
    fn once(&self, load: &Load, system: &dyn System) -> (Done, Vec<String>) {
        std::thread::sleep(PAUSE);
        match load.suits(system).map_err(str::to_owned).and_then(|()| system.start(&self.place)) {
            Ok(server) => {
                let done = measure::measure(load, system, server.target(), self.timing);
                (done, server.settings().to_vec())
            }
            Err(why) => {
                let run = Run { void: vec![why], ..measure::empty(load, system) };
                (Done { run, latencies: Vec::new(), measured_from: SystemTime::now() }, Vec::new())
            }
        }
    }
}

/// The places of all systems as they take turns in a round, which is counted from 1: who goes first changes from round to round.
fn turns(systems: usize, round: u32) -> impl Iterator<Item = usize> {
    (0..systems).map(move |turn| (turn + round as usize - 1) % systems)
}

/// A run in one line, while others are still to come.
pub fn line(run: &Run) -> String {
    let settings: Vec<_> = run.case.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let counts = match run.void.first() {
        None => format!("{:.0} sends/s, {:.0} deliveries/s", run.sends_per_s, run.deliveries_per_s),
        Some(why) => format!("VOID: {why}"),
    };
    format!("round {} {} ({}), {}: {counts}", run.round, run.case.workload, settings.join(", "), run.system)
}

/// How loadgen was called, without the folder of its program.
fn command() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::OnTime;
    use crate::results::Results;
    use crate::server::{Cores, Server};
    use crate::system::{Book, Cast, Target};

    /// A system that is never started: its name, and whether it suits any load.
    struct Named(&'static str, bool);

    impl System for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn about(&self) -> &'static str {
            ""
        }

        fn answers(&self) -> bool {
            true
        }

        fn suits(&self, _: &Cast) -> Result<(), &'static str> {
            if self.1 { Ok(()) } else { Err("it cannot do this") }
        }

        fn version(&self, _: &Place) -> Result<String, String> {
            Ok("1".into())
        }

        fn start(&self, _: &Place) -> Result<Server, String> {
            Err("it is never started".into())
        }

        fn prepare(&self, _: &Target, _: &Cast) -> Result<Box<dyn Book>, String> {
            Err("it is never started".into())
        }
    }

    const ONE: &dyn System = &Named("one", true);
    const TWO: &dyn System = &Named("two", true);
    const THREE: &dyn System = &Named("three", true);
    const UNSUITED: &dyn System = &Named("unsuited", false);

    fn plan(systems: &[&'static dyn System], rounds: u32, attempts: u32) -> Plan {
        let some = Duration::from_secs(1);
        Plan {
            loads: vec![Load::Idle { connections: 1 }, Load::Idle { connections: 2 }],
            systems: systems.to_vec(),
            rounds,
            attempts,
            timing: Timing { warm_up: some, duration: some, spin: some, on_time: OnTime::P99 },
            place: Place {
                cores: Cores { server: 0, load: 0 },
                folder: PathBuf::new(),
                broker: PathBuf::new(),
                spin: some,
            },
            out: None,
        }
    }

    fn done(load: &Load, system: &dyn System, void: &[&str]) -> Done {
        let void = void.iter().map(|&why| why.to_owned()).collect();
        let run = Run { void, ..measure::empty(load, system) };
        Done { run, latencies: Vec::new(), measured_from: SystemTime::UNIX_EPOCH }
    }

    /// System, connections, round and attempt of each run.
    fn order(runs: &[Run]) -> Vec<(&str, &str, u32, u32)> {
        runs.iter().map(|run| (&*run.system, &*run.case.settings["connections"], run.round, run.attempt)).collect()
    }

    #[test]
    fn whoever_goes_first_in_a_round_goes_last_in_the_next() {
        let mut told = Vec::new();
        let comparison = plan(&[ONE, TWO, THREE], 4, 3).run_by(
            &mut |load, system| (done(load, system, &[]), Vec::new()),
            &mut |run| told.push(run.clone()),
            &|_| Vec::new(),
        );
        let runs = comparison.unwrap().runs;
        let rounds =
            [["one", "two", "three"], ["two", "three", "one"], ["three", "one", "two"], ["one", "two", "three"]];
        let mut meant = Vec::new();
        for (round, systems) in (1..).zip(&rounds) {
            for connections in ["1", "2"] {
                meant.extend(systems.iter().map(|system| (*system, connections, round, 1)));
            }
        }
        assert_eq!(order(&runs), meant);
        assert_eq!(order(&told), meant);
    }

    #[test]
    fn a_void_run_is_tried_again_until_one_counts() {
        let mut made = 0;
        let comparison = plan(&[ONE, TWO], 1, 3).run_by(
            &mut |load, system| {
                made += 1;
                // the first load never counts on `one`, and on `two` at its second attempt only
                let void: &[&str] = match (load.cast(system).people, system.name(), made) {
                    (1, "one", _) | (1, "two", 4) => &["other work"],
                    _ => &[],
                };
                (done(load, system, void), Vec::new())
            },
            &mut |_| {},
            &|_| Vec::new(),
        );
        let runs = comparison.unwrap().runs;
        let first =
            [("one", "1", 1, 1), ("one", "1", 1, 2), ("one", "1", 1, 3), ("two", "1", 1, 1), ("two", "1", 1, 2)];
        let then = [("one", "2", 1, 1), ("two", "2", 1, 1)];
        assert_eq!(order(&runs), [&first[..], &then].concat());
        assert_eq!(runs.iter().filter(|run| run.void.is_empty()).count(), 3);
    }

    #[test]
    fn what_a_system_cannot_do_is_tried_once_and_nothing_is_started() {
        let plan = plan(&[UNSUITED], 2, 5);
        let runs = plan.run(&mut |_| {}, &|_| Vec::new()).unwrap().runs;
        let meant = [1, 2].map(|round| ["1", "2"].map(|connections| ("unsuited", connections, round, 1)));
        assert_eq!(order(&runs), meant.concat());
        assert!(runs.iter().all(|run| run.void == ["it cannot do this"]));
    }

    /// Whatever ends a comparison, the runs that are over are kept, and those of comparisons before it.
    #[test]
    fn each_run_is_kept_as_soon_as_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || Results::open(folder.path()).unwrap().comparisons.iter().map(|one| one.runs.len()).collect();
        let mut seen: Vec<Vec<usize>> = Vec::new();
        for _ in 0..2 {
            let plan = Plan { out: Some(folder.path().to_owned()), ..plan(&[ONE], 1, 1) };
            let once: &mut Once<'_> = &mut |load, system| (done(load, system, &[]), Vec::new());
            plan.run_by(once, &mut |_| seen.push(kept()), &|_| Vec::new()).unwrap();
        }
        assert_eq!(seen, [vec![1], vec![2], vec![2, 1], vec![2, 2]]);
    }

    /// The settings of a system are in the report also if its last run did not start.
    #[test]
    fn a_run_that_does_not_start_leaves_the_settings() {
        let mut made = 0;
        let comparison = plan(&[ONE, TWO], 1, 1).run_by(
            &mut |load, system| {
                made += 1;
                match made {
                    1 | 2 => (done(load, system, &[]), vec![format!("{} --fast", system.name())]),
                    _ => (done(load, system, &["the server did not start"]), Vec::new()),
                }
            },
            &mut |_| {},
            &|_| Vec::new(),
        );
        let settings: Vec<_> = comparison.unwrap().systems.into_iter().map(|system| system.settings).collect();
        assert_eq!(settings, [["one --fast"], ["two --fast"]]);
    }

    /// What was held against the goals is of all runs so far, once for each round.
    #[test]
    fn it_is_judged_after_each_round() {
        let judged = std::cell::RefCell::new(Vec::new());
        let comparison = plan(&[ONE], 3, 1).run_by(
            &mut |load, system| (done(load, system, &[]), Vec::new()),
            &mut |_| {},
            &|comparison| {
                judged.borrow_mut().push(comparison.runs.len());
                Vec::new()
            },
        );
        assert_eq!(comparison.unwrap().runs.len(), 6);
        assert_eq!(judged.into_inner(), [2, 4, 6]);
    }
}
