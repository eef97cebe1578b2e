//! Why a journal cannot be opened.

use std::io;

use ringdove_core::ids::Position;

/// Why a journal cannot be opened, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system said no.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is no journal.
    #[error("there is no journal in the data folder {folder}")]
    None {
        /// The data folder.
        folder: String,
    },
    /// Nothing can be cut where nothing is.
    #[error("position {cut} is behind the journal, which ends at {end}: nothing was cut")]
    Beyond {
        /// Where to cut.
        cut: Position,
        /// Behind the last segment.
        end: Position,
    },
    /// Something below what was on disk is damaged: messages that were told are lost.
    #[error(
        "the journal is damaged: {what}, in {file} at offset {offset}, position {position}, below {synced}, up to which it was on \
         disk. Restore the data folder from a backup; or give up everything from there on with `ringdove log repair --data DIR --cut {position}`"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// The offset in it.
        offset: u64,
        /// The position.
        position: Position,
        /// Everything below this position was on disk.
        synced: Position,
        /// What is wrong.
        what: &'static str,
    },
    /// A segment of another journal lies in the folder.
    #[error("{file} belongs to another journal: take it out of the folder")]
    Foreign {
        /// The file.
        file: String,
    },
    /// A newer ringdove wrote this.
    #[error("{file} has format {format}, which this version does not know: start the newer ringdove that wrote it")]
    Newer {
        /// The file.
        file: String,
        /// Its format.
        format: u32,
    },
    /// `journal.toml` cannot be read.
    #[error("{file} cannot be read: {why}")]
    Meta {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// A record is whole, but its events cannot be applied.
    #[error("{file} at offset {offset}, position {position}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// The offset in it.
        offset: u64,
        /// The position.
        position: Position,
        /// Why.
        why: String,
    },
}

impl JournalError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}
