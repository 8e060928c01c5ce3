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
//! | 2 + n, 1 | name and type (`S`, `N`, `B`) of the partition key |
//! | 1, then 2 + n, 1 | 1 if there is a sort key: its name and type |
//! | 1 + 8 + 8 | billing: 0 provisioned, 1 on demand; read and write units |
//! | 8 | creation time, milliseconds since 1970 |
//! | 2 + n | the KMS key as it was named at creation; empty: the default key |
//! | 2 + n | key record |
//! | 16 | SipHash key of the partition hash |
//! | 8 | space of the base tree |
//! | 1 + 28 | pointer to the base tree's root |
//! | 8 + 8 | item count, size in bytes |
//! | 8 | sequence up to which the tree holds all outcomes |
//! | 8 | sequence up to which outcomes beyond it are carried |
//!
//! A carried part: pointer 28, segment id 16 and sequence 8 that it was sealed at.
//!
//! A system log part is a row of `1 ‖ length 4 ‖ table record` (created) and `2 ‖ table id` (deleted).

#![deny(clippy::indexing_slicing)]

use sealdb_crypto::{KeyRecord, LogPlace, SegmentId, TableId};
use sealdb_engine::SpaceId;
use sealdb_model::{AttributeName, KeyAttribute, KeySchema, ScalarType, TableName};

use crate::root::{put_page_ptr, read_page_ptr};
use crate::tree::PagePtr;
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
    pub(crate) space: SpaceId,
    pub(crate) root: Option<PagePtr>,
    pub(crate) item_count: u64,
    pub(crate) size_bytes: u64,
    pub(crate) sequence: u64,
    pub(crate) carried_to: u64,
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

impl TableRecord {
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
        out.put_u64(self.space.0);
        put_page_ptr(&mut out, self.root.as_ref());
        out.put_u64(self.item_count);
        out.put_u64(self.size_bytes);
        out.put_u64(self.sequence);
        out.put_u64(self.carried_to);
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
            space: SpaceId(r.u64("space")?),
            root: read_page_ptr(&mut r, "root pointer")?,
            item_count: r.u64("item count")?,
            size_bytes: r.u64("size")?,
            sequence: r.u64("sequence")?,
            carried_to: r.u64("carried sequence")?,
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
            proptest::option::of(attribute),
            any::<([u8; 16], [u8; 16], bool, u64, u64, u64)>(),
            any::<(u64, u64, u64, u64, u64)>(),
            proptest::option::of((any::<u64>(), 0u32..1 << 24, any::<[u8; 16]>())),
        )
            .prop_map(|(name, partition, sort, ids, numbers, root)| TableRecord {
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
                space: SpaceId(numbers.0),
                root: root.map(|(a, len, t)| PagePtr {
                    addr: PageAddr(a),
                    len,
                    level: 0,
                    tag: BlockTag::from_bytes(t),
                }),
                item_count: numbers.1,
                size_bytes: numbers.2,
                sequence: numbers.3,
                carried_to: numbers.4,
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
