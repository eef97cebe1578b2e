//! Systems side by side: every case on every system in every round, in turns, so that what the machine does meanwhile meets all of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::fleet::Timing;
use crate::latency::Named;
use crate::load::Load;
use crate::machine;
use crate::measure::{self, Done};
use crate::reports;
use crate::results::{Comparison, Results, Run, SCHEMA, SystemFacts, Verdict};
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

impl Plan {
    /// Runs it, and keeps what came out after each round, with what `judge` makes of it. Each run is told as soon as it is over.
    ///
    /// # Errors
    /// A system is not on this machine, or the results cannot be kept.
    pub fn run(
        &self,
        tell: &mut dyn FnMut(&Run),
        judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
    ) -> Result<Comparison, String> {
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
            // filled by Plan
            warmup_s: None,
            duration_s: None,
            on_time: None,
            runs: Vec::new(),
            verdicts: Vec::new(),
        };
        let folder = self.out.as_deref();
        let mut results = match folder {
            Some(folder) => Results::open(folder)?,
            None => Results { schema: SCHEMA, comparisons: Vec::new() },
        };
        let number = results.comparisons.len();
        for round in 1..=self.rounds {
            for load in &self.loads {
                for turn in 0..self.systems.len() {
                    // who goes first changes from round to round
                    let place = (turn + round as usize - 1) % self.systems.len();
                    let system = self.systems[place];
                    // what a system cannot do it cannot do the next time either
                    let attempts = if system.suits(&load.cast(system)).is_ok() { self.attempts } else { 1 };
                    for attempt in 1..=attempts {
                        let (done, settings) = self.once(load, system);
                        comparison.systems[place].settings = settings;
                        let mut run = Run { round, attempt, ..done.run };
                        if let Some(folder) = folder {
                            keep(folder, &mut run, &done.latencies, done.measured_from)?;
                        }
                        tell(&run);
                        let counts = run.void.is_empty();
                        comparison.runs.push(run);
                        if counts {
                            break;
                        }
                    }
                }
            }
            comparison.verdicts = judge(&comparison);
            if let Some(folder) = folder {
                results.comparisons.truncate(number);
                results.comparisons.push(comparison.clone());
                results.save(folder)?;
            }
        }
        Ok(comparison)
    }

    /// One run on a server of its own.
    fn once(&self, load: &Load, system: &dyn System) -> (Done, Vec<String>) {
        std::thread::sleep(PAUSE);
        match system.suits(&load.cast(system)).map_err(str::to_owned).and_then(|()| system.start(&self.place)) {
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

/// Writes the files of a run's latencies.
fn keep(folder: &Path, run: &mut Run, latencies: &[Named], measured_from: SystemTime) -> Result<(), String> {
    let mut figures = std::mem::take(&mut run.latencies);
    for (named, figures) in latencies.iter().zip(&mut figures) {
        reports::keep(folder, run, &named.latency, measured_from, figures)?;
    }
    run.latencies = figures;
    Ok(())
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
