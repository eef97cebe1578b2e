//! A chapter of the page: in short first, then who and how, then every case.

use maud::{Markup, html};

use super::apart;
use super::case_page;
use super::digits::{bytes, whole};
use super::grid::{Cell, Grid};
use super::page::Budget;
use super::plots::{self, Family, families, figure};
use super::study::{Chapter, System};
use super::summary;
use super::verdicts;
use super::wording::{count, form, short};
use crate::results::{Comparison, Machine, Run};

/// So many cases are told in short.
const IN_SHORT: usize = 60;

/// A chapter.
pub fn chapter(chapter: &Chapter<'_>, number: usize, budget: &mut Budget) -> Markup {
    let mut workloads: Vec<&str> = chapter.cases.iter().map(|study| study.case.workload.as_str()).collect();
    workloads.dedup();
    html! {
        nav {
            @for (place, workload) in workloads.iter().enumerate() {
                a href={ "#s" (number) "w" (place) } { (short(workload, 40)) }
            }
            @if has_verdicts(chapter) { a href={ "#s" (number) "goals" } { "goals" } }
            a href={ "#s" (number) "who" } { "who took part" }
            a href={ "#s" (number) "how" } { "how it was measured" }
        }
        (in_short(chapter, number))
        h2 id={ "s" (number) "who" } { "Who took part" }
        (who(chapter))
        h2.here id={ "s" (number) "how" } { "How it was measured" }
        (how(chapter))
        @for (place, workload) in workloads.iter().enumerate() {
            h2 id={ "s" (number) "w" (place) } { (short(workload, 40)) }
            (series(chapter, workload, budget))
            @for (case, study) in chapter.cases.iter().enumerate() {
                @if study.case.workload == *workload { (case_page::case(study, &anchor(number, case), budget)) }
            }
        }
        (void(chapter, budget))
    }
}

fn anchor(chapter: usize, case: usize) -> String {
    format!("s{chapter}c{case}")
}

fn in_short(chapter: &Chapter<'_>, number: usize) -> Markup {
    let told = summary::sentences(chapter);
    let mut left = IN_SHORT;
    html! {
        h2.here { "In short" }
        @for told in &told {
            div.told {
                @for (about, sentence) in &told.sentences {
                    @if Budget::take(&mut left) { p { strong { (about) ". " } (sentence) } }
                }
            }
        }
        div.told.trust { p { strong { "Can it be trusted? " } (summary::trust(chapter)) " " (promises()) } }
        @if has_verdicts(chapter) {
            h3 id={ "s" (number) "goals" } { "Goals" }
            div.words { (verdicts::grid(chapter).html()) }
        }
        h3 { "The figures that matter, case by case" }
        @for table in summary::tables(chapter, IN_SHORT, |case| anchor(number, case)) { div.summary { (table.html()) } }
        p { "Medians of the rounds. × is the ratio to ringdove (where it takes part at another level only, to the first of these), taken within a round, median of the rounds. ★ marks the best median; a floor only forwards and does not compete, and neither does who is at its end: less than 98 % of what was offered went through." }
        @if chapter.cases.len() > IN_SHORT { p { "The first " (IN_SHORT) " of " (chapter.cases.len()) " cases." } }
    }
}

fn has_verdicts(chapter: &Chapter<'_>) -> bool {
    chapter.comparisons.iter().any(|comparison| !comparison.verdicts.is_empty())
}

fn promises() -> &'static str {
    "Systems promise different things: what each does for its figures stands under “Who took part”."
}

fn who(chapter: &Chapter<'_>) -> Markup {
    let row = |system: &System<'_>| {
        let facts = |of: fn(&crate::results::SystemFacts) -> &str, most| {
            Cell::of(system.facts.map(|facts| short(of(facts), most)).unwrap_or_default())
        };
        vec![Cell::of(short(system.name, 40)), facts(|facts| &facts.about, 400), facts(|facts| &facts.version, 120)]
    };
    let head = ["system", "what it is, and what it promises", "version"].map(Into::into).to_vec();
    let grid = Grid { head, rows: chapter.systems.iter().map(row).collect() };
    html! {
        div.words { (grid.html()) }
        @for system in &chapter.systems {
            @if let Some(facts) = system.facts.filter(|facts| !facts.settings.is_empty()) {
                details.settings {
                    summary { "settings of " (short(system.name, 40)) }
                    ul.settings { @for line in facts.settings.iter().take(200) { li { code { (short(line, 400)) } } } }
                }
            }
        }
    }
}

fn how(chapter: &Chapter<'_>) -> Markup {
    let loadgen = &chapter.comparisons[0];
    html! {
        ul {
            li { "Open loop: sends are due at fixed times, whatever the system does, and a response time counts from when a send was due. A system that stalls cannot hide it (no coordinated omission). Cases with a window are closed loops: so many sends are under way at a time, and the next one goes out when one is over." }
            li { "In every run each delivery is checked: once, and in order. What was lost, came twice or too early is counted and told." }
            li { "A run is void, and counts for nothing, if others took the CPU, if the host of a virtual machine had moved the two cores apart, if loadgen itself was late to hand over what was due, if messages were lost, came twice or out of order, or if something failed. Void runs are repeated and listed." }
            li { "A system that completes less than 98 % of what was offered in time is at its end: that is a result and no void run. Its latency then grows with the time that it is measured, and cannot win." }
            li { (rounds(chapter)) " What is told is the median of the rounds, with the least and the most behind it: median [min to max]. Ratios are taken within a round." }
            @if let Some(times) = times(loadgen) { li { (times) } }
            li { "A percentile is told only if 100 samples or more lie beyond it. What was not measured is a dash, never a 0." }
        }
        (machine(&loadgen.machine))
        @if let Some(distance) = apart::words(chapter) { p { (distance) } }
        p { "loadgen " (short(&loadgen.loadgen, 40)) @if let Some(commit) = &loadgen.commit { ", commit " (short(commit, 60)) } "." }
        @for comparison in chapter.comparisons.iter().take(20) {
            p { (short(&comparison.started, 40)) ", " (count(comparison.rounds.into(), "round", "rounds")) ": " code { (short(&comparison.command, 600)) } }
        }
        @if let more @ 1.. = chapter.comparisons.len().saturating_sub(20) {
            p { "... and " (count(more as u64, "comparison", "comparisons")) " more." }
        }
    }
}

/// How many rounds there were, and what happened in each.
fn rounds(chapter: &Chapter<'_>) -> String {
    let each = chapter.comparisons.iter().map(|comparison| u64::from(comparison.rounds));
    let (least, most) = (each.clone().min().unwrap_or(0), each.max().unwrap_or(0));
    let meets = "in turns, so that a slow hour meets all.";
    match (chapter.comparisons.len() as u64, least == most) {
        (1, _) if most == 1 => "There was 1 round. In it every system runs every case once.".into(),
        (1, _) => {
            format!("There were {}. In each every system runs every case once, {meets}", count(most, "round", "rounds"))
        }
        (many, same) => {
            let rounds = count(most, "round", "rounds");
            let rounds = if same { format!("{rounds} each") } else { format!("{least} to {rounds}") };
            let of = "in each round every system of the comparison runs every case of it once";
            format!("There were {} of {rounds}; {of}, {meets}", count(many, "comparison", "comparisons"))
        }
    }
}

/// How long runs were, and how punctual their load had to be; nothing if the file does not say.
fn times(comparison: &Comparison) -> Option<String> {
    let seconds = |seconds: f64| short(&format!("{seconds} s"), 20);
    let measured = comparison.duration_s.map(|long| format!("Each run measures {}", seconds(long)))?;
    let warmup = comparison.warmup_s.map(|long| format!(" behind a warm-up of {}", seconds(long)));
    let on_time = comparison.on_time.as_deref().map(|percentile| {
        format!(" In open loop the load has to be on time up to its {}, or the run is void.", short(percentile, 20))
    });
    Some(format!("{measured}{}.{}", warmup.unwrap_or_default(), on_time.unwrap_or_default()))
}

fn machine(machine: &Machine) -> Markup {
    html! {
        p {
            (short(&machine.cpu, 120)) ", " (count(machine.cores.into(), "core", "cores")) @if machine.virtual_machine { " of a virtual machine" } ", "
            (bytes(machine.memory_bytes as f64)) " of memory, " (short(&machine.distribution, 80)) ", " (short(&machine.kernel, 120)) ". "
            "What is measured ran on core " (machine.server_core) ", the load on core " (machine.load_core) ", over loopback."
        }
        @if !machine.tuning.is_empty() {
            details.settings {
                summary { "kernel settings" }
                ul.settings { @for (name, value) in machine.tuning.iter().take(200) { li { code { (short(name, 120)) " = " (short(value, 200)) } } } }
            }
        }
    }
}

/// The plots over several cases of a workload.
fn series(chapter: &Chapter<'_>, workload: &str, budget: &mut Budget) -> Markup {
    let mut plot = |family: &Family<'_>, plot: Option<plots::Plot>, caption: &str| {
        let plot = plot.filter(|_| Budget::take(&mut budget.plots));
        html! { @if let Some(plot) = plot { h3 { (family.title) " – " (plot.about) } (figure(&plot, caption)) } }
    };
    html! {
        @for family in families(chapter, Some(workload), "rate") {
            @for percentile in ["p50", "p99"] {
                (plot(&family, plots::saturation(chapter, &family, percentile), "Throughput against latency, medians of the rounds. A hollow mark: less went through than was offered, the system is at its end. A cross: all runs there are void."))
            }
        }
        @if workload == "fanout" {
            @for family in families(chapter, Some(workload), "members") {
                (plot(&family, plots::cost_of_fanout(chapter, &family), "What one delivery costs the broker, medians of the rounds: flat is what one wants."))
            }
        }
        @if workload == "idle" {
            @for family in families(chapter, Some(workload), "connections") {
                (plot(&family, plots::memory_of_connections(chapter, &family), "Resident memory of the broker's process, medians of the rounds."))
            }
        }
    }
}

fn void(chapter: &Chapter<'_>, budget: &mut Budget) -> Markup {
    let void: Vec<&Run> =
        chapter.cases.iter().flat_map(|study| &study.entries).flat_map(|entry| entry.void.iter().copied()).collect();
    let row = |run: &&Run| {
        vec![
            Cell::of(short(&run.system, 40)),
            Cell::of(super::wording::title(&run.case)),
            Cell::of(run.round.to_string()),
            Cell::of(run.attempt.to_string()),
            Cell::of(short(&run.void.join("; "), 400)),
        ]
    };
    let shown = void.len().min(budget.void);
    budget.void -= shown;
    let head = ["system", "case", "round", "attempt", "why it counts for nothing"].map(Into::into).to_vec();
    let grid = Grid { head, rows: void.iter().take(shown).map(row).collect() };
    html! {
        @if !void.is_empty() {
            h2 { "Void runs" }
            div.words { (grid.html()) }
            @if shown < void.len() {
                p { (whole(shown as f64)) " of " (whole(void.len() as f64)) " " (form(shown as u64, "is", "are")) " listed." }
            }
        }
    }
}
