//! ExecuteTransaction: PartiQL statements that all read, or all write or check, at one moment.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    CancellationCode, CancellationReason, ExecuteTransaction, ExecuteTransactionInput,
    ExecuteTransactionOutput, GetItem, TransactAction, TransactChange, TransactGetItems,
    in_statement,
};
use sealdb_model::partiql::{Plan, Reads, Select};

use super::execute_statement::plan;
use super::{Via, transact_get_items, transact_write_items};
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn execute_transaction(
    core: &Session,
    via: Via,
    input: ExecuteTransactionInput,
) -> Result<ExecuteTransactionOutput, Error> {
    let identity = input.identity();
    let transaction = input.validate()?;
    let plans = transaction
        .requests
        .iter()
        .map(|request| plan(core, request))
        .collect::<Result<Vec<_>, _>>()?;
    if transaction.reads {
        read(core, via, &transaction, plans).await
    } else {
        write(core, via, transaction, identity, plans).await
    }
}

async fn read(
    core: &Session,
    via: Via,
    transaction: &ExecuteTransaction,
    plans: Vec<Plan>,
) -> Result<ExecuteTransactionOutput, Error> {
    let mut gets = Vec::with_capacity(plans.len());
    let mut wanted = Vec::with_capacity(plans.len());
    for (number, (plan, request)) in plans.into_iter().zip(&transaction.requests).enumerate() {
        let Plan::Select(Select {
            reads: Reads::Partitions(queries),
            columns,
            key: Some(key),
        }) = plan
        else {
            let keyless = ValidationError::new(
                "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
            );
            return Err(in_statement(number, &keyless).into());
        };
        gets.push(GetItem {
            table: request.statement.table().clone().into(),
            key,
            projection: None,
            consistent_read: true,
            return_consumed_capacity: transaction.return_consumed_capacity,
        });
        let filter = queries.into_iter().find_map(|query| query.filter);
        wanted.push((filter, columns));
    }
    let gets = TransactGetItems {
        gets,
        return_consumed_capacity: transaction.return_consumed_capacity,
    };
    let found = transact_get_items::run(core, via, gets).await?;
    let admitted = found
        .responses
        .into_iter()
        .zip(wanted)
        .map(|(item, (filter, columns))| {
            let item = item.filter(|item| filter.is_none_or(|filter| filter.admits(item)));
            item.map(|item| columns.of(item))
        });
    let mut output = ExecuteTransactionOutput::new(admitted.collect());
    output.consumed_capacity = found.consumed_capacity;
    Ok(output)
}

async fn write(
    core: &Session,
    via: Via,
    transaction: ExecuteTransaction,
    identity: Vec<u8>,
    plans: Vec<Plan>,
) -> Result<ExecuteTransactionOutput, Error> {
    let inserts: Vec<bool> = plans
        .iter()
        .map(|plan| matches!(plan, Plan::Insert(_)))
        .collect();
    let actions: Vec<TransactAction> = plans.into_iter().filter_map(action).collect();
    let token = transaction
        .client_request_token
        .map(|token| core.new_token(&token, &identity));
    let wanted = transaction.return_consumed_capacity;
    let consumed = transact_write_items::run_all(core, via, actions, token, wanted)
        .await
        .map_err(|error| duplicates_named(error, &inserts))?;
    let mut output = ExecuteTransactionOutput::new(vec![None; inserts.len()]);
    output.consumed_capacity = consumed;
    Ok(output)
}

fn action(plan: Plan) -> Option<TransactAction> {
    let (table, change, guard) = match plan {
        Plan::Insert(put) => (put.table, TransactChange::Put(put.item), put.guard),
        Plan::Update(update) => {
            let change = TransactChange::Update(update.key, update.update);
            (update.table, change, update.guard)
        }
        Plan::Delete(delete) => (
            delete.table,
            TransactChange::Delete(delete.key),
            delete.guard,
        ),
        Plan::Check(check) => (
            check.table,
            TransactChange::Check(check.key),
            Some(check.guard),
        ),
        Plan::Select(_) => return None,
    };
    Some(TransactAction {
        table,
        change,
        guard,
    })
}

/// An INSERT whose item exists has a reason of its own.
fn duplicates_named(error: Error, inserts: &[bool]) -> Error {
    let Error::TransactionCanceled(reasons) = error else {
        return error;
    };
    let named = reasons
        .iter()
        .zip(inserts)
        .map(|(reason, insert)| match reason.code {
            CancellationCode::ConditionalCheckFailed if *insert => CancellationReason::new(
                CancellationCode::DuplicateItem,
                Error::DuplicateItem.to_string(),
            ),
            _ => reason.clone(),
        });
    Error::TransactionCanceled(named.collect())
}
