//! The schema of a table: which attributes are its key, and of which types they are.
//!
//! Its bytes, as the catalog keeps them:
//!
//! | bytes | what |
//! |-------|------|
//! | 1     | version, `01` |
//! | 1     | count of key attributes, 1 or 2: the partition key, then the sort key |
//! | …     | for each: 1 byte type (`S`, `N` or `B` in ASCII) ‖ 1 byte length of the name ‖ the name, UTF-8 |

use std::fmt;

use crate::names::AttributeName;
use crate::value::{AttributeType, AttributeValue};

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarType {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
}

impl ScalarType {
    /// `S`, `N` or `B`.
    pub const fn name(self) -> &'static str {
        match self {
            ScalarType::S => "S",
            ScalarType::N => "N",
            ScalarType::B => "B",
        }
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [ScalarType::S, ScalarType::N, ScalarType::B]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Whether the value is of this type.
    pub fn fits(self, value: &AttributeValue) -> bool {
        AttributeType::from(self) == value.attribute_type()
    }
}

impl From<ScalarType> for AttributeType {
    fn from(kind: ScalarType) -> Self {
        match kind {
            ScalarType::S => AttributeType::S,
            ScalarType::N => AttributeType::N,
            ScalarType::B => AttributeType::B,
        }
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One key attribute: its name and type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyAttribute {
    /// Its name.
    pub name: AttributeName,
    /// Its type.
    pub kind: ScalarType,
}

/// The primary key of a table: a partition key, and maybe a sort key of another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySchema {
    /// The partition key (HASH).
    pub partition: KeyAttribute,
    /// The sort key (RANGE), if there is one.
    pub sort: Option<KeyAttribute>,
}

impl KeySchema {
    /// The key attributes: the partition key, then the sort key.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }
}

/// All that a table's schema says. Secondary indexes will stand here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSchema {
    /// The primary key.
    pub key: KeySchema,
}

/// Version of the bytes of a schema.
const VERSION: u8 = 1;

impl TableSchema {
    /// Appends the bytes of the schema.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend([VERSION, self.key.attributes().count() as u8]);
        for attribute in self.key.attributes() {
            let name = attribute.name.as_str();
            out.extend(attribute.kind.name().as_bytes());
            // A name of a key attribute has at most 255 bytes.
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
        }
    }

    /// The schema of these bytes, or `None` if they are not exactly what [`TableSchema::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION, count @ (1 | 2)], mut rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let mut attribute = || {
            let (&[kind, length], tail) = rest.split_first_chunk()?;
            let (name, tail) = tail.split_at_checked(usize::from(length))?;
            rest = tail;
            Some(KeyAttribute {
                name: AttributeName::new(std::str::from_utf8(name).ok()?).ok()?,
                kind: ScalarType::from_name(std::str::from_utf8(&[kind]).ok()?)?,
            })
        };
        let partition = attribute()?;
        let sort = if count == 2 { Some(attribute()?) } else { None };
        let same = sort
            .as_ref()
            .is_some_and(|sort| sort.name == partition.name);
        (rest.is_empty() && !same).then_some(Self {
            key: KeySchema { partition, sort },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schema(sort: Option<(&str, ScalarType)>) -> TableSchema {
        let attribute = |name, kind| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        };
        TableSchema {
            key: KeySchema {
                partition: attribute("p\u{e4}k", ScalarType::S),
                sort: sort.map(|(name, kind)| attribute(name, kind)),
            },
        }
    }

    #[test]
    fn bytes_lead_back_to_the_schema() {
        for schema in [
            schema(None),
            schema(Some(("s", ScalarType::N))),
            schema(Some((&"x".repeat(255), ScalarType::B))),
        ] {
            let mut bytes = Vec::new();
            schema.encode(&mut bytes);
            assert_eq!(TableSchema::decode(&bytes), Some(schema));
            for end in 0..bytes.len() {
                assert_eq!(TableSchema::decode(&bytes[..end]), None);
            }
            bytes.push(0);
            assert_eq!(TableSchema::decode(&bytes), None);
        }
    }

    #[test]
    fn the_bytes_are_those_of_version_1() {
        let mut bytes = Vec::new();
        schema(Some(("s", ScalarType::N))).encode(&mut bytes);
        assert_eq!(bytes, b"\x01\x02S\x04p\xc3\xa4kN\x01s");
        assert_eq!(
            TableSchema::decode(b"\x02\x01S\x01p"),
            None,
            "a newer version"
        );
        assert_eq!(
            TableSchema::decode(b"\x01\x02S\x01pS\x01p"),
            None,
            "one name twice"
        );
        assert_eq!(TableSchema::decode(b"\x01\x01X\x01p"), None, "no such type");
    }
}
