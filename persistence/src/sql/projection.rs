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

use ringdove_core::ids::{Epoch, Position};

use super::changes::Changes;
use super::error::SqlError;
use super::store::{Checkpoint, Store};
use super::target::Target;
use crate::journal::{Mark, Storage, Tail};

/// Rows of one transaction; the events of one record stay together.
const ROWS: usize = 8_192;
/// Records that change no table move the checkpoint after so long, or so many bytes.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// Tables, and the journal that they follow.
pub(super) struct Projection<S: Storage> {
    target: Target,
    store: Option<Box<dyn Store>>,
    tail: Tail<S>,
    changes: Changes,
    /// Where the journal went on when the checkpoint was written, and when that was.
    checkpoint: (Position, Instant),
}

impl<S: Storage> Projection<S> {
    pub(super) fn new(target: Target, tail: Tail<S>) -> Self {
        let checkpoint = (Position(0), Instant::now());
        Self { target, store: None, tail, changes: Changes::default(), checkpoint }
    }

    /// Everything below is in the tables.
    pub(super) fn position(&self) -> Position {
        self.tail.next()
    }

    /// Opens the database, if it is not open, and goes on behind its checkpoint. The journal has records up to `end`.
    pub(super) fn open(&mut self, end: Position) -> Result<(), SqlError> {
        if self.store.is_some() {
            return Ok(());
        }
        self.changes.clear();
        let mut store = self.target.open()?;
        let found = store.checkpoint()?;
        let ours = self.tail.journal();
        let mark = match &found {
            Some(Checkpoint { journal, .. }) if *journal != ours => {
                return Err(SqlError::Foreign { theirs: journal.clone(), ours });
            }
            Some(Checkpoint { position, chain, .. }) => Some((
                Position(u64::try_from(*position).unwrap_or(u64::MAX)),
                // one that is none is no record's
                u32::try_from(*chain).unwrap_or(0),
            )),
            None => None,
        };
        if !self.tail.go_behind(mark, end) {
            let Checkpoint { epoch, .. } = found.unwrap_or(Checkpoint::of(ours, NOTHING));
            return Err(SqlError::Ahead { position: mark.map_or(Position(0), |(position, _)| position), epoch });
        }
        self.checkpoint = (self.tail.next(), Instant::now());
        self.store = Some(store);
        Ok(())
    }

    /// Empties the tables and goes back to the begin.
    pub(super) fn clear(&mut self) -> Result<(), SqlError> {
        let mut store = self.target.open()?;
        store.clear()?;
        self.store = Some(store);
        self.changes.clear();
        self.tail.go_behind(None, Position(0));
        self.checkpoint = (self.tail.next(), Instant::now());
        Ok(())
    }

    /// Projects one transaction's worth of what the journal has below `end`. Returns whether there is more.
    ///
    /// # Errors
    /// After one of them the database is closed: open it again.
    pub(super) fn advance(&mut self, end: Position) -> Result<bool, SqlError> {
        let advanced = self.gather(end).and_then(|more| {
            let (at, when) = self.checkpoint;
            let passed = self.tail.next().0.saturating_sub(at.0);
            let due = passed > CHECKPOINT_BYTES || (passed > 0 && when.elapsed() > CHECKPOINT_EVERY);
            if !self.changes.is_empty() || due {
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
    pub(super) fn finish(&mut self) -> Result<(), SqlError> {
        if self.store.is_some() && self.tail.next() > self.checkpoint.0 { self.write() } else { Ok(()) }
    }

    fn gather(&mut self, end: Position) -> Result<bool, SqlError> {
        let Self { tail, changes, .. } = self;
        let mut more = true;
        while more && changes.rows() < ROWS {
            more = tail.read(end, |time, body| {
                changes.take(time, body).map_err(|error| SqlError::Journal(error.to_string()))?;
                Ok::<_, SqlError>(changes.rows() < ROWS)
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

/// No record at all.
const NOTHING: Mark = Mark { position: Position(0), epoch: Epoch(0), chain: 0, time: ringdove_core::ids::Time(0) };

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
}
