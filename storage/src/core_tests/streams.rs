//! Records follow from what the log says, whatever happens between.

use std::ops::Bound::Unbounded;
use std::sync::Arc;
use std::time::Duration;

use sealdb_crypto::{Caller, Clock};
use sealdb_engine::MemoryEngine;
use sealdb_model::ops::{SequenceNumber, StreamViewType};
use sealdb_model::{Item, codec};

use super::{World, item, new_table, put, reopened, sizes};
use crate::core::Core;
use crate::ddl::NewTable;
use crate::error::Error;
use crate::stream::{StoredRecord, record_number};
use crate::table::Table;
use crate::testing::Answer;
use crate::tools::check_parts;

/// An item before and after a change.
pub(super) type Change = (Option<Item>, Option<Item>);

/// [`new_table`] with a stream that shows everything.
pub(super) fn with_stream(name: &str) -> NewTable {
    NewTable {
        stream: Some(StreamViewType::NewAndOldImages),
        ..new_table(name)
    }
}

/// All records of the table's streams, in order: their numbers, times and changes.
fn records(table: &Arc<Table>) -> Result<Vec<(SequenceNumber, u64, Change)>, Error> {
    let snapshot = table.read()?;
    let image = |bytes: &[u8]| (!bytes.is_empty()).then(|| codec::decode_item(bytes).unwrap());
    let mut found = Vec::new();
    let streams = snapshot.trees().derived.iter();
    for branch in streams.filter(|branch| branch.stream().is_some()) {
        let mut cursor = snapshot.cursor(branch, Unbounded, Unbounded, false, true);
        while let Some(value) = cursor.next_blocking()? {
            let number = record_number(cursor.key()).unwrap();
            if let Some(record) = StoredRecord::decode(&value).unwrap() {
                let change = (image(record.old), image(record.new));
                found.push((number, record.at_ms, change));
            }
        }
    }
    Ok(found)
}

/// What became of the table's items, as its stream tells it.
pub(super) fn changes(table: &Arc<Table>) -> Result<Vec<Change>, Error> {
    let records = records(table)?;
    Ok(records.into_iter().map(|(_, _, change)| change).collect())
}

fn films(core: &Core) -> Arc<Table> {
    core.create_table_blocking(with_stream("films"), &Caller::database())
        .unwrap()
}

#[test]
fn what_was_carried_for_a_closed_table_leaves_the_same_records() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    for n in 0..20 {
        world.clock.advance(Duration::from_secs(1));
        put(&core, &table, &item("a", &format!("{n}"), "value")).unwrap();
    }
    let before = records(&table).unwrap();
    assert_eq!(before.len(), 20);
    drop(core);

    // Nobody gives its key: its log parts are carried along, through two checkpoints and a crash.
    world.kms.answer("films", Answer::No);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    assert!(core.table("films").unwrap().closed_reason().is_some());
    core.checkpoint_now().unwrap();
    core.checkpoint_now().unwrap();
    drop(core);
    let engine = reopened(&engine);
    let core = world.open(engine.clone()).unwrap();
    world.kms.answer("films", Answer::Yes);
    world.clock.advance(Duration::from_secs(60));
    core.keeper_tick();
    let table = core.table("films").unwrap();
    assert_eq!(records(&table).unwrap(), before);
    put(&core, &table, &item("a", "new", "value")).unwrap();
    let after = records(&table).unwrap();
    assert_eq!(after[..20], before);
    assert!(after[20].0 > after[19].0 && after[20].1 == world.clock.wall_ms());
    core.close_blocking().unwrap();
    drop(core);
    let report = check_parts(world.parts(reopened(&engine))).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
}

#[test]
fn a_mutation_that_fails_leaves_no_record() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    let (key, bytes) = super::stored(&table, &item("a", "1", "one"));
    let (target, entry) = (table.clone(), super::entry(&key, Some(&bytes)));
    let failed = core.commit_blocking(move |txn| {
        txn.write(&target, &entry)?;
        Err::<(), _>(Error::DuplicateItem.into())
    });
    assert!(failed.is_err());
    put(&core, &table, &item("a", "2", "two")).unwrap();
    let before = records(&table).unwrap();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].0.record, 0);
    drop(core);
    let core = world.open(reopened(&engine)).unwrap();
    assert_eq!(records(&core.table("films").unwrap()).unwrap(), before);
}

#[test]
fn check_finds_what_is_no_record() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    put(&core, &table, &item("a", "1", "one")).unwrap();
    {
        let mut working = table.working.lock();
        let open = working.open.as_mut().unwrap();
        let mut streams = open.trees.derived.iter_mut();
        let branch = streams.find(|branch| branch.stream().is_some()).unwrap();
        let mut retired = crate::trees::RetiredByTree::default();
        let put = branch.change(&mut retired, &[7; 12], Some(&[9]), &mut |_, _| Ok(()));
        assert!(put.is_ok());
    }
    put(&core, &table, &item("a", "2", "two")).unwrap();
    core.checkpoint_now().unwrap();
    let report = check_parts(world.parts(reopened(&engine))).unwrap();
    let damage = "the stream in tree 4 has 1 entries that are no records";
    assert!(
        report.damages.iter().any(|found| found.ends_with(damage)),
        "{:?}",
        report.damages
    );
}
