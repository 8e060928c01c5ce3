//! UpdateItem: attributes of an item changed where it lies, or an item made of its key.

use sealdb_model::ops::{UpdateItem, UpdateItemInput, UpdateItemOutput};

use super::{Via, item_before, paths_fit, told, write_update};
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn update_item(
    core: &Session,
    via: Via,
    input: UpdateItemInput,
) -> Result<UpdateItemOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(
    core: &Session,
    via: Via,
    update: UpdateItem,
) -> Result<UpdateItemOutput, Error> {
    let table = core.table(update.table.as_str())?;
    let key = table.stored_key(&table.schema.key_of_key(&update.key)?);
    update.fits(&table.schema)?;
    let condition = update.guard.as_ref().map(|guard| &guard.condition);
    paths_fit(&table, condition, Some(update.update.paths()))?;
    table.check_update(&update.update)?;
    let wanted = update.return_consumed_capacity;
    let metrics = told::collection(&table, update.return_item_collection_metrics, &update.key);

    let target = table.clone();
    let (attributes, consumed) = via
        .commit(core, move |txn| {
            let old = item_before(txn, &target, &key, update.guard.as_ref())?;
            let keys = (&*key, &update.key);
            let new = write_update(txn, &target, keys, &update.update, old.as_ref())?;
            let tables = (&*target, &update.table);
            let consumed = told::by_write(tables, wanted, old.as_ref(), new.as_ref());
            Ok((update.returned(old.as_ref(), new.as_ref()), consumed))
        })
        .await?;
    let mut output = UpdateItemOutput::new(attributes);
    output.consumed_capacity = consumed;
    output.item_collection_metrics = metrics;
    Ok(output)
}
