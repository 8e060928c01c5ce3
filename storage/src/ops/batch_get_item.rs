//! BatchGetItem: up to 100 items of several tables by their keys, each read on its own, up to 16 MB, or
//! [`ANSWER_BYTES`] of what they become in the answer.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sealdb_model::expr::ProjectionExpression;
use sealdb_model::ops::{
    BatchGetItemInput, BatchGetItemOutput, Capacity, CapacityUnits, KeysAndAttributes,
    MAX_BATCH_SIZE, ReadConsistency, TableReads, one_key_twice,
};
use sealdb_model::{Item, Map, ValidationError, rendered_size};

use super::{ANSWER_BYTES, Via, decode, paths_fit, stored_size, told};
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;

pub(crate) async fn batch_get_item(
    core: &Session,
    via: Via,
    input: BatchGetItemInput,
) -> Result<BatchGetItemOutput, Error> {
    let mut requests = input.request_items.clone();
    let batch = input.validate()?;
    let mut reads = Vec::with_capacity(batch.tables.len());
    let tables = batch.tables.iter();
    let tables: Vec<_> = tables
        .map(|of_table| core.table(of_table.table.as_str()))
        .collect::<Result<_, _>>()?;
    for (of_table, table) in batch.tables.into_iter().zip(tables) {
        let keys = of_table.keys(&table.schema)?;
        paths_fit(&table, None, of_table.projection.as_ref())?;
        let keys: Vec<_> = keys.iter().map(|key| table.stored_key(key)).collect();
        reads.push((table, keys, of_table));
    }
    distinct(&reads)?;
    let (mut bytes, mut rendered, mut full) = (0, 0, false);
    let mut responses = BTreeMap::new();
    let mut unprocessed = BTreeMap::<String, KeysAndAttributes>::new();
    let mut units = BTreeMap::<String, CapacityUnits>::new();
    for (table, keys, of_table) in reads {
        let name = of_table.table.named().to_owned();
        let mut items: Vec<Item> = Vec::new();
        let mut left: Vec<Map> = Vec::new();
        for (key, asked) in keys.iter().zip(of_table.keys) {
            let found = match full {
                true => None,
                false => Some(read(&table, via, key, of_table.projection.as_ref()).await?),
            };
            // What would exceed the limit, and all after it, is for the next request.
            let found = found.filter(|(item, size)| {
                bytes += size;
                rendered += item.as_ref().map_or(0, rendered_size);
                bytes <= MAX_BATCH_SIZE && rendered <= ANSWER_BYTES
            });
            let Some((item, size)) = found else {
                full = true;
                left.push(asked);
                continue;
            };
            let consistency = ReadConsistency::of(of_table.consistent_read);
            *units.entry(name.clone()).or_default() += CapacityUnits::of_read(size, consistency);
            items.extend(item);
        }
        if let (false, Some(mut again)) = (left.is_empty(), requests.remove(&name)) {
            again.keys = left;
            unprocessed.insert(name.clone(), again);
        }
        responses.insert(name, items);
    }
    let mut output = BatchGetItemOutput::new(responses);
    output.unprocessed_keys = unprocessed;
    output.consumed_capacity = told::by_reads(batch.return_consumed_capacity, units, Capacity::new);
    Ok(output)
}

/// What is to be read of a table: the stored keys, and what the request says.
type Reads = (Arc<Table>, Vec<Vec<u8>>, TableReads);

/// Refuses an item that is asked for twice. One table may be named by its name and by its ARN.
fn distinct(reads: &[Reads]) -> Result<(), ValidationError> {
    let mut items = HashSet::new();
    let mut targets = reads
        .iter()
        .flat_map(|(table, keys, _)| keys.iter().map(|key| (table.id, key)));
    match targets.all(|target| items.insert(target)) {
        true => Ok(()),
        false => Err(one_key_twice()),
    }
}

/// One item, and its size as it is stored.
async fn read(
    table: &Table,
    via: Via,
    key: &[u8],
    projection: Option<&ProjectionExpression>,
) -> Result<(Option<Item>, usize), Error> {
    let value = match via {
        Via::Async => table.get(key).await?,
        Via::Blocking => table.get_blocking(key)?,
    };
    let Some(value) = value else {
        return Ok((None, 0));
    };
    let item = decode(table, &value)?;
    let item = match projection {
        Some(projection) => projection.project(&item),
        None => item,
    };
    Ok((Some(item), stored_size(table, &value)?))
}
