//! Bytes that no client of ours would send: refused by name, and the server stays up and its memory bounded.

use prost::Message;
use sealdb_client::model::ErrorCode;
use sealdb_proto::named_error;
use tonic::codegen::http;
use tower::ServiceExt;

use super::wire::*;

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let (home, server, raw) = with_table().await;
    let mut noise = vec![0u8; 4096];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for byte in &mut noise {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    for method in OPERATIONS {
        for (bytes, what) in [
            (vec![0xff; 100], "an endless varint"),
            (vec![0x0a, 0x7f, 1], "a field that ends too early"),
            (vec![0x0a, 2, 0xc3, 0x28], "text that is not UTF-8"),
            (vec![0x0b], "a group"),
            (vec![0x07, 0], "a wire type that is none"),
        ] {
            let status = raw.call(method, bytes).await.err();
            let Some(status) = status else {
                panic!("{method} took {what}");
            };
            assert_eq!(
                named_error(&status),
                Some(ErrorCode::SerializationException),
                "{method}, {what}: {status:?}"
            );
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
        // Noise may by chance be a message; it must only not bring the server down.
        for length in [1, 10, 100, 1000, 4096] {
            let _ = raw.call(method, noise[..length].to_vec()).await;
        }
        // Nothing at all is the empty message.
        let empty = raw.call(method, Vec::new()).await;
        let needs_nothing = ["ListTables", "ListStreams"].contains(&method);
        assert!(
            needs_nothing || empty.is_err(),
            "{method} took an empty message"
        );
    }
    well(&home, server, &raw).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_messages_are_refused_and_memory_stays_bounded() {
    let (home, server, raw) = with_table().await;
    let (idle, _) = server.memory_kib();
    // Longer than a message may be.
    let status = raw.call("PutItem", vec![0; 18 << 20]).await.unwrap_err();
    assert_eq!(
        named_error(&status),
        Some(ErrorCode::ValidationException),
        "{status:?}"
    );
    assert!(status.message().contains("17825792"), "{status:?}");
    let (after_one, _) = server.memory_kib();
    // A million of the smallest fields: unknown ones, empty names and values, empty members, empty requests.
    let million = 1_000_000;
    let field = |tag: u8, content: &[u8]| {
        let mut bytes = vec![tag << 3 | 2];
        prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
        bytes.extend(content);
        bytes
    };
    let mut names = Vec::new();
    for _ in 0..million {
        names.extend([0x0a, 0, 0x12, 0]);
    }
    let unknown = [0x78, 1].repeat(million);
    let members = [0x0a, 0].repeat(million);
    let list = field(7, &[0x0a, 0].repeat(million));
    let set = field(8, &members);
    let in_item = |content: &[u8]| {
        let mut item = key().encode_to_vec();
        item.extend([field(1, b"x"), field(2, content)].concat());
        [field(1, b"table"), field(2, &item)].concat()
    };
    let messages = [
        ("PutItem", unknown),
        ("PutItem", [field(1, b"table"), field(2, &names)].concat()),
        ("PutItem", in_item(&list)),
        ("PutItem", in_item(&set)),
        ("GetItem", [field(1, b"table"), field(2, &names)].concat()),
        ("BatchWriteItem", [0x0a, 0].repeat(million)),
        (
            "BatchWriteItem",
            field(1, &[field(1, b"table"), [0x12, 0].repeat(million)].concat()),
        ),
        ("CreateTable", [0x12, 0].repeat(million)),
        (
            "Query",
            [field(1, b"table"), [0x1a, 0].repeat(million)].concat(),
        ),
        ("Query", [field(1, b"table"), field(4, &names)].concat()),
        ("Scan", [field(1, b"table"), field(3, &names)].concat()),
    ];
    let begun = std::time::Instant::now();
    for (method, bytes) in &messages {
        let one = std::time::Instant::now();
        let status = raw.call(method, bytes.clone()).await.err();
        let status = status.unwrap_or_else(|| panic!("{method} took a million fields"));
        assert_eq!(
            status.code(),
            tonic::Code::InvalidArgument,
            "{method}: {status:?}"
        );
        assert!(
            status.message().len() < 4096,
            "an answer as long as the question"
        );
        println!(
            "{method}: {:?}, peak {} MiB",
            one.elapsed(),
            server.memory_kib().1 >> 10
        );
    }
    // And several at once.
    let mut calls = tokio::task::JoinSet::new();
    for round in 0..3 {
        for (method, bytes) in &messages {
            let (raw, bytes, method) = (raw.clone(), bytes.clone(), *method);
            calls.spawn(async move { (method, round, raw.call(method, bytes).await.is_err()) });
        }
    }
    while let Some(call) = calls.join_next().await {
        let (method, _, refused) = call.unwrap();
        assert!(refused, "{method}");
    }
    let took = begun.elapsed();
    let (now, peak) = server.memory_kib();
    println!(
        "memory in MiB: {} idle, {} after 18 MiB, {} at most, {} now; {} calls in {took:?}",
        idle >> 10,
        after_one >> 10,
        peak >> 10,
        now >> 10,
        messages.len() * 4
    );
    assert!(
        after_one < idle + (64 << 10),
        "{} MiB for one refused message",
        (after_one - idle) >> 10
    );
    assert!(peak < 1 << 20, "{} MiB at the peak", peak >> 10);
    well(&home, server, &raw).await;
}

#[tokio::test]
async fn broken_grpc_frames_are_refused() {
    let (home, server, raw) = with_table().await;
    let authorization = raw.authorization.clone().unwrap();
    for (body, encoding) in [
        ("\u{0}", "identity"),
        ("\u{0}\u{0}\u{0}\u{0}\u{7}abc", "identity"),
        ("\u{0}\u{7f}\u{7f}\u{7f}\u{7f}", "identity"),
        ("\u{7}\u{0}\u{0}\u{0}\u{0}", "identity"),
        ("\u{1}\u{0}\u{0}\u{0}\u{4}bomb", "gzip"),
        ("\u{1}\u{0}\u{0}\u{0}\u{4}bomb", "identity"),
        ("", "identity"),
        (
            "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
            "no-such-encoding",
        ),
    ] {
        let request = http::Request::builder()
            .method("POST")
            .uri("https://localhost/sealdb.v1.SealDb/DescribeTable")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-encoding", encoding)
            .header("authorization", authorization.to_str().unwrap())
            .body(tonic::body::Body::new(body.to_owned()))
            .unwrap();
        let response = raw.channel.clone().oneshot(request).await.unwrap();
        let status = tonic::Status::from_header_map(response.headers());
        let status = match status {
            Some(status) => status,
            None => {
                let mut body = response.into_body();
                let mut trailers = None;
                while let Some(frame) = std::future::poll_fn(|context| {
                    tonic::codegen::Body::poll_frame(std::pin::Pin::new(&mut body), context)
                })
                .await
                {
                    if let Ok(frame) = frame.unwrap().into_trailers() {
                        trailers = tonic::Status::from_header_map(&frame);
                    }
                }
                trailers.expect("an answer ends with a status")
            }
        };
        assert!(
            matches!(
                named_error(&status),
                Some(ErrorCode::SerializationException | ErrorCode::ValidationException)
            ),
            "{body:?} with {encoding}: {status:?}"
        );
        assert!(
            !status.message().is_empty(),
            "{body:?} with {encoding}: {status:?}"
        );
    }
    well(&home, server, &raw).await;
}

#[tokio::test]
async fn what_is_no_operation_is_named() {
    let (home, server, raw) = with_table().await;
    for path in ["/sealdb.v1.SealDb/DropEverything", "/sealdb.v1.SealDb/"] {
        let status = raw.call_path(path, Vec::new()).await.unwrap_err();
        assert_eq!(
            named_error(&status),
            Some(ErrorCode::UnknownOperationException),
            "{path}: {status:?}"
        );
    }
    well(&home, server, &raw).await;
}

/// PutItem of an item of so many attributes without names and values: 4 bytes each, and 80 once they are decoded.
fn swelling(attributes: usize) -> Vec<u8> {
    let item = [0x0a, 0, 0x12, 0].repeat(attributes);
    let mut bytes = vec![0x0a, 5];
    bytes.extend(b"table");
    bytes.push(0x12);
    prost::encode_length_delimiter(item.len(), &mut bytes).unwrap();
    bytes.extend(item);
    bytes
}

/// Sends so many of them at once, on one connection; who is turned away comes again. Returns the peak of the server's memory above
/// what it has idle, in MiB, and how often somebody was turned away.
async fn swell(memory: &str, calls: usize, attributes: usize) -> (u64, usize) {
    let (home, server, raw) = with_table_and(&["--max-request-memory", memory]).await;
    let (idle, _) = server.memory_kib();
    let bytes = swelling(attributes);
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..calls {
        let (raw, bytes) = (raw.clone(), bytes.clone());
        sent.spawn(async move {
            for turned_away in 0.. {
                let status = raw.call("PutItem", bytes.clone()).await.unwrap_err();
                match named_error(&status) {
                    Some(ErrorCode::ThrottlingException) => {}
                    Some(ErrorCode::ValidationException) => return turned_away,
                    _ => panic!("{status:?}"),
                }
            }
            0
        });
    }
    let mut turned_away = 0;
    while let Some(call) = sent.join_next().await {
        turned_away += call.unwrap();
    }
    let (now, peak) = server.memory_kib();
    println!(
        "{memory} for {calls} calls: {} MiB idle, {} at most, {} now; turned away {turned_away} times",
        idle >> 10,
        peak >> 10,
        now >> 10
    );
    well(&home, server, &raw).await;
    ((peak - idle) >> 10, turned_away)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_of_all_calls_share_their_memory() {
    // One at a time: each is charged 32 times its 4 MB.
    let (bounded, _) = swell("64MiB", 24, 1_000_000).await;
    // The allocator keeps some of what each thread has had.
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    assert!(bounded < 128 + 64 * threads, "{bounded} MiB");
    let (free, turned_away) = swell("64GiB", 24, 1_000_000).await;
    assert_eq!(turned_away, 0);
    assert!(
        free > bounded,
        "without a bound they take {free} MiB, with it {bounded}"
    );
}

/// What waits is unread, and must not hold up the call that is being read on the same connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_wait_for_memory_get_their_turn() {
    let (_, turned_away) = swell("1MiB", 16, 100_000).await;
    assert_eq!(turned_away, 0);
}
