//! DeleteItem: removes the item of a key. Removing what is not there succeeds.

use crate::error::ValidationError;
use crate::map::{Item, Map};
use crate::names::TableName;
use crate::ops::{ReturnValue, setters};
use crate::size::validate_key_map;

/// What DeleteItem takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteItemInput {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// Whether the removed item is given back. Default: no.
    pub return_values: ReturnValue,
}

impl DeleteItemInput {
    /// A removal of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            return_values: ReturnValue::None,
        }
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad table name or key.
    pub fn validate(self) -> Result<DeleteItem, ValidationError> {
        let table = TableName::new(self.table_name)?;
        validate_key_map(&self.key)?;
        Ok(DeleteItem {
            table,
            key: self.key,
            return_values: self.return_values,
        })
    }
}

setters! { DeleteItemInput {
    /// Sets whether the removed item is given back.
    return_values: ReturnValue,
}}

/// A DeleteItem that follows the rules. Its key is checked by [`crate::KeySchema::key_of_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteItem {
    /// The table.
    pub table: TableName,
    /// The key.
    pub key: Map,
    /// Whether the removed item is given back.
    pub return_values: ReturnValue,
}

/// What DeleteItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteItemOutput {
    /// The removed item, if there was one and ALL_OLD was asked for.
    pub attributes: Option<Item>,
}

impl DeleteItemOutput {
    /// An output with these attributes.
    pub fn new(attributes: Option<Item>) -> Self {
        Self { attributes }
    }
}
