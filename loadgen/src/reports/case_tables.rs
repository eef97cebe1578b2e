//! The tables of one case, with a system in each row.

use std::collections::BTreeSet;

use super::digits;
use super::figures::PERCENTILES;
use super::grid::{Cell, Grid};
use super::measures::{self, Measure};
use super::spread::Spread;
use super::study::{CaseStudy, Entry, is_floor};
use super::wording::{self, short};
use crate::results::Run;

/// So many figures that only some workload knows become columns.
const FIGURES: usize = 12;

/// Rates, costs and ratios.
pub fn overview(study: &CaseStudy<'_>) -> Grid {
    let measures = measures::rates_and_costs();
    let main = measures::of_case(study).into_iter().next();
    let mut head = vec!["system".to_owned()];
    head.extend(measures.iter().map(|measure| measure.column()));
    let baselines: Vec<_> = study.entries.iter().filter(|entry| is_baseline(study, entry)).collect();
    if let Some(main) = &main {
        head.extend(baselines.iter().map(|entry| format!("{} beside {}'s", main.name, short(entry.system.name, 20))));
    }
    head.push("runs".into());
    let rows = study.entries.iter().map(|entry| {
        let mut row = vec![Cell::of(short(entry.system.name, 40))];
        row.extend(measures.iter().map(|measure| Cell::spread(measure.spread(entry), measure.write)));
        if let Some(main) = &main {
            row.extend(baselines.iter().map(|baseline| beside(main, entry, baseline)));
        }
        row.push(counts(entry));
        row
    });
    let mut grid = Grid { head, rows: rows.collect() };
    // in open loop everybody who keeps up sends as much as is offered
    let open = study.counted().any(|run| run.offered_per_s.is_some());
    for (column, measure) in measures.iter().enumerate().filter(|(_, measure)| !(open && measure.more_is_better)) {
        mark_best(&mut grid, study, column + 1, measure);
    }
    grid.without_empty_columns()
}

/// The percentiles of a latency.
pub fn latency(study: &CaseStudy<'_>, of: &str, kind: &str) -> Grid {
    let names: Vec<_> = PERCENTILES.iter().map(|(name, _)| *name).chain(["max"]).collect();
    let measures: Vec<_> = names.iter().map(|name| measures::percentile(of, kind, name)).collect();
    let mut head = vec!["system".to_owned()];
    head.extend(names.iter().map(|name| format!("{name}, µs")));
    let rows = study.entries.iter().map(|entry| {
        let mut row = vec![Cell::of(short(entry.system.name, 40))];
        row.extend(measures.iter().map(|measure| Cell::spread(measure.spread(entry), measure.write)));
        row
    });
    let mut grid = Grid { head, rows: rows.collect() };
    for (column, measure) in measures.iter().enumerate() {
        mark_best(&mut grid, study, column + 1, measure);
    }
    grid.without_empty_columns()
}

/// The latencies that runs of a case have: of what and of which kind, the one that says most first.
pub fn latencies<'a>(study: &'a CaseStudy<'a>) -> Vec<(&'a str, &'a str)> {
    let headline = study.headline();
    let all: BTreeSet<_> = study
        .counted()
        .flat_map(|run| &run.latencies)
        .filter(|latency| latency.count > 0)
        .map(|latency| (latency.of.as_str(), latency.kind.as_str()))
        .collect();
    let mut latencies: Vec<_> = all.into_iter().collect();
    latencies.sort_by_key(|latency| (Some(*latency) != headline, latency.1 != "response", latency.0));
    latencies
}

/// What only this workload measures.
pub fn figures(study: &CaseStudy<'_>) -> Grid {
    let names: BTreeSet<_> = study.counted().flat_map(|run| run.figures.keys()).take(10_000).collect();
    let names: Vec<_> = names.into_iter().take(FIGURES).collect();
    let mut head = vec!["system".to_owned()];
    head.extend(names.iter().map(|name| short(&name.replace('_', " "), 40)));
    let rows = study.entries.iter().map(|entry| {
        let figure = |name: &&String| {
            let all = entry.valid.iter().filter_map(|counted| counted.run.figures.get(*name).copied());
            Cell::spread(Spread::of(all), digits::figure)
        };
        let mut row = vec![Cell::of(short(entry.system.name, 40))];
        row.extend(names.iter().map(figure));
        row
    });
    Grid { head, rows: rows.collect() }.without_empty_columns()
}

/// Every run, the void ones included; at most so many.
pub fn every_run(study: &CaseStudy<'_>, most: usize) -> Grid {
    let head = [
        "system",
        "round",
        "attempt",
        "sends/s",
        "deliveries/s",
        "CPU, s: broker",
        "loadgen",
        "others",
        "core to core, ns",
        "lost, twice, early",
        "p50, µs",
        "p99, µs",
        "max, µs",
        "files",
    ];
    let mut runs: Vec<&Run> = study
        .entries
        .iter()
        .flat_map(|entry| entry.valid.iter().map(|counted| counted.run).chain(entry.void.iter().copied()))
        .collect();
    runs.sort_by_key(|run| (run.round, run.attempt));
    let rows = runs.into_iter().take(most).map(run_row).collect();
    Grid { head: head.map(Into::into).to_vec(), rows }.without_empty_columns()
}

fn run_row(run: &Run) -> Vec<Cell> {
    let seconds = |seconds: Option<f64>| Cell::of(seconds.map(digits::figure).unwrap_or_default());
    let rate = |rate: f64| Cell::of(if rate > 0.0 { digits::whole(rate) } else { String::new() });
    let headline = wording::headline(&run.case.workload, &run.latencies);
    let percentile = |name| {
        let figure = headline.and_then(|(of, kind)| measures::percentile(of, kind, name).of(run));
        Cell::of(figure.map(digits::us).unwrap_or_default())
    };
    let checked = run.checked;
    let wrong = format!("{}, {}, {}", checked.lost, checked.duplicated, checked.reordered);
    let files = run.latencies.iter().flat_map(|latency| [&latency.hgrm, &latency.hlog]).flatten().count();
    vec![
        Cell {
            small: if run.void.is_empty() { String::new() } else { "void".into() },
            ..Cell::of(short(&run.system, 40))
        },
        Cell::of(run.round.to_string()),
        Cell::of(run.attempt.to_string()),
        rate(run.sends_per_s),
        rate(run.deliveries_per_s),
        seconds(run.cpu.server_s),
        seconds(run.cpu.loadgen_s),
        seconds(run.cpu.other_s),
        Cell::of(run.distance.readings().map(digits::whole).collect::<Vec<_>>().join(", ")),
        Cell::of(wrong),
        percentile("p50"),
        percentile("p99"),
        percentile("max"),
        Cell::of(if files > 0 { files.to_string() } else { String::new() }),
    ]
}

/// Beside whom ratios are taken.
fn is_baseline(study: &CaseStudy<'_>, entry: &Entry<'_>) -> bool {
    is_floor(entry.system.name) || study.ours().is_some_and(|ours| ours.system.place == entry.system.place)
}

fn beside(measure: &Measure, entry: &Entry<'_>, baseline: &Entry<'_>) -> Cell {
    if entry.system.place == baseline.system.place {
        return if measure.spread(entry).is_some() { Cell::of("1") } else { Cell::default() };
    }
    Cell::spread(measure.ratio(entry, baseline), digits::ratio)
}

fn counts(entry: &Entry<'_>) -> Cell {
    let void = if entry.void.is_empty() { String::new() } else { format!("{} void", entry.void.len()) };
    Cell { small: void, ..Cell::of(entry.valid.len().to_string()) }
}

/// Marks the best of a column; floors are no competitors, and one alone is no best.
fn mark_best(grid: &mut Grid, study: &CaseStudy<'_>, column: usize, measure: &Measure) {
    if let Some(row) = best(study, measure) {
        grid.rows[row][column].best = true;
    }
}

/// Which entry is the best, if there are two or more to compare. Who does not keep up with what is offered is none.
pub fn best(study: &CaseStudy<'_>, measure: &Measure) -> Option<usize> {
    let competes = |entry: &Entry<'_>| !is_floor(entry.system.name) && measure.spread(entry).is_some();
    if study.entries.iter().filter(|entry| competes(entry)).count() < 2 {
        return None;
    }
    let medians = study
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| competes(entry) && !measures::falls_short(entry))
        .filter_map(|(row, entry)| Some((row, measure.spread(entry)?.median)));
    let order = |one: &(usize, f64), other: &(usize, f64)| one.1.total_cmp(&other.1);
    let best = if measure.more_is_better { medians.max_by(order) } else { medians.min_by(order) };
    best.map(|(row, _)| row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, run};
    use crate::results::Results;

    fn results(change: impl FnOnce(&mut Vec<Run>)) -> Results {
        let mut one = comparison();
        for round in 1..=3 {
            for (system, rate) in [("ringdove", 1_000.0), ("floor", 2_000.0), ("nats", 500.0)] {
                let mut run = run(system, case("pair", &[("window", "9")]), round);
                run.sends_per_s = rate * f64::from(round);
                one.runs.push(run);
            }
        }
        change(&mut one.runs);
        Results { schema: 1, comparisons: vec![one] }
    }

    fn column<'a>(grid: &'a Grid, name: &str) -> Vec<&'a Cell> {
        let place =
            grid.head.iter().position(|head| head == name).unwrap_or_else(|| panic!("{name} of {:?}", grid.head));
        grid.rows.iter().map(|row| &row[place]).collect()
    }

    #[test]
    fn ratios_stand_beside_ringdove_and_the_floor() {
        let results = results(|_| {});
        let chapters = chapters(&results);
        let grid = overview(&chapters[0].cases[0]);
        let words = |name| column(&grid, name).iter().map(|cell| cell.main.clone()).collect::<Vec<_>>();
        assert_eq!(words("system"), ["ringdove", "floor", "nats"]);
        assert_eq!(words("sends/s beside ringdove's"), ["1", "2.00", "0.50"]);
        assert_eq!(words("sends/s beside floor's"), ["0.50", "1", "0.25"]);
        let sends = column(&grid, "sends/s");
        assert_eq!((sends[0].main.as_str(), sends[0].small.as_str()), ("2,000", "1,000 to 3,000"));
        assert_eq!([sends[0].best, sends[1].best, sends[2].best], [true, false, false], "a floor does not compete");
    }

    #[test]
    fn void_runs_are_counted_and_count_for_nothing() {
        let results = results(|runs| {
            for run in runs.iter_mut().filter(|run| run.system == "nats") {
                run.void = vec!["late".into()];
            }
        });
        let chapters = chapters(&results);
        let grid = overview(&chapters[0].cases[0]);
        let runs = column(&grid, "runs")[2];
        assert_eq!((runs.main.as_str(), runs.small.as_str()), ("0", "3 void"));
        assert_eq!(column(&grid, "sends/s")[2], &Cell::default(), "nothing, and not 0");
    }

    #[test]
    fn who_is_at_its_end_cannot_win() {
        let results = results(|runs| {
            for run in runs.iter_mut() {
                run.offered_per_s = Some(run.sends_per_s * if run.system == "ringdove" { 2.0 } else { 1.0 });
                run.latencies[0].percentiles_us.insert("p50".into(), if run.system == "ringdove" { 1.0 } else { 9.0 });
            }
        });
        let chapters = chapters(&results);
        let grid = latency(&chapters[0].cases[0], "delivery", "response");
        let best: Vec<_> = column(&grid, "p50, µs").iter().map(|cell| cell.best).collect();
        assert_eq!(best, [false, false, true], "though ringdove's is lower");
    }

    #[test]
    fn a_table_of_all_runs_is_bounded() {
        let results = results(|_| {});
        let chapters = chapters(&results);
        assert_eq!(every_run(&chapters[0].cases[0], 100).rows.len(), 9);
        assert_eq!(every_run(&chapters[0].cases[0], 4).rows.len(), 4);
    }

    #[test]
    fn what_only_a_workload_measures_gets_columns() {
        let results = results(|runs| {
            runs[0].figures.insert("all_back_s".into(), 1.5);
            runs[0].figures.insert("broken".into(), f64::NAN);
        });
        let chapters = chapters(&results);
        let grid = figures(&chapters[0].cases[0]);
        assert_eq!(grid.head, ["system", "all back s"]);
    }
}
