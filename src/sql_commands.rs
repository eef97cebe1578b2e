//! `ringdove sql rebuild`.

use std::time::Instant;

use ringdove_persistence::{journal_is_there, rebuild};

use crate::config::Config;
use crate::lock::DataLock;
use crate::terminal::{progress_bar, say};

/// Empties the tables and makes them anew.
///
/// # Errors
/// What is wrong with the journal or the database, or in the way.
pub fn rebuild_tables(config: &Config) -> Result<(), String> {
    // a folder that is not there is not made
    journal_is_there(&config.data).map_err(|error| error.to_string())?;
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
