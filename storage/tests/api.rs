//! The public API over real files: what a program that embeds the database sees.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, DeleteTableInput, DescribeStreamInput,
    DescribeTableInput, GetItemInput, GetRecordsInput, GetRecordsOutput, GetShardIteratorInput,
    ListTablesInput, PutItemInput, QueryInput, ReturnValue, ScanInput, Select, ShardIteratorType,
    StreamSpecification, StreamViewType, TableStatus, UpdateTableInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Error, ErrorCode, RootKeySource, blocking};

fn root_key(dir: &Path) -> RootKeySource {
    let file = dir.join("root.key");
    if file.exists() {
        RootKeySource::File(file)
    } else {
        RootKeySource::create_file(file).unwrap()
    }
}

fn open(dir: &Path) -> blocking::Database {
    sealdb::Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key(dir))
        .open_sync()
        .unwrap()
}

fn table() -> CreateTableInput {
    CreateTableInput::new("things")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N)
}

fn item(pk: &str, sk: i64, payload: usize) -> Item {
    Item::from([
        ("pk", AttributeValue::from(pk)),
        ("sk", sk.into()),
        ("payload", "x".repeat(payload).into()),
    ])
}

fn key(pk: &str, sk: i64) -> Item {
    Item::from([("pk", AttributeValue::from(pk)), ("sk", sk.into())])
}

fn numbers(items: &[Item]) -> Vec<i64> {
    items
        .iter()
        .map(|item| item.get("sk").unwrap().as_n().unwrap().to_i64().unwrap())
        .collect()
}

#[test]
fn what_was_written_is_found_after_closing_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.create_table(table()).unwrap();
    db.put_item(PutItemInput::new("things", item("a", 1, 10)))
        .unwrap();
    let old = db
        .put_item(PutItemInput::new("things", item("a", 1, 20)).return_values(ReturnValue::AllOld))
        .unwrap();
    assert_eq!(old.attributes, Some(item("a", 1, 10)));
    db.close().unwrap();
    assert_eq!(
        db.get_item(GetItemInput::new("things", key("a", 1)))
            .unwrap_err()
            .code(),
        ErrorCode::ServiceUnavailable
    );

    // A closed handle that still lives keeps nobody out, and its end disturbs nobody.
    let closed = db;
    let db = open(dir.path());
    drop(closed);
    assert_eq!(
        db.get_item(GetItemInput::new("things", key("a", 1)))
            .unwrap()
            .item,
        Some(item("a", 1, 20))
    );
    db.put_item(PutItemInput::new("things", item("a", 2, 5)))
        .unwrap();
    drop(db); // without closing: recovery has to find it

    let db = open(dir.path());
    assert_eq!(
        db.get_item(GetItemInput::new("things", key("a", 2)))
            .unwrap()
            .item,
        Some(item("a", 2, 5))
    );
    let old = db
        .delete_item(DeleteItemInput::new("things", key("a", 2)).return_values(ReturnValue::AllOld))
        .unwrap();
    assert_eq!(old.attributes, Some(item("a", 2, 5)));
    assert_eq!(
        db.get_item(GetItemInput::new("things", key("a", 2)))
            .unwrap()
            .item,
        None
    );
    let described = db
        .describe_table(DescribeTableInput::new("things"))
        .unwrap()
        .table;
    assert_eq!(
        (described.item_count, described.table_status),
        (1, TableStatus::Active)
    );
    assert!(described.sse_description.is_some());
    db.close().unwrap();
}

#[test]
fn a_query_pages_in_both_directions_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.create_table(table()).unwrap();
    for sk in -20..80 {
        db.put_item(PutItemInput::new("things", item("big", sk, 30_000)))
            .unwrap();
    }
    db.put_item(PutItemInput::new("things", item("bih", 0, 1)))
        .unwrap();

    for forward in [true, false] {
        let mut seen = Vec::new();
        let mut pages = 0;
        let mut input = QueryInput::new("things", "pk = :p")
            .value(":p", "big")
            .scan_index_forward(forward);
        loop {
            let page = db.query(input.clone()).unwrap();
            assert!(page.items.len() <= 34, "a page holds at most 1 MB");
            seen.extend(numbers(&page.items));
            pages += 1;
            let Some(last) = page.last_evaluated_key else {
                break;
            };
            input = input.exclusive_start_key(last);
        }
        let mut expected: Vec<i64> = (-20..80).collect();
        if !forward {
            expected.reverse();
        }
        assert_eq!(seen, expected);
        assert_eq!(pages, 3);
    }
    let of = |condition: &str| {
        let mut input = QueryInput::new("things", format!("pk = :p AND {condition}"))
            .value(":p", "big")
            .value(":a", -2);
        if condition.contains(":b") {
            input = input.value(":b", 2);
        }
        numbers(&db.query(input.limit(3)).unwrap().items)
    };
    assert_eq!(of("sk = :a"), [-2]);
    assert_eq!(of("sk < :a"), [-20, -19, -18]);
    assert_eq!(of("sk <= :a"), [-20, -19, -18]);
    assert_eq!(of("sk > :a"), [-1, 0, 1]);
    assert_eq!(of("sk >= :a"), [-2, -1, 0]);
    assert_eq!(of("sk BETWEEN :a AND :b"), [-2, -1, 0]);
    let limited = db
        .query(
            QueryInput::new("things", "pk = :p")
                .value(":p", "bih")
                .limit(1),
        )
        .unwrap();
    assert!(
        limited.last_evaluated_key.is_some(),
        "the limit was reached, and there may be more"
    );
    db.close().unwrap();
}

#[test]
fn scan_segments_together_find_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.create_table(table()).unwrap();
    for batch in 0..20 {
        let input = (0..25).fold(BatchWriteItemInput::new(), |input, n| {
            let n = batch * 25 + n;
            input.put("things", item(&format!("p{n}"), n, 10))
        });
        assert!(
            db.batch_write_item(input)
                .unwrap()
                .unprocessed_items
                .is_empty()
        );
    }
    let mut found = Vec::new();
    for segment in 0..7 {
        let mut input = ScanInput::new("things")
            .segment(segment)
            .total_segments(7)
            .limit(11);
        loop {
            let page = db.scan(input.clone()).unwrap();
            assert!(page.items.len() <= 11);
            found.extend(numbers(&page.items));
            let Some(last) = page.last_evaluated_key else {
                break;
            };
            input = input.exclusive_start_key(last);
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..500).collect::<Vec<_>>());
    let counted = db
        .scan(ScanInput::new("things").select(Select::Count))
        .unwrap();
    assert_eq!((counted.count, counted.items.len()), (500, 0));
    db.close().unwrap();
}

#[test]
fn tables_come_and_go_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for name in ["ccc", "aaa", "bbb"] {
        db.create_table(CreateTableInput::new(name).partition_key("pk", ScalarType::B))
            .unwrap();
    }
    let taken = db
        .create_table(CreateTableInput::new("aaa").partition_key("pk", ScalarType::S))
        .unwrap_err();
    assert_eq!(taken.code(), ErrorCode::ResourceInUseException);
    let page = db.list_tables(ListTablesInput::new().limit(2)).unwrap();
    assert_eq!(
        (page.table_names, page.last_evaluated_table_name),
        (vec!["aaa".into(), "bbb".into()], Some("bbb".into()))
    );
    let gone = db
        .delete_table(DeleteTableInput::new("bbb"))
        .unwrap()
        .table_description;
    assert_eq!(gone.table_status, TableStatus::Deleting);
    assert_eq!(
        db.describe_table(DescribeTableInput::new("bbb"))
            .unwrap_err()
            .code(),
        ErrorCode::ResourceNotFoundException
    );
    // The name is free again, and nothing of the former table is in the new one.
    db.create_table(CreateTableInput::new("bbb").partition_key("pk", ScalarType::S))
        .unwrap();
    assert_eq!(db.scan(ScanInput::new("bbb")).unwrap().count, 0);
    db.close().unwrap();
    drop(db);
    let db = open(dir.path());
    assert_eq!(
        db.list_tables(ListTablesInput::new()).unwrap().table_names,
        ["aaa", "bbb", "ccc"]
    );
    db.close().unwrap();
}

#[test]
fn a_second_open_and_a_missing_keyring_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let second = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key(dir.path()))
        .open_sync()
        .unwrap_err();
    assert!(
        second.to_string().contains("in use") || second.to_string().contains("open"),
        "{second}"
    );
    db.close().unwrap();
    drop(db);

    let missing = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("elsewhere"), root_key(dir.path()))
        .open_sync()
        .unwrap_err();
    assert!(
        missing.to_string().contains("elsewhere"),
        "a missing keyring is named: {missing}"
    );
    assert!(
        !dir.path().join("elsewhere").join("keyring.seal").exists(),
        "and never made anew"
    );

    let inside = sealdb::Database::builder(dir.path().join("new"))
        .keyring(dir.path().join("new/keyring"), root_key(dir.path()))
        .open_sync()
        .unwrap_err();
    assert!(inside.to_string().contains("inside"), "{inside}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_async_writers_share_groups_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key(dir.path()))
        .open()
        .await
        .unwrap();
    db.create_table(table()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let db = db.clone();
        tasks.spawn(async move {
            for n in 0..50 {
                db.put_item(PutItemInput::new(
                    "things",
                    item(&format!("w{writer}"), n, 100),
                ))
                .await
                .unwrap();
                let got = db
                    .get_item(GetItemInput::new("things", key(&format!("w{writer}"), n)))
                    .await
                    .unwrap();
                assert!(
                    got.item.is_some(),
                    "an acknowledged write is read by everyone"
                );
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let syncs = db.stats().syncs;
    assert!(
        syncs < 800,
        "800 puts of 16 writers took {syncs} syncs: groups are shared"
    );
    assert_eq!(
        db.scan(ScanInput::new("things").select(Select::Count))
            .await
            .unwrap()
            .count,
        800
    );
    db.close().await.unwrap();
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.create_table(table()).unwrap();
    let no_key = db
        .put_item(PutItemInput::new(
            "things",
            Item::from([("pk", AttributeValue::from("a"))]),
        ))
        .unwrap_err();
    assert_eq!(no_key.code(), ErrorCode::ValidationException);
    assert!(no_key.to_string().contains("sk"), "{no_key}");
    let missing = db
        .put_item(PutItemInput::new("nothing", item("a", 1, 1)))
        .unwrap_err();
    assert_eq!(missing.code(), ErrorCode::ResourceNotFoundException);
    let batch = BatchWriteItemInput::new()
        .put("things", item("a", 1, 1))
        .put("things", item("a", 1, 2));
    assert!(
        db.batch_write_item(batch)
            .unwrap_err()
            .to_string()
            .contains("duplicates")
    );
    let batch = BatchWriteItemInput::new()
        .put("things", item("a", 1, 1))
        .put("nothing", item("a", 1, 2));
    assert_eq!(
        db.batch_write_item(batch).unwrap_err().code(),
        ErrorCode::ResourceNotFoundException
    );
    assert_eq!(
        db.scan(ScanInput::new("things")).unwrap().count,
        0,
        "nothing was written by any of them"
    );
    let other = QueryInput::new("things", "pk = :p")
        .value(":p", "a")
        .exclusive_start_key(key("b", 1));
    assert_eq!(
        db.query(other).unwrap_err().code(),
        ErrorCode::ValidationException
    );
    db.close().unwrap();
}

/// Makes a table with a stream; gives an iterator of that.
async fn streamed(db: &sealdb::Database, name: &str) -> String {
    let stream = StreamSpecification::enabled(StreamViewType::KeysOnly);
    let mut input = table().stream_specification(stream);
    input.table_name = name.to_owned();
    let made = db.create_table(input).await.unwrap().table_description;
    let arn = made.latest_stream_arn.unwrap();
    let described = db
        .describe_stream(DescribeStreamInput::new(&arn))
        .await
        .unwrap();
    let shard = &described.stream_description.shards[0].shard_id;
    let oldest = GetShardIteratorInput::new(arn, shard, ShardIteratorType::TrimHorizon);
    db.get_shard_iterator(oldest).await.unwrap().shard_iterator
}

/// Waits for records in a task of its own.
fn follow(
    db: &sealdb::Database,
    iterator: &str,
) -> tokio::task::JoinHandle<Result<GetRecordsOutput, Error>> {
    let (db, input) = (db.clone(), GetRecordsInput::new(iterator));
    tokio::spawn(async move { db.next_records(input).await })
}

/// Twenty milliseconds in which it must not have ended.
async fn still_waits(waiting: &tokio::task::JoinHandle<Result<GetRecordsOutput, Error>>) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "there is nothing yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_stream_waits_for_records_and_for_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let db = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key(dir.path()))
        .open()
        .await
        .unwrap();
    let mut iterator = streamed(&db, "things").await;
    for n in 0..3 {
        let waiting = follow(&db, &iterator);
        still_waits(&waiting).await;
        let put = PutItemInput::new("things", item("a", n, 10));
        db.put_item(put).await.unwrap();
        let page = waiting.await.unwrap().unwrap();
        let keys: Vec<_> = page
            .records
            .into_iter()
            .map(|record| record.dynamodb.keys)
            .collect();
        assert_eq!(keys, [key("a", n)]);
        iterator = page.next_shard_iterator.unwrap();
    }
    // It is disabled, its table deleted, the database closed: nobody waits for ever.
    let waiting = follow(&db, &iterator);
    still_waits(&waiting).await;
    let disable = UpdateTableInput::new("things");
    let disable = disable.stream_specification(StreamSpecification::disabled());
    db.update_table(disable).await.unwrap();
    let page = waiting.await.unwrap().unwrap();
    assert_eq!((page.records, page.next_shard_iterator), (vec![], None));

    for (name, end) in [
        ("gone", ErrorCode::ResourceNotFoundException),
        ("kept", ErrorCode::ServiceUnavailable),
    ] {
        let waiting = follow(&db, &streamed(&db, name).await);
        still_waits(&waiting).await;
        match name {
            "gone" => drop(db.delete_table(DeleteTableInput::new(name)).await.unwrap()),
            _ => db.close().await.unwrap(),
        }
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), end);
    }
}
