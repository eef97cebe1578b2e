//! Reads records in order, behind the journal that writes them: what a projection does.

use std::sync::Arc;

use ringdove_core::ids::{Epoch, Position, Time};
use ringdove_core::record::{MAX_BODY, RecordHead, SEGMENT_HEADER, record_len};
use ringdove_core::rings::Sight;
use ringdove_core::wire::record::is_message;

use super::segment::{HEADER_BYTES, RecordBytes, parse_header};
use super::segments::Segments;
use super::storage::{Storage, StorageFile};

/// Bytes that are copied from a segment at a time.
const PORTION: u64 = 256 << 10;

/// A record that was read, as proof of which journal's history it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The record's position.
    pub position: Position,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its header's checksum, which goes on from the header before: it covers all headers of its epoch up to here.
    pub chain: u32,
    /// Its time.
    pub time: Time,
}

/// What stands at a place is no record, or not the one that belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub Position);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "what the journal has at position {} cannot be read", self.0)
    }
}

/// A place in the journal, and everything behind it.
pub struct Tail<S: Storage> {
    segments: Arc<Segments<S>>,
    next: Position,
    last: Option<Mark>,
    /// Landmarks that the disk had not reached when they were seen.
    sight: Option<Sight>,
    portion: Vec<u8>,
}

impl<S: Storage> Tail<S> {
    pub(crate) fn new(segments: Arc<Segments<S>>) -> Self {
        Self { segments, next: Position(0), last: None, sight: None, portion: Vec::new() }
    }

    /// The journal's UUID, in hex.
    pub fn journal(&self) -> String {
        self.segments.uuid.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Brings all of it to disk.
    ///
    /// # Errors
    /// As the system says.
    pub fn sync(&self) -> std::io::Result<()> {
        self.segments.range(0, u64::MAX).iter().try_for_each(|file| file.sync())
    }

    /// The last record that was read.
    pub fn last(&self) -> Option<Mark> {
        self.last
    }

    /// Where the next record is looked for.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Goes on behind the record of a mark (`None`: at the begin). False, and nothing moves: this journal has no such record below `end`.
    pub fn go_behind(&mut self, mark: Option<(Position, u32)>, end: Position) -> bool {
        let Some((position, chain)) = mark else {
            (self.next, self.last) = (Position(0), None);
            return true;
        };
        let bytes = self.segments.bytes;
        let offset = position.0 % bytes;
        let fits = offset >= SEGMENT_HEADER && offset + HEADER_BYTES as u64 <= bytes;
        if !fits || position.0 + HEADER_BYTES as u64 > end.0 {
            return false;
        }
        let Some(file) = self.segments.get(position.0 / bytes) else { return false };
        let mut header = Vec::with_capacity(HEADER_BYTES);
        file.read(offset, HEADER_BYTES, &mut header);
        let record = parse_header(&header);
        if record.head.position != position || record.crc != chain {
            return false;
        }
        self.passed(&record);
        true
    }

    /// Whether all records from here to `end`, which is released, are talk: they need not be read. Goes on behind the last one of them that
    /// is known, without a look at the others.
    pub fn skip_talk(&mut self, end: Position) -> bool {
        for _ in 0..2 {
            let segments = &self.segments;
            let sight = *self.sight.get_or_insert_with(|| segments.landmarks.look());
            if sight.last >= end {
                // there already when the disk is
                break;
            }
            self.sight = None;
            if sight.telling <= self.next && sight.last >= self.next {
                // one that does not fit was seen while the writer went on
                self.go_behind(Some((sight.last, sight.chain)), end);
            }
        }
        self.segments.landmarks.look().telling <= self.next
    }

    fn passed(&mut self, record: &RecordBytes) {
        let head = record.head;
        self.next = Position(head.position.0 + record_len(record.len as usize));
        self.last = Some(Mark { position: head.position, epoch: head.epoch, chain: record.crc, time: head.time });
    }

    /// Hands the bodies of records below `end`, which are all whole, to `each`, in order, until that says false or a portion has been
    /// read. Messages are handed over unchecked, whoever wants them checks them. Returns whether there may be more.
    ///
    /// # Errors
    /// The journal is damaged, or `each` says what is wrong.
    pub fn read<E: From<Broken>>(
        &mut self,
        end: Position,
        mut each: impl FnMut(RecordHead, &[u8]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let bytes = self.segments.bytes;
        if self.next >= end {
            return Ok(false);
        }
        let Some((index, file)) = self.segments.at_or_behind(self.next.0 / bytes) else { return Ok(false) };
        let base = index * bytes;
        let mut at = self.next.0.max(base + SEGMENT_HEADER);
        // records end with the end, or with their segment
        let limit = end.0.min(base + bytes);
        let mut portion = std::mem::take(&mut self.portion);
        portion.clear();
        let begin = at;
        if at < limit {
            file.read(at - base, PORTION.max(2 * MAX_BODY as u64).min(limit - at) as usize, &mut portion);
        }
        let mut goes_on = true;
        while goes_on {
            let rest = &portion[(at - begin) as usize..];
            if rest.len() < HEADER_BYTES {
                break;
            }
            let record = parse_header(rest);
            if record.len == 0 {
                break;
            }
            let len = record_len(record.len as usize) as usize;
            if record.head.position != Position(at) || record.len as usize > MAX_BODY {
                return Err(Broken(Position(at)).into());
            }
            if len > rest.len() {
                if begin < at {
                    break;
                }
                return Err(Broken(Position(at)).into());
            }
            let body = &rest[HEADER_BYTES..HEADER_BYTES + record.len as usize];
            if is_message(body) || crc32c::crc32c(body) == record.body_crc {
                goes_on = each(record.head, body)?;
            } else if body.iter().any(|byte| *byte != 0) {
                return Err(Broken(Position(at)).into());
            }
            // a body that is all zeros was redacted
            self.passed(&record);
            at += len as u64;
        }
        // nothing more in this segment: the next record stands at the begin of another one
        let is_over = at == begin && portion_ends(&portion);
        self.portion = portion;
        if is_over {
            if end.0 <= base + bytes {
                return Ok(false);
            }
            self.next = Position(base + bytes);
        }
        Ok(true)
    }
}

/// Whether no record stands at the begin of what was read.
fn portion_ends(portion: &[u8]) -> bool {
    portion.len() < HEADER_BYTES || parse_header(portion).len == 0
}
