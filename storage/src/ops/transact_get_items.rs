//! TransactGetItems: up to 100 items of several tables, all as of one moment.
//!
//! The snapshots of all tables are taken, and taken again if one of them is newer than the sequence that was published before: then all
//! are of that sequence, at which every transaction is there whole or not at all.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sealdb_model::Item;
use sealdb_model::ops::{
    CancellationReason, Capacity, CapacityUnits, GetItem, MAX_TRANSACT_SIZE, ReadConsistency,
    TransactGetItems, TransactGetItemsInput, TransactGetItemsOutput, one_item_twice,
    transaction_too_large,
};

use super::transact_write_items::{invalid, unless_canceled};
use super::{Via, decode, paths_fit, stored_size, told};
use crate::error::Error;
use crate::session::Session;
use crate::table::{Snapshot, Table};

/// An item that is to be read: its table, and its stored key there.
type Place = (Arc<Table>, Vec<u8>);
/// What was read: the items in the order of the request, and what reading each table consumed.
type Read = (Vec<Option<Item>>, BTreeMap<String, CapacityUnits>);

pub(crate) async fn transact_get_items(
    core: &Session,
    via: Via,
    input: TransactGetItemsInput,
) -> Result<TransactGetItemsOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out reads that were checked.
pub(super) async fn run(
    core: &Session,
    via: Via,
    transaction: TransactGetItems,
) -> Result<TransactGetItemsOutput, Error> {
    let tables = prepare(core, &transaction)?;
    let (responses, units) = loop {
        match read(core, via, &transaction, &tables).await {
            Err(Error::SnapshotExpired) => {}
            result => break result?,
        }
    };
    let mut output = TransactGetItemsOutput::default();
    output.responses = responses;
    let wanted = transaction.return_consumed_capacity;
    output.consumed_capacity = told::by_reads(wanted, units, Capacity::of_reads);
    Ok(output)
}

/// Finds the tables and the stored keys. What is wrong with the keys is told of all reads together.
fn prepare(core: &Session, transaction: &TransactGetItems) -> Result<Vec<Place>, Error> {
    let mut tables = Vec::with_capacity(transaction.gets.len());
    let mut reasons = Vec::with_capacity(transaction.gets.len());
    for get in &transaction.gets {
        let table = core.table(get.table.as_str())?;
        match bind(&table, get) {
            Ok(key) => {
                tables.push((table, key));
                reasons.push(CancellationReason::none());
            }
            Err(Error::Validation(error)) => reasons.push(invalid(&error)),
            Err(error) => return Err(error),
        }
    }
    unless_canceled(reasons)?;
    let mut items = HashSet::new();
    match tables
        .iter()
        .all(|(table, key)| items.insert((table.id, key)))
    {
        true => Ok(tables),
        false => Err(one_item_twice().into()),
    }
}

/// The stored key of the item that is to be read.
fn bind(table: &Table, get: &GetItem) -> Result<Vec<u8>, Error> {
    let key = table.stored_key(&get.key(&table.schema)?);
    paths_fit(table, None, get.projection.as_ref())?;
    Ok(key)
}

async fn read(
    core: &Session,
    via: Via,
    transaction: &TransactGetItems,
    tables: &[Place],
) -> Result<Read, Error> {
    let snapshots = loop {
        let sequence = core.sequence();
        let snapshots = snapshots(tables)?;
        if snapshots
            .values()
            .all(|snapshot| snapshot.sequence() <= sequence)
        {
            break snapshots;
        }
        // A group is being published, table by table.
        std::thread::yield_now();
    };
    let mut bytes = 0;
    let mut units = BTreeMap::<String, CapacityUnits>::new();
    let mut responses = Vec::with_capacity(tables.len());
    for (get, (table, key)) in transaction.gets.iter().zip(tables) {
        let Some(snapshot) = snapshots.get(&table.id) else {
            continue;
        };
        let value = match via {
            Via::Async => snapshot.get(key).await?,
            Via::Blocking => snapshot.get_blocking(key)?,
        };
        let size = value
            .as_ref()
            .map_or(Ok(0), |value| stored_size(table, value))?;
        bytes += size;
        if bytes > MAX_TRANSACT_SIZE {
            return Err(transaction_too_large().into());
        }
        *units.entry(get.table.named().to_owned()).or_default() +=
            CapacityUnits::of_read(size, ReadConsistency::Transactional);
        let item = value.map(|value| decode(table, &value)).transpose()?;
        responses.push(match &get.projection {
            Some(projection) => item.map(|item| projection.project(&item)),
            None => item,
        });
    }
    Ok((responses, units))
}

/// One snapshot of each table.
fn snapshots(tables: &[Place]) -> Result<BTreeMap<sealdb_crypto::TableId, Snapshot>, Error> {
    let mut snapshots = BTreeMap::new();
    for (table, _) in tables {
        if let Entry::Vacant(free) = snapshots.entry(table.id) {
            free.insert(table.read()?);
        }
    }
    Ok(snapshots)
}
