//! The loads: what is sent, when, and what has to arrive.

mod fanout;
mod flow;
mod idle;
mod pair;
mod reconnect;

pub use fanout::Fanout;
pub use flow::Pace;
pub use idle::idle;
pub use pair::Pair;
pub use reconnect::{Circle, reconnect};
