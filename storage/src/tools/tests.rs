//! `check` over engines in memory, where what it must notice can be brought about.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use sealdb_crypto::{Caller, Clock, Provider};
use sealdb_engine::{Engine, MemoryEngine, SpaceId};

use super::check::{CheckReport, TableState, check_parts};
use crate::core::Core;
use crate::core_tests::{World, item, new_table, put, reopened};
use crate::error::Error;
use crate::shared::Parts;
use crate::testing::{Answer, test_sealing};

fn check(world: &World, engine: Arc<dyn Engine>) -> Result<CheckReport, Error> {
    let clock: Arc<dyn Clock> = world.clock.clone();
    check_parts(Parts {
        trail: None,
        engine,
        sealing: test_sealing(),
        kms: world.kms.clone(),
        clock,
        provider: Provider::default_provider(),
        options: world.options.clone(),
    })
}

fn two_tables(world: &World, engine: &Arc<MemoryEngine>) -> Core {
    let core = world.open(engine.clone()).unwrap();
    for name in ["films", "books"] {
        let table = core
            .create_table_blocking(new_table(name), &Caller::database())
            .unwrap();
        for i in 0..200 {
            put(
                &core,
                &table,
                &item("p", &format!("{i:04}"), &"x".repeat(i * 17)),
            )
            .unwrap();
        }
    }
    core
}

fn states(report: &CheckReport) -> Vec<(&str, TableState, u64)> {
    report
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.state, table.items))
        .collect()
}

#[test]
fn a_sound_database_is_called_sound_after_a_close_and_after_a_crash() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::new());
    let core = two_tables(&world, &engine);
    let crashed = check(&world, reopened(&engine)).unwrap();
    assert_eq!(crashed.damages, Vec::<String>::new());
    assert!(
        crashed.log_records >= 402,
        "creations and puts: {crashed:?}"
    );
    assert!(states(&crashed).iter().all(|table| table.2 == 0));

    core.checkpoint_now().unwrap();
    let table = core.table("books").unwrap();
    put(&core, &table, &item("p", "0007", "another")).unwrap();
    let report = check(&world, reopened(&engine)).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
    assert_eq!(report.log_records, 1);

    core.close_blocking().unwrap();
    let image = engine.image();
    let report = check(&world, reopened(&engine)).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
    assert_eq!(report.remarks, Vec::<String>::new());
    assert_eq!(
        states(&report),
        [
            ("books", TableState::Sound, 200),
            ("films", TableState::Sound, 200)
        ]
    );
    assert!(report.tables[0].pages > 50 && report.tables[0].page_bytes > 340_000);
    assert!(engine.image() == image, "nothing is written");
}

#[test]
fn a_table_without_its_key_is_inaccessible_and_its_blocks_are_counted() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::new());
    let core = two_tables(&world, &engine);
    core.close_blocking().unwrap();
    let pages = check(&world, reopened(&engine)).unwrap().tables[1].pages;
    for answer in [Answer::No, Answer::Away] {
        world.kms.answer("films", answer);
        let report = check(&world, reopened(&engine)).unwrap();
        assert_eq!(report.damages, Vec::<String>::new());
        assert_eq!(
            states(&report),
            [
                ("books", TableState::Sound, 200),
                ("films", TableState::Inaccessible, 200)
            ]
        );
        assert_eq!(report.tables[1].pages, pages);
        assert_eq!(report.remarks.len(), 1);
    }
    // What was carried along for it while it was closed is verified as far as it can be, and is no leak.
    world.kms.answer("films", Answer::Yes);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    let films = core.table("films").unwrap();
    put(&core, &films, &item("p", "0001", "later")).unwrap();
    drop(core);
    let engine = reopened(&engine);
    world.kms.answer("films", Answer::No);
    let core = world.open(engine.clone()).unwrap();
    core.close_blocking().unwrap();
    for answer in [Answer::No, Answer::Yes] {
        world.kms.answer("films", answer);
        let report = check(&world, reopened(&engine)).unwrap();
        assert_eq!(report.damages, Vec::<String>::new());
    }
    world.kms.answer("system", Answer::No);
    assert!(matches!(
        check(&world, reopened(&engine)),
        Err(Error::Key(_))
    ));
}

#[test]
fn lost_places_and_wrong_counters_are_told() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::new());
    let core = two_tables(&world, &engine);
    engine.allocate(SpaceId(16), 12_288).unwrap();
    {
        core.checkpoint_now().unwrap();
        let table = core.table("books").unwrap();
        let mut slot = table.record.lock();
        slot.record.item_count += 1;
        slot.changed = true;
    }
    core.close_blocking().unwrap();
    let report = check(&world, reopened(&engine)).unwrap();
    assert_eq!(report.damages.len(), 2, "{report:?}");
    assert!(report.damages[0].contains("table books: the catalog counts 201 items"));
    assert!(report.damages[1].contains("3 units of space 16 are allocated and hold nothing"));
    assert_eq!(
        states(&report),
        [
            ("books", TableState::Damaged, 200),
            ("films", TableState::Sound, 200)
        ]
    );
}

#[test]
fn a_place_that_the_map_calls_free_is_told() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::new());
    let core = two_tables(&world, &engine);
    core.checkpoint_now().unwrap();
    let root = core
        .table("films")
        .unwrap()
        .record
        .lock()
        .record
        .root
        .unwrap();
    engine.free(&[root.freed(core.table("films").unwrap().record.lock().record.space)]);
    core.checkpoint_now().unwrap();
    let report = check(&world, reopened(&engine)).unwrap();
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert!(report.damages[0].contains("the allocation map calls its place free"));
}
