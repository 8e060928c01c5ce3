//! The database's inside, driven inline over engines in memory.

#![allow(clippy::unwrap_used)]

mod faults;
mod history;
mod indexes;
mod keys;
mod opening;
mod panics;
mod rekey;
mod rewrap;
mod streams;
mod threads;

use std::sync::Arc;

use sealdb_crypto::{Caller, Clock, ManualClock, Provider};
use sealdb_engine::{Engine, MemoryEngine, SegmentSizes};
use sealdb_model::ops::{BillingMode, Throughput};
use sealdb_model::{
    AttributeName, AttributeValue, IndexKey, IndexKind, IndexName, IndexProjection, IndexSchema,
    Item, KeyAttribute, KeySchema, ScalarType, TableName, TableSchema, codec,
};

use crate::audit::Trail;
use crate::commit::txn::Entry;
use crate::core::Core;
use crate::ddl::NewTable;
use crate::error::Error;
use crate::options::{Background, Options};
use crate::plaintext::Plaintext;
use crate::shared::Parts;
use crate::table::Table;
use crate::testing::{TestKms, test_sealing};

pub(crate) struct World {
    pub(crate) kms: Arc<TestKms>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: Options,
}

impl World {
    pub(crate) fn inline() -> Self {
        let options = Options {
            background: Background::Inline,
            hash_seed: Some(1),
            ..Options::default()
        };
        World {
            kms: TestKms::new(),
            clock: Arc::new(ManualClock::new()),
            options,
        }
    }

    pub(crate) fn threaded() -> Self {
        let mut world = Self::inline();
        world.options.background = Background::Threads;
        world
    }

    pub(crate) fn open(&self, engine: Arc<dyn Engine>) -> Result<Core, Error> {
        Core::open(self.parts(engine))
    }

    /// All that a database over this engine is made of.
    pub(crate) fn parts(&self, engine: Arc<dyn Engine>) -> Parts {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Parts {
            trail: Trail::None,
            engine,
            sealing: test_sealing(),
            kms: self.kms.clone(),
            clock,
            provider: Provider::default_provider(),
            options: self.options.clone(),
        }
    }
}

fn key(name: &str, kind: ScalarType) -> KeyAttribute {
    KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind,
    }
}

/// A table with a local and two global indexes, which most items are in.
pub(crate) fn new_table(name: &str) -> NewTable {
    use ScalarType::{N, S};
    let index = |name: &str, kind, partition, sort, projection| IndexSchema {
        name: IndexName::new(name).unwrap(),
        kind,
        key: IndexKey { partition, sort },
        projection,
        throughput: Throughput::default(),
    };
    let value = AttributeName::new("value").unwrap();
    NewTable {
        name: TableName::new(name).unwrap(),
        schema: TableSchema {
            key: KeySchema {
                partition: key("pk", S),
                sort: Some(key("sk", S)),
            },
            indexes: vec![
                index(
                    "by-length",
                    IndexKind::Local,
                    vec![key("pk", S)],
                    vec![key("length", N)],
                    IndexProjection::KeysOnly,
                ),
                index(
                    "by-group",
                    IndexKind::Global,
                    vec![key("group", S)],
                    vec![key("length", N), key("pk", S)],
                    IndexProjection::Include(vec![value]),
                ),
                index(
                    "by-sk",
                    IndexKind::Global,
                    vec![key("sk", S)],
                    Vec::new(),
                    IndexProjection::All,
                ),
            ],
        },
        billing_mode: BillingMode::PayPerRequest,
        throughput: Throughput::default(),
        class: None,
        protected: false,
        stream: None,
        tags: std::collections::BTreeMap::new(),
        key: None,
    }
}

/// An item of [`new_table`]. Every third one is not in the index by group.
pub(crate) fn item(pk: &str, sk: &str, value: &str) -> Item {
    let mut item = Item::from([
        ("pk", AttributeValue::from(pk)),
        ("sk", sk.into()),
        ("value", value.into()),
        ("length", (value.len() as i64 % 50).into()),
    ]);
    if !value.len().is_multiple_of(3) {
        item.insert("group", format!("group{}", value.len() % 4));
    }
    item
}

pub(crate) fn stored(table: &Table, item: &Item) -> (Vec<u8>, Vec<u8>) {
    let key = table.stored_key(&table.schema.key_of_item(item).unwrap());
    let mut bytes = Vec::new();
    codec::encode_item(item, &mut bytes).unwrap();
    (key, bytes)
}

/// What a mutation writes: the item under its key, or nothing.
pub(crate) fn entry(key: &[u8], item: Option<&[u8]>) -> Arc<Entry> {
    Arc::new(Entry {
        key: key.to_vec(),
        item: item.map(Plaintext::copy),
    })
}

pub(crate) fn put(core: &Core, table: &Arc<Table>, item: &Item) -> Result<(), Error> {
    let (key, bytes) = stored(table, item);
    let table = table.clone();
    let entry = entry(&key, Some(&bytes));
    core.commit_blocking(move |txn| txn.write(&table, &entry))
}

pub(crate) fn get(table: &Table, pk: &str, sk: &str) -> Result<Option<Item>, Error> {
    let (key, _) = stored(table, &item(pk, sk, ""));
    Ok(table
        .get_blocking(&key)?
        .map(|value| codec::decode_item(&value).unwrap()))
}

pub(crate) fn sizes() -> SegmentSizes {
    SegmentSizes {
        first: 64 << 10,
        max: 256 << 10,
        keep: 1 << 20,
    }
}

/// What another process finds.
pub(crate) fn reopened(engine: &MemoryEngine) -> Arc<MemoryEngine> {
    Arc::new(MemoryEngine::from_image(engine.image(), sizes()))
}

#[test]
fn what_was_put_is_there_after_a_close_and_after_a_crash() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&core, &table, &item("a", "1", "one")).unwrap();
    put(&core, &table, &item("a", "2", "two")).unwrap();
    assert_eq!(get(&table, "a", "1").unwrap(), Some(item("a", "1", "one")));
    assert_eq!(table.counters().item_count, 2);
    core.close_blocking().unwrap();
    assert!(matches!(
        put(&core, &table, &item("a", "3", "x")),
        Err(Error::Closed)
    ));
    drop(core);

    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(get(&table, "a", "2").unwrap(), Some(item("a", "2", "two")));
    put(&core, &table, &item("a", "2", "zwei")).unwrap();
    let counters = table.counters();
    // No close: the log holds what no checkpoint does.
    drop(core);

    let core = world.open(reopened(&engine)).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(get(&table, "a", "2").unwrap(), Some(item("a", "2", "zwei")));
    assert_eq!(table.counters(), counters);
    core.checkpoint_now().unwrap();
    core.checkpoint_now().unwrap();
}
