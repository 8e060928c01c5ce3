//! PutItem: an item in place of the one with the same key.

use sealdb_model::ops::{PutItem, PutItemInput, PutItemOutput};

use super::{Via, Write, encode, paths_fit, told};
use crate::commit::txn::Entry;
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn put_item(
    core: &Session,
    via: Via,
    input: PutItemInput,
) -> Result<PutItemOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(core: &Session, via: Via, put: PutItem) -> Result<PutItemOutput, Error> {
    let table = core.table(put.table.as_str())?;
    let key = table.schema.key_of_item(&put.item)?;
    table.check_index_keys(&put.item)?;
    if let Some(guard) = &put.guard {
        guard.fits(&table.schema)?;
        paths_fit(&table, Some(&guard.condition), None)?;
    }
    let metrics = told::collection(&table, put.return_item_collection_metrics, &put.item);
    let write = Write {
        table: put.table,
        entry: Entry {
            key: table.stored_key(&key),
            item: Some(encode(&put.item)?),
        },
        new: Some(&put.item),
        guard: put.guard,
        return_values: put.return_values,
        return_consumed_capacity: put.return_consumed_capacity,
    };
    let mut output = PutItemOutput::default();
    (output.attributes, output.consumed_capacity) = write.run(core, via, table).await?;
    output.item_collection_metrics = metrics;
    Ok(output)
}
