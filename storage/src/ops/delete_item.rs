//! DeleteItem: an item gone, whether or not it was there.

use std::sync::Arc;

use sealdb_model::ops::{
    DeleteItem, DeleteItemInput, DeleteItemOutput, ReturnConsumedCapacity, ReturnValue,
};

use super::{Via, bytes_before, consumed_by_write, decode};
use crate::commit::txn::Entry;
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn delete_item(
    core: &Core,
    via: Via,
    input: DeleteItemInput,
) -> Result<DeleteItemOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(
    core: &Core,
    via: Via,
    delete: DeleteItem,
) -> Result<DeleteItemOutput, Error> {
    let table = core.table(delete.table.as_str())?;
    if let Some(guard) = &delete.guard {
        guard.fits(&table.schema)?;
    }
    let entry = Arc::new(Entry {
        key: table.stored_key(&table.schema.key_of_key(&delete.key)?),
        item: None,
    });
    let wanted = delete.return_consumed_capacity;
    let return_old = delete.return_values == ReturnValue::AllOld;
    let read_old = return_old || wanted != ReturnConsumedCapacity::None;

    let (target, guard) = (table.clone(), delete.guard);
    let old = via
        .commit(core, move |txn| {
            let old = bytes_before(txn, &target, &entry.key, guard.as_ref(), read_old)?;
            txn.write(&target, &entry)?;
            Ok(old)
        })
        .await?;
    let old = old.map(|bytes| decode(&table, &bytes)).transpose()?;
    let mut output = DeleteItemOutput::default();
    output.consumed_capacity = consumed_by_write(&table, wanted, old.as_ref(), None);
    output.attributes = old.filter(|_| return_old);
    Ok(output)
}
