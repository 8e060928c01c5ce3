//! Runs seeds for a time, or as many as asked for; names the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use sealdb::crypto::{Clock, SystemClock};

use crate::counters::Counters;

/// The number in an environment variable.
pub fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// How long a suite runs if nobody says how many seeds.
pub struct Length {
    pub time: Duration,
    /// At least so many seeds, however slow the machine is.
    pub least: u64,
    /// A seed of this suite stands for so many of `SEALDB_HISTORY_SEEDS`.
    pub weight: u64,
}

/// Runs `history` with seed after seed, and gives what all of them went through.
pub fn suite(name: &str, length: &Length, history: impl Fn(u64, bool) -> Counters) -> Counters {
    let one = variable("SEALDB_HISTORY_SEED");
    let count = variable("SEALDB_HISTORY_SEEDS");
    let first = one.or(variable("SEALDB_HISTORY_FIRST")).unwrap_or(0);
    let began = SystemClock.boot();
    let mut all = Counters::default();
    for seed in first.. {
        let done = seed - first;
        let over = match (one, count) {
            (Some(_), _) => done == 1,
            (_, Some(count)) => done == count.div_ceil(length.weight),
            _ => done >= length.least && SystemClock.boot() - began >= length.time,
        };
        if over {
            break;
        }
        match catch_unwind(AssertUnwindSafe(|| history(seed, one.is_some()))) {
            Ok(counters) => {
                all.merge(&counters);
                all.add("seeds", 1);
            }
            Err(panic) => {
                eprintln!(
                    "seed {seed} failed. To replay it, with every decision printed:\n  \
                     SEALDB_HISTORY_SEED={seed} cargo test -p sealdb-tests --test history {name} -- --nocapture"
                );
                resume_unwind(panic);
            }
        }
    }
    let seconds = (SystemClock.boot() - began).as_secs_f64();
    println!("{name}: {all} in {seconds:.1} s");
    all
}
