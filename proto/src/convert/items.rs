//! PutItem, GetItem, DeleteItem, BatchWriteItem, Query and Scan.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sealdb_model::ops::{self, WriteRequest};
use sealdb_model::{Item, Map};

use crate::convert::{WireError, enums, optional_enum};
use crate::v1;
use crate::v1::write_request::Request;

enums!(
    ops::ReturnValue,
    v1::ReturnValue {
        None,
        AllOld,
        UpdatedOld,
        AllNew,
        UpdatedNew
    }
);
enums!(
    ops::Select,
    v1::Select {
        AllAttributes,
        AllProjectedAttributes,
        SpecificAttributes,
        Count
    }
);

fn return_values(value: i32) -> Result<ops::ReturnValue, WireError> {
    match optional_enum::<v1::ReturnValue>("return_values", value)? {
        None => Ok(ops::ReturnValue::None),
        Some(value) => value.try_into(),
    }
}

fn select(value: i32) -> Result<Option<ops::Select>, WireError> {
    optional_enum::<v1::Select>("select", value)?
        .map(TryInto::try_into)
        .transpose()
}

fn select_to_wire(select: Option<ops::Select>) -> i32 {
    select.map(v1::Select::from).unwrap_or_default().into()
}

fn required(field: &str, map: Option<v1::MapValue>) -> Result<Map, WireError> {
    optional(field, map)?.ok_or_else(|| WireError::missing(field))
}

fn optional(field: &str, map: Option<v1::MapValue>) -> Result<Option<Map>, WireError> {
    map.map(Map::try_from)
        .transpose()
        .map_err(|e| e.under(field))
}

impl From<ops::PutItemInput> for v1::PutItemRequest {
    fn from(input: ops::PutItemInput) -> Self {
        Self {
            table_name: input.table_name,
            item: Some(input.item.into()),
            return_values: v1::ReturnValue::from(input.return_values).into(),
        }
    }
}

impl TryFrom<v1::PutItemRequest> for ops::PutItemInput {
    type Error = WireError;

    fn try_from(request: v1::PutItemRequest) -> Result<Self, WireError> {
        let item = required("item", request.item)?;
        Ok(
            Self::new(request.table_name, item)
                .return_values(return_values(request.return_values)?),
        )
    }
}

impl From<ops::PutItemOutput> for v1::PutItemResponse {
    fn from(output: ops::PutItemOutput) -> Self {
        Self {
            attributes: output.attributes.map(Into::into),
        }
    }
}

impl TryFrom<v1::PutItemResponse> for ops::PutItemOutput {
    type Error = WireError;

    fn try_from(response: v1::PutItemResponse) -> Result<Self, WireError> {
        optional("attributes", response.attributes).map(Self::new)
    }
}

impl From<ops::GetItemInput> for v1::GetItemRequest {
    fn from(input: ops::GetItemInput) -> Self {
        Self {
            table_name: input.table_name,
            key: Some(input.key.into()),
            consistent_read: input.consistent_read,
        }
    }
}

impl TryFrom<v1::GetItemRequest> for ops::GetItemInput {
    type Error = WireError;

    fn try_from(request: v1::GetItemRequest) -> Result<Self, WireError> {
        let key = required("key", request.key)?;
        Ok(Self::new(request.table_name, key).consistent_read(request.consistent_read))
    }
}

impl From<ops::GetItemOutput> for v1::GetItemResponse {
    fn from(output: ops::GetItemOutput) -> Self {
        Self {
            item: output.item.map(Into::into),
        }
    }
}

impl TryFrom<v1::GetItemResponse> for ops::GetItemOutput {
    type Error = WireError;

    fn try_from(response: v1::GetItemResponse) -> Result<Self, WireError> {
        optional("item", response.item).map(Self::new)
    }
}

impl From<ops::DeleteItemInput> for v1::DeleteItemRequest {
    fn from(input: ops::DeleteItemInput) -> Self {
        Self {
            table_name: input.table_name,
            key: Some(input.key.into()),
            return_values: v1::ReturnValue::from(input.return_values).into(),
        }
    }
}

impl TryFrom<v1::DeleteItemRequest> for ops::DeleteItemInput {
    type Error = WireError;

    fn try_from(request: v1::DeleteItemRequest) -> Result<Self, WireError> {
        let key = required("key", request.key)?;
        Ok(Self::new(request.table_name, key).return_values(return_values(request.return_values)?))
    }
}

impl From<ops::DeleteItemOutput> for v1::DeleteItemResponse {
    fn from(output: ops::DeleteItemOutput) -> Self {
        Self {
            attributes: output.attributes.map(Into::into),
        }
    }
}

impl TryFrom<v1::DeleteItemResponse> for ops::DeleteItemOutput {
    type Error = WireError;

    fn try_from(response: v1::DeleteItemResponse) -> Result<Self, WireError> {
        optional("attributes", response.attributes).map(Self::new)
    }
}

fn batch_to_wire(batch: BTreeMap<String, Vec<WriteRequest>>) -> Vec<v1::TableWriteRequests> {
    let request = |request| v1::WriteRequest {
        request: Some(match request {
            WriteRequest::Put(item) => Request::PutItem(item.into()),
            WriteRequest::Delete(key) => Request::DeleteKey(key.into()),
        }),
    };
    batch
        .into_iter()
        .map(|(table_name, requests)| v1::TableWriteRequests {
            table_name,
            requests: requests.into_iter().map(request).collect(),
        })
        .collect()
}

fn batch_from_wire(
    field: &str,
    batch: Vec<v1::TableWriteRequests>,
) -> Result<BTreeMap<String, Vec<WriteRequest>>, WireError> {
    let mut tables = BTreeMap::new();
    for (table_at, table) in batch.into_iter().enumerate() {
        let mut requests = Vec::with_capacity(table.requests.len());
        for (at, request) in table.requests.into_iter().enumerate() {
            let request = match request.request {
                Some(Request::PutItem(item)) => Map::try_from(item)
                    .map(WriteRequest::Put)
                    .map_err(|e| e.under("put_item")),
                Some(Request::DeleteKey(key)) => Map::try_from(key)
                    .map(WriteRequest::Delete)
                    .map_err(|e| e.under("delete_key")),
                None => Err(WireError::here("has neither put_item nor delete_key")),
            };
            requests.push(request.map_err(|e| {
                e.at_index(at)
                    .under("requests")
                    .at_index(table_at)
                    .under(field)
            })?);
        }
        match tables.entry(table.table_name) {
            Entry::Vacant(entry) => {
                entry.insert(requests);
            }
            Entry::Occupied(_) => {
                return Err(WireError::here("this table stands in the batch twice")
                    .under("table_name")
                    .at_index(table_at)
                    .under(field));
            }
        }
    }
    Ok(tables)
}

impl From<ops::BatchWriteItemInput> for v1::BatchWriteItemRequest {
    fn from(input: ops::BatchWriteItemInput) -> Self {
        Self {
            request_items: batch_to_wire(input.request_items),
        }
    }
}

impl TryFrom<v1::BatchWriteItemRequest> for ops::BatchWriteItemInput {
    type Error = WireError;

    fn try_from(request: v1::BatchWriteItemRequest) -> Result<Self, WireError> {
        Ok(Self::new().request_items(batch_from_wire("request_items", request.request_items)?))
    }
}

impl From<ops::BatchWriteItemOutput> for v1::BatchWriteItemResponse {
    fn from(output: ops::BatchWriteItemOutput) -> Self {
        Self {
            unprocessed_items: batch_to_wire(output.unprocessed_items),
        }
    }
}

impl TryFrom<v1::BatchWriteItemResponse> for ops::BatchWriteItemOutput {
    type Error = WireError;

    fn try_from(response: v1::BatchWriteItemResponse) -> Result<Self, WireError> {
        batch_from_wire("unprocessed_items", response.unprocessed_items).map(Self::new)
    }
}

impl From<ops::QueryInput> for v1::QueryRequest {
    fn from(input: ops::QueryInput) -> Self {
        Self {
            table_name: input.table_name,
            key_condition_expression: input.key_condition_expression,
            expression_attribute_names: input.expression_attribute_names.unwrap_or_default(),
            expression_attribute_values: input.expression_attribute_values.map(Into::into),
            scan_index_forward: Some(input.scan_index_forward),
            limit: input.limit,
            exclusive_start_key: input.exclusive_start_key.map(Into::into),
            select: select_to_wire(input.select),
            consistent_read: input.consistent_read,
        }
    }
}

impl TryFrom<v1::QueryRequest> for ops::QueryInput {
    type Error = WireError;

    fn try_from(request: v1::QueryRequest) -> Result<Self, WireError> {
        let mut input = Self::new(request.table_name, "");
        input.key_condition_expression = request.key_condition_expression;
        let names = request.expression_attribute_names;
        input.expression_attribute_names = (!names.is_empty()).then_some(names);
        input.expression_attribute_values = optional(
            "expression_attribute_values",
            request.expression_attribute_values,
        )?;
        input.scan_index_forward = request.scan_index_forward.unwrap_or(true);
        input.limit = request.limit;
        input.exclusive_start_key = optional("exclusive_start_key", request.exclusive_start_key)?;
        input.select = select(request.select)?;
        input.consistent_read = request.consistent_read;
        Ok(input)
    }
}

impl From<ops::ScanInput> for v1::ScanRequest {
    fn from(input: ops::ScanInput) -> Self {
        Self {
            table_name: input.table_name,
            limit: input.limit,
            exclusive_start_key: input.exclusive_start_key.map(Into::into),
            segment: input.segment,
            total_segments: input.total_segments,
            select: select_to_wire(input.select),
            consistent_read: input.consistent_read,
        }
    }
}

impl TryFrom<v1::ScanRequest> for ops::ScanInput {
    type Error = WireError;

    fn try_from(request: v1::ScanRequest) -> Result<Self, WireError> {
        let mut input = Self::new(request.table_name);
        input.limit = request.limit;
        input.exclusive_start_key = optional("exclusive_start_key", request.exclusive_start_key)?;
        input.segment = request.segment;
        input.total_segments = request.total_segments;
        input.select = select(request.select)?;
        input.consistent_read = request.consistent_read;
        Ok(input)
    }
}

fn items_from_wire(items: Vec<v1::MapValue>) -> Result<Vec<Item>, WireError> {
    let mut converted = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        converted.push(Map::try_from(item).map_err(|e| e.at_index(index).under("items"))?);
    }
    Ok(converted)
}

/// Query and Scan answer alike.
macro_rules! page {
    ($model:path, $wire:path) => {
        impl From<$model> for $wire {
            fn from(output: $model) -> Self {
                Self {
                    items: output.items.into_iter().map(Into::into).collect(),
                    count: output.count,
                    scanned_count: output.scanned_count,
                    last_evaluated_key: output.last_evaluated_key.map(Into::into),
                }
            }
        }

        impl TryFrom<$wire> for $model {
            type Error = WireError;

            fn try_from(response: $wire) -> Result<Self, WireError> {
                Ok(Self::new(
                    items_from_wire(response.items)?,
                    response.count,
                    response.scanned_count,
                    optional("last_evaluated_key", response.last_evaluated_key)?,
                ))
            }
        }
    };
}
page!(ops::QueryOutput, v1::QueryResponse);
page!(ops::ScanOutput, v1::ScanResponse);
