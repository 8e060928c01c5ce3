//! Secondary indexes of a history: whatever happens, they show what the items imply, and nothing else.
//!
//! The global index is by the attribute `g`, which some items lack, and by the number of the item; it comes and goes. The local one
//! is by that number, and stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb::model::ops::{
    AttributeDefinition, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, IndexStatus,
    LocalSecondaryIndex, Projection, ProjectionType, QueryInput, ScanInput, TableDescription,
    UpdateTableInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType, codec};
use sealdb::{Error, blocking};

use crate::model::{Change, Table};
use crate::run::Run;

const GLOBAL: &str = "by-group";
const LOCAL: &str = "by-number";

/// Groups of items.
pub const GROUPS: [&str; 3] = ["g0", "g1", "g2"];

/// The global index, of whole items or of keys alone.
pub fn global(whole: bool) -> GlobalSecondaryIndex {
    let kind = if whole {
        ProjectionType::All
    } else {
        ProjectionType::KeysOnly
    };
    GlobalSecondaryIndex::new(GLOBAL, &["g"], &["n"]).projection(Projection::new(kind))
}

/// The local one.
pub fn local() -> LocalSecondaryIndex {
    let keys = Projection::new(ProjectionType::KeysOnly);
    LocalSecondaryIndex::new(LOCAL, "pk", "n").projection(keys)
}

/// Whether a table has the global index, and if so whether of whole items. One that is being removed is none.
pub fn global_of(described: &TableDescription) -> Option<bool> {
    let mut indexes = described.global_secondary_indexes.iter();
    let index = indexes.find(|index| index.index_status != IndexStatus::Deleting)?;
    Some(index.projection.projection_type == Some(ProjectionType::All))
}

/// What the global index holds of an item.
fn of_global(whole: bool, item: &Item) -> Option<Item> {
    item.get("g")?;
    match whole {
        true => Some(item.clone()),
        false => Some(part(item, &["pk", "sk", "g", "n"])),
    }
}

fn part(item: &Item, names: &[&str]) -> Item {
    let value = |name: &str| item.get(name).cloned();
    let attributes = names.iter().map(|name| (*name, value(name)));
    attributes
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Reads the indexes of a table that has these items, and compares.
///
/// # Panics
/// If one shows what the items do not imply, or less.
pub fn assert_indexes_follow(
    db: &blocking::Database,
    described: &TableDescription,
    table: &Table,
) -> Result<(), Error> {
    let name = &*described.table_name;
    let active = described.global_secondary_indexes.iter();
    let active = active.filter(|index| index.index_status == IndexStatus::Active);
    if let (Some(whole), 1..) = (table.shape.global, active.count()) {
        let items = table.items.values();
        let implied = items.filter_map(|item| of_global(whole, item));
        assert_same(name, entries(db, name, GLOBAL)?, implied.collect());
    }
    if table.shape.local {
        let items = table.items.values();
        let implied = items.map(|item| part(item, &["pk", "sk", "n"]));
        assert_same(name, entries(db, name, LOCAL)?, implied.collect());
    }
    Ok(())
}

fn entries(db: &blocking::Database, table: &str, index: &str) -> Result<Vec<Item>, Error> {
    let mut found = Vec::new();
    let mut input = ScanInput::new(table).index_name(index);
    loop {
        let page = db.scan(input.clone())?;
        found.extend(page.items);
        match page.last_evaluated_key {
            Some(last) => input = input.exclusive_start_key(last),
            None => return Ok(found),
        }
    }
}

fn assert_same(table: &str, found: Vec<Item>, implied: Vec<Item>) {
    let sorted = |items: Vec<Item>| {
        let bytes = |item: &Item| {
            let mut bytes = Vec::new();
            codec::encode_item(item, &mut bytes).unwrap();
            bytes
        };
        let items = items.into_iter().map(|item| (bytes(&item), item));
        items.collect::<BTreeMap<_, _>>()
    };
    let counts = (found.len(), implied.len());
    let (found, implied) = (sorted(found), sorted(implied));
    assert!(
        found == implied && counts.0 == counts.1,
        "an index of {table} shows {} entries, the items imply {}; the first that differs: {:?}",
        counts.0,
        counts.1,
        found.values().zip(implied.values()).find(|(a, b)| a != b)
    );
}

impl Run<'_> {
    /// A group by the global index, in either direction, page by page.
    pub fn query_index(&mut self) {
        let (table, shape) = self.any_table();
        let described = self.describe(&table);
        let (Some(whole), Some(described)) = (shape.global, described) else {
            return;
        };
        let index = &described.global_secondary_indexes[0];
        if index.index_status != IndexStatus::Active {
            return;
        }
        let group = self.rng.pick(&GROUPS);
        let forward = self.rng.one_in(2);
        let limit = self.rng.pick(&[1, 3, 1000]);
        self.note(|| format!("query {GLOBAL} of {table} for {group}, forward {forward}"));
        let group = AttributeValue::from(group);
        let mut implied: Vec<Item> = self.model.tables[&table]
            .items
            .values()
            .filter(|item| item.get("g") == Some(&group))
            .filter_map(|item| of_global(whole, item))
            .collect();
        implied.sort_by_key(|item| match item.get("n") {
            Some(AttributeValue::N(number)) => *number,
            other => panic!("{other:?} is no number"),
        });
        if !forward {
            implied.reverse();
        }
        let mut input = QueryInput::new(&table, "g = :g")
            .value(":g", group)
            .index_name(GLOBAL)
            .scan_index_forward(forward)
            .limit(limit);
        let mut found = Vec::new();
        loop {
            let page = match self.db().query(input.clone()) {
                Ok(page) => page,
                Err(error) => return self.read_failed(&error),
            };
            found.extend(page.items);
            match page.last_evaluated_key {
                Some(last) => input = input.exclusive_start_key(last),
                None => break,
            }
        }
        assert!(found == implied, "{table}: {found:?}, expected {implied:?}");
        self.counters
            .add("entries found by an index", found.len() as u64);
    }

    /// Makes the global index of a table, or removes it.
    pub fn alter_index(&mut self) {
        let (table, shape) = self.any_table();
        // One that is being removed keeps its name until it is gone.
        if !self.tend() {
            return;
        }
        let global = match shape.global {
            Some(_) => None,
            None => Some(self.rng.one_in(2)),
        };
        self.note(|| format!("index of {table}: {global:?}"));
        let input = UpdateTableInput::new(&table);
        let input = match global {
            None => {
                self.counters.add("indexes removed", 1);
                input.index_update(GlobalSecondaryIndexUpdate::Delete {
                    index_name: GLOBAL.into(),
                })
            }
            Some(whole) => {
                self.counters.add("indexes made later", 1);
                input
                    .attribute_definitions(vec![
                        AttributeDefinition::new("g", ScalarType::S),
                        AttributeDefinition::new("n", ScalarType::N),
                    ])
                    .index_update(GlobalSecondaryIndexUpdate::Create(self::global(whole)))
            }
        };
        let change = Change::Index(table, global);
        self.write(&[vec![change]], |db| db.update_table(input));
    }

    /// Does all that is due to tables in the background; false if something came between.
    pub fn tend(&mut self) -> bool {
        loop {
            match self.db().tend_tables() {
                Ok(true) => self.counters.add("pieces of indexes filled", 1),
                Ok(false) => return true,
                Err(error) => {
                    self.recover(&error, Vec::new());
                    return false;
                }
            }
        }
    }

    /// One piece of it.
    pub fn tend_once(&mut self) {
        self.note(|| "tend".into());
        if let Err(error) = self.db().tend_tables() {
            self.recover(&error, Vec::new());
        }
    }

    fn describe(&mut self, table: &str) -> Option<Arc<TableDescription>> {
        let input = sealdb::model::ops::DescribeTableInput::new(table);
        match self.db().describe_table(input) {
            Ok(output) => Some(Arc::new(output.table)),
            Err(error) => {
                self.read_failed(&error);
                None
            }
        }
    }
}
