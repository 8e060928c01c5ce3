//! GetItem: the item of a key.

use sealdb_model::ops::{
    Capacity, CapacityUnits, ConsumedCapacity, GetItem, GetItemInput, GetItemOutput,
    ReadConsistency, ReturnConsumedCapacity,
};

use super::{decode, paths_fit, stored_size};
use crate::core::not_found;
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;

pub(crate) async fn get_item(core: &Session, input: GetItemInput) -> Result<GetItemOutput, Error> {
    let get = input.validate()?;
    if let Some(output) = get_cached(core, &get)? {
        return Ok(output);
    }
    let table = core.table(get.table.as_str())?;
    let value = table.get(&key(&table, &get)?).await?;
    output(&table, &get, value.as_deref())
}

/// The same for a thread that may block. No future: moving one about would take a tenth of the time of a read from memory.
pub(crate) fn get_item_blocking(
    core: &Session,
    input: GetItemInput,
) -> Result<GetItemOutput, Error> {
    let get = input.validate()?;
    if let Some(output) = get_cached(core, &get)? {
        return Ok(output);
    }
    let table = core.table(get.table.as_str())?;
    let value = table.get_blocking(&key(&table, &get)?)?;
    output(&table, &get, value.as_deref())
}

/// The answer, if all pages that lead to it are in memory. Counts no reference, so that readers on many cores share no memory that
/// is written to: this is what most reads are.
#[inline]
fn get_cached(core: &Session, get: &GetItem) -> Result<Option<GetItemOutput>, Error> {
    let tables = core.tables_now()?;
    let name = get.table.as_str();
    let table = tables.get(name).ok_or_else(|| not_found(name))?;
    table.check_serving()?;
    core.check(table)?;
    let key = key(table, get)?;
    let Some(value) = table.get_cached(&key)? else {
        return Ok(None);
    };
    output(table, get, value.as_deref()).map(Some)
}

fn key(table: &Table, get: &GetItem) -> Result<Vec<u8>, Error> {
    let key = table.stored_key(&get.key(&table.schema)?);
    paths_fit(table, None, get.projection.as_ref())?;
    Ok(key)
}

/// What is asked for of the stored item.
fn output(table: &Table, get: &GetItem, value: Option<&[u8]>) -> Result<GetItemOutput, Error> {
    let mut output = GetItemOutput::default();
    let wanted = get.return_consumed_capacity;
    if wanted != ReturnConsumedCapacity::None {
        let size = value.map_or(Ok(0), |value| stored_size(table, value))?;
        let units = CapacityUnits::of_read(size, ReadConsistency::of(get.consistent_read));
        output.consumed_capacity =
            ConsumedCapacity::of_table(wanted, get.table.named(), Capacity::new(units));
    }
    output.item = value.map(|value| decode(table, value)).transpose()?;
    if let (Some(projection), Some(item)) = (&get.projection, &mut output.item) {
        *item = projection.project(item);
    }
    Ok(output)
}
