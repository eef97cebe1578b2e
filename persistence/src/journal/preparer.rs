//! Makes segments ahead of the writer, syncs behind it at level `process`, and lets old segments leave memory. It may block, so it runs on a thread of its own and
//! gates no ring.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove_core::agent::Agent;
use ringdove_core::ids::{Epoch, Position};
use ringdove_core::rings::{Progress, Shutdown};

use super::pace::Pace;
use super::segments::Segments;
use super::stage::{Durability, Fault};
use super::storage::{Storage, StorageFile};

/// At level `memory`, where none takes long to make, so many segments are ready beyond the one that is written.
const MEMORY_AHEAD: u64 = 2;
/// At level `memory` so many segments are there at least: that one and these.
const MEMORY_SEGMENTS: u64 = 1 + MEMORY_AHEAD;
/// What leaves memory does so in steps of so many bytes. Segments are at least as large.
const FORGOTTEN_AT_ONCE: u64 = 1 << 20;
/// Level process: so many bytes are synced at once, however long ago the last sync was.
const SYNCED_AT_ONCE: u64 = 16 << 20;
/// A disk that had no room is asked again so often.
const RETRY: Duration = Duration::from_secs(1);

/// Prepares segments and syncs in the background.
pub struct Preparer<S: Storage> {
    segments: Arc<Segments<S>>,
    durability: Durability,
    epoch: Epoch,
    progress: Arc<Progress>,
    shutdown: Arc<Shutdown>,
    on_fault: Box<dyn Fn(Fault) + Send>,
    now: Box<dyn Fn() -> Instant + Send>,
    sync_every: Duration,
    /// So many bytes of what was synced stay in memory.
    keep: u64,
    /// What is below this position has left memory.
    forgotten: u64,
    pace: Pace,
    /// When the last sync began; at first, when this was made: recovery leaves nothing that is not on disk.
    synced_at: Instant,
    failed_at: Option<Instant>,
    latched: bool,
}

impl<S: Storage> Preparer<S> {
    #[allow(clippy::too_many_arguments, reason = "called once, by recovery::Opened")]
    pub(crate) fn new(
        segments: Arc<Segments<S>>,
        durability: Durability,
        epoch: Epoch,
        sync_every: Duration,
        keep: u64,
        progress: Arc<Progress>,
        shutdown: Arc<Shutdown>,
        on_fault: Box<dyn Fn(Fault) + Send>,
        now: Box<dyn Fn() -> Instant + Send>,
    ) -> Self {
        let begin = now();
        Self {
            pace: Pace::new(progress.released().0 / segments.bytes, begin),
            segments,
            durability,
            epoch,
            progress,
            shutdown,
            on_fault,
            now,
            sync_every,
            keep,
            forgotten: 0,
            synced_at: begin,
            failed_at: None,
            latched: false,
        }
    }

    /// Makes the next segment if it is needed. Returns whether it made one.
    fn prepare(&mut self) -> bool {
        let bytes = self.segments.bytes;
        let prepared = self.progress.prepared().0 / bytes;
        let written = self.progress.released().0 / bytes;
        let now = (self.now)();
        let ahead = if self.durability == Durability::Memory { MEMORY_AHEAD } else { self.pace.ahead(written, now) };
        // it never becomes less, so one that could not be made is tried again
        let wanted = written + 1 + ahead;
        if prepared >= wanted || self.failed_at.is_some_and(|at| now.saturating_duration_since(at) < RETRY) {
            return false;
        }
        match self.segments.prepare(prepared, self.epoch) {
            Ok(()) => {
                if self.failed_at.take().is_some() {
                    tracing::info!("the journal's next segment is prepared");
                }
                self.progress.prepare(Position((prepared + 1) * bytes), false);
                let keep = (self.keep / bytes).max(MEMORY_SEGMENTS);
                if self.durability == Durability::Memory && self.segments.count() as u64 > keep {
                    self.segments.drop_oldest();
                }
                true
            }
            Err(error) => {
                if self.failed_at.is_none() {
                    tracing::warn!(%error, "the journal's next segment cannot be prepared; sends will be refused when those that are ready are full");
                }
                self.failed_at = Some((self.now)());
                let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                self.progress.prepare(Position(prepared * bytes), full);
                false
            }
        }
    }

    /// Lets what is old leave memory once it is on disk. Without it the map would hold all of a journal's pages, and a container's
    /// memory with it; and a virtual machine would have to find a new page for each one written, at several times the price of one that was used
    /// before. For the same reason it goes in small steps: many pages that are free at once are given back to the host.
    fn forget(&mut self) {
        if self.durability == Durability::Memory {
            return;
        }
        let bytes = self.segments.bytes;
        let old = self.progress.synced().0.saturating_sub(self.keep) / FORGOTTEN_AT_ONCE * FORGOTTEN_AT_ONCE;
        while self.forgotten < old {
            let (index, from) = (self.forgotten / bytes, self.forgotten % bytes);
            let to = bytes.min(old - index * bytes);
            if let Some(file) = self.segments.get(index) {
                file.forget(from, to);
            }
            self.forgotten = index * bytes + to;
        }
    }

    /// Level process: brings what was released to disk now and then, and sooner if it has become much.
    fn sync(&mut self) {
        if self.durability != Durability::Process {
            return;
        }
        let (from, to) = (self.progress.synced(), self.progress.released());
        let now = (self.now)();
        if to.0 - from.0 < SYNCED_AT_ONCE && now.saturating_duration_since(self.synced_at) < self.sync_every {
            return;
        }
        self.synced_at = now;
        if from == to {
            return;
        }
        for file in self.segments.range(from.0 / self.segments.bytes, to.0 / self.segments.bytes) {
            if let Err(error) = file.sync() {
                self.latched = true;
                (self.on_fault)(Fault { what: "syncing the journal".into(), error });
                return;
            }
        }
        self.progress.sync(to);
    }
}

impl<S: Storage> Agent for Preparer<S> {
    fn name(&self) -> &'static str {
        "preparer"
    }

    fn do_work(&mut self) -> usize {
        if self.latched || self.is_finished() {
            return 0;
        }
        // before a sync, which may take long: sends are refused when no segment is ready
        let prepared = self.prepare();
        self.sync();
        self.forget();
        usize::from(prepared)
    }

    fn is_finished(&self) -> bool {
        // from here on the journal syncs for itself
        self.shutdown.is_engine_done()
    }
}
