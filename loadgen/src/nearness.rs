//! Whether the cores of server and load were near each other in each run of one call of loadgen. Figures of runs in which they were not cannot
//! be held against those of others, and such runs count for nothing.

use std::time::Duration;

use crate::distance;
use crate::fleet::Timing;
use crate::results::{Distance, Run};
use crate::server::Cores;

/// Cores that are more than so many times as far apart as the nearest that was seen are far apart. On the virtual machine where this was found
/// it were 59 to 114 ns while they were near, and 320 to 700 while they were not.
const FAR: f64 = 2.5;
/// Between two looks. Sleeping is what makes a host place cores anew.
pub const NAP: Duration = Duration::from_millis(150);
/// Looks at the begin, to learn what near is: three seconds, with 10 ms for each look.
const LEARNING: u32 = 19;
/// How long a load that is warm may wait until the cores are near.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sleeps so long, and then measures how far the cores are apart, in nanoseconds; `None`: that cannot be known.
type Look = Box<dyn FnMut(Duration) -> Option<f64>>;

/// How near the cores were so far.
pub struct Nearness {
    look: Look,
    nearest_ns: Option<f64>,
    /// Whether it was looked for long enough to know what near is.
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
        Self { look, nearest_ns: None, learned: false }
    }

    /// Cores that are at most so many nanoseconds apart are near; `None`: nothing is known. At the begin it learns what near is.
    pub fn at_most_ns(&mut self) -> Option<f64> {
        self.learn();
        self.nearest_ns.map(|nearest_ns| nearest_ns * FAR)
    }

    /// Takes note of how far the cores were apart in a run: they may never have been nearer.
    pub fn note(&mut self, distance: Distance) {
        let seen = distance.readings().chain(self.nearest_ns);
        self.nearest_ns = seen.reduce(f64::min);
    }

    /// Why a run at this distance counts for nothing, as far as is known by now.
    pub fn judge(&self, distance: Distance) -> Option<String> {
        let nearest_ns = self.nearest_ns?;
        let farthest_ns = distance.readings().fold(0.0, f64::max);
        (farthest_ns > nearest_ns * FAR).then(|| {
            format!(
                "the host had moved the cores apart: a cache line took {farthest_ns:.0} ns from one to the other and back, {nearest_ns:.0} when they were near"
            )
        })
    }

    /// Judges again what has counted so far: what near is may have been learned since. Returns the runs that count for nothing now.
    pub fn reconsider(&self, runs: &mut [Run]) -> Vec<Run> {
        let mut void = Vec::new();
        for run in runs.iter_mut().filter(|run| run.void.is_empty()) {
            run.void.extend(self.judge(run.distance));
            if !run.void.is_empty() {
                void.push(run.clone());
            }
        }
        void
    }

    /// Looks for three seconds what near is; less where the cores come near meanwhile, or where nothing can be known.
    fn learn(&mut self) {
        if std::mem::replace(&mut self.learned, true) {
            return;
        }
        let mut farthest_ns: f64 = 0.0;
        for _ in 0..LEARNING {
            let Some(seen_ns) = self.look(NAP) else { break };
            farthest_ns = farthest_ns.max(seen_ns);
            if farthest_ns > seen_ns * FAR {
                break;
            }
        }
    }

    fn look(&mut self, nap: Duration) -> Option<f64> {
        let seen = (self.look)(nap);
        self.note(Distance { before_ns: seen, after_ns: None });
        seen
    }
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
        Distance { before_ns: Some(before_ns), after_ns: Some(after_ns) }
    }

    #[test]
    fn cores_that_are_always_equally_far_void_nothing() {
        let (mut nearness, looks) = counted(&[Some(400.0)]);
        assert_eq!(nearness.at_most_ns(), Some(1_000.0));
        assert_eq!(looks.get(), LEARNING as usize);
        assert!((NAP + Duration::from_millis(10)) * LEARNING >= Duration::from_secs(3));
        nearness.note(ns(410.0, 390.0));
        assert_eq!(nearness.judge(ns(410.0, 390.0)), None);
        assert_eq!((nearness.at_most_ns(), looks.get()), (Some(975.0), LEARNING as usize), "it is learned once");
    }

    #[test]
    fn whoever_has_seen_both_has_learned_enough() {
        let (mut nearness, looks) = counted(&[Some(400.0), Some(390.0), Some(60.0)]);
        assert_eq!((nearness.at_most_ns(), looks.get()), (Some(150.0), 3));
    }

    #[test]
    fn what_cannot_be_known_is_not_learned() {
        let (mut nearness, looks) = counted(&[None]);
        assert_eq!((nearness.at_most_ns(), looks.get()), (None, 1));
        assert_eq!((nearness.judge(Distance::default()), nearness.judge(ns(400.0, 60.0))), (None, None));
        nearness.note(ns(400.0, 60.0));
        assert_eq!(nearness.at_most_ns(), Some(150.0), "a run shows it, too");
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
        nearness.note(ns(70.0, 64.0));
        let judge = |before_ns, after_ns| nearness.judge(Distance { before_ns, after_ns });
        let why = "the host had moved the cores apart: a cache line took 327 ns from one to the other and back, 64 when they were near";
        assert_eq!(judge(Some(327.0), Some(64.0)).as_deref(), Some(why));
        assert_eq!(judge(Some(70.0), Some(327.0)).as_deref(), Some(why));
        assert_eq!(judge(None, Some(327.0)).as_deref(), Some(why));
        assert_eq!((judge(Some(160.0), Some(160.0)), judge(Some(70.0), None), judge(None, None)), (None, None, None));
    }

    #[test]
    fn what_was_made_far_apart_counts_no_more_once_the_cores_were_near() {
        let mut nearness = seen(&[Some(64.0)]);
        let of = |round, distance| Run { distance, ..run("ringdove", case("pair", &[]), round) };
        let mut runs = vec![of(1, ns(400.0, 390.0)), of(2, ns(380.0, 400.0)), of(3, Distance::default())];
        runs.push(Run { void: vec!["late".into()], ..runs[0].clone() });
        runs.iter().for_each(|run| nearness.note(run.distance));
        assert!(nearness.reconsider(&mut runs).is_empty());
        nearness.learn();
        let void = nearness.reconsider(&mut runs);
        assert_eq!(void.iter().map(|run| run.round).collect::<Vec<_>>(), [1, 2]);
        assert!(void[0].void[0].contains("400 ns") && void[0].void[0].contains("64 when"), "{:?}", void[0].void);
        assert_eq!((runs[2].void.len(), runs[3].void.len()), (0, 1), "what nobody measured, and what was void");
        assert!(nearness.reconsider(&mut runs).is_empty(), "it is said once");
    }
}
