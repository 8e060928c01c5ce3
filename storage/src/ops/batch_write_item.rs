//! BatchWriteItem: up to 25 puts and deletes, each on its own.
//!
//! All tables are looked for, then everything is validated against every table, before anything is written. Then the requests are
//! committed in pieces of at most [`PIECE_BYTES`], so that a batch of 16 MB does not hold the writer's seat for long. A piece is
//! written whole or not at all. If a later piece cannot be written now, the answer names exactly what was not done.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sealdb_model::TableRef;
use sealdb_model::ops::{
    BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput, ReturnConsumedCapacity,
    WriteRequest, one_key_twice,
};

use super::told::{Collections, Consumed};
use super::{Via, decode, encode};
use crate::commit::txn::Entry;
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;

/// Most bytes of items in one commit of a batch; one item may be larger.
const PIECE_BYTES: usize = 512 * 1024;

/// One request, ready to be applied, and itself in case it has to be given back.
struct Write {
    table: Arc<Table>,
    /// How the request names the table.
    named: Arc<TableRef>,
    entry: Arc<Entry>,
    request: WriteRequest,
}

impl Write {
    fn bytes(&self) -> usize {
        self.entry.key.len() + self.entry.item.as_deref().map_or(0, <[u8]>::len)
    }
}

pub(crate) async fn batch_write_item(
    core: &Session,
    via: Via,
    input: BatchWriteItemInput,
) -> Result<BatchWriteItemOutput, Error> {
    let batch = input.validate()?;
    let wanted = batch.return_consumed_capacity;
    let metrics = batch.return_item_collection_metrics;
    let mut pieces = pieces(prepare(core, batch)?).into_iter();
    let mut consumed = Consumed::by_batch(wanted);
    let mut collections = Collections::default();
    let mut written = false;
    let mut unprocessed = BTreeMap::<String, Vec<WriteRequest>>::new();
    while let Some(piece) = pieces.next() {
        match commit(core, via, &piece, wanted).await {
            Ok(more) => {
                written = true;
                consumed.extend(more);
                for write in &piece {
                    let (WriteRequest::Put(item) | WriteRequest::Delete(item)) = &write.request;
                    collections.add((&write.table, &write.named), metrics, item);
                }
            }
            // Only what certainly did not happen may be called unprocessed.
            Err(error) if written && error.nothing_happened() => {
                for write in std::iter::once(piece).chain(pieces).flatten() {
                    unprocessed
                        .entry(write.named.named().to_owned())
                        .or_default()
                        .push(write.request);
                }
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let mut output = BatchWriteItemOutput::new(unprocessed);
    output.consumed_capacity = consumed.into_answer();
    output.item_collection_metrics = collections.into_answer();
    Ok(output)
}

fn prepare(core: &Session, batch: BatchWriteItem) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    let tables = batch.tables.iter();
    let tables: Vec<_> = tables
        .map(|batch| core.table(batch.table.as_str()))
        .collect::<Result<_, _>>()?;
    for (batch, table) in batch.tables.into_iter().zip(tables) {
        let keys = batch.keys(&table.schema)?;
        let keys: Vec<_> = keys.iter().map(|key| table.stored_key(key)).collect();
        let named = Arc::new(batch.table);
        for (request, key) in batch.requests.into_iter().zip(keys) {
            let item = match &request {
                WriteRequest::Put(item) => {
                    table.check_index_keys(item)?;
                    Some(encode(item)?)
                }
                WriteRequest::Delete(_) => None,
            };
            writes.push(Write {
                table: table.clone(),
                named: named.clone(),
                entry: Arc::new(Entry { key, item }),
                request,
            });
        }
    }
    // Of all tables together: one may be named by its name and by its ARN.
    let mut items = HashSet::new();
    let mut targets = writes
        .iter()
        .map(|write| (write.table.id, &*write.entry.key));
    match targets.all(|target| items.insert(target)) {
        true => Ok(writes),
        false => Err(one_key_twice().into()),
    }
}

fn pieces(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut pieces = Vec::new();
    let mut bytes = usize::MAX;
    for write in writes {
        bytes = bytes.saturating_add(write.bytes());
        if bytes > PIECE_BYTES {
            bytes = write.bytes();
            pieces.push(Vec::new());
        }
        let piece: &mut Vec<Write> = pieces.last_mut().expect("the first write begins a piece");
        piece.push(write);
    }
    pieces
}

/// Writes a piece; gives what that consumed.
async fn commit(
    core: &Session,
    via: Via,
    piece: &[Write],
    wanted: ReturnConsumedCapacity,
) -> Result<Consumed, Error> {
    let changes: Vec<_> = piece
        .iter()
        .map(|write| {
            let tables = (write.table.clone(), write.named.clone());
            (tables, write.entry.clone())
        })
        .collect();
    via.commit(core, move |txn| {
        let mut consumed = Consumed::by_batch(wanted);
        for ((table, named), entry) in &changes {
            if consumed.is_wanted() {
                let old = txn.get(table, &entry.key)?;
                let old = old.map(|old| decode(table, &old)).transpose()?;
                let new = entry.item.as_ref();
                let new = new.map(|new| decode(table, new)).transpose()?;
                consumed.write((table, named), old.as_ref(), new.as_ref());
            }
            txn.write(table, entry)?;
        }
        Ok(consumed)
    })
    .await
}
