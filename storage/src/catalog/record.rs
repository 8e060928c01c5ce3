//! Bytes of the catalog's records and of the system's log parts.
//!
//! Keys of the catalog's tree:
//!
//! | key | value |
//! |---|---|
//! | `t` ‖ table name | the table's record |
//! | `c` ‖ table id 16 ‖ sequence 8 | a log part carried along for a table that is closed |
//! | `k` ‖ token 16 | a token of a transaction: request 16, milliseconds since 1970 8 |
//!
//! A table's record:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 2 |
//! | 16 | table id |
//! | 2 + n | name |
//! | attribute | the partition key |
//! | 1, attribute | 1 if there is a sort key; it |
//! | 8 | creation time, milliseconds since 1970 |
//! | keys | how its keys are wrapped; see `keys` |
//! | 16 | SipHash key of the partition hash |
//! | 8 | sequence up to which the trees hold all outcomes |
//! | 8 | sequence up to which outcomes beyond it are carried |
//! | definition | what can be changed about it; see `definition` |
//! | state | of the items' tree |
//! | states | of each derived tree, in the order of the definition |
//!
//! An attribute is its name (2 + n) and its type (`S`, `N`, `B`).
//!
//! The state of a tree:
//!
//! | bytes | what |
//! |---|---|
//! | 1 + 28 | pointer to its root |
//! | 8 + 8 | count and size of its entries |
//! | 1, then 2 + n | 1 if it holds what all items imply, 0 if those with keys up to this one |
//!
//! A carried part: pointer 28, segment id 16 and sequence 8 that it was sealed at.
//!
//! A system log part is a row of `1 ‖ length 4 ‖ table record` (created), `2 ‖ table id` (deleted),
//! `3 ‖ token 16 ‖ request 16 ‖ milliseconds 8` (a token came), `4 ‖ table id ‖ definition` (altered) and
//! `5 ‖ table id ‖ keys` (its keys are these from now on).

#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;

use sealdb_crypto::{LogPlace, SegmentId, TableId, TreeId};
use sealdb_model::{KeySchema, TableName};

use super::definition::{Definition, flag, put_attribute, read_attribute};
use super::keys::KeyRecords;
use crate::root::{put_page_ptr, read_page_ptr};
use crate::tokens::{Token, TokenId};
use crate::tree::PagePtr;
use crate::trees::{Counters, Filled, TreeDef};
use crate::wire::{Malformed, Reader, Write};

/// What the catalog knows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRecord {
    pub(crate) id: TableId,
    pub(crate) name: TableName,
    pub(crate) schema: KeySchema,
    pub(crate) created_ms: u64,
    pub(crate) keys: KeyRecords,
    pub(crate) hash_key: [u8; 16],
    pub(crate) sequence: u64,
    pub(crate) carried_to: u64,
    /// What can be changed about it, its list of trees included.
    pub(crate) definition: Definition,
    /// Of the items.
    pub(crate) items: TreeState,
    /// Of the derived trees, in the order of the definition.
    pub(crate) derived: Vec<TreeState>,
}

/// What the catalog knows of the content of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeState {
    pub(crate) root: Option<PagePtr>,
    pub(crate) counters: Counters,
    pub(crate) filled: Filled,
}

const FORMAT: u8 = 2;

impl TreeState {
    /// A tree without entries, `filled` as far as it is said to be.
    pub(crate) fn empty(filled: Filled) -> Self {
        TreeState {
            root: None,
            counters: Counters::default(),
            filled,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_page_ptr(out, self.root.as_ref());
        out.put_u64(self.counters.item_count);
        out.put_u64(self.counters.size_bytes);
        match &self.filled {
            Filled::All => out.put_u8(1),
            Filled::UpTo(key) => {
                out.put_u8(0);
                out.put_short_bytes(key);
            }
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(TreeState {
            root: read_page_ptr(r, "root pointer")?,
            counters: Counters {
                item_count: r.u64("item count")?,
                size_bytes: r.u64("size")?,
            },
            filled: match flag(r, "filled")? {
                true => Filled::All,
                false => Filled::UpTo(r.short_bytes("filled up to")?.to_vec()),
            },
        })
    }
}

impl TableRecord {
    /// The table has another definition: the states of trees that stay are kept, new ones are empty.
    pub(crate) fn redefine(&mut self, definition: Definition) {
        let old = std::mem::replace(&mut self.definition, definition);
        let mut states: HashMap<TreeId, TreeState> = old
            .derived
            .iter()
            .map(|tree| tree.id)
            .zip(std::mem::take(&mut self.derived))
            .collect();
        let state = |tree: &Arc<TreeDef>| {
            let empty = || TreeState::empty(tree.role.filled_at_first());
            states.remove(&tree.id).unwrap_or_else(empty)
        };
        self.derived = self.definition.derived.iter().map(state).collect();
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.put_u8(FORMAT);
        out.put_raw(self.id.as_bytes());
        out.put_short_bytes(self.name.as_str().as_bytes());
        put_attribute(&mut out, &self.schema.partition);
        out.put_u8(u8::from(self.schema.sort.is_some()));
        if let Some(sort) = &self.schema.sort {
            put_attribute(&mut out, sort);
        }
        out.put_u64(self.created_ms);
        self.keys.encode(&mut out);
        out.put_raw(&self.hash_key);
        out.put_u64(self.sequence);
        out.put_u64(self.carried_to);
        self.definition.encode(&mut out);
        self.items.encode(&mut out);
        for tree in &self.derived {
            tree.encode(&mut out);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.u8("format of a table record")? != FORMAT {
            return Err(Malformed("format of a table record"));
        }
        let id = TableId::from_bytes(r.array("table id")?);
        let name = TableName::new(r.text("table name")?).map_err(|_| Malformed("table name"))?;
        let partition = read_attribute(&mut r)?;
        let sort = if flag(&mut r, "sort key flag")? {
            Some(read_attribute(&mut r)?)
        } else {
            None
        };
        let mut record = TableRecord {
            id,
            name,
            schema: KeySchema { partition, sort },
            created_ms: r.u64("creation time")?,
            keys: KeyRecords::decode(&mut r)?,
            hash_key: r.array("hash key")?,
            sequence: r.u64("sequence")?,
            carried_to: r.u64("carried sequence")?,
            definition: Definition::decode(&mut r)?,
            items: TreeState::decode(&mut r)?,
            derived: Vec::new(),
        };
        for _ in &record.definition.derived {
            record.derived.push(TreeState::decode(&mut r)?);
        }
        r.end("table record")?;
        Ok(record)
    }

    /// The key of the record in the catalog's tree.
    pub(crate) fn catalog_key(name: &TableName) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + name.as_str().len());
        key.push(b't');
        key.extend_from_slice(name.as_str().as_bytes());
        key
    }
}

/// The range of catalog keys that hold table records.
pub(crate) const TABLES: (&[u8], &[u8]) = (b"t", b"u");

/// Where a carried log part lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CarriedPart {
    pub(crate) place: PagePtr,
    pub(crate) origin: LogPlace,
}

impl CarriedPart {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(52);
        out.put_raw(&self.place.encode());
        out.put_raw(self.origin.segment.as_bytes());
        out.put_u64(self.origin.sequence);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let part = CarriedPart {
            place: PagePtr::decode(&r.array("carried place")?).ok_or(Malformed("carried place"))?,
            origin: LogPlace {
                segment: SegmentId::from_bytes(r.array("carried segment")?),
                sequence: r.u64("carried sequence")?,
            },
        };
        r.end("carried part")?;
        Ok(part)
    }

    /// The key of a carried part in the catalog's tree.
    pub(crate) fn catalog_key(table: TableId, sequence: u64) -> Vec<u8> {
        let mut key = vec![b'c'];
        key.put_raw(table.as_bytes());
        key.put_u64(sequence);
        key
    }
}

/// The range of catalog keys that hold tokens.
pub(crate) const TOKENS: (&[u8], &[u8]) = (b"k", b"l");

impl Token {
    /// Bytes of a token's value.
    const LEN: usize = 24;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.put_raw(&self.request);
        out.put_u64(self.at_ms);
        out
    }

    fn decode(id: TokenId, value: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(value);
        let token = Token {
            id,
            request: r.array("request of a token")?,
            at_ms: r.u64("time of a token")?,
        };
        r.end("token")?;
        Ok(token)
    }

    /// The token of an entry of the catalog's tree.
    pub(crate) fn of_entry(key: &[u8], value: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(key);
        if r.u8("token")? != b'k' {
            return Err(Malformed("token"));
        }
        let id = r.array("token")?;
        r.end("token")?;
        Self::decode(id, value)
    }

    /// The key of a token in the catalog's tree.
    pub(crate) fn catalog_key(id: &TokenId) -> Vec<u8> {
        let mut key = vec![b'k'];
        key.put_raw(id);
        key
    }
}

/// One outcome in a system log part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SystemOutcome {
    Created(Box<TableRecord>),
    Deleted(TableId),
    Token(Token),
    Altered(TableId, Box<Definition>),
    Keys(TableId, Box<KeyRecords>),
}

const CREATED: u8 = 1;
const DELETED: u8 = 2;
const TOKEN: u8 = 3;
const ALTERED: u8 = 4;
const KEYS: u8 = 5;

impl SystemOutcome {
    /// Whether a key record stands in it.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, SystemOutcome::Created(_) | SystemOutcome::Keys(..))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            SystemOutcome::Created(record) => {
                out.put_u8(CREATED);
                out.put_long_bytes(&record.encode());
            }
            SystemOutcome::Deleted(table) => {
                out.put_u8(DELETED);
                out.put_raw(table.as_bytes());
            }
            SystemOutcome::Altered(table, definition) => {
                out.put_u8(ALTERED);
                out.put_raw(table.as_bytes());
                definition.encode(out);
            }
            SystemOutcome::Keys(table, keys) => {
                out.put_u8(KEYS);
                out.put_raw(table.as_bytes());
                keys.encode(out);
            }
            SystemOutcome::Token(token) => {
                out.put_u8(TOKEN);
                out.put_raw(&token.id);
                out.put_raw(&token.encode());
            }
        }
    }

    /// All outcomes of a system part.
    pub(crate) fn decode_all(part: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut r = Reader::new(part);
        let mut out = Vec::new();
        while !r.is_empty() {
            out.push(match r.u8("system outcome")? {
                CREATED => SystemOutcome::Created(Box::new(TableRecord::decode(
                    r.long_bytes("created table")?,
                )?)),
                DELETED => SystemOutcome::Deleted(TableId::from_bytes(r.array("deleted table")?)),
                ALTERED => SystemOutcome::Altered(
                    TableId::from_bytes(r.array("altered table")?),
                    Box::new(Definition::decode(&mut r)?),
                ),
                KEYS => SystemOutcome::Keys(
                    TableId::from_bytes(r.array("table of keys")?),
                    Box::new(KeyRecords::decode(&mut r)?),
                ),
                TOKEN => {
                    let id = r.array("token")?;
                    let value = r.bytes(Token::LEN, "token")?;
                    SystemOutcome::Token(Token::decode(id, value)?)
                }
                _ => return Err(Malformed("kind of a system outcome")),
            });
        }
        Ok(out)
    }
}

/// Reads foreign bytes as every record of the catalog; for fuzzing. Must return, whatever the input.
#[doc(hidden)]
pub fn fuzz_catalog_record(bytes: &[u8]) {
    if let Ok(record) = TableRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes, "a table record has one encoding");
    }
    let _ = CarriedPart::decode(bytes);
    let _ = Token::of_entry(
        bytes.get(..17).unwrap_or_default(),
        bytes.get(17..).unwrap_or_default(),
    );
    let _ = SystemOutcome::decode_all(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::definition::tests::{attribute, definition};
    use super::*;
    use crate::catalog::keys::Rekey;
    use crate::testing::test_key_record;
    use proptest::prelude::*;
    use sealdb_crypto::BlockTag;
    use sealdb_engine::PageAddr;

    fn record() -> impl Strategy<Value = TableRecord> {
        (
            "[a-zA-Z0-9_.-]{3,40}",
            attribute(),
            proptest::option::of(attribute()),
            any::<([u8; 16], [u8; 16], u64, u64, u64)>(),
            definition(),
            proptest::collection::vec(state(), 4),
        )
            .prop_map(|(name, partition, sort, ids, definition, mut states)| {
                let derived = states.split_off(1);
                TableRecord {
                    id: TableId::from_bytes(ids.0),
                    name: TableName::new(name).unwrap(),
                    schema: KeySchema { partition, sort },
                    created_ms: ids.2,
                    keys: keys(ids.2),
                    hash_key: ids.1,
                    sequence: ids.3,
                    carried_to: ids.4,
                    items: states.remove(0),
                    derived: derived.into_iter().take(definition.derived.len()).collect(),
                    definition,
                }
            })
    }

    /// Of a table that is being rekeyed, or is not.
    fn keys(number: u64) -> KeyRecords {
        let rekey = Rekey {
            retiring: test_key_record(),
            since_ms: number,
            pace: number / 2,
            paused: number % 4 == 1,
        };
        KeyRecords {
            rekey: number.is_multiple_of(2).then_some(rekey),
            proof: vec![7; (number % 3) as usize],
            ..KeyRecords::new("alias/one".into(), test_key_record())
        }
    }

    fn state() -> impl Strategy<Value = TreeState> {
        let root = proptest::option::of((any::<u64>(), 0u32..1 << 24, any::<[u8; 16]>()));
        let filled = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20));
        (any::<(u64, u64)>(), root, filled).prop_map(|(counters, root, filled)| TreeState {
            root: root.map(|(addr, len, tag)| PagePtr {
                addr: PageAddr(addr),
                len,
                level: 0,
                tag: BlockTag::from_bytes(tag),
            }),
            counters: Counters {
                item_count: counters.0,
                size_bytes: counters.1,
            },
            filled: filled.map_or(Filled::All, Filled::UpTo),
        })
    }

    proptest! {
        #[test]
        fn a_table_record_survives(record in record(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = record.encode();
            prop_assert_eq!(TableRecord::decode(&bytes).unwrap(), record.clone());
            let mut part = Vec::new();
            let outcomes = vec![
                SystemOutcome::Created(Box::new(record.clone())),
                SystemOutcome::Deleted(record.id),
                SystemOutcome::Altered(record.id, Box::new(record.definition.clone())),
                SystemOutcome::Keys(record.id, Box::new(record.keys.clone())),
                SystemOutcome::Token(Token { id: [7; 16], request: [8; 16], at_ms: 9 }),
            ];
            for outcome in &outcomes {
                outcome.encode(&mut part);
            }
            prop_assert_eq!(SystemOutcome::decode_all(&part).unwrap(), outcomes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            fuzz_catalog_record(&bytes);
            fuzz_catalog_record(&bytes[..at]);
        }

        #[test]
        fn a_carried_part_survives(a: u64, len in 0u32..1 << 24, tag: [u8; 16], segment: [u8; 16], sequence: u64) {
            let part = CarriedPart {
                place: PagePtr { addr: PageAddr(a), len, level: 255, tag: BlockTag::from_bytes(tag) },
                origin: LogPlace { segment: SegmentId::from_bytes(segment), sequence },
            };
            prop_assert_eq!(CarriedPart::decode(&part.encode()).unwrap(), part);
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_catalog_record(&bytes);
        }
    }

    #[test]
    fn keys_lie_in_their_ranges() {
        let token = Token {
            id: [255; 16],
            request: [1; 16],
            at_ms: 2,
        };
        let key = Token::catalog_key(&token.id);
        assert!(TOKENS.0 <= &key[..] && &key[..] < TOKENS.1);
        assert_eq!(Token::of_entry(&key, &token.encode()).unwrap(), token);

        let key = TableRecord::catalog_key(&TableName::new("zzz").unwrap());
        assert!(TABLES.0 <= &key[..] && &key[..] < TABLES.1);
        assert!(&CarriedPart::catalog_key(TableId::from_bytes([255; 16]), u64::MAX)[..] < TABLES.0);
    }
}
