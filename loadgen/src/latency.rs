//! Latencies in nanoseconds, three digits, kept by intervals: what a run measures again and again costs two additions.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies above this are counted as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// Intervals that are kept: beyond that, each two become one, so that a run of hours takes no more memory than one of minutes.
const SLICES: usize = 120;

/// What was recorded in one interval of a run.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its begin, since measuring began.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// What was recorded, in nanoseconds.
    pub histogram: Histogram<u64>,
}

/// One latency of a run.
#[derive(Clone, Debug)]
pub struct Latency {
    now: Histogram<u64>,
    from: Duration,
    slices: Vec<Slice>,
}

impl Default for Latency {
    fn default() -> Self {
        Self { now: histogram(), from: Duration::ZERO, slices: Vec::new() }
    }
}

/// A latency with its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// Of what.
    pub of: &'static str,
    /// `response`, `service` or `lag`.
    pub kind: &'static str,
    /// What was recorded.
    pub latency: Latency,
}

impl Named {
    /// Nothing recorded yet.
    pub fn new(of: &'static str, kind: &'static str) -> Self {
        Self { of, kind, latency: Latency::default() }
    }
}

/// An empty histogram with the bounds of all of loadgen's.
pub fn histogram() -> Histogram<u64> {
    // the bounds are constants that the library takes
    Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap_or_else(|error| unreachable!("{error}"))
}

impl Latency {
    /// Counts one.
    pub fn record(&mut self, ns: u64) {
        self.now.saturating_record(ns.max(1));
    }

    /// Ends an interval at this time since measuring began.
    pub fn cut(&mut self, at: Duration) {
        let histogram = std::mem::replace(&mut self.now, histogram());
        self.slices.push(Slice { from: self.from, to: at, histogram });
        self.from = at;
        if self.slices.len() > SLICES {
            self.halve();
        }
    }

    /// Each two neighbours become one; the last interval stays as it is.
    fn halve(&mut self) {
        let mut slices = std::mem::take(&mut self.slices).into_iter();
        while let Some(mut slice) = slices.next() {
            if slices.len() > 1
                && let Some(next) = slices.next()
            {
                slice.to = next.to;
                // all have the same bounds
                slice.histogram.add(&next.histogram).unwrap_or_else(|error| unreachable!("{error}"));
            }
            self.slices.push(slice);
        }
    }

    /// The intervals so far.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// What was recorded since the last interval ended, and when that was.
    pub fn rest(&self) -> (Duration, &Histogram<u64>) {
        (self.from, &self.now)
    }

    /// All intervals together, what came behind the last one included.
    pub fn total(&self) -> Histogram<u64> {
        let mut total = self.now.clone();
        for slice in &self.slices {
            // all have the same bounds
            total.add(&slice.histogram).unwrap_or_else(|error| unreachable!("{error}"));
        }
        total
    }
}

/// How many samples have to lie beyond a percentile for it to say anything.
pub const BEYOND: f64 = 100.0;

/// A quantile in microseconds, if enough samples lie beyond it.
pub fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    let beyond = histogram.len() as f64 * (1.0 - quantile);
    // a little less, for what a product of fractions loses
    (beyond >= BEYOND - 1e-6).then(|| histogram.value_at_quantile(quantile) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_add_up() {
        let mut latency = Latency::default();
        (1..=10).for_each(|ns| latency.record(ns * 1_000));
        latency.cut(Duration::from_secs(1));
        latency.record(70_000_000_000);
        assert_eq!(latency.slices().len(), 1);
        assert_eq!(latency.slices()[0].histogram.len(), 10);
        let total = latency.total();
        assert_eq!(total.len(), 11);
        assert!(total.max() >= LONGEST_NS, "longer ones are counted as the longest");
    }

    #[test]
    fn a_long_run_keeps_few_intervals_and_loses_nothing() {
        let mut latency = Latency::default();
        for second in 1..=1_000 {
            latency.record(second);
            latency.cut(Duration::from_secs(second));
            let slices = latency.slices();
            assert!(slices.len() <= SLICES);
            assert_eq!(slices[slices.len() - 1].histogram.len(), 1, "the last one is what was recorded last");
        }
        let slices = latency.slices();
        assert!(slices.windows(2).all(|two| two[0].to == two[1].from));
        assert_eq!((slices[0].from, slices[slices.len() - 1].to), (Duration::ZERO, Duration::from_secs(1_000)));
        assert_eq!(latency.total().len(), 1_000);
    }

    #[test]
    fn a_percentile_needs_a_hundred_samples_beyond() {
        let mut latency = Latency::default();
        (0..9_999).for_each(|_| latency.record(2_000));
        assert_eq!(quantile_us(&latency.total(), 0.99), None);
        latency.record(2_000);
        assert_eq!(quantile_us(&latency.total(), 0.99).map(f64::round), Some(2.0));
        assert_eq!(quantile_us(&latency.total(), 0.999), None);
    }
}
