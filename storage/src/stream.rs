//! Streams: what became of a table's items, in order.
//!
//! A stream is a tree of its table, in a space and under a key of its own. Which changes leave records in it, and as of which time, stands in
//! the table's log parts (`log::frame`); all else follows from the change. So the writer's seat and replay, which make records with the
//! same function, make the same ones, and the log says nothing twice.
//!
//! | part of an entry | bytes | what |
//! |---|---|---|
//! | key | 8 | sequence of the group |
//! | | 4 | which record of the table in it, from 0 |
//! | value | 1 | 1 an item was made, 2 changed, 3 deleted, 4 deleted because its time had come |
//! | | 8 | time of the group, milliseconds since 1970 |
//! | | 4 + n | the item before; empty if there is none or the view does not show it |
//! | | 4 + n | the item after, likewise |
//! | | 4 + n | the item's key attributes, as an item; empty if the item stands before |
//!
//! The first entry may have no value: it and those before it are trimmed. A change that leaves an item as it was leaves no record.
//!
//! Guaranteed: records are in the order of commits, those of one commit in its own order; none is missing and none comes twice, also after
//! crashes. A number that a reader has seen is never another record's, unless durability is an interval and power was lost within it.

#![deny(clippy::indexing_slicing)]

use std::ops::Bound;

use sealdb_crypto::audit::rfc3339;
use sealdb_crypto::{Clock, TreeId};
use sealdb_model::codec::encode_item;
use sealdb_model::ops::{OperationType, STREAM_RETENTION_MS, SequenceNumber, StreamViewType};

use crate::commit::txn::TxnError;
use crate::error::Error;
use crate::log::frame::{Outcome, Written};
use crate::plaintext::Plaintext;
use crate::table::Table;
use crate::trees::{Branch, Load, RetiredByTree, Role, Trees};
use crate::wire::{Malformed, Reader, Write};

/// A stream of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamDef {
    /// What its records show.
    pub(crate) view: StreamViewType,
    /// When it was enabled, in milliseconds since 1970; tells it from the table's other streams.
    pub(crate) enabled_ms: u64,
    /// Its records are of groups after this one.
    pub(crate) after: u64,
    /// Since when it takes no more records.
    pub(crate) disabled_ms: Option<u64>,
}

impl StreamDef {
    /// Its label, as the service writes it: `2015-05-20T20:51:10.252`.
    pub(crate) fn label(&self) -> String {
        let time = rfc3339(self.enabled_ms);
        time.strip_suffix('Z').unwrap_or(&time).to_owned()
    }

    /// Whether it was disabled so long ago that nobody reads it any more.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.disabled_ms.is_some_and(|since| is_old(since, now_ms))
    }
}

/// Whether what happened then is no longer kept.
pub(crate) fn is_old(at_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(at_ms) >= STREAM_RETENTION_MS
}

/// The key of a record.
pub(crate) fn record_key(number: SequenceNumber) -> Vec<u8> {
    let mut key = Vec::with_capacity(12);
    key.put_u64(number.commit);
    key.put_u32(number.record);
    key
}

/// The number of the record with a key.
pub(crate) fn record_number(key: &[u8]) -> Result<SequenceNumber, Malformed> {
    let mut r = Reader::new(key);
    let number = SequenceNumber {
        commit: r.u64("number of a record")?,
        record: r.u32("number of a record")?,
    };
    r.end("number of a record")?;
    Ok(number)
}

/// What a record says, but for its number. An empty item is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredRecord<'a> {
    pub(crate) event: OperationType,
    /// The item's time had come.
    pub(crate) expired: bool,
    pub(crate) at_ms: u64,
    pub(crate) old: &'a [u8],
    pub(crate) new: &'a [u8],
    pub(crate) keys: &'a [u8],
}

const INSERTED: u8 = 1;
const MODIFIED: u8 = 2;
const REMOVED: u8 = 3;
const EXPIRED: u8 = 4;

impl<'a> StoredRecord<'a> {
    fn encode(&self) -> Plaintext {
        let mut record = Plaintext::default();
        let room = 21 + self.old.len() + self.new.len() + self.keys.len();
        record.write(room, |out| {
            out.put_u8(match (self.event, self.expired) {
                (OperationType::Insert, _) => INSERTED,
                (OperationType::Modify, _) => MODIFIED,
                (OperationType::Remove, false) => REMOVED,
                (OperationType::Remove, true) => EXPIRED,
            });
            out.put_u64(self.at_ms);
            out.put_long_bytes(self.old);
            out.put_long_bytes(self.new);
            out.put_long_bytes(self.keys);
        });
        record
    }

    /// `None`: it is trimmed.
    pub(crate) fn decode(value: &'a [u8]) -> Result<Option<Self>, Malformed> {
        if value.is_empty() {
            return Ok(None);
        }
        let mut r = Reader::new(value);
        let (event, expired) = match r.u8("kind of a record")? {
            INSERTED => (OperationType::Insert, false),
            MODIFIED => (OperationType::Modify, false),
            REMOVED => (OperationType::Remove, false),
            EXPIRED => (OperationType::Remove, true),
            _ => return Err(Malformed("kind of a record")),
        };
        let record = StoredRecord {
            event,
            expired,
            at_ms: r.u64("time of a record")?,
            old: r.long_bytes("item before")?,
            new: r.long_bytes("item after")?,
            keys: r.long_bytes("keys")?,
        };
        r.end("record")?;
        if record.item().is_empty() {
            return Err(Malformed("record without keys"));
        }
        Ok(Some(record))
    }

    /// An item that has the key attributes.
    pub(crate) fn item(&self) -> &'a [u8] {
        let items = [self.new, self.old, self.keys];
        items
            .into_iter()
            .find(|item| !item.is_empty())
            .unwrap_or_default()
    }
}

/// Where the changes of a group leave records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recording {
    /// The group.
    sequence: u64,
    /// The stream, if there is one.
    stream: Option<TreeId>,
    at_ms: u64,
    /// How many of the group's changes have left one.
    count: u32,
}

impl Recording {
    /// A group begins, whose changes leave none unless it is said.
    pub(crate) fn of(sequence: u64) -> Self {
        Recording {
            sequence,
            ..Recording::default()
        }
    }

    /// From here on the group's changes leave records in this stream.
    pub(crate) fn switch(&mut self, stream: Option<TreeId>, at_ms: u64) {
        (self.stream, self.at_ms) = (stream, at_ms);
    }
}

impl Branch {
    /// The stream that it is, if it is one.
    pub(crate) fn stream(&self) -> Option<&StreamDef> {
        self.def.role.stream()
    }
}

impl Trees {
    /// In the writer's seat: changes of this group leave records in the stream that is enabled now. Gives what the log part has to say
    /// about it, if it does not say so yet.
    pub(crate) fn record_now(
        &mut self,
        sequence: u64,
        clock: &dyn Clock,
    ) -> Option<Outcome<'static>> {
        if self.derived.is_empty() {
            return None;
        }
        if self.recording.sequence != sequence {
            self.recording = Recording::of(sequence);
        }
        let enabled = |branch: &&Branch| {
            let stream = branch.stream();
            stream.is_some_and(|stream| stream.disabled_ms.is_none())
        };
        let stream = self
            .derived
            .iter()
            .find(enabled)
            .map(|branch| branch.def.id);
        if stream == self.recording.stream {
            return None;
        }
        let at_ms = clock.wall_ms();
        self.recording.switch(stream, at_ms);
        Some(Outcome::Record { stream, at_ms })
    }

    /// Leaves a record of a change, if changes leave any.
    ///
    /// # Errors
    /// As [`Trees::change`].
    pub(crate) fn record(
        &mut self,
        table: &Table,
        retired: &mut RetiredByTree,
        old: Option<&[u8]>,
        written: Written<'_>,
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let Recording {
            sequence,
            stream: Some(stream),
            at_ms,
            count,
        } = self.recording
        else {
            return Ok(());
        };
        let new = written.item;
        let event = match (old, new) {
            (None, Some(_)) => OperationType::Insert,
            (Some(_), None) => OperationType::Remove,
            // Equal items are equal bytes.
            (Some(old), Some(new)) if old != new => OperationType::Modify,
            _ => return Ok(()),
        };
        let Some(branch) = self.branch_mut(stream) else {
            return Ok(());
        };
        let Some(view) = branch.stream().map(|stream| stream.view) else {
            return Ok(());
        };
        let mut record = StoredRecord {
            event,
            expired: written.expired,
            at_ms,
            old: old.filter(|_| view.shows_old()).unwrap_or_default(),
            new: new.filter(|_| view.shows_new()).unwrap_or_default(),
            keys: &[],
        };
        let mut keys = Vec::new();
        if record.item().is_empty() {
            keys = key_item(table, written.key)?;
        }
        record.keys = &keys;
        let number = SequenceNumber {
            commit: sequence,
            record: count,
        };
        branch.change(retired, &record_key(number), Some(&record.encode()), load)?;
        self.recording.count += 1;
        Ok(())
    }

    /// Removes the records of a stream up to this key, and notes that there were some. Nothing happens if there is no such stream any
    /// more.
    ///
    /// # Errors
    /// As [`Trees::change`].
    pub(crate) fn trim(
        &mut self,
        retired: &mut RetiredByTree,
        stream: TreeId,
        upto: &[u8],
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let Some(branch) = self.branch_mut(stream) else {
            return Ok(());
        };
        loop {
            let upper = Bound::Excluded(upto.to_vec());
            let mut cursor = branch.tree.cursor(Bound::Unbounded, upper, false);
            let first = match cursor.next(&branch.io) {
                Ok(Some((key, _))) => key.to_vec(),
                Ok(None) => break,
                Err(need) => {
                    load(&branch.io, need)?;
                    continue;
                }
            };
            // What it holds must not stay while the tree below it changes.
            drop(cursor);
            branch.change(retired, &first, None, load)?;
        }
        branch.change(retired, upto, Some(&[]), load).map(drop)
    }
}

/// The key attributes of a stored key, as an item is stored.
fn key_item(table: &Table, key: &[u8]) -> Result<Vec<u8>, Error> {
    let map = Table::split_stored_key(key)
        .and_then(|(partition, sort)| table.schema.key_from_bytes(partition, sort))
        .ok_or_else(|| Error::corrupt(format!("a stored key of table {}", table.name)))?;
    let mut bytes = Vec::with_capacity(64);
    encode_item(&map, &mut bytes).map_err(|error| Error::corrupt(format!("a key: {error}")))?;
    Ok(bytes)
}

impl Role {
    /// The stream that it is, if it is one.
    pub(crate) fn stream(&self) -> Option<&StreamDef> {
        match self {
            Role::Stream(stream) => Some(stream),
            Role::Items | Role::Index(_) | Role::Expiry(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = (OperationType, bool)> {
        prop_oneof![
            Just((OperationType::Insert, false)),
            Just((OperationType::Modify, false)),
            Just((OperationType::Remove, false)),
            Just((OperationType::Remove, true)),
        ]
    }

    proptest! {
        #[test]
        fn a_record_survives(
            (event, expired) in event(),
            at_ms: u64,
            items in proptest::array::uniform3(proptest::collection::vec(any::<u8>(), 0..40)),
            at: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let [old, new, mut keys] = items;
            if old.is_empty() && new.is_empty() {
                keys.push(1);
            }
            let record = StoredRecord { event, expired, at_ms, old: &old, new: &new, keys: &keys };
            let mut bytes = record.encode();
            prop_assert_eq!(StoredRecord::decode(&bytes).unwrap(), Some(record));
            let at = at.index(bytes.len());
            prop_assert!(at == 0 || StoredRecord::decode(&bytes[..at]).is_err());
            bytes[at] ^= 1 << bit;
            if let Ok(Some(other)) = StoredRecord::decode(&bytes) {
                let again = other.encode();
                prop_assert_eq!(&*again, &*bytes);
            }
        }

        #[test]
        fn a_number_is_a_key_that_sorts_as_it_does(a: (u64, u32), b: (u64, u32)) {
            let [a, b] = [a, b].map(|(commit, record)| SequenceNumber { commit, record });
            prop_assert_eq!(record_number(&record_key(a)).unwrap(), a);
            prop_assert_eq!(record_key(a).cmp(&record_key(b)), a.cmp(&b));
        }
    }

    #[test]
    fn a_label_is_a_time_without_a_zone() {
        let stream = StreamDef {
            view: StreamViewType::KeysOnly,
            enabled_ms: 1_432_155_070_252,
            after: 0,
            disabled_ms: Some(1_000),
        };
        assert_eq!(stream.label(), "2015-05-20T20:51:10.252");
        assert!(!stream.is_over(999 + STREAM_RETENTION_MS));
        assert!(stream.is_over(1_000 + STREAM_RETENTION_MS));
    }
}
