//! The tables of the page as Markdown, for a document.

use super::apart;
use super::case_tables;
use super::grid::plain;
use super::page::started;
use super::study::{CaseStudy, chapters};
use super::summary;
use super::verdicts;
use super::wording::{latency, short, title};
use crate::results::Results;

/// So many cases are written.
const CASES: usize = 500;

/// The tables: in short first, then the goals, then a table for each case.
pub fn markdown(results: &Results) -> String {
    let mut text = String::new();
    for chapter in chapters(results) {
        let first = chapter.comparisons[0];
        let commit =
            first.commit.as_deref().map(|commit| format!(", commit {}", plain(&short(commit, 60)))).unwrap_or_default();
        text += &format!("## {}{commit}\n\n{}\n\n", plain(&started(&chapter)), plain(&summary::trust(&chapter)));
        text += &apart::words(&chapter).map(|distance| format!("{}\n\n", plain(&distance))).unwrap_or_default();
        for told in summary::sentences(&chapter).iter().take(CASES) {
            for (about, sentence) in &told.sentences {
                text += &format!("- **{}.** {}\n", plain(about), plain(sentence));
            }
        }
        text += "\n";
        if chapter.comparisons.iter().any(|comparison| !comparison.verdicts.is_empty()) {
            text += &format!("### Goals\n\n{}\n", verdicts::grid(&chapter).markdown());
        }
        for study in chapter.cases.iter().take(CASES) {
            text += &format!("### {}\n\n{}", plain(&title(study.case)), case(study));
        }
        if chapter.cases.len() > CASES {
            text += &format!("The first {CASES} of {} cases.\n", chapter.cases.len());
        }
    }
    text
}

/// One table for a case: rates, costs and the latency that says most; the other latencies below it.
fn case(study: &CaseStudy<'_>) -> String {
    let latencies = case_tables::latencies(study);
    let mut grid = case_tables::overview(study);
    let mut text = String::new();
    if let Some((of, kind)) = latencies.first() {
        grid = grid.beside(case_tables::latency(study, of, kind));
        text += &format!("Latency: {}.\n\n", plain(&latency(of, kind)));
    }
    text += &format!("{}\n", grid.markdown());
    let figures = case_tables::figures(study);
    if !figures.is_empty() {
        text += &format!("{}\n", figures.markdown());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::synthetic::realistic;

    #[test]
    fn each_case_is_a_table_with_a_row_for_each_system() {
        let results = realistic();
        let text = markdown(&results);
        let cases = chapters(&results)[0].cases.len();
        assert_eq!(text.matches("\n### ").count(), cases + 1, "and the goals");
        let fanout = text.split("### ").find(|part| part.starts_with("fanout: 1 group, 500 members")).unwrap();
        let rows: Vec<_> = fanout.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(rows.len(), 6, "{fanout}");
        let columns = rows[0].matches(" | ").count();
        assert!(rows.iter().all(|row| row.matches(" | ").count() == columns), "{fanout}");
        assert!(rows[0].contains("deliveries/s") && rows[0].contains("p99, µs") && rows[1].starts_with("| ringdove |"));
    }
}
