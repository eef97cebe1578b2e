//! What can be wrong with SQL.

use std::error::Error;

use postgres::error::DbError;
use ringdove_core::ids::Position;

/// Why the tables cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It cannot be reached, is full, read-only, slow, or says no to something. It may be better later.
    #[error("{what}: {error}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What it said.
        error: String,
    },
    /// The tables were written from another journal.
    #[error(
        "the tables in SQL were written from the journal {theirs}, but this is the journal {ours}: start with the data folder that they \
         belong to, give this one a database of its own, or make the tables anew with `ringdove sql rebuild`"
    )]
    Foreign {
        /// The UUID in the checkpoint.
        theirs: String,
        /// The UUID of the journal.
        ours: String,
    },
    /// The tables hold what the journal does not.
    #[error(
        "the tables in SQL are ahead of the journal: they hold what happened up to position {position} of epoch {epoch}, which this journal \
         does not have, so it was restored from an older copy, or cut. Put the newer data folder back, or make the tables anew with \
         `ringdove sql rebuild`"
    )]
    Ahead {
        /// The record that is missing.
        position: Position,
        /// Its epoch.
        epoch: i64,
    },
    /// A newer ringdove has changed the tables.
    #[error("the tables in SQL are of a newer ringdove: {0}. Start that one, or give this one a database of its own")]
    Newer(String),
    /// Somebody has changed what only ringdove changes.
    #[error("the tables in SQL are not as ringdove made them: {0}")]
    Changed(String),
    /// Somebody else writes the tables.
    #[error("another ringdove writes to this database right now: each one needs a database, or a schema, of its own")]
    Taken,
    /// A Postgres whose texts cannot hold all that people write.
    #[error(
        "the database's encoding is {0}, but names are UTF-8: make one with `CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding(String),
    /// The journal has something that cannot be projected.
    #[error("{0}")]
    Journal(String),
}

impl SqlError {
    /// Whether it may be better later, without anybody who sees to it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl From<crate::journal::Broken> for SqlError {
    fn from(broken: crate::journal::Broken) -> Self {
        Self::Journal(broken.to_string())
    }
}

/// What to do with an error of a database while something was being done.
pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> SqlError {
    move |error| SqlError::Failed { what, error: error.to_string() }
}

/// An error with its causes: the outermost often says little. What Postgres says of a row is left out, for hashes stand in rows.
pub(super) fn whole(error: &(dyn Error + 'static)) -> String {
    let words = |error: &(dyn Error + 'static)| match error.downcast_ref::<DbError>() {
        Some(said) => format!("{}: {} ({})", said.severity(), said.message(), said.code().code()),
        None => error.to_string(),
    };
    let mut said = words(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = words(inner);
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = inner.source();
    }
    said
}
