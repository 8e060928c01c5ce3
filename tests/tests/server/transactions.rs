//! Transactions through the client.

use sealdb_client::Client;
use sealdb_client::model::ops::{
    CancellationReason, ConditionCheck, CreateTableInput, GetItemInput, PutItemInput,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactDelete, TransactGet,
    TransactGetItemsInput, TransactPut, TransactUpdate, TransactWriteItemsInput,
};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map, ScalarType};
use sealdb_tests::server::Home;

fn key(id: &str) -> Map {
    Map::from([("id", id)])
}

fn account(id: &str, money: i32) -> Item {
    let mut item = key(id);
    item.insert("money", money);
    item
}

async fn filled(client: &Client) {
    for table in ["accounts", "journal"] {
        let input = CreateTableInput::new(table).partition_key("id", ScalarType::S);
        client.create_table(input).await.unwrap();
    }
    for (id, money) in [("a", 100), ("b", 5)] {
        let put = PutItemInput::new("accounts", account(id, money));
        client.put_item(put).await.unwrap();
    }
}

/// Moves money from a to b, and writes it down.
fn transfer(entry: &str, money: i32) -> TransactWriteItemsInput {
    let telling = ReturnValuesOnConditionCheckFailure::AllOld;
    TransactWriteItemsInput::new()
        .action(
            TransactUpdate::new("accounts", key("a"), "SET money = money - :m")
                .condition_expression("money >= :m")
                .value(":m", money)
                .return_values_on_condition_check_failure(telling),
        )
        .action(
            TransactUpdate::new("accounts", key("b"), "SET money = money + :m").value(":m", money),
        )
        .action(
            TransactPut::new("journal", account(entry, money))
                .condition_expression("attribute_not_exists(id)"),
        )
}

async fn balances(client: &Client) -> Vec<Option<Item>> {
    let gets = ["a", "b"].map(|id| TransactGet::new("accounts", key(id)));
    let missing = TransactGet::new("journal", key("missing")).projection_expression("money");
    let input = TransactGetItemsInput::new(gets.into_iter().chain([missing]).collect());
    client.transact_get_items(input).await.unwrap().responses
}

#[tokio::test]
async fn all_actions_happen_or_none_and_reasons_stand_in_their_order() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let counted = transfer("1", 60).return_consumed_capacity(ReturnConsumedCapacity::Total);
    let output = client.transact_write_items(counted).await.unwrap();
    assert_eq!(output.consumed_capacity.len(), 2);
    let after = [Some(account("a", 40)), Some(account("b", 65)), None];
    assert_eq!(balances(&client).await, after);

    let error = client
        .transact_write_items(transfer("1", 60))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::TransactionCanceledException);
    assert_eq!(
        error.cancellation_reasons(),
        [
            CancellationReason::condition(Some(account("a", 40))),
            CancellationReason::none(),
            CancellationReason::condition(None),
        ]
    );
    assert!(
        error
            .message()
            .ends_with("[ConditionalCheckFailed, None, ConditionalCheckFailed]"),
        "{error}"
    );
    assert_eq!(balances(&client).await, after);

    let check = ConditionCheck::new("accounts", key("a"), "attribute_exists(id)");
    let delete = TransactDelete::new("journal", key("1"));
    let input = TransactWriteItemsInput::new().action(check).action(delete);
    client.transact_write_items(input).await.unwrap();
    let gone = client
        .get_item(GetItemInput::new("journal", key("1")))
        .await
        .unwrap();
    assert_eq!(gone.item, None);
}

#[tokio::test]
async fn a_token_is_carried_out_once() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    filled(&client).await;
    let add = |money: i32| {
        let update = TransactUpdate::new("accounts", key("b"), "SET money = money + :m");
        TransactWriteItemsInput::new()
            .action(update.value(":m", money))
            .client_request_token("once")
    };
    for _ in 0..3 {
        client.transact_write_items(add(10)).await.unwrap();
    }
    let b = client
        .get_item(GetItemInput::new("accounts", key("b")))
        .await
        .unwrap();
    assert_eq!(
        b.item.unwrap().get("money"),
        Some(&AttributeValue::from(15))
    );
    let error = client.transact_write_items(add(11)).await.unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::IdempotentParameterMismatchException
    );
}
