//! Bytes of the catalog's records and of the system's log parts.
//!
//! Keys of the catalog's tree:
//!
//! | key | value |
//! |---|---|
//! | `t` ‖ table name | the table's record |
//! | `c` ‖ table id 16 ‖ sequence 8 | a log part carried along for a table that is closed |
//!
//! A table's record:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 1 |
//! | 16 | table id |
//! | 2 + n | name |
//! | attribute | the partition key |
//! | 1, attribute | 1 if there is a sort key; it |
//! | 1 + 8 + 8 | billing: 0 provisioned, 1 on demand; read and write units |
//! | 8 | creation time, milliseconds since 1970 |
//! | 2 + n | the KMS key as it was named at creation; empty: the default key |
//! | 2 + n | key record |
//! | 16 | SipHash key of the partition hash |
//! | 8 | sequence up to which the trees hold all outcomes |
//! | 8 | sequence up to which outcomes beyond it are carried |
//! | 4 | the id of the next new tree |
//! | tree | the items |
//! | 2, trees | count of the derived trees; they |
//!
//! An attribute is its name (2 + n) and its type (`S`, `N`, `B`).
//!
//! A tree:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | tree id |
//! | 8 | space |
//! | 1 + 28 | pointer to its root |
//! | 8 + 8 | item count, size in bytes |
//! | 1 | what it holds: 0 the items, 1 a local index, 2 a global index |
//! | index | of an index |
//!
//! An index:
//!
//! | bytes | what |
//! |---|---|
//! | 2 + n | name |
//! | 1, attributes | count of its partition attributes; they |
//! | 1, attributes | count of its sort attributes; they |
//! | 1 | projection: 0 keys only, 1 all, 2 what is named |
//! | 2, then 2 + n each | count of the names; they. Only for projection 2 |
//! | 8 + 8 | read and write units |
//!
//! A carried part: pointer 28, segment id 16 and sequence 8 that it was sealed at.
//!
//! A system log part is a row of `1 ‖ length 4 ‖ table record` (created) and `2 ‖ table id` (deleted).

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use sealdb_crypto::{KeyRecord, LogPlace, SegmentId, TableId, TreeId};
use sealdb_engine::SpaceId;
use sealdb_model::ops::ProvisionedThroughput;
use sealdb_model::{
    AttributeName, IndexKey, IndexKind, IndexName, IndexProjection, IndexSchema, KeyAttribute,
    KeySchema, ScalarType, TableName,
};

use crate::root::{put_page_ptr, read_page_ptr};
use crate::tree::PagePtr;
use crate::trees::{Counters, Role, TreeDef};
use crate::wire::{Malformed, Reader, Write};

/// How a table was asked to be billed: kept and told, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billing {
    /// `PAY_PER_REQUEST` rather than `PROVISIONED`.
    pub on_demand: bool,
    /// Read capacity units; 0 when on demand.
    pub read_units: u64,
    /// Write capacity units; 0 when on demand.
    pub write_units: u64,
}

/// What the catalog knows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRecord {
    pub(crate) id: TableId,
    pub(crate) name: TableName,
    pub(crate) schema: KeySchema,
    pub(crate) billing: Billing,
    pub(crate) created_ms: u64,
    /// As named at creation; empty for the default key.
    pub(crate) key_name: String,
    pub(crate) key: KeyRecord,
    pub(crate) hash_key: [u8; 16],
    pub(crate) sequence: u64,
    pub(crate) carried_to: u64,
    pub(crate) next_tree: u32,
    pub(crate) items: TreeRecord,
    pub(crate) derived: Vec<TreeRecord>,
}

/// What the catalog knows of one of a table's trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeRecord {
    pub(crate) def: Arc<TreeDef>,
    pub(crate) root: Option<PagePtr>,
    pub(crate) counters: Counters,
}

const FORMAT: u8 = 1;

fn put_attribute(out: &mut Vec<u8>, attribute: &KeyAttribute) {
    out.put_short_bytes(attribute.name.as_str().as_bytes());
    out.put_u8(match attribute.kind {
        ScalarType::S => b'S',
        ScalarType::N => b'N',
        ScalarType::B => b'B',
    });
}

fn read_attribute(r: &mut Reader<'_>) -> Result<KeyAttribute, Malformed> {
    let name =
        AttributeName::new(r.text("attribute name")?).map_err(|_| Malformed("attribute name"))?;
    let kind = match r.u8("attribute type")? {
        b'S' => ScalarType::S,
        b'N' => ScalarType::N,
        b'B' => ScalarType::B,
        _ => return Err(Malformed("attribute type")),
    };
    Ok(KeyAttribute { name, kind })
}

fn flag(r: &mut Reader<'_>, what: &'static str) -> Result<bool, Malformed> {
    match r.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed(what)),
    }
}

/// A list with its count in one byte before it.
fn put_attributes(out: &mut Vec<u8>, attributes: &[KeyAttribute]) {
    out.put_u8(u8::try_from(attributes.len()).expect("a key has at most eight attributes"));
    for attribute in attributes {
        put_attribute(out, attribute);
    }
}

fn read_attributes(r: &mut Reader<'_>) -> Result<Vec<KeyAttribute>, Malformed> {
    let count = r.u8("count of attributes")?;
    (0..count).map(|_| read_attribute(r)).collect()
}

fn put_throughput(out: &mut Vec<u8>, units: ProvisionedThroughput) {
    out.put_u64(units.read_capacity_units.cast_unsigned());
    out.put_u64(units.write_capacity_units.cast_unsigned());
}

fn read_throughput(r: &mut Reader<'_>) -> Result<ProvisionedThroughput, Malformed> {
    Ok(ProvisionedThroughput {
        read_capacity_units: r.u64("read units")?.cast_signed(),
        write_capacity_units: r.u64("write units")?.cast_signed(),
    })
}

const ITEMS: u8 = 0;
const LOCAL_INDEX: u8 = 1;
const GLOBAL_INDEX: u8 = 2;

const KEYS_ONLY: u8 = 0;
const ALL: u8 = 1;
const INCLUDE: u8 = 2;

fn put_index(out: &mut Vec<u8>, index: &IndexSchema) {
    out.put_short_bytes(index.name.as_str().as_bytes());
    put_attributes(out, &index.key.partition);
    put_attributes(out, &index.key.sort);
    match &index.projection {
        IndexProjection::KeysOnly => out.put_u8(KEYS_ONLY),
        IndexProjection::All => out.put_u8(ALL),
        IndexProjection::Include(names) => {
            out.put_u8(INCLUDE);
            out.put_u16(u16::try_from(names.len()).expect("an index names at most 20 attributes"));
            for name in names {
                out.put_short_bytes(name.as_str().as_bytes());
            }
        }
    }
    put_throughput(out, index.throughput);
}

fn read_index(r: &mut Reader<'_>, kind: IndexKind) -> Result<IndexSchema, Malformed> {
    let name = IndexName::new(r.text("index name")?).map_err(|_| Malformed("index name"))?;
    let key = IndexKey {
        partition: read_attributes(r)?,
        sort: read_attributes(r)?,
    };
    let projection = match r.u8("projection")? {
        KEYS_ONLY => IndexProjection::KeysOnly,
        ALL => IndexProjection::All,
        INCLUDE => {
            let count = r.u16("count of projected attributes")?;
            let name = |_| {
                let name = r.text("projected attribute")?;
                AttributeName::new(name).map_err(|_| Malformed("projected attribute"))
            };
            IndexProjection::Include((0..count).map(name).collect::<Result<_, _>>()?)
        }
        _ => return Err(Malformed("projection")),
    };
    Ok(IndexSchema {
        name,
        kind,
        key,
        projection,
        throughput: read_throughput(r)?,
    })
}

impl TreeRecord {
    /// A tree without entries.
    pub(crate) fn empty(id: TreeId, space: SpaceId, role: Role) -> Self {
        TreeRecord {
            def: Arc::new(TreeDef { id, space, role }),
            root: None,
            counters: Counters::default(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.def.id.get());
        out.put_u64(self.def.space.0);
        put_page_ptr(out, self.root.as_ref());
        out.put_u64(self.counters.item_count);
        out.put_u64(self.counters.size_bytes);
        match &self.def.role {
            Role::Items => out.put_u8(ITEMS),
            Role::Index(index) => {
                out.put_u8(match index.kind {
                    IndexKind::Local => LOCAL_INDEX,
                    IndexKind::Global => GLOBAL_INDEX,
                });
                put_index(out, index);
            }
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let id = TreeId::new(r.u32("tree id")?);
        let space = SpaceId(r.u64("space")?);
        let root = read_page_ptr(r, "root pointer")?;
        let counters = Counters {
            item_count: r.u64("item count")?,
            size_bytes: r.u64("size")?,
        };
        let role = match r.u8("what a tree holds")? {
            ITEMS => Role::Items,
            LOCAL_INDEX => Role::Index(read_index(r, IndexKind::Local)?),
            GLOBAL_INDEX => Role::Index(read_index(r, IndexKind::Global)?),
            _ => return Err(Malformed("what a tree holds")),
        };
        Ok(TreeRecord {
            def: Arc::new(TreeDef { id, space, role }),
            root,
            counters,
        })
    }
}

impl TableRecord {
    /// All of its trees, the items first.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &TreeRecord> {
        std::iter::once(&self.items).chain(&self.derived)
    }

    /// Its secondary indexes.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &IndexSchema> {
        self.derived.iter().filter_map(|tree| tree.def.role.index())
    }

    /// The spaces of all of its trees.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = SpaceId> {
        self.trees().map(|tree| tree.def.space)
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
        out.put_u8(u8::from(self.billing.on_demand));
        out.put_u64(self.billing.read_units);
        out.put_u64(self.billing.write_units);
        out.put_u64(self.created_ms);
        out.put_short_bytes(self.key_name.as_bytes());
        out.put_short_bytes(&self.key.encode());
        out.put_raw(&self.hash_key);
        out.put_u64(self.sequence);
        out.put_u64(self.carried_to);
        out.put_u32(self.next_tree);
        self.items.encode(&mut out);
        out.put_u16(u16::try_from(self.derived.len()).expect("a table has few trees"));
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
        let billing = Billing {
            on_demand: flag(&mut r, "billing")?,
            read_units: r.u64("read units")?,
            write_units: r.u64("write units")?,
        };
        let record = TableRecord {
            id,
            name,
            schema: KeySchema { partition, sort },
            billing,
            created_ms: r.u64("creation time")?,
            key_name: r.text("key name")?.to_owned(),
            key: KeyRecord::decode(r.short_bytes("key record")?)
                .map_err(|_| Malformed("key record"))?,
            hash_key: r.array("hash key")?,
            sequence: r.u64("sequence")?,
            carried_to: r.u64("carried sequence")?,
            next_tree: r.u32("next tree")?,
            items: TreeRecord::decode(&mut r)?,
            derived: {
                let count = r.u16("count of trees")?;
                let trees = (0..count).map(|_| TreeRecord::decode(&mut r));
                trees.collect::<Result<_, _>>()?
            },
        };
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

/// One outcome in a system log part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SystemOutcome {
    Created(Box<TableRecord>),
    Deleted(TableId),
}

const CREATED: u8 = 1;
const DELETED: u8 = 2;

impl SystemOutcome {
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
    let _ = SystemOutcome::decode_all(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing::test_key_record;
    use proptest::prelude::*;
    use sealdb_crypto::BlockTag;
    use sealdb_engine::PageAddr;

    fn record() -> impl Strategy<Value = TableRecord> {
        let kind = prop_oneof![
            Just(ScalarType::S),
            Just(ScalarType::N),
            Just(ScalarType::B)
        ];
        let attribute = ("[a-z]{1,20}", kind).prop_map(|(name, kind)| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        });
        (
            "[a-zA-Z0-9_.-]{3,40}",
            attribute.clone(),
            proptest::option::of(attribute.clone()),
            any::<([u8; 16], [u8; 16], bool, u64, u64, u64)>(),
            any::<(u64, u64, u32)>(),
            tree(Just(Role::Items).boxed()),
            proptest::collection::vec(tree(index(attribute)), 0..3),
        )
            .prop_map(|(name, partition, sort, ids, numbers, items, derived)| {
                TableRecord {
                    id: TableId::from_bytes(ids.0),
                    name: TableName::new(name).unwrap(),
                    schema: KeySchema { partition, sort },
                    billing: Billing {
                        on_demand: ids.2,
                        read_units: ids.3,
                        write_units: ids.4,
                    },
                    created_ms: ids.5,
                    key_name: "alias/one".into(),
                    key: test_key_record(),
                    hash_key: ids.1,
                    sequence: numbers.0,
                    carried_to: numbers.1,
                    next_tree: numbers.2,
                    items,
                    derived,
                }
            })
    }

    fn tree(role: BoxedStrategy<Role>) -> impl Strategy<Value = TreeRecord> {
        let root = proptest::option::of((any::<u64>(), 0u32..1 << 24, any::<[u8; 16]>()));
        (any::<(u32, u64, u64, u64)>(), root, role).prop_map(|(numbers, root, role)| TreeRecord {
            root: root.map(|(addr, len, tag)| PagePtr {
                addr: PageAddr(addr),
                len,
                level: 0,
                tag: BlockTag::from_bytes(tag),
            }),
            counters: Counters {
                item_count: numbers.2,
                size_bytes: numbers.3,
            },
            ..TreeRecord::empty(TreeId::new(numbers.0), SpaceId(numbers.1), role)
        })
    }

    fn index(
        attribute: impl Strategy<Value = KeyAttribute> + Clone + 'static,
    ) -> BoxedStrategy<Role> {
        let attributes = proptest::collection::vec(attribute, 0..5);
        let names = proptest::collection::vec("[a-z]{1,20}", 0..4);
        (
            "[a-zA-Z0-9_.-]{3,40}",
            (attributes.clone(), attributes),
            (0u8..3, names),
            any::<(bool, i64, i64)>(),
        )
            .prop_map(|(name, (partition, sort), (projection, names), rest)| {
                Role::Index(IndexSchema {
                    name: IndexName::new(name).unwrap(),
                    kind: if rest.0 {
                        IndexKind::Local
                    } else {
                        IndexKind::Global
                    },
                    key: IndexKey { partition, sort },
                    projection: match projection {
                        0 => IndexProjection::KeysOnly,
                        1 => IndexProjection::All,
                        _ => {
                            let names = names
                                .into_iter()
                                .map(|name| AttributeName::new(name).unwrap());
                            IndexProjection::Include(names.collect())
                        }
                    },
                    throughput: ProvisionedThroughput {
                        read_capacity_units: rest.1,
                        write_capacity_units: rest.2,
                    },
                })
            })
            .boxed()
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
    fn keys_of_tables_lie_in_their_range() {
        let key = TableRecord::catalog_key(&TableName::new("zzz").unwrap());
        assert!(TABLES.0 <= &key[..] && &key[..] < TABLES.1);
        assert!(&CarriedPart::catalog_key(TableId::from_bytes([255; 16]), u64::MAX)[..] < TABLES.0);
    }
}
