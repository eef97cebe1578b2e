//! Plots over several cases, and the bars of one: how much goes through, and what that costs.

use super::drawing::{Bar, Line, Mark, Plot, Sense, Series, Stroke};
use super::families::Family;
use super::palette::look;
use super::scale::{self, Axis};
use crate::reports::digits;
use crate::reports::measures::{self, Measure};
use crate::reports::spread::Spread;
use crate::reports::study::{CaseStudy, Chapter, Entry, System};
use crate::reports::wording::short;

/// So many bars are drawn.
const BARS: usize = 16;

/// Throughput against latency over rates that grow: where the latency turns upward, a system is at its end.
pub fn saturation(chapter: &Chapter<'_>, family: &Family<'_>, percentile: &'static str) -> Option<Plot> {
    let (of, kind) = family.members.iter().find_map(|(_, study)| study.headline())?;
    let latency = measures::percentile(of, kind, percentile);
    let of = short(of, 40);
    let series: Vec<_> = chapter
        .systems
        .iter()
        .filter_map(|system| rates_of(*system, family, &latency))
        .filter(|series| !series.marks.is_empty())
        .collect();
    let marks = || series.iter().flat_map(|series| &series.marks);
    if marks().count() < 2 {
        return None;
    }
    Some(Plot {
        about: format!("throughput against {percentile} of {of}"),
        x: Axis::linear("sends/s that went through", marks().map(|mark| mark.at.0), scale::number),
        y: Axis::logarithmic(&format!("{percentile} of {of}"), marks().map(|mark| mark.at.1), scale::latency),
        height: 320,
        series,
        bars: Vec::new(),
    })
}

fn rates_of(system: System<'_>, family: &Family<'_>, latency: &Measure) -> Option<Series> {
    let mut points = Vec::new();
    let mut marks = Vec::new();
    for (offered, study) in &family.members {
        let Some(entry) = study.entry(system.name) else { continue };
        let valid = measures::sends().spread(entry).zip(latency.spread(entry));
        if let Some((rate, us)) = valid {
            let at = (rate.median, us.median);
            let sense = if rate.median < offered * measures::HELD { Sense::Hollow } else { Sense::Full };
            points.push(at);
            marks.push(Mark { at, sense });
        } else {
            let median = |measure: &Measure| Spread::of(entry.void.iter().filter_map(|run| measure.of(run)));
            let void = median(&measures::sends()).zip(median(latency));
            marks.extend(void.map(|(rate, us)| Mark { at: (rate.median, us.median), sense: Sense::Crossed }));
        }
    }
    let lines = vec![Line { points, stroke: Stroke::Strong }];
    Some(Series { label: short(system.name, 16), look: look(system), lines, marks })
}

/// The broker's CPU time for a delivery, over the members of a group.
pub fn cost_of_fanout(chapter: &Chapter<'_>, family: &Family<'_>) -> Option<Plot> {
    // seconds for a million are microseconds for one
    let cpu = |entry: &Entry<'_>| Some(measures::cpu().spread(entry)?.median);
    let series = one_line_each(chapter, family, cpu)?;
    let points = || series.iter().flat_map(|series| &series.marks).map(|mark| mark.at);
    Some(Plot {
        about: "CPU time for a delivery against the members of a group".into(),
        x: Axis::logarithmic("members of the group", points().map(|at| at.0), scale::number),
        y: Axis::linear("broker CPU for a delivery, µs", points().map(|at| at.1), scale::number),
        height: 280,
        series,
        bars: Vec::new(),
    })
}

/// Resident memory over connections.
pub fn memory_of_connections(chapter: &Chapter<'_>, family: &Family<'_>) -> Option<Plot> {
    let megabytes = |entry: &Entry<'_>| Some(measures::rss().spread(entry)?.median / 1e6);
    let series = one_line_each(chapter, family, megabytes)?;
    let points = || series.iter().flat_map(|series| &series.marks).map(|mark| mark.at);
    Some(Plot {
        about: "resident memory against connections".into(),
        x: Axis::linear("connections", points().map(|at| at.0), scale::number),
        y: Axis::linear("resident memory, MB", points().map(|at| at.1), scale::number),
        height: 280,
        series,
        bars: Vec::new(),
    })
}

fn one_line_each(
    chapter: &Chapter<'_>,
    family: &Family<'_>,
    figure: impl Fn(&Entry<'_>) -> Option<f64>,
) -> Option<Vec<Series>> {
    let series: Vec<_> = chapter
        .systems
        .iter()
        .map(|system| {
            let at = |(number, study): &(f64, &CaseStudy<'_>)| Some((*number, figure(study.entry(system.name)?)?));
            let points: Vec<_> = family.members.iter().filter_map(at).collect();
            Series {
                label: short(system.name, 16),
                look: look(*system),
                marks: points.iter().map(|at| Mark { at: *at, sense: Sense::Full }).collect(),
                lines: vec![Line { points, stroke: Stroke::Strong }],
            }
        })
        .filter(|series| !series.marks.is_empty())
        .collect();
    series.iter().any(|series| series.marks.len() > 1).then_some(series)
}

/// A bar for each system, with the least and the most of all rounds.
pub fn throughput(study: &CaseStudy<'_>, measure: &Measure) -> Option<Plot> {
    let bars: Vec<_> =
        study.entries.iter().filter_map(|entry| Some((entry.system, measure.spread(entry)?))).take(BARS).collect();
    if bars.len() < 2 {
        return None;
    }
    let names: Vec<_> = bars.iter().map(|(system, _)| short(system.name, 16)).collect();
    Some(Plot {
        about: format!("{} of each system", measure.name),
        x: Axis::linear(&measure.column(), bars.iter().map(|(_, spread)| spread.most), scale::number),
        y: Axis::rows(&names),
        height: 60 + 26 * bars.len() as i32,
        series: Vec::new(),
        bars: bars
            .iter()
            .enumerate()
            .map(|(row, (system, spread))| Bar {
                look: look(*system),
                row,
                reach: (spread.median, spread.least, spread.most),
                label: digits::figure(spread.median),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::plots::families;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, run};
    use crate::results::{Comparison, Results};

    fn with_rates(change: impl FnOnce(&mut Comparison), test: impl FnOnce(&Chapter<'_>, &Family<'_>)) {
        let mut one = comparison();
        one.runs.clear();
        for rate in ["1000", "2000", "3000"] {
            for system in ["ringdove", "nats"] {
                let mut run = run(system, case("pair", &[("rate", rate)]), 1);
                run.sends_per_s = rate.parse().unwrap();
                run.offered_per_s = Some(run.sends_per_s);
                one.runs.push(run);
            }
        }
        change(&mut one);
        let results = Results { schema: 1, comparisons: vec![one] };
        let chapters = chapters(&results);
        let families = families(&chapters[0], None, "rate");
        test(&chapters[0], &families[0]);
    }

    fn senses(plot: &Plot, system: &str) -> Vec<Sense> {
        let series = plot.series.iter().find(|series| series.label == system).unwrap();
        series.marks.iter().map(|mark| mark.sense).collect()
    }

    #[test]
    fn who_falls_short_is_hollow_and_what_is_void_is_crossed_out() {
        let change = |one: &mut Comparison| {
            one.runs[4].sends_per_s = 2_500.0;
            one.runs[5].void = vec!["loadgen was late".into()];
        };
        with_rates(change, |chapter, family| {
            let plot = saturation(chapter, family, "p99").unwrap();
            assert_eq!(senses(&plot, "ringdove"), [Sense::Full, Sense::Full, Sense::Hollow]);
            assert_eq!(senses(&plot, "nats"), [Sense::Full, Sense::Full, Sense::Crossed]);
            let [ringdove, nats] =
                ["ringdove", "nats"].map(|name| plot.series.iter().find(|series| series.label == name).unwrap());
            assert_eq!(ringdove.lines[0].points.len(), 3, "the line turns upward to where it is at its end");
            assert_eq!(ringdove.lines[0].points[2].0, 2_500.0, "at what went through");
            assert_eq!(nats.lines[0].points.len(), 2, "no line leads to what is void");
        });
    }

    #[test]
    fn a_percentile_that_nobody_has_is_no_plot() {
        let change = |one: &mut Comparison| {
            one.runs.iter_mut().flat_map(|run| &mut run.latencies).for_each(|latency| latency.percentiles_us.clear());
        };
        with_rates(change, |chapter, family| assert!(saturation(chapter, family, "p99").is_none()));
    }

    #[test]
    fn one_bar_alone_compares_nothing() {
        let sends = |systems: &[&str]| {
            let mut one = comparison();
            one.runs = systems.iter().map(|system| run(system, case("pair", &[("window", "9")]), 1)).collect();
            let results = Results { schema: 1, comparisons: vec![one] };
            let chapters = chapters(&results);
            throughput(&chapters[0].cases[0], &measures::sends()).map(|plot| plot.bars.len())
        };
        assert_eq!(sends(&["ringdove"]), None);
        assert_eq!(sends(&["ringdove", "nats", "redis"]), Some(3));
    }
}
