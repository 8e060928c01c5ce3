//! The life of keys, over real files, a real keyring and a real audit trail: how long a key is used, what closes a table and what opens
//! it again, and that no key is used without a durable event.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealdb::crypto::audit::{AuditEvent, AuditTrail, KEY_EVENTS, Outcome, TrailAccess};
use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::kms::{Alias, KeyState, KeyUsage};
use sealdb::crypto::testing::ScriptedKms;
use sealdb::crypto::{
    Aes256Gcm, Caller, DataKey, DatabaseId, EncryptionContext, EpochLimits, KeyDescription, KeyRef,
    Keyring, Kms, KmsError, KmsIdentity, ManualClock, Provider, SystemClock, Wrapped,
};
use sealdb::model::ScalarType;
use sealdb::model::ops::{
    CreateTableInput, DescribeTableInput, SseSpecification, SseType, TableStatus,
};
use sealdb::{Background, Database, Error, ErrorCode, Options, blocking};
use sealdb_tests::disk::{Home, SmallDisk, small};
use sealdb_tests::judge::{State, judge};
use zeroize::Zeroizing;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const TABLES: [&str; 2] = ["films", "songs"];

fn key_of(table: &str) -> KeyRef {
    format!("alias/{table}").parse().unwrap()
}

/// A database of two tables, each under a KMS key of its own, on a clock that is moved by hand.
struct World {
    home: Home,
    keyring: Arc<Keyring>,
    kms: Arc<ScriptedKms>,
    clock: Arc<ManualClock>,
    options: Options,
    state: State,
}

impl World {
    fn new() -> Self {
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

    fn builder(&self) -> sealdb::Builder {
        Database::builder(self.home.data())
            .kms(self.kms.clone())
            .clock(self.clock.clone())
            .options(self.options.clone())
    }

    fn open(&self) -> blocking::Database {
        self.builder().open_sync().unwrap()
    }

    /// Opens it for the first time and makes its tables.
    fn filled(&mut self) -> blocking::Database {
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

    fn put(&mut self, db: &blocking::Database, table: &str, n: i64) {
        self.state.put(
            db,
            table,
            &format!("p{}", n % 3),
            n,
            &"v".repeat(n as usize % 50 * 10),
        );
    }

    fn tick(&self, db: &blocking::Database, after: Duration) {
        self.clock.advance(after);
        db.keeper_tick();
    }

    /// Everything that was acknowledged is there, in a database opened anew.
    fn all_is_there(&self, what: &str) {
        let verdict = judge(|| self.builder(), std::slice::from_ref(&self.state), what);
        assert!(!verdict.noticed(), "{what}: {verdict:?}");
    }

    /// The events of the trail. Read with the keyring itself, so that the scripted KMS does not count it.
    fn events(&self) -> Vec<AuditEvent> {
        events(&self.home.data(), self.keyring.clone())
    }
}

fn events(data: &Path, kms: Arc<dyn Kms>) -> Vec<AuditEvent> {
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

fn readable(db: &blocking::Database, table: &str) -> Result<(), Error> {
    let key = sealdb_tests::judge::key_item(&("p1".into(), 1));
    let got = db.get_item(sealdb::model::ops::GetItemInput::new(table, key))?;
    assert!(got.item.is_some(), "{table}");
    Ok(())
}

fn closed(db: &blocking::Database, table: &str) {
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

fn open(db: &blocking::Database, table: &str) {
    readable(db, table).unwrap();
    let described = db
        .describe_table(DescribeTableInput::new(table))
        .unwrap()
        .table;
    assert_eq!(described.table_status, TableStatus::Active);
    assert_eq!(described.sse_description.unwrap().sse_type, SseType::Kms);
}

#[test]
fn each_key_is_unwrapped_at_open_and_refreshed_ahead_of_its_end_by_one_call() {
    let mut world = World::new();
    world.filled().close().unwrap();
    let before = world.kms.calls();
    let db = world.open();
    // The system's, the trail's, and one for each table.
    assert_eq!(world.kms.calls() - before, 4);
    let before = world.kms.calls();
    for _ in 0..3 {
        world.tick(&db, MINUTE);
    }
    assert_eq!(
        world.kms.calls(),
        before,
        "fresh keys: the KMS is not asked"
    );
    world.tick(&db, MINUTE);
    assert_eq!(
        world.kms.calls() - before,
        3,
        "one call for each key, a minute ahead"
    );
    for _ in 0..20 {
        world.tick(&db, SECOND);
    }
    assert_eq!(
        world.kms.calls() - before,
        3,
        "and no more until they are due again"
    );
    for table in TABLES {
        open(&db, table);
    }
}

/// A slow KMS that counts how many calls are under way at once.
struct Slow {
    inner: Arc<dyn Kms>,
    now: AtomicU64,
    most: AtomicU64,
    decrypts: AtomicU64,
}

impl Kms for Slow {
    fn identity(&self) -> KmsIdentity {
        self.inner.identity()
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.inner.generate_data_key(caller, key, context)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.inner.encrypt(caller, key, plaintext, context)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.decrypts.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(100));
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.inner.decrypt(caller, key, ciphertext, context)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.inner.re_encrypt(caller, ciphertext, from, to)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.inner.describe_key(caller, key)
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // The one test that runs on the system's time.
fn the_keepers_own_thread_refreshes_in_time_one_call_at_a_time_and_nobody_waits_for_it() {
    let mut world = World::new();
    world.filled().close().unwrap();
    let slow = Arc::new(Slow {
        inner: world.kms.clone(),
        now: AtomicU64::new(0),
        most: AtomicU64::new(0),
        decrypts: AtomicU64::new(0),
    });
    let db = Database::builder(world.home.data())
        .kms(slow.clone())
        .options(Options {
            key_max_age: 4 * SECOND,
            key_coast: Duration::ZERO,
            background: Background::Threads,
            ..small()
        })
        .open_sync()
        .unwrap();
    let started = std::time::Instant::now();
    let mut slowest = Duration::ZERO;
    while started.elapsed() < 6 * SECOND {
        let read = std::time::Instant::now();
        readable(&db, TABLES[0]).unwrap();
        slowest = slowest.max(read.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(slow.most.load(Ordering::SeqCst), 1);
    // Four at open, and three keys once, perhaps twice.
    let decrypts = slow.decrypts.load(Ordering::SeqCst);
    assert!((7..=10).contains(&decrypts), "{decrypts}");
    println!("slowest read while keys were refreshed: {slowest:?}");
    db.close().unwrap();
}

#[test]
fn while_the_kms_is_away_tables_coast_then_close_always_then_open_with_every_write() {
    let mut world = World::new();
    let db = world.filled();
    world.kms.set_unavailable(true);
    // The wall clock is set back meanwhile, which prolongs nothing.
    world.clock.set_wall_ms(1);
    for minute in 1..35 {
        world.tick(&db, MINUTE);
        for table in TABLES {
            open(&db, table);
            world.put(&db, table, 100 + minute);
        }
        world.clock.set_wall_ms(1);
    }
    world.tick(&db, MINUTE);
    // The system's key has run out as well: the whole database is closed.
    for table in TABLES {
        let error = readable(&db, table).unwrap_err();
        assert!(matches!(error, Error::SystemKeyLost(_)), "{error:?}");
        assert_eq!(
            error.code(),
            ErrorCode::InaccessibleEncryptionCredentialsException
        );
    }
    drop(db);
    let refused = world.builder().open_sync().unwrap_err();
    assert_eq!(
        refused.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException,
        "{refused:?}"
    );
    world.kms.set_unavailable(false);
    world.all_is_there("the KMS is back");
}

/// Away for some keys only.
struct Away {
    inner: Arc<ScriptedKms>,
    table: &'static str,
    away: std::sync::atomic::AtomicBool,
}

impl Kms for Away {
    fn identity(&self) -> KmsIdentity {
        self.inner.identity()
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.inner.generate_data_key(caller, key, context)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.inner.encrypt(caller, key, plaintext, context)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let asked = context.get("sealdb:table-name") == Some(self.table);
        if asked && self.away.load(Ordering::SeqCst) {
            return Err(KmsError::Unavailable {
                provider: "away".into(),
                reason: "the test made it so".into(),
                source: None,
            });
        }
        self.inner.decrypt(caller, key, ciphertext, context)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.inner.re_encrypt(caller, ciphertext, from, to)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.inner.describe_key(caller, key)
    }
}

#[test]
fn one_table_coasts_and_closes_by_itself_and_opens_without_a_restart() {
    for (coast, until) in [(30 * MINUTE, 35), (Duration::ZERO, 5)] {
        let mut world = World::new();
        world.filled().close().unwrap();
        let away = Arc::new(Away {
            inner: world.kms.clone(),
            table: TABLES[0],
            away: true.into(),
        });
        away.away.store(false, Ordering::SeqCst);
        let options = Options {
            key_coast: coast,
            ..world.options.clone()
        };
        let db = Database::builder(world.home.data())
            .kms(away.clone())
            .clock(world.clock.clone())
            .options(options)
            .open_sync()
            .unwrap();
        away.away.store(true, Ordering::SeqCst);
        for minute in 1..until {
            world.tick(&db, MINUTE);
            open(&db, TABLES[0]);
            world.put(&db, TABLES[0], 100 + minute);
        }
        world.tick(&db, MINUTE);
        closed(&db, TABLES[0]);
        open(&db, TABLES[1]);
        world.put(&db, TABLES[1], 200);
        db.checkpoint_now().unwrap();
        world.put(&db, TABLES[1], 201);

        away.away.store(false, Ordering::SeqCst);
        world.tick(&db, 11 * SECOND);
        open(&db, TABLES[0]);
        world.put(&db, TABLES[0], 202);
        drop(db);
        world.all_is_there("after coasting, closing, opening and a crash");
    }
}

#[test]
fn a_wall_clock_set_forward_ends_a_key_too() {
    let mut world = World::new();
    let db = world.filled();
    world.kms.set_unavailable(true);
    world.tick(&db, 4 * MINUTE);
    open(&db, TABLES[0]);
    // The machine was suspended, and its boot time did not notice.
    let now = 1_735_689_600_000 + 36 * 60 * 1000;
    world.clock.set_wall_ms(now);
    db.keeper_tick();
    assert!(readable(&db, TABLES[0]).is_err());
}

#[test]
fn a_kms_that_says_no_closes_the_table_at_the_refresh_and_one_that_says_yes_opens_it() {
    let mut world = World::new();
    let db = world.filled();
    for round in 0..3 {
        world.put(&db, TABLES[0], 100 + round);
        // Through the keyring itself: what an operator does.
        world
            .keyring
            .set_state(&key_of(TABLES[0]), KeyState::Disabled)
            .unwrap();
        open(&db, TABLES[0]);
        world.tick(&db, 4 * MINUTE);
        closed(&db, TABLES[0]);
        open(&db, TABLES[1]);
        world.put(&db, TABLES[1], 300 + round);
        if round != 1 {
            db.checkpoint_now().unwrap();
            db.checkpoint_now().unwrap();
        }
        world.tick(&db, 30 * SECOND);
        closed(&db, TABLES[0]);
        world
            .keyring
            .set_state(&key_of(TABLES[0]), KeyState::Enabled)
            .unwrap();
        world.tick(&db, 11 * SECOND);
        open(&db, TABLES[0]);
        world.put(&db, TABLES[0], 200 + round);
    }
    drop(db);
    world.all_is_there("after three refusals");
}

#[test]
fn a_table_closed_at_start_opens_later_with_everything_however_often_it_crashed_meanwhile() {
    let mut world = World::new();
    let db = world.filled();
    db.checkpoint_now().unwrap();
    for n in 100..120 {
        world.put(&db, TABLES[0], n);
        world.put(&db, TABLES[1], n);
    }
    drop(db); // Nothing of these is in a checkpoint.
    world.kms.deny(&key_of(TABLES[0]));
    for round in 0..5 {
        let db = world.open();
        closed(&db, TABLES[0]);
        for n in 0..10 {
            world.put(&db, TABLES[1], 200 + 10 * round + n);
        }
        if round % 2 == 1 {
            db.checkpoint_now().unwrap();
            world.put(&db, TABLES[1], 300 + round);
        }
        if round == 3 {
            db.checkpoint_now().unwrap();
            db.close().unwrap();
        }
    }
    // In between it may open, take writes, and close again.
    world.kms.allow(&key_of(TABLES[0]));
    let db = world.open();
    open(&db, TABLES[0]);
    for n in 400..410 {
        world.put(&db, TABLES[0], n);
    }
    world.kms.deny(&key_of(TABLES[0]));
    world.tick(&db, 4 * MINUTE);
    closed(&db, TABLES[0]);
    db.checkpoint_now().unwrap();
    drop(db);
    let db = world.open();
    closed(&db, TABLES[0]);
    world.kms.allow(&key_of(TABLES[0]));
    world.tick(&db, 11 * SECOND);
    open(&db, TABLES[0]);
    let described = db
        .describe_table(DescribeTableInput::new(TABLES[0]))
        .unwrap()
        .table;
    assert_eq!(described.item_count, world.state.0[TABLES[0]].len() as u64);
    drop(db);
    world.all_is_there("opened at last");
}

#[test]
fn a_denied_system_key_closes_the_database_until_it_is_opened_again() {
    let mut world = World::new();
    let db = world.filled();
    world.put(&db, TABLES[0], 100);
    world.kms.deny(&KeyRef::system());
    world.tick(&db, 4 * MINUTE);
    let error = readable(&db, TABLES[0]).unwrap_err();
    assert!(matches!(error, Error::SystemKeyLost(_)), "{error:?}");
    let error = db.checkpoint_now().unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException
    );
    // Allowed again: this handle stays closed, for its keys are gone.
    world.kms.allow(&KeyRef::system());
    world.tick(&db, MINUTE);
    assert!(readable(&db, TABLES[0]).is_err());
    drop(db);
    world.all_is_there("opened again");
}

#[test]
fn a_missing_another_and_an_older_keyring_are_refused_by_name() {
    let home = Home::new();
    let file = home.keyring_dir().join(KEYRING_FILE);
    let db = home.builder().open_sync().unwrap();
    db.create_table(CreateTableInput::new("tab").partition_key("pk", ScalarType::S))
        .unwrap();
    db.close().unwrap();
    drop(db);
    let first = std::fs::read(&file).unwrap();
    home.keyring()
        .create_key(None, "a change", KeyUsage::Table)
        .unwrap();
    let second = std::fs::read(&file).unwrap();
    // A directory that is older than its keyring is a normal restore; from now on it has seen the change.
    home.builder().open_sync().unwrap().close().unwrap();

    std::fs::write(&file, &first).unwrap();
    let older = home.builder().open_sync().unwrap_err();
    assert!(matches!(older, Error::Keyring(_)), "{older:?}");
    assert!(
        older.to_string().contains("an old copy was put back"),
        "{older}"
    );

    std::fs::remove_file(&file).unwrap();
    let missing = home.builder().open_sync().unwrap_err();
    assert!(matches!(missing, Error::KeyringFile(_)), "{missing:?}");
    assert!(missing.to_string().contains("keyring"), "{missing}");
    assert!(
        !file.exists(),
        "it is never made anew for a database that exists"
    );

    let other = Keyring::create(&file, home.root_key(), Arc::new(SystemClock)).unwrap();
    drop(other);
    let other = home.builder().open_sync().unwrap_err();
    assert!(matches!(other, Error::Keyring(_)), "{other:?}");
    assert!(other.to_string().contains("belongs to"), "{other}");

    std::fs::write(&file, &second).unwrap();
    home.builder().open_sync().unwrap().close().unwrap();
}

#[test]
fn every_call_of_the_kms_leaves_an_event() {
    let mut world = World::new();
    let db = world.filled();
    world.tick(&db, 4 * MINUTE);
    world.kms.deny(&key_of(TABLES[0]));
    world.tick(&db, 4 * MINUTE);
    closed(&db, TABLES[0]);
    world.tick(&db, MINUTE);
    world.kms.set_unavailable(true);
    world.tick(&db, 3 * MINUTE);
    let taken = CreateTableInput::new("refused").partition_key("pk", ScalarType::S);
    let error = db.create_table(taken).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException
    );
    world.kms.set_unavailable(false);
    world.kms.allow(&key_of(TABLES[0]));
    drop(db);
    let db = world.open();
    db.close().unwrap();
    drop(db);

    let calls = world.kms.calls();
    let events = world.events();
    let of_keys: Vec<&AuditEvent> = events
        .iter()
        .filter(|event| event.event_source == KEY_EVENTS)
        .collect();
    assert_eq!(
        of_keys.len() as u64,
        calls,
        "{:?}",
        of_keys
            .iter()
            .map(|event| &event.event_name)
            .collect::<Vec<_>>()
    );
    let failed = |event: &&&AuditEvent| event.outcome == Outcome::Failure;
    assert!(of_keys.iter().filter(failed).count() >= 4);
    let denied = of_keys
        .iter()
        .find(|event| event.error_code.as_deref() == Some("AccessDeniedException"))
        .unwrap();
    let context = denied
        .request_parameters
        .encryption_context
        .as_ref()
        .unwrap();
    assert_eq!(context.get("sealdb:table-name"), Some(TABLES[0]));
    for event in &of_keys {
        assert!(!event.user_identity.principal.is_empty() && !event.request_id.is_empty());
        assert!(event.request_parameters.key_id.is_some(), "{event:?}");
    }
    // Who asked: the program for its tables, the database for itself.
    let creation = |event: &&&AuditEvent| {
        let context = event.request_parameters.encryption_context.as_ref();
        event.event_name == "GenerateDataKey"
            && context.is_some_and(|c| c.get("sealdb:table-name") == Some(TABLES[1]))
    };
    let created = of_keys.iter().find(creation).unwrap();
    assert!(
        created.user_identity.principal.starts_with("process:"),
        "{created:?}"
    );
}

#[test]
fn no_key_is_handed_out_while_the_trail_cannot_be_written() {
    let Some(disk) = SmallDisk::new(6 << 20) else {
        return;
    };
    let mut world = World::new();
    let data = disk.path().join("data");
    let builder = || {
        Database::builder(&data)
            .kms(world.kms.clone())
            .clock(world.clock.clone())
            .options(Options {
                background: Background::Inline,
                ..small()
            })
    };
    let db = builder().open_sync().unwrap();
    let table = CreateTableInput::new(TABLES[0])
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    db.create_table(table).unwrap();
    let mut state = State::default();
    state.put(&db, TABLES[0], "p1", 1, "before");
    db.checkpoint_now().unwrap();
    disk.fill();
    // The reserve lasts for many refreshes, and no table closes while it does.
    let mut refreshes = 0;
    loop {
        world.clock.advance(4 * MINUTE);
        let before = world.kms.calls();
        db.keeper_tick();
        readable(&db, TABLES[0]).unwrap();
        let asked = world.kms.calls() - before;
        if asked == 0 {
            continue;
        }
        refreshes += 1;
        assert!(refreshes < 5000, "the trail grows on a full disk");
        let events = trail_len(&data);
        if events == 0 {
            break;
        }
    }
    println!("{refreshes} refreshes on a full disk");
    assert!(refreshes > 200, "{refreshes}");
    // Nothing left: the KMS says yes, but nobody gets the key. Coasting, then closed.
    for _ in 0..40 {
        world.clock.advance(MINUTE);
        db.keeper_tick();
    }
    let error = readable(&db, TABLES[0]).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException,
        "{error}"
    );
    assert!(error.to_string().contains("audit trail"), "{error}");
    drop(db);
    let refused = builder().open_sync().unwrap_err();
    assert!(matches!(refused, Error::Trail(_)), "{refused:?}");

    disk.free();
    world.state = state;
    let verdict = judge(builder, std::slice::from_ref(&world.state), "space is back");
    assert!(!verdict.noticed(), "{verdict:?}");
}

/// How many bytes of zeros are left at the end of the trail, if they are enough for another record.
fn trail_len(data: &Path) -> usize {
    let bytes = std::fs::read(data.join("audit.trail")).unwrap();
    let left = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    if left < 3000 { 0 } else { left }
}

const CHILD: &str = "SEALDB_TESTS_KEYS_CHILD";

#[test]
fn the_trail_survives_a_kill() {
    let home = Home::new();
    home.keyring();
    home.root_key();
    let mut told = 0;
    for round in 0..5 {
        // This test's program again, in the part of the one that is killed.
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_one_that_is_killed", "--nocapture", "--include-ignored"])
            .env(CHILD, home.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut calls = 0;
        for _ in 0..20 + round * 7 {
            let line = lines
                .by_ref()
                .map(Result::unwrap)
                .find_map(|line| line.rsplit_once("calls ").map(|(_, n)| n.to_owned()));
            calls = line
                .expect("the child goes on until it is killed")
                .parse()
                .unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told += calls;
        let events = events(&home.data(), Arc::new(home.keyring()));
        let of_keys = events
            .iter()
            .filter(|event| event.event_source == KEY_EVENTS)
            .count() as u64;
        assert!(of_keys >= told, "{of_keys} events of at least {told} calls");
        // What was not told yet may be there, too.
        told = of_keys;
    }
}

/// Not a test: a process that uses keys until it is killed, and tells how many calls have returned.
#[test]
#[ignore = "the other half of the_trail_survives_a_kill"]
#[allow(clippy::infinite_loop)]
fn the_one_that_is_killed() {
    let Some(root) = std::env::var_os(CHILD) else {
        return;
    };
    let root = Path::new(&root);
    let source = sealdb::RootKeySource::File(root.join("root.key"));
    let keyring = Keyring::open(
        root.join("keyring").join(KEYRING_FILE),
        source,
        Arc::new(SystemClock),
    )
    .unwrap();
    let kms = Arc::new(ScriptedKms::new(Arc::new(keyring)));
    let db = Database::builder(root.join("data"))
        .kms(kms.clone())
        .options(small())
        .open_sync()
        .unwrap();
    for n in 0.. {
        let name = format!("table-{}-{n}", std::process::id());
        db.create_table(CreateTableInput::new(name).partition_key("pk", ScalarType::S))
            .unwrap();
        println!("calls {}", kms.calls());
    }
}
