//! Every operation over gRPC, and what each says to bad input.
#![allow(clippy::unwrap_used)]

mod support;

use sealdb::ErrorCode;
use sealdb_proto::named_error;
use sealdb_proto::v1::attribute_value::Value;
use sealdb_proto::v1::{
    AttributeDefinition, AttributeValue, BatchWriteItemRequest, CreateTableRequest,
    DeleteItemRequest, DeleteTableRequest, DescribeTableRequest, GetItemRequest, KeySchemaElement,
    KeyType, ListTablesRequest, ListValue, MapValue, PutItemRequest, QueryRequest, ReturnValue,
    ScalarAttributeType, ScanRequest, SseStatus, TableStatus, TableWriteRequests, WriteRequest,
    write_request,
};
use support::{Client, config, serve};
use tonic::Status;

fn s(text: &str) -> AttributeValue {
    AttributeValue {
        value: Some(Value::S(text.to_owned())),
    }
}

fn n(number: &str) -> AttributeValue {
    AttributeValue {
        value: Some(Value::N(number.to_owned())),
    }
}

fn map(pairs: &[(&str, AttributeValue)]) -> MapValue {
    MapValue {
        names: pairs.iter().map(|(name, _)| (*name).to_owned()).collect(),
        values: pairs.iter().map(|(_, value)| value.clone()).collect(),
    }
}

fn table(name: &str) -> CreateTableRequest {
    let key = |name: &str, kind: KeyType| KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: kind.into(),
    };
    let attribute = |name: &str, kind: ScalarAttributeType| AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type: kind.into(),
    };
    CreateTableRequest {
        table_name: name.to_owned(),
        key_schema: vec![key("artist", KeyType::Hash), key("year", KeyType::Range)],
        attribute_definitions: vec![
            attribute("artist", ScalarAttributeType::S),
            attribute("year", ScalarAttributeType::N),
        ],
        ..CreateTableRequest::default()
    }
}

fn put(artist: &str, year: &str, title: &str) -> PutItemRequest {
    PutItemRequest {
        table_name: "Music".to_owned(),
        item: Some(map(&[
            ("artist", s(artist)),
            ("year", n(year)),
            ("title", s(title)),
        ])),
        return_values: ReturnValue::AllOld.into(),
        ..PutItemRequest::default()
    }
}

fn key(artist: &str, year: &str) -> Option<MapValue> {
    Some(map(&[("artist", s(artist)), ("year", n(year))]))
}

fn get(artist: &str, year: &str) -> GetItemRequest {
    GetItemRequest {
        table_name: "Music".to_owned(),
        key: key(artist, year),
        consistent_read: true,
        ..GetItemRequest::default()
    }
}

fn title(item: &MapValue) -> &str {
    let at = item.names.iter().position(|name| name == "title").unwrap();
    match &item.values[at].value {
        Some(Value::S(title)) => title,
        other => panic!("{other:?}"),
    }
}

async fn fill(client: &mut Client) {
    client.create_table(table("Music")).await.unwrap();
    for (artist, year, title) in [
        ("A", "1999", "one"),
        ("A", "2001", "two"),
        ("A", "-3", "zero"),
        ("B", "7", "other"),
    ] {
        assert!(
            client
                .put_item(put(artist, year, title))
                .await
                .unwrap()
                .into_inner()
                .attributes
                .is_none()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_does_what_it_says_and_a_restart_keeps_it() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    fill(&mut client).await;
    let old = client
        .put_item(put("A", "2001", "two again"))
        .await
        .unwrap()
        .into_inner()
        .attributes
        .unwrap();
    assert_eq!(title(&old), "two");
    let got = client
        .get_item(get("A", "2001.0"))
        .await
        .unwrap()
        .into_inner()
        .item
        .unwrap();
    assert_eq!(title(&got), "two again");
    let query = QueryRequest {
        table_name: "Music".to_owned(),
        key_condition_expression: Some("artist = :a AND #y > :y".to_owned()),
        expression_attribute_names: [("#y".to_owned(), "year".to_owned())].into(),
        expression_attribute_values: Some(map(&[(":a", s("A")), (":y", n("-5"))])),
        scan_index_forward: Some(false),
        limit: Some(2),
        ..QueryRequest::default()
    };
    let page = client.query(query.clone()).await.unwrap().into_inner();
    assert_eq!(
        page.items.iter().map(title).collect::<Vec<_>>(),
        ["two again", "one"]
    );
    let next = QueryRequest {
        exclusive_start_key: page.last_evaluated_key,
        ..query
    };
    let page = client.query(next).await.unwrap().into_inner();
    assert_eq!(page.items.iter().map(title).collect::<Vec<_>>(), ["zero"]);
    let delete = DeleteItemRequest {
        table_name: "Music".to_owned(),
        key: key("B", "7"),
        return_values: ReturnValue::AllOld.into(),
        ..DeleteItemRequest::default()
    };
    assert_eq!(
        title(
            &client
                .delete_item(delete)
                .await
                .unwrap()
                .into_inner()
                .attributes
                .unwrap()
        ),
        "other"
    );
    let write = |request| WriteRequest {
        request: Some(request),
    };
    let batch = BatchWriteItemRequest {
        request_items: vec![TableWriteRequests {
            table_name: "Music".to_owned(),
            requests: vec![
                write(write_request::Request::PutItem(
                    put("C", "1", "batched").item.unwrap(),
                )),
                write(write_request::Request::DeleteKey(key("A", "-3").unwrap())),
            ],
        }],
        ..BatchWriteItemRequest::default()
    };
    assert!(
        client
            .batch_write_item(batch)
            .await
            .unwrap()
            .into_inner()
            .unprocessed_items
            .is_empty()
    );
    let described = client
        .describe_table(DescribeTableRequest {
            table_name: "Music".to_owned(),
        })
        .await
        .unwrap();
    let described = described.into_inner().table.unwrap();
    assert_eq!(
        (described.item_count, described.table_status()),
        (3, TableStatus::Active)
    );
    assert_eq!(
        described.sse_description.unwrap().status(),
        SseStatus::Enabled
    );

    let support::Served { running, dir } = served;
    running.shutdown().await.unwrap();
    let mut again = config(dir.path());
    again.init = false;
    let served = support::Served {
        running: sealdb_server::start(again).await.unwrap(),
        dir,
    };
    assert!(!served.running.created);
    let mut client = served.client().await;
    let names = client
        .list_tables(ListTablesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .table_names;
    assert_eq!(names, ["Music"]);
    let scan = ScanRequest {
        table_name: "Music".to_owned(),
        ..ScanRequest::default()
    };
    let page = client.scan(scan).await.unwrap().into_inner();
    let mut titles: Vec<&str> = page.items.iter().map(title).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["batched", "one", "two again"]);
    client
        .delete_table(DeleteTableRequest {
            table_name: "Music".to_owned(),
        })
        .await
        .unwrap();
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_and_the_server_stays_up() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    fill(&mut client).await;
    let refused = |what: &str, status: Status, parts: &[&str]| {
        assert_eq!(
            named_error(&status),
            Some(ErrorCode::ValidationException),
            "{what}: {status:?}"
        );
        for part in parts {
            assert!(
                status.message().contains(part),
                "{what}: {part} is not in {}",
                status.message()
            );
        }
    };
    let bad = CreateTableRequest {
        table_name: "x".to_owned(),
        ..table("x")
    };
    refused(
        "CreateTable",
        client.create_table(bad).await.unwrap_err(),
        &["ableName"],
    );
    let twice = client.create_table(table("Music")).await.unwrap_err();
    assert_eq!(named_error(&twice), Some(ErrorCode::ResourceInUseException));
    let bad = DescribeTableRequest {
        table_name: "no spaces".to_owned(),
    };
    refused(
        "DescribeTable",
        client.describe_table(bad).await.unwrap_err(),
        &["ableName"],
    );
    let bad = DeleteTableRequest {
        table_name: String::new(),
    };
    refused(
        "DeleteTable",
        client.delete_table(bad).await.unwrap_err(),
        &["ableName"],
    );
    let bad = ListTablesRequest {
        limit: Some(0),
        ..ListTablesRequest::default()
    };
    refused(
        "ListTables",
        client.list_tables(bad).await.unwrap_err(),
        &["limit"],
    );
    let bad = PutItemRequest {
        item: Some(map(&[("artist", s("A"))])),
        ..put("A", "1", "x")
    };
    refused(
        "PutItem",
        client.put_item(bad).await.unwrap_err(),
        &["year"],
    );
    let bad = PutItemRequest {
        item: Some(map(&[("artist", s("A")), ("year", n("1e500"))])),
        ..put("A", "1", "x")
    };
    refused(
        "PutItem",
        client.put_item(bad).await.unwrap_err(),
        &["year"],
    );
    let bad = PutItemRequest {
        item: Some(MapValue {
            names: vec!["artist".to_owned(); 2],
            values: vec![s("A")],
        }),
        ..put("A", "1", "x")
    };
    refused(
        "PutItem",
        client.put_item(bad).await.unwrap_err(),
        &["item"],
    );
    let bad = GetItemRequest {
        key: Some(map(&[("artist", s("A"))])),
        ..get("A", "1")
    };
    refused("GetItem", client.get_item(bad).await.unwrap_err(), &[]);
    let bad = DeleteItemRequest {
        table_name: "Music".to_owned(),
        key: None,
        return_values: 0,
        ..DeleteItemRequest::default()
    };
    refused(
        "DeleteItem",
        client.delete_item(bad).await.unwrap_err(),
        &["key"],
    );
    let bad = DeleteItemRequest {
        table_name: "Music".to_owned(),
        key: key("A", "1"),
        return_values: 77,
        ..DeleteItemRequest::default()
    };
    refused(
        "DeleteItem",
        client.delete_item(bad).await.unwrap_err(),
        &["return_values"],
    );
    refused(
        "BatchWriteItem",
        client
            .batch_write_item(BatchWriteItemRequest::default())
            .await
            .unwrap_err(),
        &[],
    );
    let bad = QueryRequest {
        table_name: "Music".to_owned(),
        key_condition_expression: Some("artist = :missing".to_owned()),
        expression_attribute_values: Some(map(&[(":a", s("A"))])),
        ..QueryRequest::default()
    };
    refused("Query", client.query(bad).await.unwrap_err(), &[":missing"]);
    let bad = ScanRequest {
        table_name: "Music".to_owned(),
        segment: Some(3),
        total_segments: Some(2),
        ..ScanRequest::default()
    };
    refused("Scan", client.scan(bad).await.unwrap_err(), &["egment"]);
    let unknown = client
        .scan(ScanRequest {
            table_name: "Nowhere".to_owned(),
            ..ScanRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(
        named_error(&unknown),
        Some(ErrorCode::ResourceNotFoundException)
    );
    assert!(
        client
            .get_item(get("A", "1999"))
            .await
            .unwrap()
            .into_inner()
            .item
            .is_some()
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_32_passes_and_33_is_refused() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    fill(&mut client).await;
    let nested = |levels: usize, lists: bool| {
        let mut value = s("deep");
        for _ in 0..levels {
            value = AttributeValue {
                value: Some(match lists {
                    true => Value::L(ListValue {
                        values: vec![value],
                    }),
                    false => Value::M(map(&[("m", value)])),
                }),
            };
        }
        PutItemRequest {
            table_name: "Music".to_owned(),
            item: Some(map(&[
                ("artist", s("deep")),
                ("year", n("1")),
                ("title", s("t")),
                ("d", value),
            ])),
            return_values: 0,
            ..PutItemRequest::default()
        }
    };
    for lists in [false, true] {
        client.put_item(nested(32, lists)).await.unwrap();
        let got = client
            .get_item(get("deep", "1"))
            .await
            .unwrap()
            .into_inner()
            .item
            .unwrap();
        assert_eq!(got.names.len(), 4);
        for levels in [33, 40] {
            let status = client.put_item(nested(levels, lists)).await.unwrap_err();
            assert_eq!(
                named_error(&status),
                Some(ErrorCode::ValidationException),
                "{levels}: {status:?}"
            );
        }
        // Deeper than protobuf decoders go: refused by the transport, and nothing falls over.
        client.put_item(nested(200, lists)).await.unwrap_err();
    }
    assert!(
        client
            .get_item(get("A", "1999"))
            .await
            .unwrap()
            .into_inner()
            .item
            .is_some()
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_is_told_so() {
    let served = serve(|_| {}).await;
    let endpoint = served.endpoint();
    let second = sealdb_server::start(config(served.dir.path()))
        .await
        .err()
        .unwrap();
    let text = second.to_string();
    assert!(text.contains("cannot open the database"), "{text}");
    assert_eq!(
        served.endpoint(),
        endpoint,
        "the first one's endpoint file stands"
    );
    served.running.shutdown().await.unwrap();
}
