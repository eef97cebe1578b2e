//! Open-loop load and honest latency.
#![forbid(unsafe_code)]

fn main() {}
