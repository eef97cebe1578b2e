//! The table of open segments, and how a new one is made.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use ringdove_core::ids::{Epoch, Position};
use ringdove_core::rings::Landmarks;

use super::segment::SegmentHeader;
use super::storage::{Storage, StorageFile};

/// A segment is made under this name, and gets its own when it is whole.
pub(crate) const UNFINISHED: &str = "next.tmp";

/// The file name of a segment.
pub(crate) fn segment_name(index: u64) -> String {
    format!("{index:016x}.log")
}

/// The index in a segment's file name; `None`: the name of something else.
pub(crate) fn segment_index(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().filter(|index| segment_name(*index) == name)
}

/// All open segments of a journal. Written when a segment is prepared or dropped, read by everyone else; never on the path of a
/// record but where a segment ends.
#[derive(Debug)]
pub(crate) struct Segments<S: Storage> {
    pub(crate) storage: S,
    pub(crate) uuid: [u8; 16],
    pub(crate) bytes: u64,
    pub(super) landmarks: Landmarks,
    open: RwLock<BTreeMap<u64, Arc<S::File>>>,
}

impl<S: Storage> Segments<S> {
    pub(crate) fn new(storage: S, uuid: [u8; 16], bytes: u64) -> Self {
        Self { storage, uuid, bytes, landmarks: Landmarks::new(), open: RwLock::default() }
    }

    pub(crate) fn insert(&self, index: u64, file: Arc<S::File>) {
        self.open.write().insert(index, file);
    }

    pub(crate) fn get(&self, index: u64) -> Option<Arc<S::File>> {
        self.open.read().get(&index).cloned()
    }

    /// The segment of this index, or else the first one behind it: a new epoch begins further on.
    pub(crate) fn at_or_behind(&self, index: u64) -> Option<(u64, Arc<S::File>)> {
        self.open.read().range(index..).next().map(|(index, file)| (*index, Arc::clone(file)))
    }

    pub(crate) fn count(&self) -> usize {
        self.open.read().len()
    }

    /// Forgets the oldest segment: its memory goes when the last reader is done.
    pub(crate) fn drop_oldest(&self) {
        self.open.write().pop_first();
    }

    /// The segments from `from` to `to`, both included.
    pub(crate) fn range(&self, from: u64, to: u64) -> Vec<Arc<S::File>> {
        self.open.read().range(from..=to).map(|(_, file)| Arc::clone(file)).collect()
    }

    /// Makes a segment, whole and durable before it has its name.
    pub(crate) fn prepare(&self, index: u64, epoch: Epoch) -> io::Result<()> {
        let file = self.storage.create(UNFINISHED, self.bytes)?;
        let base = Position(index * self.bytes);
        let header = SegmentHeader { uuid: self.uuid, epoch, base, segment_bytes: self.bytes };
        file.write(0, &header.encode())?;
        file.sync()?;
        self.storage.rename(UNFINISHED, &segment_name(index))?;
        self.storage.sync_folder()?;
        self.insert(index, Arc::new(file));
        Ok(())
    }
}
