//! What is changed of tables that are in use: indexes, protection, expiry, tags. Through the client.

use std::time::Duration;

use sealdb_client::Client;
use sealdb_client::model::ops::{
    AttributeDefinition, CreateTableInput, DeleteTableInput, DescribeTableInput,
    DescribeTimeToLiveInput, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, IndexStatus,
    ListTagsOfResourceInput, PutItemInput, QueryInput, Tag, TagResourceInput, TimeToLiveStatus,
    UntagResourceInput, UpdateTableInput, UpdateTimeToLiveInput,
};
use sealdb_client::model::{ErrorCode, Item, ScalarType};
use sealdb_tests::server::Home;

async fn filled(client: &Client) {
    let input = CreateTableInput::new("people").partition_key("id", ScalarType::S);
    client.create_table(input).await.unwrap();
    for id in ["ada", "bob"] {
        let item = Item::from([("id", id), ("town", "Vienna")]);
        client
            .put_item(PutItemInput::new("people", item))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_index_is_made_while_the_table_is_in_use() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let index = GlobalSecondaryIndex::new("by_town", &["town"], &[]);
    let update = UpdateTableInput::new("people")
        .attribute_definitions(vec![AttributeDefinition::new("town", ScalarType::S)])
        .index_update(GlobalSecondaryIndexUpdate::Create(index))
        .deletion_protection_enabled(true);
    client.update_table(update).await.unwrap();
    loop {
        let described = client
            .describe_table(DescribeTableInput::new("people"))
            .await
            .unwrap()
            .table;
        let index = &described.global_secondary_indexes[0];
        if index.index_status == IndexStatus::Active {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let query = QueryInput::new("people", "town = :t")
        .index_name("by_town")
        .value(":t", "Vienna");
    assert_eq!(client.query(query).await.unwrap().count, 2);
    let error = client
        .delete_table(DeleteTableInput::new("people"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationException, "{error}");
}

#[tokio::test]
async fn expiry_and_tags_are_set_and_told() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let on = UpdateTimeToLiveInput::new("people", "until", true);
    client.update_time_to_live(on).await.unwrap();
    let described = client
        .describe_time_to_live(DescribeTimeToLiveInput::new("people"))
        .await
        .unwrap();
    assert!(matches!(
        described.time_to_live_status,
        TimeToLiveStatus::Enabling | TimeToLiveStatus::Enabled
    ));
    assert_eq!(described.attribute_name.as_deref(), Some("until"));

    let tags = vec![Tag::new("team", "red"), Tag::new("cost", "7")];
    client
        .tag_resource(TagResourceInput::new("people", tags))
        .await
        .unwrap();
    let gone = UntagResourceInput::new("people", vec!["cost".to_owned()]);
    client.untag_resource(gone).await.unwrap();
    let listed = client
        .list_tags_of_resource(ListTagsOfResourceInput::new("people"))
        .await
        .unwrap();
    assert_eq!(listed.tags, [Tag::new("team", "red")]);
}
