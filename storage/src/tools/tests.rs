//! `check` over engines in memory, where what it must notice can be brought about.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use sealdb_crypto::Caller;
use sealdb_engine::{CrashEngine, Engine, MemoryEngine, SegmentSizes, SpaceId, Survival};

use super::check::{CheckReport, TableState, check_parts};
use super::compact_parts;
use crate::core::Core;
use crate::core_tests::{World, entry, item, new_table, put, reopened};
use crate::error::Error;
use crate::testing::Answer;

fn check(world: &World, engine: Arc<dyn Engine>) -> Result<CheckReport, Error> {
    check_parts(world.parts(engine))
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
        slot.record.items.counters.item_count += 1;
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
        .items
        .root
        .unwrap();
    engine.free(&[root.freed(
        core.table("films")
            .unwrap()
            .record
            .lock()
            .record
            .definition
            .items
            .space,
    )]);
    core.checkpoint_now().unwrap();
    let report = check(&world, reopened(&engine)).unwrap();
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert!(report.damages[0].contains("the allocation map calls its place free"));
}

const SMALL: SegmentSizes = SegmentSizes {
    first: 64 << 10,
    max: 256 << 10,
    keep: 0,
};

/// Two tables whose items came in turns, and of which nine in ten (or, in "books", a few) are gone.
fn thinned(world: &World, items: usize) -> Arc<MemoryEngine> {
    let engine = Arc::new(MemoryEngine::with_segments(SMALL));
    let core = world.open(engine.clone()).unwrap();
    let tables = ["films", "books"].map(|name| {
        core.create_table_blocking(new_table(name), &Caller::database())
            .unwrap()
    });
    for i in 0..items {
        for table in &tables {
            put(&core, table, &kept(i)).unwrap();
        }
        if i % 200 == 0 {
            core.checkpoint_now().unwrap();
        }
    }
    for i in 0..items {
        for (table, every) in tables.iter().zip([10, 1]) {
            if i % every == 0 && i % 3 != 0 {
                continue;
            }
            if every == 10 || i % 7 == 0 {
                let (key, _) = crate::core_tests::stored(table, &kept(i));
                let table = table.clone();
                core.commit_blocking(move |txn| txn.write(&table, &entry(&key, None)))
                    .unwrap();
            }
        }
    }
    core.close_blocking().unwrap();
    engine
}

fn kept(i: usize) -> sealdb_model::Item {
    // Every eighth lies out of line.
    let len = if i.is_multiple_of(8) { 6000 } else { 900 };
    item(&format!("p{i}"), "s", &"y".repeat(len + i % 50))
}

/// Every item of every table.
fn contents(core: &Core, items: usize) -> Vec<(String, usize, sealdb_model::Item)> {
    let mut out = Vec::new();
    for name in ["books", "films"] {
        let table = core.table(name).unwrap();
        for i in 0..items {
            if let Some(item) = crate::core_tests::get(&table, &format!("p{i}"), "s").unwrap() {
                out.push((name.to_owned(), i, item));
            }
        }
    }
    out
}

#[test]
fn a_compaction_shrinks_the_file_and_a_crash_at_any_moment_of_it_loses_nothing() {
    let world = World::inline();
    let items = 1500;
    let image = thinned(&world, items).image();
    let before = {
        let core = world
            .open(Arc::new(MemoryEngine::from_image(image.clone(), SMALL)))
            .unwrap();
        contents(&core, items)
    };
    let sizes = |engine: &dyn Engine| {
        let stats = engine.stats();
        (stats.page_file_len, stats.used_units * 4096)
    };

    let engine = Arc::new(CrashEngine::recording(image, SMALL));
    let (len_before, _) = sizes(&*engine);
    compact_parts(world.parts(engine.clone())).unwrap();
    let (len, live) = sizes(&*engine);
    // Catalog and map, and four trees of each table.
    let spaces = 10;
    assert!(
        len <= live + live / 8 + spaces * (512 << 10) && 3 * len < 2 * len_before,
        "{len_before} bytes, then {len}, of which {live} are in use"
    );
    assert_eq!(engine.stats().rejected_frees, 0);

    let history = engine.history();
    let step = usize::try_from(history.len() / 60).unwrap().max(1);
    let mut points = 0;
    for seed in 0..2 {
        for (k, survivor) in history.survivors(seed).step_by(step) {
            let survivor = Arc::new(MemoryEngine::from_image(survivor, SMALL));
            let report = check_parts(world.parts(survivor.clone())).unwrap();
            assert_eq!(report.damages, Vec::<String>::new(), "operation {k}");
            let core = world.open(survivor.clone()).unwrap();
            assert!(contents(&core, items) == before, "operation {k}");
            points += 1;
        }
    }
    assert!(points >= 100, "{points} crash points");

    // A second one, and one of a table whose key is not at hand, find nothing to do and do no harm.
    let image = engine.survivor(Survival::Everything);
    world.kms.answer("films", Answer::No);
    for _ in 0..2 {
        let again = Arc::new(MemoryEngine::from_image(image.clone(), SMALL));
        compact_parts(world.parts(again.clone())).unwrap();
        assert!(sizes(&*again).0 <= len + (512 << 10));
        let report = check_parts(world.parts(reopened(&again))).unwrap();
        assert_eq!(report.damages, Vec::<String>::new());
        world.kms.answer("films", Answer::Yes);
    }
}

#[test]
fn a_database_whose_tables_cannot_be_opened_is_compacted_as_far_as_it_goes() {
    let world = World::inline();
    let engine = thinned(&world, 600);
    world.kms.answer("films", Answer::No);
    let engine = reopened(&engine);
    compact_parts(world.parts(engine.clone())).unwrap();
    world.kms.answer("films", Answer::Yes);
    let engine = reopened(&engine);
    let report = check_parts(world.parts(engine)).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
    assert!(report.tables.iter().all(|t| t.state == TableState::Sound));
}
