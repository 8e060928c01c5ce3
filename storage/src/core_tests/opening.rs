//! What is refused at opening, and by which name; and what is not, because a crash may leave it.

use std::sync::Arc;

use sealdb_crypto::{Caller, IdentityMismatch};
use sealdb_engine::{Engine, MemoryEngine, SegmentNo, UNIT};

use super::{World, get, item, new_table, put, reopened, sizes};
use crate::core::Core;
use crate::error::{ClosedReason, Error};
use crate::log::frame::{PREFIX_LEN, Prefix, padded};
use crate::testing::Answer;

/// A database with one table of ten items, dropped without closing: the log holds everything.
fn crashed(world: &World) -> Arc<MemoryEngine> {
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = core
        .create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    for n in 0..10 {
        put(&core, &table, &item("a", &n.to_string(), "x")).unwrap();
    }
    drop(core);
    reopened(&engine)
}

fn refused(world: &World, engine: &Arc<MemoryEngine>) -> Error {
    match world.open(engine.clone()) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// Offset, length and sequence of each record in a segment.
fn records(engine: &MemoryEngine, no: SegmentNo) -> Vec<(u64, u64, u64)> {
    let capacity = engine
        .log_segments()
        .unwrap()
        .iter()
        .find(|(other, _)| *other == no)
        .unwrap()
        .1;
    let mut offset = 0;
    let mut out = Vec::new();
    while offset + PREFIX_LEN as u64 <= capacity {
        let Some(prefix) = Prefix::decode(&engine.log_read(no, offset, PREFIX_LEN as u32).unwrap())
        else {
            break;
        };
        out.push((offset, u64::from(prefix.total_len), prefix.sequence));
        offset += padded(u64::from(prefix.total_len));
    }
    out
}

fn root_slots(engine: &MemoryEngine) -> Vec<(usize, Vec<u8>)> {
    let slots = engine.read_roots().unwrap().into_iter().enumerate();
    slots
        .filter_map(|(slot, bytes)| bytes.map(|bytes| (slot, bytes)))
        .collect()
}

/// Writes over a root slot.
fn set_root(engine: &MemoryEngine, slot: usize, bytes: &[u8]) {
    engine.set_live_root_slot(1 - slot);
    engine.install_root(bytes).unwrap();
}

fn counter(root: &[u8]) -> u64 {
    crate::root::read_root(root)
        .map(|raw| raw.head.counter)
        .unwrap_or_default()
}

fn newest(engine: &MemoryEngine) -> (usize, Vec<u8>) {
    root_slots(engine)
        .into_iter()
        .max_by_key(|(_, root)| counter(root))
        .unwrap()
}

#[test]
fn another_or_an_older_keyring_is_named() {
    let world = World::inline();
    let engine = crashed(&world);
    world.kms.set_identity(|identity| identity.counter = 3);
    assert!(matches!(
        refused(&world, &engine),
        Error::Keyring(IdentityMismatch::Older {
            expected: 7,
            found: 3,
            ..
        })
    ));
    world
        .kms
        .set_identity(|identity| (identity.counter, identity.instance) = (7, "two".into()));
    assert!(matches!(
        refused(&world, &engine),
        Error::Keyring(IdentityMismatch::Other { .. })
    ));
    world
        .kms
        .set_identity(|identity| identity.instance = "one".into());
    world.kms.answer("system", Answer::No);
    assert!(matches!(refused(&world, &engine), Error::Key(_)));
    world.kms.answer("system", Answer::Yes);
    world.open(engine).unwrap();
}

#[test]
fn a_newer_format_another_suite_and_no_root_are_named() {
    let world = World::inline();
    let engine = crashed(&world);
    for (slot, root) in root_slots(&engine) {
        let with = |at: usize, byte: u8| {
            let mut root = root.clone();
            root[at] = byte;
            root
        };
        set_root(&engine, slot, &with(8, 9));
        assert!(matches!(
            refused(&world, &engine),
            Error::NewerFormat {
                found: 9,
                supported: 1
            }
        ));
        set_root(&engine, slot, &with(9, 77));
        assert!(matches!(
            refused(&world, &engine),
            Error::OtherSuite {
                found: 77,
                expected: 1
            }
        ));
        set_root(&engine, slot, &root);
    }
    let roots = root_slots(&engine);
    for (slot, root) in &roots {
        set_root(&engine, *slot, &root[..root.len() - 1]);
    }
    assert!(matches!(refused(&world, &engine), Error::NoRoot(_)));
}

#[test]
fn every_bit_of_the_log_that_was_synced_counts() {
    let world = World::inline();
    let engine = crashed(&world);
    let all = records(&engine, SegmentNo(0));
    assert_eq!(all.len(), 11, "a table and ten items");
    // The last record has no later one that could say that it was durable.
    for (offset, len, sequence) in &all[..all.len() - 1] {
        for at in [
            0,
            5,
            9,
            30,
            PREFIX_LEN as u64 + 3,
            PREFIX_LEN as u64 + 60,
            len - 40,
            len - 1,
        ] {
            let engine = reopened(&engine);
            let unit = (offset + at) / u64::from(UNIT) * u64::from(UNIT);
            let mut bytes = engine.log_read(SegmentNo(0), unit, UNIT).unwrap();
            bytes[usize::try_from(offset + at - unit).unwrap()] ^= 4;
            engine.log_write(SegmentNo(0), unit, &bytes).unwrap();
            let error = refused(&world, &engine);
            assert!(
                matches!(&error, Error::Corruption(what) if what.contains(&format!("record {sequence} "))),
                "{error}"
            );
        }
    }
}

#[test]
fn records_cut_from_the_middle_or_put_in_another_order_are_refused() {
    let world = World::inline();
    let engine = crashed(&world);
    let all = records(&engine, SegmentNo(0));
    let unit =
        |engine: &MemoryEngine, i: usize| engine.log_read(SegmentNo(0), all[i].0, UNIT).unwrap();

    let swapped = reopened(&engine);
    swapped
        .log_write(SegmentNo(0), all[3].0, &unit(&engine, 4))
        .unwrap();
    swapped
        .log_write(SegmentNo(0), all[4].0, &unit(&engine, 3))
        .unwrap();
    assert!(matches!(refused(&world, &swapped), Error::Corruption(_)));

    let cut = reopened(&engine);
    for (i, (offset, ..)) in all.iter().enumerate().take(all.len() - 1).skip(5) {
        cut.log_write(SegmentNo(0), *offset, &unit(&engine, i + 1))
            .unwrap();
    }
    assert!(matches!(refused(&world, &cut), Error::Corruption(_)));
}

#[test]
fn the_last_record_may_be_torn_or_lost_and_the_one_before_stays() {
    let world = World::inline();
    for case in 0..4 {
        let engine = crashed(&world);
        let (offset, len, _) = *records(&engine, SegmentNo(0)).last().unwrap();
        let len = usize::try_from(len).unwrap();
        // Bytes of the record that survived, and whether that is a torn tail: of a lost one there is no trace.
        let (kept, torn) = [(0, 0), (PREFIX_LEN, 1), (len / 2, 1), (len - 1, 1)][case];
        let mut bytes = engine.log_read(SegmentNo(0), offset, 4096).unwrap();
        bytes[kept..].fill(0);
        engine.log_write(SegmentNo(0), offset, &bytes).unwrap();
        let core = world.open(engine.clone()).unwrap();
        let table = core.table("films").unwrap();
        assert_eq!(table.counters().item_count, 9);
        assert_eq!(get(&table, "a", "9").unwrap(), None);
        assert_eq!(core.stats().torn_tails, torn);
        drop(core);
        let again = world.open(reopened(&engine)).unwrap();
        assert_eq!(again.stats().torn_tails, 0, "it was cut");
    }
    let whole = world.open(crashed(&world)).unwrap();
    assert_eq!(whole.stats().torn_tails, 0);
}

#[test]
fn a_torn_newer_root_gives_way_to_the_older_but_not_if_a_record_was_written_under_it() {
    let world = World::inline();
    let engine = crashed(&world);
    // Another open announces a segment in a newer root, and nothing is written under it.
    let core = world.open(engine.clone()).unwrap();
    drop(core);
    let engine = reopened(&engine);
    let (slot, root) = newest(&engine);
    set_root(&engine, slot, &root[..root.len() / 2]);
    let core = world.open(engine.clone()).unwrap();
    let table = core.table("films").unwrap();
    assert_eq!(table.counters().item_count, 10);
    put(&core, &table, &item("b", "1", "x")).unwrap();
    drop(core);

    let engine = reopened(&engine);
    let (slot, root) = newest(&engine);
    let mut damaged = root.clone();
    *damaged.last_mut().unwrap() ^= 1;
    set_root(&engine, slot, &damaged);
    let error = refused(&world, &engine);
    assert!(matches!(error, Error::Corruption(_)), "{error}");
}

#[test]
fn an_older_root_put_back_over_both_slots_is_refused() {
    let world = World::inline();
    let engine = crashed(&world);
    let old = newest(&engine).1;
    let core = world.open(engine.clone()).unwrap();
    let table = core.table("films").unwrap();
    core.checkpoint_now().unwrap();
    put(&core, &table, &item("b", "1", "x")).unwrap();
    core.checkpoint_now().unwrap();
    put(&core, &table, &item("b", "2", "x")).unwrap();
    drop(core);
    let engine = reopened(&engine);
    for slot in [0, 1] {
        set_root(&engine, slot, &old);
    }
    let error = refused(&world, &engine);
    assert!(
        matches!(error, Error::Corruption(_) | Error::MissingSegment(_)),
        "{error}"
    );
}

#[test]
fn a_root_of_another_database_or_a_moved_table_key_is_refused() {
    let world = World::inline();
    let engine = crashed(&world);
    let (other, other_root) = newest(&crashed(&world));
    let (slot, root) = newest(&engine);
    // The other database's body behind this one's head.
    let body = |root: &[u8]| {
        root.len() - {
            let raw = crate::root::read_root(root).unwrap();
            raw.body_len() + 4
        }
    };
    let mut mixed = root[..body(&root)].to_vec();
    mixed.extend_from_slice(&other_root[body(&other_root)..]);
    let _ = other;
    for at in [0, 1] {
        set_root(&engine, at, &mixed);
    }
    assert!(matches!(refused(&world, &engine), Error::NoRoot(_)));
    set_root(&engine, slot, &root);
    world.open(engine).unwrap();
}

#[test]
fn a_missing_segment_is_named() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    core.create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    drop(core);
    // The roots, in an engine that has none of the segments.
    let empty = Arc::new(MemoryEngine::with_segments(sizes()));
    for (slot, root) in root_slots(&engine) {
        set_root(&empty, slot, &root);
    }
    assert!(matches!(
        refused(&world, &reopened(&empty)),
        Error::MissingSegment(0)
    ));
}

#[test]
fn a_table_whose_kms_says_no_stays_closed_and_the_others_open() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    for name in ["films", "songs"] {
        let table = core
            .create_table_blocking(new_table(name), &Caller::database())
            .unwrap();
        put(&core, &table, &item("a", "1", name)).unwrap();
    }
    drop(core);
    world.kms.answer("films", Answer::No);
    let core = world.open(reopened(&engine)).unwrap();
    let (films, songs) = (core.table("films").unwrap(), core.table("songs").unwrap());
    assert!(matches!(
        films.closed_reason(),
        Some(ClosedReason::Denied(_))
    ));
    assert!(matches!(
        get(&films, "a", "1"),
        Err(Error::TableInaccessible { .. })
    ));
    assert!(matches!(
        put(&core, &films, &item("a", "2", "x")),
        Err(Error::TableInaccessible { .. })
    ));
    assert!(get(&songs, "a", "1").unwrap().is_some());
    put(&core, &songs, &item("a", "2", "x")).unwrap();
}

/// Opens, and closes cleanly, often: nothing grows.
#[test]
fn opening_and_closing_often_leaves_no_trace() {
    let world = World::inline();
    let mut engine = crashed(&world);
    let mut sizes_seen = Vec::new();
    for _ in 0..12 {
        let core: Core = world.open(engine.clone()).unwrap();
        core.close_blocking().unwrap();
        drop(core);
        let stats = engine.stats();
        sizes_seen.push((stats.used_units, stats.log_segment_bytes));
        engine = reopened(&engine);
    }
    assert_eq!(
        sizes_seen[6..],
        vec![*sizes_seen.last().unwrap(); 6][..],
        "{sizes_seen:?}"
    );
}

#[test]
fn what_a_crash_left_in_the_log_and_no_root_lists_is_wiped() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let marker = [0x5a; 40];
    let plant = |engine: &MemoryEngine| {
        let (no, _) = engine.log_create(4096).unwrap();
        engine.log_write(no, 8192, &marker).unwrap();
    };
    // As a recovery that was cut short leaves a segment.
    plant(&engine);
    drop(core);
    let engine = reopened(&engine);
    let _core = world.open(engine.clone()).unwrap();
    assert!(!engine.image().contains(&marker));

    // After a clean close nothing is looked for: it costs a reading of all segments.
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    world
        .open(engine.clone())
        .unwrap()
        .close_blocking()
        .unwrap();
    plant(&engine);
    let engine = reopened(&engine);
    world.open(engine.clone()).unwrap();
    assert!(engine.image().contains(&marker));
}

#[test]
fn a_torn_record_with_a_key_record_in_it_is_wiped_with_the_next_checkpoint() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let before = core.shared().log.lock().position().unwrap();
    core.create_table_blocking(new_table("films"), &Caller::database())
        .unwrap();
    let mut record = engine
        .log_read(before.segment, before.offset, UNIT)
        .unwrap();
    let part = record[record.len() / 8..][..40].to_vec();
    assert!(engine.image().contains(&part) && part.iter().any(|byte| *byte != 0));
    drop(core);
    record[PREFIX_LEN + 40] ^= 1;
    engine
        .log_write(before.segment, before.offset, &record)
        .unwrap();

    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    assert!(core.table("films").is_err());
    core.checkpoint_now().unwrap();
    assert!(!engine.image().contains(&part));
}
