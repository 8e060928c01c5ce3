//! What is done to a store and timed, through the public API only.
//!
//! Single calls are timed one by one, with about 25 ns of the clock's own in each; their inputs are made beforehand. Rates
//! (`*_per_second`) include the making of inputs and the dropping of outputs, as a program has them.
//! Every answer is looked at: a get that finds nothing, or a query of another length, is an error.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sealdb::model::ops::{GetItemInput, PutItemInput, QueryInput, ScanInput};

use crate::store::{Failure, PER_PARTITION, Store, TABLE, partition};

/// Latencies in nanoseconds, to three digits.
pub type Latencies = Histogram<u64>;

/// Items of one query.
pub const QUERY_ITEMS: u64 = 20;
/// Inputs that are made ahead of being timed.
const AHEAD: usize = 256;

/// A small generator (SplitMix64): runs with one seed do the same things.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The high half of the product: uniform enough, and without a division.
        u64::try_from((u128::from(z) * u128::from(end)) >> 64).unwrap_or(0)
    }
}

/// An empty histogram.
pub fn latencies() -> Latencies {
    Histogram::new(3).expect("three digits are allowed")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Times `count` calls, one by one; inputs are made ahead by `make`, answers judged by `check`.
fn timed<I, O>(
    count: usize,
    mut make: impl FnMut() -> I,
    mut call: impl FnMut(I) -> Result<O, sealdb::Error>,
    check: impl Fn(&O) -> bool,
) -> Result<Latencies, Failure> {
    let mut out = latencies();
    let mut left = count;
    while left > 0 {
        let now = left.min(AHEAD);
        left -= now;
        let inputs: Vec<I> = (0..now).map(|_| make()).collect();
        for input in inputs {
            let start = Instant::now();
            let output = call(input)?;
            out.record(nanos(start.elapsed()))?;
            if !check(&output) {
                return Err("an answer was not what was stored".into());
            }
        }
    }
    Ok(out)
}

/// Gets of random items, one by one.
///
/// # Errors
/// Those of the database, or a missing item.
pub fn gets(store: &Store, random: &mut Random, count: usize) -> Result<Latencies, Failure> {
    timed(
        count,
        || GetItemInput::new(TABLE, store.key(random.below(store.settings.items))),
        |input| store.db.get_item(input),
        |output| output.item.as_ref().is_some_and(|item| item.len() == 3),
    )
}

/// Queries of [`QUERY_ITEMS`] neighbours, one by one.
///
/// # Errors
/// Those of the database, or an answer of another length.
pub fn queries(store: &Store, random: &mut Random, count: usize) -> Result<Latencies, Failure> {
    timed(
        count,
        || query(store, random),
        |input| store.db.query(input),
        |output| output.items.len() as u64 == QUERY_ITEMS,
    )
}

/// A query of [`QUERY_ITEMS`] neighbours somewhere.
pub fn query(store: &Store, random: &mut Random) -> QueryInput {
    let first = random.below(PER_PARTITION - QUERY_ITEMS + 1);
    QueryInput::new(TABLE, "pk = :p AND sk >= :s")
        .value(":p", partition(random.below(store.settings.items)))
        .value(":s", format!("{first:03}"))
        .limit(20)
}

/// A scan of the whole table: nanoseconds for each item.
///
/// # Errors
/// Those of the database, or another count of items than were stored.
#[allow(clippy::cast_precision_loss)]
pub fn scan(store: &Store) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut seen = 0;
    let mut after = None;
    loop {
        let mut input = ScanInput::new(TABLE);
        input.exclusive_start_key = after.take();
        let page = store.db.scan(input)?;
        seen += page.items.len() as u64;
        after = page.last_evaluated_key;
        if after.is_none() {
            break;
        }
    }
    if seen != store.settings.items {
        return Err(format!("a scan found {seen} of {} items", store.settings.items).into());
    }
    Ok(start.elapsed().as_nanos() as f64 / seen as f64)
}

/// Durable puts in place of random items by one thread of the `blocking` facade, one by one.
///
/// # Errors
/// Those of the database.
pub fn puts(store: &Store, random: &mut Random, count: usize) -> Result<Latencies, Failure> {
    timed(
        count,
        || put(store, random),
        |input| store.db.put_item(input),
        |_| true,
    )
}

fn put(store: &Store, random: &mut Random) -> PutItemInput {
    let number = random.below(store.settings.items);
    PutItemInput::new(TABLE, store.item(number, random.below(u64::MAX)))
}

/// Gets by `threads` threads for a while: all together in a second.
///
/// # Errors
/// Those of the database, or a missing item.
#[allow(clippy::cast_precision_loss)]
pub fn gets_per_second(
    store: &Store,
    random: &mut Random,
    threads: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let stop = AtomicBool::new(false);
    let run = |mut random: Random| -> Result<u64, Failure> {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..100 {
                let key = store.key(random.below(store.settings.items));
                if store
                    .db
                    .get_item(GetItemInput::new(TABLE, key))?
                    .item
                    .is_none()
                {
                    return Err("an item is missing".into());
                }
            }
            done += 100;
        }
        Ok(done)
    };
    std::thread::scope(|scope| {
        let start = Instant::now();
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let random = Random(random.below(u64::MAX));
                scope.spawn(|| run(random))
            })
            .collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut done = 0;
        for thread in running {
            done += thread.join().map_err(|_| "a reader panicked")??;
        }
        Ok(done as f64 / start.elapsed().as_secs_f64())
    })
}

/// Durable puts in place of random items by `clients` tasks of one runtime, each waiting for its answer before its next put:
/// all together in a second, and their latencies.
///
/// # Errors
/// Those of the database.
#[allow(clippy::cast_precision_loss)]
pub fn async_puts(
    store: &Arc<Store>,
    runtime: &tokio::runtime::Runtime,
    random: &mut Random,
    clients: usize,
    time: Duration,
) -> Result<(f64, Latencies), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (store, stop) = (store.clone(), stop.clone());
            let mut random = Random(random.below(u64::MAX));
            let db = store.db.asynchronous();
            runtime.spawn(async move {
                let mut out = latencies();
                while !stop.load(Ordering::Relaxed) {
                    let input = put(&store, &mut random);
                    let begun = Instant::now();
                    db.put_item(input).await?;
                    out.record(nanos(begun.elapsed()))?;
                }
                Ok::<_, Failure>(out)
            })
        })
        .collect();
    std::thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        let mut all = latencies();
        for task in tasks {
            all.add(task.await??)?;
        }
        Ok((all.len() as f64 / start.elapsed().as_secs_f64(), all))
    })
}

/// What a durable put is compared with: a bare write and fdatasync into a zero-filled file, as the log's segments are.
pub struct Bare {
    file: File,
    at: u64,
}

impl Bare {
    /// Bytes of one write: a small record of the log takes one block.
    pub const WRITE: usize = 4096;
    const LEN: u64 = 8 << 20;

    /// A zero-filled file in `dir`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn create(dir: &Path) -> Result<Self, Failure> {
        let file = File::create_new(dir.join("bare"))?;
        let zeros = vec![0; 1 << 20];
        for at in 0..Self::LEN >> 20 {
            file.write_all_at(&zeros, at << 20)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Writes and syncs, one by one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn syncs(&mut self, count: usize) -> Result<Latencies, Failure> {
        let mut out = latencies();
        let bytes = [0xA5; Self::WRITE];
        for _ in 0..count {
            let start = Instant::now();
            self.file.write_all_at(&bytes, self.at)?;
            self.file.sync_data()?;
            out.record(nanos(start.elapsed()))?;
            self.at = (self.at + Self::WRITE as u64) % Self::LEN;
        }
        Ok(out)
    }
}

/// Keeps a core lightly busy while it lives: an idle virtual machine answers a sync after 4 ms instead of a tenth of that.
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Busy {
    /// Starts the thread.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let spins = AtomicU64::new(0);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..2_000 {
                    spins.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
