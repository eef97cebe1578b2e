//! What people and other tools get to read of runs: tables, a page with plots, Markdown, and HdrHistogram's files. Everything but the last is
//! made from `run.json` alone.

mod apart;
mod case_page;
mod case_tables;
mod chapter_page;
mod digits;
mod figures;
mod grid;
mod hgrm;
mod hlog;
mod latency_files;
mod markdown;
mod measures;
mod page;
mod plots;
mod spread;
mod study;
mod summary;
#[cfg(test)]
pub mod synthetic;
mod terminal;
mod verdicts;
mod wording;

use std::fs;
use std::path::{Path, PathBuf};

use crate::results::{FILE, Results};

pub use figures::figures;
pub use latency_files::keep;
pub use markdown::markdown;
pub use terminal::{summary, table};
pub use wording::{count, form};

/// The name of the page in the folder of a comparison.
pub const PAGE: &str = "report.html";

/// The results in a folder.
///
/// # Errors
/// There are none, or they cannot be read; the words name the file.
pub fn read(folder: &Path) -> Result<Results, String> {
    if !folder.is_dir() {
        return Err(format!("{}: there is no such folder", folder.display()));
    }
    let results = Results::open(folder)?;
    if results.comparisons.is_empty() {
        return Err(format!("{}: nothing was compared there yet", folder.join(FILE).display()));
    }
    Ok(results)
}

/// Writes the page of these results into their folder.
///
/// # Errors
/// It cannot be written; the words name the file.
pub fn write_page(folder: &Path, results: &Results) -> Result<PathBuf, String> {
    let path = folder.join(PAGE);
    fs::write(&path, page::page(results)).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Distance, During, Run};

    /// Where the whole folder of a made-up comparison is left, to be looked at.
    const KEEP: &str = "RINGDOVE_KEEP_REPORT";

    fn page_of(change: impl FnOnce(&mut Results)) -> String {
        let mut results = synthetic::realistic();
        change(&mut results);
        page::page(&results)
    }

    #[test]
    fn a_folder_holds_run_json_the_page_and_the_files_of_all_latencies() {
        let temporary = tempfile::tempdir().unwrap();
        let kept = std::env::var_os(KEEP).map(PathBuf::from);
        let folder = kept.as_deref().unwrap_or(temporary.path());
        let results = synthetic::realistic_in(folder);
        results.save(folder).unwrap();
        let page = write_page(folder, &read(folder).unwrap()).unwrap();
        let text = fs::read_to_string(page).unwrap();
        let latencies: Vec<_> = results.comparisons[0].runs.iter().flat_map(|run| &run.latencies).collect();
        for name in latencies.iter().flat_map(|latency| [&latency.hgrm, &latency.hlog]) {
            assert!(folder.join(name.as_ref().unwrap()).is_file());
        }
        assert!(latencies.len() > 100);
        assert!(text.contains(&format!("href=\"{}\"", latencies[0].hgrm.as_ref().unwrap())));
        assert!(text.matches("<svg ").count() >= 20 && text.len() < 6_000_000, "{}", text.len());
        for foreign in ["<script", "http://", "https://", "url(", "<img", "<link", "NaN"] {
            let foreign_text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign_text.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_from_one_that_is_empty() {
        let empty = tempfile::tempdir().unwrap();
        let why = |folder: &Path| read(folder).err().unwrap();
        assert!(why(empty.path()).ends_with("run.json: nothing was compared there yet"));
        assert!(why(&empty.path().join("no")).ends_with("no: there is no such folder"));
    }

    #[test]
    fn whatever_a_file_says_is_text_on_the_page() {
        let evil = "\"'><script>alert(1)</script>\u{0}&amp;";
        let page = page_of(|results| {
            let one = &mut results.comparisons[0];
            for text in
                [&mut one.started, &mut one.command, &mut one.loadgen, &mut one.machine.cpu, &mut one.machine.kernel]
            {
                *text = evil.into();
            }
            one.commit = Some(evil.into());
            one.machine.tuning.insert(evil.into(), evil.into());
            one.systems[2].name = evil.into();
            one.systems[2].about = evil.into();
            one.systems[2].version = evil.into();
            one.systems[2].settings = vec![evil.into()];
            one.verdicts[0].goal = evil.into();
            one.verdicts[0].verdict = evil.into();
            for run in &mut one.runs {
                run.figures.insert(evil.into(), 1.0);
                run.case.settings.insert(evil.into(), evil.into());
                run.latencies.iter_mut().for_each(|latency| {
                    latency.of = evil.into();
                    latency.hgrm = Some("javascript:alert(1)".into());
                });
            }
            one.runs[0].system = evil.into();
            one.runs[1].void = vec![evil.into()];
            one.runs[2].case.workload = evil.into();
        });
        assert!(!page.contains("<script") && !page.contains("javascript:"));
        assert!(page.contains("&lt;script&gt;"));
        assert!(!page.contains('\u{0}'));
    }

    #[test]
    fn numbers_that_are_none_leave_dashes() {
        let page = page_of(|results| {
            for run in &mut results.comparisons[0].runs {
                break_numbers(run);
            }
        });
        assert!(!page.contains("NaN") && !page.contains("inf<") && page.contains("–"));
    }

    #[test]
    fn numbers_that_are_none_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = synthetic::realistic();
        let one = &mut results.comparisons[0];
        (one.runs[0].sends_per_s, one.verdicts[0].ringdove, one.verdicts[0].rounds[0]) = (f64::NAN, None, f64::NAN);
        one.runs[0].figures.insert("all_back_s".into(), f64::INFINITY);
        results.save(folder.path()).unwrap();
        let read = read(folder.path()).unwrap();
        let one = &read.comparisons[0];
        assert!(one.runs[0].sends_per_s.is_nan() && one.runs[0].figures["all_back_s"].is_nan());
        assert!(one.verdicts[0].ringdove.is_none() && one.verdicts[0].rounds[0].is_nan());
    }

    #[test]
    fn only_pools_of_several_rounds_are_written() {
        let folder = tempfile::tempdir().unwrap();
        for (pool, is_written) in [(1, false), (5, true)] {
            let mut results = synthetic::realistic();
            results.comparisons[0].pool = pool;
            results.save(folder.path()).unwrap();
            let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
            assert_eq!(text.contains("\"pool\":5"), is_written);
            assert_eq!(text.contains("pool"), is_written);
            assert_eq!(read(folder.path()).unwrap().comparisons[0].pool, pool);
        }
    }

    #[test]
    fn a_file_that_does_not_say_how_long_runs_were_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = synthetic::realistic();
        let one = &mut results.comparisons[0];
        (one.warmup_s, one.duration_s, one.on_time) = (None, None, None);
        results.save(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!["warmup_s", "duration_s", "on_time"].iter().any(|name| text.contains(name)));
        let mut results = read(folder.path()).unwrap();
        let one = &mut results.comparisons[0];
        assert_eq!((one.warmup_s, one.duration_s, &one.on_time), (None, None, &None));
        (one.warmup_s, one.duration_s, one.on_time) = (Some(0.5), Some(2.5), Some("p90".into()));
        results.save(folder.path()).unwrap();
        let one = &read(folder.path()).unwrap().comparisons[0];
        assert_eq!((one.warmup_s, one.duration_s, one.on_time.as_deref()), (Some(0.5), Some(2.5), Some("p90")));
    }

    #[test]
    fn a_file_that_does_not_say_how_far_the_cores_were_apart_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = synthetic::realistic();
        let runs = &mut results.comparisons[0].runs;
        runs[0].distance = Distance::default();
        runs[1].distance.after_ns = None;
        results.save(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let runs = &read(folder.path()).unwrap().comparisons[0].runs;
        assert_eq!(runs.len() - 1, text.matches("\"distance\":{\"before_ns\":61.0").count());
        assert_eq!((runs[0].distance, runs[1].distance.before_ns), (Distance::default(), Some(61.0)));
        assert_eq!((runs[1].distance.after_ns, runs[2].distance.after_ns), (None, Some(74.0)));
    }

    /// What near is may have been unknown, and files of before know nothing of looks within a run.
    #[test]
    fn a_file_that_does_not_say_what_was_seen_within_runs_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = synthetic::realistic();
        let runs = &mut results.comparisons[0].runs;
        runs[0].during = During::default();
        runs[1].during.far = None;
        results.save(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let read = &read(folder.path()).unwrap().comparisons[0].runs;
        assert_eq!(read.len() - 1, text.matches("\"during\":{\"looks\":50,\"readings\":48").count());
        assert_eq!(read.len() - 2, text.matches("\"readings\":48,\"far\":1}").count());
        assert_eq!(read[0].during, During::default());
        assert_eq!((read[1].during.looks, read[1].during.far, read[2].during.far), (50, None, Some(1)));
    }

    #[test]
    fn the_page_and_the_tables_say_how_far_the_cores_were_apart() {
        let said = "a cache line took 61 to 74 ns from one core to the other and back";
        assert!(page_of(|_| {}).contains(said) && markdown(&synthetic::realistic()).contains(said));
        assert!(page_of(|_| {}).contains("core to core, ns"));
        let none = page_of(|results| {
            results.comparisons[0].runs.iter_mut().for_each(|run| run.distance = Distance::default());
        });
        assert!(!none.contains("a cache line took") && !none.contains("core to core, ns"));
    }

    fn break_numbers(run: &mut Run) {
        (run.measured_s, run.sends_per_s, run.deliveries_per_s) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
        run.cpu.server_s_per_million_deliveries = Some(f64::NAN);
        run.offered_per_s = run.offered_per_s.map(|_| f64::NAN);
        (run.distance.before_ns, run.distance.after_ns) = (Some(f64::NAN), Some(f64::INFINITY));
        (run.checked.deliveries, run.checked.lost) = (u64::MAX, u64::MAX);
        if let Some(memory) = &mut run.memory {
            (memory.connections, memory.rss_bytes) = (u64::MAX, u64::MAX);
            memory.process_bytes_per_connection = f64::NAN;
        }
        for latency in &mut run.latencies {
            latency.max_us = f64::INFINITY;
            latency.percentiles_us.values_mut().for_each(|figure| *figure = f64::NAN);
            latency.spectrum = vec![(f64::NAN, 1.0), (2.0, f64::MAX), (-1e300, f64::MIN), (0.5, 0.0), (1.0, f64::NAN)];
            for (place, interval) in latency.over_time.iter_mut().enumerate() {
                (interval.at_s, interval.p50_us, interval.max_us) = (1e300 * place as f64, f64::NAN, -0.0);
            }
        }
    }

    #[test]
    fn a_page_says_how_long_runs_were() {
        let page = page_of(|results| results.comparisons[0].warmup_s = Some(0.5));
        assert!(page.contains(
            "Each run measures 5 s behind a warm-up of 0.5 s. In open loop the load has to be on time up to its p99,"
        ));
        assert!(!page_of(|results| results.comparisons[0].duration_s = None).contains("Each run measures"));
    }

    #[test]
    fn goals_come_before_the_figures() {
        let page = page_of(|_| {});
        let at = |words| page.find(words).unwrap_or_else(|| panic!("{words}"));
        assert!(at("Can it be trusted?") < at(">Goals</h3>") && at(">Goals</h3>") < at("The figures that matter"));
        assert!(page.contains("href=\"#s0goals\"") && page.contains("id=\"s0goals\""));
        assert!(!page_of(|results| results.comparisons[0].verdicts.clear()).contains("s0goals"));
    }

    #[test]
    fn who_was_not_offered_more_is_not_said_to_have_held_less() {
        let page = page_of(|results| {
            let runs = &mut results.comparisons[0].runs;
            let highest = runs.iter().filter_map(|run| run.offered_per_s).fold(0.0, f64::max);
            runs.retain(|run| run.system != "nats" || run.offered_per_s != Some(highest));
        });
        assert!(page.contains("(it was not offered more)"));
        assert!(!page_of(|_| {}).contains("(it was not offered more)"));
    }

    #[test]
    fn a_percentile_that_some_rounds_lack_is_a_dash() {
        let of = |lacks: bool| {
            let mut results = synthetic::realistic();
            let runs = &mut results.comparisons[0].runs;
            runs.retain(|run| run.system == "ringdove" && run.case.settings.contains_key("window"));
            let first = runs[0].case.clone();
            runs.retain(|run| run.case == first);
            for (place, latency) in runs.iter_mut().flat_map(|run| &mut run.latencies).enumerate() {
                latency.percentiles_us.insert("p99".into(), 777.0);
                if lacks && place == 0 {
                    latency.percentiles_us.remove("p99");
                }
            }
            markdown(&results).contains("777")
        };
        assert!(of(false) && !of(true));
    }

    #[test]
    fn a_system_at_its_end_is_a_result_and_no_fault_of_the_load() {
        let page = page_of(|results| {
            for run in &mut results.comparisons[0].runs {
                run.void.clear();
                if run.system == "nats"
                    && let Some(offered) = run.offered_per_s
                {
                    run.sends_per_s = offered * 0.5;
                }
            }
        });
        assert!(page.contains("none was void") && !page.contains("<h2>Void runs</h2>"));
        assert!(page.contains("nats none of them") && page.contains(" at its end"));
        assert!(page.contains("is at its end: that is a result and no void run"));
        assert!(!page.contains("loadgen itself was late or at its end"), "the load handed over all of it");
    }

    #[test]
    fn several_series_are_listed_at_the_top() {
        let page = page_of(|results| {
            let mut other = results.comparisons[0].clone();
            (other.started, other.commit) = ("2026-11-27T01:02:03Z".into(), Some("0123abc".into()));
            results.comparisons.push(other);
        });
        assert!(page.contains("2 series, of 2026-11-26 06:30:00 UTC to 2026-11-27 01:02:03 UTC"));
        let item = "<li><a href=\"#s1\">2026-11-27 01:02:03 UTC</a>, commit 0123abc: pair, fanout, idle; ";
        assert!(page.contains(item) && page.contains("<h2 class=\"here\" id=\"s1\">Series 2 of 2: "));
        assert!(!page_of(|_| {}).contains("series of its own"));
    }

    #[test]
    fn rounds_are_those_of_a_comparison_and_not_of_the_folder() {
        let said = |rounds: &[u32]| {
            let page = page_of(|results| {
                let mut one = results.comparisons.remove(0);
                one.runs.truncate(5);
                for rounds in rounds {
                    results.comparisons.push(crate::results::Comparison { rounds: *rounds, ..one.clone() });
                }
            });
            page.split("<li>").find(|item| item.starts_with("There w")).unwrap().to_owned()
        };
        assert!(said(&[3]).starts_with("There were 3 rounds. In each every system runs every case once, "));
        assert!(said(&[1]).starts_with("There was 1 round. In it every system runs every case once. "));
        let twelve = said(&[1; 12]);
        assert!(twelve.starts_with("There were 12 comparisons of 1 round each; in each round every"), "{twelve}");
        let differ = said(&[3, 1, 9]);
        assert!(differ.starts_with("There were 3 comparisons of 1 to 9 rounds; in each round every"), "{differ}");
    }

    #[test]
    fn one_run_alone_makes_a_page() {
        let page = page_of(|results| {
            results.comparisons[0].runs.truncate(1);
            results.comparisons[0].systems.truncate(1);
            results.comparisons[0].verdicts.clear();
            results.comparisons[0].machine.cores = 1;
        });
        for words in
            [" · 1 run<", "1 run counts; none was void. In the one that counts, ", ", 1 core · ", ", 1 core of a "]
        {
            assert!(page.contains(words), "{words}");
        }
        assert!(page.contains("<h1>ringdove, measured</h1>") && page.contains("<svg "));
    }

    #[test]
    fn thousands_of_runs_make_a_page_that_a_browser_opens() {
        let page = page_of(|results| {
            let runs = &mut results.comparisons[0].runs;
            runs.truncate(9);
            let mut round = 0;
            while runs.len() < 2_000 {
                round += 1;
                let mut run = runs[round % 9].clone();
                run.round = 10 + round as u32;
                run.case.settings.insert("pairs".into(), (round / 20).to_string());
                run.void = if round % 3 == 0 { vec!["late".into()] } else { Vec::new() };
                runs.push(run);
            }
        });
        assert!(page.len() < 8_000_000, "{}", page.len());
        assert!(page.contains("runs are listed") && page.contains("Plots are left out"));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().contains("run.json: nothing was compared"));
        let whole = serde_json::to_string(&synthetic::realistic()).unwrap();
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{}",
            "null",
            "\u{feff}",
            &whole[..whole.len() / 2],
            &deep,
            r#"{"schema":1,"comparisons":7}"#,
            r#"{"schema":2,"comparisons":[]}"#,
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(read(folder.path()).unwrap_err().contains("run.json: "), "{}", &text[..text.len().min(40)]);
        }
        fs::write(folder.path().join(FILE), [0xff, 0xfe, 0x00]).unwrap();
        assert!(read(folder.path()).unwrap_err().contains("run.json: "));
    }
}
