//! The daemon as its users meet it: a process, its sockets, its files, its signals.

mod accounts;
mod at_a_terminal;
#[path = "../broker/mod.rs"]
mod broker;
mod chatting;
mod client;
mod contacts;
mod crash;
mod damage;
mod ending;
mod file_systems;
mod importing;
mod operators;
mod recounting;
mod several_reactors;
mod slow_reader;
mod starting;
