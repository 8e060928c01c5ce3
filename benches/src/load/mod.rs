//! What is done to a store and timed, through the public API only.
//!
//! | module | what it holds |
//! |---|---|
//! | [`calls`] | single calls of one thread, each timed |
//! | [`clients`] | tasks or threads that work at once, each waiting for its answer |
//! | [`bare`] | what a durable put is compared with: a bare write and sync |
//!
//! Every answer is looked at: a get that finds nothing, or a query of another length, is an error. Processor time is that of
//! the whole process, so threads of the database count; that of [`bare::Busy`] does not.

use std::time::Duration;

pub use sealdb_bench_driver::latency::{Latencies, latencies, nanos};

pub mod bare;
pub mod calls;
pub mod clients;

/// Some calls of one kind in one round.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Of each call.
    pub latencies: Latencies,
    /// From the first call's begin to the last one's end.
    pub took: Duration,
    /// Processor time meanwhile.
    pub cpu: Duration,
}

impl Sample {
    /// No calls.
    pub fn none() -> Self {
        Self {
            latencies: latencies(),
            took: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    /// Adds other calls that were made before or after these.
    pub fn add(&mut self, other: &Sample) {
        self.latencies += &other.latencies;
        self.took += other.took;
        self.cpu += other.cpu;
    }
}
