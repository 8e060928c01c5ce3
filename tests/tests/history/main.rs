//! Random histories: what a seed draws is done to the database and to a plain map, and both must agree, whatever crashes between.
//!
//! | variable | meaning |
//! |---|---|
//! | `SEALDB_HISTORY_SEEDS=n` | run n seeds of each suite (a share of n where a seed stands for many runs), however long it takes; without it as many as fit its time |
//! | `SEALDB_HISTORY_FIRST=n` | begin with seed n |
//! | `SEALDB_HISTORY_SEED=n` | run this seed only, and print every decision |
//! | `SEALDB_HISTORY_CRASH=k` | of a seed that crashes everywhere: crash at operation k only |
//!
//! A seed replays exactly: ids, salts and keys come from a seeded generator, time stands still until told otherwise, and there
//! are no threads in the database. Only where threads write at once the order in time is the machine's.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub
)]

mod check;
mod counters;
mod draw;
mod every;
mod indexes;
mod keys;
mod model;
mod reads;
mod recover;
mod run;
mod streams;
mod suite;
mod threads;
mod trace;
mod transactions;
mod updates;
mod world;

use std::time::Duration;

use sealdb_tests::rng::{self, Rng};

use crate::counters::Counters;
use crate::draw::Draw;
use crate::model::Model;
use crate::run::Run;
use crate::suite::{Length, suite};
use crate::trace::Trace;
use crate::world::Keys;

/// The history of a seed.
fn history(keys: &Keys, seed: u64, trace: Trace) -> Run<'_> {
    let mut rng = Rng::new(seed);
    let draw = Draw::new(&mut rng);
    let mut run = Run::new(keys, seed, draw, rng, trace);
    run.go();
    run
}

#[test]
fn histories_agree_with_a_map() {
    let keys = Keys::new();
    let length = Length {
        time: Duration::from_secs(20),
        least: 120,
        weight: 1,
    };
    let counters = suite("histories_agree_with_a_map", &length, |seed, print| {
        history(&keys, seed, Trace::printing(print)).counters
    });
    counters.require(
        length.least,
        &[
            "evictions",
            "splits",
            "merges",
            "out-of-line items",
            "segment reuses",
            "torn tails",
            "crashes",
            "kills",
            "crashes while opening",
            "reopenings",
            "unacknowledged writes found",
            "batches in pieces",
            "tables deleted",
            "transactions",
            "transactions canceled",
            "transactions sent again",
            "entries found by an index",
            "indexes made later",
            "indexes removed",
            "pieces of indexes filled",
            "tables rewrapped",
            "rekeys begun",
            "rekeys ended",
            "unsynced writes lost",
            "unsynced writes made durable",
            "unknown outcomes",
            "writes refused: read-only",
            "writes refused: disk full",
            "calls failed by a fault",
            "faults while opening",
            "checked pages",
        ],
    );
}

#[test]
fn a_crash_at_every_write_and_sync_leaves_what_was_acknowledged() {
    let keys = Keys::new();
    let length = Length {
        time: Duration::from_secs(12),
        least: 6,
        weight: 100,
    };
    let name = "a_crash_at_every_write_and_sync_leaves_what_was_acknowledged";
    let counters = suite(name, &length, |seed, print| {
        every::crash_everywhere(&keys, seed, print)
    });
    counters.require(
        length.least,
        &[
            "operations crashed at",
            "crashes while opening",
            "unacknowledged writes found",
            "unsynced writes lost",
            "torn tails",
            "checked pages",
        ],
    );
}

#[test]
fn threads_that_write_at_once_lose_nothing() {
    let keys = Keys::new();
    let length = Length {
        time: Duration::from_secs(8),
        least: 24,
        weight: 20,
    };
    let name = "threads_that_write_at_once_lose_nothing";
    let counters = suite(name, &length, |seed, _| threads::run(&keys, seed));
    counters.require(
        length.least,
        &[
            "acknowledged calls",
            "crashes under way",
            "images with calls under way",
            "evictions",
            "splits",
            "segment reuses",
        ],
    );
}

#[test]
fn a_seed_replays_to_the_last_operation() {
    let keys = Keys::new();
    let once = |seed: u64| -> (Vec<String>, Model, Counters) {
        let run = history(&keys, seed, Trace::keeping());
        (run.trace.lines(), run.model, run.counters)
    };
    let mut lines = 0;
    for seed in 0..12 {
        let (first, again) = (once(seed), once(seed));
        for (a, b) in first.0.iter().zip(&again.0) {
            assert_eq!(a, b, "seed {seed} went another way");
        }
        assert!(first == again, "seed {seed} ended in another state");
        lines += first.0.len();
    }
    assert!(lines > 1000, "{lines} decisions");
    assert!(once(0).0 != once(1).0, "two seeds are two histories");
}
