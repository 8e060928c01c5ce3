//! Somebody with write access to the disk changes the pages of a stream, while the database is closed.

use sealdb::crypto::{BlockHead, BlockKind};
use sealdb::model::ScalarType;
use sealdb::model::ops::{
    CreateTableInput, DescribeStreamInput, GetRecordsInput, GetShardIteratorInput,
    ListStreamsInput, PutItemInput, Record, ScanInput, ShardIteratorType, StreamSpecification,
    StreamViewType,
};
use sealdb::{Error, ErrorCode, blocking};
use sealdb_tests::disk::{Files, Home, UNIT};
use sealdb_tests::judge::{item, lay_out};

/// All records of the one stream that there is.
fn records(db: &blocking::Database) -> Result<Vec<Record>, Error> {
    let streams = db.list_streams(ListStreamsInput::new())?.streams;
    let arn = streams[0].to_string();
    let described = db.describe_stream(DescribeStreamInput::new(&arn))?;
    let shard = &described.stream_description.shards[0].shard_id;
    let oldest = GetShardIteratorInput::new(&arn, shard, ShardIteratorType::TrimHorizon);
    let mut iterator = db.get_shard_iterator(oldest)?.shard_iterator;
    let mut records = Vec::new();
    loop {
        let page = db.get_records(GetRecordsInput::new(iterator))?;
        if page.records.is_empty() {
            return Ok(records);
        }
        records.extend(page.records);
        iterator = page.next_shard_iterator.unwrap();
    }
}

fn items(db: &blocking::Database) -> Result<usize, Error> {
    Ok(db.scan(ScanInput::new("films"))?.items.len())
}

#[test]
fn a_changed_page_of_a_stream_is_noticed_and_of_another_time_or_place_too() {
    let home = Home::fast();
    let db = home.builder().open_sync().unwrap();
    let films = CreateTableInput::new("films")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    let stream = StreamSpecification::enabled(StreamViewType::NewAndOldImages);
    db.create_table(films.stream_specification(stream)).unwrap();
    let put = |db: &blocking::Database, round: usize| {
        for n in 0..40 {
            let length = if n == 7 { 700 } else { 40 };
            let item = item("p", n, &format!("{round} {n} ").repeat(length));
            db.put_item(PutItemInput::new("films", item)).unwrap();
        }
    };
    put(&db, 1);
    db.checkpoint_now().unwrap();
    let older = Files::read(&home.data()).unwrap();
    put(&db, 2);
    let written = records(&db).unwrap();
    assert_eq!(written.len(), 80);
    db.close().unwrap();
    drop(db);
    let files = Files::read(&home.data()).unwrap();

    let mut noticed = 0;
    let mut judge = |files: &Files, what: &str| {
        lay_out(files, &home.data());
        let opened = home.builder().open_sync();
        let read = opened.and_then(|db| Ok((records(&db), items(&db)?)));
        match read {
            // Damage of something else, refused as a whole.
            Err(error) => assert_eq!(error.code(), ErrorCode::DataCorruptionException, "{what}"),
            Ok((Ok(found), _)) => assert_eq!(found, written, "{what}: silently wrong"),
            Ok((Err(error), items)) => {
                assert_eq!(error.code(), ErrorCode::DataCorruptionException, "{what}");
                assert_eq!(items, 40, "{what}: the items are not the stream's");
                noticed += 1;
            }
        }
    };
    judge(&files, "untouched");
    let pages = &files.0["pages.seal"];
    for (unit, bytes) in pages.chunks(UNIT).enumerate() {
        let Ok(BlockHead { kind, .. }) = BlockHead::parse(bytes) else {
            continue;
        };
        if !matches!(kind, BlockKind::Leaf | BlockKind::Inner | BlockKind::Value) {
            continue;
        }
        let mut changed = files.clone();
        changed.file("pages.seal")[unit * UNIT + 50] ^= 4;
        judge(&changed, &format!("a bit of unit {unit}"));
        // What stood there before, and what stands in the place behind.
        for (other, what) in [(&older, unit), (&files, unit + 1)] {
            let Some(bytes) = other.0["pages.seal"].chunks(UNIT).nth(what) else {
                continue;
            };
            let mut changed = files.clone();
            changed.file("pages.seal")[unit * UNIT..unit * UNIT + bytes.len()]
                .copy_from_slice(bytes);
            judge(&changed, &format!("unit {unit} is another"));
        }
    }
    assert!(noticed > 10, "{noticed} changes of the stream's pages");
}
