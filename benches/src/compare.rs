//! Sealed against plain against plain again, interleaved: each round visits every store, in turning order.
//!
//! A ratio is that of the medians over all rounds. The second plain store shows how far two equal stores lie apart in this run:
//! a ratio of sealed to plain says nothing that is smaller than that.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::{self, Bare, Busy, Random};
use crate::rows::{Calls, Row, Unit, median, quantile};
use crate::store::{Failure, Kind, Settings, Store};

/// How long, and what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stores.
    pub settings: Settings,
    /// Time for all rounds together.
    pub time: Duration,
    /// Rates of several threads and clients too. They take most of the time then.
    pub rates: bool,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was asked for.
    pub plan: Plan,
    /// Rounds of reads and of writes.
    pub rounds: (usize, usize),
    /// The quantities.
    pub rows: Vec<Row>,
    /// Medians over rounds of a bare write and fdatasync beside the durable puts: p50 and p99 in nanoseconds.
    pub bare: (f64, f64),
}

/// Fills three stores in `dir`, compares them, and removes them.
///
/// # Errors
/// Those of the database and the disk; an answer that is not what was stored.
pub fn run(dir: &Path, plan: &Plan, progress: &mut dyn FnMut(&str)) -> Result<Outcome, Failure> {
    let dir = tempfile::Builder::new()
        .prefix("sealdb-bench.")
        .tempdir_in(dir)?;
    let begun = Instant::now();
    let mut bench = Bench::fill(dir.path(), plan, progress)?;
    // The demo's five seconds include the filling.
    let left = match plan.rates {
        true => plan.time,
        false => plan.time.saturating_sub(begun.elapsed()),
    };
    progress("reads");
    let reads = bench.reads(left / 2)?;
    progress("durable writes");
    let writes = bench.writes(left / 2)?;
    let bare = (median(&bench.bare_p50), median(&bench.bare_p99));
    for store in &bench.stores {
        store.db.close()?;
    }
    Ok(Outcome {
        plan: plan.clone(),
        rounds: (reads, writes),
        rows: bench.rows,
        bare,
    })
}

struct Bench {
    plan: Plan,
    /// Sealed, plain, plain again.
    stores: [Arc<Store>; 3],
    random: [Random; 3],
    rows: Vec<Row>,
    bare: Bare,
    bare_p50: Vec<f64>,
    bare_p99: Vec<f64>,
    runtime: tokio::runtime::Runtime,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Sealed, "sealed"),
    (Kind::Plain, "plain"),
    (Kind::Plain, "plain-again"),
];
/// Single calls of one round.
const GETS: usize = 2_000;
const QUERIES: usize = 300;
const PUTS: usize = 15;
const CLIENTS: usize = 32;
/// How long a rate is looked at in one round.
const RATE_TIME: Duration = Duration::from_millis(150);

impl Bench {
    #[allow(clippy::cast_precision_loss)]
    fn fill(dir: &Path, plan: &Plan, progress: &mut dyn FnMut(&str)) -> Result<Self, Failure> {
        let mut loaded = Row::new(
            "load",
            Unit::PerSecond,
            "items in a second by BatchWriteItem of 25, 4 threads, durable",
        );
        let mut stored = Row::new(
            "stored",
            Unit::Bytes,
            "bytes of pages for an item, after a checkpoint",
        );
        let mut written = Row::new(
            "written",
            Unit::Times,
            "bytes written to log and pages for each byte of items, load and checkpoint",
        );
        let mut make = |store: usize| -> Result<Arc<Store>, Failure> {
            let (kind, name) = KINDS[store];
            progress(&format!("filling {name}"));
            let made = Store::create(&dir.join(name), kind, &plan.settings)?;
            let start = Instant::now();
            made.fill()?;
            let took = start.elapsed().as_secs_f64();
            loaded.push(store, made.settings.items as f64 / took);
            let footprint = made.footprint()?;
            stored.push(store, footprint.page_bytes);
            written.push(store, footprint.written);
            made.warm()?;
            Ok(Arc::new(made))
        };
        let stores = [make(0)?, make(1)?, make(2)?];
        Ok(Self {
            plan: plan.clone(),
            stores,
            random: [Random(1), Random(1), Random(1)],
            rows: match plan.rates {
                true => vec![loaded, stored, written],
                false => vec![stored],
            },
            bare: Bare::create(dir)?,
            bare_p50: Vec::new(),
            bare_p99: Vec::new(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .build()?,
        })
    }

    /// Visits every store once a round until the time is over, beginning with another one each time.
    fn rounds(
        &mut self,
        time: Duration,
        mut round: impl FnMut(&mut Self, usize) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let start = Instant::now();
        let mut rounds = 0;
        while rounds == 0 || start.elapsed() < time {
            for turn in 0..3 {
                round(self, (rounds + turn) % 3)?;
            }
            rounds += 1;
        }
        Ok(rounds)
    }

    fn reads(&mut self, time: Duration) -> Result<usize, Failure> {
        let mut get = Calls::new("get p50", "get p99", "GetItem of a cached item, decoded");
        let mut query = Calls::new(
            "query p50",
            "query p99",
            "Query of 20 neighbours, cached, decoded",
        );
        let mut scan = Row::new(
            "scan",
            Unit::Nanos,
            "Scan of all items, cached, decoded: an item",
        );
        let mut rates = [
            (
                1,
                Row::new(
                    "gets/s, 1 thread",
                    Unit::PerSecond,
                    "GetItem, input made anew for each",
                ),
            ),
            (
                2,
                Row::new(
                    "gets/s, 2 threads",
                    Unit::PerSecond,
                    "the same by two threads together",
                ),
            ),
        ];
        let rounds = self.rounds(time, |bench, at| {
            let (store, random) = (bench.stores[at].clone(), &mut bench.random[at]);
            get.push(at, load::gets(&store, random, GETS)?);
            query.push(at, load::queries(&store, random, QUERIES)?);
            scan.push(at, load::scan(&store)?);
            if bench.plan.rates {
                for (threads, row) in &mut rates {
                    let rate = load::gets_per_second(&store, random, *threads, RATE_TIME)?;
                    row.push(at, rate);
                }
            }
            Ok(())
        })?;
        self.rows.extend(get.into_rows());
        self.rows.extend(query.into_rows());
        self.rows.push(scan);
        if self.plan.rates {
            self.rows.extend(rates.map(|(_, row)| row));
        }
        Ok(rounds)
    }

    fn writes(&mut self, time: Duration) -> Result<usize, Failure> {
        let mut put = Calls::new(
            "put p50",
            "put p99",
            "durable PutItem over an item, 1 thread, blocking facade",
        );
        let mut one = Calls::new(
            "async put p50",
            "async put p99",
            "the same by 1 client of the async API",
        );
        let mut rates = [
            (
                1,
                Row::new(
                    "puts/s, 1 client",
                    Unit::PerSecond,
                    "durable PutItem, async API",
                ),
            ),
            (
                CLIENTS,
                Row::new(
                    "puts/s, 32 clients",
                    Unit::PerSecond,
                    "durable PutItem, async API, 2 worker threads",
                ),
            ),
        ];
        let rounds = self.rounds(time, |bench, at| {
            if at == 0 {
                bench.puts(&mut put)?;
            }
            let store = bench.stores[at].clone();
            if bench.plan.rates {
                for (clients, row) in &mut rates {
                    let random = &mut bench.random[at];
                    let runtime = &bench.runtime;
                    let (rate, latencies) =
                        load::async_puts(&store, runtime, random, *clients, RATE_TIME)?;
                    row.push(at, rate);
                    if *clients == 1 {
                        one.push(at, latencies);
                    }
                }
            }
            Ok(())
        })?;
        self.rows.extend(put.into_rows());
        if self.plan.rates {
            self.rows.extend(one.into_rows());
            self.rows.extend(rates.map(|(_, row)| row));
        }
        Ok(rounds)
    }

    /// Puts of one thread, one to each store in turn and a bare sync after them, so that all see the same disk.
    fn puts(&mut self, put: &mut Calls) -> Result<(), Failure> {
        let _busy = Busy::new();
        let mut all = [load::latencies(), load::latencies(), load::latencies()];
        let mut bare = load::latencies();
        for _ in 0..PUTS {
            for ((store, random), all) in self.stores.iter().zip(&mut self.random).zip(&mut all) {
                *all += load::puts(store, random, 1)?;
            }
            bare += self.bare.syncs(1)?;
        }
        for (store, latencies) in all.into_iter().enumerate() {
            put.push(store, latencies);
        }
        self.bare_p50.push(quantile(&bare, 0.5));
        self.bare_p99.push(quantile(&bare, 0.99));
        Ok(())
    }
}
