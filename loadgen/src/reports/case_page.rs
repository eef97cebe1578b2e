//! One case on the page: tables and plots.

use maud::{Markup, html};

use super::case_tables;
use super::latency_files::is_ours;
use super::measures;
use super::page::Budget;
use super::plots::{self, figure};
use super::study::CaseStudy;
use super::wording::{count, form, latency, title};
use crate::results::Run;

/// So many runs of a case are listed one by one.
const RUNS: usize = 120;
/// So many latencies of a case have a table.
const LATENCIES: usize = 12;

/// A case.
pub fn case(study: &CaseStudy<'_>, anchor: &str, budget: &mut Budget) -> Markup {
    if !Budget::take(&mut budget.cases) {
        return html! { h3 id=(anchor) { (title(study.case)) } p { "Left out: the page has no room for so many cases. run.json has it." } };
    }
    let latencies = case_tables::latencies(study);
    let figures = case_tables::figures(study);
    html! {
        h3 id=(anchor) { (title(study.case)) }
        (case_tables::overview(study).html())
        @if let Some((of, kind)) = latencies.first() {
            h4 { "Latency of " (latency(of, kind)) }
            (case_tables::latency(study, of, kind).html())
        }
        @if !figures.is_empty() { h4 { "More figures" } (figures.html()) }
        (plots_of(study, latencies.first().copied(), budget))
        @if latencies.len() > 1 {
            details {
                summary { "other latencies" }
                @for (of, kind) in latencies.iter().skip(1).take(LATENCIES) {
                    h4 { (latency(of, kind)) }
                    (case_tables::latency(study, of, kind).html())
                }
            }
        }
        (runs(study, budget))
    }
}

fn plots_of(study: &CaseStudy<'_>, headline: Option<(&str, &str)>, budget: &mut Budget) -> Markup {
    let closed = study.counted().all(|run| run.offered_per_s.is_none()) && study.case.settings.contains_key("window");
    let bars = || {
        let measure = measures::of_case(study).into_iter().next()?;
        plots::throughput(study, &measure)
    };
    let mut drawn: Vec<(plots::Plot, String)> = Vec::new();
    if closed {
        drawn.extend(
            bars().map(|plot| (plot, "Median of the rounds; the whisker goes from the least to the most.".into())),
        );
    }
    if let Some((of, kind)) = headline {
        let about = latency(of, kind);
        let distribution = format!(
            "The whole distribution of {about}. Strong: the round whose p99 is the median; faint: other rounds (at most {}); hollow: the longest of that round. Lines end where less than 100 samples lie beyond.",
            plots::ROUNDS - 1
        );
        drawn.extend(plots::spectrum(study, of, kind).map(|plot| (plot, distribution)));
        let over_time =
            format!("The same round over time, {about}: medians of intervals as a line, the longest of each as dots.");
        drawn.extend(plots::over_time(study, of, kind).map(|plot| (plot, over_time)));
    }
    let room = drawn.len() <= budget.plots;
    if room {
        budget.plots -= drawn.len();
    }
    html! {
        @if room { @for (plot, caption) in &drawn { (figure(plot, caption)) } }
        @else { p { "Plots are left out: the page has no room for so many." } }
    }
}

fn runs(study: &CaseStudy<'_>, budget: &mut Budget) -> Markup {
    let grid = case_tables::every_run(study, RUNS.min(budget.runs));
    budget.runs -= grid.rows.len();
    let listed = grid.rows.len() as u64;
    let all = study.entries.iter().map(|entry| (entry.valid.len() + entry.void.len()) as u64).sum::<u64>();
    html! {
        details.raw {
            summary { "every run, one by one" }
            @if !grid.rows.is_empty() { (grid.html()) }
            @if listed < all { p { (listed) " of " (count(all, "run", "runs")) " " (form(listed, "is", "are")) " listed; run.json has all." } }
            (files(study.counted().take(grid.rows.len())))
        }
    }
}

/// Links to the files of HdrHistogram; names that are none of ours are no links.
fn files<'a>(runs: impl Iterator<Item = &'a Run>) -> Markup {
    let names: Vec<_> = runs
        .flat_map(|run| &run.latencies)
        .flat_map(|latency| [&latency.hgrm, &latency.hlog])
        .flatten()
        .filter(|name| is_ours(name))
        .collect();
    html! {
        @if !names.is_empty() {
            p { "Distributions for other tools: " @for name in &names { a href=(name) { code { (name.trim_start_matches("latencies/")) } } " " } }
        }
    }
}
