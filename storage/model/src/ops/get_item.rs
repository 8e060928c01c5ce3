//! GetItem: the item of a key.

use crate::error::ValidationError;
use crate::map::{Item, Map};
use crate::names::TableName;
use crate::ops::setters;
use crate::size::validate_key_map;

/// What GetItem takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetItemInput {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
}

impl GetItemInput {
    /// A read of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            consistent_read: false,
        }
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad table name or key.
    pub fn validate(self) -> Result<GetItem, ValidationError> {
        let table = TableName::new(self.table_name)?;
        validate_key_map(&self.key)?;
        Ok(GetItem {
            table,
            key: self.key,
        })
    }
}

setters! { GetItemInput {
    /// Asks for a strongly consistent read.
    consistent_read: bool,
}}

/// A GetItem that follows the rules. Its key is checked by [`crate::KeySchema::key_of_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetItem {
    /// The table.
    pub table: TableName,
    /// The key.
    pub key: Map,
}

/// What GetItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetItemOutput {
    /// The item, if there is one.
    pub item: Option<Item>,
}

impl GetItemOutput {
    /// An output with this item.
    pub fn new(item: Option<Item>) -> Self {
        Self { item }
    }
}
