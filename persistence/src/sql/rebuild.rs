//! `ringdove sql rebuild`: the tables anew, from the first record on. No broker may run on the data folder.

use std::path::Path;

use ringdove_core::ids::Position;

use super::error::SqlError;
use super::projection::Projection;
use super::target::{Sql, Target};
use crate::recovery::{JournalError, tail, verify};

/// Why the tables could not be made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The journal cannot be read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The database cannot be written. What was done stays, and the next start of the broker goes on from there.
    #[error("{0}")]
    Sql(#[from] SqlError),
    /// There are to be no tables.
    #[error("sql is off: there are no tables to make")]
    Off,
}

/// Empties the tables and projects the whole journal, which it brings to disk first. `watch` hears how many bytes of how many were projected.
///
/// # Errors
/// See [`RebuildError`]. A damaged journal is found before anything is emptied.
pub fn rebuild(data: &Path, sql: &Sql, mut watch: impl FnMut(u64, u64)) -> Result<(), RebuildError> {
    let target = Target::of(sql, data).ok_or(RebuildError::Off)?;
    let end = verify(data, None)?.end;
    let rows = target.rows();
    let tail = tail(data, Position(u64::MAX))?;
    // a crashed process leaves records in the page cache
    tail.sync().map_err(|error| JournalError::Io { what: "syncing the journal".into(), error })?;
    let mut projection = Projection::new(target, tail, rows);
    projection.clear()?;
    while projection.advance(end)? {
        watch(projection.position().0.min(end.0), end.0);
    }
    projection.finish()?;
    watch(end.0, end.0);
    Ok(())
}
