//! What an operator can set: defaults < TOML file < `RINGDOVE_*` environment < flags.
//!
//! [`keys`] lists every key once, with its default, its range and its help; [`layers`] reads the three sources and says where a wrong
//! value stands; [`values`] reads numbers, sizes and durations.

mod keys;
mod layers;
mod secret;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ringdove_persistence::{Durability, Sql};

pub use layers::{Flag, Loaded, load};
pub use secret::{Secret, secret};

/// Which agents share a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Threads {
    /// Dedicated on 4 cores and more, shared below.
    Auto,
    /// Reactor, engine and journal on one thread.
    Shared,
    /// A thread for each reactor, one for the engine, one for the journal.
    Dedicated,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level that is shown.
    pub level: tracing::Level,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Anyone makes an account.
    Open,
    /// Only operators do, and products with a JWT.
    Closed,
}

/// Who may write to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Writing {
    /// Anyone to anyone who does not block them.
    Anyone,
    /// Contacts to each other.
    Contacts,
}

/// `[limits]`: what one client may do; what is announced stands in the protocol's section "Limits".
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a frame from a client.
    pub frame: u32,
    /// Bytes of a text.
    pub text: u32,
    /// Members of a group.
    pub group: u32,
    /// Entries of a page.
    pub page: u32,
    /// Requests of a connection that wait for their answers.
    pub unanswered: u32,
    /// Sends a second on a connection; 0: any number.
    pub rate: u32,
    /// Sends at once after a silence.
    pub burst: u32,
    /// Newest entries of an inbox that are kept.
    pub window: u32,
    /// Bytes of all inbox windows together.
    pub windows_bytes: u64,
    /// Connections at a time; `None`: as many as the system's limit on open files allows.
    pub connections: Option<u32>,
    /// Connections from one address; 0: any number.
    pub connections_per_address: u32,
    /// Devices of a user.
    pub devices: u32,
    /// Contacts of a user.
    pub contacts: u32,
    /// Requests for contacts that wait, of a user and for a user.
    pub contact_requests: u32,
    /// Requests for contacts that a user makes in a day.
    pub contact_requests_a_day: u32,
    /// Failed sign-ins to one account in the attempts' window; 0: any number.
    pub failed_logins_per_account: u32,
    /// Failed sign-ins from one address in the attempts' window; 0: any number.
    pub failed_logins_per_address: u32,
    /// Accounts made from one address in the attempts' window; 0: any number.
    pub registrations_per_address: u32,
    /// The time in which these are whole again.
    pub attempts_window: Duration,
    /// From the accept to the hello.
    pub hello_ms: u32,
    /// Bytes that wait for a connection that does not read.
    pub out_buffer: u64,
}

/// `[journal]`.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Bytes of a segment of a new journal.
    pub segment_bytes: u64,
    /// Bytes that stay in memory.
    pub memory_bytes: u64,
    /// Level process: how often what was written is brought to disk.
    pub sync_every: Duration,
}

/// `[passwords]`: argon2id and the threads that compute it.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Threads.
    pub workers: usize,
    /// Checks that wait at most; above it a hello is refused with BUSY.
    pub queue: usize,
    /// Memory of one hash.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
}

/// `[tokens]`: what devices come back with.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// A token that was not used for so long has expired.
    pub expire_after: Duration,
}

/// `[jwt]`: sign-in for products that have accounts of their own.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The secret that is shared with them.
    pub hs256: Option<Secret>,
    /// A file that holds it.
    pub hs256_file: Option<PathBuf>,
    /// Files with public keys, each with the `kid` of its tokens or without.
    pub eddsa: Vec<(Option<String>, PathBuf)>,
    /// The issuer that a token has to have.
    pub issuer: Option<String>,
    /// The audience that it has to have.
    pub audience: Option<String>,
    /// The claim that is the handle.
    pub handle_claim: String,
    /// The claim that is the name of a new account.
    pub name_claim: String,
    /// Whether whoever has no account gets one.
    pub create: bool,
    /// How far clocks may be apart.
    pub leeway: Duration,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// What an acknowledged message survives.
    pub durability: Durability,
    /// Where accounts, contacts and groups are for whoever asks in SQL.
    pub sql: Sql,
    /// Which agents share a thread.
    pub threads: Threads,
    /// Reactors; `None`: one, or half the cores if threads are dedicated.
    pub reactors: Option<usize>,
    /// How long an idle hot thread spins before it sleeps.
    pub idle: Duration,
    /// Who may make an account.
    pub registration: Registration,
    /// Who may write to whom.
    pub writing: Writing,
    /// Log lines.
    pub log: Log,
    /// Limits.
    pub limits: Limits,
    /// The journal.
    pub journal: Journal,
    /// Password checks.
    pub passwords: Passwords,
    /// Session tokens.
    pub tokens: Tokens,
    /// Sign-in with a JWT.
    pub jwt: Jwt,
}
