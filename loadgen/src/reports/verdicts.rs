//! What was held against the goals, as a table.

use super::digits;
use super::grid::{Cell, Grid};
use super::spread::Spread;
use super::study::Chapter;
use super::wording::short;
use crate::pool;
use crate::results::Verdict;

/// So many are shown.
const MOST: usize = 200;

/// The verdicts of all comparisons of a chapter.
pub fn grid(chapter: &Chapter<'_>) -> Grid {
    let judging = || chapter.comparisons.iter().filter(|comparison| !comparison.verdicts.is_empty());
    let first = judging().next().map_or(1, |comparison| comparison.pool);
    let mixed = judging().any(|comparison| comparison.pool != first);
    let each = if mixed { "round or pool".to_owned() } else { pool::one(first) };
    let judged = format!("judged, each {each}");
    let head = ["goal", "measure", "has to be", "ringdove", "beside it", &judged, "verdict"];
    let rows = judging().flat_map(|comparison| {
        // where the head says it of all, no row does
        let each = if mixed { format!("each {}", pool::one(comparison.pool)) } else { String::new() };
        comparison.verdicts.iter().map(move |verdict| row(verdict, each.clone()))
    });
    Grid { head: head.map(Into::into).to_vec(), rows: rows.take(MOST).collect() }
}

fn row(verdict: &Verdict, each: String) -> Vec<Cell> {
    let number = |number: f64| if number.is_finite() { digits::figure(number) } else { String::new() };
    vec![
        Cell { small: each, ..Cell::of(short(&verdict.goal, 60)) },
        Cell::of(short(&verdict.measure, 60)),
        Cell::of(short(&verdict.bound, 100)),
        Cell::of(verdict.ringdove.map(number).unwrap_or_default()),
        Cell {
            small: verdict.beside.as_deref().map(|beside| short(beside, 120)).unwrap_or_default(),
            ..Cell::of(verdict.other.map(number).unwrap_or_default())
        },
        Cell::spread(Spread::of(verdict.rounds.iter().copied()), digits::figure),
        // nothing but this: whatever is said besides limits it
        Cell { reached: verdict.verdict == "reached", ..Cell::of(short(&verdict.verdict, 200)) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::realistic;
    use crate::results::Comparison;

    #[test]
    fn a_goal_of_a_plain_number_has_nothing_beside_it() {
        let mut results = realistic();
        results.comparisons[0].verdicts[1].rounds = vec![f64::NAN];
        let chapters = chapters(&results);
        let grid = grid(&chapters[0]);
        assert_eq!(grid.rows.len(), 3);
        assert_eq!((grid.rows[0][4].main.as_str(), grid.rows[0][4].small.as_str()), ("2,664,000", "floor"));
        assert_eq!((&grid.rows[1][4], &grid.rows[1][5]), (&Cell::default(), &Cell::default()));
    }

    /// What a row of the table says of its pool, and the head of the column of what was judged.
    fn judged(pools: &[u32]) -> (Vec<String>, String) {
        let mut results = realistic();
        let one = results.comparisons.remove(0);
        results.comparisons.extend(pools.iter().map(|pool| Comparison { pool: *pool, ..one.clone() }));
        let chapters = chapters(&results);
        assert_eq!(chapters.len(), 1, "their runs are of one series");
        let grid = grid(&chapters[0]);
        let said = grid.rows.iter().step_by(one.verdicts.len()).map(|row| row[0].small.clone()).collect();
        (said, grid.head[5].clone())
    }

    #[test]
    fn what_was_judged_is_said() {
        assert_eq!(judged(&[1, 1]), (vec![String::new(); 2], "judged, each round".into()));
        assert_eq!(judged(&[5]), (vec![String::new()], "judged, each pool of 5 rounds".into()));
        let each = ["each round", "each pool of 5 rounds"].map(str::to_owned).to_vec();
        assert_eq!(judged(&[1, 5]), (each, "judged, each round or pool".into()));
    }

    #[test]
    fn only_what_is_reached_has_a_tick() {
        let mut results = realistic();
        let verdicts = &mut results.comparisons[0].verdicts;
        let words = [
            "reached",
            "missed",
            "undecided: 8 of 9 rounds count",
            "undecided: inside the spread, the median reaches it",
            "reached (8 of 9 rounds count)",
        ];
        let one = verdicts[0].clone();
        *verdicts = words.map(|words| Verdict { verdict: words.into(), ..one.clone() }).to_vec();
        let ticks: Vec<_> = grid(&chapters(&results)[0]).rows.iter().map(|row| row[6].reached).collect();
        assert_eq!(ticks, [true, false, false, false, false]);
    }
}
