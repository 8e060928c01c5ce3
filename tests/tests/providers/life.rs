//! The life of a table under a provider's key, in a database whose system key is the keyring's.

use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::{KeyRef, Kms, ManualClock};
use sealdb::model::ScalarType;
use sealdb::model::ops::{
    CreateTableInput, DeleteTableInput, DescribeTableInput, GetItemInput, PutItemInput,
    SseSpecification, TableStatus, UpdateTableInput,
};
use sealdb::{Background, Database, Error, ErrorCode, Options, blocking};
use sealdb_kms::Family;
use sealdb_tests::disk::{Home, small};
use sealdb_tests::judge::{item, key_item};

use crate::suite::{Subject, routed};

/// Beyond the age of a key, and beyond the pause before a closed table is tried again.
const LATER: Duration = Duration::from_secs(5 * 60);
const COAST: Duration = Duration::from_secs(30 * 60);
const TABLE: &str = "films";

struct World {
    home: Home,
    kms: Arc<dyn Kms>,
    clock: Arc<ManualClock>,
}

impl World {
    fn open(&self) -> blocking::Database {
        let options = Options {
            background: Background::Inline,
            key_coast: COAST,
            ..small()
        };
        let builder = Database::builder(self.home.data()).kms(self.kms.clone());
        let builder = builder.clock(self.clock.clone()).options(options);
        builder.open_sync().unwrap()
    }

    fn later(&self, db: &blocking::Database, by: Duration) {
        self.clock.advance(by);
        // Once to ask, once to see what was answered.
        db.keeper_tick();
        db.keeper_tick();
    }
}

pub(crate) fn of_a_table(subject: &dyn Subject) {
    let home = Home::new();
    let keyring: Arc<dyn Kms> = match subject.family() {
        Family::Default => subject.kms(),
        _ => Arc::new(home.keyring()),
    };
    let world = World {
        kms: routed(subject, keyring),
        home,
        clock: Arc::default(),
    };
    let [key, other] = subject.keys();

    let db = world.open();
    create(&db, TABLE, &key).unwrap();
    create(&db, "songs", &KeyRef::default_key()).unwrap();
    create(&db, "books", &other).unwrap();
    for table in [TABLE, "songs", "books"] {
        put(&db, table, 1).unwrap();
    }
    let missing = create(&db, "none", &subject.missing()).unwrap_err();
    assert!(matches!(missing, Error::Key(_)), "{missing:?}");
    db.close().unwrap();

    // Opened again, with keys that are unwrapped anew.
    let db = world.open();
    for table in [TABLE, "songs", "books"] {
        get(&db, table, 1).unwrap();
    }
    put(&db, TABLE, 2).unwrap();

    // Taken away: that table closes, the others never notice, and it is back when the key is.
    subject.allow(false);
    world.later(&db, LATER);
    closed(&db, TABLE);
    get(&db, "songs", 1).unwrap();
    get(&db, "books", 1).unwrap();
    subject.allow(true);
    world.later(&db, LATER);
    get(&db, TABLE, 2).unwrap();

    // Under a key of the keyring's while it is in use, which needs its own no more, and back.
    rewrap(&db, TABLE, &KeyRef::default_key()).unwrap();
    subject.allow(false);
    world.later(&db, LATER);
    get(&db, TABLE, 1).unwrap();
    assert!(rewrap(&db, TABLE, &key).is_err());
    subject.allow(true);
    rewrap(&db, TABLE, &key).unwrap();
    get(&db, TABLE, 2).unwrap();

    // Out of reach: it coasts, and closes in the end.
    if subject.family() != Family::Default {
        subject.reach(false);
        world.later(&db, LATER);
        get(&db, TABLE, 1).unwrap();
        world.later(&db, COAST);
        closed(&db, TABLE);
        get(&db, "songs", 1).unwrap();
        subject.reach(true);
        world.later(&db, LATER);
        get(&db, TABLE, 2).unwrap();
    }

    db.delete_table(DeleteTableInput::new(TABLE)).unwrap();
    db.close().unwrap();
    let db = world.open();
    assert!(get(&db, TABLE, 1).is_err());
    get(&db, "books", 1).unwrap();
    db.close().unwrap();
}

fn create(db: &blocking::Database, table: &str, key: &KeyRef) -> Result<(), Error> {
    let mut input = CreateTableInput::new(table)
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    input.sse_specification = Some(SseSpecification::kms(key.to_string()));
    db.create_table(input).map(|_| ())
}

fn rewrap(db: &blocking::Database, table: &str, key: &KeyRef) -> Result<(), Error> {
    let mut input = UpdateTableInput::new(table);
    input.sse_specification = Some(SseSpecification::kms(key.to_string()));
    db.update_table(input).map(|_| ())
}

fn put(db: &blocking::Database, table: &str, n: i64) -> Result<(), Error> {
    db.put_item(PutItemInput::new(table, item("p", n, "value")))
        .map(|_| ())
}

fn get(db: &blocking::Database, table: &str, n: i64) -> Result<(), Error> {
    let got = db.get_item(GetItemInput::new(table, key_item(&("p".into(), n))))?;
    assert!(got.item.is_some(), "{table} {n}");
    Ok(())
}

fn closed(db: &blocking::Database, table: &str) {
    let code = ErrorCode::InaccessibleEncryptionCredentialsException;
    assert_eq!(get(db, table, 1).unwrap_err().code(), code);
    assert_eq!(put(db, table, 3).unwrap_err().code(), code);
    let described = db.describe_table(DescribeTableInput::new(table)).unwrap();
    let status = described.table.table_status;
    assert_eq!(status, TableStatus::InaccessibleEncryptionCredentials);
}
