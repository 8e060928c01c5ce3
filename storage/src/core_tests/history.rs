//! Random histories with crashes at any write and sync, against a map.
//!
//! Everything is driven inline and every decision comes from the seed, so a failing seed replays: `SEALDB_SEED=n cargo test history`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sealdb_crypto::Caller;
use sealdb_engine::{CrashEngine, SegmentSizes, Survival};
use sealdb_model::{Item, codec};

use super::indexes::{assert_indexes_follow, later};
use super::streams::{Change, changes, with_stream};
use super::{World, entry, item, stored};
use crate::core::Core;
use crate::error::Error;
use crate::options::Durability;
use crate::table::Table;
use crate::testing::Answer;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

type Rows = BTreeMap<(String, String), Item>;

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    tables: BTreeMap<String, Rows>,
    /// What the stream of each table tells.
    changes: BTreeMap<String, Vec<Change>>,
}

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<(String, (String, String), Option<Item>)>),
    Create(String),
    Drop(String),
    /// Makes the later index, or removes it.
    Alter(String),
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Change(changes) => {
                for (table, key, item) in changes {
                    let rows = self.tables.get_mut(table).unwrap();
                    let old = match item {
                        Some(item) => rows.insert(key.clone(), item.clone()),
                        None => rows.remove(key),
                    };
                    if old != *item {
                        let changes = self.changes.get_mut(table).unwrap();
                        changes.push((old, item.clone()));
                    }
                }
            }
            Step::Create(name) => {
                self.tables.insert(name.clone(), Rows::new());
                self.changes.insert(name.clone(), Vec::new());
            }
            Step::Drop(name) => {
                self.tables.remove(name);
                self.changes.remove(name);
            }
            Step::Alter(_) => {}
        }
    }
}

fn run_step(core: &Core, step: &Step) -> Result<(), Error> {
    match step {
        Step::Change(changes) => {
            let mut ops = Vec::new();
            for (name, (pk, sk), new) in changes {
                let table = core.table(name)?;
                let (key, _) = stored(&table, &item(pk, sk, ""));
                let bytes = new.as_ref().map(|new| stored(&table, new).1);
                ops.push((table, key, bytes));
            }
            core.commit_blocking(move |txn| {
                for (table, key, bytes) in &ops {
                    txn.write(table, &entry(key, bytes.as_deref()))?;
                }
                Ok(())
            })
        }
        Step::Create(name) => core
            .create_table_blocking(with_stream(name), &Caller::database())
            .map(|_| ()),
        Step::Drop(name) => core.delete_table_blocking(name).map(|_| ()),
        Step::Alter(name) => core
            .alter_table_blocking(name, |_, mut definition| {
                let trees = &mut definition.derived;
                match trees.iter().position(|tree| tree.role.is_index("later")) {
                    Some(at) => drop(trees.remove(at)),
                    None => definition.add_tree(core.shared().new_space(), later()),
                }
                Ok(definition)
            })
            .map(|_| ()),
    }
}

fn rows_of(table: &Arc<Table>) -> Result<Rows, Error> {
    let snapshot = table.read()?;
    let mut cursor = snapshot.cursor(
        &snapshot.trees().items,
        std::ops::Bound::Unbounded,
        std::ops::Bound::Unbounded,
        false,
        true,
    );
    let mut rows = Rows::new();
    while let Some(value) = cursor.next_blocking()? {
        let item = codec::decode_item(&value).unwrap();
        let (partition, sort) = Table::split_stored_key(cursor.key()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        rows.insert((text(partition), text(sort)), item);
    }
    Ok(rows)
}

/// All tables that are open. What is closed is known by name only.
fn contents(core: &Core, expected: &Model) -> Result<Model, Error> {
    let mut model = Model::default();
    let tables = core.tables()?;
    let mut tables: Vec<_> = tables.iter().collect();
    tables.sort_by_key(|(name, _)| (*name).clone());
    for (name, table) in tables {
        if table.closed_reason().is_some() {
            // Taken on trust until its key comes back; there must be such a table, though.
            let rows = expected.tables.get(name.as_str()).cloned();
            model
                .tables
                .insert(name.to_string(), rows.unwrap_or_default());
            let changes = expected.changes.get(name.as_str()).cloned();
            model
                .changes
                .insert(name.to_string(), changes.unwrap_or_default());
            continue;
        }
        let rows = rows_of(table)?;
        assert_indexes_follow(table, rows.values())?;
        let size: usize = rows.values().map(sealdb_model::item_size).sum();
        assert_eq!(
            table.counters().item_count,
            rows.len() as u64,
            "items of {name}"
        );
        assert_eq!(table.counters().size_bytes, size as u64, "bytes of {name}");
        model.tables.insert(name.to_string(), rows);
        model.changes.insert(name.to_string(), changes(table)?);
    }
    Ok(model)
}

fn draw(rng: &mut Rng, model: &Model, closed: &BTreeSet<String>) -> Option<Step> {
    if model.tables.is_empty() || rng.below(60) == 0 {
        let name = format!("table{}", rng.below(3));
        let free = !model.tables.contains_key(&name) && !closed.contains(&name);
        return free.then_some(Step::Create(name));
    }
    let names: Vec<&String> = model
        .tables
        .keys()
        .filter(|name| !closed.contains(*name))
        .collect();
    if names.is_empty() {
        return None;
    }
    if rng.below(90) == 0 {
        return Some(Step::Drop(
            names[rng.below(names.len() as u64) as usize].clone(),
        ));
    }
    if rng.below(50) == 0 {
        return Some(Step::Alter(
            names[rng.below(names.len() as u64) as usize].clone(),
        ));
    }
    let many = if rng.below(6) == 0 {
        1 + rng.below(8)
    } else {
        1
    };
    let changes = (0..many).map(|_| {
        let name = names[rng.below(names.len() as u64) as usize].clone();
        let key = (format!("p{}", rng.below(6)), format!("s{}", rng.below(40)));
        let item = (rng.below(4) != 0).then(|| {
            let len = match rng.below(40) {
                0 => rng.below(60_000),
                1..10 => rng.below(4_000),
                _ => rng.below(300),
            };
            let value: String = (0..len)
                .map(|_| char::from(b'a' + (rng.below(26) as u8)))
                .collect();
            item(&key.0, &key.1, &value)
        });
        (name, key, item)
    });
    Some(Step::Change(changes.collect()))
}

#[derive(Debug, Default)]
struct Seen {
    crashes: u64,
    crashes_at_open: u64,
    checkpoints: u64,
    in_doubt_kept: u64,
    in_doubt_lost: u64,
    recycled: u64,
    evictions: u64,
    splits: u64,
    merges: u64,
    out_of_line: u64,
    closings: u64,
    openings: u64,
    pieces_filled: u64,
}

fn history(seed: u64, seen: &mut Seen) {
    let mut rng = Rng(seed);
    let mut world = World::inline();
    world.options.cache_bytes = (64 << 10) << rng.below(5);
    world.options.log_limit = (64 << 10) << rng.below(4);
    let interval = rng.below(4) == 0;
    if interval {
        // The process alone dies then; see below.
        world.options.durability = Durability::Interval(std::time::Duration::from_secs(1));
    }
    let sizes = SegmentSizes {
        first: (16 << 10) << rng.below(3),
        max: 256 << 10,
        keep: 256 << 10,
    };
    let mut engine = Arc::new(CrashEngine::new(sizes));
    let mut core = world.open(engine.clone()).unwrap();
    let mut model = Model::default();
    let mut closed = BTreeSet::new();
    for _round in 0..4 {
        engine.crash_at(engine.operations() + 1 + rng.below(120));
        let mut in_doubt: Option<Step> = None;
        for _ in 0..400 {
            match rng.below(40) {
                0 => {
                    let done = core.checkpoint_now();
                    seen.checkpoints += u64::from(done.is_ok());
                    if done.is_err() {
                        assert!(engine.crashed(), "seed {seed}: {done:?}");
                        break;
                    }
                }
                3 | 4 => match core.tend_tables() {
                    Ok(more) => seen.pieces_filled += u64::from(more),
                    Err(error) => {
                        assert!(engine.crashed(), "seed {seed}: {error}");
                        break;
                    }
                },
                1 => match contents(&core, &model) {
                    Ok(found) => assert_eq!(found, model, "seed {seed}: reads while open"),
                    Err(error) => {
                        assert!(engine.crashed(), "seed {seed}: {error}");
                        break;
                    }
                },
                2 => {
                    // The KMS changes its mind about a table.
                    let name = format!("table{}", rng.below(3));
                    let answer = if closed.remove(&name) {
                        Answer::Yes
                    } else {
                        closed.insert(name.clone());
                        Answer::No
                    };
                    world.kms.answer(&name, answer);
                    world.clock.advance(std::time::Duration::from_secs(250));
                    core.keeper_tick();
                    if let Ok(table) = core.table(&name) {
                        let is_closed = table.closed_reason().is_some();
                        assert!(
                            is_closed == closed.contains(&name) || engine.crashed(),
                            "seed {seed}: {name}"
                        );
                        seen.closings += u64::from(is_closed);
                        seen.openings += u64::from(!is_closed);
                    }
                }
                _ => {
                    let Some(step) = draw(&mut rng, &model, &closed) else {
                        continue;
                    };
                    match run_step(&core, &step) {
                        Ok(()) => model.apply(&step),
                        Err(error) => {
                            assert!(engine.crashed(), "seed {seed}: {error} of {step:?}");
                            in_doubt = Some(step);
                            break;
                        }
                    }
                }
            }
        }
        let stats = core.stats();
        seen.evictions += stats.cache.evictions;
        seen.splits += stats.cache.splits;
        seen.merges += stats.cache.merges;
        seen.out_of_line += stats.cache.out_of_line;
        seen.recycled += stats.engine.log_segments_recycled;
        assert_eq!(stats.engine.rejected_frees, 0, "seed {seed}");
        if !engine.crashed() && rng.below(3) == 0 {
            core.close_blocking().unwrap();
        }
        engine.crash();
        drop(core);
        seen.crashes += 1;
        // An interval promises nothing for a loss of power.
        let survival = if interval {
            Survival::Everything
        } else {
            Survival::Seeded(rng.next())
        };
        let mut image = engine.survivor(survival);
        loop {
            engine = Arc::new(CrashEngine::from_image(image, sizes));
            if rng.below(3) == 0 {
                engine.crash_at(1 + rng.below(12));
            }
            match world.open(engine.clone()) {
                Ok(opened) => {
                    core = opened;
                    break;
                }
                Err(error) => {
                    let place = engine.last_operation();
                    assert!(
                        engine.crashed(),
                        "seed {seed}: does not open ({place}): {error}"
                    );
                    seen.crashes_at_open += 1;
                    let again = Survival::Seeded(rng.next());
                    image = engine.survivor(if interval {
                        Survival::Everything
                    } else {
                        again
                    });
                }
            }
        }
        match contents(&core, &model) {
            Ok(found) if found == model => seen.in_doubt_lost += u64::from(in_doubt.is_some()),
            Ok(found) => {
                let Some(step) = in_doubt else {
                    panic!("seed {seed}: {}", difference(&found, &model))
                };
                model.apply(&step);
                assert!(
                    found == model,
                    "seed {seed}: {} (in doubt: {step:?})",
                    difference(&found, &model)
                );
                seen.in_doubt_kept += 1;
            }
            Err(error) => assert!(engine.crashed(), "seed {seed}: {error}"),
        }
    }
}

fn difference(found: &Model, model: &Model) -> String {
    let names = |m: &Model| m.tables.keys().cloned().collect::<Vec<_>>();
    let mut out = format!(
        "tables found {:?}, expected {:?}",
        names(found),
        names(model)
    );
    for (name, rows) in &model.tables {
        let Some(other) = found.tables.get(name) else {
            continue;
        };
        for (key, item) in rows {
            match other.get(key) {
                None => out += &format!("; {name} {key:?} is missing"),
                Some(found) if found != item => out += &format!("; {name} {key:?} differs"),
                Some(_) => {}
            }
        }
        for key in other.keys().filter(|key| !rows.contains_key(key)) {
            out += &format!("; {name} {key:?} should not be there");
        }
        let (found, expected) = (found.changes.get(name), model.changes.get(name));
        if found != expected {
            let count = |changes: Option<&Vec<Change>>| changes.map_or(0, Vec::len);
            let (found, expected) = (count(found), count(expected));
            out += &format!("; {name} has {found} records, expected {expected}, or they differ");
        }
    }
    out
}

#[test]
fn random_histories_with_crashes_agree_with_a_map() {
    let mut seen = Seen::default();
    match std::env::var("SEALDB_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => history(seed, &mut seen),
        None => {
            let seeds = std::env::var("SEALDB_SEEDS")
                .ok()
                .and_then(|n| n.parse().ok())
                .unwrap_or(60);
            for seed in 0..seeds {
                history(seed, &mut seen);
            }
            for (what, count) in [
                ("crashes at open", seen.crashes_at_open),
                ("checkpoints", seen.checkpoints),
                ("in doubt and kept", seen.in_doubt_kept),
                ("in doubt and lost", seen.in_doubt_lost),
                ("evictions", seen.evictions),
                ("splits", seen.splits),
                ("tables closed", seen.closings),
                ("tables opened again", seen.openings),
                ("pieces of an index filled", seen.pieces_filled),
                ("out of line", seen.out_of_line),
                ("segments recycled", seen.recycled),
            ] {
                assert!(count > 0, "the histories never met: {what} ({seen:?})");
            }
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    // What cannot come from a seed (keys, ids, nonces) decides nothing.
    let run = || {
        let mut seen = Seen::default();
        history(7, &mut seen);
        format!("{seen:?}")
    };
    assert_eq!(run(), run());
}
