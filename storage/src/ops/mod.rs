//! The operations, one file each: validate, find the table, read or commit, answer.
//!
//! Each is written once, as an async function, for both faces of the database. [`Via`] tells it whether its thread may block:
//! then pages are read and the log is synced on this very thread, and the future never suspends.

pub(crate) mod batch_write_item;
pub(crate) mod delete_item;
pub(crate) mod get_item;
mod page;
pub(crate) mod put_item;
pub(crate) mod query;
pub(crate) mod scan;
pub(crate) mod tables;

use sealdb_model::{Item, ValidationError, codec};

use crate::commit::txn::{Txn, TxnError};
use crate::core::Core;
use crate::error::Error;
use crate::table::Table;

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
}

/// An item as it was stored by us: anything else is damage, and named by its table.
fn decode(table: &Table, bytes: &[u8]) -> Result<Item, Error> {
    codec::decode_item(bytes)
        .map_err(|error| Error::corrupt(format!("an item of table {}: {error}", table.name)))
}

/// The bytes under which a valid item is stored.
fn encode(item: &Item) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(256);
    codec::encode_item(item, &mut bytes)
        .map_err(|error| ValidationError::new(error.to_string()))?;
    Ok(bytes)
}
