//! loadgen puts the servers of others under load, for a moment: each message arrives once and in order, and what a system promises to answer is
//! answered. Each rival has a file; names of its tests begin with its own, so that `scripts/test` leaves them out where it is not installed.

mod mosquitto;
mod nats;
mod redis;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::tempdir;

/// What loadgen found when it started a system, put this load on it, and ended it.
struct Run {
    /// `--json`.
    report: Value,
    /// What it said.
    said: String,
    /// Whether its figures count.
    counts: bool,
}

/// Runs a load on a system for a moment.
fn run(system: &str, load: &[&str]) -> Run {
    let folder = tempdir().unwrap();
    let report = folder.path().join("report.json");
    let (counts, said) = loadgen(system, load, folder.path(), &["--json", report.to_str().unwrap()]);
    let report = std::fs::read_to_string(report).unwrap_or_else(|_| panic!("{system} was not measured: {said}"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it leaves nothing behind but its report");
    Run { report: serde_json::from_str(&report).unwrap(), said, counts }
}

/// Whether a load on a system counts, and what is said of it.
fn loadgen(system: &str, load: &[&str], folder: &Path, more: &[&str]) -> (bool, String) {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_ringdove")).with_file_name("loadgen");
    assert!(path.exists(), "build it first: cargo build --workspace --bins");
    let mut command = Command::new(path);
    command.args(load).args(["--system", system, "--start", "--warmup", "50ms", "--duration", "300ms"]);
    command.args(["--server-core", "0", "--load-core", "0", "--folder"]).arg(folder).args(more);
    let ended = command.stdin(Stdio::null()).output().expect("loadgen can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    (ended.status.success(), said)
}

impl Run {
    /// What was counted over all of the run, under this name.
    fn checked(&self, what: &str) -> u64 {
        self.report["checked"][what].as_u64().unwrap()
    }

    /// Everything arrived once and in order at so many readers of each send. That a machine is busy with other tests is no fault of the system.
    #[track_caller]
    fn is_whole(&self, readers: u64) {
        let void = self.report["void"].as_array().unwrap();
        let of_the_machine =
            |why: &Value| ["other work ", "late: "].iter().any(|begin| why.as_str().unwrap().starts_with(begin));
        assert!(void.iter().all(of_the_machine), "{}", self.said);
        assert_eq!(self.counts, void.is_empty(), "{}", self.said);
        assert!(self.checked("sends") > 0, "{}", self.said);
        assert_eq!(self.checked("deliveries"), self.checked("sends") * readers, "{}", self.said);
        for what in ["lost", "duplicated", "reordered"] {
            assert_eq!(self.checked(what), 0, "{what}: {}", self.said);
        }
    }

    /// How many latencies of this were recorded.
    fn recorded(&self, of: &str) -> u64 {
        let latencies = self.report["latencies"].as_array().unwrap();
        let found = latencies.iter().filter(|figures| figures["of"] == of);
        found.map(|figures| figures["count"].as_u64().unwrap()).sum()
    }
}

/// Pairs one way and to and fro, a schedule, and a group.
fn talks(system: &str, answers: bool) {
    let window = run(system, &["pair", "--pairs", "3", "--window", "16"]);
    window.is_whole(1);
    assert_eq!(window.recorded("answer") > 0, answers, "{}", window.said);
    let round_trips = run(system, &["pair", "--pairs", "2", "--payload", "5000"]);
    round_trips.is_whole(1);
    assert!(round_trips.recorded("round trip") > 0, "{}", round_trips.said);
    run(system, &["pair", "--pairs", "3", "--rate", "500"]).is_whole(1);
}

/// One writes to a group, and all others read.
fn fans_out(system: &str) {
    run(system, &["fanout", "--members", "20"]).is_whole(19);
    run(system, &["fanout", "--groups", "2", "--members", "3", "--window", "4"]).is_whole(2);
}

/// People connect, are there, and leave without a farewell, again and again.
fn comes_and_goes(system: &str) {
    run(system, &["sign-in", "--users", "20", "--at-once", "4"]).is_whole(0);
}
