//! `sealdb-bench`: what sealing costs, measured. See the crate's documentation for how.

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sealdb::Options;
use sealdb_benches::compare::{self, Plan, Section};
use sealdb_benches::long::{self, Context, Long};
use sealdb_benches::machine::Machine;
use sealdb_benches::process::Over;
use sealdb_benches::requests::{self, Others};
use sealdb_benches::size::ItemSize;
use sealdb_benches::store::{Failure, Items, Kind, Settings};
use sealdb_benches::{grpc, html, peers, report, serve};

/// As in `sealdb-server`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Compares a sealed database with a plain one, interleaved in one run, over real files.
///
/// The plain one uses the same code with a block transform that seals nothing; it exists in this program only. Beside each
/// ratio of sealed to plain (s/p) stands that of two plain databases (p/p): what is smaller says nothing.
#[derive(Debug, Parser)]
#[command(name = "sealdb-bench", version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    child: Option<Child>,
    /// Five seconds in total, one item size, single calls only.
    #[arg(long)]
    demo: bool,
    /// Everything but what takes long, in less than two minutes.
    #[arg(long, conflicts_with = "demo")]
    quick: bool,
    /// Sizes of items in bytes by DynamoDB's rules, or "log" for 100 B to 64 KB, each doubling as frequent: a run each.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "100,1024,16384,log",
        value_name = "BYTES"
    )]
    sizes: Vec<ItemSize>,
    /// Items in a database. Default: as many as take 20 MB, at most 100,000.
    #[arg(long)]
    items: Option<u64>,
    /// Seconds of rounds for each size, after the filling.
    #[arg(long, default_value_t = 60.0, conflicts_with_all = ["quick", "demo"])]
    seconds: f64,
    /// Memory for pages of each of the three databases.
    #[arg(long, default_value_t = 128, value_name = "MIB")]
    cache: usize,
    /// Where the databases are made, and removed afterwards. Default: the system's temporary directory.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also SealDB beside other databases, for each of --sizes; part of --long. PROGRAM is what benches/peers builds; default: the
    /// sealdb-peers that lies beside this program.
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true, conflicts_with_all = ["quick", "demo"])]
    peers: Option<Option<PathBuf>>,
    /// Only this, of what takes long or of the usual run; may be given several times. See --list.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["quick", "demo"])]
    only: Vec<String>,
    /// All that takes long.
    #[arg(long, conflicts_with_all = ["quick", "demo", "only"])]
    long: bool,
    /// The names for --only.
    #[arg(long)]
    list: bool,
    /// What counts as a million items in what takes long.
    #[arg(long, default_value_t = 1_000_000)]
    million: u64,
    /// Write machine, commit, settings and every round to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report with plots to this file too: one HTML file, without scripts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write one plot of all sizes to this file too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What this program is when it starts itself.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum Child {
    /// A server over a database of either kind.
    #[command(hide = true)]
    Serve(Over),
    /// Fills a log and waits to be killed.
    #[command(hide = true)]
    FillLog(Over),
    /// Loads and works, for its memory.
    #[command(hide = true)]
    Mixed(long::Mixed),
    /// SealDB as one of the databases that are compared.
    #[command(hide = true)]
    Peer {
        /// With the null sealer.
        #[arg(long)]
        plain: bool,
    },
}

/// Names of the two parts of the usual run, and of those with other databases.
const SIZES: &str = "sizes";
const GRPC: &str = "grpc";
const PEERS: &str = "peers";
const REQUESTS: &str = "requests";
const NAMES: [&str; 4] = [SIZES, GRPC, PEERS, REQUESTS];

impl Args {
    /// Seconds of rounds for each size.
    fn seconds(&self) -> f64 {
        match self.quick {
            true => 16.0,
            false => self.seconds.clamp(0.1, 1e5),
        }
    }

    /// Whether a part of the usual run is wanted.
    fn wants(&self, name: &str) -> bool {
        match self.only.is_empty() {
            true => !self.long,
            false => self.only.iter().any(|only| only == name),
        }
    }

    /// Whether and with which program other databases are wanted.
    fn peers(&self) -> Result<Option<PathBuf>, Failure> {
        let only = self.only.iter().any(|only| only == PEERS);
        match &self.peers {
            _ if !self.only.is_empty() && !only => Ok(None),
            Some(Some(program)) => Ok(Some(program.clone())),
            None if !self.long && !only => Ok(None),
            Some(None) | None => peers::program().map(Some),
        }
    }

    /// What is wanted of what takes long.
    fn longs(&self) -> Result<Vec<Long>, Failure> {
        let known = |name: &String| {
            NAMES.contains(&&**name) || long::ALL.iter().any(|long| long.name == name)
        };
        if let Some(unknown) = self.only.iter().find(|name| !known(name)) {
            return Err(format!("there is no measurement {unknown}: see --list").into());
        }
        let wanted = |long: &&Long| self.long || self.only.iter().any(|only| only == long.name);
        Ok(long::ALL.iter().filter(wanted).copied().collect())
    }

    /// Whether requests through servers are wanted: not in the usual run.
    fn requests(&self) -> bool {
        self.long || self.only.iter().any(|only| only == REQUESTS)
    }

    fn plans(&self) -> Vec<Plan> {
        let sizes: &[ItemSize] = match self.demo {
            true => &[ItemSize::Fixed(100)],
            false => &self.sizes,
        };
        sizes
            .iter()
            .map(|&size| {
                let default = match self.demo {
                    true => 10_000,
                    false => ((20e6 / size.mean()) as u64).min(100_000),
                };
                Plan {
                    settings: Settings {
                        items: Items::new(self.items.unwrap_or(default), size),
                        options: Options {
                            cache_bytes: self.cache << 20,
                            ..Options::default()
                        },
                    },
                    time: match self.demo {
                        true => Duration::from_millis(4_800),
                        false => Duration::from_secs_f64(self.seconds()),
                    },
                    demo: self.demo,
                }
            })
            .collect()
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sealdb-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    match &args.child {
        Some(Child::Serve(args)) => serve::serve(args),
        Some(Child::FillLog(args)) => long::fill_log(args),
        Some(Child::Mixed(args)) => long::mixed(args),
        Some(Child::Peer { plain }) => peers::ours::serve(Kind::of(*plain)),
        None if args.list => list(),
        None => measure(args),
    }
}

fn list() -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let usual = [
        (SIZES, "sealed against plain, embedded, for each of --sizes"),
        (GRPC, "sealed against plain over gRPC"),
        (PEERS, "SealDB beside other databases, for each of --sizes"),
        (
            REQUESTS,
            "requests in a second through JSON and gRPC, beside other servers",
        ),
    ];
    let long = long::ALL.iter().map(|long| (long.name, long.what));
    for (name, what) in usual.into_iter().chain(long) {
        writeln!(stdout, "{name:<10}{what}")?;
    }
    Ok(())
}

fn measure(args: &Args) -> Result<(), Failure> {
    let longs = args.longs()?;
    let others = args.peers()?;
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let machine = Machine::look(&dir);
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", machine.line())?;
    let mut sections: Vec<Section> = Vec::new();
    if args.wants(SIZES) {
        for plan in args.plans() {
            let name = plan.settings.items.size.to_string();
            let section = compare::run(&dir, &plan, &mut |step| progress(&name, step))?;
            show(&section)?;
            sections.push(section);
        }
    }
    if args.wants(GRPC) && !args.demo {
        let items = args.items.unwrap_or(10_000);
        let time = Duration::from_secs_f64(args.seconds());
        let section = grpc::run(&dir, items, time, &mut |step| progress("gRPC", step))?;
        show(&section)?;
        sections.push(section);
    }
    if let Some(program) = others {
        for Plan { settings, time, .. } in args.plans() {
            let plan = peers::Plan {
                items: settings.items,
                cache_bytes: settings.options.cache_bytes,
                time,
                program: program.clone(),
            };
            let section = peers::run(&dir, &plan, &mut |step| progress("peers", step))?;
            show(&section)?;
            sections.push(section);
        }
    }
    if args.requests() {
        let items = args.items.unwrap_or(10_000);
        let time = Duration::from_secs_f64(args.seconds());
        let others = Others::look(args.cache << 20)?;
        let mut say = |step: &str| progress(REQUESTS, step);
        let section = requests::run(&dir, items, time, &others, args.cache << 20, &mut say)?;
        show(&section)?;
        sections.push(section);
    }
    for long in longs {
        let section = long.run(&mut Context {
            dir: &dir,
            million: args.million.max(1_000),
            time: Duration::from_secs_f64(args.seconds()),
            cache_bytes: args.cache << 20,
            progress: &mut |step| progress(long.name, step),
        })?;
        show(&section)?;
        sections.push(section);
    }
    if !args.demo {
        write!(stdout, "\n{}", report::goals(&sections))?;
    }
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&machine, &sections))?;
        std::fs::write(file, text + "\n")?;
    }
    if let Some(file) = &args.html {
        std::fs::write(file, html::report(&machine, &sections))?;
    }
    if let Some(file) = &args.svg {
        std::fs::write(file, html::overview(&sections))?;
    }
    Ok(())
}

fn show(section: &Section) -> Result<(), Failure> {
    clear();
    let mut stdout = std::io::stdout();
    write!(stdout, "\n{}", report::table(section))?;
    Ok(stdout.flush()?)
}

fn progress(name: &str, step: &str) {
    let mut stderr = std::io::stderr();
    let text = format!("{name}: {step} ...");
    let _ = match stderr.is_terminal() {
        true => write!(stderr, "\r\x1b[K{text}"),
        false => writeln!(stderr, "{text}"),
    };
    let _ = stderr.flush();
}

fn clear() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K");
        let _ = stderr.flush();
    }
}
