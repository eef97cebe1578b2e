//! Reads segments record by record and finds the first damage.

use std::sync::Arc;

use ringdove_core::ids::{Epoch, Position, Time, WIRE_BOUND};
use ringdove_core::record::{ALIGNMENT, KIND_EVENTS, MAX_BODY, RecordHead, SEGMENT_HEADER, record_len};

use super::error::JournalError;
use crate::journal::{
    HEADER_BYTES, RecordBytes, SegmentHeader, Storage, StorageFile, parse_header, segment_index, segment_name,
};

/// A segment that was opened, its header checked.
pub(super) struct OpenSegment<F> {
    pub(super) index: u64,
    pub(super) file: Arc<F>,
    pub(super) header: SegmentHeader,
}

/// Where and why the chain of records breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) what: &'static str,
}

/// What the records of a journal say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Records that are whole and in order.
    pub(super) records: u64,
    /// Of these, records whose body was redacted.
    pub(super) redacted: u64,
    /// Behind the last of them.
    pub(super) end: Position,
    /// The CRC of the last header of the epoch, 0 before its first.
    pub(super) chain: u32,
    pub(super) time: Time,
    pub(super) epoch: Epoch,
    /// The highest synced-up-to of any whole header, also behind the damage.
    pub(super) synced: Position,
    pub(super) damage: Option<Damage>,
    /// Behind the last record stands no header, but bytes that are not zero: the process ended in the middle of a store, or a header
    /// was lost.
    pub(super) residue: Option<Damage>,
}

/// Opens all segments that begin below `limit`, in order.
pub(super) fn open_segments<S: Storage>(
    storage: &S,
    uuid: [u8; 16],
    bytes: u64,
    limit: Position,
) -> Result<Vec<OpenSegment<S::File>>, JournalError> {
    let indices = indices(storage, bytes)?;
    let mut segments = Vec::with_capacity(indices.len());
    for index in indices.into_iter().take_while(|index| index * bytes < limit.0) {
        let name = segment_name(index);
        let file = storage.open(&name).map_err(JournalError::io(format!("opening {name}")))?;
        let corrupt = |what| JournalError::Corrupt {
            file: name.clone(),
            offset: 0,
            position: Position(index * bytes),
            synced: Position((index + 1) * bytes),
            what,
        };
        // a segment has its name only once it is whole and on disk
        if file.bytes() != bytes {
            return Err(corrupt("the segment has the wrong size"));
        }
        let mut header = Vec::new();
        file.read(0, SEGMENT_HEADER as usize, &mut header);
        let header = SegmentHeader::decode(&header).map_err(|bad| match bad {
            crate::journal::BadSegment::Newer(format) => JournalError::Newer { file: name.clone(), format },
            crate::journal::BadSegment::Damaged => corrupt("the segment's header is damaged"),
        })?;
        if header.uuid != uuid {
            return Err(JournalError::Foreign { file: name });
        }
        if header.base.0 != index * bytes || header.segment_bytes != bytes {
            return Err(corrupt("the segment's header is another segment's"));
        }
        segments.push(OpenSegment { index, file: Arc::new(file), header });
    }
    Ok(segments)
}

/// The segments that have a file, in order.
pub(super) fn indices(storage: &impl Storage, bytes: u64) -> Result<Vec<u64>, JournalError> {
    let names = storage.list().map_err(JournalError::io("listing the journal's folder"))?;
    let mut indices: Vec<u64> = names.iter().filter_map(|name| segment_index(name)).collect();
    indices.sort_unstable();
    match indices.last() {
        Some(last) if !is_place(*last, bytes) => Err(JournalError::Foreign { file: segment_name(*last) }),
        _ => Ok(indices),
    }
}

/// Whether a segment can have this index: positions on the wire are bounded.
pub(super) fn is_place(index: u64, bytes: u64) -> bool {
    index < (WIRE_BOUND >> 8) / bytes
}

/// One record as the scan meets it.
pub(super) struct Met<'a> {
    pub(super) head: RecordHead,
    /// The offset of its header in the segment.
    pub(super) offset: u64,
    pub(super) index: u64,
    /// `None`: it was redacted.
    pub(super) body: Option<&'a [u8]>,
}

/// What is known before a journal is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Records from here on are not read.
    pub(super) limit: Position,
    /// Whoever wrote it ended in order, with everything on disk.
    pub(super) clean: bool,
}

/// Reads all records below the limit in order and hands the whole ones to `each`.
pub(super) fn scan<F: StorageFile>(
    segments: &[OpenSegment<F>],
    bounds: Bounds,
    mut each: impl FnMut(Met<'_>) -> Result<(), JournalError>,
) -> Result<Scan, JournalError> {
    let mut scan = Scan::default();
    let mut before: Option<&OpenSegment<F>> = None;
    let mut body = Vec::with_capacity(MAX_BODY);
    for segment in segments {
        let base = segment.header.base.0;
        if base >= bounds.limit.0 {
            break;
        }
        if scan.damage.is_none() {
            scan.damage = gap_before(segment, before);
            if scan.damage.is_some() {
                // a segment is made only when those before it are on disk, and the last ones are removed first
                scan.synced = scan.synced.max(Position(base));
            }
        }
        if scan.damage.is_some() {
            // what follows is not read, but it may say how much was on disk
            look_for_synced(segment, SEGMENT_HEADER, &mut scan.synced);
            continue;
        }
        scan_segment(segment, before, bounds, &mut scan, &mut body, &mut each)?;
        before = Some(segment);
    }
    Ok(scan)
}

fn scan_segment<F: StorageFile>(
    segment: &OpenSegment<F>,
    before: Option<&OpenSegment<F>>,
    bounds: Bounds,
    scan: &mut Scan,
    body: &mut Vec<u8>,
    each: &mut impl FnMut(Met<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let bytes = segment.header.segment_bytes;
    let base = segment.header.base.0;
    let mut offset = SEGMENT_HEADER;
    // the chain goes on from the segment before, so that no record at its end can be lost unseen; an epoch begins a new one
    let before = before.filter(|before| before.header.epoch == segment.header.epoch);
    let mut chain = before.map_or(0, |_| scan.chain);
    scan.chain = chain;
    let mut first = true;
    while offset + HEADER_BYTES as u64 <= bytes && base + offset < bounds.limit.0 {
        let (raw, record) = header_at(&*segment.file, offset);
        if record.len == 0 {
            if bounds.limit == Position(u64::MAX) && !is_zero(&*segment.file, offset, bytes) {
                scan.residue = Some(Damage { index: segment.index, offset, what: "a record's header is missing" });
                look_for_synced(segment, offset, &mut scan.synced);
            }
            break;
        }
        let what = if record.head.position.0 != base + offset || !record.follows(&raw, chain) {
            Some("a record's header is damaged")
        } else if record.len as usize > MAX_BODY || offset + record_len(record.len as usize) > bytes {
            Some("a record is longer than its segment")
        } else if record.kind != KIND_EVENTS
            || record.head.time < scan.time
            || record.head.epoch != segment.header.epoch
        {
            Some("a record's header contradicts the journal")
        } else {
            None
        };
        let damaged = |what| Damage { index: segment.index, offset, what };
        if let Some(what) = what {
            let missing = before.filter(|_| first && is_whole(segment, offset, &record));
            let missing = missing.and_then(|before| missing_behind(before, scan.end));
            scan.damage = missing.or(Some(damaged(what)));
            look_for_synced(segment, offset, &mut scan.synced);
            return Ok(());
        }
        first = false;
        scan.synced = scan.synced.max(record.synced);
        body.clear();
        segment.file.read(offset + HEADER_BYTES as u64, record.len as usize, body);
        let whole = crc32c::crc32c(body) == record.body_crc;
        let redacted = !whole && body.iter().all(|byte| *byte == 0);
        // a body that never reached the disk is zeros too: below synced it was redacted, above it is torn; the caller knows synced
        // only at the end, so a redacted body counts as damage unless a later record, or an end in order, says it was on disk
        let was_on_disk = redacted && (bounds.clean || is_synced_later(segment, offset, record, scan.synced));
        if !whole && !was_on_disk {
            scan.damage = Some(damaged("a record's body is damaged"));
            look_for_synced(segment, offset, &mut scan.synced);
            return Ok(());
        }
        each(Met { head: record.head, offset, index: segment.index, body: whole.then_some(&body[..]) })?;
        // what stands between the records of two segments holds nothing
        scan.residue = None;
        scan.records += 1;
        scan.redacted += u64::from(!whole);
        scan.time = record.head.time;
        scan.epoch = record.head.epoch;
        chain = record.crc;
        offset += record_len(record.len as usize);
        scan.chain = chain;
        scan.end = Position(base + offset);
    }
    Ok(())
}

/// Whether some header behind says that the record at `offset` was on disk.
fn is_synced_later<F: StorageFile>(
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

/// A segment follows the one before, or opens a new epoch further on; the first epoch begins with the first segment.
fn gap_before<F>(segment: &OpenSegment<F>, before: Option<&OpenSegment<F>>) -> Option<Damage> {
    let (expected, epoch) = before.map_or((0, 1), |before| (before.index + 1, before.header.epoch.0));
    let opens = segment.header.epoch.0 > epoch;
    (segment.index != expected && !opens).then_some(Damage { index: expected, offset: 0, what: "a segment is missing" })
}

/// A segment's first record is one, but does not follow the last one of the segment before: there was more in that one. `end`: behind
/// the last record of all. `None`: it had no room for more.
fn missing_behind<F>(before: &OpenSegment<F>, end: Position) -> Option<Damage> {
    let base = before.header.base.0;
    let offset = (end.0.max(base + SEGMENT_HEADER)) - base;
    let has_room = offset + record_len(1) <= before.header.segment_bytes;
    has_room.then_some(Damage { index: before.index, offset, what: "records at the end of this segment are missing" })
}

fn header_at(file: &impl StorageFile, offset: u64) -> (Vec<u8>, RecordBytes) {
    let mut raw = Vec::with_capacity(HEADER_BYTES);
    file.read(offset, HEADER_BYTES, &mut raw);
    let record = parse_header(&raw);
    (raw, record)
}

/// Whether a record stands where its header says, with the body that it speaks of: so it is a record, whatever comes before it.
fn is_whole<F: StorageFile>(segment: &OpenSegment<F>, offset: u64, record: &RecordBytes) -> bool {
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

/// Behind a damage the chain is broken, but a header whose body is whole can be believed, and so can one that follows the one before
/// it: raises `synced` to what they say.
fn look_for_synced<F: StorageFile>(segment: &OpenSegment<F>, from: u64, synced: &mut Position) {
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

fn is_zero(file: &impl StorageFile, mut from: u64, to: u64) -> bool {
    let mut portion = Vec::with_capacity(1 << 16);
    while from < to {
        let len = (to - from).min(1 << 16);
        portion.clear();
        file.read(from, len as usize, &mut portion);
        if portion.iter().any(|byte| *byte != 0) {
            return false;
        }
        from += len;
    }
    true
}
