//! Open-loop load and honest latency.
fn main() {}
