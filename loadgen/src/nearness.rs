//! Whether the cores of server and load were near each other in each run of one call of loadgen. Figures of runs in which they were not cannot
//! be held against those of others, and such runs count for nothing.

use std::time::Duration;

use crate::distance;
use crate::fleet::Timing;
use crate::results::{Distance, Run};
use crate::server::Cores;

/// Cores that are more than so many times as far apart as when they are near are far apart. On the virtual machine where this was found it were
/// 59 to 114 ns while they were near, and 320 to 700 while they were not.
const FAR: f64 = 2.5;
/// A run is void where in more than one of so many readings within it the cores were far apart ...
const MOST: usize = 10;
/// ... and in so many at least: a single one may be a freak.
const LEAST: usize = 2;
/// Between two looks. Sleeping is what makes a host place cores anew.
pub const NAP: Duration = Duration::from_millis(150);
/// Looks at the begin, to learn what near may be: three seconds, with 10 ms for each look.
const LEARNING: u32 = 19;
/// Where none of the first looks is answered, no other one is.
const FIRST: u32 = 3;
/// How long a load that is warm may wait until the cores are near.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sleeps so long, and then measures how far the cores are apart, in nanoseconds; `None`: that cannot be known.
type Look = Box<dyn FnMut(Duration) -> Option<f64>>;

/// The least of some readings that was seen twice: a single one may be a freak, as of cores that were one core's two halves for a moment.
#[derive(Default)]
struct Least {
    /// The two least, in growing order, in nanoseconds.
    ns: Vec<f64>,
}

impl Least {
    fn take(&mut self, ns: f64) {
        self.ns.push(ns);
        self.ns.sort_by(f64::total_cmp);
        self.ns.truncate(2);
    }

    /// What was seen twice: the larger of both.
    fn twice_ns(&self) -> Option<f64> {
        self.ns.get(1).copied()
    }
}

/// How near the cores were so far.
pub struct Nearness {
    look: Look,
    /// While they rested. It says nothing about runs, and only how near they may be waited for.
    resting: Least,
    /// Under load.
    loaded: Least,
    /// Whether it was looked for long enough to know what near may be.
    learned: bool,
}

impl Nearness {
    /// Of these cores. Nothing is measured before it has to be known.
    pub fn of(cores: Cores) -> Self {
        Self::seen_by(Box::new(move |nap| {
            std::thread::sleep(nap);
            distance::round_trip_ns(cores)
        }))
    }

    /// Of cores that nobody looks at.
    pub fn unknown() -> Self {
        Self::seen_by(Box::new(|_| None))
    }

    /// As whoever looks says.
    pub fn seen_by(look: Look) -> Self {
        Self { look, resting: Least::default(), loaded: Least::default(), learned: false }
    }

    /// Cores that are at most so many nanoseconds apart may be measured; `None`: nothing is known. At the begin it learns what near may be; as soon
    /// as loads have shown it, that counts.
    pub fn at_most_ns(&mut self) -> Option<f64> {
        self.learn();
        self.loaded.twice_ns().or(self.resting.twice_ns()).map(|near_ns| near_ns * FAR)
    }

    /// Takes note of how far the cores were apart at the ends of a run and within it: they may never have been nearer.
    pub fn learn_from(&mut self, run: &Run) {
        self.note(run.distance);
        run.during.nearest_quarter_ns().into_iter().for_each(|ns| self.loaded.take(ns));
    }

    fn note(&mut self, distance: Distance) {
        distance.readings().for_each(|ns| self.loaded.take(ns));
    }

    /// Judges a run that is over, as far as is known by now, and notes in how many readings within it the cores were far apart.
    pub fn assess(&self, run: &mut Run) {
        run.during.far =
            self.near_ns(run).filter(|_| !run.during.ns.is_empty()).map(|near| far(run, near).len() as u32);
        run.void.extend(self.judge(run));
    }

    /// How far near cores are apart, as far as is known by now, this run included.
    fn near_ns(&self, run: &Run) -> Option<f64> {
        let seen = run.distance.readings().chain(run.during.nearest_quarter_ns());
        seen.chain(self.loaded.twice_ns()).reduce(f64::min)
    }

    /// Why a run counts for nothing: the cores were farther apart than near ones are, or than at its other end, or within it; or that is not
    /// known, where it is of others.
    fn judge(&self, run: &Run) -> Option<String> {
        let farthest_ns = run.distance.readings().fold(0.0, f64::max);
        let near_ns = self.near_ns(run)?;
        if farthest_ns > near_ns * FAR {
            return Some(format!(
                "the host had moved the cores apart: a cache line took {farthest_ns:.0} ns from one to the other and back, {near_ns:.0} when they were near"
            ));
        }
        let (far, all) = (far(run, near_ns), run.during.ns.len());
        if far.len() >= LEAST && far.len() * MOST > all {
            let farthest_ns = far.iter().copied().fold(0.0, f64::max);
            return Some(format!(
                "the host moved the cores apart within the run: in {} of {all} readings a cache line took up to {farthest_ns:.0} ns from one to the other and back, {near_ns:.0} when they were near",
                far.len()
            ));
        }
        // whatever else is wrong with it may be why
        (!run.distance.is_known() && run.void.is_empty())
            .then(|| "it is not known how far apart the cores were: other work left no time to look".to_owned())
    }

    /// Judges again what has counted so far: what near is may have been learned since. Returns the runs that count for nothing now.
    pub fn reconsider(&self, runs: &mut [Run]) -> Vec<Run> {
        let mut void = Vec::new();
        for run in runs.iter_mut().filter(|run| run.void.is_empty()) {
            self.assess(run);
            if !run.void.is_empty() {
                void.push(run.clone());
            }
        }
        void
    }

    /// Looks for three seconds what near may be; less where the cores come near meanwhile, or where nothing can be known.
    fn learn(&mut self) {
        if std::mem::replace(&mut self.learned, true) {
            return;
        }
        let mut farthest_ns: Option<f64> = None;
        for looks in 1..=LEARNING {
            if let Some(seen_ns) = (self.look)(NAP) {
                self.resting.take(seen_ns);
                farthest_ns = Some(farthest_ns.map_or(seen_ns, |ns| ns.max(seen_ns)));
            }
            let is_blind = looks >= FIRST && farthest_ns.is_none();
            let near_ns = self.resting.twice_ns();
            if is_blind || near_ns.zip(farthest_ns).is_some_and(|(near_ns, farthest_ns)| farthest_ns > near_ns * FAR) {
                break;
            }
        }
    }
}

/// The readings within a run in which the cores were far apart, in nanoseconds.
fn far(run: &Run, near_ns: f64) -> Vec<f64> {
    run.during.ns.iter().copied().filter(|ns| *ns > near_ns * FAR).collect()
}

/// Whether a load that has waited so long waits on before it is measured, as the cores were seen too far apart. What is not known is not far:
/// there is nothing to wait for.
pub fn is_waited_for(seen: Option<f64>, timing: Timing, waited: Duration) -> bool {
    waited < PATIENCE && seen.zip(timing.at_most_ns).is_some_and(|(seen_ns, at_most_ns)| seen_ns > at_most_ns)
}

#[cfg(test)]
pub mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::measure::OnTime;
    use crate::reports::synthetic::{case, run};
    use crate::results::During;

    /// What is seen in these looks, one by one, and from then on the last of them.
    pub fn seen(readings: &[Option<f64>]) -> Nearness {
        counted(readings).0
    }

    /// The same, and how often it was looked.
    fn counted(readings: &[Option<f64>]) -> (Nearness, Rc<Cell<usize>>) {
        let looks = Rc::new(Cell::new(0));
        let (count, readings) = (looks.clone(), readings.to_vec());
        let look = move |_| {
            let at = count.replace(count.get() + 1);
            readings.get(at).or(readings.last()).copied().flatten()
        };
        (Nearness::seen_by(Box::new(look)), looks)
    }

    fn ns(before_ns: f64, after_ns: f64) -> Distance {
        Distance { before_ns: Some(before_ns), after_ns: Some(after_ns), waited_s: None }
    }

    /// A run of this round at this distance.
    fn at(round: u32, distance: Distance) -> Run {
        Run { distance, ..run("ringdove", case("pair", &[]), round) }
    }

    #[test]
    fn cores_that_are_always_equally_far_void_nothing() {
        let (mut nearness, looks) = counted(&[Some(400.0)]);
        assert_eq!(nearness.at_most_ns(), Some(1_000.0));
        assert_eq!(looks.get(), LEARNING as usize);
        assert!((NAP + Duration::from_millis(10)) * LEARNING >= Duration::from_secs(3));
        nearness.note(ns(410.0, 390.0));
        assert_eq!(nearness.judge(&at(1, ns(410.0, 390.0))), None);
        assert_eq!((nearness.at_most_ns(), looks.get()), (Some(1_025.0), LEARNING as usize), "it is learned once");
    }

    #[test]
    fn whoever_has_seen_both_has_learned_enough() {
        let (mut nearness, looks) = counted(&[Some(400.0), Some(390.0), Some(60.0), Some(62.0)]);
        assert_eq!((nearness.at_most_ns(), looks.get()), (Some(155.0), 4));
    }

    #[test]
    fn what_cannot_be_known_is_not_learned() {
        let (mut nearness, looks) = counted(&[None]);
        assert_eq!((nearness.at_most_ns(), looks.get()), (None, FIRST as usize));
        assert_eq!(nearness.judge(&at(1, Distance::default())), None);
        nearness.note(ns(400.0, 60.0));
        nearness.note(ns(62.0, 61.0));
        assert_eq!(nearness.at_most_ns(), Some(152.5), "runs show it, too");
    }

    #[test]
    fn one_look_without_an_answer_ends_nothing() {
        let (mut nearness, looks) = counted(&[None, Some(61.0), None, Some(400.0), Some(60.0)]);
        assert_eq!((nearness.at_most_ns(), looks.get()), (Some(152.5), 5));
    }

    /// Such a one would leave everything void that was made before and comes behind it.
    #[test]
    fn what_near_is_was_seen_twice_and_under_load() {
        let (mut nearness, _) = counted(&[Some(20.0)]);
        assert_eq!(nearness.at_most_ns(), Some(50.0), "so near it may be, and is waited for at first");
        nearness.note(ns(70.0, 72.0));
        assert_eq!(nearness.at_most_ns(), Some(180.0));
        nearness.note(ns(25.0, 71.0));
        let mut runs = vec![at(1, ns(70.0, 72.0)), at(2, ns(25.0, 71.0))];
        let void = nearness.reconsider(&mut runs);
        assert_eq!(
            void.iter().map(|run| run.round).collect::<Vec<_>>(),
            [2],
            "in it they moved, whatever was the freak"
        );
    }

    #[test]
    fn a_run_waits_until_the_cores_are_near_and_not_for_ever() {
        let some = Duration::from_secs(1);
        let timing = Timing {
            warm_up: some,
            duration: some,
            spin: some,
            on_time: OnTime::P99,
            server_core: Some(0),
            at_most_ns: Some(150.0),
        };
        let waits = |seen, since_s| is_waited_for(seen, timing, Duration::from_secs(since_s));
        assert_eq!([waits(Some(151.0), 1), waits(Some(150.0), 1), waits(None, 1)], [true, false, false]);
        assert_eq!([waits(Some(151.0), 19), waits(Some(151.0), 20)], [true, false]);
        let unknown = Timing { at_most_ns: None, ..timing };
        assert!(!is_waited_for(Some(700.0), unknown, some));
    }

    #[test]
    fn a_run_in_which_the_cores_were_apart_counts_for_nothing() {
        let mut nearness = seen(&[None]);
        nearness.note(ns(64.0, 64.0));
        let judge = |before_ns, after_ns| nearness.judge(&at(1, Distance { before_ns, after_ns, waited_s: None }));
        let why = "the host had moved the cores apart: a cache line took 327 ns from one to the other and back, 64 when they were near";
        assert_eq!(judge(Some(327.0), Some(64.0)).as_deref(), Some(why));
        assert_eq!(judge(Some(70.0), Some(327.0)).as_deref(), Some(why));
        assert_eq!(judge(None, Some(327.0)).as_deref(), Some(why));
        assert_eq!(judge(Some(160.0), Some(160.0)), None);
    }

    /// A run within which so many readings were near and so many far, in nanoseconds.
    fn within(near: usize, far: usize) -> Run {
        let mut during = During::default();
        (0..near).map(|_| Some(60.0)).chain((0..far).map(|_| Some(310.0))).for_each(|ns| during.take(ns));
        during.take(None);
        Run { during, ..at(1, ns(64.0, 70.0)) }
    }

    #[test]
    fn a_run_within_which_the_cores_were_apart_counts_for_nothing() {
        let nearness = seen(&[None]);
        let why = "the host moved the cores apart within the run: in 3 of 29 readings a cache line took up to 310 ns from one to the other and back, 60 when they were near";
        assert_eq!(nearness.judge(&within(26, 3)).as_deref(), Some(why));
        assert_eq!(nearness.judge(&within(27, 3)), None, "a tenth");
        assert_eq!(nearness.judge(&within(0, 1)), None, "one alone may be a freak");
        assert!(nearness.judge(&within(0, 2)).is_some());
        assert_eq!(nearness.judge(&within(0, 0)), None, "nothing came back");
        let unknown = |near| nearness.judge(&Run { distance: Distance::default(), ..within(near, 3) });
        assert_eq!(unknown(26).as_deref(), Some(why));
        assert_eq!(unknown(4), None, "nobody knows what near is");
    }

    #[test]
    fn it_is_noted_how_many_readings_within_a_run_were_far() {
        let mut nearness = seen(&[None]);
        let mut runs = [within(26, 3), within(30, 3), within(0, 0)];
        runs.iter_mut().for_each(|run| nearness.assess(run));
        assert_eq!(runs.each_ref().map(|run| run.during.far), [Some(3), Some(3), None]);
        assert_eq!(runs.each_ref().map(|run| (run.during.looks, run.during.readings)), [(30, 29), (34, 33), (1, 0)]);
        assert_eq!(runs.each_ref().map(|run| run.void.len()), [1, 0, 0]);
        // near is less than was known then
        (0..2).for_each(|_| nearness.note(ns(23.0, 23.0)));
        runs[1].distance = ns(50.0, 50.0);
        assert_eq!(nearness.reconsider(&mut runs[1..]).len(), 2);
        assert_eq!(runs[1].during.far, Some(33));
    }

    #[test]
    fn what_near_is_shows_within_a_run_too() {
        let within =
            |near: usize| During { ns: [vec![76.0; near], vec![330.0; 20 - near]].concat(), ..During::default() };
        let run = |before_ns, after_ns, near| Run { during: within(near), ..at(1, ns(before_ns, after_ns)) };
        let mut nearness = seen(&[Some(64.0)]);
        assert_eq!(nearness.judge(&run(330.0, 320.0, 4)), None, "always far, but for some freaks");
        let moved = nearness.judge(&run(330.0, 320.0, 6)).unwrap();
        assert!(moved.contains("330 ns") && moved.contains("76 when"), "{moved}");
        let mut runs = [at(2, ns(340.0, 330.0))];
        nearness.learn_from(&run(82.0, 330.0, 20));
        assert_eq!(nearness.reconsider(&mut runs).len(), 1);
    }

    #[test]
    fn a_run_that_lacks_a_reading_counts_for_nothing_where_others_have_them() {
        let lacks = [(Some(70.0), None), (None, Some(70.0)), (None, None)]
            .map(|(before_ns, after_ns)| at(1, Distance { before_ns, after_ns, waited_s: None }));
        let mut nearness = seen(&[None]);
        assert_eq!(nearness.judge(&lacks[2]), None, "nothing is known of any");
        nearness.note(ns(64.0, 64.0));
        for run in &lacks {
            let why = nearness.judge(run).unwrap();
            assert!(why.starts_with("it is not known how far apart the cores were: "), "{why}");
            let broken = Run { void: vec!["the server did not start".into()], ..run.clone() };
            assert_eq!(nearness.judge(&broken), None, "that is reason enough");
        }
    }

    #[test]
    fn what_was_made_far_apart_counts_no_more_once_the_cores_were_near() {
        let mut nearness = seen(&[Some(64.0)]);
        let mut runs = vec![at(1, ns(400.0, 390.0)), at(2, ns(380.0, 400.0))];
        runs.push(Run { void: vec!["late".into()], ..runs[0].clone() });
        runs.iter().for_each(|run| nearness.note(run.distance));
        nearness.learn();
        assert!(nearness.reconsider(&mut runs).is_empty(), "what was seen of resting cores says nothing about runs");
        nearness.note(ns(64.0, 63.0));
        let void = nearness.reconsider(&mut runs);
        assert_eq!(void.iter().map(|run| run.round).collect::<Vec<_>>(), [1, 2]);
        assert!(void[0].void[0].contains("400 ns") && void[0].void[0].contains("64 when"), "{:?}", void[0].void);
        assert_eq!(runs[2].void.len(), 1, "what was void");
        assert!(nearness.reconsider(&mut runs).is_empty(), "it is said once");
    }
}
