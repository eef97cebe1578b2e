//! The seam to a database: what a projection asks of it.

use super::changes::Changes;
use super::error::SqlError;
use super::steps::{Kind, STEPS};
use super::tables::{Line, TABLES, Table};

/// How far the tables are: which journal, and which record of it was projected last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The journal's UUID, in hex.
    pub(super) journal: String,
    pub(super) epoch: i64,
    pub(super) position: i64,
    pub(super) chain: i64,
    pub(super) written_ms: i64,
}

/// A database whose tables are there and of this version, and which nobody else writes.
pub(super) trait Store: Send {
    /// `None`: nothing was projected yet.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SqlError>;

    /// All changes and the checkpoint, in one transaction. An error may come after the transaction was committed: the checkpoint tells.
    fn write(&mut self, changes: &Changes, checkpoint: &Checkpoint) -> Result<(), SqlError>;

    /// Begins to read, with everything as it is now; ends with the connection. `None`: nothing was projected yet.
    fn begin_reading(&mut self) -> Result<Option<Checkpoint>, SqlError>;

    /// Hands all rows of a table to `each`, by their key.
    fn read(&mut self, table: &Table, each: &mut dyn FnMut(Line)) -> Result<(), SqlError>;

    /// Empties all tables, the checkpoint with them, in one transaction.
    fn clear(&mut self) -> Result<(), SqlError>;
}

pub(super) const READ_CHECKPOINT: &str =
    "SELECT journal, epoch, position, chain, written_ms FROM checkpoint WHERE id = 1";

pub(super) const WRITE_CHECKPOINT: &str = "INSERT INTO checkpoint (id, journal, epoch, position, chain, written_ms)
    VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET journal = excluded.journal, epoch = excluded.epoch,
        position = excluded.position, chain = excluded.chain, written_ms = excluded.written_ms";

/// Every table.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name).chain(["checkpoint"])
}

/// Where the rows stand in a step's statement.
pub(super) const ROWS: &str = "{rows}";

/// The statements of all steps, each with its rows written as `rows` says.
pub(super) fn texts(rows: impl Fn(&[(&str, Kind)]) -> String) -> Vec<Vec<String>> {
    let texts = STEPS.iter().map(|step| {
        let rows = rows(step.columns);
        step.sql.iter().map(|sql| sql.replace(ROWS, &rows)).collect()
    });
    texts.collect()
}
