//! Resident memory with data ten times the budget: loaded, then under a mixed load, in a process of its own.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Context, KB};
use crate::compare::{KINDS, runtime, temporary};
use crate::load::calls;
use crate::load::clients::{self, Span};
use crate::process::{Over, Process, again};
use crate::random::{Random, Zipf};
use crate::rows::{Bound, Row, Unit};
use crate::store::{Failure, Items, Settings, Store};
use crate::usage;

/// Data for each byte of cache.
const TIMES: u64 = 10;
const CLIENTS: usize = 8;

/// What the process is told.
#[derive(Debug, Clone, Args)]
pub struct Mixed {
    #[command(flatten)]
    over: Over,
    /// How long it works after the load.
    #[arg(long)]
    seconds: f64,
}

/// Loads, works, and says its peak of memory after both, in bytes.
///
/// # Errors
/// Those of the database.
pub fn mixed(args: &Mixed) -> Result<(), Failure> {
    let over = &args.over;
    let settings = Settings {
        items: Items::new(over.cache as u64 * TIMES / 1024, KB),
        options: over.options(),
    };
    let store = Store::create(&over.dir, over.kind(), &settings)?;
    store.fill()?;
    let loaded = usage::memory(None)?.peak;
    usage::reset_peak()?;
    let runtime = runtime()?;
    let mut random = Random(1);
    let zipf = Arc::new(Zipf::new(settings.items.count, Zipf::THETA));
    let span = Span::Time(Duration::from_secs_f64(args.seconds / 2.0));
    clients::mixed(&store, &runtime, &mut random, &zipf, CLIENTS, span)?;
    // Uniform puts have the most dirty pages, and a scan turns the whole cache over.
    clients::puts(&store, &runtime, &mut random, 4 * CLIENTS, span)?;
    calls::scan(&store)?;
    let worked = usage::memory(None)?.peak;
    writeln!(std::io::stdout(), "{loaded} {worked}")?;
    Ok(store.db.close()?)
}

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let budget = context.cache_bytes as f64;
    let what = |text: &str| {
        format!(
            "resident memory of a process, peak, {text}; budget {} MiB, data {TIMES} times that, items of 1 KB",
            context.cache_bytes >> 20
        )
    };
    let mut loaded = Row::new("memory, load", Unit::Bytes, what("during a bulk load"));
    let mut worked = Row::new(
        "memory, mixed",
        Unit::Bytes,
        what("gets and durable puts (zipfian), uniform puts of 32 clients, a scan"),
    );
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        context.say(name);
        let dir = temporary(context.dir)?;
        let mut command = again("mixed", dir.path(), kind, context.cache_bytes)?;
        command
            .arg("--seconds")
            .arg(context.time.as_secs_f64().to_string());
        let mut process = Process::start(command)?;
        let line = process.line()?;
        let peaks: Vec<f64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [load, work] = peaks[..] else {
            return Err(format!("\"{line}\" is not two peaks of memory").into());
        };
        process.stop()?;
        loaded.push(at, load);
        worked.push(at, work);
    }
    worked.judge("memory", Bound::AtMost(1.2 * budget));
    loaded.judge("memory", Bound::AtMost(1.2 * budget));
    Ok(vec![worked, loaded])
}
