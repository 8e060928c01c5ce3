//! What programs for DynamoDB do, through AWS's Rust client as it is: run by tests/tests/clients, which sets the environment.

mod streams;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Get, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest,
    ReturnValue, ScalarAttributeType, TableStatus, TimeToLiveSpecification, TransactGetItem,
    TransactWriteItem, WriteRequest,
};

type Done = Result<(), Box<dyn Error>>;
type Item = HashMap<String, AttributeValue>;

const TABLE: &str = "airports";
const INDEX: &str = "by-city";
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let client = client("AWS_SECRET_ACCESS_KEY")?;
    tables(&client).await?;
    batches_and_pages(&client).await?;
    items_and_expressions(&client).await?;
    indexes(&client).await?;
    transactions(&client).await?;
    statements(&client).await?;
    time_to_live(&client).await?;
    streams::streams(&client, &streams_client()?).await?;
    errors(&client).await?;
    client.delete_table().table_name(TABLE).send().await?;
    let gone = client.wait_until_table_not_exists().table_name(TABLE);
    gone.wait(PATIENCE).await?;
    println!("all is well");
    Ok(())
}

/// A client of either service; they differ in their types alone.
macro_rules! client {
    ($service:ident, $secret:expr) => {{
        let credentials = Credentials::new(
            std::env::var("AWS_ACCESS_KEY_ID")?,
            std::env::var($secret)?,
            None,
            None,
            "environment",
        );
        let config = $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(std::env::var("AWS_ENDPOINT_URL_DYNAMODB")?)
            .region(Region::new("eu-central-1"))
            .credentials_provider(credentials)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Ok($service::Client::from_conf(config))
    }};
}

fn client(secret: &str) -> Result<Client, Box<dyn Error>> {
    client!(aws_sdk_dynamodb, secret)
}

fn streams_client() -> Result<aws_sdk_dynamodbstreams::Client, Box<dyn Error>> {
    client!(aws_sdk_dynamodbstreams, "AWS_SECRET_ACCESS_KEY")
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(icao: &str) -> Item {
    HashMap::from([
        ("country".to_owned(), s("IS")),
        ("icao".to_owned(), s(icao)),
    ])
}

fn with(mut item: Item, name: &str, value: AttributeValue) -> Item {
    item.insert(name.to_owned(), value);
    item
}

fn element(name: &str, role: KeyType) -> Result<KeySchemaElement, Box<dyn Error>> {
    let element = KeySchemaElement::builder().attribute_name(name);
    Ok(element.key_type(role).build()?)
}

/// A table with an index, and its description.
async fn tables(client: &Client) -> Done {
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly);
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(element("city", KeyType::Hash)?)
        .projection(keys_only.build())
        .build()?;
    let mut create = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(element("country", KeyType::Hash)?)
        .key_schema(element("icao", KeyType::Range)?)
        .global_secondary_indexes(index);
    for name in ["country", "icao", "city"] {
        let definition = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(definition.build()?);
    }
    create.send().await?;
    let there = client.wait_until_table_exists().table_name(TABLE);
    there.wait(PATIENCE).await?;
    let described = client.describe_table().table_name(TABLE).send().await?;
    let table = described.table().ok_or("no description")?;
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    assert_eq!(
        table.global_secondary_indexes()[0].index_name(),
        Some(INDEX)
    );
    let listed = client.list_tables().into_paginator().items().send();
    let listed: Vec<String> = listed.try_collect().await?;
    assert_eq!(listed, [TABLE]);
    Ok(())
}

async fn batches_and_pages(client: &Client) -> Done {
    let mut batch = Vec::new();
    for number in 10..30 {
        let item = with(key(&format!("BI{number}")), "elevation", n(number));
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        batch.push(WriteRequest::builder().put_request(put).build());
    }
    let write = client.batch_write_item().request_items(TABLE, batch);
    let written = write.send().await?;
    assert!(written.unprocessed_items().is_some_and(HashMap::is_empty));

    let keys = KeysAndAttributes::builder()
        .keys(key("BI10"))
        .keys(key("BI99"));
    let read = client.batch_get_item().request_items(TABLE, keys.build()?);
    let read = read.send().await?;
    let found = read.responses().and_then(|tables| tables.get(TABLE));
    assert_eq!(found.map(Vec::len), Some(1));
    assert!(read.unprocessed_keys().is_some_and(HashMap::is_empty));

    let query = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("country = :c AND icao BETWEEN :a AND :b")
        .filter_expression("elevation <> :n")
        .expression_attribute_values(":c", s("IS"))
        .expression_attribute_values(":a", s("BI12"))
        .expression_attribute_values(":b", s("BI19"))
        .expression_attribute_values(":n", n(15));
    let items = query.into_paginator().page_size(3).items().send();
    let items: Vec<Item> = items.try_collect().await?;
    let found: Vec<_> = items.iter().map(|item| item["icao"].clone()).collect();
    let expected = [12, 13, 14, 16, 17, 18, 19].map(|number| s(&format!("BI{number}")));
    assert_eq!(found, expected);
    let scan = client
        .scan()
        .table_name(TABLE)
        .into_paginator()
        .page_size(7);
    let scanned: Vec<Item> = scan.items().send().try_collect().await?;
    assert_eq!(scanned.len(), 20);
    Ok(())
}

async fn items_and_expressions(client: &Client) -> Done {
    let nested = HashMap::from([("deep".to_owned(), AttributeValue::Null(true))]);
    let list = vec![AttributeValue::Bool(false), AttributeValue::M(nested)];
    let sets = AttributeValue::Bs(vec![vec![0u8, 255].into(), vec![1u8].into()]);
    let item = with(key("BIRK"), "runways", AttributeValue::L(list));
    let item = with(item, "raw", sets);
    let put = client.put_item().table_name(TABLE);
    put.set_item(Some(item.clone())).send().await?;
    let get = client.get_item().table_name(TABLE).consistent_read(true);
    let got = get.set_key(Some(key("BIRK"))).send().await?;
    assert_eq!(got.item(), Some(&item));

    let updated = client
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key("BI10")))
        .update_expression("SET elevation = elevation + :one, #l = list_append(:l, :l)")
        .condition_expression("elevation = :ten")
        .expression_attribute_names("#l", "list")
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":ten", n(10))
        .expression_attribute_values(":l", AttributeValue::L(vec![s("x")]))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await?;
    let attributes = updated.attributes().ok_or("no attributes")?;
    assert_eq!(attributes["elevation"], n(11));
    assert_eq!(attributes["list"], AttributeValue::L(vec![s("x"), s("x")]));

    let delete = client
        .delete_item()
        .table_name(TABLE)
        .set_key(Some(key("BIRK")))
        .return_values(ReturnValue::AllOld);
    assert_eq!(delete.send().await?.attributes(), Some(&item));
    Ok(())
}

async fn indexes(client: &Client) -> Done {
    for (icao, city) in [("BIAR", "Akureyri"), ("BIRK", "Reykjavik")] {
        let item = with(key(icao), "city", s(city));
        let put = client.put_item().table_name(TABLE);
        put.set_item(Some(item)).send().await?;
    }
    let query = client
        .query()
        .table_name(TABLE)
        .index_name(INDEX)
        .key_condition_expression("city = :c")
        .expression_attribute_values(":c", s("Akureyri"));
    assert_eq!(
        query.send().await?.items(),
        [with(key("BIAR"), "city", s("Akureyri"))]
    );
    Ok(())
}

async fn transactions(client: &Client) -> Done {
    let put = Put::builder().table_name(TABLE);
    let put = put.set_item(Some(with(key("BIKF"), "elevation", n(52))));
    let put = TransactWriteItem::builder().put(put.build()?).build();
    let unless = ConditionCheck::builder()
        .table_name(TABLE)
        .set_key(Some(key("BIAR")))
        .condition_expression("attribute_not_exists(icao)");
    let unless = TransactWriteItem::builder()
        .condition_check(unless.build()?)
        .build();
    let write = |items: Vec<TransactWriteItem>| {
        let call = client.transact_write_items().client_request_token("once");
        call.set_transact_items(Some(items)).send()
    };
    write(vec![put.clone()]).await?;
    write(vec![put.clone()]).await?;
    let other = write(vec![unless.clone()])
        .await
        .err()
        .ok_or("another one")?;
    assert_eq!(other.code(), Some("IdempotentParameterMismatchException"));

    let cancelled = client.transact_write_items();
    let cancelled = cancelled.transact_items(put).transact_items(unless);
    let cancelled = cancelled.send().await.err().ok_or("the condition held")?;
    let cancelled = cancelled.into_service_error();
    assert!(
        cancelled.is_transaction_canceled_exception(),
        "{cancelled:?}"
    );
    let message = cancelled.message().unwrap_or_default();
    assert!(
        message.ends_with("[None, ConditionalCheckFailed]"),
        "{message}"
    );

    let mut read = client.transact_get_items();
    for icao in ["BIKF", "BI99"] {
        let get = Get::builder().table_name(TABLE).set_key(Some(key(icao)));
        let get = TransactGetItem::builder().get(get.build()?).build();
        read = read.transact_items(get);
    }
    let read = read.send().await?;
    let found: Vec<bool> = read
        .responses()
        .iter()
        .map(|one| one.item().is_some())
        .collect();
    assert_eq!(found, [true, false]);
    Ok(())
}

async fn statements(client: &Client) -> Done {
    let select = format!("SELECT elevation FROM {TABLE} WHERE country = ? AND icao = ?");
    let run = client.execute_statement().statement(select);
    let found = run.parameters(s("IS")).parameters(s("BIKF")).send().await?;
    assert_eq!(
        found.items(),
        [HashMap::from([("elevation".to_owned(), n(52))])]
    );
    Ok(())
}

async fn time_to_live(client: &Client) -> Done {
    let specification = TimeToLiveSpecification::builder();
    let specification = specification.attribute_name("closes").enabled(true);
    let update = client.update_time_to_live().table_name(TABLE);
    update
        .time_to_live_specification(specification.build()?)
        .send()
        .await?;
    let described = client
        .describe_time_to_live()
        .table_name(TABLE)
        .send()
        .await?;
    let described = described.time_to_live_description();
    let name = described.and_then(|description| description.attribute_name());
    assert_eq!(name, Some("closes"));
    Ok(())
}

async fn errors(client: &Client) -> Done {
    let delete = client
        .delete_item()
        .table_name(TABLE)
        .set_key(Some(key("BI10")));
    let refused = delete
        .condition_expression("attribute_not_exists(icao)")
        .send();
    let refused = refused.await.err().ok_or("the condition held")?;
    assert_eq!(refused.code(), Some("ConditionalCheckFailedException"));
    assert_eq!(refused.message(), Some("The conditional request failed"));
    let missing = client.describe_table().table_name("nowhere").send();
    let missing = missing.await.err().ok_or("found")?.into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");
    let invalid = client.get_item().table_name(TABLE).key("country", s("IS"));
    let invalid = invalid.send().await.err().ok_or("half a key")?;
    assert_eq!(invalid.code(), Some("ValidationException"));
    let message = "The provided key element does not match the schema";
    assert_eq!(invalid.message(), Some(message));
    // The id of the key, for once, as its secret.
    let stranger = self::client("AWS_ACCESS_KEY_ID")?.list_tables().send();
    let refused = stranger.await.err().ok_or("a wrong secret")?;
    assert_eq!(refused.code(), Some("InvalidSignatureException"));
    Ok(())
}
