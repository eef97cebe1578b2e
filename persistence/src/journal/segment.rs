//! Bytes of a segment's header and of a record's header; see `ringdove_core::record` for the record's picture.
//!
//! ```text
//! segment   0   8    magic "RDJOURNL"
//!           8   4    format version, 1
//!          12   4    epoch in which it was prepared
//!          16  16    the journal's UUID
//!          32   8    position of its first byte
//!          40   8    bytes of every segment
//!          48  12    zero
//!          60   4    CRC32C of bytes 0 to 60
//! ```

use ringdove_core::ids::{Epoch, Position, Time};
use ringdove_core::record::{KIND_EVENTS, RECORD_HEADER, RecordHead, SEGMENT_HEADER};

/// Bytes of a record's header.
pub(crate) const HEADER_BYTES: usize = RECORD_HEADER as usize;
const MAGIC: &[u8; 8] = b"RDJOURNL";
/// The format that this code writes; it reads no newer one.
pub(crate) const FORMAT: u32 = 1;

const FORMAT_AT: usize = 8;
const EPOCH_AT: usize = FORMAT_AT + 4;
const UUID_AT: usize = EPOCH_AT + 4;
const BASE_AT: usize = UUID_AT + 16;
const BYTES_AT: usize = BASE_AT + 8;
const CRC_AT: usize = SEGMENT_HEADER as usize - 4;

/// What stands at the begin of every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) uuid: [u8; 16],
    pub(crate) epoch: Epoch,
    pub(crate) base: Position,
    pub(crate) segment_bytes: u64,
}

/// Why a segment's header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadSegment {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[FORMAT_AT..][..4].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[EPOCH_AT..][..4].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[UUID_AT..][..16].copy_from_slice(&self.uuid);
        bytes[BASE_AT..][..8].copy_from_slice(&self.base.0.to_le_bytes());
        bytes[BYTES_AT..][..8].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadSegment> {
        if bytes.len() != SEGMENT_HEADER as usize || &bytes[..8] != MAGIC {
            return Err(BadSegment::Damaged);
        }
        if u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err(BadSegment::Damaged);
        }
        let format = u32_at(bytes, FORMAT_AT);
        if format > FORMAT {
            return Err(BadSegment::Newer(format));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[UUID_AT..][..16]);
        Ok(Self {
            uuid,
            epoch: Epoch(u32_at(bytes, EPOCH_AT)),
            base: Position(u64_at(bytes, BASE_AT)),
            segment_bytes: u64_at(bytes, BYTES_AT),
        })
    }
}

/// A record's header as it stands in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordBytes {
    pub(crate) len: u32,
    pub(crate) kind: u16,
    pub(crate) head: RecordHead,
    pub(crate) body_crc: u32,
    pub(crate) synced: Position,
    /// CRC32C of this header, seeded with that of the header before in its epoch.
    pub(crate) crc: u32,
}

const KIND_AT: usize = 4;
const POSITION_AT: usize = 8;
const RECORD_EPOCH_AT: usize = 16;
const BODY_CRC_AT: usize = 20;
const TIME_AT: usize = 24;
const SYNCED_AT: usize = 32;
const HEADER_CRC_AT: usize = 40;

impl RecordBytes {
    /// Writes the header of a record of events into `bytes`, and returns its own CRC for the chain. It is written in words of eight bytes, as the
    /// checksum reads it: a processor waits where it reads more at once than was written at once.
    pub(crate) fn encode(
        bytes: &mut [u8; HEADER_BYTES],
        head: RecordHead,
        body: &[u8],
        synced: Position,
        chain: u32,
    ) -> u32 {
        let mut put = |at: usize, word: u64| bytes[at..][..8].copy_from_slice(&word.to_le_bytes());
        put(0, body.len() as u64 | u64::from(KIND_EVENTS) << (8 * KIND_AT));
        put(POSITION_AT, head.position.0);
        put(
            RECORD_EPOCH_AT,
            u64::from(head.epoch.0) | u64::from(crc32c::crc32c(body)) << (8 * (BODY_CRC_AT - RECORD_EPOCH_AT)),
        );
        put(TIME_AT, head.time.0);
        put(SYNCED_AT, synced.0);
        let crc = crc32c::crc32c_append(chain, &bytes[..HEADER_CRC_AT]);
        bytes[HEADER_CRC_AT..].copy_from_slice(&u64::from(crc).to_le_bytes());
        crc
    }

    /// Whether the header is whole and follows the one with the CRC `chain`.
    pub(crate) fn follows(&self, bytes: &[u8], chain: u32) -> bool {
        crc32c::crc32c_append(chain, &bytes[..HEADER_CRC_AT]) == self.crc
    }
}

/// Reads a record's header; says nothing about whether it is valid. `bytes` is at least [`HEADER_BYTES`] long.
pub(crate) fn parse_header(bytes: &[u8]) -> RecordBytes {
    RecordBytes {
        len: u32_at(bytes, 0),
        kind: u16::from_le_bytes([bytes[KIND_AT], bytes[KIND_AT + 1]]),
        head: RecordHead {
            position: Position(u64_at(bytes, POSITION_AT)),
            epoch: Epoch(u32_at(bytes, RECORD_EPOCH_AT)),
            time: Time(u64_at(bytes, TIME_AT)),
        },
        body_crc: u32_at(bytes, BODY_CRC_AT),
        synced: Position(u64_at(bytes, SYNCED_AT)),
        crc: u32_at(bytes, HEADER_CRC_AT),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
