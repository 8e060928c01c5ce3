//! The operations, one file each: validate, find the table, read or commit, answer.
//!
//! Each is written once, as an async function, for both faces of the database. [`Via`] tells it whether its thread may block:
//! then pages are read and the log is synced on this very thread, and the future never suspends.

pub(crate) mod batch_execute_statement;
pub(crate) mod batch_get_item;
pub(crate) mod batch_write_item;
pub(crate) mod delete_item;
pub(crate) mod execute_statement;
pub(crate) mod execute_transaction;
pub(crate) mod get_item;
mod page;
pub(crate) mod put_item;
pub(crate) mod query;
pub(crate) mod scan;
pub(crate) mod streams;
pub(crate) mod tables;
mod told;
pub(crate) mod transact_get_items;
pub(crate) mod transact_write_items;
pub(crate) mod update_item;
pub(crate) mod update_table;

use std::sync::Arc;

use sealdb_model::expr::{ConditionExpression, ProjectionExpression, UpdateExpression};
use sealdb_model::ops::{ConsumedCapacity, Guard, ReturnConsumedCapacity, ReturnValue};
use sealdb_model::{Item, Map, TableRef, ValidationError, codec};

use crate::commit::txn::{Entry, Txn, TxnError};
use crate::core::Core;
use crate::error::Error;
use crate::plaintext::Plaintext;
use crate::table::Table;

/// After so many bytes of items as the answer shows them, a batch does no more. What it gives is bounded by DynamoDB's own sizes only
/// by a factor of 50. With one more item, which has up to 20 MB, it still fits in a message.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// A task of some runtime: its thread must not wait for a disk.
    Async,
    /// A thread of the caller's own, which may.
    Blocking,
}

impl Via {
    /// Runs `f` in the writer's seat and answers once its outcome is durable.
    async fn commit<R, F>(self, core: &Core, f: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
    {
        match self {
            Via::Async => core.commit(f).await,
            Via::Blocking => core.commit_blocking(f),
        }
    }

    /// Does what waits for a disk.
    pub(crate) async fn wait<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        match self {
            Via::Async => blocking::unblock(work).await,
            Via::Blocking => work(),
        }
    }
}

/// An item as it was stored by us: anything else is damage, and named by its table.
fn decode(table: &Table, bytes: &[u8]) -> Result<Item, Error> {
    codec::decode_item(bytes)
        .map_err(|error| Error::corrupt(format!("an item of table {}: {error}", table.name)))
}

/// The bytes under which a valid item is stored.
fn encode(item: &Item) -> Result<Plaintext, Error> {
    Ok(Plaintext::of_item(item).map_err(|error| ValidationError::new(error.to_string()))?)
}

/// The item that a write replaces, decoded.
fn item_before(
    txn: &mut Txn,
    table: &Arc<Table>,
    key: &[u8],
    guard: Option<&Guard>,
) -> Result<Option<Item>, TxnError> {
    let item = txn
        .get(table, key)?
        .map(|old| decode(table, &old))
        .transpose()?;
    match guard {
        Some(guard) if !guard.allows(item.as_ref()) => {
            let item = item.filter(|_| guard.return_old).map(Box::new);
            Err(Error::ConditionFailed { item }.into())
        }
        _ => Ok(item),
    }
}

/// Refuses paths into key attributes of the table's indexes, which are scalars as those of its own key are.
fn paths_fit(
    table: &Table,
    condition: Option<&ConditionExpression>,
    paths: Option<&ProjectionExpression>,
) -> Result<(), Error> {
    condition.map_or(Ok(()), |condition| {
        table.check_paths(condition.nested_heads())
    })?;
    paths.map_or(Ok(()), |paths| table.check_paths(paths.nested_heads()))
}

/// A write of one item whose outcome is known beforehand: a put or a delete.
struct Write<'a> {
    table: TableRef,
    entry: Entry,
    /// The item that is put.
    new: Option<&'a Item>,
    guard: Option<Guard>,
    return_values: ReturnValue,
    return_consumed_capacity: ReturnConsumedCapacity,
}

impl Write<'_> {
    /// Carries it out; gives the old item and what was consumed, as far as they are asked for.
    async fn run(
        self,
        core: &Core,
        via: Via,
        table: Arc<Table>,
    ) -> Result<(Option<Item>, Option<ConsumedCapacity>), Error> {
        let wanted = self.return_consumed_capacity;
        let return_old = self.return_values == ReturnValue::AllOld;
        let read_old = return_old || wanted != ReturnConsumedCapacity::None;
        let (target, entry, guard) = (table.clone(), Arc::new(self.entry), self.guard);
        let old = via
            .commit(core, move |txn| {
                if guard.is_some() {
                    item_before(txn, &target, &entry.key, guard.as_ref())?;
                }
                let old = match read_old {
                    true => txn
                        .get(&target, &entry.key)?
                        .map(|old| Plaintext::copy(&old)),
                    false => None,
                };
                txn.write(&target, &entry)?;
                Ok(old)
            })
            .await?;
        let old = old.map(|bytes| decode(&table, &bytes)).transpose()?;
        let consumed = told::by_write((&table, &self.table), wanted, old.as_ref(), self.new);
        Ok((old.filter(|_| return_old), consumed))
    }
}

/// Updates an item in the seat; gives what it is afterwards, if there is one.
fn write_update(
    txn: &mut Txn,
    table: &Arc<Table>,
    (stored_key, key): (&[u8], &Map),
    update: &UpdateExpression,
    old: Option<&Item>,
) -> Result<Option<Item>, TxnError> {
    let new = update.apply(key, old).map_err(Error::from)?;
    if let Some(new) = &new {
        table.check_updated(update, new)?;
        let entry = Entry {
            key: stored_key.to_vec(),
            item: Some(encode(new)?),
        };
        txn.write(table, &Arc::new(entry))?;
    }
    Ok(new)
}

/// The size of a stored item by AWS's rules.
fn stored_size(table: &Table, bytes: &[u8]) -> Result<usize, Error> {
    codec::encoded_item_size(bytes)
        .map_err(|error| Error::corrupt(format!("an item of table {}: {error}", table.name)))
}
