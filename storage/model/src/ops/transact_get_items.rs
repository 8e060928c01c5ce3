//! TransactGetItems: up to 100 items of several tables, all read at one moment.

use std::collections::BTreeMap;

use crate::error::{Constraints, ValidationError};
use crate::map::{Item, Map};
use crate::ops::{
    ConsumedCapacity, GetItem, GetItemInput, MAX_TRANSACT_ITEMS, ReturnConsumedCapacity,
    debug_lengths, placeholders, setters,
};

/// A read within a transaction.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct TransactGet {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// The paths to give back. Default: all.
    pub projection_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
}

debug_lengths! { TransactGet {
    table_name, key;
    projection_expression, expression_attribute_names,
}}

impl TransactGet {
    /// A read of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            projection_expression: None,
            expression_attribute_names: None,
        }
    }
}

setters! { TransactGet {
    /// Sets the paths to give back.
    projection_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
}}

placeholders! { @name TransactGet }

/// What TransactGetItems takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactGetItemsInput {
    /// The reads, at most 100, each of another item.
    pub transact_items: Vec<TransactGet>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl TransactGetItemsInput {
    /// These reads.
    pub fn new(transact_items: Vec<TransactGet>) -> Self {
        Self {
            transact_items,
            ..Self::default()
        }
    }
}

setters! { TransactGetItemsInput {
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

impl TransactGetItemsInput {
    /// Checks all that can be known without the tables.
    ///
    /// # Errors
    /// No reads or more than 100, bad table names, keys or projections.
    pub fn validate(self) -> Result<TransactGetItems, ValidationError> {
        let mut constraints = Constraints::default();
        constraints.length(
            self.transact_items.len(),
            1,
            MAX_TRANSACT_ITEMS,
            "[]",
            "transactItems",
        );
        constraints.finish()?;
        let gets = self
            .transact_items
            .into_iter()
            .map(|get| {
                let mut input = GetItemInput::new(get.table_name, get.key).consistent_read(true);
                input.projection_expression = get.projection_expression;
                input.expression_attribute_names = get.expression_attribute_names;
                input.validate()
            })
            .collect::<Result<_, _>>()?;
        Ok(TransactGetItems {
            gets,
            return_consumed_capacity: self.return_consumed_capacity,
        })
    }
}

/// A TransactGetItems that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactGetItems {
    /// The reads, at least one.
    pub gets: Vec<GetItem>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What TransactGetItems gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactGetItemsOutput {
    /// As many as there were reads, in their order; `None` where there is no item.
    pub responses: Vec<Option<Item>>,
    /// What was consumed of each table, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
}

impl TransactGetItemsOutput {
    /// An output with these items.
    pub fn new(responses: Vec<Option<Item>>) -> Self {
        Self {
            responses,
            ..Self::default()
        }
    }
}
