//! TransactWriteItems: up to 100 writes and checks of several tables, all or none, at one moment of the writer's seat.
//!
//! The actions are each of another item, so each sees the state before all of them; the seat applies them together. What fails is told
//! by action, in order. A request with a token that came before within ten minutes is answered without being carried out again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sealdb_model::expr::UpdateExpression;
use sealdb_model::ops::{
    CancellationCode, CancellationReason, Capacity, CapacityUnits, ConsumedCapacity, Guard,
    MAX_TRANSACT_SIZE, ReturnConsumedCapacity, TransactAction, TransactChange,
    TransactWriteItemsInput, TransactWriteItemsOutput, one_item_twice, transaction_too_large,
};
use sealdb_model::{Item, Map, ValidationError, item_size};

use super::{Via, consumed_by_table, encode, item_before, write_update};
use crate::commit::txn::{Entry, Txn, TxnError};
use crate::core::Core;
use crate::error::Error;
use crate::table::Table;
use crate::tokens::{Token, Tokens};

/// An action of a known table, ready to run in the seat.
struct Action {
    table: Arc<Table>,
    /// The stored key of its item.
    key: Vec<u8>,
    guard: Option<Guard>,
    change: Change,
}

enum Change {
    /// Only the guard counts.
    None,
    Write(Arc<Entry>),
    Update(Map, UpdateExpression),
}

pub(crate) async fn transact_write_items(
    core: &Core,
    via: Via,
    input: TransactWriteItemsInput,
) -> Result<TransactWriteItemsOutput, Error> {
    let identity = input.identity();
    let transaction = input.validate()?;
    let token = transaction.client_request_token;
    let token = token.map(|token| core.new_token(&token, &identity));
    let wanted = transaction.return_consumed_capacity;
    let mut output = TransactWriteItemsOutput::default();
    output.consumed_capacity = run_all(core, via, transaction.actions, token, wanted).await?;
    Ok(output)
}

/// Carries out actions that were checked; gives what was consumed of each table, if that is wanted.
pub(super) async fn run_all(
    core: &Core,
    via: Via,
    actions: Vec<TransactAction>,
    token: Option<Token>,
    wanted: ReturnConsumedCapacity,
) -> Result<Vec<ConsumedCapacity>, Error> {
    let actions = prepare(core, actions)?;
    let tokens = core.shared().tokens.clone();
    let units = via
        .commit(core, move |txn| {
            if let Some(token) = &token {
                match came_before(&tokens, token) {
                    Ok(false) => txn.keep_token(&tokens, *token),
                    Ok(true) => return Ok(BTreeMap::new()),
                    Err(error) => return Err(error.into()),
                }
            }
            run(&actions, txn)
        })
        .await?;
    Ok(consumed_by_table(wanted, units, Capacity::of_writes))
}

/// Whether the same request was carried out already.
fn came_before(tokens: &Tokens, token: &Token) -> Result<bool, Error> {
    match tokens.get(token) {
        None => Ok(false),
        Some(known) if known.request == token.request => Ok(true),
        Some(_) => Err(Error::IdempotentParameterMismatch),
    }
}

/// Finds the tables and binds each action to its own.
fn prepare(core: &Core, actions: Vec<TransactAction>) -> Result<Vec<Action>, Error> {
    let mut prepared = Vec::with_capacity(actions.len());
    let mut reasons = Vec::with_capacity(actions.len());
    for action in actions {
        let table = core.table(action.table.as_str())?;
        match bind(table, action) {
            Ok(action) => {
                prepared.push(action);
                reasons.push(CancellationReason::none());
            }
            Err(Error::Validation(error)) => reasons.push(invalid(&error)),
            Err(error) => return Err(error),
        }
    }
    unless_canceled(reasons)?;
    let mut items = HashSet::new();
    if !prepared
        .iter()
        .all(|action| items.insert((action.table.id, &*action.key)))
    {
        return Err(one_item_twice().into());
    }
    Ok(prepared)
}

fn invalid(error: &ValidationError) -> CancellationReason {
    CancellationReason::new(CancellationCode::ValidationError, error.message())
}

/// An error if any of the actions made the transaction fail.
fn unless_canceled(reasons: Vec<CancellationReason>) -> Result<(), Error> {
    if reasons
        .iter()
        .all(|reason| reason.code == CancellationCode::None)
    {
        Ok(())
    } else {
        Err(Error::TransactionCanceled(reasons.into()))
    }
}

fn bind(table: Arc<Table>, action: TransactAction) -> Result<Action, Error> {
    let key = table.stored_key(&action.key(&table.schema)?);
    let entry = |item| {
        Arc::new(Entry {
            key: key.clone(),
            item,
        })
    };
    let change = match action.change {
        TransactChange::Check(_) => Change::None,
        TransactChange::Delete(_) => Change::Write(entry(None)),
        TransactChange::Put(item) => {
            table.check_index_keys(&item)?;
            Change::Write(entry(Some(encode(&item)?)))
        }
        TransactChange::Update(key, update) => Change::Update(key, update),
    };
    Ok(Action {
        table,
        key,
        guard: action.guard,
        change,
    })
}

/// Runs all actions; gives the units that each table's writes consumed.
fn run(actions: &[Action], txn: &mut Txn) -> Result<BTreeMap<String, CapacityUnits>, TxnError> {
    let mut reasons = Vec::with_capacity(actions.len());
    let mut units = BTreeMap::<String, CapacityUnits>::new();
    let mut bytes = 0;
    for action in actions {
        match action.run(txn) {
            Ok((old, new)) => {
                bytes += new;
                *units.entry(action.table.name.to_string()).or_default() +=
                    CapacityUnits::of_write(old, new, true);
                reasons.push(CancellationReason::none());
            }
            Err(TxnError::Fail(Error::ConditionFailed { item })) => {
                reasons.push(CancellationReason::condition(item.map(|item| *item)));
            }
            Err(TxnError::Fail(Error::Validation(error))) => reasons.push(invalid(&error)),
            Err(error) => return Err(error),
        }
    }
    unless_canceled(reasons)?;
    if bytes > MAX_TRANSACT_SIZE {
        return Err(Error::from(transaction_too_large()).into());
    }
    Ok(units)
}

impl Action {
    /// Checks the condition and writes; gives the sizes of the item before and after.
    fn run(&self, txn: &mut Txn) -> Result<(usize, usize), TxnError> {
        let old = item_before(txn, &self.table, &self.key, self.guard.as_ref())?;
        let size = |item: Option<&Item>| item.map_or(0, item_size);
        let old_size = size(old.as_ref());
        let new_size = match &self.change {
            Change::None => old_size,
            Change::Write(entry) => {
                txn.write(&self.table, entry)?;
                match &entry.item {
                    Some(item) => super::stored_size(&self.table, item)?,
                    None => 0,
                }
            }
            Change::Update(key, update) => {
                let keys = (&*self.key, key);
                size(write_update(txn, &self.table, keys, update, old.as_ref())?.as_ref())
            }
        };
        Ok((old_size, new_size))
    }
}
