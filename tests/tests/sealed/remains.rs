//! Key records that a crash left behind: in places that the next root calls free, in log segments that it does not list, in a
//! record that was torn. A deletion removes them, too.
//!
//! Databases of the null sealer in an engine that crashes, so that each remnant can be seen, whatever became of its block.

use std::sync::Arc;

use sealdb::model::ops::{CreateTableInput, DeleteTableInput, PutItemInput};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Background, Error, Options, blocking};
use sealdb_benches::null::NullSealing;
use sealdb_engine::{CrashEngine, Image, SegmentSizes, Survival};

use sealdb_tests::disk::Home;
use sealdb_tests::noting::Noting;

const SIZES: SegmentSizes = SegmentSizes {
    first: 64 << 10,
    max: 128 << 10,
    keep: 1 << 20,
};

fn open(kms: &Arc<Noting>, engine: &Arc<CrashEngine>) -> Result<blocking::Database, Error> {
    sealdb::Database::builder("nowhere")
        .kms(kms.clone())
        .engine(engine.clone())
        .sealing(Arc::new(NullSealing))
        .options(Options {
            background: Background::Inline,
            ..Options::default()
        })
        .open_sync()
}

fn create(db: &blocking::Database, name: &str) -> Result<(), Error> {
    db.create_table(CreateTableInput::new(name).partition_key("pk", ScalarType::S))?;
    Ok(())
}

fn put(db: &blocking::Database, table: &str, n: u32) -> Result<(), Error> {
    let item = Item::from([
        ("pk", AttributeValue::from(format!("{n}"))),
        ("payload", "x".repeat(300).into()),
    ]);
    db.put_item(PutItemInput::new(table, item)).map(drop)
}

/// A short life: tables come and change, checkpoints are made, one table goes.
fn live(db: &blocking::Database) -> Result<(), Error> {
    create(db, "doomed")?;
    for n in 0..3 {
        put(db, "doomed", n)?;
    }
    db.checkpoint_now()?;
    create(db, "other")?;
    put(db, "other", 1)?;
    put(db, "doomed", 4)?;
    db.checkpoint_now()?;
    create(db, "gone")?;
    put(db, "gone", 1)?;
    db.checkpoint_now()?;
    put(db, "doomed", 5)?;
    db.delete_table(DeleteTableInput::new("gone"))?;
    put(db, "doomed", 6)?;
    db.checkpoint_now()
}

/// Runs the life over an engine until it ends or the engine crashes, and gives what is on the disk then.
fn run(kms: &Arc<Noting>, image: Image, crash_at: Option<u64>) -> (Image, bool) {
    let engine = Arc::new(CrashEngine::from_image(image, SIZES));
    if let Some(at) = crash_at {
        engine.crash_at(at);
    }
    if let Ok(db) = open(kms, &engine) {
        let lived = live(&db);
        assert!(lived.is_ok() || engine.crashed(), "{lived:?}");
    }
    (engine.survivor(Survival::Everything), engine.crashed())
}

/// Opens what survived, deletes all tables but one, and looks for the key record of every other one ever made.
fn delete_and_search(kms: &Arc<Noting>, image: Image, what: &str) {
    let engine = Arc::new(CrashEngine::from_image(image, SIZES));
    let db = open(kms, &engine).unwrap_or_else(|error| panic!("{what}: {error}"));
    let tables = db.list_tables(Default::default()).unwrap().table_names;
    // A deletion that a crash interrupted goes on by itself. Whoever is not there any more was deleted, or never was.
    db.checkpoint_now().unwrap();
    for (name, wrapped) in kms.all() {
        if name != "(system)" && !tables.contains(&name) {
            assert!(!holds(&engine, &wrapped), "{what}: {name}, by itself");
        }
    }
    for name in tables {
        if name != "other" {
            db.delete_table(DeleteTableInput::new(name)).unwrap();
        }
    }
    // One was made and deleted, whatever survived; then what a deletion owes is done.
    create(&db, "last").unwrap();
    let last = kms.of("last");
    assert!(holds(&engine, &last), "the search finds what is there");
    db.delete_table(DeleteTableInput::new("last")).unwrap();
    for (name, wrapped) in kms.all() {
        if name != "(system)" && name != "other" {
            assert!(!holds(&engine, &wrapped), "{what}: {name}");
        }
    }
    db.close().unwrap();
}

fn holds(engine: &CrashEngine, wrapped: &[u8]) -> bool {
    let image = engine.survivor(Survival::Everything);
    // Either end of it: a part may be left. The first bytes are the format and the KMS key's id and version, which tables share.
    image.contains(&wrapped[21..33]) || image.contains(&wrapped[wrapped.len() - 12..])
}

#[test]
fn a_crash_at_any_write_leaves_no_key_record_that_a_deletion_does_not_remove() {
    let home = Home::fast();
    let keyring = Arc::new(home.keyring());
    for at in 1.. {
        let kms = Arc::new(Noting::new(keyring.clone()));
        let (image, crashed) = run(&kms, Image::new(), Some(at));
        if !crashed {
            assert!(at > 60, "{at} operations are no life");
            break;
        }
        delete_and_search(&kms, image, &format!("crash at operation {at}"));
    }
}

#[test]
fn nor_does_a_recovery_that_crashes_itself() {
    let home = Home::fast();
    let keyring = Arc::new(home.keyring());
    let mut recoveries = 0;
    for at in (4..).step_by(7) {
        let kms = Arc::new(Noting::new(keyring.clone()));
        let (image, crashed) = run(&kms, Image::new(), Some(at));
        if !crashed {
            break;
        }
        for second in 1.. {
            let engine = Arc::new(CrashEngine::from_image(image.clone(), SIZES));
            engine.crash_at(second);
            if open(&kms, &engine).is_ok() {
                break;
            }
            recoveries += 1;
            let image = engine.survivor(Survival::Everything);
            delete_and_search(
                &kms,
                image,
                &format!("crash at operations {at} and {second}"),
            );
        }
    }
    assert!(recoveries > 30, "{recoveries}");
}

#[test]
fn a_deletion_that_a_crash_interrupts_goes_on_by_itself() {
    let home = Home::fast();
    let keyring = Arc::new(home.keyring());
    let mut interrupted = 0;
    for at in (14..).step_by(25) {
        let kms = Arc::new(Noting::new(keyring.clone()));
        let (image, crashed) = run(&kms, Image::new(), Some(at));
        if !crashed {
            break;
        }
        for within in 1.. {
            let engine = Arc::new(CrashEngine::from_image(image.clone(), SIZES));
            let db = open(&kms, &engine).unwrap();
            engine.crash_at(engine.operations() + within);
            // It may be durable although the checkpoints after it fail.
            let _ = db.delete_table(DeleteTableInput::new("doomed"));
            if !engine.crashed() {
                break;
            }
            drop(db);
            interrupted += 1;
            let image = engine.survivor(Survival::Everything);
            delete_and_search(&kms, image, &format!("crash at {at}, then {within}"));
        }
    }
    assert!(interrupted > 15, "{interrupted}");
}
