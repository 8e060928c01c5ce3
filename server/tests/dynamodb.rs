//! The DynamoDB protocol over HTTP: operations, refusals in the service's words, and what no SDK would send.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message;
use sealdb::model::ops::GetItemInput;
use sealdb::model::{AttributeValue, Item};
use sealdb_proto::MAX_ANSWER_LEN;
use sealdb_proto::v1::GetItemRequest;
use sealdb_server::Config;
use sealdb_server::config::FirstCredential;
use serde_json::json;
use support::http::{Answer, Http};
use support::{Served, serve};
use zeroize::Zeroizing;

fn plain_http(config: &mut Config) {
    config.dynamodb = Some(([127, 0, 0, 1], 0).into());
    config.dynamodb_plain_http = true;
}

async fn served() -> (Served, Http) {
    let served = serve(plain_http).await;
    let http = Http::to(&served).await;
    (served, http)
}

const TABLE: &str = r#"{"TableName": "airports", "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn all_operations_answer_on_one_connection() {
    let (served, mut http) = served().await;
    let made = http.ok("CreateTable", TABLE).await;
    assert_eq!(made["TableDescription"]["TableName"], "airports");
    let described = http
        .ok("DescribeTable", r#"{"TableName": "airports"}"#)
        .await;
    assert_eq!(
        described["Table"]["KeySchema"][1],
        json!({"AttributeName": "sk", "KeyType": "RANGE"})
    );
    assert_eq!(
        described["Table"]["BillingModeSummary"],
        json!({"BillingMode": "PAY_PER_REQUEST",
            "LastUpdateToPayPerRequestDateTime": described["Table"]["CreationDateTime"]})
    );
    assert!(described["Table"]["CreationDateTime"].as_f64().unwrap() > 1.6e9);
    assert_eq!(
        http.ok("ListTables", "{}").await,
        json!({"TableNames": ["airports"]})
    );

    let item = json!({"pk": {"S": "IS"}, "sk": {"N": "1.5"}, "raw": {"B": "AAE="}, "l": {"L": [{"NULL": true}, {"BOOL": false}]},
        "m": {"M": {"é": {"SS": ["a", "b"]}}}});
    let put = json!({"TableName": "airports", "Item": item}).to_string();
    assert_eq!(http.ok("PutItem", &put).await, json!({}));
    let key = json!({"pk": {"S": "IS"}, "sk": {"N": "1.50"}});
    let get = json!({"TableName": "airports", "Key": key, "ConsistentRead": true}).to_string();
    assert_eq!(http.ok("GetItem", &get).await, json!({"Item": item}));
    let batch = json!({"RequestItems": {"airports": [
        {"PutRequest": {"Item": {"pk": {"S": "IS"}, "sk": {"N": "2"}}}},
        {"DeleteRequest": {"Key": {"pk": {"S": "XX"}, "sk": {"N": "9"}}}}]}});
    assert_eq!(
        http.ok("BatchWriteItem", &batch.to_string()).await["UnprocessedItems"],
        json!({})
    );
    let query = json!({"TableName": "airports", "KeyConditionExpression": "#p = :p AND sk > :s", "ScanIndexForward": false,
        "ExpressionAttributeNames": {"#p": "pk"}, "ExpressionAttributeValues": {":p": {"S": "IS"}, ":s": {"N": "0"}}, "Limit": 1});
    let page = http.ok("Query", &query.to_string()).await;
    assert_eq!(
        (&page["Count"], &page["Items"][0]["sk"]),
        (&json!(1), &json!({"N": "2"}))
    );
    assert_eq!(
        page["LastEvaluatedKey"],
        json!({"pk": {"S": "IS"}, "sk": {"N": "2"}})
    );
    let scan = http
        .ok("Scan", r#"{"TableName": "airports", "Select": "COUNT"}"#)
        .await;
    assert_eq!(scan, json!({"Count": 2, "ScannedCount": 2}));
    let delete =
        json!({"TableName": "airports", "Key": key, "ReturnValues": "ALL_OLD"}).to_string();
    assert_eq!(
        http.ok("DeleteItem", &delete).await,
        json!({"Attributes": item})
    );
    let deleted = http.ok("DeleteTable", r#"{"TableName": "airports"}"#).await;
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    assert_eq!(deleted["TableDescription"].get("KeySchema"), None);
    served.running.shutdown().await.unwrap();
}

/// Numbers are written out: a legal item of 396 KB has 18 MB in JSON. It is given back by whatever reads or writes it.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_answered_however_long_it_becomes() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let key = json!({"pk": {"S": "IS"}, "sk": {"N": "1"}});
    let mut item = key.clone();
    item["l"] = json!({"L": vec![json!({"N": "1E-130"}); 132_000]});
    let put = json!({"TableName": "airports", "Item": item}).to_string();
    http.ok("PutItem", &put).await;
    let get = json!({"TableName": "airports", "Key": key}).to_string();
    let update =
        json!({"TableName": "airports", "Key": key, "ReturnValues": "ALL_NEW"}).to_string();
    let scan = json!({"TableName": "airports", "Limit": 1}).to_string();
    for (operation, body, place) in [
        ("GetItem", get, "/Item"),
        ("UpdateItem", update, "/Attributes"),
        ("Scan", scan, "/Items/0"),
    ] {
        let answer = http.ok(operation, &body).await;
        let list = answer.pointer(place).unwrap()["l"]["L"].as_array().unwrap();
        assert_eq!(list.len(), 132_000, "{operation}");
    }
    let mut client = served
        .client()
        .await
        .max_decoding_message_size(MAX_ANSWER_LEN);
    let get = GetItemInput::new(
        "airports",
        Item::from([("pk", "IS".into()), ("sk", AttributeValue::from(1))]),
    );
    let found = client.get_item(GetItemRequest::from(get)).await.unwrap();
    assert!(found.into_inner().encoded_len() > 17 << 20);
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_read_and_write() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let insert = json!({"Statement": "INSERT INTO airports VALUE {'pk': ?, 'sk': 1, 'l': [TRUE]}", "Parameters": [{"S": "IS"}]});
    let insert = insert.to_string();
    assert_eq!(
        http.ok("ExecuteStatement", &insert).await,
        json!({"Items": []})
    );
    assert_eq!(
        http.call("ExecuteStatement", &insert).await.error(),
        (
            "com.amazonaws.dynamodb.v20120810#DuplicateItemException".to_owned(),
            "Duplicate primary key exists in table".to_owned()
        )
    );
    let select = r#"{"Statement": "SELECT l[0] FROM airports WHERE pk = 'IS'", "Limit": 1}"#;
    let page = http.ok("ExecuteStatement", select).await;
    assert_eq!(page["Items"], json!([{"l[0]": {"BOOL": true}}]));
    assert_eq!(
        page["LastEvaluatedKey"],
        json!({"pk": {"S": "IS"}, "sk": {"N": "1"}})
    );
    let next = json!({"Statement": "SELECT l[0] FROM airports WHERE pk = 'IS'", "Limit": 1, "NextToken": page["NextToken"]});
    assert_eq!(
        http.ok("ExecuteStatement", &next.to_string()).await,
        json!({"Items": []})
    );
    let batch = json!({"Statements": [
        {"Statement": "SELECT * FROM airports WHERE pk = 'IS' AND sk = 2"},
        {"Statement": "SELECT * FROM nowhere WHERE pk = 'IS' AND sk = 2"}]});
    let answers = http.ok("BatchExecuteStatement", &batch.to_string()).await;
    assert_eq!(answers["Responses"][0], json!({"TableName": "airports"}));
    assert_eq!(answers["Responses"][1]["Error"]["Code"], "ResourceNotFound");
    let transaction = json!({"TransactStatements": [
        {"Statement": "EXISTS(SELECT * FROM airports WHERE pk = 'IS' AND sk = 1)"},
        {"Statement": "DELETE FROM airports WHERE pk = 'IS' AND sk = 2"}]});
    assert_eq!(
        http.ok("ExecuteTransaction", &transaction.to_string())
            .await,
        json!({"Responses": [{}, {}]})
    );
    let none = http
        .call("BatchExecuteStatement", r#"{"Statements": []}"#)
        .await;
    assert_eq!(
        none.error().1,
        "1 validation error detected: Value '[]' at 'statements' failed to satisfy constraint: Member must have length \
         greater than or equal to 1"
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_described_and_read() {
    let (served, mut http) = served().await;
    let mut table: serde_json::Value = serde_json::from_str(TABLE).unwrap();
    let specification = json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"});
    table["StreamSpecification"] = specification.clone();
    let made = http.ok("CreateTable", &table.to_string()).await;
    let made = &made["TableDescription"];
    assert_eq!(made["StreamSpecification"], specification);
    let arn = made["LatestStreamArn"].as_str().unwrap();
    let put = json!({"TableName": "airports", "Item": {"pk": {"S": "IS"}, "sk": {"N": "1"}, "name": {"S": "Keflavik"}}});
    http.ok("PutItem", &put.to_string()).await;

    const TARGET: &str = "DynamoDBStreams_20120810";
    let listed = http.ok(&format!("{TARGET}.ListStreams"), "{}").await;
    assert_eq!(
        listed,
        json!({"Streams": [{"StreamArn": arn, "TableName": "airports", "StreamLabel": made["LatestStreamLabel"]}]})
    );
    let describe = json!({ "StreamArn": arn }).to_string();
    let described = http
        .ok(&format!("{TARGET}.DescribeStream"), &describe)
        .await;
    let shard = &described["StreamDescription"]["Shards"][0];
    assert_eq!(described["StreamDescription"]["StreamStatus"], "ENABLED");
    let oldest =
        json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = http
        .ok(&format!("{TARGET}.GetShardIterator"), &oldest.to_string())
        .await;
    let read = json!({"ShardIterator": iterator["ShardIterator"]}).to_string();
    let page = http.ok(&format!("{TARGET}.GetRecords"), &read).await;
    assert_eq!(page["Records"].as_array().unwrap().len(), 1);
    let record = &page["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["dynamodb"]["NewImage"], put["Item"]);
    assert_eq!(record["dynamodb"]["StreamViewType"], "NEW_IMAGE");
    let next = json!({"ShardIterator": page["NextShardIterator"]}).to_string();
    let page = http.ok(&format!("{TARGET}.GetRecords"), &next).await;
    assert_eq!(page["Records"], json!([]));

    // Each service knows its own operations only.
    let answer = http.call(&format!("{TARGET}.GetItem"), "{}").await;
    assert!(answer.error().0.ends_with("#UnknownOperationException"));
    let unknown = arn.replace("airports", "nowhere");
    let describe = json!({ "StreamArn": unknown }).to_string();
    let answer = http
        .call(&format!("{TARGET}.DescribeStream"), &describe)
        .await;
    assert_eq!(
        answer.error(),
        (
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException".to_owned(),
            format!("Requested resource not found: Stream: {unknown} not found")
        )
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_described_and_read() {
    let (served, mut http) = served().await;
    let table = json!({"TableName": "airports", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "city", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "LocalSecondaryIndexes": [{"IndexName": "local", "Projection": {"ProjectionType": "KEYS_ONLY"},
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "city", "KeyType": "RANGE"}]}],
        "GlobalSecondaryIndexes": [{"IndexName": "by-city", "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]}}]});
    let made = http.ok("CreateTable", &table.to_string()).await;
    let made = &made["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(made["IndexStatus"], "CREATING");
    let described = &http
        .ok("DescribeTable", r#"{"TableName": "airports"}"#)
        .await["Table"];
    let global = &described["GlobalSecondaryIndexes"][0];
    assert_eq!(
        global["Projection"],
        table["GlobalSecondaryIndexes"][0]["Projection"]
    );
    assert_eq!(
        (&global["IndexStatus"], &global["IndexArn"]),
        (
            &json!("ACTIVE"),
            &json!("arn:aws:dynamodb:us-east-1:000000000000:table/airports/index/by-city")
        )
    );
    assert_eq!(
        described["LocalSecondaryIndexes"][0]["KeySchema"],
        table["LocalSecondaryIndexes"][0]["KeySchema"]
    );
    for number in 0..3 {
        let item = json!({"pk": {"S": "IS"}, "sk": {"N": number.to_string()}, "city": {"S": "Reykjavík"}, "x": {"S": "kept"}, "y": {"S": "not"}});
        let put = json!({"TableName": "airports", "Item": item});
        http.ok("PutItem", &put.to_string()).await;
    }
    let query = json!({"TableName": "airports", "IndexName": "by-city", "KeyConditionExpression": "city = :c",
        "ExpressionAttributeValues": {":c": {"S": "Reykjavík"}}});
    let page = http.ok("Query", &query.to_string()).await;
    assert_eq!(page["Count"], 3);
    assert_eq!(
        (page["Items"][0].get("x"), page["Items"][0].get("y")),
        (Some(&json!({"S": "kept"})), None)
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_conditions_and_capacity_are_carried() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let update = json!({"TableName": "airports", "Key": {"pk": {"S": "IS"}, "sk": {"N": "1"}},
        "UpdateExpression": "SET #n = if_not_exists(#n, :zero) + :one", "ExpressionAttributeNames": {"#n": "count"},
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}}, "ReturnValues": "ALL_NEW",
        "ReturnConsumedCapacity": "INDEXES"});
    assert_eq!(
        http.ok("UpdateItem", &update.to_string()).await,
        json!({"Attributes": {"pk": {"S": "IS"}, "sk": {"N": "1"}, "count": {"N": "1"}},
            "ConsumedCapacity": {"TableName": "airports", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}})
    );
    let mut condition = json!({"TableName": "airports", "Item": {"pk": {"S": "IS"}, "sk": {"N": "1"}},
        "Expected": {"count": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "5"}]}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
    let failed = http.call("PutItem", &condition.to_string()).await;
    let (name, message) = failed.error();
    assert_eq!(
        name,
        "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    );
    assert_eq!(message, "The conditional request failed");
    assert_eq!(failed.json()["Item"]["count"], json!({"N": "1"}));
    condition["Expected"] = json!({"count": {"Value": {"N": "1"}}});
    http.ok("PutItem", &condition.to_string()).await;
    let both = json!({"TableName": "airports", "Key": {"pk": {"S": "IS"}, "sk": {"N": "1"}}, "UpdateExpression": "REMOVE x",
        "AttributeUpdates": {"x": {"Action": "DELETE"}}});
    let (_, message) = http.call("UpdateItem", &both.to_string()).await.error();
    assert_eq!(
        message,
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {AttributeUpdates} Expression parameters: {UpdateExpression}"
    );
    served.running.shutdown().await.unwrap();
}

const VALIDATION: &str = "com.amazon.coral.validate#ValidationException";
const SERIALIZATION: &str = "com.amazon.coral.service#SerializationException";

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_the_services_names_and_messages() {
    let (served, mut http) = served().await;
    for (operation, body, name, message) in [
        ("GetItem", "", SERIALIZATION, ""),
        ("GetItem", "[1]", SERIALIZATION, ""),
        (
            "GetItem",
            r#"{"TableName": 5}"#,
            SERIALIZATION,
            "NUMBER_VALUE cannot be converted to String",
        ),
        (
            "GetItem",
            "{}",
            VALIDATION,
            "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; \
             Value null at 'key' failed to satisfy constraint: Member must not be null",
        ),
        (
            "DescribeTable",
            r#"{"TableName": "nowhere"}"#,
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "Requested resource not found: Table: nowhere not found",
        ),
        (
            "NoSuch",
            "{}",
            "com.amazon.coral.service#UnknownOperationException",
            "",
        ),
        (
            "DynamoDB_20111205.GetItem",
            "{}",
            "com.amazon.coral.service#UnknownOperationException",
            "",
        ),
    ] {
        let answer = http.call(operation, body).await;
        assert_eq!(answer.status, 400, "{operation} {body}");
        assert_eq!(
            answer.error(),
            (name.to_owned(), message.to_owned()),
            "{operation} {body}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/x-amz-json-1.0")
        );
        assert_eq!(answer.header("x-amzn-requestid").unwrap().len(), 52);
        let mut crc = flate2::Crc::new();
        crc.update(&answer.body);
        assert_eq!(
            answer.header("x-amz-crc32"),
            Some(crc.sum().to_string().as_str())
        );
    }
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_requests_get_in() {
    let (served, mut http) = served().await;
    let own = (http.access_key_id.clone(), http.secret.clone());
    let error = |answer: Answer| {
        let (name, message) = answer.error();
        (
            name.strip_prefix("com.amazon.coral.service#")
                .unwrap()
                .to_owned(),
            message,
        )
    };
    http.secret = "another".to_owned();
    let (name, message) = error(http.call("ListTables", "{}").await);
    assert_eq!(name, "InvalidSignatureException");
    assert!(
        message.starts_with("The request signature we calculated does not match"),
        "{message}"
    );
    (http.access_key_id, http.secret) = ("AKIDNOBODY".to_owned(), own.1.clone());
    let (name, message) = error(http.call("ListTables", "{}").await);
    assert_eq!(name, "UnrecognizedClientException");
    assert_eq!(
        message,
        "The security token included in the request is invalid."
    );
    (http.access_key_id, http.secret) = own;

    let mut headers = http.headers("ListTables", b"{}");
    headers.retain(|(name, _)| name != "Authorization");
    let (name, message) = error(http.send("POST /", &headers, b"{}").await);
    assert_eq!(name, "MissingAuthenticationTokenException");
    assert_eq!(message, "Request is missing Authentication Token");
    let no_json = error(http.send("POST /", &headers, b"hello").await);
    assert_eq!(no_json.0, "SerializationException");
    // The bearer token of gRPC is none here.
    headers.push((
        "Authorization".to_owned(),
        format!("Bearer {}:{}", http.access_key_id, http.secret),
    ));
    let (name, _) = error(http.send("POST /", &headers, b"{}").await);
    assert_eq!(name, "MissingAuthenticationTokenException");

    let headers = http.headers("ListTables", b"{}");
    let (name, _) = error(http.send("POST /", &headers, b"{\"Limit\": 1}").await);
    assert_eq!(name, "InvalidSignatureException", "another body");
    let mut moved = headers.clone();
    for (name, value) in &mut moved {
        if name == "X-Amz-Target" {
            *value = "DynamoDB_20120810.DeleteTable".to_owned();
        }
    }
    let (name, _) = error(http.send("POST /", &moved, b"{}").await);
    assert_eq!(name, "InvalidSignatureException", "another operation");
    assert_eq!(http.send("POST /", &headers, b"{}").await.status, 200);
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_preflight_and_strange_methods_are_answered() {
    let (served, mut http) = served().await;
    let host = [(
        "Host".to_owned(),
        "dynamodb.eu-west-1.amazonaws.com".to_owned(),
    )];
    let health = http.send("GET /", &host, b"").await;
    assert_eq!(
        (health.status, health.body.as_slice()),
        (200, &b"healthy: dynamodb.eu-west-1.amazonaws.com "[..])
    );
    let preflight = [
        ("Host", "localhost"),
        ("Origin", "https://example.org"),
        ("Access-Control-Request-Headers", "x-amz-target"),
        ("Access-Control-Request-Method", "POST"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let allowed = http.send("OPTIONS /", &preflight, b"").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        allowed.header("access-control-allow-headers"),
        Some("x-amz-target")
    );
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(allowed.header("access-control-max-age"), Some("172800"));
    assert_eq!(
        allowed.header("access-control-expose-headers"),
        Some("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date")
    );
    let elsewhere = http.send("GET /index.html", &host, b"").await;
    assert_eq!(elsewhere.status, 404);
    let mut plain = http.headers("ListTables", b"{}");
    plain[1].1 = "application/json; charset=utf-8".to_owned();
    let answer = http.send("POST /", &plain, b"{}").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "as the request's"
    );
    let put = http.send("PUT /", &host, b"").await;
    assert_eq!(
        (put.status, put.body.as_slice()),
        (404, &b"<UnknownOperationException/>\n"[..])
    );
    let mut form = http.headers("ListTables", b"{}");
    form[1].1 = "text/html".to_owned();
    assert_eq!(http.send("POST /", &form, b"{}").await.status, 404);
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_packed_both_ways() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let text = "x".repeat(100_000);
    let put = json!({"TableName": "airports", "Item": {"pk": {"S": "a"}, "sk": {"N": "1"}, "text": {"S": text}}}).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(put.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut headers = http.headers("PutItem", &packed);
    headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    let answer = http.send("POST /", &headers, &packed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let scan = b"{\"TableName\": \"airports\"}";
    let mut headers = http.headers("Scan", scan);
    headers.push(("Accept-Encoding".to_owned(), "gzip, deflate".to_owned()));
    let answer = http.send("POST /", &headers, scan).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body.len() < 5_000);
    let mut crc = flate2::Crc::new();
    crc.update(&answer.body);
    assert_eq!(
        answer.header("x-amz-crc32"),
        Some(crc.sum().to_string().as_str()),
        "of what is sent"
    );
    let mut unpacked = String::new();
    GzDecoder::new(answer.body.as_slice())
        .read_to_string(&mut unpacked)
        .unwrap();
    assert!(unpacked.contains(&text));
    // A bomb ends where its claim ends.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut headers = http.headers("PutItem", &bomb);
    headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    assert_eq!(
        http.send("POST /", &headers, &bomb).await.error().0,
        SERIALIZATION
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_refused_at_once() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let item = |text: &str| format!("{{\"TableName\": \"airports\", \"Item\": {text}}}");
    let nested = format!(
        "{{\"a\": {}1{}}}",
        "{\"L\": [".repeat(10_000),
        "]}".repeat(10_000)
    );
    let tiny: String = (0..800_000)
        .map(|at| format!("\"{at}\":{{\"N\":\"1\"}},"))
        .collect();
    let tiny = item(&format!("{{{tiny}\"pk\":{{\"S\":\"a\"}}}}"));
    let digits = item(&format!(
        "{{\"pk\": {{\"N\": \"{}\"}}}}",
        "9".repeat(1_000_000)
    ));
    let exponent = item(r#"{"pk": {"S": "a"}, "sk": {"N": "1e999999999"}}"#);
    for (body, name) in [
        (item(&nested), SERIALIZATION),
        (tiny, VALIDATION),
        (digits, VALIDATION),
        (exponent, VALIDATION),
        (item(&"[".repeat(1_000_000)), SERIALIZATION),
        (
            format!("{{\"TableName\": \"{}\"}}", "x".repeat(1_000_000)),
            VALIDATION,
        ),
    ] {
        let begun = tokio::time::Instant::now();
        let answer = http.call("PutItem", &body).await;
        assert_eq!(answer.error().0, name, "{}", &body[..80]);
        assert!(
            answer.body.len() < 10_000,
            "the answer does not repeat it all"
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    // Longer than any request: refused by its length alone.
    let headers = http.headers("PutItem", b"");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    http.raw(format!("POST / HTTP/1.1\r\n{lines}Content-Length: 16777217\r\n\r\n").as_bytes())
        .await;
    assert_eq!(http.receive().await.status, 413);
    let mut http = Http::to(&served).await;
    http.raw(b"\x16\x03\x01 no HTTP \r\n\r\n").await;
    assert_eq!(http.receive().await.status, 400);
    served.running.shutdown().await.unwrap();
}

/// An access key's id is no secret: whoever knows it must not be able to stop those who know the secret.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_hold_up_nobody() {
    let served = serve(|config| {
        plain_http(config);
        config.limits.max_request_memory = 1 << 20;
        config.limits.max_in_flight = 8;
    })
    .await;
    let mut idle = Vec::new();
    for length in ["Transfer-Encoding: chunked", "Content-Length: 16777216"].repeat(10) {
        let mut http = Http::to(&served).await;
        http.secret.push('x');
        let mut head = format!("POST / HTTP/1.1\r\n{length}\r\n");
        for (name, value) in http.headers("PutItem", b"") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        http.raw(format!("{head}\r\n").as_bytes()).await;
        idle.push(http);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = tokio::time::Instant::now();
    let mut http = Http::to(&served).await;
    http.ok("ListTables", "{}").await;
    let mut client = served.client().await;
    let list = sealdb_proto::v1::ListTablesRequest::default();
    client.list_tables(list).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(idle);
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environments_access_key_is_the_first_and_stays() {
    let own = |config: &mut Config| {
        plain_http(config);
        config.first_credential = Some(FirstCredential {
            access_key_id: "DEVELOPER".to_owned(),
            secret: Zeroizing::new("a secret/of=mine".replace(' ', "-")),
        });
    };
    let served = serve(own).await;
    assert_eq!(served.endpoint().access_key_id, "DEVELOPER");
    let mut http = Http::to(&served).await;
    http.ok("ListTables", "{}").await;
    let Served { running, dir } = served;
    running.shutdown().await.unwrap();
    let mut config = support::config(dir.path());
    plain_http(&mut config);
    let served = Served {
        running: sealdb_server::start(config).await.unwrap(),
        dir,
    };
    let mut again = Http::to(&served).await;
    again.secret.clone_from(&http.secret);
    "DEVELOPER".clone_into(&mut again.access_key_id);
    again.ok("ListTables", "{}").await;
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_connections_that_idle() {
    let (served, mut http) = served().await;
    http.ok("ListTables", "{}").await;
    let begun = tokio::time::Instant::now();
    served.running.shutdown().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_answers_that_are_read_slowly() {
    let (served, mut http) = served().await;
    http.ok("CreateTable", TABLE).await;
    let text = "x".repeat(390_000);
    let mut keys = Vec::new();
    for n in 0..40 {
        let key = json!({"pk": {"S": "IS"}, "sk": {"N": n.to_string()}});
        let mut item = key.clone();
        item["text"] = json!({"S": text});
        let put = json!({"TableName": "airports", "Item": item});
        http.ok("PutItem", &put.to_string()).await;
        keys.push(key);
    }
    let batch = json!({"RequestItems": {"airports": {"Keys": keys}}}).to_string();
    let headers = http.headers("BatchGetItem", batch.as_bytes());
    http.ask("POST /", &headers, batch.as_bytes()).await;
    // It has begun, and nobody reads.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = tokio::spawn(served.running.shutdown());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!stopped.is_finished());
    let answer = http.receive().await;
    assert!(answer.body.len() > 40 * text.len());
    stopped.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_for_loopback() {
    let mut config = Config::new("D");
    config.dynamodb = Some(([0, 0, 0, 0], 8000).into());
    let refused = |config: &Config| config.validate().unwrap_err().to_string();
    assert!(refused(&config).contains("--dynamodb 0.0.0.0:8000 is reachable from other machines"));
    config.dynamodb_plain_http = true;
    config.tls = Some(sealdb_server::config::TlsFiles {
        cert: "c".into(),
        key: "k".into(),
    });
    assert!(refused(&config).contains("it is for loopback only"));
    config.dynamodb = None;
    assert!(refused(&config).contains("--dynamodb-plain-http needs --dynamodb ADDRESS"));
}
