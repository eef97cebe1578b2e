//! The journal: segments of fixed size, written by one stage, read through maps.

mod files;
mod map;
mod memory;
mod pace;
mod preparer;
mod reader;
mod segment;
mod segments;
mod stage;
mod storage;
mod tail;

pub use files::FileStorage;
pub use memory::MemoryStorage;
pub use preparer::Preparer;
pub use reader::Reader;
pub use stage::{Durability, Fault, Journal, Ties};
pub use storage::{Storage, StorageFile};
pub use tail::{Broken, Mark, Tail};

pub(crate) use segment::{BadSegment, HEADER_BYTES, RecordBytes, SegmentHeader, parse_header};
pub(crate) use segments::{Segments, segment_index, segment_name};
