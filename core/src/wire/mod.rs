//! The wire and the log, byte by byte: the generated schema, framing, the borrowing codecs of hot frames, codes.

pub mod bundle;
mod codes;
pub mod frame;
pub mod hot;
pub mod json;
pub mod names;
pub mod record;
pub mod varint;

pub use codes::{Code, Refusal};

/// The wire schema, generated from `proto/ringdove/v1/wire.proto`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/ringdove.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/ringdove.v1.serde.rs"));
}

/// The operator's door, generated from `proto/ringdove/v1/admin.proto`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod admin {
    include!(concat!(env!("OUT_DIR"), "/ringdove.admin.v1.rs"));
}

/// The bodies of the journal's records, generated from `proto/ringdove/v1/log.proto`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod log {
    include!(concat!(env!("OUT_DIR"), "/ringdove.log.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/ringdove.log.v1.serde.rs"));
}

/// The descriptors of all three schemas, as a FileDescriptorSet.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
