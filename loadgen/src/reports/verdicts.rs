//! What was held against the goals, as a table.

use super::digits;
use super::grid::{Cell, Grid};
use super::spread::Spread;
use super::study::Chapter;
use super::wording::short;
use crate::results::Verdict;

/// So many are shown.
const MOST: usize = 200;

/// The verdicts of all comparisons of a chapter.
pub fn grid(chapter: &Chapter<'_>) -> Grid {
    let head = ["goal", "measure", "has to be", "ringdove", "beside it", "judged, each round", "verdict"];
    let verdicts = chapter.comparisons.iter().flat_map(|comparison| &comparison.verdicts);
    Grid { head: head.map(Into::into).to_vec(), rows: verdicts.take(MOST).map(row).collect() }
}

fn row(verdict: &Verdict) -> Vec<Cell> {
    let number = |number: f64| if number.is_finite() { digits::figure(number) } else { String::new() };
    vec![
        Cell::of(short(&verdict.goal, 60)),
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
