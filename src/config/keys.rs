//! Every key, once: its name, its default, what it means, how it is read and shown.

use std::path::PathBuf;
use std::time::Duration;

use ringdove_persistence::{Durability, Sql};

use super::secret::{HIDDEN, secret};
use super::values::{
    boolean, bytes, duration, number, number_or_auto, or_none, show_bytes, show_duration, show_word, some_text, word,
};
use super::{Config, Journal, Jwt, Limits, Log, LogFormat, Passwords, Registration, Threads, Tokens, Writing};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;

/// Public keys for JWTs at most: a token without a `kid` is tried with each.
const PUBLIC_KEYS: usize = 8;

/// One thing that can be set.
pub(super) struct Key {
    /// As in TOML: `limits.rate`. The variable is `RINGDOVE_LIMITS_RATE`.
    pub(super) name: &'static str,
    /// Meaning, unit and range, in a line.
    pub(super) help: &'static str,
    /// Reads a value.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    /// Shows the value, as TOML.
    pub(super) show: fn(&Config) -> String,
}

fn quoted(text: impl std::fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn or_auto(value: Option<impl ToString>) -> String {
    value.map_or_else(|| quoted("auto"), |value| value.to_string())
}

/// Builds one entry of [`KEYS`].
macro_rules! key {
    ($name:literal, $help:literal, |$config:ident, $text:ident| $place:expr => $read:expr, |$value:ident| $show:expr) => {
        Key {
            name: $name,
            help: $help,
            set: |$config, $text| {
                $place = $read?;
                Ok(())
            },
            show: |$config| {
                let $value = &$place;
                $show
            },
        }
    };
}

/// All keys, in the order in which they are printed.
pub(super) const KEYS: &[Key] = &[
    key!("listen", "address and port where clients come in; port 0: any free one",
        |c, t| c.listen => t.parse().map_err(|_| format!("{t:?} is no address with a port, such as 127.0.0.1:7400")), |v| quoted(v)),
    key!("data", "the data folder; one process at a time",
        |c, t| c.data => if t.is_empty() { Err("a folder's name is empty".to_owned()) } else { Ok(t.into()) }, |v| quoted(v.display())),
    key!("durability", "what an acknowledged message survives: memory (nothing), process (a crash of the process), disk (a loss of power)",
        |c, t| c.durability => durability(t), |v| quoted(show_durability(*v))),
    key!("sql", "where accounts, contacts and groups are for whoever asks in SQL: sqlite (a file in the data folder), postgres://..., or off",
        |c, t| c.sql => t.parse(), |v| quoted(v)),
    key!("threads", "auto, shared (one hot thread) or dedicated (one for each stage)",
        |c, t| c.threads => word(t), |v| quoted(show_word::<Threads>(v))),
    key!("reactors", "event loops, 1 to 64, or auto",
        |c, t| c.reactors => number_or_auto(t, 1..=64_usize), |v| or_auto(*v)),
    key!("idle", "how long an idle hot thread spins before it sleeps in epoll, 0 to 1s",
        |c, t| c.idle => duration(t, Duration::ZERO..=SECOND), |v| quoted(show_duration(*v))),
    key!("registration", "who may make an account: open (anyone), closed (operators, and products with a JWT)",
        |c, t| c.registration => word(t), |v| quoted(show_word::<Registration>(v))),
    key!("writing", "who may write to whom: anyone (who is not blocked), contacts (to each other)",
        |c, t| c.writing => word(t), |v| quoted(show_word::<Writing>(v))),
    key!("log.format", "text or json",
        |c, t| c.log.format => word(t), |v| quoted(show_word::<LogFormat>(v))),
    key!("log.level", "error, warn, info, debug or trace",
        |c, t| c.log.level => t.parse().map_err(|_| format!("{t:?} is none of error, warn, info, debug, trace")),
        |v| quoted(v.as_str().to_lowercase())),
    key!("limits.frame", "bytes of a frame from a client, 4096 to 65536",
        |c, t| c.limits.frame => number(t, 4_096..=65_536_u32), |v| v.to_string()),
    key!("limits.text", "bytes of a text in UTF-8, 1 to 65000",
        |c, t| c.limits.text => number(t, 1..=65_000_u32), |v| v.to_string()),
    key!("limits.group", "members of a group, 2 to 10000",
        |c, t| c.limits.group => number(t, 2..=10_000_u32), |v| v.to_string()),
    key!("limits.page", "entries of a page, 1 to 1000; a page also ends at 64 KiB",
        |c, t| c.limits.page => number(t, 1..=1_000_u32), |v| v.to_string()),
    key!("limits.unanswered", "requests of a connection that wait for their answers, 1 to 100000; above it the socket is not read",
        |c, t| c.limits.unanswered => number(t, 1..=100_000_u32), |v| v.to_string()),
    key!("limits.rate", "sends a second on a connection, 0 (any number) to 1000000",
        |c, t| c.limits.rate => number(t, 0..=1_000_000_u32), |v| v.to_string()),
    key!("limits.burst", "sends at once after a silence, 1 to 1000000",
        |c, t| c.limits.burst => number(t, 1..=1_000_000_u32), |v| v.to_string()),
    key!("limits.window", "newest entries of an inbox that are kept in memory, 16 to 65536",
        |c, t| c.limits.window => number(t, 16..=65_536_u32), |v| v.to_string()),
    key!("limits.windows_bytes", "bytes of all inbox windows together, 1MiB to 1TiB",
        |c, t| c.limits.windows_bytes => bytes(t, MIB..=MIB << 20), |v| quoted(show_bytes(*v))),
    key!("limits.connections", "connections at a time, or auto: as many as the system's limit on open files allows, up to 1000000",
        |c, t| c.limits.connections => number_or_auto(t, 1..=16_000_000_u32), |v| or_auto(*v)),
    key!("limits.connections_per_address", "connections from one address (IPv6: from one /64), 0 (any number) to 16000000",
        |c, t| c.limits.connections_per_address => number(t, 0..=16_000_000_u32), |v| v.to_string()),
    key!("limits.devices", "devices of a user, 1 to 60",
        |c, t| c.limits.devices => number(t, 1..=60_u32), |v| v.to_string()),
    key!("limits.contacts", "contacts of a user, 1 to 100000",
        |c, t| c.limits.contacts => number(t, 1..=100_000_u32), |v| v.to_string()),
    key!("limits.contact_requests", "requests for contacts that wait, of a user and for a user, 1 to 100000",
        |c, t| c.limits.contact_requests => number(t, 1..=100_000_u32), |v| v.to_string()),
    key!("limits.contact_requests_a_day", "requests for contacts that a user makes in a day, 1 to 65535",
        |c, t| c.limits.contact_requests_a_day => number(t, 1..=65_535_u32), |v| v.to_string()),
    key!("limits.failed_logins_per_account", "failed sign-ins to one account in limits.attempts_window, 0 (any number) to 10000",
        |c, t| c.limits.failed_logins_per_account => number(t, 0..=10_000_u32), |v| v.to_string()),
    key!("limits.failed_logins_per_address", "failed sign-ins from one address (IPv6: from one /64) in limits.attempts_window, 0 (any number) to 1000000",
        |c, t| c.limits.failed_logins_per_address => number(t, 0..=1_000_000_u32), |v| v.to_string()),
    key!("limits.registrations_per_address", "attempts to make an account from one address (IPv6: from one /64) in limits.attempts_window, 0 (any number) to 1000000",
        |c, t| c.limits.registrations_per_address => number(t, 0..=1_000_000_u32), |v| v.to_string()),
    key!("limits.attempts_window", "time in which failed sign-ins and registrations are forgotten, 1m to 1d",
        |c, t| c.limits.attempts_window => duration(t, 60 * SECOND..=DAY), |v| quoted(show_duration(*v))),
    key!("limits.hello_ms", "milliseconds from the accept to the hello, 100 to 600000",
        |c, t| c.limits.hello_ms => number(t, 100..=600_000_u32), |v| v.to_string()),
    key!("limits.out_buffer", "bytes that wait for a connection that does not read, 16KiB to 64MiB; above it the device falls behind and syncs",
        |c, t| c.limits.out_buffer => bytes(t, 16 << 10..=64 * MIB), |v| quoted(show_bytes(*v))),
    key!("journal.segment_bytes", "bytes of a segment of a new journal, a power of two from 1MiB to 1GiB",
        |c, t| c.journal.segment_bytes => power_of_two(t), |v| quoted(show_bytes(*v))),
    key!("journal.memory_bytes", "bytes of the journal that stay in memory, 4MiB to 1TiB; older ones are read from disk, or at level memory gone",
        |c, t| c.journal.memory_bytes => bytes(t, 4 * MIB..=MIB << 20), |v| quoted(show_bytes(*v))),
    key!("journal.sync_every", "level process: how often what was written is brought to disk, 10ms to 1h",
        |c, t| c.journal.sync_every => duration(t, Duration::from_millis(10)..=3_600 * SECOND), |v| quoted(show_duration(*v))),
    key!("passwords.workers", "threads that compute argon2id, 1 to 64",
        |c, t| c.passwords.workers => number(t, 1..=64_usize), |v| v.to_string()),
    key!("passwords.queue", "password checks that wait, 1 to 65536; above it a hello is refused with BUSY",
        |c, t| c.passwords.queue => number(t, 1..=65_536_usize), |v| v.to_string()),
    key!("passwords.memory_kib", "memory of one hash in KiB, 8 to 4194304",
        |c, t| c.passwords.memory_kib => number(t, 8..=4_194_304_u32), |v| v.to_string()),
    key!("passwords.iterations", "passes of argon2id over its memory, 1 to 100",
        |c, t| c.passwords.iterations => number(t, 1..=100_u32), |v| v.to_string()),
    key!("tokens.expire_after", "a session token that was not used for so long has expired, 1m to 3650d",
        |c, t| c.tokens.expire_after => duration(t, 60 * SECOND..=3_650 * DAY), |v| quoted(show_duration(*v))),
    key!("jwt.hs256", "secret for HS256, at least 32 bytes in base64, or none",
        |c, t| c.jwt.hs256 => or_none(t, secret), |v| quoted(v.as_ref().map_or("none", |_| HIDDEN))),
    key!("jwt.hs256_file", "a file that holds it, or none",
        |c, t| c.jwt.hs256_file => or_none(t, |path| Ok(path.into())), |v| quoted(v.as_ref().map_or("none".into(), |path| path.display().to_string()))),
    key!("jwt.eddsa", "files with an Ed25519 public key in PEM form, each may have kid= before it, with commas between them; or none",
        |c, t| c.jwt.eddsa => key_files(t), |v| quoted(show_key_files(v))),
    key!("jwt.issuer", "the iss that a token has to have, or none",
        |c, t| c.jwt.issuer => or_none(t, |text| Ok(text.to_owned())), |v| quoted(v.as_deref().unwrap_or("none"))),
    key!("jwt.audience", "the aud that a token has to have, or none",
        |c, t| c.jwt.audience => or_none(t, |text| Ok(text.to_owned())), |v| quoted(v.as_deref().unwrap_or("none"))),
    key!("jwt.handle_claim", "the claim that is the account's handle",
        |c, t| c.jwt.handle_claim => some_text(t), |v| quoted(v)),
    key!("jwt.name_claim", "the claim that is the name of an account that is made",
        |c, t| c.jwt.name_claim => some_text(t), |v| quoted(v)),
    key!("jwt.create", "whether an account is made for a good token whose handle has none: true or false",
        |c, t| c.jwt.create => boolean(t), |v| v.to_string()),
    key!("jwt.leeway", "how far apart clocks may be where exp and nbf are looked at, 0s to 10m",
        |c, t| c.jwt.leeway => duration(t, Duration::ZERO..=600 * SECOND), |v| quoted(show_duration(*v))),
];

/// What holds where nothing is set.
pub(super) fn defaults() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 7400).into(),
        data: "./ringdove-data".into(),
        durability: Durability::Process,
        sql: Sql::Sqlite,
        threads: Threads::Auto,
        reactors: None,
        idle: Duration::from_micros(50),
        registration: Registration::Open,
        writing: Writing::Anyone,
        log: Log { format: LogFormat::Text, level: tracing::Level::INFO },
        limits: Limits {
            frame: 65_536,
            text: 16_384,
            group: 500,
            page: 1_000,
            unanswered: 1_000,
            rate: 30,
            burst: 60,
            window: 1_024,
            windows_bytes: 256 * MIB,
            connections: None,
            connections_per_address: 0,
            devices: 16,
            contacts: 5_000,
            contact_requests: 1_000,
            contact_requests_a_day: 100,
            failed_logins_per_account: 10,
            failed_logins_per_address: 100,
            registrations_per_address: 100,
            attempts_window: 900 * SECOND,
            hello_ms: 10_000,
            out_buffer: 256 << 10,
        },
        journal: Journal { segment_bytes: 64 * MIB, memory_bytes: 128 * MIB, sync_every: SECOND },
        // OWASP's first choice for argon2id: 19 MiB, two passes
        passwords: Passwords { workers: 1, queue: 64, memory_kib: 19_456, iterations: 2 },
        tokens: Tokens { expire_after: 90 * DAY },
        jwt: Jwt {
            hs256: None,
            hs256_file: None,
            eddsa: Vec::new(),
            issuer: None,
            audience: None,
            handle_claim: "sub".into(),
            name_claim: "name".into(),
            create: false,
            leeway: 5 * SECOND,
        },
    }
}

/// Public keys, each in a file of its own: `FILE` or `KID=FILE`, with commas between them.
fn key_files(text: &str) -> Result<Vec<(Option<String>, PathBuf)>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let file = |file: &str| {
        let (kid, path) = file.split_once('=').map_or((None, file), |(kid, path)| (Some(kid.trim()), path));
        let named = (kid.map(str::to_owned), PathBuf::from(path.trim()));
        if path.trim().is_empty() || kid == Some("") {
            return Err(format!("{text:?} is no list of files, such as \"a.pem\" or \"2026=a.pem,2027=b.pem\""));
        }
        Ok(named)
    };
    let files = text.split(',').map(file).collect::<Result<Vec<_>, _>>()?;
    if files.len() > PUBLIC_KEYS {
        return Err(format!("{} keys are too many: {PUBLIC_KEYS} at most", files.len()));
    }
    Ok(files)
}

fn show_key_files(files: &[(Option<String>, PathBuf)]) -> String {
    let file = |(kid, path): &(Option<String>, PathBuf)| match kid {
        Some(kid) => format!("{kid}={}", path.display()),
        None => path.display().to_string(),
    };
    if files.is_empty() { "none".into() } else { files.iter().map(file).collect::<Vec<_>>().join(",") }
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "memory" => Ok(Durability::Memory),
        "process" => Ok(Durability::Process),
        "disk" => Ok(Durability::Disk),
        _ => Err(format!("{text:?} is none of memory, process, disk")),
    }
}

/// A level as it is written.
fn show_durability(level: Durability) -> &'static str {
    match level {
        Durability::Memory => "memory",
        Durability::Process => "process",
        Durability::Disk => "disk",
    }
}

fn power_of_two(text: &str) -> Result<u64, String> {
    let size = bytes(text, MIB..=MIB << 10)?;
    if size.is_power_of_two() { Ok(size) } else { Err(format!("{text:?} is no power of two, such as \"64MiB\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_read_as_it_is_shown() {
        for key in KEYS {
            let mut config = defaults();
            let shown = (key.show)(&config);
            let value: toml::Table = format!("value = {shown}").parse().unwrap();
            let text = match &value["value"] {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (key.set)(&mut config, &text).unwrap_or_else(|why| panic!("{}: {why}", key.name));
            assert_eq!((key.show)(&config), shown, "{}", key.name);
            assert!((key.set)(&mut config, "").is_err(), "{} takes nothing", key.name);
        }
    }
}
