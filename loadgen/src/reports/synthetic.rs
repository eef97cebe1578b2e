//! Made-up results for tests: small ones, and a whole comparison that looks like a real one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::{figures, latency_files};
use crate::latency::Latency;
use crate::results::{
    Case, Checked, Comparison, Cpu, Distance, During, LatencyFigures, Machine, Memory, Results, Run, SCHEMA,
    SystemFacts, Verdict,
};

/// A case.
pub fn case(workload: &str, settings: &[(&str, &str)]) -> Case {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Case { workload: workload.into(), settings }
}

/// A latency of 20,000 samples.
pub fn latency(of: &str, kind: &str) -> LatencyFigures {
    static MADE: OnceLock<LatencyFigures> = OnceLock::new();
    let made = MADE.get_or_init(|| figures(&recorded(&mut Dice(7), 20_000, 40.0, 0.3), "", ""));
    LatencyFigures { of: of.into(), kind: kind.into(), ..made.clone() }
}

/// A run that counts.
pub fn run(system: &str, case: Case, round: u32) -> Run {
    Run {
        system: system.into(),
        case,
        round,
        attempt: 1,
        void: Vec::new(),
        measured_s: 5.0,
        sends_per_s: 1_000.0,
        deliveries_per_s: 1_000.0,
        offered_per_s: None,
        distance: Distance { before_ns: Some(61.0), after_ns: Some(74.0), waited_s: None },
        during: During { looks: 50, readings: 48, far: Some(1), ns: Vec::new() },
        checked: Checked { sends: 6_000, deliveries: 6_000, ..Checked::default() },
        cpu: Cpu {
            server_s: Some(1.0),
            loadgen_s: Some(2.0),
            other_s: Some(0.01),
            whole_s: None,
            kernel_threads_s: None,
            server_s_per_million_deliveries: Some(0.6),
        },
        memory: Some(Memory {
            connections: 100,
            rss_bytes: 20_000_000,
            rss_anon_bytes: 10_000_000,
            process_bytes_per_connection: 500.0,
            kernel_bytes_per_connection: 5_000.0,
        }),
        latencies: vec![latency("delivery", "response")],
        figures: BTreeMap::new(),
    }
}

/// A comparison without runs.
pub fn comparison() -> Comparison {
    let system = |name: &str, about: &str, version: &str, settings: &[&str]| SystemFacts {
        name: name.into(),
        about: about.into(),
        version: version.into(),
        settings: settings.iter().map(|line| (*line).to_owned()).collect(),
    };
    Comparison {
        started: "2026-11-26T06:30:00Z".into(),
        command: "loadgen compare --rounds 3".into(),
        loadgen: "0.1.0".into(),
        commit: Some("38a5ab5".into()),
        machine: Machine {
            cpu: "AMD EPYC 7B13".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.18.0".into(),
            distribution: "Debian GNU/Linux 12".into(),
            virtual_machine: true,
            server_core: 0,
            load_core: 1,
            tuning: [("net.ipv4.tcp_congestion_control", "bbr"), ("net.core.somaxconn", "4096")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        },
        systems: vec![
            system(
                "ringdove",
                "this broker, level process: acknowledged and in the journal, safe from a crash of the process",
                "ringdove 0.1.0",
                &["ringdove serve", "limits.rate = 0"],
            ),
            system(
                "floor",
                "loadgen's bare relay: forwards, and does nothing else",
                "loadgen 0.1.0",
                &["loadgen relay"],
            ),
            system(
                "nats",
                "NATS core: no acknowledgement, no storage, at most once",
                "nats-server 2.9.10",
                &["nats-server"],
            ),
            system("redis", "Redis pub/sub: no storage, at most once", "Redis 7.0.15", &["redis-server --save ''"]),
            system(
                "mosquitto",
                "Mosquitto, QoS 1: acknowledged, in memory",
                "mosquitto 2.0.11",
                &["mosquitto -c FILE"],
            ),
        ],
        rounds: 3,
        pool: 1,
        warmup_s: Some(1.0),
        duration_s: Some(5.0),
        on_time: Some("p99".into()),
        runs: Vec::new(),
        verdicts: Vec::new(),
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        // xorshift
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around 0, with a deviation of 1.
    fn normal(&mut self) -> f64 {
        // three add up to something round enough
        2.0 * (0..3).map(|_| self.uniform()).sum::<f64>() - 3.0
    }
}

/// A latency with a hump around so many microseconds, some of ten times as long, and rare pauses; in ten intervals.
fn recorded(dice: &mut Dice, count: u64, us: f64, width: f64) -> Latency {
    let mut latency = Latency::default();
    for place in 0..count {
        let rare = match dice.uniform() {
            luck if luck < 0.0004 => 60.0,
            luck if luck < 0.01 => 8.0,
            _ => 1.0,
        };
        latency.record((us * 1_000.0 * rare * (width * dice.normal()).exp()) as u64);
        if (place + 1).is_multiple_of(count / 10) {
            latency.cut(Duration::from_millis((place + 1) / (count / 10) * 500));
        }
    }
    latency
}

/// How a system does in the made-up comparison, beside ringdove's 1.
struct Character {
    name: &'static str,
    rate: f64,
    latency: f64,
    cpu: f64,
    memory: f64,
}

const CHARACTERS: [Character; 5] = [
    Character { name: "ringdove", rate: 1.0, latency: 1.0, cpu: 1.0, memory: 1.0 },
    Character { name: "floor", rate: 1.55, latency: 0.94, cpu: 0.63, memory: 0.3 },
    Character { name: "nats", rate: 1.12, latency: 2.1, cpu: 0.98, memory: 30.0 },
    Character { name: "redis", rate: 0.31, latency: 1.6, cpu: 3.2, memory: 9.0 },
    Character { name: "mosquitto", rate: 0.15, latency: 3.4, cpu: 7.7, memory: 12.0 },
];

/// A whole comparison of five systems.
pub fn realistic() -> Results {
    static MADE: OnceLock<Results> = OnceLock::new();
    MADE.get_or_init(|| made_up(None)).clone()
}

/// The same, with the files of the latencies in this folder.
pub fn realistic_in(folder: &Path) -> Results {
    made_up(Some(folder))
}

fn made_up(folder: Option<&Path>) -> Results {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut comparison = comparison();
    for round in 1..=comparison.rounds {
        for (case, most, us) in cases() {
            for character in &CHARACTERS {
                let wanted = case.settings.get("rate").and_then(|rate| rate.parse::<f64>().ok());
                let (mut run, latency) = acted(&mut dice, character, &case, round, (wanted, most, us));
                if let Some(folder) = folder
                    && let Some(mut figures) = run.latencies.pop()
                {
                    latency_files::keep(folder, &run, &latency, SystemTime::UNIX_EPOCH, &mut figures).unwrap();
                    run.latencies.push(figures);
                }
                comparison.runs.push(run);
            }
        }
    }
    comparison.verdicts = vec![
        verdict("pair maximum", "sends/s", "at least 0.6 of the floor", (1_679_179.0, Some(2_664_426.0)), "reached"),
        verdict("idle", "bytes a connection", "at most 500", (517.0, None), "missed"),
        verdict(
            "fan-out",
            "deliveries/s",
            "at least 0.95 of the floor",
            (3_901_515.0, Some(4_440_403.0)),
            "undecided: the goal lies within the spread",
        ),
    ];
    Results { schema: SCHEMA, comparisons: vec![comparison] }
}

fn verdict(goal: &str, measure: &str, bound: &str, figures: (f64, Option<f64>), verdict: &str) -> Verdict {
    Verdict {
        goal: goal.into(),
        measure: measure.into(),
        bound: bound.into(),
        ringdove: Some(figures.0),
        other: figures.1,
        beside: figures.1.map(|_| "floor".into()),
        rounds: [0.98, 1.0, 1.03].map(|part| part * figures.0 / figures.1.unwrap_or(1.0)).to_vec(),
        verdict: verdict.into(),
    }
}

/// The cases, with the most that ringdove can do (sends a second) and its latency at rest (microseconds).
fn cases() -> Vec<(Case, f64, f64)> {
    let pair =
        |pairs, settings: &[(&str, &str)]| case("pair", &[&[("pairs", pairs), ("payload", "64")], settings].concat());
    let mut cases = vec![(pair("50", &[("window", "1000")]), 1.68e6, 560.0), (pair("1", &[]), 66_000.0, 15.0)];
    for rate in ["20000", "100000", "200000", "400000", "800000", "1600000", "2000000"] {
        cases.push((pair("50", &[("rate", rate)]), 1.68e6, 24.0));
    }
    for (members, most) in [("10", 4e5), ("100", 4e4), ("500", 8_000.0), ("2000", 1_900.0)] {
        cases.push((
            case("fanout", &[("groups", "1"), ("members", members), ("payload", "64"), ("window", "16")]),
            most,
            1_900.0,
        ));
    }
    for connections in ["1000", "5000", "10000"] {
        cases.push((case("idle", &[("connections", connections)]), 0.0, 0.0));
    }
    cases
}

fn acted(
    dice: &mut Dice,
    character: &Character,
    case: &Case,
    round: u32,
    (wanted, most, us): (Option<f64>, f64, f64),
) -> (Run, Latency) {
    let luck = (0.02 * dice.normal()).exp();
    let most = most * character.rate * luck;
    let sends = wanted.map_or(most, |wanted| wanted.min(most));
    let members = case.settings.get("members").and_then(|members| members.parse::<f64>().ok()).unwrap_or(2.0) - 1.0;
    let busy = if most > 0.0 { sends / most } else { 0.0 };
    let waiting = if wanted.is_none() {
        character.latency
    } else if busy >= 0.999 {
        3_000.0
    } else {
        character.latency * (1.0 + 1.2 * busy / (1.0 - busy))
    };
    let latency = recorded(dice, if most > 0.0 { 12_000 } else { 0 }, us * waiting * luck, 0.18);
    let mut run = run(character.name, case.clone(), round);
    let of = if case.settings.get("pairs").is_some_and(|pairs| pairs == "1") { "round trip" } else { "delivery" };
    run.latencies = if most > 0.0 { vec![figures(&latency, of, "response")] } else { Vec::new() };
    (run.sends_per_s, run.deliveries_per_s, run.offered_per_s) = (sends, sends * members, wanted);
    let checked = |rate: f64| (rate * 6.0) as u64;
    run.checked = Checked { sends: checked(sends), deliveries: checked(sends * members), ..Checked::default() };
    let cpu = 0.584 * character.cpu * luck * if members > 1.0 { 0.4 + 0.03 * members.ln() } else { 1.0 };
    run.cpu.server_s_per_million_deliveries = (most > 0.0).then_some(cpu);
    let connections: f64 = case.settings.get("connections").and_then(|some| some.parse().ok()).unwrap_or(members + 1.0);
    run.memory = Some(Memory {
        connections: connections as u64,
        rss_bytes: (9e6 + connections * 400.0 * character.memory * luck) as u64,
        rss_anon_bytes: (2e6 + connections * 400.0 * character.memory * luck) as u64,
        process_bytes_per_connection: 400.0 * character.memory * luck,
        kernel_bytes_per_connection: 5_100.0 * luck,
    });
    if character.name == "mosquitto" && wanted.is_some_and(|wanted| wanted > 1e6) {
        run.void.push("loadgen used 97 % of its core: what was measured is loadgen".into());
    }
    if character.name == "redis" && round == 2 && wanted.is_none() {
        run.void.push("others took 12 % of the CPU".into());
    }
    if character.name == "redis" && busy >= 0.999 {
        run.checked.lost = 1_234;
    }
    (run, latency)
}
