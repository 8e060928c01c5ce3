//! Requests in a second through a server: ours by DynamoDB's JSON and by gRPC, beside others that speak the former. One client, in rounds
//! that visit everybody; every server a process of its own on loopback, over the same items, with every put durable but dynalite's.
//!
//! The others come with `benches/peers`, whose README.md says how each is set up; who is not there is not measured, and said so. The
//! client shares the machine with the servers, so it costs little ([`crate::http`]) and is the same for all but gRPC, whose client
//! also encrypts.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealdb::Options;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::compare::{Section, runtime, temporary};
use crate::grpc::{self, CONNECTIONS, SYNCS};
use crate::load::Sample;
use crate::load::bare::{Bare, Busy};
use crate::load::clients::Span;
use crate::peers::{Engine, Peers};
use crate::process::Process;
use crate::rows::{Beside, Bound, Row, Unit, quantile, show};
use crate::serve::Served;
use crate::size::ItemSize;
use crate::store::{Failure, Items, Kind, Settings, Store};
use crate::usage;

mod json;
mod others;

pub use others::Others;

/// Rounds, at least.
const ROUNDS: u32 = 5;
/// What has to be reached, in a second.
const GETS: f64 = 20_000.0;
const PUTS: f64 = 10_000.0;
/// Where the device is slow, puts have to reach so much of what 32 clients could that wait for a sync each.
const OF_SYNCS: f64 = 0.8;

/// Columns that are ours: two doors of one server.
const OURS: [&str; 2] = ["sealdb JSON", "sealdb gRPC"];

/// One of the two operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Get,
    Put,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Get => "GetItem",
            Operation::Put => "PutItem",
        }
    }
}

/// The clients of a server.
enum Clients {
    Json(json::Clients),
    Grpc(grpc::Clients),
}

impl Clients {
    fn sample(
        &mut self,
        runtime: &Runtime,
        operation: Operation,
        span: Span,
    ) -> Result<Sample, Failure> {
        match (self, operation) {
            (Clients::Json(clients), Operation::Get) => clients.gets(runtime, span),
            (Clients::Json(clients), Operation::Put) => clients.puts(runtime, span),
            (Clients::Grpc(clients), Operation::Get) => clients.gets(runtime, span),
            (Clients::Grpc(clients), Operation::Put) => clients.puts(runtime, span),
        }
    }
}

/// A column: who is measured, and the process that answers.
struct Door {
    engine: Engine,
    pid: u32,
    clients: Clients,
}

struct Bench {
    doors: Vec<Door>,
    peers: Peers,
    runtime: Runtime,
    bare: Bare,
    beside: Beside,
}

/// Starts everybody in `dir`, measures them for `time`, and removes what they wrote.
///
/// # Errors
/// Those of the servers; an answer that is not what was stored.
pub fn run(
    dir: &Path,
    items: u64,
    time: Duration,
    others: &Others,
    cache_bytes: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Section, Failure> {
    let dir = temporary(dir)?;
    let items = Items::new(items, ItemSize::Fixed(1024));
    let runtime = runtime()?;
    progress("filling");
    let served = ours(&dir.path().join("sealdb"), items, cache_bytes)?;
    let mut doors = vec![
        Door {
            engine: about(
                OURS[0],
                "DynamoDB's JSON 1.0, plain HTTP, signatures verified",
            ),
            pid: served.id(),
            clients: Clients::Json(json::Clients::new(served.dynamodb(), items)),
        },
        Door {
            engine: about(OURS[1], "TLS 1.3, the same server"),
            pid: served.id(),
            clients: Clients::Grpc(grpc::Clients::connect(&runtime, &served, items)?),
        },
    ];
    let mut processes = Vec::new();
    for other in others.found() {
        progress(&format!("filling {}", other.name));
        let (process, door) = start(other, dir.path(), &runtime, items)?;
        processes.push(process);
        doors.push(door);
    }
    let mut bench = Bench {
        peers: Peers {
            engines: doors.iter().map(|door| door.engine.clone()).collect(),
            rows: Vec::new(),
        },
        doors,
        runtime,
        bare: Bare::create(dir.path(), 4096)?,
        beside: Beside::default(),
    };
    progress("gets");
    bench.calls(Operation::Get, time / 2)?;
    progress("puts");
    bench.calls(Operation::Put, time / 2)?;
    let section = bench.finish(items, time, others)?;
    served.stop()?;
    processes.into_iter().try_for_each(Process::stop)?;
    Ok(section)
}

/// A server of ours over a sealed database with all items.
fn ours(dir: &Path, items: Items, cache_bytes: usize) -> Result<Served, Failure> {
    let settings = Settings {
        items,
        options: Options {
            cache_bytes,
            ..Options::default()
        },
    };
    let store = Store::create(dir, Kind::Sealed, &settings)?;
    store.fill()?;
    store.db.close()?;
    Served::start(dir, Kind::Sealed, cache_bytes)
}

/// A server of somebody else, filled through its own protocol.
fn start(
    other: &others::Other,
    dir: &Path,
    runtime: &Runtime,
    items: Items,
) -> Result<(Process, Door), Failure> {
    let dir: PathBuf = dir.join(other.name);
    std::fs::create_dir(&dir)?;
    let mut process = Process::start(other.command(&dir))?;
    let line = process.line()?;
    let (address, said) = line.split_once(' ').ok_or("it does not say where it is")?;
    let mut clients = json::Clients::new(address.parse()?, items);
    clients.fill(runtime)?;
    let door = Door {
        engine: about(other.name, said),
        pid: process.id(),
        clients: Clients::Json(clients),
    };
    Ok((process, door))
}

fn about(name: &str, text: &str) -> Engine {
    Engine {
        name: name.to_owned(),
        about: text.to_owned(),
    }
}

impl Bench {
    /// Rounds of one operation until the time is over, bare syncs beside those of puts.
    fn calls(&mut self, operation: Operation, time: Duration) -> Result<(), Failure> {
        let count = self.doors.len();
        let each = time / (ROUNDS * u32::try_from(count)?);
        let each = each.clamp(Duration::from_millis(50), Duration::from_secs(1));
        // What is cached is warm, and connections are open, before anything counts.
        for door in &mut self.doors {
            door.clients
                .sample(&self.runtime, operation, Span::Time(each))?;
        }
        let begun = Instant::now();
        let mut round = 0;
        while round < ROUNDS as usize || begun.elapsed() < time {
            for turn in 0..count {
                self.sample((round + turn) % count, operation, each)?;
            }
            if operation == Operation::Put {
                let _busy = Busy::new();
                self.beside.push(&self.bare.syncs(SYNCS)?);
            }
            round += 1;
        }
        Ok(())
    }

    fn sample(&mut self, at: usize, operation: Operation, each: Duration) -> Result<(), Failure> {
        let door = &mut self.doors[at];
        let used = usage::cpu_of(door.pid)?;
        let sample = door
            .clients
            .sample(&self.runtime, operation, Span::Time(each))?;
        let used = usage::cpu_of(door.pid)?.saturating_sub(used);
        let (name, calls) = (operation.name(), sample.latencies.len() as f64);
        let mut push = |what: &str, unit, value| {
            self.peers.push(&format!("{name}{what}"), unit, at, value);
        };
        let rate = calls / sample.took.as_secs_f64();
        push(RATE, Unit::PerSecond, rate);
        push(" p50", Unit::Nanos, quantile(&sample.latencies, 0.5));
        push(" p99", Unit::Nanos, quantile(&sample.latencies, 0.99));
        let client = sample.cpu.as_nanos() as f64 / calls;
        push(": CPU of the client", Unit::Nanos, client);
        let server = used.as_nanos() as f64 / calls;
        push(": CPU of the server", Unit::Nanos, server);
        Ok(())
    }

    /// What came out, ours judged.
    fn finish(mut self, items: Items, time: Duration, others: &Others) -> Result<Section, Failure> {
        for (at, door) in self.doors.iter().enumerate() {
            let peak = usage::memory(Some(door.pid))?.peak as f64;
            self.peers.push("memory, peak", Unit::Bytes, at, peak);
        }
        let bare = self.beside.bare();
        let mut about = vec![
            format!(
                "{} items of 1 KB, {CONNECTIONS} connections on loopback, each waiting for its answer; each server a process of its own, the \
                 client in one with 2 worker threads; all share this machine's cores",
                items.count
            ),
            format!(
                "bare write + fdatasync of 4 KiB beside the puts: p50 {}, p99.9 {}",
                show(Unit::Nanos, bare.0),
                show(Unit::Nanos, bare.1)
            ),
        ];
        let engines = self.peers.engines.iter();
        about.extend(engines.map(|engine| format!("{}: {}", engine.name, engine.about)));
        about.extend(others.missing().map(|name| format!("{name}: is not there")));
        let operations = [Operation::Get, Operation::Put];
        let rows = (0..OURS.len()).flat_map(|door| {
            let peers = &self.peers;
            operations.map(move |operation| judged(peers, door, operation, bare))
        });
        Ok(Section {
            name: "requests".into(),
            about,
            settings: json!({
                "items": items.count,
                "item_bytes": 1024,
                "connections": CONNECTIONS,
                "seconds": time.as_secs_f64(),
            }),
            rows: rows.collect(),
            peers: self.peers,
        })
    }
}

/// What the rows of rates are called, behind the operation.
const RATE: &str = " in a second";

/// One of our rates, against its bound and against the best of the others.
fn judged(peers: &Peers, door: usize, operation: Operation, bare: (f64, f64)) -> Row {
    let name = operation.name();
    let what = format!("{name} of items of 1 KB, {CONNECTIONS} connections");
    let workload = format!("{}: {name}{RATE}", OURS[door]);
    let mut row = Row::new(workload, Unit::PerSecond, what);
    let rates = peers.row(&format!("{name}{RATE}"));
    if let Some(rounds) = rates.and_then(|rates| rates.rounds.get(door)) {
        row.values[0].clone_from(rounds);
    }
    let least = match operation {
        Operation::Get => GETS,
        Operation::Put => {
            row.bare = Some(bare);
            PUTS.min(OF_SYNCS * CONNECTIONS as f64 / (bare.0 / 1e9))
        }
    };
    row.judge("requests", Bound::AtLeast(least));
    let others = rates.map(|rates| rates.medians().split_off(OURS.len()));
    let best = others.into_iter().flatten().reduce(f64::max);
    if let Some(best) = best {
        row.judge("requests-peers", Bound::Times(1.0, best));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_judged_by_their_bound_and_by_the_best_of_the_others() {
        let names = ["sealdb JSON", "sealdb gRPC", "dynoxide", "dynalite"];
        let mut peers = Peers {
            engines: names.map(|name| about(name, "")).into(),
            rows: Vec::new(),
        };
        for (at, rate) in [15e3, 9e3, 2e3, 12e3].into_iter().enumerate() {
            for name in ["GetItem in a second", "PutItem in a second"] {
                peers.push(name, Unit::PerSecond, at, rate);
            }
        }
        let reached = |door, operation, sync: f64| {
            let row = judged(&peers, door, operation, (sync, sync));
            let goals = row.goals.iter().map(|goal| goal.reached);
            goals.collect::<Vec<_>>()
        };
        let ours = |door, operation| reached(door, operation, 1e5);
        assert_eq!(ours(0, Operation::Get), [Some(false), Some(true)]);
        assert_eq!(ours(0, Operation::Put), [Some(true), Some(true)]);
        assert_eq!(ours(1, Operation::Put), [Some(false), Some(false)]);
        // A device whose syncs take 3 ms lets 32 clients make 10,667 puts in a second at most.
        let slow = reached(1, Operation::Put, 3e6);
        assert_eq!(slow, [Some(true), Some(false)]);
    }
}
