//! Sealed against plain against plain again, interleaved: each round visits every store, in turning order.
//!
//! A ratio is that of the medians over all rounds. The second plain store shows how far two equal stores lie apart in this run:
//! a ratio of sealed to plain says nothing that is smaller than that.
//!
//! The stores are filled, read warm, written durably, opened again to be written with an interval, and opened again with a
//! small cache to be read cold.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::load::bare::{Bare, Busy};
use crate::load::calls;
use crate::peers::Peers;
use crate::random::Random;
use crate::rows::{Beside, Row, Unit};
use crate::store::{Failure, Kind, Settings, Store};
use crate::usage;

/// How long, and what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stores.
    pub settings: Settings,
    /// Time for all rounds together, after the filling.
    pub time: Duration,
    /// Only single calls, and the filling counts: what the demo shows.
    pub demo: bool,
}

/// What came out of one comparison.
#[derive(Debug, Clone)]
pub struct Section {
    /// What it is called: a size, or a name.
    pub name: String,
    /// Lines that say how it was measured.
    pub about: Vec<String>,
    /// The same for programs.
    pub settings: Value,
    /// The quantities.
    pub rows: Vec<Row>,
    /// Those of other databases beside ours.
    pub peers: Peers,
}

/// Fills three stores in `dir`, compares them, and removes them.
///
/// # Errors
/// Those of the database and the disk; an answer that is not what was stored.
pub fn run(dir: &Path, plan: &Plan, progress: &mut dyn FnMut(&str)) -> Result<Section, Failure> {
    let dir = temporary(dir)?;
    let begun = Instant::now();
    let mut bench = Bench::fill(dir.path(), plan.clone(), progress)?;
    let time = plan.time;
    if plan.demo {
        let left = time.saturating_sub(begun.elapsed());
        progress("reads");
        bench.reads(left / 2)?;
        progress("durable writes");
        bench.single_puts("put", left / 2, 1)?;
    } else {
        progress("reads");
        bench.reads(time.mul_f64(0.25))?;
        progress("durable writes");
        bench.durable_writes(time.mul_f64(0.35))?;
        progress("writes with an interval");
        bench.interval_writes(time.mul_f64(0.2))?;
        progress("cold reads");
        bench.cold_reads(time.mul_f64(0.2))?;
    }
    bench.finish()
}

/// A directory in `dir` that is removed when dropped.
///
/// # Errors
/// Those of the disk.
pub fn temporary(dir: &Path) -> Result<tempfile::TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    Ok(builder.prefix("sealdb-bench.").tempdir_in(dir)?)
}

/// A runtime as a program of two cores has it.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}

/// Kinds and names of the stores, in their order.
pub const KINDS: [(Kind, &str); 3] = [
    (Kind::Sealed, "sealed"),
    (Kind::Plain, "plain"),
    (Kind::Plain, "plain-again"),
];

/// Three filled stores, and what was measured so far.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    /// Sealed, plain, plain again.
    pub(crate) stores: [Store; 3],
    pub(crate) random: [Random; 3],
    pub(crate) rows: Vec<Row>,
    pub(crate) bare: Bare,
    pub(crate) runtime: Runtime,
    about: Vec<String>,
    _dir: PathBuf,
}

/// The filling is done in so many parts, the stores in turn.
const PARTS: u64 = 5;

impl Bench {
    fn fill(dir: &Path, plan: Plan, progress: &mut dyn FnMut(&str)) -> Result<Self, Failure> {
        let settings = &plan.settings;
        let make = |(kind, name): (Kind, &str)| Store::create(&dir.join(name), kind, settings);
        let stores = [make(KINDS[0])?, make(KINDS[1])?, make(KINDS[2])?];
        progress("filling");
        let mut loaded = Row::new(
            "bulk load",
            Unit::PerSecond,
            "items in a second by BatchWriteItem of 25, 4 threads, durable",
        );
        let mut load_cpu = Row::new(
            "bulk load CPU",
            Unit::Nanos,
            "processor time of an item of the bulk load",
        );
        let items = (settings.items.count / PARTS) as f64;
        for part in 0..PARTS {
            for turn in 0..3 {
                let at = (part as usize + turn) % 3;
                let (start, used) = (Instant::now(), usage::cpu());
                stores[at].fill_part(part, PARTS)?;
                loaded.push(at, items / start.elapsed().as_secs_f64());
                let used = usage::cpu().saturating_sub(used);
                load_cpu.push(at, used.as_nanos() as f64 / items);
            }
        }
        let mut bench = Self {
            bare: Bare::create(dir, 4096)?,
            stores,
            random: [Random(1), Random(1), Random(1)],
            rows: match plan.demo {
                true => Vec::new(),
                false => vec![loaded, load_cpu],
            },
            runtime: runtime()?,
            plan,
            about: Vec::new(),
            _dir: dir.to_owned(),
        };
        bench.disk()?;
        for store in &bench.stores {
            store.warm()?;
        }
        Ok(bench)
    }

    /// What the filled stores take of the disk.
    fn disk(&mut self) -> Result<(), Failure> {
        let payload = self.stores[0].db.stats().size_bytes as f64;
        let mut rows = [
            (
                "stored",
                Unit::Bytes,
                "bytes of pages in use for an item, after load and checkpoint",
            ),
            (
                "pages per byte",
                Unit::Times,
                "bytes of pages in use for each byte of items",
            ),
            (
                "page file per byte",
                Unit::Times,
                "length of the page file for each byte of items",
            ),
            (
                "log",
                Unit::Bytes,
                "length of the pre-filled log segments, which does not grow with the items",
            ),
            (
                "load written",
                Unit::Times,
                "bytes written to log and pages for each byte of items, load and checkpoint",
            ),
        ]
        .map(|(name, unit, what)| Row::new(name, unit, what));
        for (at, store) in self.stores.iter().enumerate() {
            let footprint = store.footprint()?;
            let written = store.written() as f64 / payload;
            let values = [
                footprint.page_bytes,
                footprint.pages,
                footprint.page_file,
                footprint.log,
                written,
            ];
            for (row, value) in rows.iter_mut().zip(values) {
                row.push(at, value);
            }
        }
        let [stored, pages, file, log, written] = rows;
        self.rows.push(stored);
        if !self.plan.demo {
            self.rows.extend([pages, file, log, written]);
        }
        Ok(())
    }

    /// Visits every store once a round until the time is over, beginning with another one each time.
    pub(crate) fn rounds(
        &mut self,
        time: Duration,
        least: usize,
        mut round: impl FnMut(&mut Self, usize) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let start = Instant::now();
        let mut rounds = 0;
        while rounds < least || start.elapsed() < time {
            for turn in 0..3 {
                round(self, (rounds + turn) % 3)?;
            }
            rounds += 1;
        }
        Ok(rounds)
    }

    /// A line about how it was measured.
    pub(crate) fn tell(&mut self, line: String) {
        self.about.push(line);
    }

    /// Closes all stores and opens them with these options, beginning with another one for each `turn`.
    pub(crate) fn reopen(&mut self, options: &sealdb::Options, turn: usize) -> Result<(), Failure> {
        for at in 0..self.stores.len() {
            let at = (turn + at) % self.stores.len();
            self.stores[at].reopen(options.clone())?;
        }
        Ok(())
    }

    /// Syncs beside what is durable.
    pub(crate) fn bare(&mut self, beside: &mut Beside, count: usize) -> Result<(), Failure> {
        let _busy = Busy::new();
        beside.push(&self.bare.syncs(count)?);
        Ok(())
    }

    /// Makes the bare write as long as what a lonely put of this size writes to the log: whole blocks of 4 KiB.
    pub(crate) fn size_bare(&mut self) -> Result<(), Failure> {
        const SOME: usize = 32;
        let store = &self.stores[0];
        let before = store.db.stats().log_bytes_written;
        calls::puts(store, &mut self.random[0], SOME)?;
        let written = store.db.stats().log_bytes_written - before;
        let each = usize::try_from(written)? / SOME;
        self.bare.set_bytes(each.next_multiple_of(4096));
        Ok(())
    }

    fn finish(mut self) -> Result<Section, Failure> {
        if self.plan.demo {
            // Five seconds are too short for a verdict.
            for row in &mut self.rows {
                row.goals.clear();
            }
        }
        for store in &self.stores {
            store.db.close()?;
        }
        let items = self.plan.settings.items;
        let options = &self.plan.settings.options;
        let mut about = vec![format!(
            "{} items (partition key, sort key, one string) of {}, embedded, real files, {} MiB of cache, every commit durable \
             unless said",
            items.count,
            items.size,
            options.cache_bytes >> 20,
        )];
        about.extend(self.about);
        let memory = usage::memory(None)?;
        let name = match items.indexed {
            true => format!("{}, two indexes and a stream", items.size),
            false => items.size.to_string(),
        };
        Ok(Section {
            name,
            about,
            settings: json!({
                "items": items.count,
                "item_bytes": items.size.mean(),
                "size": items.size.to_string(),
                "indexed": items.indexed,
                "seconds": self.plan.time.as_secs_f64(),
                "options": format!("{options:?}"),
                "bare_sync_bytes": self.bare.bytes(),
                "resident_bytes_of_all_three": { "now": memory.now, "peak": memory.peak },
            }),
            rows: self.rows,
            peers: Peers::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rows::Metric;
    use crate::size::ItemSize;
    use crate::store::Items;

    #[test]
    fn a_comparison_has_every_workload_and_judges_them() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan {
            settings: Settings {
                items: Items::new(1_000, ItemSize::Fixed(100)),
                options: sealdb::Options::default(),
            },
            time: Duration::ZERO,
            demo: false,
        };
        let mut section = run(dir.path(), &plan, &mut |_| {}).unwrap();
        let mut has = |workload: &str, metric| {
            let row = crate::rows::find(&mut section.rows, workload, metric);
            let row = row.unwrap_or_else(|| panic!("no {workload} {metric:?}"));
            let all = row.values.iter().all(|values| !values.is_empty());
            assert!(all && row.ratio() > 0.0, "{row:?}");
            row.clone()
        };
        for workload in [
            "get warm",
            "query of 20",
            "scan",
            "put blocking",
            "put, 1 client",
            "put, 8 clients",
            "put, 32 clients",
            "put, 64 clients",
            "mixed get",
            "mixed put",
            "interval put blocking",
            "interval put, 32 clients",
            "get OS-warm",
            "get device-cold",
        ] {
            has(workload, Metric::P50);
            has(workload, Metric::Cpu);
        }
        for workload in [
            "bulk load",
            "stored",
            "pages per byte",
            "gets, 2 threads",
            "written",
        ] {
            has(workload, Metric::Value);
        }
        assert_eq!(has("get warm", Metric::P50).goals[0].target, "warm");
        let put = has("put blocking", Metric::P50);
        assert!(put.bare.unwrap().0 > 0.0);
        assert_eq!(put.goals.len(), 2);
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
