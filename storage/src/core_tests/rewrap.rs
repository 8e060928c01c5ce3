//! Rewrap: a table under another KMS key, whatever fails or crashes on the way.

use std::sync::Arc;

use sealdb_crypto::{Caller, KeyRecordError, KeyRef, KmsError};
use sealdb_engine::{CrashEngine, Engine, Fault, FaultPoint, Faults, FaultyEngine, MemoryEngine};

use super::{World, get, item, new_table, put, reopened, sizes};
use crate::core::Core;
use crate::error::Error;
use crate::rewrap::{NewKey, Rewrapped};
use crate::table::Table;
use crate::testing::Answer;
use crate::tools::check_parts;

fn named(key: &str) -> NewKey {
    NewKey::Named(format!("alias/{key}").parse().unwrap())
}

fn rewrap(core: &Core, key: &NewKey) -> Result<Rewrapped, Error> {
    core.shared()
        .rewrap_table("films", key, &Caller::database())
}

fn key_of(table: &Table) -> String {
    let slot = table.record.lock();
    slot.record.keys.active.key_id.to_string()
}

/// A table in pages and log, on an engine.
fn filled(world: &World, engine: Arc<dyn Engine>) -> (Core, Arc<Table>) {
    let core = world.open(engine).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    for n in 0..30 {
        put(
            &core,
            &table,
            &item("a", &n.to_string(), &"v".repeat(n * 30)),
        )
        .unwrap();
        if n == 20 {
            core.checkpoint_now().unwrap();
        }
    }
    (core, table)
}

#[test]
fn a_rewrapped_table_needs_its_old_kms_key_no_more_and_no_file_has_the_old_wrapping() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    let old = table.record.lock().record.keys.active.clone();
    let done = rewrap(&core, &named("other")).unwrap();
    assert_eq!(
        (done.from.as_str(), done.to.as_str()),
        ("test-key", "other")
    );
    assert!(done.old_is_gone);
    let new = table.record.lock().record.keys.active.clone();
    assert_eq!(new.generation, old.generation);
    assert_ne!(new.wrapped, old.wrapped);
    assert_eq!(
        super::keys::places_of(&core, &engine, &old.encode()),
        0,
        "the old wrapping"
    );
    assert!(super::keys::places_of(&core, &engine, &new.encode()) > 0);

    put(&core, &table, &item("b", "1", "after")).unwrap();
    drop(core);
    world.kms.answer("test-key", Answer::No);
    let core = world.open(reopened(&engine)).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(key_of(&table), "other");
    assert_eq!(table.counters().item_count, 31);
    assert!(get(&table, "b", "1").unwrap().is_some());

    // Back again: the key that says no does not take it, and nothing has changed.
    let refused = rewrap(&core, &named("test-key")).unwrap_err();
    let denied = |error: &Error| {
        matches!(
            error,
            Error::Key(KeyRecordError::Kms(KmsError::Denied { .. }))
        )
    };
    assert!(denied(&refused), "{refused}");
    assert_eq!(key_of(&table), "other");
    world.kms.answer("test-key", Answer::Yes);
    rewrap(&core, &NewKey::Default).unwrap();
    assert_eq!(key_of(&table), "test-key");
    assert_eq!(table.record.lock().record.keys.name, "");
}

#[test]
fn the_same_key_is_taken_in_its_newest_version() {
    let world = World::inline();
    let (core, table) = filled(&world, Arc::new(MemoryEngine::with_segments(sizes())));
    let before = table.record.lock().record.keys.active.wrapped.clone();
    let done = rewrap(&core, &NewKey::Same).unwrap();
    assert_eq!(done.from, done.to);
    assert_ne!(table.record.lock().record.keys.active.wrapped, before);
    let done = core.shared().rewrap_system(&Caller::database()).unwrap();
    assert_eq!((done.table, done.old_is_gone), (None, true));
}

#[test]
fn an_answer_of_the_kms_that_was_given_before_is_refused() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    let songs = core
        .create_table_blocking(new_table("songs"), &Caller::database())
        .unwrap();
    let of_songs = songs.record.lock().record.keys.active.wrapped.clone();
    let own = table.record.lock().record.keys.active.wrapped.clone();
    for replayed in [&of_songs, &own] {
        world.kms.replay(replayed);
        let refused = rewrap(&core, &named("other")).unwrap_err();
        assert!(matches!(refused, Error::Key(_)), "{refused}");
        assert_eq!(key_of(&table), "test-key");
    }
    put(&core, &table, &item("b", "1", "after")).unwrap();
    drop(core);
    let core = world.open(reopened(&engine)).unwrap();
    assert_eq!(core.table("films").unwrap().counters().item_count, 31);
}

/// Opens what is left and shows that the table is whole, under one key, and that nothing has the old key record once it has another.
fn whole(world: &World, engine: Arc<MemoryEngine>, old: &[u8], what: &str) -> String {
    let report = check_parts(world.parts(engine.clone())).unwrap();
    assert_eq!(report.damages, Vec::<String>::new(), "{what}");
    let core = world.open(engine.clone()).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(table.counters().item_count, 30, "{what}");
    for n in 0..30 {
        assert!(
            get(&table, "a", &n.to_string()).unwrap().is_some(),
            "{what}"
        );
    }
    let key = key_of(&table);
    if key == "other" {
        // What the rewrap had started goes on.
        core.checkpoint_now().unwrap();
        let places = super::keys::places_of(&core, &engine, old);
        assert_eq!(places, 0, "{what}");
    }
    drop(core);
    // That key alone opens it.
    let other = if key == "other" { "test-key" } else { "other" };
    world.kms.answer(other, Answer::No);
    let core = world.open(reopened(&engine)).unwrap();
    // What the catalog has is the old one, until a checkpoint; the log has the new one.
    core.keeper_tick();
    let table = core.table("films").unwrap();
    assert!(table.closed_reason().is_none(), "{what}");
    world.kms.answer(other, Answer::Yes);
    key
}

#[test]
fn a_crash_at_every_write_and_sync_of_a_rewrap_leaves_one_key() {
    let world = World::inline();
    let (image, record) = {
        let engine = Arc::new(MemoryEngine::with_segments(sizes()));
        let (_core, table) = filled(&world, engine.clone());
        let record = table.record.lock().record.keys.active.encode();
        (engine.image(), record)
    };
    let engine = Arc::new(CrashEngine::recording(image, sizes()));
    let core = world.open(engine.clone()).unwrap();
    rewrap(&core, &named("other")).unwrap();
    drop(core);
    let history = engine.history();
    let (mut old, mut new) = (0, 0);
    for seed in 0..4 {
        for (k, survivor) in history.survivors(seed) {
            let engine = Arc::new(MemoryEngine::from_image(survivor, sizes()));
            let key = whole(&world, engine, &record, &format!("operation {k}"));
            match key.as_str() {
                "other" => new += 1,
                _ => old += 1,
            }
        }
    }
    assert!(
        old > 10 && new > 10,
        "{old} with the old key, {new} with the new one"
    );
}

#[test]
fn a_rewrap_that_fails_anywhere_leaves_one_key_and_can_be_asked_for_again() {
    for point in [
        FaultPoint::LogWrite,
        FaultPoint::LogSync,
        FaultPoint::PageWrite,
        FaultPoint::PageSync,
        FaultPoint::RootInstall,
        FaultPoint::PageZero,
        FaultPoint::LogRelease,
    ] {
        for nth in 1..4 {
            let world = World::inline();
            let faults = Faults::new();
            let memory = MemoryEngine::with_segments(sizes());
            let engine = Arc::new(FaultyEngine::new(memory, faults.clone()));
            let (core, table) = filled(&world, engine.clone());
            let old = table.record.lock().record.keys.active.encode();
            faults.fail_nth(point, nth, Fault::Io);
            let what = format!("{point:?} {nth}");
            let first = rewrap(&core, &named("other"));
            faults.clear();
            let known = match &first {
                Ok(_) => Some("other"),
                Err(Error::UnknownOutcome(_)) => None,
                Err(_) => Some("test-key"),
            };
            if let Some(known) = known {
                assert_eq!(key_of(&table), known, "{what}");
            }
            drop(core);
            let image = Arc::new(MemoryEngine::from_image(engine.inner().image(), sizes()));
            let key = whole(&world, image.clone(), &old, &what);
            assert!(known.is_none_or(|known| known == key), "{what} {first:?}");
            let core = world.open(reopened(&image)).unwrap();
            let again = rewrap(&core, &named("third")).unwrap();
            assert!(again.old_is_gone, "{what}");
        }
    }
}

#[test]
fn a_closed_table_is_told_since_when() {
    let world = World::inline();
    let (core, table) = filled(&world, Arc::new(MemoryEngine::with_segments(sizes())));
    assert_eq!(table.closed_since(), None);
    world.kms.answer("films", Answer::No);
    world.clock.advance(std::time::Duration::from_secs(241));
    core.keeper_tick();
    let since = table.closed_since().unwrap();
    world.clock.advance(std::time::Duration::from_secs(100));
    core.keeper_tick();
    assert_eq!(table.closed_since(), Some(since), "the first time counts");
    let refused = rewrap(&core, &NewKey::Named(KeyRef::default_key()));
    assert!(matches!(refused, Err(Error::Key(_))));
    world.kms.answer("films", Answer::Yes);
    world.clock.advance(std::time::Duration::from_secs(100));
    core.keeper_tick();
    assert_eq!(table.closed_since(), None);
}
