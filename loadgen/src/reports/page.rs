//! The page: everything about a folder in one file that needs no other, no script and no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chapter_page;
use super::study::{Chapter, chapters};
use super::wording::{count, short};
use crate::results::Results;

/// How it looks, on a screen and on paper.
const STYLE: &str = include_str!("page.css");

/// The page of these results.
pub fn page(results: &Results) -> String {
    let chapters = chapters(results);
    let budget = &mut Budget::default();
    let title = title(&chapters);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p.under { (subtitle(results, &chapters)) }
                @if chapters.is_empty() { p { "Nothing was compared yet." } }
                @if chapters.len() > 1 { (series(&chapters)) }
                @for (number, chapter) in chapters.iter().enumerate() {
                    @if chapters.len() > 1 { h2.here id={ "s" (number) } { "Series " (number + 1) " of " (chapters.len()) ": " (started(chapter)) } }
                    (chapter_page::chapter(chapter, number, budget))
                }
            }
        }
    }
    .into_string()
}

/// What a page may still hold: a folder may have thousands of runs, and a page has to be opened by a browser.
pub struct Budget {
    /// Plots.
    pub plots: usize,
    /// Cases with tables of their own.
    pub cases: usize,
    /// Rows in tables of single runs.
    pub runs: usize,
    /// Void runs with their reasons.
    pub void: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { plots: 60, cases: 200, runs: 1_500, void: 200 }
    }
}

impl Budget {
    /// Takes one, if there is any left.
    pub fn take(left: &mut usize) -> bool {
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }
}

fn title(chapters: &[Chapter<'_>]) -> String {
    let mut names: Vec<_> = Vec::new();
    for system in chapters.iter().flat_map(|chapter| &chapter.systems) {
        let name = short(system.name, 24);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(8);
    names.truncate(8);
    match (names.as_slice(), more) {
        ([], _) => "loadgen's report".into(),
        ([one], _) => format!("{one}, measured"),
        ([first @ .., last], 0) => format!("{} and {last}, compared", first.join(", ")),
        (names, more) => format!("{} and {more} more, compared", names.join(", ")),
    }
}

fn subtitle(results: &Results, chapters: &[Chapter<'_>]) -> Markup {
    let runs = results.comparisons.iter().map(|comparison| comparison.runs.len()).sum::<usize>();
    html! {
        @if let [first, .., last] = chapters {
            (chapters.len()) " series, of " (started(first)) " to " (started(last)) " · "
        } @else if let Some(first) = chapters.first() {
            (started(first)) " · "
            @if let Some(commit) = &first.comparisons[0].commit { "commit " (short(commit, 40)) " · " }
            (short(&first.comparisons[0].machine.cpu, 80)) ", " (count(first.comparisons[0].machine.cores.into(), "core", "cores")) " · "
        }
        (count(runs as u64, "run", "runs"))
    }
}

/// The series of a page, and where they begin.
fn series(chapters: &[Chapter<'_>]) -> Markup {
    let line = |chapter: &Chapter<'_>| {
        let mut workloads: Vec<_> = chapter.cases.iter().map(|study| short(&study.case.workload, 40)).collect();
        workloads.dedup();
        let commit = chapter.comparisons[0].commit.as_deref().map(|commit| format!(", commit {}", short(commit, 40)));
        let runs: usize = chapter.comparisons.iter().map(|comparison| comparison.runs.len()).sum();
        format!("{}: {}; {}", commit.unwrap_or_default(), workloads.join(", "), count(runs as u64, "run", "runs"))
    };
    html! {
        p { "What was measured with other sources, versions, settings or times, or on another machine, is a series of its own:" }
        ol {
            @for (number, chapter) in chapters.iter().enumerate() {
                li { a href={ "#s" (number) } { (started(chapter)) } (line(chapter)) }
            }
        }
    }
}

/// When a chapter's comparisons began.
pub fn started(chapter: &Chapter<'_>) -> String {
    let words = |text: &str| short(&text.replace('T', " ").replace('Z', " UTC"), 40);
    match chapter.comparisons.as_slice() {
        [one] => words(&one.started),
        [first, .., last] => format!("{} to {}", words(&first.started), words(&last.started)),
        [] => String::new(),
    }
}
