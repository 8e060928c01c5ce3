//! UpdateItem: changes attributes of an item, or makes one of its key.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::UpdateExpression;
use crate::map::{Item, Map};
use crate::names::TableRef;
use crate::ops::write::{Guard, WriteExpressions};
use crate::ops::{
    AttributeValueUpdate, ConditionalOperator, ConsumedCapacity, ExpectedAttributeValue,
    ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValue,
    ReturnValuesOnConditionCheckFailure, debug_lengths, placeholders, setters,
};
use crate::schema::KeySchema;
use crate::size::validate_key_map;

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

    fn expressions(&self) -> WriteExpressions<'_> {
        WriteExpressions {
            update: Some(self.update_expression.as_deref()),
            condition: self.condition_expression.as_deref(),
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            attribute_updates: self.attribute_updates.as_ref(),
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
    /// A bad table name or key, or parameters about the update or its condition that break a rule.
    pub fn validate(mut self) -> Result<UpdateItem, ValidationError> {
        let table = TableRef::new(std::mem::take(&mut self.table_name))?;
        let expressions = self.expressions();
        let placeholders = expressions.open()?;
        validate_key_map(&self.key)?;
        let (update, guard) = expressions.update_and_guard(placeholders)?;
        Ok(UpdateItem {
            table,
            key: self.key,
            update,
            guard,
            return_values: self.return_values,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: self.return_item_collection_metrics,
        })
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

/// An UpdateItem that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateItem {
    /// The table.
    pub table: TableRef,
    /// The key.
    pub key: Map,
    /// What to change.
    pub update: UpdateExpression,
    /// Under which condition.
    pub guard: Option<Guard>,
    /// Which attributes are given back.
    pub return_values: ReturnValue,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the size of the item collection.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

impl UpdateItem {
    /// Checks the update and its condition against the table's key.
    ///
    /// # Errors
    /// AWS's message for a change of an attribute of the key, or a path into one.
    pub fn fits(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        self.update.spares_key_of(schema)?;
        self.guard
            .as_ref()
            .map_or(Ok(()), |guard| guard.fits(schema))
    }

    /// The attributes to give back, from the item before and after the update.
    pub fn returned(&self, old: Option<&Item>, new: Option<&Item>) -> Option<Item> {
        let changed = |item: Option<&Item>| {
            let attributes = self.update.paths().project(item?);
            (!attributes.is_empty()).then_some(attributes)
        };
        match self.return_values {
            ReturnValue::None => None,
            ReturnValue::AllOld => old.cloned(),
            ReturnValue::AllNew => new.cloned(),
            ReturnValue::UpdatedOld => changed(old),
            ReturnValue::UpdatedNew => changed(new),
        }
    }
}

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
