//! Transactions and batch reads through the public API: all or nothing, at one moment, once per token.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealdb::blocking::Database;
use sealdb::crypto::ManualClock;
use sealdb::model::ops::{
    BatchExecuteStatementInput, BatchGetItemInput, BatchStatementErrorCode, BatchStatementRequest,
    BatchWriteItemInput, CancellationCode, ConditionCheck, CreateTableInput, GetItemInput,
    PutItemInput, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactDelete,
    TransactGet, TransactGetItemsInput, TransactPut, TransactUpdate, TransactWriteItem,
    TransactWriteItemsInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Error, ErrorCode, RootKeySource};

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Database {
    let file = dir.join("root.key");
    let root_key = match file.exists() {
        true => RootKeySource::File(file),
        false => RootKeySource::create_file(file).unwrap(),
    };
    sealdb::Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key)
        .clock(clock.clone())
        .open_sync()
        .unwrap()
}

/// Two tables of accounts, of which the first three have 100 each.
struct Bank {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    db: Database,
}

fn bank() -> Bank {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let db = open(dir.path(), &clock);
    for table in ["north", "south"] {
        db.create_table(CreateTableInput::new(table).partition_key("id", ScalarType::S))
            .unwrap();
        for id in ["a", "b", "c"] {
            db.put_item(PutItemInput::new(table, account(id, 100)))
                .unwrap();
        }
    }
    Bank { dir, clock, db }
}

fn key(id: &str) -> Item {
    Item::from([("id", AttributeValue::from(id))])
}

fn account(id: &str, amount: i64) -> Item {
    Item::from([("id", AttributeValue::from(id)), ("amount", amount.into())])
}

fn amount(db: &Database, table: &str, id: &str) -> Option<i64> {
    let item = db
        .get_item(GetItemInput::new(table, key(id)))
        .unwrap()
        .item?;
    item.get("amount")?.as_n().ok()?.to_i64()
}

fn add(table: &str, id: &str, amount: i64) -> TransactUpdate {
    TransactUpdate::new(table, key(id), "SET amount = amount + :n")
        .value(":n", amount)
        .condition_expression("amount >= :least")
        .value(":least", -amount)
}

fn transfer(amount: i64) -> TransactWriteItemsInput {
    TransactWriteItemsInput::new()
        .action(add("north", "a", -amount))
        .action(add("south", "b", amount))
}

#[test]
fn all_actions_happen_or_none() {
    let Bank { db, dir: _dir, .. } = bank();
    db.transact_write_items(
        transfer(30)
            .action(TransactPut::new("south", account("d", 1)))
            .action(TransactDelete::new("north", key("c")))
            .action(ConditionCheck::new(
                "north",
                key("z"),
                "attribute_not_exists(id)",
            )),
    )
    .unwrap();
    assert_eq!(amount(&db, "north", "a"), Some(70));
    assert_eq!(amount(&db, "south", "b"), Some(130));
    assert_eq!(amount(&db, "south", "d"), Some(1));
    assert_eq!(amount(&db, "north", "c"), None);

    let before = db.stats();
    let refused = db
        .transact_write_items(transfer(80).action(TransactPut::new("south", account("e", 1))))
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TransactionCanceledException);
    assert_eq!(
        refused.to_string(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None, None]"
    );
    assert_eq!(db.stats().items, before.items);
    assert_eq!(amount(&db, "south", "b"), Some(130));
}

#[test]
fn reasons_stand_in_the_order_of_the_actions() {
    let Bank { db, dir: _dir, .. } = bank();
    let input = TransactWriteItemsInput::new()
        .action(TransactPut::new("south", account("d", 1)))
        .action(TransactUpdate::new("north", key("a"), "SET amount = unheard + :n").value(":n", 1))
        .action(
            ConditionCheck::new("north", key("b"), "attribute_not_exists(id)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                ),
        );
    let reasons = match db.transact_write_items(input) {
        Err(Error::TransactionCanceled(reasons)) => reasons,
        other => panic!("{other:?}"),
    };
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(
        codes,
        [
            CancellationCode::None,
            CancellationCode::ValidationError,
            CancellationCode::ConditionalCheckFailed
        ]
    );
    assert_eq!(reasons[2].item, Some(account("b", 100)));
    assert_eq!(amount(&db, "south", "d"), None);
}

/// For a key that no item can have a request to write is refused; for one that does not fit the table, the transaction is cancelled.
#[test]
fn an_empty_key_is_no_reason_but_a_refusal() {
    let Bank { db, dir: _dir, .. } = bank();
    let code = |action: TransactWriteItem| {
        let input = TransactWriteItemsInput::new().action(action);
        db.transact_write_items(input).unwrap_err().code()
    };
    let number = || Item::from([("id", AttributeValue::from(1))]);
    for (key, expected) in [
        (key(""), ErrorCode::ValidationException),
        (key(&"x".repeat(2049)), ErrorCode::ValidationException),
        (number(), ErrorCode::TransactionCanceledException),
        (Item::new(), ErrorCode::TransactionCanceledException),
    ] {
        let update = TransactUpdate::new("north", key.clone(), "REMOVE amount");
        let check = ConditionCheck::new("north", key.clone(), "attribute_exists(id)");
        assert_eq!(
            code(TransactPut::new("north", key.clone()).into()),
            expected
        );
        assert_eq!(
            code(TransactDelete::new("north", key.clone()).into()),
            expected
        );
        assert_eq!(code(update.into()), expected);
        assert_eq!(code(check.into()), expected);
        let get = TransactGetItemsInput::new(vec![TransactGet::new("north", key)]);
        assert_eq!(
            db.transact_get_items(get).unwrap_err().code(),
            ErrorCode::TransactionCanceledException
        );
    }
}

#[test]
fn an_item_may_be_named_once() {
    let Bank { db, dir: _dir, .. } = bank();
    let twice = TransactWriteItemsInput::new()
        .action(TransactDelete::new("north", key("a")))
        .action(ConditionCheck::new(
            "north",
            key("a"),
            "attribute_exists(id)",
        ));
    let expected = "Transaction request cannot include multiple operations on one item";
    assert_eq!(
        db.transact_write_items(twice).unwrap_err().to_string(),
        expected
    );
    let gets = vec![
        TransactGet::new("north", key("a")),
        TransactGet::new("north", key("a")),
    ];
    let refused = db.transact_get_items(TransactGetItemsInput::new(gets));
    assert_eq!(refused.unwrap_err().to_string(), expected);
}

#[test]
fn a_token_survives_restart() {
    let Bank { dir, clock, db } = bank();
    let with_token = |amount| transfer(amount).client_request_token("token-1");
    db.transact_write_items(with_token(10)).unwrap();
    db.transact_write_items(with_token(10)).unwrap();
    assert_eq!(amount(&db, "north", "a"), Some(90), "it happened once");
    let other = db.transact_write_items(with_token(11)).unwrap_err();
    assert_eq!(
        other.code(),
        ErrorCode::IdempotentParameterMismatchException
    );
    drop(db);

    // Out of the log, as after a crash; then out of the catalog.
    let db = open(dir.path(), &clock);
    db.transact_write_items(with_token(10)).unwrap();
    assert_eq!(amount(&db, "north", "a"), Some(90));
    db.close().unwrap();
    let db = open(dir.path(), &clock);
    db.transact_write_items(with_token(10)).unwrap();
    assert!(db.transact_write_items(with_token(11)).is_err());
    assert_eq!(amount(&db, "north", "a"), Some(90));

    clock.advance(Duration::from_secs(601));
    db.checkpoint_now().unwrap();
    db.transact_write_items(with_token(10)).unwrap();
    assert_eq!(amount(&db, "north", "a"), Some(80), "ten minutes are over");
    db.close().unwrap();
}

#[test]
fn a_transaction_that_was_canceled_leaves_no_token() {
    let Bank { db, dir: _dir, .. } = bank();
    let with_token = || transfer(150).client_request_token("token-1");
    assert!(db.transact_write_items(with_token()).is_err());
    db.put_item(PutItemInput::new("north", account("a", 200)))
        .unwrap();
    db.transact_write_items(with_token()).unwrap();
    assert_eq!(amount(&db, "north", "a"), Some(50));
}

#[test]
fn readers_of_several_tables_see_whole_transactions() {
    let Bank { db, dir: _dir, .. } = bank();
    let writer = {
        let db = db.clone();
        std::thread::spawn(move || {
            for i in 0..200 {
                let sign = if i % 2 == 0 { 1 } else { -1 };
                let input = TransactWriteItemsInput::new()
                    .action(add("north", "a", -sign * 7))
                    .action(add("south", "b", sign * 7));
                db.transact_write_items(input).unwrap();
            }
        })
    };
    let mut reads = 0;
    while !writer.is_finished() || reads == 0 {
        let gets = vec![
            TransactGet::new("north", key("a")),
            TransactGet::new("south", key("b")),
            TransactGet::new("south", key("none")),
        ];
        let found = db
            .transact_get_items(TransactGetItemsInput::new(gets))
            .unwrap()
            .responses;
        let of = |item: &Option<Item>| {
            item.as_ref()
                .and_then(|item| item.get("amount")?.as_n().ok()?.to_i64())
                .unwrap()
        };
        assert_eq!(of(&found[0]) + of(&found[1]), 200);
        assert_eq!(found[2], None);
        reads += 1;
    }
    writer.join().unwrap();
}

#[test]
fn a_batch_that_returns_names_exactly_what_was_not_done() {
    let Bank { db, dir: _dir, .. } = bank();
    let big = |i: i64| {
        let mut item = account(&format!("big{i}"), i);
        item.insert("padding", "x".repeat(390 * 1024));
        item
    };
    let mut batch = BatchGetItemInput::new();
    for i in 0..50 {
        db.put_item(PutItemInput::new("north", big(i))).unwrap();
        batch = batch.key("north", key(&format!("big{i}")));
    }
    batch = batch.key("south", key("a")).key("south", key("none"));
    let mut found = Vec::new();
    let mut rounds = 0;
    while !batch.request_items.is_empty() {
        let output = db.batch_get_item(batch).unwrap();
        found.extend(output.responses.into_values().flatten());
        batch = BatchGetItemInput::new().request_items(output.unprocessed_keys);
        rounds += 1;
    }
    assert_eq!((found.len(), rounds), (51, 2));

    let twice = BatchGetItemInput::new()
        .key("north", key("a"))
        .key("north", key("a"));
    assert_eq!(
        db.batch_get_item(twice).unwrap_err().to_string(),
        "Provided list of item keys contains duplicates"
    );
}

/// What numbers become in an answer is up to fifty times what they count for.
#[test]
fn a_batch_gives_no_more_than_an_answer_holds() {
    let Bank { db, dir: _dir, .. } = bank();
    let mut batch = BatchGetItemInput::new();
    for i in 0..3 {
        let mut item = account(&format!("long{i}"), i);
        let tiny = AttributeValue::N("1E-130".parse().unwrap());
        item.insert("l", vec![tiny; 130_000]);
        db.put_item(PutItemInput::new("north", item)).unwrap();
        batch = batch.key("north", key(&format!("long{i}")));
    }
    for _ in 0..3 {
        let output = db.batch_get_item(batch).unwrap();
        assert_eq!(output.responses["north"].len(), 1);
        batch = BatchGetItemInput::new().request_items(output.unprocessed_keys);
    }
    assert!(batch.request_items.is_empty());

    let delete = |i| {
        let text = format!("DELETE FROM north WHERE id = 'long{i}' RETURNING ALL OLD *");
        BatchStatementRequest::new(text)
    };
    let batch = BatchExecuteStatementInput::new((0..3).map(delete).collect());
    let done = db.batch_execute_statement(batch).unwrap().responses;
    assert!(done[0].item.is_some() && done[1].item.is_some());
    let error = done[2].error.as_ref().unwrap();
    assert_eq!(error.code, BatchStatementErrorCode::ThrottlingError);
    assert_eq!(amount(&db, "north", "long1"), None);
    assert_eq!(
        amount(&db, "north", "long2"),
        Some(2),
        "it may be sent again"
    );
}

#[test]
fn a_table_has_one_item_of_a_key_however_a_batch_names_it() {
    let Bank { db, dir: _dir, .. } = bank();
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/north";
    let gets = BatchGetItemInput::new()
        .key("north", key("a"))
        .key(arn, key("a"));
    let writes = BatchWriteItemInput::new()
        .put("north", account("new", 1))
        .delete(arn, key("new"));
    let refused = "Provided list of item keys contains duplicates";
    assert_eq!(db.batch_get_item(gets).unwrap_err().to_string(), refused);
    assert_eq!(
        db.batch_write_item(writes).unwrap_err().to_string(),
        refused
    );
    let others = BatchGetItemInput::new()
        .key("north", key("a"))
        .key(arn, key("new"));
    assert!(db.batch_get_item(others).is_ok());
}

#[test]
fn transactions_consume_twice() {
    let Bank { db, dir: _dir, .. } = bank();
    let output = db
        .transact_write_items(transfer(1).return_consumed_capacity(ReturnConsumedCapacity::Total))
        .unwrap();
    let units: Vec<_> = output
        .consumed_capacity
        .iter()
        .map(|consumed| {
            (
                consumed.table_name.as_str(),
                consumed.total.capacity_units.as_f64(),
            )
        })
        .collect();
    assert_eq!(units, [("north", 2.0), ("south", 2.0)]);
}

#[test]
fn a_transaction_that_came_before_consumes_reads() {
    let Bank { db, dir: _dir, .. } = bank();
    let asked = || {
        transfer(1)
            .client_request_token("token-1")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    };
    let first = db.transact_write_items(asked()).unwrap().consumed_capacity;
    let again = db.transact_write_items(asked()).unwrap().consumed_capacity;
    assert_eq!((first.len(), again.len()), (2, 2));
    assert!(
        first
            .iter()
            .all(|one| one.total.write_capacity_units.is_some())
    );
    assert!(
        again
            .iter()
            .all(|one| one.total.read_capacity_units.is_some())
    );
}

#[test]
fn a_key_that_does_not_fit_cancels_a_transaction_of_reads() {
    let Bank { db, dir: _dir, .. } = bank();
    let gets = vec![
        TransactGet::new("north", key("a")),
        TransactGet::new("south", Item::from([("id", 1)])),
    ];
    let reasons = match db.transact_get_items(TransactGetItemsInput::new(gets)) {
        Err(Error::TransactionCanceled(reasons)) => reasons,
        other => panic!("{other:?}"),
    };
    assert_eq!(reasons[0].code, CancellationCode::None);
    assert_eq!(reasons[1].code, CancellationCode::ValidationError);
    assert_eq!(
        reasons[1].message.as_deref(),
        Some("The provided key element does not match the schema")
    );
}

#[test]
fn batches_of_writes_tell_what_each_table_consumed() {
    let Bank { db, dir: _dir, .. } = bank();
    let mut large = account("b", 1);
    large.insert("padding", "x".repeat(1024));
    let batch = BatchWriteItemInput::new()
        .put("north", account("a", 1))
        .put("north", large)
        .delete("south", key("a"))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
    let consumed = db.batch_write_item(batch).unwrap().consumed_capacity;
    let units: Vec<_> = consumed
        .iter()
        .map(|one| {
            let table = one.table.map(|table| table.capacity_units.as_f64());
            (one.total.capacity_units.as_f64(), table)
        })
        .collect();
    assert_eq!(units, [(3.0, Some(3.0)), (1.0, Some(1.0))]);
}
