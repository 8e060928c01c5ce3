//! PutItem: an item in place of the one with the same key.

use std::sync::Arc;

use sealdb_model::ops::{
    PutItem, PutItemInput, PutItemOutput, ReturnConsumedCapacity, ReturnValue,
};

use super::{Via, bytes_before, consumed_by_write, decode, encode};
use crate::commit::txn::Entry;
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn put_item(
    core: &Core,
    via: Via,
    input: PutItemInput,
) -> Result<PutItemOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(core: &Core, via: Via, put: PutItem) -> Result<PutItemOutput, Error> {
    let table = core.table(put.table.as_str())?;
    table.check_index_keys(&put.item)?;
    if let Some(guard) = &put.guard {
        guard.fits(&table.schema)?;
    }
    let entry = Arc::new(Entry {
        key: table.stored_key(&table.schema.key_of_item(&put.item)?),
        item: Some(encode(&put.item)?),
    });
    let wanted = put.return_consumed_capacity;
    let return_old = put.return_values == ReturnValue::AllOld;
    let read_old = return_old || wanted != ReturnConsumedCapacity::None;

    let (target, guard) = (table.clone(), put.guard);
    let old = via
        .commit(core, move |txn| {
            let old = bytes_before(txn, &target, &entry.key, guard.as_ref(), read_old)?;
            txn.write(&target, &entry)?;
            Ok(old)
        })
        .await?;
    let old = old.map(|bytes| decode(&table, &bytes)).transpose()?;
    let mut output = PutItemOutput::default();
    output.consumed_capacity = consumed_by_write(&table, wanted, old.as_ref(), Some(&put.item));
    output.attributes = old.filter(|_| return_old);
    Ok(output)
}
