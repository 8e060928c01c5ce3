//! UpdateItem: changes attributes of an item, or makes one of its key.

use std::collections::BTreeMap;

use crate::map::{Item, Map};
use crate::ops::{
    AttributeValueUpdate, ConditionalOperator, ConsumedCapacity, ExpectedAttributeValue,
    ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValue,
    ReturnValuesOnConditionCheckFailure, debug_lengths, placeholders, setters,
};

/// What UpdateItem takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct UpdateItemInput {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// What to change: SET, REMOVE, ADD and DELETE clauses.
    pub update_expression: Option<String>,
    /// The write happens only if this holds; a condition of the item as it is before.
    pub condition_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// What to change, by attribute: the older form of an update.
    pub attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    /// What attributes must be for the write to happen: the older form of a condition.
    pub expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    /// How the conditions of `expected` are joined.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Which attributes are given back. Default: none.
    pub return_values: ReturnValue,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the size of the item collection. Default: no.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

debug_lengths! { UpdateItemInput {
    table_name, key, conditional_operator, return_values, return_values_on_condition_check_failure, return_consumed_capacity, return_item_collection_metrics;
    update_expression, condition_expression, expression_attribute_names, expression_attribute_values, attribute_updates, expected,
}}

impl UpdateItemInput {
    /// An update of the item of `key` that changes nothing yet.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            update_expression: None,
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            attribute_updates: None,
            expected: None,
            conditional_operator: None,
            return_values: ReturnValue::default(),
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
            return_consumed_capacity: ReturnConsumedCapacity::default(),
            return_item_collection_metrics: ReturnItemCollectionMetrics::default(),
        }
    }
}

setters! { UpdateItemInput {
    /// Sets what to change.
    update_expression: String => Some,
    /// Sets the condition.
    condition_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Sets what to change, in the older form.
    attribute_updates: BTreeMap<String, AttributeValueUpdate> => Some,
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

placeholders! { UpdateItemInput }

/// What UpdateItem gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateItemOutput {
    /// The attributes that were asked for, if there are any.
    pub attributes: Option<Item>,
    /// What was consumed, if that was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
    /// The size of the item collection, if that was asked for and the table has local indexes.
    pub item_collection_metrics: Option<ItemCollectionMetrics>,
}

impl UpdateItemOutput {
    /// An output with these attributes.
    pub fn new(attributes: Option<Item>) -> Self {
        Self {
            attributes,
            ..Self::default()
        }
    }
}
