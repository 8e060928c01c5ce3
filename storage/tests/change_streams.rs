//! Streams through the public API: what records show, that none is missing and none comes twice, how long they stay.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealdb::blocking::Database;
use sealdb::crypto::{Clock, ManualClock};
use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, DeleteTableInput, DescribeStreamInput,
    DescribeTableInput, GetRecordsInput, GetShardIteratorInput, Identity, ListStreamsInput,
    OperationType, PutItemInput, Record, ShardIteratorType, StreamSpecification, StreamStatus,
    StreamViewType, TableDescription, TransactDelete, TransactPut, TransactUpdate,
    TransactWriteItemsInput, UpdateItemInput, UpdateTableInput, UpdateTimeToLiveInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType, item_size};
use sealdb::{Background, Error, ErrorCode, Options, RootKeySource, tools};

struct World {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    background: Background,
    db: Database,
}

fn root_key(dir: &Path) -> RootKeySource {
    let file = dir.join("root.key");
    match file.exists() {
        true => RootKeySource::File(file),
        false => RootKeySource::create_file(file).unwrap(),
    }
}

fn open(dir: &Path, clock: &Arc<ManualClock>, background: Background) -> Database {
    sealdb::Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key(dir))
        .clock(clock.clone())
        .options(Options {
            background,
            ..Options::default()
        })
        .open_sync()
        .unwrap()
}

/// A database with the table `films`, which has a stream.
fn world_with(view: StreamViewType, background: Background) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let db = open(dir.path(), &clock, background);
    let films = CreateTableInput::new("films").partition_key("id", ScalarType::N);
    db.create_table(films.stream_specification(StreamSpecification::enabled(view)))
        .unwrap();
    World {
        dir,
        clock,
        background,
        db,
    }
}

fn world(view: StreamViewType) -> World {
    world_with(view, Background::Inline)
}

impl World {
    /// As after a crash.
    fn reopen(self) -> Self {
        let World {
            dir,
            clock,
            background,
            db,
        } = self;
        drop(db);
        let db = open(dir.path(), &clock, background);
        World {
            dir,
            clock,
            background,
            db,
        }
    }

    /// Closes the database and verifies it.
    fn check(self) {
        self.db.close().unwrap();
        drop(self.db);
        let dir = self.dir.path();
        let report = tools::check(dir.join("data"), dir.join("keyring"), root_key(dir)).unwrap();
        assert_eq!(report.damages, Vec::<String>::new());
    }

    fn hours(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
        while self.db.tend_tables().unwrap() {}
    }
}

fn key(id: i64) -> Item {
    Item::from([("id", id)])
}

fn film(id: i64, title: &str) -> Item {
    Item::from([("id", AttributeValue::from(id)), ("title", title.into())])
}

fn put(db: &Database, item: Item) {
    db.put_item(PutItemInput::new("films", item)).unwrap();
}

fn delete(db: &Database, id: i64) {
    db.delete_item(DeleteItemInput::new("films", key(id)))
        .unwrap();
}

fn update(db: &Database, id: i64, expression: &str) {
    let input = UpdateItemInput::new("films", key(id)).update_expression(expression);
    let input = match expression.contains(":v") {
        true => input.value(":v", 1),
        false => input,
    };
    db.update_item(input).unwrap();
}

fn table(db: &Database) -> TableDescription {
    db.describe_table(DescribeTableInput::new("films"))
        .unwrap()
        .table
}

fn arn(db: &Database) -> String {
    table(db).latest_stream_arn.unwrap()
}

fn shard(db: &Database, arn: &str) -> sealdb::model::ops::Shard {
    let description = db.describe_stream(DescribeStreamInput::new(arn)).unwrap();
    let [shard] = &description.stream_description.shards[..] else {
        panic!("one shard");
    };
    shard.clone()
}

fn iterator_at(
    db: &Database,
    arn: &str,
    kind: ShardIteratorType,
    number: Option<String>,
) -> Result<String, Error> {
    let mut input = GetShardIteratorInput::new(arn, shard(db, arn).shard_id, kind);
    input.sequence_number = number;
    Ok(db.get_shard_iterator(input)?.shard_iterator)
}

fn iterator(db: &Database, kind: ShardIteratorType) -> String {
    iterator_at(db, &arn(db), kind, None).unwrap()
}

/// All records from an iterator on, and the iterator that comes after them.
fn read_on(db: &Database, iterator: &str, limit: i32) -> (Vec<Record>, Option<String>) {
    let mut records = Vec::new();
    let mut next = Some(iterator.to_owned());
    while let Some(iterator) = next.clone() {
        let input = GetRecordsInput::new(iterator).limit(limit);
        let page = db.get_records(input).unwrap();
        assert!(page.records.len() <= usize::try_from(limit).unwrap());
        next = page.next_shard_iterator;
        if page.records.is_empty() {
            break;
        }
        records.extend(page.records);
    }
    (records, next)
}

/// All records of the newest stream.
fn records(db: &Database) -> Vec<Record> {
    read_on(db, &iterator(db, ShardIteratorType::TrimHorizon), 1000).0
}

/// What happened to which item.
fn events(records: &[Record]) -> Vec<(OperationType, i64)> {
    records
        .iter()
        .map(|record| {
            let id = record.dynamodb.keys.get("id").unwrap();
            (record.event_name, id.as_n().unwrap().to_i64().unwrap())
        })
        .collect()
}

fn code<T>(result: Result<T, Error>) -> ErrorCode {
    result.err().unwrap().code()
}

#[test]
fn records_show_what_the_view_says() {
    use OperationType::{Insert, Modify, Remove};
    for &view in StreamViewType::ALL {
        let world = world(view);
        let began = world.clock.wall_ms();
        put(&world.db, film(1, "Alien"));
        world.clock.advance(Duration::from_secs(2));
        put(&world.db, film(1, "Aliens"));
        delete(&world.db, 1);

        let records = records(&world.db);
        assert_eq!(events(&records), [(Insert, 1), (Modify, 1), (Remove, 1)]);
        let (old, new) = (view.shows_old(), view.shows_new());
        let images = [
            (None, Some(film(1, "Alien"))),
            (Some(film(1, "Alien")), Some(film(1, "Aliens"))),
            (Some(film(1, "Aliens")), None),
        ];
        for (record, (before, after)) in records.iter().zip(images) {
            let change = &record.dynamodb;
            assert_eq!(change.stream_view_type, view);
            assert_eq!(change.old_image, before.filter(|_| old));
            assert_eq!(change.new_image, after.filter(|_| new));
            assert_eq!(change.keys, key(1));
            let shown = [&change.old_image, &change.new_image];
            let shown: usize = shown.into_iter().flatten().map(item_size).sum();
            assert_eq!(change.size_bytes(), shown + item_size(&key(1)));
            assert_eq!(record.user_identity, None);
            assert_eq!(record.event_id.len(), 32);
        }
        let times = records
            .iter()
            .map(|r| r.dynamodb.approximate_creation_date_time);
        assert_eq!(
            times.collect::<Vec<_>>(),
            [began, began + 2000, began + 2000]
        );
        assert_eq!(
            table(&world.db).stream_specification,
            Some(StreamSpecification::enabled(view))
        );
        world.check();
    }
}

#[test]
fn what_changes_nothing_leaves_no_record() {
    let world = world(StreamViewType::NewAndOldImages);
    delete(&world.db, 1);
    put(&world.db, film(1, "Alien"));
    put(&world.db, film(1, "Alien"));
    update(&world.db, 1, "REMOVE nothing");
    update(&world.db, 1, "SET title = title");
    let refused = PutItemInput::new("films", film(1, "Aliens"))
        .condition_expression("attribute_not_exists(id)");
    assert_eq!(
        code(world.db.put_item(refused)),
        ErrorCode::ConditionalCheckFailedException
    );
    assert_eq!(events(&records(&world.db)), [(OperationType::Insert, 1)]);
    update(&world.db, 1, "SET n = :v");
    update(&world.db, 2, "SET n = :v");
    assert_eq!(
        events(&records(&world.db))[1..],
        [(OperationType::Modify, 1), (OperationType::Insert, 2)]
    );
    world.check();
}

#[test]
fn batches_and_transactions_leave_their_records_in_order() {
    use OperationType::{Insert, Modify, Remove};
    let world = world(StreamViewType::KeysOnly);
    let mut batch = BatchWriteItemInput::new();
    for id in 0..25 {
        batch = batch.put("films", film(id, "x"));
    }
    world.db.batch_write_item(batch).unwrap();
    let put: Vec<_> = (0..25).map(|id| (Insert, id)).collect();
    assert_eq!(events(&records(&world.db)), put);

    let transaction = TransactWriteItemsInput::new()
        .action(TransactPut::new("films", film(99, "new")))
        .action(TransactUpdate::new("films", key(7), "SET n = :n").value(":n", 1))
        .action(TransactDelete::new("films", key(3)))
        .action(TransactDelete::new("films", key(1000)))
        .action(TransactPut::new("films", film(4, "y")));
    world.db.transact_write_items(transaction).unwrap();
    let all = records(&world.db);
    assert_eq!(
        events(&all[25..]),
        [(Insert, 99), (Modify, 7), (Remove, 3), (Modify, 4)]
    );
    let numbers: Vec<_> = all[25..]
        .iter()
        .map(|record| record.dynamodb.sequence_number)
        .collect();
    for (at, number) in numbers.iter().enumerate() {
        assert_eq!(number.commit, numbers[0].commit, "one commit");
        assert_eq!(number.record as usize, at, "without gaps");
    }
    world.check();
}

#[test]
fn an_item_that_expired_is_told_from_one_that_was_deleted() {
    let mut world = world(StreamViewType::OldImage);
    let on = UpdateTimeToLiveInput::new("films", "until", true);
    world.db.update_time_to_live(on).unwrap();
    let now = i64::try_from(world.clock.wall_ms() / 1000).unwrap();
    let mut brief = film(1, "brief");
    brief.insert("until", now + 10);
    put(&world.db, brief.clone());
    put(&world.db, film(2, "long"));
    delete(&world.db, 2);
    world.clock.advance(Duration::from_secs(11));
    while world.db.tend_tables().unwrap() {}
    for round in 0..3 {
        let records = records(&world.db);
        let [.., deleted, expired] = &records[..] else {
            panic!("four records");
        };
        assert_eq!(deleted.user_identity, None);
        assert_eq!(expired.event_name, OperationType::Remove);
        assert_eq!(expired.user_identity, Some(Identity::TIME_TO_LIVE));
        assert_eq!(expired.dynamodb.old_image.as_ref(), Some(&brief));
        if round == 1 {
            world.db.checkpoint_now().unwrap();
        }
        world = world.reopen();
    }
    world.check();
}

#[test]
fn after_a_crash_the_records_are_the_same() {
    let mut world = world(StreamViewType::NewAndOldImages);
    let mut seen: Vec<Record> = Vec::new();
    for round in 0..6 {
        for step in 0..40 {
            let id = (step * 7 + round) % 11;
            match (step + round) % 4 {
                0 => delete(&world.db, id),
                1 => put(&world.db, film(id, &"long ".repeat(700))),
                _ => put(&world.db, film(id, &format!("film {step} of {round}"))),
            }
            world.clock.advance(Duration::from_millis(700));
            if step == 20 && round % 2 == 1 {
                world.db.checkpoint_now().unwrap();
            }
        }
        let before = records(&world.db);
        assert_eq!(before[..seen.len()], seen, "what was there stays");
        assert!(before.len() > seen.len());
        world = world.reopen();
        // What replay does not make again must not be hidden by what it does.
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(records(&world.db), before, "round {round}");
        seen = before;
    }
    let numbers: Vec<_> = seen.iter().map(|r| r.dynamodb.sequence_number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let mut ids: Vec<_> = seen.iter().map(|record| &record.event_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), seen.len());
    world.check();
}

#[test]
fn iterators_lead_to_their_places() {
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, Latest, TrimHorizon};
    let world = world(StreamViewType::KeysOnly);
    let (db, stream) = (&world.db, arn(&world.db));
    let start = shard(db, &stream);
    assert_eq!(start.ending_sequence_number, None);
    let from_start = start.starting_sequence_number;
    assert!(iterator_at(db, &stream, AtSequenceNumber, Some(from_start)).is_ok());
    for id in 0..5 {
        put(db, film(id, "before"));
    }
    let latest = iterator(db, Latest);
    for id in 5..10 {
        put(db, film(id, "after"));
    }
    let all = records(db);
    assert_eq!(all.len(), 10);
    assert_eq!(read_on(db, &latest, 1000).0, all[5..]);
    let number = all[3].dynamodb.sequence_number.to_string();
    let at = |kind| iterator_at(db, &stream, kind, Some(number.clone())).unwrap();
    assert_eq!(read_on(db, &at(AtSequenceNumber), 2).0, all[3..]);
    assert_eq!(read_on(db, &at(AfterSequenceNumber), 1).0, all[4..]);
    let (paged, next) = read_on(db, &iterator(db, TrimHorizon), 3);
    assert_eq!(paged, all);
    // An open shard goes on for ever.
    put(db, film(10, "later"));
    assert_eq!(read_on(db, &next.unwrap(), 3).0.len(), 1);

    for wrong in ["1".repeat(21), "0".repeat(21)] {
        let refused = iterator_at(db, &stream, AtSequenceNumber, Some(wrong)).unwrap_err();
        assert_eq!(refused.to_string(), "Invalid SequenceNumber");
    }
    let mut other =
        GetShardIteratorInput::new(&stream, "shardId-00000000000000000000-00000000", Latest);
    let refused = db.get_shard_iterator(other.clone()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ResourceNotFoundException);
    assert_eq!(
        refused.to_string(),
        "Requested resource not found: Shard does not exist"
    );
    other.stream_arn = stream.replace("films", "other");
    let refused = db.get_shard_iterator(other).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "Requested resource not found: Stream: {} not found",
            stream.replace("films", "other")
        )
    );
    let refused = db
        .get_records(GetRecordsInput::new("nonsense"))
        .unwrap_err();
    assert_eq!(refused.to_string(), "Invalid ShardIterator");
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
    let refused = world.db.get_records(GetRecordsInput::new(latest));
    assert_eq!(code(refused), ErrorCode::ExpiredIteratorException);
    world.check();
}

#[test]
fn a_page_has_no_more_than_a_megabyte() {
    let world = world(StreamViewType::NewAndOldImages);
    let long = "x".repeat(300 * 1024);
    for id in 0..5 {
        put(&world.db, film(id, &long));
    }
    put(&world.db, film(0, &"y".repeat(390 * 1024)));
    put(&world.db, film(0, &"z".repeat(390 * 1024)));
    let first = iterator(&world.db, ShardIteratorType::TrimHorizon);
    let page = world.db.get_records(GetRecordsInput::new(&first)).unwrap();
    assert_eq!(page.records.len(), 3);
    assert_eq!(read_on(&world.db, &first, 1000).0.len(), 7);
    world.check();
}

#[test]
fn records_are_kept_for_a_day() {
    use ShardIteratorType::AfterSequenceNumber;
    let mut world = world(StreamViewType::NewImage);
    for id in 0..600 {
        put(&world.db, film(id, "old"));
    }
    let old = records(&world.db);
    world.hours(23);
    put(&world.db, film(1, "new"));
    put(&world.db, film(2, "new"));
    assert_eq!(records(&world.db).len(), 602);
    // One who reads on where the trimmed ones end has lost nothing.
    let last = old[599].dynamodb.sequence_number.to_string();
    let lagging = old[598].dynamodb.sequence_number.to_string();
    let stream = arn(&world.db);
    let start = || {
        let number = shard(&world.db, &stream).starting_sequence_number;
        iterator_at(
            &world.db,
            &stream,
            ShardIteratorType::AtSequenceNumber,
            Some(number),
        )
    };
    assert_eq!(read_on(&world.db, &start().unwrap(), 1000).0.len(), 602);
    world.hours(1);
    for round in 0..3 {
        let (db, stream) = (&world.db, arn(&world.db));
        assert_eq!(
            events(&records(db)),
            [(OperationType::Modify, 1), (OperationType::Modify, 2)]
        );
        let after =
            |number: &String| iterator_at(db, &stream, AfterSequenceNumber, Some(number.clone()));
        assert_eq!(read_on(db, &after(&last).unwrap(), 1000).0.len(), 2);
        let refused = after(&lagging).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::TrimmedDataAccessException);
        let number = shard(db, &stream).starting_sequence_number;
        let start = iterator_at(
            db,
            &stream,
            ShardIteratorType::AtSequenceNumber,
            Some(number),
        );
        assert_eq!(read_on(db, &start.unwrap(), 1000).0.len(), 2);
        if round == 1 {
            world.db.checkpoint_now().unwrap();
        }
        world = world.reopen();
    }
    world.hours(23);
    assert!(records(&world.db).is_empty());
    world.check();
}

#[test]
fn an_iterator_whose_records_were_trimmed_meanwhile_says_so() {
    let world = world(StreamViewType::KeysOnly);
    put(&world.db, film(1, "x"));
    world.clock.advance(Duration::from_secs(24 * 3600 - 60));
    let number = records(&world.db)[0].dynamodb.sequence_number.to_string();
    let kind = ShardIteratorType::AtSequenceNumber;
    let iterator = iterator_at(&world.db, &arn(&world.db), kind, Some(number)).unwrap();
    world.clock.advance(Duration::from_secs(61));
    while world.db.tend_tables().unwrap() {}
    let refused = world.db.get_records(GetRecordsInput::new(iterator));
    assert_eq!(code(refused), ErrorCode::TrimmedDataAccessException);
    world.check();
}

#[test]
fn a_disabled_stream_can_be_read_for_a_day() {
    let mut world = world(StreamViewType::NewImage);
    let switch = |world: &World, to: StreamSpecification| {
        let update = UpdateTableInput::new("films").stream_specification(to);
        world
            .db
            .update_table(update)
            .map(|output| output.table_description)
    };
    let on = StreamSpecification::enabled(StreamViewType::KeysOnly);
    assert_eq!(
        switch(&world, on).unwrap_err().to_string(),
        "Table already has an enabled stream: TableName: films"
    );
    put(&world.db, film(1, "first"));
    let first = arn(&world.db);
    let described = switch(&world, StreamSpecification::disabled()).unwrap();
    assert_eq!(described.stream_specification, None);
    assert_eq!(described.latest_stream_arn.as_ref(), Some(&first));
    assert_eq!(
        switch(&world, StreamSpecification::disabled())
            .unwrap_err()
            .to_string(),
        "Table has no stream to disable: TableName: films"
    );
    put(&world.db, film(2, "in between"));
    let described = switch(&world, on).unwrap();
    let second = described.latest_stream_arn.clone().unwrap();
    assert_eq!(described.stream_specification, Some(on));
    assert!(second > first && second.ends_with(described.latest_stream_label.as_ref().unwrap()));
    put(&world.db, film(3, "second"));

    for round in 0..3 {
        let db = &world.db;
        let listed = |input: ListStreamsInput| {
            let output = db.list_streams(input).unwrap();
            let arns = output.streams.iter().map(ToString::to_string);
            (arns.collect::<Vec<_>>(), output.last_evaluated_stream_arn)
        };
        let all = vec![first.clone(), second.clone()];
        assert_eq!(listed(ListStreamsInput::new()), (all.clone(), None));
        assert_eq!(
            listed(ListStreamsInput::new().table_name("films")),
            (all, None)
        );
        let page = ListStreamsInput::new().limit(1);
        assert_eq!(
            listed(page.clone()),
            (vec![first.clone()], Some(first.clone()))
        );
        assert_eq!(
            listed(page.exclusive_start_stream_arn(&first)),
            (vec![second.clone()], None)
        );
        let describe = |arn: &str| {
            let output = db.describe_stream(DescribeStreamInput::new(arn)).unwrap();
            output.stream_description
        };
        assert_eq!(describe(&first).stream_status, StreamStatus::Disabled);
        assert_eq!(describe(&second).stream_status, StreamStatus::Enabled);
        assert_eq!(describe(&second).key_schema, table(db).key_schema);

        let oldest = ShardIteratorType::TrimHorizon;
        let from = iterator_at(db, &first, oldest, None).unwrap();
        let (records, next) = read_on(db, &from, 1000);
        assert_eq!(events(&records), [(OperationType::Insert, 1)]);
        assert_eq!(next, None, "a closed shard ends");
        assert_eq!(
            shard(db, &first).ending_sequence_number,
            Some(records[0].dynamodb.sequence_number.to_string())
        );
        let from = iterator_at(db, &second, oldest, None).unwrap();
        let (records, next) = read_on(db, &from, 1000);
        assert_eq!(events(&records), [(OperationType::Insert, 3)]);
        assert!(next.is_some());
        if round == 1 {
            world.db.checkpoint_now().unwrap();
        }
        world = world.reopen();
    }
    world.hours(24);
    for _ in 0..2 {
        let gone = world.db.describe_stream(DescribeStreamInput::new(&first));
        assert_eq!(code(gone), ErrorCode::ResourceNotFoundException);
        assert_eq!(arn(&world.db), second);
        world = world.reopen();
    }
    world.check();
}

#[test]
fn switching_between_the_changes_of_one_moment_records_just_those_within() {
    let mut world = world_with(StreamViewType::KeysOnly, Background::Threads);
    // Writers go on while the stream is switched: what one group holds of both sides must be told apart by replay, too.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (db, stop) = (world.db.clone(), &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    put(&db, film(writer, &format!("{n}")));
                    n += 1;
                }
            });
        }
        for _ in 0..6 {
            let off = StreamSpecification::disabled();
            let on = StreamSpecification::enabled(StreamViewType::NewImage);
            for to in [off, on] {
                let update = UpdateTableInput::new("films").stream_specification(to);
                world.db.update_table(update).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let all = |db: &Database| -> Vec<Vec<Record>> {
        let streams = db.list_streams(ListStreamsInput::new()).unwrap().streams;
        let oldest = ShardIteratorType::TrimHorizon;
        let read = |arn: &String| {
            let from = iterator_at(db, arn, oldest, None).unwrap();
            read_on(db, &from, 1000).0
        };
        streams.iter().map(|arn| read(&arn.to_string())).collect()
    };
    let before = all(&world.db);
    assert_eq!(before.len(), 7);
    world = world.reopen();
    assert_eq!(all(&world.db), before);
    world.check();
}

#[test]
fn records_of_a_key_are_in_the_order_of_its_commits() {
    let mut world = world_with(StreamViewType::NewImage, Background::Threads);
    let each = 60;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let db = world.db.clone();
            scope.spawn(move || {
                for n in 0..each {
                    let add =
                        UpdateItemInput::new("films", key(n % 3)).update_expression("ADD n :v");
                    db.update_item(add.value(":v", 1)).unwrap();
                }
            });
        }
    });
    for _ in 0..2 {
        let records = records(&world.db);
        assert_eq!(records.len(), 4 * usize::try_from(each).unwrap());
        for id in 0..3 {
            let of_key = records.iter().filter(|r| r.dynamodb.keys == key(id));
            let counts = of_key.map(|record| {
                let image = record.dynamodb.new_image.as_ref().unwrap();
                image.get("n").unwrap().as_n().unwrap().to_i64().unwrap()
            });
            let counts: Vec<_> = counts.collect();
            assert_eq!(
                counts,
                (1..=80).collect::<Vec<_>>(),
                "none is missing, none comes twice"
            );
        }
        world = world.reopen();
    }
    world.check();
}

#[test]
fn a_tables_streams_go_with_it() {
    let world = world(StreamViewType::KeysOnly);
    put(&world.db, film(1, "x"));
    let stream = arn(&world.db);
    world
        .db
        .delete_table(DeleteTableInput::new("films"))
        .unwrap();
    let gone = world.db.describe_stream(DescribeStreamInput::new(stream));
    assert_eq!(code(gone), ErrorCode::ResourceNotFoundException);
    let listed = world.db.list_streams(ListStreamsInput::new()).unwrap();
    assert!(listed.streams.is_empty());
    world.check();
}
