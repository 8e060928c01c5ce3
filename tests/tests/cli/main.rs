//! The command line, end to end: the real `sealdb` against a real server, as a person or a script calls it.
// Tests of real processes wait on the real clock, and print what they counted.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs
)]

mod alter;
mod audit;
mod closed;
mod conditions;
mod credentials;
mod dev;
mod files;
mod indexes;
mod items;
mod keys;
mod mistakes;
mod rekey;
mod sql;
mod streams;
mod tables;
