//! `journal.toml`: which journal this is, and how it was left.

use ringdove_core::ids::Epoch;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::scan::is_place;
use crate::journal::{Storage, StorageFile, segment_index};

const NAME: &str = "journal.toml";
/// A segment holds at least a few records, and can be mapped.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 40;
const UNFINISHED: &str = "journal.toml.tmp";

/// What is known of a journal beside its segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    /// The journal's UUID, 32 hex digits.
    pub(super) uuid: String,
    /// Bytes of every segment.
    pub(super) segment_bytes: u64,
    /// The epoch of everything new.
    pub(super) epoch: u32,
    /// The first segment of that epoch: behind everything that was preallocated before it began.
    pub(super) first_segment: u64,
    /// The last process ended in order, with everything on disk.
    pub(super) clean: bool,
    /// A repair cut something: the next start opens a new epoch.
    #[serde(default)]
    pub(super) cut: bool,
    /// The last process wrote at level disk: a loss of power took nothing that was told.
    #[serde(default)]
    pub(super) disk: bool,
    /// The system's boot in which it was written last.
    pub(super) boot: String,
    /// Device and inode of the folder.
    pub(super) folder: String,
}

impl Meta {
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    pub(super) fn uuid(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        let digits = self.uuid.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(bytes)
    }

    /// `None`: there is no journal yet.
    pub(super) fn read(storage: &impl Storage) -> Result<Option<Self>, JournalError> {
        let wrong = |why: String| JournalError::Meta { file: NAME.into(), why };
        let names = storage.list().map_err(JournalError::io("listing the journal's folder"))?;
        if !names.iter().any(|name| name == NAME) {
            // it is made before the first segment
            if names.iter().any(|name| segment_index(name).is_some()) {
                return Err(wrong("it is missing, but there are segments: restore it from a backup".into()));
            }
            return Ok(None);
        }
        let file = storage.open(NAME).map_err(JournalError::io(format!("opening {NAME}")))?;
        let mut bytes = Vec::new();
        file.read(0, file.bytes() as usize, &mut bytes);
        let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
        let meta: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let sizes = meta.segment_bytes.is_power_of_two() && SEGMENT_BYTES.contains(&meta.segment_bytes);
        let epochs = 1..u32::MAX;
        let is_wrong = meta.uuid().is_none()
            || !sizes
            || !epochs.contains(&meta.epoch)
            || !is_place(meta.first_segment, meta.segment_bytes);
        if is_wrong {
            return Err(wrong("uuid, segment_bytes, epoch or first_segment is out of range".into()));
        }
        Ok(Some(meta))
    }

    /// Replaces it, whole or not at all.
    pub(super) fn write(&self, storage: &impl Storage) -> Result<(), JournalError> {
        let wrong = |error: toml::ser::Error| JournalError::Meta { file: NAME.into(), why: error.to_string() };
        let text = toml::to_string(self).map_err(wrong)?;
        let write = || {
            let file = storage.create(UNFINISHED, text.len() as u64)?;
            file.write(0, text.as_bytes())?;
            file.sync()?;
            storage.rename(UNFINISHED, NAME)?;
            storage.sync_folder()
        };
        write().map_err(JournalError::io(format!("writing {NAME}")))
    }
}
