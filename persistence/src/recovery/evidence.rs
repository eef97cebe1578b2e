//! How much was on disk, as far as records behind a damage say.

use ringdove_core::ids::Position;
use ringdove_core::record::{ALIGNMENT, KIND_EVENTS, MAX_BODY, record_len};

use super::scan::OpenSegment;
use crate::journal::{HEADER_BYTES, RecordBytes, StorageFile, parse_header};

/// Behind a damage the chain is broken, but a header whose body is whole can be believed, and so can one that follows the one before
/// it: raises `synced` to what they say.
pub(super) fn look_for_synced<F: StorageFile>(segment: &OpenSegment<F>, from: u64, synced: &mut Position) {
    let bytes = segment.header.segment_bytes;
    let base = segment.header.base.0;
    let mut all = Vec::new();
    segment.file.read(from, (bytes - from) as usize, &mut all);
    let header = |at: u64| {
        let raw = all.get((at - from) as usize..(at - from) as usize + HEADER_BYTES)?;
        let record = parse_header(raw);
        (record.len > 0 && record.head.position.0 == base + at).then_some((raw, record))
    };
    let mut at = from;
    while at + HEADER_BYTES as u64 <= bytes {
        let Some((_, record)) = header(at) else {
            at += ALIGNMENT;
            continue;
        };
        if record.synced <= record.head.position && is_whole(segment, at, &record) {
            *synced = (*synced).max(record.synced);
        }
        let next = at + record_len(record.len as usize);
        match header(next).filter(|(raw, follower)| follower.follows(raw, record.crc)) {
            Some((_, follower)) => {
                *synced = (*synced).max(follower.synced);
                at = next;
            }
            None => at += ALIGNMENT,
        }
    }
}

/// Whether some header behind says that the record at `offset` was on disk.
pub(super) fn is_synced_later<F: StorageFile>(
    segment: &OpenSegment<F>,
    offset: u64,
    record: RecordBytes,
    so_far: Position,
) -> bool {
    let end = segment.header.base.0 + offset + record_len(record.len as usize);
    let mut synced = so_far;
    look_for_synced(segment, offset, &mut synced);
    synced.0 >= end
}

/// Whether a record stands where its header says, with the body that it speaks of: so it is a record, whatever comes before it.
pub(super) fn is_whole<F: StorageFile>(segment: &OpenSegment<F>, offset: u64, record: &RecordBytes) -> bool {
    let stands = record.head.position.0 == segment.header.base.0 + offset
        && record.head.epoch == segment.header.epoch
        && record.kind == KIND_EVENTS;
    let fits =
        record.len as usize <= MAX_BODY && offset + record_len(record.len as usize) <= segment.header.segment_bytes;
    let mut body = Vec::new();
    if stands && fits {
        segment.file.read(offset + HEADER_BYTES as u64, record.len as usize, &mut body);
    }
    !body.is_empty() && crc32c::crc32c(&body) == record.body_crc
}
