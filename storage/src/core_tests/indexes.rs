//! Indexes hold what the items imply, and nothing else: whatever is changed, missing from memory, or cut short.

use std::ops::Bound::Unbounded;
use std::sync::Arc;

use sealdb_crypto::Caller;
use sealdb_engine::MemoryEngine;
use sealdb_model::{IndexKey, IndexName, IndexProjection, IndexSchema, Item, codec, item_size};

use super::{World, get, item, new_table, put, reopened, sizes, stored};
use crate::core::Core;
use crate::error::Error;
use crate::log::frame::Written;
use crate::table::{Snapshot, Table};
use crate::tools::check_parts;
use crate::trees::{Branch, Counters, RetiredByTree, Role};

/// What an index of [`new_table`], or the one that is made later, holds of an item.
fn implied(index: &str, item: &Item) -> Option<Item> {
    let part = |names: &[&str]| {
        let attribute = |name: &&str| Some(((*name).to_owned(), item.get(name)?.clone()));
        names.iter().map(attribute).collect::<Option<Item>>()
    };
    match index {
        "by-length" => part(&["pk", "sk", "length"]),
        "by-group" => part(&["pk", "sk", "length", "group", "value"]),
        "by-sk" => Some(item.clone()),
        "later" => item.get("group").map(|_| item.clone()),
        other => panic!("no index {other}"),
    }
}

/// The index that is made later: of whole items, by group.
pub(super) fn later() -> Role {
    let by_group = new_table("films").schema.indexes.remove(1);
    Role::Index(IndexSchema {
        name: IndexName::new("later").unwrap(),
        key: IndexKey {
            partition: by_group.key.partition,
            sort: Vec::new(),
        },
        projection: IndexProjection::All,
        ..by_group
    })
}

/// The trees that are indexes.
fn index_trees(snapshot: &Snapshot) -> impl Iterator<Item = &Branch> {
    let derived = snapshot.trees().derived.iter();
    derived.filter(|branch| branch.def.role.index().is_some())
}

/// The entries of each index, in its order.
fn entries(table: &Table, snapshot: &Snapshot) -> Result<Vec<Vec<Item>>, Error> {
    let mut indexes = Vec::new();
    for branch in index_trees(snapshot) {
        let mut cursor = snapshot.cursor(branch, Unbounded, Unbounded, false, true);
        let mut items = Vec::new();
        while let Some(value) = cursor.next_blocking()? {
            items.push(codec::decode_item(&value).unwrap());
        }
        let counted = Counters {
            item_count: items.len() as u64,
            size_bytes: items.iter().map(|item| item_size(item) as u64).sum(),
        };
        assert_eq!(branch.counters, counted, "of {}", table.name);
        indexes.push(items);
    }
    Ok(indexes)
}

fn in_some_order(items: impl IntoIterator<Item = Item>) -> Vec<Vec<u8>> {
    let bytes = |item: Item| {
        let mut bytes = Vec::new();
        codec::encode_item(&item, &mut bytes).unwrap();
        bytes
    };
    let mut all: Vec<_> = items.into_iter().map(bytes).collect();
    all.sort();
    all
}

/// Each index holds what these items imply.
pub(super) fn assert_indexes_follow<'i>(
    table: &Arc<Table>,
    items: impl Iterator<Item = &'i Item> + Clone,
) -> Result<(), Error> {
    let snapshot = table.read()?;
    let entries = entries(table, &snapshot)?;
    for (branch, found) in index_trees(&snapshot).zip(entries) {
        let name = branch.def.role.index().unwrap().name.as_str();
        let covered = |item: &&Item| branch.filled.covers(&stored(table, item).0);
        let covered = items.clone().filter(covered);
        let implied = covered.filter_map(|item| implied(name, item));
        let (found, implied) = (in_some_order(found), in_some_order(implied));
        assert_eq!(found, implied, "{name} of {}", table.name);
    }
    Ok(())
}

fn films(core: &Core) -> Arc<Table> {
    core.create_table_blocking(new_table("films"), &Caller::database())
        .unwrap()
}

fn delete(core: &Core, table: &Arc<Table>, pk: &str, sk: &str) {
    let (key, _) = stored(table, &item(pk, sk, ""));
    let (table, entry) = (table.clone(), super::entry(&key, None));
    core.commit_blocking(move |txn| txn.write(&table, &entry))
        .unwrap();
}

#[test]
fn an_index_never_shows_what_the_items_do_not_imply() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    let (first, second) = (item("a", "1", "one."), item("a", "2", "three"));
    put(&core, &table, &first).unwrap();
    put(&core, &table, &second).unwrap();
    assert_indexes_follow(&table, [&first, &second].into_iter()).unwrap();
    // Another group, then none; then the same again, which changes nothing.
    let (moved, left) = (item("a", "1", "fours"), item("a", "2", "six..."));
    for _ in 0..2 {
        put(&core, &table, &moved).unwrap();
        put(&core, &table, &left).unwrap();
        assert_indexes_follow(&table, [&moved, &left].into_iter()).unwrap();
    }
    core.checkpoint_now().unwrap();
    delete(&core, &table, "a", "1");
    delete(&core, &table, "a", "absent");
    assert_indexes_follow(&table, [&left].into_iter()).unwrap();
    drop((core, table));

    // Some of it from the checkpoint, some from the log.
    let core = world.open(reopened(&engine)).unwrap();
    let table = core.table("films").unwrap();
    assert_indexes_follow(&table, [&left].into_iter()).unwrap();
    let (counters, _) = table.index_state("by-sk");
    assert_eq!(
        (counters.item_count, counters.size_bytes),
        (1, item_size(&left) as u64)
    );
}

#[test]
fn an_index_is_in_the_order_of_its_key() {
    let world = World::inline();
    let core = world
        .open(Arc::new(MemoryEngine::with_segments(sizes())))
        .unwrap();
    let table = films(&core);
    for i in [30, 4, 12, 48, 9, 21] {
        put(&core, &table, &item("a", &i.to_string(), &"x".repeat(i))).unwrap();
    }
    let snapshot = table.read().unwrap();
    let by_length: Vec<String> = entries(&table, &snapshot).unwrap()[0]
        .iter()
        .map(|item| match item.get("length") {
            Some(sealdb_model::AttributeValue::N(number)) => number.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(by_length, ["4", "9", "12", "21", "30", "48"]);
}

#[test]
fn a_mutation_that_misses_a_page_of_an_index_leaves_nothing_half_done() {
    let mut world = World::inline();
    // So little that pages of the four trees push each other out.
    world.options.cache_bytes = 64 << 10;
    let core = world
        .open(Arc::new(MemoryEngine::with_segments(sizes())))
        .unwrap();
    let table = films(&core);
    let mut all = std::collections::BTreeMap::new();
    for round in 0..4 {
        for i in 0..200usize {
            let (pk, sk) = (format!("p{}", i * 7 % 40), format!("s{}", i * 13 % 50));
            let new = item(&pk, &sk, &"v".repeat((i * 31 + round * 17) % 700));
            put(&core, &table, &new).unwrap();
            all.insert((pk, sk), new);
        }
        core.checkpoint_now().unwrap();
    }
    assert!(core.stats().cache.evictions > 0, "it never missed a page");
    assert_indexes_follow(&table, all.values()).unwrap();
    assert_eq!(core.stats().engine.rejected_frees, 0);
}

#[test]
fn indexes_of_a_table_that_was_closed_follow_what_was_carried() {
    use crate::testing::Answer;
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    put(&core, &table, &item("a", "1", "one.")).unwrap();
    core.checkpoint_now().unwrap();
    let moved = item("a", "1", "fours");
    put(&core, &table, &moved).unwrap();
    let answer = |core: &Core, answer| {
        world.kms.answer("films", answer);
        world.clock.advance(std::time::Duration::from_secs(250));
        core.keeper_tick();
    };
    answer(&core, Answer::No);
    assert!(table.closed_reason().is_some());
    core.checkpoint_now().unwrap();
    answer(&core, Answer::Yes);
    assert_eq!(get(&table, "a", "1").unwrap(), Some(moved.clone()));
    assert_indexes_follow(&table, [&moved].into_iter()).unwrap();
}

#[test]
fn a_deleted_table_gives_the_places_of_its_indexes_back() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    for i in 0..300 {
        put(&core, &table, &item("a", &i.to_string(), &"x".repeat(500))).unwrap();
    }
    core.checkpoint_now().unwrap();
    let full = core.stats().engine.used_units;
    core.delete_table_blocking("films").unwrap();
    core.checkpoint_now().unwrap();
    core.checkpoint_now().unwrap();
    assert!(core.stats().engine.used_units < full / 10);
    core.close_blocking().unwrap();
    let report = check_parts(world.parts(reopened(&engine))).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
}

#[test]
fn check_finds_an_index_that_differs_from_the_items() {
    let world = World::inline();
    let engine = Arc::new(MemoryEngine::with_segments(sizes()));
    let core = world.open(engine.clone()).unwrap();
    let table = films(&core);
    put(&core, &table, &item("a", "1", "one.")).unwrap();
    put(&core, &table, &item("a", "2", "two")).unwrap();
    core.checkpoint_now().unwrap();
    let report = check_parts(world.parts(reopened(&engine))).unwrap();
    assert_eq!(report.damages, Vec::<String>::new());

    // A fault of ours: an entry that was left behind by its item.
    {
        let mut working = table.working.lock();
        let open = working.open.as_mut().unwrap();
        let kept = open.trees.derived.clone();
        let (key, _) = stored(&table, &item("a", "2", ""));
        let deleted = Written {
            key: &key,
            item: None,
            expired: false,
        };
        let mut retired = RetiredByTree::default();
        let changed = open
            .trees
            .change(&table, &mut retired, deleted, &mut |_, _| Ok(()));
        assert!(changed.is_ok());
        open.trees.derived = kept;
    }
    put(&core, &table, &item("a", "3", "three")).unwrap();
    core.checkpoint_now().unwrap();
    let report = check_parts(world.parts(reopened(&engine))).unwrap();
    let damage = "the index in tree 1 does not hold what the items imply";
    assert!(
        report.damages.iter().any(|found| found.ends_with(damage)),
        "{:?}",
        report.damages
    );
}
