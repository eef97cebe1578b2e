//! The journal's record: the header's bytes, and the arithmetic that gives every record its position.
//!
//! ```text
//! segment   0        header of the segment, 64 bytes (see persistence)
//!           64       records, each aligned to 8 bytes, none crosses the segment's end; zeros after the last
//!
//! record    0   4    length of the body in bytes, at least 1
//!           4   2    kind (1: events)
//!           6   2    zero
//!           8   8    position of this header, over all segments
//!          16   4    epoch
//!          20   4    CRC32C of the body
//!          24   8    time, ms since 1970-01-01 UTC
//!          32   8    synced-up-to: everything below was on disk when this was written
//!          40   4    CRC32C of bytes 0 to 40, seeded with the CRC of the header before (0 for the first of an epoch)
//!          44   4    zero
//!          48   n    body (protobuf, log.proto), then zeros up to a multiple of 8
//! ```
//! All numbers are little-endian. A body begins with a field's tag, so a body that is all zeros was redacted.

use crate::ids::{Epoch, Position, Time};

/// Bytes of a segment's own header.
pub const SEGMENT_HEADER: u64 = 64;
/// Bytes of a record's header.
pub const RECORD_HEADER: u64 = 48;
/// Records begin at multiples of this.
pub const ALIGNMENT: u64 = 8;
/// The largest body of a record, in bytes: a frame of 64 KiB and what surrounds it.
pub const MAX_BODY: usize = 80 * 1024;
/// The kind of a record that holds events.
pub const KIND_EVENTS: u16 = 1;

/// What the engine decides about a record; the journal adds checksums and synced-up-to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHead {
    /// Where the record stands.
    pub position: Position,
    /// The epoch in which it was written.
    pub epoch: Epoch,
    /// When it was decided; never less than the record before.
    pub time: Time,
}

/// Bytes that a record with a body of `body` bytes takes in its segment.
pub const fn record_len(body: usize) -> u64 {
    (RECORD_HEADER + body as u64).next_multiple_of(ALIGNMENT)
}

/// Where the next record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
    /// Where the segment of `next` begins.
    segment: u64,
    segment_bytes: u64,
}

impl Cursor {
    /// A cursor that goes on at `next`, in segments of `segment_bytes`.
    pub const fn new(next: Position, segment_bytes: u64) -> Self {
        Self { next: next.0, segment: next.0 - next.0 % segment_bytes, segment_bytes }
    }

    /// Position and end of a record with a body of `body` bytes; moves nothing. A record that does not fit in what is left of its
    /// segment goes to the begin of the next one.
    pub const fn place(&self, body: usize) -> (Position, Position) {
        let len = record_len(body);
        let end_of_segment = self.segment + self.segment_bytes;
        let first = self.segment + SEGMENT_HEADER;
        let within = if self.next < first { first } else { self.next };
        let at = if within + len <= end_of_segment { within } else { end_of_segment + SEGMENT_HEADER };
        (Position(at), Position(at + len))
    }

    /// Moves behind a record that was placed.
    pub const fn advance(&mut self, end: Position) {
        self.next = end.0;
        while self.next >= self.segment + self.segment_bytes {
            self.segment += self.segment_bytes;
        }
    }

    /// The byte behind the last record.
    pub const fn next(&self) -> Position {
        Position(self.next)
    }
}

/// Reads records back, below the released position, for pages of missed entries.
pub trait Records: Send {
    /// Copies the body of the record at `position` behind what `into` holds. `None`: not there (any more), or redacted, and then
    /// nothing was added.
    fn read(&self, position: Position, into: &mut Vec<u8>) -> Option<RecordHead>;
}
