//! What the end-to-end tests share: real `sealdb-server` processes and the command line, a raw gRPC channel, chance from a seed, a search for
//! data that must not be found, on disks and in memory, and files of a database looked at from outside.
//!
//! Everything here panics when something is not as it should be: it serves tests only.
// Tests of real processes wait on the real clock.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod aes;
pub mod canary;
pub mod disk;
pub mod dynamodb;
pub mod judge;
pub mod memory;
pub mod noting;
pub mod raw;
pub mod rng;
pub mod server;
