//! The reactor at its edge: real sockets on one side, a scripted engine on the other.

mod admin_door;
mod arbitrary;
mod attempts;
mod backpressure;
mod bad_input;
mod bench;
mod delivery;
mod early_flush;
mod ending;
mod pulling;
mod renewing;
mod runs;
mod sign_in;
mod signals;
mod trains;
mod vouching;
mod waiting;
