//! The tables in SQL: they follow the journal, whatever breaks, and belong to one journal only. What a test asks is what an operator asks,
//! `ringdove sql verify`: it holds every row against the journal.
//!
//! Tests whose names begin with `postgres` need one; `scripts/test` leaves them out, and says so, where there is none.

#[path = "../broker/mod.rs"]
mod broker;
#[path = "../daemon/client.rs"]
#[allow(dead_code, reason = "these tests use their part")]
mod client;
mod following;
mod operator;
mod outages;
#[path = "../postgres/mod.rs"]
mod postgres;
mod refusals;
