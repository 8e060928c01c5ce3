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

use std::borrow::Cow;
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

/// The key of an item in bytes: those of strings and binaries are the item's own. `sort` is empty if the table has no sort key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyBytes<'a> {
    /// Bytes of the partition key, at most [`MAX_PARTITION_KEY`].
    pub partition: Cow<'a, [u8]>,
    /// Order-preserving bytes of the sort key, at most [`MAX_SORT_KEY`].
    pub sort: Cow<'a, [u8]>,
}

impl KeyBytes<'_> {
    /// The same key, which may outlive the item.
    pub fn into_owned(self) -> KeyBytes<'static> {
        KeyBytes {
            partition: Cow::Owned(self.partition.into_owned()),
            sort: Cow::Owned(self.sort.into_owned()),
        }
    }
}

/// Lengths only.
impl fmt::Debug for KeyBytes<'_> {
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
    pub fn key_of_item<'a>(&self, item: &'a Item) -> Result<KeyBytes<'a>, ValidationError> {
        self.bytes_of(|attribute, role| {
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
        })
    }

    /// The key of a whole item that is put in a batch.
    ///
    /// # Errors
    /// As [`KeySchema::key_of_item`], but AWS calls a key attribute that is missing or mistyped a wrong key there.
    pub fn key_of_batched_item<'a>(&self, item: &'a Item) -> Result<KeyBytes<'a>, ValidationError> {
        self.key_in(item)
    }

    /// The key that a request names: exactly the key attributes.
    ///
    /// # Errors
    /// AWS's messages for a key that has other attributes, or a mistyped, empty or too long one.
    pub fn key_of_key<'a>(&self, key: &'a Map) -> Result<KeyBytes<'a>, ValidationError> {
        if key.len() != 1 + usize::from(self.sort.is_some()) {
            return Err(wrong_key());
        }
        self.key_in(key)
    }

    fn key_in<'a>(&self, map: &'a Map) -> Result<KeyBytes<'a>, ValidationError> {
        self.bytes_of(|attribute, role| {
            let value = map.get(attribute.name.as_str());
            let value = value.filter(|value| attribute.kind.fits(value));
            key_value_bytes(attribute, role, value.ok_or_else(wrong_key)?)
        })
    }

    /// Whether the map has the key's attributes and no others, whatever their types.
    pub(crate) fn has_names_of(&self, key: &Map) -> bool {
        key.len() == self.attributes().count()
            && self
                .attributes()
                .all(|attribute| key.contains_key(attribute.name.as_str()))
    }

    fn bytes_of<'a>(
        &self,
        bytes: impl Fn(&KeyAttribute, KeyRole) -> Result<Cow<'a, [u8]>, ValidationError>,
    ) -> Result<KeyBytes<'a>, ValidationError> {
        Ok(KeyBytes {
            partition: bytes(&self.partition, KeyRole::Partition)?,
            sort: match &self.sort {
                Some(sort) => bytes(sort, KeyRole::Sort)?,
                None => Cow::Borrowed(&[]),
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

/// The order-preserving bytes of a value that a key attribute may have: `None` for other types.
pub(crate) fn scalar_bytes(value: &AttributeValue) -> Option<Cow<'_, [u8]>> {
    match value {
        AttributeValue::S(text) => Some(Cow::Borrowed(text.as_bytes())),
        AttributeValue::B(bytes) => Some(Cow::Borrowed(bytes)),
        AttributeValue::N(number) => {
            let mut bytes = Vec::with_capacity(22);
            number.encode_ordered(&mut bytes);
            Some(Cow::Owned(bytes))
        }
        _ => None,
    }
}

fn wrong_key() -> ValidationError {
    ValidationError::new("The provided key element does not match the schema")
}

/// The bytes of a key attribute's value, which is of the attribute's type.
pub(crate) fn key_value_bytes<'a>(
    attribute: &KeyAttribute,
    role: KeyRole,
    value: &'a AttributeValue,
) -> Result<Cow<'a, [u8]>, ValidationError> {
    let bytes = scalar_bytes(value).ok_or_else(wrong_key)?;
    if bytes.is_empty() {
        let message = format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {} value. Key: {}",
            attribute.kind.long_name(),
            attribute.name
        );
        return Err(ValidationError::new(message).of_key_value());
    }
    role.check_length(bytes.len())
        .map_err(ValidationError::of_key_value)?;
    Ok(bytes)
}

impl KeyRole {
    /// Most bytes of all attributes of this role together.
    pub(crate) fn max_length(self) -> usize {
        match self {
            KeyRole::Partition => MAX_PARTITION_KEY,
            KeyRole::Sort => MAX_SORT_KEY,
        }
    }

    /// Checks the length of all attributes of this role together. AWS's messages, the missing space of the first one included.
    pub(crate) fn check_length(self, length: usize) -> Result<(), ValidationError> {
        if length <= self.max_length() {
            return Ok(());
        }
        Err(ValidationError::invalid_parameter(match self {
            KeyRole::Partition => {
                "Size of hashkey has exceeded the maximum size limit of2048 bytes"
            }
            KeyRole::Sort => {
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
            }
        }))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::fuzz_key_bytes;
    use crate::generate::number;
    use crate::names::AttributeName;

    fn schema(partition: ScalarType, sort: Option<ScalarType>) -> KeySchema {
        let attribute = |name, kind| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        };
        KeySchema {
            partition: attribute("pk", partition),
            sort: sort.map(|kind| attribute("sk", kind)),
        }
    }

    fn message<T: fmt::Debug>(result: Result<T, ValidationError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn keys_of_items_and_of_requests_agree_and_lead_back() {
        let schema = schema(ScalarType::S, Some(ScalarType::N));
        let key = Map::from([("pk", AttributeValue::from("AT")), ("sk", (-3).into())]);
        let mut item = key.clone();
        item.insert("more", true);
        let bytes = schema.key_of_item(&item).unwrap();
        assert_eq!(schema.key_of_key(&key), Ok(bytes.clone()));
        assert_eq!(*bytes.partition, *b"AT");
        assert_eq!(
            schema.key_from_bytes(&bytes.partition, &bytes.sort),
            Some(key.clone())
        );
        assert_eq!(schema.key_map_of_item(&item), key);
    }

    #[test]
    fn items_without_a_fitting_key_are_refused_as_aws_does() {
        let schema = schema(ScalarType::S, Some(ScalarType::B));
        let item = |pk: AttributeValue, sk: AttributeValue| Map::from([("pk", pk), ("sk", sk)]);
        let refused = |item: &Item| message(schema.key_of_item(item));
        let bytes = AttributeValue::B(vec![1]);
        assert_eq!(
            refused(&Map::from([("pk", "a")])),
            "One or more parameter values were invalid: Missing the key sk in the item"
        );
        assert_eq!(
            refused(&item(1.into(), bytes.clone())),
            "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"
        );
        assert_eq!(
            refused(&item("".into(), bytes.clone())),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty string value. Key: pk"
        );
        assert_eq!(
            refused(&item("a".into(), AttributeValue::B(vec![]))),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty binary value. Key: sk"
        );
        assert_eq!(
            refused(&item("x".repeat(2049).into(), bytes)),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
        );
        assert_eq!(
            refused(&item("x".into(), vec![0; 1025].into())),
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit \
             of 1024 bytes"
        );
        assert!(
            schema
                .key_of_item(&item("x".repeat(2048).into(), vec![0; 1024].into()))
                .is_ok()
        );
    }

    #[test]
    fn an_item_of_a_batch_without_a_fitting_key_has_a_wrong_one() {
        let schema = schema(ScalarType::S, None);
        for item in [Map::from([("sk", "a")]), Map::from([("pk", 1)])] {
            assert_eq!(
                message(schema.key_of_batched_item(&item)),
                "The provided key element does not match the schema"
            );
        }
        let item = Map::from([("pk", "a"), ("more", "b")]);
        assert_eq!(schema.key_of_batched_item(&item), schema.key_of_item(&item));
    }

    #[test]
    fn keys_of_requests_have_the_keys_attributes_and_no_others() {
        let schema = schema(ScalarType::S, None);
        for key in [
            Map::new(),
            Map::from([("sk", "a")]),
            Map::from([("pk", 1)]),
            Map::from([("pk", "a"), ("sk", "b")]),
        ] {
            assert_eq!(
                message(schema.key_of_key(&key)),
                "The provided key element does not match the schema"
            );
        }
        assert!(schema.key_of_key(&Map::from([("pk", "a")])).is_ok());
    }

    #[test]
    fn bytes_of_no_key_are_refused() {
        let with = schema(ScalarType::S, Some(ScalarType::N));
        let without = schema(ScalarType::B, None);
        assert_eq!(
            with.key_from_bytes(b"", &[0x80]),
            None,
            "an empty partition key"
        );
        assert_eq!(with.key_from_bytes(b"a", b""), None, "no sort key");
        assert_eq!(with.key_from_bytes(b"\xFF", &[0x80]), None, "not UTF-8");
        assert_eq!(
            with.key_from_bytes(b"a", &[0x80, 0]),
            None,
            "more than a number"
        );
        assert_eq!(
            without.key_from_bytes(b"a", b"b"),
            None,
            "a sort key too many"
        );
        assert_eq!(without.key_from_bytes(&[0; 2049], b""), None, "too long");
        assert!(without.key_from_bytes(&[0; 2048], b"").is_some());
    }

    proptest! {
        #[test]
        fn sort_bytes_order_as_the_values(
            (a, b) in (".{1,6}", ".{1,6}"),
            (c, d) in (number(), number()),
            (e, f) in (prop::collection::vec(any::<u8>(), 1..6), prop::collection::vec(any::<u8>(), 1..6)),
        ) {
            let bytes = |kind, value: AttributeValue| {
                let key = Map::from([("pk", AttributeValue::from("p")), ("sk", value)]);
                schema(ScalarType::S, Some(kind)).key_of_key(&key).unwrap().sort.into_owned()
            };
            let strings = (bytes(ScalarType::S, a.clone().into()), bytes(ScalarType::S, b.clone().into()));
            prop_assert_eq!(strings.0.cmp(&strings.1), a.cmp(&b));
            let numbers = (bytes(ScalarType::N, c.into()), bytes(ScalarType::N, d.into()));
            prop_assert_eq!(numbers.0.cmp(&numbers.1), c.cmp(&d));
            let binaries = (bytes(ScalarType::B, e.clone().into()), bytes(ScalarType::B, f.clone().into()));
            prop_assert_eq!(binaries.0.cmp(&binaries.1), e.cmp(&f));
        }

        #[test]
        fn hostile_bytes_are_refused_or_lead_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            fuzz_key_bytes(&bytes);
        }
    }
}
