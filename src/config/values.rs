//! Reads and shows the values of keys. The error says what would have been right; the caller adds which key, and where it stands.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;

/// A whole number in a range.
pub(super) fn number<N: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<N>) -> Result<N, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{text:?} is no whole number from {} to {}", range.start(), range.end()))
}

/// As [`number`], or the word `auto`.
pub(super) fn number_or_auto<N: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<N>,
) -> Result<Option<N>, String> {
    if text == "auto" {
        return Ok(None);
    }
    number(text, range).map(Some).map_err(|why| format!("{why}, and not \"auto\""))
}

/// Bytes: a number, or one with a unit (`64MiB`).
pub(super) fn bytes(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    ByteSize::from_str(text).ok().map(|size| size.as_u64()).filter(|bytes| range.contains(bytes)).ok_or_else(|| {
        format!(
            "{text:?} is no size from {} to {}, such as \"64MiB\"",
            show_bytes(*range.start()),
            show_bytes(*range.end())
        )
    })
}

/// Bytes as people write them.
pub(super) fn show_bytes(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(bits, _)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    unit.map_or_else(|| bytes.to_string(), |(bits, name)| format!("{}{name}", bytes >> bits))
}

/// A duration with its unit (`50us`, `1s`).
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let parsed = if text == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(text) };
    parsed.ok().filter(|duration| range.contains(duration)).ok_or_else(|| {
        let (from, to) = (show_duration(*range.start()), show_duration(*range.end()));
        format!("{text:?} is no time from {from} to {to}, such as \"50us\" or \"1s\"")
    })
}

/// A duration as people write it.
pub(super) fn show_duration(duration: Duration) -> String {
    // humantime counts in months of 30.44 days
    let (days, rest) = (duration.as_secs() / 86_400, duration.as_secs() % 86_400);
    if days > 0 && rest == 0 && duration.subsec_nanos() == 0 {
        return format!("{days}d");
    }
    humantime::format_duration(duration).to_string()
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is none of true, false"))
}

/// A text that is not empty.
pub(super) fn some_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text is missing".to_owned()) } else { Ok(text.to_owned()) }
}

/// What `read` reads, or the word `none`.
pub(super) fn or_none<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    match text {
        "none" => Ok(None),
        "" => Err("a text is missing; \"none\" is nothing".to_owned()),
        text => read(text).map(Some),
    }
}

/// One word of a closed list.
pub(super) fn word<E: ValueEnum>(text: &str) -> Result<E, String> {
    E::from_str(text, false).map_err(|_| {
        let words: Vec<_> = E::value_variants().iter().map(show_word).collect();
        format!("{text:?} is none of {}", words.join(", "))
    })
}

/// A word of a closed list, as it is written.
pub(super) fn show_word<E: ValueEnum>(value: &E) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_range() {
        assert_eq!(number::<u32>("7", 1..=9), Ok(7));
        for bad in ["0", "10", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert!(number::<u32>(bad, 1..=9).is_err(), "{bad}");
        }
        assert_eq!(number_or_auto::<u32>("auto", 1..=9), Ok(None));
        assert!(number_or_auto::<u32>("Auto", 1..=9).unwrap_err().ends_with("\"auto\""));
    }

    #[test]
    fn sizes_and_times_are_shown_as_they_are_read() {
        for text in ["64MiB", "1GiB", "1TiB", "3KiB", "1000"] {
            assert_eq!(show_bytes(bytes(text, 0..=1 << 40).unwrap()), text);
        }
        for text in ["50us", "1s", "1m 30s", "90d", "1h"] {
            assert_eq!(show_duration(duration(text, Duration::ZERO..=Duration::MAX).unwrap()), text);
        }
        assert_eq!(duration("0", Duration::ZERO..=Duration::MAX), Ok(Duration::ZERO));
        assert!(bytes("much", 0..=1).is_err() && duration("50", Duration::ZERO..=Duration::MAX).is_err());
    }
}
