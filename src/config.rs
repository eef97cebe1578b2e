//! Configuration.
use ringdove_persistence::Durability;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
/// Threads.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Threads {
    /// a
    Auto,
    /// s
    Shared,
    /// d
    Dedicated,
}
/// Limits.
pub struct Limits {
    pub frame: u32,
    pub text: u32,
    pub group: u32,
    pub page: u32,
    pub unanswered: u32,
    pub rate: u32,
    pub burst: u32,
    pub window: u32,
    pub connections_per_address: u32,
    pub devices: u32,
    pub hello_ms: u32,
    pub out_buffer: u64,
    pub windows_bytes: u64,
    pub connections: u32,
}
/// Journal.
pub struct Journal {
    pub segment_bytes: u64,
    pub memory_bytes: u64,
    pub sync_every: Duration,
}
/// Passwords.
pub struct Passwords {
    pub workers: usize,
    pub queue: usize,
    pub memory_kib: u32,
    pub iterations: u32,
}
/// Config.
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub durability: Durability,
    pub threads: Threads,
    pub reactors: Option<usize>,
    pub idle: Duration,
    pub limits: Limits,
    pub journal: Journal,
    pub passwords: Passwords,
}
