//! TransactGetItems and TransactWriteItems, and what the error of a failed transaction carries.

#![deny(clippy::indexing_slicing)]

use sealdb_model::ops::{self, TransactWriteItem};
use sealdb_model::{Item, Map};

use crate::convert::WireError;
use crate::convert::field::{Field, Message, enums, same_fields};
use crate::v1;
use crate::v1::transact_write_item::Action;

same_fields!(
    ops::TransactGet, v1::TransactGet,
    new(table_name: String, key: Map), projection_expression, expression_attribute_names
);
same_fields!(
    ops::TransactGetItemsInput, v1::TransactGetItemsRequest,
    new(transact_items: Vec<ops::TransactGet>), return_consumed_capacity
);

/// What each read found. `Option<Item>` cannot be a [`Message`], for it is a field already.
type Found = Vec<Option<Item>>;

impl Field<Vec<v1::ItemResponse>> for Found {
    fn to_wire(self) -> Vec<v1::ItemResponse> {
        let response = |item: Option<Item>| v1::ItemResponse {
            item: item.to_wire(),
        };
        self.into_iter().map(response).collect()
    }

    fn from_wire(wire: Vec<v1::ItemResponse>, name: &str) -> Result<Self, WireError> {
        let item = |(index, response): (usize, v1::ItemResponse)| {
            Field::from_wire(response.item, "item")
                .map_err(|e: WireError| e.at_index(index).under(name))
        };
        wire.into_iter().enumerate().map(item).collect()
    }
}

same_fields!(
    ops::TransactGetItemsOutput, v1::TransactGetItemsResponse,
    new(responses: Found), consumed_capacity
);

same_fields!(
    ops::ConditionCheck, v1::ConditionCheck,
    new(table_name: String, key: Map; ""),
    condition_expression, expression_attribute_names, expression_attribute_values,
    return_values_on_condition_check_failure
);
same_fields!(
    ops::TransactPut, v1::TransactPut,
    new(table_name: String, item: Item),
    condition_expression, expression_attribute_names, expression_attribute_values,
    return_values_on_condition_check_failure
);
same_fields!(
    ops::TransactDelete, v1::TransactDelete,
    new(table_name: String, key: Map),
    condition_expression, expression_attribute_names, expression_attribute_values,
    return_values_on_condition_check_failure
);
same_fields!(
    ops::TransactUpdate, v1::TransactUpdate,
    new(table_name: String, key: Map; ""),
    condition_expression, expression_attribute_names, expression_attribute_values,
    return_values_on_condition_check_failure, update_expression
);

impl Message for TransactWriteItem {
    type Wire = v1::TransactWriteItem;
}

impl From<TransactWriteItem> for v1::TransactWriteItem {
    fn from(action: TransactWriteItem) -> Self {
        let action = match action {
            TransactWriteItem::ConditionCheck(check) => Action::ConditionCheck(check.into()),
            TransactWriteItem::Put(put) => Action::Put(put.into()),
            TransactWriteItem::Delete(delete) => Action::Delete(delete.into()),
            TransactWriteItem::Update(update) => Action::Update(update.into()),
        };
        Self {
            action: Some(action),
        }
    }
}

impl TryFrom<v1::TransactWriteItem> for TransactWriteItem {
    type Error = WireError;

    fn try_from(wire: v1::TransactWriteItem) -> Result<Self, WireError> {
        match wire.action {
            Some(Action::ConditionCheck(check)) => {
                Field::from_wire(Some(check), "condition_check").map(Self::ConditionCheck)
            }
            Some(Action::Put(put)) => Field::from_wire(Some(put), "put").map(Self::Put),
            Some(Action::Delete(delete)) => {
                Field::from_wire(Some(delete), "delete").map(Self::Delete)
            }
            Some(Action::Update(update)) => {
                Field::from_wire(Some(update), "update").map(Self::Update)
            }
            None => Err(WireError::here(
                "has neither condition_check nor put, delete or update",
            )),
        }
    }
}

same_fields!(
    ops::TransactWriteItemsInput,
    v1::TransactWriteItemsRequest,
    new(),
    transact_items,
    client_request_token,
    return_consumed_capacity,
    return_item_collection_metrics
);

same_fields!(
    ops::TransactWriteItemsOutput,
    v1::TransactWriteItemsResponse,
    default(),
    consumed_capacity,
    item_collection_metrics
);

enums!(
    ops::CancellationCode,
    v1::CancellationCode = default {
        None,
        ConditionalCheckFailed,
        ItemCollectionSizeLimitExceeded,
        TransactionConflict,
        ProvisionedThroughputExceeded,
        ThrottlingError,
        ValidationError,
        DuplicateItem
    }
);

same_fields!(
    ops::CancellationReason,
    v1::CancellationReason,
    none(),
    code,
    message,
    item
);
