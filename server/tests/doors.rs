//! Who gets in, how much of it, and for how long.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use sealdb::ErrorCode;
use sealdb_proto::v1::seal_db_client::SealDbClient;
use sealdb_proto::v1::{DescribeTableRequest, ListTablesRequest, MapValue, PutItemRequest};
use sealdb_proto::{REQUEST_ID_METADATA, named_error};
use sealdb_server::credentials::Store;
use support::http::Http;
use support::{Served, Signed, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

fn describe() -> DescribeTableRequest {
    DescribeTableRequest {
        table_name: "nowhere".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_credential_lets_in_and_each_call_has_an_id() {
    let served = serve(|_| {}).await;
    let mut anonymous = SealDbClient::new(served.channel().await);
    let missing = anonymous.describe_table(describe()).await.unwrap_err();
    assert_eq!(missing.code(), Code::Unauthenticated);
    assert_eq!(
        named_error(&missing),
        Some(ErrorCode::MissingAuthenticationTokenException)
    );
    let first = missing.metadata().get(REQUEST_ID_METADATA).unwrap().clone();

    let key = served.endpoint().access_key_id;
    let mut wrong =
        SealDbClient::with_interceptor(served.channel().await, Signed::new(&key, "wrong"));
    let refused = wrong.describe_table(describe()).await.unwrap_err();
    assert_eq!(
        named_error(&refused),
        Some(ErrorCode::UnrecognizedClientException)
    );

    let mut right = served.client().await;
    let answered = right.describe_table(describe()).await.unwrap_err();
    assert_eq!(
        named_error(&answered),
        Some(ErrorCode::ResourceNotFoundException)
    );
    assert_ne!(
        *answered.metadata().get(REQUEST_ID_METADATA).unwrap(),
        first
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_credential_and_reflection_does() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

    let served = serve(|_| {}).await;
    let mut health = HealthClient::new(served.channel().await);
    for service in ["", sealdb_proto::SERVICE_NAME] {
        let asked = HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = health.check(asked).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }

    let ask = || {
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        })
    };
    let mut anonymous = ServerReflectionClient::new(served.channel().await);
    let refused = anonymous.server_reflection_info(ask()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut known =
        ServerReflectionClient::with_interceptor(served.channel().await, served.signed());
    let mut answers = known
        .server_reflection_info(ask())
        .await
        .unwrap()
        .into_inner();
    let answer: ServerReflectionResponse = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    assert!(names.contains(&"sealdb.v1.SealDb".to_owned()), "{names:?}");
    assert!(
        names.contains(&"grpc.health.v1.Health".to_owned()),
        "{names:?}"
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_and_go_while_the_server_runs() {
    let served = serve(|_| {}).await;
    let store = {
        // Another process, as `sealdb credential` is: the keyring opened a second time.
        let config = support::config(served.dir.path());
        let keys =
            tokio::task::spawn_blocking(move || sealdb_server::keys::unlock(&config).unwrap())
                .await
                .unwrap();
        Store::new(&served.dir.path().join("D.run"), keys.keyring)
    };
    let made = store.create("another").unwrap();
    let channel = served.channel().await;
    let mut client = SealDbClient::with_interceptor(
        channel.clone(),
        Signed::new(&made.access_key_id, &made.secret),
    );
    until(async || {
        named_error(&client.describe_table(describe()).await.unwrap_err())
            == Some(ErrorCode::ResourceNotFoundException)
    })
    .await;
    store.revoke(&made.access_key_id).unwrap();
    until(async || {
        named_error(&client.describe_table(describe()).await.unwrap_err())
            == Some(ErrorCode::UnrecognizedClientException)
    })
    .await;

    let before = served.endpoint().access_key_id;
    store.revoke(&before).unwrap();
    until(async || served.endpoint().access_key_id != before).await;
    let mut renewed = SealDbClient::with_interceptor(channel, served.signed());
    until(async || {
        named_error(&renewed.describe_table(describe()).await.unwrap_err())
            == Some(ErrorCode::ResourceNotFoundException)
    })
    .await;
    served.running.shutdown().await.unwrap();
}

/// A second and a bit, as promised, with room for a loaded machine.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..100 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the change was not noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_connections_and_waiting_are_bounded() {
    let served = serve(|config| {
        config.limits.max_message_size = 1 << 20;
        config.limits.max_connections = 3;
        config.limits.handshake_timeout = Duration::from_millis(300);
        config.limits.login_timeout = Duration::from_millis(600);
    })
    .await;
    let mut client = served.client().await;
    let long = PutItemRequest {
        table_name: "x".repeat(2 << 20),
        item: Some(MapValue::default()),
        ..PutItemRequest::default()
    };
    let refused = client.put_item(long).await.unwrap_err();
    assert_eq!(named_error(&refused), Some(ErrorCode::ValidationException));
    assert!(refused.message().contains("1048576"), "{refused:?}");
    assert!(
        client
            .describe_table(describe())
            .await
            .is_err_and(|status| status.code() == Code::NotFound)
    );

    // One connection is the client's. Two that never shake hands take the rest, until their time is up.
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(served.running.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut refused = TcpStream::connect(served.running.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_millis(100), refused.read(&mut [0; 1])).await;
    assert!(
        matches!(closed, Ok(Ok(0) | Err(_))),
        "the fourth is closed at once: {closed:?}"
    );
    for stream in &mut silent {
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 1]))
            .await
            .unwrap();
        assert!(
            matches!(closed, Ok(0) | Err(_)),
            "a handshake that does not come: {closed:?}"
        );
    }

    // Shakes hands, speaks HTTP/2, but never signs in.
    let mut stranger = served.tls().await.unwrap();
    stranger
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut heard = Vec::new();
    // However it is closed, it is closed.
    let _ = tokio::time::timeout(Duration::from_secs(5), stranger.read_to_end(&mut heard))
        .await
        .expect("closed");
    // The one that signed in stays.
    assert!(
        client
            .describe_table(describe())
            .await
            .is_err_and(|status| status.code() == Code::NotFound)
    );
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_tls_1_3_with_http_2_is_spoken() {
    let served = serve(|_| {}).await;
    let mut plain = TcpStream::connect(served.running.address).await.unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard).await;
    assert!(
        heard.len() < 16 && !heard.starts_with(b"HTTP"),
        "an alert at most: {heard:?}"
    );
    // A ClientHello of TLS 1.2 alone: without the extension supported_versions.
    let hello = tls12_hello();
    let mut old = TcpStream::connect(served.running.address).await.unwrap();
    old.write_all(&hello).await.unwrap();
    let mut heard = Vec::new();
    let _ = old.read_to_end(&mut heard).await;
    // Alert (21), fatal (2), protocol_version (70).
    assert_eq!(heard.first(), Some(&21), "{heard:?}");
    assert!(heard.ends_with(&[2, 70]), "{heard:?}");
    served.running.shutdown().await.unwrap();
}

fn tls12_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
    // supported_groups: secp256r1; signature_algorithms: ecdsa_secp256r1_sha256; ec_point_formats
    let extensions = [
        0u8, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3, 0, 11, 0, 2, 1, 0,
    ];
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut hello = vec![1, 0];
    hello.extend((body.len() as u16).to_be_bytes());
    hello.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend((hello.len() as u16).to_be_bytes());
    record.extend(hello);
    record
}

/// The page of metrics.
async fn metrics(served: &Served) -> String {
    let address = served.running.metrics_address.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let get = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(get).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_system_key_shows_in_every_health_check_and_in_the_metrics() {
    let served = serve(|config| {
        config.metrics = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb = Some(([127, 0, 0, 1], 0).into());
        config.dynamodb_plain_http = true;
        config.database.key_max_age = Duration::from_secs(2);
    })
    .await;
    let mut watches = Vec::new();
    for service in ["", sealdb_proto::SERVICE_NAME] {
        let asked = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut health = HealthClient::new(served.channel().await);
        let mut watch = health.watch(asked).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
        watches.push(watch);
    }

    // Another process, as `sealdb key disable --close-everything` is.
    let keys = support::config(served.dir.path());
    let disabled = tokio::task::spawn_blocking(move || {
        let unlocked = sealdb_server::keys::unlock(&keys).unwrap();
        unlocked.keyring.disable_system_key().unwrap()
    });
    disabled.await.unwrap();

    for mut watch in watches {
        let told = tokio::time::timeout(Duration::from_secs(20), watch.message()).await;
        let status = told.unwrap().unwrap().unwrap().status();
        assert_eq!(status, ServingStatus::NotServing);
    }
    let refused = served.client().await.describe_table(describe()).await;
    assert!(refused.unwrap_err().message().contains("system key"));
    let answer = Http::to(&served).await.send("GET /", &[], b"").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let page = metrics(&served).await;
    assert!(page.contains("\nsealdb_database_open 0"), "{page}");
    served.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_calls_and_name_no_table() {
    let served = serve(|config| config.metrics = Some(([127, 0, 0, 1], 0).into())).await;
    let mut client = served.client().await;
    let _ = client.describe_table(describe()).await;
    let unknown: Result<tonic::Response<()>, _> = raw(&served, "/sealdb.v1.SealDb/Explode").await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    let page = metrics(&served).await;
    for line in [
        "sealdb_operation_duration_seconds_count{operation=\"DescribeTable\",outcome=\"ResourceNotFoundException\"} 1",
        "sealdb_calls_rejected_total{reason=\"malformed\"} 1",
        "sealdb_credentials 1",
        "sealdb_database_open 1",
        "sealdb_database_read_only 0",
        "sealdb_database_tables 0",
        "sealdb_database_tables_closed 0",
        "sealdb_database_cache_limit_bytes 134217728",
        "sealdb_database_syncs_total ",
        "sealdb_database_rekeys 0",
        "sealdb_database_rekeys_done_ratio 1.0",
    ] {
        assert!(
            page.contains(&format!("\n{line}")),
            "{line} is missing in\n{page}"
        );
    }
    assert!(!page.contains("nowhere"));
    served.running.shutdown().await.unwrap();
}

/// Calls an operation that the generated client does not know.
async fn raw(
    served: &support::Served,
    path: &'static str,
) -> Result<tonic::Response<()>, tonic::Status> {
    let mut grpc = tonic::client::Grpc::new(tonic::service::interceptor::InterceptedService::new(
        served.channel().await,
        served.signed(),
    ));
    grpc.ready()
        .await
        .map_err(|error| tonic::Status::unknown(error.to_string()))?;
    let codec = tonic_prost::ProstCodec::<ListTablesRequest, ()>::default();
    grpc.unary(
        Request::new(ListTablesRequest::default()),
        path.parse().unwrap(),
        codec,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_the_endpoint_away_and_closes_the_door() {
    let served = serve(|_| {}).await;
    let (address, file) = (served.running.address, served.running.endpoint_file.clone());
    let idle = served.client().await;
    assert!(file.exists());
    let begun = tokio::time::Instant::now();
    served.running.shutdown().await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "an idle connection does not hold the stop up"
    );
    assert!(!file.exists());
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_without_end_does_not_hold_a_stop_up() {
    let served = serve(|_| {}).await;
    let mut health = HealthClient::new(served.channel().await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let begun = tokio::time::Instant::now();
    served.running.shutdown().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(!matches!(watch.message().await, Ok(Some(_))), "cut");
}
