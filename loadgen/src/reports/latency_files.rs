//! The files that a latency leaves beside `run.json`, in the two formats of HdrHistogram that other tools read.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use super::{hgrm, hlog};
use crate::latency::Latency;
use crate::results::{LatencyFigures, Run};

/// The folder of these files, in that of the comparison.
pub const FOLDER: &str = "latencies";
/// A name is cut off here; what comes behind it (round, latency, ending) is some 60 bytes.
const LONGEST_STEM: usize = 150;
/// So many runs of the same name find a name of their own.
const NAMESAKES: u32 = 10_000;

/// Writes both files of a latency into the folder of the comparison, and notes their names in its figures. A file that exists is never
/// written over: the name gets a number.
///
/// # Errors
/// They cannot be written; the words name the file.
pub fn keep(
    folder: &Path,
    run: &Run,
    latency: &Latency,
    measured_from: SystemTime,
    figures: &mut LatencyFigures,
) -> Result<(), String> {
    let tag = plain(&format!("{}-{}", figures.of, figures.kind));
    let stem = format!("{}-{tag}", stem(run));
    let written = |ending, contents: &[u8]| write_new(folder, &stem, ending, contents);
    figures.hgrm = Some(written("hgrm", hgrm::text(&latency.total()).as_bytes())?);
    figures.hlog = Some(written("hlog", &hlog::bytes(latency, &tag, measured_from)?)?);
    Ok(())
}

/// What tells a run from others, for a file's name: workload, settings, system, round, and the attempt behind the first.
fn stem(run: &Run) -> String {
    let settings = run.case.settings.iter().map(|(name, value)| format!("-{name}-{value}"));
    let mut stem = plain(&format!("{}{}-{}", run.case.workload, settings.collect::<String>(), run.system));
    stem.truncate(LONGEST_STEM);
    stem += &format!("-r{}", run.round);
    if run.attempt > 1 {
        stem += &format!("-a{}", run.attempt);
    }
    stem
}

/// A text of a to z, digits, points and single hyphens, that begins with none of the latter.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            plain.push(letter);
        } else if letter == '.' && !plain.is_empty() && !plain.ends_with('.') {
            plain.push('.');
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.trim_end_matches(['-', '.']).to_owned()
}

/// Whether a name from `run.json` is one that [`keep`] may have given: only such names become links.
pub fn is_ours(name: &str) -> bool {
    let ours = |file: &str| {
        !file.starts_with('.') && file.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
    };
    name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')).is_some_and(ours)
}

fn write_new(folder: &Path, stem: &str, ending: &str, contents: &[u8]) -> Result<String, String> {
    let latencies = folder.join(FOLDER);
    fs::create_dir_all(&latencies).map_err(|error| format!("{}: {error}", latencies.display()))?;
    for number in 1..=NAMESAKES {
        let file = if number == 1 { format!("{stem}.{ending}") } else { format!("{stem}.{number}.{ending}") };
        let path = latencies.join(&file);
        let words = |error: std::io::Error| format!("{}: {error}", path.display());
        match File::create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(words(error)),
            Ok(new) => {
                let mut new = BufWriter::new(new);
                new.write_all(contents).and_then(|()| new.flush()).map_err(words)?;
                return Ok(format!("{FOLDER}/{file}"));
            }
        }
    }
    Err(format!("{}: {NAMESAKES} files are called {stem}.{ending} already", latencies.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures;
    use crate::reports::synthetic;

    #[test]
    fn names_are_plain_whatever_a_system_is_called() {
        assert_eq!(plain("pair rate=50,000 NATS/core"), "pair-rate-50-000-nats-core");
        assert_eq!(plain("../../etc/passwd"), "etc-passwd");
        assert_eq!(plain("p99.9 <é>"), "p99.9");
        assert_eq!(plain("///"), "");
    }

    #[test]
    fn only_names_of_that_folder_are_ours() {
        assert!(is_ours("latencies/pair-r1-delivery-response.hgrm"));
        for foreign in
            ["latencies/../run.json", "/etc/passwd", "javascript:alert(1)", "latencies/a b", "latencies/..", "x"]
        {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn both_files_are_written_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = synthetic::run("ringdove", synthetic::case("pair", &[("rate", "50000")]), 1);
        run.case.settings.insert("x".repeat(300), "y".into());
        let mut latency = Latency::default();
        latency.record(1_000);
        let mut names = Vec::new();
        for _ in 0..2 {
            let mut figures = figures(&latency, "last member", "response");
            keep(folder.path(), &run, &latency, SystemTime::UNIX_EPOCH, &mut figures).unwrap();
            names.extend([figures.hgrm.unwrap(), figures.hlog.unwrap()]);
        }
        assert!(names[0].starts_with("latencies/pair-rate-50000-"), "{}", names[0]);
        assert!(names[0].ends_with("-r1-last-member-response.hgrm"), "{}", names[0]);
        assert!(names.iter().all(|name| is_ours(name) && folder.path().join(name).exists()));
        names.dedup();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let latency = Latency::default();
        let mut figures = figures(&latency, "answer", "service");
        let run = synthetic::run("ringdove", synthetic::case("pair", &[]), 1);
        let error = keep(file.path(), &run, &latency, SystemTime::UNIX_EPOCH, &mut figures).unwrap_err();
        assert!(error.contains("latencies"), "{error}");
    }
}
