//! A bulk load, durable, embedded and over gRPC.

use std::sync::Arc;
use std::time::Instant;

use super::{Context, KB};
use crate::compare::{KINDS, runtime, temporary};
use crate::load::clients::{Span, drive};
use crate::rows::{Bound, Row, Unit};
use crate::serve::Served;
use crate::store::{Failure, Store, WRITERS};
use crate::usage;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let items = context.items(1.0, KB);
    let count = items.count as f64;
    let text = format!(
        "{} items of 1 KB by BatchWriteItem of 25, 4 writers, durable",
        items.count
    );
    let mut embedded = Row::new("load, embedded", Unit::Nanos, &*text);
    let mut cpu = Row::new(
        "load, embedded: CPU",
        Unit::Nanos,
        "processor time of an item",
    );
    let mut written = Row::new(
        "load, embedded: written",
        Unit::Times,
        "bytes written for each byte of items, with a checkpoint at the end",
    );
    let mut remote = Row::new(
        "load, gRPC",
        Unit::Nanos,
        format!("{text}, 4 connections on loopback"),
    );
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        context.say(&format!("embedded, {name}"));
        let dir = temporary(context.dir)?;
        let store = Store::create(dir.path(), kind, &context.settings(items))?;
        let (begun, used) = (Instant::now(), usage::cpu());
        store.fill()?;
        embedded.push(at, begun.elapsed().as_nanos() as f64);
        cpu.push(
            at,
            (usage::cpu().saturating_sub(used)).as_nanos() as f64 / count,
        );
        store.settle()?;
        let stats = store.db.stats();
        written.push(at, store.written() as f64 / stats.size_bytes as f64);
        if stats.items != items.count {
            return Err(format!("{} of {} items were loaded", stats.items, items.count).into());
        }
        store.db.close()?;
    }
    let runtime = runtime()?;
    for (at, (kind, name)) in KINDS.into_iter().take(2).enumerate() {
        context.say(&format!("gRPC, {name}"));
        let dir = temporary(context.dir)?;
        let settings = context.settings(items);
        Store::create(dir.path(), kind, &settings)?.db.close()?;
        let served = Arc::new(Served::start(dir.path(), kind, context.cache_bytes)?);
        let mut clients = Vec::new();
        for _ in 0..WRITERS {
            clients.push(runtime.block_on(served.client())?);
        }
        let begun = Instant::now();
        drive(
            &runtime,
            clients.len(),
            Span::Calls(u64::MAX),
            |number, _| {
                let client = clients[number].clone();
                async move {
                    let mut batch = number as u64;
                    while batch < items.batches() {
                        let output = client.batch_write_item(items.batch(batch)).await?;
                        if !output.unprocessed_items.is_empty() {
                            return Err("some items of a batch were not processed".into());
                        }
                        batch += WRITERS;
                    }
                    Ok(())
                }
            },
        )?;
        remote.push(at, begun.elapsed().as_nanos() as f64);
        drop(clients);
        let served = Arc::into_inner(served).ok_or("somebody still holds the server")?;
        served.stop()?;
    }
    embedded.judge("load", Bound::AtMost(30e9 * count / 1e6));
    remote.judge("load-grpc", Bound::Reported);
    Ok(vec![embedded, cpu, written, remote])
}
