//! PartiQL: DynamoDB's SQL. A statement is read into a tree ([`Statement`]), and becomes, once the table's key is known, the plan of
//! one of the other operations ([`Plan`]): what is evaluated is the same, whatever language it was written in.
//!
//! | statement | becomes |
//! |---|---|
//! | SELECT that fixes the partition key, by `=` or IN | a Query for each value of it, the rest of WHERE as a filter |
//! | other SELECT | a Scan with a filter |
//! | INSERT | a PutItem on condition that there is no such item |
//! | UPDATE | an UpdateItem on condition of the rest of WHERE, and that there is such an item |
//! | DELETE | a DeleteItem on condition of the rest of WHERE, or that there is no such item |
//! | EXISTS | a condition check of a transaction |
//!
//! What was decided where AWS's documentation is silent stands in `DYNAMODB.md`.

mod ast;
mod bind;
mod condition_grammar;
mod keys;
mod keywords;
mod lexer;
mod next_token;
mod parser;
mod plan;

use std::fmt;

pub use next_token::NextToken;
pub(crate) use next_token::{fingerprint, identity};
pub use plan::{Check, Columns, Plan, Reads, Request, Select};

use crate::error::ValidationError;
use crate::names::TableName;
use crate::value::AttributeValue;

/// A statement that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    tree: ast::Statement,
    table: TableName,
    /// How many `?` it has.
    parameters: usize,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    /// AWS's messages, where they are known.
    pub fn parse(text: &str) -> Result<Self, ValidationError> {
        let (tree, parameters) = parser::parse(text)?;
        let table = TableName::new(tree.table())?;
        Ok(Self {
            tree,
            table,
            parameters,
        })
    }

    /// The table of which it speaks.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// Whether it is a SELECT.
    pub fn is_select(&self) -> bool {
        matches!(self.tree, ast::Statement::Select(_))
    }

    /// Whether it is a SELECT of an index.
    pub fn reads_index(&self) -> bool {
        matches!(&self.tree, ast::Statement::Select(select) if select.index.is_some())
    }

    /// Whether it has a RETURNING clause.
    pub fn returns(&self) -> bool {
        ast::returned(self.tree.returning()).is_some()
    }

    /// How many `?` it has.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Checks that there is a value for each `?`.
    fn takes(&self, parameters: &[AttributeValue]) -> Result<(), ValidationError> {
        if parameters.len() == self.parameters {
            Ok(())
        } else {
            Err(bind::wrong_count())
        }
    }
}

/// PartiQL of the same meaning, always of the same form.
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

/// The error of a statement that does not follow the grammar.
fn malformed(detail: impl fmt::Display) -> ValidationError {
    ValidationError::new(format!(
        "Statement wasn't well formed, can't be processed: {detail}"
    ))
}

#[cfg(test)]
mod tests;
