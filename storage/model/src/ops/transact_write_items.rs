//! TransactWriteItems: up to 100 writes and checks in several tables, all of them or none.

use std::collections::BTreeMap;
use std::fmt;

use crate::map::{Item, Map};
use crate::ops::{
    ConsumedCapacity, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
    ReturnValuesOnConditionCheckFailure, debug_lengths, placeholders, setters, wire_enum,
};

/// The message of a write whose condition was false.
pub const CONDITION_FAILED: &str = "The conditional request failed";

/// One action of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactWriteItem {
    /// A condition of an item that is not written.
    ConditionCheck(ConditionCheck),
    /// A put.
    Put(TransactPut),
    /// A removal.
    Delete(TransactDelete),
    /// An update.
    Update(TransactUpdate),
}

macro_rules! from_action {
    ($($variant:ident($type:ident),)*) => {$(
        impl From<$type> for TransactWriteItem {
            fn from(action: $type) -> Self {
                TransactWriteItem::$variant(action)
            }
        }
    )*};
}
from_action! {
    ConditionCheck(ConditionCheck),
    Put(TransactPut),
    Delete(TransactDelete),
    Update(TransactUpdate),
}

/// What TransactWriteItems takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TransactWriteItemsInput {
    /// The actions, at most 100, each of another item.
    pub transact_items: Vec<TransactWriteItem>,
    /// Of 1 to 36 characters. The same request with the same token within 10 minutes is carried out once.
    pub client_request_token: Option<String>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the sizes of item collections. Default: no.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

debug_lengths! { TransactWriteItemsInput {
    transact_items, return_consumed_capacity, return_item_collection_metrics;
    client_request_token,
}}

impl TransactWriteItemsInput {
    /// A transaction without an action yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action.
    #[must_use]
    pub fn action(mut self, action: impl Into<TransactWriteItem>) -> Self {
        self.transact_items.push(action.into());
        self
    }
}

setters! { TransactWriteItemsInput {
    /// Sets all actions.
    transact_items: Vec<TransactWriteItem>,
    /// Makes the request safe to repeat.
    client_request_token: String => Some,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
    /// Asks for the sizes of item collections.
    return_item_collection_metrics: ReturnItemCollectionMetrics,
}}

/// A check within a transaction: nothing is written, but the condition must hold.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct ConditionCheck {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// The condition of the item.
    pub condition_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

debug_lengths! { ConditionCheck {
    table_name, key, return_values_on_condition_check_failure;
    condition_expression, expression_attribute_names, expression_attribute_values,
}}

impl ConditionCheck {
    /// A check of the item of `key`.
    pub fn new(
        table_name: impl Into<String>,
        key: impl Into<Map>,
        condition_expression: impl Into<String>,
    ) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            condition_expression: Some(condition_expression.into()),
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
        }
    }
}

setters! { ConditionCheck {
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}}

placeholders! { ConditionCheck }

/// A put within a transaction.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct TransactPut {
    /// The table.
    pub table_name: String,
    /// The item, key attributes included.
    pub item: Item,
    /// The write happens only if this holds; a condition of the item as it is before.
    pub condition_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

debug_lengths! { TransactPut {
    table_name, item, return_values_on_condition_check_failure;
    condition_expression, expression_attribute_names, expression_attribute_values,
}}

impl TransactPut {
    /// A put of `item`.
    pub fn new(table_name: impl Into<String>, item: impl Into<Item>) -> Self {
        Self {
            table_name: table_name.into(),
            item: item.into(),
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
        }
    }
}

setters! { TransactPut {
    /// Sets the condition.
    condition_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}}

placeholders! { TransactPut }

/// A removal within a transaction.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct TransactDelete {
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
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

debug_lengths! { TransactDelete {
    table_name, key, return_values_on_condition_check_failure;
    condition_expression, expression_attribute_names, expression_attribute_values,
}}

impl TransactDelete {
    /// A removal of the item of `key`.
    pub fn new(table_name: impl Into<String>, key: impl Into<Map>) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
        }
    }
}

setters! { TransactDelete {
    /// Sets the condition.
    condition_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}}

placeholders! { TransactDelete }

/// An update within a transaction.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct TransactUpdate {
    /// The table.
    pub table_name: String,
    /// The key attributes, all and no others.
    pub key: Map,
    /// What to change.
    pub update_expression: Option<String>,
    /// The write happens only if this holds; a condition of the item as it is before.
    pub condition_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// Whether a failed condition gives back the item that it met. Default: no.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

debug_lengths! { TransactUpdate {
    table_name, key, return_values_on_condition_check_failure;
    update_expression, condition_expression, expression_attribute_names, expression_attribute_values,
}}

impl TransactUpdate {
    /// An update of the item of `key`.
    pub fn new(
        table_name: impl Into<String>,
        key: impl Into<Map>,
        update_expression: impl Into<String>,
    ) -> Self {
        Self {
            table_name: table_name.into(),
            key: key.into(),
            update_expression: Some(update_expression.into()),
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::default(
            ),
        }
    }
}

setters! { TransactUpdate {
    /// Sets the condition.
    condition_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Asks for the item that made the condition fail.
    return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}}

placeholders! { TransactUpdate }

/// What TransactWriteItems gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactWriteItemsOutput {
    /// What was consumed of each table, if that was asked for.
    pub consumed_capacity: Vec<ConsumedCapacity>,
    /// The sizes of the item collections of each table, if that was asked for.
    pub item_collection_metrics: BTreeMap<String, Vec<ItemCollectionMetrics>>,
}

wire_enum! {
    /// Why one action made its transaction fail.
    CancellationCode = None {
        /// It did not.
        None = "None",
        /// Its condition was false.
        ConditionalCheckFailed = "ConditionalCheckFailed",
        /// An item collection would be too large.
        ItemCollectionSizeLimitExceeded = "ItemCollectionSizeLimitExceeded",
        /// Another transaction holds the item.
        TransactionConflict = "TransactionConflict",
        /// The table's throughput was exceeded.
        ProvisionedThroughputExceeded = "ProvisionedThroughputExceeded",
        /// Too many requests.
        ThrottlingError = "ThrottlingError",
        /// It breaks a rule that only shows at the item.
        ValidationError = "ValidationError",
        /// PartiQL: an item of the key exists.
        DuplicateItem = "DuplicateItem",
    }
}

/// What became of one action of a transaction that failed.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CancellationReason {
    /// Whether and why it made the transaction fail.
    pub code: CancellationCode,
    /// AWS's message; none for [`CancellationCode::None`].
    pub message: Option<String>,
    /// The item that a failed condition met, if it was asked for.
    pub item: Option<Item>,
}

impl CancellationReason {
    /// An action that did not make the transaction fail.
    pub fn none() -> Self {
        Self::default()
    }

    /// A reason with its message.
    pub fn new(code: CancellationCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
            item: None,
        }
    }

    /// A failed condition, and the item that it met if that was asked for.
    pub fn condition(item: Option<Item>) -> Self {
        Self {
            item,
            ..Self::new(CancellationCode::ConditionalCheckFailed, CONDITION_FAILED)
        }
    }

    /// The message of the TransactionCanceledException that carries these reasons.
    pub fn summary(reasons: &[Self]) -> String {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.name()).collect();
        format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        )
    }
}

/// The message may quote data: its length.
impl fmt::Debug for CancellationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationReason")
            .field("code", &self.code)
            .field("message", &self.message.as_ref().map(String::len))
            .field("item", &self.item)
            .finish()
    }
}
