//! How far the cores of server and load were apart while it was measured: without that, figures of a virtual machine say little.

use super::digits::whole;
use super::spread::Spread;
use super::study::Chapter;
use crate::results::Run;

/// So many runs are named.
const NAMED: usize = 10;

/// The range over all runs that count, in a sentence; nothing where it was never measured.
pub fn words(chapter: &Chapter<'_>) -> Option<String> {
    let counted: Vec<&Run> = chapter.cases.iter().flat_map(|study| study.counted()).collect();
    let range = Spread::of(counted.iter().flat_map(|run| run.distance.readings()))?;
    let lacking: Vec<&Run> = counted.into_iter().filter(|run| !run.distance.is_known()).collect();
    Some(format!(
        "In the runs that count, right before and behind what was measured, a cache line took {} to {} ns from one core to the other and back.{}",
        whole(range.least),
        whole(range.most),
        lacking_words(&lacking)
    ))
}

/// Runs that lack a reading, in a sentence behind the first one; nothing where none does.
fn lacking_words(runs: &[&Run]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let named = runs.iter().take(NAMED);
    let named: Vec<_> =
        named.map(|run| format!("{}, {}, round {}", run.system, run.case.workload, run.round)).collect();
    let more = if runs.len() > NAMED { "; ..." } else { "" };
    format!(" Of {} of these runs it is not known both times ({}{more}).", whole(runs.len() as f64), named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, run};
    use crate::results::{Distance, Results};

    fn said(distances: &[(Option<f64>, Option<f64>, bool)]) -> Option<String> {
        let mut one = comparison();
        for (round, (before_ns, after_ns, counts)) in (1..).zip(distances) {
            let mut run = run("nats", case("pair", &[]), round);
            run.distance = Distance { before_ns: *before_ns, after_ns: *after_ns, waited_s: None };
            run.void = if *counts { Vec::new() } else { vec!["late".into()] };
            one.runs.push(run);
        }
        words(&chapters(&Results { schema: 1, comparisons: vec![one] })[0])
    }

    #[test]
    fn the_range_is_that_of_all_runs_that_count() {
        let (some, none) = (|ns| Some(ns), None);
        let range = "In the runs that count, right before and behind what was measured, a cache line took 58 to 90 ns from one core to the other and back.";
        let all = [(some(58.0), some(70.0), true), (some(90.0), some(60.0), true), (some(20.0), some(400.0), false)];
        assert_eq!(said(&all).as_deref(), Some(range));
        let unknown = said(&[all[0], all[1], (none, none, true), (some(70.0), none, true)]);
        let lacking = " Of 2 of these runs it is not known both times (nats, pair, round 3; nats, pair, round 4).";
        assert_eq!(unknown, Some(format!("{range}{lacking}")));
        let many = said(&[&all[..1], &[(none, some(70.0), true); 11]].concat()).unwrap();
        assert!(many.contains(" Of 11 of these runs ") && many.contains("round 11; ...)."), "{many}");
        assert_eq!(said(&[(none, none, true), all[2]]), None);
    }
}
