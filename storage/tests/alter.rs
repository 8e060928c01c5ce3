//! Tables that are altered while they are used: indexes made and removed, settings, tags, time to live, states that do not last.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealdb::blocking::Database;
use sealdb::crypto::{Clock, ManualClock};
use sealdb::model::ops::{
    AttributeDefinition, BillingMode, CreateTableInput, DeleteItemInput, DeleteTableInput,
    DescribeTableInput, DescribeTimeToLiveInput, GetItemInput, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, IndexStatus, ListTagsOfResourceInput, ProvisionedThroughput,
    PutItemInput, QueryInput, ScanInput, TableClass, TableDescription, TableStatus, Tag,
    TagResourceInput, TimeToLiveStatus, UntagResourceInput, UpdateTableInput,
    UpdateTimeToLiveInput, WarmThroughput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Background, ErrorCode, Options, RootKeySource, tools};

struct World {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    options: Options,
    db: Database,
}

fn open(dir: &Path, clock: &Arc<ManualClock>, options: &Options) -> Database {
    sealdb::Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key(dir))
        .clock(clock.clone())
        .options(options.clone())
        .open_sync()
        .unwrap()
}

fn root_key(dir: &Path) -> RootKeySource {
    let file = dir.join("root.key");
    match file.exists() {
        true => RootKeySource::File(file),
        false => RootKeySource::create_file(file).unwrap(),
    }
}

/// A database whose background work is driven by the test.
fn world(change: impl FnOnce(&mut Options)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    clock.advance(Duration::from_secs(1_000_000_000));
    let mut options = Options {
        background: Background::Inline,
        ..Options::default()
    };
    change(&mut options);
    let db = open(dir.path(), &clock, &options);
    db.create_table(CreateTableInput::new("films").partition_key("id", ScalarType::N))
        .unwrap();
    World {
        dir,
        clock,
        options,
        db,
    }
}

impl World {
    /// As after a crash.
    fn reopen(self) -> Self {
        let World {
            dir,
            clock,
            options,
            db,
        } = self;
        drop(db);
        let db = open(dir.path(), &clock, &options);
        World {
            dir,
            clock,
            options,
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
}

fn film(id: i64) -> Item {
    let mut item = Item::from([
        ("id", AttributeValue::from(id)),
        ("title", format!("film {id}").into()),
    ]);
    if id % 3 != 0 {
        item.insert("year", 1900 + id % 7);
    }
    item
}

fn put(db: &Database, item: Item) {
    db.put_item(PutItemInput::new("films", item)).unwrap();
}

fn get(db: &Database, id: i64) -> Option<Item> {
    let key = Item::from([("id", id)]);
    db.get_item(GetItemInput::new("films", key)).unwrap().item
}

fn describe(db: &Database) -> TableDescription {
    let input = DescribeTableInput::new("films");
    db.describe_table(input).unwrap().table
}

fn by_year() -> UpdateTableInput {
    UpdateTableInput::new("films")
        .attribute_definitions(vec![
            AttributeDefinition::new("year", ScalarType::N),
            AttributeDefinition::new("id", ScalarType::N),
        ])
        .index_update(GlobalSecondaryIndexUpdate::Create(
            GlobalSecondaryIndex::new("by-year", &["year"], &["id"]),
        ))
}

fn of_year(db: &Database, year: i64) -> Result<Vec<Item>, sealdb::Error> {
    let query = QueryInput::new("films", "#y = :y")
        .name("#y", "year")
        .value(":y", year);
    Ok(db.query(query.index_name("by-year"))?.items)
}

/// The index shows what the items imply.
fn assert_index_follows(db: &Database, ids: impl Iterator<Item = i64> + Clone) {
    for year in 1900..1907 {
        let implied = ids
            .clone()
            .filter(|id| id % 3 != 0 && 1900 + id % 7 == year);
        let implied: Vec<Item> = implied.map(film).collect();
        assert_eq!(of_year(db, year).unwrap(), implied, "{year}");
    }
}

#[test]
fn an_index_that_is_made_later_is_filled_also_across_crashes() {
    let mut world = world(|_| {});
    for id in 0..300 {
        put(&world.db, film(id));
    }
    let made = world.db.update_table(by_year()).unwrap().table_description;
    let index = &made.global_secondary_indexes[0];
    assert_eq!(index.index_status, IndexStatus::Creating);
    assert_eq!(index.backfilling, Some(true));
    let refused = of_year(&world.db, 1901).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Cannot read from backfilling global secondary index: by-year"
    );
    let second =
        by_year().global_secondary_index_updates(vec![GlobalSecondaryIndexUpdate::Create(
            GlobalSecondaryIndex::new("second", &["year"], &[]),
        )]);
    let refused = world.db.update_table(second).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::LimitExceededException);

    // Half filled; then items change on both sides of where it stands.
    assert!(world.db.tend_tables().unwrap());
    assert!(world.db.tend_tables().unwrap());
    for id in 300..400 {
        put(&world.db, film(id));
    }
    for id in (0..400).step_by(5) {
        let key = Item::from([("id", id)]);
        world
            .db
            .delete_item(DeleteItemInput::new("films", key))
            .unwrap();
    }
    world = world.reopen();
    world.db.checkpoint_now().unwrap();
    assert!(world.db.tend_tables().unwrap());
    world = world.reopen();
    let mut rounds = 0;
    while world.db.tend_tables().unwrap() {
        rounds += 1;
    }
    assert!((1..20).contains(&rounds), "{rounds} more pieces");
    let index = &describe(&world.db).global_secondary_indexes[0];
    assert_eq!(index.index_status, IndexStatus::Active);
    assert_eq!(index.backfilling, None);
    assert_index_follows(&world.db, (0..400).filter(|id| id % 5 != 0));
    put(&world.db, film(500));
    world = world.reopen();
    assert_index_follows(
        &world.db,
        (0..501)
            .filter(|id| id % 5 != 0 || *id == 500)
            .filter(|id| *id < 400 || *id == 500),
    );
    world.check();
}

#[test]
fn adding_or_dropping_an_index_never_changes_a_base_read() {
    let mut world = world(|_| {});
    for id in 0..150 {
        put(&world.db, film(id));
    }
    let everything = |db: &Database| {
        let scan = db.scan(ScanInput::new("films")).unwrap();
        assert_eq!(scan.count, 150);
        scan.items
    };
    let before = everything(&world.db);
    world.db.update_table(by_year()).unwrap();
    assert_eq!(everything(&world.db), before);
    while world.db.tend_tables().unwrap() {
        assert_eq!(everything(&world.db), before);
    }
    world.db.checkpoint_now().unwrap();
    let full = world.db.stats().page_used_bytes;
    let drop_index =
        UpdateTableInput::new("films").index_update(GlobalSecondaryIndexUpdate::Delete {
            index_name: "by-year".into(),
        });
    let dropped = world
        .db
        .update_table(drop_index.clone())
        .unwrap()
        .table_description;
    assert_eq!(
        dropped.global_secondary_indexes[0].index_status,
        IndexStatus::Deleting
    );
    assert_eq!(dropped.table_status, TableStatus::Updating);
    assert_eq!(
        of_year(&world.db, 1901).unwrap_err().to_string(),
        "The table does not have the specified index: by-year"
    );
    world = world.reopen();
    world.db.tend_tables().unwrap();
    assert_eq!(describe(&world.db).global_secondary_indexes.len(), 0);
    assert_eq!(describe(&world.db).table_status, TableStatus::Active);
    assert_eq!(everything(&world.db), before);
    let again = world.db.update_table(drop_index).unwrap_err();
    assert_eq!(again.code(), ErrorCode::ResourceNotFoundException);
    world.db.checkpoint_now().unwrap();
    world.db.checkpoint_now().unwrap();
    assert!(world.db.stats().page_used_bytes < full);

    // One of the same name, made anew, has a key of its own and starts from nothing.
    world.db.update_table(by_year()).unwrap();
    while world.db.tend_tables().unwrap() {}
    assert_index_follows(&world.db, 0..150);
    world.check();
}

#[test]
fn settings_last() {
    let mut world = world(|_| {});
    let units = |read_capacity_units| ProvisionedThroughput {
        read_capacity_units,
        write_capacity_units: 7,
    };
    world
        .db
        .update_table(
            UpdateTableInput::new("films")
                .billing_mode(BillingMode::Provisioned)
                .provisioned_throughput(units(5))
                .warm_throughput(WarmThroughput {
                    read_units_per_second: Some(100),
                    write_units_per_second: None,
                })
                .table_class(TableClass::StandardInfrequentAccess)
                .deletion_protection_enabled(true),
        )
        .unwrap();
    let tags = vec![Tag::new("owner", "me"), Tag::new("cost", "low")];
    world
        .db
        .tag_resource(TagResourceInput::new("films", tags))
        .unwrap();
    world
        .db
        .untag_resource(UntagResourceInput::new("films", vec!["owner".into()]))
        .unwrap();
    for round in 0..3 {
        let table = describe(&world.db);
        assert_eq!(table.provisioned_throughput, units(5));
        assert_eq!(
            table.billing_mode_summary.billing_mode,
            BillingMode::Provisioned
        );
        let infrequent = TableClass::StandardInfrequentAccess;
        assert_eq!(table.table_class, Some(infrequent));
        let ready = table.warm_throughput.unwrap();
        assert_eq!(ready.read_units_per_second, Some(100));
        assert_eq!(ready.write_units_per_second, Some(7));
        let since = table.billing_mode_summary;
        assert_eq!(
            since.last_update_to_pay_per_request_date_time,
            Some(table.creation_date_time),
            "as which it was made"
        );
        assert!(table.deletion_protection_enabled);
        let tags = world
            .db
            .list_tags_of_resource(ListTagsOfResourceInput::new("films"))
            .unwrap();
        assert_eq!(tags.tags, [Tag::new("cost", "low")]);
        if round == 1 {
            world.db.checkpoint_now().unwrap();
        }
        world = world.reopen();
    }
    let delete = || DeleteTableInput::new("films");
    assert_eq!(
        world.db.delete_table(delete()).unwrap_err().to_string(),
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    );
    let unprotect = UpdateTableInput::new("films").deletion_protection_enabled(false);
    world.db.update_table(unprotect).unwrap();
    world.db.delete_table(delete()).unwrap();
    world.check();
}

#[test]
fn an_item_whose_time_has_come_is_gone() {
    let mut world = world(|_| {});
    let now = i64::try_from(world.clock.wall_ms() / 1000).unwrap();
    let until = |id: i64, at: i64| {
        let mut item = film(id);
        item.insert("until", at);
        item
    };
    let five_years = 5 * 365 * 24 * 3600;
    put(&world.db, until(1, now - 10));
    put(&world.db, until(2, now + 100));
    put(&world.db, until(3, now - five_years - 1));
    put(&world.db, film(4));
    let mut text = film(5);
    text.insert("until", "yesterday");
    put(&world.db, text);
    world.db.tend_tables().unwrap();
    assert!(
        get(&world.db, 1).is_some(),
        "nothing expires unless it is asked for"
    );

    let on = || UpdateTimeToLiveInput::new("films", "until", true);
    world.db.update_time_to_live(on()).unwrap();
    let status = |db: &Database| {
        let input = DescribeTimeToLiveInput::new("films");
        db.describe_time_to_live(input).unwrap().time_to_live_status
    };
    assert_eq!(status(&world.db), TimeToLiveStatus::Enabling);
    assert!(world.db.update_time_to_live(on()).is_err());
    while world.db.tend_tables().unwrap() {}
    assert_eq!(status(&world.db), TimeToLiveStatus::Enabled);
    world.db.tend_tables().unwrap();
    let left = |db: &Database| {
        (1..=5)
            .filter(|id| get(db, *id).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&world.db), [2, 3, 4, 5]);

    // The time of an item that was changed counts.
    put(&world.db, until(2, now + 500));
    put(&world.db, until(4, now + 100));
    world.clock.advance(Duration::from_secs(101));
    world = world.reopen();
    world.db.tend_tables().unwrap();
    assert_eq!(left(&world.db), [2, 3, 5]);

    let off = UpdateTimeToLiveInput::new("films", "until", false);
    world.db.update_time_to_live(off).unwrap();
    assert_eq!(status(&world.db), TimeToLiveStatus::Disabled);
    world.clock.advance(Duration::from_secs(1000));
    world.db.tend_tables().unwrap();
    assert_eq!(left(&world.db), [2, 3, 5]);
    world.check();
}

#[test]
fn a_table_is_seen_being_created_updated_and_deleted_for_its_time() {
    let mut world = world(|options| options.table_window = Duration::from_secs(3));
    let put_now = |world: &World| world.db.put_item(PutItemInput::new("films", film(1)));
    assert_eq!(describe(&world.db).table_status, TableStatus::Creating);
    assert_eq!(
        put_now(&world).unwrap_err().code(),
        ErrorCode::ResourceNotFoundException
    );
    let delete = || DeleteTableInput::new("films");
    let refused = world.db.delete_table(delete()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ResourceInUseException);
    world.clock.advance(Duration::from_secs(4));
    world.db.tend_tables().unwrap();
    assert_eq!(describe(&world.db).table_status, TableStatus::Active);
    put_now(&world).unwrap();

    let update = || UpdateTableInput::new("films").deletion_protection_enabled(false);
    let updating = world.db.update_table(update()).unwrap().table_description;
    assert_eq!(updating.table_status, TableStatus::Updating);
    put_now(&world).unwrap();
    assert_eq!(
        world.db.update_table(update()).unwrap_err().to_string(),
        "Attempt to change a resource which is still in use: Table is being updated: films"
    );
    assert!(world.db.delete_table(delete()).is_err());
    world.clock.advance(Duration::from_secs(4));
    world.db.tend_tables().unwrap();
    assert_eq!(describe(&world.db).table_status, TableStatus::Active);

    let deleting = world.db.delete_table(delete()).unwrap().table_description;
    assert_eq!(deleting.table_status, TableStatus::Deleting);
    world = world.reopen();
    assert_eq!(describe(&world.db).table_status, TableStatus::Deleting);
    assert_eq!(
        put_now(&world).unwrap_err().code(),
        ErrorCode::ResourceNotFoundException
    );
    assert_eq!(
        world.db.delete_table(delete()).unwrap_err().code(),
        ErrorCode::ResourceInUseException
    );
    world.clock.advance(Duration::from_secs(4));
    world.db.tend_tables().unwrap();
    let gone = world.db.describe_table(DescribeTableInput::new("films"));
    assert_eq!(
        gone.unwrap_err().code(),
        ErrorCode::ResourceNotFoundException
    );
    world.check();
}
