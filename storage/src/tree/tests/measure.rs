//! Numbers of the tree alone, for whoever works on it:
//! `cargo test --release -p sealdb tree::tests::measure -- --ignored --nocapture --test-threads=1`.
//!
//! Times are of the thread's own processor time, so that a busy machine does not drown them (its cold caches still show).
#![allow(clippy::print_stdout)]

use std::ops::Bound::Unbounded;
use std::sync::Arc;
use std::time::Duration;

use sealdb_engine::{Engine, MemoryEngine};

use super::super::{Need, PageCache, Retired, Tree, TreeIo};
use super::model::Dice;
use super::{put, until, world};

/// A key as storage makes them: hash of the partition key, its length, the partition key.
fn key(i: u64) -> [u8; 22] {
    let mut key = [0; 22];
    key[..8].copy_from_slice(&Dice(i).next().to_be_bytes());
    key[8..10].copy_from_slice(&12u16.to_be_bytes());
    key[10..].copy_from_slice(format!("item{i:08}").as_bytes());
    key
}

/// Processor time of a thread since it was made, from the kernel's scheduler statistics (Linux).
struct Instant(u64);

impl Instant {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Self(stat.split(' ').next().unwrap().parse().unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::now().0 - self.0)
    }
}

fn per(start: &Instant, n: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / n as f64
}

/// Loads `n` items in random order, a version every `group` puts, a checkpoint every `dirty` bytes.
fn load(io: &TreeIo, n: u64, len: usize, group: u64, dirty: usize) -> Tree {
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    let value = vec![7; len];
    let mut published = tree.clone();
    let (mut flushing, mut put_ns, start) = (0.0, 0.0, Instant::now());
    let mut lap = Instant::now();
    for i in 0..n {
        let key = key(i);
        until(io, || tree.warm(io, &key));
        put(&mut tree, io, &key, &value, &mut retired);
        if (i + 1).is_multiple_of(group) {
            published = tree.clone();
        }
        if io.cache.dirty_bytes() > dirty {
            put_ns += lap.elapsed().as_nanos() as f64;
            lap = Instant::now();
            let cut = std::mem::take(&mut retired);
            tree.flush(io, &mut |_| {}).unwrap();
            io.engine.free(&cut.into_freed(io.space));
            flushing += lap.elapsed().as_secs_f64();
            lap = Instant::now();
        }
    }
    put_ns += lap.elapsed().as_nanos() as f64;
    drop(published);
    let cut = std::mem::take(&mut retired);
    lap = Instant::now();
    tree.flush(io, &mut |_| {}).unwrap();
    io.engine.free(&cut.into_freed(io.space));
    flushing += lap.elapsed().as_secs_f64();
    let written = io.engine.stats().page_bytes_written as f64;
    let report = tree.verify(io, &mut |_| {}).unwrap();
    let payload = (report.key_bytes + report.value_bytes) as f64;
    println!(
        "{n} items of {len} B, groups of {group}, {} MiB dirty: put {:.0} ns, flush {:.0} MB/s, all in {:.1} s",
        dirty >> 20,
        put_ns / n as f64,
        written / flushing / 1e6,
        start.elapsed().as_secs_f64()
    );
    println!(
        "  written {:.2} a byte, disk {:.3} a byte, leaves {:.3} full, height {}, fan-out {:.1}, {:?}",
        written / payload,
        report.disk_bytes as f64 / payload,
        report.leaf_used as f64 / report.leaf_capacity as f64,
        report.height,
        (report.leaves + report.inner - 1) as f64 / report.inner as f64,
        io.cache.stats()
    );
    tree
}

fn gets(io: &TreeIo, tree: &Tree, n: u64, seed: u64) -> f64 {
    let mut dice = Dice(seed);
    let rounds = 1_000_000;
    let keys: Vec<_> = (0..rounds).map(|_| key(dice.next() % n)).collect();
    let start = Instant::now();
    let mut sum = 0usize;
    for key in &keys {
        sum += until(io, || tree.get(io, key)).map_or(0, |value| value[0] as usize);
    }
    assert_eq!(sum, 7 * rounds as usize);
    per(&start, rounds)
}

/// What one access to memory that is in no cache costs at the moment, over as much of it: a chain of random steps.
fn memory_latency(bytes: usize) -> f64 {
    let n = bytes / 64;
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut dice = Dice(5);
    // One cycle through all (Sattolo).
    for i in (1..n).rev() {
        order.swap(i, dice.below(i));
    }
    let mut lines = vec![[0u64; 8]; n];
    for i in 0..n {
        lines[order[i] as usize][0] = u64::from(order[(i + 1) % n]);
    }
    let start = Instant::now();
    let mut at = 0;
    for _ in 0..1_000_000 {
        at = lines[at][0] as usize;
    }
    std::hint::black_box(at);
    per(&start, 1_000_000)
}

#[test]
#[ignore = "a measurement"]
fn warm_reads() {
    for (n, len) in [(1_000_000, 100), (200_000, 1024)] {
        let io = world(Arc::new(MemoryEngine::new()), PageCache::new(1 << 30));
        let tree = load(&io, n, len, 1024, 64 << 20);
        for round in 0..3 {
            let one = gets(&io, &tree, n, round);
            let (io, tree) = (&io, &tree);
            let two: f64 = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..2)
                    .map(|t| scope.spawn(move || gets(io, tree, n, 10 + t)))
                    .collect();
                threads.into_iter().map(|t| t.join().unwrap()).sum::<f64>() / 2.0
            });
            let start = Instant::now();
            let mut cursor = tree.cursor(Unbounded, Unbounded, false);
            let mut seen = 0;
            loop {
                match cursor.next(io) {
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => break,
                    Err(Need::Load(cell)) => io.load_blocking(&cell).unwrap(),
                    Err(Need::Fail(error)) => panic!("{error}"),
                }
            }
            let (entry, memory) = (per(&start, seen), memory_latency(io.cache.clean_bytes()));
            println!(
                "  memory {memory:.0} ns, get {one:.0} ns, two threads {two:.0} ns each, cursor {entry:.0} ns an entry"
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn loads() {
    for (n, len, group, dirty, budget) in [
        (1_000_000, 100, 1024, 64 << 20, 1 << 30),
        (1_000_000, 100, 1, 64 << 20, 1 << 30),
        (1_000_000, 100, 32, 16 << 20, 128 << 20),
        (500_000, 1024, 32, 16 << 20, 128 << 20),
    ] {
        let io = world(Arc::new(MemoryEngine::new()), PageCache::new(budget));
        let tree = load(&io, n, len, group, dirty);
        drop(tree);
        assert_eq!(io.cache.clean_bytes(), 0);
    }
}
