//! One run: a load on a system, and whether its figures count.

use std::time::SystemTime;

use clap::ValueEnum;
use indicatif::HumanFloatCount;

use crate::fleet::{Measured, Timing};
use crate::latency::Named;
use crate::load::{Load, Outcome};
use crate::onlooker::{Nobody, Onlooker};
use crate::reports;
use crate::results::{Cpu, LatencyFigures, Memory, Run};
use crate::system::{System, Target};

/// What of the sends that a schedule meant the load has to hand over in time. How many of them the system finishes is its result.
const ON_TIME: f64 = 0.999;
/// Sends that may be missing at the end of what is measured, however few there are in all.
const UNDER_WAY: f64 = 2.0;
/// What the load's own lateness may be of a latency, both at the same percentile.
const LATENESS: f64 = 0.1;
/// Whoever makes thousands of connections on one core is late meanwhile. That is part of the response there, which makes a server look worse
/// and never better, and is told beside it.
const IN_THE_STORM: &str = " in the storm";
/// What everyone else may take of one core.
const OTHERS: f64 = 0.05;

/// The percentile up to which the load itself has to be on time for a run to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnTime {
    /// The median.
    P50,
    /// The 90th: for figures up to there, on machines whose gaps make every load late beyond.
    P90,
    /// The 99th.
    P99,
}

impl OnTime {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.quantile().0
    }

    fn quantile(self) -> (&'static str, f64) {
        match self {
            Self::P50 => ("p50", 0.5),
            Self::P90 => ("p90", 0.9),
            Self::P99 => ("p99", 0.99),
        }
    }
}

/// A run, and the latencies behind its figures.
pub struct Done {
    /// The figures.
    pub run: Run,
    /// The latencies.
    pub latencies: Vec<Named>,
    /// When measuring began.
    pub measured_from: SystemTime,
}

/// Puts a load on a server. A failure is a run that counts for nothing, and says why.
pub fn measure(load: &Load, system: &dyn System, target: &Target, timing: Timing) -> Done {
    measure_watched(load, system, target, timing, &mut Nobody)
}

/// Puts a load on a server, and lets somebody look on.
pub fn measure_watched(
    load: &Load,
    system: &dyn System,
    target: &Target,
    timing: Timing,
    onlooker: &mut dyn Onlooker,
) -> Done {
    match load.run(system, target, timing, onlooker) {
        Ok(outcome) => done(load, system, outcome, timing.on_time),
        Err(why) => failed(load, system, why),
    }
}

/// A run that came to nothing.
pub fn failed(load: &Load, system: &dyn System, why: String) -> Done {
    Done {
        run: Run { void: vec![why], ..empty(load, system) },
        latencies: Vec::new(),
        measured_from: SystemTime::now(),
    }
}

/// A run of which nothing is known yet.
pub fn empty(load: &Load, system: &dyn System) -> Run {
    Run {
        system: system.name().to_owned(),
        case: load.case(),
        round: 1,
        attempt: 1,
        void: Vec::new(),
        measured_s: 0.0,
        sends_per_s: 0.0,
        deliveries_per_s: 0.0,
        offered_per_s: load.offered(),
        distance: Default::default(),
        during: Default::default(),
        checked: Default::default(),
        cpu: Cpu::default(),
        memory: None,
        latencies: Vec::new(),
        figures: Default::default(),
    }
}

fn done(load: &Load, system: &dyn System, outcome: Outcome, on_time: OnTime) -> Done {
    let Outcome { measured, latencies, figures, connections, void } = outcome;
    let void = faults(load, &measured, &latencies, on_time).into_iter().chain(void).collect();
    let seconds = measured.duration.as_secs_f64();
    let server_s = measured.cpu.server.map(|spent| spent.as_secs_f64());
    let millions = measured.counts.deliveries as f64 / 1e6;
    // little of it: what is measured is the load as much as the system
    let idle =
        measured.idle.filter(|_| millions > 0.0).map(|idle| ("load idle %", idle.as_secs_f64() / seconds * 100.0));
    let each = |bytes: u64| bytes as f64 / connections.count.max(1) as f64;
    let run = Run {
        void,
        measured_s: seconds,
        sends_per_s: measured.counts.sends as f64 / seconds,
        deliveries_per_s: measured.counts.deliveries as f64 / seconds,
        checked: measured.all,
        distance: measured.distance,
        during: measured.during,
        cpu: Cpu {
            server_s,
            loadgen_s: Some(measured.cpu.own.as_secs_f64()),
            other_s: Some(measured.others.0.as_secs_f64()),
            whole_s: Some(measured.whole.as_secs_f64()),
            kernel_threads_s: Some(measured.others.1.as_secs_f64()),
            server_s_per_million_deliveries: server_s.filter(|_| millions > 0.0).map(|spent| spent / millions),
        },
        memory: measured.memory.map(|memory| Memory {
            connections: connections.count,
            rss_bytes: memory.rss,
            rss_anon_bytes: memory.anonymous,
            process_bytes_per_connection: each(connections.process),
            kernel_bytes_per_connection: each(connections.kernel),
        }),
        latencies: latencies.iter().map(figures_of).collect(),
        figures: figures.into_iter().chain(idle).map(|(name, value)| (name.to_owned(), value)).collect(),
        ..empty(load, system)
    };
    Done { run, latencies, measured_from: measured.measured_from }
}

fn figures_of(named: &Named) -> LatencyFigures {
    crate::reports::figures(&named.latency, named.of, named.kind)
}

/// Why a run counts for nothing.
fn faults(load: &Load, measured: &Measured, latencies: &[Named], on_time: OnTime) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(missing) = &measured.missing {
        faults.push(format!("lost: {missing}"));
    }
    for (count, what) in [(measured.all.duplicated, "arrived twice"), (measured.all.reordered, "arrived out of order")]
    {
        if count > 0 {
            faults.push(format!("{} {what}", reports::count(count, "message", "messages")));
        }
    }
    // before what it may have made late
    let others = measured.others.0.as_secs_f64() / measured.whole.as_secs_f64();
    let is_busy = others > OTHERS;
    if is_busy {
        let (took, may) = (others * 100.0, OTHERS * 100.0);
        faults.push(format!("other work took {took:.0} % of a core, and may take {may:.0}"));
    }
    let seconds = measured.duration.as_secs_f64();
    if let Some(rate) = load.offered() {
        let (meant, sent) = (rate * seconds, measured.sent as f64);
        if sent < meant * ON_TIME && meant - sent > UNDER_WAY {
            let (sent, meant) = (HumanFloatCount((sent / seconds * 10.0).round() / 10.0), HumanFloatCount(rate));
            faults.push(format!("late: the load sent {sent}/s of {meant} meant, less than {} %", ON_TIME * 100.0));
        }
        let (name, quantile) = on_time.quantile();
        let at = |named: &Named| named.latency.total().value_at_quantile(quantile) as f64 / 1_000.0;
        for sent in latencies.iter().filter(|named| named.kind == "lag") {
            // `send in the storm` is the lag of `delivery in the storm`
            let when = sent.of.strip_prefix("send");
            if when == Some(IN_THE_STORM) {
                continue;
            }
            let of_it = |named: &&Named| named.kind == "response" && named.of.strip_prefix("delivery") == when;
            let Some(delivery) = latencies.iter().find(of_it) else { continue };
            let (lag, response) = (at(sent), at(delivery));
            if lag > response * LATENESS {
                let is_machine = name == "p99" && !is_busy;
                let advice = if is_machine { " (a virtual machine may allow no more than --on-time p90)" } else { "" };
                let of = delivery.of.trim_start_matches("delivery");
                faults.push(format!(
                    "late: the load's own lag is {lag:.1} us at {name}, over a tenth of the response's {response:.1} us{of}{advice}"
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Checked;
    use crate::workload::Pace;
    use std::time::Duration;

    const LOAD: Load = Load::Pair { pairs: 1, payload: 64, pace: Some(Pace::Rate(1_000.0)), name: "pair" };

    /// A second in which everything went well.
    fn well() -> Measured {
        Measured {
            measured_from: SystemTime::UNIX_EPOCH,
            duration: Duration::from_secs(1),
            counts: Checked { sends: 1_000, deliveries: 1_000, ..Checked::default() },
            sent: 1_000,
            idle: None,
            all: Checked::default(),
            cpu: crate::process::Spent::default(),
            others: (Duration::ZERO, Duration::ZERO),
            whole: Duration::from_secs(2),
            memory: None,
            distance: Default::default(),
            during: Default::default(),
            syncs: 0,
            present: 2,
            missing: None,
        }
    }

    /// Latencies of a hundred sends each: `late` of a hundred were sent 50 us late.
    fn latencies(late: u64) -> Vec<Named> {
        let mut all = vec![Named::new("delivery", "response"), Named::new("send", "lag")];
        for number in 0..100 {
            all[0].latency.record(200_000);
            all[1].latency.record(if number < late { 50_000 } else { 100 });
        }
        all
    }

    fn faults_of(change: impl FnOnce(&mut Measured)) -> Vec<String> {
        let mut measured = well();
        change(&mut measured);
        faults(&LOAD, &measured, &latencies(0), OnTime::P99)
    }

    #[test]
    fn a_run_in_which_all_went_well_counts() {
        assert!(faults_of(|_| {}).is_empty());
        // what the system finishes is its result, and no fault of the load
        assert!(faults_of(|measured| measured.counts.sends = 500).is_empty());
        assert!(faults_of(|measured| measured.sent = 998).is_empty(), "two sends may be under way");
        assert!(faults_of(|measured| measured.others.0 = Duration::from_millis(99)).is_empty());
    }

    #[test]
    fn whatever_is_wrong_is_said() {
        assert_eq!(faults_of(|measured| measured.missing = Some("3 undelivered".into())), ["lost: 3 undelivered"]);
        assert_eq!(faults_of(|measured| measured.all.duplicated = 2), ["2 messages arrived twice"]);
        assert_eq!(faults_of(|measured| measured.all.reordered = 1), ["1 message arrived out of order"]);
        assert_eq!(
            faults_of(|measured| measured.sent = 990),
            ["late: the load sent 990/s of 1,000 meant, less than 99.9 %"]
        );
        let busy = faults_of(|measured| measured.others.0 = Duration::from_millis(300));
        assert_eq!(busy, ["other work took 15 % of a core, and may take 5"]);
    }

    /// The story: other work made the load late, and whoever read on was told to be content with less of it.
    #[test]
    fn other_work_stands_before_what_it_has_made_late() {
        let others = (Duration::from_millis(300), Duration::ZERO);
        let measured = Measured { sent: 990, others, ..well() };
        let faults = faults(&LOAD, &measured, &latencies(5), OnTime::P99);
        assert!(faults[0].starts_with("other work") && faults[1].starts_with("late: the load sent"), "{faults:?}");
        assert!(faults.len() == 3 && !faults[2].contains("--on-time"), "{faults:?}");
    }

    #[test]
    fn the_load_has_to_be_on_time_up_to_a_percentile() {
        let late = |late, on_time| faults(&LOAD, &well(), &latencies(late), on_time).len();
        assert_eq!((late(5, OnTime::P99), late(5, OnTime::P90)), (1, 0));
        assert_eq!((late(20, OnTime::P90), late(20, OnTime::P50)), (1, 0));
        assert_eq!(late(60, OnTime::P50), 1);
    }
}
