//! What operators ask of a running broker, through the admin door that the data folder leads to.
//!
//! ```text
//!  commands (what can be typed) ─▶ users · contacts · stats · import ─▶ door ─▶ DIR/admin.sock
//!                                                  └─▶ recount ─▶ the journal in DIR
//! ```

mod commands;
mod contacts;
mod door;
mod import;
mod paper;
mod passwords;
mod recount;
mod stats;
mod users;
mod who;

pub use commands::{ContactCommand, ImportCommand, StatsOptions, UserCommand};
pub use contacts::run as contact;
pub use door::released;
pub use import::run as import;
pub use stats::run as stats;
pub use users::run as user;
