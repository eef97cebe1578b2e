//! The wire.
mod codes;
pub use codes::{Code, Refusal};
