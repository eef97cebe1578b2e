//! Log lines on standard error: for people, or a JSON object each.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging; to be called once.
pub fn start(log: &Log) {
    // what runs the migrations tells more of them than an operator wants to know, and what talks to Postgres tells what it says: hashes,
    // and people's words
    let others = "refinery_core=error,tokio_postgres=off,postgres=off,rusqlite=off";
    let filter = EnvFilter::new(format!("{},{others}", log.level));
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_target(false);
    // a collector that has gone away costs its lines, not the broker
    let lines = lines.log_internal_errors(false);
    match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
