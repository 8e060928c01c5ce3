//! The server, end to end: a real `sealdb-server` process, spoken to over the network and killed without warning.
// Tests of real processes wait on the real clock, and print what they counted.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs
)]

mod bad_values;
mod canary;
mod conditions;
mod doors;
mod expiry;
mod hostile_bytes;
mod kill;
mod memory;
mod operations;
mod outside;
mod reflection;
mod settings;
mod shutdown;
mod starts;
mod statements;
mod transactions;
mod wire;
