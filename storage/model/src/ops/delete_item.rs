//! DeleteItem: removes the item of a key. Removing what is not there succeeds.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::map::{Item, Map};
use crate::names::TableRef;
use crate::ops::write::{Guard, WriteExpressions};
use crate::ops::{
    ConditionalOperator, ConsumedCapacity, ExpectedAttributeValue, ItemCollectionMetrics,
    ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValue,
    ReturnValuesOnConditionCheckFailure, debug_lengths, placeholders, setters,
};
use crate::size::validate_key_map;

/// What DeleteItem takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct DeleteItemInput {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// The write happens only if this holds; a condition of the item as it is before.
    pub condition_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// What attributes must be for the write to happen: the older form of a condition.
    pub expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    /// How the conditions of `expected` are joined.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Whether the removed item is given back. Default: no.
    pub return_values: ReturnValue,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the size of the item collection. Default: no.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

debug_lengths! { DeleteItemInput {
    table_name, key, conditional_operator, return_values, return_values_on_condition_check_failure, return_consumed_capacity, return_item_collection_metrics;
    condition_expression, expression_attribute_names, expression_attribute_values, expected,
}}

impl DeleteItemInput {
    /// A removal of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            expected: None,
            conditional_operator: None,
            return_values: ReturnValue::default(),
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
            return_consumed_capacity: ReturnConsumedCapacity::default(),
            return_item_collection_metrics: ReturnItemCollectionMetrics::default(),
        }
    }

    fn expressions(&self) -> WriteExpressions<'_> {
        WriteExpressions {
            update: None,
            condition: self.condition_expression.as_deref(),
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            attribute_updates: None,
            expected: self.expected.as_ref(),
            conditional_operator: self.conditional_operator,
            return_old: self.return_values_on_condition_check_failure,
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
    pub fn validate(mut self) -> Result<DeleteItem, ValidationError> {
        let table = TableRef::new(std::mem::take(&mut self.table_name))?;
        let expressions = self.expressions();
        let placeholders = expressions.open()?;
        validate_key_map(&self.key)?;
        self.return_values.of_whole_item()?;
        let guard = expressions.guard(placeholders)?;
        Ok(DeleteItem {
            table,
            key: self.key,
            guard,
            return_values: self.return_values,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: self.return_item_collection_metrics,
        })
    }
}

setters! { DeleteItemInput {
    /// Sets the condition.
    condition_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Sets what attributes must be.
    expected: BTreeMap<String, ExpectedAttributeValue> => Some,
    /// Sets how older conditions are joined.
    conditional_operator: ConditionalOperator => Some,
    /// Sets which attributes are given back.
    return_values: ReturnValue,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
    /// Asks for the size of the item collection.
    return_item_collection_metrics: ReturnItemCollectionMetrics,
}}

placeholders! { DeleteItemInput }

/// A DeleteItem that follows the rules. Its key is checked by [`crate::KeySchema::key_of_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteItem {
    /// The table.
    pub table: TableRef,
    /// The key.
    pub key: Map,
    /// Under which condition.
    pub guard: Option<Guard>,
    /// Whether the removed item is given back.
    pub return_values: ReturnValue,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the size of the item collection.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// What DeleteItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteItemOutput {
    /// The removed item, if there was one and ALL_OLD was asked for.
    pub attributes: Option<Item>,
    /// What was consumed, if that was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
    /// The size of the item collection, if that was asked for and the table has local indexes.
    pub item_collection_metrics: Option<ItemCollectionMetrics>,
}

impl DeleteItemOutput {
    /// An output with these attributes.
    pub fn new(attributes: Option<Item>) -> Self {
        Self {
            attributes,
            ..Self::default()
        }
    }
}
