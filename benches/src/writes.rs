//! Writes to the three stores: one by one, by many clients, and mixed with reads.

use std::sync::Arc;
use std::time::Duration;

use sealdb::Durability;

use crate::compare::Bench;
use crate::load::bare::Busy;
use crate::load::clients::{self, Span};
use crate::load::{Sample, calls, latencies};
use crate::random::Zipf;
use crate::rows::{Beside, Bound, Calls, Goal, Metric, Row, Unit, find};
use crate::size::ItemSize;
use crate::store::Failure;

/// Single puts of one round.
const PUTS: usize = 15;
/// Clients at once.
const CLIENTS: [usize; 4] = [1, 8, 32, 64];
/// Of the mixed load.
const MIXED_CLIENTS: usize = 8;
/// How often the log is synced where not every commit is.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bare syncs beside a round of clients.
const SYNCS: usize = 20;

impl Bench {
    /// Every acknowledged write is on the device.
    pub(crate) fn durable_writes(&mut self, time: Duration) -> Result<(), Failure> {
        self.single_puts("put blocking", time.mul_f64(0.25), 20)?;
        for clients in CLIENTS {
            self.client_puts("put", clients, time.mul_f64(0.14), true)?;
        }
        self.mixed(time.mul_f64(0.19))?;
        let size = self.plan.settings.items.size;
        let least = match size {
            ItemSize::Fixed(100) => 8.0,
            ItemSize::Fixed(1024) => 4.0,
            _ => return Ok(()),
        };
        let one = find(&mut self.rows, "put, 1 client", Metric::Rate).map(|row| row.sealed());
        if let (Some(one), Some(row)) = (one, find(&mut self.rows, "put, 32 clients", Metric::Rate))
        {
            let times = row.sealed() / one;
            row.goals.push(Goal {
                target: "clients",
                bound: format!("≥ {least} times 1 client"),
                measured: format!("{times:.1} times"),
                reached: Some(times >= least),
            });
        }
        Ok(())
    }

    /// Acknowledged writes are on the device after a second.
    pub(crate) fn interval_writes(&mut self, time: Duration) -> Result<(), Failure> {
        let mut options = self.plan.settings.options.clone();
        options.durability = Durability::Interval(INTERVAL);
        self.reopen(&options, 0)?;
        for store in &self.stores {
            store.warm()?;
        }
        let mut put = Calls::new(
            "interval put blocking",
            "PutItem over an item, 1 thread, the log synced each second",
        );
        self.rounds(time / 5, 5, |bench, at| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            put.push(at, calls::puts(store, random, 256)?);
            Ok(())
        })?;
        self.rows.extend(put.into_rows());
        for clients in CLIENTS {
            self.client_puts("interval put", clients, time / 5, false)?;
        }
        Ok(())
    }

    /// Puts of one thread, one to each store in turn and a bare sync after them, so that all see the same disk.
    pub(crate) fn single_puts(
        &mut self,
        name: &'static str,
        time: Duration,
        least: usize,
    ) -> Result<(), Failure> {
        self.size_bare()?;
        let mut put = Calls::new(
            name,
            "durable PutItem over an item, 1 thread, blocking facade",
        );
        let mut beside = Beside::default();
        let _busy = Busy::new();
        let rounds = self.rounds(time, least, |bench, at| {
            if at != 0 {
                // The first store's turn is that of all.
                return Ok(());
            }
            let mut all = [Sample::none(), Sample::none(), Sample::none()];
            let mut bare = latencies();
            for _ in 0..PUTS {
                for ((store, random), all) in
                    bench.stores.iter().zip(&mut bench.random).zip(&mut all)
                {
                    all.add(&calls::puts(store, random, 1)?);
                }
                bare += bench.bare.syncs(1)?;
            }
            for (store, sample) in all.into_iter().enumerate() {
                put.push(store, sample);
            }
            beside.push(&bare);
            Ok(())
        })?;
        self.tell(format!(
            "medians of {rounds} rounds of single durable puts; a bare sync writes {} B",
            self.bare.bytes()
        ));
        let mut rows = put.into_rows();
        beside.mark(&mut rows);
        if let Some(row) = find(&mut rows, name, Metric::P50) {
            row.judge("put", Bound::RatioAndSpread(1.03));
            judge_latency(row, 40e3);
        }
        self.rows.extend(rows);
        Ok(())
    }

    fn client_puts(
        &mut self,
        name: &str,
        clients: usize,
        time: Duration,
        durable: bool,
    ) -> Result<(), Failure> {
        let name = match clients {
            1 => format!("{name}, 1 client"),
            more => format!("{name}, {more} clients"),
        };
        let what = match durable {
            true => "durable PutItem over an item, tasks of the async API, 2 worker threads",
            false => "the same, the log synced each second",
        };
        let mut put = Calls::new(&*name, what);
        let mut beside = Beside::default();
        let window = (time / 18).clamp(Duration::from_millis(20), Duration::from_millis(300));
        // One client leaves a core idle.
        let _busy = (clients == 1).then(Busy::new);
        let judge_written = durable && clients == 32;
        let mut before = [0; 3];
        if judge_written {
            for (before, store) in before.iter_mut().zip(&self.stores) {
                store.settle()?;
                *before = store.written();
            }
        }
        self.rounds(time, 3, |bench, at| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            let span = Span::Time(window);
            put.push(
                at,
                clients::puts(store, &bench.runtime, random, clients, span)?,
            );
            if durable && at == 0 {
                bench.bare(&mut beside, SYNCS)?;
            }
            Ok(())
        })?;
        if judge_written {
            let mut written = Row::new(
                "written",
                Unit::Times,
                "bytes written to log and pages for each byte put by the 32 clients, with a checkpoint at the end",
            );
            for (at, store) in self.stores.iter().enumerate() {
                store.settle()?;
                let put = put.all(at).len() as f64 * self.plan.settings.items.size.mean();
                written.push(at, (store.written() - before[at]) as f64 / put);
            }
            self.rows.push(written);
        }
        let mut rows = put.into_rows();
        if durable {
            beside.mark(&mut rows);
        }
        if durable
            && clients == 1
            && let Some(row) = find(&mut rows, &name, Metric::P50)
        {
            judge_latency(row, 150e3);
        }
        self.rows.extend(rows);
        Ok(())
    }

    fn mixed(&mut self, time: Duration) -> Result<(), Failure> {
        let what =
            "half GetItem and half durable PutItem, 8 tasks of the async API, zipfian (0.99)";
        let mut calls = [Calls::new("mixed get", what), Calls::new("mixed put", what)];
        let mut beside = Beside::default();
        let zipf = Arc::new(Zipf::new(self.plan.settings.items.count, Zipf::THETA));
        let window = (time / 18).clamp(Duration::from_millis(20), Duration::from_millis(300));
        self.rounds(time, 3, |bench, at| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            let span = Span::Time(window);
            let samples =
                clients::mixed(store, &bench.runtime, random, &zipf, MIXED_CLIENTS, span)?;
            for (calls, sample) in calls.iter_mut().zip(samples) {
                calls.push(at, sample);
            }
            if at == 0 {
                bench.bare(&mut beside, SYNCS)?;
            }
            Ok(())
        })?;
        let [gets, puts] = calls.map(Calls::into_rows);
        self.rows.extend(gets);
        let mut puts = puts;
        beside.mark(&mut puts);
        self.rows.extend(puts);
        Ok(())
    }
}

/// At most so many nanoseconds beyond the bare sync.
fn judge_latency(row: &mut Row, beyond: f64) {
    if let Some((bare, _)) = row.bare {
        row.judge("put-latency", Bound::AtMost(bare + beyond));
    }
}
