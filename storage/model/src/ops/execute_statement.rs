//! ExecuteStatement: one PartiQL statement.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::map::{Item, Map};
use crate::ops::query::limit;
use crate::ops::{
    ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, setters,
};
use crate::partiql::{NextToken, Request, Statement, fingerprint};
use crate::size::validate_value;
use crate::value::AttributeValue;

/// Longest statement, in characters.
pub const MAX_STATEMENT: usize = 8_192;
/// Longest NextToken, in characters.
pub const MAX_NEXT_TOKEN: usize = 32_768;

/// What ExecuteStatement takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct ExecuteStatementInput {
    /// The statement.
    pub statement: String,
    /// The values of its `?`, in their order.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
    /// Most items to look at, at least 1. Default: a page of 1 MB.
    pub limit: Option<i32>,
    /// The `next_token` of the page before.
    pub next_token: Option<String>,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// Statements quote data: lengths.
impl fmt::Debug for ExecuteStatementInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteStatementInput")
            .field("statement", &self.statement.len())
            .field("parameters", &self.parameters)
            .field("consistent_read", &self.consistent_read)
            .field("limit", &self.limit)
            .field("next_token", &self.next_token.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

impl ExecuteStatementInput {
    /// A statement without parameters.
    pub fn new(statement: impl Into<String>) -> Self {
        Self {
            statement: statement.into(),
            parameters: None,
            consistent_read: false,
            limit: None,
            next_token: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
            return_consumed_capacity: ReturnConsumedCapacity::default(),
        }
    }

    /// Adds the value of the next `?`.
    #[must_use]
    pub fn parameter(mut self, value: impl Into<AttributeValue>) -> Self {
        self.parameters.get_or_insert_default().push(value.into());
        self
    }

    /// Reads the statement, and checks all that can be known without the table.
    ///
    /// # Errors
    /// A statement that does not follow the grammar, or a bad parameter, limit or token.
    pub fn validate(self) -> Result<ExecuteStatement, ValidationError> {
        let mut constraints = Constraints::default();
        check_statement(
            &self.statement,
            self.parameters.as_deref(),
            "",
            &mut constraints,
        );
        let limit = limit(self.limit, &mut constraints);
        if let Some(token) = &self.next_token {
            constraints.length(token.chars().count(), 1, MAX_NEXT_TOKEN, token, "nextToken");
        }
        constraints.finish()?;
        let parameters = self.parameters.unwrap_or_default();
        let fingerprint = fingerprint(&self.statement, &parameters);
        let start = match &self.next_token {
            None => NextToken {
                read: 0,
                after: None,
            },
            Some(token) => NextToken::decode(token, fingerprint)?,
        };
        let request = request(
            &self.statement,
            parameters,
            self.consistent_read,
            self.return_values_on_condition_check_failure,
            self.return_consumed_capacity,
        )?;
        Ok(ExecuteStatement {
            request,
            limit,
            start,
            fingerprint,
        })
    }
}

setters! { ExecuteStatementInput {
    /// Sets the values of all `?`.
    parameters: Vec<AttributeValue> => Some,
    /// Asks for a strongly consistent read.
    consistent_read: bool,
    /// Sets the most items to look at.
    limit: i32 => Some,
    /// Goes on where a page ended.
    next_token: String => Some,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

/// The constraints of a statement and its parameters, which stand `at` this place in the request.
pub(super) fn check_statement(
    statement: &str,
    parameters: Option<&[AttributeValue]>,
    at: &str,
    constraints: &mut Constraints,
) {
    constraints.length(
        statement.chars().count(),
        1,
        MAX_STATEMENT,
        statement,
        &format!("{at}statement"),
    );
    if let Some(parameters) = parameters {
        constraints.length(
            parameters.len(),
            1,
            usize::MAX,
            "[]",
            &format!("{at}parameters"),
        );
    }
}

/// The statement that was read, with what the request says about it.
pub(super) fn request(
    statement: &str,
    parameters: Vec<AttributeValue>,
    consistent_read: bool,
    return_old: ReturnValuesOnConditionCheckFailure,
    return_consumed_capacity: ReturnConsumedCapacity,
) -> Result<Request, ValidationError> {
    parameters.iter().try_for_each(validate_value)?;
    Ok(Request {
        statement: Statement::parse(statement)?,
        parameters,
        consistent_read,
        return_old: return_old == ReturnValuesOnConditionCheckFailure::AllOld,
        return_consumed_capacity,
    })
}

/// An ExecuteStatement that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteStatement {
    /// The statement.
    pub request: Request,
    /// Most items to look at, at least 1.
    pub limit: Option<usize>,
    /// Where to begin.
    pub start: NextToken,
    /// What its tokens are told from those of other requests by.
    pub fingerprint: u64,
}

/// What ExecuteStatement gives back.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExecuteStatementOutput {
    /// What was selected, or what a write was asked to return.
    pub items: Vec<Item>,
    /// Where to go on, if there may be more.
    pub next_token: Option<String>,
    /// The key of the item at which the page ended, if there may be more behind it.
    pub last_evaluated_key: Option<Map>,
    /// What was consumed, if that was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// A token holds a key: its length.
impl fmt::Debug for ExecuteStatementOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteStatementOutput")
            .field("items", &self.items)
            .field("next_token", &self.next_token.as_ref().map(String::len))
            .field("last_evaluated_key", &self.last_evaluated_key)
            .field("consumed_capacity", &self.consumed_capacity)
            .finish()
    }
}

impl ExecuteStatementOutput {
    /// An output with these items.
    pub fn new(items: Vec<Item>) -> Self {
        Self {
            items,
            ..Self::default()
        }
    }
}
