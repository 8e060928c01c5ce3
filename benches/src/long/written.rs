//! Random durable puts into an empty table: what they write, and what the disk holds afterwards.
//!
//! What a copy-on-write tree writes for a random put depends on how much of it may be dirty at a time: as long as an eighth of the
//! budget, where a checkpoint begins, holds most leaves, each is written for many puts; with less, nearly every put writes a leaf.
//! So this runs with two budgets: the usual one, reported, and one that has an eighth of it for the smaller table, judged.

use super::{Context, KB};
use crate::compare::{KINDS, runtime, temporary};
use crate::load::bare::{Bare, Busy};
use crate::load::clients::{self, Span};
use crate::random::Random;
use crate::rows::{Beside, Bound, Calls, Row, Unit};
use crate::size::ItemSize;
use crate::store::{Failure, Store};

const CLIENTS: usize = 32;
/// The budget with which what is written is judged.
const ROOMY: usize = 1 << 30;
/// Bare syncs before and after the puts.
const SYNCS: usize = 1_000;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let usual = context.cache_bytes;
    for (size, most) in [(ItemSize::Fixed(100), 6.0), (KB, 9.0)] {
        rows.extend(of_size(context, size, usual, Bound::Reported)?);
        rows.extend(of_size(context, size, ROOMY, Bound::AtMost(most))?);
    }
    Ok(rows)
}

fn of_size(
    context: &mut Context<'_>,
    size: ItemSize,
    cache_bytes: usize,
    bound: Bound,
) -> Result<Vec<Row>, Failure> {
    let items = context.items(1.0, size);
    let mut settings = context.settings(items);
    settings.options.cache_bytes = cache_bytes;
    let runtime = runtime()?;
    let budget = cache_bytes >> 20;
    let what = format!(
        "{} durable puts of 32 clients, numbers drawn at random below as many, into an empty table, {budget} MiB of cache",
        items.count
    );
    let size_name = format!("{size}, {budget} MiB");
    let mut calls = Calls::new(format!("random puts, {size_name}"), &*what);
    let mut written = Row::new(
        format!("written, {size_name}"),
        Unit::Times,
        "bytes written to log and pages for each byte put by these, with a checkpoint at the end",
    );
    let mut pages = Row::new(
        format!("pages per byte, {size_name}"),
        Unit::Times,
        "bytes of pages in use for each byte of the items there then",
    );
    let mut file = Row::new(
        format!("page file per byte, {size_name}"),
        Unit::Times,
        "length of the page file for each byte of the items there then",
    );
    let mut log = Row::new(
        format!("log, {size_name}"),
        Unit::Bytes,
        "length of the pre-filled log segments",
    );
    let mut beside = Beside::default();
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        context.say(&format!("{size_name}, {name}"));
        let dir = temporary(context.dir)?;
        let mut bare = Bare::create(dir.path(), 4096)?;
        let mut syncs = |beside: &mut Beside| {
            let _busy = Busy::new();
            bare.syncs(SYNCS).map(|latencies| beside.push(&latencies))
        };
        syncs(&mut beside)?;
        let store = Store::create(dir.path(), kind, &settings)?;
        let span = Span::Calls(items.count);
        let sample = clients::puts(&store, &runtime, &mut Random(1), CLIENTS, span)?;
        let put = sample.latencies.len() as f64 * size.mean();
        calls.push(at, sample);
        syncs(&mut beside)?;
        let footprint = store.footprint()?;
        written.push(at, store.written() as f64 / put);
        pages.push(at, footprint.pages);
        file.push(at, footprint.page_file);
        log.push(at, footprint.log);
        store.db.close()?;
    }
    written.judge("written", bound);
    if size == KB {
        file.judge("disk", Bound::AtMost(1.6));
    }
    let mut rows = calls.into_rows();
    beside.mark(&mut rows);
    rows.extend([written, pages, file, log]);
    Ok(rows)
}
