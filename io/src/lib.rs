//! ringdove's edge: reactors, connections, dialects, and the workers that may wait.
#![forbid(unsafe_code)]

mod admission;
mod attempts;
mod clock;
mod config;
mod connection;
mod counters;
mod deadlines;
mod dialect;
mod jwt;
mod mailbox;
mod niceness;
mod pages;
mod passwords;
mod reactor;
mod tokens;

pub use admission::Admission;
pub use attempts::{AttemptLimits, Attempts};
pub use config::{Limits, ReactorConfig};
pub use counters::{Counter, Counters};
pub use jwt::{JwtKeys, JwtRules, SECRET_BYTES};
pub use niceness::stand_back;
pub use pages::{PageDesk, PageQueue, PageReader, page_queue};
pub use passwords::{PasswordDesk, PasswordParams, PasswordPool};
pub use reactor::{Doors, Poller, Reactor, Seams};
