//! The projection: tables that follow the journal, as far as it is on disk.
//!
//! ```text
//!  journal ─▶ tail (up to synced) ─▶ changes ─▶ one transaction: changes + checkpoint ─▶ SQLite or Postgres
//!                 ▲                                       │ anything wrong
//!                 └── go on behind the checkpoint that is there ◀── open again, with growing pauses
//! ```
//! Whatever breaks, nothing is projected twice or left out: what is gathered is forgotten, and the checkpoint in the database says where to
//! go on.

use std::time::{Duration, Instant};

use ringdove_core::ids::Position;

use super::changes::Changes;
use super::error::SqlError;
use super::store::{Checkpoint, Store};
use super::target::Target;
use crate::journal::{Mark, Storage, Tail};

/// Records that change no table move the checkpoint after so long, or so many bytes.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// Tables, and the journal that they follow. It runs when it is told to: see [`super::Projector`] for a thread that does.
pub struct Projection<S: Storage> {
    target: Target,
    rows: usize,
    store: Option<Box<dyn Store>>,
    tail: Tail<S>,
    changes: Changes,
    /// Where the journal went on when the checkpoint was written, and when that was.
    checkpoint: (Position, Instant),
}

impl<S: Storage> Projection<S> {
    /// The tables of a journal, not opened yet; a transaction ends once it has `rows` rows.
    pub(super) fn new(target: Target, tail: Tail<S>, rows: usize) -> Self {
        let checkpoint = (Position(0), Instant::now());
        Self { target, rows, store: None, tail, changes: Changes::default(), checkpoint }
    }

    /// Everything below is in the tables.
    pub fn position(&self) -> Position {
        self.tail.next()
    }

    /// Opens the database, if it is not open, and goes on behind its checkpoint. The journal has records up to `end`.
    ///
    /// # Errors
    /// It cannot be opened, or does not belong to this journal.
    pub fn open(&mut self, end: Position) -> Result<(), SqlError> {
        if self.store.is_some() {
            return Ok(());
        }
        self.changes.clear();
        let mut store = self.target.open(&self.tail.journal())?;
        match store.checkpoint()? {
            Some(found) => found.go_behind(&mut self.tail, end)?,
            None => drop(self.tail.go_behind(None, end)),
        }
        self.checkpoint = (self.tail.next(), Instant::now());
        self.store = Some(store);
        Ok(())
    }

    /// Empties the tables and goes back to the begin.
    ///
    /// # Errors
    /// As the database says.
    pub fn clear(&mut self) -> Result<(), SqlError> {
        let mut store = self.target.open(&self.tail.journal())?;
        store.clear()?;
        self.store = Some(store);
        self.changes.clear();
        self.tail.go_behind(None, Position(0));
        self.checkpoint = (self.tail.next(), Instant::now());
        Ok(())
    }

    /// Projects one transaction's worth of what the journal has below `end`. Returns whether there may be more.
    ///
    /// # Errors
    /// After one of them the database is closed: open it again.
    pub fn advance(&mut self, end: Position) -> Result<bool, SqlError> {
        let advanced = self.gather(end).and_then(|more| {
            if !self.changes.is_empty() || is_due(self.tail.next(), self.checkpoint) {
                self.write()?;
            }
            Ok(more)
        });
        if advanced.is_err() {
            self.store = None;
        }
        advanced
    }

    /// Writes the checkpoint, however little it has moved.
    ///
    /// # Errors
    /// As the database says.
    pub fn finish(&mut self) -> Result<(), SqlError> {
        if self.store.is_some() && self.tail.next() > self.checkpoint.0 { self.write() } else { Ok(()) }
    }

    fn gather(&mut self, end: Position) -> Result<bool, SqlError> {
        let Self { tail, changes, rows, checkpoint, .. } = self;
        let mut more = !tail.skip_talk(end);
        while more && changes.rows() < *rows && !is_due(tail.next(), *checkpoint) {
            more = tail.read(end, |head, body| {
                changes.take(head.time, body).map_err(|error| SqlError::Journal(error.to_string()))?;
                Ok::<_, SqlError>(changes.rows() < *rows)
            })?;
        }
        Ok(more)
    }

    fn write(&mut self) -> Result<(), SqlError> {
        let (Some(store), Some(mark)) = (&mut self.store, self.tail.last()) else { return Ok(()) };
        store.write(&self.changes, &Checkpoint::of(self.tail.journal(), mark))?;
        self.changes.clear();
        self.checkpoint = (self.tail.next(), Instant::now());
        Ok(())
    }
}

/// Whether the checkpoint is to be moved, whatever was gathered.
fn is_due(next: Position, (at, when): (Position, Instant)) -> bool {
    let passed = next.0.saturating_sub(at.0);
    passed > CHECKPOINT_BYTES || (passed > 0 && when.elapsed() > CHECKPOINT_EVERY)
}

impl Checkpoint {
    fn of(journal: String, mark: Mark) -> Self {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            journal,
            epoch: mark.epoch.0.into(),
            position: number(mark.position.0),
            chain: mark.chain.into(),
            written_ms: number(mark.time.0),
        }
    }

    /// Moves a journal's tail behind the last record that is in the tables. The journal has records up to `end`.
    pub(super) fn go_behind<S: Storage>(&self, tail: &mut Tail<S>, end: Position) -> Result<(), SqlError> {
        let ours = tail.journal();
        if self.journal != ours {
            return Err(SqlError::Foreign { theirs: self.journal.clone(), ours });
        }
        // what is no number of ours is no record's
        let position = Position(u64::try_from(self.position).unwrap_or(u64::MAX));
        let mark = (position, u32::try_from(self.chain).unwrap_or(0));
        if tail.go_behind(Some(mark), end) { Ok(()) } else { Err(SqlError::Ahead { position, epoch: self.epoch }) }
    }
}
