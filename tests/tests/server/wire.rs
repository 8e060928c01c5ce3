//! Messages as a stranger writes them, and a server to send them to.

use prost::Message;
use sealdb_proto::v1::attribute_value::Value;
use sealdb_proto::v1::write_request::Request as Write;
use sealdb_proto::v1::{
    AttributeDefinition, AttributeValue, BatchWriteItemRequest, CreateTableRequest,
    KeySchemaElement, ListValue, MapValue, PutItemRequest, QueryRequest, TableWriteRequests,
    WriteRequest,
};
use sealdb_tests::raw::Raw;
use sealdb_tests::server::{Home, Server};

pub(super) const OPERATIONS: [&str; 30] = [
    "CreateTable",
    "DescribeTable",
    "ListTables",
    "UpdateTable",
    "UpdateTimeToLive",
    "DescribeTimeToLive",
    "TagResource",
    "UntagResource",
    "ListTagsOfResource",
    "DeleteTable",
    "PutItem",
    "GetItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "BatchGetItem",
    "TransactWriteItems",
    "TransactGetItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
    "Query",
    "QueryStream",
    "Scan",
    "ScanStream",
    "ListStreams",
    "DescribeStream",
    "GetShardIterator",
    "GetRecords",
    "GetRecordsStream",
];

pub(super) fn value(value: Value) -> AttributeValue {
    AttributeValue { value: Some(value) }
}

pub(super) fn text(text: &str) -> AttributeValue {
    value(Value::S(text.to_owned()))
}

pub(super) fn number(text: &str) -> AttributeValue {
    value(Value::N(text.to_owned()))
}

pub(super) fn map(entries: &[(&str, AttributeValue)]) -> MapValue {
    MapValue {
        names: entries.iter().map(|(name, _)| (*name).to_owned()).collect(),
        values: entries.iter().map(|(_, value)| value.clone()).collect(),
    }
}

/// An item of the table, with one more attribute.
pub(super) fn item(name: &str, value: AttributeValue) -> MapValue {
    map(&[("pk", text("a")), ("sk", number("1")), (name, value)])
}

pub(super) fn key() -> MapValue {
    map(&[("pk", text("a")), ("sk", number("1"))])
}

/// A value of this many maps (or lists, in turn) within each other.
pub(super) fn nested(depth: usize) -> AttributeValue {
    (0..depth).fold(text("core"), |inner, level| {
        if level % 2 == 0 {
            value(Value::M(map(&[("a", inner)])))
        } else {
            value(Value::L(ListValue {
                values: vec![inner],
            }))
        }
    })
}

pub(super) fn create(
    table: &str,
    keys: &[(&str, i32)],
    definitions: &[(&str, i32)],
) -> CreateTableRequest {
    CreateTableRequest {
        table_name: table.to_owned(),
        key_schema: keys
            .iter()
            .map(|(name, kind)| KeySchemaElement {
                attribute_name: (*name).to_owned(),
                key_type: *kind,
            })
            .collect(),
        attribute_definitions: definitions
            .iter()
            .map(|(name, kind)| AttributeDefinition {
                attribute_name: (*name).to_owned(),
                attribute_type: *kind,
            })
            .collect(),
        ..Default::default()
    }
}

pub(super) fn put(table: &str, item: Option<MapValue>) -> PutItemRequest {
    PutItemRequest {
        table_name: table.to_owned(),
        item,
        ..Default::default()
    }
}

pub(super) fn batch(table: &str, requests: Vec<Option<Write>>) -> BatchWriteItemRequest {
    BatchWriteItemRequest {
        request_items: vec![TableWriteRequests {
            table_name: table.to_owned(),
            requests: requests
                .into_iter()
                .map(|request| WriteRequest { request })
                .collect(),
        }],
        ..BatchWriteItemRequest::default()
    }
}

pub(super) fn query(expression: &str, values: &[(&str, AttributeValue)]) -> QueryRequest {
    QueryRequest {
        table_name: "table".to_owned(),
        key_condition_expression: Some(expression.to_owned()),
        expression_attribute_values: (!values.is_empty()).then(|| map(values)),
        ..Default::default()
    }
}

pub(super) async fn with_table() -> (Home, Server, Raw) {
    with_table_and(&[]).await
}

/// A server with a table, and flags of ours.
pub(super) async fn with_table_and(flags: &[&str]) -> (Home, Server, Raw) {
    let home = Home::new();
    let server = home.start_with(flags);
    let raw = Raw::connect(&home, &server).await;
    let input = create("table", &[("pk", 1), ("sk", 2)], &[("pk", 1), ("sk", 2)]);
    raw.call("CreateTable", input.encode_to_vec())
        .await
        .unwrap();
    (home, server, raw)
}

/// The server is healthy, works, has not panicked, and ends in order.
pub(super) async fn well(home: &Home, mut server: Server, raw: &Raw) {
    assert!(raw.is_healthy().await);
    raw.call(
        "PutItem",
        put("table", Some(item("last", text("words")))).encode_to_vec(),
    )
    .await
    .unwrap();
    assert!(server.runs());
    let server = tokio::task::spawn_blocking(move || server.terminate());
    assert!(server.await.unwrap().success());
    assert!(!home.log().contains("panicked"), "{}", home.log());
}
