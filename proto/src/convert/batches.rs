//! BatchWriteItem and BatchGetItem.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sealdb_model::ops::{self, WriteRequest};
use sealdb_model::{Item, Map};

use crate::convert::WireError;
use crate::convert::field::{Field, Message, same_fields};
use crate::v1;
use crate::v1::write_request::Request;

/// The writes of a batch by table. Two lists for one table are refused: of a protobuf map the last would win in silence.
type Writes = BTreeMap<String, Vec<WriteRequest>>;

impl Message for WriteRequest {
    type Wire = v1::WriteRequest;
}

impl From<WriteRequest> for v1::WriteRequest {
    fn from(request: WriteRequest) -> Self {
        Self {
            request: Some(match request {
                WriteRequest::Put(item) => Request::PutItem(item.into()),
                WriteRequest::Delete(key) => Request::DeleteKey(key.into()),
            }),
        }
    }
}

impl TryFrom<v1::WriteRequest> for WriteRequest {
    type Error = WireError;

    fn try_from(wire: v1::WriteRequest) -> Result<Self, WireError> {
        match wire.request {
            Some(Request::PutItem(item)) => {
                Field::from_wire(Some(item), "put_item").map(WriteRequest::Put)
            }
            Some(Request::DeleteKey(key)) => {
                Field::from_wire(Some(key), "delete_key").map(WriteRequest::Delete)
            }
            None => Err(WireError::here("has neither put_item nor delete_key")),
        }
    }
}

impl Field<Vec<v1::TableWriteRequests>> for Writes {
    fn to_wire(self) -> Vec<v1::TableWriteRequests> {
        let table = |(table_name, requests): (String, Vec<WriteRequest>)| v1::TableWriteRequests {
            table_name,
            requests: requests.to_wire(),
        };
        self.into_iter().map(table).collect()
    }

    fn from_wire(wire: Vec<v1::TableWriteRequests>, name: &str) -> Result<Self, WireError> {
        let mut tables = BTreeMap::new();
        for (at, table) in wire.into_iter().enumerate() {
            let requests = Field::from_wire(table.requests, "requests")
                .map_err(|e: WireError| e.at_index(at).under(name))?;
            match tables.entry(table.table_name) {
                Entry::Vacant(entry) => {
                    entry.insert(requests);
                }
                Entry::Occupied(_) => {
                    let twice = WireError::here("this table stands in the batch twice");
                    return Err(twice.under("table_name").at_index(at).under(name));
                }
            }
        }
        Ok(tables)
    }
}

same_fields!(
    ops::BatchWriteItemInput,
    v1::BatchWriteItemRequest,
    new(),
    request_items,
    return_consumed_capacity,
    return_item_collection_metrics
);
same_fields!(
    ops::BatchWriteItemOutput, v1::BatchWriteItemResponse,
    new(unprocessed_items: Writes), consumed_capacity, item_collection_metrics
);

impl Message for Vec<Item> {
    type Wire = v1::ItemList;
}

impl From<Vec<Item>> for v1::ItemList {
    fn from(items: Vec<Item>) -> Self {
        Self {
            items: items.to_wire(),
        }
    }
}

impl TryFrom<v1::ItemList> for Vec<Item> {
    type Error = WireError;

    fn try_from(wire: v1::ItemList) -> Result<Self, WireError> {
        Field::from_wire(wire.items, "items")
    }
}

same_fields!(
    ops::KeysAndAttributes, v1::KeysAndAttributes,
    new(keys: Vec<Map>),
    projection_expression, expression_attribute_names, attributes_to_get, consistent_read
);
same_fields!(
    ops::BatchGetItemInput,
    v1::BatchGetItemRequest,
    new(),
    request_items,
    return_consumed_capacity
);
same_fields!(
    ops::BatchGetItemOutput, v1::BatchGetItemResponse,
    new(responses: BTreeMap<String, Vec<Item>>), unprocessed_keys, consumed_capacity
);
