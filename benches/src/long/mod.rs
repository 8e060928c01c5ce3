//! What takes minutes: measurements of many items, each a function of its own, chosen by name.
//!
//! Where a store is measured alone (memory, a restart), there is no round to be interleaved with: sealed and plain run one
//! after the other.

// Measuring is what these files do.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::time::Duration;

use sealdb::{Durability, Options};
use serde_json::json;

use crate::compare::{KINDS, Section};
use crate::peers::Peers;
use crate::rows::Row;
use crate::size::ItemSize;
use crate::store::{Failure, Items, Kind, Settings, Store};

mod audit;
mod beside;
#[cfg(feature = "sled")]
mod engines;
mod indexes;
mod load;
mod memory;
mod rekey;
mod restart;
mod scan;
mod server;
mod stalls;
mod stored;
mod written;

pub use memory::{Mixed, mixed};
pub use restart::fill_log;

/// One measurement.
#[derive(Clone, Copy)]
pub struct Long {
    /// How it is chosen.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    run: Run,
}

/// How a measurement gives what came out.
#[derive(Clone, Copy)]
enum Run {
    Rows(fn(&mut Context<'_>) -> Result<Vec<Row>, Failure>),
    Section(fn(&mut Context<'_>) -> Result<Section, Failure>),
}

/// All of them, in the order in which they run.
pub const ALL: &[Long] = &[
    Long {
        name: "stored",
        what: "bytes of pages in use for each byte of items, after load and checkpoint",
        run: Run::Rows(stored::run),
    },
    Long {
        name: "load",
        what: "load by BatchWriteItem of 25 with 4 writers, every commit durable, embedded and over gRPC",
        run: Run::Rows(load::run),
    },
    Long {
        name: "written",
        what: "random durable puts of 32 clients into an empty table: bytes written and disk taken",
        run: Run::Rows(written::run),
    },
    Long {
        name: "stalls",
        what: "durable puts while checkpoints run, beside a bare write + fdatasync loop with the same background writes",
        run: Run::Rows(stalls::run),
    },
    Long {
        name: "scan",
        what: "scans of few and of ten times as many items: time and memory",
        run: Run::Rows(scan::run),
    },
    Long {
        name: "beside",
        what: "gets of one reader from 10,000 cached items while something else runs",
        run: Run::Rows(beside::run),
    },
    Long {
        name: "rekey",
        what: "gets and durable puts of one thread while a table of a million items of 1 KB gets a new key, beside the same before",
        run: Run::Rows(rekey::run),
    },
    Long {
        name: "audit",
        what: "gets and durable puts of which each leaves an event in the audit trail, beside the same without",
        run: Run::Rows(audit::run),
    },
    Long {
        name: "restart",
        what: "opening after kill -9 with a full log, and after a clean close",
        run: Run::Rows(restart::run),
    },
    Long {
        name: "server",
        what: "the sealdb-server beside this program: start, idle memory, size",
        run: Run::Rows(server::run),
    },
    #[cfg(feature = "sled")]
    Long {
        name: "engines",
        what: "the sealed database over its own files and over sled: load, durable puts, gets, disk",
        run: Run::Rows(engines::run),
    },
    Long {
        name: "indexes",
        what: "sealed against plain, embedded, items of 1 KB in a table with two indexes and a stream",
        run: Run::Section(indexes::run),
    },
    Long {
        name: "memory",
        what: "resident memory of a process with data ten times the budget",
        run: Run::Rows(memory::run),
    },
];

/// What a measurement is given.
pub struct Context<'a> {
    /// Where it makes its stores.
    pub dir: &'a Path,
    /// What counts as a million items.
    pub million: u64,
    /// For what runs for a time.
    pub time: Duration,
    /// Memory for pages.
    pub cache_bytes: usize,
    /// Told what happens.
    pub progress: &'a mut dyn FnMut(&str),
}

impl Long {
    /// Measures.
    ///
    /// # Errors
    /// Those of the database and the disk; an answer that is not what was stored.
    pub fn run(&self, context: &mut Context<'_>) -> Result<Section, Failure> {
        let rows = match self.run {
            Run::Section(run) => return run(context),
            Run::Rows(run) => run(context)?,
        };
        Ok(Section {
            name: self.name.into(),
            about: vec![format!(
                "{}; {} MiB of cache, a million is {}",
                self.what,
                context.cache_bytes >> 20,
                context.million
            )],
            settings: json!({
                "million": context.million,
                "seconds": context.time.as_secs_f64(),
                "cache_bytes": context.cache_bytes,
            }),
            rows,
            peers: Peers::default(),
        })
    }
}

/// 1 KB.
const KB: ItemSize = ItemSize::Fixed(1024);

impl Context<'_> {
    /// A part of a million.
    fn items(&self, millions: f64, size: ItemSize) -> Items {
        Items::new((self.million as f64 * millions) as u64, size)
    }

    fn settings(&self, items: Items) -> Settings {
        Settings {
            items,
            options: Options {
                cache_bytes: self.cache_bytes,
                ..Options::default()
            },
        }
    }

    /// A sealed and a plain store with all their items, settled. The filling is not measured, and not synced each time.
    fn filled(&mut self, dir: &Path, items: Items) -> Result<[Store; 2], Failure> {
        let mut make = |(kind, name)| self.filled_one(&dir.join(name), kind, items);
        Ok([make(KINDS[0])?, make(KINDS[1])?])
    }

    fn filled_one(&mut self, dir: &Path, kind: Kind, items: Items) -> Result<Store, Failure> {
        (self.progress)(&format!("filling {} items of {}", items.count, items.size));
        let settings = self.settings(items);
        let mut quick = settings.clone();
        quick.options.durability = Durability::Interval(Duration::from_secs(1));
        let mut store = Store::create(dir, kind, &quick)?;
        store.fill()?;
        store.settle()?;
        store.reopen(settings.options)?;
        Ok(store)
    }

    fn say(&mut self, text: &str) {
        (self.progress)(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::targets;

    #[test]
    fn small_runs_of_those_that_need_no_other_process_judge_their_targets() {
        let dir = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("written", &["written", "disk"][..]),
            ("scan", &["scan"]),
            ("stalls", &["stalls"]),
            ("beside", &["beside"]),
            ("audit", &["audit"]),
            ("indexes", &["indexed"]),
        ] {
            let long = ALL.iter().find(|long| long.name == name).unwrap();
            let mut context = Context {
                dir: dir.path(),
                million: 2_000,
                time: Duration::from_millis(100),
                cache_bytes: 4 << 20,
                progress: &mut |_| {},
            };
            let section = long.run(&mut context).unwrap();
            for target in expected {
                let judged = |row: &Row| row.goals.iter().any(|goal| goal.target == *target);
                assert!(
                    section.rows.iter().any(judged),
                    "{name} says nothing of {target}"
                );
                assert!(targets::of(target).is_some());
            }
        }
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
