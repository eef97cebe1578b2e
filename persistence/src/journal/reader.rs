//! Reads single records back while the journal goes on.

use std::sync::Arc;

use ringdove_core::ids::Position;
use ringdove_core::record::{MAX_BODY, RecordHead, Records};
use ringdove_core::rings::Progress;

use super::segment::{HEADER_BYTES, parse_header};
use super::segments::Segments;
use super::storage::{Storage, StorageFile};

/// Reads records below the released position.
pub struct Reader<S: Storage> {
    pub(crate) segments: Arc<Segments<S>>,
    pub(crate) progress: Arc<Progress>,
}

impl<S: Storage> Clone for Reader<S> {
    fn clone(&self) -> Self {
        Self { segments: Arc::clone(&self.segments), progress: Arc::clone(&self.progress) }
    }
}

impl<S: Storage> Records for Reader<S> {
    fn read(&self, position: Position, into: &mut Vec<u8>) -> Option<RecordHead> {
        if position >= self.progress.released() {
            return None;
        }
        let bytes = self.segments.bytes;
        let (index, offset) = (position.0 / bytes, position.0 % bytes);
        let file = self.segments.get(index)?;
        let begin = into.len();
        if offset + HEADER_BYTES as u64 > bytes {
            return None;
        }
        file.read(offset, HEADER_BYTES, into);
        let record = parse_header(&into[begin..]);
        into.truncate(begin);
        let len = record.len as usize;
        let fits = offset + HEADER_BYTES as u64 + len as u64 <= bytes && len <= MAX_BODY;
        if record.head.position != position || !fits {
            return None;
        }
        file.read(offset + HEADER_BYTES as u64, len, into);
        if crc32c::crc32c(&into[begin..]) != record.body_crc {
            into.truncate(begin); // redacted, or damaged: either way there is nothing to show
            return None;
        }
        Some(record.head)
    }
}
