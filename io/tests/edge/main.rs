//! The reactor at its edge: real sockets on one side, a scripted engine on the other.

mod bad_input;
mod bench;
mod sign_in;
