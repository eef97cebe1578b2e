//! What stages tell each other beside the rings: how far the journal is, that there is space again, that it is time to end.

use std::sync::Arc;

use super::doorbell::Doorbell;
use super::sync::{AtomicBool, AtomicU64, Ordering, fence};
use crate::ids::Position;

/// How far the journal is. Written by the journal and its preparer, read by everyone.
pub struct Progress {
    released: AtomicU64,
    synced: AtomicU64,
    prepared: AtomicU64,
    disk_full: AtomicBool,
    ticks: AtomicBool,
}

impl Progress {
    /// Starts with everything up to `next` on disk and segments prepared up to `prepared`.
    pub fn new(next: Position, prepared: Position) -> Self {
        Self {
            released: AtomicU64::new(next.0),
            synced: AtomicU64::new(next.0),
            prepared: AtomicU64::new(prepared.0),
            disk_full: AtomicBool::new(false),
            ticks: AtomicBool::new(false),
        }
    }

    /// Everything below may be told. Whoever reads this position finds the bytes below it in the map.
    pub fn released(&self) -> Position {
        Position(self.released.load(Ordering::Acquire))
    }
    /// Everything below is on disk.
    pub fn synced(&self) -> Position {
        Position(self.synced.load(Ordering::Acquire))
    }
    /// Segments are preallocated up to here.
    pub fn prepared(&self) -> Position {
        Position(self.prepared.load(Ordering::Acquire))
    }
    /// Whether the last attempt to prepare a segment found no room.
    pub fn disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// Whether the engine waits for time to pass. Only slots that it publishes make it wait, so whoever reads them sees it in time.
    pub fn ticks_wanted(&self) -> bool {
        self.ticks.load(Ordering::Relaxed)
    }
    /// The engine waits for time to pass, or does not any more.
    pub fn want_ticks(&self, wanted: bool) {
        if self.ticks_wanted() != wanted {
            self.ticks.store(wanted, Ordering::Relaxed);
        }
    }

    /// The journal has made everything below `end` durable at the configured level. Call after the bytes are written.
    pub fn release(&self, end: Position) {
        self.released.store(end.0, Ordering::Release);
    }
    /// Everything below `end` is on disk. Both that write may say so, in any order: what is on disk does not become less.
    pub fn sync(&self, end: Position) {
        self.synced.fetch_max(end.0, Ordering::Release);
    }
    /// Segments are preallocated up to `end`, or the disk is full.
    pub fn prepare(&self, end: Position, disk_full: bool) {
        self.prepared.store(end.0, Ordering::Release);
        self.disk_full.store(disk_full, Ordering::Relaxed);
    }
}

/// "There is space again": a producer that met a full ring is woken when its consumer has drained.
///
/// The producer calls [`SpaceSignal::wait`], tries once more, and may then sleep; the consumer calls [`SpaceSignal::freed`] after
/// it has stored its cursor.
pub struct SpaceSignal {
    waiting: AtomicBool,
    producer: Arc<Doorbell>,
}

impl SpaceSignal {
    /// A signal to the thread behind `producer`.
    pub fn new(producer: Arc<Doorbell>) -> Self {
        Self { waiting: AtomicBool::new(false), producer }
    }

    /// For the producer that met a full ring: try once more after this.
    pub fn wait(&self) {
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// For the consumer, after it has drained.
    pub fn freed(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Relaxed) {
            self.producer.ring();
        }
    }
}

/// The shutdown handshake, in the order of the pipeline: the reactors stop reading and publish their last, then the engine decides
/// what it was given and ends the commit ring, then the journal writes it and syncs, then the reactors send what is left.
pub struct Shutdown {
    asked: AtomicBool,
    reactors_done: AtomicU64,
    engine_done: AtomicBool,
    journal_done: AtomicBool,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Nobody has asked.
    pub fn new() -> Self {
        Self {
            asked: AtomicBool::new(false),
            reactors_done: AtomicU64::new(0),
            engine_done: AtomicBool::new(false),
            journal_done: AtomicBool::new(false),
        }
    }

    /// Asks everyone to end; ring all doorbells after it.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }
    /// Whether it is time to end.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
    /// A reactor has published its last command.
    pub fn reactor_done(&self) {
        self.reactors_done.fetch_add(1, Ordering::AcqRel);
    }
    /// How many reactors have published their last command: what they published before is visible to who reads this.
    pub fn reactors_done(&self) -> u64 {
        self.reactors_done.load(Ordering::Acquire)
    }
    /// The engine has published its last slot.
    pub fn engine_done(&self) {
        self.engine_done.store(true, Ordering::Release);
    }
    /// Whether the engine has published its last slot.
    pub fn is_engine_done(&self) -> bool {
        self.engine_done.load(Ordering::Acquire)
    }
    /// The journal has written and synced the last record.
    pub fn journal_done(&self) {
        self.journal_done.store(true, Ordering::Release);
    }
    /// Whether the journal has written and synced the last record.
    pub fn is_journal_done(&self) -> bool {
        self.journal_done.load(Ordering::Acquire)
    }
}
