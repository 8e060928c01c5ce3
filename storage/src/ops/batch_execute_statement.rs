//! BatchExecuteStatement: PartiQL statements one after the other, each on its own.

use std::collections::HashSet;

use sealdb_crypto::TableId;
use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatementError,
    BatchStatementErrorCode, BatchStatementResponse, ConsumedCapacity, one_key_twice,
};
use sealdb_model::partiql::{Plan, Reads, Select};
use sealdb_model::{Item, ValidationError, rendered_size};

use super::execute_statement::{plan, write};
use super::{ANSWER_BYTES, Via, query};
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn batch_execute_statement(
    core: &Session,
    via: Via,
    input: BatchExecuteStatementInput,
) -> Result<BatchExecuteStatementOutput, Error> {
    let batch = input.validate()?;
    let mut output = BatchExecuteStatementOutput::default();
    let plans: Vec<Result<Plan, Error>> = batch
        .requests
        .iter()
        .map(|request| plan(core, request.as_ref().map_err(Clone::clone)?))
        .collect();
    let mut items = HashSet::new();
    let mut targets = plans.iter().flatten().filter_map(|plan| target(core, plan));
    if !targets.all(|target| items.insert(target)) {
        return Err(one_key_twice().into());
    }
    let mut rendered = 0;
    for (request, plan) in batch.requests.iter().zip(plans) {
        let mut response = BatchStatementResponse::default();
        if let Ok(request) = request {
            response.table_name = Some(request.statement.table().as_str().to_owned());
        }
        let result = match plan {
            Err(error) => Err(fault(error)),
            Ok(_) if rendered > ANSWER_BYTES => Err(no_room()),
            Ok(plan) => one(core, via, plan).await.map_err(fault),
        };
        match result {
            Ok((item, consumed)) => {
                response.item = item;
                output.consumed_capacity.extend(consumed);
            }
            Err(fault) => response.error = Some(fault),
        }
        let of_error = response
            .error
            .as_ref()
            .and_then(|error| error.item.as_ref());
        let items = response.item.iter().chain(of_error);
        rendered += items.map(rendered_size).sum::<usize>();
        output.responses.push(response);
    }
    Ok(output)
}

/// The item that a plan is about: its table, and its stored key there. `None` if it is about more than one, or none.
fn target(core: &Session, plan: &Plan) -> Option<(TableId, Vec<u8>)> {
    let (table, key) = match plan {
        Plan::Insert(put) => (&put.table, &put.item),
        Plan::Update(update) => (&update.table, &update.key),
        Plan::Delete(delete) => (&delete.table, &delete.key),
        Plan::Select(Select {
            reads: Reads::Partitions(queries),
            key: Some(key),
            ..
        }) => (&queries.first()?.table, key),
        Plan::Select(_) | Plan::Check(_) => return None,
    };
    let table = core.table(table.as_str()).ok()?;
    let key = table.schema.key_of_item(key).ok()?;
    Some((table.id, table.stored_key(&key)))
}

async fn one(
    core: &Session,
    via: Via,
    plan: Plan,
) -> Result<(Option<Item>, Option<ConsumedCapacity>), Error> {
    let select = match plan {
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

/// The answer about a statement that was not carried out, because what it gives back could make the answer too long.
fn no_room() -> BatchStatementError {
    let message = "The answer is full; this statement was not carried out and may be sent again.";
    BatchStatementError::new(BatchStatementErrorCode::ThrottlingError, message)
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
