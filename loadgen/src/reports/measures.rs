//! Which figures of a run are told, and which of them a case is about.

use super::digits;
use super::spread::Spread;
use super::study::{CaseStudy, Entry};
use crate::results::{Case, LatencyFigures, Run};

/// Who sends less than this part of what was offered is at its end.
pub const HELD: f64 = 0.98;
/// With fewer connections their memory is lost in that of everything else.
const CONNECTIONS: u64 = 500;

/// How a figure is found in a run.
type Figure = dyn Fn(&Run) -> Option<f64>;

/// One figure of a run.
pub struct Measure {
    /// What it is.
    pub name: String,
    /// Its unit; empty: the name or the figure says it.
    pub unit: &'static str,
    /// How it is written.
    pub write: fn(f64) -> String,
    /// Whether more of it is better.
    pub more_is_better: bool,
    of: Box<Figure>,
}

impl Measure {
    fn new(
        (name, unit): (impl Into<String>, &'static str),
        write: fn(f64) -> String,
        more_is_better: bool,
        of: impl Fn(&Run) -> Option<f64> + 'static,
    ) -> Self {
        Self { name: name.into(), unit, write, more_is_better, of: Box::new(of) }
    }

    /// Its name with its unit, for a column.
    pub fn column(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.unit) }
    }

    /// A figure with its unit, for a sentence.
    pub fn words(&self, figure: f64) -> String {
        format!("{} {}", (self.write)(figure), self.unit).trim_end().to_owned()
    }

    /// It, of one run, if it was measured.
    pub fn of(&self, run: &Run) -> Option<f64> {
        (self.of)(run).filter(|figure| figure.is_finite())
    }

    /// It, over all rounds that count; `None` if some of them do not have it: a median of others would stand beside figures of all.
    pub fn spread(&self, entry: &Entry<'_>) -> Option<Spread> {
        let figures: Option<Vec<f64>> = entry.valid.iter().map(|counted| self.of(counted.run)).collect();
        figures.and_then(Spread::of)
    }

    /// One system's beside another's: a ratio for each turn in which both have it.
    pub fn ratio(&self, entry: &Entry<'_>, beside: &Entry<'_>) -> Option<Spread> {
        Spread::of(entry.valid.iter().filter_map(|counted| {
            let other = beside.valid.iter().find(|other| other.turn == counted.turn)?;
            let below = self.of(other.run).filter(|figure| *figure > 0.0)?;
            Some(self.of(counted.run)? / below)
        }))
    }
}

/// Rates, and what they cost.
pub fn rates_and_costs() -> Vec<Measure> {
    vec![sends(), held(), deliveries(), cpu(), rss(), process_bytes(), kernel_bytes()]
}

/// What a case is about, the most important first.
pub fn of_case(study: &CaseStudy<'_>) -> Vec<Measure> {
    let has = |measure: &Measure| study.counted().any(|run| measure.of(run).is_some_and(|figure| figure > 0.0));
    let open = study.counted().any(|run| run.offered_per_s.is_some());
    let mut measures = Vec::new();
    if study.case.workload == "idle" {
        measures.extend([process_bytes(), kernel_bytes()]);
    } else if study.case.workload == "fanout" && !open {
        measures.push(deliveries());
    } else if !open && !is_round_trip(study.case, study) {
        measures.push(sends());
    }
    if measures.is_empty()
        && let Some((of, kind)) = study.headline()
    {
        measures.extend([percentile(of, kind, "p50"), percentile(of, kind, "p99")]);
    }
    if study.case.workload == "storm" {
        measures.extend([percentile("back", "response", "p50"), percentile("back", "response", "p99")]);
    }
    measures.push(cpu());
    measures.retain(|measure| has(measure));
    measures
}

/// One message in flight for each sender: neither a window nor a rate was set, and latency is what it is about.
fn is_round_trip(case: &Case, study: &CaseStudy<'_>) -> bool {
    let paced = ["window", "rate"].iter().any(|name| case.settings.contains_key(*name));
    let in_turns = study.counted().any(|run| run.latencies.iter().any(|latency| latency.of == "round trip"));
    in_turns && !paced
}

/// Answered sends each second.
pub fn sends() -> Measure {
    Measure::new(("sends/s", ""), digits::figure, true, |run| Some(run.sends_per_s).filter(|rate| *rate > 0.0))
}

/// What part of the sends that were meant went through; only in open loop.
pub fn held() -> Measure {
    Measure::new(("of what was offered", "%"), digits::figure, true, |run| {
        run.offered_per_s.filter(|offered| *offered > 0.0).map(|offered| (run.sends_per_s / offered * 100.0).min(100.0))
    })
}

/// Whether a system is at its end: less went through than was offered.
pub fn falls_short(entry: &Entry<'_>) -> bool {
    held().spread(entry).is_some_and(|part| part.median < HELD * 100.0)
}

/// Deliveries each second.
pub fn deliveries() -> Measure {
    Measure::new(("deliveries/s", ""), digits::figure, true, |run| {
        Some(run.deliveries_per_s).filter(|rate| *rate > 0.0)
    })
}

/// The broker's CPU time for a million deliveries, in seconds.
pub fn cpu() -> Measure {
    Measure::new(("broker CPU for a million deliveries", "s"), digits::figure, false, |run| {
        run.cpu.server_s_per_million_deliveries.filter(|cpu| *cpu > 0.0)
    })
}

/// Resident memory.
pub fn rss() -> Measure {
    Measure::new(("resident memory", ""), digits::bytes, false, |run| {
        run.memory.map(|memory| memory.rss_bytes as f64).filter(|bytes| *bytes > 0.0)
    })
}

/// The process's bytes for each connection.
pub fn process_bytes() -> Measure {
    Measure::new(("process memory for a connection", "bytes"), digits::figure, false, |run| {
        run.memory.filter(|memory| memory.connections >= CONNECTIONS).map(|memory| memory.process_bytes_per_connection)
    })
}

/// The kernel's bytes for each connection.
pub fn kernel_bytes() -> Measure {
    Measure::new(("kernel memory for a connection", "bytes"), digits::figure, false, |run| {
        run.memory.filter(|memory| memory.connections >= CONNECTIONS).map(|memory| memory.kernel_bytes_per_connection)
    })
}

/// A percentile of a latency, or its `max`, in microseconds.
pub fn percentile(of: &str, kind: &str, name: &'static str) -> Measure {
    let (wanted, kind) = (of.to_owned(), kind.to_owned());
    let long = format!("{name} of {}", super::wording::short(of, 40));
    Measure::new((long, "µs"), digits::us, false, move |run| {
        let latency = latency(run, &wanted, &kind)?;
        if name == "max" {
            (latency.count > 0).then_some(latency.max_us)
        } else {
            latency.percentiles_us.get(name).copied()
        }
    })
}

/// A latency of a run.
pub fn latency<'a>(run: &'a Run, of: &str, kind: &str) -> Option<&'a LatencyFigures> {
    run.latencies.iter().find(|latency| latency.of == of && latency.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, latency, run};
    use crate::results::Results;

    fn results(of: impl Fn(&mut Vec<Run>)) -> Results {
        let mut one = comparison();
        one.runs.clear();
        of(&mut one.runs);
        Results { schema: 1, comparisons: vec![one] }
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let results = results(|runs| {
            for (round, ours, theirs) in [(1, 10.0, 20.0), (2, 100.0, 100.0), (3, 7.0, f64::NAN)] {
                for (system, rate) in [("ringdove", ours), ("nats", theirs)] {
                    let mut run = run(system, case("pair", &[("window", "9")]), round);
                    run.sends_per_s = rate;
                    runs.push(run);
                }
            }
        });
        let chapters = chapters(&results);
        let study = &chapters[0].cases[0];
        let (ours, theirs) = (study.entry("ringdove").unwrap(), study.entry("nats").unwrap());
        let ratio = sends().ratio(theirs, ours).unwrap();
        assert_eq!((ratio.least, ratio.most, ratio.count), (1.0, 2.0, 2), "the third round has no figure of both");
    }

    #[test]
    fn a_storm_is_also_about_who_comes_back() {
        let results = results(|runs| {
            let mut run = run("ringdove", case("storm", &[("rate", "9")]), 1);
            run.offered_per_s = Some(9.0);
            run.latencies =
                ["delivery calm", "back", "delivery in the storm"].map(|of| latency(of, "response")).to_vec();
            runs.push(run);
        });
        let names: Vec<_> = of_case(&chapters(&results)[0].cases[0]).into_iter().map(|measure| measure.name).collect();
        assert_eq!(
            names[..4],
            ["p50 of delivery in the storm", "p99 of delivery in the storm", "p50 of back", "p99 of back"]
        );
    }

    #[test]
    fn the_headline_is_that_of_all_systems() {
        let results = results(|runs| {
            for (system, of) in [("ringdove", "delivery"), ("nats", "answer")] {
                let mut run = run(system, case("durable", &[("rate", "9")]), 1);
                (run.offered_per_s, run.latencies) = (Some(9.0), vec![latency(of, "response")]);
                runs.push(run);
            }
        });
        assert_eq!(of_case(&chapters(&results)[0].cases[0])[0].name, "p50 of answer", "the first one has none");
    }

    #[test]
    fn what_a_case_is_about_follows_from_its_load() {
        let about = |workload, settings: &[(&str, &str)], change: fn(&mut Run)| {
            let results = results(|runs| {
                let mut run = run("ringdove", case(workload, settings), 1);
                change(&mut run);
                runs.push(run);
            });
            of_case(&chapters(&results)[0].cases[0])[0].name.clone()
        };
        assert_eq!(about("pair", &[("window", "9")], |_| {}), "sends/s");
        assert_eq!(about("fanout", &[("window", "9")], |_| {}), "deliveries/s");
        assert_eq!(about("pair", &[("rate", "9")], |run| run.offered_per_s = Some(9.0)), "p50 of delivery");
        assert_eq!(about("pair", &[], |run| run.latencies[0].of = "round trip".into()), "p50 of round trip");
        assert_eq!(
            about("storm", &[("rate", "9")], |run| {
                run.offered_per_s = Some(9.0);
                run.latencies = ["delivery calm", "delivery in the storm"].map(|of| latency(of, "response")).to_vec();
            }),
            "p50 of delivery in the storm"
        );
        assert_eq!(
            about("idle", &[], |run| run.memory.as_mut().unwrap().connections = 10_000),
            "process memory for a connection"
        );
    }
}
