//! A panic anywhere: whoever waits gets an answer, the database is left in a state that it names, and what was acknowledged is found
//! when it is opened again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use parking_lot::Mutex;
use sealdb_crypto::{Caller, Clock, ManualClock, Provider};
use sealdb_engine::{Fault, FaultPoint, Faults, FaultyEngine, MemoryEngine};

use super::threads::put_async;
use super::{World, get, item, new_table, put, reopened, sizes};
use crate::audit::Trail;
use crate::core::Core;
use crate::error::{ClosedReason, Error};
use crate::shared::Parts;
use crate::table::Table;

/// Whether a thread of this name is hit.
type Aim = fn(&str) -> bool;

/// A clock over which threads panic, when told to.
struct Bomb {
    inner: ManualClock,
    aim: Mutex<Option<Aim>>,
}

impl Clock for Bomb {
    fn wall_ms(&self) -> u64 {
        self.tick();
        self.inner.wall_ms()
    }

    fn boot(&self) -> Duration {
        self.tick();
        self.inner.boot()
    }
}

impl Bomb {
    fn tick(&self) {
        let thread = std::thread::current();
        let aim = *self.aim.lock();
        let hit = aim.is_some_and(|hits| hits(thread.name().unwrap_or_default()));
        assert!(!hit, "told to panic");
    }
}

fn with_bomb() -> (Arc<Bomb>, Core, Arc<Table>) {
    let clock = Arc::new(Bomb {
        inner: ManualClock::new(),
        aim: Mutex::new(None),
    });
    let core = Core::open(Parts {
        engine: Arc::new(MemoryEngine::with_segments(sizes())),
        sealing: crate::testing::test_sealing(),
        kms: crate::testing::TestKms::new(),
        trail: Trail::None,
        clock: clock.clone(),
        provider: Provider::default_provider(),
        options: World::threaded().options,
    })
    .unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&core, &table, &item("a", "1", "x")).unwrap();
    (clock, core, table)
}

#[test]
fn a_panic_in_a_mutation_is_its_callers_and_one_in_the_leader_everybodys() {
    let (clock, core, table) = with_bomb();
    let own: Result<(), Error> = core.commit_blocking(|_| panic!("told to panic"));
    assert!(matches!(own, Err(Error::System(_))), "{own:?}");
    put(&core, &table, &item("a", "2", "x")).unwrap();

    // The leader reads the clock while it seals a record. The keeper reads it, too.
    *clock.aim.lock() = Some(|name| name != "sealdb-keys");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (core, table) = (&core, &table);
            scope.spawn(move || {
                let put = AssertUnwindSafe(|| put(core, table, &item("b", &n.to_string(), "x")));
                assert!(!matches!(catch_unwind(put), Ok(Ok(()))), "not durable");
            });
        }
    });
    *clock.aim.lock() = None;
    let refused = put(&core, &table, &item("b", "1", "x"));
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
    assert!(get(&table, "a", "1").unwrap().is_some(), "reads go on");
    core.close_blocking().unwrap();
}

#[test]
fn no_key_outlives_a_key_keeper_that_panicked() {
    let (clock, core, table) = with_bomb();
    *clock.aim.lock() = Some(|name| name == "sealdb-keys");
    let closed = || matches!(core.table("films"), Err(Error::SystemKeyLost(_)));
    eventually(closed);
    *clock.aim.lock() = None;
    let refused = put(&core, &table, &item("b", "1", "x"));
    assert!(
        matches!(refused, Err(Error::SystemKeyLost(_))),
        "{refused:?}"
    );
    eventually(|| get(&table, "a", "1").is_err());
    assert!(matches!(
        table.closed_reason(),
        Some(ClosedReason::Expired(_))
    ));
    core.close_blocking().unwrap();
}

fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not come to hold");
}

/// How long something may take before it counts as asleep for ever.
const LONG: Duration = Duration::from_secs(60);

/// Everybody writes, the checkpointer works, the log needs new segments; one call of the engine panics.
#[test]
fn a_panic_in_the_engine_hangs_nobody_and_loses_nothing_acknowledged() {
    for point in [
        FaultPoint::PageWrite,
        FaultPoint::PageSync,
        FaultPoint::RootInstall,
        FaultPoint::LogCreate,
        FaultPoint::LogWrite,
        FaultPoint::LogSync,
        FaultPoint::LogRelease,
    ] {
        for nth in [1, 3] {
            engine_panics(point, nth);
        }
    }
}

fn engine_panics(point: FaultPoint, nth: u64) {
    let mut world = World::threaded();
    world.options.cache_bytes = 256 << 10;
    world.options.log_limit = 128 << 10;
    let faults = Faults::new();
    let inner = MemoryEngine::with_segments(sizes());
    let engine = Arc::new(FaultyEngine::new(inner, faults.clone()));
    let core = Arc::new(world.open(engine.clone()).unwrap());
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    faults.fail_nth(point, nth, Fault::Panic);
    let (done, ends) = channel();
    for writer in 0..6 {
        let (core, table, done) = (core.clone(), table.clone(), done.clone());
        std::thread::spawn(move || {
            let acknowledged = write_until_refused(&core, &table, writer);
            done.send(acknowledged).unwrap();
        });
    }
    let mut acknowledged = Vec::new();
    for _ in 0..6 {
        let of_one = ends.recv_timeout(LONG);
        acknowledged.extend(of_one.unwrap_or_else(|_| panic!("{point:?}: a writer sleeps")));
    }
    assert_eq!(faults.struck(), 1, "{point:?}");
    // Read-only, or as before where the caller alone was hit.
    let after = put(&core, &table, &item("after", "1", "x"));
    assert!(
        matches!(after, Ok(()) | Err(Error::ReadOnly(_))),
        "{point:?}: {after:?}"
    );
    assert!(get(&table, "none", "1").unwrap().is_none(), "reads go on");
    let (done, closed) = channel();
    std::thread::spawn(move || {
        let close = AssertUnwindSafe(|| core.close_blocking());
        done.send(catch_unwind(close).is_ok()).unwrap();
    });
    assert_eq!(closed.recv_timeout(LONG), Ok(true), "{point:?}: it closes");

    let again = world.open(reopened(engine.inner())).unwrap();
    let table = again.table("films").unwrap();
    for (pk, sk) in acknowledged {
        assert!(
            get(&table, &pk, &sk).unwrap().is_some(),
            "{point:?}: {pk} {sk}"
        );
    }
    put(&again, &table, &item("again", "1", "x")).unwrap();
    again.close_blocking().unwrap();
}

/// Keys of what was acknowledged. Some writers are threads, some tasks.
fn write_until_refused(core: &Core, table: &Arc<Table>, writer: u32) -> Vec<(String, String)> {
    let (pk, value) = (writer.to_string(), "v".repeat(1_000));
    let mut acknowledged = Vec::new();
    for n in 0..150 {
        let sk = n.to_string();
        let write = AssertUnwindSafe(|| match writer % 2 {
            0 => put(core, table, &item(&pk, &sk, &value)),
            _ => futures_lite::future::block_on(put_async(core, table, &pk, &sk, &value)),
        });
        match catch_unwind(write) {
            Ok(Ok(())) => acknowledged.push((pk.clone(), sk)),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    acknowledged
}

/// A close makes its checkpoint on the caller's thread.
#[test]
fn a_panic_while_closing_is_the_closers_alone_and_loses_nothing_acknowledged() {
    for point in [
        FaultPoint::PageWrite,
        FaultPoint::PageSync,
        FaultPoint::RootInstall,
        FaultPoint::LogSync,
    ] {
        let world = World::threaded();
        let faults = Faults::new();
        let inner = MemoryEngine::with_segments(sizes());
        let engine = Arc::new(FaultyEngine::new(inner, faults.clone()));
        let core = world.open(engine.clone()).unwrap();
        let table = core
            .create_table_blocking(new_table("films"), &Caller::database())
            .unwrap();
        for n in 0..30 {
            put(&core, &table, &item("a", &n.to_string(), "x")).unwrap();
        }
        faults.fail_nth(point, 1, Fault::Panic);
        let close = catch_unwind(AssertUnwindSafe(|| core.close_blocking()));
        assert!(close.is_err(), "{point:?}");
        let refused = put(&core, &table, &item("b", "1", "x"));
        assert!(refused.is_err(), "{point:?}");
        let (done, ended) = channel();
        std::thread::spawn(move || {
            let again = core.close_blocking();
            drop(core);
            done.send(again.is_ok()).unwrap();
        });
        assert_eq!(ended.recv_timeout(LONG), Ok(true), "{point:?}");
        let again = world.open(reopened(engine.inner())).unwrap();
        let table = again.table("films").unwrap();
        for n in 0..30 {
            assert!(get(&table, "a", &n.to_string()).unwrap().is_some());
        }
        again.close_blocking().unwrap();
    }
}
