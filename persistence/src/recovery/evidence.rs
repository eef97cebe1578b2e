//! How much was on disk, as far as records behind a damage say.

use ringdove_core::ids::Position;
use ringdove_core::record::{ALIGNMENT, KIND_EVENTS, MAX_BODY, SEGMENT_HEADER, record_len};

use super::scan::OpenSegment;
use crate::journal::{HEADER_BYTES, RecordBytes, StorageFile, parse_header};

/// For [`look_for_synced`]: reads all that there is.
pub(super) const ALL: Position = Position(u64::MAX);

/// Behind a damage the chain is broken, but a header whose body is whole can be believed, and so can one that follows the one before
/// it: raises `synced` to what they say. Reads on from `from` until they say `enough`.
pub(super) fn look_for_synced<F: StorageFile>(
    segment: &OpenSegment<F>,
    from: u64,
    enough: Position,
    synced: &mut Position,
) {
    let bytes = segment.header.segment_bytes;
    let base = segment.header.base.0;
    let mut raw = Vec::with_capacity(HEADER_BYTES);
    let mut header = |at: u64, chain: Option<u32>| {
        raw.clear();
        segment.file.read(at, HEADER_BYTES, &mut raw);
        let record = parse_header(&raw);
        let stands = record.len > 0 && record.head.position.0 == base + at;
        (stands && chain.is_none_or(|chain| record.follows(&raw, chain))).then_some(record)
    };
    let mut at = from;
    while at + HEADER_BYTES as u64 <= bytes && *synced < enough {
        let Some(record) = header(at, None) else {
            at += ALIGNMENT;
            continue;
        };
        if record.synced <= record.head.position && is_whole(segment, at, &record) {
            *synced = (*synced).max(record.synced);
        }
        let next = at + record_len(record.len as usize);
        let fits = next + HEADER_BYTES as u64 <= bytes;
        match fits.then(|| header(next, Some(record.crc))).flatten() {
            Some(follower) => {
                *synced = (*synced).max(follower.synced);
                at = next;
            }
            None => at += ALIGNMENT,
        }
    }
}

/// Whether some record behind the one at `offset`, also in the segments `behind`, says that it was on disk.
pub(super) fn is_synced_later<F: StorageFile>(
    segment: &OpenSegment<F>,
    behind: &[OpenSegment<F>],
    offset: u64,
    record: &RecordBytes,
) -> bool {
    let end = Position(segment.header.base.0 + offset + record_len(record.len as usize));
    let mut synced = Position(0);
    look_for_synced(segment, offset, end, &mut synced);
    for segment in behind {
        look_for_synced(segment, SEGMENT_HEADER, end, &mut synced);
    }
    synced >= end
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
