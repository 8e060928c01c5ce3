//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

#![deny(clippy::indexing_slicing)]

use sealdb_model::{Item, ops};

use crate::convert::field::{enums, same_fields};
use crate::v1;

same_fields!(
    ops::ExecuteStatementInput, v1::ExecuteStatementRequest,
    new(statement: String),
    parameters, consistent_read, limit, next_token, return_values_on_condition_check_failure,
    return_consumed_capacity
);
same_fields!(
    ops::ExecuteStatementOutput, v1::ExecuteStatementResponse,
    new(items: Vec<Item>), next_token, last_evaluated_key, consumed_capacity
);

same_fields!(
    ops::BatchStatementRequest, v1::BatchStatementRequest,
    new(statement: String),
    parameters, consistent_read, return_values_on_condition_check_failure
);
same_fields!(
    ops::BatchExecuteStatementInput, v1::BatchExecuteStatementRequest,
    new(statements: Vec<ops::BatchStatementRequest>), return_consumed_capacity
);
enums!(
    ops::BatchStatementErrorCode,
    v1::BatchStatementErrorCode {
        ConditionalCheckFailed,
        ItemCollectionSizeLimitExceeded,
        RequestLimitExceeded,
        ValidationError,
        ProvisionedThroughputExceeded,
        TransactionConflict,
        ThrottlingError,
        InternalServerError,
        ResourceNotFound,
        AccessDenied,
        DuplicateItem
    }
);
same_fields!(
    ops::BatchStatementError, v1::BatchStatementError,
    new(code: ops::BatchStatementErrorCode, message: String), item
);
same_fields!(
    ops::BatchStatementResponse,
    v1::BatchStatementResponse,
    default(),
    error,
    table_name,
    item
);
same_fields!(
    ops::BatchExecuteStatementOutput, v1::BatchExecuteStatementResponse,
    new(responses: Vec<ops::BatchStatementResponse>), consumed_capacity
);

same_fields!(
    ops::ParameterizedStatement, v1::ParameterizedStatement,
    new(statement: String), parameters, return_values_on_condition_check_failure
);
same_fields!(
    ops::ExecuteTransactionInput, v1::ExecuteTransactionRequest,
    new(transact_statements: Vec<ops::ParameterizedStatement>),
    client_request_token, return_consumed_capacity
);
same_fields!(
    ops::ExecuteTransactionOutput, v1::ExecuteTransactionResponse,
    new(responses: Vec<Option<Item>>), consumed_capacity
);
