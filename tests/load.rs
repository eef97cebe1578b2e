//! loadgen against the real broker, for a moment: it checks that each message arrives once and in order, and so do these tests, on one
//! hot thread and on several. The test whose name begins with `two_cores` needs cores 0 and 1; `scripts/test` leaves it out, and says so, where
//! they are not there.

mod broker;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use broker::{Broker, done, refused, serve};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::tempdir;

/// loadgen's binary, beside the broker's.
fn loadgen(arguments: &[&str]) -> Command {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_ringdove")).with_file_name("loadgen");
    assert!(path.exists(), "build it first: cargo build --workspace --bins");
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Runs loadgen to its end, and returns what it found.
fn found(mut command: Command, folder: &Path) -> Value {
    let report = folder.join("report.json");
    let (code, said) = broker::run(command.arg("--json").arg(&report));
    judged(&report, code, &said)
}

/// What loadgen has found, and how it ended and what it said: all has arrived.
fn judged(report: &Path, code: Option<i32>, said: &str) -> Value {
    let text = std::fs::read_to_string(report).unwrap_or_else(|error| panic!("{error}: {said}"));
    let run: Value = serde_json::from_str(&text).unwrap();
    let void: Vec<_> = run["void"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect();
    assert_eq!(code, Some(i32::from(!void.is_empty())), "{said}");
    // a machine that runs tests has other work, and is late: that says nothing against the broker
    let serious: Vec<_> =
        void.iter().filter(|why| !why.starts_with("late") && !why.starts_with("other work")).collect();
    assert!(serious.is_empty(), "{said}");
    for what in ["lost", "duplicated", "reordered"] {
        assert_eq!(checked(&run, what), 0, "{what}: {said}");
    }
    run
}

/// Starts a broker with `flags`, puts a load on it, and returns what loadgen found.
fn run(flags: &[&str], load: &[&str]) -> Value {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = serve(&data);
    // segments that a debug build on a busy machine prepares in time
    command.args(flags).env("RINGDOVE_JOURNAL_SEGMENT_BYTES", "16MiB");
    let broker = Broker::start(command);
    let mut command = loadgen(load);
    command.args(["--addr", &broker.address.to_string(), "--warmup", "100ms", "--duration", "400ms"]);
    command.arg("--admin").arg(data.join("admin.sock"));
    let run = found(command, folder.path());
    broker.stop();
    run
}

fn checked(run: &Value, what: &str) -> u64 {
    run["checked"][what].as_u64().unwrap()
}

/// How many of a latency were recorded.
fn recorded(run: &Value, of: &str) -> u64 {
    let latencies = run["latencies"].as_array().unwrap();
    let found = latencies.iter().find(|latency| latency["of"] == of);
    found.map_or(0, |latency| latency["count"].as_u64().unwrap())
}

#[test]
fn pairs_on_one_thread() {
    let report = run(&["--threads", "shared"], &["pair", "--pairs", "5", "--window", "50"]);
    assert!(checked(&report, "sends") > 0);
    assert_eq!(checked(&report, "sends"), checked(&report, "deliveries"));
    assert!(report["cpu"]["server_s"].is_number(), "whoever listens at the admin door");
}

#[test]
fn round_trips_across_reactors() {
    let flags = ["--threads", "dedicated", "--reactors", "3", "--idle", "0"];
    let report = run(&flags, &["pair", "--pairs", "6", "--payload", "5000"]);
    assert!(recorded(&report, "round trip") > 0);
    assert_eq!(checked(&report, "sends"), checked(&report, "deliveries"));
}

#[test]
fn groups_across_reactors_at_level_disk() {
    let flags = ["--threads", "dedicated", "--reactors", "2", "--durability", "disk"];
    let report = run(&flags, &["fanout", "--groups", "2", "--members", "40", "--window", "8"]);
    assert!(checked(&report, "sends") > 0);
    assert_eq!(checked(&report, "sends") * 39, checked(&report, "deliveries"));
}

/// What a broker that runs already keeps is asked for, and not believed.
#[test]
fn whatever_is_not_at_level_disk_is_not_durable() {
    for (level, keeps) in [("disk", true), ("process", false), ("memory", false)] {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        let mut command = serve(&data);
        command.args(["--durability", level]).env("RINGDOVE_LIMITS_RATE", "0");
        let broker = Broker::start(command);
        let address = broker.address.to_string();
        let door = data.join("admin.sock");
        let load = |system: &str| {
            let mut command = loadgen(&["durable", "--system", system, "--pairs", "4", "--window", "8"]);
            command.args(["--addr", &address, "--warmup", "100ms", "--duration", "400ms", "--admin"]);
            broker::run(command.arg(&door)).1
        };
        assert_eq!(load("ringdove-disk").contains("answers what is not on disk yet: it is no ringdove-disk"), !keeps);
        assert!(load("ringdove").contains("whether a ringdove that runs already is at level process cannot be known"));
        broker.stop();
    }
}

#[test]
fn an_open_loop_at_level_memory() {
    let report = run(&["--durability", "memory"], &["pair", "--pairs", "4", "--rate", "500"]);
    assert!(checked(&report, "sends") > 0);
    assert_eq!(checked(&report, "sends"), checked(&report, "deliveries"));
}

#[test]
fn idle_connections_are_weighed() {
    let report = run(&[], &["idle", "--connections", "100"]);
    assert_eq!(report["memory"]["connections"], 100, "{report}");
    assert!(report["memory"]["process_bytes_per_connection"].is_number(), "{report}");
}

/// Everyone learns of all contacts, and of nobody else, also across reactors.
#[test]
fn whoever_comes_back_learns_who_is_there() {
    for flags in [&["--threads", "shared"][..], &["--threads", "dedicated", "--reactors", "2"]] {
        let report = run(flags, &["reconnect", "--users", "80", "--contacts", "20", "--within", "500ms"]);
        // each pair is told at least once, by presence or by a list; when half leave, each who stays hears of half
        assert!(report["figures"]["presence told when half leave"].as_f64() >= Some(400.0), "{report}");
    }
}

/// Also on a broker that loadgen starts for itself.
#[test]
fn a_broker_is_started_for_those_who_come_back() {
    let folder = tempdir().unwrap();
    let mut command = loadgen(&["reconnect", "--start", "--users", "40", "--contacts", "10", "--within", "200ms"]);
    command.args(["--server-core", "0", "--load-core", "0", "--broker", env!("CARGO_BIN_EXE_ringdove"), "--folder"]);
    let said = done(command.arg(folder.path()));
    assert!(said.contains("presence told"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn the_floor_is_measured_with_the_same_loads() {
    let folder = tempdir().unwrap();
    let loads = [
        &["pair", "--system", "floor-synced", "--pairs", "3"][..],
        &["fanout", "--system", "floor", "--members", "20"],
        &["pair", "--system", "floor-sleeping", "--pairs", "3", "--rate", "500"],
    ];
    for load in loads {
        let mut command = loadgen(load);
        command.args(["--start", "--server-core", "0", "--load-core", "0", "--warmup", "50ms", "--duration", "200ms"]);
        command.arg("--folder").arg(folder.path());
        let report = found(command, folder.path());
        assert!(checked(&report, "deliveries") > 0, "{report}");
        assert_eq!(report["system"], load[2]);
    }
}

/// A figure of a run.
fn figure(run: &Value, name: &str) -> f64 {
    run["figures"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {run}"))
}

/// People are cut off and come back while everyone writes: nothing is missed, nothing comes twice, and everyone knows at the end who is there.
#[test]
fn people_come_and_go_on_one_thread_and_on_several() {
    for flags in [&["--threads", "shared"][..], &["--threads", "dedicated", "--reactors", "2", "--idle", "0"]] {
        let load = ["mixed", "--people", "40", "--members", "8", "--rate", "400", "--reconnects", "60"];
        let report = run(flags, &load);
        // one send in five reaches seven
        assert!(checked(&report, "deliveries") > 2 * checked(&report, "sends"), "{report}");
        assert!(figure(&report, "people back") > 0.0);
        // at the end every second one of the eight who come and go stays away
        assert_eq!(figure(&report, "people cut off"), figure(&report, "people back") + 4.0);
        // each of them has 20 contacts, of whom at most the other three are gone too
        assert!(figure(&report, "presence told") >= 4.0 * 17.0, "{report}");
        assert!(recorded(&report, "back") > 0 && recorded(&report, "delivery to a group") > 0, "{report}");
    }
}

/// Where nothing is kept for the absent, nobody writes to them.
#[test]
fn strangers_come_and_go_at_the_floor() {
    let folder = tempdir().unwrap();
    let load =
        ["mixed", "--system", "floor", "--people", "20", "--members", "5", "--rate", "400", "--reconnects", "60"];
    let mut command = loadgen(&load);
    command.args(["--start", "--server-core", "0", "--load-core", "0", "--warmup", "50ms", "--duration", "300ms"]);
    command.arg("--folder").arg(folder.path());
    let report = found(command, folder.path());
    assert!(figure(&report, "people back") > 0.0);
    assert_eq!(figure(&report, "people back"), figure(&report, "people cut off"));
    assert_eq!(figure(&report, "people nobody writes to"), 4.0);
}

#[test]
fn everyone_comes_back_after_a_storm() {
    let load = ["storm", "--people", "200", "--pairs", "5", "--rate", "300", "--storms", "2"];
    let report = run(&[], &load);
    assert_eq!(recorded(&report, "back"), 400, "{report}");
    assert!(recorded(&report, "delivery calm") > 0 && recorded(&report, "delivery in the storm") > 0, "{report}");
    assert_eq!(checked(&report, "sends"), checked(&report, "deliveries"));
    assert!(figure(&report, "all back s") > 0.0);
}

/// At its end, what was done is what the broker counted.
#[test]
fn a_soak_adds_up() {
    let broker = env!("CARGO_BIN_EXE_ringdove");
    let mix = ["--people", "40", "--members", "8", "--rate", "300", "--reconnects", "40", "--every", "100ms"];
    let load: Vec<_> = ["soak", "--broker", broker].into_iter().chain(mix).collect();
    let report = run(&[], &load);
    assert_eq!(figure(&report, "counters compared"), 9.0, "{report}");
    assert!(figure(&report, "people back") > 0.0);
}

#[test]
fn a_broker_that_limits_the_rate_is_named() {
    let folder = tempdir().unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.env("RINGDOVE_LIMITS_RATE", "30");
    let broker = Broker::start(command);
    let mut command = loadgen(&["pair", "--addr", &broker.address.to_string(), "--admin"]);
    let said = refused(command.arg(folder.path().join("data/admin.sock")));
    assert!(said.contains("RINGDOVE_LIMITS_RATE=0"), "{said}");
    broker.stop();
}

/// Whatever stands in the way before anything is measured is no run that counts for nothing: it is said in a line, where errors are.
#[test]
fn what_keeps_a_load_from_beginning_is_an_error() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("no/such.json").display().to_string();
    for (arguments, why) in [
        (&["pair", "--system", "floor", "--addr", "127.0.0.1:1"][..], "nobody listens at 127.0.0.1:1: say --addr"),
        (&["pair", "--system", "redis"], "say --addr of a server that runs, or --start: where redis listens is not"),
        (&["fanout", "--members", "10001"], "its groups have 10,000 members at most"),
        (&["soak", "--system", "redis", "--addr", "127.0.0.1:1"], "redis counts nothing that a soak could be compared"),
        (&["pair", "--json", &file], &format!("--json {file}: No such file or directory")),
    ] {
        let output = loadgen(arguments).output().unwrap();
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), &*said), (Some(1), ""), "{arguments:?}: {error}");
        assert!(error.starts_with(&format!("loadgen: {why}")), "{error}");
    }
}

/// The processes that this one has started, and that run.
fn children(parent: u32) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_child = |process: &PathBuf| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        // behind the name, which may hold anything, in brackets: the state, and the parent
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&parent.to_string())
    };
    processes.filter(is_child).collect()
}

/// The relay that a loadgen has started, as soon as it is one.
fn relay_of(loadgen: &mut Child) -> PathBuf {
    // before that it is a copy of loadgen, and then one that is about to become the relay
    let is_relay = |child: &PathBuf| {
        let words = std::fs::read_to_string(child.join("cmdline")).unwrap_or_default();
        words.contains("\0relay\0") && !words.contains("\0tether\0")
    };
    loop {
        assert!(loadgen.try_wait().unwrap().is_none(), "it ended by itself");
        if let Some(relay) = children(loadgen.id()).into_iter().find(is_relay) {
            return relay;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A soak with a broker of its own that would go on for an hour, as soon as it has said a line, and what it says from then on.
fn soak_on_its_way(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = loadgen(&["soak", "--start", "--broker", env!("CARGO_BIN_EXE_ringdove"), "--every", "100ms"]);
    command.args(["--people", "40", "--members", "8", "--rate", "300", "--reconnects", "40", "--duration", "1h"]);
    command.args(["--server-core", "0", "--load-core", "0", "--folder"]).arg(folder);
    command.arg("--json").arg(folder.join("report.json"));
    let mut loadgen = command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
    let mut said = BufReader::new(loadgen.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains(" sends "), "{line}");
    (loadgen, said)
}

/// Whoever has enough of a soak gets to know what it came to until then. A terminal sends the signal to all of its group, in which the broker must not be.
#[test]
fn a_soak_that_a_signal_ends_adds_up() {
    for signal in [Signal::TERM, Signal::INT] {
        not_ignored(signal);
        let folder = tempdir().unwrap();
        let (mut loadgen, mut rest) = soak_on_its_way(folder.path());
        kill_process_group(Pid::from_child(&loadgen), signal).unwrap();
        let mut said = String::new();
        rest.read_to_string(&mut said).unwrap();
        let report = judged(&folder.path().join("report.json"), loadgen.wait().unwrap().code(), &said);
        assert!(said.contains("ended by a signal after "), "{said}");
        assert_eq!(figure(&report, "counters compared"), 9.0, "{report}");
        assert!(checked(&report, "sends") > 0);
    }
}

/// The second one does not wait for anything: here for a broker that stands still.
#[test]
fn a_second_signal_ends_a_soak_at_once() {
    not_ignored(Signal::INT);
    let folder = tempdir().unwrap();
    let (mut loadgen, mut rest) = soak_on_its_way(folder.path());
    let broker = children(loadgen.id()).pop().unwrap();
    let pid = broker.file_name().unwrap().to_str().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    // both may come before either is looked at, and are one then
    while loadgen.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&loadgen), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut said = String::new();
    rest.read_to_string(&mut said).unwrap();
    assert_eq!(loadgen.wait().unwrap().code(), Some(130), "{said}");
    assert!(!broker.exists(), "the broker runs on");
    assert!(!said.contains("ended by a signal"), "it waited: {said}");
}

/// Tests that run in the background may ignore a signal, and would hand that on; what is handled is not handed on.
fn not_ignored(signal: Signal) {
    let usual = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_default(signal.as_raw(), usual).unwrap();
}

/// Whoever ends loadgen ends the servers that it has started, and their folders are gone.
#[test]
fn a_signal_leaves_no_server_behind() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        not_ignored(signal);
        let folder = tempdir().unwrap();
        let mut command = loadgen(&["pair", "--system", "floor", "--start", "--duration", "30s", "--pairs", "2"]);
        command.args(["--server-core", "0", "--load-core", "0", "--folder"]).arg(folder.path());
        let mut loadgen = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let relay = relay_of(&mut loadgen);
        kill_process(Pid::from_child(&loadgen), signal).unwrap();
        assert_eq!(loadgen.wait().unwrap().code(), Some(code));
        assert!(!relay.exists(), "the relay runs on");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its folder is still there");
    }
}

/// Also where loadgen cannot do anything about it.
#[test]
fn a_server_does_not_outlive_a_loadgen_that_is_killed() {
    let folder = tempdir().unwrap();
    let mut command = loadgen(&["pair", "--system", "floor", "--start", "--duration", "30s", "--pairs", "2"]);
    command.args(["--server-core", "0", "--load-core", "0", "--folder"]).arg(folder.path());
    let mut loadgen = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let relay = relay_of(&mut loadgen);
    loadgen.kill().unwrap();
    loadgen.wait().unwrap();
    let begin = std::time::Instant::now();
    // one that has ended stays until whoever is left as its parent looks
    let runs = || std::fs::read_to_string(relay.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the relay runs on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The comparisons in a folder's run.json.
fn comparisons(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("run.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    results["comparisons"].as_array().unwrap().clone()
}

/// Systems take turns, nothing is lost, and what is written about them can be read: by the report, and by the next comparison. It is never done on
/// one core.
#[test]
fn two_cores_are_there_for_systems_in_turns() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let compare = || {
        let mut command = loadgen(&["compare", "--workload", "pair", "--systems", "floor,ringdove"]);
        command.args(["--rounds", "2", "--attempts", "1", "--duration", "200ms", "--warmup", "50ms"]);
        command.args(["--pairs", "2", "--window", "8", "--broker", env!("CARGO_BIN_EXE_ringdove"), "--out"]);
        command.arg(&out).arg("--folder").arg(folder.path());
        let (code, said) = broker::run(&mut command);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let said = compare();
    let all = comparisons(&out);
    assert_eq!(all.len(), 1);
    let runs = all[0]["runs"].as_array().unwrap();
    let order: Vec<_> =
        runs.iter().map(|run| (run["system"].as_str().unwrap(), run["round"].as_u64().unwrap())).collect();
    assert_eq!(order, [("floor", 1), ("ringdove", 1), ("ringdove", 2), ("floor", 2)]);
    for run in runs {
        assert!(checked(run, "sends") > 0, "{said}");
        assert_eq!(checked(run, "sends"), checked(run, "deliveries"), "{said}");
        for what in ["lost", "duplicated", "reordered"] {
            assert_eq!(checked(run, what), 0, "{what}: {said}");
        }
        let latencies = run["latencies"].as_array().unwrap();
        assert!(!latencies.is_empty(), "{said}");
        for file in latencies.iter().flat_map(|latency| [&latency["hgrm"], &latency["hlog"]]) {
            assert!(out.join(file.as_str().unwrap()).is_file(), "{file}");
        }
    }
    // some nanoseconds to some microseconds; a machine that is busy with other tests may make it milliseconds once, or leave no time for one of them
    let distances = runs.iter().flat_map(|run| [&run["distance"]["before_ns"], &run["distance"]["after_ns"]]);
    let distances: Vec<_> = distances.filter_map(Value::as_f64).collect();
    let least = distances.iter().copied().reduce(f64::min);
    assert!(least.is_some_and(|ns| (1.0..100_000.0).contains(&ns)), "{distances:?}");
    for system in all[0]["systems"].as_array().unwrap() {
        assert!(!system["settings"].as_array().unwrap().is_empty(), "{system}");
    }
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("floor"));
    compare();
    let both = comparisons(&out);
    assert_eq!((both.len(), &both[0]), (2, &all[0]), "what was there stays");
    let (code, tables) = broker::run(loadgen(&["report", "--markdown"]).arg(&out));
    assert_eq!(code, Some(0), "{tables}");
    assert!(tables.contains("| floor") && tables.contains("| ringdove"), "{tables}");
    // neither servers' folders nor anything else is left beside the results
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
