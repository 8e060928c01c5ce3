//! PartiQL through the client.

use sealdb_client::Client;
use sealdb_client::model::ops::{
    BatchExecuteStatementInput, BatchStatementErrorCode, BatchStatementRequest, CreateTableInput,
    ExecuteStatementInput, ExecuteTransactionInput, ParameterizedStatement, ReturnConsumedCapacity,
};
use sealdb_client::model::{ErrorCode, Item, ScalarType};
use sealdb_tests::server::Home;

async fn with_table(client: &Client) {
    let stock = CreateTableInput::new("stock")
        .partition_key("shelf", ScalarType::S)
        .sort_key("id", ScalarType::N);
    client.create_table(stock).await.unwrap();
}

fn insert(id: i32) -> ParameterizedStatement {
    ParameterizedStatement::new("INSERT INTO stock VALUE {'shelf': 'a', 'id': ?}").parameter(id)
}

#[tokio::test]
async fn statements_are_carried_out_one_by_one_in_batches_and_in_transactions() {
    let home = Home::new();
    let server = home.start();
    let client = server.client().await;
    with_table(&client).await;
    let transaction = ExecuteTransactionInput::new((0..5).map(insert).collect());
    let done = client.execute_transaction(transaction).await.unwrap();
    assert_eq!(done.responses, vec![None; 5]);
    let again = ExecuteTransactionInput::new(vec![insert(7), insert(0)]);
    let refused = client.execute_transaction(again).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TransactionCanceledException);
    assert_eq!(refused.cancellation_reasons().len(), 2);

    let select = "SELECT id FROM stock WHERE shelf = ? ORDER BY id DESC";
    let mut select = ExecuteStatementInput::new(select)
        .parameter("a")
        .limit(3)
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let first = client.execute_statement(select.clone()).await.unwrap();
    let ids = |ids: &[i32]| -> Vec<Item> {
        let item = |id: &i32| Item::from([("id", *id)]);
        ids.iter().map(item).collect()
    };
    assert_eq!(first.items, ids(&[4, 3, 2]));
    assert!(first.last_evaluated_key.is_some());
    let consumed = first.consumed_capacity.unwrap();
    assert_eq!(consumed.total.capacity_units.as_f64(), 0.5);
    select.next_token = first.next_token;
    let rest = client.execute_statement(select).await.unwrap();
    assert_eq!(rest.items, ids(&[1, 0]));
    assert_eq!(rest.next_token, None);

    let statements = [
        "UPDATE stock SET pieces = 2 WHERE shelf = 'a' AND id = 1 RETURNING ALL NEW *",
        "INSERT INTO stock VALUE {'shelf': 'a', 'id': 0}",
        "DELETE FROM nowhere WHERE shelf = 'a' AND id = 1",
    ];
    let statements = statements.map(BatchStatementRequest::new);
    let batch = BatchExecuteStatementInput::new(statements.into());
    let answers = client
        .batch_execute_statement(batch)
        .await
        .unwrap()
        .responses;
    let updated = answers[0].item.as_ref().unwrap();
    assert_eq!(updated.get("pieces"), Some(&2.into()));
    assert_eq!(answers[0].table_name.as_deref(), Some("stock"));
    let codes = [&answers[1], &answers[2]].map(|answer| answer.error.as_ref().unwrap().code);
    assert_eq!(
        codes,
        [
            BatchStatementErrorCode::DuplicateItem,
            BatchStatementErrorCode::ResourceNotFound
        ]
    );
    let wrong = ExecuteStatementInput::new("SELECT FROM stock");
    let refused = client.execute_statement(wrong).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ValidationException);
}
