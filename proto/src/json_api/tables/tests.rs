#![allow(clippy::unwrap_used)]

use sealdb_model::ops::TableDescription;
use serde_json::Value;

use super::super::render;
use super::super::tests::{read, validation};
use super::*;

/// A table of a partition key and a global index, as CreateTable describes it.
fn described() -> TableDescription {
    let mut table = read::<CreateTableInput>(
        r#"{"TableName": "abc", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{"IndexName": "index", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"}}]}"#,
    )
    .map(|input| TableDescription::new("abc", "id", &input.validate().unwrap().schema))
    .unwrap();
    let billing = &mut table.billing_mode_summary;
    billing.last_update_to_pay_per_request_date_time = Some(1_500);
    table
}

fn told<R: Response>(answer: &R) -> Value {
    serde_json::from_slice::<Value>(&render(answer)).unwrap()["TableDescription"].take()
}

#[test]
fn the_mode_is_told_by_two_names_and_since_when_once_the_table_is_there() {
    let table = described();
    let of = |mode: &str| serde_json::json!({mode: "PAY_PER_REQUEST"});
    let new = told(&CreateTableOutput::new(table.clone()));
    assert_eq!(new["BillingModeSummary"], of("BillingMode"));
    assert_eq!(new["TableThroughputModeSummary"], of("TableThroughputMode"));
    let answer = render(&DescribeTableOutput::new(table));
    let told: Value = serde_json::from_slice(&answer).unwrap();
    for name in ["BillingModeSummary", "TableThroughputModeSummary"] {
        let since = &told["Table"][name]["LastUpdateToPayPerRequestDateTime"];
        assert_eq!(since, 1.5, "{name}");
    }
}

#[test]
fn of_a_table_that_goes_the_schema_is_not_told() {
    let gone = told(&DeleteTableOutput::new(described()));
    assert_eq!(gone["TableStatus"], "DELETING");
    assert_eq!(gone["DeletionProtectionEnabled"], false);
    assert_eq!(gone["ItemCount"], 0);
    for name in [
        "AttributeDefinitions",
        "KeySchema",
        "CreationDateTime",
        "GlobalSecondaryIndexes",
    ] {
        assert_eq!(gone[name], Value::Null, "{name}");
    }
}

#[test]
fn encryption_is_told_if_somebody_chose_the_key_or_something_goes_on() {
    let mut table = described();
    let mut sse = SseDescription::new("key");
    sse.by_default = true;
    table.sse_description = Some(sse.clone());
    let status = |table: &TableDescription| {
        let told = told(&CreateTableOutput::new(table.clone()));
        told["SSEDescription"]["Status"].clone()
    };
    assert_eq!(status(&table), Value::Null);
    sse.status = SseStatus::Updating;
    table.sse_description = Some(sse.clone());
    assert_eq!(status(&table), "UPDATING");
    sse.status = SseStatus::Enabled;
    sse.by_default = false;
    table.sse_description = Some(sse);
    assert_eq!(status(&table), "ENABLED");
}

#[test]
fn the_mode_may_be_asked_for_by_its_other_name() {
    let mode = |body: &str| {
        let body = format!(
            r#"{{"TableName": "abc", "AttributeDefinitions": [], "KeySchema": [{{"AttributeName": "a", "KeyType": "HASH"}}],
                {body}}}"#
        );
        read::<CreateTableInput>(&body).unwrap().billing_mode
    };
    let (provisioned, on_demand) = (BillingMode::Provisioned, BillingMode::PayPerRequest);
    assert_eq!(
        mode(r#""TableThroughputMode": "PAY_PER_REQUEST""#),
        Some(on_demand)
    );
    let both = r#""TableThroughputMode": "PAY_PER_REQUEST", "BillingMode": "PROVISIONED""#;
    assert_eq!(mode(both), Some(provisioned));
    let wrong = r#"{"TableName": "abc", "BillingMode": "PROVISIONED", "TableThroughputMode": "x"}"#;
    assert!(validation::<CreateTableInput>(wrong).contains("Value 'x' at 'tableThroughputMode'"));
}
