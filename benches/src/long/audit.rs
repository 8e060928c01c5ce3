//! Gets and durable puts of which each leaves an event in the audit trail, beside the same without.

use std::time::Instant;

use sealdb::{AuditData, Options};

use super::{Context, KB};
use crate::compare::temporary;
use crate::load::{Sample, calls};
use crate::random::Random;
use crate::rows::{Calls, Goal, Metric, Row, Unit, find, show};
use crate::store::{Failure, Kind, Store};

/// So often the two stores are opened anew and change places: what one of them owes to where its pages happen to lie is shared.
const LIVES: usize = 6;
/// Calls in one go. More gets would wait for nothing but the thread that writes the trail.
const GETS: usize = 200;
const PUTS: usize = 5;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let dir = temporary(context.dir)?;
    let items = context.items(0.02, KB);
    let mut stores = Vec::new();
    for name in ["first", "second"] {
        stores.push(context.filled_one(&dir.path().join(name), Kind::Sealed, items)?);
    }
    let what = format!(
        "of {} cached items of 1 KB, sealed, 1 thread, blocking facade, {LIVES} times opened",
        items.count
    );
    let named = |call: &str, recorded: bool| {
        let how = if recorded { "recorded" } else { "not recorded" };
        format!("{call}, {how}")
    };
    let calls_of = |call| [false, true].map(|recorded| Calls::new(named(call, recorded), &*what));
    let (mut gets, mut puts) = (calls_of("get"), calls_of("put"));
    let time = context.time / u32::try_from(LIVES)?;
    for life in 0..LIVES {
        context.say(&format!("round {} of {LIVES}", life + 1));
        let mut pair = Vec::new();
        for (at, store) in stores.iter_mut().enumerate() {
            let recorded = at == life % 2;
            reopen(store, recorded)?;
            store.warm()?;
            pair.push((
                &*store,
                recorded,
                Random(life as u64),
                [Sample::none(), Sample::none()],
            ));
        }
        let begun = Instant::now();
        loop {
            for (store, _, random, [get, put]) in &mut pair {
                get.add(&calls::gets(store, random, GETS)?);
                put.add(&calls::puts(store, random, PUTS)?);
            }
            if begun.elapsed() >= time {
                break;
            }
        }
        for (_, recorded, _, [get, put]) in pair {
            let at = usize::from(recorded);
            gets[at].push(0, get);
            puts[at].push(0, put);
        }
    }
    for store in &stores {
        store.db.close()?;
    }
    let mut rows: Vec<Row> = gets
        .into_iter()
        .chain(puts)
        .flat_map(Calls::into_rows)
        .collect();
    for call in ["get", "put"] {
        for metric in [Metric::P50, Metric::P99] {
            let silent = find(&mut rows, &named(call, false), metric).map(|row| row.sealed());
            let recorded = find(&mut rows, &named(call, true), metric);
            if let (Some(silent), Some(row)) = (silent, recorded) {
                report(row, silent);
            }
        }
    }
    Ok(rows)
}

/// The same store, whose accesses are recorded or not.
fn reopen(store: &mut Store, recorded: bool) -> Result<(), Failure> {
    let audit_data = AuditData {
        reads: recorded,
        writes: recorded,
        ..AuditData::default()
    };
    store.reopen(Options {
        audit_data,
        ..store.settings.options.clone()
    })
}

fn report(row: &mut Row, silent: f64) {
    let recorded = row.sealed();
    row.goals.push(Goal {
        target: "audit",
        bound: "reported".into(),
        measured: format!(
            "{} ({:.3} of {} without)",
            show(Unit::Nanos, recorded),
            recorded / silent,
            show(Unit::Nanos, silent)
        ),
        reached: None,
    });
}
