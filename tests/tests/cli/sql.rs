//! Statements in PartiQL.

use sealdb_tests::server::{Home, Server};
use serde_json::json;

fn stock() -> (Home, Server) {
    let home = Home::new();
    let server = home.start();
    home.sealdb(&["table", "create", "stock", "--pk", "id:S"])
        .ok();
    (home, server)
}

#[test]
fn statements_write_and_read() {
    let (home, _server) = stock();
    let said = home
        .sealdb(&[
            "sql",
            "INSERT INTO stock VALUE {'id': 'saw', 'pieces': 3}",
            "INSERT INTO stock VALUE {'id': 'nail', 'pieces': 500}",
        ])
        .ok();
    assert_eq!(said, "done\ndone\n");
    let found = home
        .sealdb(&[
            "sql",
            "SELECT id, pieces FROM stock WHERE pieces > ?",
            "--parameters",
            r#"[{"N": "100"}]"#,
            "--json",
        ])
        .json();
    assert_eq!(
        found,
        json!({"Items": [{"id": {"S": "nail"}, "pieces": {"N": "500"}}], "Count": 1})
    );
    let shown = home.sealdb(&["sql", "SELECT * FROM stock"]).ok();
    assert!(shown.contains("saw") && shown.contains("nail"), "{shown}");
    let updated = home
        .sealdb(&[
            "sql",
            "UPDATE stock SET pieces = pieces - 1 WHERE id = 'saw' RETURNING ALL NEW *",
            "--json",
        ])
        .json();
    assert_eq!(updated["Items"][0]["pieces"], json!({"N": "2"}));
    let again = home
        .sealdb(&["sql", "INSERT INTO stock VALUE {'id': 'saw'}"])
        .refused(1);
    assert!(
        again.contains("DuplicateItemException: Duplicate primary key exists in table"),
        "{again}"
    );
    let one = home.sealdb(&["sql", "SELECT * FROM stock", "--limit", "1", "--json"]);
    assert_eq!(one.json()["Count"], 1);
}

#[test]
fn a_transaction_is_carried_out_whole_or_not_at_all() {
    let (home, _server) = stock();
    let line = [
        "sql",
        "--transact",
        "INSERT INTO stock VALUE {'id': 'a'}",
        "INSERT INTO stock VALUE {'id': 'b'}",
    ];
    assert_eq!(home.sealdb(&line).ok(), "carried out 2 statements\n");
    let refused = home
        .sealdb(&[
            "sql",
            "--transact",
            "INSERT INTO stock VALUE {'id': 'c'}",
            "INSERT INTO stock VALUE {'id': 'a'}",
        ])
        .refused(1);
    assert!(
        refused.contains("TransactionCanceledException"),
        "{refused}"
    );
    let count = home.sealdb(&["sql", "SELECT * FROM stock", "--json"]);
    assert_eq!(count.json()["Count"], 2);
    let read = home.sealdb(&[
        "sql",
        "--transact",
        "SELECT * FROM stock WHERE id = 'a'",
        "SELECT * FROM stock WHERE id = 'b'",
        "--json",
    ]);
    assert_eq!(read.json()["Count"], 2);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (home, _server) = stock();
    let said = home.sealdb(&["sql", "SELECT FROM stock"]).refused(1);
    assert!(said.contains("ValidationException"), "{said}");
    home.sealdb(&["sql"]).refused(2);
    let both = ["sql", "SELECT 1", "SELECT 2", "--parameters", "[]"];
    home.sealdb(&both).refused(2);
    let said = home
        .sealdb(&["sql", "SELECT * FROM stock", "--parameters", "{"])
        .refused(2);
    assert!(said.contains("--parameters"), "{said}");
}
