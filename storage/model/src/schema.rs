//! The schema of a table: which attributes are its key, of which types they are, and its secondary indexes.

use std::fmt;

use crate::index::IndexSchema;
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

    /// The type as messages about empty values call it.
    pub(crate) const fn long_name(self) -> &'static str {
        match self {
            ScalarType::S => "string",
            ScalarType::N => "number",
            ScalarType::B => "binary",
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
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> + Clone {
        std::iter::once(&self.partition).chain(&self.sort)
    }
}

/// All that a table's schema says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSchema {
    /// The primary key.
    pub key: KeySchema,
    /// The secondary indexes, in the order in which they were made.
    pub indexes: Vec<IndexSchema>,
}

impl TableSchema {
    /// Every attribute that is part of a key, the table's or an index's, once, in order of appearance.
    pub fn key_attributes(&self) -> Vec<&KeyAttribute> {
        let of_indexes = self.indexes.iter().flat_map(|index| index.key.attributes());
        let mut attributes: Vec<&KeyAttribute> = Vec::new();
        for attribute in self.key.attributes().chain(of_indexes) {
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
        attributes
    }
}
