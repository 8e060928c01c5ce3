//! DeleteItem: an item gone, whether or not it was there.

use std::sync::Arc;

use sealdb_model::ops::{DeleteItemInput, DeleteItemOutput, ReturnValue};

use super::{Via, decode};
use crate::commit::txn::Entry;
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn delete_item(
    core: &Core,
    via: Via,
    input: DeleteItemInput,
) -> Result<DeleteItemOutput, Error> {
    let delete = input.validate()?;
    let table = core.table(delete.table.as_str())?;
    let entry = Arc::new(Entry {
        key: table.stored_key(&table.schema.key_of_key(&delete.key)?),
        item: None,
    });
    let return_old = delete.return_values == ReturnValue::AllOld;

    let target = table.clone();
    let old = via
        .commit(core, move |txn| {
            let old = if return_old {
                txn.get(&target, &entry.key)?.map(|old| old.to_vec())
            } else {
                None
            };
            txn.write(&target, &entry)?;
            Ok(old)
        })
        .await?;
    let old = old.map(|bytes| decode(&table, &bytes)).transpose()?;
    Ok(DeleteItemOutput::new(old))
}
