//! The loads: what is sent, when, and what has to arrive.

mod fanout;
mod flow;
mod idle;
mod pair;
mod reconnect;
mod sign_in;

pub use fanout::Fanout;
pub use flow::Pace;
pub use idle::idle;
pub use pair::Pair;
pub use reconnect::{Circle, reconnect};
pub use sign_in::sign_in;
