//! What comes first: who is faster, by how much, at what cost, and whether it can be trusted.

use super::case_tables::best;
use super::digits;
use super::grid::{Cell, Grid};
use super::measures::{self, Measure};
use super::plots::{Family, families};
use super::spread::{Side, Spread};
use super::study::{CaseStudy, Chapter, Entry, System, is_floor};
use super::wording::{count, form, short, title};
use crate::results::Run;

/// So many rivals are named in a sentence.
const RIVALS: usize = 6;
/// So many systems stand beside each other on a page.
const ABREAST: usize = 6;
/// So many letters of a reason are told.
const REASON: usize = 120;

/// A workload's sentences.
pub struct Told {
    /// Which workload.
    pub workload: String,
    /// What is said of it, a case or a series of cases each: what it is, and the sentence.
    pub sentences: Vec<(String, String)>,
}

/// A sentence or two for each workload.
pub fn sentences(chapter: &Chapter<'_>) -> Vec<Told> {
    let series = families(chapter, None, "rate");
    let sizes: Vec<_> = ["members", "connections"].iter().flat_map(|name| families(chapter, None, name)).collect();
    let size_of = |study: &CaseStudy<'_>| {
        sizes.iter().find(|family| family.members.iter().any(|(_, member)| std::ptr::eq(*member, study)))
    };
    let in_series = |study: &CaseStudy<'_>| {
        series.iter().any(|family| family.members.iter().any(|(_, member)| std::ptr::eq(*member, study)))
    };
    let mut told: Vec<Told> = Vec::new();
    let mut tell = |workload: &str, about: String, sentence: String| {
        if told.last().is_none_or(|last| last.workload != workload) {
            told.push(Told { workload: workload.to_owned(), sentences: Vec::new() });
        }
        if let Some(last) = told.last_mut() {
            last.sentences.push((about, sentence));
        }
    };
    for study in &chapter.cases {
        if !in_series(study) {
            match size_of(study).and_then(|family| family.members.last().map(|(_, largest)| (family, largest))) {
                None => tell(&study.case.workload, title(study.case), of_case(study)),
                Some((family, largest)) if std::ptr::eq(*largest, study) => {
                    let about = format!("{} (the largest of {} sizes)", title(study.case), family.members.len());
                    tell(&study.case.workload, about, of_case(study));
                }
                Some(_) => {}
            }
        } else if let Some(family) = series.iter().find(|family| std::ptr::eq(family.members[0].1, study)) {
            tell(&study.case.workload, format!("{}, rates that grow", family.title), of_rates(chapter, family));
        }
    }
    told
}

/// One case.
fn of_case(study: &CaseStudy<'_>) -> String {
    let measures = measures::of_case(study);
    let Some(main) = measures.first() else {
        return format!("no run of it counts.{}", missing(study));
    };
    let mut sentence = leader(study, main) + &missing(study);
    for floor in study.entries.iter().filter(|entry| is_floor(entry.system.name)) {
        if let Some((ours, ratio)) = study.ours().and_then(|ours| Some((ours, main.ratio(ours, floor)?))) {
            let (floor, ours) = (short(floor.system.name, 20), short(ours.system.name, 20));
            sentence += &format!(" {floor} only forwards; {ours} has {} times its {}.", ranged(&ratio), main.name);
        }
    }
    // a storm is two things: what it does to those who write, and how soon the others are back
    if let Some(back) = measures.iter().rfind(|measure| measure.name.ends_with(" of back")) {
        sentence += &format!(" {}", leader(study, back));
    }
    if let Some(cpu) = measures.iter().skip(1).find(|measure| measure.name == measures::cpu().name) {
        sentence += &cost(study, cpu);
    }
    sentence
}

/// Who tried, and has no run that counts: left out without a word, they would look as if they had not taken part.
fn missing(study: &CaseStudy<'_>) -> String {
    let told =
        |entry: &Entry<'_>| Some(format!(" {}: no run counts ({}).", short(entry.system.name, 20), reason(entry)?));
    study.entries.iter().filter_map(told).collect()
}

/// Why an entry has no run that counts, if it has none.
fn reason(entry: &Entry<'_>) -> Option<String> {
    let why = entry.void.iter().find_map(|run| run.void.first()).filter(|_| entry.valid.is_empty())?;
    Some(short(why, REASON))
}

/// Who leads, and how far the others are behind within rounds.
fn leader(study: &CaseStudy<'_>, measure: &Measure) -> String {
    let superlative = if measure.more_is_better { "the most" } else { "the lowest" };
    let figure = |entry: &Entry<'_>| measure.spread(entry).map(|spread| measure.words(spread.median));
    let Some(first) = best(study, measure).map(|row| &study.entries[row]) else {
        if study.entries.iter().any(measures::falls_short) {
            return "nobody keeps up with what is offered.".into();
        }
        let told = |floor| move |entry: &&Entry<'_>| is_floor(entry.system.name) == floor && figure(entry).is_some();
        let alone = study.entries.iter().find(told(false)).or_else(|| study.entries.iter().find(told(true)));
        return match alone.and_then(|entry| Some((entry, figure(entry)?))) {
            Some((entry, figure)) => format!("{} has {}: {figure}.", short(entry.system.name, 20), measure.name),
            None => "no run of it counts.".into(),
        };
    };
    let mut rivals: Vec<_> = study
        .entries
        .iter()
        .filter(|entry| !is_floor(entry.system.name) && entry.system.place != first.system.place)
        .filter_map(|entry| Some((short(entry.system.name, 20), measure.ratio(entry, first)?)))
        .collect();
    // the nearest first
    let distance = |ratio: &Spread| if measure.more_is_better { -ratio.median } else { ratio.median };
    rivals.sort_by(|one, other| distance(&one.1).total_cmp(&distance(&other.1)));
    let clear = |ratio: &Spread| ratio.side() == if measure.more_is_better { Side::Below } else { Side::Above };
    let even: Vec<_> =
        rivals.iter().filter(|(_, ratio)| !clear(ratio) && ratio.count > 1).map(|(name, _)| name.clone()).collect();
    let behind: Vec<_> = rivals
        .iter()
        .filter(|(_, ratio)| clear(ratio) || ratio.count < 2)
        .take(RIVALS)
        .map(|(name, ratio)| format!("{name} has {}", times(ratio)))
        .collect();
    let first = format!(
        "{} has {superlative} {}: {}",
        short(first.system.name, 20),
        measure.name,
        figure(first).unwrap_or_default()
    );
    let even = match even.as_slice() {
        [] => String::new(),
        names => format!(", but the rounds do not tell it from {}", names.join(" and ")),
    };
    if behind.is_empty() { format!("{first}{even}.") } else { format!("{first}{even}; {}.", behind.join(", ")) }
}

fn cost(study: &CaseStudy<'_>, cpu: &Measure) -> String {
    let Some(ours) = study.ours() else { return String::new() };
    let is_other = |entry: &&Entry<'_>| !is_floor(entry.system.name) && entry.system.place != ours.system.place;
    let others = study.entries.iter().filter(is_other);
    let ratios: Vec<_> = others
        .filter_map(|entry| {
            Some(format!("{} {} times", short(entry.system.name, 20), digits::ratio(cpu.ratio(entry, ours)?.median)))
        })
        .take(RIVALS)
        .collect();
    if ratios.is_empty() {
        String::new()
    } else {
        format!(" CPU for a delivery beside {}'s: {}.", short(ours.system.name, 20), ratios.join(", "))
    }
}

/// Rates that grow: what each system held, and who was quickest at the highest rate that all held.
fn of_rates(chapter: &Chapter<'_>, family: &Family<'_>) -> String {
    let mut held = Vec::new();
    let mut common: Option<f64> = None;
    for system in chapter.systems.iter().filter(|system| !is_floor(system.name)) {
        let mut most: Option<f64> = None;
        let (mut took_part, mut offered_most) = (false, 0.0);
        for (offered, study) in &family.members {
            let Some(entry) = study.entry(system.name) else { continue };
            (took_part, offered_most) = (true, *offered);
            if holds(entry, *offered) {
                most = Some(*offered);
            } else {
                break;
            }
        }
        if took_part {
            let all_held = most == Some(offered_most);
            let more = family.members.last().is_some_and(|(highest, _)| *highest > offered_most);
            let aside = if all_held && more { " (it was not offered more)" } else { "" };
            let words = most.map_or("none of them".into(), |most| format!("{}/s{aside}", digits::whole(most)));
            held.push(format!("{} {words}", short(system.name, 20)));
            common = Some(common.map_or(most.unwrap_or(0.0), |common: f64| common.min(most.unwrap_or(0.0))));
        }
    }
    let all = |(_, study): &&(f64, &CaseStudy<'_>)| study.counted().next().is_some();
    let rates: Vec<_> = family.members.iter().map(|(rate, _)| digits::whole(*rate)).collect();
    let offered = format!("{} to {} sends/s were offered", rates[0], rates[rates.len() - 1]);
    let mut sentence = format!("{offered}; the highest that was held: {}.", held.join(", "));
    let at_common = family.members.iter().filter(all).rfind(|(rate, _)| Some(*rate) == common);
    if let Some((rate, study)) = at_common {
        let wanted = measures::of_case(study);
        let p99 = wanted.iter().find(|measure| measure.name.starts_with("p99 ")).or(wanted.first());
        if let Some(measure) = p99 {
            sentence += &format!(" At {}/s, which all held: {}", digits::whole(*rate), leader(study, measure));
        }
    }
    sentence + &missing_of_rates(chapter, family)
}

/// Who has no run that counts at some of the rates.
fn missing_of_rates(chapter: &Chapter<'_>, family: &Family<'_>) -> String {
    let of = |system: &System<'_>| {
        let void = |(rate, study): &(f64, &CaseStudy<'_>)| Some((*rate, reason(study.entry(system.name)?)?));
        let void: Vec<_> = family.members.iter().filter_map(void).collect();
        let (_, why) = void.first()?;
        let rates: Vec<_> = void.iter().map(|(rate, _)| format!("{}/s", digits::whole(*rate))).collect();
        let at = if rates.len() == family.members.len() { String::new() } else { format!(" at {}", rates.join(", ")) };
        Some(format!(" {}: no run counts{at} ({why}).", short(system.name, 20)))
    };
    chapter.systems.iter().filter_map(of).collect()
}

fn holds(entry: &Entry<'_>, offered: f64) -> bool {
    !entry.valid.is_empty() && entry.valid.iter().all(|counted| counted.run.sends_per_s >= offered * measures::HELD)
}

fn times(ratio: &Spread) -> String {
    format!("{} times that", ranged(ratio))
}

fn ranged(ratio: &Spread) -> String {
    let (median, range) = ratio.words(digits::ratio);
    if range.is_empty() { format!("{median} (one round)") } else { format!("{median} ({range})") }
}

/// The most important figures of each case, beside each other; the first column leads to the case. Many systems make several tables, each as
/// wide as a page.
pub fn tables(chapter: &Chapter<'_>, most: usize, anchor: impl Fn(usize) -> String) -> Vec<Grid> {
    let mut grid = Grid { head: vec!["case".into(), "figure".into()], rows: Vec::new() };
    grid.head.extend(chapter.systems.iter().map(|system| short(system.name, 20)));
    for (number, study) in chapter.cases.iter().enumerate().take(most) {
        for (place, measure) in measures::of_case(study).iter().enumerate() {
            let name = if place == 0 { title(study.case) } else { String::new() };
            let more = (place == 0).then(|| anchor(number));
            let mut row = vec![Cell { more, ..Cell::of(name) }, Cell::of(measure.column())];
            let leader = best(study, measure).map(|row| study.entries[row].system.place);
            row.extend(chapter.systems.iter().map(|system| match study.entry(system.name) {
                None => Cell::default(),
                Some(entry) => Cell { best: leader == Some(system.place), ..beside_ringdove(study, entry, measure) },
            }));
            grid.rows.push(row);
        }
    }
    grid.in_parts(2, ABREAST)
}

fn beside_ringdove(study: &CaseStudy<'_>, entry: &Entry<'_>, measure: &Measure) -> Cell {
    let Some(spread) = measure.spread(entry) else { return Cell::default() };
    let mut cell = Cell::of((measure.write)(spread.median));
    if let Some(ours) = study.ours().filter(|ours| ours.system.place != entry.system.place)
        && let Some(ratio) = measure.ratio(entry, ours)
    {
        cell.small = format!("× {}", digits::ratio(ratio.median));
    }
    if measures::falls_short(entry) {
        cell.small += " at its end";
    }
    cell
}

/// Whether it can be trusted: how many runs count, and what was checked in them.
pub fn trust(chapter: &Chapter<'_>) -> String {
    let entries = || chapter.cases.iter().flat_map(|study| &study.entries);
    let counted: Vec<&Run> = entries().flat_map(|entry| entry.valid.iter().map(|counted| counted.run)).collect();
    let void = entries().map(|entry| entry.void.len()).sum::<usize>();
    let sum = |figure: fn(&Run) -> u64| counted.iter().fold(0_u64, |sum, run| sum.saturating_add(figure(run)));
    let deliveries = sum(|run| run.checked.deliveries);
    let runs = counted.len() as u64;
    let mut words = format!("{} {}", count(runs, "run", "runs"), form(runs, "counts", "count"));
    words += &match void {
        0 => "; none was void.".to_owned(),
        1 => "; one was void, and is listed with its reason.".to_owned(),
        void => format!("; {} were void, and are listed with their reasons.", digits::whole(void as f64)),
    };
    if deliveries == 0 {
        return words;
    }
    let (these, were) = (form(runs, "the one that counts", "those that count"), form(deliveries, "was", "were"));
    words += &format!(" In {these}, {} {were} checked one by one", count(deliveries, "delivery", "deliveries"));
    let wrong = [
        ("lost", sum(|run| run.checked.lost)),
        ("delivered twice", sum(|run| run.checked.duplicated)),
        ("out of order", sum(|run| run.checked.reordered)),
    ];
    let wrong: Vec<_> = wrong.iter().filter(|(_, count)| *count > 0).collect();
    if wrong.is_empty() {
        return words + ": each arrived once and in order.";
    }
    let wrong: Vec<_> = wrong.iter().map(|(what, count)| format!("{} {what}", digits::whole(*count as f64))).collect();
    let mut of: Vec<_> = counted
        .iter()
        .filter(|run| run.checked.lost > 0 || run.checked.duplicated > 0 || run.checked.reordered > 0)
        .map(|run| short(&run.system, 20))
        .collect();
    of.sort();
    of.dedup();
    format!("{words}; of these {} (by {}).", wrong.join(", "), of.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, latency, realistic, run};
    use crate::results::Results;

    fn sentence(rates: &[(&str, &[f64])]) -> String {
        let mut one = comparison();
        for (system, rates) in rates {
            for (round, rate) in (1..).zip(*rates) {
                let mut run = run(system, case("pair", &[("window", "9")]), round);
                run.sends_per_s = *rate;
                run.cpu.server_s_per_million_deliveries = None;
                one.runs.push(run);
            }
        }
        let results = Results { schema: 1, comparisons: vec![one] };
        sentences(&chapters(&results)[0])[0].sentences[0].1.clone()
    }

    #[test]
    fn who_leads_in_every_round_leads() {
        let said = sentence(&[("ringdove", &[100.0, 100.0]), ("nats", &[50.0, 60.0]), ("floor", &[200.0, 200.0])]);
        assert_eq!(
            said,
            "ringdove has the most sends/s: 100.0; nats has 0.55 (0.50 to 0.60) times that. \
             floor only forwards; ringdove has 0.50 (0.50 to 0.50) times its sends/s."
        );
    }

    #[test]
    fn rounds_that_disagree_decide_nothing() {
        let said = sentence(&[("ringdove", &[100.0, 110.0]), ("nats", &[105.0, 90.0])]);
        assert_eq!(said, "ringdove has the most sends/s: 105.0, but the rounds do not tell it from nats.");
    }

    #[test]
    fn one_round_says_that_it_is_one() {
        let said = sentence(&[("ringdove", &[100.0]), ("nats", &[50.0])]);
        assert!(said.ends_with("nats has 0.50 (one round) times that."), "{said}");
    }

    #[test]
    fn one_system_alone_is_not_compared() {
        assert_eq!(sentence(&[("nats", &[100.0, 102.0])]), "nats has sends/s: 101.0.");
        assert_eq!(sentence(&[("nats", &[f64::NAN])]), "no run of it counts.");
    }

    /// Where ringdove takes part at another level only, that is what stands beside its floor.
    #[test]
    fn a_level_of_ringdove_stands_for_it() {
        let said = sentence(&[
            ("ringdove-disk", &[100.0, 100.0]),
            ("floor-synced", &[200.0, 200.0]),
            ("redis-streams", &[50.0, 50.0]),
        ]);
        let floor = "floor-synced only forwards; ringdove-disk has 0.50 (0.50 to 0.50) times its sends/s.";
        assert!(said.ends_with(floor), "{said}");
    }

    #[test]
    fn a_floor_alone_is_told() {
        assert_eq!(sentence(&[("floor", &[100.0, 102.0])]), "floor has sends/s: 101.0.");
    }

    #[test]
    fn who_has_no_run_that_counts_is_named_with_the_reason() {
        let told = |rates: &[&str], counts: &str| {
            let mut one = comparison();
            for rate in rates {
                for system in ["ringdove", "nats", "floor"] {
                    let mut run = run(system, case("pair", &[("rate", rate)]), 1);
                    (run.sends_per_s, run.offered_per_s) = (rate.parse().unwrap(), rate.parse().ok());
                    if system == "nats" && *rate != counts {
                        run.void = vec!["others took 12 % of the CPU".into(), "late".into()];
                    }
                    one.runs.push(run);
                }
            }
            let results = Results { schema: 1, comparisons: vec![one] };
            sentences(&chapters(&results)[0])[0].sentences[0].1.clone()
        };
        let why = "(others took 12 % of the CPU).";
        let one = told(&["1000"], "");
        assert!(one.contains(&format!(" nats: no run counts {why}")) && !one.contains("floor: no"), "{one}");
        let none = told(&["1000", "2000"], "");
        assert!(none.ends_with(&format!(" nats: no run counts {why}")), "{none}");
        let some = told(&["1000", "2000", "3000"], "1000");
        assert!(some.ends_with(&format!(" nats: no run counts at 2,000/s, 3,000/s {why}")), "{some}");
        assert!(!told(&["1000"], "1000").contains("no run counts"));
    }

    #[test]
    fn a_storm_tells_of_those_who_write_and_of_those_who_come_back() {
        let mut one = comparison();
        for system in ["ringdove", "nats"] {
            let mut run = run(system, case("storm", &[("rate", "1000")]), 1);
            run.offered_per_s = Some(1_000.0);
            run.latencies =
                ["delivery calm", "back", "delivery in the storm"].map(|of| latency(of, "response")).to_vec();
            one.runs.push(run);
        }
        let results = Results { schema: 1, comparisons: vec![one] };
        let said = sentences(&chapters(&results)[0])[0].sentences[0].1.clone();
        assert!(said.contains(" the lowest p50 of delivery in the storm: "), "{said}");
        assert!(said.contains(" the lowest p99 of back: ") && !said.contains("calm"), "{said}");
    }

    #[test]
    fn a_case_of_which_nothing_counts_says_why() {
        let mut one = comparison();
        let mut run = run("nats", case("pair", &[]), 1);
        run.void = vec!["lost: 3 undelivered".into()];
        one.runs.push(run);
        let results = Results { schema: 1, comparisons: vec![one] };
        let said = sentences(&chapters(&results)[0])[0].sentences[0].1.clone();
        assert_eq!(said, "no run of it counts. nats: no run counts (lost: 3 undelivered).");
    }

    #[test]
    fn a_series_of_rates_is_told_once() {
        let results = realistic();
        let chapters = chapters(&results);
        let told = sentences(&chapters[0]);
        let rates: Vec<_> =
            told.iter().flat_map(|one| &one.sentences).filter(|one| one.0.contains("rates that grow")).collect();
        assert_eq!(rates.len(), 1);
        assert!(
            rates[0].1.contains("ringdove 1,600,000/s") && rates[0].1.contains("mosquitto 200,000/s"),
            "{}",
            rates[0].1
        );
        assert!(rates[0].1.contains("At 200,000/s, which all held: "), "{}", rates[0].1);
    }

    #[test]
    fn what_was_lost_is_said_with_its_name() {
        let mut results = realistic();
        assert!(trust(&chapters(&results)[0]).contains("lost (by redis)"));
        for run in &mut results.comparisons[0].runs {
            run.checked.lost = 0;
        }
        assert!(trust(&chapters(&results)[0]).ends_with("each arrived once and in order."));
    }
}
