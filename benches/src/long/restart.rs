//! Opening a database: after kill -9 with as much log as it lets come together, and after a clean close.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use sealdb::model::ops::GetItemInput;

use super::{Context, KB};
use crate::compare::{KINDS, runtime, temporary};
use crate::load::clients::{self, Span};
use crate::process::{Over, Process, again};
use crate::random::Random;
use crate::rows::{Bound, Row, Unit};
use crate::store::{Failure, Items, Kind, Settings, Store, TABLE};

/// Items that are written again and again: so few pages are dirty that no checkpoint begins before the log is full.
const HOT: u64 = 1_000;
/// Of the log's limit.
const FULL: f64 = 0.9;
const CLEAN_STARTS: usize = 5;

/// Opens a database, fills its log, says how full it is, and waits for its end.
///
/// # Errors
/// Those of the database.
pub fn fill_log(over: &Over) -> Result<(), Failure> {
    let settings = Settings {
        items: Items::new(HOT, KB),
        options: over.options(),
    };
    let store = Store::open(&over.dir, over.kind(), &settings)?;
    let full = settings.options.log_limit as f64 * FULL;
    let runtime = runtime()?;
    let mut random = Random(1);
    let before = store.db.stats();
    let mut stats = before;
    while ((stats.log_bytes_written - before.log_bytes_written) as f64) < full {
        clients::puts(&store, &runtime, &mut random, 32, Span::Calls(2_000))?;
        stats = store.db.stats();
    }
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{} {}",
        stats.log_bytes_written - before.log_bytes_written,
        stats.page_bytes_written - before.page_bytes_written
    )?;
    stdout.flush()?;
    loop {
        std::thread::park();
    }
}

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let items = context.items(1.0, KB);
    let mut killed = Row::new("restart after kill -9", Unit::Nanos, "");
    let mut clean = Row::new(
        "clean start",
        Unit::Nanos,
        format!(
            "opening of {} items after a clean close, root key from a file, and a first get; embedded",
            items.count
        ),
    );
    let mut log = Vec::new();
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        let dir = temporary(context.dir)?;
        let store = context.filled_one(dir.path(), kind, items)?;
        let settings = store.settings.clone();
        store.db.close()?;
        drop(store);
        context.say(&format!("clean starts, {name}"));
        for _ in 0..CLEAN_STARTS {
            let (store, took) = start(dir.path(), kind, &settings)?;
            clean.push(at, took);
            store.db.close()?;
        }
        context.say(&format!("filling the log, {name}"));
        log.push(kill(dir.path(), kind, context.cache_bytes)?);
        context.say(&format!("restart, {name}"));
        let (store, took) = start(dir.path(), kind, &settings)?;
        killed.push(at, took);
        let stats = store.db.stats();
        if stats.items != items.count {
            return Err(format!("{} of {} items are there", stats.items, items.count).into());
        }
        store.db.close()?;
    }
    killed.what = format!(
        "opening of {} items and a first get, with {} of log since the last checkpoint; embedded",
        items.count,
        log.join(" and ")
    );
    killed.judge("restart", Bound::AtMost(3e9));
    clean.judge("clean-start", Bound::AtMost(50e6));
    Ok(vec![killed, clean])
}

/// Opens the database and gets an item: the store, and the nanoseconds it took.
fn start(dir: &Path, kind: Kind, settings: &Settings) -> Result<(Store, f64), Failure> {
    let begun = Instant::now();
    let store = Store::open(dir, kind, settings)?;
    let output = store
        .db
        .get_item(GetItemInput::new(TABLE, settings.items.key(1)))?;
    let took = begun.elapsed().as_nanos() as f64;
    match output.item {
        Some(_) => Ok((store, took)),
        None => Err("an item is missing".into()),
    }
}

/// Has the log filled by a process, kills that, and tells how full it was.
fn kill(dir: &Path, kind: Kind, cache: usize) -> Result<String, Failure> {
    let mut process = Process::start(again("fill-log", dir, kind, cache)?)?;
    let line = process.line()?;
    drop(process);
    let mut numbers = line.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(log)), Some(Ok(0))) => Ok(format!("{} MiB", log >> 20)),
        (Some(Ok(log)), Some(Ok(_))) => {
            Ok(format!("{} MiB (A CHECKPOINT CAME BETWEEN)", log >> 20))
        }
        _ => Err("the process that filled the log failed".into()),
    }
}
