//! BatchWriteItem and BatchGetItem.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    BatchGetItemInput, BatchGetItemOutput, BatchWriteItemInput, BatchWriteItemOutput,
    KeysAndAttributes, WriteRequest,
};

use super::capacity::{capacities, metrics_of_tables};
use super::conditions::{
    ATTRIBUTE_NAMES, CAPACITY, CONSISTENT, ITEM, KEY, METRICS, PROJECTION, TO_GET,
};
use super::fields::{Fields, Node};
use super::shape::{Shape, Structure, VALUES, optional, required};
use super::write::{Object, map, object, string};
use super::{Request, Response};

static PUT_REQUEST: Shape = Shape::Structure(&Structure {
    name: "PutRequest",
    members: &[ITEM],
});
static DELETE_REQUEST: Shape = Shape::Structure(&Structure {
    name: "DeleteRequest",
    members: &[KEY],
});
static WRITE_REQUEST: Shape = Shape::Structure(&Structure {
    name: "WriteRequest",
    members: &[
        optional("PutRequest", &PUT_REQUEST),
        optional("DeleteRequest", &DELETE_REQUEST),
    ],
});
static WRITE_REQUESTS: Shape = Shape::List(&WRITE_REQUEST, 1, 25);
static WRITE_ITEMS: Shape = Shape::ByTable(&WRITE_REQUESTS, 1, 25);

impl Request for BatchWriteItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "BatchWriteItemInput",
        members: &[CAPACITY, METRICS, required("RequestItems", &WRITE_ITEMS)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = BatchWriteItemInput::new();
        for (table, requests) in fields.map("RequestItems").unwrap_or_default() {
            let requests = requests
                .into_list()
                .into_iter()
                .filter_map(Node::into_fields)
                .map(write_request)
                .collect::<Result<_, _>>()?;
            input.request_items.insert(table, requests);
        }
        input.return_consumed_capacity = fields.capacity();
        input.return_item_collection_metrics = fields.metrics();
        Ok(input)
    }
}

fn write_request(mut fields: Fields) -> Result<WriteRequest, ValidationError> {
    let put = fields.structure("PutRequest");
    match (put, fields.structure("DeleteRequest")) {
        (Some(mut put), None) => Ok(WriteRequest::Put(put.item())),
        (None, Some(mut delete)) => Ok(WriteRequest::Delete(delete.key())),
        // Of neither the service says the same.
        (None, None) | (Some(_), Some(_)) => Err(ValidationError::new(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
    }
}

impl Response for BatchWriteItemOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.object("UnprocessedItems", |out| {
            for (table, requests) in &self.unprocessed_items {
                out.list(table, requests, |out, request| {
                    object(out, |out| match request {
                        WriteRequest::Put(item) => {
                            out.object("PutRequest", |out| out.values("Item", item));
                        }
                        WriteRequest::Delete(key) => {
                            out.object("DeleteRequest", |out| out.values("Key", key));
                        }
                    });
                });
            }
        });
        capacities(out, &self.consumed_capacity);
        metrics_of_tables(out, &self.item_collection_metrics);
    }
}

static KEYS: Shape = Shape::List(&VALUES, 1, 100);
static KEYS_AND_ATTRIBUTES: Shape = Shape::Structure(&Structure {
    name: "KeysAndAttributes",
    members: &[
        required("Keys", &KEYS),
        TO_GET,
        CONSISTENT,
        PROJECTION,
        ATTRIBUTE_NAMES,
    ],
});
static GET_ITEMS: Shape = Shape::ByTable(&KEYS_AND_ATTRIBUTES, 1, 100);

impl Request for BatchGetItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "BatchGetItemInput",
        members: &[CAPACITY, required("RequestItems", &GET_ITEMS)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = BatchGetItemInput::new();
        for (table, node) in fields.map("RequestItems").unwrap_or_default() {
            let Some(mut fields) = node.into_fields() else {
                continue;
            };
            let keys = fields.list("Keys").unwrap_or_default().into_iter();
            let mut wanted = KeysAndAttributes::new(keys.filter_map(Node::into_values).collect());
            wanted.projection_expression = fields.text("ProjectionExpression");
            wanted.expression_attribute_names = fields.attribute_names();
            wanted.attributes_to_get = fields.attributes_to_get();
            wanted.consistent_read = fields.consistent_read();
            input.request_items.insert(table, wanted);
        }
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }
}

impl Response for BatchGetItemOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.object("Responses", |out| {
            for (table, items) in &self.responses {
                out.list(table, items, map);
            }
        });
        out.object("UnprocessedKeys", |out| {
            for (table, keys) in &self.unprocessed_keys {
                out.object(table, |out| keys_and_attributes(out, keys));
            }
        });
        capacities(out, &self.consumed_capacity);
    }
}

/// As it was asked for, to be asked for again.
fn keys_and_attributes(out: &mut Object<'_>, keys: &KeysAndAttributes) {
    out.list("Keys", &keys.keys, map);
    if let Some(projection) = &keys.projection_expression {
        out.text("ProjectionExpression", projection);
    }
    if let Some(names) = &keys.expression_attribute_names {
        out.object("ExpressionAttributeNames", |out| {
            for (placeholder, name) in names {
                out.text(placeholder, name);
            }
        });
    }
    if let Some(names) = &keys.attributes_to_get {
        out.list("AttributesToGet", names, |out, name| string(out, name));
    }
    out.flag("ConsistentRead", keys.consistent_read);
}
