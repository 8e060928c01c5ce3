//! GetItem: the item of a key.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::ProjectionExpression;
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::TableRef;
use crate::ops::read::ReadExpressions;
use crate::ops::{ConsumedCapacity, ReturnConsumedCapacity, debug_lengths, placeholders, setters};
use crate::schema::KeySchema;
use crate::size::validate_key_map;

/// What GetItem takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct GetItemInput {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// The paths to give back. Default: all.
    pub projection_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The attributes to give back: the older form of a projection.
    pub attributes_to_get: Option<Vec<String>>,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

debug_lengths! { GetItemInput {
    table_name, key, consistent_read, return_consumed_capacity;
    projection_expression, expression_attribute_names, attributes_to_get,
}}

impl GetItemInput {
    /// A read of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            projection_expression: None,
            expression_attribute_names: None,
            attributes_to_get: None,
            consistent_read: false,
            return_consumed_capacity: ReturnConsumedCapacity::default(),
        }
    }

    fn expressions(&self) -> ReadExpressions<'_> {
        ReadExpressions {
            projection: self.projection_expression.as_deref(),
            names: self.expression_attribute_names.as_ref(),
            attributes_to_get: self.attributes_to_get.as_deref(),
        }
    }

    /// Checks what comes before anything about attribute values: which parameters go together, and placeholders.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn check_parameters(&self) -> Result<(), ValidationError> {
        self.expressions().open().map(drop)
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad table name or key.
    pub fn validate(mut self) -> Result<GetItem, ValidationError> {
        let table = TableRef::new(std::mem::take(&mut self.table_name))?;
        let expressions = self.expressions();
        let projection = if expressions.are_none() {
            validate_key_map(&self.key)?;
            None
        } else {
            let placeholders = expressions.open()?;
            validate_key_map(&self.key)?;
            expressions.projection(placeholders)?
        };
        Ok(GetItem {
            table,
            key: self.key,
            projection,
            consistent_read: self.consistent_read,
            return_consumed_capacity: self.return_consumed_capacity,
        })
    }
}

setters! { GetItemInput {
    /// Sets the paths to give back.
    projection_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets the attributes to give back.
    attributes_to_get: Vec<String> => Some,
    /// Asks for a strongly consistent read.
    consistent_read: bool,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

placeholders! { @name GetItemInput }

/// A GetItem that follows the rules. Its key is checked by [`crate::KeySchema::key_of_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetItem {
    /// The table.
    pub table: TableRef,
    /// The key.
    pub key: Map,
    /// What to give back of the item; all if `None`.
    pub projection: Option<ProjectionExpression>,
    /// Whether a strongly consistent read is asked for; every read is, but it is counted as such.
    pub consistent_read: bool,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl GetItem {
    /// The key of the item.
    ///
    /// # Errors
    /// AWS's messages for a key that does not fit the schema, and for a projection that goes into an attribute of the key.
    pub fn key(&self, schema: &KeySchema) -> Result<KeyBytes<'_>, ValidationError> {
        let key = schema.key_of_key(&self.key)?;
        if let Some(projection) = &self.projection {
            projection.keys_are_scalars(schema)?;
        }
        Ok(key)
    }
}

/// What GetItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetItemOutput {
    /// The item, if there is one.
    pub item: Option<Item>,
    /// What was consumed, if that was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

impl GetItemOutput {
    /// An output with this item.
    pub fn new(item: Option<Item>) -> Self {
        Self {
            item,
            ..Self::default()
        }
    }
}
