//! The tree as a whole, over the memory engine and the real sealer.
#![allow(clippy::unwrap_used)]

mod model;
mod pages;

use std::sync::Arc;

use sealdb_crypto::{
    Aes256Gcm, DatabaseId, EpochLimits, Generation, Provider, Purpose, Scope, Sealing,
    SecretBytes32, SystemClock, TableId, TableKey, TreeId,
};
use sealdb_engine::{Engine, MemoryEngine, SpaceId};

use super::{Need, PageCache, Retired, Tree, TreeIo, Value};

/// A tree's surroundings: this engine, the real sealer, this cache.
fn world(engine: Arc<dyn Engine>, cache: Arc<PageCache>) -> TreeIo {
    let provider = Provider::default_provider();
    let sealing = Aes256Gcm::new(provider, EpochLimits::default(), Arc::new(SystemClock));
    let key = TableKey::new(SecretBytes32::take(&mut [7; 32]), Generation::FIRST);
    let scope = Scope {
        database: DatabaseId::from_bytes([1; 16]),
        table: TableId::from_bytes([2; 16]),
        purpose: Purpose::Pages(TreeId::BASE),
    };
    TreeIo::new(
        engine,
        sealing.sealer(&Arc::new(key), scope),
        SpaceId(7),
        cache,
    )
}

/// The same over a memory engine, with a cache of `budget` bytes.
fn io(budget: usize) -> TreeIo {
    world(Arc::new(MemoryEngine::new()), PageCache::new(budget))
}

/// Runs an operation until it finds all pages it needs.
fn until<T>(io: &TreeIo, mut op: impl FnMut() -> Result<T, Need>) -> T {
    for _ in 0..1000 {
        match op() {
            Ok(value) => return value,
            Err(Need::Load(cell)) => io.load_blocking(&cell).unwrap(),
            Err(Need::Fail(error)) => panic!("{error}"),
        }
    }
    panic!("an operation makes no progress");
}

fn put(
    tree: &mut Tree,
    io: &TreeIo,
    key: &[u8],
    value: &[u8],
    retired: &mut Retired,
) -> Option<Value> {
    until(io, || tree.put(io, key, value, retired))
}

fn remove(tree: &mut Tree, io: &TreeIo, key: &[u8], retired: &mut Retired) -> Option<Value> {
    until(io, || tree.remove(io, key, retired))
}

fn get(tree: &Tree, io: &TreeIo, key: &[u8]) -> Option<Vec<u8>> {
    until(io, || tree.get(io, key)).map(|value| value.to_vec())
}

#[test]
fn what_is_put_is_found_after_reopening() {
    let io = io(1 << 20);
    let mut tree = Tree::empty();
    let mut retired = Retired::new();
    assert!(get(&tree, &io, b"a").is_none());
    for i in 0u32..5000 {
        let key = i.wrapping_mul(2_654_435_761).to_be_bytes();
        assert!(put(&mut tree, &io, &key, &[i as u8; 100], &mut retired).is_none());
    }
    let ptr = tree.flush(&io, &mut |_| {}).unwrap();
    let tree = Tree::open(ptr);
    for i in 0u32..5000 {
        let key = i.wrapping_mul(2_654_435_761).to_be_bytes();
        assert_eq!(get(&tree, &io, &key), Some(vec![i as u8; 100]));
    }
    let report = tree.verify(&io, &mut |_, _| {}).unwrap();
    assert_eq!(report.entries, 5000);
    assert_eq!(report.unwritten, 0);
}
