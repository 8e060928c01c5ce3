//! The life of keys, over real files, a real keyring and a real audit trail.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod caching;
mod leases;
mod policies;
mod trail;
mod world;
