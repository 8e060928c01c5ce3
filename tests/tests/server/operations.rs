//! Every operation through the client, against a server of its own.

use std::collections::BTreeSet;

use sealdb_client::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, DeleteTableInput, DescribeTableInput,
    GetItemInput, ListTablesInput, PutItemInput, QueryInput, ReturnValue, ScanInput, Select,
    SseType, TableStatus,
};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map, Number, ScalarType, item_size};
use sealdb_client::{Client, Error};
use sealdb_tests::raw::Raw;
use sealdb_tests::server::Home;

async fn create(client: &Client, table: &str) {
    let input = CreateTableInput::new(table)
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    client.create_table(input).await.unwrap();
}

fn key(pk: &str, sk: i32) -> Map {
    Map::from([
        ("pk", AttributeValue::from(pk)),
        ("sk", Number::from(sk).into()),
    ])
}

fn item(pk: &str, sk: i32, text: &str) -> Item {
    let mut item = key(pk, sk);
    item.insert("text", text);
    item
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, code: ErrorCode, part: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(part), "{error}");
}

#[tokio::test]
async fn tables_come_are_described_and_go() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    let listed = client.list_tables(ListTablesInput::new()).await.unwrap();
    assert_eq!(listed.table_names, Vec::<String>::new());

    create(&client, "table").await;
    let again = CreateTableInput::new("table").partition_key("id", ScalarType::B);
    assert_refused(
        client.create_table(again).await,
        ErrorCode::ResourceInUseException,
        "table",
    );
    for number in 0..40 {
        client
            .put_item(PutItemInput::new("table", item("a", number, "text")))
            .await
            .unwrap();
    }
    let described = client
        .describe_table(DescribeTableInput::new("table"))
        .await
        .unwrap()
        .table;
    assert_eq!(described.table_status, TableStatus::Active);
    assert_eq!(described.item_count, 40);
    let size: usize = (0..40)
        .map(|number| item_size(&item("a", number, "text")))
        .sum();
    assert_eq!(described.table_size_bytes, size as u64);
    let sse = described.sse_description.unwrap();
    assert_eq!(sse.sse_type, SseType::Kms);
    assert!(!sse.kms_master_key_arn.is_empty());

    let deleted = client
        .delete_table(DeleteTableInput::new("table"))
        .await
        .unwrap()
        .table_description;
    assert_eq!(deleted.table_id, described.table_id);
    assert_refused(
        client
            .describe_table(DescribeTableInput::new("table"))
            .await,
        ErrorCode::ResourceNotFoundException,
        "table",
    );
    assert_refused(
        client
            .get_item(GetItemInput::new("table", key("a", 1)))
            .await,
        ErrorCode::ResourceNotFoundException,
        "",
    );
    // The name is free again, and the new table is another one, and empty.
    create(&client, "table").await;
    let renewed = client
        .describe_table(DescribeTableInput::new("table"))
        .await
        .unwrap()
        .table;
    assert_ne!(renewed.table_id, described.table_id);
    assert_eq!(renewed.item_count, 0);

    // A protected table is not deleted.
    let mut protected = CreateTableInput::new("protected").partition_key("id", ScalarType::S);
    protected.deletion_protection_enabled = true;
    let protected = client.create_table(protected).await.unwrap();
    assert!(protected.table_description.deletion_protection_enabled);
    assert_refused(
        client
            .delete_table(DeleteTableInput::new("protected"))
            .await,
        ErrorCode::ValidationException,
        "protected against deletion",
    );
}

#[tokio::test]
async fn items_are_put_got_replaced_and_deleted() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    create(&client, "table").await;
    let every_type = Item::from([
        ("pk", AttributeValue::from("ä/\u{0}/名")),
        (
            "sk",
            "-12345678901234567890123456789012345678e-100"
                .parse::<Number>()
                .unwrap()
                .into(),
        ),
        ("s", "".into()),
        (
            "n",
            "9.9999999999999999999999999999999999999e125"
                .parse::<Number>()
                .unwrap()
                .into(),
        ),
        ("b", vec![0u8, 255, 10].into()),
        ("yes", true.into()),
        ("nothing", AttributeValue::Null),
        (
            "map",
            AttributeValue::M(Map::from([("", "x")].map(|(_, v)| ("inner", v)))),
        ),
        (
            "list",
            AttributeValue::L(vec!["a".into(), AttributeValue::Null]),
        ),
        ("texts", AttributeValue::Ss(vec!["b".into(), "a".into()])),
        (
            "numbers",
            AttributeValue::Ns(vec![Number::from(2), Number::from(-1)]),
        ),
        ("binaries", AttributeValue::Bs(vec![vec![], vec![7; 300]])),
    ]);
    client
        .put_item(PutItemInput::new("table", every_type.clone()))
        .await
        .unwrap();
    let mut its_key = every_type.clone();
    its_key.retain(|name, _| name == "pk" || name == "sk");
    let got = client
        .get_item(GetItemInput::new("table", its_key).consistent_read(true))
        .await
        .unwrap();
    assert_eq!(got.item, Some(every_type));

    let put = |text: &str| {
        PutItemInput::new("table", item("a", 1, text)).return_values(ReturnValue::AllOld)
    };
    assert_eq!(
        client.put_item(put("first")).await.unwrap().attributes,
        None
    );
    assert_eq!(
        client.put_item(put("second")).await.unwrap().attributes,
        Some(item("a", 1, "first"))
    );
    let delete = || DeleteItemInput::new("table", key("a", 1)).return_values(ReturnValue::AllOld);
    assert_eq!(
        client.delete_item(delete()).await.unwrap().attributes,
        Some(item("a", 1, "second"))
    );
    assert_eq!(client.delete_item(delete()).await.unwrap().attributes, None);
    assert_eq!(
        client
            .get_item(GetItemInput::new("table", key("a", 1)))
            .await
            .unwrap()
            .item,
        None
    );
}

#[tokio::test]
async fn batches_queries_and_scans_page_through_everything() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    create(&client, "table").await;
    // 3 x 200 items of 10 KB: more than one page of 1 MB for each partition, and several for a scan.
    let filler = "f".repeat(10_000);
    for pk in ["a", "b", "c"] {
        for chunk in 0..8 {
            let mut batch = BatchWriteItemInput::new();
            for number in chunk * 25..(chunk + 1) * 25 {
                batch = batch.put("table", item(pk, number, &filler));
            }
            client.batch_write_all(batch).await.unwrap();
        }
    }
    let mut batch = BatchWriteItemInput::new();
    for number in 0..5 {
        batch = batch.delete("table", key("c", number));
    }
    client.batch_write_all(batch).await.unwrap();

    let page = client
        .query(QueryInput::new("table", "pk = :p").value(":p", "b"))
        .await
        .unwrap();
    assert!(
        page.items.len() > 90 && page.items.len() < 115,
        "{} items in a page of 1 MB",
        page.items.len()
    );
    assert!(page.last_evaluated_key.is_some());

    let numbers = async |input: QueryInput| {
        let mut numbers = Vec::new();
        let mut pages = client.query_pages(input).items();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            let Some(AttributeValue::N(number)) = item.get("sk") else {
                panic!("no number")
            };
            numbers.push(number.to_string().parse::<i32>().unwrap());
        }
        numbers
    };
    let whole = || QueryInput::new("table", "pk = :p").value(":p", "b");
    assert_eq!(numbers(whole()).await, (0..200).collect::<Vec<_>>());
    assert_eq!(
        numbers(whole().scan_index_forward(false)).await,
        (0..200).rev().collect::<Vec<_>>()
    );
    assert_eq!(
        numbers(whole().limit(7)).await,
        (0..200).collect::<Vec<_>>()
    );
    let condition = |text: &str| {
        QueryInput::new("table", format!("#p = :p AND {text}"))
            .name("#p", "pk")
            .value(":p", "b")
            .value(":x", Number::from(100))
    };
    for (text, expected) in [
        ("sk = :x", (100..101).collect::<Vec<_>>()),
        ("sk < :x", (0..100).collect()),
        ("sk <= :x", (0..101).collect()),
        ("sk > :x", (101..200).collect()),
        ("sk >= :x", (100..200).collect()),
    ] {
        assert_eq!(numbers(condition(text)).await, expected, "{text}");
    }
    let between = condition("sk BETWEEN :x AND :y").value(":y", Number::from(110));
    assert_eq!(numbers(between).await, (100..111).collect::<Vec<_>>());
    let counted = client
        .query(condition("sk < :x").select(Select::Count))
        .await
        .unwrap();
    assert_eq!((counted.count, counted.items.len()), (100, 0));

    let mut seen = BTreeSet::new();
    let mut all = client.scan_pages(ScanInput::new("table")).items();
    while let Some(item) = all.next().await {
        let item = item.unwrap();
        assert!(seen.insert(format!(
            "{:?}{:?}",
            text_of(&item, "pk"),
            text_of(&item, "sk")
        )));
    }
    assert_eq!(seen.len(), 595);
    let mut in_segments = 0;
    for segment in 0..4 {
        let input = ScanInput::new("table")
            .segment(segment)
            .total_segments(4)
            .limit(50);
        let mut pages = client.scan_pages(input);
        while let Some(page) = pages.next().await {
            in_segments += page.unwrap().count;
        }
    }
    assert_eq!(in_segments, 595);
}

fn text_of(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(AttributeValue::N(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_and_binary_sort_keys_have_prefixes() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    for (table, kind) in [("texts", ScalarType::S), ("binaries", ScalarType::B)] {
        let input = CreateTableInput::new(table)
            .partition_key("pk", ScalarType::N)
            .sort_key("sk", kind);
        client.create_table(input).await.unwrap();
        let value = |text: &str| match kind {
            ScalarType::B => AttributeValue::from(text.as_bytes().to_vec()),
            _ => AttributeValue::from(text),
        };
        for sk in ["b", "ba", "bb", "c", "bä"] {
            let item = Item::from([("pk", Number::from(1).into()), ("sk", value(sk))]);
            client
                .put_item(PutItemInput::new(table, item))
                .await
                .unwrap();
        }
        let input = QueryInput::new(table, "pk = :p AND begins_with(sk, :s)")
            .value(":p", Number::from(1))
            .value(":s", value("b"));
        let found = client.query(input).await.unwrap();
        assert_eq!(found.count, 4, "{table}");
        assert_eq!(found.items[3].get("sk"), Some(&value("bä")));
    }
}

#[tokio::test]
async fn names_of_many_tables_come_in_pages() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    for number in 0..7 {
        let input =
            CreateTableInput::new(format!("table-{number}")).partition_key("id", ScalarType::S);
        client.create_table(input).await.unwrap();
    }
    let mut names = Vec::new();
    let mut pages = client.list_tables_pages(ListTablesInput::new().limit(3));
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.table_names.len() <= 3);
        names.extend(page.table_names);
    }
    assert_eq!(
        names,
        (0..7)
            .map(|number| format!("table-{number}"))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn failed_calls_carry_the_exception_and_the_request_id() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    let error = client
        .get_item(GetItemInput::new("nowhere", key("a", 1)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceNotFoundException);
    assert!(
        error.request_id().is_some_and(|id| id.len() == 36),
        "{error}"
    );
    assert!(!error.retryable());
    // As those see it who do not use our client: google.rpc.ErrorInfo in the details.
    let raw = Raw::connect(&home, &server).await;
    let request = sealdb_proto::v1::DescribeTableRequest {
        table_name: "nowhere".to_owned(),
    };
    let status = raw
        .call(
            "DescribeTable",
            sealdb_proto::Message::encode_to_vec(&request),
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
    let details = String::from_utf8_lossy(status.details()).into_owned();
    for part in [
        "google.rpc.ErrorInfo",
        "ResourceNotFoundException",
        "sealdb",
    ] {
        assert!(details.contains(part), "{part} in {details:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_at_once_see_the_same_database() {
    let home = Home::new();
    let server = home.start();
    let (one, two) = (server.client().await, server.client().await);
    create(&one, "table").await;
    let write = async |client: &Client, pk: &str| {
        for number in 0..100 {
            client
                .put_item(PutItemInput::new("table", item(pk, number, "text")))
                .await
                .unwrap();
        }
    };
    tokio::join!(write(&one, "one"), write(&two, "two"));
    for (client, pk) in [(&one, "two"), (&two, "one")] {
        let found = client
            .query(QueryInput::new("table", "pk = :p").value(":p", pk))
            .await
            .unwrap();
        assert_eq!(found.count, 100);
    }
    // Both put the same items; each put stands whole, and the last of each item stands alone.
    let fight = async |client: &Client, text: &str| {
        for number in 0..100 {
            client
                .put_item(PutItemInput::new("table", item("both", number % 5, text)))
                .await
                .unwrap();
        }
    };
    tokio::join!(fight(&one, "one"), fight(&two, "two"));
    let found = one
        .query(QueryInput::new("table", "pk = :p").value(":p", "both"))
        .await
        .unwrap();
    assert_eq!(found.count, 5);
    for item in found.items {
        assert!(["one", "two"].contains(&text_of(&item, "text").as_str()));
    }
}
