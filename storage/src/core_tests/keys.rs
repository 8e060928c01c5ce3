//! The life of keys: refresh, coast, refusal, expiry, opening again; what is carried along meanwhile; deletion.

use std::sync::Arc;
use std::time::Duration;

use sealdb_crypto::{BlockKind, Caller, KeyRecordError, KmsError};
use sealdb_engine::{Engine, MemoryEngine, PageAddr, UNIT};

use super::{World, get, item, new_table, put, reopened, sizes};
use crate::core::Core;
use crate::error::{ClosedReason, Error};
use crate::stats::DatabaseState;
use crate::table::Table;
use crate::testing::Answer;

struct Setup {
    world: World,
    engine: Arc<MemoryEngine>,
    core: Core,
    films: Arc<Table>,
    songs: Arc<Table>,
}

fn setup() -> Setup {
    setup_in(World::inline())
}

fn setup_in(world: World) -> Setup {
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let films = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    let songs = core
        .create_table_blocking(new_table("songs"), &Caller::database())
        .unwrap();
    for table in [&films, &songs] {
        for n in 0..30 {
            put(
                &core,
                table,
                &item("a", &n.to_string(), &"v".repeat(n * 30)),
            )
            .unwrap();
        }
    }
    Setup {
        world,
        engine,
        core,
        films,
        songs,
    }
}

#[test]
fn a_checkpoint_that_meets_a_table_about_to_close_carries_its_log_along() {
    let s = setup();
    s.core.checkpoint_now().unwrap();
    put(&s.core, &s.films, &item("late", "1", "in the log only")).unwrap();
    let counters = s.films.counters();
    let reason = ClosedReason::Expired(KeyRecordError::Kms(KmsError::Unavailable {
        provider: "test".into(),
        reason: "away".into(),
        source: None,
    }));
    // The keeper has begun, and a checkpoint comes before it has ended.
    s.films.begin_closing(reason.clone());
    put(&s.core, &s.songs, &item("b", "1", "x")).unwrap();
    s.core.checkpoint_now().unwrap();
    s.core.checkpoint_now().unwrap();
    s.core.shared().close_table(&s.films, reason);

    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert!(s.films.closed_reason().is_none());
    assert!(get(&s.films, "late", "1").unwrap().is_some());
    assert_eq!(s.films.counters(), counters);
}

#[test]
fn a_part_that_cannot_be_carried_keeps_its_log() {
    let s = setup();
    s.core.checkpoint_now().unwrap();
    put(&s.core, &s.films, &item("late", "1", "in the log only")).unwrap();
    s.world.kms.answer("films", Answer::No);
    s.world.clock.advance(4 * MINUTE + Duration::from_secs(1));
    s.core.keeper_tick();
    assert!(s.films.closed_reason().is_some());
    let flip = || {
        for (no, capacity) in s.engine.log_segments().unwrap() {
            let len = u32::try_from(capacity).unwrap();
            let mut bytes = s.engine.log_read(no, 0, len).unwrap();
            for unit in bytes.chunks_mut(4096) {
                unit[100] ^= 1;
            }
            // One that is not in use cannot be written, nor does it matter.
            let _ = s.engine.log_write(no, 0, &bytes);
        }
    };
    flip();
    assert!(matches!(s.core.checkpoint_now(), Err(Error::Corruption(_))));
    flip();
    s.core.checkpoint_now().unwrap();
    s.world.kms.answer("films", Answer::Yes);
    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert!(get(&s.films, "late", "1").unwrap().is_some());
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn keys_are_refreshed_ahead_of_their_end_and_no_more_often() {
    let s = setup();
    let calls = s.world.kms.calls();
    s.core.keeper_tick();
    assert_eq!(s.world.kms.calls(), calls, "fresh: the KMS is not asked");
    for _ in 0..30 {
        s.world.clock.advance(MINUTE);
        s.core.keeper_tick();
        assert!(get(&s.films, "a", "1").unwrap().is_some());
    }
    let asked = s.world.kms.calls() - calls;
    assert!(
        (15..=30).contains(&asked),
        "three keys, 30 minutes, every 4 to 5 minutes: {asked}"
    );
}

#[test]
fn a_table_coasts_while_its_kms_is_away_then_closes_then_opens_and_has_everything() {
    let s = setup();
    s.core.checkpoint_now().unwrap();
    put(&s.core, &s.films, &item("late", "1", "in the log only")).unwrap();
    let counters = s.films.counters();
    s.world.kms.answer("films", Answer::Away);
    s.world.clock.advance(4 * MINUTE + Duration::from_secs(1));
    s.core.keeper_tick();
    for _ in 0..30 {
        s.world.clock.advance(MINUTE);
        s.core.keeper_tick();
        assert!(get(&s.films, "late", "1").unwrap().is_some(), "coasting");
    }
    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert!(matches!(
        s.films.closed_reason(),
        Some(ClosedReason::Expired(_))
    ));
    assert!(matches!(
        get(&s.films, "late", "1"),
        Err(Error::TableInaccessible { .. })
    ));
    assert!(matches!(
        put(&s.core, &s.films, &item("b", "1", "x")),
        Err(Error::TableInaccessible { .. })
    ));
    assert!(
        get(&s.songs, "a", "1").unwrap().is_some(),
        "other tables never notice"
    );
    put(&s.core, &s.songs, &item("b", "1", "x")).unwrap();
    let stats = s.core.stats();
    assert_eq!(stats.state, DatabaseState::Open);
    assert_eq!((stats.tables, stats.tables_closed), (2, 1));
    // The log may go meanwhile.
    s.core.checkpoint_now().unwrap();
    s.core.checkpoint_now().unwrap();

    s.world.kms.answer("films", Answer::Yes);
    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert!(s.films.closed_reason().is_none());
    assert_eq!(s.films.counters(), counters);
    assert!(get(&s.films, "late", "1").unwrap().is_some());
    put(&s.core, &s.films, &item("b", "1", "x")).unwrap();
    s.core.checkpoint_now().unwrap();
    s.core.checkpoint_now().unwrap();
    assert_eq!(s.core.stats().engine.rejected_frees, 0);
    drop(s.core);
    let core = s.world.open(reopened(&s.engine)).unwrap();
    let films = core.table("films").unwrap();
    assert_eq!(films.counters().item_count, counters.item_count + 1);
    assert!(
        get(&films, "late", "1").unwrap().is_some() && get(&films, "b", "1").unwrap().is_some()
    );
}

#[test]
fn a_kms_that_says_no_closes_the_table_and_what_it_had_in_the_log_survives_crashes() {
    let mut s = setup();
    let counters = s.films.counters();
    s.world.kms.answer("films", Answer::No);
    s.world.clock.advance(5 * MINUTE - Duration::from_secs(1));
    s.core.keeper_tick();
    assert!(matches!(
        s.films.closed_reason(),
        Some(ClosedReason::Denied(_))
    ));
    // Never checkpointed: all of it is carried, over crashes and checkpoints.
    for round in 0..4 {
        put(&s.core, &s.songs, &item("round", &round.to_string(), "x")).unwrap();
        if round != 1 {
            s.core.checkpoint_now().unwrap();
        }
        drop(s.core);
        s.engine = reopened(&s.engine);
        s.core = s.world.open(s.engine.clone()).unwrap();
        s.songs = s.core.table("songs").unwrap();
        let films = s.core.table("films").unwrap();
        assert!(matches!(
            films.closed_reason(),
            Some(ClosedReason::Denied(_))
        ));
    }
    let films = s.core.table("films").unwrap();
    s.world.kms.answer("films", Answer::Yes);
    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert_eq!(films.counters(), counters);
    for n in 0..30 {
        assert_eq!(
            get(&films, "a", &n.to_string()).unwrap(),
            Some(item("a", &n.to_string(), &"v".repeat(n * 30)))
        );
    }
    s.core.checkpoint_now().unwrap();
    s.core.checkpoint_now().unwrap();
    assert_eq!(s.core.stats().engine.rejected_frees, 0);
    drop(s.core);
    let core = s.world.open(reopened(&s.engine)).unwrap();
    assert_eq!(core.table("films").unwrap().counters(), counters);
    assert_eq!(core.table("songs").unwrap().counters().item_count, 34);
}

#[test]
fn a_machine_that_slept_asks_before_it_closes() {
    let s = setup();
    let calls = s.world.kms.calls();
    s.world.clock.advance(6 * MINUTE);
    s.core.keeper_tick();
    assert_eq!(s.world.kms.calls() - calls, 3, "each key once");
    for table in [&s.films, &s.songs] {
        assert!(get(table, "a", "1").unwrap().is_some());
    }
    // The same with a KMS that is away, and one that says no.
    s.world.kms.answer("films", Answer::Away);
    s.world.kms.answer("songs", Answer::No);
    s.world.clock.advance(6 * MINUTE);
    s.core.keeper_tick();
    assert!(get(&s.films, "a", "1").unwrap().is_some(), "it coasts");
    assert!(matches!(
        s.songs.closed_reason(),
        Some(ClosedReason::Denied(_))
    ));
    s.world.clock.advance(28 * MINUTE);
    s.core.keeper_tick();
    assert!(s.films.closed_reason().is_none());
    s.world.clock.advance(MINUTE);
    s.core.keeper_tick();
    assert!(s.films.closed_reason().is_some(), "35 minutes in all");
    s.core.table("films").unwrap();
}

#[test]
fn what_nobody_asked_about_for_all_its_time_and_grace_closes() {
    let s = setup();
    let calls = s.world.kms.calls();
    s.world.clock.advance(35 * MINUTE);
    s.core.keeper_tick();
    assert_eq!(s.world.kms.calls(), calls);
    assert!(matches!(
        s.core.table("films"),
        Err(Error::SystemKeyLost(_))
    ));
}

fn setup_with_threads() -> Setup {
    setup_in(World::threaded())
}

/// Time passes, a quarter of a second at a time, and the keeper looks.
fn pass(s: &Setup, time: Duration) {
    let step = Duration::from_millis(250);
    for _ in 0..time.as_millis() / step.as_millis() {
        s.world.clock.advance(step);
        s.core.shared().keeper_look();
        std::thread::yield_now();
    }
}

#[test]
fn a_kms_call_that_never_returns_holds_up_no_other_key_and_closes_its_table_on_time() {
    let s = setup_with_threads();
    s.world.kms.answer("films", Answer::Hang);
    pass(&s, 10 * MINUTE);
    assert!(s.world.kms.hanging() > 0);
    assert!(s.films.closed_reason().is_none(), "it coasts");
    pass(&s, 26 * MINUTE);
    assert!(matches!(
        s.films.closed_reason(),
        Some(ClosedReason::Expired(_))
    ));
    assert!(s.world.kms.hanging() <= 3, "calls do not pile up");
    // The others were refreshed all the time.
    assert!(get(&s.songs, "a", "1").unwrap().is_some());
    put(&s.core, &s.songs, &item("b", "1", "x")).unwrap();

    // What was given up is not taken when it comes after all; asked again, the KMS says yes.
    s.world.kms.answer("films", Answer::Yes);
    for _ in 0..1000 {
        pass(&s, Duration::from_secs(1));
        if s.films.closed_reason().is_none() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(get(&s.films, "a", "1").unwrap().is_some());
    s.core.close_blocking().unwrap();
}

#[test]
fn a_start_waits_for_a_kms_that_hangs_only_so_long_and_the_keeper_asks_again() {
    let s = setup_with_threads();
    let names: Vec<String> = (0..8).map(|n| format!("unheard-{n}")).collect();
    for name in &names {
        s.core
            .create_table_blocking(new_table(name), &Caller::database())
            .unwrap();
    }
    s.core.close_blocking().unwrap();
    for name in &names {
        s.world.kms.answer(name, Answer::Hang);
    }
    let core = s.world.open(reopened(&s.engine)).unwrap();
    // The catalog is in the order of names: these two were asked first, and answered.
    for answered in ["films", "songs"] {
        let table = core.table(answered).unwrap();
        assert!(get(&table, "a", "1").unwrap().is_some());
    }
    for name in &names {
        let closed = core.table(name).unwrap().closed_reason();
        assert!(matches!(closed, Some(ClosedReason::Expired(_))), "{name}");
    }
    for name in &names {
        s.world.kms.answer(name, Answer::Yes);
    }
    let s = Setup { core, ..s };
    for name in &names {
        let table = s.core.table(name).unwrap();
        for _ in 0..1000 {
            pass(&s, Duration::from_secs(1));
            if table.closed_reason().is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        put(&s.core, &table, &item("a", "1", "x")).unwrap();
    }
    s.core.close_blocking().unwrap();

    // Without the system's key there is no opening, but an answer.
    s.world.kms.answer("system", Answer::Hang);
    let refused = s.world.open(reopened(&s.engine)).map(drop).unwrap_err();
    assert!(
        matches!(&refused, Error::Key(e) if e.is_transient()),
        "{refused}"
    );
    s.world.kms.answer("system", Answer::Yes);
}

#[test]
fn a_table_closes_and_another_is_deleted_while_the_kms_thinks_about_a_new_one() {
    let s = setup_with_threads();
    s.world.kms.answer("new", Answer::Hang);
    std::thread::scope(|scope| {
        let new = scope.spawn(|| {
            s.core
                .create_table_blocking(new_table("new"), &Caller::database())
        });
        while s.world.kms.hanging() == 0 {
            std::thread::yield_now();
        }
        s.core.delete_table_blocking("songs").unwrap();
        s.world.kms.answer("films", Answer::No);
        s.world.clock.advance(4 * MINUTE + Duration::from_secs(1));
        s.core.keeper_tick();
        assert!(s.films.closed_reason().is_some());
        s.world.kms.answer("new", Answer::Yes);
        new.join().unwrap().unwrap();
    });
}

#[test]
fn without_the_system_key_the_database_is_closed_until_it_is_opened_again() {
    let s = setup();
    s.world.kms.answer("system", Answer::No);
    s.world.clock.advance(4 * MINUTE + Duration::from_secs(1));
    s.core.keeper_tick();
    let stats = s.core.stats();
    assert_eq!(stats.state, DatabaseState::Closed);
    assert_eq!((stats.tables, stats.tables_closed), (2, 2));
    assert!(matches!(
        s.core.table("films"),
        Err(Error::SystemKeyLost(_))
    ));
    assert!(matches!(
        get(&s.films, "a", "1"),
        Err(Error::TableInaccessible { .. })
    ));
    assert!(matches!(
        put(&s.core, &s.songs, &item("b", "1", "x")),
        Err(Error::SystemKeyLost(_))
    ));
    s.core.close_blocking().unwrap();
    drop(s.core);
    assert!(matches!(
        s.world.open(reopened(&s.engine)),
        Err(Error::Key(_))
    ));
    s.world.kms.answer("system", Answer::Yes);
    let core = s.world.open(reopened(&s.engine)).unwrap();
    assert_eq!(core.table("films").unwrap().counters().item_count, 30);
}

/// Every block in pages, roots and log that opens under the system's keys, in clear.
fn everything_that_opens(core: &Core, engine: &MemoryEngine) -> Vec<Vec<u8>> {
    let shared = core.shared();
    let system = shared.system_sealers().unwrap();
    let mut out = Vec::new();
    let mut try_block = |sealer: &dyn sealdb_crypto::Sealer, kind, at, bytes: &[u8]| {
        let mut block = bytes.to_vec();
        if sealer.open(kind, at, &mut block, None).is_ok() {
            out.push(block);
        }
    };
    let units = engine.stats().page_file_len / u64::from(UNIT);
    for unit in 0..units {
        for len in [2 * UNIT, UNIT, 4 * UNIT] {
            let Ok(bytes) = engine.read_page_blocking(PageAddr(unit), len) else {
                continue;
            };
            for kind in [BlockKind::Leaf, BlockKind::Inner, BlockKind::Value] {
                try_block(&*system.catalog.sealer, kind, None, &bytes);
            }
        }
    }
    for (no, capacity) in engine.log_segments().unwrap() {
        for offset in (0..capacity).step_by(UNIT as usize) {
            let bytes = engine.log_read(no, offset, UNIT).unwrap();
            let Some(prefix) = crate::log::frame::Prefix::decode(&bytes) else {
                continue;
            };
            let frame_end = crate::log::frame::PREFIX_LEN + prefix.frame_len as usize;
            let total = prefix
                .total_len
                .min(u32::try_from(capacity - offset).unwrap());
            let bytes = engine.log_read(no, offset, total).unwrap();
            let at = Some(prefix.place());
            if let Some(rest) = bytes.get(frame_end..) {
                // The system's part stands last, after parts of any length.
                for start in 0..rest.len() {
                    try_block(&*system.log, BlockKind::LogPart, at, &rest[start..]);
                }
            }
        }
    }
    out
}

/// In how many places that open under the system's keys these bytes stand.
pub(super) fn places_of(core: &Core, engine: &MemoryEngine, bytes: &[u8]) -> usize {
    let all = everything_that_opens(core, engine);
    assert!(!all.is_empty(), "the search finds something at all");
    let has = |block: &&Vec<u8>| block.windows(bytes.len()).any(|window| window == bytes);
    all.iter().filter(has).count()
}

#[test]
fn after_a_deletion_and_its_checkpoints_no_place_holds_the_key_record() {
    let s = setup();
    let wrapped = {
        let slot = s.films.record.lock();
        slot.record.keys.active.encode()
    };
    let found = |core: &Core| places_of(core, &s.engine, &wrapped);
    // Old copies in freed catalog pages and in the log.
    for n in 0..5 {
        put(&s.core, &s.films, &item("more", &n.to_string(), "x")).unwrap();
        assert!(found(&s.core) > 0, "it is there while the table is");
        s.core.checkpoint_now().unwrap();
    }
    assert!(found(&s.core) > 0);
    s.core.delete_table_blocking("films").unwrap();
    assert_eq!(found(&s.core), 0);
    assert!(matches!(
        get(&s.films, "a", "1"),
        Err(Error::TableNotFound(_))
    ));
    assert!(matches!(
        s.core.table("films"),
        Err(Error::TableNotFound(_))
    ));
    put(&s.core, &s.songs, &item("b", "1", "x")).unwrap();
    drop(s.core);
    let core = s.world.open(reopened(&s.engine)).unwrap();
    assert!(matches!(core.table("films"), Err(Error::TableNotFound(_))));
    assert_eq!(core.table("songs").unwrap().counters().item_count, 31);
    // The name is free again.
    let again = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    assert_eq!(get(&again, "a", "1").unwrap(), None);
}

#[test]
fn the_space_of_a_deleted_table_comes_back() {
    let s = setup();
    let value = "v".repeat(1500);
    for n in 0..400 {
        put(&s.core, &s.films, &item("bulk", &n.to_string(), &value)).unwrap();
    }
    s.core.checkpoint_now().unwrap();
    let before = s.engine.stats().used_units;
    s.core.delete_table_blocking("films").unwrap();
    let after = s.engine.stats();
    assert!(
        after.used_units < before / 4,
        "{} of {before}",
        after.used_units
    );
    assert_eq!(after.rejected_frees, 0);
}

#[test]
fn a_snapshot_holds_its_places_until_it_is_too_old() {
    let s = setup();
    s.core.checkpoint_now().unwrap();
    let snapshot = s.films.read().unwrap();
    let walk = |snapshot: &crate::table::Snapshot| {
        use std::ops::Bound::Unbounded;
        let mut cursor =
            snapshot.cursor(&snapshot.trees().items, Unbounded, Unbounded, false, true);
        let mut count = 0;
        while cursor.next_blocking()?.is_some() {
            count += 1;
        }
        Ok::<_, Error>(count)
    };
    let rewrite = || {
        for n in 0..30 {
            put(&s.core, &s.films, &item("a", &n.to_string(), "changed")).unwrap();
        }
        s.core.checkpoint_now().unwrap();
    };
    rewrite();
    let held = s.engine.stats().used_units;
    assert_eq!(walk(&snapshot).unwrap(), 30);
    s.world.clock.advance(Duration::from_secs(61));
    rewrite();
    rewrite();
    assert!(s.engine.stats().used_units < held + 10);
    // Its pages are in memory still, or it is told to begin anew: never a wrong answer.
    match walk(&snapshot) {
        Ok(count) => assert_eq!(count, 30),
        Err(error) => assert!(matches!(error, Error::SnapshotExpired)),
    }
}
