//! The server, end to end: a real `sealdb-server` process, spoken to over the network and killed without warning.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod canary;
mod doors;
mod kill;
mod operations;
mod outside;
mod reflection;
mod shutdown;
mod starts;
