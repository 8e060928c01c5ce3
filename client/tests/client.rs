//! The client against a tiny server behind real TLS.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use sealdb_client::model::ops::{
    BatchGetItemInput, BatchWriteItemInput, CreateTableInput, DeleteItemInput, DescribeTableInput,
    GetItemInput, ListTablesInput, PutItemInput, QueryInput, ReturnValue, ScanInput,
    SequenceNumber, TransactPut, TransactWriteItemsInput, UpdateItemInput,
};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map};
use sealdb_client::{Client, Credential, Endpoint, Error, RetryPolicy, Tail, TailFrom, Trust};
use sealdb_proto::endpoint::{ENDPOINT_VERSION, EndpointFile, Secret, format_pin};
use support::{ITEMS, STREAM, Server, Step};

fn put() -> PutItemInput {
    PutItemInput::new(
        "t",
        Item::from([("pk", AttributeValue::from("AT")), ("n", 5.into())]),
    )
}

fn get() -> GetItemInput {
    GetItemInput::new("t", Map::from([("pk", "AT")]))
}

#[tokio::test]
async fn with_the_right_pin_operations_arrive_signed() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    client.put_item(put()).await.unwrap();
    assert_eq!(client.get_item(get()).await.unwrap().item, Some(put().item));
    assert_eq!(server.state.calls(), ["PutItem", "GetItem"]);
    assert_eq!(
        server.state.authorization.lock().unwrap().as_deref(),
        Some("Bearer AKID:s3cret")
    );
    assert_eq!(server.state.handshakes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn with_a_wrong_pin_nothing_is_sent() {
    let server = Server::start().await;
    for byte in [0, 31] {
        let mut pin = server.pin;
        pin[byte] ^= 1;
        let endpoint = Endpoint::new(
            server.address.clone(),
            Trust::Pin(pin),
            Credential::new("AKID", "s3cret"),
        );
        let error = Client::connect(endpoint).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
        assert!(!error.retryable());
        assert!(
            error
                .message()
                .contains("the server's certificate is not the pinned one"),
            "{error}"
        );
    }
    // The server saw handshakes fail, and not one request.
    while server.state.failed_handshakes.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(server.state.handshakes.load(Ordering::SeqCst), 0);
    assert!(server.state.calls().is_empty());
}

#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_not_enough() {
    let [pinned, other] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let key = PrivatePkcs8KeyDer::from(other.signing_key.serialize_der());
    let server = Server::start_with(pinned.cert.der().clone(), key.into()).await;
    let error = Client::connect(server.endpoint()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    assert!(server.state.calls().is_empty());
}

#[tokio::test]
async fn certificate_roots_are_an_alternative() {
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::<String>::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let serve = async |host: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap()
            .der()
            .clone();
        Server::start_with(
            certificate,
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .await
    };
    let endpoint = |server: &Server| {
        let trust = Trust::roots_pem(root_pem.as_bytes()).unwrap();
        Endpoint::new(
            server.address.clone(),
            trust,
            Credential::new("AKID", "s3cret"),
        )
    };
    let right = serve("127.0.0.1").await;
    Client::connect(endpoint(&right))
        .await
        .unwrap()
        .put_item(put())
        .await
        .unwrap();
    let wrong_host = serve("example.com").await;
    let error = Client::connect(endpoint(&wrong_host)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    let self_signed = Server::start().await;
    let error = Client::connect(endpoint(&self_signed)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    assert!(Trust::roots_pem(b"nothing").is_err());
}

#[tokio::test]
async fn no_server_is_said_so_with_the_address() {
    let server = Server::start().await;
    let endpoint = Endpoint::new(
        "127.0.0.1:1",
        Trust::Pin(server.pin),
        Credential::new("AKID", "s3cret"),
    );
    let error = Client::connect(endpoint).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ServiceUnavailable);
    assert!(
        error.retryable() && error.message().contains("127.0.0.1:1"),
        "{error}"
    );
    for address in ["localhost", "localhost:99999", ":1", "a b:1"] {
        let endpoint = Endpoint::new(
            address,
            Trust::Pin(server.pin),
            Credential::new("AKID", "s3cret"),
        );
        assert_eq!(
            Client::connect(endpoint).await.unwrap_err().code(),
            ErrorCode::ValidationException,
            "{address}"
        );
    }
    let endpoint = Endpoint::new(
        server.address.clone(),
        Trust::Pin(server.pin),
        Credential::new("AK\n", "s3cret"),
    );
    let error = Client::connect(endpoint).await.unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("s3cret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_server_ends_in_a_time_limit() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let endpoint = Endpoint::new(
        address,
        Trust::Pin([0; 32]),
        Credential::new("AKID", "s3cret"),
    )
    .connect_timeout(Duration::from_millis(50));
    let error = Client::connect(endpoint).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ServiceUnavailable);
    assert!(error.message().contains("within 50ms"), "{error}");
}

#[tokio::test]
async fn what_was_surely_not_done_is_sent_again_whatever_it_is() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    for code in [
        ErrorCode::ThrottlingException,
        ErrorCode::StorageFullException,
        ErrorCode::ServiceUnavailable,
    ] {
        server.state.script([Step::Fail(code), Step::Fail(code)]);
        client
            .put_item(put().return_values(ReturnValue::AllOld))
            .await
            .unwrap();
    }
    assert_eq!(server.state.calls(), ["PutItem"; 9]);
    // Four tries are all.
    server
        .state
        .script((0..4).map(|_| Step::Fail(ErrorCode::ThrottlingException)));
    let error = client.put_item(put()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retryable()),
        (ErrorCode::ThrottlingException, true)
    );
    assert_eq!(error.request_id(), Some("req-7"));
    assert_eq!(
        error.to_string(),
        "ThrottlingException: ThrottlingException for the test (request req-7)"
    );
    assert_eq!(server.state.calls().len(), 13);
}

#[tokio::test]
async fn a_no_is_not_asked_again() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    for code in [
        ErrorCode::ValidationException,
        ErrorCode::UnknownOutcomeException,
        ErrorCode::InaccessibleEncryptionCredentialsException,
        ErrorCode::AccessDeniedException,
    ] {
        server.state.script([Step::Fail(code)]);
        let error = client.get_item(get()).await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), (code, false));
    }
    assert_eq!(server.state.calls().len(), 4);
    server
        .state
        .script([Step::Foreign(tonic::Code::Unauthenticated)]);
    let error = client.get_item(get()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retryable()),
        (ErrorCode::UnrecognizedClientException, false)
    );
    assert_eq!(server.state.calls().len(), 5);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_is_harmless() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let calls = || std::mem::take(&mut *server.state.calls.lock().unwrap());

    server.state.script([Step::Cut]);
    client.get_item(get()).await.unwrap();
    assert_eq!(calls(), ["GetItem"; 2]);
    server.state.script([Step::Cut]);
    client.put_item(put()).await.unwrap();
    assert_eq!(calls(), ["PutItem"; 2]);
    server.state.script([Step::Cut]);
    client
        .delete_item(DeleteItemInput::new("t", Map::from([("pk", "AT")])))
        .await
        .unwrap();
    assert_eq!(calls(), ["DeleteItem"; 2]);

    server.state.script([Step::Cut]);
    let error = client
        .put_item(put().return_values(ReturnValue::AllOld))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.retryable()),
        (ErrorCode::UnknownOutcomeException, false),
        "{error}"
    );
    assert_eq!(calls(), ["PutItem"]);
    server.state.script([Step::Cut]);
    let error = client
        .create_table(CreateTableInput::new("t"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnknownOutcomeException, "{error}");
    assert_eq!(calls(), ["CreateTable"]);
    // And the connection is back.
    client.get_item(get()).await.unwrap();
}

/// Waits until the relay holds so many connections.
async fn opened(server: &Server, count: usize) {
    let reached = async {
        while server.state.open.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(10), reached).await;
    within.unwrap_or_else(|_| panic!("{count} connections"));
}

#[tokio::test]
async fn clones_share_a_connection_and_it_ends_with_the_last() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    client.get_item(get()).await.unwrap();
    // It breaks while nobody looks; many find out at once.
    server.state.cut.notify_waiters();
    opened(&server, 0).await;
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.get_item(get()).await.map(|_| ()) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.state.handshakes.load(Ordering::SeqCst), 2);
    opened(&server, 1).await;
    drop(client);
    opened(&server, 0).await;
}

#[tokio::test]
async fn a_late_answer_is_a_lost_one() {
    let server = Server::start().await;
    let endpoint = server
        .endpoint()
        .request_timeout(Duration::from_millis(150));
    let client = Client::connect(endpoint.clone()).await.unwrap();
    let late = || Step::Late(Duration::from_secs(60));
    server.state.script([late()]);
    client.get_item(get()).await.unwrap();
    assert_eq!(server.state.calls(), ["GetItem"; 2]);
    server.state.script([late()]);
    let error = client
        .create_table(CreateTableInput::new("t"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.retryable()),
        (ErrorCode::UnknownOutcomeException, false)
    );
    let patient = Client::connect(endpoint.retry(RetryPolicy::none()))
        .await
        .unwrap();
    server.state.script([late()]);
    let error = patient.get_item(get()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retryable()),
        (ErrorCode::ServiceUnavailable, true)
    );
    assert!(
        error.message().contains("no answer within 150ms"),
        "{error}"
    );
}

#[tokio::test]
async fn paginators_go_to_the_end_through_empty_pages_and_errors() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let query = QueryInput::new("t", "pk = :p").value(":p", "AT").limit(3);

    let mut sizes = Vec::new();
    let mut pages = client.query_pages(query.clone());
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().items.len());
    }
    assert_eq!(sizes, [3, 0, 3, 1]);
    assert!(pages.next().await.is_none());

    let mut items = client.query_pages(query).items();
    assert_eq!(items.next().await.unwrap().unwrap(), Item::from([("n", 0)]));
    server
        .state
        .script([Step::Fail(ErrorCode::ValidationException)]);
    let (mut seen, mut errors) = (1, 0);
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => {
                assert_eq!(item, Item::from([("n", seen)]));
                seen += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::ValidationException);
                errors += 1;
            }
        }
    }
    assert_eq!((seen, errors), (ITEMS, 1));

    let mut names = client.list_tables_pages(ListTablesInput::new()).items();
    let mut all = Vec::new();
    while let Some(name) = names.next().await {
        all.push(name.unwrap());
    }
    assert_eq!(all, ["a", "b", "c"]);
    assert!(
        client
            .scan_pages(ScanInput::new("t"))
            .items()
            .next()
            .await
            .is_none()
    );
}

#[tokio::test]
async fn a_stream_goes_to_the_end_and_goes_on_where_it_broke() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let query = QueryInput::new("t", "pk = :p").value(":p", "AT").limit(3);
    let all = async |steps: Vec<Step>| {
        server.state.script(steps);
        let mut items = client.query_stream(query.clone()).items();
        let (mut seen, mut errors) = (0, Vec::new());
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => {
                    assert_eq!(item, Item::from([("n", seen)]));
                    seen += 1;
                }
                Err(error) => errors.push(error.code()),
            }
        }
        assert_eq!(seen, ITEMS);
        errors
    };
    let go_on = || Step::Late(Duration::ZERO);
    assert_eq!(all(vec![]).await, []);
    assert_eq!(server.state.calls(), ["QueryStream"]);
    // Refused before and after the first page.
    let busy = || Step::Fail(ErrorCode::ThrottlingException);
    assert_eq!(all(vec![busy(), go_on(), busy()]).await, []);
    assert_eq!(server.state.calls().len(), 1 + 3);
    let wrong = Step::Fail(ErrorCode::ValidationException);
    assert_eq!(
        all(vec![go_on(), wrong]).await,
        [ErrorCode::ValidationException]
    );
    assert!(
        client
            .scan_stream(ScanInput::new("t"))
            .next()
            .await
            .unwrap()
            .is_err(),
        "a stream without a last page"
    );
}

/// The numbers of the next records.
async fn numbers(tail: &mut Tail, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let record = tail.next().await.unwrap().unwrap();
        numbers.push(record.dynamodb.sequence_number.record);
    }
    numbers
}

#[tokio::test]
async fn a_tail_brings_each_record_once_through_broken_calls_and_old_iterators() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let records = &server.state.records;
    records.store(5, Ordering::SeqCst);
    let mut tail = client.tail(STREAM, TailFrom::Oldest).await.unwrap();
    server.state.script([
        Step::Fail(ErrorCode::ThrottlingException),
        Step::Cut,
        Step::Fail(ErrorCode::ExpiredIteratorException),
    ]);
    let breaks = [Step::Fail(ErrorCode::ServiceUnavailable), Step::Cut];
    server.state.after_page.lock().unwrap().extend(breaks);
    assert_eq!(numbers(&mut tail, 5).await, [1, 2, 3, 4, 5]);
    assert!(tail.try_next().await.unwrap().unwrap().is_none());
    // What comes while it waits is sent to it, without its asking.
    let calls = server.state.calls().len();
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        records.store(6, Ordering::SeqCst);
    };
    let (came, ()) = tokio::join!(numbers(&mut tail, 1), waiting);
    assert_eq!(came, [6]);
    assert_eq!(server.state.calls()[calls..], ["GetRecordsStream"]);
    assert!(tail.try_next().await.unwrap().unwrap().is_none());

    // From now on; its place is kept also where nothing has come yet.
    let mut now = client.tail(STREAM, TailFrom::Now).await.unwrap();
    records.store(8, Ordering::SeqCst);
    server
        .state
        .script([Step::Fail(ErrorCode::ExpiredIteratorException)]);
    assert_eq!(numbers(&mut now, 2).await, [7, 8]);
    // An error is told, and the place is kept.
    server
        .state
        .script([Step::Fail(ErrorCode::TrimmedDataAccessException)]);
    let error = tail.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::TrimmedDataAccessException);
    assert_eq!(numbers(&mut tail, 2).await, [7, 8]);

    let last = SequenceNumber {
        commit: 1,
        record: 7,
    };
    let mut after = client.tail(STREAM, TailFrom::After(last)).await.unwrap();
    server.state.ended.store(true, Ordering::SeqCst);
    assert_eq!(numbers(&mut after, 1).await, [8]);
    for tail in [&mut after, &mut tail] {
        assert!(tail.next().await.is_none(), "the stream has ended");
        assert!(tail.next().await.is_none());
    }
}

#[tokio::test]
async fn keys_are_asked_for_again_until_all_are_read() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let wanted = || {
        (0..25).fold(BatchGetItemInput::new(), |batch, n| {
            batch.key(if n % 2 == 0 { "a" } else { "b" }, Map::from([("n", n)]))
        })
    };
    *server.state.batch_room.lock().unwrap() = 10;
    let found = client.batch_get_all(wanted()).await.unwrap();
    assert_eq!((found["a"].len(), found["b"].len()), (13, 12));
    assert_eq!(server.state.calls(), ["BatchGetItem"; 3]);
    *server.state.batch_room.lock().unwrap() = 0;
    let error = client.batch_get_all(wanted()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ThrottlingException);
}

#[tokio::test]
async fn a_transaction_is_sent_again_for_its_token_and_an_update_is_not() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let transaction = || {
        let put = TransactPut::new("t", Item::from([("pk", "AT")]));
        TransactWriteItemsInput::new().action(put)
    };
    server.state.script([Step::Cut]);
    client.transact_write_items(transaction()).await.unwrap();
    client
        .transact_write_items(transaction().client_request_token("mine"))
        .await
        .unwrap();
    client.transact_write_items(transaction()).await.unwrap();
    assert_eq!(server.state.calls(), ["TransactWriteItems"; 4]);
    let tokens = server.state.tokens.lock().unwrap().clone();
    assert_eq!(tokens[0].len(), 32);
    assert_eq!(tokens[1], "mine");
    assert_ne!(tokens[0], tokens[2]);

    let lost = [
        Step::Cut,
        Step::Foreign(tonic::Code::ResourceExhausted),
        Step::Foreign(tonic::Code::PermissionDenied),
    ];
    for step in lost {
        server.state.calls.lock().unwrap().clear();
        server.state.script([step]);
        let update = UpdateItemInput::new("t", Map::from([("pk", "AT")]));
        let error = client.update_item(update).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnknownOutcomeException);
        assert_eq!(server.state.calls(), ["UpdateItem"]);
    }
}

#[tokio::test]
async fn batches_are_sent_again_until_nothing_is_left() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let batch = || {
        (0..25).fold(BatchWriteItemInput::new(), |batch, n| {
            batch.put(if n % 2 == 0 { "a" } else { "b" }, Item::from([("n", n)]))
        })
    };
    *server.state.batch_room.lock().unwrap() = 10;
    client.batch_write_all(batch()).await.unwrap();
    assert_eq!(server.state.calls(), ["BatchWriteItem"; 3]);

    *server.state.batch_room.lock().unwrap() = 0;
    let error = client.batch_write_all(batch()).await.unwrap_err();
    assert_eq!(error.unprocessed, batch().request_items);
    assert_eq!(error.source.code(), ErrorCode::ThrottlingException);
    assert!(
        error
            .to_string()
            .starts_with("25 of the batch's requests were not carried out"),
        "{error}"
    );

    server
        .state
        .script([Step::Fail(ErrorCode::ValidationException)]);
    let error = client.batch_write_all(batch()).await.unwrap_err();
    assert_eq!(error.unprocessed.len(), 2);
    assert_eq!(Error::from(error).code(), ErrorCode::ValidationException);
}

#[tokio::test]
async fn the_largest_batch_passes_and_a_larger_message_is_refused_here() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let batch = |count: i32| {
        (0..count).fold(BatchWriteItemInput::new(), |batch, n| {
            let item = Item::from([
                ("n", AttributeValue::from(n)),
                ("b", vec![0u8; 409_000].into()),
            ]);
            batch.put("t", item)
        })
    };
    client.batch_write_item(batch(25)).await.unwrap();
    let error = client.batch_write_item(batch(42)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationException, "{error}");
    assert_eq!(server.state.calls().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_none_is_named() {
    let server = Server::start().await;
    let client = Client::connect(server.endpoint()).await.unwrap();
    let error = client
        .describe_table(DescribeTableInput::new("t"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::SerializationException);
    assert_eq!(
        error.message(),
        "the server's answer is malformed: table: is missing"
    );
}

#[tokio::test]
async fn an_endpoint_file_is_all_that_is_needed() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("endpoint.json");
    let file = EndpointFile {
        version: ENDPOINT_VERSION,
        address: server.address.clone(),
        access_key_id: "FILE".into(),
        secret_access_key: Secret::new("fr0m-file"),
        certificate_pin: format_pin(&server.pin),
        pid: std::process::id(),
        server_version: "0.1.0".into(),
    };
    file.write(&path).unwrap();
    let endpoint = Endpoint::from_file(&path).unwrap();
    assert_eq!(
        (endpoint.address(), endpoint.access_key_id()),
        (server.address.as_str(), "FILE")
    );
    assert!(
        !format!("{endpoint:?}").contains("fr0m-file"),
        "{endpoint:?}"
    );
    let client = Client::connect(endpoint).await.unwrap();
    assert!(!format!("{client:?}").contains("fr0m-file"), "{client:?}");
    client.get_item(get()).await.unwrap();
    assert_eq!(
        server.state.authorization.lock().unwrap().as_deref(),
        Some("Bearer FILE:fr0m-file")
    );
    let error = Endpoint::from_file(dir.path().join("none.json")).unwrap_err();
    assert!(error.message().contains("none.json"), "{error}");
}
