//! Cases in words: `pair: 50 pairs, 64-byte texts, 50,000 sends/s offered`.

use super::digits::whole;
use crate::results::{Case, LatencyFigures};

/// Longer texts of a file are cut off in headings and plots.
const LONGEST: usize = 120;

/// A case as a heading.
pub fn title(case: &Case) -> String {
    let settings = settings(case, |_| true);
    if settings.is_empty() {
        short(&case.workload, LONGEST)
    } else {
        format!("{}: {settings}", short(&case.workload, LONGEST))
    }
}

/// The settings of a case that are wanted.
pub fn settings(case: &Case, wanted: impl Fn(&str) -> bool) -> String {
    // the load last, as it is what the eye looks for
    let last = ["window", "rate"];
    let (tail, head): (Vec<_>, Vec<_>) =
        case.settings.iter().filter(|(name, _)| wanted(name)).partition(|(name, _)| last.contains(&name.as_str()));
    let words: Vec<_> = head.into_iter().chain(tail).map(|(name, value)| setting(name, value)).collect();
    short(&words.join(", "), LONGEST)
}

/// One setting.
fn setting(name: &str, value: &str) -> String {
    let number = value.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0).map(whole);
    let Some(number) = number else { return format!("{name} {value}") };
    let many = |one: &str, more: &str| format!("{number} {}", if number == "1" { one } else { more });
    match name {
        "pairs" => many("pair", "pairs"),
        "groups" => many("group", "groups"),
        "users" => many("user", "users"),
        "clients" => many("client", "clients"),
        "members" => many("member", "members"),
        "payload" => format!("{number}-byte texts"),
        "window" => format!("{number} outstanding"),
        "rate" => format!("{number} sends/s offered"),
        "connections" => many("connection", "connections"),
        _ => format!("{name} {number}"),
    }
}

/// So many of something: `1 run`, `1,234 runs`.
pub fn count(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", whole(number as f64), form(number, one, more))
}

/// The form of a word that goes with a number: `run` or `runs`, `is` or `are`.
pub fn form<'a>(number: u64, one: &'a str, more: &'a str) -> &'a str {
    if number == 1 { one } else { more }
}

/// A latency: `delivery, from when it was meant`.
pub fn latency(of: &str, kind: &str) -> String {
    let of = short(of, 40);
    match kind {
        "response" => format!("{of}, counted from when it was meant to be sent"),
        "service" => format!("{of}, counted from when it was sent"),
        "lag" => format!("{of}: how much later than meant it was sent"),
        kind => format!("{of} ({})", short(kind, 40)),
    }
}

/// The latency that says most to people about a workload: of what, and of which kind.
pub fn headline<'a>(
    workload: &str,
    latencies: impl IntoIterator<Item = &'a LatencyFigures>,
) -> Option<(&'a str, &'a str)> {
    let wanted = of_interest(workload);
    let kinds = ["response", "service"];
    let rank = |list: &[&str], word: &str| list.iter().position(|known| *known == word).unwrap_or(list.len());
    latencies
        .into_iter()
        .filter(|latency| latency.count > 0 && latency.kind != "lag")
        .min_by_key(|latency| (rank(&kinds, &latency.kind), rank(wanted, &latency.of)))
        .map(|latency| (latency.of.as_str(), latency.kind.as_str()))
}

/// What a workload is about comes first: of a storm not the calm before it, and where sends are kept, when that is said.
fn of_interest(workload: &str) -> &'static [&'static str] {
    match workload {
        "storm" => &["delivery in the storm", "back", "delivery calm"],
        "sign-in" => &["sign-in"],
        "mixed" | "soak" => &["delivery", "answer"],
        "durable" => &["answer", "delivery"],
        _ => &["round trip", "last member", "delivery", "sign-in", "answer"],
    }
}

/// A text without control characters, cut off behind so many letters.
pub fn short(text: &str, most: usize) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = text.chars().take(most).map(clean).collect();
    if text.chars().nth(most).is_some() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::synthetic::{case, latency as figures};

    #[test]
    fn a_case_reads_as_a_sentence() {
        let one = case("pair", &[("rate", "50000"), ("pairs", "1"), ("payload", "64"), ("level", "process")]);
        assert_eq!(title(&one), "pair: level process, 1 pair, 64-byte texts, 50,000 sends/s offered");
        assert_eq!(title(&case("idle", &[])), "idle");
        assert_eq!(title(&case("x", &[("rate", "NaN"), ("pairs", "many")])), "x: pairs many, rate NaN");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(count(1, "delivery", "deliveries"), "1 delivery");
        assert_eq!(count(0, "run", "runs"), "0 runs");
        assert_eq!(count(1_234, "person", "people"), "1,234 people");
        let groups = case("fanout", &[("groups", "1"), ("members", "1")]);
        assert_eq!(title(&groups), "fanout: 1 group, 1 member");
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(short("häh\u{0}?", 9), "häh ?");
        assert_eq!(short("ééééé", 3), "éé…");
        assert!(title(&case(&"w".repeat(9_000), &[("a", &"v".repeat(9_000))])).chars().count() < 300);
    }

    #[test]
    fn what_was_meant_counts_before_what_was_sent() {
        let latencies =
            [figures("answer", "response"), figures("round trip", "service"), figures("delivery", "response")];
        assert_eq!(headline("pair", &latencies), Some(("delivery", "response")));
        assert_eq!(headline("pair", &[figures("delivery", "lag")]), None);
        assert_eq!(headline("pair", &[]), None);
    }

    #[test]
    fn what_a_workload_is_about_comes_first() {
        let all = ["delivery calm", "back", "delivery in the storm", "sign-in", "last member", "delivery", "answer"]
            .map(|of| figures(of, "response"));
        let about = |workload, latencies| headline(workload, latencies).map(|(of, _)| of);
        assert_eq!(about("storm", &all[..]), Some("delivery in the storm"));
        assert_eq!(about("storm", &all[..2]), Some("back"), "and not the calm");
        assert_eq!(about("sign-in", &all), Some("sign-in"));
        assert_eq!(about("mixed", &all), Some("delivery"));
        assert_eq!(about("soak", &all), Some("delivery"));
        assert_eq!(about("durable", &all), Some("answer"));
        assert_eq!(about("fanout", &all), Some("last member"));
    }
}
