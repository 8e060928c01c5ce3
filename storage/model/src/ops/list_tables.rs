//! ListTables: the names of the tables, in order, a page at a time.

use crate::error::{Constraints, ValidationError};
use crate::names::TableName;
use crate::ops::setters;

/// Most names of one page, and the default.
pub const MAX_TABLES_PER_PAGE: usize = 100;

/// What ListTables takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTablesInput {
    /// The name after which the page begins.
    pub exclusive_start_table_name: Option<String>,
    /// Most names to give, 1 to 100. Default: 100.
    pub limit: Option<i32>,
}

impl ListTablesInput {
    /// The first page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// A bad name or limit.
    pub fn validate(self) -> Result<ListTables, ValidationError> {
        let after = match self.exclusive_start_table_name {
            Some(name) => Some(TableName::new_at(name, "exclusiveStartTableName")?),
            None => None,
        };
        let limit = self.limit.unwrap_or(MAX_TABLES_PER_PAGE as i32);
        let mut constraints = Constraints::default();
        constraints.at_least(limit.into(), 1, "limit");
        constraints.at_most(limit.into(), MAX_TABLES_PER_PAGE as i64, "limit");
        constraints.finish()?;
        let limit = usize::try_from(limit).unwrap_or(MAX_TABLES_PER_PAGE);
        Ok(ListTables { after, limit })
    }
}

setters! { ListTablesInput {
    /// Sets the name after which the page begins.
    exclusive_start_table_name: String => Some,
    /// Sets the most names to give.
    limit: i32 => Some,
}}

/// A ListTables that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTables {
    /// The page begins after this name.
    pub after: Option<TableName>,
    /// Most names to give, 1 to 100.
    pub limit: usize,
}

/// What ListTables gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTablesOutput {
    /// The names, in order.
    pub table_names: Vec<String>,
    /// The last name of this page, if there are more.
    pub last_evaluated_table_name: Option<String>,
}

impl ListTablesOutput {
    /// A page of names.
    pub fn new(table_names: Vec<String>, last_evaluated_table_name: Option<String>) -> Self {
        Self {
            table_names,
            last_evaluated_table_name,
        }
    }
}
