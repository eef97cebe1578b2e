//! `ringdove log verify`, `dump` and `repair`.

use std::io::{self, BufWriter, Write};

use ringdove_core::ids::Position;
use ringdove_persistence::{dump, journal_uuid, repair, verify};

use crate::command_line::LogCommand;
use crate::lock::DataLock;
use crate::operators::released;
use crate::terminal::say;

/// Does it.
///
/// # Errors
/// What is wrong with the journal, or in the way.
pub fn run(command: LogCommand) -> Result<(), String> {
    match command {
        LogCommand::Verify(folder) => {
            let report = verify(&folder.data, released(&folder.data)?).map_err(|error| error.to_string())?;
            say!(
                "whole: {} records in {} segments, epoch {}, up to position {}, on disk up to {}, {} redacted",
                report.records,
                report.segments,
                report.epoch.0,
                report.end,
                report.synced,
                report.redacted
            );
            if let Some(torn) = report.torn {
                say!("torn tail, which the next start cuts: {torn}");
            }
            Ok(())
        }
        LogCommand::Dump { folder, from } => {
            let limit = released(&folder.data)?;
            let mut out = BufWriter::new(io::stdout().lock());
            dump(&folder.data, Position(from), limit, &mut out).map_err(|error| error.to_string())?;
            match out.flush() {
                // who asked for it has seen enough
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                flushed => flushed.map_err(|error| error.to_string()),
            }
        }
        LogCommand::Repair { folder, cut } => {
            journal_uuid(&folder.data).map_err(|error| error.to_string())?;
            let _lock = DataLock::take(&folder.data)?;
            repair(&folder.data, Position(cut)).map_err(|error| error.to_string())?;
            say!("cut at position {cut}; the next start opens a new epoch, and devices sync afresh");
            say!("tables in SQL that hold what was given up are refused then: `ringdove sql rebuild` makes them anew");
            Ok(())
        }
    }
}
