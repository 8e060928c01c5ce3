//! Time to live, on the real clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealdb_client::Client;
use sealdb_client::model::ops::{
    CreateTableInput, GetItemInput, PutItemInput, UpdateTimeToLiveInput,
};
use sealdb_client::model::{AttributeValue, Item, Map, ScalarType};
use sealdb_tests::server::Home;

/// Six years: a time so long ago is taken for a mistake.
const LONG_AGO: u64 = 6 * 365 * 24 * 3600;
/// What "within seconds" is on a busy machine.
const SOON: Duration = Duration::from_secs(15);

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

async fn put(client: &Client, id: &str, ends: impl Into<AttributeValue>) {
    let item = Item::from([("id", id.into()), ("ends", ends.into())]);
    client
        .put_item(PutItemInput::new("films", item))
        .await
        .unwrap();
}

async fn is_there(client: &Client, id: &str) -> bool {
    let get = GetItemInput::new("films", Map::from([("id", id)]));
    client.get_item(get).await.unwrap().item.is_some()
}

/// Waits until an item is gone, which it may not be before its time.
async fn gone(client: &Client, id: &str, ends: u64) {
    let ends = Duration::from_secs(ends);
    while is_there(client, id).await {
        assert!(now() < ends + SOON, "{id} does not go");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(now() >= ends, "{id} went too early");
}

#[tokio::test]
async fn an_expired_item_is_gone_within_seconds() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    let table = CreateTableInput::new("films").partition_key("id", ScalarType::S);
    client.create_table(table).await.unwrap();
    let ttl = UpdateTimeToLiveInput::new("films", "ends", true);
    client.update_time_to_live(ttl).await.unwrap();
    let begun = now().as_secs();
    put(&client, "later", begun + 3600).await;
    put(&client, "a mistake", begun - LONG_AGO).await;
    put(&client, "no time", "tomorrow").await;
    put(&client, "soon", begun + 2).await;
    gone(&client, "soon", begun + 2).await;

    // One whose time comes while nobody is there goes once somebody is again.
    let ends = now().as_secs() + 1;
    put(&client, "meanwhile", ends).await;
    server.kill();
    let server = home.start();
    let client = server.client().await;
    gone(&client, "meanwhile", ends).await;
    for id in ["later", "a mistake", "no time"] {
        assert!(is_there(&client, id).await, "{id}");
    }
}
