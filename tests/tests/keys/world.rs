//! A database whose keys, KMS and clock the tests hold in their hands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::audit::{AuditEvent, AuditTrail, TrailAccess};
use sealdb::crypto::kms::{Alias, KeyUsage};
use sealdb::crypto::testing::ScriptedKms;
use sealdb::crypto::{
    Aes256Gcm, Caller, DatabaseId, EpochLimits, KeyRef, Keyring, Kms, ManualClock, Provider,
    SystemClock,
};
use sealdb::model::ScalarType;
use sealdb::model::ops::{
    CreateTableInput, DescribeTableInput, SseSpecification, SseType, TableStatus,
};
use sealdb::{Background, Database, Error, ErrorCode, Options, blocking};
use sealdb_tests::disk::{Home, small};
use sealdb_tests::judge::{State, judge};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const TABLES: [&str; 2] = ["films", "songs"];

pub(super) fn key_of(table: &str) -> KeyRef {
    format!("alias/{table}").parse().unwrap()
}

/// A database of two tables, each under a KMS key of its own, on a clock that is moved by hand.
pub(super) struct World {
    pub(super) home: Home,
    pub(super) keyring: Arc<Keyring>,
    pub(super) kms: Arc<ScriptedKms>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) options: Options,
    pub(super) state: State,
}

impl World {
    pub(super) fn new() -> Self {
        let home = Home::new();
        let keyring = Arc::new(home.keyring());
        for table in TABLES {
            let alias = Alias::new(format!("alias/{table}")).unwrap();
            keyring
                .create_key(Some(alias), "", KeyUsage::Table)
                .unwrap();
        }
        let kms = Arc::new(ScriptedKms::new(keyring.clone()));
        let options = Options {
            background: Background::Inline,
            ..small()
        };
        World {
            home,
            keyring,
            kms,
            clock: Arc::default(),
            options,
            state: State::default(),
        }
    }

    pub(super) fn builder(&self) -> sealdb::Builder {
        Database::builder(self.home.data())
            .kms(self.kms.clone())
            .clock(self.clock.clone())
            .options(self.options.clone())
    }

    pub(super) fn open(&self) -> blocking::Database {
        self.builder().open_sync().unwrap()
    }

    /// Opens it for the first time and makes its tables.
    pub(super) fn filled(&mut self) -> blocking::Database {
        let db = self.open();
        for table in TABLES {
            let mut input = CreateTableInput::new(table)
                .partition_key("pk", ScalarType::S)
                .sort_key("sk", ScalarType::N);
            input.sse_specification = Some(SseSpecification::kms(format!("alias/{table}")));
            db.create_table(input).unwrap();
            for n in 0..30 {
                self.put(&db, table, n);
            }
        }
        db
    }

    pub(super) fn put(&mut self, db: &blocking::Database, table: &str, n: i64) {
        self.state.put(
            db,
            table,
            &format!("p{}", n % 3),
            n,
            &"v".repeat(n as usize % 50 * 10),
        );
    }

    pub(super) fn tick(&self, db: &blocking::Database, after: Duration) {
        self.clock.advance(after);
        db.keeper_tick();
    }

    /// Everything that was acknowledged is there, in a database opened anew.
    pub(super) fn all_is_there(&self, what: &str) {
        let verdict = judge(|| self.builder(), std::slice::from_ref(&self.state), what);
        assert!(!verdict.noticed(), "{what}: {verdict:?}");
    }

    /// The events of the trail. Read with the keyring itself, so that the scripted KMS does not count it.
    pub(super) fn events(&self) -> Vec<AuditEvent> {
        events(&self.home.data(), self.keyring.clone())
    }
}

pub(super) fn events(data: &Path, kms: Arc<dyn Kms>) -> Vec<AuditEvent> {
    let path = data.join("audit.trail");
    let head = std::fs::read(&path).unwrap();
    let clock = Arc::new(SystemClock);
    let access = TrailAccess {
        kms,
        sealing: Arc::new(Aes256Gcm::new(
            Provider::default_provider(),
            EpochLimits::default(),
            clock.clone(),
        )),
        clock,
        database: DatabaseId::from_bytes(head[12..28].try_into().unwrap()),
        caller: Caller::new("test"),
    };
    AuditTrail::open_read_only(&path, &access)
        .unwrap()
        .map(|record| record.unwrap().event)
        .collect()
}

pub(super) fn readable(db: &blocking::Database, table: &str) -> Result<(), Error> {
    let key = sealdb_tests::judge::key_item(&("p1".into(), 1));
    let got = db.get_item(sealdb::model::ops::GetItemInput::new(table, key))?;
    assert!(got.item.is_some(), "{table}");
    Ok(())
}

pub(super) fn closed(db: &blocking::Database, table: &str) {
    let error = readable(db, table).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException,
        "{error}"
    );
    let put = sealdb_tests::judge::item("p1", 1, "refused");
    let error = db
        .put_item(sealdb::model::ops::PutItemInput::new(table, put))
        .unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException,
        "{error}"
    );
    let described = db
        .describe_table(DescribeTableInput::new(table))
        .unwrap()
        .table;
    assert_eq!(
        described.table_status,
        TableStatus::InaccessibleEncryptionCredentials
    );
}

pub(super) fn open(db: &blocking::Database, table: &str) {
    readable(db, table).unwrap();
    let described = db
        .describe_table(DescribeTableInput::new(table))
        .unwrap()
        .table;
    assert_eq!(described.table_status, TableStatus::Active);
    assert_eq!(described.sse_description.unwrap().sse_type, SseType::Kms);
}
