//! The sealed database over each engine that keeps it in a directory.

use std::path::Path;
use std::time::Instant;

use sealdb::{EngineKind, Options};

use super::{Context, KB};
use crate::compare::temporary;
use crate::load::bare::{Bare, Busy};
use crate::load::calls;
use crate::random::Random;
use crate::rows::{Beside, Calls, Row, Unit};
use crate::store::{Failure, Kind, Store};

const ENGINES: [(EngineKind, &str); 2] = [(EngineKind::File, "file"), (EngineKind::Sled, "sled")];
const ROUNDS: u32 = 20;
/// Calls to each store in a round.
const PUTS: usize = 10;
const GETS: usize = 200;
/// Memory for pages while gets have to ask the engine.
const COLD_CACHE: usize = 256 << 10;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let dir = temporary(context.dir)?;
    let mut rows = Vec::new();
    let mut stores = Vec::new();
    for (engine, name) in ENGINES {
        context.say(&format!("load, {name}"));
        let (store, loaded) = load(context, &dir.path().join(name), engine, name)?;
        rows.extend(loaded);
        stores.push(store);
    }
    context.say("durable puts");
    let mut bare = Bare::create(dir.path(), 4096)?;
    let mut beside = Beside::default();
    let mut puts = each("put", "durable PutItem over an item, 1 thread, in turns");
    for round in 0..ROUNDS {
        let _busy = Busy::new();
        for (store, puts) in stores.iter().zip(&mut puts) {
            puts.push(0, calls::puts(store, &mut Random(u64::from(round)), PUTS)?);
        }
        beside.push(&bare.syncs(PUTS)?);
    }
    context.say("gets");
    let mut gets = each(
        "get from the engine",
        "GetItem that finds few pages in the database's own cache, 1 thread, in turns",
    );
    for store in &mut stores {
        store.reopen(Options {
            cache_bytes: COLD_CACHE,
            ..store.settings.options.clone()
        })?;
    }
    for round in 0..ROUNDS {
        for (store, gets) in stores.iter().zip(&mut gets) {
            gets.push(0, calls::gets(store, &mut Random(u64::from(round)), GETS)?);
        }
    }
    for store in &stores {
        store.db.close()?;
    }
    let mut put_rows: Vec<Row> = puts.into_iter().flat_map(Calls::into_rows).collect();
    beside.mark(&mut put_rows);
    rows.extend(put_rows);
    rows.extend(gets.into_iter().flat_map(Calls::into_rows));
    Ok(rows)
}

fn each(workload: &str, what: &str) -> [Calls; 2] {
    ENGINES.map(|(_, name)| Calls::new(format!("{workload}, {name}"), what))
}

/// A sealed store with its items, and what it took.
fn load(
    context: &mut Context<'_>,
    dir: &Path,
    engine: EngineKind,
    name: &str,
) -> Result<(Store, [Row; 2]), Failure> {
    let items = context.items(0.02, KB);
    let mut settings = context.settings(items);
    settings.options.engine = engine;
    let store = Store::create(dir, Kind::Sealed, &settings)?;
    let begun = Instant::now();
    store.fill()?;
    store.settle()?;
    let took = begun.elapsed();
    let bytes = store.db.stats().size_bytes as f64;
    let what = format!(
        "{} items of 1 KB by BatchWriteItem of 25, 4 writers, durable, and a checkpoint",
        items.count
    );
    let load = Row::value(
        format!("load, {name}"),
        Unit::Nanos,
        took.as_nanos() as f64,
        what,
    );
    let disk = Row::value(
        format!("disk, {name}"),
        Unit::Times,
        length(&store.data())? as f64 / bytes,
        "length of all files for each byte of items, the log's included",
    );
    Ok((store, [load, disk]))
}

fn length(dir: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        sum += match entry.file_type()?.is_dir() {
            true => length(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn both_engines_have_a_row_of_each_kind() {
        let dir = tempfile::tempdir().unwrap();
        let mut context = Context {
            dir: dir.path(),
            million: 20_000,
            time: Duration::ZERO,
            cache_bytes: 4 << 20,
            progress: &mut |_| {},
        };
        let rows = run(&mut context).unwrap();
        for workload in ["load", "disk", "put", "get from the engine"] {
            for (_, name) in ENGINES {
                let workload = format!("{workload}, {name}");
                assert!(
                    rows.iter().any(|row| row.workload == workload),
                    "{workload}"
                );
            }
        }
        assert!(rows.iter().all(|row| row.sealed() > 0.0));
    }
}
