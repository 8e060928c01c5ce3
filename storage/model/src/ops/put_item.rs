//! PutItem: writes a whole item, in the place of the one of the same key.

use crate::error::ValidationError;
use crate::map::Item;
use crate::names::TableName;
use crate::ops::{ReturnValue, setters};
use crate::size::validate_item;

/// What PutItem takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutItemInput {
    /// The table.
    pub table_name: String,
    /// The item, key attributes included.
    pub item: Item,
    /// Whether the former item is given back. Default: no.
    pub return_values: ReturnValue,
}

impl PutItemInput {
    /// A put of `item`.
    pub fn new(table_name: impl Into<String>, item: impl Into<Item>) -> Self {
        Self {
            table_name: table_name.into(),
            item: item.into(),
            return_values: ReturnValue::None,
        }
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad table name, or an item that breaks the rules of [`validate_item`].
    pub fn validate(self) -> Result<PutItem, ValidationError> {
        let table = TableName::new(self.table_name)?;
        let size = validate_item(&self.item)?;
        Ok(PutItem {
            table,
            item: self.item,
            size,
            return_values: self.return_values,
        })
    }
}

setters! { PutItemInput {
    /// Sets whether the former item is given back.
    return_values: ReturnValue,
}}

/// A PutItem that follows the rules. Its key is checked by [`crate::KeySchema::key_of_item`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutItem {
    /// The table.
    pub table: TableName,
    /// The item.
    pub item: Item,
    /// Its size by AWS's rules.
    pub size: usize,
    /// Whether the former item is given back.
    pub return_values: ReturnValue,
}

/// What PutItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutItemOutput {
    /// The former item, if there was one and ALL_OLD was asked for.
    pub attributes: Option<Item>,
}

impl PutItemOutput {
    /// An output with these attributes.
    pub fn new(attributes: Option<Item>) -> Self {
        Self { attributes }
    }
}
