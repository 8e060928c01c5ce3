//! Gets and durable puts while a table is rekeyed, beside the same before.

use std::time::Duration;

use sealdb::KeyScope;

use super::{Context, KB};
use crate::compare::{KINDS, temporary};
use crate::load::{Sample, calls};
use crate::random::Random;
use crate::rows::{Bound, Calls, Metric, Row, Unit, find, quantile};
use crate::store::{Failure, Store, TABLE};

/// Gets in one go, between which it is looked whether the rekey goes on.
const GETS: usize = 2000;
/// And how long puts go on.
const PUTS: Duration = Duration::from_millis(500);

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let dir = temporary(context.dir)?;
    let items = context.items(1.0, KB);
    let store = context.filled_one(&dir.path().join("sealed"), KINDS[0].0, items)?;
    let mut random = Random(7);
    context.say("before");
    let (mut gets, mut puts) = (Sample::none(), Sample::none());
    let begun = std::time::Instant::now();
    while begun.elapsed() < context.time.max(Duration::from_secs(10)) {
        one_round(&store, &mut random, &mut gets, &mut puts)?;
    }
    let before = [&gets, &puts].map(|sample| {
        let latencies = &sample.latencies;
        (quantile(latencies, 0.5), quantile(latencies, 0.99))
    });
    context.say("while it is rekeyed");
    let scope = KeyScope::Table(TABLE.to_owned());
    store.db.rekey(scope, None, None)?;
    let begun = std::time::Instant::now();
    let (mut gets, mut puts) = (Sample::none(), Sample::none());
    while !store.db.rekeys()?.is_empty() {
        one_round(&store, &mut random, &mut gets, &mut puts)?;
    }
    let took = begun.elapsed();
    store.db.close()?;
    let mut rows = Vec::new();
    let what = format!("of {} items of 1 KB; bare: before the rekey", items.count);
    for ((name, sample), before) in [("get", gets), ("put", puts)].into_iter().zip(before) {
        let workload = format!("{name} while the table is rekeyed");
        let mut calls = Calls::new(&workload, what.clone());
        calls.push(0, sample);
        let mut part = calls.into_rows();
        for row in &mut part {
            row.bare = Some(before);
        }
        if let Some(row) = find(&mut part, &workload, Metric::P99) {
            row.judge("rekey", Bound::AtMost(2.0 * before.1));
        }
        rows.extend(part);
    }
    rows.push(Row::value(
        "rekey",
        Unit::Nanos,
        took.as_nanos() as f64,
        "from the switch to the proof, at the usual pace",
    ));
    Ok(rows)
}

fn one_round(
    store: &Store,
    random: &mut Random,
    gets: &mut Sample,
    puts: &mut Sample,
) -> Result<(), Failure> {
    gets.add(&calls::gets(store, random, GETS)?);
    puts.add(&calls::puts_for(store, random, PUTS)?);
    Ok(())
}
