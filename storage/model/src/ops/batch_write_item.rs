//! BatchWriteItem: up to 25 puts and deletes in several tables, each on its own: not a transaction.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::TableRef;
use crate::ops::{
    ConsumedCapacity, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    setters,
};
use crate::schema::KeySchema;
use crate::size::{item_size, validate_item, validate_key_map};

/// Most requests of one batch.
pub const MAX_BATCH_REQUESTS: usize = 25;
/// Most bytes of all items of one batch.
pub const MAX_BATCH_SIZE: usize = 16 * 1024 * 1024;

/// One request of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteRequest {
    /// Put this item.
    Put(Item),
    /// Delete the item of this key.
    Delete(Map),
}

/// What BatchWriteItem takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchWriteItemInput {
    /// The requests of each table.
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the sizes of item collections. Default: no.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

impl BatchWriteItemInput {
    /// A batch without a request yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a put.
    #[must_use]
    pub fn put(self, table_name: impl Into<String>, item: impl Into<Item>) -> Self {
        self.request(table_name, WriteRequest::Put(item.into()))
    }

    /// Adds a delete.
    #[must_use]
    pub fn delete(self, table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        self.request(table_name, WriteRequest::Delete(key.into()))
    }

    /// Adds a request.
    #[must_use]
    pub fn request(mut self, table_name: impl Into<String>, request: WriteRequest) -> Self {
        self.request_items
            .entry(table_name.into())
            .or_default()
            .push(request);
        self
    }

    /// Checks all that can be known without the tables.
    ///
    /// # Errors
    /// No requests or more than 25, bad table names, items or keys, more than 16 MB.
    pub fn validate(self) -> Result<BatchWriteItem, ValidationError> {
        if self.request_items.is_empty() {
            return Err(ValidationError::constraint(
                "{}",
                "requestItems",
                "Member must have length greater than or equal to 1",
            ));
        }
        let count: usize = self.request_items.values().map(Vec::len).sum();
        if count > MAX_BATCH_REQUESTS {
            return Err(ValidationError::new(
                "Too many items requested for the BatchWriteItem call",
            ));
        }
        let mut tables = Vec::with_capacity(self.request_items.len());
        let mut bytes = 0usize;
        for (name, requests) in self.request_items {
            let table = TableRef::new(name)?;
            if requests.is_empty() {
                return Err(ValidationError::new(format!(
                    "The batch write request list for a table cannot be null or empty: {}",
                    *table
                )));
            }
            for request in &requests {
                match request {
                    WriteRequest::Put(item) => bytes += validate_item(item)?,
                    WriteRequest::Delete(key) => {
                        validate_key_map(key)?;
                        bytes += item_size(key);
                    }
                }
            }
            tables.push(TableWrites { table, requests });
        }
        if bytes > MAX_BATCH_SIZE {
            return Err(ValidationError::new(
                "Item size to write has exceeded the maximum allowed size of 16 MB",
            ));
        }
        Ok(BatchWriteItem {
            tables,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: self.return_item_collection_metrics,
        })
    }
}

setters! { BatchWriteItemInput {
    /// Sets all requests.
    request_items: BTreeMap<String, Vec<WriteRequest>>,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
    /// Asks for the sizes of item collections.
    return_item_collection_metrics: ReturnItemCollectionMetrics,
}}

/// A BatchWriteItem that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchWriteItem {
    /// The requests of each table, at least one, each table once.
    pub tables: Vec<TableWrites>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the sizes of item collections.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// The requests of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWrites {
    /// The table.
    pub table: TableRef,
    /// Its requests, in order.
    pub requests: Vec<WriteRequest>,
}

impl TableWrites {
    /// The keys of the requests, in their order.
    ///
    /// # Errors
    /// A key that does not fit the schema.
    pub fn keys(&self, schema: &KeySchema) -> Result<Vec<KeyBytes<'_>>, ValidationError> {
        let keys = self.requests.iter().map(|request| match request {
            WriteRequest::Put(item) => schema.key_of_batched_item(item),
            WriteRequest::Delete(key) => schema.key_of_key(key),
        });
        keys.collect()
    }
}

/// The error of a batch that names an item twice.
pub fn one_key_twice() -> ValidationError {
    ValidationError::new("Provided list of item keys contains duplicates")
}

/// What BatchWriteItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchWriteItemOutput {
    /// Requests that were not carried out and may be sent again, in the shape of the input.
    pub unprocessed_items: BTreeMap<String, Vec<WriteRequest>>,
    /// What was consumed of each table, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
    /// The sizes of the item collections of each table, if that was asked for.
    pub item_collection_metrics: BTreeMap<String, Vec<ItemCollectionMetrics>>,
}

impl BatchWriteItemOutput {
    /// An output with these unprocessed requests.
    pub fn new(unprocessed_items: BTreeMap<String, Vec<WriteRequest>>) -> Self {
        Self {
            unprocessed_items,
            ..Self::default()
        }
    }
}
