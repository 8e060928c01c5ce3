//! PutItem: an item in place of the one with the same key.

use std::sync::Arc;

use sealdb_model::ops::{PutItemInput, PutItemOutput, ReturnValue};

use super::{Via, decode, encode};
use crate::commit::txn::Entry;
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn put_item(
    core: &Core,
    via: Via,
    input: PutItemInput,
) -> Result<PutItemOutput, Error> {
    let put = input.validate()?;
    let table = core.table(put.table.as_str())?;
    table.check_index_keys(&put.item)?;
    let entry = Arc::new(Entry {
        key: table.stored_key(&table.schema.key_of_item(&put.item)?),
        item: Some(encode(&put.item)?),
    });
    let return_old = put.return_values == ReturnValue::AllOld;

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
    Ok(PutItemOutput::new(old))
}
