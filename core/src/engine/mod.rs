//! The engine: the single-threaded owner of all state. Commands in, events out.
//!
//! ```text
//!  InboundSlot ─▶ stage ─▶ decide(state, command) ─▶ events ─▶ publish: place, apply(state, event), slots ─▶ CommitSlot
//!                             └────────▶ refusal ─────────────────────────────────────────────┘
//! ```
//! `decide` changes nothing and `apply` decides nothing. Recovery is `apply` over the journal ([`State::replay`]), so live and
//! recovered state cannot differ. Rooms: `users` (accounts, devices), `inbox`, `keys` (idempotence), `chats`, `groups`;
//! `sessions` is who is connected now, and no part of the state.

mod chats;
mod chunked;
mod contact_rules;
mod contacts;
mod decide;
mod desk;
mod digest;
mod event;
mod groups;
mod inbox;
mod joins;
mod keys;
mod lists;
mod online;
mod operating;
mod presence;
mod publish;
mod sessions;
mod signing;
mod stage;
mod state;
mod tables;
mod trains;
mod users;

pub use decide::Limits;
pub use event::Unreadable;
pub use stage::{Engine, Start, Ties};
pub use state::State;
pub use tables::{AccountRow, ContactRow, DeviceRow, GroupRow, MembershipRow};
