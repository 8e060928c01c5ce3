//! Single calls of one thread of the `blocking` facade, each timed, with about 25 ns of the clock's own in each. Inputs are made
//! beforehand; outputs are checked and dropped between two calls.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use sealdb::model::ops::{GetItemInput, PutItemInput, QueryInput, ScanInput};

use super::{Sample, nanos};
use crate::random::Random;
use crate::store::{Failure, Items, PER_PARTITION, Store, TABLE, partition};
use crate::usage;

/// Items of one query.
pub const QUERY_ITEMS: u64 = 20;
/// Inputs that are made ahead of being timed.
const AHEAD: usize = 256;

/// Times `count` calls, one by one; inputs are made ahead by `make`, answers judged by `check`.
fn timed<I, O>(
    count: usize,
    mut make: impl FnMut() -> I,
    mut call: impl FnMut(I) -> Result<O, sealdb::Error>,
    check: impl Fn(&O) -> bool,
) -> Result<Sample, Failure> {
    let mut out = Sample::none();
    let mut left = count;
    while left > 0 {
        let now = left.min(AHEAD);
        left -= now;
        let inputs: Vec<I> = (0..now).map(|_| make()).collect();
        let (begun, used) = (Instant::now(), usage::cpu());
        for input in inputs {
            let start = Instant::now();
            let output = call(input)?;
            out.latencies.record(nanos(start.elapsed()))?;
            if !check(&output) {
                return Err("an answer was not what was stored".into());
            }
        }
        out.took += begun.elapsed();
        out.cpu += usage::cpu().saturating_sub(used);
    }
    Ok(out)
}

/// Gets of random items.
///
/// # Errors
/// Those of the database, or a missing item.
pub fn gets(store: &Store, random: &mut Random, count: usize) -> Result<Sample, Failure> {
    let items = store.settings.items;
    gets_of(store, count, || random.below(items.count))
}

/// Gets of the items that `number` names.
///
/// # Errors
/// Those of the database, or a missing item.
pub fn gets_of(
    store: &Store,
    count: usize,
    mut number: impl FnMut() -> u64,
) -> Result<Sample, Failure> {
    let items = store.settings.items;
    timed(
        count,
        || GetItemInput::new(TABLE, items.key(number())),
        |input| store.db.get_item(input),
        |output| {
            let item = output.item.as_ref();
            item.is_some_and(|item| item.len() == items.attributes())
        },
    )
}

/// Queries of [`QUERY_ITEMS`] neighbours.
///
/// # Errors
/// Those of the database, or an answer of another length.
pub fn queries(store: &Store, random: &mut Random, count: usize) -> Result<Sample, Failure> {
    timed(
        count,
        || query(store, random),
        |input| store.db.query(input),
        |output| output.items.len() as u64 == QUERY_ITEMS,
    )
}

/// A query of [`QUERY_ITEMS`] neighbours somewhere.
pub fn query(store: &Store, random: &mut Random) -> QueryInput {
    let first = random.below(PER_PARTITION - QUERY_ITEMS + 1);
    QueryInput::new(TABLE, "pk = :p AND sk >= :s")
        .value(":p", partition(random.below(store.settings.items.count)))
        .value(":s", format!("{first:03}"))
        .limit(20)
}

/// A scan of the whole table: its pages, each a call.
///
/// # Errors
/// Those of the database, or another count of items than were stored.
pub fn scan(store: &Store) -> Result<Sample, Failure> {
    let (sample, seen) = scan_and_count(store)?;
    let count = store.settings.items.count;
    match seen == count {
        true => Ok(sample),
        false => Err(format!("a scan found {seen} of {count} items").into()),
    }
}

/// The same of a table of whatever many items.
///
/// # Errors
/// Those of the database.
pub fn scan_and_count(store: &Store) -> Result<(Sample, u64), Failure> {
    let mut out = Sample::none();
    let (begun, used) = (Instant::now(), usage::cpu());
    let mut seen = 0;
    let mut after = None;
    loop {
        let mut input = ScanInput::new(TABLE);
        input.exclusive_start_key = after.take();
        let start = Instant::now();
        let page = store.db.scan(input)?;
        out.latencies.record(nanos(start.elapsed()))?;
        seen += page.items.len() as u64;
        after = page.last_evaluated_key;
        if after.is_none() {
            break;
        }
    }
    out.took = begun.elapsed();
    out.cpu = usage::cpu().saturating_sub(used);
    Ok((out, seen))
}

/// Puts in place of random items.
///
/// # Errors
/// Those of the database.
pub fn puts(store: &Store, random: &mut Random, count: usize) -> Result<Sample, Failure> {
    let items = store.settings.items;
    timed(
        count,
        || put(&items, random),
        |input| store.db.put_item(input),
        |_| true,
    )
}

/// Puts in place of random items until the time is over.
///
/// # Errors
/// Those of the database.
pub fn puts_for(store: &Store, random: &mut Random, time: Duration) -> Result<Sample, Failure> {
    let mut out = Sample::none();
    let begun = Instant::now();
    while begun.elapsed() < time {
        out.add(&puts(store, random, 16)?);
    }
    Ok(out)
}

/// A put in place of a random item.
pub fn put(items: &Items, random: &mut Random) -> PutItemInput {
    let number = random.below(items.count);
    PutItemInput::new(TABLE, items.item(number, random.below(u64::MAX)))
}
