//! GetItem: the item of a key.

use sealdb_model::ops::{GetItem, GetItemInput, GetItemOutput};

use super::{Via, decode};
use crate::core::{Core, not_found};
use crate::error::Error;

pub(crate) async fn get_item(
    core: &Core,
    via: Via,
    input: GetItemInput,
) -> Result<GetItemOutput, Error> {
    let get = input.validate()?;
    if let Some(output) = get_cached(core, &get)? {
        return Ok(output);
    }
    let table = core.table(get.table.as_str())?;
    let key = table.stored_key(&table.schema.key_of_key(&get.key)?);
    let value = match via {
        Via::Async => table.get(&key).await?,
        Via::Blocking => table.get_blocking(&key)?,
    };
    let item = value.map(|value| decode(&table, &value)).transpose()?;
    Ok(GetItemOutput::new(item))
}

/// The answer, if all pages that lead to it are in memory. Counts no reference, so that readers on many cores share no memory that
/// is written to: this is what most reads are.
fn get_cached(core: &Core, get: &GetItem) -> Result<Option<GetItemOutput>, Error> {
    let tables = core.tables_now()?;
    let name = get.table.as_str();
    let table = tables.get(name).ok_or_else(|| not_found(name))?;
    let key = table.stored_key(&table.schema.key_of_key(&get.key)?);
    let Some(value) = table.get_cached(&key)? else {
        return Ok(None);
    };
    let item = value.map(|value| decode(table, &value)).transpose()?;
    Ok(Some(GetItemOutput::new(item)))
}
