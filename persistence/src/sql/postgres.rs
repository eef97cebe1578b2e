//! Postgres: one connection, which holds an advisory lock for as long as it lasts. Rows go over as arrays, one for each column, so a
//! statement is one round trip for any number of rows; and in bulk they are copied.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::config::SslMode;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Row, Statement, Transaction};

use super::changes::Changes;
use super::error::{SqlError, failed, whole};
use super::schema;
use super::steps::{Kind, STEPS, Statements, Value};
use super::store::{Checkpoint, READ_CHECKPOINT, Store, WRITE_CHECKPOINT, names, texts};
use super::tables::{Line, Table};
use super::tls;

/// Connecting takes at most so long, for each address.
const CONNECT: Duration = Duration::from_secs(5);
/// A network that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// The lock of a broker that has just ended may be held so much longer.
const LOCK: Duration = Duration::from_secs(3);
/// Fewer rows are not worth asking whether they may be copied.
const COPIED: usize = 256;
/// Nothing may take for ever, and a broker that is gone is to be missed: its lock goes with its session.
const SESSION: &str =
    "SET statement_timeout = '2min'; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '1min';
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
    SET client_min_messages = error";
/// The first half of the lock's key; the second one is the schema's name, hashed.
const LOCK_CLASS: i32 = 0x0052_4456;

pub(super) struct Postgres {
    client: Client,
    texts: Vec<Vec<String>>,
    /// Prepared when they are needed first.
    statements: Vec<Vec<Option<Statement>>>,
}

impl Postgres {
    pub(super) fn open(config: &Config, journal: &str) -> Result<Self, SqlError> {
        let mut opened = Self::open_to_read(config)?;
        opened.client.batch_execute(SESSION).map_err(said("setting the connection up"))?;
        opened.lock(journal)?;
        schema::check(&opened.history().map_err(said("reading the list of migrations"))?)?;
        schema::migrate(&mut opened.client)?;
        Ok(opened)
    }

    fn history(&mut self) -> Result<Vec<schema::Entry>, postgres::Error> {
        let there = self.client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])?;
        if !there.try_get(0)? {
            return Ok(Vec::new());
        }
        let rows = self.client.query(schema::READ_HISTORY, &[])?;
        rows.iter().map(|row| Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?])).collect()
    }

    /// Without the lock, which a running broker has.
    pub(super) fn open_to_read(config: &Config) -> Result<Self, SqlError> {
        let mut config = config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.application_name("ringdove").tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
        let connected = match config.get_ssl_mode() {
            SslMode::Require => config.connect(tls::connector()?),
            // without being asked a certificate cannot be insisted on, and one that is not checked protects nobody
            _ => config.ssl_mode(SslMode::Disable).connect(NoTls),
        };
        let mut client = connected.map_err(said("connecting to Postgres"))?;
        let what = said("setting the connection up");
        let encoding: String =
            client.query_one("SHOW server_encoding", &[]).and_then(|row| row.try_get(0)).map_err(what)?;
        if encoding != "UTF8" {
            return Err(SqlError::Encoding(encoding));
        }
        let rows = |columns: &[(&str, Kind)]| {
            let arrays = columns.iter().enumerate().map(|(at, (_, kind))| format!("${}::{}[]", at + 1, type_of(*kind)));
            let names = columns.iter().map(|(name, _)| *name);
            let (arrays, names) = (arrays.collect::<Vec<_>>().join(", "), names.collect::<Vec<_>>().join(", "));
            format!("SELECT * FROM UNNEST({arrays}) AS u({names})")
        };
        let texts = texts(rows);
        let statements = texts.iter().map(|texts| vec![None; texts.len()]).collect();
        Ok(Self { client, texts, statements })
    }

    /// One writer for each schema; the lock ends with its connection.
    fn lock(&mut self, journal: &str) -> Result<(), SqlError> {
        let what = "taking the lock";
        let begin = Instant::now();
        loop {
            let sql = "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))";
            let row = self.client.query_one(sql, &[&LOCK_CLASS]).and_then(|row| row.try_get::<_, Option<bool>>(0));
            match row.map_err(said(what))? {
                Some(true) => return Ok(()),
                Some(false) if begin.elapsed() < LOCK => std::thread::sleep(Duration::from_millis(100)),
                Some(false) => break,
                // there is nothing to hash
                None => return Err(failed(what)("no schema of the search_path exists")),
            }
        }
        // a connection of this broker's that the server has not missed yet; only one process has the data folder
        match self.checkpoint() {
            Ok(Some(found)) if found.journal == journal => Err(failed(what)("a connection from before still holds it")),
            _ => Err(SqlError::Taken),
        }
    }
}

fn said(what: &'static str) -> impl Fn(postgres::Error) -> SqlError {
    move |error| failed(what)(whole(&error))
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "bigint",
        Kind::Text => "text",
        Kind::Flag => "boolean",
        Kind::Bytes => "bytea",
    }
}

/// The values of one column.
fn column(values: &[Value], at: usize, width: usize, kind: Kind) -> Box<dyn ToSql + Sync + '_> {
    let column = values.iter().skip(at).step_by(width);
    match kind {
        Kind::Number => Box::new(column.map(Value::number).collect::<Vec<_>>()),
        Kind::Text => Box::new(column.map(Value::text).collect::<Vec<_>>()),
        Kind::Flag => Box::new(column.map(Value::flag).collect::<Vec<_>>()),
        Kind::Bytes => Box::new(column.map(Value::bytes).collect::<Vec<_>>()),
    }
}

/// Copies rows in binary, four times as fast as inserting them, if they are many and none of their users has a row in the table yet: a bulk
/// import, most likely.
fn copy(transaction: &mut Transaction<'_>, step: &Statements, values: &[Value]) -> Result<bool, postgres::Error> {
    let width = step.columns.len();
    let Some((table, columns)) = step.copied.filter(|_| values.len() / width >= COPIED) else { return Ok(false) };
    let mut users: Vec<_> = values.iter().step_by(width).filter_map(Value::number).collect();
    users.dedup();
    let there = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE user_id = ANY($1))");
    if transaction.query_one(&there, &[&users])?.try_get(0)? {
        return Ok(false);
    }
    let sink = transaction.copy_in(&format!("COPY {table} ({columns}) FROM STDIN BINARY"))?;
    let types: Vec<_> = step.columns.iter().map(|(_, kind)| copied_type(*kind)).collect();
    let mut rows = BinaryCopyInWriter::new(sink, &types);
    for row in values.chunks(width) {
        rows.write_raw(row)?;
    }
    rows.finish()?;
    Ok(true)
}

const fn copied_type(kind: Kind) -> Type {
    match kind {
        Kind::Number => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Flag => Type::BOOL,
        Kind::Bytes => Type::BYTEA,
    }
}

/// As a value of a column's own type; that is what a step's rows hold.
impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Number(number) => number.to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
            Self::Word(word) => word.to_sql(of, out),
            Self::Flag(flag) => flag.to_sql(of, out),
            Self::Bytes(bytes) => bytes.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BOOL, Type::BYTEA].contains(of)
    }

    to_sql_checked!();
}

impl Value {
    const fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    const fn flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }

    fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

fn value(row: &Row, at: usize, kind: Kind) -> Result<Value, postgres::Error> {
    Ok(match kind {
        Kind::Number => row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Number),
        Kind::Text => row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
        Kind::Flag => row.try_get::<_, Option<bool>>(at)?.map_or(Value::Null, Value::Flag),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
    })
}

impl Store for Postgres {
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SqlError> {
        let mut read = || {
            let Some(row) = self.client.query_opt(READ_CHECKPOINT, &[])? else { return Ok(None) };
            Ok(Some(Checkpoint {
                journal: row.try_get(0)?,
                epoch: row.try_get(1)?,
                position: row.try_get(2)?,
                chain: row.try_get(3)?,
                written_ms: row.try_get(4)?,
            }))
        };
        read().map_err(said("reading the checkpoint"))
    }

    fn write(&mut self, changes: &Changes, checkpoint: &Checkpoint) -> Result<(), SqlError> {
        let Self { client, texts, statements } = self;
        let mut write = || {
            let mut transaction = client.transaction()?;
            for (step, values) in changes.portions().iter().flat_map(|portion| portion.steps()) {
                if copy(&mut transaction, &STEPS[step as usize], values)? {
                    continue;
                }
                let columns = STEPS[step as usize].columns;
                let arrays: Vec<_> = columns
                    .iter()
                    .enumerate()
                    .map(|(at, (_, kind))| column(values, at, columns.len(), *kind))
                    .collect();
                let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| &**array).collect();
                for (text, prepared) in texts[step as usize].iter().zip(&mut statements[step as usize]) {
                    let statement = match prepared {
                        Some(statement) => statement,
                        None => prepared.insert(transaction.prepare(text)?),
                    };
                    transaction.execute(statement, &arrays)?;
                }
            }
            let Checkpoint { journal, epoch, position, chain, written_ms } = checkpoint;
            transaction.execute(WRITE_CHECKPOINT, &[journal, epoch, position, chain, written_ms])?;
            transaction.commit()
        };
        write().map_err(said("writing to Postgres"))
    }

    fn begin_reading(&mut self) -> Result<Option<Checkpoint>, SqlError> {
        let begin = self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        begin.map_err(said("reading the tables"))?;
        self.checkpoint()
    }

    fn read(&mut self, table: &Table, each: &mut dyn FnMut(Line)) -> Result<(), SqlError> {
        let mut read = || {
            let mut rows = self.client.query_raw(&table.query(), std::iter::empty::<i64>())?;
            while let Some(row) = rows.next()? {
                let line = table.columns.iter().enumerate().map(|(at, (_, kind))| value(&row, at, *kind));
                each(line.collect::<Result<_, _>>()?);
            }
            Ok(())
        };
        read().map_err(said("reading the tables"))
    }

    fn clear(&mut self) -> Result<(), SqlError> {
        let sql = format!("TRUNCATE {}", names().collect::<Vec<_>>().join(", "));
        self.client.batch_execute(&sql).map_err(said("emptying the tables"))
    }
}

/// Whether a connection can be made as it is asked for.
pub(super) fn check(config: &Config) -> Result<(), String> {
    if config.get_hosts().is_empty() {
        return Err("it names no host".into());
    }
    Ok(())
}
