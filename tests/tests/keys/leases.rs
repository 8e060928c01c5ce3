//! How long a key is used, what closes a table and what opens it again.

use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::kms::{KeyState, KeyUsage};
use sealdb::crypto::{KeyRef, Keyring, SystemClock};
use sealdb::model::ScalarType;
use sealdb::model::ops::{CreateTableInput, DescribeTableInput};
use sealdb::{Background, Database, Error, ErrorCode, Options};
use sealdb_tests::disk::{Home, small};

use super::world::*;

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

#[test]
#[allow(clippy::disallowed_methods)] // The one test that runs on the system's time.
fn the_keepers_own_thread_refreshes_in_time_one_call_at_a_time_and_nobody_waits_for_it() {
    let mut world = World::new();
    world.filled().close().unwrap();
    world.kms.set_delay(Duration::from_millis(100));
    let before = world.kms.decrypts();
    let db = Database::builder(world.home.data())
        .kms(world.kms.clone())
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
    assert_eq!(world.kms.most_at_once(), 1);
    // Four at open, and three keys once, perhaps twice.
    let decrypts = world.kms.decrypts() - before;
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

#[test]
fn one_table_coasts_and_closes_by_itself_and_opens_without_a_restart() {
    for (coast, until) in [(30 * MINUTE, 35), (Duration::ZERO, 5)] {
        let mut world = World::new();
        world.filled().close().unwrap();
        let options = Options {
            key_coast: coast,
            ..world.options.clone()
        };
        let db = Database::builder(world.home.data())
            .kms(world.kms.clone())
            .clock(world.clock.clone())
            .options(options)
            .open_sync()
            .unwrap();
        world.kms.set_away(&key_of(TABLES[0]), true);
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

        world.kms.set_away(&key_of(TABLES[0]), false);
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
    // A directory that is older than its keyring is a normal restore; from now on it has seen the change. The trail takes over what the
    // keyring recorded of it, which is a change of the keyring, too.
    home.builder().open_sync().unwrap().close().unwrap();
    let second = std::fs::read(&file).unwrap();

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
