//! What the stream of a table tells, against what the table holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb::model::Item;
use sealdb::model::ops::{
    DescribeStreamInput, GetRecordsInput, GetShardIteratorInput, ShardIteratorType,
    TableDescription,
};
use sealdb::{Error, blocking};

use crate::model::{Key, Table};

/// The records of the table's stream, if it has one, lead from nothing to the items that there are.
///
/// # Panics
/// If a record is missing or comes twice: each must show the item as those before have left it.
pub fn assert_stream_tells(
    db: &blocking::Database,
    described: &TableDescription,
    table: &Table,
) -> Result<(), Error> {
    let Some(stream) = &described.latest_stream_arn else {
        return Ok(());
    };
    let description = db.describe_stream(DescribeStreamInput::new(stream))?;
    let shard = &description.stream_description.shards[0].shard_id;
    let oldest = GetShardIteratorInput::new(stream, shard, ShardIteratorType::TrimHorizon);
    let mut iterator = db.get_shard_iterator(oldest)?.shard_iterator;
    let mut items: BTreeMap<Key, Arc<Item>> = BTreeMap::new();
    loop {
        let page = db.get_records(GetRecordsInput::new(iterator))?;
        if page.records.is_empty() {
            break;
        }
        for record in page.records {
            let change = record.dynamodb;
            let key = table.shape.key_of(&change.keys);
            let old = match change.new_image {
                Some(new) => items.insert(key, Arc::new(new)),
                None => items.remove(&key),
            };
            assert!(
                old.as_deref() == change.old_image.as_ref(),
                "record {} of {stream} follows another",
                change.sequence_number
            );
        }
        iterator = page.next_shard_iterator.expect("an open shard goes on");
    }
    assert!(
        items == table.items,
        "{stream} tells of {} items, the table holds {}, or they differ",
        items.len(),
        table.items.len()
    );
    Ok(())
}
