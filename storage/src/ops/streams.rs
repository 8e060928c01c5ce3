//! ListStreams, DescribeStream, GetShardIterator and GetRecords.

use std::ops::Bound;
use std::sync::Arc;

use sealdb_crypto::TreeId;
use sealdb_model::ValidationError;
use sealdb_model::ops::{
    Begin, DescribeStreamInput, DescribeStreamOutput, GetRecords, GetRecordsInput,
    GetRecordsOutput, GetShardIterator, GetShardIteratorInput, GetShardIteratorOutput, Identity,
    ListStreamsInput, ListStreamsOutput, Record, SequenceNumber, Shard, ShardIterator, StreamArn,
    StreamDescription, StreamRecord, StreamStatus,
};

use super::Via;
use super::page::PAGE_BYTES;
use super::tables::describe;
use crate::error::Error;
use crate::session::Session;
use crate::stream::{StoredRecord, StreamDef, record_key, record_number};
use crate::table::{Snapshot, SnapshotCursor, Table};
use crate::trees::Branch;

pub(crate) fn list_streams(
    core: &Session,
    input: ListStreamsInput,
) -> Result<ListStreamsOutput, Error> {
    let list = input.validate()?;
    let tables: Vec<Arc<Table>> = match &list.table {
        Some(name) => vec![core.any_table(name.as_str())?],
        None => core.tables()?.values().cloned().collect(),
    };
    let now = core.shared().clock.wall_ms();
    let mut streams: Vec<StreamArn> = tables.iter().flat_map(|table| arns(table, now)).collect();
    streams.retain(|arn| list.after.as_ref().is_none_or(|after| arn > after));
    // By name, and by age: labels sort as the times that they are.
    streams.sort_unstable();
    let more = streams.len() > list.limit;
    streams.truncate(list.limit);
    let last = streams.last().filter(|_| more).map(ToString::to_string);
    Ok(ListStreamsOutput::new(streams, last))
}

/// The streams of a table that can be read.
fn arns(table: &Table, now_ms: u64) -> Vec<StreamArn> {
    let definition = table.definition();
    let streams = definition
        .derived
        .iter()
        .filter_map(|tree| tree.role.stream());
    streams
        .filter(|stream| !stream.is_over(now_ms))
        .map(|stream| StreamArn {
            table: table.name.clone(),
            label: stream.label(),
        })
        .collect()
}

/// A stream of an open database.
struct Found {
    table: Arc<Table>,
    tree: TreeId,
    stream: StreamDef,
}

fn find(core: &Session, arn: &StreamArn) -> Result<Found, Error> {
    let not_found = || Error::StreamNotFound(arn.clone());
    let table = match core.any_table(arn.table.as_str()) {
        Err(Error::TableNotFound(_)) => return Err(not_found()),
        table => table?,
    };
    // The records of its stream show items.
    core.check(&table)?;
    let now = core.shared().clock.wall_ms();
    let definition = table.definition();
    let found = definition.derived.iter().find_map(|tree| {
        let stream = tree.role.stream()?;
        let there = !stream.is_over(now) && stream.label() == arn.label;
        there.then(|| (tree.id, stream.clone()))
    });
    let (tree, stream) = found.ok_or_else(not_found)?;
    Ok(Found {
        table,
        tree,
        stream,
    })
}

impl Found {
    /// The id of its only shard: when it began, and which of the table's trees it is.
    fn shard_id(&self) -> String {
        format!(
            "shardId-{:020}-{:08x}",
            self.stream.enabled_ms,
            self.tree.get()
        )
    }

    /// The lowest number that a record can have.
    fn start(&self) -> SequenceNumber {
        SequenceNumber::first_of(self.stream.after + 1)
    }

    fn branch<'s>(&self, snapshot: &'s Snapshot, arn: &StreamArn) -> Result<&'s Branch, Error> {
        let branch = snapshot.trees().branch(self.tree);
        branch.ok_or_else(|| Error::StreamNotFound(arn.clone()))
    }

    /// The last record that was trimmed, if one was.
    async fn trimmed(
        &self,
        branch: &Branch,
        snapshot: &Snapshot,
        via: Via,
    ) -> Result<Option<SequenceNumber>, Error> {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        let mut cursor = snapshot.cursor(branch, lower, upper, false, true);
        Ok(match next(&mut cursor, via).await? {
            Some((number, None)) => Some(number),
            _ => None,
        })
    }

    /// The number of the last record that there is or was.
    async fn last(
        &self,
        branch: &Branch,
        snapshot: &Snapshot,
        via: Via,
    ) -> Result<Option<SequenceNumber>, Error> {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        let mut cursor = snapshot.cursor(branch, lower, upper, true, true);
        Ok(next(&mut cursor, via).await?.map(|(number, _)| number))
    }
}

/// The next entry of a stream: its number and its bytes, unless those up to it are trimmed.
async fn next(
    cursor: &mut SnapshotCursor<'_>,
    via: Via,
) -> Result<Option<(SequenceNumber, Option<Vec<u8>>)>, Error> {
    let value = match via {
        Via::Async => cursor.next().await?,
        Via::Blocking => cursor.next_blocking()?,
    };
    let Some(value) = value else {
        return Ok(None);
    };
    let number = record_number(cursor.key()).map_err(|what| Error::malformed("stream", what))?;
    let bytes = (!value.is_empty()).then(|| value.to_vec());
    Ok(Some((number, bytes)))
}

/// Begins anew if a snapshot was given up because the disk was too slow for too long.
macro_rules! with_snapshot {
    ($call:expr) => {
        loop {
            match $call {
                Err(Error::SnapshotExpired) => {}
                result => break result,
            }
        }
    };
}

pub(crate) async fn describe_stream(
    core: &Session,
    via: Via,
    input: DescribeStreamInput,
) -> Result<DescribeStreamOutput, Error> {
    let asked = input.validate()?;
    let found = find(core, &asked.stream)?;
    let shard_id = found.shard_id();
    // There is one shard, and none that took over from it.
    let after = asked.after.as_ref();
    let wanted = asked.children_of.is_none() && after.is_none_or(|after| *after < shard_id);
    let stream = &found.stream;
    let mut description = StreamDescription::new(asked.stream.clone(), stream.view);
    description.creation_request_date_time = stream.enabled_ms;
    description.key_schema = describe(core, &found.table).key_schema;
    if stream.disabled_ms.is_some() {
        description.stream_status = StreamStatus::Disabled;
    }
    if wanted {
        let (starting, ending) = with_snapshot!(range(&found, &asked.stream, via).await)?;
        description.shards.push(Shard {
            shard_id,
            starting_sequence_number: starting.to_string(),
            ending_sequence_number: ending.map(|ending| ending.to_string()),
        });
    }
    Ok(DescribeStreamOutput::new(description))
}

/// The lowest number that a record of the shard can have, and the last one if it takes no more.
async fn range(
    found: &Found,
    arn: &StreamArn,
    via: Via,
) -> Result<(SequenceNumber, Option<SequenceNumber>), Error> {
    let start = found.start();
    let snapshot = found.table.read()?;
    let branch = found.branch(&snapshot, arn)?;
    let trimmed = found.trimmed(branch, &snapshot, via).await?;
    let ending = match found.stream.disabled_ms {
        Some(_) => Some(found.last(branch, &snapshot, via).await?.unwrap_or(start)),
        None => None,
    };
    Ok((trimmed.map_or(start, SequenceNumber::next), ending))
}

pub(crate) async fn get_shard_iterator(
    core: &Session,
    via: Via,
    input: GetShardIteratorInput,
) -> Result<GetShardIteratorOutput, Error> {
    let asked = input.validate()?;
    let found = find(core, &asked.stream)?;
    if asked.shard_id != found.shard_id() {
        return Err(Error::ShardNotFound);
    }
    let from = with_snapshot!(place(core, &found, &asked, via).await)?;
    let iterator = ShardIterator {
        stream: asked.stream,
        from,
        issued_ms: core.shared().clock.wall_ms(),
    };
    Ok(GetShardIteratorOutput::new(iterator.to_string()))
}

/// The number from which an iterator reads.
async fn place(
    core: &Session,
    found: &Found,
    asked: &GetShardIterator,
    via: Via,
) -> Result<SequenceNumber, Error> {
    let snapshot = found.table.read()?;
    let branch = found.branch(&snapshot, &asked.stream)?;
    // A table shows its share of a group a moment before the database does.
    let newest = core.sequence().max(snapshot.sequence());
    let newest = SequenceNumber::first_of(newest + 1);
    // The place after the newest record is one that an iterator may name.
    let known = |number: SequenceNumber| match number < found.start() || number > newest {
        true => Err(ValidationError::new("Invalid SequenceNumber")),
        false => Ok(number),
    };
    let from = match asked.begin {
        Begin::Oldest => SequenceNumber::default(),
        Begin::Latest => newest,
        Begin::At(number) => known(number)?,
        Begin::After(number) => known(number)?.next(),
    };
    refuse_trimmed(from, found.trimmed(branch, &snapshot, via).await?)?;
    Ok(from)
}

/// Whether no record from there on is gone.
fn refuse_trimmed(from: SequenceNumber, trimmed: Option<SequenceNumber>) -> Result<(), Error> {
    // From the oldest on means: whatever that is.
    let asks_for = |trimmed| from <= trimmed && from != SequenceNumber::default();
    match trimmed.is_some_and(asks_for) {
        true => Err(Error::TrimmedDataAccess),
        false => Ok(()),
    }
}

pub(crate) async fn get_records(
    core: &Session,
    via: Via,
    input: GetRecordsInput,
) -> Result<GetRecordsOutput, Error> {
    let asked = unexpired(core, input)?;
    let found = find(core, &asked.iterator.stream)?;
    page(core, &found, &asked, via).await
}

/// As [`get_records`], but waits until there is a record, or the stream takes no more of them.
pub(crate) async fn next_records(
    core: &Session,
    input: GetRecordsInput,
) -> Result<GetRecordsOutput, Error> {
    let asked = unexpired(core, input)?;
    loop {
        // Again each time: the stream may have been disabled or removed meanwhile.
        let found = find(core, &asked.iterator.stream)?;
        // Before the look, so that what comes after it is noticed.
        let changed = found.table.changed();
        let output = page(core, &found, &asked, Via::Async).await?;
        if !output.records.is_empty() || output.next_shard_iterator.is_none() {
            return Ok(output);
        }
        changed.await;
    }
}

fn unexpired(core: &Session, input: GetRecordsInput) -> Result<GetRecords, Error> {
    let asked = input.validate()?;
    match asked.iterator.is_expired(core.shared().clock.wall_ms()) {
        true => Err(Error::ExpiredIterator),
        false => Ok(asked),
    }
}

async fn page(
    core: &Session,
    found: &Found,
    asked: &GetRecords,
    via: Via,
) -> Result<GetRecordsOutput, Error> {
    let (records, end) = with_snapshot!(read(found, asked, via).await)?;
    let from = match records.last() {
        Some(record) => record.dynamodb.sequence_number.next(),
        None => asked.iterator.from,
    };
    let over = end && found.stream.disabled_ms.is_some();
    let next = ShardIterator {
        from,
        issued_ms: core.shared().clock.wall_ms(),
        stream: asked.iterator.stream.clone(),
    };
    let next = (!over).then(|| next.to_string());
    Ok(GetRecordsOutput::new(records, next))
}

/// A page of records, and whether there are no more.
async fn read(found: &Found, asked: &GetRecords, via: Via) -> Result<(Vec<Record>, bool), Error> {
    let from = asked.iterator.from;
    let snapshot = found.table.read()?;
    let branch = found.branch(&snapshot, &asked.iterator.stream)?;
    refuse_trimmed(from, found.trimmed(branch, &snapshot, via).await?)?;
    let lower = Bound::Included(record_key(from));
    let mut cursor = snapshot.cursor(branch, lower, Bound::Unbounded, false, true);
    let (mut records, mut bytes) = (Vec::new(), 0);
    while records.len() < asked.limit {
        let Some((number, stored)) = next(&mut cursor, via).await? else {
            return Ok((records, true));
        };
        let Some(stored) = stored else { continue };
        let record = record(found, number, &stored)?;
        bytes += record.dynamodb.size_bytes();
        if bytes > PAGE_BYTES && !records.is_empty() {
            break;
        }
        records.push(record);
    }
    Ok((records, false))
}

fn record(found: &Found, number: SequenceNumber, stored: &[u8]) -> Result<Record, Error> {
    let table = &found.table;
    let damaged = || Error::corrupt(format!("a record of a stream of table {}", table.name));
    let record = StoredRecord::decode(stored)
        .ok()
        .flatten()
        .ok_or_else(damaged)?;
    let image = |bytes: &[u8]| match bytes {
        [] => Ok(None),
        bytes => super::decode(table, bytes).map(Some),
    };
    let item = super::decode(table, record.item())?;
    Ok(Record {
        event_id: table.event_id(found.tree, number),
        event_name: record.event,
        dynamodb: StreamRecord {
            approximate_creation_date_time: record.at_ms,
            keys: table.schema.key_map_of_item(&item),
            new_image: image(record.new)?,
            old_image: image(record.old)?,
            sequence_number: number,
            stream_view_type: found.stream.view,
        },
        user_identity: record.expired.then_some(Identity::TIME_TO_LIVE),
    })
}
