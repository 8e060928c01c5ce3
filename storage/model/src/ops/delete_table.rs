//! DeleteTable: removes a table with all its items and its keys.

use crate::error::ValidationError;
use crate::names::TableName;
use crate::ops::TableDescription;

/// What DeleteTable takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTableInput {
    /// The table.
    pub table_name: String,
}

impl DeleteTableInput {
    /// The operation on this table.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
        }
    }

    /// Checks the name.
    ///
    /// # Errors
    /// A bad table name.
    pub fn validate(self) -> Result<DeleteTable, ValidationError> {
        Ok(DeleteTable {
            table: TableName::of_request(self.table_name)?,
        })
    }
}

/// A DeleteTable that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTable {
    /// The table.
    pub table: TableName,
}

/// What DeleteTable gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTableOutput {
    /// The table as it was, with status DELETING.
    pub table_description: TableDescription,
}

impl DeleteTableOutput {
    /// An output with this description.
    pub fn new(table_description: TableDescription) -> Self {
        Self { table_description }
    }
}
