//! ringdove's core: everything that decides, and nothing that touches the world. No socket, file, clock or thread.
#![forbid(unsafe_code)]

pub mod agent;
pub mod engine;
pub mod ids;
pub mod projected;
pub mod record;
pub mod rings;
pub mod wire;
