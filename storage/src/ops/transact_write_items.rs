//! TransactWriteItems: up to 100 writes and checks of several tables, all or none, at one moment of the writer's seat.
//!
//! The actions are each of another item, so each sees the state before all of them; the seat applies them together. What fails is told
//! by action, in order. A request with a token that came before within ten minutes is answered without being carried out again.

use std::collections::HashSet;
use std::sync::Arc;

use sealdb_model::expr::UpdateExpression;
use sealdb_model::ops::{
    CancellationCode, CancellationReason, CapacityUnits, ConsumedCapacity, Guard,
    MAX_TRANSACT_SIZE, ReadConsistency, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    TransactAction, TransactChange, TransactWriteItemsInput, TransactWriteItemsOutput,
    one_item_twice, transaction_too_large,
};
use sealdb_model::{Map, TableRef, ValidationError, item_size};

use super::told::{Collections, Consumed};
use super::{Via, decode, encode, item_before, paths_fit, stored_size, write_update};
use crate::commit::txn::{Entry, Txn, TxnError};
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;
use crate::tokens::{Token, Tokens};

/// An action of a known table, ready to run in the seat.
struct Action {
    table: Arc<Table>,
    /// How the request names the table.
    named: TableRef,
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
    core: &Session,
    via: Via,
    input: TransactWriteItemsInput,
) -> Result<TransactWriteItemsOutput, Error> {
    let identity = input.identity();
    let transaction = input.validate()?;
    let token = transaction.client_request_token;
    let token = token.map(|token| core.new_token(&token, &identity));
    let wanted = transaction.return_consumed_capacity;
    let collections = collections(
        core,
        &transaction.actions,
        transaction.return_item_collection_metrics,
    )?;
    let mut output = TransactWriteItemsOutput::default();
    output.consumed_capacity = run_all(core, via, transaction.actions, token, wanted).await?;
    output.item_collection_metrics = collections.into_answer();
    Ok(output)
}

/// The item collections that the actions change.
fn collections(
    core: &Session,
    actions: &[TransactAction],
    wanted: ReturnItemCollectionMetrics,
) -> Result<Collections, Error> {
    let mut collections = Collections::default();
    if wanted == ReturnItemCollectionMetrics::None {
        return Ok(collections);
    }
    for action in actions {
        let written = match &action.change {
            TransactChange::Check(_) => continue,
            TransactChange::Put(item) => item,
            TransactChange::Delete(key) | TransactChange::Update(key, _) => key,
        };
        let table = core.table(action.table.as_str())?;
        collections.add((&table, &action.table), wanted, written);
    }
    Ok(collections)
}

/// Carries out actions that were checked; gives what was consumed of each table, if that is wanted.
pub(super) async fn run_all(
    core: &Session,
    via: Via,
    actions: Vec<TransactAction>,
    token: Option<Token>,
    wanted: ReturnConsumedCapacity,
) -> Result<Vec<ConsumedCapacity>, Error> {
    let actions = prepare(core, actions)?;
    let tokens = core.shared().tokens.clone();
    let consumed = via
        .commit(core, move |txn| {
            let consumed = Consumed::by_transaction(wanted);
            if let Some(token) = &token {
                match came_before(&tokens, token) {
                    Ok(false) => txn.keep_token(&tokens, *token),
                    Ok(true) => return run_before(&actions, txn, consumed),
                    Err(error) => return Err(error.into()),
                }
            }
            run(&actions, txn, consumed)
        })
        .await?;
    Ok(consumed.into_answer())
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
fn prepare(core: &Session, actions: Vec<TransactAction>) -> Result<Vec<Action>, Error> {
    let mut prepared = Vec::with_capacity(actions.len());
    let mut reasons = Vec::with_capacity(actions.len());
    for action in actions {
        let table = core.table(action.table.as_str())?;
        match bind(table, action) {
            Ok(action) => {
                prepared.push(action);
                reasons.push(CancellationReason::none());
            }
            Err(error) => reasons.push(reason(error)?),
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

/// The reason of an action that cannot be begun, if that cancels the transaction.
///
/// # Errors
/// What the whole request is refused for.
pub(super) fn reason(error: Error) -> Result<CancellationReason, Error> {
    match error {
        Error::Validation(error) if !error.is_of_key_value() => Ok(invalid(&error)),
        error => Err(error),
    }
}

/// The reason of an action that breaks a rule.
pub(super) fn invalid(error: &ValidationError) -> CancellationReason {
    CancellationReason::new(CancellationCode::ValidationError, error.message())
}

/// An error if any of the actions made the transaction fail.
pub(super) fn unless_canceled(reasons: Vec<CancellationReason>) -> Result<(), Error> {
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
    let condition = action.guard.as_ref().map(|guard| &guard.condition);
    let changed = match &action.change {
        TransactChange::Update(_, update) => Some(update.paths()),
        _ => None,
    };
    paths_fit(&table, condition, changed)?;
    let change = match action.change {
        TransactChange::Check(_) => Change::None,
        TransactChange::Delete(_) => Change::Write(entry(None)),
        TransactChange::Put(item) => {
            table.check_index_keys(&item)?;
            Change::Write(entry(Some(encode(&item)?)))
        }
        TransactChange::Update(key, update) => {
            table.check_update(&update)?;
            Change::Update(key, update)
        }
    };
    Ok(Action {
        table,
        named: action.table,
        key,
        guard: action.guard,
        change,
    })
}

/// Of actions that were carried out before only the items are looked at, which consumes reads.
fn run_before(
    actions: &[Action],
    txn: &mut Txn,
    mut consumed: Consumed,
) -> Result<Consumed, TxnError> {
    if !consumed.is_wanted() {
        return Ok(consumed);
    }
    for action in actions {
        let item = txn.get(&action.table, &action.key)?;
        let size = item.map_or(Ok(0), |item| stored_size(&action.table, &item))?;
        let units = CapacityUnits::of_read(size, ReadConsistency::Transactional);
        consumed.read(&action.named, units);
    }
    Ok(consumed)
}

/// Runs all actions; gives what they consumed.
fn run(actions: &[Action], txn: &mut Txn, mut consumed: Consumed) -> Result<Consumed, TxnError> {
    let mut reasons = Vec::with_capacity(actions.len());
    let mut bytes = 0;
    for action in actions {
        match action.run(txn, &mut consumed) {
            Ok(new) => {
                bytes += new;
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
    Ok(consumed)
}

impl Action {
    /// Checks the condition and writes; gives the size of the item afterwards.
    fn run(&self, txn: &mut Txn, consumed: &mut Consumed) -> Result<usize, TxnError> {
        let old = item_before(txn, &self.table, &self.key, self.guard.as_ref())?;
        let new = match &self.change {
            Change::None => old.clone(),
            Change::Write(entry) => {
                txn.write(&self.table, entry)?;
                match &entry.item {
                    Some(item) if !consumed.is_wanted() => {
                        return Ok(stored_size(&self.table, item)?);
                    }
                    Some(item) => Some(decode(&self.table, item)?),
                    None => None,
                }
            }
            Change::Update(key, update) => {
                let keys = (&*self.key, key);
                write_update(txn, &self.table, keys, update, old.as_ref())?
            }
        };
        let tables = (&*self.table, &self.named);
        consumed.write(tables, old.as_ref(), new.as_ref());
        Ok(new.as_ref().map_or(0, item_size))
    }
}
