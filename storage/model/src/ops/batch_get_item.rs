//! BatchGetItem: up to 100 items of several tables by their keys, each read on its own.

use std::collections::{BTreeMap, HashSet};

use crate::codec::encode_item;
use crate::error::{Constraints, ValidationError};
use crate::expr::ProjectionExpression;
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::TableRef;
use crate::ops::batch_write_item::one_key_twice;
use crate::ops::read::ReadExpressions;
use crate::ops::{ConsumedCapacity, ReturnConsumedCapacity, debug_lengths, placeholders, setters};
use crate::schema::KeySchema;
use crate::size::validate_key_map;

/// Most keys of one batch.
pub const MAX_BATCH_KEYS: usize = 100;

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

impl BatchGetItemInput {
    /// Checks all that can be known without the tables.
    ///
    /// # Errors
    /// No keys or more than 100, bad table names, keys or projections.
    pub fn validate(self) -> Result<BatchGetItem, ValidationError> {
        let mut constraints = Constraints::default();
        constraints.length(
            self.request_items.len(),
            1,
            MAX_BATCH_KEYS,
            "{}",
            "requestItems",
        );
        for (name, request) in &self.request_items {
            constraints.length(
                request.keys.len(),
                1,
                MAX_BATCH_KEYS,
                "[]",
                &format!("requestItems.{name}.member.keys"),
            );
        }
        constraints.finish()?;
        let count: usize = self
            .request_items
            .values()
            .map(|request| request.keys.len())
            .sum();
        if count > MAX_BATCH_KEYS {
            return Err(ValidationError::new(
                "Too many items requested for the BatchGetItem call",
            ));
        }
        self.not_mixed()?;
        let tables = self
            .request_items
            .into_iter()
            .map(|(name, request)| request.validate(name))
            .collect::<Result<_, _>>()?;
        Ok(BatchGetItem {
            tables,
            return_consumed_capacity: self.return_consumed_capacity,
        })
    }

    /// Older and newer parameters do not go together in one request, be they for different tables.
    fn not_mixed(&self) -> Result<(), ValidationError> {
        let mut all = self.request_items.values();
        let projection = all
            .clone()
            .find_map(|of| of.projection_expression.as_deref());
        let attributes_to_get = all.find_map(|of| of.attributes_to_get.as_deref());
        let expressions = ReadExpressions {
            projection,
            names: None,
            attributes_to_get,
        };
        expressions.open().map(|_| ())
    }
}

impl KeysAndAttributes {
    fn validate(self, table_name: String) -> Result<TableReads, ValidationError> {
        let table = TableRef::new(table_name)?;
        let expressions = ReadExpressions {
            projection: self.projection_expression.as_deref(),
            names: self.expression_attribute_names.as_ref(),
            attributes_to_get: self.attributes_to_get.as_deref(),
        };
        let placeholders = expressions.open()?;
        self.keys.iter().try_for_each(validate_key_map)?;
        distinct(&self.keys)?;
        let projection = expressions.projection(placeholders)?;
        Ok(TableReads {
            table,
            keys: self.keys,
            projection,
            consistent_read: self.consistent_read,
        })
    }
}

/// Refuses a key that stands twice, whatever its spelling: equal keys are equal bytes.
fn distinct(keys: &[Map]) -> Result<(), ValidationError> {
    let mut seen = HashSet::with_capacity(keys.len());
    for key in keys {
        let mut bytes = Vec::new();
        encode_item(key, &mut bytes).map_err(|error| ValidationError::new(error.to_string()))?;
        if !seen.insert(bytes) {
            return Err(one_key_twice());
        }
    }
    Ok(())
}

/// A BatchGetItem that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchGetItem {
    /// What to read of each table, each table once.
    pub tables: Vec<TableReads>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What to read of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReads {
    /// The table.
    pub table: TableRef,
    /// The keys, at least one, in order.
    pub keys: Vec<Map>,
    /// What to give back of the items; all if `None`.
    pub projection: Option<ProjectionExpression>,
    /// Whether a strongly consistent read is asked for; every read is, but it is counted as such.
    pub consistent_read: bool,
}

impl TableReads {
    /// The keys, in their order.
    ///
    /// # Errors
    /// A key that does not fit the schema, or a projection that goes into an attribute of the key.
    pub fn keys(&self, schema: &KeySchema) -> Result<Vec<KeyBytes<'_>>, ValidationError> {
        let keys = self
            .keys
            .iter()
            .map(|key| schema.key_of_key(key))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(projection) = &self.projection {
            projection.keys_are_scalars(schema)?;
        }
        Ok(keys)
    }
}

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
