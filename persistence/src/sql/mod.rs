//! SQL: tables of accounts, devices, contacts, groups and memberships that follow the journal, for whoever wants to ask.
//!
//! ```text
//!  target (SQLite file, Postgres) ─▶ store ─▶ schema (migrations)
//!  projector (thread) ─▶ projection ─▶ tail of the journal ─▶ changes ─▶ steps (statements) ─▶ store
//!  verify ─▶ tables (what the state says), beside what stands there
//! ```

mod changes;
mod error;
mod postgres;
mod projection;
mod projector;
mod rebuild;
mod schema;
mod sqlite;
mod steps;
mod store;
mod tables;
mod target;
mod verify;

use std::path::Path;
use std::sync::Arc;

use ringdove_core::projected::Projected;

use crate::journal::Storage;
use crate::recovery::Opened;

pub use error::SqlError;
pub use projection::Projection;
pub use projector::Projector;
pub use rebuild::{RebuildError, rebuild};
pub use target::Sql;
pub use verify::{Comparison, compare};

/// The projector of a journal that was opened; `None`: there are to be no tables.
///
/// # Errors
/// The database is not this journal's, ahead of it, of a newer version or somebody else's. One that cannot be reached is no error: chat goes
/// on without it.
pub fn project<S: Storage>(
    sql: &Sql,
    data: &Path,
    opened: &Opened<S>,
    projected: Arc<Projected>,
) -> Result<Option<Projector<S>>, SqlError> {
    let Some(target) = target::Target::of(sql, data) else { return Ok(None) };
    let projection = Projection::new(target, opened.tail(), projection::ROWS);
    Projector::start(projection, Arc::clone(&opened.progress), projected).map(Some)
}

/// The tables of a journal, for whoever runs them by hand; a transaction ends once it has `rows` rows. `None`: there are to be none.
pub fn projection<S: Storage>(sql: &Sql, data: &Path, opened: &Opened<S>, rows: usize) -> Option<Projection<S>> {
    target::Target::of(sql, data).map(|target| Projection::new(target, opened.tail(), rows))
}
