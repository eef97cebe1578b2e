//! What is kept of a latency in `run.json`: percentiles that mean something, the distribution for a plot, and how it went over time.

use hdrhistogram::Histogram;

use crate::latency::{BEYOND, Latency, Slice, quantile_us};
use crate::results::{Interval, LatencyFigures};

/// The percentiles that have a name.
pub const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// About as many points has the whole distribution.
const POINTS: f64 = 150.0;

/// The figures of a latency: of what (`delivery`), and of which kind (`response`, `service`, `lag`).
///
/// A percentile is left out, and so is a point of the distribution, if less than 100 samples lie beyond it; the longest is always there, and
/// is the last point. An interval in which nothing was recorded is left out.
pub fn figures(latency: &Latency, of: &str, kind: &str) -> LatencyFigures {
    let total = latency.total();
    LatencyFigures {
        of: of.to_owned(),
        kind: kind.to_owned(),
        count: total.len(),
        percentiles_us: PERCENTILES
            .iter()
            .filter_map(|(name, quantile)| Some(((*name).to_owned(), quantile_us(&total, *quantile)?)))
            .collect(),
        max_us: us(total.max()),
        spectrum: spectrum(&total),
        over_time: latency.slices().iter().filter(|slice| !slice.histogram.is_empty()).map(interval).collect(),
        hgrm: None,
        hlog: None,
    }
}

fn spectrum(total: &Histogram<u64>) -> Vec<(f64, f64)> {
    if total.is_empty() {
        return Vec::new();
    }
    let count = total.len() as f64;
    // each halving of what lies beyond gets as many points, so the axis of the plot, which is logarithmic in that, is covered evenly
    let halvings = (count / BEYOND).log2().max(1.0);
    let ticks = (POINTS / halvings).ceil().clamp(5.0, 50.0) as u32;
    let mut points: Vec<_> = total
        .iter_quantiles(ticks)
        .map(|step| (step.quantile_iterated_to(), us(step.value_iterated_to())))
        .take_while(|(quantile, _)| count * (1.0 - quantile) >= BEYOND)
        .collect();
    points.push((1.0, us(total.max())));
    points
}

fn interval(slice: &Slice) -> Interval {
    Interval {
        at_s: slice.from.as_secs_f64(),
        count: slice.histogram.len(),
        p50_us: us(slice.histogram.value_at_quantile(0.5)),
        p99_us: quantile_us(&slice.histogram, 0.99),
        max_us: us(slice.histogram.max()),
    }
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(count: u64) -> LatencyFigures {
        let mut latency = Latency::default();
        (1..=count).for_each(|place| latency.record(place * 100));
        latency.cut(Duration::from_secs(1));
        figures(&latency, "delivery", "response")
    }

    #[test]
    fn nothing_is_said_of_what_too_few_samples_show() {
        let figures = of(20_000);
        let names: Vec<_> = figures.percentiles_us.keys().map(String::as_str).collect();
        assert_eq!(names, ["p50", "p90", "p99"]);
        let (last, rest) = figures.spectrum.split_last().unwrap();
        assert_eq!(*last, (1.0, figures.max_us));
        assert!(rest.iter().all(|(quantile, _)| 20_000.0 * (1.0 - quantile) >= 100.0));
        assert!(rest.last().unwrap().0 > 0.99, "the last one stands near the last that may");
    }

    #[test]
    fn the_distribution_grows_and_has_enough_points_for_a_plot() {
        for count in [3_000, 20_000, 300_000] {
            let spectrum = of(count).spectrum;
            assert!((80..=250).contains(&spectrum.len()), "{count}: {}", spectrum.len());
            assert!(spectrum.is_sorted_by(|one, next| one.0 <= next.0 && one.1 <= next.1));
            let (quantile, us) = *spectrum.iter().find(|(quantile, _)| *quantile >= 0.5).unwrap();
            assert!((us / (quantile * count as f64 * 0.1) - 1.0).abs() < 0.02, "{count}: {us} at {quantile}");
        }
    }

    #[test]
    fn a_latency_without_samples_has_no_figures() {
        let mut latency = Latency::default();
        latency.cut(Duration::from_secs(1));
        let figures = figures(&latency, "answer", "service");
        assert_eq!((figures.count, figures.percentiles_us.len()), (0, 0));
        assert!(figures.spectrum.is_empty() && figures.over_time.is_empty());
    }

    #[test]
    fn intervals_say_when() {
        let mut latency = Latency::default();
        (0..10_000).for_each(|_| latency.record(5_000));
        latency.cut(Duration::from_secs(1));
        latency.cut(Duration::from_secs(2));
        latency.record(9_000);
        latency.cut(Duration::from_secs(3));
        let over_time = figures(&latency, "answer", "service").over_time;
        let said: Vec<_> = over_time.iter().map(|one| (one.at_s, one.count, one.p99_us.is_some())).collect();
        assert_eq!(said, [(0.0, 10_000, true), (2.0, 1, false)], "the empty one between is left out");
    }
}
