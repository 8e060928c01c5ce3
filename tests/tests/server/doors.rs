//! Who is let in: credentials, the certificate, health, and what else knocks at the port.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sealdb_client::model::ErrorCode;
use sealdb_client::model::ScalarType;
use sealdb_client::model::ops::{CreateTableInput, ListTablesInput};
use sealdb_client::{Client, Credential, Endpoint, RetryPolicy, Trust};
use sealdb_proto::named_error;
use sealdb_tests::raw::{self, Raw};
use sealdb_tests::server::{Home, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codegen::http;
use tower::ServiceExt;

use super::wire::OPERATIONS;

fn endpoint(server: &Server, pin: &str, id: &str, secret: &str) -> Endpoint {
    Endpoint::new(
        server.address(),
        Trust::pin(pin).unwrap(),
        Credential::new(id, secret),
    )
    .retry(RetryPolicy::none())
}

#[tokio::test]
async fn only_the_credential_of_the_server_opens() {
    let home = Home::new();
    let server = home.start();
    let file = &server.endpoint;
    let (pin, id, secret) = (
        file.certificate_pin.as_str(),
        file.access_key_id.as_str(),
        file.secret_access_key.expose(),
    );
    let listed = async |endpoint: Endpoint| {
        let client = Client::connect(endpoint).await?;
        client.list_tables(ListTablesInput::new()).await
    };
    listed(endpoint(&server, pin, id, secret)).await.unwrap();
    let other_secret: String = secret.chars().rev().collect();
    for (id, secret) in [
        (id, other_secret.as_str()),
        (id, ""),
        (id, &secret[1..]),
        ("AKIA0000000000000000", secret),
        ("", secret),
    ] {
        let error = listed(endpoint(&server, pin, id, secret))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error.code(),
                ErrorCode::UnrecognizedClientException | ErrorCode::IncompleteSignatureException
            ),
            "{error}"
        );
        assert!(
            !error
                .to_string()
                .contains(&file.secret_access_key.expose()[1..])
        );
    }
    let mut other_pin = pin.to_owned();
    let last = if other_pin.pop() == Some('0') {
        '1'
    } else {
        '0'
    };
    other_pin.push(last);
    let error = listed(endpoint(&server, &other_pin, id, secret))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException);
    assert!(
        error.message().contains("not trusted") && error.message().contains("nothing was sent"),
        "{error}"
    );
    assert!(
        !home.log().contains(secret) && !home.log().contains(&other_secret),
        "no secret stands in the log"
    );
}

#[tokio::test]
async fn without_a_credential_only_health_answers() {
    let home = Home::new();
    let server = home.start();
    let mut raw = Raw::connect(&home, &server).await;
    for (authorization, reason) in [
        (None, ErrorCode::MissingAuthenticationTokenException),
        (Some("Basic QTpC"), ErrorCode::IncompleteSignatureException),
        (Some("Bearer"), ErrorCode::IncompleteSignatureException),
        (Some("Bearer "), ErrorCode::IncompleteSignatureException),
        (Some("Bearer a:b"), ErrorCode::UnrecognizedClientException),
    ] {
        raw.authorization = authorization.map(|text| text.parse().unwrap());
        for method in OPERATIONS.into_iter().chain(["NoSuchMethod"]) {
            let status = raw.call(method, Vec::new()).await.unwrap_err();
            assert_eq!(
                status.code(),
                tonic::Code::Unauthenticated,
                "{method}: {status}"
            );
            assert_eq!(named_error(&status), Some(reason), "{method}: {status}");
        }
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let status = raw.call_path(reflection, Vec::new()).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
        assert!(raw.is_healthy().await);
    }
}

#[tokio::test]
async fn certificate_pin_and_credential_stay_the_same_over_starts() {
    let home = Home::new();
    let first = home.start();
    let client = first.client().await;
    let input = CreateTableInput::new("table").partition_key("id", ScalarType::S);
    client.create_table(input).await.unwrap();
    let before = first.endpoint.clone();
    first.kill();
    let second = home.start();
    let after = second.endpoint.clone();
    assert_eq!(before.certificate_pin, after.certificate_pin);
    assert_eq!(before.access_key_id, after.access_key_id);
    assert_eq!(before.secret_access_key, after.secret_access_key);
    let listed = second
        .client()
        .await
        .list_tables(ListTablesInput::new())
        .await
        .unwrap();
    assert_eq!(listed.table_names, ["table"]);
    // Lost, the run directory is made anew: other secrets, the same data.
    second.kill();
    std::fs::remove_dir_all(home.run_dir()).unwrap();
    let third = home.start();
    assert_ne!(third.endpoint.certificate_pin, before.certificate_pin);
    assert_ne!(third.endpoint.secret_access_key, before.secret_access_key);
    let listed = third
        .client()
        .await
        .list_tables(ListTablesInput::new())
        .await
        .unwrap();
    assert_eq!(listed.table_names, ["table"]);
}

#[tokio::test]
async fn files_with_secrets_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let server = home.start();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for directory in [home.data_dir(), home.run_dir(), home.keyring_dir()] {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
    }
    for directory in [
        home.run_dir(),
        home.keyring_dir(),
        home.runtime_dir().join("sealdb"),
    ] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
        }
    }
    drop(server);
}

#[tokio::test]
async fn other_tongues_are_refused_and_the_server_stays() {
    let home = Home::new();
    let mut server = home.start();
    let certificate = home.run_dir().join("tls.crt");
    let raw = Raw::connect(&home, &server).await;

    // No TLS at all.
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 4096],
        &[0xff; 70_000],
        b"",
        // A TLS record that promises more than is allowed.
        &[22, 3, 1, 255, 255, 1],
    ] {
        let answer = plain(server.address(), bytes);
        assert!(
            answer.is_empty() || answer[0] == 21,
            "only an alert is said in the clear: {answer:?}"
        );
        assert!(raw.is_healthy().await);
    }

    // TLS 1.2 at most: the alert is protocol_version (70).
    let answer = plain(server.address(), &client_hello_of_tls_1_2());
    assert_eq!((answer[0], answer[5], answer[6]), (21, 2, 70), "{answer:?}");

    // TLS 1.3, and then no HTTP/2.
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &[0xff; 10_000],
    ] {
        for protocols in [&[&b"h2"[..]][..], &[]] {
            let mut stream = raw::tls(server.address(), &certificate, protocols)
                .await
                .unwrap();
            let _ = stream.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
                .await
                .expect("the server closes the connection");
        }
        assert!(raw.is_healthy().await);
    }
    // Another protocol over TLS is refused in the handshake.
    let refused = raw::tls(server.address(), &certificate, &[b"http/1.1"]).await;
    assert!(refused.is_err(), "only HTTP/2 is spoken");

    // HTTP/2, but not gRPC.
    for (method, content_type) in [
        ("POST", "application/json"),
        ("POST", "text/plain"),
        ("GET", "application/grpc"),
        ("DELETE", "application/grpc"),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri("https://localhost/sealdb.v1.SealDb/ListTables")
            .header("content-type", content_type)
            .header(
                "authorization",
                raw.authorization.clone().unwrap().to_str().unwrap(),
            )
            .body(tonic::body::Body::empty())
            .unwrap();
        let response = raw.channel.clone().oneshot(request).await.unwrap();
        let grpc_status = response.headers().get("grpc-status").cloned();
        assert!(
            response.status().is_client_error()
                || grpc_status.as_ref().is_some_and(|code| code != "0"),
            "{method} {content_type}: {} {grpc_status:?}",
            response.status()
        );
        assert!(raw.is_healthy().await);
    }
    let unknown = raw.call("NoSuchMethod", Vec::new()).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::Unimplemented);
    assert!(server.runs());
    assert!(!home.log().contains("panicked"), "{}", home.log());
}

/// Sends bytes without TLS and reads what comes back until the server closes.
fn plain(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(12)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    answer
}

/// A ClientHello of RFC 5246: no supported_versions, so TLS 1.2 is the newest that it offers.
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f]); // ECDHE with AES-128-GCM
    hello.extend([1, 0]); // no compression
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..],  // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],             // uncompressed points
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1], // ECDSA and RSA with SHA-256
    ]
    .concat();
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut message = vec![1, 0];
    message.extend((hello.len() as u16).to_be_bytes());
    message.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}
