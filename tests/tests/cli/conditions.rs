//! Updates, conditions, filters and projections.

use sealdb_tests::server::{Home, Server};
use serde_json::json;

fn shop() -> (Home, Server) {
    let home = Home::new();
    let server = home.start();
    home.sealdb(&["table", "create", "stock", "--pk", "id:S"])
        .ok();
    for (id, pieces) in [("nail", 500), ("saw", 3)] {
        let item = json!({"id": id, "pieces": pieces, "shelf": "A"});
        home.sealdb(&["item", "put", "stock", &item.to_string()])
            .ok();
    }
    (home, server)
}

#[test]
fn an_item_is_updated_under_a_condition() {
    let (home, _server) = shop();
    let take = |pieces: &str| {
        let values = format!(r#"{{":p": {{"N": "{pieces}"}}}}"#);
        home.sealdb(&[
            "item",
            "update",
            "stock",
            "--pk",
            "saw",
            "--set",
            "pieces = pieces - :p",
            "--remove",
            "shelf",
            "--condition",
            "pieces >= :p",
            "--values",
            &values,
            "--return",
            "new",
            "--json",
        ])
    };
    assert_eq!(
        take("2").json(),
        json!({"id": {"S": "saw"}, "pieces": {"N": "1"}})
    );
    let refused = take("2").refused(1);
    assert!(
        refused.contains("ConditionalCheckFailedException: The conditional request failed"),
        "{refused}"
    );
    let new = json!({"id": "saw"}).to_string();
    let put = ["item", "put", "stock", &new];
    home.sealdb(&[&put[..], &["--condition", "attribute_not_exists(id)"]].concat())
        .refused(1);
    home.sealdb(&[
        "item",
        "delete",
        "stock",
        "--pk",
        "saw",
        "--condition",
        "#p = :p",
        "--names",
        r##"{"#p": "pieces"}"##,
        "--values",
        r#"{":p": {"N": "1"}}"#,
    ])
    .ok();
    let changes_nothing = home
        .sealdb(&["item", "update", "stock", "--pk", "saw"])
        .refused(2);
    assert!(changes_nothing.contains("--set"), "{changes_nothing}");
}

#[test]
fn a_transaction_happens_whole_or_not_at_all() {
    let (home, _server) = shop();
    let update = |id: &str, change: &str| {
        json!({"Update": {
            "TableName": "stock",
            "Key": {"id": {"S": id}},
            "UpdateExpression": format!("SET pieces = pieces {change} :p"),
            "ConditionExpression": "pieces >= :p",
            "ExpressionAttributeValues": {":p": {"N": "3"}},
        }})
    };
    let both = json!([update("nail", "+"), update("saw", "-")]).to_string();
    let line = ["item", "transact", "-"];
    let done = home.sealdb_with_input(&line, &both).ok();
    assert_eq!(done, "carried out 2 actions\n");
    let refused = home.sealdb_with_input(&line, &both).refused(1);
    assert!(
        refused.contains("TransactionCanceledException"),
        "{refused}"
    );
    assert!(
        refused.contains("action 2: ConditionalCheckFailed: The conditional request failed"),
        "{refused}"
    );
    let nail = home
        .sealdb(&["item", "get", "stock", "--pk", "nail", "--json"])
        .json();
    assert_eq!(nail["pieces"], json!({"N": "503"}));
}

#[test]
fn reads_are_filtered_and_projected() {
    let (home, _server) = shop();
    let many = home
        .sealdb(&[
            "scan",
            "stock",
            "--filter",
            "pieces > :p",
            "--values",
            r#"{":p": {"N": "100"}}"#,
            "--projection",
            "pieces",
            "--json",
        ])
        .json();
    assert_eq!(
        many,
        json!({"Items": [{"pieces": {"N": "500"}}], "Count": 1})
    );
    let shown = home
        .sealdb(&[
            "item",
            "get",
            "stock",
            "--pk",
            "saw",
            "--projection",
            "#s",
            "--names",
            r##"{"#s": "shelf"}"##,
        ])
        .ok();
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["shelf", "A"]);
}
