//! Goals held against a comparison: figures of one round beside each other, the median of the rounds, and their spread.

use crate::goals::{Beside, Course, Goal, Measure};
use crate::load::Load;
use crate::results::{Case, Comparison, Run, Verdict};

/// Rounds that have to count for a goal to be decided.
const ENOUGH: usize = 9;

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

/// Those of these systems that take part.
fn present(names: &[&'static str], comparison: &Comparison) -> Vec<&'static str> {
    let takes_part = |name: &&&str| comparison.systems.iter().any(|system| system.name == **name);
    names.iter().filter(takes_part).copied().collect()
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
                // the best of all who take part, or nobody's: one whose run counts for nothing might have been it
                let here = present(names, comparison);
                let figures = here.iter().map(|name| self::figure(comparison, name, &case, round, measure));
                let better = if measure.bound.wants_less() { f64::min } else { f64::max };
                figures.collect::<Option<Vec<_>>>().and_then(|figures| figures.into_iter().reduce(better))
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
        Some(median) if rounds.len() < ENOUGH => {
            let so_far = measure.bound.judge(&rounds, median);
            format!("undecided: {} rounds count, and {ENOUGH} are needed (so far: {so_far})", rounds.len())
        }
        Some(median) => measure.bound.judge(&rounds, median).to_owned(),
    };
    let named = match measure.beside {
        Beside::Nothing => None,
        Beside::One(name) => Some(name.to_owned()),
        Beside::Best(names) => {
            let here = present(names, comparison);
            let away: Vec<_> = names.iter().filter(|name| !here.contains(name)).copied().collect();
            let without = if away.is_empty() { String::new() } else { format!("; without {}", away.join(", ")) };
            Some(format!("best of {}{without}", here.join(", ")))
        }
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
    use crate::goals::Bound;

    const ROUNDS: u32 = 9;

    /// Nine rounds of these systems, with messages a second by system and round.
    fn comparison(systems: &[&str], sends: impl Fn(&str, u32) -> f64) -> (Course, Comparison) {
        let course = Goal::PairMaximum.course();
        let mut comparison = crate::reports::synthetic::realistic().comparisons.remove(0);
        comparison.rounds = ROUNDS;
        comparison.systems.truncate(systems.len());
        comparison.runs.clear();
        for (system, facts) in systems.iter().zip(&mut comparison.systems) {
            facts.name = (*system).to_owned();
            for round in 1..=ROUNDS {
                let mut run = crate::measure::empty(&course.loads[0], crate::system::named(system).unwrap());
                (run.round, run.sends_per_s) = (round, sends(system, round));
                comparison.runs.push(run);
            }
        }
        (course, comparison)
    }

    fn of(beside: Beside, bound: Bound, course: &Course, comparison: &Comparison) -> Verdict {
        let measure = Measure { name: "messages/s", load: 0, of: |run| Some(run.sends_per_s), beside, bound };
        verdict(Goal::PairMaximum, course, &measure, comparison)
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let sends = |system: &str, round: u32| f64::from(round) * if system == "ringdove" { 3.0 } else { 2.0 };
        let (course, comparison) = comparison(&["ringdove", "floor"], sends);
        let verdict = of(Beside::One("floor"), Bound::AtLeast(1.2), &course, &comparison);
        assert_eq!((verdict.rounds, &*verdict.verdict), (vec![1.5; 9], "reached"));
        assert_eq!(
            (verdict.ringdove, verdict.other, verdict.beside.as_deref()),
            (Some(15.0), Some(10.0), Some("floor"))
        );
    }

    #[test]
    fn the_best_is_the_best_of_all_who_take_part() {
        let sends = |system: &str, _| if system == "nats" { 2.0 } else { 1.0 };
        let (course, mut comparison) = comparison(&["ringdove", "redis", "nats"], sends);
        let best = Beside::Best(&["nats", "redis", "mosquitto"]);
        let verdict = of(best, Bound::AlwaysAbove(1.0), &course, &comparison);
        assert_eq!((verdict.rounds[0], &*verdict.verdict), (0.5, "missed"));
        assert_eq!(verdict.beside.as_deref(), Some("best of nats, redis; without mosquitto"));
        // the better one counts for nothing in some rounds: nothing is known of these
        comparison.runs.iter_mut().filter(|run| run.system == "nats" && run.round > 4).for_each(|run| {
            run.void.push("late".into());
        });
        let verdict = of(best, Bound::AlwaysAbove(0.1), &course, &comparison);
        assert_eq!(verdict.rounds.len(), 4);
        assert!(verdict.verdict.starts_with("undecided: 4 rounds count, and 9 are needed"), "{}", verdict.verdict);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&sorted(vec![3.0, 1.0, 2.0])), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
