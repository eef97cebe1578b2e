//! HdrHistogram's percentile text (`.hgrm`), as wrk2 and the HdrHistogram plotter know it.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Points for each halving of what lies beyond, as HdrHistogram's own tools choose it.
const TICKS: u32 = 5;

/// The distribution of a histogram of nanoseconds; values are microseconds, which the last line says.
pub fn text(total: &Histogram<u64>) -> String {
    let us = |ns: f64| ns / 1_000.0;
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    if !total.is_empty() {
        for step in total.iter_quantiles(TICKS) {
            count += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            // writing into a string does not fail
            let _ = write!(text, "{:12.3} {quantile:2.12} {count:10}", us(step.value_iterated_to() as f64));
            let _ = if quantile < 1.0 { writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
        }
    }
    text += &format!("#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n", us(total.mean()), us(total.stdev()));
    text += &format!("#[Max     = {:12.3}, Total count    = {:12}]\n", us(total.max() as f64), total.len());
    text += &format!("#[Buckets = {:12}, SubBuckets     = {:12}]\n", total.buckets(), total.distinct_values());
    text + "#[Values are microseconds]\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    #[test]
    fn it_has_the_shape_that_plotters_read() {
        let mut latency = Latency::default();
        (1..=10_000).for_each(|place| latency.record(place * 1_000));
        let text = text(&latency.total());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("       Value     Percentile TotalCount 1/(1-Percentile)"));
        assert_eq!(lines.next(), Some(""));
        let rows: Vec<Vec<f64>> = lines
            .clone()
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        let (last, rest) = rows.split_last().unwrap();
        assert!(rest.iter().all(|row| row.len() == 4 && (row[3] * (1.0 - row[1]) - 1.0).abs() < 0.01), "{rows:?}");
        assert_eq!(last[1..], [1.0, 10_000.0], "the last one has no fourth column");
        assert!(rows.is_sorted_by(|one, next| one.iter().zip(next).all(|(one, next)| one <= next)));
        let middle = rest.iter().find(|row| row[1] == 0.5).unwrap();
        assert!((middle[0] - 5_000.0).abs() < 10.0 && (middle[2] - 5_000.0).abs() < 10.0, "{middle:?}");
        let foot: Vec<_> = lines.filter(|line| line.starts_with("#[")).collect();
        assert_eq!(foot.len(), 4);
        assert!(
            foot[1].starts_with("#[Max     =    100") && foot[1].ends_with("Total count    =        10000]"),
            "{foot:?}"
        );
    }

    #[test]
    fn nothing_recorded_is_a_table_without_rows() {
        let text = text(&Latency::default().total());
        assert!(text.lines().skip(2).all(|line| line.starts_with("#[")), "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }
}
