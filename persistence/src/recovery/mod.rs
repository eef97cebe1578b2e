//! What a start does with the journal that it finds: verify, replay, cut what is torn, and decide the epoch.

mod error;
mod evidence;
mod inspect;
mod meta;
mod scan;
mod start;
mod visit;

pub use error::JournalError;
pub use inspect::{Report, dump, journal_uuid, repair, tail, verify};
pub use start::{Opened, Options, open_memory, recover};
pub use visit::{Visited, visit};
