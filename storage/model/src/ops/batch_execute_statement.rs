//! BatchExecuteStatement: up to 25 PartiQL statements, each of one item and on its own.

use std::fmt;

use crate::error::{Constraints, ErrorCode, ValidationError};
use crate::map::Item;
use crate::ops::execute_statement::{check_statement, request};
use crate::ops::statement::statement;
use crate::ops::{ConsumedCapacity, ReturnConsumedCapacity, setters, wire_enum};
use crate::partiql::Request;

/// Most statements of a batch.
pub const MAX_BATCH_STATEMENTS: usize = 25;

statement! {
    /// A statement of a batch.
    BatchStatementRequest {
        /// Whether a strongly consistent read is asked for; every read is, but it is counted as such.
        consistent_read: bool,
    }
}

/// What BatchExecuteStatement takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchExecuteStatementInput {
    /// The statements, all of which read, or all of which write.
    pub statements: Vec<BatchStatementRequest>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl BatchExecuteStatementInput {
    /// These statements.
    pub fn new(statements: Vec<BatchStatementRequest>) -> Self {
        Self {
            statements,
            ..Self::default()
        }
    }

    /// Reads the statements. What is wrong with one of them is its own error, not the batch's.
    ///
    /// # Errors
    /// Too few or too many statements, or both reads and writes.
    pub fn validate(self) -> Result<BatchExecuteStatement, ValidationError> {
        let mut constraints = Constraints::default();
        constraints.length(
            self.statements.len(),
            1,
            MAX_BATCH_STATEMENTS,
            "[]",
            "statements",
        );
        for (count, statement) in (1..).zip(&self.statements) {
            let at = format!("statements.{count}.member.");
            check_statement(
                &statement.statement,
                statement.parameters.as_deref(),
                &at,
                &mut constraints,
            );
        }
        constraints.finish()?;
        let wanted = self.return_consumed_capacity;
        let requests: Vec<_> = self
            .statements
            .into_iter()
            .map(|one| {
                let old = one.return_values_on_condition_check_failure;
                request(
                    &one.statement,
                    one.parameters.unwrap_or_default(),
                    one.consistent_read,
                    old,
                    wanted,
                )
            })
            .collect();
        let mut reads = requests
            .iter()
            .flatten()
            .map(|request| request.statement.is_select());
        let first = reads.next();
        if reads.any(|read| Some(read) != first) {
            return Err(ValidationError::new(
                "Read and write requests together in the same batch is not supported.",
            ));
        }
        Ok(BatchExecuteStatement {
            requests,
            return_consumed_capacity: wanted,
        })
    }
}

setters! { BatchExecuteStatementInput {
    /// Sets the statements.
    statements: Vec<BatchStatementRequest>,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

/// A BatchExecuteStatement whose statements were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchExecuteStatement {
    /// The statements, or what is wrong with them.
    pub requests: Vec<Result<Request, ValidationError>>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

wire_enum! {
    /// Why one statement of a batch failed.
    BatchStatementErrorCode {
        /// Its condition was false.
        ConditionalCheckFailed = "ConditionalCheckFailed",
        /// An item collection would be too large.
        ItemCollectionSizeLimitExceeded = "ItemCollectionSizeLimitExceeded",
        /// Too much throughput of the account.
        RequestLimitExceeded = "RequestLimitExceeded",
        /// It breaks a rule.
        ValidationError = "ValidationError",
        /// Too much throughput of the table.
        ProvisionedThroughputExceeded = "ProvisionedThroughputExceeded",
        /// A transaction holds the item.
        TransactionConflict = "TransactionConflict",
        /// Too many requests.
        ThrottlingError = "ThrottlingError",
        /// Something failed on the server's side.
        InternalServerError = "InternalServerError",
        /// There is no such table.
        ResourceNotFound = "ResourceNotFound",
        /// The credential does not allow it.
        AccessDenied = "AccessDenied",
        /// An item of the key exists.
        DuplicateItem = "DuplicateItem",
    }
}

impl BatchStatementErrorCode {
    /// The code of an error that a statement by itself would have got. Names that batches do not know are the server's fault.
    pub fn of(code: ErrorCode) -> Self {
        use BatchStatementErrorCode as Batch;
        match code {
            ErrorCode::ConditionalCheckFailedException => Batch::ConditionalCheckFailed,
            ErrorCode::ItemCollectionSizeLimitExceededException => {
                Batch::ItemCollectionSizeLimitExceeded
            }
            ErrorCode::RequestLimitExceeded => Batch::RequestLimitExceeded,
            ErrorCode::ValidationException => Batch::ValidationError,
            ErrorCode::ProvisionedThroughputExceededException => {
                Batch::ProvisionedThroughputExceeded
            }
            ErrorCode::TransactionConflictException => Batch::TransactionConflict,
            ErrorCode::ThrottlingException => Batch::ThrottlingError,
            ErrorCode::ResourceNotFoundException => Batch::ResourceNotFound,
            ErrorCode::AccessDeniedException => Batch::AccessDenied,
            ErrorCode::DuplicateItemException => Batch::DuplicateItem,
            _ => Batch::InternalServerError,
        }
    }
}

/// What is wrong with one statement of a batch.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct BatchStatementError {
    /// What kind of fault it is.
    pub code: BatchStatementErrorCode,
    /// AWS's message.
    pub message: String,
    /// The item that a failed condition met, if it was asked for.
    pub item: Option<Item>,
}

/// The message may quote data: its length.
impl fmt::Debug for BatchStatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStatementError")
            .field("code", &self.code)
            .field("message", &self.message.len())
            .field("item", &self.item)
            .finish()
    }
}

impl BatchStatementError {
    /// A fault without an item.
    pub fn new(code: BatchStatementErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            item: None,
        }
    }
}

/// What became of one statement of a batch.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchStatementResponse {
    /// Why it failed.
    pub error: Option<BatchStatementError>,
    /// Its table, if the statement could be read.
    pub table_name: Option<String>,
    /// The item that it read, or was asked to return.
    pub item: Option<Item>,
}

/// What BatchExecuteStatement gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchExecuteStatementOutput {
    /// As many as there were statements, in their order.
    pub responses: Vec<BatchStatementResponse>,
    /// What each statement consumed, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
}

impl BatchExecuteStatementOutput {
    /// An output with these answers.
    pub fn new(responses: Vec<BatchStatementResponse>) -> Self {
        Self {
            responses,
            ..Self::default()
        }
    }
}
