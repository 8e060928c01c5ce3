//! Policies and grants of keys, tried by principals of two accounts over both protocols.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // How long a refresh may take is the system's time.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::{
    Alias, DEFAULT_ACCOUNT, KeyOperation, KeyPolicy, KeyRef, KeyUsage, Keyring, RootKeySource,
    SystemClock,
};
use sealdb_proto::v1;
use sealdb_proto::v1::key_admin_client::KeyAdminClient;
use sealdb_proto::v1::key_scope::Scope;
use sealdb_server::credentials::{Credential, Store};
use serde_json::{Value, json};
use support::http::Http;
use support::{Client, Served, Signed, client_on, serve};
use tokio_stream::StreamExt;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

const OTHER: &str = "111111111111";
const GET: &str = r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}}"#;
const STREAMS: &str = "DynamoDBStreams_20120810";

/// One principal on both protocols.
struct Someone {
    http: Http,
    grpc: Client,
    keys: KeyAdminClient<InterceptedService<Channel, Signed>>,
}

impl Someone {
    async fn new(served: &Served, credential: &Credential) -> Self {
        let mut http = Http::to(served).await;
        http.access_key_id.clone_from(&credential.access_key_id);
        (*credential.secret).clone_into(&mut http.secret);
        let signed = Signed::new(&credential.access_key_id, &credential.secret);
        let channel = served.channel().await;
        Someone {
            http,
            grpc: client_on(channel.clone(), signed.clone()),
            keys: KeyAdminClient::with_interceptor(channel, signed),
        }
    }

    /// Whether both protocols let it read; they agree.
    async fn reads(&mut self) -> bool {
        let answer = self.http.call("GetItem", GET).await;
        if answer.status != 200 {
            let (code, message) = answer.error();
            assert!(code.ends_with("#AccessDeniedException"), "{code}");
            for part in [
                "User: arn:aws:iam::",
                "is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:000000000000:key/",
            ] {
                assert!(message.contains(part), "{message}");
            }
        }
        let scanned = self.grpc.scan(scan()).await;
        if let Err(status) = &scanned {
            assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        }
        assert_eq!(answer.status == 200, scanned.is_ok());
        answer.status == 200
    }

    async fn until(&mut self, wanted: bool) {
        let begun = Instant::now();
        loop {
            // In between the two protocols may see what was and what is.
            let http = self.http.call("GetItem", GET).await.status == 200;
            if http == wanted {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "still {http}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.reads().await, wanted);
    }

    async fn is_refused(&mut self, operation: &str, body: &Value) {
        let answer = self.http.call(operation, &body.to_string()).await;
        assert_ne!(answer.status, 200, "{operation}");
        let (code, message) = answer.error();
        assert!(
            code.ends_with("#AccessDeniedException"),
            "{operation}: {code}: {message}"
        );
    }
}

/// A server, and the keyring that it and its operator share.
struct Place {
    served: Served,
    keyring: Arc<Keyring>,
    store: Store,
}

impl Place {
    async fn new() -> Place {
        let served = serve(|config| {
            config.dynamodb = Some(([127, 0, 0, 1], 0).into());
            config.dynamodb_plain_http = true;
            config.database.key_max_age = Duration::from_secs(2);
        })
        .await;
        let place = served.dir.path().join("D.keyring");
        let root = RootKeySource::File(place.join("root.key"));
        let keyring = Keyring::open(place.join(KEYRING_FILE), root, Arc::new(SystemClock));
        let keyring = Arc::new(keyring.unwrap());
        let store = Store::new(&served.dir.path().join("D.run"), keyring.clone());
        Place {
            served,
            keyring,
            store,
        }
    }

    /// Principals of an account.
    async fn people<const N: usize>(&self, people: [(&str, &str); N]) -> [Someone; N] {
        let made = people.map(|(name, account)| {
            let (name, account) = (Some(name.to_owned()), Some(account.to_owned()));
            self.store.create_for("", name, account).unwrap()
        });
        // The server takes them over within a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let mut all = Vec::new();
        for credential in &made {
            all.push(Someone::new(&self.served, credential).await);
        }
        all.try_into().ok().unwrap()
    }

    /// `alias/orders`, which ann alone may administer, and use for the table of that name.
    fn key_of_ann(&self) -> KeyRef {
        let alias = Some(Alias::new("alias/orders").unwrap());
        let key = self.keyring.create_key(alias, "", KeyUsage::Table).unwrap();
        let policy = KeyPolicy {
            administrators: vec!["ann".to_owned()],
            users: vec!["ann".to_owned()],
            tables: vec!["orders".to_owned()],
            ..KeyPolicy::default()
        };
        self.keyring
            .put_policy(&KeyRef::from(&key), policy)
            .unwrap();
        KeyRef::from(&key)
    }
}

fn scan() -> v1::ScanRequest {
    v1::ScanRequest {
        table_name: "orders".to_owned(),
        ..v1::ScanRequest::default()
    }
}

/// A table with an index and a stream, under a key of its own or under the default key.
fn create(name: &str, key: Option<&str>) -> Value {
    let mut create = json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "day", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{"IndexName": "byDay", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}]}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}});
    if let Some(key) = key {
        create["SSESpecification"] =
            json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key});
    }
    create
}

/// Every operation that reads, writes or changes a table, alone or with one that is open to all.
fn operations() -> Vec<(&'static str, Value)> {
    let key = json!({"id": {"S": "a"}});
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    let statement = json!({"Statement": "SELECT * FROM orders WHERE id = 'a'"});
    let insert = json!({"Statement": "INSERT INTO orders VALUE {'id': 'b'}"});
    let of_day = |table: Value| {
        let mut query = table;
        query["KeyConditionExpression"] = json!("#k = :k");
        query["ExpressionAttributeValues"] = json!({":k": {"S": "a"}});
        query
    };
    let put = json!({"Put": {"TableName": "open", "Item": {"id": {"S": "never"}}}});
    let get = json!({"Get": {"TableName": "open", "Key": key}});
    vec![
        ("PutItem", json!({"TableName": "orders", "Item": key})),
        ("DeleteItem", json!({"TableName": "orders", "Key": key})),
        ("UpdateItem", json!({"TableName": "orders", "Key": key})),
        ("Scan", json!({"TableName": "orders"})),
        ("Scan", json!({"TableName": "orders", "IndexName": "byDay"})),
        (
            "Query",
            of_day(json!({"TableName": "orders", "ExpressionAttributeNames": {"#k": "id"}})),
        ),
        (
            "Query",
            of_day(json!({"TableName": "orders", "IndexName": "byDay",
            "ExpressionAttributeNames": {"#k": "day"}})),
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {"open": {"Keys": [key]}, "orders": {"Keys": [key]}}}),
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {
            "open": [{"PutRequest": {"Item": {"id": {"S": "never"}}}}], "orders": [{"PutRequest": {"Item": key}}]}}),
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [get, {"Get": {"TableName": "orders", "Key": key}}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [put, {"Delete": {"TableName": "orders", "Key": key}}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [put, {"ConditionCheck": {"TableName": "orders", "Key": key,
            "ConditionExpression": "attribute_exists(id)"}}]}),
        ),
        ("ExecuteStatement", statement.clone()),
        ("ExecuteStatement", insert.clone()),
        (
            "ExecuteStatement",
            json!({"Statement": "SELECT * FROM \"orders\".\"byDay\" WHERE day = 'a'"}),
        ),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [statement]}),
        ),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [insert]}),
        ),
        // A condition that asks whether an item is there, beside a write to a table that is open to all.
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [
                {"Statement": "EXISTS(SELECT * FROM orders WHERE id = 'a' AND day = 'a')"},
                {"Statement": "INSERT INTO \"open\" VALUE {'id': 'never'}"}]}),
        ),
        (
            "UpdateTable",
            json!({"TableName": "orders", "DeletionProtectionEnabled": true}),
        ),
        (
            "UpdateTable",
            json!({"TableName": "orders", "SSESpecification": {"Enabled": false}}),
        ),
        (
            "UpdateTimeToLive",
            json!({"TableName": "orders",
            "TimeToLiveSpecification": {"AttributeName": "day", "Enabled": true}}),
        ),
        (
            "TagResource",
            json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}),
        ),
        (
            "UntagResource",
            json!({"ResourceArn": arn, "TagKeys": ["a"]}),
        ),
        ("DeleteTable", json!({"TableName": "orders"})),
        ("DeleteTable", json!({"TableName": arn})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_use_a_tables_key_does_nothing_with_its_items() {
    let place = Place::new().await;
    let people = [
        ("ann", DEFAULT_ACCOUNT),
        ("eve", DEFAULT_ACCOUNT),
        ("bob", OTHER),
    ];
    let [mut ann, mut eve, mut bob] = place.people(people).await;
    place.key_of_ann();
    let key = Some("alias/orders");
    for (who, name) in [
        (&mut eve, "orders"),
        (&mut bob, "orders"),
        (&mut ann, "users"),
    ] {
        who.is_refused("CreateTable", &create(name, key)).await;
    }
    // The default key is the default account's.
    bob.is_refused("CreateTable", &create("open", None)).await;
    ann.http
        .ok("CreateTable", &create("orders", key).to_string())
        .await;
    eve.http
        .ok("CreateTable", &create("open", None).to_string())
        .await;
    let put = r#"{"TableName": "orders", "Item": {"id": {"S": "a"}, "day": {"S": "a"}}}"#;
    ann.http.ok("PutItem", put).await;
    assert!(ann.reads().await && !eve.reads().await && !bob.reads().await);

    let described = ann
        .http
        .ok("DescribeTable", r#"{"TableName": "orders"}"#)
        .await;
    let before = described["Table"].clone();
    let stream = before["LatestStreamArn"].as_str().unwrap().to_owned();
    let shards = json!({"StreamArn": stream}).to_string();
    let described = ann
        .http
        .ok(&format!("{STREAMS}.DescribeStream"), &shards)
        .await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let from = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = ann
        .http
        .ok(&format!("{STREAMS}.GetShardIterator"), &from.to_string())
        .await;
    let iterator = iterator["ShardIterator"].clone();
    for who in [&mut eve, &mut bob] {
        for (operation, body) in operations() {
            who.is_refused(operation, &body).await;
        }
        // Each statement of a batch has an answer of its own.
        let batch = json!({"Statements": [{"Statement": "SELECT * FROM orders WHERE id = 'a'"}]});
        let answer = who
            .http
            .ok("BatchExecuteStatement", &batch.to_string())
            .await;
        assert_eq!(answer["Responses"][0]["Error"]["Code"], "AccessDenied");
        assert_eq!(answer["Responses"][0]["Item"], Value::Null);
        for (operation, body) in [
            ("DescribeStream", json!({"StreamArn": stream})),
            ("GetShardIterator", from.clone()),
            ("GetRecords", json!({"ShardIterator": iterator})),
        ] {
            who.is_refused(&format!("{STREAMS}.{operation}"), &body)
                .await;
        }
        let mut pages = who.grpc.scan_stream(scan()).await.unwrap().into_inner();
        let first = pages.next().await.unwrap();
        assert_eq!(first.unwrap_err().code(), Code::PermissionDenied);
        let records = v1::GetRecordsRequest {
            shard_iterator: iterator.as_str().unwrap().to_owned(),
            ..v1::GetRecordsRequest::default()
        };
        let mut pages = who
            .grpc
            .get_records_stream(records)
            .await
            .unwrap()
            .into_inner();
        let first = pages.next().await.unwrap();
        assert_eq!(first.unwrap_err().code(), Code::PermissionDenied);
    }
    // Nothing came of it, neither there nor at the table that was named beside.
    assert!(ann.reads().await);
    let described = ann
        .http
        .ok("DescribeTable", r#"{"TableName": "orders"}"#)
        .await;
    assert_eq!(described["Table"], before);
    let open = eve.http.ok("Scan", r#"{"TableName": "open"}"#).await;
    assert_eq!(open["Count"], 0);
    assert_refusals_are_in_the_trail(&place.served);
    place.served.running.shutdown().await.unwrap();
}

fn assert_refusals_are_in_the_trail(served: &Served) {
    let trail = served.running.database().audit_trail().unwrap();
    trail.flush().unwrap();
    let records = trail.iter().unwrap().map(|record| record.unwrap().event);
    let refused: Vec<_> = records
        .filter(|event| event.error_code.as_deref() == Some("AccessDeniedException"))
        .collect();
    for (name, account) in [("eve", DEFAULT_ACCOUNT), ("bob", OTHER)] {
        let decrypt = refused.iter().find(|event| {
            let who = &event.user_identity;
            event.event_name == "Decrypt"
                && who.user_name.as_deref() == Some(name)
                && who.account_id == account
        });
        let event = decrypt.unwrap();
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
        assert!(event.resources.iter().any(|resource| resource.arn == arn));
        assert!(event.request_parameters.key_id.is_some());
    }
    for name in ["CreateTable", "DeleteTable", "GenerateDataKey"] {
        assert!(
            refused.iter().any(|event| event.event_name == name),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_lets_another_account_in_until_it_is_taken_back() {
    let place = Place::new().await;
    let people = [
        ("ann", DEFAULT_ACCOUNT),
        ("eve", DEFAULT_ACCOUNT),
        ("bob", OTHER),
    ];
    let [mut ann, mut eve, mut bob] = place.people(people).await;
    let key = place.key_of_ann();
    let orders = create("orders", Some("alias/orders"));
    let made = ann.http.ok("CreateTable", &orders.to_string()).await;
    let stream = made["TableDescription"]["LatestStreamArn"]
        .as_str()
        .unwrap();
    let put = r#"{"TableName": "orders", "Item": {"id": {"S": "a"}}}"#;
    ann.http.ok("PutItem", put).await;
    assert!(!bob.reads().await);
    let decrypt = vec![KeyOperation::Decrypt];
    let grant = place
        .keyring
        .create_grant(&key, (OTHER, "bob"), decrypt, Vec::new())
        .unwrap();
    // At the latest with the next refresh of the table's key.
    bob.until(true).await;
    bob.http.ok("PutItem", put).await;
    assert!(!eve.reads().await);
    bob.is_refused("CreateTable", &create("mine", Some("alias/orders")))
        .await;

    // It follows the stream until the grant is gone.
    let shard = bob.grpc.describe_stream(v1::DescribeStreamRequest {
        stream_arn: stream.to_owned(),
        ..v1::DescribeStreamRequest::default()
    });
    let shard = shard
        .await
        .unwrap()
        .into_inner()
        .stream_description
        .unwrap();
    let iterator = bob.grpc.get_shard_iterator(v1::GetShardIteratorRequest {
        stream_arn: stream.to_owned(),
        shard_id: shard.shards[0].shard_id.clone(),
        shard_iterator_type: v1::ShardIteratorType::TrimHorizon.into(),
        ..v1::GetShardIteratorRequest::default()
    });
    let iterator = iterator.await.unwrap().into_inner().shard_iterator;
    let records = v1::GetRecordsRequest {
        shard_iterator: iterator,
        ..v1::GetRecordsRequest::default()
    };
    let mut followed = bob
        .grpc
        .get_records_stream(records)
        .await
        .unwrap()
        .into_inner();
    assert!(!followed.next().await.unwrap().unwrap().records.is_empty());
    place.keyring.revoke_grant(&key, grant).unwrap();
    bob.until(false).await;
    ann.http.ok("DeleteItem", GET).await;
    let next = tokio::time::timeout(Duration::from_secs(20), followed.next());
    let next = next.await.unwrap().unwrap();
    assert_eq!(next.unwrap_err().code(), Code::PermissionDenied);
    assert!(ann.reads().await);
    place.served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stream_outlives_the_credential_that_it_was_asked_for_with() {
    let place = Place::new().await;
    let [mut ann, mut eve] = place
        .people([("ann", DEFAULT_ACCOUNT), ("eve", DEFAULT_ACCOUNT)])
        .await;
    let made = ann
        .http
        .ok("CreateTable", &create("orders", None).to_string())
        .await;
    let arn = &made["TableDescription"]["LatestStreamArn"];
    // Some pages of a scan: each item is near the limit of a page.
    for id in 0..8 {
        let item = json!({"TableName": "orders", "Item": {
            "id": {"S": id.to_string()}, "long": {"S": "x".repeat(390_000)}}});
        ann.http.ok("PutItem", &item.to_string()).await;
    }
    let shards = json!({"StreamArn": arn}).to_string();
    let described = eve
        .http
        .ok(&format!("{STREAMS}.DescribeStream"), &shards)
        .await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let from = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"});
    let iterator = eve
        .http
        .ok(&format!("{STREAMS}.GetShardIterator"), &from.to_string())
        .await;
    let records = v1::GetRecordsRequest {
        shard_iterator: iterator["ShardIterator"].as_str().unwrap().to_owned(),
        ..v1::GetRecordsRequest::default()
    };
    let followed = eve.grpc.get_records_stream(records).await.unwrap();
    let mut followed = followed.into_inner();
    ann.http
        .ok(
            "PutItem",
            r#"{"TableName": "orders", "Item": {"id": {"S": "seen"}}}"#,
        )
        .await;
    assert_eq!(followed.next().await.unwrap().unwrap().records.len(), 1);
    let mut limited = scan();
    limited.limit = Some(1);
    let mut pages = eve.grpc.scan_stream(limited).await.unwrap().into_inner();
    pages.next().await.unwrap().unwrap();

    place.store.revoke(&eve.http.access_key_id).unwrap();
    let begun = Instant::now();
    while eve.http.call("GetItem", GET).await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "still let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ann.http
        .ok(
            "PutItem",
            r#"{"TableName": "orders", "Item": {"id": {"S": "unseen"}}}"#,
        )
        .await;
    let next = tokio::time::timeout(Duration::from_secs(10), followed.next());
    let refused = next.await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    // What was on its way already is not called back; then it ends.
    let refused = loop {
        match pages.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    let refused = refused.expect("it does not end as if all had been read");
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    place.served.running.shutdown().await.unwrap();
}

fn scope(scope: Scope) -> Option<v1::KeyScope> {
    Some(v1::KeyScope { scope: Some(scope) })
}

/// What a principal gets of every operation that administers the key of `orders`.
async fn administers(who: &mut Someone) -> Vec<Result<(), Status>> {
    let keys = &mut who.keys;
    let table = || "orders".to_owned();
    let mut answers = Vec::new();
    for all in [
        Scope::TableName(table()),
        Scope::KmsKey("alias/orders".to_owned()),
    ] {
        let rewrap = v1::RewrapKeysRequest {
            scope: scope(all),
            ..v1::RewrapKeysRequest::default()
        };
        answers.push(keys.rewrap_keys(rewrap).await.map(drop));
    }
    let rekey = v1::RekeyTablesRequest {
        scope: scope(Scope::TableName(table())),
        pace: Some(1 << 16),
        ..v1::RekeyTablesRequest::default()
    };
    answers.push(keys.rekey_tables(rekey).await.map(drop));
    let impact = v1::DescribeKeyImpactRequest {
        kms_key: "alias/orders".to_owned(),
    };
    answers.push(keys.describe_key_impact(impact).await.map(drop));
    let proof = v1::GetRekeyProofRequest {
        table_name: table(),
    };
    answers.push(keys.get_rekey_proof(proof).await.map(drop));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_administrators_of_a_key_rewrap_and_rekey_its_tables() {
    let place = Place::new().await;
    let people = [
        ("ann", DEFAULT_ACCOUNT),
        ("eve", DEFAULT_ACCOUNT),
        ("bob", OTHER),
    ];
    let [mut ann, mut eve, mut bob] = place.people(people).await;
    let key = place.key_of_ann();
    // Who may use a key does not administer it.
    let both = KeyOperation::GRANTABLE.to_vec();
    let keyring = &place.keyring;
    keyring
        .create_grant(&key, (OTHER, "bob"), both, Vec::new())
        .unwrap();
    let orders = create("orders", Some("alias/orders"));
    ann.http.ok("CreateTable", &orders.to_string()).await;
    let put = r#"{"TableName": "orders", "Item": {"id": {"S": "a"}}}"#;
    bob.http.ok("PutItem", put).await;
    for who in [&mut eve, &mut bob] {
        for (at, answer) in administers(who).await.into_iter().enumerate() {
            assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied, "{at}");
        }
    }
    let all = v1::RewrapKeysRequest {
        scope: scope(Scope::All(true)),
        ..v1::RewrapKeysRequest::default()
    };
    let rewrapped = bob.keys.rewrap_keys(all).await.unwrap().into_inner();
    assert!(rewrapped.rewrapped.is_empty());
    let refused = rewrapped.refused.iter();
    let refused: Vec<_> = refused
        .map(|one| (one.table_name.as_deref(), &*one.code))
        .collect();
    let denied = "AccessDeniedException";
    assert_eq!(refused, [(Some("orders"), denied), (None, denied)]);
    let leave = json!({"TableName": "orders", "SSESpecification": {"Enabled": false}});
    bob.is_refused("UpdateTable", &leave).await;
    for answer in administers(&mut ann).await {
        answer.unwrap();
    }
    // A rekey goes on now, or has ended.
    let pause = || v1::PauseRekeyRequest {
        table_name: "orders".to_owned(),
    };
    let resume = || v1::ResumeRekeyRequest {
        table_name: "orders".to_owned(),
        ..v1::ResumeRekeyRequest::default()
    };
    for who in [&mut eve, &mut bob] {
        let paused = who.keys.pause_rekey(pause()).await.unwrap_err();
        assert_eq!(paused.code(), Code::PermissionDenied);
        let resumed = who.keys.resume_rekey(resume()).await.unwrap_err();
        assert_eq!(resumed.code(), Code::PermissionDenied);
        let listed = who.keys.list_rekeys(v1::ListRekeysRequest::default()).await;
        assert!(listed.unwrap().into_inner().rekeys.is_empty());
    }
    assert!(ann.reads().await && bob.reads().await);
    place.served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_a_table_does_not_get_to_by_a_rekey() {
    let place = Place::new().await;
    let people = [("ann", DEFAULT_ACCOUNT), ("bob", DEFAULT_ACCOUNT)];
    let [mut ann, mut bob] = place.people(people).await;
    // Ann administers the key that bob alone may use, and has one of her own.
    let policy = |users: &str| KeyPolicy {
        administrators: vec!["ann".to_owned()],
        users: vec![users.to_owned()],
        ..KeyPolicy::default()
    };
    for (alias, users) in [("alias/orders", "bob"), ("alias/ann", "ann")] {
        let keyring = &place.keyring;
        let alias = Some(Alias::new(alias).unwrap());
        let key = keyring.create_key(alias, "", KeyUsage::Table).unwrap();
        keyring
            .put_policy(&KeyRef::from(&key), policy(users))
            .unwrap();
    }
    let orders = create("orders", Some("alias/orders"));
    bob.http.ok("CreateTable", &orders.to_string()).await;
    for to in [None, Some("alias/ann".to_owned())] {
        let rekey = v1::RekeyTablesRequest {
            scope: scope(Scope::TableName("orders".to_owned())),
            kms_key: to,
            ..v1::RekeyTablesRequest::default()
        };
        let refused = ann.keys.rekey_tables(rekey).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
    assert!(!ann.reads().await && bob.reads().await);
    // An id in other letters is the same key.
    let key = place.keyring.describe(&"alias/orders".parse().unwrap());
    let impact = v1::DescribeKeyImpactRequest {
        kms_key: key.unwrap().id.as_str().to_uppercase(),
    };
    let impact = ann.keys.describe_key_impact(impact).await.unwrap();
    assert_eq!(impact.into_inner().tables.len(), 1);
    place.served.running.shutdown().await.unwrap();
}

/// Who administers a key and may not use it cannot move its tables to one that it may use. The refusal says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewrap_needs_the_use_of_the_key_before_too() {
    let place = Place::new().await;
    let people = [("ann", DEFAULT_ACCOUNT), ("carl", DEFAULT_ACCOUNT)];
    let [mut ann, mut carl] = place.people(people).await;
    let key = place.key_of_ann();
    let policy = KeyPolicy {
        administrators: vec!["ann".to_owned(), "carl".to_owned()],
        users: vec!["ann".to_owned()],
        ..KeyPolicy::default()
    };
    place.keyring.put_policy(&key, policy).unwrap();
    let open = Some(Alias::new("alias/open").unwrap());
    place.keyring.create_key(open, "", KeyUsage::Table).unwrap();
    let orders = create("orders", Some("alias/orders"));
    ann.http.ok("CreateTable", &orders.to_string()).await;
    let move_it = || v1::RewrapKeysRequest {
        scope: scope(Scope::TableName("orders".to_owned())),
        kms_key: Some("alias/open".to_owned()),
    };
    let refused = carl.keys.rewrap_keys(move_it()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let leave = json!({"TableName": "orders", "SSESpecification": {"Enabled": false}});
    carl.is_refused("UpdateTable", &leave).await;
    ann.keys.rewrap_keys(move_it()).await.unwrap();
    place.served.running.shutdown().await.unwrap();
}
