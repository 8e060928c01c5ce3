//! What the server records in the audit trail: who administered which table from where, and who was turned away.
#![allow(clippy::unwrap_used)]

mod support;

use sealdb::crypto::audit::Verification;
use sealdb::crypto::{AuditEvent, AuditRecord};
use sealdb_proto::v1::seal_db_client::SealDbClient;
use sealdb_proto::v1::{
    CreateTableRequest, DeleteTableRequest, ListTablesRequest, TagResourceRequest,
    TimeToLiveSpecification, UntagResourceRequest, UpdateTableRequest, UpdateTimeToLiveRequest,
};
use sealdb_server::config::FirstCredential;
use sealdb_server::credentials::Store;
use support::http::Http;
use support::{Served, Signed, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ADMINISTRATION: [&str; 6] = [
    "CreateTable",
    "UpdateTable",
    "TagResource",
    "UntagResource",
    "UpdateTimeToLive",
    "DeleteTable",
];

/// What a trail says, after what was only noted is written.
fn events(served: &Served) -> Vec<AuditEvent> {
    let trail = served.running.database().audit_trail().unwrap();
    trail.flush().unwrap();
    let records = trail.iter().unwrap().collect::<Result<Vec<_>, _>>();
    records
        .unwrap()
        .into_iter()
        .map(|record: AuditRecord| record.event)
        .collect()
}

fn named<'a>(events: &'a [AuditEvent], name: &str) -> Vec<&'a AuditEvent> {
    events
        .iter()
        .filter(|event| event.event_name == name)
        .collect()
}

/// Each administration of a table, done and then refused.
async fn over_json(served: &Served) {
    let mut http = Http::to(served).await;
    for round in 0..2 {
        for (operation, body) in [
            (
                "CreateTable",
                r#"{"TableName":"films","AttributeDefinitions":[{"AttributeName":"canaryKey","AttributeType":"S"}],
                "KeySchema":[{"AttributeName":"canaryKey","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST",
                "Tags":[{"Key":"team","Value":"canaryValue"}]}"#,
            ),
            (
                "UpdateTable",
                r#"{"TableName":"films","DeletionProtectionEnabled":false}"#,
            ),
            (
                "TagResource",
                r#"{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/films","Tags":[{"Key":"a","Value":"canaryValue"}]}"#,
            ),
            (
                "UntagResource",
                r#"{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/films","TagKeys":["a"]}"#,
            ),
            (
                "UpdateTimeToLive",
                r#"{"TableName":"films","TimeToLiveSpecification":{"AttributeName":"canaryExpiry","Enabled":true}}"#,
            ),
            ("DeleteTable", r#"{"TableName":"films"}"#),
        ] {
            let body = match round {
                0 => body.to_owned(),
                _ => body
                    .replace("films", "nothing")
                    .replace("AttributeType\":\"S", "AttributeType\":\"B"),
            };
            let answer = http.call(operation, &body).await;
            assert!(
                round == 1 || answer.status == 200,
                "{operation}: {answer:?}"
            );
            if round == 1 && operation == "CreateTable" {
                http.ok("DeleteTable", r#"{"TableName":"nothing"}"#).await;
            }
        }
    }
}

async fn over_grpc(served: &Served) {
    let mut client = served.client().await;
    let mut http = Http::to(served).await;
    // Made over the other protocol, whose words are shorter.
    http.ok(
        "CreateTable",
        r#"{"TableName":"songs","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}"#,
    )
    .await;
    let table_name = "songs".to_owned();
    let _ = client
        .create_table(CreateTableRequest {
            table_name: table_name.clone(),
            ..CreateTableRequest::default()
        })
        .await;
    let _ = client
        .update_table(UpdateTableRequest {
            table_name: table_name.clone(),
            deletion_protection_enabled: Some(false),
            ..UpdateTableRequest::default()
        })
        .await;
    let resource_arn = table_name.clone();
    let _ = client
        .tag_resource(TagResourceRequest {
            resource_arn: resource_arn.clone(),
            ..TagResourceRequest::default()
        })
        .await;
    let _ = client
        .untag_resource(UntagResourceRequest {
            resource_arn,
            tag_keys: vec!["a".to_owned()],
        })
        .await;
    let _ = client
        .update_time_to_live(UpdateTimeToLiveRequest {
            table_name: table_name.clone(),
            time_to_live_specification: Some(TimeToLiveSpecification {
                enabled: true,
                attribute_name: "canaryExpiry".to_owned(),
            }),
        })
        .await;
    client
        .delete_table(DeleteTableRequest { table_name })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_administration_leaves_its_event_with_principal_and_source() {
    let served = serve(|config| {
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
    })
    .await;
    over_json(&served).await;
    let json = events(&served);
    over_grpc(&served).await;
    let all = events(&served);
    let grpc = &all[json.len()..];
    let key = served.endpoint().access_key_id;
    for name in ADMINISTRATION {
        for (events, table, least) in [(&json[..], "films", 2), (grpc, "songs", 1)] {
            let found = named(events, name);
            assert!(found.len() >= least, "{name} on {table}: {found:?}");
            let event = found[0];
            assert_eq!(event.user_identity.principal, key);
            assert_eq!(
                event.source_ip_address.as_deref(),
                Some("127.0.0.1"),
                "{event:?}"
            );
            assert_eq!(event.event_source, "dynamodb.amazonaws.com");
            let arn = &event.resources[0].arn;
            assert!(arn.ends_with(&format!("table/{table}")), "{arn}");
            assert!(event.request_id.len() > 20 && !event.read_only && event.management_event);
        }
        // The one on a table that is not there, or was.
        let failed = named(&json, name)
            .into_iter()
            .filter(|event| event.error_code.is_some());
        let expected = usize::from(name != "CreateTable");
        assert!(failed.count() >= expected, "{name} was refused, too");
    }
    let agent = named(grpc, "DeleteTable")[0].user_agent.as_deref();
    assert!(
        agent.is_some_and(|agent| agent.contains("tonic")),
        "{agent:?}"
    );
    // Neither names of attributes nor values of tags.
    let text = format!("{all:?}");
    assert!(text.contains("team") && !text.contains("canary"), "{text}");
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accesses_to_items_are_recorded_where_they_are_asked_for() {
    let served = serve(|config| {
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
        config.database.audit_data = sealdb::AuditData {
            reads: true,
            writes: true,
            tables: ["films".to_owned()].into(),
        };
    })
    .await;
    let mut http = Http::to(&served).await;
    for table in ["films", "songs"] {
        let create = r#"{"TableName":"films","AttributeDefinitions":[{"AttributeName":"canaryKey","AttributeType":"S"}],
            "KeySchema":[{"AttributeName":"canaryKey","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}"#;
        http.ok("CreateTable", &create.replace("films", table))
            .await;
    }
    let before = events(&served).len();
    let calls = [
        (
            "PutItem",
            r#"{"TableName":"films","Item":{"canaryKey":{"S":"canary 1"},"canaryName":{"S":"canaryValue"}}}"#,
        ),
        (
            "GetItem",
            r#"{"TableName":"films","Key":{"canaryKey":{"S":"canary 1"}}}"#,
        ),
        (
            "GetItem",
            r#"{"TableName":"films","Key":{"canaryKey":{"S":"canary 2"}}}"#,
        ),
        ("Scan", r#"{"TableName":"films"}"#),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"films":{"Keys":[{"canaryKey":{"S":"canary 1"}}]},"songs":{"Keys":[{"canaryKey":{"S":"canary 1"}}]}}}"#,
        ),
        (
            "DeleteItem",
            r#"{"TableName":"films","Key":{"canaryKey":{"S":"canary 1"}}}"#,
        ),
        (
            "ExecuteStatement",
            r#"{"Statement":"SELECT * FROM films WHERE canaryKey = 'canary 1'"}"#,
        ),
        (
            "PutItem",
            r#"{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/films","Item":{"canaryKey":{"S":"canary 1"}}}"#,
        ),
        (
            "GetItem",
            r#"{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/films","Key":{"canaryKey":{"S":"canary 1"}}}"#,
        ),
    ];
    for (operation, body) in calls {
        http.ok(operation, body).await;
    }
    // Refused, and of a table that is not asked for.
    let conditional = r#"{"TableName":"films","Item":{"canaryKey":{"S":"canary 3"}},"ConditionExpression":"attribute_exists(canaryName)"}"#;
    http.call("PutItem", conditional).await;
    http.ok(
        "GetItem",
        r#"{"TableName":"songs","Key":{"canaryKey":{"S":"canary 1"}}}"#,
    )
    .await;
    let mut client = served.client().await;
    let scan = sealdb_proto::v1::ScanRequest {
        table_name: "films".to_owned(),
        ..Default::default()
    };
    client.scan(scan).await.unwrap();

    let all = events(&served);
    let told = &all[before..];
    let names: Vec<_> = told.iter().map(|event| &*event.event_name).collect();
    let mut expected: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
    expected.extend(["PutItem", "Scan"]);
    assert_eq!(names, expected);
    let key = served.endpoint().access_key_id;
    for event in told {
        assert_eq!(
            (&event.user_identity.principal, event.management_event),
            (&key, false)
        );
        assert_eq!(event.source_ip_address.as_deref(), Some("127.0.0.1"));
    }
    assert!(told[1].read_only && !told[0].read_only);
    assert_eq!(
        told[9].error_code.as_deref(),
        Some("ConditionalCheckFailedException")
    );
    // The same item has the same hash, over whatever operation; another has another.
    let hash = |event: &AuditEvent| event.request_parameters.other["keyHashes"][0].clone();
    assert_eq!(hash(&told[0]), hash(&told[1]));
    assert_eq!(hash(&told[0]), hash(&told[5]));
    assert_ne!(hash(&told[1]), hash(&told[2]));
    for by_arn in &told[7..9] {
        assert_eq!(hash(by_arn), hash(&told[0]));
        assert_eq!(by_arn.request_parameters.other["tableName"], "films");
    }
    let batch = &told[4].request_parameters.other["requestItems"];
    assert_eq!(batch["films"][0], hash(&told[0]));
    assert_ne!(batch["songs"][0], hash(&told[0]), "of another table");
    let text = format!("{all:?}");
    assert!(!text.contains("canary"), "{text}");
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_leaves_an_event_and_cannot_fill_the_disk() {
    let served = serve(|config| {
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
    })
    .await;
    let key = served.endpoint().access_key_id;
    let mut http = Http::to(&served).await;
    // An unknown key, and a wrong signature of a known one.
    http.access_key_id = "SDBANOBODYKNOWSTHISX".to_owned();
    assert_eq!(http.call("ListTables", "{}").await.status, 400);
    http.access_key_id = key.clone();
    http.secret.push('x');
    assert_eq!(http.call("GetItem", "{}").await.status, 400);
    let signed = Signed::new(&key, "wrong");
    let mut wrong = SealDbClient::with_interceptor(served.channel().await, signed);
    wrong
        .list_tables(ListTablesRequest::default())
        .await
        .unwrap_err();
    let mut anonymous = SealDbClient::new(served.channel().await);
    anonymous
        .list_tables(ListTablesRequest::default())
        .await
        .unwrap_err();

    let all = events(&served);
    let told: Vec<_> = all
        .iter()
        .filter(|event| event.user_identity.kind == "Unknown")
        .map(|event| {
            assert_eq!(event.source_ip_address.as_deref(), Some("127.0.0.1"));
            let code = event.error_code.as_deref().unwrap();
            (
                &*event.event_name,
                code,
                event.user_identity.access_key_id.as_deref(),
            )
        })
        .collect();
    let key = Some(&*key);
    assert_eq!(
        told,
        [
            (
                "ListTables",
                "UnrecognizedClientException",
                Some("SDBANOBODYKNOWSTHISX")
            ),
            ("GetItem", "InvalidSignatureException", key),
            ("ListTables", "UnrecognizedClientException", key),
            ("ListTables", "MissingAuthenticationTokenException", None),
        ]
    );
    for _ in 0..300 {
        anonymous
            .list_tables(ListTablesRequest::default())
            .await
            .unwrap_err();
    }
    let noted = events(&served).len() - all.len();
    assert!((90..=105).contains(&noted), "{noted} of 300");
    served.running.shutdown().await.unwrap();
}

/// The page of the metrics as Prometheus asks for it beyond loopback.
async fn scraped(served: &Served, authorization: &str) -> String {
    let address = served.running.metrics_address.unwrap();
    let address = ([127, 0, 0, 1], address.port()).into();
    let certificate = &served.running.certificate;
    let mut stream = support::connect_for(b"http/1.1", address, certificate)
        .await
        .unwrap();
    let request =
        format!("GET /metrics HTTP/1.1\r\nUser-Agent: Prometheus/3\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_metrics_are_for_credentials_and_refusals_leave_events() {
    let served = serve(|config| config.metrics = Some(([0, 0, 0, 0], 0).into())).await;
    let endpoint = served.endpoint();
    let (key, secret) = (endpoint.access_key_id, endpoint.secret_access_key);
    let bearer = |secret: &str| format!("Authorization: Bearer {key}:{secret}\r\n");
    for refused in [String::new(), bearer("wrong")] {
        let answer = scraped(&served, &refused).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let page = scraped(&served, &bearer(secret.expose())).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let count = "\nsealdb_calls_rejected_total{reason=\"unauthenticated\"} 2\n";
    assert!(page.contains(count), "{page}");

    let all = events(&served);
    let told: Vec<_> = named(&all, "metrics")
        .into_iter()
        .map(|event| {
            assert_eq!(event.user_agent.as_deref(), Some("Prometheus/3"));
            assert_eq!(event.source_ip_address.as_deref(), Some("127.0.0.1"));
            let code = event.error_code.as_deref().unwrap();
            (code, event.user_identity.access_key_id.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("MissingAuthenticationTokenException", None),
            ("UnrecognizedClientException", Some(&*key)),
        ]
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_table_that_cannot_be_read_leaves_an_event_and_cannot_fill_the_disk() {
    let served = serve(|config| {
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
    })
    .await;
    let mut http = Http::to(&served).await;
    let mut client = served.client().await;
    let before = events(&served).len();
    for operation in ADMINISTRATION {
        for body in ["canary", r#"{"TableName":7,"ResourceArn":7}"#] {
            assert_eq!(http.call(operation, body).await.status, 400);
        }
    }
    // Well-formed, and refused by the constraints of its shape.
    let no_keys = r#"{"TableName":"films","KeySchema":[]}"#;
    assert_eq!(http.call("CreateTable", no_keys).await.status, 400);
    // What changes no table leaves none.
    for operation in ["GetItem", "DescribeTable", "ListTables"] {
        assert_eq!(http.call(operation, "canary").await.status, 400);
    }
    let create = CreateTableRequest {
        table_name: "songs".to_owned(),
        billing_mode: 99,
        ..CreateTableRequest::default()
    };
    client.create_table(create).await.unwrap_err();

    let all = events(&served);
    let key = served.endpoint().access_key_id;
    let told = &all[before..];
    for event in told {
        let who = &event.user_identity;
        assert_eq!((&*who.kind, &who.principal), ("IAMUser", &key));
        assert_eq!(event.source_ip_address.as_deref(), Some("127.0.0.1"));
        assert_eq!(event.event_source, "dynamodb.amazonaws.com");
        assert!(event.management_event && event.error_message.is_none());
    }
    let told: Vec<_> = told
        .iter()
        .map(|event| {
            let table = event.request_parameters.other.get("tableName");
            let code = event.error_code.as_deref().unwrap();
            (
                &*event.event_name,
                code,
                table.and_then(|name| name.as_str()),
            )
        })
        .collect();
    let unread = ADMINISTRATION.map(|name| [(name, "SerializationException", None); 2]);
    let mut expected = unread.concat();
    expected.push(("CreateTable", "ValidationException", None));
    expected.push(("CreateTable", "ValidationException", Some("songs")));
    assert_eq!(told, expected);
    assert!(!format!("{all:?}").contains("canary"));

    for _ in 0..200 {
        http.call("DeleteTable", "canary").await;
    }
    let noted = events(&served).len() - all.len();
    assert!((80..=105).contains(&noted), "{noted} of 200");
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn access_keys_that_come_and_go_leave_events_before_they_are_accepted() {
    let served = serve(|config| {
        config.first_credential = Some(FirstCredential {
            access_key_id: "AKIACHOSENBYUS".to_owned(),
            secret: "canaryOne".to_owned().into(),
        });
    })
    .await;
    let config = support::config(served.dir.path());
    // Another process, as `sealdb credential` is: the keyring opened a second time.
    let keys = tokio::task::spawn_blocking(move || sealdb_server::keys::unlock(&config).unwrap());
    let keyring = keys.await.unwrap().keyring;
    let store = Store::new(&served.dir.path().join("D.run"), keyring);
    let made = store
        .create_for(
            "",
            Some("alice".to_owned()),
            Some("111122223333".to_owned()),
        )
        .unwrap();
    let signed = Signed::new(&made.access_key_id, &made.secret);
    let mut client = SealDbClient::with_interceptor(served.channel().await, signed);
    while client
        .list_tables(ListTablesRequest::default())
        .await
        .is_err()
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // It is accepted, so its making stands in the trail.
    let all = events(&served);
    let told: Vec<_> = named(&all, "CreateAccessKey")
        .into_iter()
        .map(|event| {
            let answer = event.response_elements.as_ref().unwrap();
            let id = answer.other["accessKey"]["accessKeyId"].as_str().unwrap();
            let who = &event.user_identity;
            (id, &*who.kind, &*event.recipient_account_id)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("AKIACHOSENBYUS", "AWSService", "000000000000"),
            (&*made.access_key_id, "Process", "111122223333")
        ]
    );
    // Revoked while no server runs: told when the next one starts.
    let Served { running, dir } = served;
    running.shutdown().await.unwrap();
    store.revoke(&made.access_key_id).unwrap();
    let running = sealdb_server::start(support::config(dir.path()));
    let served = Served {
        running: running.await.unwrap(),
        dir,
    };
    let all = events(&served);
    let [gone] = named(&all, "DeleteAccessKey")[..] else {
        panic!("{all:?}")
    };
    let parameters = &gone.request_parameters.other;
    assert_eq!(parameters["accessKeyId"], *made.access_key_id);
    assert_eq!(parameters["userName"], "alice");
    assert_eq!(gone.user_identity.kind, "Process");
    let text = format!("{all:?}");
    assert!(!text.contains("canary") && !text.contains(made.secret.as_str()));
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_caller_calls_a_table_is_one_event_on_one_line() {
    let served = serve(|_| {}).await;
    let mut client = served.client().await;
    let before = events(&served).len();
    // Another event, as its line would look; what ends lines elsewhere; what a terminal obeys.
    let hostile = [
        "x\n{\"sequence\":1,\"previous\":\"00\",\"eventName\":\"DeleteTable\"}",
        "x\r\n\u{2028}\u{2029}\u{85}",
        "\u{1b}[2J\u{202e}elbaTeteleD\u{0}",
        "\",\"eventName\":\"GetItem",
    ];
    for name in hostile {
        let delete = DeleteTableRequest {
            table_name: name.to_owned(),
        };
        client.delete_table(delete).await.unwrap_err();
    }
    let trail = served.running.database().audit_trail().unwrap();
    let mut reader = trail.iter().unwrap();
    let records: Vec<AuditRecord> = reader.by_ref().map(Result::unwrap).collect();
    let told: Vec<_> = records[before..]
        .iter()
        .map(|record| {
            assert!(!record.line.contains(['\n', '\r', '\0', '\u{1b}']));
            assert_eq!(record.event.event_name, "DeleteTable");
            assert!(record.event.error_code.is_some());
            let name = &record.event.request_parameters.other["tableName"];
            name.as_str().unwrap()
        })
        .collect();
    assert_eq!(told, hostile);
    let mut verification = Verification::new(reader.verifier(), Vec::new());
    for record in &records {
        verification.line(&record.line);
    }
    assert_eq!(verification.end().findings, []);
    served.running.shutdown().await.unwrap();
}
