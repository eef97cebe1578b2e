//! Goals held against a comparison: figures of one pool of rounds beside each other, the median of the pools, and their spread.

use crate::goals::{Beside, Bound, Course, Goal, Measure};
use crate::load::Load;
use crate::median::{median, sorted};
use crate::pool::{self, pools};
use crate::reports::form;
use crate::results::{Comparison, Verdict};

/// Pools that have to count for a goal to be decided.
pub const ENOUGH: u32 = 9;

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
    let mut own = Vec::new();
    let mut beside = Vec::new();
    let mut judged = Vec::new();
    for (figure, other) in figures(course, measure, comparison) {
        own.push(figure);
        beside.push(other);
        judged.push(figure / other);
    }
    let judged = sorted(judged);
    let named = named(course, measure, comparison);
    Verdict {
        goal: format!("{}{}", goal.name(), apart(course, measure.load)),
        measure: measure.name.to_owned(),
        bound: measure.bound.words(comparison.pool),
        ringdove: median(&sorted(own)),
        other: named.as_ref().and(median(&sorted(beside))),
        beside: named,
        verdict: outcome(measure.bound, &judged, comparison.pool),
        rounds: judged,
    }
}

/// ringdove's figure and the one beside it (1 where there is none), in each pool that counts for both.
fn figures(course: &Course, measure: &Measure, comparison: &Comparison) -> Vec<(f64, f64)> {
    let under = |load: usize| course.loads[load].case();
    let case = under(measure.load);
    let both = |pool| {
        let of = |system: &str| pool::figure(comparison, system, &case, &pool, measure.of);
        let other = match measure.beside {
            Beside::Nothing => Some(1.0),
            Beside::One(name) => of(name),
            Beside::Best(names) => {
                // the best of all who take part, or nobody's: one whose runs count for nothing might have been it
                let figures: Option<Vec<_>> = present(names, comparison).into_iter().map(of).collect();
                let better = if measure.bound.wants_less() { f64::min } else { f64::max };
                figures.and_then(|figures| figures.into_iter().reduce(better))
            }
            Beside::Load(load) => pool::figure(comparison, course.ringdove, &under(load), &pool, measure.of),
        };
        of(course.ringdove).zip(other)
    };
    pools(comparison).filter_map(both).collect()
}

/// What ratios or figures in growing order, one of each pool that counts, say of the bound.
fn outcome(bound: Bound, judged: &[f64], pool: u32) -> String {
    match median(judged) {
        None => format!("undecided: no {} counts", pool::one(pool)),
        Some(median) if judged.len() < ENOUGH as usize => {
            let so_far = bound.judge(judged, median);
            let count = judged.len() as u64;
            let (pools, count) = (pool::count(count, pool), form(count, "counts", "count"));
            format!("undecided: {pools} {count}, and {ENOUGH} are needed (so far: {so_far})")
        }
        Some(median) => bound.judge(judged, median).to_owned(),
    }
}

/// Whose figure stands beside ringdove's, if anything does.
fn named(course: &Course, measure: &Measure, comparison: &Comparison) -> Option<String> {
    match measure.beside {
        Beside::Nothing => None,
        Beside::One(name) => Some(name.to_owned()),
        Beside::Best(names) => {
            let here = present(names, comparison);
            let away: Vec<_> = names.iter().filter(|name| !here.contains(name)).copied().collect();
            let without = if away.is_empty() { String::new() } else { format!("; without {}", away.join(", ")) };
            Some(format!("best of {}{without}", here.join(", ")))
        }
        Beside::Load(load) => Some(format!("its own{}", apart(course, load))),
    }
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
    use crate::results::Run;

    /// Nine rounds of these systems, with messages a second by system and round.
    fn comparison(systems: &[&str], sends: impl Fn(&str, u32) -> f64) -> (Course, Comparison) {
        pooled(systems, (9, 1), sends)
    }

    /// So many rounds of these systems, of which so many make a pool, with messages a second by system and round.
    fn pooled(systems: &[&str], (rounds, pool): (u32, u32), sends: impl Fn(&str, u32) -> f64) -> (Course, Comparison) {
        let course = Goal::PairMaximum.course();
        let mut comparison = crate::reports::synthetic::realistic().comparisons.remove(0);
        (comparison.rounds, comparison.pool) = (rounds, pool);
        comparison.systems.truncate(systems.len());
        comparison.runs.clear();
        for (system, facts) in systems.iter().zip(&mut comparison.systems) {
            facts.name = (*system).to_owned();
            for round in 1..=rounds {
                let mut run = crate::measure::empty(&course.loads[0], crate::system::named(system).unwrap());
                (run.round, run.sends_per_s) = (round, sends(system, round));
                comparison.runs.push(run);
            }
        }
        (course, comparison)
    }

    /// Leaves those runs void.
    fn spoil(comparison: &mut Comparison, is_one: impl Fn(&Run) -> bool) {
        let spoiled = comparison.runs.iter_mut().filter(|run| is_one(run));
        spoiled.for_each(|run| run.void.push("late".into()));
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
        spoil(&mut comparison, |run| run.system == "nats" && run.round > 4);
        let verdict = of(best, Bound::AlwaysAbove(0.1), &course, &comparison);
        assert_eq!(verdict.rounds.len(), 4);
        assert!(verdict.verdict.starts_with("undecided: 4 rounds count, and 9 are needed"), "{}", verdict.verdict);
    }

    /// What the host of a virtual machine does for a part of a second meets two runs of five at most.
    #[test]
    fn a_slow_run_does_not_move_the_ratio_of_its_pool() {
        let slow = |system: &str, round: u32| match (system, round % 5) {
            ("ringdove", 1 | 2) | ("floor", 4) => 1.0 / 1.4,
            _ => 1.0,
        };
        let sends = |system: &str, round| slow(system, round) * if system == "ringdove" { 3.0 } else { 2.0 };
        let (course, comparison) = pooled(&["ringdove", "floor"], (45, 5), sends);
        let verdict = of(Beside::One("floor"), Bound::AlwaysAbove(1.4), &course, &comparison);
        assert_eq!((&*verdict.rounds, &*verdict.verdict), (&[1.5; 9][..], "reached"));
        assert_eq!((verdict.ringdove, verdict.other), (Some(3.0), Some(2.0)));
        assert_eq!(verdict.bound, "above 1.4 in every pool of 5 rounds");
        // round by round it would have been missed
        let (course, comparison) = pooled(&["ringdove", "floor"], (45, 1), sends);
        let verdict = of(Beside::One("floor"), Bound::AlwaysAbove(1.4), &course, &comparison);
        assert_eq!((verdict.rounds.len(), &*verdict.verdict), (45, "missed"));
        assert_eq!(verdict.bound, "above 1.4 in every round");
    }

    /// Ratios are those of two medians, and each is of the rounds that count for its own system.
    #[test]
    fn a_pool_counts_with_more_than_half_of_its_rounds() {
        let sends = |system: &str, round: u32| if system == "ringdove" { f64::from(round) } else { 1.0 };
        let (course, mut comparison) = pooled(&["ringdove", "floor"], (45, 5), sends);
        let judged = |comparison: &Comparison| of(Beside::One("floor"), Bound::AtLeast(0.5), &course, comparison);
        let whole = judged(&comparison);
        assert_eq!((&*whole.rounds, &*whole.verdict), (&[3., 8., 13., 18., 23., 28., 33., 38., 43.][..], "reached"));
        spoil(&mut comparison, |run| run.system == "ringdove" && run.round == 1);
        spoil(&mut comparison, |run| run.system == "floor" && [3, 4].contains(&run.round));
        let enough = judged(&comparison);
        assert_eq!((enough.rounds[0], enough.rounds.len()), (3.5, 9), "the mean of 3 and 4");
        spoil(&mut comparison, |run| run.system == "floor" && run.round == 5);
        let short = judged(&comparison);
        assert_eq!(short.rounds, whole.rounds[1..]);
        assert_eq!((short.ringdove, short.other), (Some(25.5), Some(1.0)));
        assert_eq!(short.verdict, "undecided: 8 pools of 5 rounds count, and 9 are needed (so far: reached)");
        spoil(&mut comparison, |run| run.round > 10);
        assert!(judged(&comparison).verdict.starts_with("undecided: 1 pool of 5 rounds counts, and 9 are needed"));
        spoil(&mut comparison, |run| run.round % 5 < 3);
        assert_eq!(judged(&comparison).verdict, "undecided: no pool of 5 rounds counts");
    }

    /// Two equal rivals who are lucky in turns: the best of both in each round would be what neither of them is.
    #[test]
    fn the_best_of_a_pool_has_the_best_median() {
        let sends = |system: &str, round: u32| match (system, round % 3) {
            ("ringdove", _) => 3.0,
            ("nats", 0) | ("redis", 1) => 4.0,
            _ => 2.0,
        };
        let (course, comparison) = pooled(&["ringdove", "nats", "redis"], (27, 3), sends);
        let verdict = of(Beside::Best(&["nats", "redis"]), Bound::AlwaysAbove(1.0), &course, &comparison);
        assert_eq!((&*verdict.rounds, verdict.other, &*verdict.verdict), (&[1.5; 9][..], Some(2.0), "reached"));
    }

    /// What is judged, and how it is said, where nobody spoke of pools.
    #[test]
    fn a_pool_of_one_round_is_the_round() {
        let sends = |system: &str, round: u32| f64::from(round) * if system == "nats" { 0.3 } else { 0.7 };
        let (course, mut comparison) = comparison(&["ringdove", "redis", "nats"], sends);
        spoil(&mut comparison, |run| run.system == "redis" && run.round == 9);
        let verdict = of(Beside::One("nats"), Bound::AlwaysAbove(2.0), &course, &comparison);
        let ratios = (1..=9).map(f64::from).map(|round| (round * 0.7) / (round * 0.3));
        assert_eq!(verdict.rounds, sorted(ratios.collect()));
        assert_eq!((verdict.bound, verdict.verdict), ("above 2 in every round".into(), "reached".into()));
        let verdict = of(Beside::Best(&["nats", "redis"]), Bound::AtLeast(1.0), &course, &comparison);
        assert_eq!((&*verdict.rounds, verdict.other), (&[1.0; 8][..], Some(4.5 * 0.7)));
        assert_eq!(
            verdict.verdict,
            "undecided: 8 rounds count, and 9 are needed (so far: undecided: inside the spread, the median reaches it)"
        );
        spoil(&mut comparison, |run| run.round > 1);
        let verdict = of(Beside::One("nats"), Bound::AtLeast(1.0), &course, &comparison);
        assert_eq!(verdict.verdict, "undecided: 1 round counts, and 9 are needed (so far: reached)");
        spoil(&mut comparison, |_| true);
        let verdict = of(Beside::One("nats"), Bound::AtLeast(1.0), &course, &comparison);
        assert_eq!((verdict.ringdove, &*verdict.verdict), (None, "undecided: no round counts"));
    }
}
