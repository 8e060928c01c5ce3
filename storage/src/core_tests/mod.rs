//! The database's inside, driven inline over engines in memory.

#![allow(clippy::unwrap_used)]

mod faults;
mod history;
mod keys;
mod opening;
mod threads;

use std::sync::Arc;

use sealdb_crypto::{Caller, Clock, ManualClock, Provider};
use sealdb_engine::{Engine, MemoryEngine, SegmentSizes};
use sealdb_model::{
    AttributeName, AttributeValue, Item, KeyAttribute, KeySchema, ScalarType, TableName, codec,
};

use crate::audit::Trail;
use crate::catalog::record::Billing;
use crate::commit::txn::Entry;
use crate::core::{Core, NewTable};
use crate::error::Error;
use crate::options::{Background, Options};
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

    pub(crate) fn open(&self, engine: Arc<dyn Engine>) -> Result<Core, Error> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Core::open(Parts {
            trail: Trail::None,
            engine,
            sealing: test_sealing(),
            kms: self.kms.clone(),
            clock,
            provider: Provider::default_provider(),
            options: self.options.clone(),
        })
    }
}

pub(crate) fn new_table(name: &str) -> NewTable {
    let key = |name: &str| KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind: ScalarType::S,
    };
    NewTable {
        name: TableName::new(name).unwrap(),
        schema: KeySchema {
            partition: key("pk"),
            sort: Some(key("sk")),
        },
        billing: Billing {
            on_demand: true,
            read_units: 0,
            write_units: 0,
        },
        key: None,
    }
}

pub(crate) fn item(pk: &str, sk: &str, value: &str) -> Item {
    [("pk", pk), ("sk", sk), ("value", value)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .collect()
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
        item: item.map(<[u8]>::to_vec),
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
