//! DescribeTable: what a table is like.

use crate::error::ValidationError;
use crate::names::TableName;
use crate::ops::TableDescription;

/// What DescribeTable takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTableInput {
    /// The table.
    pub table_name: String,
}

impl DescribeTableInput {
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
    pub fn validate(self) -> Result<DescribeTable, ValidationError> {
        Ok(DescribeTable {
            table: TableName::of_request(self.table_name)?,
        })
    }
}

/// A DescribeTable that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTable {
    /// The table.
    pub table: TableName,
}

/// What DescribeTable gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTableOutput {
    /// The table as it is.
    pub table: TableDescription,
}

impl DescribeTableOutput {
    /// An output with this description.
    pub fn new(table: TableDescription) -> Self {
        Self { table }
    }
}
