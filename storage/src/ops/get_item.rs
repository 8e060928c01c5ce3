//! GetItem: one item by its key, as of the last durable commit.

use sealdb_model::ops::{GetItemInput, GetItemOutput};

use super::{Via, decode};
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn get_item(
    core: &Core,
    via: Via,
    input: GetItemInput,
) -> Result<GetItemOutput, Error> {
    let get = input.validate()?;
    let table = core.table(get.table.as_str())?;
    let key = table.stored_key(&table.schema.key_of_key(&get.key)?);
    let value = match via {
        Via::Async => table.get(&key).await?,
        Via::Blocking => table.get_blocking(&key)?,
    };
    let item = value.map(|value| decode(&table, &value)).transpose()?;
    Ok(GetItemOutput::new(item))
}
