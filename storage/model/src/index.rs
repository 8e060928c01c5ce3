//! Secondary indexes: their keys, what they project, and which items are in them.
//!
//! An item is in an index if it has every key attribute of the index, of its type and within its limits; otherwise the index is
//! sparse there. Writes refuse an item whose index attributes could never be a key ([`IndexSchema::check_item`]); items that
//! were written before the index existed are only left out.
//!
//! The key of an index may have up to four partition and four sort attributes. Their bytes:
//!
//! | part      | bytes |
//! |-----------|-------|
//! | partition | for each attribute 2 bytes length ‖ its bytes as in [`crate::KeyBytes`] |
//! | sort      | for each attribute its bytes as in [`crate::KeyBytes`], `00` as `00 FF`, then `00 00` |
//!
//! The sort bytes order as the attributes do, one after the other, and are self-delimiting: what follows them does not matter. What
//! begins with some bytes, escaped, begins with the escaped bytes.

use std::fmt;

use crate::error::ValidationError;
use crate::expr::UpdateExpression;
use crate::key::{KeyRole, MAX_PARTITION_KEY, MAX_SORT_KEY, scalar_bytes};
use crate::map::{Item, Map};
use crate::names::{AttributeName, IndexName};
use crate::ops::Throughput;
use crate::schema::{KeyAttribute, KeySchema};
use crate::size::value_size;
use crate::value::{AttributeType, AttributeValue};

/// Most attributes that a global index has in one role.
pub const MAX_INDEX_KEY_ATTRIBUTES: usize = 4;

/// How an index relates to the table's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// LSI: the table's partition key and another sort key. What is not projected is fetched from the table.
    Local,
    /// GSI: a key of its own.
    Global,
}

/// Which attributes an index holds, beside its own key's and the table's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum IndexProjection {
    /// No others.
    KeysOnly,
    /// These.
    Include(Vec<AttributeName>),
    /// All.
    All,
}

/// Counts; names of attributes stay out of logs.
impl fmt::Debug for IndexProjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexProjection::KeysOnly => f.write_str("KeysOnly"),
            IndexProjection::Include(names) => write!(f, "Include({})", names.len()),
            IndexProjection::All => f.write_str("All"),
        }
    }
}

/// The key of an index: 1 to 4 partition attributes, and up to 4 sort attributes. No attribute twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IndexKey {
    /// HASH, all of which a query names.
    pub partition: Vec<KeyAttribute>,
    /// RANGE, by which a partition is ordered, the first before the second.
    pub sort: Vec<KeyAttribute>,
}

/// The key of an item in an index, in bytes; see the module.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexKeyBytes {
    /// Of all partition attributes.
    pub partition: Vec<u8>,
    /// Of all sort attributes; empty if there are none.
    pub sort: Vec<u8>,
}

/// Lengths only.
impl fmt::Debug for IndexKeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, sort) = (self.partition.len(), self.sort.len());
        write!(f, "IndexKeyBytes({partition} + {sort} bytes)")
    }
}

/// A secondary index of a table.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IndexSchema {
    /// Its name, unique in its table.
    pub name: IndexName,
    /// Local or global.
    pub kind: IndexKind,
    /// Its key.
    pub key: IndexKey,
    /// What it holds.
    pub projection: IndexProjection,
    /// What it is to be able to take, as it was asked for; it limits nothing. Local indexes share the table's.
    pub throughput: Throughput,
}

/// Without its name.
impl fmt::Debug for IndexSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexSchema")
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("projection", &self.projection)
            .finish_non_exhaustive()
    }
}

impl IndexKey {
    /// The key attributes: those of the partition, then those of the order.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> + Clone {
        self.partition.iter().chain(&self.sort)
    }

    /// The key of an item, or `None` if the item is not in the index.
    pub fn of_item(&self, item: &Map) -> Option<IndexKeyBytes> {
        let mut key = IndexKeyBytes {
            partition: Vec::with_capacity(64),
            sort: Vec::with_capacity(64),
        };
        let bytes = |attribute: &KeyAttribute| {
            let value = item.get(attribute.name.as_str())?;
            let fits = attribute.kind.fits(value);
            let bytes = fits.then(|| scalar_bytes(value)).flatten()?;
            (!bytes.is_empty()).then_some(bytes)
        };
        let mut length = 0;
        for attribute in &self.partition {
            let bytes = bytes(attribute)?;
            length += bytes.len();
            put_partition_bytes(&mut key.partition, &bytes);
        }
        if length > MAX_PARTITION_KEY {
            return None;
        }
        length = 0;
        for attribute in &self.sort {
            let bytes = bytes(attribute)?;
            length += bytes.len();
            put_sort_bytes(&mut key.sort, &bytes);
        }
        (length <= MAX_SORT_KEY).then_some(key)
    }
}

/// Appends the bytes of one partition attribute.
pub fn put_partition_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing longer than the limit is kept, so the length of what is kept is exact.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends the bytes of one sort attribute, with their end.
pub fn put_sort_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_sort_prefix(out, bytes);
    out.extend_from_slice(&[0, 0]);
}

/// Appends the bytes with which every sort attribute begins that begins with `prefix`.
pub fn put_sort_prefix(out: &mut Vec<u8>, prefix: &[u8]) {
    for &byte in prefix {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
}

impl IndexSchema {
    /// Checks that the item's attributes do not keep it out of the index for ever.
    ///
    /// # Errors
    /// AWS's messages for an index key of another type, empty, or too long. An absent one is no fault.
    pub fn check_item(&self, item: &Item) -> Result<(), ValidationError> {
        match self.fault(item, |_| true) {
            None => Ok(()),
            Some(Fault::Type(attribute, found)) => Err(self.mismatch(attribute, found)),
            Some(Fault::Empty(attribute)) => Err(ValidationError::new(format!(
                "One or more parameter values are not valid. A value specified for a secondary index key is not \
                 supported. The AttributeValue for a key attribute cannot contain an empty {} value. IndexName: {}, \
                 IndexKey: {}",
                attribute.kind.long_name(),
                self.name,
                attribute.name
            ))
            .of_key_value()),
            Some(Fault::Length(attribute, role, length)) => {
                Err(ValidationError::invalid_parameter(format_args!(
                    "Size limit exceeded for Index Key {} Actual Size: {length} bytes Max Size: {} bytes IndexName: {}",
                    attribute.name,
                    role.max_length(),
                    self.name
                )))
            }
        }
    }

    /// Checks an update, as far as it tells what becomes of the index's key before the item is known.
    ///
    /// # Errors
    /// AWS's messages for an index key of another type, or an empty one. Those of what only the item tells are others.
    pub fn check_update(&self, update: &UpdateExpression) -> Result<(), ValidationError> {
        for attribute in self.key.attributes() {
            let name = attribute.name.as_str();
            match update.type_of(name) {
                Some(found) if found != attribute.kind.into() => {
                    return Err(self.mismatch(attribute, found));
                }
                _ if update.value_of(name).is_some_and(is_empty) => {
                    return Err(empty_in_update(attribute).of_key_value());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mismatch(&self, attribute: &KeyAttribute, found: AttributeType) -> ValidationError {
        ValidationError::invalid_parameter(format_args!(
            "Type mismatch for Index Key {} Expected: {} Actual: {found} IndexName: {}",
            attribute.name, attribute.kind, self.name
        ))
    }

    /// As [`IndexSchema::check_item`], for an item after an update: what was not changed is not looked at.
    ///
    /// # Errors
    /// AWS's messages, which are others than those for whole items.
    pub fn check_updated(
        &self,
        update: &UpdateExpression,
        item: &Item,
    ) -> Result<(), ValidationError> {
        match self.fault(item, |name| update.changes(name)) {
            None => Ok(()),
            Some(Fault::Type(..)) => Err(ValidationError::new(
                "The update expression attempted to update the secondary index key to unsupported type",
            )),
            Some(Fault::Empty(attribute)) => Err(empty_in_update(attribute)),
            Some(Fault::Length(..)) => Err(ValidationError::new(
                "The update expression attempted to update the secondary index key beyond allowed size limits",
            )),
        }
    }

    /// What keeps an item out of the index for ever, of the attributes that are looked at.
    fn fault(&self, item: &Item, looked_at: impl Fn(&str) -> bool + Copy) -> Option<Fault<'_>> {
        let of_role = |attributes, role| fault_of_role(attributes, role, item, looked_at);
        of_role(&self.key.partition, KeyRole::Partition)
            .or_else(|| of_role(&self.key.sort, KeyRole::Sort))
    }

    /// The item as the index holds it: its key's attributes, the table's, and what is projected.
    pub fn project(&self, table: &KeySchema, item: &Item) -> Item {
        let included = match &self.projection {
            IndexProjection::All => return item.clone(),
            IndexProjection::KeysOnly => &[][..],
            IndexProjection::Include(names) => names,
        };
        let keys = table.attributes().chain(self.key.attributes());
        keys.map(|attribute| &attribute.name)
            .chain(included)
            .filter_map(|name| Some((name.as_str(), item.get(name.as_str())?.clone())))
            .collect()
    }

    /// The size by AWS's rules of what the index holds of an item; 0 if the item is not in the index.
    pub fn entry_size(&self, table: &KeySchema, item: &Item) -> usize {
        if self.key.of_item(item).is_none() {
            return 0;
        }
        let held = item.iter().filter(|(name, _)| self.holds(table, name));
        held.map(|(name, value)| name.len() + value_size(value))
            .sum()
    }

    /// Whether the index holds every one of these top-level attributes that an item may have.
    pub fn holds(&self, table: &KeySchema, name: &str) -> bool {
        let in_key = |attribute: &KeyAttribute| attribute.name.as_str() == name;
        match &self.projection {
            IndexProjection::All => true,
            _ if table.attributes().any(in_key) || self.key.attributes().any(in_key) => true,
            IndexProjection::KeysOnly => false,
            IndexProjection::Include(names) => names.iter().any(|other| other.as_str() == name),
        }
    }

    /// The attributes that tell one entry of the index from all others: those of its key, then those of the table's that are
    /// not among them.
    pub fn entry_attributes<'a>(
        &'a self,
        table: &'a KeySchema,
    ) -> impl Iterator<Item = &'a KeyAttribute> {
        let own =
            |attribute: &&KeyAttribute| self.key.attributes().all(|other| other != *attribute);
        self.key.attributes().chain(table.attributes().filter(own))
    }

    /// Where to go on reading after an entry: the attributes of [`IndexSchema::entry_attributes`].
    pub fn key_map_of_entry(&self, table: &KeySchema, entry: &Item) -> Map {
        self.entry_attributes(table)
            .filter_map(|attribute| {
                let name = attribute.name.as_str();
                Some((name, entry.get(name)?.clone()))
            })
            .collect()
    }
}

/// Why an item can never be in an index.
enum Fault<'a> {
    /// The attribute has another type: this.
    Type(&'a KeyAttribute, AttributeType),
    Empty(&'a KeyAttribute),
    /// With this attribute all of a role together are too long: so many bytes.
    Length(&'a KeyAttribute, KeyRole, usize),
}

fn fault_of_role<'a>(
    attributes: &'a [KeyAttribute],
    role: KeyRole,
    item: &Item,
    looked_at: impl Fn(&str) -> bool,
) -> Option<Fault<'a>> {
    let (mut length, mut any, mut too_long) = (0, false, None);
    for attribute in attributes {
        let name = attribute.name.as_str();
        let Some(value) = item.get(name) else {
            continue;
        };
        let fits = attribute.kind.fits(value);
        if looked_at(name) {
            any = true;
            if !fits {
                return Some(Fault::Type(attribute, value.attribute_type()));
            }
            if is_empty(value) {
                return Some(Fault::Empty(attribute));
            }
        }
        if fits {
            length += scalar_bytes(value).map_or(0, |bytes| bytes.len());
            if length > role.max_length() {
                too_long = Some(Fault::Length(attribute, role, length));
            }
        }
    }
    too_long.filter(|_| any)
}

fn empty_in_update(attribute: &KeyAttribute) -> ValidationError {
    ValidationError::new(format!(
        "One or more parameter values are not valid. The update expression attempted to update a secondary index key to \
         a value that is not supported. The AttributeValue for a key attribute cannot contain an empty {} value.",
        attribute.kind.long_name()
    ))
}

fn is_empty(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::S(text) => text.is_empty(),
        AttributeValue::B(bytes) => bytes.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::schema::ScalarType;

    fn attribute(name: &str, kind: ScalarType) -> KeyAttribute {
        KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        }
    }

    fn index(projection: IndexProjection) -> IndexSchema {
        IndexSchema {
            name: IndexName::new("by-place").unwrap(),
            kind: IndexKind::Global,
            key: IndexKey {
                partition: vec![attribute("country", ScalarType::S)],
                sort: vec![
                    attribute("city", ScalarType::S),
                    attribute("height", ScalarType::N),
                ],
            },
            projection,
            throughput: Throughput::default(),
        }
    }

    fn table() -> KeySchema {
        KeySchema {
            partition: attribute("id", ScalarType::S),
            sort: Some(attribute("city", ScalarType::S)),
        }
    }

    fn item() -> Item {
        Map::from([
            ("id", AttributeValue::from("7")),
            ("country", "IS".into()),
            ("city", "Reykjav\u{ed}k".into()),
            ("height", 48.into()),
            ("name", "BIRK".into()),
            ("note", "x".into()),
        ])
    }

    #[test]
    fn an_item_without_an_index_key_is_not_in_the_index() {
        let key = index(IndexProjection::All).key;
        assert!(key.of_item(&item()).is_some());
        for (name, value) in [
            ("country", AttributeValue::from(1)),
            ("country", "".into()),
            ("country", "x".repeat(MAX_PARTITION_KEY + 1).into()),
            ("city", "x".repeat(MAX_SORT_KEY + 1).into()),
        ] {
            let mut other = item();
            other.insert(name, value);
            assert_eq!(key.of_item(&other), None);
        }
        let mut other = item();
        other.remove("height");
        assert_eq!(key.of_item(&other), None);
    }

    #[test]
    fn a_write_is_refused_with_awss_messages() {
        let index = index(IndexProjection::All);
        let refused = |name: &str, value: AttributeValue| {
            let mut item = item();
            item.insert(name, value);
            index.check_item(&item).unwrap_err().to_string()
        };
        assert_eq!(
            refused("country", 1.into()),
            "One or more parameter values were invalid: Type mismatch for Index Key country Expected: S Actual: N \
             IndexName: by-place"
        );
        assert_eq!(
            refused("city", "".into()),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-place, IndexKey: \
             city"
        );
        assert_eq!(
            refused("city", "x".repeat(MAX_SORT_KEY).into()),
            "One or more parameter values were invalid: Size limit exceeded for Index Key height Actual Size: 1028 bytes \
             Max Size: 1024 bytes IndexName: by-place",
            "the number counts as well"
        );
        let mut absent = item();
        absent.remove("country");
        assert!(index.check_item(&absent).is_ok());
    }

    #[test]
    fn projections_hold_the_keys_and_what_they_name() {
        let names = |projection| -> Vec<String> {
            let projected = index(projection).project(&table(), &item());
            projected.iter().map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(
            names(IndexProjection::KeysOnly),
            ["city", "country", "height", "id"]
        );
        let include = IndexProjection::Include(vec![
            AttributeName::new("note").unwrap(),
            AttributeName::new("absent").unwrap(),
        ]);
        assert!(index(include.clone()).holds(&table(), "note"));
        assert!(!index(include.clone()).holds(&table(), "name"));
        assert_eq!(names(include), ["city", "country", "height", "id", "note"]);
        assert_eq!(names(IndexProjection::All).len(), 6);
        assert_eq!(
            index(IndexProjection::All)
                .key_map_of_entry(&table(), &item())
                .len(),
            4
        );
    }

    proptest! {
        #[test]
        fn sort_bytes_order_as_their_attributes(
            a in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..6), 2),
            b in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..6), 2),
            rest: [u8; 2],
        ) {
            let bytes = |parts: &[Vec<u8>], rest: u8| {
                let mut out = Vec::new();
                for part in parts {
                    put_sort_bytes(&mut out, part);
                }
                out.push(rest);
                out
            };
            let (left, right) = (bytes(&a, rest[0]), bytes(&b, rest[1]));
            if a != b {
                prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            }
            let mut prefix = Vec::new();
            put_sort_prefix(&mut prefix, &a[0]);
            prop_assert_eq!(right.starts_with(&prefix), b[0].starts_with(&a[0]));
        }
    }
}
