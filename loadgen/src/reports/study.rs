//! The runs of a folder in the order in which they are told: chapters (what can be compared at all), in them cases, in them systems.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::wording;
use crate::results::{Case, Comparison, Results, Run, SystemFacts};

/// Comparisons of the same sources, versions, settings and times on the same machine: their rounds count as one series.
pub struct Chapter<'a> {
    /// In the order in which they were made; never empty.
    pub comparisons: Vec<&'a Comparison>,
    /// Who took part.
    pub systems: Vec<System<'a>>,
    /// What was run, workload by workload, small settings before large ones.
    pub cases: Vec<CaseStudy<'a>>,
}

/// A system, with its place among all of the folder, from which its colour follows.
#[derive(Clone, Copy)]
pub struct System<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its place; the same in all chapters.
    pub place: usize,
    /// What is known of it; nothing if only its runs name it.
    pub facts: Option<&'a SystemFacts>,
}

/// All runs of a case.
pub struct CaseStudy<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its systems, in the chapter's order, those without a run of it left out.
    pub entries: Vec<Entry<'a>>,
}

/// The runs of one system and one case.
pub struct Entry<'a> {
    /// Which system.
    pub system: System<'a>,
    /// The runs that count, at most one for each turn.
    pub valid: Vec<Counted<'a>>,
    /// Those that do not.
    pub void: Vec<&'a Run>,
}

/// A run that counts, and its turn.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// Which comparison of the chapter, and which round of it: runs of the same turn may be put into a ratio.
    pub turn: (usize, u32),
    /// The run.
    pub run: &'a Run,
}

/// Sorts the runs of a folder.
pub fn chapters(results: &Results) -> Vec<Chapter<'_>> {
    let mut parts: Vec<Vec<&Comparison>> = Vec::new();
    for comparison in &results.comparisons {
        match parts.iter_mut().find(|part| part.iter().all(|member| comparable(member, comparison))) {
            Some(part) => part.push(comparison),
            None => parts.push(vec![comparison]),
        }
    }
    let names = names(results);
    parts.into_iter().map(|comparisons| chapter(comparisons, &names)).collect()
}

/// Whether a system is a floor: no competitor, but what is the least that such work costs.
pub fn is_floor(name: &str) -> bool {
    name == "floor" || name.starts_with("floor-")
}

/// Whether a system is ringdove, at whatever level.
fn is_ours(name: &str) -> bool {
    name == "ringdove" || name.starts_with("ringdove-")
}

/// Whether both may be in one series. Systems may differ, so all members of a series are asked: two of them may name a third one
/// differently.
fn comparable(one: &Comparison, other: &Comparison) -> bool {
    let same_versions = other.systems.iter().all(|system| {
        let namesake = one.systems.iter().find(|known| known.name == system.name);
        namesake.is_none_or(|known| known.version == system.version && same_settings(known, system))
    });
    let sources = |of: &Comparison| (of.commit.clone(), of.loadgen.clone(), of.on_time.clone());
    let times = |of: &Comparison| (of.warmup_s, of.duration_s);
    same_versions && one.machine == other.machine && sources(one) == sources(other) && times(one) == times(other)
}

/// Who was never started has no settings: whatever they would have been, nothing was measured with them.
fn same_settings(one: &SystemFacts, other: &SystemFacts) -> bool {
    one.settings == other.settings || one.settings.is_empty() || other.settings.is_empty()
}

/// All systems of the folder: ringdove, its floors, and the others as they appear.
fn names(results: &Results) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for comparison in &results.comparisons {
        let declared = comparison.systems.iter().map(|system| &system.name);
        for name in declared.chain(comparison.runs.iter().map(|run| &run.system)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names.sort_by_key(|name| (*name != "ringdove", !is_ours(name), !is_floor(name)));
    names
}

fn chapter<'a>(comparisons: Vec<&'a Comparison>, names: &[&'a str]) -> Chapter<'a> {
    let facts = |name| {
        let all = || comparisons.iter().flat_map(|one| &one.systems).filter(|system| system.name == name);
        all().find(|system| !system.settings.is_empty()).or_else(|| all().next())
    };
    let mut cases: BTreeMap<&Case, BTreeMap<usize, Entry<'a>>> = BTreeMap::new();
    let mut workloads: Vec<&str> = Vec::new();
    for (number, comparison) in comparisons.iter().enumerate() {
        for run in &comparison.runs {
            let Some(place) = names.iter().position(|name| *name == run.system) else { continue };
            if !workloads.contains(&run.case.workload.as_str()) {
                workloads.push(&run.case.workload);
            }
            let system = System { name: names[place], place, facts: facts(names[place]) };
            let entry = cases.entry(&run.case).or_default().entry(place);
            entry.or_insert(Entry { system, valid: Vec::new(), void: Vec::new() }).add(number, run);
        }
    }
    let mut cases: Vec<_> =
        cases.into_iter().map(|(case, entries)| CaseStudy { case, entries: entries.into_values().collect() }).collect();
    cases.sort_by(|one, other| {
        let place = |case: &Case| workloads.iter().position(|workload| *workload == case.workload);
        place(one.case).cmp(&place(other.case)).then_with(|| by_settings(one.case, other.case))
    });
    let taking_part = |name: &str| {
        comparisons.iter().any(|one| {
            one.systems.iter().any(|system| system.name == name) || one.runs.iter().any(|run| run.system == name)
        })
    };
    let systems = names
        .iter()
        .enumerate()
        .filter(|(_, name)| taking_part(name))
        .map(|(place, name)| System { name, place, facts: facts(name) })
        .collect();
    Chapter { systems, cases, comparisons }
}

/// Numbers by their size, everything else by its letters.
fn by_settings(one: &Case, other: &Case) -> Ordering {
    for ((name, value), (other_name, other_value)) in one.settings.iter().zip(&other.settings) {
        let order = name.cmp(other_name).then_with(|| match (value.parse::<f64>(), other_value.parse::<f64>()) {
            (Ok(number), Ok(other)) => number.total_cmp(&other),
            _ => value.cmp(other_value),
        });
        if order.is_ne() {
            return order;
        }
    }
    one.settings.len().cmp(&other.settings.len())
}

impl<'a> Entry<'a> {
    fn add(&mut self, comparison: usize, run: &'a Run) {
        if !run.void.is_empty() {
            self.void.push(run);
            return;
        }
        let turn = (comparison, run.round);
        match self.valid.iter_mut().find(|counted| counted.turn == turn) {
            // the later attempt is the one that was wanted
            Some(counted) => counted.run = run,
            None => self.valid.push(Counted { turn, run }),
        }
    }
}

impl<'a> CaseStudy<'a> {
    /// The entry that others are held against: ringdove's, or that of the first of its levels where it takes no part as it comes.
    pub fn ours(&self) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| is_ours(entry.system.name))
    }

    /// The entry of a system.
    pub fn entry(&self, name: &str) -> Option<&Entry<'_>> {
        self.entries.iter().find(|entry| entry.system.name == name)
    }

    /// All runs that count.
    pub fn counted(&self) -> impl Iterator<Item = &Run> {
        self.entries.iter().flat_map(|entry| entry.valid.iter().map(|counted| counted.run))
    }

    /// The latency that says most of all that its runs have, those that count: not every system has each.
    pub fn headline(&self) -> Option<(&str, &str)> {
        wording::headline(&self.case.workload, self.counted().flat_map(|run| &run.latencies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::synthetic::{case, comparison, run};

    #[test]
    fn ringdove_comes_first_and_floors_behind_it() {
        let mut one = comparison();
        one.runs = ["nats", "floor", "redis", "ringdove", "floor-sync"]
            .iter()
            .map(|name| run(name, case("pair", &[]), 1))
            .collect();
        one.systems.clear();
        let results = Results { schema: 1, comparisons: vec![one] };
        let chapters = chapters(&results);
        let names: Vec<_> = chapters[0].systems.iter().map(|system| system.name).collect();
        assert_eq!(names, ["ringdove", "floor", "floor-sync", "nats", "redis"]);
    }

    #[test]
    fn cases_are_sorted_by_the_size_of_their_settings() {
        let mut one = comparison();
        one.runs =
            ["100000", "20000", "3000"].iter().map(|rate| run("nats", case("pair", &[("rate", rate)]), 1)).collect();
        one.runs.insert(0, run("nats", case("storm", &[]), 1));
        let results = Results { schema: 1, comparisons: vec![one] };
        let chapters = chapters(&results);
        let order: Vec<_> = chapters[0]
            .cases
            .iter()
            .map(|study| study.case.settings.get("rate").map_or("storm", String::as_str))
            .collect();
        assert_eq!(order, ["storm", "3000", "20000", "100000"]);
    }

    #[test]
    fn the_same_machine_and_versions_make_one_series() {
        let (one, mut other) = (comparison(), comparison());
        let series =
            |other: &Comparison| chapters(&Results { schema: 1, comparisons: vec![one.clone(), other.clone()] }).len();
        assert_eq!(series(&other), 1);
        other.systems[0].version = "another".into();
        assert_eq!(series(&other), 2);
        other = comparison();
        other.machine.cores += 1;
        assert_eq!(series(&other), 2);
        let changes: [fn(&mut Comparison); 5] = [
            |other| other.systems[0].settings.push("another".into()),
            |other| other.commit = None,
            |other| other.warmup_s = Some(0.5),
            |other| other.duration_s = None,
            |other| other.on_time = Some("p90".into()),
        ];
        for (number, change) in changes.iter().enumerate() {
            other = comparison();
            change(&mut other);
            assert_eq!(series(&other), 2, "change {number}");
        }
    }

    #[test]
    fn who_was_never_started_splits_no_series() {
        let (mut one, other) = (comparison(), comparison());
        one.systems[0].settings.clear();
        let results = Results { schema: 1, comparisons: vec![one, other] };
        let chapters = chapters(&results);
        assert_eq!(chapters.len(), 1);
        assert!(!chapters[0].systems[0].facts.unwrap().settings.is_empty(), "those of the start are shown");
    }

    #[test]
    fn every_member_of_a_series_has_to_be_comparable() {
        let (mut one, two, mut three) = (comparison(), comparison(), comparison());
        // the first one says nothing of ringdove, and the others do not agree
        one.systems.remove(0);
        three.systems[0].version = "another".into();
        let results = Results { schema: 1, comparisons: vec![one, two, three] };
        let sizes: Vec<_> = chapters(&results).iter().map(|chapter| chapter.comparisons.len()).collect();
        assert_eq!(sizes, [2, 1]);
    }

    #[test]
    fn a_repeated_run_counts_once() {
        let mut one = comparison();
        let mut first = run("nats", case("pair", &[]), 1);
        first.void = vec!["other work took the CPU".into()];
        let mut again = run("nats", case("pair", &[]), 1);
        again.attempt = 2;
        let mut once_more = again.clone();
        once_more.attempt = 3;
        one.runs = vec![first, again, once_more];
        let results = Results { schema: 1, comparisons: vec![one] };
        let chapters = chapters(&results);
        let entry = &chapters[0].cases[0].entries[0];
        assert_eq!((entry.valid.len(), entry.void.len()), (1, 1));
        assert_eq!(entry.valid[0].run.attempt, 3);
    }
}
