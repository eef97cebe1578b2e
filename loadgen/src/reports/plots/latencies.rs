//! Plots of one case: the whole distribution, and how latency went over time.

use super::drawing::{Line, Mark, Plot, Sense, Series, Stroke};
use super::palette::look;
use super::scale::{self, Axis};
use crate::reports::measures;
use crate::reports::study::{CaseStudy, Entry};
use crate::reports::wording::short;
use crate::results::{Interval, LatencyFigures};

/// So many rounds of a system are drawn, the one in the middle among them.
pub const ROUNDS: usize = 5;
/// So many points has a line of a distribution, and so many if it is a faint one.
const POINTS: usize = 250;
const FAINT_POINTS: usize = 60;
/// So many intervals has a line over time.
const INTERVALS: usize = 80;
/// So many systems are drawn.
const SYSTEMS: usize = 12;

/// The distribution of a latency for each system: the round in the middle strong, the others faint. Nothing if nobody has it.
pub fn spectrum(study: &CaseStudy<'_>, of: &str, kind: &str) -> Option<Plot> {
    let drawn: Vec<_> = drawn(study, of, kind);
    let points = || drawn.iter().flat_map(|(_, rounds)| rounds).flat_map(|latency| &latency.spectrum);
    if points().count() < 2 {
        return None;
    }
    let samples = drawn.iter().flat_map(|(_, rounds)| rounds).map(|latency| latency.count).max()?;
    let series = drawn.iter().map(|(entry, rounds)| {
        let line = |(place, latency): (usize, &&LatencyFigures)| {
            let stroke = if place == 0 { Stroke::Strong } else { Stroke::Faint };
            Line { points: distribution(latency, stroke), stroke }
        };
        Series {
            label: short(entry.system.name, 16),
            look: look(entry.system),
            // the strong one is drawn last, over the others
            lines: rounds.iter().enumerate().rev().map(line).collect(),
            marks: rounds.first().map(|latency| named_percentiles(latency)).unwrap_or_default(),
        }
    });
    Some(Plot {
        about: format!("{}: percentiles of latency, one line for each system", short(of, 40)),
        x: Axis::percentiles(samples as f64),
        y: Axis::logarithmic("latency", points().map(|(_, us)| *us), scale::latency),
        height: 340,
        series: series.collect(),
        bars: Vec::new(),
    })
}

/// How a latency went over time, in the round in the middle: medians as a line, the longest as dots. Nothing if there are no intervals.
pub fn over_time(study: &CaseStudy<'_>, of: &str, kind: &str) -> Option<Plot> {
    let drawn: Vec<_> = drawn(study, of, kind)
        .into_iter()
        .filter_map(|(entry, rounds)| Some((entry, thinned(&rounds.first()?.over_time))))
        .filter(|(_, intervals)| intervals.len() > 1)
        .collect();
    let intervals = || drawn.iter().flat_map(|(_, intervals)| intervals);
    intervals().next()?;
    let series = drawn.iter().map(|(entry, intervals)| Series {
        label: short(entry.system.name, 16),
        look: look(entry.system),
        lines: vec![Line {
            points: intervals.iter().map(|interval| (interval.at_s, interval.p50_us)).collect(),
            stroke: Stroke::Strong,
        }],
        marks: intervals.iter().map(|one| Mark { at: (one.at_s, one.max_us), sense: Sense::Dot }).collect(),
    });
    Some(Plot {
        about: format!("{}: latency over time", short(of, 40)),
        x: Axis::linear("seconds since measuring began", intervals().map(|one| one.at_s), scale::number),
        y: Axis::logarithmic("latency", intervals().flat_map(|one| [one.p50_us, one.max_us]), scale::latency),
        height: 280,
        series: series.collect(),
        bars: Vec::new(),
    })
}

type Rounds<'a> = Vec<&'a LatencyFigures>;

/// The rounds of each system that are drawn, the one in the middle first.
fn drawn<'a>(study: &'a CaseStudy<'a>, of: &str, kind: &str) -> Vec<(&'a Entry<'a>, Rounds<'a>)> {
    study
        .entries
        .iter()
        .map(|entry| (entry, rounds(entry, of, kind)))
        .filter(|(_, rounds)| !rounds.is_empty())
        .take(SYSTEMS)
        .collect()
}

fn rounds<'a>(entry: &Entry<'a>, of: &str, kind: &str) -> Rounds<'a> {
    let mut rounds: Rounds<'a> = entry
        .valid
        .iter()
        .filter_map(|counted| measures::latency(counted.run, of, kind))
        .filter(|latency| !latency.spectrum.is_empty())
        .collect();
    let weight = |latency: &LatencyFigures| {
        let percentile = |name: &str| latency.percentiles_us.get(name).copied();
        percentile("p99").or(percentile("p50")).unwrap_or(latency.max_us)
    };
    rounds.sort_by(|one, other| weight(one).total_cmp(&weight(other)));
    if !rounds.is_empty() {
        let middle = rounds.remove(rounds.len() / 2);
        rounds.insert(0, middle);
    }
    rounds.truncate(ROUNDS);
    rounds
}

fn distribution(latency: &LatencyFigures, stroke: Stroke) -> Vec<(f64, f64)> {
    let most = if stroke == Stroke::Faint { FAINT_POINTS } else { POINTS };
    let step = latency.spectrum.len().div_ceil(most).max(1);
    let below_all = latency.spectrum.iter().filter(|(quantile, _)| *quantile < 1.0);
    below_all.step_by(step).map(|(quantile, us)| (1.0 / (1.0 - quantile), *us)).collect()
}

/// Marks at the percentiles that have a name, and a hollow one at the longest, which stands where one of all samples lies beyond.
fn named_percentiles(latency: &LatencyFigures) -> Vec<Mark> {
    let beyond = [("p50", 2.0), ("p90", 10.0), ("p99", 100.0), ("p99.9", 1e3), ("p99.99", 1e4)];
    let named = beyond.iter().filter_map(|(name, beyond)| {
        let us = latency.percentiles_us.get(*name)?;
        Some(Mark { at: (*beyond, *us), sense: Sense::Full })
    });
    let longest = Mark { at: (latency.count as f64, latency.max_us), sense: Sense::Hollow };
    named.chain([longest]).collect()
}

/// At most so many intervals: of neighbours the one in the middle, with the longest of all.
fn thinned(intervals: &[Interval]) -> Vec<Interval> {
    let step = intervals.len().div_ceil(INTERVALS).max(1);
    intervals
        .chunks(step)
        .map(|some| {
            let max_us = some.iter().map(|interval| interval.max_us).fold(0.0, f64::max);
            Interval { max_us, ..some[some.len() / 2] }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, run};
    use crate::results::Results;

    fn with_study(rounds: u32, test: impl FnOnce(&CaseStudy<'_>)) {
        let mut one = comparison();
        one.runs = (1..=rounds).map(|round| run("ringdove", case("pair", &[("rate", "1000")]), round)).collect();
        let results = Results { schema: 1, comparisons: vec![one] };
        test(&chapters(&results)[0].cases[0]);
    }

    #[test]
    fn the_round_in_the_middle_is_strong_and_few_others_are_drawn() {
        with_study(30, |study| {
            let plot = spectrum(study, "delivery", "response").unwrap();
            let strokes: Vec<_> = plot.series[0].lines.iter().map(|line| line.stroke).collect();
            assert_eq!(strokes.len(), ROUNDS);
            assert_eq!(strokes.iter().filter(|stroke| **stroke == Stroke::Strong).count(), 1);
            assert_eq!(*strokes.last().unwrap(), Stroke::Strong, "over the others");
        });
    }

    #[test]
    fn a_latency_that_nobody_has_is_no_plot() {
        with_study(1, |study| {
            assert!(spectrum(study, "sign-in", "response").is_none());
            assert!(over_time(study, "sign-in", "response").is_none());
            assert!(spectrum(study, "delivery", "response").is_some(), "one round is enough");
        });
    }

    #[test]
    fn a_long_run_is_thinned_but_keeps_its_longest() {
        let mut intervals = vec![Interval { at_s: 0.0, count: 1, p50_us: 1.0, p99_us: None, max_us: 2.0 }; 10_001];
        intervals[7_777].max_us = 9_999.0;
        let thinned = thinned(&intervals);
        assert!(thinned.len() <= INTERVALS);
        assert!(thinned.iter().any(|interval| interval.max_us == 9_999.0));
    }
}
