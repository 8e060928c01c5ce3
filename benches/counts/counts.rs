//! Instructions of single calls, counted by valgrind's callgrind: the same on a busy machine as on a quiet one.
//!
//! Beside each benchmark stands what was counted when it was last looked at: more than 5 % above it fails. Who makes a call
//! cheaper writes the new count down. Reads are counted of a plain database too: what is in memory is read alike, sealed or not, and a
//! machine's noise cannot hide it if it is not. Counted with the profile `demo` and the toolchain of `rust-toolchain.toml`, on x86-64; of
//! the machine, only the C library counts. `scripts/counts` runs them.

// The macros make undocumented functions; what the null sealer exports is for the harness.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

#[path = "../src/null.rs"]
mod null;

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, GetItemInput, PutItemInput, QueryInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Background, Database, Options, RootKeySource, blocking};
use sealdb_crypto::{
    Aes256Gcm, BlockKind, BlockTag, DatabaseId, EpochLimits, Generation, Provider, Purpose, Scope,
    Sealer, Sealing, SystemClock, TableId, TableKey, TreeId,
};

/// As in the programs.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const GETS: u64 = 1_000;
const QUERIES: u64 = 100;
const PUTS: u64 = 1_000;
const BLOCKS: usize = 100;
/// Items in the table, 100 of each partition key.
const ITEMS: u64 = 10_000;
const TABLE: &str = "items";

/// Fails above `counted` instructions and 5 %.
fn about(counted: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    callgrind.hard_limits([(EventKind::Ir, counted / 100 * 105)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// Which block transform the database uses.
#[derive(Clone, Copy)]
enum Kind {
    Sealed,
    Plain,
}

/// A warm table of 10,000 items of 100 B, a database without threads, and what is asked of it.
struct Ready<I> {
    _dir: tempfile::TempDir,
    db: blocking::Database,
    inputs: Vec<I>,
}

/// The n-th number of a walk that visits every item.
fn walk(n: u64) -> u64 {
    n * 7_919 % ITEMS
}

fn key(number: u64) -> Item {
    Item::from([
        ("pk", AttributeValue::from(format!("p{:08}", number / 100))),
        ("sk", format!("{:03}", number % 100).into()),
    ])
}

fn item(number: u64, version: u64) -> Item {
    let mut item = key(number);
    item.insert("v", format!("{version:083}"));
    item
}

fn ready<I>(kind: Kind, count: u64, make: impl Fn(u64) -> I) -> Ready<I> {
    let dir = tempfile::tempdir().unwrap();
    let root_key = RootKeySource::create_file(dir.path().join("keyring/root.key")).unwrap();
    let mut builder = Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key)
        .options(Options {
            background: Background::Inline,
            hash_seed: Some(1),
            ..Options::default()
        });
    if let Kind::Plain = kind {
        builder = builder.sealing(Arc::new(null::NullSealing));
    }
    let db = builder.open_sync().unwrap();
    db.create_table(
        CreateTableInput::new(TABLE)
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::S),
    )
    .unwrap();
    for batch in 0..ITEMS / 25 {
        let items = (0..25).map(|i| item(walk(batch * 25 + i), 0));
        let batch = items.fold(BatchWriteItemInput::new(), |batch, item| {
            batch.put(TABLE, item)
        });
        assert!(
            db.batch_write_item(batch)
                .unwrap()
                .unprocessed_items
                .is_empty()
        );
    }
    Ready {
        _dir: dir,
        db,
        inputs: (0..count).map(make).collect(),
    }
}

fn gets(kind: Kind) -> Ready<GetItemInput> {
    ready(kind, GETS, |n| GetItemInput::new(TABLE, key(walk(n))))
}

#[library_benchmark(setup = gets, config = about(5_260_275))]
#[bench::a_thousand(Kind::Sealed)]
#[bench::a_thousand_plain(Kind::Plain)]
fn get(ready: Ready<GetItemInput>) -> blocking::Database {
    for input in ready.inputs {
        assert!(black_box(ready.db.get_item(input)).unwrap().item.is_some());
    }
    ready.db
}

fn queries(kind: Kind) -> Ready<QueryInput> {
    ready(kind, QUERIES, |n| {
        QueryInput::new(TABLE, "pk = :p AND sk >= :s")
            .value(":p", format!("p{n:08}"))
            .value(":s", format!("{:03}", walk(n) % 80))
            .limit(20)
    })
}

#[library_benchmark(setup = queries, config = about(7_106_681))]
#[bench::a_hundred_of_twenty(Kind::Sealed)]
#[bench::a_hundred_of_twenty_plain(Kind::Plain)]
fn query(ready: Ready<QueryInput>) -> blocking::Database {
    for input in ready.inputs {
        assert_eq!(black_box(ready.db.query(input)).unwrap().count, 20);
    }
    ready.db
}

fn puts() -> Ready<PutItemInput> {
    ready(Kind::Sealed, PUTS, |n| {
        PutItemInput::new(TABLE, item(walk(n), n + 1))
    })
}

// 8 million of them wipe the leaves of 8 KiB that the puts replace: memset's `rep stosb`, of which valgrind counts each byte.
#[library_benchmark(setup = puts, config = about(39_440_473))]
#[bench::a_thousand_durable()]
fn put(ready: Ready<PutItemInput>) -> blocking::Database {
    for input in ready.inputs {
        black_box(ready.db.put_item(input)).unwrap();
    }
    ready.db
}

type Block = (Arc<dyn Sealer>, Vec<u8>, BlockTag);

fn block() -> Block {
    let provider = Provider::default_provider();
    let sealing = Aes256Gcm::new(provider, EpochLimits::default(), Arc::new(SystemClock));
    let key = TableKey::new(provider.random_secret().unwrap(), Generation::FIRST);
    let scope = Scope {
        database: DatabaseId::generate(provider).unwrap(),
        table: TableId::generate(provider).unwrap(),
        purpose: Purpose::Pages(TreeId::BASE),
    };
    let sealer = sealing.sealer(&Arc::new(key), scope);
    let mut block = vec![0; 8192];
    let tag = sealer.seal(BlockKind::Leaf, None, &mut block).unwrap();
    (sealer, block, tag)
}

#[library_benchmark(setup = block, config = about(2_528_919))]
#[bench::a_hundred_of_8_kib()]
fn seal((sealer, mut block, _): Block) -> Vec<u8> {
    for _ in 0..BLOCKS {
        black_box(sealer.seal(BlockKind::Leaf, None, &mut block)).unwrap();
    }
    block
}

#[library_benchmark(setup = block, config = about(2_373_537))]
#[bench::a_hundred_of_8_kib()]
fn open((sealer, sealed, tag): Block) -> Vec<u8> {
    let mut block = sealed.clone();
    for _ in 0..BLOCKS {
        block.copy_from_slice(&sealed);
        black_box(sealer.open(BlockKind::Leaf, None, &mut block, Some(&tag))).unwrap();
    }
    block
}

library_benchmark_group!(
    name = operations;
    benchmarks = get, query, put
);
library_benchmark_group!(
    name = blocks;
    benchmarks = seal, open
);
main!(library_benchmark_groups = operations, blocks);
