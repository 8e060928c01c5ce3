//! Durable puts while checkpoints run, beside bare syncs that share the device with as many background writes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Context, KB};
use crate::compare::{runtime, temporary};
use crate::load::bare::{Bare, Busy};
use crate::load::clients::{self, Span};
use crate::load::{Latencies, Sample, calls, latencies};
use crate::random::Random;
use crate::rows::{Bound, Calls, Metric, Row, Unit, find, quantile};
use crate::store::Failure;

/// The time is divided into so many rounds, and those among stores and the bare loop.
const ROUNDS: u32 = 3;
const CLIENTS: usize = 32;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let dir = temporary(context.dir)?;
    let items = context.items(0.2, KB);
    let stores = context.filled(dir.path(), items)?;
    let mut bare = Bare::create(dir.path(), 4096)?;
    let background = Background::create(dir.path())?;
    let runtime = runtime()?;
    let what = format!(
        "over {} items of 1 KB, checkpoints one after the other",
        items.count
    );
    let mut one = Calls::new(
        "put while checkpoints run",
        format!("durable PutItem, 1 thread, {what}"),
    );
    let mut many = Calls::new(
        "put while checkpoints run, 32 clients",
        format!("durable PutItem, async API, {what}"),
    );
    let mut rate = Row::new(
        "background writes",
        Unit::Bytes,
        "bytes of pages in a second that the lonely putter's checkpoints wrote",
    );
    let mut bares = latencies();
    let time = context.time / (5 * ROUNDS);
    for round in 0..ROUNDS {
        context.say(&format!("round {} of {ROUNDS}", round + 1));
        let _busy = Busy::new();
        let mut written = 0.0;
        for (at, store) in stores.iter().enumerate() {
            let mut random = Random(u64::from(round));
            let before = store.db.stats().page_bytes_written;
            let sample = calls::puts_for(store, &mut random, time)?;
            let pages = store.db.stats().page_bytes_written - before;
            let speed = pages as f64 / sample.took.as_secs_f64();
            rate.push(at, speed);
            if at == 0 {
                written = speed;
            }
            one.push(at, sample);
        }
        bares += background.beside(written, || syncs_for(&mut bare, time))?;
        for (at, store) in stores.iter().enumerate() {
            let mut random = Random(u64::from(round));
            let span = Span::Time(time);
            let sample: Sample = clients::puts(store, &runtime, &mut random, CLIENTS, span)?;
            many.push(at, sample);
        }
    }
    for store in &stores {
        store.db.close()?;
    }
    let (p50, p999) = (quantile(&bares, 0.5), quantile(&bares, 0.999));
    let mut rows = Vec::new();
    for calls in [one, many] {
        let mut part = calls.into_rows();
        for row in &mut part {
            row.bare = Some((p50, p999));
        }
        let name = part
            .first()
            .map(|row| row.workload.clone())
            .unwrap_or_default();
        if let Some(row) = find(&mut part, &name, Metric::P999) {
            row.judge("stalls", Bound::AtMost(2.0 * p999));
        }
        if let Some(row) = find(&mut part, &name, Metric::Max) {
            row.judge("stalls", Bound::AtMost(500e6));
        }
        rows.extend(part);
    }
    rows.push(rate);
    rows.push(Row::value(
        "bare sync, longest",
        Unit::Nanos,
        bares.max() as f64,
        "of a bare write + fdatasync loop with the same background writes",
    ));
    Ok(rows)
}

fn syncs_for(bare: &mut Bare, time: Duration) -> Result<Latencies, Failure> {
    let mut all = latencies();
    let begun = Instant::now();
    while begun.elapsed() < time {
        all += bare.syncs(16)?;
    }
    Ok(all)
}

/// Writes as a checkpoint does: runs of 256 KiB, and a sync after each 16 MiB.
struct Background(File);

impl Background {
    const RUN: usize = 256 << 10;
    const SYNC: u64 = 16 << 20;
    const LEN: u64 = 256 << 20;

    fn create(dir: &Path) -> Result<Self, Failure> {
        let file = File::create_new(dir.join("background"))?;
        let zeros = vec![0; 1 << 20];
        for at in 0..Self::LEN >> 20 {
            file.write_all_at(&zeros, at << 20)?;
        }
        file.sync_all()?;
        Ok(Self(file))
    }

    /// Writes so many bytes a second while `work` runs.
    fn beside<T>(
        &self,
        speed: f64,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| self.write(speed, &stop));
            let done = work();
            stop.store(true, Ordering::Relaxed);
            writer.join().map_err(|_| "the writer panicked")??;
            done
        })
    }

    fn write(&self, speed: f64, stop: &AtomicBool) -> Result<(), Failure> {
        let run = vec![0x5A; Self::RUN];
        let begun = Instant::now();
        let mut written = 0u64;
        while !stop.load(Ordering::Relaxed) {
            if written as f64 > speed * begun.elapsed().as_secs_f64() {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            self.0.write_all_at(&run, written % Self::LEN)?;
            written += Self::RUN as u64;
            if written.is_multiple_of(Self::SYNC) {
                self.0.sync_data()?;
            }
        }
        Ok(())
    }
}
