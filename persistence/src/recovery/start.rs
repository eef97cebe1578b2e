//! Opening a journal: new, as it was left, or in memory only.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove_core::agent::Agent;
use ringdove_core::engine::Start;
use ringdove_core::ids::Position;
use ringdove_core::record::{Cursor, RecordHead, SEGMENT_HEADER};
use ringdove_core::rings::{Progress, Shutdown};

use super::error::JournalError;
use super::inspect::refuse;
use super::meta::Meta;
use super::scan::{Bounds, Damage, OpenSegment, Scan, open_segments, scan};
use crate::journal::{
    Durability, Fault, FileStorage, Journal, MemoryStorage, Preparer, Reader, Segments, Storage, StorageFile, Tail,
    Ties, segment_name,
};

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a segment of a new journal: a power of two. An existing journal keeps its own.
    pub segment_bytes: u64,
    /// What a message that was told survives.
    pub durability: Durability,
    /// Level process: how often what was written is brought to disk.
    pub sync_every: Duration,
    /// At most so many bytes stay in memory, but the segments that are written and prepared always. At level memory the rest is gone,
    /// at the others it is read from disk.
    pub memory_bytes: u64,
    /// 16 random bytes: the UUID of a new journal.
    pub new_uuid: [u8; 16],
    /// The system's boot id, and the identity of the folder: both as found before means that a mere crash of the process lost
    /// nothing.
    pub boot: String,
    /// Device and inode of the folder.
    pub folder: String,
}

/// A journal that was opened, ready for its stages.
pub struct Opened<S: Storage> {
    segments: Arc<Segments<S>>,
    options: Options,
    meta: Meta,
    chain: u32,
    /// Where the engine goes on.
    pub start: Start,
    /// How far the journal is.
    pub progress: Arc<Progress>,
    /// Records that were replayed.
    pub records: u64,
    /// What was cut off its end, in words.
    pub cut: Option<String>,
    /// Why a new epoch begins with this start, if one does.
    pub new_epoch: Option<&'static str>,
}

impl<S: Storage> Opened<S> {
    /// The stage that writes.
    ///
    /// # Errors
    /// The segment to go on in is not there.
    pub fn journal(&self, ties: Ties) -> Result<Journal<S>, JournalError> {
        let next = self.start.cursor.next();
        Journal::new(Arc::clone(&self.segments), self.options.durability, next, self.chain, ties)
            .map_err(JournalError::io("opening the current segment"))
    }

    /// The stage that makes segments ahead and syncs behind; for a thread of its own. `now` tells it the time.
    pub fn preparer(
        &self,
        shutdown: Arc<Shutdown>,
        on_fault: Box<dyn Fn(Fault) + Send>,
        now: Box<dyn Fn() -> Instant + Send>,
    ) -> impl Agent + use<S> {
        Preparer::new(
            Arc::clone(&self.segments),
            self.options.durability,
            self.start.epoch,
            self.options.sync_every,
            self.options.memory_bytes,
            Arc::clone(&self.progress),
            shutdown,
            on_fault,
            now,
        )
    }

    /// Reads records back while the journal goes on.
    pub fn reader(&self) -> Reader<S> {
        Reader { segments: Arc::clone(&self.segments), progress: Arc::clone(&self.progress) }
    }

    /// The journal's UUID, in hex.
    pub fn uuid(&self) -> &str {
        &self.meta.uuid
    }

    /// Reads all records in order, behind the stage that writes them.
    pub fn tail(&self) -> Tail<S> {
        Tail::new(Arc::clone(&self.segments))
    }

    /// Notes that everything is on disk and the process ended in order.
    ///
    /// # Errors
    /// The note cannot be written; the next start then verifies as after a crash.
    pub fn close(mut self) -> Result<(), JournalError> {
        // a journal that broke has not ended in order, whoever calls this
        if self.options.durability == Durability::Memory || self.progress.synced() != self.progress.released() {
            return Ok(());
        }
        self.meta.clean = true;
        self.meta.write(&self.segments.storage)
    }
}

/// A journal of level `memory`.
///
/// # Errors
/// There is not enough memory.
pub fn open_memory(options: Options) -> Result<Opened<MemoryStorage>, JournalError> {
    let options = Options { durability: Durability::Memory, ..options };
    let meta = new_meta(&options);
    begin(MemoryStorage, options, meta)
}

/// Opens the journal in `folder`: verifies all of it and hands every record to `apply`, cuts a torn tail, opens a new epoch where
/// that is due, and makes a new journal where there is none. `watch` hears how many segments of how many were read.
///
/// # Errors
/// See [`JournalError`]. A damaged journal is not touched.
pub fn recover<S: Storage>(
    storage: S,
    options: Options,
    mut apply: impl FnMut(RecordHead, &[u8]) -> Result<(), String>,
    mut watch: impl FnMut(u64, u64),
) -> Result<Opened<S>, JournalError> {
    let Some(mut meta) = Meta::read(&storage)? else {
        let meta = new_meta(&options);
        meta.write(&storage)?;
        return begin(storage, options, meta);
    };
    let uuid = meta.uuid().unwrap_or_default();
    let bytes = meta.segment_bytes;
    let mut segments = open_segments(&storage, uuid, bytes, Position(u64::MAX))?;
    let total = segments.len() as u64;
    let first = segments.first().map_or(0, |segment| segment.index);
    let bounds = Bounds { limit: Position(u64::MAX), clean: meta.clean };
    let found = scan(&segments, bounds, |met| {
        watch(met.index - first, total);
        let Some(body) = met.body else { return Ok(()) };
        apply(met.head, body).map_err(|why| JournalError::Unreadable {
            file: segment_name(met.index),
            offset: met.offset,
            position: met.head.position,
            why,
        })
    })?;
    watch(total, total);
    let same_boot = meta.boot == options.boot && meta.folder == options.folder;
    refuse(&found, meta.clean, bytes)?;
    let mut cut = found.damage.map(|damage| words(damage, bytes));
    if found.residue.is_some() && !same_boot && cut.is_none() {
        cut = Some("an unfinished record".into());
    }
    let unclean = !meta.clean && !meta.disk && !same_boot;
    // a crashed process leaves records in the page cache; from here on they count as synced
    for segment in segments.iter().filter(|segment| segment.header.base.0 + bytes > found.synced.0) {
        let what = || format!("syncing {}", segment_name(segment.index));
        segment.file.sync().map_err(|error| JournalError::Io { what: what(), error })?;
    }
    let new_epoch = match (cut.is_some(), meta.cut, unclean) {
        (true, _, _) => Some("the journal's tail was torn and has been cut"),
        (_, true, _) => Some("the journal was repaired"),
        (_, _, true) => Some("the last end was unclean, and the machine or the folder is not the same since"),
        _ => None,
    };

    meta.clean = false;
    meta.cut = false;
    meta.disk = options.durability == Durability::Disk;
    meta.boot.clone_from(&options.boot);
    meta.folder.clone_from(&options.folder);
    if new_epoch.is_some() {
        meta.epoch += 1;
        meta.first_segment = meta.first_segment.max(segments.last().map_or(0, |segment| segment.index + 1));
    }
    // before anything is cut: a start that is interrupted goes on from here, and uses no position twice
    meta.write(&storage)?;
    if cut.is_some() || found.residue.is_some() {
        clear_behind(&storage, &mut segments, found.end, bytes)?;
    }
    while let Some(empty) =
        segments.pop_if(|segment| segment.index < meta.first_segment && segment.header.base >= found.end)
    {
        remove(&storage, empty.index)?;
    }
    let mut opened = go_on(storage, options, meta, segments, &found)?;
    opened.records = found.records;
    opened.cut = cut;
    opened.new_epoch = new_epoch;
    Ok(opened)
}

fn words(damage: Damage, bytes: u64) -> String {
    let Damage { index, offset, what } = damage;
    format!("{what} in {} at offset {offset}, position {}", segment_name(index), index * bytes + offset)
}

pub(super) fn remove(storage: &impl Storage, index: u64) -> Result<(), JournalError> {
    let name = segment_name(index);
    storage.remove(&name).and_then(|()| storage.sync_folder()).map_err(JournalError::io(format!("removing {name}")))
}

/// Zeroes everything behind `end` in its segment and removes the segments behind it.
pub(super) fn clear_behind<S: Storage>(
    storage: &S,
    segments: &mut Vec<OpenSegment<S::File>>,
    end: Position,
    bytes: u64,
) -> Result<(), JournalError> {
    let index = end.0.saturating_sub(1) / bytes;
    while let Some(last) = segments.pop_if(|segment| segment.index > index) {
        remove(storage, last.index)?;
    }
    let Some(segment) = segments.last().filter(|segment| segment.index == index || end.0 == 0) else { return Ok(()) };
    let from = end.0.saturating_sub(segment.header.base.0).max(SEGMENT_HEADER);
    let zeros = vec![0; 1 << 16];
    let zero = || {
        let mut at = from;
        while at < bytes {
            let len = zeros.len().min((bytes - at) as usize);
            segment.file.write(at, &zeros[..len])?;
            at += len as u64;
        }
        segment.file.sync()
    };
    zero().map_err(JournalError::io(format!("clearing the end of {}", segment_name(segment.index))))
}

fn new_meta(options: &Options) -> Meta {
    Meta {
        uuid: options.new_uuid.iter().map(|byte| format!("{byte:02x}")).collect(),
        segment_bytes: options.segment_bytes,
        epoch: 1,
        first_segment: 0,
        clean: false,
        cut: false,
        disk: options.durability == Durability::Disk,
        boot: options.boot.clone(),
        folder: options.folder.clone(),
    }
}

/// A journal without records.
fn begin<S: Storage>(storage: S, options: Options, meta: Meta) -> Result<Opened<S>, JournalError> {
    go_on(storage, options, meta, Vec::new(), &Scan::default())
}

/// Goes on behind the last record of the epoch, or at the begin of the epoch's first segment.
fn go_on<S: Storage>(
    storage: S,
    options: Options,
    meta: Meta,
    found_segments: Vec<OpenSegment<S::File>>,
    found: &Scan,
) -> Result<Opened<S>, JournalError> {
    let bytes = meta.segment_bytes;
    let epoch = meta.epoch();
    let begin = Position(meta.first_segment * bytes);
    let (next, chain) = if found.end > begin { (found.end, found.chain) } else { (begin, 0) };
    // the place behind a segment's last byte, or before its first record
    let next = if next.0 % bytes == 0 { Position(next.0 + SEGMENT_HEADER) } else { next };
    let mut prepared = next.0 / bytes;
    let segments = Segments::new(storage, meta.uuid().unwrap_or_default(), bytes);
    for segment in found_segments {
        prepared = prepared.max(segment.index + 1);
        segments.insert(segment.index, segment.file);
    }
    while prepared < next.0 / bytes + 2 {
        let name = segment_name(prepared);
        segments.prepare(prepared, epoch).map_err(JournalError::io(format!("preparing {name}")))?;
        prepared += 1;
    }
    Ok(Opened {
        start: Start { cursor: Cursor::new(next, bytes), epoch, time: found.time },
        progress: Arc::new(Progress::new(next, Position(prepared * bytes))),
        segments: Arc::new(segments),
        options,
        meta,
        chain,
        records: 0,
        cut: None,
        new_epoch: None,
    })
}

/// The journal's folder inside a data folder.
pub(super) fn journal_folder(data: &Path) -> std::path::PathBuf {
    data.join("journal")
}

/// The storage of an existing journal, for reading only.
pub(super) fn existing(data: &Path) -> FileStorage {
    FileStorage::read_only(&journal_folder(data))
}
