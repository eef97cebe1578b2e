//! Systems side by side: every case on every system in every round, in turns, so that what the machine does meanwhile meets all of them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::fleet::Timing;
use crate::load::Load;
use crate::machine;
use crate::measure::{self, Done};
use crate::nearness::Nearness;
use crate::results::{Case, Comparison, Run, SystemFacts, Verdict};
use crate::server::Place;
use crate::session::Session;
use crate::system::System;

/// What is compared, and how.
pub struct Plan {
    /// The loads.
    pub loads: Vec<Load>,
    /// The systems.
    pub systems: Vec<&'static dyn System>,
    /// Rounds.
    pub rounds: u32,
    /// So many rounds behind each other are judged as one.
    pub pool: u32,
    /// How often a run that counts for nothing is tried, at most.
    pub attempts: u32,
    /// How long.
    pub timing: Timing,
    /// Where servers are started.
    pub place: Place,
}

/// Between the end of a server and the start of the next: what it dirtied goes to disk.
pub const PAUSE: Duration = Duration::from_millis(300);

/// Makes one run of this load on this system: what came out, and the settings of its server.
type Once<'a> = dyn FnMut(&Load, &'static dyn System, &mut Nearness) -> (Done, Vec<String>) + 'a;

/// A run that has to be made.
struct Turn<'a> {
    round: u32,
    load: &'a Load,
    /// The system's, in the plan.
    place: usize,
    attempt: u32,
}

impl Plan {
    /// The comparison, without any run.
    ///
    /// # Errors
    /// A system is not on this machine.
    pub fn comparison(&self) -> Result<Comparison, String> {
        let mut systems = Vec::new();
        for system in &self.systems {
            systems.push(SystemFacts {
                name: system.name().to_owned(),
                about: system.about().to_owned(),
                version: system.version(&self.place)?,
                settings: Vec::new(),
            });
        }
        Ok(Comparison {
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: command(),
            loadgen: env!("CARGO_PKG_VERSION").to_owned(),
            commit: machine::commit(),
            machine: machine::machine(self.place.cores),
            systems,
            rounds: self.rounds,
            pool: self.pool,
            warmup_s: Some(self.timing.warm_up.as_secs_f64()),
            duration_s: Some(self.timing.duration.as_secs_f64()),
            on_time: Some(self.timing.on_time.name().to_owned()),
            runs: Vec::new(),
            verdicts: Vec::new(),
        })
    }

    /// Makes all runs that the session's comparison at `place` lacks, also those that had counted once. Each is kept and told as soon as it is
    /// over, and what `judge` makes of all of them, and the page, after each round. Returns how many runs were made.
    ///
    /// # Errors
    /// The results cannot be kept.
    pub fn go_on(
        &self,
        session: &mut Session<'_>,
        place: usize,
        judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
    ) -> Result<usize, String> {
        self.go_on_by(&mut |load, system, nearness| self.once(load, system, nearness), session, place, judge)
    }

    /// The same, each run made by `once`.
    fn go_on_by(
        &self,
        once: &mut Once<'_>,
        session: &mut Session<'_>,
        place: usize,
        judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
    ) -> Result<usize, String> {
        let mut made = 0;
        let mut current = None;
        while let Some(turn) = self.next(&session.comparisons[place].runs) {
            let now = (turn.round, turn.load.case());
            if current.as_ref() != Some(&now) {
                leave_behind(session, place, current.replace(now.clone()), now)?;
                // whoever goes first in that round
                continue;
            }
            let (done, settings) = once(turn.load, self.systems[turn.place], &mut session.nearness);
            // a run that did not start has none: those of an earlier one stay
            if !settings.is_empty() {
                session.comparisons[place].systems[turn.place].settings = settings;
            }
            session.take(place, done, turn.round, turn.attempt)?;
            made += 1;
            let next = self.next(&session.comparisons[place].runs);
            if next.is_some_and(|next| next.round != turn.round) {
                judge_and_save(session, place, judge)?;
            }
        }
        judge_and_save(session, place, judge)?;
        Ok(made)
    }

    /// The first run of the first round that lacks one: of each system under each load one has to count, and it is tried `attempts` times.
    fn next<'a>(&'a self, runs: &[Run]) -> Option<Turn<'a>> {
        for round in 1..=self.rounds {
            for load in &self.loads {
                let case = load.case();
                for place in turns(self.systems.len(), round) {
                    let system = self.systems[place];
                    let tried = |run: &&Run| run.round == round && run.system == system.name() && run.case == case;
                    // what a system cannot do it cannot do the next time either
                    let attempts = if load.suits(system).is_ok() { self.attempts } else { 1 };
                    let attempt = runs.iter().filter(tried).count() as u32 + 1;
                    if attempt <= attempts && !runs.iter().filter(tried).any(|run| run.void.is_empty()) {
                        return Some(Turn { round, load, place, attempt });
                    }
                }
            }
        }
        None
    }

    /// One run on a server of its own.
    fn once(&self, load: &Load, system: &dyn System, nearness: &mut Nearness) -> (Done, Vec<String>) {
        if let Err(why) = load.suits(system) {
            return (measure::failed(load, system, why.to_owned()), Vec::new());
        }
        std::thread::sleep(PAUSE);
        let timing = Timing { at_most_ns: nearness.at_most_ns(), ..self.timing };
        match system.start(&self.place) {
            Ok(server) => {
                let done = measure::measure(load, system, server.target(), timing);
                (done, server.settings().to_vec())
            }
            Err(why) => (measure::failed(load, system, why), Vec::new()),
        }
    }
}

fn judge_and_save(
    session: &mut Session<'_>,
    place: usize,
    judge: &dyn Fn(&Comparison) -> Vec<Verdict>,
) -> Result<(), String> {
    session.comparisons[place].verdicts = judge(&session.comparisons[place]);
    session.save()?;
    session.write_page()
}

/// Goes on to a case of a round. Where that is gone back to, as one of its runs counts no more, the others of the case, or of the whole round if the
/// last run was of another one, were made long before: they are made again with it, as ratios are taken within a round.
fn leave_behind(
    session: &mut Session<'_>,
    place: usize,
    last: Option<(u32, Case)>,
    (round, case): (u32, Case),
) -> Result<(), String> {
    let same_round = last.is_some_and(|(last, _)| last == round);
    let is_old = |run: &Run| run.round == round && (!same_round || run.case == case);
    session.revoke(place, is_old, "another run of its round counts no more: they are made again together")
}

/// The places of all systems as they take turns in a round, which is counted from 1: who goes first changes from round to round.
fn turns(systems: usize, round: u32) -> impl Iterator<Item = usize> {
    (0..systems).map(move |turn| (turn + round as usize - 1) % systems)
}

/// A run in one line, while others are still to come.
pub fn line(run: &Run) -> String {
    let settings: Vec<_> = run.case.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let counts = if run.void.is_empty() {
        format!("{:.0} sends/s, {:.0} deliveries/s", run.sends_per_s, run.deliveries_per_s)
    } else {
        format!("VOID: {}", run.void.join("; "))
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
    use std::path::PathBuf;

    use super::*;
    use crate::broker::Broker;
    use crate::measure::OnTime;
    use crate::nearness::tests::seen;
    use crate::results::{Distance, Results};
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
            pool: 1,
            attempts,
            timing: Timing {
                warm_up: some,
                duration: some,
                spin: some,
                on_time: OnTime::P99,
                server_core: None,
                at_most_ns: None,
            },
            place: Place {
                cores: Cores { server: 0, load: 0 },
                folder: PathBuf::new(),
                broker: Broker::new(None),
                spin: some,
                tethers: false,
            },
        }
    }

    /// A session of cores of which nothing is known.
    fn session<'a>(out: Option<&Path>, tell: &'a mut dyn FnMut(&Run)) -> Session<'a> {
        Session::with(seen(&[None]), out, tell).unwrap()
    }

    /// Makes the runs of one comparison more.
    fn run<'a>(plan: &Plan, session: &'a mut Session<'_>, once: &mut Once<'_>) -> &'a Comparison {
        let place = session.comparisons.len();
        session.comparisons.push(plan.comparison().unwrap());
        plan.go_on_by(once, session, place, &|_| Vec::new()).unwrap();
        &session.comparisons[place]
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
        let mut tell = |run: &Run| told.push(run.clone());
        let mut session = session(None, &mut tell);
        let once: &mut Once<'_> = &mut |load, system, _| (done(load, system, &[]), Vec::new());
        let runs = run(&plan(&[ONE, TWO, THREE], 4, 3), &mut session, once).runs.clone();
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
        let once: &mut Once<'_> = &mut |load, system, _| {
            made += 1;
            // the first load never counts on `one`, and on `two` at its second attempt only
            let void: &[&str] = match (load.cast(system).people, system.name(), made) {
                (1, "one", _) | (1, "two", 4) => &["other work"],
                _ => &[],
            };
            (done(load, system, void), Vec::new())
        };
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let runs = &run(&plan(&[ONE, TWO], 1, 3), &mut session, once).runs;
        let first =
            [("one", "1", 1, 1), ("one", "1", 1, 2), ("one", "1", 1, 3), ("two", "1", 1, 1), ("two", "1", 1, 2)];
        let then = [("one", "2", 1, 1), ("two", "2", 1, 1)];
        assert_eq!(order(runs), [&first[..], &then].concat());
        assert_eq!(runs.iter().filter(|run| run.void.is_empty()).count(), 3);
    }

    #[test]
    fn what_a_system_cannot_do_is_tried_once_and_nothing_is_started() {
        let plan = plan(&[UNSUITED], 2, 5);
        let mut tell = |_: &Run| {};
        let mut session =
            Session::with(Nearness::seen_by(Box::new(|_| panic!("nobody looks"))), None, &mut tell).unwrap();
        session.comparisons.push(plan.comparison().unwrap());
        assert_eq!(plan.go_on(&mut session, 0, &|_| Vec::new()), Ok(4));
        let runs = &session.comparisons[0].runs;
        let meant = [1, 2].map(|round| ["1", "2"].map(|connections| ("unsuited", connections, round, 1)));
        assert_eq!(order(runs), meant.concat());
        assert!(runs.iter().all(|run| run.void == ["it cannot do this"]));
    }

    /// Whatever ends a comparison, the runs that are over are kept, and those of comparisons before it.
    #[test]
    fn each_run_is_kept_as_soon_as_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || Results::open(folder.path()).unwrap().comparisons.iter().map(|one| one.runs.len()).collect();
        let mut seen: Vec<Vec<usize>> = Vec::new();
        for _ in 0..2 {
            let mut tell = |_: &Run| seen.push(kept());
            let mut session = session(Some(folder.path()), &mut tell);
            let once: &mut Once<'_> = &mut |load, system, _| (done(load, system, &[]), Vec::new());
            run(&plan(&[ONE], 1, 1), &mut session, once);
        }
        assert_eq!(seen, [vec![1], vec![2], vec![2, 1], vec![2, 2]]);
    }

    /// Whoever ends a long comparison, or looks on, has the page of all rounds that are over.
    #[test]
    fn there_is_a_page_after_each_round() {
        let folder = tempfile::tempdir().unwrap();
        let mut pages = Vec::new();
        let mut tell = |_: &Run| {};
        let mut session = session(Some(folder.path()), &mut tell);
        let once: &mut Once<'_> = &mut |load, system, _| {
            let page = std::fs::read_to_string(folder.path().join(crate::reports::PAGE));
            pages.push(page.map_or(0, |page| page.len()));
            (done(load, system, &[]), Vec::new())
        };
        run(&plan(&[ONE], 3, 1), &mut session, once);
        assert_eq!(pages[..2], [0, 0]);
        assert!(pages[2] > 0 && pages[3] == pages[2] && pages[4] > pages[2], "{pages:?}");
    }

    /// The settings of a system are in the report also if its last run did not start.
    #[test]
    fn a_run_that_does_not_start_leaves_the_settings() {
        let mut made = 0;
        let once: &mut Once<'_> = &mut |load, system, _| {
            made += 1;
            match made {
                1 | 2 => (done(load, system, &[]), vec![format!("{} --fast", system.name())]),
                _ => (done(load, system, &["the server did not start"]), Vec::new()),
            }
        };
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let comparison = run(&plan(&[ONE, TWO], 1, 1), &mut session, once);
        let settings: Vec<_> = comparison.systems.iter().map(|system| system.settings.clone()).collect();
        assert_eq!(settings, [["one --fast"], ["two --fast"]]);
    }

    /// What was held against the goals is of all runs so far, once for each round.
    #[test]
    fn it_is_judged_after_each_round() {
        let judged = std::cell::RefCell::new(Vec::new());
        let judge = |comparison: &Comparison| {
            judged.borrow_mut().push(comparison.runs.len());
            Vec::new()
        };
        let (plan, mut tell) = (plan(&[ONE], 3, 1), |_: &Run| {});
        let mut session = session(None, &mut tell);
        session.comparisons.push(plan.comparison().unwrap());
        let once: &mut Once<'_> = &mut |load, system, _| (done(load, system, &[]), Vec::new());
        assert_eq!(plan.go_on_by(once, &mut session, 0, &judge), Ok(6));
        assert_eq!(judged.into_inner(), [2, 4, 6]);
    }

    /// Runs in which the cores are so far apart, before and after, and from then on as in the last one.
    fn apart(distances: &[[f64; 2]]) -> impl FnMut(&Load, &'static dyn System, &mut Nearness) -> (Done, Vec<String>) {
        let (mut made, distances) = (0, distances.to_vec());
        move |load, system, _| {
            let [before_ns, after_ns] = distances[made.min(distances.len() - 1)].map(Some);
            made += 1;
            let done = done(load, system, &[]);
            (
                Done { run: Run { distance: Distance { before_ns, after_ns, waited_s: None }, ..done.run }, ..done },
                Vec::new(),
            )
        }
    }

    /// Connections, round, attempt and distance of each run, and whether it counts.
    fn distances(runs: &[Run]) -> Vec<(&str, u32, u32, [f64; 2], bool)> {
        let of = |run: &Run| [run.distance.before_ns, run.distance.after_ns].map(Option::unwrap);
        let counts = |run: &Run| run.void.is_empty();
        runs.iter()
            .map(|run| (&*run.case.settings["connections"], run.round, run.attempt, of(run), counts(run)))
            .collect()
    }

    #[test]
    fn a_run_in_which_the_cores_moved_apart_is_made_again() {
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let mut once = apart(&[[60.0, 62.0], [65.0, 400.0], [61.0, 61.0]]);
        let runs = &run(&plan(&[ONE], 1, 2), &mut session, &mut once).runs;
        let meant =
            [("1", 1, 1, [60.0, 62.0], true), ("2", 1, 1, [65.0, 400.0], false), ("2", 1, 2, [61.0, 61.0], true)];
        assert_eq!(distances(runs), meant);
        assert!(runs[1].void[0].starts_with("the host had moved the cores apart: a cache line took 400 ns "));
    }

    /// What near is was learned late: all that came before was made far apart, is told again as void, and is made again in its order, with what it
    /// stands beside.
    #[test]
    fn rounds_that_were_made_far_apart_are_made_again() {
        let mut told = Vec::new();
        let mut tell = |run: &Run| told.push((run.round, run.attempt, run.void.is_empty()));
        let (far, near) = ([400.0; 2], [70.0; 2]);
        let mut session = session(None, &mut tell);
        let runs = &run(&plan(&[ONE], 2, 2), &mut session, &mut apart(&[far, far, far, near])).runs;
        let meant = [
            ("1", 1, 1, [400.0, 400.0], false),
            ("2", 1, 1, [400.0, 400.0], false),
            ("1", 2, 1, [400.0, 400.0], false),
            ("2", 2, 1, [70.0, 70.0], false),
            ("1", 1, 2, [70.0, 70.0], true),
            ("2", 1, 2, [70.0, 70.0], true),
            ("1", 2, 2, [70.0, 70.0], true),
            ("2", 2, 2, [70.0, 70.0], true),
        ];
        assert_eq!(distances(runs), meant);
        let first = [(1, 1, true), (1, 1, true), (2, 1, true), (2, 1, true)];
        let no_more = [(1, 1, false), (1, 1, false), (2, 1, false)];
        let again = [(1, 2, true), (1, 2, true), (2, 1, false), (2, 2, true), (2, 2, true)];
        assert_eq!(told, [&first[..], &no_more, &again].concat());
    }

    #[test]
    fn rounds_that_were_made_far_apart_are_short_where_no_attempt_is_left() {
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let runs = &run(&plan(&[ONE], 1, 1), &mut session, &mut apart(&[[400.0; 2], [70.0; 2]])).runs;
        assert_eq!(distances(runs), [("1", 1, 1, [400.0, 400.0], false), ("2", 1, 1, [70.0, 70.0], true)]);
    }

    /// What near is was learned in the middle of the second round: whatever stands beside a run that is made again is made again with it.
    #[test]
    fn all_runs_of_a_round_that_is_gone_back_to_are_made_again() {
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let (far, between, near) = ([400.0; 2], [165.0; 2], [70.0; 2]);
        let mut made = [far, between, between, between, far, near].into_iter();
        let once: &mut Once<'_> = &mut |load, system, _| {
            let [before_ns, after_ns] = made.next().unwrap_or(near).map(Some);
            let done = done(load, system, &[]);
            let distance = Distance { before_ns, after_ns, waited_s: None };
            (Done { run: Run { distance, ..done.run }, ..done }, Vec::new())
        };
        let runs = &run(&plan(&[ONE, TWO], 2, 2), &mut session, once).runs;
        let first = [("one", "1", 1, 1), ("two", "1", 1, 1), ("one", "2", 1, 1), ("two", "2", 1, 1)];
        let second = [("two", "1", 2, 1), ("one", "1", 2, 1)];
        let again = [("one", "1", 1, 2), ("two", "1", 1, 2), ("one", "2", 1, 2), ("two", "2", 1, 2)];
        let rest = [("two", "1", 2, 2), ("one", "1", 2, 2), ("two", "2", 2, 1), ("one", "2", 2, 1)];
        assert_eq!(order(runs), [&first[..], &second, &again, &rest].concat());
        assert!(runs[6..].iter().all(|run| run.void.is_empty()));
        let why = |at: usize| runs[at].void[0].split(':').next().unwrap();
        assert_eq!([0, 4].map(why), ["the host had moved the cores apart"; 2]);
        assert_eq!([1, 2, 3, 5].map(why), ["another run of its round counts no more"; 4]);
    }

    /// Within a round only those of the case are made again.
    #[test]
    fn a_case_that_is_gone_back_to_within_its_round_is_made_again() {
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let once = &mut apart(&[[165.0; 2], [400.0; 2], [70.0; 2]]);
        let runs = &run(&plan(&[ONE, TWO], 1, 2), &mut session, once).runs;
        let meant = [
            ("one", "1", 1, 1),
            ("two", "1", 1, 1),
            ("one", "2", 1, 1),
            ("one", "1", 1, 2),
            ("two", "1", 1, 2),
            ("one", "2", 1, 2),
            ("two", "2", 1, 1),
        ];
        assert_eq!(order(runs), meant);
        assert_eq!(
            runs.iter().map(|run| run.void.is_empty()).collect::<Vec<_>>(),
            [false, false, false, true, true, true, true]
        );
    }

    fn verdict() -> Verdict {
        let text = String::new;
        Verdict {
            goal: text(),
            measure: text(),
            bound: text(),
            ringdove: None,
            other: None,
            beside: None,
            rounds: Vec::new(),
            verdict: text(),
        }
    }

    /// A goal that was over is gone back to.
    #[test]
    fn an_earlier_comparison_of_the_session_lacks_what_counts_no_more() {
        let mut tell = |_: &Run| {};
        let mut session = session(None, &mut tell);
        let plan = plan(&[ONE], 1, 2);
        let once: &mut Once<'_> = &mut apart(&[[400.0; 2], [400.0; 2], [70.0; 2]]);
        run(&plan, &mut session, once);
        session.comparisons[0].verdicts.push(verdict());
        run(&plan, &mut session, once);
        assert_eq!(session.comparisons[0].runs.iter().filter(|run| run.void.is_empty()).count(), 0);
        assert_eq!(session.comparisons[0].verdicts.len(), 0, "what was judged with them is judged no more");
        assert_eq!(plan.go_on_by(once, &mut session, 0, &|_| Vec::new()), Ok(2));
        assert_eq!(plan.go_on_by(once, &mut session, 1, &|_| Vec::new()), Ok(0));
    }
}
