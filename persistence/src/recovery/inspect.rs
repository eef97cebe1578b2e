//! What an operator asks of a journal: is it whole, what stands in it, cut it here. Reads only, but for `repair`; verify and dump
//! also work beside a running broker, up to the position that it has released.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use ringdove_core::ids::{Epoch, Position};
use ringdove_core::wire::log;
use serde_json::{Value, json};

use super::error::JournalError;
use super::meta::Meta;
use super::scan::{Bounds, Damage, Scan, indices, open_segments, scan};
use super::start::{clear_behind, existing, journal_folder, remove};
use crate::journal::{FileStorage, Segments, Tail, segment_name};

/// What `ringdove log verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Segments in the folder.
    pub segments: usize,
    /// Records that are whole.
    pub records: u64,
    /// Of these, records whose body was redacted.
    pub redacted: u64,
    /// The current epoch.
    pub epoch: Epoch,
    /// Behind the last whole record.
    pub end: Position,
    /// Everything below was on disk, as far as the records and an orderly end say.
    pub synced: Position,
    /// A tail that the next start will cut, in words: news, not an error.
    pub torn: Option<String>,
}

/// Reads the whole journal of a data folder, up to `released` if a broker runs on it.
///
/// # Errors
/// See [`JournalError`]: a journal that is damaged below what was on disk is [`JournalError::Corrupt`].
pub fn verify(data: &Path, released: Option<Position>) -> Result<Report, JournalError> {
    let storage = existing(data);
    let meta = read_meta(data, &storage)?;
    let limit = released.unwrap_or(Position(u64::MAX));
    let segments = open_segments(&storage, meta.uuid().unwrap_or_default(), meta.segment_bytes, limit)?;
    let found = scan(&segments, Bounds { limit, clean: meta.clean }, |_| Ok(()))?;
    refuse(&found, meta.clean, meta.segment_bytes)?;
    let damage =
        |damage: Damage| format!("{} in {} at offset {}", damage.what, segment_name(damage.index), damage.offset);
    let torn = match found.damage {
        Some(torn) => Some(damage(torn)),
        None => found.residue.map(|_| "an unfinished record stands behind the last one".into()),
    };
    Ok(Report {
        segments: segments.len(),
        records: found.records,
        redacted: found.redacted,
        epoch: meta.epoch(),
        end: found.end,
        // whoever ended in order had everything on disk
        synced: if meta.clean { found.end } else { found.synced },
        torn,
    })
}

/// Reads a journal's records in order, in the segments that begin below `limit`. Beside a running broker the caller reads only what that has on
/// disk: below a position that it has told to be synced, or a checkpoint.
///
/// # Errors
/// See [`JournalError`].
pub fn tail(data: &Path, limit: Position) -> Result<Tail<FileStorage>, JournalError> {
    let storage = existing(data);
    let meta = read_meta(data, &storage)?;
    let uuid = meta.uuid().unwrap_or_default();
    let found = open_segments(&storage, uuid, meta.segment_bytes, limit)?;
    let segments = Segments::new(storage, uuid, meta.segment_bytes);
    for segment in found {
        segments.insert(segment.index, segment.file);
    }
    Ok(Tail::new(Arc::new(segments)))
}

/// Damage to what was on disk is no torn tail.
pub(super) fn refuse(found: &Scan, clean: bool, bytes: u64) -> Result<(), JournalError> {
    let Some(damage) = found.damage.or(found.residue) else { return Ok(()) };
    let synced = found.synced;
    let position = Position(damage.index * bytes + damage.offset);
    // whoever ended in order had everything on disk
    let synced = if clean { synced.max(Position(position.0 + 1)) } else { synced };
    if position >= synced {
        return Ok(());
    }
    let file = segment_name(damage.index);
    Err(JournalError::Corrupt { file, offset: damage.offset, position, synced, what: damage.what })
}

/// Writes every record from `from` on as a line of JSON: position, time, epoch, events. Credentials are masked.
///
/// # Errors
/// See [`JournalError`]; a writer that is gone (a closed pipe) ends the dump without an error.
pub fn dump(data: &Path, from: Position, released: Option<Position>, out: &mut impl Write) -> Result<(), JournalError> {
    let storage = existing(data);
    let meta = read_meta(data, &storage)?;
    let limit = released.unwrap_or(Position(u64::MAX));
    let segments = open_segments(&storage, meta.uuid().unwrap_or_default(), meta.segment_bytes, limit)?;
    let found = scan(&segments, Bounds { limit, clean: meta.clean }, |met| {
        if met.head.position < from {
            return Ok(());
        }
        let events = match met.body {
            Some(body) => events(body),
            None => json!("redacted"),
        };
        let line = json!({
            "position": met.head.position.0,
            "time": met.head.time.0,
            "epoch": met.head.epoch.0,
            "events": events,
        });
        writeln!(out, "{line}").map_err(JournalError::io("writing"))
    });
    match found {
        Err(JournalError::Io { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
        Ok(found) => refuse(&found, meta.clean, meta.segment_bytes),
    }
}

/// A record's events as JSON, with what must not be read by people masked, and contents decoded.
fn events(body: &[u8]) -> Value {
    let Ok(mut record) = log::Record::decode(body) else { return json!("unreadable") };
    let mut values = Vec::with_capacity(record.events.len());
    for event in &mut record.events {
        use log::event::Event;
        let mut content = None;
        match &mut event.event {
            Some(Event::AccountRegistered(account)) if !account.secret.is_empty() => account.secret = "(masked)".into(),
            Some(Event::SecretChanged(changed)) if !changed.secret.is_empty() => changed.secret = "(masked)".into(),
            Some(Event::DeviceAdded(device)) => device.token.clear(),
            Some(Event::MessageSent(message)) => content = Some(std::mem::take(&mut message.content)),
            Some(Event::GroupChanged(change)) => content = Some(std::mem::take(&mut change.content)),
            Some(Event::ContactChanged(change)) => content = Some(std::mem::take(&mut change.content)),
            Some(Event::ProfileChanged(change)) => content = Some(std::mem::take(&mut change.content)),
            Some(Event::ContactsImported(imported)) => content = Some(std::mem::take(&mut imported.content)),
            Some(Event::AccountDeleted(deleted)) => content = Some(std::mem::take(&mut deleted.content)),
            _ => {}
        }
        let mut value = serde_json::to_value(&*event).unwrap_or_default();
        let entry = content.and_then(|content| ringdove_core::wire::v1::Entry::decode(&content[..]).ok());
        if let (Some(entry), Some(inner)) = (entry, value.as_object_mut().and_then(|arms| arms.values_mut().next())) {
            inner["content"] = serde_json::to_value(entry).unwrap_or_default();
        }
        values.push(value);
    }
    Value::Array(values)
}

/// Cuts everything from `cut` on, and has the next start open a new epoch. For a journal that a start refuses, and that cannot be
/// restored. Nothing may run on the data folder.
///
/// # Errors
/// See [`JournalError`].
pub fn repair(data: &Path, cut: Position) -> Result<(), JournalError> {
    journal_uuid(data)?;
    let storage =
        FileStorage::create(&journal_folder(data), false).map_err(JournalError::io("opening the journal's folder"))?;
    let mut meta = read_meta(data, &storage)?;
    // what lies behind the cut may be damaged so badly that it cannot be opened
    let mut segments = open_segments(&storage, meta.uuid().unwrap_or_default(), meta.segment_bytes, cut)?;
    let indices = indices(&storage, meta.segment_bytes)?;
    let end = Position(indices.last().map_or(0, |last| (last + 1) * meta.segment_bytes));
    if cut > end {
        return Err(JournalError::Beyond { cut, end });
    }
    meta.first_segment = meta.first_segment.max(indices.last().map_or(0, |last| last + 1));
    meta.cut = true;
    meta.clean = false;
    meta.write(&storage)?;
    for index in indices[segments.len()..].iter().rev() {
        remove(&storage, *index)?;
    }
    clear_behind(&storage, &mut segments, cut, meta.segment_bytes)
}

/// The UUID of the journal in a data folder, in hex; reads only.
///
/// # Errors
/// There is none.
pub fn journal_uuid(data: &Path) -> Result<String, JournalError> {
    read_meta(data, &existing(data)).map(|meta| meta.uuid)
}

pub(super) fn read_meta(data: &Path, storage: &FileStorage) -> Result<Meta, JournalError> {
    let none = || JournalError::None { folder: data.display().to_string() };
    if !journal_folder(data).is_dir() {
        return Err(none());
    }
    Meta::read(storage)?.ok_or_else(none)
}
