//! Instructions of single calls, counted by valgrind's callgrind: the same on a busy machine as on a quiet one.
//!
//! Beside each benchmark stands what was counted when it was last looked at: more than 5 % above it fails. Who makes a call
//! cheaper writes the new count down. Counted with the profile `demo` and the toolchain of `rust-toolchain.toml`, on x86-64; of
//! the machine, only the C library counts. `scripts/counts` runs them.

// The macros make undocumented functions.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use sealdb::model::ops::{GetItemInput, PutItemInput, QueryInput};
use sealdb::{Background, Durability, Options};
use sealdb_benches::load::calls;
use sealdb_benches::random::Random;
use sealdb_benches::size::ItemSize;
use sealdb_benches::store::{Items, Kind, Settings, Store, TABLE};
use sealdb_crypto::{
    Aes256Gcm, BlockKind, BlockTag, DatabaseId, EpochLimits, Generation, Provider, Purpose, Scope,
    Sealer, Sealing, SystemClock, TableId, TableKey, TreeId,
};

const GETS: usize = 1_000;
const QUERIES: usize = 100;
const PUTS: usize = 1_000;
const BLOCKS: usize = 100;

/// Fails above `counted` instructions and 5 %.
fn about(counted: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    callgrind.hard_limits([(EventKind::Ir, counted / 100 * 105)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A warm store of 10,000 items of 100 B, without threads, and what is asked of it.
struct Ready<I> {
    _dir: tempfile::TempDir,
    store: Store,
    inputs: Vec<I>,
}

fn ready<I>(count: usize, make: impl Fn(&Store, &mut Random) -> I) -> Ready<I> {
    let settings = Settings {
        items: Items::new(10_000, ItemSize::Fixed(100)),
        options: Options {
            background: Background::Inline,
            durability: Durability::Commit,
            ..Options::default()
        },
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), Kind::Sealed, &settings).unwrap();
    store.fill().unwrap();
    store.warm().unwrap();
    let mut random = Random(1);
    let inputs = (0..count).map(|_| make(&store, &mut random)).collect();
    Ready {
        _dir: dir,
        store,
        inputs,
    }
}

fn gets() -> Ready<GetItemInput> {
    ready(GETS, |store, random| {
        let items = store.settings.items;
        GetItemInput::new(TABLE, items.key(random.below(items.count)))
    })
}

#[library_benchmark(setup = gets, config = about(6_890_128))]
#[bench::a_thousand()]
fn get(ready: Ready<GetItemInput>) -> Store {
    for input in ready.inputs {
        assert!(
            black_box(ready.store.db.get_item(input))
                .unwrap()
                .item
                .is_some()
        );
    }
    ready.store
}

fn queries() -> Ready<QueryInput> {
    ready(QUERIES, calls::query)
}

#[library_benchmark(setup = queries, config = about(9_088_875))]
#[bench::a_hundred_of_twenty()]
fn query(ready: Ready<QueryInput>) -> Store {
    for input in ready.inputs {
        assert_eq!(black_box(ready.store.db.query(input)).unwrap().count, 20);
    }
    ready.store
}

fn puts() -> Ready<PutItemInput> {
    ready(PUTS, |store, random| {
        calls::put(&store.settings.items, random)
    })
}

#[library_benchmark(setup = puts, config = about(38_690_442))]
#[bench::a_thousand_durable()]
fn put(ready: Ready<PutItemInput>) -> Store {
    for input in ready.inputs {
        black_box(ready.store.db.put_item(input)).unwrap();
    }
    ready.store
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

#[library_benchmark(setup = block, config = about(2_524_503))]
#[bench::a_hundred_of_8_kib()]
fn seal((sealer, mut block, _): Block) -> Vec<u8> {
    for _ in 0..BLOCKS {
        black_box(sealer.seal(BlockKind::Leaf, None, &mut block)).unwrap();
    }
    block
}

#[library_benchmark(setup = block, config = about(2_369_000))]
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
