//! Clients that work at once, each waiting for its answer before it asks again. Rates include the making of inputs and the
//! dropping of outputs, as a program has them.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealdb::model::ops::{GetItemInput, PutItemInput};
use tokio::runtime::Runtime;

use super::calls::put;
use super::{Latencies, Sample, latencies, nanos};
use crate::random::{Random, Zipf};
use crate::store::{Failure, Store, TABLE};
use crate::usage;

/// When clients stop: after a time, or after so many calls of all together.
#[derive(Debug)]
pub struct Until {
    stop: AtomicBool,
    left: AtomicU64,
}

impl Until {
    fn calls(count: u64) -> Self {
        Self {
            stop: AtomicBool::new(false),
            left: AtomicU64::new(count),
        }
    }

    /// Whether a client may make another call.
    pub fn another(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        !self.stop.load(Ordering::Relaxed) && self.left.try_update(set, fetch, take).is_ok()
    }
}

/// What clients did, each, and what it took.
pub struct Driven<T> {
    /// Of each client.
    pub each: Vec<T>,
    /// From the first client's begin to the last one's end.
    pub took: Duration,
    /// Processor time meanwhile.
    pub cpu: Duration,
}

impl Driven<Latencies> {
    /// All clients together.
    pub fn together(self) -> Sample {
        let mut all = latencies();
        for one in self.each {
            all += one;
        }
        Sample {
            latencies: all,
            took: self.took,
            cpu: self.cpu,
        }
    }
}

/// For how long clients work.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// So long.
    Time(Duration),
    /// So many calls of all together.
    Calls(u64),
}

/// Runs `clients` tasks, each made by `client` from its number.
///
/// # Errors
/// The first of a client's.
pub fn drive<T: Send + 'static, F>(
    runtime: &Runtime,
    clients: usize,
    span: Span,
    mut client: impl FnMut(usize, Arc<Until>) -> F,
) -> Result<Driven<T>, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let until = Arc::new(match span {
        Span::Time(_) => Until::calls(u64::MAX),
        Span::Calls(count) => Until::calls(count),
    });
    let (start, used) = (Instant::now(), usage::cpu());
    let tasks: Vec<_> = (0..clients)
        .map(|number| runtime.spawn(client(number, until.clone())))
        .collect();
    if let Span::Time(time) = span {
        std::thread::sleep(time);
        until.stop.store(true, Ordering::Relaxed);
    }
    let each = runtime.block_on(async {
        let mut each = Vec::new();
        for task in tasks {
            each.push(task.await??);
        }
        Ok::<_, Failure>(each)
    })?;
    Ok(Driven {
        each,
        took: start.elapsed(),
        cpu: usage::cpu().saturating_sub(used),
    })
}

/// Puts in place of random items by `clients` tasks of the async API.
///
/// # Errors
/// Those of the database.
pub fn puts(
    store: &Store,
    runtime: &Runtime,
    random: &mut Random,
    clients: usize,
    span: Span,
) -> Result<Sample, Failure> {
    let driven = drive(runtime, clients, span, |_, until| {
        let (db, items) = (store.db.asynchronous(), store.settings.items);
        let mut random = random.split();
        async move {
            let mut out = latencies();
            while until.another() {
                let input = put(&items, &mut random);
                let begun = Instant::now();
                db.put_item(input).await?;
                out.record(nanos(begun.elapsed()))?;
            }
            Ok(out)
        }
    })?;
    Ok(driven.together())
}

/// Gets and puts in equal parts by `clients` tasks of the async API, of items of which few are frequent.
///
/// # Errors
/// Those of the database, or a missing item.
pub fn mixed(
    store: &Store,
    runtime: &Runtime,
    random: &mut Random,
    zipf: &Arc<Zipf>,
    clients: usize,
    span: Span,
) -> Result<[Sample; 2], Failure> {
    let driven = drive(runtime, clients, span, |_, until| {
        let (db, items) = (store.db.asynchronous(), store.settings.items);
        let (mut random, zipf) = (random.split(), zipf.clone());
        async move {
            let mut out = [latencies(), latencies()];
            while until.another() {
                let number = zipf.draw(&mut random);
                if random.below(2) == 0 {
                    let input = GetItemInput::new(TABLE, items.key(number));
                    let begun = Instant::now();
                    let output = db.get_item(input).await?;
                    out[0].record(nanos(begun.elapsed()))?;
                    if output.item.is_none() {
                        return Err("an item is missing".into());
                    }
                } else {
                    let item = items.item(number, random.below(u64::MAX));
                    let input = PutItemInput::new(TABLE, item);
                    let begun = Instant::now();
                    db.put_item(input).await?;
                    out[1].record(nanos(begun.elapsed()))?;
                }
            }
            Ok(out)
        }
    })?;
    let mut samples = [0, 1].map(|_| Sample {
        took: driven.took,
        ..Sample::none()
    });
    for one in driven.each {
        for (sample, latencies) in samples.iter_mut().zip(one) {
            sample.latencies += latencies;
        }
    }
    // Who of the two used the processor cannot be told: each call has the same share.
    let calls: u64 = samples.iter().map(|sample| sample.latencies.len()).sum();
    for sample in &mut samples {
        let share = sample.latencies.len() as f64 / calls.max(1) as f64;
        sample.cpu = driven.cpu.mul_f64(share);
    }
    Ok(samples)
}

/// Gets by `threads` threads of the `blocking` facade for a while: all together in a second.
///
/// # Errors
/// Those of the database, or a missing item.
pub fn gets_per_second(
    store: &Store,
    random: &mut Random,
    threads: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let stop = AtomicBool::new(false);
    let items = store.settings.items;
    let run = |mut random: Random| -> Result<u64, Failure> {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..100 {
                let key = items.key(random.below(items.count));
                let output = store.db.get_item(GetItemInput::new(TABLE, key))?;
                if output.item.is_none() {
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
                let random = random.split();
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
