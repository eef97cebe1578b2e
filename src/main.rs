//! The daemon.
mod compose;
mod config;
mod threads;
use std::time::Duration;
fn arg(name: &str, default: &str) -> String {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned()).unwrap_or(default.into())
}
fn main() {
    tracing_subscriber::fmt().init();
    let config = config::Config {
        listen: arg("--listen", "127.0.0.1:7400").parse().unwrap(),
        data: arg("--data", "./ringdove-data").into(),
        durability: match &*arg("--durability", "process") {
            "memory" => ringdove_persistence::Durability::Memory,
            "disk" => ringdove_persistence::Durability::Disk,
            _ => ringdove_persistence::Durability::Process,
        },
        threads: match &*arg("--threads", "auto") {
            "shared" => config::Threads::Shared,
            "dedicated" => config::Threads::Dedicated,
            _ => config::Threads::Auto,
        },
        reactors: None,
        idle: Duration::from_micros(arg("--idle", "50us").trim_end_matches("us").parse().unwrap()),
        limits: config::Limits {
            frame: 65536,
            text: 16384,
            group: 10000,
            page: 1000,
            unanswered: 1000,
            rate: 0,
            burst: 60,
            window: 1024,
            connections_per_address: 0,
            devices: 16,
            hello_ms: 10000,
            out_buffer: 262144,
            windows_bytes: 1 << 28,
            connections: 15000,
        },
        journal: config::Journal {
            segment_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            sync_every: Duration::from_secs(1),
        },
        passwords: config::Passwords { workers: 1, queue: 64, memory_kib: 19456, iterations: 2 },
    };
    std::fs::create_dir_all(&config.data).unwrap();
    let broker = compose::run(&config).unwrap();
    let stop = broker.stop();
    let mut signals = signal_hook::iterator::Signals::new([15, 2]).unwrap();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            stop.ask()
        }
    });
    eprintln!("listening on {}", broker.address);
    broker.join().unwrap();
}
