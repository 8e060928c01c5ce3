//! One reader of cached items, while something else uses the database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Context, KB};
use crate::compare::temporary;
use crate::load::{Sample, calls};
use crate::random::Random;
use crate::rows::{Bound, Calls, Metric, find};
use crate::store::{Failure, Store};

/// The reader's items: they fit into the cache beside everything else.
const HOT: u64 = 10_000;
const ROUNDS: u32 = 4;

/// What runs meanwhile.
#[derive(Debug, Clone, Copy)]
enum Load {
    Quiet,
    Scan,
    Checkpoint,
    Bulk,
}

const LOADS: [(Load, &str); 4] = [
    (Load::Quiet, "get, quiet"),
    (Load::Scan, "get beside a scan"),
    (Load::Checkpoint, "get beside checkpoints"),
    (Load::Bulk, "get beside a bulk load"),
];

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<crate::rows::Row>, Failure> {
    let dir = temporary(context.dir)?;
    let items = context.items(0.2, KB);
    let stores = context.filled(dir.path(), items)?;
    let hot = HOT.min(items.count);
    let mut all = LOADS.map(|(_, name)| {
        Calls::new(
            name,
            format!(
                "GetItem of one of {hot} cached items of {}, one reader",
                items.count
            ),
        )
    });
    let time = context.time / (ROUNDS * 8);
    for round in 0..ROUNDS {
        context.say(&format!("round {} of {ROUNDS}", round + 1));
        for ((load, _), calls) in LOADS.into_iter().zip(&mut all) {
            for (at, store) in stores.iter().enumerate() {
                let mut random = Random(u64::from(round));
                // What was read before does not count: it brings the reader's items back.
                calls::gets_of(store, 2 * usize::try_from(hot)?, || random.below(hot))?;
                calls.push(at, under(load, store, time, &mut random, hot)?);
            }
        }
    }
    for store in &stores {
        store.db.close()?;
    }
    let mut rows: Vec<_> = all.into_iter().flat_map(Calls::into_rows).collect();
    let quiet = find(&mut rows, LOADS[0].1, Metric::P99).map_or(f64::NAN, |row| row.sealed());
    for (_, name) in &LOADS[1..] {
        if let Some(row) = find(&mut rows, name, Metric::P99) {
            row.judge("beside", Bound::AtMost(2.0 * quiet));
        }
    }
    Ok(rows)
}

fn under(
    load: Load,
    store: &Store,
    time: Duration,
    random: &mut Random,
    hot: u64,
) -> Result<Sample, Failure> {
    let stop = AtomicBool::new(false);
    let other = Random(random.below(u64::MAX));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| burden(load, store, other, &stop));
        let mut sample = Sample::none();
        let begun = Instant::now();
        let mut read = || -> Result<(), Failure> {
            while begun.elapsed() < time {
                sample.add(&calls::gets_of(store, 256, || random.below(hot))?);
            }
            Ok(())
        };
        let read = read();
        stop.store(true, Ordering::Relaxed);
        running.join().map_err(|_| "the other thread panicked")??;
        read.map(|()| sample)
    })
}

fn burden(load: Load, store: &Store, mut random: Random, stop: &AtomicBool) -> Result<(), Failure> {
    let parts = (store.settings.items.batches() / 40).max(1);
    while !stop.load(Ordering::Relaxed) {
        match load {
            Load::Quiet => return Ok(()),
            Load::Scan => {
                calls::scan(store)?;
            }
            Load::Checkpoint => {
                store.fill_part(random.below(parts), parts)?;
                store.db.checkpoint_now()?;
            }
            Load::Bulk => store.fill_part(random.below(parts), parts)?,
        }
    }
    Ok(())
}
