//! SealDB beside other databases: every one a process of its own that is measured by the same loop and interleaved with the others,
//! over the same items, with the same memory for its cache, and with every put durable.
//!
//! The processes speak the protocol of [`sealdb_bench_driver::protocol`]: SealDB's is this program again, the others' is `sealdb-peers`, which
//! is built apart (`benches/peers`). How each of them is set up, and why that is fair, stands in `benches/peers/README.md`.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use sealdb_bench_driver::protocol::{Answer, Clients, Command, Opening, Outcome};
use serde_json::json;

use crate::compare::{Section, temporary};
use crate::load::bare::{Bare, Busy};
use crate::process::Process;
use crate::rows::{Beside, Bound, Row, Unit, show};
use crate::size::ItemSize;
use crate::store::{Failure, Items};

pub mod ours;
mod table;

pub use table::{Engine, PeerRow, Peers};

/// Names of the columns, in their order, and what the process is told; the first two are this program again.
const ENGINES: [(&str, &[&str]); 7] = [
    ("sealdb", &["peer"]),
    ("sealdb plain", &["peer", "--plain"]),
    ("fjall", &["fjall"]),
    ("redb", &["redb"]),
    ("sqlcipher", &["sqlcipher"]),
    ("dynoxide", &["dynoxide"]),
    ("dynoxide sqlcipher", &["dynoxide-sqlcipher"]),
];
const OURS: usize = 2;
const FJALL: &str = "fjall";

/// A scan of a part of the items tells, beside one of all, how it grows.
const PART: u64 = 10;
const SCANS: usize = 3;
/// Rounds of calls, at least.
const ROUNDS: u32 = 4;
/// Bare syncs beside a round of puts.
const SYNCS: usize = 50;

/// What is compared, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is stored.
    pub items: Items,
    /// Memory for each cache.
    pub cache_bytes: usize,
    /// For all rounds of calls.
    pub time: Duration,
    /// The program of the others.
    pub program: PathBuf,
}

/// Where [`Plan::program`] lies unless somebody says otherwise: beside this program.
///
/// # Errors
/// It is not there.
pub fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("sealdb-peers");
    match program.exists() {
        true => Ok(program),
        false => Err(format!(
            "{} is not there: scripts/bench builds it where --peers is among its arguments",
            program.display()
        )
        .into()),
    }
}

/// Starts everybody in `dir`, compares them, and removes what they wrote.
///
/// # Errors
/// Those of the databases; an answer that is not what was stored.
pub fn run(dir: &Path, plan: &Plan, progress: &mut dyn FnMut(&str)) -> Result<Section, Failure> {
    let dir = temporary(dir)?;
    let mut bench = Bench::start(dir.path(), plan)?;
    bench.scans(plan.items.count / PART, progress)?;
    bench.scans(plan.items.count, progress)?;
    progress("gets");
    bench.gets(1, plan.time.mul_f64(0.2))?;
    bench.gets(2, plan.time.mul_f64(0.2))?;
    progress("durable puts");
    bench.puts(1, plan.time.mul_f64(0.25))?;
    bench.puts(32, plan.time.mul_f64(0.35))?;
    bench.finish(plan)
}

/// A process and what it is called.
struct Running {
    name: &'static str,
    process: Process,
}

impl Running {
    fn ask(&mut self, command: &Command) -> Result<Answer, Failure> {
        self.process.say(&command.to_string())?;
        let line = self.process.line()?;
        match line.parse()? {
            Answer::Failed { error } => Err(format!("{}: {command}: {error}", self.name).into()),
            answer => Ok(answer),
        }
    }

    fn outcome(&mut self, command: &Command) -> Result<Outcome, Failure> {
        match self.ask(command)? {
            Answer::Done(outcome) => Ok(outcome),
            other => Err(format!("{}: {command}: {other:?}", self.name).into()),
        }
    }
}

struct Bench {
    running: Vec<Running>,
    peers: Peers,
    size: ItemSize,
    bare: Bare,
    beside: Beside,
    about: Vec<String>,
}

impl Bench {
    fn start(dir: &Path, plan: &Plan) -> Result<Self, Failure> {
        let mut running = Vec::new();
        let mut engines = Vec::new();
        for (at, (name, arguments)) in ENGINES.into_iter().enumerate() {
            let program = match at < OURS {
                true => std::env::current_exe()?,
                false => plan.program.clone(),
            };
            let mut command = Program::new(program);
            command.args(arguments);
            let mut one = Running {
                name,
                process: Process::start(command)?,
            };
            let dir = dir.join(name);
            std::fs::create_dir(&dir)?;
            let open = Command::Open(Opening {
                cache_bytes: plan.cache_bytes,
                size: plan.items.size,
                dir,
            });
            let Answer::Opened { about } = one.ask(&open)? else {
                return Err(format!("{name} does not say what it opened").into());
            };
            running.push(one);
            let name = name.to_owned();
            engines.push(Engine { name, about });
        }
        Ok(Self {
            running,
            peers: Peers {
                engines,
                rows: Vec::new(),
            },
            size: plan.items.size,
            bare: Bare::create(dir, 4096)?,
            beside: Beside::default(),
            about: Vec::new(),
        })
    }

    /// Has everybody do the same, beginning with another one in each round.
    fn round(
        &mut self,
        round: usize,
        command: &Command,
        mut see: impl FnMut(&mut Peers, usize, &Outcome),
    ) -> Result<(), Failure> {
        let count = self.running.len();
        for turn in 0..count {
            let at = (round + turn) % count;
            let outcome = self.running[at].outcome(command)?;
            see(&mut self.peers, at, &outcome);
        }
        Ok(())
    }

    /// Loads up to so many items and scans them.
    fn scans(&mut self, items: u64, progress: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let items = Items::new(items, self.size).count;
        progress(&format!("loading up to {items} items"));
        self.round(0, &Command::Load(items), |_, _, _| {})?;
        self.round(0, &Command::Settle, |_, _, _| {})?;
        progress("scans");
        let what = format!("scan of {items}, an item");
        for round in 0..SCANS {
            self.round(round, &Command::Scan, |peers, at, scan| {
                let each = scan.seconds * 1e9 / scan.count as f64;
                peers.push(&what, Unit::Nanos, at, each);
            })?;
        }
        Ok(())
    }

    fn gets(&mut self, clients: usize, time: Duration) -> Result<(), Failure> {
        // What connections cache of their own is warmed first.
        self.calls(clients, time / 5, 1, Command::Get, |_, _, _| {})?;
        let names = Names::new("gets", "get", clients, "thread");
        let time = time.mul_f64(0.8);
        let rounds = self.calls(clients, time, ROUNDS, Command::Get, |peers, at, gets| {
            names.push(peers, at, gets);
        })?;
        self.about.push(format!("{}: {rounds}", names.rate));
        Ok(())
    }

    fn puts(&mut self, clients: usize, time: Duration) -> Result<(), Failure> {
        let names = Names::new("durable puts", "put", clients, "client");
        let mut put = vec![(0.0, 0.0); self.running.len()];
        let rounds = self.calls(clients, time, ROUNDS, Command::Put, |peers, at, puts| {
            names.push(peers, at, puts);
            put[at].0 += puts.count as f64;
            put[at].1 += puts.written as f64;
        })?;
        self.about.push(format!("{}: {rounds}", names.rate));
        let mean = self.size.mean();
        let what = format!("written per byte put, {}", names.clients);
        self.round(0, &Command::Settle, |peers, at, settled| {
            let written = put[at].1 + settled.written as f64;
            peers.push(&what, Unit::Times, at, written / (put[at].0 * mean));
        })
    }

    /// Rounds of calls until the time is over, bare syncs beside those of puts; tells how many and how long.
    fn calls(
        &mut self,
        clients: usize,
        time: Duration,
        rounds: u32,
        command: fn(Clients) -> Command,
        mut see: impl FnMut(&mut Peers, usize, &Outcome),
    ) -> Result<String, Failure> {
        let each = time / (rounds * u32::try_from(self.running.len())?);
        let each = each.clamp(Duration::from_millis(20), Duration::from_millis(500));
        let command = command(Clients {
            count: clients,
            seconds: each.as_secs_f64(),
        });
        let puts = matches!(command, Command::Put(_));
        // One client that waits for the device leaves a core idle.
        let _busy = (puts && clients == 1).then(Busy::new);
        let begun = Instant::now();
        let mut round = 0;
        while round < rounds as usize || begun.elapsed() < time {
            self.round(round, &command, &mut see)?;
            if puts {
                let _busy = (clients > 1).then(Busy::new);
                self.beside.push(&self.bare.syncs(SYNCS)?);
            }
            round += 1;
        }
        Ok(format!("{round} rounds of {} ms each", each.as_millis()))
    }

    /// What the disk holds now; then all end.
    fn finish(mut self, plan: &Plan) -> Result<Section, Failure> {
        let payload = plan.items.count as f64 * self.size.mean();
        self.round(0, &Command::Settle, |peers, at, settled| {
            let pages = settled.disk.saturating_sub(settled.log) as f64;
            peers.push("disk per byte, log apart", Unit::Times, at, pages / payload);
            peers.push("log", Unit::Bytes, at, settled.log as f64);
        })?;
        for one in self.running {
            one.process.stop()?;
        }
        let (p50, p999) = self.beside.bare();
        let mut about = vec![
            format!(
                "{} items of {}, each in a process of its own, {} MiB of cache each, every put durable; how each is set up: \
                 benches/peers/README.md",
                plan.items.count,
                self.size,
                plan.cache_bytes >> 20
            ),
            format!(
                "bare write + fdatasync of 4 KiB beside the puts: p50 {}, p99.9 {}",
                show(Unit::Nanos, p50),
                show(Unit::Nanos, p999)
            ),
        ];
        let engines = self.peers.engines.iter();
        about.extend(engines.map(|engine| format!("{}: {}", engine.name, engine.about)));
        about.extend(self.about);
        Ok(Section {
            name: format!("peers, {}", self.size),
            about,
            settings: json!({
                "items": plan.items.count,
                "item_bytes": self.size.mean(),
                "seconds": plan.time.as_secs_f64(),
                "cache_bytes": plan.cache_bytes,
            }),
            rows: against_fjall(&self.peers, self.size, (p50, p999))
                .into_iter()
                .collect(),
            peers: self.peers,
        })
    }
}

/// What the rows of some clients are called.
struct Names {
    rate: String,
    call: &'static str,
    clients: String,
}

impl Names {
    fn new(calls: &str, call: &'static str, count: usize, client: &str) -> Self {
        let s = if count == 1 { "" } else { "s" };
        let clients = format!("{count} {client}{s}");
        Self {
            rate: format!("{calls}, {clients}"),
            call,
            clients,
        }
    }

    fn push(&self, peers: &mut Peers, at: usize, calls: &Outcome) {
        let rate = calls.count as f64 / calls.seconds;
        peers.push(&self.rate, Unit::PerSecond, at, rate);
        for (quantile, value) in [("p50", calls.p50), ("p99", calls.p99)] {
            let what = format!("{} {quantile}, {}", self.call, self.clients);
            peers.push(&what, Unit::Nanos, at, value as f64);
        }
    }
}

/// Durable puts of many clients, ours as fast as fjall's or nearly so.
fn against_fjall(peers: &Peers, size: ItemSize, bare: (f64, f64)) -> Option<Row> {
    let least = match size {
        ItemSize::Fixed(100) => 1.0,
        ItemSize::Fixed(1024) => 0.9,
        _ => return None,
    };
    let puts = peers.row("durable puts, 32 clients")?;
    let fjall = *puts.medians().get(peers.column(FJALL)?)?;
    let what = "PutItem over an item, 32 threads, blocking facade; fjall's beside it";
    let mut row = Row::new("durable puts, 32 clients", Unit::PerSecond, what);
    for (values, rounds) in row.values.iter_mut().zip(&puts.rounds[..OURS]) {
        values.clone_from(rounds);
    }
    row.bare = Some(bare);
    row.judge("fjall", Bound::Times(least, fjall));
    Some(row)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ours_are_judged_by_fjalls_of_the_same_run() {
        let engine = |(name, _): (&str, _)| Engine {
            name: name.to_owned(),
            about: String::new(),
        };
        let mut peers = Peers {
            engines: ENGINES.map(engine).into(),
            rows: Vec::new(),
        };
        for (at, value) in [(0, 95.0), (0, 97.0), (1, 99.0), (2, 100.0)] {
            peers.push("durable puts, 32 clients", Unit::PerSecond, at, value);
        }
        for (bytes, reached) in [(100, false), (1024, true)] {
            let row = against_fjall(&peers, ItemSize::Fixed(bytes), (2e5, 3e6)).unwrap();
            assert_eq!(row.values[..2], [vec![95.0, 97.0], vec![99.0]]);
            assert_eq!(row.goals[0].target, "fjall");
            assert_eq!(row.goals[0].measured, "0.96 times 100/s");
            assert_eq!(row.goals[0].reached, Some(reached));
        }
        assert!(against_fjall(&peers, ItemSize::Fixed(50), (2e5, 3e6)).is_none());
    }
}
