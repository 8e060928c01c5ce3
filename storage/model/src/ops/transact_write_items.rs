//! TransactWriteItems: up to 100 writes and checks in several tables, all of them or none.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::expr::UpdateExpression;
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::{TableRef, shortened};
use crate::ops::{
    ConsumedCapacity, DeleteItemInput, Guard, ItemCollectionMetrics, PutItemInput,
    ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure,
    UpdateItemInput, debug_lengths, placeholders, setters, wire_enum,
};
use crate::schema::KeySchema;

/// Most actions of a transaction.
pub const MAX_TRANSACT_ITEMS: usize = 100;
/// Longest token, in characters.
const MAX_TOKEN: usize = 36;

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

impl TransactWriteItemsInput {
    /// Checks all that can be known without the tables.
    ///
    /// # Errors
    /// No actions or more than 100, a bad token, or an action that breaks a rule.
    pub fn validate(self) -> Result<TransactWriteItems, ValidationError> {
        let mut constraints = Constraints::default();
        let count = self.transact_items.len();
        constraints.length(count, 1, MAX_TRANSACT_ITEMS, "[]", "transactItems");
        if let Some(token) = &self.client_request_token {
            let length = token.chars().count();
            constraints.length(length, 1, MAX_TOKEN, shortened(token), "clientRequestToken");
        }
        for (at, action) in self.transact_items.iter().enumerate() {
            let (given, field) = match action {
                TransactWriteItem::ConditionCheck(check) => (
                    check.condition_expression.is_some(),
                    "conditionCheck.conditionExpression",
                ),
                TransactWriteItem::Update(update) => (
                    update.update_expression.is_some(),
                    "update.updateExpression",
                ),
                TransactWriteItem::Put(_) | TransactWriteItem::Delete(_) => continue,
            };
            if !given {
                constraints.not_null(&format!("transactItems.{}.member.{field}", at + 1));
            }
        }
        constraints.finish()?;
        let actions = self
            .transact_items
            .into_iter()
            .map(TransactWriteItem::validate)
            .collect::<Result<_, _>>()?;
        Ok(TransactWriteItems {
            actions,
            client_request_token: self.client_request_token,
            return_consumed_capacity: self.return_consumed_capacity,
            return_item_collection_metrics: self.return_item_collection_metrics,
        })
    }
}

impl TransactWriteItem {
    /// An action follows the rules of the operation of its name.
    fn validate(self) -> Result<TransactAction, ValidationError> {
        macro_rules! as_operation {
            ($action:ident as $input:expr) => {{
                let mut input = $input;
                input.condition_expression = $action.condition_expression;
                input.expression_attribute_names = $action.expression_attribute_names;
                input.expression_attribute_values = $action.expression_attribute_values;
                input.return_values_on_condition_check_failure =
                    $action.return_values_on_condition_check_failure;
                input
            }};
        }
        Ok(match self {
            TransactWriteItem::ConditionCheck(check) => {
                let input = DeleteItemInput::new(check.table_name, check.key);
                let valid = as_operation!(check as input).validate()?;
                TransactAction {
                    table: valid.table,
                    change: TransactChange::Check(valid.key),
                    guard: valid.guard,
                }
            }
            TransactWriteItem::Put(put) => {
                let input = PutItemInput::new(put.table_name, put.item);
                let valid = as_operation!(put as input).validate()?;
                TransactAction {
                    table: valid.table,
                    change: TransactChange::Put(valid.item),
                    guard: valid.guard,
                }
            }
            TransactWriteItem::Delete(delete) => {
                let input = DeleteItemInput::new(delete.table_name, delete.key);
                let valid = as_operation!(delete as input).validate()?;
                TransactAction {
                    table: valid.table,
                    change: TransactChange::Delete(valid.key),
                    guard: valid.guard,
                }
            }
            TransactWriteItem::Update(update) => {
                let mut input = UpdateItemInput::new(update.table_name, update.key);
                input.update_expression = update.update_expression;
                let valid = as_operation!(update as input).validate()?;
                TransactAction {
                    table: valid.table,
                    change: TransactChange::Update(valid.key, valid.update),
                    guard: valid.guard,
                }
            }
        })
    }
}

/// A TransactWriteItems that follows the rules.
#[derive(Clone, PartialEq, Eq)]
pub struct TransactWriteItems {
    /// The actions, at least one.
    pub actions: Vec<TransactAction>,
    /// Of 1 to 36 characters.
    pub client_request_token: Option<String>,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to tell the sizes of item collections.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

debug_lengths! { TransactWriteItems {
    actions, return_consumed_capacity, return_item_collection_metrics;
    client_request_token,
}}

/// One action of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactAction {
    /// The table.
    pub table: TableRef,
    /// What is done to which item.
    pub change: TransactChange,
    /// Under which condition.
    pub guard: Option<Guard>,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactChange {
    /// Nothing, to the item of this key.
    Check(Map),
    /// Puts this item.
    Put(Item),
    /// Deletes the item of this key.
    Delete(Map),
    /// Changes the item of this key.
    Update(Map, UpdateExpression),
}

impl TransactAction {
    /// The key of the action's item.
    ///
    /// # Errors
    /// A key, update or condition that does not fit the schema.
    pub fn key(&self, schema: &KeySchema) -> Result<KeyBytes<'_>, ValidationError> {
        let key = match &self.change {
            TransactChange::Put(item) => schema.key_of_item(item),
            TransactChange::Check(key)
            | TransactChange::Delete(key)
            | TransactChange::Update(key, _) => schema.key_of_key(key),
        }?;
        if let TransactChange::Update(_, update) = &self.change {
            update.spares_key_of(schema)?;
        }
        if let Some(guard) = &self.guard {
            guard.fits(schema)?;
        }
        Ok(key)
    }
}

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
