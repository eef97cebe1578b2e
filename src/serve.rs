//! `ringdove serve`: from the lock on the data folder to the last byte on disk.

use ringdove_persistence::Durability;

use crate::config::{Config, LogFormat};
use crate::lock::DataLock;
use crate::terminal::tell;
use crate::{compose, logging, open_files, signals};

/// Runs the broker until a signal ends it.
///
/// # Errors
/// What stands in the way, in words for an operator.
pub fn serve(config: &Config) -> Result<(), String> {
    logging::start(&config.log);
    let fit = open_files::raise(config.journal.memory_bytes / config.journal.segment_bytes);
    let connections = open_files::connections(config.limits.connections, fit)?;
    let _lock = DataLock::take(&config.data)?;
    let broker = compose::run(config, connections)?;
    signals::watch(broker.stop()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    announce(config, broker.address);
    broker.join()?;
    tracing::info!("ended in order");
    Ok(())
}

/// Says where it listens, where the data is, what a message survives, and where the tables are.
fn announce(config: &Config, address: std::net::SocketAddr) {
    let data = config.data.canonicalize().unwrap_or_else(|_| config.data.clone());
    let version = env!("CARGO_PKG_VERSION");
    let (durability, survives) = match config.durability {
        Durability::Memory => ("memory", "messages are lost when it ends"),
        Durability::Process => ("process", "messages survive a crash of the process"),
        Durability::Disk => ("disk", "messages survive a loss of power"),
    };
    let sql = if config.durability == Durability::Memory { "off".to_owned() } else { config.sql.to_string() };
    match config.log.format {
        LogFormat::Text => tell!(
            "ringdove {version} listens on {address}\n  data        {}\n  durability  {durability}: {survives}\n  sql         {sql}",
            data.display()
        ),
        LogFormat::Json => {
            tracing::info!(version, %address, data = %data.display(), durability, sql, "listens")
        }
    }
}
