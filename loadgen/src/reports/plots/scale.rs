//! From figures to places on an axis, and the marks along it.

use crate::reports::digits::{duration, short};

/// More marks than this would not be readable.
const MOST_TICKS: usize = 8;
/// A logarithmic axis ends here, whatever it was asked to show.
const LOWEST: f64 = 1e-6;
const HIGHEST: f64 = 1e18;

/// An axis.
#[derive(Debug)]
pub struct Axis {
    /// What is along it, with the unit.
    pub name: String,
    logarithmic: bool,
    from: f64,
    to: f64,
    /// Where there is a mark, and what stands there.
    pub ticks: Vec<(f64, String)>,
    /// Where there is a faint line.
    pub between: Vec<f64>,
}

impl Axis {
    /// From 0 to the largest of these figures.
    pub fn linear(name: &str, figures: impl IntoIterator<Item = f64>, write: fn(f64) -> String) -> Self {
        let largest = figures.into_iter().filter(|figure| figure.is_finite()).fold(0.0, f64::max).min(HIGHEST);
        let largest = if largest > LOWEST { largest } else { 1.0 };
        let step = step(largest / (MOST_TICKS - 2) as f64);
        let steps = (largest / step).ceil().max(1.0) as usize;
        let ticks = (0..=steps).map(|tick| tick as f64 * step).map(|at| (at, write(at))).collect();
        Self { name: name.into(), logarithmic: false, from: 0.0, to: steps as f64 * step, ticks, between: Vec::new() }
    }

    /// Over all of these figures that are above 0.
    pub fn logarithmic(name: &str, figures: impl IntoIterator<Item = f64>, write: fn(f64) -> String) -> Self {
        let (from, to) = bounds(figures);
        let decades = (to / from).log10();
        let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
        let apart = (decades / MOST_TICKS as f64).ceil().max(1.0) as i32;
        let factors: &[f64] = if decades <= 2.1 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut axis = Self { name: name.into(), logarithmic: true, from, to, ticks: Vec::new(), between: Vec::new() };
        for decade in first..=last {
            let unit = 10_f64.powi(decade);
            for factor in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0] {
                let at = factor * unit;
                if axis.place(at).is_none() {
                    continue;
                }
                if factors.contains(&factor) && (decade - first) % apart == 0 {
                    axis.ticks.push((at, write(at)));
                } else if decades <= 4.0 {
                    axis.between.push(at);
                }
            }
        }
        axis
    }

    /// Percentiles: as far apart as what lies beyond them is smaller, from 0 to one of so many samples.
    pub fn percentiles(samples: f64) -> Self {
        let to = if samples.is_nan() { 100.0 } else { samples.clamp(100.0, 1e9) };
        let ticks = (0..=8).map(|nines| 10_f64.powi(nines)).take_while(|at| *at <= to).map(|at| (at, percentile(at)));
        Self {
            name: "percentile".into(),
            logarithmic: true,
            from: 1.0,
            to,
            ticks: ticks.collect(),
            between: Vec::new(),
        }
    }

    /// Rows from above to below, each of the same height.
    pub fn rows(names: &[String]) -> Self {
        let ticks = names.iter().rev().enumerate().map(|(row, name)| (row as f64 + 0.5, name.clone())).collect();
        let to = names.len().max(1) as f64;
        Self { name: String::new(), logarithmic: false, from: 0.0, to, ticks, between: Vec::new() }
    }

    /// Where a figure stands, from 0 to 1; outside of the axis: nowhere.
    pub fn place(&self, figure: f64) -> Option<f64> {
        let place = if self.logarithmic {
            (figure / self.from).ln() / (self.to / self.from).ln()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        // a rounding error is not outside
        (-1e-9..=1.0 + 1e-9).contains(&place).then(|| place.clamp(0.0, 1.0))
    }
}

/// What stands at 1/(1-q).
fn percentile(one_of: f64) -> String {
    match one_of.log10().round() as usize {
        0 => "0 %".into(),
        1 => "90 %".into(),
        2 => "99 %".into(),
        nines => format!("99.{} %", "9".repeat(nines.min(12) - 2)),
    }
}

/// A latency in microseconds at a mark.
pub fn latency(us: f64) -> String {
    duration(us)
}

/// A number at a mark.
pub fn number(number: f64) -> String {
    short(number)
}

/// 1, 2 or 5 of a power of ten, at least so large.
fn step(least: f64) -> f64 {
    let unit = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|factor| factor * unit)
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(unit * 10.0)
}

/// From 1, 2 or 5 of a power of ten to another, around all figures; at least a factor of four apart.
fn bounds(figures: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let usable = figures.into_iter().filter(|figure| figure.is_finite() && *figure > 0.0);
    let (least, most) = usable.fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
    let (least, most) = if most > 0.0 { (least, most) } else { (1.0, 10.0) };
    let (least, most) = (least.clamp(LOWEST, HIGHEST / 10.0), most.clamp(LOWEST * 10.0, HIGHEST));
    let below = |figure: f64| {
        let unit = 10_f64.powf(figure.log10().floor());
        [5.0, 2.0, 1.0].iter().map(|factor| factor * unit).find(|one| *one <= figure * (1.0 + 1e-9)).unwrap_or(unit)
    };
    let (mut from, mut to) = (below(least), step(most));
    if to / from < 4.0 {
        (from, to) = (below(from * 0.99), step(to * 1.01));
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, words)| words.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_nothing_and_has_round_marks() {
        let axis = Axis::linear("sends/s", [120.0, 1_679_179.0, f64::NAN], number);
        assert_eq!(words(&axis), ["0", "500 k", "1 M", "1.5 M", "2 M"]);
        assert_eq!((axis.place(0.0), axis.place(1e6), axis.place(2e6)), (Some(0.0), Some(0.5), Some(1.0)));
        assert_eq!((axis.place(-1.0), axis.place(3e6), axis.place(f64::NAN)), (None, None, None));
    }

    #[test]
    fn a_logarithmic_axis_holds_all_figures() {
        let axis = Axis::logarithmic("latency", [13.0, 9_400.0, 0.0, -5.0, f64::INFINITY], latency);
        assert_eq!(words(&axis), ["10 µs", "100 µs", "1 ms", "10 ms"]);
        assert!([13.0, 9_400.0].iter().all(|figure| axis.place(*figure).is_some()));
        assert_eq!(axis.place(0.0), None);
        let narrow = Axis::logarithmic("latency", [14.0, 15.0], latency);
        assert_eq!(words(&narrow), ["5 µs", "10 µs", "20 µs", "50 µs"]);
    }

    #[test]
    fn percentiles_grow_by_nines() {
        let axis = Axis::percentiles(54_000.0);
        assert_eq!(words(&axis), ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!((axis.place(1_000.0).unwrap() / axis.place(10.0).unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn whatever_a_file_says_an_axis_is_bounded() {
        let hostile = [f64::MAX, f64::MIN_POSITIVE, f64::NAN, -1.0, 0.0, f64::INFINITY, 5e-324];
        for figures in [&hostile[..], &[], &[0.0], &[f64::NAN], &[f64::MAX], &[5e-324]] {
            for axis in [
                Axis::linear("x", figures.iter().copied(), number),
                Axis::logarithmic("x", figures.iter().copied(), latency),
                Axis::percentiles(figures.first().copied().unwrap_or_default()),
            ] {
                assert!((1..=2 * MOST_TICKS).contains(&axis.ticks.len()), "{figures:?}: {axis:?}");
                assert!(axis.between.len() < 50 && axis.to > axis.from, "{axis:?}");
                assert!(axis.ticks.iter().all(|(at, _)| axis.place(*at).is_some()), "{axis:?}");
            }
        }
    }
}
