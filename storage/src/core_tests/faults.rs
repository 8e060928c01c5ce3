//! Full disks, failed writes and syncs: what the caller is told, and that nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use sealdb_crypto::Caller;
use sealdb_engine::{CrashEngine, Fault, FaultPoint, Faults, FaultyEngine, MemoryEngine, Survival};

use super::{World, get, item, new_table, put, reopened, sizes};
use crate::core::Core;
use crate::error::Error;
use crate::options::Durability;
use crate::stats::DatabaseState;
use crate::table::Table;

struct Faulty {
    world: World,
    faults: Faults,
    engine: Arc<FaultyEngine<MemoryEngine>>,
    core: Core,
    table: Arc<Table>,
}

fn faulty() -> Faulty {
    let world = World::inline();
    let faults = Faults::new();
    let engine = Arc::new(FaultyEngine::new(
        MemoryEngine::with_segments(sizes()),
        faults.clone(),
    ));
    let core = world.open(engine.clone()).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&core, &table, &item("a", "0", "first")).unwrap();
    Faulty {
        world,
        faults,
        engine,
        core,
        table,
    }
}

impl Faulty {
    fn reopen(self) -> (Core, Arc<Table>) {
        drop(self.core);
        let core = self.world.open(reopened(self.engine.inner())).unwrap();
        let table = core.table("films").unwrap();
        (core, table)
    }
}

#[test]
fn a_full_disk_fails_the_write_with_nothing_applied_and_writing_goes_on_once_there_is_space() {
    let f = faulty();
    f.faults.room(Some(0));
    let value = "x".repeat(3000);
    let mut written = 0;
    let refused = loop {
        match put(&f.core, &f.table, &item("b", &written.to_string(), &value)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the log is never full");
    };
    assert!(matches!(refused, Error::StorageFull), "{refused}");
    assert!(written > 3, "a segment was there");
    assert_eq!(get(&f.table, "b", &written.to_string()).unwrap(), None);
    assert!(get(&f.table, "b", "0").unwrap().is_some(), "reads go on");
    assert!(matches!(
        put(&f.core, &f.table, &item("b", "again", &value)),
        Err(Error::StorageFull)
    ));
    assert!(matches!(f.core.checkpoint_now(), Err(Error::StorageFull)));
    let counters = f.table.counters();
    assert_eq!(counters.item_count, written + 1);

    f.faults.room(None);
    put(&f.core, &f.table, &item("b", "after", &value)).unwrap();
    f.core.checkpoint_now().unwrap();
    put(&f.core, &f.table, &item("b", "last", &value)).unwrap();
    let (_core, table) = f.reopen();
    assert_eq!(table.counters().item_count, written + 3);
    assert!(
        get(&table, "b", "last").unwrap().is_some() && get(&table, "b", "again").unwrap().is_none()
    );
}

#[test]
fn a_log_that_fills_the_disk_is_let_go_by_a_checkpoint() {
    let f = faulty();
    // Room for pages and one segment more: what is put lies in the log many times over.
    f.faults.room(Some(2 << 20));
    let value = "x".repeat(3000);
    for n in 0..2000 {
        put(&f.core, &f.table, &item("b", &(n % 5).to_string(), &value)).unwrap();
    }
    let (_core, table) = f.reopen();
    assert_eq!(table.counters().item_count, 6);
}

#[test]
fn a_failed_sync_or_write_of_the_log_makes_it_read_only_until_reopened() {
    for (point, fault) in [
        (FaultPoint::LogSync, Fault::Sync),
        (FaultPoint::LogSync, Fault::Io),
        (FaultPoint::LogWrite, Fault::Io),
        (FaultPoint::LogWrite, Fault::Short),
    ] {
        let f = faulty();
        f.faults.fail_nth(point, 1, fault);
        let error = put(&f.core, &f.table, &item("b", "1", "x")).unwrap_err();
        assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
        assert!(matches!(
            put(&f.core, &f.table, &item("b", "2", "x")),
            Err(Error::ReadOnly(_))
        ));
        assert_eq!(get(&f.table, "b", "1").unwrap(), None, "not published");
        assert!(get(&f.table, "a", "0").unwrap().is_some(), "reads go on");
        assert_eq!(f.core.state(), DatabaseState::ReadOnly);
        assert!(matches!(f.core.checkpoint_now(), Err(Error::ReadOnly(_))));
        f.faults.clear();
        let (core, table) = f.reopen();
        assert!(
            get(&table, "a", "0").unwrap().is_some() && get(&table, "b", "2").unwrap().is_none()
        );
        put(&core, &table, &item("b", "3", "x")).unwrap();
    }
}

#[test]
fn a_checkpoint_that_fails_anywhere_is_tried_again_and_nothing_is_lost() {
    for point in [
        FaultPoint::PageWrite,
        FaultPoint::RootInstall,
        FaultPoint::PageZero,
        FaultPoint::LogRelease,
    ] {
        for fault in [Fault::Io, Fault::Full, Fault::Short] {
            for nth in 1..4 {
                let f = faulty();
                f.core.checkpoint_now().unwrap();
                for n in 0..40 {
                    put(
                        &f.core,
                        &f.table,
                        &item("b", &n.to_string(), &"y".repeat(n * 60)),
                    )
                    .unwrap();
                }
                f.faults.fail_nth(point, nth, fault);
                let first = f.core.checkpoint_now();
                put(&f.core, &f.table, &item("b", "between", "z")).unwrap();
                f.faults.clear();
                f.core.checkpoint_now().unwrap();
                f.core.checkpoint_now().unwrap();
                assert_eq!(
                    f.core.stats().engine.rejected_frees,
                    0,
                    "{point:?} {fault:?} {nth} {first:?}"
                );
                put(&f.core, &f.table, &item("b", "after", "z")).unwrap();
                let (_core, table) = f.reopen();
                assert_eq!(
                    table.counters().item_count,
                    43,
                    "{point:?} {fault:?} {nth} {first:?}"
                );
                for n in 0..40 {
                    assert!(get(&table, "b", &n.to_string()).unwrap().is_some());
                }
            }
        }
    }
}

#[test]
fn a_failed_sync_of_pages_or_root_makes_it_read_only_until_reopened() {
    for point in [FaultPoint::PageSync, FaultPoint::RootInstall] {
        let f = faulty();
        put(&f.core, &f.table, &item("b", "1", "x")).unwrap();
        f.faults.fail_nth(point, 1, Fault::Sync);
        let error = f.core.checkpoint_now().unwrap_err();
        assert!(matches!(error, Error::Engine(_)), "{point:?}: {error}");
        f.faults.clear();
        for _ in 0..2 {
            let refused = put(&f.core, &f.table, &item("b", "2", "x"));
            assert!(
                matches!(refused, Err(Error::ReadOnly(_))),
                "{point:?}: {refused:?}"
            );
            let refused = f.core.checkpoint_now();
            assert!(
                matches!(refused, Err(Error::ReadOnly(_))),
                "{point:?}: {refused:?}"
            );
        }
        assert!(get(&f.table, "b", "1").unwrap().is_some(), "reads go on");
        assert_eq!(f.core.state(), DatabaseState::ReadOnly);
        f.core.close_blocking().unwrap();
        let (core, table) = f.reopen();
        assert_eq!(table.counters().item_count, 2, "{point:?}");
        put(&core, &table, &item("b", "3", "x")).unwrap();
        core.checkpoint_now().unwrap();
    }
}

#[test]
fn a_page_that_cannot_be_read_fails_the_read_and_only_that() {
    let f = faulty();
    f.core.checkpoint_now().unwrap();
    let Faulty {
        world,
        engine,
        core,
        ..
    } = f;
    drop(core);
    let faults = Faults::new();
    let engine = Arc::new(FaultyEngine::new(
        MemoryEngine::from_image(engine.inner().image(), sizes()),
        faults.clone(),
    ));
    let core = world.open(engine).unwrap();
    let table = core.table("films").unwrap();
    faults.fail_nth(FaultPoint::PageRead, 1, Fault::Io);
    assert!(matches!(get(&table, "a", "0"), Err(Error::Engine(_))));
    faults.fail_nth(FaultPoint::PageRead, 1, Fault::FlipBit);
    let error = get(&table, "a", "0").unwrap_err();
    assert!(matches!(error, Error::Corruption(_)), "{error}");
    assert!(
        get(&table, "a", "0").unwrap().is_some(),
        "the next read finds it"
    );
    put(&core, &table, &item("a", "1", "x")).unwrap();
}

#[test]
fn a_name_that_is_used_again_outlives_a_checkpoint_that_fails() {
    let f = faulty();
    f.core.checkpoint_now().unwrap();
    f.faults.fail_nth(FaultPoint::PageWrite, 1, Fault::Io);
    f.core.delete_table_blocking("films").unwrap();
    let again = f
        .core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&f.core, &again, &item("b", "1", "new")).unwrap();
    // The third write is the allocation map: the catalog has the new record already.
    f.faults.fail_nth(FaultPoint::PageWrite, 3, Fault::Io);
    assert!(f.core.checkpoint_now().is_err());
    f.core.checkpoint_now().unwrap();
    let (_core, table) = f.reopen();
    assert!(get(&table, "b", "1").unwrap().is_some());
    assert_eq!(table.counters().item_count, 1);
}

#[test]
fn closing_a_read_only_database_syncs_what_an_interval_acknowledged() {
    let mut world = World::inline();
    world.options.durability = Durability::Interval(Duration::from_secs(1));
    let faults = Faults::new();
    let engine = Arc::new(FaultyEngine::new(CrashEngine::new(sizes()), faults.clone()));
    let core = world.open(engine.clone()).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&core, &table, &item("a", "0", "first")).unwrap();
    faults.fail_nth(FaultPoint::PageSync, 1, Fault::Sync);
    core.checkpoint_now().unwrap_err();
    core.close_blocking().unwrap();
    drop(core);
    let image = engine.inner().survivor(Survival::Nothing);
    let core = world
        .open(Arc::new(MemoryEngine::from_image(image, sizes())))
        .unwrap();
    let table = core.table("films").unwrap();
    assert!(get(&table, "a", "0").unwrap().is_some());
}
