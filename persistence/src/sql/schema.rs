//! The tables' schema: migrations that both databases run.

use refinery::error::Kind;
use refinery::{Migrate, Report, Runner};

use super::error::{SqlError, failed, whole};

mod embedded {
    refinery::embed_migrations!("src/sql/migrations");
}

/// What the list of migrations has of one: its name, when it was run, and its checksum.
pub(super) type Entry = [Option<String>; 3];

/// Reads the list, where there is one.
pub(super) const READ_HISTORY: &str = "SELECT name, applied_on, checksum FROM refinery_schema_history";

/// Whether the list of migrations is one that refinery wrote. It takes that for granted, and would end the process.
pub(super) fn check(history: &[Entry]) -> Result<(), SqlError> {
    let is_one = |[name, applied_on, checksum]: &Entry| {
        name.is_some()
            && applied_on.as_ref().is_some_and(|time| humantime::parse_rfc3339(time).is_ok())
            && checksum.as_ref().is_some_and(|checksum| checksum.parse::<u64>().is_ok())
    };
    match history.iter().all(is_one) {
        true => Ok(()),
        false => Err(SqlError::Changed("the list of migrations, refinery_schema_history, cannot be read".into())),
    }
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
