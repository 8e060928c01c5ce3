//! SIGTERM under load: what was acknowledged stays, the exit code is 0, and the next start replays nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealdb_client::model::ops::{CreateTableInput, GetItemInput, PutItemInput, ScanInput, Select};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map, Number, ScalarType};
use sealdb_client::{Client, RetryPolicy};
use sealdb_tests::server::{Home, Server, wait};

async fn create(client: &Client) {
    let input = CreateTableInput::new("table")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    client.create_table(input).await.unwrap();
}

fn key(pk: &str, sk: u32) -> Map {
    Map::from([
        ("pk", AttributeValue::from(pk)),
        ("sk", Number::from(sk).into()),
    ])
}

fn item(pk: &str, sk: u32) -> Item {
    let mut item = key(pk, sk);
    item.insert("text", "t".repeat(500));
    item
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_what_it_began_and_keeps_it() {
    let home = Home::new();
    let server = home.start();
    create(&server.client().await).await;
    let stopping = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for number in 0..4 {
        let endpoint = server.client_endpoint().retry(RetryPolicy::none());
        let client = Client::connect(endpoint).await.unwrap();
        let stopping = stopping.clone();
        tasks.push(tokio::spawn(async move {
            let pk = format!("writer-{number}");
            let mut acknowledged = 0;
            loop {
                match client
                    .put_item(PutItemInput::new("table", item(&pk, acknowledged)))
                    .await
                {
                    Ok(_) => acknowledged += 1,
                    Err(error) => {
                        assert!(stopping.load(Ordering::SeqCst), "before the stop: {error}");
                        assert!(
                            matches!(
                                error.code(),
                                ErrorCode::ServiceUnavailable | ErrorCode::UnknownOutcomeException
                            ),
                            "{error}"
                        );
                        return (pk, acknowledged);
                    }
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stopping.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0), "{}", home.log());
    assert!(took < Duration::from_secs(15), "the stop took {took:?}");
    assert!(
        !home.endpoint_file().exists(),
        "a stopped server is not to be found"
    );

    let server = home.start();
    let client = server.client().await;
    let mut total = 0;
    for task in tasks {
        let (pk, acknowledged) = task.await.unwrap();
        assert!(acknowledged > 0);
        total += acknowledged;
        for sk in 0..acknowledged {
            let got = client
                .get_item(GetItemInput::new("table", key(&pk, sk)))
                .await
                .unwrap();
            assert_eq!(got.item, Some(item(&pk, sk)));
        }
    }
    println!("stopped in {took:?} with {total} writes acknowledged");
    assert!(server.terminate().success());
}

#[tokio::test]
async fn sigint_stops_in_order_and_idle_clients_do_not_hold_it_up() {
    let home = Home::new();
    let mut server = home.start();
    let client = server.client().await;
    create(&client).await;
    let begun = Instant::now();
    server.signal(Signal::INT);
    while server.runs() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "an idle client holds the stop up"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(client);
    assert!(home.start().terminate().success());
}

/// Each start finds the database closed or killed; a start after a kill finishes on its own.
#[tokio::test]
async fn stops_kills_and_starts_in_a_row() {
    let home = Home::new();
    let number = AtomicU32::new(0);
    let add = async |server: &Server| {
        let client = server.client().await;
        let sk = number.fetch_add(1, Ordering::Relaxed);
        client
            .put_item(PutItemInput::new("table", item("a", sk)))
            .await
            .unwrap();
        let counted = client
            .scan(ScanInput::new("table").select(Select::Count))
            .await
            .unwrap();
        assert_eq!(counted.count, sk + 1);
    };
    let server = home.start();
    create(&server.client().await).await;
    add(&server).await;
    server.kill();
    for _ in 0..3 {
        let server = home.start();
        add(&server).await;
        assert!(server.terminate().success());
        let server = home.start();
        add(&server).await;
        server.kill();
    }
}

#[test]
fn a_signal_during_the_start_ends_it() {
    let home = Home::new();
    home.start().kill();
    for millis in [0, 5, 20, 50] {
        let mut child = home.spawn(&[]);
        std::thread::sleep(Duration::from_millis(millis));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM)
            .unwrap();
        assert!(
            wait(&mut child, Duration::from_secs(20)).is_some(),
            "it goes on in spite of SIGTERM"
        );
    }
    assert!(home.start().terminate().success());
}
