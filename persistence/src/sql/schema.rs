//! The tables' schema: migrations that both databases run.

use refinery::error::Kind;
use refinery::{Migrate, Report, Runner};

use super::error::{SqlError, failed, whole};

mod embedded {
    refinery::embed_migrations!("src/sql/migrations");
}

/// Brings the schema to this version. Nobody else may do so at the same time: see to that before.
///
/// # Errors
/// The database cannot, is of a newer version, or was changed.
pub(super) fn migrate<C: Migrate>(database: &mut C) -> Result<(), SqlError> {
    // a migration and the note that it was run are one transaction
    let runner: Runner =
        embedded::migrations::runner().set_grouped(true).set_abort_divergent(true).set_abort_missing(true);
    let done: Result<Report, refinery::Error> = runner.run(database);
    match done {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            Kind::MissingVersion(migration) => SqlError::Newer(format!("they have migration {migration}")),
            Kind::DivergentVersion(ours, _) => {
                SqlError::Changed(format!("migration {ours} is not the one that was run"))
            }
            _ => failed("bringing the tables to this version")(whole(&error)),
        }),
    }
}
