//! Rounds behind each other that are judged as one: what slows a core down for a part of a second now and then meets a few runs of a system, and
//! seldom more than half of those in a pool, so that it does not move their median.

use std::ops::RangeInclusive;

use crate::goals::Figure;
use crate::median::{median, sorted};
use crate::reports;
use crate::results::{Case, Comparison, Run};

/// The rounds of one pool; those of a single round where each is judged by itself.
pub type Pool = RangeInclusive<u32>;

/// The pools of a comparison, in the order of their rounds.
pub fn pools(comparison: &Comparison) -> impl Iterator<Item = Pool> {
    let size = comparison.pool;
    (1..=comparison.rounds).step_by(size as usize).map(move |first| first..=first + size - 1)
}

/// A system's figure in a pool: the median of its rounds that count, if these are more than half of the pool.
pub fn figure(comparison: &Comparison, system: &str, case: &Case, pool: &Pool, of: Figure) -> Option<f64> {
    let figures: Vec<_> = pool.clone().filter_map(|round| in_round(comparison, system, case, round, of)).collect();
    if 2 * figures.len() > pool.clone().count() { median(&sorted(figures)) } else { None }
}

/// The figure of a system in a round, from the run that counts.
fn in_round(comparison: &Comparison, system: &str, case: &Case, round: u32, of: Figure) -> Option<f64> {
    let counts = |run: &&Run| run.system == system && run.round == round && run.case == *case && run.void.is_empty();
    comparison.runs.iter().find(counts).and_then(of).filter(|figure| figure.is_finite())
}

/// What is judged: `round`, `pool of 5 rounds`.
pub fn one(size: u32) -> String {
    if size == 1 { "round".to_owned() } else { format!("pool of {size} rounds") }
}

/// So many of these: `9 rounds`, `1 pool of 5 rounds`.
pub fn count(number: u64, size: u32) -> String {
    reports::count(number, &one(size), &if size == 1 { "rounds".to_owned() } else { format!("pools of {size} rounds") })
}
