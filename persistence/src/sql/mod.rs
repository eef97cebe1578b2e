//! SQL: tables of accounts, devices, contacts, groups and memberships that follow the journal, for whoever wants to ask.
//!
//! ```text
//!  target (SQLite file, Postgres) ─▶ store ─▶ schema (migrations)
//!  projector (a thread; lag is told by another one) ─▶ projection ─▶ tail of the journal ─▶ changes ─▶ steps (statements) ─▶ store
//!  verify ─▶ tables (what the state says), beside what stands there
//! ```

mod changes;
mod error;
mod lag;
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
mod tls;
mod verify;

use std::path::Path;
use std::sync::Arc;

use ringdove_core::projected::Projected;

use crate::journal::Storage;
use crate::recovery::Opened;

pub use error::SqlError;
pub use projection::Projection;
pub use projector::{Projector, Watch};
pub use rebuild::{RebuildError, rebuild};
pub use target::Sql;
pub use verify::{Comparison, compare};

/// The projector of a journal that was opened, which opens the database when it runs. `None`: there are to be no tables.
pub fn project<S: Storage>(
    sql: &Sql,
    data: &Path,
    opened: &Opened<S>,
    projected: Arc<Projected>,
) -> Option<Projector<S>> {
    let target = target::Target::of(sql, data)?;
    let rows = target.rows();
    let projection = Projection::new(target, opened.tail(), rows);
    Some(Projector::new(projection, Arc::clone(&opened.progress), projected))
}

/// The tables of a journal, for whoever runs them by hand; a transaction ends once it has `rows` rows. `None`: there are to be none.
pub fn projection<S: Storage>(sql: &Sql, data: &Path, opened: &Opened<S>, rows: usize) -> Option<Projection<S>> {
    target::Target::of(sql, data).map(|target| Projection::new(target, opened.tail(), rows))
}
