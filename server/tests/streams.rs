//! Query, Scan and GetRecords as streams.
#![allow(clippy::unwrap_used)]

mod support;

use sealdb::ErrorCode;
use sealdb_proto::named_error;
use sealdb_proto::v1::attribute_value::Value;
use sealdb_proto::v1::{
    AttributeDefinition, AttributeValue, CreateTableRequest, DescribeStreamRequest,
    DescribeTableRequest, GetRecordsRequest, GetShardIteratorRequest, KeySchemaElement, KeyType,
    MapValue, PutItemRequest, QueryRequest, ScalarAttributeType, ScanRequest, ShardIteratorType,
    StreamSpecification, StreamViewType,
};
use support::{Client, serve};

const ITEMS: u32 = 7;

fn item(n: u32, bytes: usize) -> MapValue {
    let value = |value| AttributeValue { value: Some(value) };
    MapValue {
        names: vec!["pk".to_owned(), "n".to_owned(), "b".to_owned()],
        values: vec![
            value(Value::S("p".to_owned())),
            value(Value::N(n.to_string())),
            value(Value::B(vec![7; bytes])),
        ],
    }
}

/// A table T of seven items of one partition key.
async fn fill(client: &mut Client, bytes: usize) {
    let key = |name: &str, kind: KeyType| KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: kind.into(),
    };
    let attribute = |name: &str, kind: ScalarAttributeType| AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type: kind.into(),
    };
    let table = CreateTableRequest {
        table_name: "T01".to_owned(),
        key_schema: vec![key("pk", KeyType::Hash), key("n", KeyType::Range)],
        attribute_definitions: vec![
            attribute("pk", ScalarAttributeType::S),
            attribute("n", ScalarAttributeType::N),
        ],
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: StreamViewType::KeysOnly.into(),
        }),
        ..CreateTableRequest::default()
    };
    client.create_table(table).await.unwrap();
    for n in 0..ITEMS {
        put(client, n, bytes).await;
    }
}

async fn put(client: &mut Client, n: u32, bytes: usize) {
    let put = PutItemRequest {
        table_name: "T01".to_owned(),
        item: Some(item(n, bytes)),
        ..PutItemRequest::default()
    };
    client.put_item(put).await.unwrap();
}

/// From the oldest record of the table's stream on.
async fn oldest(client: &mut Client) -> GetRecordsRequest {
    let described = DescribeTableRequest {
        table_name: "T01".to_owned(),
    };
    let described = client.describe_table(described).await.unwrap().into_inner();
    let stream_arn = described.table.unwrap().latest_stream_arn.unwrap();
    let stream = DescribeStreamRequest {
        stream_arn: stream_arn.clone(),
        ..DescribeStreamRequest::default()
    };
    let stream = client.describe_stream(stream).await.unwrap().into_inner();
    let iterator = GetShardIteratorRequest {
        stream_arn,
        shard_id: stream.stream_description.unwrap().shards[0]
            .shard_id
            .clone(),
        shard_iterator_type: ShardIteratorType::TrimHorizon.into(),
        sequence_number: None,
    };
    let iterator = client.get_shard_iterator(iterator).await.unwrap();
    GetRecordsRequest {
        shard_iterator: iterator.into_inner().shard_iterator,
        limit: Some(3),
    }
}

fn query(limit: i32) -> QueryRequest {
    QueryRequest {
        table_name: "T01".to_owned(),
        key_condition_expression: Some("pk = :p".to_owned()),
        expression_attribute_values: Some(MapValue {
            names: vec![":p".to_owned()],
            values: vec![AttributeValue {
                value: Some(Value::S("p".to_owned())),
            }],
        }),
        limit: Some(limit),
        ..QueryRequest::default()
    }
}

fn scan(limit: i32) -> ScanRequest {
    ScanRequest {
        table_name: "T01".to_owned(),
        limit: Some(limit),
        ..ScanRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_from_page_to_page_to_the_end() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    fill(&mut client, 10).await;
    let mut pages = client.query_stream(query(3)).await.unwrap().into_inner();
    let mut items = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        sizes.push(page.items.len());
        items.extend(page.items);
    }
    assert_eq!(sizes, [3, 3, 1]);
    let all: Vec<MapValue> = (0..ITEMS).map(|n| item(n, 10)).collect();
    for (got, wanted) in items.iter().zip(&all) {
        let sorted = |item: &MapValue| {
            let mut pairs: Vec<_> = item.names.iter().zip(&item.values).collect();
            pairs.sort_by_key(|(name, _)| (*name).clone());
            pairs
                .into_iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(sorted(got), sorted(wanted));
    }
    assert_eq!(items.len(), all.len());
    let mut pages = client.scan_stream(scan(4)).await.unwrap().into_inner();
    let mut counts = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        counts.push(page.count);
    }
    assert_eq!(counts, [4, 3]);

    let nowhere = ScanRequest {
        table_name: "nowhere".to_owned(),
        ..ScanRequest::default()
    };
    let mut pages = client.scan_stream(nowhere).await.unwrap().into_inner();
    let error = pages.message().await.unwrap_err();
    assert_eq!(
        named_error(&error),
        Some(ErrorCode::ResourceNotFoundException)
    );
    let error = client
        .scan_stream(ScanRequest {
            select: 77,
            ..scan(1)
        })
        .await
        .unwrap_err();
    assert_eq!(named_error(&error), Some(ErrorCode::ValidationException));
    served.running.shutdown().await.unwrap();
}

/// Or else the answers of all calls would not be bounded.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_keeps_its_place_in_flight() {
    let served = serve(|config| config.limits.max_in_flight = 1).await;
    let mut client = served.client().await;
    // More than the client's window of 2 MB and what the server's side of the connection takes before it waits.
    fill(&mut client, 390 * 1024).await;
    let describe = || DescribeTableRequest {
        table_name: "T01".to_owned(),
    };
    let mut pages = client.scan_stream(scan(1)).await.unwrap().into_inner();
    assert_eq!(pages.message().await.unwrap().unwrap().count, 1);
    let error = client.describe_table(describe()).await.unwrap_err();
    assert_eq!(named_error(&error), Some(ErrorCode::ThrottlingException));
    drop(pages);
    // The server hears of it a moment later.
    while client.describe_table(describe()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_stream_sends_what_comes_and_ends_when_the_server_stops() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    fill(&mut client, 10).await;
    let from = oldest(&mut client).await;
    let mut pages = client.get_records_stream(from.clone()).await.unwrap();
    let pages = pages.get_mut();
    let mut page = async || pages.message().await.unwrap();
    let sizes = [page().await, page().await, page().await];
    let sizes = sizes.map(|page| page.unwrap().records.len());
    assert_eq!(sizes, [3, 3, 1]);
    put(&mut client, 100, 10).await;
    let pushed = page().await.unwrap();
    assert_eq!(pushed.records.len(), 1);

    // Who comes back goes on from there.
    let next = GetRecordsRequest {
        shard_iterator: pushed.next_shard_iterator.unwrap(),
        limit: None,
    };
    let mut again = client.get_records_stream(next).await.unwrap();
    put(&mut client, 101, 10).await;
    for pages in [pages, again.get_mut()] {
        assert_eq!(pages.message().await.unwrap().unwrap().records.len(), 1);
    }
    let wrong = GetRecordsRequest {
        shard_iterator: "nothing".to_owned(),
        limit: None,
    };
    let mut refused = client.get_records_stream(wrong).await.unwrap();
    let error = refused.get_mut().message().await.unwrap_err();
    assert_eq!(named_error(&error), Some(ErrorCode::ValidationException));

    let (stopped, end) = tokio::join!(served.running.shutdown(), again.get_mut().message());
    stopped.unwrap();
    assert_eq!(end.unwrap(), None, "the end is no failure");
}

/// Or else those who wait would keep all others out.
#[tokio::test(flavor = "multi_thread")]
async fn followed_streams_leave_half_of_the_places_to_others() {
    let served = serve(|config| config.limits.max_in_flight = 4).await;
    let mut client = served.client().await;
    fill(&mut client, 10).await;
    let from = oldest(&mut client).await;
    let first = client.get_records_stream(from.clone()).await.unwrap();
    let second = client.get_records_stream(from.clone()).await.unwrap();
    let error = client.get_records_stream(from.clone()).await.unwrap_err();
    assert_eq!(named_error(&error), Some(ErrorCode::ThrottlingException));
    put(&mut client, 100, 10).await;
    drop((first, second));
    // The server hears of it a moment later.
    while client.get_records_stream(from.clone()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    served.running.shutdown().await.unwrap();
}
