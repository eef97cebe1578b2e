//! Reads segments record by record and finds the first damage.

use std::sync::Arc;

use ringdove_core::ids::{Epoch, Position, Time};
use ringdove_core::record::{ALIGNMENT, KIND_EVENTS, MAX_BODY, RecordHead, SEGMENT_HEADER, record_len};

use super::error::JournalError;
use crate::journal::{HEADER_BYTES, RecordBytes, SegmentHeader, Storage, StorageFile, parse_header, segment_name};

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
    /// The CRC of the last header, if the journal goes on in the same segment; else 0.
    pub(super) chain: u32,
    pub(super) time: Time,
    pub(super) epoch: Epoch,
    /// The highest synced-up-to of any whole header, also behind the damage.
    pub(super) synced: Position,
    pub(super) damage: Option<Damage>,
    /// Bytes that are not zero stand behind the last record, but no header does: the process ended in the middle of a store.
    pub(super) residue: bool,
}

/// Opens all segments in order.
pub(super) fn open_segments<S: Storage>(
    storage: &S,
    uuid: [u8; 16],
    bytes: u64,
) -> Result<Vec<OpenSegment<S::File>>, JournalError> {
    let names = storage.list().map_err(JournalError::io("listing the journal's folder"))?;
    let mut indices: Vec<u64> = names.iter().filter_map(|name| crate::journal::segment_index(name)).collect();
    indices.sort_unstable();
    let mut segments = Vec::with_capacity(indices.len());
    for index in indices {
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

/// One record as the scan meets it.
pub(super) struct Met<'a> {
    pub(super) head: RecordHead,
    /// The offset of its header in the segment.
    pub(super) offset: u64,
    pub(super) index: u64,
    /// `None`: it was redacted.
    pub(super) body: Option<&'a [u8]>,
}

/// Reads all records below `limit` in order and hands the whole ones to `each`.
pub(super) fn scan<F: StorageFile>(
    segments: &[OpenSegment<F>],
    limit: Position,
    mut each: impl FnMut(Met<'_>) -> Result<(), JournalError>,
) -> Result<Scan, JournalError> {
    let mut scan = Scan::default();
    let mut before: Option<&OpenSegment<F>> = None;
    let mut body = Vec::with_capacity(MAX_BODY);
    for segment in segments {
        let base = segment.header.base.0;
        if base >= limit.0 {
            break;
        }
        if scan.damage.is_none() {
            scan.damage = gap_before(segment, before);
        }
        if scan.damage.is_some() {
            // what follows is not read, but it may say how much was on disk
            look_for_synced(segment, SEGMENT_HEADER, &mut scan.synced);
            continue;
        }
        before = Some(segment);
        scan_segment(segment, limit, &mut scan, &mut body, &mut each)?;
    }
    Ok(scan)
}

fn scan_segment<F: StorageFile>(
    segment: &OpenSegment<F>,
    limit: Position,
    scan: &mut Scan,
    body: &mut Vec<u8>,
    each: &mut impl FnMut(Met<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let bytes = segment.header.segment_bytes;
    let base = segment.header.base.0;
    let mut offset = SEGMENT_HEADER;
    let mut chain = 0;
    let mut first = true;
    while offset + HEADER_BYTES as u64 <= bytes && base + offset < limit.0 {
        let (raw, record) = header_at(&*segment.file, offset);
        if record.len == 0 {
            if limit == Position(u64::MAX) {
                scan.residue |= !is_zero(&*segment.file, offset, bytes);
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
        } else if first && !follows_on(base, &record, scan) {
            Some("records before this segment are missing")
        } else {
            None
        };
        let damaged = |what| Damage { index: segment.index, offset, what };
        if let Some(what) = what {
            scan.damage = Some(damaged(what));
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
        // only at the end, so a redacted body counts as damage unless a later record says it was on disk
        let was_on_disk = redacted && is_synced_later(segment, offset, record, scan.synced);
        if !whole && !was_on_disk {
            scan.damage = Some(damaged("a record's body is damaged"));
            look_for_synced(segment, offset, &mut scan.synced);
            return Ok(());
        }
        each(Met { head: record.head, offset, index: segment.index, body: whole.then_some(&body[..]) })?;
        scan.records += 1;
        scan.redacted += u64::from(!whole);
        scan.time = record.head.time;
        scan.epoch = record.head.epoch;
        chain = record.crc;
        offset += record_len(record.len as usize);
        scan.end = Position(base + offset);
        scan.chain = chain;
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

/// A segment follows the one before, or opens a new epoch further on.
fn gap_before<F>(segment: &OpenSegment<F>, before: Option<&OpenSegment<F>>) -> Option<Damage> {
    let before = before?;
    let next = segment.index == before.index + 1;
    let opens = segment.header.epoch > before.header.epoch;
    (!next && !opens).then_some(Damage {
        index: segment.index,
        offset: 0,
        what: "a segment before this one is missing",
    })
}

/// The first record of a segment stands there because it did not fit behind the last one, or because an epoch began.
fn follows_on(base: u64, record: &RecordBytes, scan: &Scan) -> bool {
    let bytes_before = scan.end.0;
    if scan.records == 0 || bytes_before == 0 {
        return true;
    }
    let segment_end = base;
    let contiguous = bytes_before <= segment_end && bytes_before + record_len(record.len as usize) > segment_end;
    contiguous || record.head.epoch > scan.epoch
}

fn header_at(file: &impl StorageFile, offset: u64) -> (Vec<u8>, RecordBytes) {
    let mut raw = Vec::with_capacity(HEADER_BYTES);
    file.read(offset, HEADER_BYTES, &mut raw);
    let record = parse_header(&raw);
    (raw, record)
}

/// Behind a damage the chain is broken, but two headers of which one follows the other are whole: raises `synced` to what they say.
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
        let Some((raw, record)) = header(at) else {
            at += ALIGNMENT;
            continue;
        };
        let opens = at == SEGMENT_HEADER && record.follows(raw, 0);
        if opens {
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
