//! Reading everything back.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb::model::ops::{DescribeTableInput, ListTablesInput, ScanInput};
use sealdb::{Error, blocking};

use crate::indexes::assert_indexes_follow;
use crate::model::{Model, Shape, Table};
use crate::streams::assert_stream_tells;

/// Everything that the database holds, by a scan of each table, in the form of the model.
///
/// # Panics
/// If a table counts its items wrongly, a scan gives an item twice, or an index or a stream differs from the items.
pub fn everything(db: &blocking::Database) -> Result<Model, Error> {
    let mut model = Model::default();
    let mut input = ListTablesInput::new().limit(3);
    loop {
        let page = db.list_tables(input.clone())?;
        for name in page.table_names {
            let table = whole_table(db, &name)?;
            model.tables.insert(name, table);
        }
        match page.last_evaluated_table_name {
            Some(last) => input = input.exclusive_start_table_name(last),
            None => return Ok(model),
        }
    }
}

fn whole_table(db: &blocking::Database, name: &str) -> Result<Table, Error> {
    let described = db.describe_table(DescribeTableInput::new(name))?.table;
    let mut table = Table {
        shape: Shape::of(&described),
        items: BTreeMap::new(),
    };
    let mut input = ScanInput::new(name);
    loop {
        let page = db.scan(input.clone())?;
        for item in page.items {
            let key = table.shape.key_of(&item);
            let twice = table.items.insert(key, Arc::new(item));
            assert!(twice.is_none(), "a scan of {name} gave an item twice");
        }
        match page.last_evaluated_key {
            Some(last) => input = input.exclusive_start_key(last),
            None => break,
        }
    }
    assert_indexes_follow(db, &described, &table)?;
    assert_stream_tells(db, &described, &table)?;
    assert_eq!(
        (described.item_count, described.table_size_bytes),
        (table.items.len() as u64, table.size()),
        "counters of table {name} and what it holds"
    );
    Ok(table)
}
