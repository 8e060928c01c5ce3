//! Updates, conditions, filters and projections through the client, and what their errors carry.

use sealdb_client::Client;
use sealdb_client::model::ops::{
    AttributeAction, AttributeValueUpdate, BatchGetItemInput, ComparisonOperator, CreateTableInput,
    DeleteItemInput, ExpectedAttributeValue, GetItemInput, KeysAndAttributes, PutItemInput,
    QueryInput, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    ScanInput, UpdateItemInput,
};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map, ScalarType};
use sealdb_tests::server::Home;

async fn filled(client: &Client) {
    let input = CreateTableInput::new("counters")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    client.create_table(input).await.unwrap();
    for sk in 0..6 {
        let put = PutItemInput::new("counters", counter(sk, sk * 10));
        client.put_item(put).await.unwrap();
    }
}

fn key(sk: i32) -> Map {
    Map::from([("pk", AttributeValue::from("a")), ("sk", sk.into())])
}

fn counter(sk: i32, n: i32) -> Item {
    let mut item = key(sk);
    item.insert("n", n);
    item.insert("tag", "x");
    item
}

#[tokio::test]
async fn updates_change_what_they_say_and_give_back_what_was_asked_for() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let update = |sk| UpdateItemInput::new("counters", key(sk));
    let add = update(1)
        .update_expression("SET #n = #n + :d REMOVE tag")
        .name("#n", "n")
        .value(":d", 5)
        .return_values(ReturnValue::UpdatedNew)
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let output = client.update_item(add.clone()).await.unwrap();
    assert_eq!(output.attributes, Some(Item::from([("n", 15)])));
    let capacity = output.consumed_capacity.unwrap();
    assert_eq!(capacity.total.capacity_units.as_f64(), 1.0);
    assert_eq!(
        client.update_item(add).await.unwrap().attributes,
        Some(Item::from([("n", 20)]))
    );
    let made = update(9)
        .update_expression("ADD hits :one")
        .value(":one", 1)
        .return_values(ReturnValue::AllNew);
    let made = client.update_item(made).await.unwrap().attributes.unwrap();
    assert_eq!(made.get("hits"), Some(&AttributeValue::from(1)));
    assert_eq!(made.get("sk"), Some(&AttributeValue::from(9)));

    let older = update(2)
        .attribute_updates([(
            "n".to_owned(),
            AttributeValueUpdate::new()
                .value(7)
                .action(AttributeAction::Add),
        )])
        .expected([(
            "n".to_owned(),
            ExpectedAttributeValue::new()
                .comparison_operator(ComparisonOperator::Eq)
                .attribute_value_list(vec![20.into()]),
        )])
        .return_values(ReturnValue::AllOld);
    let old = client.update_item(older).await.unwrap().attributes;
    assert_eq!(old, Some(counter(2, 20)));
    let got = client
        .get_item(GetItemInput::new("counters", key(2)).projection_expression("n"))
        .await
        .unwrap();
    assert_eq!(got.item, Some(Item::from([("n", 27)])));
}

#[tokio::test]
async fn a_false_condition_writes_nothing_and_tells_what_it_met() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let put = PutItemInput::new("counters", counter(3, 0))
        .condition_expression("attribute_not_exists(pk)");
    let error = client.put_item(put.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConditionalCheckFailedException);
    assert_eq!(error.message(), "The conditional request failed");
    assert_eq!(error.item(), None);
    assert!(!error.retryable());
    let telling = ReturnValuesOnConditionCheckFailure::AllOld;
    let error = client
        .put_item(put.return_values_on_condition_check_failure(telling))
        .await
        .unwrap_err();
    assert_eq!(error.item(), Some(&counter(3, 30)));

    // An item of the largest size comes back with the error, too.
    let mut large = key(50);
    large.insert("blob", vec![7; 390 * 1024]);
    client
        .put_item(PutItemInput::new("counters", large.clone()))
        .await
        .unwrap();
    let delete = DeleteItemInput::new("counters", key(50))
        .condition_expression("attribute_exists(nothing)")
        .return_values_on_condition_check_failure(telling);
    let error = client.delete_item(delete).await.unwrap_err();
    assert_eq!(error.item(), Some(&large));
    let update = UpdateItemInput::new("counters", key(3))
        .update_expression("SET n = :n")
        .condition_expression("n > :n")
        .value(":n", 1000);
    let error = client.update_item(update).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConditionalCheckFailedException);
    let got = client.get_item(GetItemInput::new("counters", key(3))).await;
    assert_eq!(got.unwrap().item, Some(counter(3, 30)));
}

#[tokio::test]
async fn filters_and_projections_hold_in_pages_and_in_streams() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let query = QueryInput::new("counters", "pk = :p")
        .filter_expression("n >= :n")
        .projection_expression("n")
        .value(":p", "a")
        .value(":n", 30)
        .limit(2);
    let page = client.query(query.clone()).await.unwrap();
    assert_eq!((page.count, page.scanned_count), (0, 2));
    assert!(
        page.last_evaluated_key.is_some(),
        "an empty page in between"
    );
    let mut items = client.query_stream(query).items();
    let mut found = Vec::new();
    while let Some(item) = items.next().await {
        found.push(item.unwrap());
    }
    assert_eq!(found, [30, 40, 50].map(|n| Item::from([("n", n)])));
    let scan = ScanInput::new("counters")
        .filter_expression("contains(tag, :x) AND sk <> :one")
        .value(":x", "x")
        .value(":one", 1);
    let mut pages = client.scan_stream(scan);
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().count;
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn a_batch_reads_what_there_is() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let keys = KeysAndAttributes::new((0..8).map(key).collect()).projection_expression("sk");
    let found = client
        .batch_get_all(BatchGetItemInput::new().keys("counters", keys))
        .await
        .unwrap();
    let sks: Vec<_> = found["counters"]
        .iter()
        .map(|item| item.get("sk").cloned().unwrap())
        .collect();
    assert_eq!(sks.len(), 6);
    let twice = BatchGetItemInput::new()
        .key("counters", key(1))
        .key("counters", key(1));
    let error = client.batch_get_item(twice).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationException);
}
