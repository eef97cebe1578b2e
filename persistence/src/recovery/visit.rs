//! Reads what has happened back, for whoever counts it.

use std::path::Path;

use prost::Message;
use ringdove_core::ids::Position;
use ringdove_core::record::RecordHead;
use ringdove_core::wire::log::{Record, event::Event};

use super::error::JournalError;
use super::inspect::{read_meta, refuse};
use super::scan::{Bounds, open_segments, scan};
use super::start::existing;
use crate::journal::segment_name;

/// How far a visit came, and what it could not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visited {
    /// Records that are whole.
    pub records: u64,
    /// Of these, records whose body was redacted: their events are not known.
    pub redacted: u64,
    /// Behind the last whole record.
    pub end: Position,
}

/// Hands every event of a data folder's journal to `each`, in order, up to `limit`, checking the records as `verify` does; `watch` hears
/// how many segments of how many were read. A torn tail ends the visit: what stands there was not told to anyone.
///
/// # Errors
/// See [`JournalError`]: no journal, damage below what was on disk, or an event of a kind that this version does not know.
pub fn visit(
    data: &Path,
    limit: Position,
    mut each: impl FnMut(RecordHead, &Event),
    mut watch: impl FnMut(u64, u64),
) -> Result<Visited, JournalError> {
    let storage = existing(data);
    let meta = read_meta(data, &storage)?;
    let segments = open_segments(&storage, meta.uuid().unwrap_or_default(), meta.segment_bytes, limit)?;
    let (first, total) = (segments.first().map_or(0, |segment| segment.index), segments.len() as u64);
    let found = scan(&segments, Bounds { limit, clean: meta.clean }, |met| {
        watch(met.index - first, total);
        let Some(body) = met.body else { return Ok(()) };
        let unreadable = |why: String| JournalError::Unreadable {
            file: segment_name(met.index),
            offset: met.offset,
            position: met.head.position,
            why,
        };
        let record = Record::decode(body).map_err(|error| unreadable(error.to_string()))?;
        for event in &record.events {
            let unknown = || unreadable("an event of a kind that this version does not know".into());
            each(met.head, event.event.as_ref().ok_or_else(unknown)?);
        }
        Ok(())
    })?;
    refuse(&found, meta.clean, meta.segment_bytes)?;
    Ok(Visited { records: found.records, redacted: found.redacted, end: found.end })
}
