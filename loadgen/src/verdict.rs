//! Goals held against a comparison: figures of one pool of rounds beside each other, the median of the pools, and their spread.

use std::ops::Range;

use crate::goals::{Beside, Bound, Course, Goal, Measure, Under};
use crate::load::Load;
use crate::median::{median, sorted};
use crate::pool::{self, pools};
use crate::reports::form;
use crate::results::{Case, Comparison, Verdict};

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
        goal: format!("{}{}{}", goal.name(), apart(course, measure.under.loads()), alone(&measure.under)),
        measure: measure.name.to_owned(),
        bound: measure.bound.words(comparison.pool),
        ringdove: median(&sorted(own)),
        other: named.as_ref().and(median(&sorted(beside))),
        beside: named,
        verdict: told(&measure.under, outcome(measure.bound, &judged, comparison.pool)),
        rounds: judged,
    }
}

/// ringdove's figure and the one beside it (1 where there is none), in each pool that counts for both.
fn figures(course: &Course, measure: &Measure, comparison: &Comparison) -> Vec<(f64, f64)> {
    let cases: Vec<_> = course.loads.iter().map(Load::case).collect();
    let both = |pool| {
        let under = |loads: Range<usize>, system: &str| {
            best(measure.bound, loads.map(|load| pool::figure(comparison, system, &cases[load], &pool, measure.of)))
        };
        let of = |system: &str| under(measure.under.loads(), system);
        let other = match measure.beside {
            Beside::Nothing => Some(1.0),
            Beside::One(name) => of(name),
            Beside::Best(names) => best(measure.bound, present(names, comparison).into_iter().map(of)),
            Beside::Load(load) => under(load..load + 1, course.ringdove),
        };
        of(course.ringdove).zip(other)
    };
    pools(comparison).filter_map(both).collect()
}

/// The best of all these figures, or none if one is not there: one whose runs count for nothing might have been it.
fn best(bound: Bound, figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let better = if bound.wants_less() { f64::min } else { f64::max };
    figures.collect::<Option<Vec<_>>>()?.into_iter().reduce(better)
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
        Beside::Load(load) => Some(format!("its own{}", apart(course, load..load + 1))),
    }
}

/// What tells these loads of a goal, all of one workload, from its others, in words: the workload, if the goal has several, and the settings in which
/// its loads of that workload differ.
fn apart(course: &Course, loads: Range<usize>) -> String {
    let cases: Vec<_> = course.loads.iter().map(Load::case).collect();
    let these: Vec<_> = cases[loads].iter().collect();
    let Case { workload, settings } = these[0];
    let alike: Vec<_> = cases.iter().filter(|case| case.workload == *workload).collect();
    let differing = settings.keys().filter(|name| values(&alike, name).len() > 1);
    let settings: Vec<_> = differing.map(|name| format!("{name} {}", listed(&values(&these, name)))).collect();
    let mut words = String::new();
    if alike.len() < cases.len() {
        words += &format!(", {workload}");
    }
    if !settings.is_empty() {
        let best = if these.len() > 1 { "best of " } else { "" };
        words += &format!(", {best}{}", settings.join(", "));
    }
    words
}

/// The values that a setting has in these cases, each once, in their order.
fn values<'a>(cases: &[&'a Case], name: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for value in cases.iter().filter_map(|case| case.settings.get(name)) {
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    values
}

/// `1000, 4000 and 16000`.
fn listed(values: &[&str]) -> String {
    match values {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => values.concat(),
    }
}

/// What is said of a load that is no goal by itself.
fn alone(under: &Under) -> &'static str {
    if matches!(under, Under::Alone(_)) { " alone" } else { "" }
}

/// A verdict as it is told: that of a load by itself is no goal's.
fn told(under: &Under, verdict: String) -> String {
    if matches!(under, Under::Alone(_)) { format!("for information: {verdict}") } else { verdict }
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
    fn pooled(systems: &[&str], pools: (u32, u32), sends: impl Fn(&str, u32) -> f64) -> (Course, Comparison) {
        loaded(systems, pools, 1, |system, _, round| sends(system, round))
    }

    /// The same under the first loads of the goal, so many of them, with messages a second by system, load and round.
    fn loaded(
        systems: &[&str],
        (rounds, pool): (u32, u32),
        loads: usize,
        sends: impl Fn(&str, usize, u32) -> f64,
    ) -> (Course, Comparison) {
        let course = Goal::PairMaximum.course();
        let mut comparison = crate::reports::synthetic::realistic().comparisons.remove(0);
        (comparison.rounds, comparison.pool) = (rounds, pool);
        comparison.systems.truncate(systems.len());
        comparison.runs.clear();
        for (system, facts) in systems.iter().zip(&mut comparison.systems) {
            facts.name = (*system).to_owned();
            for (round, load) in (1..=rounds).flat_map(|round| (0..loads).map(move |load| (round, load))) {
                let mut run = crate::measure::empty(&course.loads[load], crate::system::named(system).unwrap());
                (run.round, run.sends_per_s) = (round, sends(system, load, round));
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
        under(Under::One(0), beside, bound, course, comparison)
    }

    fn under(under: Under, beside: Beside, bound: Bound, course: &Course, comparison: &Comparison) -> Verdict {
        let measure = Measure { name: "messages/s", under, of: |run| Some(run.sends_per_s), beside, bound };
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
    /// Messages a second under the goal's three loads: each system does best under another one.
    fn by_load(system: &str, load: usize) -> f64 {
        match system {
            "ringdove" => [3.0, 9.0, 6.0][load],
            "nats" => [6.0, 4.0, 4.0][load],
            _ => [2.0, 4.0, 8.0][load],
        }
    }

    #[test]
    fn each_system_is_judged_by_its_own_best_load() {
        let systems = ["ringdove", "nats", "redis"];
        let (course, comparison) = loaded(&systems, (9, 1), 3, |system, load, _| by_load(system, load));
        let all = |beside| under(Under::BestOf(0..3), beside, Bound::AtLeast(1.2), &course, &comparison);
        let verdict = all(Beside::One("nats"));
        assert_eq!((&*verdict.rounds, &*verdict.verdict), (&[1.5; 9][..], "reached"));
        assert_eq!((verdict.ringdove, verdict.other, verdict.beside.as_deref()), (Some(9.0), Some(6.0), Some("nats")));
        // the best of two systems, each under its own best load, and another load of ringdove's
        let verdict = all(Beside::Best(&["nats", "redis"]));
        assert_eq!((verdict.ringdove, verdict.other, &*verdict.verdict), (Some(9.0), Some(8.0), "missed"));
        assert_eq!(verdict.rounds, [9.0 / 8.0; 9]);
        let verdict = all(Beside::Load(0));
        assert_eq!((&*verdict.rounds, verdict.other), (&[3.0; 9][..], Some(3.0)));
        assert_eq!(verdict.beside.as_deref(), Some("its own, window 1000"));
        // only the loads that are named
        let some = under(Under::BestOf(1..3), Beside::One("nats"), Bound::AtLeast(1.2), &course, &comparison);
        assert_eq!((some.ringdove, some.other), (Some(9.0), Some(4.0)));
    }

    #[test]
    fn a_load_by_itself_has_nothing_of_the_others() {
        let (course, comparison) = loaded(&["ringdove", "nats"], (9, 1), 3, |system, load, _| by_load(system, load));
        for (load, ratio) in [3.0 / 6.0, 9.0 / 4.0, 6.0 / 4.0].into_iter().enumerate() {
            for (by_itself, said) in [(Under::One(load), ""), (Under::Alone(load), "for information: ")] {
                let verdict = under(by_itself, Beside::One("nats"), Bound::AtLeast(1.0), &course, &comparison);
                let outcome = if ratio < 1.0 { "missed" } else { "reached" };
                assert_eq!((&*verdict.rounds, verdict.verdict), (&[ratio; 9][..], format!("{said}{outcome}")));
            }
        }
    }

    #[test]
    fn where_less_is_wanted_the_least_is_the_best() {
        let (course, comparison) = loaded(&["ringdove", "nats"], (9, 1), 3, |system, load, _| by_load(system, load));
        let verdict = under(Under::BestOf(0..3), Beside::One("nats"), Bound::AtMost(0.8), &course, &comparison);
        assert_eq!((verdict.ringdove, verdict.other), (Some(3.0), Some(4.0)));
        assert_eq!((&*verdict.rounds, &*verdict.verdict), (&[0.75; 9][..], "reached"));
    }

    /// Three equal loads that are lucky in turns: the best of them in each round would be what none of them is.
    #[test]
    fn the_best_load_of_a_pool_has_the_best_median() {
        let sends = |system: &str, load: usize, round: u32| match system {
            "ringdove" if round as usize % 3 == load => 4.0,
            "ringdove" => 2.0,
            // another load is the better one in the next pool
            _ if load as u32 == (round - 1) / 3 % 2 => 2.0,
            _ => 1.0,
        };
        let (course, comparison) = loaded(&["ringdove", "nats"], (27, 3), 3, sends);
        let verdict = under(Under::BestOf(0..3), Beside::One("nats"), Bound::AtLeast(1.0), &course, &comparison);
        assert_eq!((&*verdict.rounds, verdict.ringdove, verdict.other), (&[1.0; 9][..], Some(2.0), Some(2.0)));
    }

    #[test]
    fn a_pool_counts_for_the_best_of_its_loads_if_all_of_them_count() {
        let (course, mut comparison) =
            loaded(&["ringdove", "nats"], (27, 3), 3, |system, load, _| by_load(system, load));
        let cases: Vec<_> = course.loads.iter().map(Load::case).collect();
        let judged = |loads: Under, comparison: &Comparison| {
            under(loads, Beside::One("nats"), Bound::AtLeast(1.0), &course, comparison)
        };
        // most rounds of the pool still count
        spoil(&mut comparison, |run| run.case == cases[2] && run.round == 1);
        assert_eq!(judged(Under::BestOf(0..3), &comparison).rounds, [1.5; 9]);
        // one load of each system: it might have been its best, whatever its other rounds say
        spoil(&mut comparison, |run| run.system == "nats" && run.case == cases[2] && run.round <= 2);
        spoil(&mut comparison, |run| run.system == "ringdove" && run.case == cases[0] && run.round > 25);
        let verdict = judged(Under::BestOf(0..3), &comparison);
        assert_eq!(verdict.rounds, [1.5; 7]);
        assert_eq!(verdict.verdict, "undecided: 7 pools of 3 rounds count, and 9 are needed (so far: reached)");
        // whoever needs only some of the loads lacks only these
        let counting = |loads: Under| judged(loads, &comparison).rounds.len();
        assert_eq!([0, 1, 2].map(|load| counting(Under::Alone(load))), [8, 9, 8]);
        assert_eq!((counting(Under::BestOf(0..2)), counting(Under::BestOf(1..3))), (8, 8));
    }

    /// What each row of a goal is called.
    fn rows(goal: Goal) -> Vec<String> {
        let course = goal.course();
        let comparison = comparison(&[], |_, _| 0.0).1;
        judge(goal, &course, &comparison).into_iter().map(|verdict| verdict.goal).collect()
    }

    #[test]
    fn a_row_says_under_which_loads_it_is_judged() {
        let twice = |name: &'static str| [name; 2];
        let pairs = [
            twice("pair-maximum, best of window 1000, 4000, 16000 and 32000"),
            twice("pair-maximum, window 1000 alone"),
            twice("pair-maximum, window 4000 alone"),
            twice("pair-maximum, window 16000 alone"),
            twice("pair-maximum, window 32000 alone"),
        ];
        let costs = ["1000", "4000", "16000", "32000"].map(|window| format!("pair-maximum, window {window}"));
        let pairs = pairs.concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rows(Goal::PairMaximum), [pairs, costs.to_vec()].concat());
        let payload = [
            "payload-1k, pair, best of window 1000 and 4000",
            "payload-1k, pair, window 1000 alone",
            "payload-1k, pair, window 4000 alone",
            "payload-1k, fanout",
        ];
        assert_eq!(rows(Goal::Payload1k), payload);
        let groups = ["100", "500", "2000"].map(|members| format!("fanout-maximum, members {members}"));
        assert_eq!(rows(Goal::FanoutMaximum), [0, 0, 1, 1, 2, 2, 2].map(|load: usize| groups[load].clone()));
        assert_eq!(rows(Goal::RoundTrip), twice("round-trip"));
    }
}
