//! `ringdove sql verify`: the tables, row by row, beside what the journal says at their checkpoint. Reads only; also beside a running broker.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

use ringdove_core::engine::State;
use ringdove_core::ids::Position;

use super::error::SqlError;
use super::rebuild::RebuildError;
use super::steps::Value;
use super::store::{Checkpoint, Store};
use super::tables::{Line, TABLES, Table};
use super::target::{Sql, Target};
use crate::recovery::tail;

/// Differences that are named.
const NAMED: usize = 20;

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Everything below is in the tables.
    pub position: Position,
    /// For each table its name, and how many rows it has to have.
    pub rows: Vec<(&'static str, u64)>,
    /// Rows that are not as they have to be.
    pub wrong: u64,
    /// The first of them, in words.
    pub named: Vec<String>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.iter().map(|(name, rows)| format!("{rows} {name}")).collect::<Vec<_>>().join(", ");
        write!(f, "{rows}; up to position {}", self.position)
    }
}

/// Compares all tables.
///
/// # Errors
/// The journal or the database cannot be read, or they do not belong together. Rows that differ are no error.
pub fn compare(data: &Path, sql: &Sql) -> Result<Comparison, RebuildError> {
    let target = Target::of(sql, data).ok_or(RebuildError::Off)?;
    let mut store = target.open_to_read()?;
    let Some(checkpoint) = store.begin_reading()? else {
        return Err(SqlError::Journal("nothing was projected into these tables yet".into()).into());
    };
    let (state, position) = state_at(data, &checkpoint)?;
    let mut found = Comparison { position, ..Comparison::default() };
    for table in &TABLES {
        found.compare(table, &state, &mut *store)?;
    }
    Ok(found)
}

/// What the journal says up to a checkpoint, and where that ends.
fn state_at(data: &Path, checkpoint: &Checkpoint) -> Result<(State, Position), RebuildError> {
    // a segment is not read while it is written: all of it below the checkpoint is on disk
    let limit = Position(checkpoint.position.unsigned_abs().saturating_add(1));
    let mut tail = tail(data, limit)?;
    checkpoint.go_behind(&mut tail, Position(u64::MAX))?;
    let end = tail.next();
    tail.go_behind(None, end);
    // windows are no part of what is compared
    let mut state = State::new(1, 0);
    let apply = |state: &mut State, head, body: &[u8]| {
        state.replay(head, body).map_err(|error| SqlError::Journal(error.to_string()))?;
        Ok::<_, SqlError>(true)
    };
    while tail.read(end, |head, body| apply(&mut state, head, body))? {}
    Ok((state, end))
}

impl Comparison {
    fn compare(&mut self, table: &Table, state: &State, store: &mut dyn Store) -> Result<(), SqlError> {
        let mut expected = (table.expected)(state).peekable();
        let mut rows = 0;
        store.read(table, &mut |line| {
            while let Some(missing) = expected.next_if(|row| order(table, row, &line) == Ordering::Less) {
                rows += 1;
                self.note(table, &missing, "is missing");
            }
            match expected.next_if(|row| order(table, row, &line) == Ordering::Equal) {
                None => self.note(table, &line, "should not be there"),
                Some(row) => {
                    rows += 1;
                    if let Some(at) = row.iter().zip(&line).position(|(one, other)| one != other) {
                        let (name, _) = table.columns[at];
                        self.note(table, &line, &differs(name, &line[at], &row[at]));
                    }
                }
            }
        })?;
        for missing in expected {
            rows += 1;
            self.note(table, &missing, "is missing");
        }
        self.rows.push((table.name, rows));
        Ok(())
    }

    fn note(&mut self, table: &Table, line: &Line, what: &str) {
        self.wrong += 1;
        if self.named.len() < NAMED {
            let key = line[..table.key].iter().map(|value| match value {
                Value::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            });
            self.named.push(format!("{}: {} {what}", table.name, key.collect::<Vec<_>>().join(" ")));
        }
    }
}

fn differs(column: &str, is: &Value, should: &Value) -> String {
    // hashes of credentials are nobody's to read, not even an operator's
    if matches!(column, "secret" | "token_sha256") {
        return format!("has another {column}");
    }
    let words = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Word(word) => format!("{word:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    };
    format!("has {column} {} in place of {}", words(is), words(should))
}

/// Which row stands before the other, by their keys.
fn order(table: &Table, one: &Line, other: &Line) -> Ordering {
    let key = |line: &Line| -> Vec<i64> {
        let numbers = line[..table.key].iter().map(|value| if let Value::Number(number) = value { *number } else { 0 });
        numbers.collect()
    };
    key(one).cmp(&key(other))
}
