//! Goals held against a comparison: figures of one round beside each other, the median of the rounds, and their spread.

use crate::goals::{Beside, Course, Goal, Measure};
use crate::load::Load;
use crate::results::{Case, Comparison, Run, Verdict};

/// The median of sorted figures; none of none.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even % 2 == 0 => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        _ => Some(sorted[middle]),
    }
}

/// In growing order.
pub fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_by(f64::total_cmp);
    figures
}

/// What came of a goal.
pub fn judge(goal: Goal, course: &Course, comparison: &Comparison) -> Vec<Verdict> {
    course.measures.iter().map(|measure| verdict(goal, course, measure, comparison)).collect()
}

fn verdict(goal: Goal, course: &Course, measure: &Measure, comparison: &Comparison) -> Verdict {
    let case = course.loads[measure.load].case();
    let mut own = Vec::new();
    let mut beside = Vec::new();
    let mut judged = Vec::new();
    for round in 1..=comparison.rounds {
        let Some(figure) = figure(comparison, course.ringdove, &case, round, measure) else { continue };
        let other = match measure.beside {
            Beside::Nothing => Some(1.0),
            Beside::One(name) => self::figure(comparison, name, &case, round, measure),
            Beside::Best(names) => {
                let figures = names.iter().filter_map(|name| self::figure(comparison, name, &case, round, measure));
                let better = if measure.bound.wants_less() { f64::min } else { f64::max };
                figures.reduce(better)
            }
            Beside::Load(load) => self::figure(comparison, course.ringdove, &course.loads[load].case(), round, measure),
        };
        // a round in which one of both counts for nothing says nothing
        let Some(other) = other else { continue };
        own.push(figure);
        beside.push(other);
        judged.push(figure / other);
    }
    let rounds = sorted(judged);
    let result = match median(&rounds) {
        None => "undecided: no round counts".to_owned(),
        Some(median) => measure.bound.judge(&rounds, median).to_owned(),
    };
    let counted = rounds.len() as u32;
    let result = if counted < comparison.rounds && counted > 0 {
        format!("{result} ({counted} of {} rounds count)", comparison.rounds)
    } else {
        result
    };
    let named = match measure.beside {
        Beside::Nothing => None,
        Beside::One(name) => Some(name.to_owned()),
        Beside::Best(names) => Some(format!("best of {}", names.join(", "))),
        Beside::Load(load) => Some(format!("its own{}", apart(course, load))),
    };
    Verdict {
        goal: format!("{}{}", goal.name(), apart(course, measure.load)),
        measure: measure.name.to_owned(),
        bound: measure.bound.words(),
        ringdove: median(&sorted(own)),
        other: named.as_ref().and(median(&sorted(beside))),
        beside: named,
        rounds,
        verdict: result,
    }
}

/// The figure of a system in a round, from the run that counts.
fn figure(comparison: &Comparison, system: &str, case: &Case, round: u32, measure: &Measure) -> Option<f64> {
    let counts = |run: &&Run| run.system == system && run.round == round && run.case == *case && run.void.is_empty();
    comparison.runs.iter().find(counts).and_then(measure.of).filter(|figure| figure.is_finite())
}

/// What tells a load of a goal from its others, in words.
fn apart(course: &Course, load: usize) -> String {
    let cases: Vec<_> = course.loads.iter().map(Load::case).collect();
    let case = &cases[load];
    let differs =
        |(name, value): &(&String, &String)| cases.iter().any(|other| other.settings.get(*name) != Some(*value));
    let mut words: Vec<_> =
        case.settings.iter().filter(differs).map(|(name, value)| format!("{name} {value}")).collect();
    if cases.iter().any(|other| other.workload != case.workload) {
        words = vec![case.workload.clone()];
    }
    if words.is_empty() { String::new() } else { format!(", {}", words.join(", ")) }
}

/// A verdict in one line.
pub fn line(verdict: &Verdict) -> String {
    let rounds = &verdict.rounds;
    let spread = match (rounds.first(), median(rounds), rounds.last()) {
        (Some(low), Some(median), Some(high)) => format!("{median:.2} ({low:.2} to {high:.2})"),
        _ => "nothing".to_owned(),
    };
    let beside = match (&verdict.beside, verdict.other) {
        (Some(beside), Some(other)) => format!(", {beside} {other:.1}"),
        _ => String::new(),
    };
    let own = verdict.ringdove.map(|figure| format!(" ringdove {figure:.1}")).unwrap_or_default();
    let Verdict { goal, measure, bound, verdict, .. } = verdict;
    format!("{goal}: {measure}{own}{beside}; {spread}, goal {bound}: {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&sorted(vec![3.0, 1.0, 2.0])), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
