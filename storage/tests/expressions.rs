//! Conditions, updates, filters and projections through the public API, over real files.

#![allow(clippy::unwrap_used)]

use sealdb::model::ops::{
    ComparisonOperator, Condition, CreateTableInput, DeleteItemInput, ExpectedAttributeValue,
    GetItemInput, PutItemInput, QueryInput, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScanInput, Select, UpdateItemInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Error, ErrorCode, RootKeySource, blocking};

/// A database with an empty table `things`, of `pk` and `sk`; and its directory, which lives as long.
fn open() -> (blocking::Database, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let root_key = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
    let db = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key)
        .open_sync()
        .unwrap();
    let table = CreateTableInput::new("things")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    db.create_table(table).unwrap();
    (db, dir)
}

fn key(sk: i64) -> Item {
    Item::from([("pk", AttributeValue::from("p")), ("sk", sk.into())])
}

fn item(sk: i64, n: i64) -> Item {
    let mut item = key(sk);
    item.insert("n", n);
    item
}

fn get(db: &blocking::Database, sk: i64) -> Option<Item> {
    db.get_item(GetItemInput::new("things", key(sk)))
        .unwrap()
        .item
}

#[test]
fn writes_happen_only_under_their_condition() {
    let (db, _dir) = open();
    let create =
        || PutItemInput::new("things", item(1, 1)).condition_expression("attribute_not_exists(pk)");
    db.put_item(create()).unwrap();
    let refused = db
        .put_item(
            create().return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            ),
        )
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ConditionalCheckFailedException);
    assert_eq!(refused.to_string(), "The conditional request failed");
    match refused {
        Error::ConditionFailed { item: Some(met) } => assert_eq!(*met, item(1, 1)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        db.put_item(create()),
        Err(Error::ConditionFailed { item: None })
    ));

    let delete = |n: i64| {
        DeleteItemInput::new("things", key(1))
            .condition_expression("n = :n")
            .value(":n", n)
            .return_values(ReturnValue::AllOld)
    };
    assert_eq!(
        db.delete_item(delete(2)).unwrap_err().code(),
        ErrorCode::ConditionalCheckFailedException
    );
    assert_eq!(get(&db, 1), Some(item(1, 1)));
    assert_eq!(
        db.delete_item(delete(1)).unwrap().attributes,
        Some(item(1, 1))
    );
    assert_eq!(get(&db, 1), None);

    let expected = [("n".to_owned(), ExpectedAttributeValue::new().exists(false))];
    let mut older = PutItemInput::new("things", item(1, 3));
    older.expected = Some(expected.into());
    db.put_item(older.clone()).unwrap();
    assert!(db.put_item(older).is_err());
    db.close().unwrap();
}

#[test]
fn updates_change_items_where_they_lie() {
    let (db, _dir) = open();
    let add = |returned| {
        UpdateItemInput::new("things", key(1))
            .update_expression("SET tag = :t ADD n :n")
            .value(":t", "x")
            .value(":n", 2)
            .return_values(returned)
    };
    let tagged = |n: i64| {
        let mut item = item(1, n);
        item.insert("tag", "x");
        item
    };
    let changed = |n: i64| Item::from([("n", AttributeValue::from(n)), ("tag", "x".into())]);
    let update = |returned| db.update_item(add(returned)).unwrap().attributes;
    assert_eq!(update(ReturnValue::AllOld), None);
    assert_eq!(update(ReturnValue::AllOld), Some(tagged(2)));
    assert_eq!(update(ReturnValue::AllNew), Some(tagged(6)));
    assert_eq!(update(ReturnValue::UpdatedOld), Some(changed(6)));
    assert_eq!(update(ReturnValue::UpdatedNew), Some(changed(10)));
    assert_eq!(update(ReturnValue::None), None);
    assert_eq!(get(&db, 1), Some(tagged(12)));

    let guarded = add(ReturnValue::None).condition_expression("n < :n");
    assert_eq!(
        db.update_item(guarded).unwrap_err().code(),
        ErrorCode::ConditionalCheckFailedException
    );
    let of_key = UpdateItemInput::new("things", key(1)).update_expression("REMOVE sk");
    assert_eq!(
        db.update_item(of_key).unwrap_err().to_string(),
        "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key"
    );
    let mistyped = UpdateItemInput::new("things", key(1))
        .update_expression("SET tag = tag + :n")
        .value(":n", 1);
    assert_eq!(
        db.update_item(mistyped).unwrap_err().code(),
        ErrorCode::ValidationException
    );
    assert_eq!(get(&db, 1), Some(tagged(12)));

    let nothing = UpdateItemInput::new("things", key(2));
    db.update_item(nothing).unwrap();
    assert_eq!(get(&db, 2), Some(key(2)), "an update makes the item");
    db.close().unwrap();
}

#[test]
fn concurrent_updates_add_up() {
    let (db, _dir) = open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let add = UpdateItemInput::new("things", key(1))
                        .update_expression("ADD n :one")
                        .value(":one", 1);
                    db.update_item(add).unwrap();
                }
            });
        }
    });
    assert_eq!(get(&db, 1), Some(item(1, 100)));
    db.close().unwrap();
}

#[test]
fn reads_are_filtered_and_projected() {
    let (db, _dir) = open();
    for sk in 0..10 {
        db.put_item(PutItemInput::new("things", item(sk, sk % 3)))
            .unwrap();
    }
    let query = || {
        QueryInput::new("things", "pk = :p")
            .value(":p", "p")
            .filter_expression("n = :n")
            .value(":n", 1)
    };
    let page = db
        .query(query().projection_expression("sk").limit(5))
        .unwrap();
    assert_eq!(page.items, [1, 4].map(|sk| Item::from([("sk", sk)])));
    assert_eq!(
        (page.count, page.scanned_count),
        (2, 5),
        "the limit counts what is looked at"
    );
    assert_eq!(page.last_evaluated_key, Some(key(4)));
    let counted = db.query(query().select(Select::Count)).unwrap();
    assert_eq!(
        (counted.items.len(), counted.count, counted.scanned_count),
        (0, 3, 10)
    );
    assert_eq!(
        db.query(query().filter_expression("sk = :n"))
            .unwrap_err()
            .to_string(),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    );

    let mut scan = ScanInput::new("things");
    let condition = Condition::new(ComparisonOperator::Eq).attribute_value_list(vec![0.into()]);
    scan.scan_filter = Some([("n".to_owned(), condition)].into());
    scan.attributes_to_get = Some(vec!["n".to_owned()]);
    let page = db.scan(scan).unwrap();
    assert_eq!(page.items, [(); 4].map(|()| Item::from([("n", 0)])));
    assert_eq!(page.scanned_count, 10);

    let got = db
        .get_item(GetItemInput::new("things", key(4)).projection_expression("n, gone"))
        .unwrap();
    assert_eq!(got.item, Some(Item::from([("n", 1)])));
    db.close().unwrap();
}

#[test]
fn consumed_capacity_is_told_when_asked_for() {
    let (db, _dir) = open();
    let total = ReturnConsumedCapacity::Total;
    let units = |consumed: Option<sealdb::model::ops::ConsumedCapacity>| {
        let consumed = consumed.unwrap();
        assert_eq!(
            (consumed.table_name.as_str(), consumed.table),
            ("things", None)
        );
        consumed.total.capacity_units.as_f64()
    };
    let mut large = item(1, 1);
    large.insert("payload", "x".repeat(5000));
    let put = |item: &Item| {
        let input = PutItemInput::new("things", item.clone()).return_consumed_capacity(total);
        units(db.put_item(input).unwrap().consumed_capacity)
    };
    assert_eq!(put(&large), 5.0);
    let read = |consistent| {
        let input = GetItemInput::new("things", key(1))
            .consistent_read(consistent)
            .return_consumed_capacity(total);
        units(db.get_item(input).unwrap().consumed_capacity)
    };
    assert_eq!((read(true), read(false)), (2.0, 1.0));
    let scan = ScanInput::new("things").return_consumed_capacity(total);
    assert_eq!(units(db.scan(scan).unwrap().consumed_capacity), 1.0);
    let update = UpdateItemInput::new("things", key(1))
        .update_expression("REMOVE payload")
        .return_consumed_capacity(total);
    assert_eq!(
        units(db.update_item(update).unwrap().consumed_capacity),
        5.0
    );
    assert_eq!(put(&item(1, 2)), 1.0);
    let delete = DeleteItemInput::new("things", key(9)).return_consumed_capacity(total);
    assert_eq!(
        units(db.delete_item(delete).unwrap().consumed_capacity),
        1.0
    );
    assert_eq!(
        db.put_item(PutItemInput::new("things", large))
            .unwrap()
            .consumed_capacity,
        None
    );
    db.close().unwrap();
}
