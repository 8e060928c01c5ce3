//! Canaries: distinctive names and values are put in through the API and looked for in every byte of every file. The same search
//! finds them where the null sealer leaves them, so it can fail.

use std::collections::BTreeSet;
use std::sync::Arc;

use sealdb::crypto::kms::{Alias, KeyUsage};
use sealdb::crypto::testing::ScriptedKms;
use sealdb::crypto::{KeyRef, Kms};
use sealdb::model::ops::{
    AttributeDefinition, BatchWriteItemInput, CreateTableInput, DeleteItemInput,
    DescribeStreamInput, ExecuteStatementInput, GetItemInput, GetRecordsInput,
    GetShardIteratorInput, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, ListStreamsInput,
    PutItemInput, QueryInput, ReturnValue, ScanInput, ShardIteratorType, SseSpecification,
    StreamSpecification, StreamViewType, Tag, TransactPut, TransactWriteItemsInput,
    UpdateItemInput, UpdateTableInput, UpdateTimeToLiveInput,
};
use sealdb::model::{AttributeValue, Item, Map, Number, ScalarType};
use sealdb::{Builder, ErrorCode, Options, blocking};
use sealdb_benches::null::NullSealing;
use sealdb_tests::disk::{Files, Home, small};

const TABLE: &str = "Canary-Table-Kormoran";
const PARTITION: &str = "canaryPartitionKeyName";
const SORT: &str = "canarySortKeyName";
const ATTRIBUTE: &str = "canaryAttributeName";
const INDEX: &str = "Canary-Index-Eisvogel";
const INDEX_KEY: &str = "canaryIndexKeyName";
const LATER: &str = "Canary-Index-Wiedehopf";
const LATER_KEY: &str = "canaryLaterKeyName";
/// Of a transaction. Only its hash is kept, which does not stand in the clear either.
const TOKEN: &str = "canary-token-Zaunkoenig";
const EXPIRY: &str = "canaryExpiryName";
const NESTED: &str = "canaryNestedName";
/// Distinctive in decimal and in its ordered encoding.
const NUMBER: &str = "31415926535897932384626433832795028841";
const SMALL: i64 = 918_273_645_546;

/// A text and the forms in which it may stand somewhere. Only the first is looked for in a plain database.
struct Needle {
    what: &'static str,
    plain: Vec<u8>,
    others: Vec<Vec<u8>>,
}

fn text(what: &'static str, text: &str) -> Needle {
    let utf16 = |swap: bool| {
        let unit = |unit: u16| {
            if swap {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    Needle {
        what,
        plain: text.into(),
        others: vec![
            utf16(false),
            utf16(true),
            hex.to_uppercase().into(),
            hex.into(),
            text.bytes().rev().collect(),
        ],
    }
}

fn number(what: &'static str, digits: &str) -> Needle {
    let number: Number = digits.parse().unwrap();
    let mut ordered = Vec::new();
    number.encode_ordered(&mut ordered);
    let value: u128 = digits.parse().unwrap();
    let significant = |bytes: [u8; 16], little: bool| {
        let zeros = value.leading_zeros() as usize / 8;
        if little {
            bytes[..16 - zeros].to_vec()
        } else {
            bytes[zeros..].to_vec()
        }
    };
    Needle {
        what,
        plain: ordered,
        others: vec![
            digits.into(),
            significant(value.to_be_bytes(), false),
            significant(value.to_le_bytes(), true),
        ],
    }
}

fn needles() -> Vec<Needle> {
    vec![
        text("table name", TABLE),
        text("partition key's name", PARTITION),
        text("sort key's name", SORT),
        text("attribute's name", ATTRIBUTE),
        text("nested name", NESTED),
        text("index name", INDEX),
        text("index key's name", INDEX_KEY),
        text("index key's value", "canary-index-value"),
        text("expiry attribute's name", EXPIRY),
        text("tag", "canary-tag-value"),
        text("partition key's value", "canary-partition-value-0"),
        text("string", "canary-string-value-0"),
        text("binary", "canary-binary-value-0"),
        text("string in a set", "canary-string-in-a-set"),
        text("nested value", "canary-nested-value"),
        text("value out of line", "canary-out-of-line-value"),
        text("value replaced", "canary-replaced-value"),
        text("value deleted", "canary-deleted-value"),
        text("value through a batch", "canary-batch-value"),
        text("value through a task", "canary-async-value"),
        text("value through an update", "canary-update-value"),
        text("value through a transaction", "canary-transaction-value"),
        text("value through a statement", "canary-statement-value"),
        text("second index's name", LATER),
        text("second index key's name", LATER_KEY),
        number("number as a sort key", NUMBER),
        number("small number as a sort key", &SMALL.to_string()),
    ]
}

fn item(n: i64, value: &str) -> Item {
    let sort: AttributeValue = match n {
        0 => NUMBER.parse::<Number>().unwrap().into(),
        1 => SMALL.into(),
        n => n.into(),
    };
    Item::from([
        (
            PARTITION,
            AttributeValue::from(format!("canary-partition-value-{}", n % 3)),
        ),
        (SORT, sort),
        (ATTRIBUTE, value.into()),
        (INDEX_KEY, "canary-index-value".into()),
        (EXPIRY, 4_000_000_000i64.into()),
    ])
}

fn key(n: i64) -> Item {
    let mut key = item(n, "");
    for name in [ATTRIBUTE, INDEX_KEY, EXPIRY] {
        key.remove(name);
    }
    key
}

/// Everything that a program may do with a table.
fn sing(db: &blocking::Database) {
    let mut sse = SseSpecification::new();
    sse.kms_master_key_id = Some("alias/canary".into());
    sse.enabled = Some(true);
    let mut table = CreateTableInput::new(TABLE)
        .partition_key(PARTITION, ScalarType::S)
        .sort_key(SORT, ScalarType::N)
        .attribute(INDEX_KEY, ScalarType::S)
        .global_index(GlobalSecondaryIndex::new(INDEX, &[INDEX_KEY], &[]))
        .stream_specification(StreamSpecification::enabled(
            StreamViewType::NewAndOldImages,
        ))
        .tags(vec![Tag::new("tag", "canary-tag-value")]);
    table.sse_specification = Some(sse);
    db.create_table(table).unwrap();
    db.update_time_to_live(UpdateTimeToLiveInput::new(TABLE, EXPIRY, true))
        .unwrap();
    for n in 0..40 {
        let mut item = item(n, &format!("canary-string-value-{n}"));
        item.insert(
            "b",
            AttributeValue::B(format!("canary-binary-value-{n}").into()),
        );
        item.insert(
            "ss",
            AttributeValue::Ss(vec!["canary-string-in-a-set".into()]),
        );
        let nested = Map::from([(NESTED, AttributeValue::from("canary-nested-value"))]);
        item.insert("m", AttributeValue::L(vec![AttributeValue::M(nested)]));
        if n % 10 == 0 {
            item.insert(
                "large",
                AttributeValue::from("canary-out-of-line-value".repeat(1000)),
            );
        }
        db.put_item(PutItemInput::new(TABLE, item)).unwrap();
    }
    db.put_item(PutItemInput::new(TABLE, item(50, "canary-replaced-value")))
        .unwrap();
    let old = db
        .put_item(
            PutItemInput::new(TABLE, item(50, "something else")).return_values(ReturnValue::AllOld),
        )
        .unwrap();
    assert!(old.attributes.is_some());
    db.put_item(PutItemInput::new(TABLE, item(51, "canary-deleted-value")))
        .unwrap();
    db.delete_item(DeleteItemInput::new(TABLE, key(51)))
        .unwrap();
    let batch = BatchWriteItemInput::new().put(TABLE, item(52, "canary-batch-value"));
    assert!(
        db.batch_write_item(batch)
            .unwrap()
            .unprocessed_items
            .is_empty()
    );
    update(db);
    let asynchronous = db.asynchronous();
    futures_lite::future::block_on(async {
        asynchronous
            .put_item(PutItemInput::new(TABLE, item(53, "canary-async-value")))
            .await
            .unwrap();
    });
}

/// The ways to write that look at what is there, and an index that is made of what is there.
fn update(db: &blocking::Database) {
    let update = UpdateItemInput::new(TABLE, key(56))
        .update_expression("SET #a = :v, #l = :l")
        .name("#a", ATTRIBUTE)
        .name("#l", LATER_KEY)
        .value(":v", "canary-update-value")
        .value(":l", "later");
    db.update_item(update).unwrap();
    let put = TransactPut::new(TABLE, item(57, "canary-transaction-value"));
    let transaction = TransactWriteItemsInput::new()
        .action(put)
        .client_request_token(TOKEN);
    db.transact_write_items(transaction).unwrap();
    let insert = format!(
        "INSERT INTO \"{TABLE}\" VALUE {{'{PARTITION}': ?, '{SORT}': 58, '{ATTRIBUTE}': 'canary-statement-value'}}"
    );
    let insert = ExecuteStatementInput::new(insert).parameter("canary-partition-value-0");
    db.execute_statement(insert).unwrap();
    let later = GlobalSecondaryIndex::new(LATER, &[LATER_KEY], &[]);
    let alter = UpdateTableInput::new(TABLE)
        .attribute_definitions(vec![AttributeDefinition::new(LATER_KEY, ScalarType::S)])
        .index_update(GlobalSecondaryIndexUpdate::Create(later));
    db.update_table(alter).unwrap();
}

/// Reads as well: what is read must not leave a trace either.
fn listen(db: &blocking::Database) {
    assert!(
        db.get_item(GetItemInput::new(TABLE, key(0)))
            .unwrap()
            .item
            .is_some()
    );
    let query =
        QueryInput::new(TABLE, format!("{PARTITION} = :p")).value(":p", "canary-partition-value-0");
    assert!(db.query(query).unwrap().count > 0);
    assert_eq!(db.scan(ScanInput::new(TABLE)).unwrap().count, 46);
    let by_index = ScanInput::new(TABLE).index_name(INDEX);
    assert_eq!(db.scan(by_index).unwrap().count, 44);
    assert!(records(db) >= 49, "a record of every change");
    // Errors name what was asked for: to the caller, not to a file.
    let error = db
        .put_item(PutItemInput::new(TABLE, Item::from([(PARTITION, 1)])))
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationException);
}

/// How many records the table's stream has.
fn records(db: &blocking::Database) -> usize {
    let streams = db.list_streams(ListStreamsInput::new()).unwrap().streams;
    let arn = streams[0].to_string();
    let described = db.describe_stream(DescribeStreamInput::new(&arn)).unwrap();
    let shard = &described.stream_description.shards[0].shard_id;
    let oldest = GetShardIteratorInput::new(&arn, shard, ShardIteratorType::TrimHorizon);
    let mut iterator = db.get_shard_iterator(oldest).unwrap().shard_iterator;
    let mut count = 0;
    loop {
        let page = db.get_records(GetRecordsInput::new(iterator)).unwrap();
        if page.records.is_empty() {
            return count;
        }
        count += page.records.len();
        iterator = page.next_shard_iterator.unwrap();
    }
}

/// The whole life of a database. `look` is shown its files at each stage.
fn live(home: &Home, plain: bool, mut look: impl FnMut(&str, &Files)) {
    let keyring = home.keyring();
    keyring
        .create_key(
            Some(Alias::new("alias/canary").unwrap()),
            "",
            KeyUsage::Table,
        )
        .unwrap();
    let kms = Arc::new(ScriptedKms::new(Arc::new(keyring)));
    let open = |options: Options| -> blocking::Database {
        let handed: Arc<dyn Kms> = kms.clone();
        let mut builder: Builder = sealdb::Database::builder(home.data())
            .kms(handed)
            .options(options);
        if plain {
            builder = builder.sealing(Arc::new(NullSealing));
        }
        builder.open_sync().unwrap()
    };
    let mut look = |stage: &str| look(stage, &Files::read(home.path()).unwrap());

    let db = open(Options::default());
    sing(&db);
    look("running, nothing but the log");
    db.checkpoint_now().unwrap();
    listen(&db);
    look("running, after a checkpoint");
    db.put_item(PutItemInput::new(TABLE, item(54, "canary-string-value-0")))
        .unwrap();
    drop(db);
    look("after a crash");
    let db = open(small());
    db.delete_item(DeleteItemInput::new(TABLE, key(54)))
        .unwrap();
    listen(&db);
    look("recovered, with pages evicted");
    // Its log parts are carried along, sealed, while its key is not to be had.
    db.put_item(PutItemInput::new(TABLE, item(55, "canary-string-value-0")))
        .unwrap();
    drop(db);
    kms.deny(&"alias/canary".parse::<KeyRef>().unwrap());
    let db = open(small());
    let denied = db.get_item(GetItemInput::new(TABLE, key(0))).unwrap_err();
    assert_eq!(
        denied.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException
    );
    db.checkpoint_now().unwrap();
    db.checkpoint_now().unwrap();
    look("the table closed, its log parts carried");
    db.close().unwrap();
    look("closed");
}

#[test]
fn nothing_that_was_written_can_be_read_in_any_file() {
    let home = Home::new();
    let mut needles = needles();
    needles.push(text("transaction's token", TOKEN));
    live(&home, false, |stage, files| {
        assert!(files.0.len() >= 5, "{stage}: {:?}", files.0.keys());
        for needle in &needles {
            for form in std::iter::once(&needle.plain).chain(&needle.others) {
                assert_eq!(
                    files.holding(form),
                    [""; 0],
                    "{stage}: {} as {form:02x?}",
                    needle.what
                );
            }
        }
    });
}

#[test]
fn the_same_search_finds_everything_under_the_null_sealer() {
    let home = Home::new();
    let needles = needles();
    let mut where_found: BTreeSet<(&str, String)> = BTreeSet::new();
    live(&home, true, |stage, files| {
        for needle in &needles {
            let found = files.holding(&needle.plain);
            // What was replaced or deleted stands in the stream.
            assert!(!found.is_empty(), "{stage}: {}", needle.what);
            where_found.extend(found.iter().map(|file| (needle.what, (*file).to_owned())));
        }
        let token = files.holding(TOKEN.as_bytes());
        assert_eq!(token, [""; 0], "{stage}: of a token a hash is kept");
    });
    let found = |what: &str, file: &str| {
        where_found
            .iter()
            .any(|(w, f)| *w == what && f.starts_with(file))
    };
    for needle in &needles {
        assert!(
            found(needle.what, "data/log."),
            "{} in the log",
            needle.what
        );
    }
    for what in [
        "table name",
        "partition key's name",
        "index name",
        "index key's value",
        "second index's name",
        "second index key's name",
        "expiry attribute's name",
        "tag",
        "string",
        "value out of line",
        // Of the stream alone.
        "value replaced",
        "value deleted",
        "number as a sort key",
    ] {
        assert!(
            found(what, "data/pages.seal"),
            "{what} in the pages: {where_found:?}"
        );
    }
    assert!(found("table name", "data/audit.trail"), "{where_found:?}");
}

#[test]
fn a_database_made_with_the_null_sealer_is_refused_by_name() {
    let home = Home::new();
    let db = home
        .builder()
        .sealing(Arc::new(NullSealing))
        .open_sync()
        .unwrap();
    sing_without_key(&db);
    db.close().unwrap();
    drop(db);
    let before = Files::read(&home.data()).unwrap();

    // This test's program is built with the whole workspace, benches included.
    let refused = home.builder().open_sync().unwrap_err();
    assert!(
        matches!(refused, sealdb::Error::OtherSuite { .. }),
        "{refused:?}"
    );
    let message = refused.to_string();
    assert!(
        message.contains("suite 240") && message.contains("not with 1"),
        "{message}"
    );
    let mut after = Files::read(&home.data()).unwrap();
    after.0.insert("lock".into(), before.0["lock"].clone());
    assert!(before == after, "and nothing of it was changed");

    // And the other way round.
    let home = Home::new();
    let db = home.builder().open_sync().unwrap();
    sing_without_key(&db);
    db.close().unwrap();
    drop(db);
    let refused = home
        .builder()
        .sealing(Arc::new(NullSealing))
        .open_sync()
        .unwrap_err();
    assert!(
        matches!(refused, sealdb::Error::OtherSuite { .. }),
        "{refused:?}"
    );
}

fn sing_without_key(db: &blocking::Database) {
    db.create_table(CreateTableInput::new(TABLE).partition_key(PARTITION, ScalarType::S))
        .unwrap();
    db.put_item(PutItemInput::new(TABLE, Item::from([(PARTITION, "value")])))
        .unwrap();
}
