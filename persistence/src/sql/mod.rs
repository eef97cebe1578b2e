//! SQL: tables of accounts, devices, contacts, groups and memberships that follow the journal, for whoever wants to ask.
//!
//! ```text
//!  target (SQLite file, Postgres) ─▶ store ─▶ schema (migrations)
//!  projector (thread) ─▶ projection ─▶ tail of the journal ─▶ changes ─▶ steps (statements) ─▶ store
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
mod target;

use std::path::Path;
use std::sync::Arc;

use ringdove_core::projected::Projected;

use crate::journal::Storage;
use crate::recovery::Opened;

pub use error::SqlError;
pub use projector::Projector;
pub use rebuild::{RebuildError, rebuild};
pub use target::Sql;

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
    let projection = projection::Projection::new(target, opened.tail());
    Projector::start(projection, Arc::clone(&opened.progress), projected).map(Some)
}
