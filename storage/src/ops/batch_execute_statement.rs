//! BatchExecuteStatement: PartiQL statements one after the other, each on its own.

use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatementError,
    BatchStatementErrorCode, BatchStatementResponse, ConsumedCapacity,
};
use sealdb_model::partiql::{Plan, Reads, Request, Select};
use sealdb_model::{Item, ValidationError};

use super::execute_statement::{plan, write};
use super::{Via, query};
use crate::core::Core;
use crate::error::Error;

pub(crate) async fn batch_execute_statement(
    core: &Core,
    via: Via,
    input: BatchExecuteStatementInput,
) -> Result<BatchExecuteStatementOutput, Error> {
    let batch = input.validate()?;
    let mut output = BatchExecuteStatementOutput::default();
    for request in batch.requests {
        let mut response = BatchStatementResponse::default();
        let result = match request {
            Err(error) => Err(error.into()),
            Ok(request) => {
                response.table_name = Some(request.statement.table().as_str().to_owned());
                one(core, via, &request).await
            }
        };
        match result {
            Ok((item, consumed)) => {
                response.item = item;
                output.consumed_capacity.extend(consumed);
            }
            Err(error) => response.error = Some(fault(error)),
        }
        output.responses.push(response);
    }
    Ok(output)
}

async fn one(
    core: &Core,
    via: Via,
    request: &Request,
) -> Result<(Option<Item>, Option<ConsumedCapacity>), Error> {
    let select = match plan(core, request)? {
        Plan::Select(select) => select,
        plan => return write(core, via, plan).await,
    };
    let Select {
        reads: Reads::Partitions(queries),
        columns,
        key: Some(_),
    } = select
    else {
        return Err(ValidationError::new(
            "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
        )
        .into());
    };
    let (mut item, mut consumed) = (None, None);
    for query in queries {
        let output = query::run(core, via, query).await?;
        item = output.items.into_iter().next();
        consumed = output.consumed_capacity;
    }
    Ok((item.map(|item| columns.of(item)), consumed))
}

/// An error as an answer about one statement.
fn fault(error: Error) -> BatchStatementError {
    let mut fault =
        BatchStatementError::new(BatchStatementErrorCode::of(error.code()), error.to_string());
    if let Error::ConditionFailed { item } = error {
        fault.item = item.map(|item| *item);
    }
    fault
}
