//! Random durable puts into an empty table: what they write, and what the disk holds afterwards.

use super::{Context, KB};
use crate::compare::{KINDS, runtime, temporary};
use crate::load::bare::{Bare, Busy};
use crate::load::clients::{self, Span};
use crate::random::Random;
use crate::rows::{Beside, Bound, Calls, Row, Unit};
use crate::size::ItemSize;
use crate::store::{Failure, Store};

const CLIENTS: usize = 32;
/// Bare syncs before and after the puts.
const SYNCS: usize = 1_000;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (size, most) in [(ItemSize::Fixed(100), 6.0), (KB, 9.0)] {
        rows.extend(of_size(context, size, most)?);
    }
    Ok(rows)
}

fn of_size(context: &mut Context<'_>, size: ItemSize, most: f64) -> Result<Vec<Row>, Failure> {
    let items = context.items(1.0, size);
    let runtime = runtime()?;
    let what = format!(
        "{} durable puts of 32 clients, numbers drawn at random below as many, into an empty table",
        items.count
    );
    let mut calls = Calls::new(format!("random puts, {size}"), &*what);
    let mut written = Row::new(
        format!("written, {size}"),
        Unit::Times,
        "bytes written to log and pages for each byte put by these, with a checkpoint at the end",
    );
    let mut pages = Row::new(
        format!("pages per byte, {size}"),
        Unit::Times,
        "bytes of pages in use for each byte of the items there then",
    );
    let mut file = Row::new(
        format!("page file per byte, {size}"),
        Unit::Times,
        "length of the page file for each byte of the items there then",
    );
    let mut log = Row::new(
        format!("log, {size}"),
        Unit::Bytes,
        "length of the pre-filled log segments",
    );
    let mut beside = Beside::default();
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        context.say(&format!("{size}, {name}"));
        let dir = temporary(context.dir)?;
        let mut bare = Bare::create(dir.path(), 4096)?;
        let mut syncs = |beside: &mut Beside| {
            let _busy = Busy::new();
            bare.syncs(SYNCS).map(|latencies| beside.push(&latencies))
        };
        syncs(&mut beside)?;
        let store = Store::create(dir.path(), kind, &context.settings(items))?;
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
    written.judge("written", Bound::AtMost(most));
    if size == KB {
        file.judge("disk", Bound::AtMost(1.6));
    }
    let mut rows = calls.into_rows();
    beside.mark(&mut rows);
    rows.extend([written, pages, file, log]);
    Ok(rows)
}
