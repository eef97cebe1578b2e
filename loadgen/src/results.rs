//! What a comparison leaves behind: `run.json`. Every field is documented here, and in docs/loadgen.md for whoever reads it with another
//! program. Times are seconds or microseconds, as the names say; a figure that was not measured is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

/// The name of the file in the folder of a comparison.
pub const FILE: &str = "run.json";
/// The layout that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The layout: 1.
    pub schema: u32,
    /// One for each time that `loadgen compare` wrote into this folder.
    pub comparisons: Vec<Comparison>,
}

/// What one `loadgen compare` measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// The command line, without the program's folder.
    pub command: String,
    /// loadgen's version.
    pub loadgen: String,
    /// The commit of the source, if loadgen was started inside its repository; `+` behind it: with changes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Who took part.
    pub systems: Vec<SystemFacts>,
    /// Rounds; in each every system ran every case once.
    pub rounds: u32,
    /// So many rounds behind each other were judged as one; left out: 1. `rounds` is a multiple of it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pool: u32,
    /// What went before measuring in each run, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_s: Option<f64>,
    /// How long each run was to measure, in seconds; of a storm, the calm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The percentile up to which the load had to be on time, in open loop: `p50`, `p90` or `p99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_time: Option<String>,
    /// All runs, in the order in which they were made, void ones included.
    pub runs: Vec<Run>,
    /// What was held against the goals, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors that the system sees.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Kernel and its version.
    pub kernel: String,
    /// Distribution.
    pub distribution: String,
    /// Whether it says that it is a virtual machine.
    pub virtual_machine: bool,
    /// The core of what is measured.
    pub server_core: u32,
    /// The core of the load.
    pub load_core: u32,
    /// Kernel settings that change such figures, by name.
    pub tuning: BTreeMap<String, String>,
}

/// A system that took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemFacts {
    /// Its name on the command line.
    pub name: String,
    /// What it is, and what it promises.
    pub about: String,
    /// What its program says of its version.
    pub version: String,
    /// Command line and settings, a line each, without folders and ports; none if it was never started.
    pub settings: Vec<String>,
}

/// What was run: two runs with an equal case can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    /// `pair`, `fanout`, `mixed`, `storm`, `idle`, `sign-in`, `durable`, `soak`, `reconnect`.
    pub workload: String,
    /// What the load is, by name: `pairs`, `members`, `payload`, `window`, `rate`, `connections` ... What a server was set to is the system's.
    pub settings: BTreeMap<String, String>,
}

/// One system, one case, one time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Which system.
    pub system: String,
    /// Which case.
    pub case: Case,
    /// Counted from 1.
    pub round: u32,
    /// Counted from 1: a void run is repeated, whatever the reason.
    pub attempt: u32,
    /// Why this run counts for nothing; empty: it counts.
    pub void: Vec<String>,
    /// How long was measured, behind the warm-up, in seconds.
    #[serde(deserialize_with = "number")]
    pub measured_s: f64,
    /// Answered sends each second; for a system that answers none, sends that reached all their recipients.
    #[serde(deserialize_with = "number")]
    pub sends_per_s: f64,
    /// Deliveries each second.
    #[serde(deserialize_with = "number")]
    pub deliveries_per_s: f64,
    /// Open loop: sends each second that were meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_per_s: Option<f64>,
    /// How far the cores were apart; nothing where loadgen started no server, they were one, or other work left no time to look.
    #[serde(default, skip_serializing_if = "Distance::is_unknown")]
    pub distance: Distance,
    /// What was seen of that while it was measured; nothing where nobody looked.
    #[serde(default, skip_serializing_if = "During::is_empty")]
    pub during: During,
    /// What was checked over the whole run, warm-up included.
    pub checked: Checked,
    /// CPU time.
    pub cpu: Cpu,
    /// The server's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Latencies.
    pub latencies: Vec<LatencyFigures>,
    /// More figures by name, the unit at its end.
    #[serde(default, deserialize_with = "numbers_by_name")]
    pub figures: BTreeMap<String, f64>,
}

/// How far the cores of server and load were apart while both had work: what a cache line took from one to the other and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// Right before what is measured, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ns: Option<f64>,
    /// Right behind it, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ns: Option<f64>,
    /// How long the load was under way beyond its warm-up until they were near, or too much time had passed, in seconds; nothing where it did not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s: Option<f64>,
}

impl Distance {
    /// What was measured of it, in nanoseconds.
    pub fn readings(self) -> impl Iterator<Item = f64> {
        self.before_ns.into_iter().chain(self.after_ns)
    }

    /// Whether both readings are there.
    pub fn is_known(&self) -> bool {
        self.before_ns.is_some() && self.after_ns.is_some()
    }

    fn is_unknown(&self) -> bool {
        self.readings().next().is_none()
    }
}

/// So many short readings tell what near is: a quarter of them is no freak.
const ENOUGH: usize = 8;

/// How far the cores were apart while it was measured: looks of some microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct During {
    /// How often it was looked.
    pub looks: u32,
    /// How often that said something: else a core was too busy to look.
    pub readings: u32,
    /// In how many of these the cores were far apart; nothing where it is not known what near is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<u32>,
    /// The readings, in nanoseconds.
    #[serde(skip)]
    pub ns: Vec<f64>,
}

impl During {
    /// It was looked; `None`: a core was too busy.
    pub fn take(&mut self, seen_ns: Option<f64>) {
        self.looks += 1;
        self.readings += u32::from(seen_ns.is_some());
        self.ns.extend(seen_ns);
    }

    /// How far apart the cores were at most in a quarter of the readings, in nanoseconds; `None`: there are too few to say so.
    pub fn nearest_quarter_ns(&self) -> Option<f64> {
        let mut ns = self.ns.clone();
        ns.sort_by(f64::total_cmp);
        ns.get(ns.len() / 4).copied().filter(|_| ns.len() >= ENOUGH)
    }

    fn is_empty(&self) -> bool {
        self.looks == 0
    }
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Sends that were answered, or reached everyone where nothing is answered.
    pub sends: u64,
    /// Deliveries, each once and in order.
    pub deliveries: u64,
    /// Messages that never arrived.
    pub lost: u64,
    /// Messages that arrived twice.
    pub duplicated: u64,
    /// Messages that arrived before an earlier one.
    pub reordered: u64,
}

/// CPU time while it was measured, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// The server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_s: Option<f64>,
    /// loadgen's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loadgen_s: Option<f64>,
    /// Everyone else's on this machine over the whole run, time stolen by its host included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_s: Option<f64>,
    /// How long that was, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_s: Option<f64>,
    /// The kernel's own threads over the whole run: they write to disk what the server left in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_threads_s: Option<f64>,
    /// The server's for a million deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_s_per_million_deliveries: Option<f64>,
}

/// The server's memory at the end of what was measured, and what connections added to it when they came.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Connections that were open.
    pub connections: u64,
    /// Resident, in bytes.
    pub rss_bytes: u64,
    /// Resident and its own (no pages of files), in bytes.
    pub rss_anon_bytes: u64,
    /// What the server's own resident memory grew by from before anyone came to right after everyone had, for each connection; only `idle`
    /// waits for it to settle.
    #[serde(deserialize_with = "number")]
    pub process_bytes_per_connection: f64,
    /// What the kernel's memory (slab and socket buffers) grew by on the whole machine meanwhile, for each connection: both ends of it are here.
    #[serde(deserialize_with = "number")]
    pub kernel_bytes_per_connection: f64,
}

/// A latency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyFigures {
    /// Of what: `round trip`, `delivery`, `answer`, `last member`, `sign-in` ...; docs/loadgen.md lists all.
    pub of: String,
    /// `response` from when it was meant to be sent, `service` from when it was sent, `lag` between both.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// Percentiles in microseconds by name (`p50`, `p90`, `p99`, `p99.9`, `p99.99`): those with 100 samples or more beyond.
    #[serde(deserialize_with = "numbers_by_name")]
    pub percentiles_us: BTreeMap<String, f64>,
    /// The longest, in microseconds.
    #[serde(deserialize_with = "number")]
    pub max_us: f64,
    /// The whole distribution: quantile (0 to 1) and microseconds, in growing order.
    pub spectrum: Vec<(f64, f64)>,
    /// How it went over time.
    pub over_time: Vec<Interval>,
    /// The distribution in HdrHistogram's text format: a file in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hgrm: Option<String>,
    /// The intervals in HdrHistogram's log format: a file in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hlog: Option<String>,
}

/// A latency during one interval.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Its begin, in seconds since measuring began.
    pub at_s: f64,
    /// How many.
    pub count: u64,
    /// Median in microseconds.
    #[serde(deserialize_with = "number")]
    pub p50_us: f64,
    /// 99th percentile in microseconds; left out with less than 100 samples beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// The longest in microseconds.
    #[serde(deserialize_with = "number")]
    pub max_us: f64,
}

/// A goal, and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Which goal, and under which of its loads, where it has several: `best of` these, each system's own, or one of them `alone`.
    pub goal: String,
    /// Of which figure.
    pub measure: String,
    /// What has to hold, in words.
    pub bound: String,
    /// ringdove's figure: the median of its figures in all pools that count, each the median of its rounds that count, or the best of those under
    /// several loads; left out where no pool does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ringdove: Option<f64>,
    /// The figure beside it, made likewise; left out where the goal is a plain number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<f64>,
    /// Whose figure that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// What was judged, a number for each pool that counts (a single round where the comparison's `pool` is 1), in growing order: ratios of both
    /// medians, or plain numbers.
    #[serde(deserialize_with = "numbers")]
    pub rounds: Vec<f64>,
    /// `reached`, `missed`, or `undecided: ` and the reason; behind `for information: ` where a load is told by itself, which is no goal's verdict.
    pub verdict: String,
}

fn one() -> u32 {
    1
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

/// JSON knows no NaN: it is written as null, and read back as what it was.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let numbers: Vec<Option<f64>> = Vec::deserialize(from)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

fn numbers_by_name<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let numbers: BTreeMap<String, Option<f64>> = BTreeMap::deserialize(from)?;
    Ok(numbers.into_iter().map(|(name, number)| (name, number.unwrap_or(f64::NAN))).collect())
}

impl Results {
    /// Reads the file of a folder; none there: no comparisons yet.
    ///
    /// # Errors
    /// It cannot be read, or is none of this layout.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { schema: SCHEMA, comparisons: Vec::new() });
            }
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let results: Self = serde_json::from_str(&text).map_err(|error| {
            format!("{}: {error}. loadgen has not written it so: move it away, or take another folder", path.display())
        })?;
        if results.schema != SCHEMA {
            return Err(format!("{}: layout {}, and this loadgen reads {SCHEMA}", path.display(), results.schema));
        }
        Ok(results)
    }

    /// Writes the file of a folder, which is made if it is missing; it is replaced as a whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, String> {
        let path = folder.join(FILE);
        let words = |error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(words)?;
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        let new = folder.join("run.json.new");
        fs::write(&new, text + "\n").and_then(|()| fs::rename(&new, &path)).map_err(words)?;
        Ok(path)
    }
}
