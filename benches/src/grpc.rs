//! Sealed against plain over gRPC: three servers in processes of their own on loopback, TLS on, the real client, rounds that
//! visit each of them.
//!
//! Where the time goes: processor time of the clients' process and of the server's for a call, and, by the server's own
//! metrics, the time from a request's last byte to its answer, which is that of translation and database.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealdb::Options;
use sealdb::model::ops::{GetItemInput, PutItemInput};
use sealdb_client::Client;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::compare::{KINDS, Section, runtime, temporary};
use crate::load::bare::{Bare, Busy};
use crate::load::clients::{Span, Until, drive};
use crate::load::{Latencies, Sample, latencies, nanos};
use crate::peers::Peers;
use crate::random::Random;
use crate::rows::{Beside, Bound, Calls, Metric, Row, Unit};
use crate::serve::Served;
use crate::size::ItemSize;
use crate::store::{Failure, Items, Settings, Store, TABLE};

/// Connections at once, a call each.
pub(crate) const CONNECTIONS: usize = 32;
/// Bare syncs beside a round of puts.
pub(crate) const SYNCS: usize = 20;

struct Peer {
    served: Served,
    clients: Clients,
}

/// One of the two operations.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    call: &'static str,
    what: &'static str,
}

const GET: Operation = Operation {
    name: "gRPC get",
    call: "GetItem",
    what: "GetItem of a cached item of 1 KB, 32 connections, TLS 1.3 on loopback",
};
const PUT: Operation = Operation {
    name: "gRPC put",
    call: "PutItem",
    what: "durable PutItem over an item of 1 KB, 32 connections, TLS 1.3 on loopback",
};

/// Fills three databases in `dir`, serves them, compares them, and removes them.
///
/// # Errors
/// Those of database, server and client; an answer that is not what was stored.
pub fn run(
    dir: &Path,
    items: u64,
    time: Duration,
    progress: &mut dyn FnMut(&str),
) -> Result<Section, Failure> {
    let dir = temporary(dir)?;
    let settings = Settings {
        items: Items::new(items, ItemSize::Fixed(1024)),
        options: Options::default(),
    };
    let runtime = runtime()?;
    let mut peers = Vec::new();
    for (kind, name) in KINDS {
        progress("filling");
        let dir = dir.path().join(name);
        let store = Store::create(&dir, kind, &settings)?;
        store.fill()?;
        store.db.close()?;
        let served = Served::start(&dir, kind, settings.options.cache_bytes)?;
        let clients = Clients::connect(&runtime, &served, settings.items)?;
        peers.push(Peer { served, clients });
    }
    let mut bench = Bench {
        peers,
        runtime,
        bare: Bare::create(dir.path(), 4096)?,
    };
    progress("warming");
    for at in 0..KINDS.len() {
        let warm = Span::Calls(2 * settings.items.count);
        bench.sample(at, GET, warm)?;
    }
    progress("gets");
    let mut rows = bench.compare(GET, time / 2)?;
    progress("durable puts");
    rows.extend(bench.compare(PUT, time / 2)?);
    let mut memory = Row::new(
        "server memory",
        Unit::Bytes,
        "resident memory of the server after all this, peak",
    );
    for (at, peer) in bench.peers.iter().enumerate() {
        memory.push(at, peer.served.memory()?.peak as f64);
    }
    rows.push(memory);
    for peer in bench.peers {
        drop(peer.clients);
        peer.served.stop()?;
    }
    Ok(Section {
        name: "gRPC".into(),
        about: vec![format!(
            "{} items of 1 KB, {CONNECTIONS} connections, each waiting for its answer, TLS 1.3 on loopback; each server a process of its own, \
             the clients in one with 2 worker threads; both share this machine's cores",
            settings.items.count
        )],
        settings: json!({
            "items": settings.items.count,
            "item_bytes": 1024,
            "connections": CONNECTIONS,
            "seconds": time.as_secs_f64(),
        }),
        rows,
        peers: Peers::default(),
    })
}

struct Bench {
    peers: Vec<Peer>,
    runtime: Runtime,
    bare: Bare,
}

impl Bench {
    fn compare(&mut self, operation: Operation, time: Duration) -> Result<Vec<Row>, Failure> {
        let mut calls = Calls::new(operation.name, operation.what);
        let row = |what: &str, text: &str| {
            Row::new(format!("{}: {what}", operation.name), Unit::Nanos, text)
        };
        let mut server = row(
            "server CPU",
            "processor time of the server's process for a call, by steps of 10 ms",
        );
        let mut inside = row(
            "in the server",
            "from the request's last byte to the answer: translation and database, mean",
        );
        let mut beside = Beside::default();
        let window = (time / 15).clamp(Duration::from_millis(100), Duration::from_millis(500));
        let begun = Instant::now();
        let mut rounds = 0;
        while rounds < 3 || begun.elapsed() < time {
            for turn in 0..KINDS.len() {
                let at = (rounds + turn) % KINDS.len();
                let (used, answered) = self.server_side(at, operation)?;
                let sample = self.sample(at, operation, Span::Time(window))?;
                let (used_then, answered_then) = self.server_side(at, operation)?;
                let count = sample.latencies.len() as f64;
                server.push(at, (used_then - used).as_nanos() as f64 / count);
                let seconds = answered_then.seconds - answered.seconds;
                let answers = answered_then.calls - answered.calls;
                inside.push(at, seconds * 1e9 / answers.max(1.0));
                calls.push(at, sample);
            }
            if operation.call == "PutItem" {
                let _busy = Busy::new();
                beside.push(&self.bare.syncs(SYNCS)?);
            }
            rounds += 1;
        }
        let mut rows = calls.into_rows();
        if operation.call == "PutItem" {
            beside.mark(&mut rows);
        }
        for row in &mut rows {
            if row.metric == Metric::P50 {
                row.judge("grpc", Bound::Ratio(1.03));
            }
        }
        server.judge("grpc", Bound::Reported);
        inside.judge("grpc", Bound::Reported);
        rows.extend([server, inside]);
        Ok(rows)
    }

    fn server_side(
        &self,
        at: usize,
        operation: Operation,
    ) -> Result<(Duration, crate::serve::Answered), Failure> {
        let peer = self.peers.get(at).ok_or("there is no such server")?;
        Ok((peer.served.cpu()?, peer.served.answered(operation.call)?))
    }

    fn sample(&mut self, at: usize, operation: Operation, span: Span) -> Result<Sample, Failure> {
        let peer = self.peers.get_mut(at).ok_or("there is no such server")?;
        match operation.call {
            "GetItem" => peer.clients.gets(&self.runtime, span),
            _ => peer.clients.puts(&self.runtime, span),
        }
    }
}

/// Clients of one server, each with a connection of its own.
pub(crate) struct Clients {
    clients: Vec<Client>,
    items: Items,
    random: Random,
}

impl Clients {
    /// [`CONNECTIONS`] of them.
    ///
    /// # Errors
    /// Those of the client.
    pub(crate) fn connect(
        runtime: &Runtime,
        served: &Served,
        items: Items,
    ) -> Result<Self, Failure> {
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..CONNECTIONS {
                clients.push(served.client().await?);
            }
            Ok::<_, Failure>(clients)
        })?;
        Ok(Self {
            clients,
            items,
            random: Random(1),
        })
    }

    /// Gets of random items.
    ///
    /// # Errors
    /// Those of the server, or a missing item.
    pub(crate) fn gets(&mut self, runtime: &Runtime, span: Span) -> Result<Sample, Failure> {
        self.drive(
            runtime,
            span,
            |client, items, mut random, until| async move {
                let mut out = latencies();
                while until.another() {
                    let input = GetItemInput::new(TABLE, items.key(random.below(items.count)));
                    let begun = Instant::now();
                    let output = client.get_item(input).await?;
                    out.record(nanos(begun.elapsed()))?;
                    if output
                        .item
                        .is_none_or(|item| item.len() != items.attributes())
                    {
                        return Err("an answer was not what was stored".into());
                    }
                }
                Ok(out)
            },
        )
    }

    /// Puts in place of random items.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) fn puts(&mut self, runtime: &Runtime, span: Span) -> Result<Sample, Failure> {
        self.drive(
            runtime,
            span,
            |client, items, mut random, until| async move {
                let mut out = latencies();
                while until.another() {
                    let number = random.below(items.count);
                    let input =
                        PutItemInput::new(TABLE, items.item(number, random.below(u64::MAX)));
                    let begun = Instant::now();
                    client.put_item(input).await?;
                    out.record(nanos(begun.elapsed()))?;
                }
                Ok(out)
            },
        )
    }

    fn drive<F>(
        &mut self,
        runtime: &Runtime,
        span: Span,
        work: impl Fn(Client, Items, Random, Arc<Until>) -> F,
    ) -> Result<Sample, Failure>
    where
        F: Future<Output = Result<Latencies, Failure>> + Send + 'static,
    {
        let driven = drive(runtime, self.clients.len(), span, |number, until| {
            let client = self.clients[number].clone();
            work(client, self.items, self.random.split(), until)
        })?;
        Ok(driven.together())
    }
}
