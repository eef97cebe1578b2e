//! What a run goes through: the load warms up until the cores are near, is measured, goes on for a moment, stops, and everything arrives.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::{Fleet, INTERVALS, Mark, PATIENCE, SHORTEST, Timing, cut_all};
use crate::nearness;
use crate::onlooker::Onlooker;
use crate::process::{self, Family};
use crate::results::Distance;
use crate::watch::Watch;
use crate::workload::Workload;

/// The load goes on so long between what is measured and whatever it stands still for, before and behind: a look at the distance of the cores
/// (some 10 ms, 100 at most), or a question. What arrives later than that is charged with the look behind it.
pub const AFTERMATH: Duration = Duration::from_millis(50);
/// Between two questions.
const ASKED_EVERY: Duration = Duration::from_millis(10);

/// Whoever sees how far the cores are apart.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// Measures it while the load stands still, in nanoseconds; `None`: other work left no time for it.
    pub look: &'a dyn Fn() -> Option<f64>,
    /// Looks now and then from now on, while the load goes on; `None`: that cannot be done.
    pub watch: &'a dyn Fn() -> Option<Watch>,
}

/// Where a run is.
#[derive(Clone, Copy)]
enum Stage {
    /// The load warms up until then.
    Warming(u64),
    /// It has stood still, and is measured from then on.
    Resuming(u64),
    /// It is measured since then.
    Measuring(u64),
    /// It goes on. Then somebody asks, so many times more, or else the load stops.
    Aftermath(u64, u32),
    /// It has stopped then, and what was sent arrives.
    Draining(u64),
}

/// A run on its way.
pub struct Stages<'a> {
    timing: Timing,
    server: Option<&'a Family>,
    /// `None`: nobody has to know.
    sight: Option<Sight<'a>>,
    onlooker: &'a mut dyn Onlooker,
    interval: Duration,
    stage: Stage,
    /// When the load was warm for the first time.
    warm: Option<Instant>,
    /// How much was measured when the interval ends.
    cut: Duration,
    /// How far it has come.
    pub bar: ProgressBar,
    /// How far the cores were apart.
    pub distance: Distance,
    /// Whoever looks on while it is measured.
    pub watch: Option<Watch>,
    /// The begin of what is measured.
    pub from: Option<Mark>,
    /// Its end, and the server's memory then.
    pub to: Option<(Mark, Option<process::Memory>)>,
}

impl<'a> Stages<'a> {
    /// Of a load that has just begun, its clock at 0.
    pub fn new(
        timing: Timing,
        server: Option<&'a Family>,
        sight: Option<Sight<'a>>,
        onlooker: &'a mut dyn Onlooker,
        bar: ProgressBar,
    ) -> Self {
        let interval = onlooker.every().unwrap_or_else(|| (timing.duration / INTERVALS).max(SHORTEST));
        Self {
            timing,
            server,
            sight,
            onlooker,
            interval,
            stage: Stage::Warming(timing.warm_up.as_nanos() as u64),
            warm: None,
            cut: interval,
            bar,
            distance: Distance::default(),
            watch: None,
            from: None,
            to: None,
        }
    }

    /// Does what is due by now. Returns whether the run is over: everything has arrived, or is lost.
    ///
    /// # Errors
    /// Whoever looks on ends it, or the system does not say what it has counted.
    pub fn go_on(&mut self, fleet: &mut Fleet, workload: &mut dyn Workload) -> Result<bool, String> {
        let now_ns = fleet.now_ns;
        match self.stage {
            Stage::Warming(_) | Stage::Resuming(_) if self.onlooker.has_enough() => {
                return Err("it was ended before anything was measured".into());
            }
            Stage::Warming(until_ns) if now_ns >= until_ns => self.look_before(fleet),
            Stage::Resuming(until_ns) if now_ns >= until_ns => {
                let from = fleet.mark(workload, self.server)?;
                self.stage = Stage::Measuring(from.at_ns);
                self.from = Some(from);
                workload.measure(true, fleet.clock.now_ns());
            }
            Stage::Measuring(since_ns) => {
                self.measure(Duration::from_nanos(now_ns.saturating_sub(since_ns)), fleet, workload)?;
            }
            Stage::Aftermath(until_ns, questions) if now_ns >= until_ns => self.follow(questions, fleet, workload)?,
            Stage::Draining(since_ns) => {
                let waited = Duration::from_nanos(now_ns.saturating_sub(since_ns));
                return Ok(workload.missing().is_none() || waited > PATIENCE);
            }
            _ => {}
        }
        Ok(false)
    }

    /// Looks whether measuring may begin; if not, the load rests, and warms up again. For the load no time passes meanwhile: a schedule would have
    /// arrears afterwards.
    fn look_before(&mut self, fleet: &mut Fleet) {
        let waited = self.warm.map(|warm| warm.elapsed());
        self.warm.get_or_insert_with(Instant::now);
        let waits = fleet.clock.stand_still(|| {
            self.distance.before_ns = self.sight.and_then(|sight| (sight.look)());
            let waits = nearness::is_waited_for(self.distance.before_ns, self.timing, waited.unwrap_or_default());
            if waits {
                std::thread::sleep(nearness::NAP);
            } else {
                // its first look is half a period behind the begin of what is measured
                self.watch = self.sight.and_then(|sight| (sight.watch)());
            }
            waits
        });
        self.distance.waited_s = waited.map(|waited| waited.as_millis() as f64 / 1_000.0);
        let now_ns = fleet.clock.now_ns();
        self.stage = if waits {
            Stage::Warming(now_ns + self.timing.warm_up.as_nanos() as u64)
        } else {
            Stage::Resuming(now_ns + aftermath_ns(self.sight.is_some()))
        };
    }

    /// Measuring goes on, or is over.
    fn measure(&mut self, measured: Duration, fleet: &Fleet, workload: &mut dyn Workload) -> Result<(), String> {
        let is_over = measured >= self.timing.duration || self.onlooker.has_enough();
        if is_over && !workload.is_amid() {
            let to = fleet.mark(workload, self.server)?;
            let questions = self.onlooker.questions();
            self.stage = Stage::Aftermath(to.at_ns + aftermath_ns(self.sight.is_some() || questions > 0), questions);
            self.to = Some((to, self.server.map(Family::memory).transpose()?));
            workload.measure(false, fleet.clock.now_ns());
            self.watch.iter().for_each(Watch::close);
            cut_all(workload, measured);
        } else if measured >= self.cut {
            cut_all(workload, measured);
            self.cut += self.interval;
            let onlooker = &mut *self.onlooker;
            self.bar.suspend(|| onlooker.look(workload, measured))?;
        }
        Ok(())
    }

    /// Behind what is measured: has somebody ask, or looks once more and stops the load.
    fn follow(&mut self, questions: u32, fleet: &Fleet, workload: &mut dyn Workload) -> Result<(), String> {
        if questions > 0 {
            self.onlooker.ask()?;
            let next_ns = fleet.clock.now_ns() + ASKED_EVERY.as_nanos() as u64;
            self.stage = Stage::Aftermath(next_ns, questions - 1);
        } else {
            self.distance.after_ns = self.sight.and_then(|sight| (sight.look)());
            workload.stop();
            self.stage = Stage::Draining(fleet.clock.now_ns());
        }
        Ok(())
    }
}

fn aftermath_ns(stands_still: bool) -> u64 {
    if stands_still { AFTERMATH.as_nanos() as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::crew::Crew;
    use crate::crew::tests::{Dumb, nowhere};
    use crate::fleet::Measured;
    use crate::latency::Named;
    use crate::measure::OnTime;
    use crate::results::Checked;

    /// What a load and whoever looks on were told, and how much longer measuring began after the begin than the load's clock says.
    #[derive(Default)]
    struct Diary {
        told: RefCell<Vec<&'static str>>,
        begun: Cell<Option<Instant>>,
        stood_still: Cell<Duration>,
    }

    /// A load of nobody.
    struct Quiet<'a>(&'a Diary);

    impl Workload for Quiet<'_> {
        fn begin(&mut self, _: &mut Crew, _: u64) {
            self.0.begun.set(Some(Instant::now()));
        }

        fn answered(&mut self, _: &mut Crew, _: usize, _: u64) -> Result<(), String> {
            Ok(())
        }

        fn delivered(&mut self, _: &mut Crew, _: usize, _: &[u8], _: u64) -> Result<(), String> {
            Ok(())
        }

        fn stop(&mut self) {
            self.0.told.borrow_mut().push("stop");
        }

        fn measure(&mut self, on: bool, now_ns: u64) {
            self.0.told.borrow_mut().push(if on { "measure" } else { "measure no more" });
            if on {
                let since = self.0.begun.get().unwrap().elapsed();
                self.0.stood_still.set(since.saturating_sub(Duration::from_nanos(now_ns)));
            }
        }

        fn counts(&self) -> Checked {
            Checked::default()
        }

        fn missing(&self) -> Option<String> {
            None
        }

        fn latencies(&mut self) -> Vec<&mut Named> {
            Vec::new()
        }
    }

    /// Asks twice.
    struct Curious<'a>(&'a Diary);

    impl Onlooker for Curious<'_> {
        fn questions(&self) -> u32 {
            2
        }

        fn ask(&mut self) -> Result<(), String> {
            self.0.told.borrow_mut().push("asked");
            Ok(())
        }
    }

    /// A run in which the cores are so far apart, look by look, each of which takes so long; near is up to 150 ns.
    fn run(readings: &[f64], each: Duration) -> (Measured, Diary) {
        let looks = Cell::new(0);
        let look = || {
            std::thread::sleep(each);
            readings.get(looks.replace(looks.get() + 1)).copied()
        };
        let timing = Timing {
            warm_up: Duration::from_millis(10),
            duration: Duration::from_millis(20),
            spin: Duration::ZERO,
            on_time: OnTime::P99,
            server_core: None,
            at_most_ns: Some(150.0),
        };
        let diary = Diary::default();
        let sight = Sight { look: &look, watch: &|| Watch::on(0) };
        let mut fleet = Fleet::new(&nowhere(), &Dumb, 0, 0, crate::stamp::STAMP).unwrap();
        let (mut quiet, mut curious) = (Quiet(&diary), Curious(&diary));
        let measured = fleet.run_seen_by(Some(sight), &mut quiet, timing, None, "", &mut curious).unwrap();
        (measured, diary)
    }

    #[test]
    fn it_is_asked_while_the_load_goes_on_and_nothing_is_measured() {
        let (_, diary) = run(&[60.0, 61.0], Duration::ZERO);
        assert_eq!(diary.told.into_inner(), ["measure", "measure no more", "asked", "asked", "stop"]);
    }

    /// Otherwise a schedule would be behind when measuring begins.
    #[test]
    fn for_the_load_no_time_passes_while_the_cores_are_looked_at() {
        let (measured, diary) = run(&[60.0, 61.0], Duration::from_millis(300));
        assert_eq!(measured.distance, Distance { before_ns: Some(60.0), after_ns: Some(61.0), waited_s: None });
        assert!(diary.stood_still.get() >= Duration::from_millis(200), "{:?}", diary.stood_still);
        // nor while it rests
        let (_, diary) = run(&[400.0, 400.0, 60.0, 61.0], Duration::ZERO);
        assert!(diary.stood_still.get() >= nearness::NAP + nearness::NAP / 2, "{:?}", diary.stood_still);
    }

    #[test]
    fn it_is_known_how_long_was_waited() {
        let (measured, _) = run(&[400.0, 400.0, 60.0, 61.0], Duration::ZERO);
        let Distance { before_ns, after_ns, waited_s } = measured.distance;
        assert_eq!((before_ns, after_ns), (Some(60.0), Some(61.0)));
        // two rests, and two warm-ups
        assert!(waited_s >= Some(0.32), "{waited_s:?}");
    }
}
