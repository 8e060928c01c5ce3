//! The database's inside with its threads: tasks and threads commit at once, groups form, everything ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealdb_crypto::Caller;
use sealdb_engine::{Fault, FaultPoint, Faults, FaultyEngine, MemoryEngine};

use super::{World, entry, get, item, new_table, put, reopened, sizes, stored};
use crate::commit::txn::TxnError;
use crate::core::Core;
use crate::error::Error;
use crate::options::Durability;
use crate::table::Table;

pub(super) async fn put_async(
    core: &Core,
    table: &Arc<Table>,
    pk: &str,
    sk: &str,
    value: &str,
) -> Result<(), Error> {
    let (key, bytes) = stored(table, &item(pk, sk, value));
    let table = table.clone();
    core.commit(move |txn| txn.write(&table, &entry(&key, Some(&bytes))))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_threads_commit_at_once_and_a_close_ends_everything() {
    for durability in [
        Durability::Commit,
        Durability::Interval(Duration::from_millis(2)),
    ] {
        let mut world = World::threaded();
        world.options.durability = durability;
        world.options.cache_bytes = 1 << 20;
        world.options.log_limit = 1 << 20;
        let engine = Arc::new(MemoryEngine::with_segments(sizes()));
        let core = Arc::new(world.open(engine.clone()).unwrap());
        let table = core
            .create_table(new_table("films"), Caller::database())
            .await
            .unwrap();
        let mut tasks = Vec::new();
        for task in 0..8 {
            let (core, table) = (core.clone(), table.clone());
            tasks.push(tokio::spawn(async move {
                for n in 0..200 {
                    put_async(
                        &core,
                        &table,
                        &format!("task{task}"),
                        &n.to_string(),
                        &"x".repeat(n * 7 % 900),
                    )
                    .await
                    .unwrap();
                }
            }));
        }
        let mut threads = Vec::new();
        for thread in 0..4 {
            let (core, table) = (core.clone(), table.clone());
            threads.push(std::thread::spawn(move || {
                for n in 0..200 {
                    put(
                        &core,
                        &table,
                        &item(&format!("thread{thread}"), &n.to_string(), "y"),
                    )
                    .unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(table.counters().item_count, 8 * 200 + 4 * 200);
        let groups = core.sequence();
        core.close().await.unwrap();
        assert!(matches!(
            put_async(&core, &table, "late", "1", "x").await,
            Err(Error::Closed)
        ));
        assert!(matches!(
            put(&core, &table, &item("late", "1", "x")),
            Err(Error::Closed)
        ));
        drop(core);

        let core = world.open(reopened(&engine)).unwrap();
        let table = core.table("films").unwrap();
        assert_eq!(table.counters().item_count, 2400);
        assert!(
            get(&table, "task7", "199").unwrap().is_some()
                && get(&table, "thread3", "0").unwrap().is_some()
        );
        assert!(groups <= 2401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_dropped_futures_happen_whole_or_not_at_all() {
    let world = World::threaded();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = Arc::new(world.open(engine.clone()).unwrap());
    let table = core
        .create_table(new_table("films"), Caller::database())
        .await
        .unwrap();
    for n in 0..300u64 {
        let (key_a, a) = stored(&table, &item("a", &n.to_string(), "left"));
        let (key_b, b) = stored(&table, &item("b", &n.to_string(), "right"));
        let t = table.clone();
        let commit = core.commit(move |txn| {
            txn.write(&t, &entry(&key_a, Some(&a)))?;
            txn.write(&t, &entry(&key_b, Some(&b)))
        });
        let mut commit = Box::pin(commit);
        // Polled once: queued. Then its caller goes away.
        let _ = futures_lite::future::poll_once(&mut commit).await;
        drop(commit);
    }
    core.commit(|_| Ok(())).await.unwrap();
    for n in 0..300 {
        let (a, b) = (
            get(&table, "a", &n.to_string()).unwrap(),
            get(&table, "b", &n.to_string()).unwrap(),
        );
        assert_eq!(a.is_some(), b.is_some());
        assert!(a.is_some(), "a queued mutation runs to its end");
    }
}

#[test]
fn a_failed_condition_is_answered_after_what_it_saw_is_durable() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    put(&core, &table, &item("a", "1", "one")).unwrap();
    let (key, bytes) = stored(&table, &item("a", "1", "two"));
    let t = table.clone();
    let refused = core.commit_blocking(move |txn| {
        txn.write(&t, &entry(&key, Some(&bytes)))?;
        if txn.get(&t, &key)?.is_some() {
            return Err(TxnError::Fail(Error::TableInUse(t.name.clone(), "created")));
        }
        Ok(())
    });
    assert!(matches!(refused, Err(Error::TableInUse(..))));
    assert_eq!(
        get(&table, "a", "1").unwrap(),
        Some(item("a", "1", "one")),
        "nothing of it was applied"
    );
}

#[test]
fn threads_that_crash_into_a_failed_sync_all_get_an_answer() {
    let world = World::threaded();
    let faults = Faults::new();
    let engine = Arc::new(FaultyEngine::new(
        MemoryEngine::with_segments(sizes()),
        faults.clone(),
    ));
    let core = Arc::new(world.open(engine).unwrap());
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    faults.fail_nth(FaultPoint::LogSync, 60, Fault::Sync);
    let threads: Vec<_> = (0..6)
        .map(|thread| {
            let (core, table, acknowledged) = (core.clone(), table.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                for n in 0..1000 {
                    match put(
                        &core,
                        &table,
                        &item(&thread.to_string(), &n.to_string(), "x"),
                    ) {
                        Ok(()) => acknowledged.fetch_add(1, Ordering::Relaxed),
                        Err(Error::UnknownOutcome(_) | Error::ReadOnly(_)) => return,
                        Err(error) => panic!("{error}"),
                    };
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(matches!(
        put(&core, &table, &item("late", "1", "x")),
        Err(Error::ReadOnly(_))
    ));
    assert_eq!(
        table.counters().item_count,
        acknowledged.load(Ordering::Relaxed),
        "reads go on, of what was published"
    );
}

#[test]
fn a_group_that_is_larger_than_the_dirty_budget_does_not_wait_for_ever() {
    let mut world = World::threaded();
    world.options.cache_bytes = 64 << 10;
    let core = world
        .open(Arc::new(MemoryEngine::with_segments(sizes())))
        .unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    let rows: Vec<_> = (0..100)
        .map(|n| stored(&table, &item("a", &n.to_string(), &"v".repeat(1500))))
        .collect();
    let target = table.clone();
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let put = core.commit_blocking(move |txn| {
            for (key, bytes) in &rows {
                txn.write(&target, &entry(key, Some(bytes)))?;
            }
            Ok(())
        });
        done.send(put.is_ok()).unwrap();
    });
    assert_eq!(waits.recv_timeout(Duration::from_secs(60)), Ok(true));
    assert_eq!(table.counters().item_count, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_holds_while_many_write() {
    let mut world = World::threaded();
    world.options.durability = Durability::Interval(Duration::from_millis(5));
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = Arc::new(world.open(engine).unwrap());
    let table = core
        .create_table(new_table("films"), Caller::database())
        .await
        .unwrap();
    let stop = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..16)
        .map(|writer: u64| {
            let (core, table, stop) = (core.clone(), table.clone(), stop.clone());
            tokio::spawn(async move {
                let pk = writer.to_string();
                let mut n = 0;
                while stop.load(Ordering::Relaxed) == 0 {
                    let sk = (n % 50).to_string();
                    put_async(&core, &table, &pk, &sk, "x").await.unwrap();
                    n += 1;
                }
            })
        })
        .collect();
    let (mut advances, mut last) = (0, 0);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let durable = core.shared().log.lock().durable();
        advances += u32::from(durable > last);
        last = durable;
    }
    stop.store(1, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(advances > 30, "{advances} times in a second");
}
