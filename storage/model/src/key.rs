//! Primary keys and the bytes under which items are stored.
//!
//! | part      | S           | N                              | B           |
//! |-----------|-------------|--------------------------------|-------------|
//! | partition | UTF-8 bytes | [`Number::encode_ordered`]     | the bytes   |
//! | sort      | UTF-8 bytes | [`Number::encode_ordered`]     | the bytes   |
//!
//! The bytes carry no type: the schema knows it. Sort bytes order as DynamoDB orders sort keys (strings by their
//! UTF-8 bytes, numbers by value, binaries as unsigned bytes). They are not self-delimiting: they stand last in a
//! stored key, so that a range of sort keys, and a prefix of one, is a range of stored keys.

use std::fmt;

use crate::error::ValidationError;
use crate::map::{Item, Map};
use crate::number::Number;
use crate::schema::{KeyAttribute, KeySchema, ScalarType};
use crate::value::AttributeValue;

/// Longest partition key value, in bytes.
pub const MAX_PARTITION_KEY: usize = 2048;
/// Longest sort key value, in bytes.
pub const MAX_SORT_KEY: usize = 1024;

/// The key of an item in bytes. `sort` is empty if the table has no sort key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyBytes {
    /// Bytes of the partition key, at most [`MAX_PARTITION_KEY`].
    pub partition: Vec<u8>,
    /// Order-preserving bytes of the sort key, at most [`MAX_SORT_KEY`].
    pub sort: Vec<u8>,
}

/// Lengths only.
impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KeyBytes({} + {} bytes)",
            self.partition.len(),
            self.sort.len()
        )
    }
}

/// A primary key: the values of the key attributes, of the schema's types and within its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryKey {
    /// The partition key's value.
    pub partition: AttributeValue,
    /// The sort key's value, if the table has one.
    pub sort: Option<AttributeValue>,
}

/// Whether a key attribute is the table's partition or sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// HASH, up to 2048 bytes.
    Partition,
    /// RANGE, up to 1024 bytes.
    Sort,
}

impl KeySchema {
    /// The key of a whole item.
    ///
    /// # Errors
    /// AWS's messages for a missing, mistyped, empty or too long key attribute.
    pub fn key_of_item(&self, item: &Item) -> Result<KeyBytes, ValidationError> {
        let bytes = |attribute: &KeyAttribute, role| {
            let Some(value) = item.get(attribute.name.as_str()) else {
                return Err(ValidationError::invalid_parameter(format_args!(
                    "Missing the key {} in the item",
                    attribute.name
                )));
            };
            if !attribute.kind.fits(value) {
                return Err(ValidationError::invalid_parameter(format_args!(
                    "Type mismatch for key {} expected: {} actual: {}",
                    attribute.name,
                    attribute.kind,
                    value.attribute_type()
                )));
            }
            key_value_bytes(attribute, role, value)
        };
        self.bytes_of(bytes)
    }

    /// The key that a request names: exactly the key attributes.
    ///
    /// # Errors
    /// AWS's messages for a key that has other attributes, or a mistyped, empty or too long one.
    pub fn key_of_key(&self, key: &Map) -> Result<KeyBytes, ValidationError> {
        let mismatch =
            || ValidationError::new("The provided key element does not match the schema");
        if key.len() != self.attributes().count() {
            return Err(mismatch());
        }
        self.bytes_of(|attribute, role| {
            let value = key.get(attribute.name.as_str()).ok_or_else(mismatch)?;
            if !attribute.kind.fits(value) {
                return Err(mismatch());
            }
            key_value_bytes(attribute, role, value)
        })
    }

    /// Whether the map has the key's attributes and no others, whatever their types.
    pub(crate) fn has_names_of(&self, key: &Map) -> bool {
        key.len() == self.attributes().count()
            && self
                .attributes()
                .all(|attribute| key.contains_key(attribute.name.as_str()))
    }

    fn bytes_of(
        &self,
        mut bytes: impl FnMut(&KeyAttribute, KeyRole) -> Result<Vec<u8>, ValidationError>,
    ) -> Result<KeyBytes, ValidationError> {
        Ok(KeyBytes {
            partition: bytes(&self.partition, KeyRole::Partition)?,
            sort: match &self.sort {
                Some(sort) => bytes(sort, KeyRole::Sort)?,
                None => Vec::new(),
            },
        })
    }

    /// The values that these bytes stand for, or `None` if no key of this schema has such bytes.
    pub fn primary_key_from_bytes(&self, partition: &[u8], sort: &[u8]) -> Option<PrimaryKey> {
        if partition.is_empty() || partition.len() > MAX_PARTITION_KEY || sort.len() > MAX_SORT_KEY
        {
            return None;
        }
        Some(PrimaryKey {
            partition: value_from_bytes(self.partition.kind, partition)?,
            sort: match &self.sort {
                Some(_) if sort.is_empty() => return None,
                Some(attribute) => Some(value_from_bytes(attribute.kind, sort)?),
                None if sort.is_empty() => None,
                None => return None,
            },
        })
    }

    /// The key attributes as a request names them (a `LastEvaluatedKey`), or `None` as for
    /// [`KeySchema::primary_key_from_bytes`].
    pub fn key_from_bytes(&self, partition: &[u8], sort: &[u8]) -> Option<Map> {
        let key = self.primary_key_from_bytes(partition, sort)?;
        let mut map = Map::with_capacity(2);
        map.insert(self.partition.name.as_str(), key.partition);
        if let (Some(attribute), Some(value)) = (&self.sort, key.sort) {
            map.insert(attribute.name.as_str(), value);
        }
        Some(map)
    }

    /// The key attributes of an item, without the others. Attributes that the item lacks are left out.
    pub fn key_map_of_item(&self, item: &Item) -> Map {
        self.attributes()
            .filter_map(|attribute| {
                let name = attribute.name.as_str();
                item.get(name).map(|value| (name, value.clone()))
            })
            .collect()
    }
}

/// The bytes of a key attribute's value, which is of the attribute's type.
pub(crate) fn key_value_bytes(
    attribute: &KeyAttribute,
    role: KeyRole,
    value: &AttributeValue,
) -> Result<Vec<u8>, ValidationError> {
    let bytes = match value {
        AttributeValue::S(text) => text.as_bytes(),
        AttributeValue::B(bytes) => bytes,
        AttributeValue::N(number) => {
            let mut bytes = Vec::with_capacity(22);
            number.encode_ordered(&mut bytes);
            return Ok(bytes);
        }
        _ => {
            return Err(ValidationError::new(
                "The provided key element does not match the schema",
            ));
        }
    };
    if bytes.is_empty() {
        let kind = if attribute.kind == ScalarType::S {
            "string"
        } else {
            "binary"
        };
        return Err(ValidationError::new(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {kind} value. Key: {}",
            attribute.name
        )));
    }
    // AWS's messages, the missing space of the first one included.
    match role {
        KeyRole::Partition if bytes.len() > MAX_PARTITION_KEY => {
            Err(ValidationError::invalid_parameter(
                "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ))
        }
        KeyRole::Sort if bytes.len() > MAX_SORT_KEY => Err(ValidationError::invalid_parameter(
            "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        )),
        _ => Ok(bytes.to_vec()),
    }
}

fn value_from_bytes(kind: ScalarType, bytes: &[u8]) -> Option<AttributeValue> {
    Some(match kind {
        ScalarType::S => AttributeValue::S(String::from_utf8(bytes.to_vec()).ok()?),
        ScalarType::B => AttributeValue::B(bytes.to_vec()),
        ScalarType::N => match Number::decode_ordered(bytes)? {
            (number, length) if length == bytes.len() => AttributeValue::N(number),
            _ => return None,
        },
    })
}
