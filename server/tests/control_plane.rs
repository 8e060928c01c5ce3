//! Operations on tables over the DynamoDB protocol: settings, tags, time to live, states, and what SealDB has none of.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use sealdb_server::Config;
use serde_json::{Value, json};
use support::http::Http;
use support::{Served, serve};

async fn served(change: impl FnOnce(&mut Config)) -> (Served, Http) {
    let served = serve(|config| {
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
        change(config);
    })
    .await;
    let http = Http::to(&served).await;
    (served, http)
}

fn table(more: &Value) -> String {
    let mut table = json!({"TableName": "films", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    for (name, value) in more.as_object().unwrap() {
        table[name] = value.clone();
    }
    table.to_string()
}

async fn described(http: &mut Http) -> Value {
    http.ok("DescribeTable", r#"{"TableName": "films"}"#).await["Table"].take()
}

/// The description, once it is in this state.
async fn until(http: &mut Http, status: &str) -> Value {
    for _ in 0..600 {
        let found = described(http).await;
        if found["TableStatus"] == status {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the table did not become {status}");
}

/// Asserts that a request is refused with this exception and message.
async fn refused(http: &mut Http, operation: &str, body: &Value, exception: &str, message: &str) {
    let (name, found) = http.call(operation, &body.to_string()).await.error();
    let name = name.split('#').nth(1).unwrap();
    assert_eq!((name, &*found), (exception, message), "{operation} {body}");
}

const VALIDATION: &str = "ValidationException";
const INVALID: &str = "One or more parameter values were invalid: ";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_was_made_with_is_described() {
    let (served, mut http) = served(|_| {}).await;
    let more = json!({"TableClass": "STANDARD_INFREQUENT_ACCESS", "DeletionProtectionEnabled": true,
        "OnDemandThroughput": {"MaxReadRequestUnits": 50}, "WarmThroughput": {"ReadUnitsPerSecond": 13000},
        "SSESpecification": {"Enabled": true}, "Tags": [{"Key": "owner", "Value": "me"}]});
    let made = http.ok("CreateTable", &table(&more)).await;
    let made = &made["TableDescription"];
    assert_eq!(made["TableStatus"], "CREATING");
    let found = described(&mut http).await;
    assert_eq!(found["TableStatus"], "ACTIVE");
    assert_eq!(
        found["TableClassSummary"],
        json!({"TableClass": "STANDARD_INFREQUENT_ACCESS"})
    );
    assert_eq!(found["DeletionProtectionEnabled"], true);
    assert_eq!(
        found["OnDemandThroughput"],
        json!({"MaxReadRequestUnits": 50})
    );
    assert_eq!(
        found["WarmThroughput"],
        json!({"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"})
    );
    assert_eq!(
        found["ProvisionedThroughput"],
        json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0})
    );
    assert_eq!(found["SSEDescription"]["SSEType"], "KMS");
    let tags = json!({"ResourceArn": found["TableArn"]});
    assert_eq!(
        http.ok("ListTagsOfResource", &tags.to_string()).await,
        json!({"Tags": [{"Key": "owner", "Value": "me"}]})
    );
    refused(
        &mut http,
        "DeleteTable",
        &json!({"TableName": "films"}),
        VALIDATION,
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
    )
    .await;
    let plain = json!({"TableName": "other", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    let units = "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED";
    let message = format!("{INVALID}{units}");
    refused(&mut http, "CreateTable", &plain, VALIDATION, &message).await;
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_updated_while_they_are_used() {
    let (served, mut http) = served(|_| {}).await;
    http.ok("CreateTable", &table(&json!({}))).await;
    for id in 0..20 {
        let item = json!({"id": {"N": id.to_string()}, "year": {"N": "1984"}});
        let put = json!({"TableName": "films", "Item": item});
        http.ok("PutItem", &put.to_string()).await;
    }
    let units = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    let provisioned = json!({"TableName": "films", "BillingMode": "PROVISIONED", "ProvisionedThroughput": units,
        "TableClass": "STANDARD", "DeletionProtectionEnabled": false});
    let updated = http.ok("UpdateTable", &provisioned.to_string()).await;
    assert_eq!(updated["TableDescription"]["TableStatus"], "UPDATING");
    let found = until(&mut http, "ACTIVE").await;
    assert_eq!(found["ProvisionedThroughput"]["WriteCapacityUnits"], 6);
    assert_eq!(found["BillingModeSummary"]["BillingMode"], "PROVISIONED");
    assert_eq!(
        found["TableClassSummary"],
        json!({"TableClass": "STANDARD"})
    );
    assert_eq!(found["WarmThroughput"]["ReadUnitsPerSecond"], 5);

    let create = json!({"TableName": "films", "AttributeDefinitions": [{"AttributeName": "year", "AttributeType": "N"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "by-year", "KeySchema": [{"AttributeName": "year", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"}, "ProvisionedThroughput": units}}]});
    let made = http.ok("UpdateTable", &create.to_string()).await;
    let index = &made["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(
        (&index["IndexStatus"], &index["Backfilling"]),
        (&json!("CREATING"), &json!(true))
    );
    let active = loop {
        let found = described(&mut http).await;
        if found["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE" {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(active["GlobalSecondaryIndexes"][0]["ItemCount"], 20);
    assert_eq!(
        active["GlobalSecondaryIndexes"][0]["WarmThroughput"],
        json!({"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 6, "Status": "ACTIVE"})
    );
    let on_demand = json!({"TableName": "films", "BillingMode": "PAY_PER_REQUEST",
        "OnDemandThroughput": {"MaxWriteRequestUnits": 9}});
    http.ok("UpdateTable", &on_demand.to_string()).await;
    let found = described(&mut http).await;
    assert_eq!(
        found["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"],
        0
    );
    assert_eq!(found["OnDemandThroughput"]["MaxWriteRequestUnits"], 9);
    let since = &found["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"];
    assert!(since.as_f64() > found["CreationDateTime"].as_f64());

    let delete = json!({"TableName": "films", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-year"}}]});
    http.ok("UpdateTable", &delete.to_string()).await;
    let found = until(&mut http, "ACTIVE").await;
    assert_eq!(found.get("GlobalSecondaryIndexes"), None);
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_refused_in_the_services_words() {
    let (served, mut http) = served(|_| {}).await;
    let units = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    let index = json!([{"IndexName": "by-year", "KeySchema": [{"AttributeName": "year", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": units}]);
    let more = json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units, "GlobalSecondaryIndexes": index,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}, {"AttributeName": "year", "AttributeType": "N"}]});
    http.ok("CreateTable", &table(&more)).await;
    let same = |whose: &str, what: &str| {
        format!(
            "The provisioned throughput for {whose} will not change. The requested value equals the current value. Current \
             ReadCapacityUnits provisioned for the {what}: 5. Requested ReadCapacityUnits: 5. Current WriteCapacityUnits \
             provisioned for the {what}: 6. Requested WriteCapacityUnits: 6. Refer to the Amazon DynamoDB Developer Guide \
             for current limits and how to request higher limits."
        )
    };
    let of_index = |update: Value| json!({"GlobalSecondaryIndexUpdates": [update]});
    for (change, exception, message) in [
        (
            json!({}),
            VALIDATION,
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required"
                .to_owned(),
        ),
        (
            json!({"ProvisionedThroughput": units}),
            VALIDATION,
            same("the table", "table"),
        ),
        (
            of_index(json!({"Update": {"IndexName": "by-year", "ProvisionedThroughput": units}})),
            VALIDATION,
            same("the index by-year", "index"),
        ),
        (
            json!({"BillingMode": "PAY_PER_REQUEST", "ProvisionedThroughput": units}),
            VALIDATION,
            format!(
                "{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
                 PAY_PER_REQUEST"
            ),
        ),
        (
            json!({"BillingMode": "PROVISIONED"}),
            VALIDATION,
            format!(
                "{INVALID}ProvisionedThroughput must be specified when BillingMode is PROVISIONED"
            ),
        ),
        (
            json!({"SSESpecification": {"Enabled": false}}),
            VALIDATION,
            format!("{INVALID}Table is already encrypted by default"),
        ),
        (
            of_index(json!({"Delete": {"IndexName": "nothing"}})),
            "ResourceNotFoundException",
            "Requested resource not found: Index: nothing for table: films".to_owned(),
        ),
    ] {
        let mut body = change;
        body["TableName"] = "films".into();
        refused(&mut http, "UpdateTable", &body, exception, &message).await;
    }
    let nowhere = json!({"TableName": "nowhere", "DeletionProtectionEnabled": true});
    let message = "Requested resource not found: Table: nowhere not found";
    let exception = "ResourceNotFoundException";
    refused(&mut http, "UpdateTable", &nowhere, exception, message).await;
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_given_and_taken_by_arn() {
    let (served, mut http) = served(|_| {}).await;
    http.ok("CreateTable", &table(&json!({}))).await;
    let arn = described(&mut http).await["TableArn"].take();
    let tag = json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]});
    let answer = http.call("TagResource", &tag.to_string()).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let untag = json!({"ResourceArn": arn, "TagKeys": ["a", "never"]});
    let answer = http.call("UntagResource", &untag.to_string()).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let list = json!({"ResourceArn": arn});
    assert_eq!(
        http.ok("ListTagsOfResource", &list.to_string()).await,
        json!({"Tags": [{"Key": "b", "Value": ""}]})
    );
    let missing = "arn:aws:dynamodb:eu-central-1:123456789012:table/nowhere";
    for (operation, body, exception, message) in [
        (
            "ListTagsOfResource",
            json!({"ResourceArn": missing}),
            "ResourceNotFoundException",
            format!("Requested resource not found: ResourcArn: {missing} not found"),
        ),
        (
            "ListTagsOfResource",
            json!({"ResourceArn": "films"}),
            VALIDATION,
            "Invalid TableArn: Invalid ResourceArn provided as input films".to_owned(),
        ),
        (
            "TagResource",
            json!({"ResourceArn": arn, "Tags": []}),
            VALIDATION,
            format!("{INVALID}Atleast one Tag needs to be provided as Input."),
        ),
        (
            "UntagResource",
            json!({"ResourceArn": arn, "TagKeys": []}),
            VALIDATION,
            format!("{INVALID}Atleast one Tag Key needs to be provided as Input."),
        ),
    ] {
        refused(&mut http, operation, &body, exception, &message).await;
    }
    let many: Vec<Value> = (0..50)
        .map(|n| json!({"Key": format!("k{n}"), "Value": "x"}))
        .collect();
    let many = json!({"ResourceArn": arn, "Tags": many});
    let (name, _) = http.call("TagResource", &many.to_string()).await.error();
    assert!(name.ends_with(VALIDATION), "51 tags: {name}");
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn items_expire_once_that_is_asked_for() {
    let (served, mut http) = served(|_| {}).await;
    http.ok("CreateTable", &table(&json!({}))).await;
    let describe = r#"{"TableName": "films"}"#;
    assert_eq!(
        http.ok("DescribeTimeToLive", describe).await,
        json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}})
    );
    let past = jiff::Timestamp::now().as_second() - 5;
    for (id, until) in [(1, past), (2, past + 3600)] {
        let item = json!({"id": {"N": id.to_string()}, "until": {"N": until.to_string()}});
        let put = json!({"TableName": "films", "Item": item});
        http.ok("PutItem", &put.to_string()).await;
    }
    let update = |attribute: &str, enabled: bool| {
        json!({"TableName": "films",
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": enabled}})
    };
    let off = update("until", false);
    let message = "TimeToLive is already disabled";
    refused(&mut http, "UpdateTimeToLive", &off, VALIDATION, message).await;
    let on = update("until", true);
    assert_eq!(
        http.ok("UpdateTimeToLive", &on.to_string()).await,
        json!({"TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}})
    );
    let message = "TimeToLive is already enabled";
    refused(&mut http, "UpdateTimeToLive", &on, VALIDATION, message).await;
    let message =
        "TimeToLive is active on a different AttributeName: current AttributeName is until";
    for enabled in [true, false] {
        let other = update("other", enabled);
        refused(&mut http, "UpdateTimeToLive", &other, VALIDATION, message).await;
    }
    let scan = r#"{"TableName": "films", "Select": "COUNT"}"#;
    let begun = tokio::time::Instant::now();
    while http.ok("Scan", scan).await["Count"] != 1 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        http.ok("DescribeTimeToLive", describe).await,
        json!({"TimeToLiveDescription": {"AttributeName": "until", "TimeToLiveStatus": "ENABLED"}})
    );
    http.ok("UpdateTimeToLive", &off.to_string()).await;
    let nowhere = json!({"TableName": "nowhere"});
    let message = "Requested resource not found: Table: nowhere not found";
    let exception = "ResourceNotFoundException";
    refused(
        &mut http,
        "DescribeTimeToLive",
        &nowhere,
        exception,
        message,
    )
    .await;
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_seen_on_their_way_where_that_is_asked_for() {
    let window = Duration::from_millis(700);
    let (served, mut http) = served(|config| config.database.table_window = window).await;
    let films = json!({"TableName": "films"});
    let put = json!({"TableName": "films", "Item": {"id": {"N": "1"}}});
    let update = json!({"TableName": "films", "DeletionProtectionEnabled": false});
    let in_use = |state| {
        format!("Attempt to change a resource which is still in use: Table is being {state}: films")
    };
    let exception = "ResourceInUseException";

    http.ok("CreateTable", &table(&json!({}))).await;
    assert_eq!(described(&mut http).await["TableStatus"], "CREATING");
    let message = "Requested resource not found";
    refused(
        &mut http,
        "PutItem",
        &put,
        "ResourceNotFoundException",
        message,
    )
    .await;
    for (operation, body) in [("UpdateTable", &update), ("DeleteTable", &films)] {
        refused(&mut http, operation, body, exception, &in_use("created")).await;
    }
    let message = "Table already exists: films";
    let again = serde_json::from_str(&table(&json!({}))).unwrap();
    refused(&mut http, "CreateTable", &again, exception, message).await;
    until(&mut http, "ACTIVE").await;

    http.ok("UpdateTable", &update.to_string()).await;
    assert_eq!(described(&mut http).await["TableStatus"], "UPDATING");
    refused(
        &mut http,
        "UpdateTable",
        &update,
        exception,
        &in_use("updated"),
    )
    .await;
    http.ok("PutItem", &put.to_string()).await;
    until(&mut http, "ACTIVE").await;

    http.ok("DeleteTable", &films.to_string()).await;
    assert_eq!(described(&mut http).await["TableStatus"], "DELETING");
    refused(
        &mut http,
        "DeleteTable",
        &films,
        exception,
        &in_use("deleted"),
    )
    .await;
    let begun = tokio::time::Instant::now();
    while http.call("DescribeTable", &films.to_string()).await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_none_of_is_told() {
    let (served, mut http) = served(|_| {}).await;
    http.ok("CreateTable", &table(&json!({}))).await;
    let limits = http.ok("DescribeLimits", "{}").await;
    assert_eq!(limits["TableMaxReadCapacityUnits"], 40_000);
    let endpoints = http.ok("DescribeEndpoints", "{}").await;
    assert_eq!(endpoints["Endpoints"][0]["Address"], "localhost");
    for (operation, list) in [
        ("ListBackups", "BackupSummaries"),
        ("ListContributorInsights", "ContributorInsightsSummaries"),
        ("ListExports", "ExportSummaries"),
        ("ListGlobalTables", "GlobalTables"),
        ("ListImports", "ImportSummaryList"),
    ] {
        assert_eq!(http.ok(operation, "{}").await, json!({list: []}));
    }
    let films = r#"{"TableName": "films"}"#;
    let backups = http.ok("DescribeContinuousBackups", films).await;
    assert_eq!(
        backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"],
        json!({"PointInTimeRecoveryStatus": "DISABLED"})
    );
    let insights = http.ok("DescribeContributorInsights", films).await;
    assert_eq!(insights["ContributorInsightsStatus"], "DISABLED");
    let kinesis = http.ok("DescribeKinesisStreamingDestination", films).await;
    assert_eq!(kinesis["KinesisDataStreamDestinations"], json!([]));
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/films";
    let backup = format!("{arn}/backup/01234567890123-0a1b2c3d");
    let policy = json!({ "ResourceArn": arn }).to_string();
    assert_eq!(http.ok("DeleteResourcePolicy", &policy).await, json!({}));
    for (operation, body, exception, message) in [
        (
            "DescribeContinuousBackups",
            json!({"TableName": "nowhere"}),
            "TableNotFoundException",
            "Table not found: nowhere",
        ),
        (
            "DescribeContributorInsights",
            json!({"TableName": "nowhere"}),
            "ResourceNotFoundException",
            "Requested resource not found: Table: nowhere not found",
        ),
        (
            "DescribeBackup",
            json!({"BackupArn": backup}),
            "BackupNotFoundException",
            &format!("Backup not found: {backup}"),
        ),
        (
            "RestoreTableFromBackup",
            json!({"BackupArn": backup, "TargetTableName": "again"}),
            "BackupNotFoundException",
            &format!("Backup not found: {backup}"),
        ),
        (
            "DescribeGlobalTable",
            json!({"GlobalTableName": "films"}),
            "GlobalTableNotFoundException",
            "Global table not found: Global table with name: 'films' does not exist.",
        ),
        (
            "ExportTableToPointInTime",
            json!({"TableArn": arn, "S3Bucket": "bucket"}),
            "PointInTimeRecoveryUnavailableException",
            "Point in time recovery is not enabled for table 'films'",
        ),
        (
            "RestoreTableToPointInTime",
            json!({"SourceTableName": "nowhere", "TargetTableName": "again"}),
            "TableNotFoundException",
            "Table not found: nowhere",
        ),
        (
            "GetResourcePolicy",
            json!({"ResourceArn": arn}),
            "PolicyNotFoundException",
            &format!("Resource-based policy not found for the provided ResourceArn: {arn}"),
        ),
        (
            "CreateBackup",
            json!({"TableName": "films", "BackupName": "b"}),
            "UnknownOperationException",
            "CreateBackup is not supported by this version of SealDB",
        ),
    ] {
        refused(&mut http, operation, &body, exception, message).await;
    }
    served.running.shutdown().await.unwrap();
}
