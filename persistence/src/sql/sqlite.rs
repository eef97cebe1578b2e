//! SQLite, inside the binary; the file lies in the data folder, whose lock keeps other brokers away.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, ToSql, params_from_iter};

use super::changes::Changes;
use super::error::{SqlError, failed};
use super::schema;
use super::steps::{Kind, STEPS, Value};
use super::store::{Checkpoint, READ_CHECKPOINT, Store, WRITE_CHECKPOINT, names, texts};
use super::tables::{Line, Table};

/// How long somebody else may hold the file before it counts as a failure.
const BUSY: Duration = Duration::from_secs(2);
/// The log beside the file is made as small as this again, in bytes, when it has grown.
const WAL_BYTES: u64 = 64 << 20;
/// Pages of the file are kept in memory up to so many KiB: this is most of what the tables cost a broker whose people are idle. A rebuild
/// is no faster with more, as it goes through the file in order, and what is not here is in the system's cache.
const CACHE_KIB: u64 = 1_024;

pub(super) struct Sqlite {
    connection: Connection,
    texts: Vec<Vec<String>>,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, SqlError> {
        // hashes of passwords lie in it: for its owner only, like all that SQLite puts beside it
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        made.map_err(failed("making the SQLite file"))?;
        let what = failed("opening the SQLite file");
        let mut connection = Connection::open(path).map_err(&what)?;
        connection.busy_timeout(BUSY).map_err(&what)?;
        let pragmas = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {WAL_BYTES}; PRAGMA cache_size = -{CACHE_KIB};"
        );
        connection.execute_batch(&pragmas).map_err(&what)?;
        schema::check(&history(&connection).map_err(failed("reading the list of migrations"))?)?;
        schema::migrate(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(2 * STEPS.len() + 8);
        let rows = |columns: &[(&str, _)]| {
            let columns = columns.iter().enumerate().map(|(at, (name, _))| format!("?{} AS {name}", at + 1));
            format!("SELECT {}", columns.collect::<Vec<_>>().join(", "))
        };
        Ok(Self { connection, texts: texts(rows) })
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, SqlError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("opening the SQLite file"))?;
        connection.busy_timeout(BUSY).map_err(failed("opening the SQLite file"))?;
        Ok(Self { connection, texts: Vec::new() })
    }
}

fn history(connection: &Connection) -> rusqlite::Result<Vec<schema::Entry>> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(schema::READ_HISTORY)?;
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    rows.collect()
}

fn value(row: &Row<'_>, at: usize, kind: Kind) -> rusqlite::Result<Value> {
    Ok(match kind {
        Kind::Number => row.get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Number),
        Kind::Text => row.get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
        Kind::Flag => row.get::<_, Option<bool>>(at)?.map_or(Value::Null, Value::Flag),
        Kind::Bytes => row.get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
    })
}

impl Store for Sqlite {
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SqlError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Checkpoint {
                journal: row.get(0)?,
                epoch: row.get(1)?,
                position: row.get(2)?,
                chain: row.get(3)?,
                written_ms: row.get(4)?,
            })
        };
        self.connection.query_row(READ_CHECKPOINT, [], read).optional().map_err(failed("reading the checkpoint"))
    }

    fn write(&mut self, changes: &Changes, checkpoint: &Checkpoint) -> Result<(), SqlError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            for (step, values) in changes.portions().iter().flat_map(|portion| portion.steps()) {
                let width = STEPS[step as usize].columns.len();
                for text in &self.texts[step as usize] {
                    let mut statement = transaction.prepare_cached(text)?;
                    for row in values.chunks(width) {
                        statement.execute(params_from_iter(row))?;
                    }
                }
            }
            let Checkpoint { journal, epoch, position, chain, written_ms } = checkpoint;
            transaction.prepare_cached(WRITE_CHECKPOINT)?.execute((journal, epoch, position, chain, written_ms))?;
            transaction.commit()
        };
        write().map_err(failed("writing to SQLite"))
    }

    fn begin_reading(&mut self) -> Result<Option<Checkpoint>, SqlError> {
        self.connection.execute_batch("BEGIN").map_err(failed("reading the tables"))?;
        self.checkpoint()
    }

    fn read(&mut self, table: &Table, each: &mut dyn FnMut(Line)) -> Result<(), SqlError> {
        let mut read = || {
            let mut statement = self.connection.prepare(&table.query())?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let line = table.columns.iter().enumerate().map(|(at, (_, kind))| value(row, at, *kind));
                each(line.collect::<rusqlite::Result<_>>()?);
            }
            Ok::<_, rusqlite::Error>(())
        };
        read().map_err(failed("reading the tables"))
    }

    fn clear(&mut self) -> Result<(), SqlError> {
        let mut clear = || {
            let transaction = self.connection.transaction()?;
            for table in names() {
                transaction.execute(&format!("DELETE FROM {table}"), [])?;
            }
            transaction.commit()
        };
        clear().map_err(failed("emptying the tables"))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Word(word) => ValueRef::Text(word.as_bytes()),
            Self::Flag(flag) => ValueRef::Integer((*flag).into()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
