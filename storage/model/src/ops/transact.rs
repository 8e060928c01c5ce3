//! Transactions as wholes: what makes two requests the same, and what is refused of all their items together.

use crate::codec::encode_item;
use crate::error::ValidationError;
use crate::map::Map;
use crate::ops::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, TransactWriteItemsInput};

/// Most bytes of all items of a transaction, by AWS's rules of size.
pub const MAX_TRANSACT_SIZE: usize = 4 * 1024 * 1024;

impl TransactWriteItemsInput {
    /// Bytes that are the same for the same actions, and for no others: to tell a request that is sent again from another one with
    /// the same token.
    pub fn identity(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for action in &self.transact_items {
            identify(action, &mut out);
        }
        out
    }
}

/// The error of two actions on one item.
pub fn one_item_twice() -> ValidationError {
    ValidationError::new("Transaction request cannot include multiple operations on one item")
}

/// The error of items that are too large together.
pub fn transaction_too_large() -> ValidationError {
    ValidationError::new(
        "Transaction request size exceeds limit: the items of a transaction have at most 4 MB together",
    )
}

/// What all actions have beside a key or an item.
macro_rules! expressions {
    ($action:ident) => {
        (
            $action.condition_expression.as_deref(),
            $action.expression_attribute_names.as_ref(),
            $action.expression_attribute_values.as_ref(),
            $action.return_values_on_condition_check_failure,
        )
    };
}
/// Appends what an action consists of, each part with its length before it.
fn identify(action: &TransactWriteItem, out: &mut Vec<u8>) {
    let (kind, table, item, update, rest) = match action {
        TransactWriteItem::ConditionCheck(a) => (0, &a.table_name, &a.key, None, expressions!(a)),
        TransactWriteItem::Put(a) => (1, &a.table_name, &a.item, None, expressions!(a)),
        TransactWriteItem::Delete(a) => (2, &a.table_name, &a.key, None, expressions!(a)),
        TransactWriteItem::Update(a) => {
            let update = a.update_expression.as_deref();
            (3, &a.table_name, &a.key, update, expressions!(a))
        }
    };
    let (condition, names, values, on_failure) = rest;
    out.push(kind);
    out.push(u8::from(
        on_failure == ReturnValuesOnConditionCheckFailure::AllOld,
    ));
    put_text(out, Some(table));
    put_map(out, Some(item));
    put_text(out, update);
    put_text(out, condition);
    put_map(out, values);
    for (placeholder, name) in names.into_iter().flatten() {
        put_text(out, Some(placeholder));
        put_text(out, Some(name));
    }
    put_text(out, None);
}

fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    let length = text.map_or(u64::MAX, |text| text.len() as u64);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn put_map(out: &mut Vec<u8>, map: Option<&Map>) {
    let start = out.len();
    out.extend_from_slice(&u64::MAX.to_be_bytes());
    let Some(map) = map else { return };
    let item = out.len();
    // A map that cannot be written is refused by its own operation.
    if encode_item(map, out).is_ok() {
        let length = (out.len() - item) as u64;
        if let Some(place) = out.get_mut(start..item) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::{ConditionCheck, TransactDelete, TransactPut, TransactUpdate};
    use crate::value::AttributeValue;

    fn key(id: &str) -> Map {
        Map::from([("id", AttributeValue::from(id))])
    }

    #[test]
    fn every_part_of_a_request_is_part_of_its_identity() {
        let identity = |action: TransactWriteItem| {
            let mut out = Vec::new();
            identify(&action, &mut out);
            out
        };
        let update = || TransactUpdate::new("table", key("a"), "SET a = :v").value(":v", 1);
        let variants = [
            update().into(),
            TransactUpdate::new("tables", key("a"), "SET a = :v")
                .value(":v", 1)
                .into(),
            TransactUpdate::new("table", key("b"), "SET a = :v")
                .value(":v", 1)
                .into(),
            TransactUpdate::new("table", key("a"), "SET b = :v")
                .value(":v", 1)
                .into(),
            update().value(":v", 2).into(),
            update().name("#a", "a").into(),
            update().name("#a", "b").into(),
            update().condition_expression("a = :v").into(),
            update()
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .into(),
            TransactDelete::new("table", key("a")).into(),
            TransactPut::new("table", key("a")).into(),
            ConditionCheck::new("table", key("a"), "a = :v").into(),
        ]
        .map(identity);
        for (i, one) in variants.iter().enumerate() {
            assert!(!variants[i + 1..].contains(one), "{i}");
        }
        assert_eq!(identity(update().into()), variants[0]);
    }
}
