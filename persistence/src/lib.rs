//! ringdove's journal: what has happened, on disk, in order.
//!
//! ```text
//!  commit ring ─▶ journal::Journal (stage) ─▶ segments ─▶ Reader (pages of missed entries)
//!                       ▲                        │
//!                 journal::Preparer        recovery::recover (start), verify, dump, visit, repair
//!                                          │
//!                                          └─▶ journal::Tail ─▶ sql::Projector ─▶ tables in SQLite or Postgres
//! ```
#![deny(unsafe_code)]

pub mod journal;
pub mod recovery;
pub mod sql;

pub use journal::{
    Durability, Fault, FileStorage, Journal, MemoryStorage, Preparer, Reader, Storage, StorageFile, Ties,
};
pub use recovery::{
    JournalError, Opened, Options, Report, Visited, dump, journal_uuid, open_memory, recover, repair, verify, visit,
};
pub use sql::{
    Comparison, Projection, Projector, RebuildError, Sql, SqlError, Watch, compare, project, projection, rebuild,
};
