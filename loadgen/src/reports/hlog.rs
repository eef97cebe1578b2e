//! HdrHistogram's interval log (`.hlog`): the intervals of a latency, each with its whole histogram, as `HistogramLogReader` reads them.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::latency::Latency;

/// Nanoseconds in the unit of the column of maxima, which is there for people.
const NS_PER_MS: f64 = 1_000_000.0;

/// The log of a latency. Histograms hold nanoseconds; intervals count from when measuring began. What was recorded after the last
/// interval ended is a last one, whose length is not known and says 0.
///
/// # Errors
/// A histogram cannot be encoded, or the tag has a comma or white space.
pub fn bytes(latency: &Latency, tag: &str, measured_from: SystemTime) -> Result<Vec<u8>, String> {
    let tag = Tag::new(tag).ok_or_else(|| format!("{tag:?} cannot tag an interval"))?;
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Values are nanoseconds, the column of maxima is milliseconds]")
        .with_base_time(measured_from)
        .with_start_time(measured_from)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| error.to_string())?;
    for slice in latency.slices() {
        let length = slice.to.saturating_sub(slice.from);
        writer.write_histogram(&slice.histogram, slice.from, length, Some(tag)).map_err(|error| error.to_string())?;
    }
    let (from, rest) = latency.rest();
    if !rest.is_empty() {
        writer.write_histogram(rest, from, Duration::ZERO, Some(tag)).map_err(|error| error.to_string())?;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn a_reader_finds_the_same_intervals() {
        let mut latency = Latency::default();
        for second in 1..=3_u64 {
            (0..second * 1_000).for_each(|place| latency.record(place * second));
            latency.cut(Duration::from_secs(second));
        }
        latency.record(70_000);
        let log =
            bytes(&latency, "delivery-response", SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();

        let mut read: Vec<Histogram<u64>> = Vec::new();
        let mut starts = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    assert_eq!(interval.tag().unwrap().as_str(), "delivery-response");
                    starts.push((interval.start_timestamp().as_secs(), interval.duration().as_secs()));
                    let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
                    read.push(Deserializer::new().deserialize(&mut &bytes[..]).unwrap());
                }
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => assert_eq!(at.as_secs(), 1_700_000_000),
            }
        }
        assert_eq!(starts, [(0, 1), (1, 1), (2, 1), (3, 0)]);
        let written: Vec<_> = latency.slices().iter().map(|slice| &slice.histogram).collect();
        assert!(written.iter().zip(&read).all(|(written, read)| **written == *read));
        let mut total = read[0].clone();
        read[1..].iter().for_each(|one| total.add(one).unwrap());
        assert_eq!(total, latency.total());
        assert_eq!(total.len(), 6_001);
    }

    #[test]
    fn a_tag_with_a_comma_is_refused() {
        assert!(bytes(&Latency::default(), "a,b", SystemTime::UNIX_EPOCH).is_err());
    }
}
