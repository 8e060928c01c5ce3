//! What the KMS is asked: by time, never by use.

use std::collections::BTreeMap;

use sealdb::blocking;
use sealdb::crypto::EpochLimits;
use sealdb::model::ops::{CreateTableInput, GetItemInput, PutItemInput};
use sealdb::model::{AttributeValue, Item, ScalarType};

use super::world::*;

const MANY: usize = 100;
const OPERATIONS: usize = 10_000;

fn name(n: usize) -> String {
    format!("table-{n:03}")
}

/// How often each table's key was unwrapped; other calls do not count.
fn unwrapped(world: &World) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for event in world.events() {
        let context = event.request_parameters.encryption_context;
        let table = context.and_then(|context| context.get("sealdb:table-name").map(str::to_owned));
        if let (Some(table), "Decrypt") = (table, event.event_name.as_str()) {
            *calls.entry(table).or_default() += 1;
        }
    }
    calls
}

fn operate(db: &blocking::Database, n: usize) {
    let table = name(n % MANY);
    let key = Item::from([("id", AttributeValue::from("one"))]);
    if n.is_multiple_of(10) {
        let mut item = key;
        item.insert("n", n as i64);
        db.put_item(PutItemInput::new(table, item)).unwrap();
    } else {
        db.get_item(GetItemInput::new(table, key)).unwrap();
    }
}

#[test]
fn ten_thousand_operations_on_a_hundred_tables_cost_one_call_for_each_table_and_max_age() {
    let world = World::new();
    let db = world.open();
    for n in 0..MANY {
        let input = CreateTableInput::new(name(n)).partition_key("id", ScalarType::S);
        db.create_table(input).unwrap();
    }
    db.close().unwrap();
    let at_creation = unwrapped(&world);

    let db = world.open();
    let opened = db.stats().kms_calls;
    let max_age = world.options.key_max_age;
    let step = max_age / 100;
    for n in 0..OPERATIONS {
        operate(&db, n);
        if (n + 1).is_multiple_of(OPERATIONS / 100) {
            world.tick(&db, step);
        }
    }
    let stats = db.stats();
    let asked = stats.kms_calls.total() - opened.total();
    // And one for the system's key.
    assert_eq!(asked, MANY as u64 + 1, "{:?}", stats.kms_calls);
    let uses = stats.key_hits + stats.key_misses;
    assert!(
        uses >= (OPERATIONS / 10) as u64,
        "each put seals: {stats:?}"
    );
    assert!(stats.key_misses < stats.key_hits, "{stats:?}");
    db.close().unwrap();

    // And so says the audit trail, of each table by itself: one at the open, one in the max age that followed.
    let calls = unwrapped(&world);
    assert_eq!(calls.len(), MANY);
    for (table, calls) in calls {
        let before = at_creation.get(&table).copied().unwrap_or(0);
        assert_eq!(calls - before, 2, "{table}");
    }
}

#[test]
fn what_one_key_seals_is_bounded_without_the_kms() {
    let world = World::new();
    let limits = EpochLimits {
        max_messages: 10,
        ..EpochLimits::default()
    };
    let db = world.builder().epoch_limits(limits).open_sync().unwrap();
    db.create_table(CreateTableInput::new(name(0)).partition_key("id", ScalarType::S))
        .unwrap();
    let before = db.stats();
    for n in 0..100 {
        let item = Item::from([("id", AttributeValue::from(n.to_string()))]);
        db.put_item(PutItemInput::new(name(0), item)).unwrap();
    }
    let after = db.stats();
    // A log part under the table's key and a frame under the system's for each put; ten of them to an epoch.
    let derived = after.key_misses - before.key_misses;
    assert!((20..=40).contains(&derived), "{derived}");
    assert_eq!(after.kms_calls, before.kms_calls);
}

#[test]
fn what_the_kms_refuses_is_counted_apart() {
    let mut world = World::new();
    let db = world.filled();
    let count = |db: &blocking::Database, outcome| {
        let calls = db.stats().kms_calls;
        let of = calls
            .iter()
            .filter(|call| (call.0, call.1) == ("Decrypt", outcome));
        of.map(|call| call.2).sum::<u64>()
    };
    world.kms.deny(&key_of(TABLES[0]));
    world.kms.set_away(&key_of(TABLES[1]), true);
    let before = (
        count(&db, "ok"),
        count(&db, "refused"),
        count(&db, "unavailable"),
    );
    world.tick(&db, 4 * MINUTE);
    let after = (
        count(&db, "ok"),
        count(&db, "refused"),
        count(&db, "unavailable"),
    );
    assert_eq!(after, (before.0 + 1, before.1 + 1, before.2 + 1));
    closed(&db, TABLES[0]);
    open(&db, TABLES[1]);
}
