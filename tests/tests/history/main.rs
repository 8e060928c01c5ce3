//! Random histories: what a seed draws is done to the database and to a plain map, and both must agree, whatever crashes between.
//!
//! | variable | meaning |
//! |---|---|
//! | `SEALDB_HISTORY_SEEDS=n` | run n seeds of each suite, however long it takes; without it as many as fit its time |
//! | `SEALDB_HISTORY_FIRST=n` | begin with seed n |
//! | `SEALDB_HISTORY_SEED=n` | run this seed only, and print every decision |
//!
//! A seed replays exactly: ids, salts and keys come from a seeded generator, time stands still until told otherwise, and there
//! are no threads in the database.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub
)]

mod check;
mod counters;
mod draw;
mod model;
mod reads;
mod rng;
mod run;
mod suite;
mod world;

use std::time::Duration;

use crate::draw::Draw;
use crate::rng::Rng;
use crate::run::Run;
use crate::suite::suite;
use crate::world::Keys;

#[test]
fn histories_agree_with_a_map() {
    let keys = Keys::new();
    let counters = suite(
        "histories_agree_with_a_map",
        Duration::from_secs(15),
        |seed, trace| {
            let mut rng = Rng::new(seed);
            let draw = Draw::new(&mut rng);
            let mut run = Run::new(&keys, seed, draw, rng, trace);
            run.go();
            run.counters
        },
    );
    counters.require(&[
        "evictions",
        "splits",
        "merges",
        "out-of-line items",
        "segment reuses",
        "crashes",
        "crashes while opening",
        "reopenings",
        "unacknowledged writes found",
        "batches in pieces",
        "tables deleted",
    ]);
}
