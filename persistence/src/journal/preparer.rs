//! Makes segments ahead of the writer, syncs behind it at level `process`, and lets old segments leave memory. It may block, so it runs on a thread of its own and
//! gates no ring.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove_core::agent::Agent;
use ringdove_core::ids::{Epoch, Position};
use ringdove_core::rings::{Progress, Shutdown};

use super::segments::Segments;
use super::stage::{Durability, Fault, is_due};
use super::storage::{Storage, StorageFile};

/// So many segments are ready beyond the one that is written.
const AHEAD: u64 = 2;
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
    sync_every: Duration,
    /// So many segments stay in memory.
    keep: usize,
    /// Segments below this one have left memory.
    forgotten: u64,
    synced_at: Option<Instant>,
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
        keep: usize,
        progress: Arc<Progress>,
        shutdown: Arc<Shutdown>,
        on_fault: Box<dyn Fn(Fault) + Send>,
    ) -> Self {
        Self {
            segments,
            durability,
            epoch,
            progress,
            shutdown,
            on_fault,
            sync_every,
            keep,
            forgotten: 0,
            synced_at: None,
            failed_at: None,
            latched: false,
        }
    }

    /// Makes the next segment if it is needed. Returns whether it made one.
    fn prepare(&mut self) -> bool {
        let bytes = self.segments.bytes;
        let prepared = self.progress.prepared().0 / bytes;
        let wanted = self.progress.released().0 / bytes + 1 + AHEAD;
        if prepared >= wanted || (self.failed_at.is_some() && !is_due(self.failed_at, RETRY)) {
            return false;
        }
        match self.segments.prepare(prepared, self.epoch) {
            Ok(()) => {
                if self.failed_at.take().is_some() {
                    tracing::info!("the journal's next segment is prepared");
                }
                self.progress.prepare(Position((prepared + 1) * bytes), false);
                if self.durability == Durability::Memory && self.segments.count() > self.keep {
                    self.segments.drop_oldest();
                }
                true
            }
            Err(error) => {
                if self.failed_at.is_none() {
                    tracing::warn!(%error, "the journal's next segment cannot be prepared; sends will be refused when this one is full");
                }
                self.failed_at = Some(Instant::now());
                let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                self.progress.prepare(Position(prepared * bytes), full);
                false
            }
        }
    }

    /// Lets old segments leave memory once they are on disk. Without it the map would hold all of a journal's pages, and a
    /// container's memory with it; and a virtual machine would have to find a new page for each one written, at several times the price of one
    /// that was used before.
    fn forget(&mut self) {
        let behind = (self.progress.synced().0 / self.segments.bytes).saturating_sub(self.keep as u64);
        if self.durability == Durability::Memory || behind <= self.forgotten {
            return;
        }
        for file in self.segments.range(self.forgotten, behind - 1) {
            file.forget();
        }
        self.forgotten = behind;
    }

    /// Level process: brings what was released to disk now and then.
    fn sync(&mut self) {
        if self.durability != Durability::Process || !is_due(self.synced_at, self.sync_every) {
            return;
        }
        self.synced_at = Some(Instant::now());
        let (from, to) = (self.progress.synced(), self.progress.released());
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
        self.sync();
        self.forget();
        usize::from(self.prepare())
    }

    fn is_finished(&self) -> bool {
        // from here on the journal syncs for itself
        self.shutdown.is_engine_done()
    }
}
