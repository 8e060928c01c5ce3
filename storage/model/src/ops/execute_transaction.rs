//! ExecuteTransaction: up to 100 PartiQL statements, each of one item, all of them or none.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::map::Item;
use crate::ops::execute_statement::{check_statement, request};
use crate::ops::statement::statement;
use crate::ops::{ConsumedCapacity, ReturnConsumedCapacity, setters};
use crate::partiql::{Request, identity};

/// Most statements of a transaction.
pub const MAX_TRANSACT_STATEMENTS: usize = 100;
/// Longest token, in characters.
const MAX_TOKEN: usize = 36;

statement! {
    /// A statement of a transaction.
    ParameterizedStatement {}
}

/// What ExecuteTransaction takes.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExecuteTransactionInput {
    /// The statements, all of which read, or none.
    pub transact_statements: Vec<ParameterizedStatement>,
    /// Of 1 to 36 characters. The same request with the same token within 10 minutes is carried out once.
    pub client_request_token: Option<String>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The token's length.
impl fmt::Debug for ExecuteTransactionInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteTransactionInput")
            .field("transact_statements", &self.transact_statements)
            .field(
                "client_request_token",
                &self.client_request_token.as_ref().map(String::len),
            )
            .field("return_consumed_capacity", &self.return_consumed_capacity)
            .finish()
    }
}

impl ExecuteTransactionInput {
    /// These statements.
    pub fn new(transact_statements: Vec<ParameterizedStatement>) -> Self {
        Self {
            transact_statements,
            ..Self::default()
        }
    }

    /// Bytes that two requests share just if their statements are the same: then the later one of the same token is a repetition.
    pub fn identity(&self) -> Vec<u8> {
        let one = |statement: &ParameterizedStatement| {
            let parameters = statement.parameters.as_deref().unwrap_or_default();
            identity(&statement.statement, parameters)
        };
        self.transact_statements.iter().flat_map(one).collect()
    }

    /// Reads the statements.
    ///
    /// # Errors
    /// Too few or too many statements, one that does not follow the grammar, or both reads and writes.
    pub fn validate(self) -> Result<ExecuteTransaction, ValidationError> {
        let mut constraints = Constraints::default();
        constraints.length(
            self.transact_statements.len(),
            1,
            MAX_TRANSACT_STATEMENTS,
            "[]",
            "transactStatements",
        );
        if let Some(token) = &self.client_request_token {
            constraints.length(
                token.chars().count(),
                1,
                MAX_TOKEN,
                token,
                "clientRequestToken",
            );
        }
        for (count, statement) in (1..).zip(&self.transact_statements) {
            let at = format!("transactStatements.{count}.member.");
            check_statement(
                &statement.statement,
                statement.parameters.as_deref(),
                &at,
                &mut constraints,
            );
        }
        constraints.finish()?;
        let wanted = self.return_consumed_capacity;
        let requests = self
            .transact_statements
            .into_iter()
            .enumerate()
            .map(|(number, one)| {
                let old = one.return_values_on_condition_check_failure;
                let parameters = one.parameters.unwrap_or_default();
                request(&one.statement, parameters, true, old, wanted)
                    .and_then(of_transaction)
                    .map_err(|error| in_statement(number, &error))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let reads = requests
            .iter()
            .filter(|request| request.statement.is_select())
            .count();
        if reads > 0 && reads < requests.len() {
            return Err(ValidationError::new(
                "ExecuteTransaction API does not support both read and write operations in the same request.",
            ));
        }
        Ok(ExecuteTransaction {
            requests,
            reads: reads > 0,
            client_request_token: self.client_request_token,
            return_consumed_capacity: wanted,
        })
    }
}

/// Refuses what a statement may say only outside of a transaction.
fn of_transaction(request: Request) -> Result<Request, ValidationError> {
    let statement = &request.statement;
    if statement.returns() {
        return Err(ValidationError::new(
            "RETURNING clause is not supported in ExecuteTransaction.",
        ));
    }
    if statement.reads_index() {
        return Err(ValidationError::new(
            "Reads on indices are not supported within transactions.",
        ));
    }
    Ok(request)
}

/// What is wrong with one statement of a transaction, by its number from 0.
pub fn in_statement(number: usize, error: &ValidationError) -> ValidationError {
    ValidationError::new(format!(
        "Validation failed in TransactStatements[{number}]: {error}"
    ))
}

setters! { ExecuteTransactionInput {
    /// Sets the statements.
    transact_statements: Vec<ParameterizedStatement>,
    /// Makes the request safe to repeat.
    client_request_token: String => Some,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

/// An ExecuteTransaction that follows the rules, as far as they can be checked without the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteTransaction {
    /// The statements.
    pub requests: Vec<Request>,
    /// Whether all of them read; otherwise none does.
    pub reads: bool,
    /// Makes the request safe to repeat.
    pub client_request_token: Option<String>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What ExecuteTransaction gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecuteTransactionOutput {
    /// Of each statement, in their order, the item that it read; `None` if there is none.
    pub responses: Vec<Option<Item>>,
    /// What was consumed of each table, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
}

impl ExecuteTransactionOutput {
    /// An output with these items.
    pub fn new(responses: Vec<Option<Item>>) -> Self {
        Self {
            responses,
            ..Self::default()
        }
    }
}
