//! What operations tell of the capacity that they consumed, by table and by index, and of item collections.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use sealdb::RootKeySource;
use sealdb::blocking::Database;
use sealdb::model::ops::{
    BatchGetItemInput, BatchWriteItemInput, ConsumedCapacity, CreateTableInput, DeleteItemInput,
    GlobalSecondaryIndex, ItemCollectionMetrics, KeysAndAttributes, LocalSecondaryIndex,
    PutItemInput, QueryInput, ReturnConsumedCapacity, ReturnItemCollectionMetrics, TransactGet,
    TransactGetItemsInput, TransactPut, TransactWriteItemsInput, UpdateItemInput,
};
use sealdb::model::{AttributeValue, Item, Map, ScalarType};

const INDEXES: ReturnConsumedCapacity = ReturnConsumedCapacity::Indexes;

struct World {
    _dir: tempfile::TempDir,
    db: Database,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let root_key = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
    let db = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key)
        .open_sync()
        .unwrap();
    let films = CreateTableInput::new("films")
        .partition_key("studio", ScalarType::S)
        .sort_key("id", ScalarType::N)
        .attribute("year", ScalarType::N)
        .attribute("city", ScalarType::S)
        .local_index(LocalSecondaryIndex::new("by-year", "studio", "year"))
        .global_index(GlobalSecondaryIndex::new("by-city", &["city"], &[]));
    db.create_table(films).unwrap();
    db.create_table(CreateTableInput::new("plain").partition_key("id", ScalarType::N))
        .unwrap();
    World { _dir: dir, db }
}

/// A film of so many bytes, more or less, that is in both indexes.
fn film(id: i64, bytes: usize) -> Item {
    Item::from([
        ("studio", AttributeValue::from("a")),
        ("id", id.into()),
        ("year", 1984.into()),
        ("city", "b".into()),
        ("plot", "x".repeat(bytes).into()),
    ])
}

fn key(id: i64) -> Map {
    Map::from([("studio", AttributeValue::from("a")), ("id", id.into())])
}

/// Units in all, of the table, of the local and of the global index.
fn units(consumed: &ConsumedCapacity) -> [f64; 4] {
    let of = |indexes: &BTreeMap<String, sealdb::model::ops::Capacity>, name| {
        let capacity = indexes.get(name);
        capacity.map_or(0.0, |capacity| capacity.capacity_units.as_f64())
    };
    let table = consumed.table.expect("INDEXES was asked for");
    [
        consumed.total.capacity_units.as_f64(),
        table.capacity_units.as_f64(),
        of(&consumed.local_secondary_indexes, "by-year"),
        of(&consumed.global_secondary_indexes, "by-city"),
    ]
}

#[test]
fn single_writes_count_the_table_and_each_index() {
    let World { db, _dir } = world();
    let put = |item| {
        let input = PutItemInput::new("films", item).return_consumed_capacity(INDEXES);
        db.put_item(input).unwrap().consumed_capacity.unwrap()
    };
    assert_eq!(units(&put(film(1, 10))), [3.0, 1.0, 1.0, 1.0]);
    assert_eq!(units(&put(film(1, 10))), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(units(&put(film(1, 3000))), [9.0, 3.0, 3.0, 3.0]);
    let update = UpdateItemInput::new("films", key(1))
        .update_expression("SET #y = :y")
        .name("#y", "year")
        .value(":y", 1985)
        .return_consumed_capacity(INDEXES);
    let updated = db.update_item(update).unwrap().consumed_capacity.unwrap();
    assert_eq!(units(&updated), [12.0, 3.0, 6.0, 3.0]);
    let delete = DeleteItemInput::new("films", key(1)).return_consumed_capacity(INDEXES);
    let deleted = db.delete_item(delete).unwrap().consumed_capacity.unwrap();
    assert_eq!(units(&deleted), [9.0, 3.0, 3.0, 3.0]);
}

#[test]
fn batches_count_what_each_table_consumed() {
    let World { db, _dir } = world();
    let batch = BatchWriteItemInput::new()
        .put("films", film(1, 10))
        .put("films", film(2, 3000))
        .delete("films", key(3))
        .put("plain", Item::from([("id", 1)]))
        .return_consumed_capacity(INDEXES);
    let output = db.batch_write_item(batch.clone()).unwrap();
    let [films, plain] = output.consumed_capacity.as_slice() else {
        panic!("two tables: {output:?}");
    };
    assert_eq!((&*films.table_name, &*plain.table_name), ("films", "plain"));
    assert_eq!(units(films), [13.0, 5.0, 4.0, 4.0]);
    assert_eq!(units(plain), [1.0, 1.0, 0.0, 0.0]);
    let again = db.batch_write_item(batch).unwrap();
    assert_eq!(
        units(&again.consumed_capacity[0]),
        [5.0, 5.0, 0.0, 0.0],
        "indexes hold the same as before"
    );
    let total = BatchWriteItemInput::new()
        .put("plain", Item::from([("id", 2)]))
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let output = db.batch_write_item(total).unwrap();
    assert_eq!(output.consumed_capacity[0].table, None);

    let get = |consistent| {
        let mut keys = KeysAndAttributes::new(vec![key(1), key(2), key(9)]);
        keys.consistent_read = consistent;
        let input = BatchGetItemInput::new()
            .keys("films", keys)
            .return_consumed_capacity(INDEXES);
        let output = db.batch_get_item(input).unwrap();
        units(&output.consumed_capacity[0])
    };
    assert_eq!(get(false), [1.5, 1.5, 0.0, 0.0]);
    assert_eq!(get(true), [3.0, 3.0, 0.0, 0.0]);
}

#[test]
fn transactions_count_twice_and_reads_when_they_are_repeated() {
    let World { db, _dir } = world();
    let transaction = TransactWriteItemsInput::new()
        .action(TransactPut::new("films", film(1, 10)))
        .action(TransactPut::new("films", film(2, 3000)))
        .client_request_token("once")
        .return_consumed_capacity(INDEXES);
    let first = db.transact_write_items(transaction.clone()).unwrap();
    let consumed = &first.consumed_capacity[0];
    assert_eq!(units(consumed), [16.0, 8.0, 4.0, 4.0], "of the table only");
    let written = consumed.total.write_capacity_units.unwrap();
    assert_eq!(written.as_f64(), 16.0);
    assert_eq!(consumed.total.read_capacity_units, None);
    let index = consumed.global_secondary_indexes["by-city"];
    assert_eq!(index.write_capacity_units, Some(index.capacity_units));

    let again = db.transact_write_items(transaction).unwrap();
    let consumed = &again.consumed_capacity[0];
    assert_eq!(units(consumed), [4.0, 4.0, 0.0, 0.0]);
    let read = consumed.total.read_capacity_units.unwrap();
    assert_eq!(read.as_f64(), 4.0);
    assert_eq!(consumed.total.write_capacity_units, None);

    let gets = vec![
        TransactGet::new("films", key(2)),
        TransactGet::new("films", key(7)),
    ];
    let input = TransactGetItemsInput::new(gets).return_consumed_capacity(INDEXES);
    let output = db.transact_get_items(input).unwrap();
    assert_eq!(units(&output.consumed_capacity[0]), [4.0, 4.0, 0.0, 0.0]);
}

#[test]
fn reads_of_an_index_are_the_indexs() {
    let World { db, _dir } = world();
    db.put_item(PutItemInput::new("films", film(1, 5000)))
        .unwrap();
    let query = QueryInput::new("films", "city = :c")
        .index_name("by-city")
        .value(":c", "b")
        .return_consumed_capacity(INDEXES);
    let consumed = db.query(query).unwrap().consumed_capacity.unwrap();
    assert_eq!(units(&consumed), [1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn collections_are_told_of_tables_with_local_indexes() {
    let World { db, _dir } = world();
    let size = ReturnItemCollectionMetrics::Size;
    let collection = ItemCollectionMetrics::new(Map::from([("studio", "a")]), [0, 1]);
    let put = PutItemInput::new("films", film(1, 10)).return_item_collection_metrics(size);
    let output = db.put_item(put).unwrap();
    assert_eq!(output.item_collection_metrics, Some(collection.clone()));
    let unasked = db.put_item(PutItemInput::new("films", film(1, 10)));
    assert_eq!(unasked.unwrap().item_collection_metrics, None);
    let update = UpdateItemInput::new("films", key(1)).return_item_collection_metrics(size);
    let output = db.update_item(update).unwrap();
    assert_eq!(output.item_collection_metrics, Some(collection.clone()));
    let delete = DeleteItemInput::new("films", key(1)).return_item_collection_metrics(size);
    let output = db.delete_item(delete).unwrap();
    assert_eq!(output.item_collection_metrics, Some(collection.clone()));
    let plain = PutItemInput::new("plain", Item::from([("id", 1)]));
    let output = db.put_item(plain.return_item_collection_metrics(size));
    assert_eq!(output.unwrap().item_collection_metrics, None);

    let batch = BatchWriteItemInput::new()
        .put("films", film(1, 10))
        .delete("films", key(2))
        .put("plain", Item::from([("id", 1)]))
        .return_item_collection_metrics(size);
    let output = db.batch_write_item(batch).unwrap();
    let each = BTreeMap::from([("films".to_owned(), vec![collection])]);
    assert_eq!(output.item_collection_metrics, each);
    let transaction = TransactWriteItemsInput::new()
        .action(TransactPut::new("films", film(1, 10)))
        .action(TransactPut::new("plain", Item::from([("id", 1)])))
        .return_item_collection_metrics(size);
    let output = db.transact_write_items(transaction).unwrap();
    assert_eq!(output.item_collection_metrics, each);
}
