//! BatchGetItem: up to 100 items of several tables by their keys, each read on its own.

use std::collections::BTreeMap;

use crate::map::{Item, Map};
use crate::ops::{ConsumedCapacity, ReturnConsumedCapacity, debug_lengths, placeholders, setters};

/// The keys to read of one table, and what to give back of their items.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct KeysAndAttributes {
    /// The keys.
    pub keys: Vec<Map>,
    /// The paths to give back. Default: all.
    pub projection_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The attributes to give back: the older form of a projection.
    pub attributes_to_get: Option<Vec<String>>,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
}

debug_lengths! { KeysAndAttributes {
    keys, consistent_read;
    projection_expression, expression_attribute_names, attributes_to_get,
}}

impl KeysAndAttributes {
    /// Whole items of these keys.
    pub fn new(keys: Vec<Map>) -> Self {
        Self {
            keys,
            projection_expression: None,
            expression_attribute_names: None,
            attributes_to_get: None,
            consistent_read: false,
        }
    }
}

setters! { KeysAndAttributes {
    /// Sets the paths to give back.
    projection_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets the attributes to give back.
    attributes_to_get: Vec<String> => Some,
    /// Asks for a strongly consistent read.
    consistent_read: bool,
}}

placeholders! { @name KeysAndAttributes }

/// What BatchGetItem takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchGetItemInput {
    /// What to read of each table.
    pub request_items: BTreeMap<String, KeysAndAttributes>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl BatchGetItemInput {
    /// A batch without a key yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the item of this key, too.
    #[must_use]
    pub fn key(mut self, table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        self.request_items
            .entry(table_name.into())
            .or_insert_with(|| KeysAndAttributes::new(Vec::new()))
            .keys
            .push(key.into());
        self
    }

    /// Sets what to read of a table.
    #[must_use]
    pub fn keys(mut self, table_name: impl Into<String>, keys: KeysAndAttributes) -> Self {
        self.request_items.insert(table_name.into(), keys);
        self
    }
}

setters! { BatchGetItemInput {
    /// Sets all that is to be read.
    request_items: BTreeMap<String, KeysAndAttributes>,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

/// What BatchGetItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchGetItemOutput {
    /// The items that there are, of each table that was named.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// What was not read and may be asked for again, in the shape of the input.
    pub unprocessed_keys: BTreeMap<String, KeysAndAttributes>,
    /// What was consumed of each table, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
}

impl BatchGetItemOutput {
    /// An output with these items.
    pub fn new(responses: BTreeMap<String, Vec<Item>>) -> Self {
        Self {
            responses,
            ..Self::default()
        }
    }
}
