//! Rekey: nothing opens with the old key in the end, and whatever fails, crashes or closes on the way, the table is whole.

use std::sync::Arc;
use std::time::Duration;

use sealdb_crypto::{BlockKind, Caller, KeyRecordState};
use sealdb_engine::{CrashEngine, Engine, Fault, FaultPoint, Faults, FaultyEngine, MemoryEngine};
use sealdb_model::ops::StreamViewType;

use super::indexes::later;
use super::{World, get, item, new_table, put, reopened, sizes};
use crate::catalog::definition::Definition;
use crate::core::Core;
use crate::error::Error;
use crate::rekey::{RekeyStep, SignedProof};
use crate::rewrap::NewKey;
use crate::table::Table;
use crate::testing::Answer;
use crate::tools::check_parts;
use crate::trees::Role;

const ITEMS: usize = 60;

/// A table with indexes, a stream and values out of line, in pages and log.
fn filled(world: &World, engine: Arc<dyn Engine>) -> (Core, Arc<Table>) {
    let core = world.open(engine).unwrap();
    let mut new = new_table("films");
    new.stream = Some(StreamViewType::NewAndOldImages);
    let table = core
        .create_table_blocking(new, &Caller::database())
        .unwrap();
    fill(&core, &table, "a");
    (core, table)
}

fn fill(core: &Core, table: &Arc<Table>, pk: &str) {
    for n in 0..ITEMS {
        let len = if n % 10 == 3 { 5000 + n } else { n * 20 };
        put(core, table, &item(pk, &n.to_string(), &"v".repeat(len))).unwrap();
        if n == ITEMS / 2 {
            core.checkpoint_now().unwrap();
        }
    }
}

fn begin(core: &Core) -> Result<(), Error> {
    let caller = Caller::database();
    core.shared()
        .begin_rekey("films", &NewKey::Same, None, &caller)
        .map(drop)
}

fn drive(core: &Core) {
    let mut steps = 0;
    while core.rekey_tick().unwrap() {
        steps += 1;
        assert!(steps < 5000, "it comes to no end");
    }
}

fn rekey(core: &Core) {
    begin(core).unwrap();
    drive(core);
}

fn proof(core: &Core) -> crate::rekey::RekeyProof {
    let proof: SignedProof = core.shared().rekey_proof("films").unwrap().unwrap();
    serde_json::from_str(&proof.proof).unwrap()
}

/// Kinds of which a block of the generation stands anywhere in the files, used or not.
fn kinds_of(engine: &MemoryEngine, generation: u32) -> Vec<BlockKind> {
    use BlockKind::{Inner, Leaf, LogPart, Value};
    let image = engine.image();
    let stands = |kind: &BlockKind| {
        let mut head = vec![0xDB, 1, 1, *kind as u8];
        head.extend_from_slice(&generation.to_be_bytes());
        image.contains(&head)
    };
    [Leaf, Inner, Value, LogPart]
        .into_iter()
        .filter(stands)
        .collect()
}

fn assert_whole(table: &Table, pk: &str, what: &str) {
    for n in 0..ITEMS {
        let found = get(table, pk, &n.to_string()).unwrap();
        assert!(found.is_some(), "{what}: {n} of {pk}");
    }
}

fn assert_sound(world: &World, engine: &MemoryEngine, what: &str) {
    let report = check_parts(world.parts(reopened(engine))).unwrap();
    assert_eq!(report.damages, Vec::<String>::new(), "{what}");
}

#[test]
fn after_a_rekey_no_block_of_the_old_key_is_in_any_file() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    // Only this table has a second generation: what is found of it is its own.
    rekey(&core);
    fill(&core, &table, "b");
    let kinds = kinds_of(&engine, 2);
    assert_eq!(kinds.len(), 4, "the search finds {kinds:?}");
    let counters = table.counters();
    let old = table.record.lock().record.keys.active.clone();

    rekey(&core);
    assert_eq!(kinds_of(&engine, 2), Vec::<BlockKind>::new());
    assert!(kinds_of(&engine, 3).len() >= 3);
    for state in [KeyRecordState::Active, KeyRecordState::Retiring] {
        let mut record = old.clone();
        record.state = state;
        assert_eq!(super::keys::places_of(&core, &engine, &record.encode()), 0);
    }
    let proof = proof(&core);
    assert_eq!((proof.old_generation, proof.generation), (2, 3));
    assert_eq!(proof.old_blocks, 0);
    assert_eq!(proof.walked.len(), 5, "items, three indexes, a stream");
    for tree in &proof.walked {
        assert!(tree.blocks.keys().all(|generation| *generation == 3));
        assert!(tree.blocks.values().sum::<u64>() > 0, "{}", tree.tree);
    }
    assert!(core.shared().rekey_status(&table).is_none());
    assert_whole(&table, "a", "after");
    put(&core, &table, &item("c", "1", "x")).unwrap();
    drop(core);
    assert_sound(&world, &engine, "after");
    let core = world.open(reopened(&engine)).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(table.counters().item_count, counters.item_count + 1);
    assert_whole(&table, "b", "opened again");
}

#[test]
fn writers_have_the_new_key_at_once_and_go_on() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    begin(&core).unwrap();
    assert_eq!(kinds_of(&engine, 2), Vec::<BlockKind>::new());
    put(&core, &table, &item("b", "0", "x")).unwrap();
    assert_eq!(kinds_of(&engine, 2), [BlockKind::LogPart]);
    let refused = begin(&core).unwrap_err();
    assert!(matches!(refused, Error::TableInUse(..)), "{refused}");
    let mut n = 0;
    while core.rekey_tick().unwrap() {
        put(&core, &table, &item("b", &n.to_string(), "x")).unwrap();
        n += 1;
    }
    assert!(n > 5, "{n} steps");
    assert_eq!(table.counters().item_count, (ITEMS + n) as u64);
    assert_whole(&table, "a", "after");
    assert_eq!(proof(&core).old_blocks, 0);
}

#[test]
fn it_rests_when_told_to_over_a_restart_too() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    let pause = |core: &Core, paused: bool| {
        core.shared()
            .change_rekey("films", ("Pause", &Caller::database()), |rekey| {
                rekey.paused = paused;
            })
    };
    assert!(matches!(pause(&core, true), Err(Error::NotRekeyed(_))));
    begin(&core).unwrap();
    for _ in 0..3 {
        assert!(core.rekey_tick().unwrap());
    }
    let status = pause(&core, true).unwrap();
    assert_eq!(status.step, RekeyStep::Resealing);
    assert!(status.paused && status.blocks > 0 && status.resealed > 0);
    assert!(!core.rekey_tick().unwrap(), "it rests");
    put(&core, &table, &item("b", "0", "x")).unwrap();
    drop(core);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    let table = core.table("films").unwrap();
    assert!(core.shared().rekey_status(&table).unwrap().paused);
    assert!(!core.rekey_tick().unwrap(), "it rests");
    pause(&core, false).unwrap();
    drive(&core);
    assert_whole(&table, "a", "after");
    drop(core);
    assert_sound(&world, &engine, "after");
}

#[test]
fn a_table_that_closes_meanwhile_goes_on_when_it_opens() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    begin(&core).unwrap();
    for _ in 0..3 {
        core.rekey_tick().unwrap();
    }
    put(&core, &table, &item("b", "0", "in the log only")).unwrap();
    world.kms.answer("films", Answer::No);
    world.clock.advance(Duration::from_secs(241));
    core.keeper_tick();
    assert!(table.closed_reason().is_some());
    assert!(!core.rekey_tick().unwrap());
    core.checkpoint_now().unwrap();
    assert!(matches!(begin(&core), Err(Error::TableInaccessible { .. })));
    world.kms.answer("films", Answer::Yes);
    world.clock.advance(Duration::from_secs(60));
    core.keeper_tick();
    assert!(table.closed_reason().is_none());
    drive(&core);
    assert_eq!(proof(&core).old_blocks, 0);
    assert_eq!(table.counters().item_count, ITEMS as u64 + 1);
    drop(core);
    assert_sound(&world, &engine, "after");
}

#[test]
fn trees_made_since_the_last_checkpoint_outlive_a_start_without_the_new_key() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, table) = filled(&world, engine.clone());
    core.checkpoint_now().unwrap();
    let change = |core: &Core, change: &dyn Fn(&mut Definition)| {
        core.alter_table_blocking("films", |_, mut definition| {
            change(&mut definition);
            Ok(definition)
        })
        .unwrap();
    };
    change(&core, &|definition| {
        definition.add_tree(core.shared().new_space(), later());
    });
    change(&core, &|definition| {
        definition
            .derived
            .retain(|tree| !matches!(tree.role, Role::Stream(_)));
    });
    let trees = table.definition().derived.clone();
    let other = NewKey::Named("alias/other".parse().unwrap());
    core.shared()
        .begin_rekey("films", &other, None, &Caller::database())
        .unwrap();
    drop(core);

    world.kms.answer("other", Answer::No);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    assert!(core.any_table("films").unwrap().closed_reason().is_some());
    core.checkpoint_now().unwrap();
    drop(core);
    world.kms.answer("other", Answer::Yes);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    core.keeper_tick();
    let table = core.table("films").unwrap();
    assert_eq!(table.definition().derived, trees);
    assert_whole(&table, "a", "after");
    drive(&core);
    drop(core);
    assert_sound(&world, &engine, "after");
}

#[test]
fn both_keys_are_rewrapped_while_a_rekey_goes_on() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let (core, _) = filled(&world, engine.clone());
    begin(&core).unwrap();
    let other = NewKey::Named("alias/other".parse().unwrap());
    core.shared()
        .rewrap_table("films", &other, &Caller::database())
        .unwrap();
    drop(core);
    world.kms.answer("test-key", Answer::No);
    let core = world.open(reopened(&engine)).unwrap();
    drive(&core);
    let proof = proof(&core);
    assert_eq!((&*proof.old_kms_key, &*proof.kms_key), ("other", "other"));
    assert_whole(&core.table("films").unwrap(), "a", "after");
}

#[test]
fn a_new_key_that_the_kms_gave_before_is_refused() {
    let world = World::inline();
    let (core, table) = filled(&world, Arc::new(MemoryEngine::with_segments(sizes())));
    let own = table.record.lock().record.keys.active.wrapped.clone();
    world.kms.replay(&own);
    let refused = begin(&core).unwrap_err();
    assert!(matches!(refused, Error::Key(_)), "{refused}");
    assert!(table.record.lock().record.keys.rekey.is_none());
    rekey(&core);
}

#[test]
fn a_crash_at_any_moment_of_a_rekey_loses_nothing_and_it_goes_on() {
    let world = World::inline();
    let image = {
        let engine = Arc::new(MemoryEngine::with_segments(sizes()));
        drop(filled(&world, engine.clone()));
        engine.image()
    };
    let engine = Arc::new(CrashEngine::recording(image, sizes()));
    let core = world.open(engine.clone()).unwrap();
    rekey(&core);
    drop(core);
    let history = engine.history();
    let (mut before, mut under_way, mut after) = (0, 0, 0);
    let step = usize::try_from(history.len() / 60).unwrap().max(1);
    for seed in 0..2 {
        for (k, survivor) in history.survivors(seed).step_by(step) {
            let what = format!("operation {k} of {}, seed {seed}", history.len());
            let engine = Arc::new(MemoryEngine::from_image(survivor, sizes()));
            assert_sound(&world, &engine, &what);
            let core = world.open(engine.clone()).unwrap();
            let table = core.table("films").unwrap();
            assert_whole(&table, "a", &what);
            let generation = {
                let keys = &table.record.lock().record.keys;
                match (&keys.rekey, keys.active.generation.get()) {
                    (None, 1) => before += 1,
                    (Some(_), 2) => under_way += 1,
                    (None, 2) => after += 1,
                    other => panic!("{what}: {other:?}"),
                }
                keys.active.generation.get()
            };
            put(&core, &table, &item("b", "0", "x")).unwrap();
            drive(&core);
            if generation == 2 {
                assert_eq!(proof(&core).old_blocks, 0, "{what}");
            }
            assert_whole(&table, "a", &what);
            drop(core);
            assert_sound(&world, &engine, &what);
        }
    }
    assert!(
        before > 1 && under_way > 20 && after > 1,
        "{before} before, {under_way} under way, {after} after"
    );
}

#[test]
fn a_rekey_that_fails_anywhere_goes_on() {
    for point in [
        FaultPoint::PageRead,
        FaultPoint::PageWrite,
        FaultPoint::RootInstall,
        FaultPoint::PageZero,
        FaultPoint::LogRelease,
    ] {
        for nth in [1, 2, 5, 9] {
            let world = World::inline();
            let faults = Faults::new();
            let memory = MemoryEngine::with_segments(sizes());
            let engine = Arc::new(FaultyEngine::new(memory, faults.clone()));
            let (core, table) = filled(&world, engine.clone());
            begin(&core).unwrap();
            faults.fail_nth(point, nth, Fault::Io);
            let what = format!("{point:?} {nth}");
            let mut failed = 0;
            for _ in 0..5000 {
                match core.rekey_tick() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => failed += 1,
                }
            }
            assert!(failed <= 1, "{what}: {failed} steps failed");
            faults.clear();
            assert_eq!(proof(&core).old_blocks, 0, "{what}");
            assert_whole(&table, "a", &what);
            drop(core);
            assert_sound(&world, engine.inner(), &what);
        }
    }
}
