//! DeleteItem: an item gone, whether or not it was there.

use sealdb_model::ops::{DeleteItem, DeleteItemInput, DeleteItemOutput};

use super::{Via, Write, paths_fit, told};
use crate::commit::txn::Entry;
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn delete_item(
    core: &Session,
    via: Via,
    input: DeleteItemInput,
) -> Result<DeleteItemOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(
    core: &Session,
    via: Via,
    delete: DeleteItem,
) -> Result<DeleteItemOutput, Error> {
    let table = core.table(delete.table.as_str())?;
    let key = table.schema.key_of_key(&delete.key)?;
    if let Some(guard) = &delete.guard {
        guard.fits(&table.schema)?;
        paths_fit(&table, Some(&guard.condition), None)?;
    }
    let metrics = told::collection(&table, delete.return_item_collection_metrics, &delete.key);
    let write = Write {
        table: delete.table,
        entry: Entry {
            key: table.stored_key(&key),
            item: None,
        },
        new: None,
        guard: delete.guard,
        return_values: delete.return_values,
        return_consumed_capacity: delete.return_consumed_capacity,
    };
    let mut output = DeleteItemOutput::default();
    (output.attributes, output.consumed_capacity) = write.run(core, via, table).await?;
    output.item_collection_metrics = metrics;
    Ok(output)
}
