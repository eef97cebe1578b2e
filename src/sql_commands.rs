//! `ringdove sql rebuild` and `sql verify`.

use std::time::Instant;

use ringdove_persistence::{compare, journal_uuid, rebuild};

use crate::config::Config;
use crate::lock::DataLock;
use crate::terminal::{progress_bar, say};

/// Empties the tables and makes them anew.
///
/// # Errors
/// What is wrong with the journal or the database, or in the way.
pub fn rebuild_tables(config: &Config) -> Result<(), String> {
    // a folder that is not there is not made
    journal_uuid(&config.data).map_err(|error| error.to_string())?;
    let _lock = DataLock::take(&config.data)?;
    let bar = progress_bar("making the tables {bar:30} {binary_bytes}/{binary_total_bytes}, {eta} left");
    let begin = Instant::now();
    let rebuilt = rebuild(&config.data, &config.sql, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    rebuilt.map_err(|error| error.to_string())?;
    say!("the tables in {} are made anew from the journal, in {:.1} s", config.sql, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Says whether the tables are what the journal says, row by row.
///
/// # Errors
/// They are not, or cannot be read.
pub fn verify_tables(config: &Config) -> Result<(), String> {
    let found = compare(&config.data, &config.sql).map_err(|error| error.to_string())?;
    if found.wrong == 0 {
        say!("the tables are right: {found}");
        return Ok(());
    }
    let more = found.wrong - found.named.len() as u64;
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Err(format!("{} rows of the tables are wrong ({found}):\n{}{more}", found.wrong, found.named.join("\n")))
}
