//! What operators ask of a running broker, through the admin door that the data folder leads to.
//!
//! ```text
//!  commands (what can be typed) ─▶ users · contacts · stats ─▶ door ─▶ DIR/admin.sock
//!                                                  └─▶ recount ─▶ the journal in DIR
//! ```

mod commands;
mod contacts;
mod door;
mod paper;
mod passwords;
mod recount;
mod stats;
mod users;
mod who;

pub use commands::{ContactCommand, StatsOptions, UserCommand};
pub use contacts::run as contact;
pub use door::released;
pub use stats::run as stats;
pub use users::run as user;
