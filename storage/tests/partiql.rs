//! PartiQL through the public API, over real files.

#![allow(clippy::unwrap_used)]

use sealdb::model::ops::{
    BatchExecuteStatementInput, BatchStatementErrorCode, BatchStatementRequest, CreateTableInput,
    ExecuteStatementInput, ExecuteStatementOutput, ExecuteTransactionInput, ParameterizedStatement,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Error, ErrorCode, RootKeySource, blocking};

/// A database with an empty table `things`, of `pk` and `sk`; and its directory, which lives as long.
fn open() -> (blocking::Database, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let root_key = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
    let db = sealdb::Database::builder(dir.path().join("data"))
        .keyring(dir.path().join("keyring"), root_key)
        .open_sync()
        .unwrap();
    let table = CreateTableInput::new("things")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    db.create_table(table).unwrap();
    (db, dir)
}

fn run(db: &blocking::Database, statement: &str) -> Result<ExecuteStatementOutput, Error> {
    db.execute_statement(ExecuteStatementInput::new(statement))
}

fn items(db: &blocking::Database, statement: &str) -> Vec<Item> {
    run(db, statement).unwrap().items
}

/// `pk` and `sk` of what is selected, as text.
fn keys(items: &[Item]) -> Vec<String> {
    let key = |item: &Item| {
        let sk = item.get("sk").unwrap().as_n().unwrap();
        format!("{}{sk}", item.get("pk").unwrap().as_s().unwrap())
    };
    items.iter().map(key).collect()
}

/// Three items in each of the partitions `a`, `b` and `c`.
fn fill(db: &blocking::Database) {
    for pk in ["a", "b", "c"] {
        for sk in 1..=3 {
            let insert =
                ExecuteStatementInput::new("INSERT INTO things VALUE {'pk': ?, 'sk': ?, 'n': ?}");
            db.execute_statement(insert.parameter(pk).parameter(sk).parameter(sk * 10))
                .unwrap();
        }
    }
}

#[test]
fn a_life_of_an_item() {
    let (db, _dir) = open();
    let insert = "INSERT INTO things VALUE {'pk': 'a', 'sk': 1, 'm': {'x': [1]}}";
    assert!(items(&db, insert).is_empty());
    let duplicate = run(&db, insert).unwrap_err();
    assert_eq!(duplicate.code(), ErrorCode::DuplicateItemException);
    assert_eq!(
        duplicate.to_string(),
        "Duplicate primary key exists in table"
    );

    let key = "WHERE pk = 'a' AND sk = 1";
    let update = format!(
        "UPDATE things SET n = 5 SET m.x = list_append(m.x, [2]) {key} RETURNING MODIFIED NEW *"
    );
    let changed = items(&db, &update);
    assert_eq!(changed[0].get("n"), Some(&5.into()));
    assert_eq!(
        items(
            &db,
            &format!("SELECT m.x[1], n FROM things {key} AND n > 4")
        ),
        [Item::from([("x[1]", 2), ("n", 5)])]
    );
    assert!(items(&db, &format!("SELECT * FROM things {key} AND n > 5")).is_empty());

    let failed = |statement: &str| {
        let input = ExecuteStatementInput::new(statement)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match db.execute_statement(input).unwrap_err() {
            Error::ConditionFailed { item } => item.is_some(),
            other => panic!("{other:?}"),
        }
    };
    assert!(failed(&format!("UPDATE things SET n = 1 {key} AND n = 4")));
    assert!(!failed("UPDATE things SET n = 1 WHERE pk = 'a' AND sk = 2"));
    assert!(failed(&format!("DELETE FROM things {key} AND n = 4")));
    let removed = items(
        &db,
        &format!("DELETE FROM things {key} AND n = 5 RETURNING ALL OLD *"),
    );
    assert_eq!(removed[0].get("n"), Some(&5.into()));
    assert!(
        items(
            &db,
            &format!("DELETE FROM things {key} AND n = 5 RETURNING ALL OLD *")
        )
        .is_empty()
    );
    assert!(items(&db, "SELECT * FROM things").is_empty());
}

#[test]
fn pages_go_on_from_partition_to_partition() {
    let (db, _dir) = open();
    fill(&db);
    for (statement, expected) in [
        (
            "SELECT * FROM things WHERE pk = 'b'",
            vec!["b1", "b2", "b3"],
        ),
        (
            "SELECT * FROM things WHERE pk = 'b' AND sk > 1 ORDER BY sk DESC",
            vec!["b3", "b2"],
        ),
        (
            "SELECT * FROM things WHERE pk IN ['c', 'a'] AND sk <> 2",
            vec!["c1", "c3", "a1", "a3"],
        ),
        (
            "SELECT * FROM things WHERE pk = 'a' OR pk = 'c' OR pk = 'b' ORDER BY pk DESC, sk ASC",
            vec!["c1", "c2", "c3", "b1", "b2", "b3", "a1", "a2", "a3"],
        ),
    ] {
        assert_eq!(keys(&items(&db, statement)), expected, "{statement}");
        for limit in 1..=4 {
            let mut found = Vec::new();
            let mut input = ExecuteStatementInput::new(statement).limit(limit);
            loop {
                let page = db.execute_statement(input.clone()).unwrap();
                assert!(page.items.len() <= usize::try_from(limit).unwrap());
                found.extend(keys(&page.items));
                match page.next_token {
                    Some(token) => input = input.next_token(token),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{statement}, {limit} at a time");
        }
    }
    let first = db
        .execute_statement(ExecuteStatementInput::new("SELECT * FROM things").limit(2))
        .unwrap();
    assert_eq!(first.last_evaluated_key.unwrap(), {
        let mut key = first.items[1].clone();
        key.remove("n");
        key
    });
    let elsewhere = ExecuteStatementInput::new("SELECT * FROM things WHERE n = 10")
        .next_token(first.next_token.unwrap());
    assert_eq!(
        db.execute_statement(elsewhere).unwrap_err().to_string(),
        "NextToken does not match request"
    );
}

#[test]
fn consumed_capacity_is_that_of_all_partitions() {
    let (db, _dir) = open();
    fill(&db);
    let input = ExecuteStatementInput::new("SELECT n FROM things WHERE pk IN ['a', 'b', 'none']")
        .consistent_read(true)
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let output = db.execute_statement(input).unwrap();
    assert_eq!(output.items.len(), 6);
    let consumed = output.consumed_capacity.unwrap();
    assert_eq!(consumed.total.capacity_units.as_f64(), 3.0);
}

#[test]
fn statements_of_a_batch_fail_on_their_own() {
    let (db, _dir) = open();
    let insert = |sk: u64| {
        BatchStatementRequest::new("INSERT INTO things VALUE {'pk': 'a', 'sk': ?}").parameter(sk)
    };
    let there = BatchExecuteStatementInput::new(vec![insert(1), insert(2), insert(3)]);
    db.batch_execute_statement(there).unwrap();
    let twice = BatchExecuteStatementInput::new(vec![insert(4), insert(4)]);
    let refused = db.batch_execute_statement(twice).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Provided list of item keys contains duplicates"
    );
    let write = BatchExecuteStatementInput::new(vec![
        insert(4),
        insert(3),
        BatchStatementRequest::new("INSERT INTO nowhere VALUE {'pk': 'a', 'sk': 1}"),
        BatchStatementRequest::new("INSERT things"),
        BatchStatementRequest::new("UPDATE things SET n = 1 WHERE pk = 'a' AND sk = 2 AND n = 2"),
        BatchStatementRequest::new(
            "UPDATE things SET n = 1 WHERE pk = 'a' AND sk = 1 RETURNING ALL NEW *",
        ),
    ]);
    let output = db.batch_execute_statement(write).unwrap();
    let codes: Vec<_> = output
        .responses
        .iter()
        .map(|response| response.error.as_ref().map(|error| error.code))
        .collect();
    use BatchStatementErrorCode as Code;
    assert_eq!(
        codes,
        [
            None,
            Some(Code::DuplicateItem),
            Some(Code::ResourceNotFound),
            Some(Code::ValidationError),
            Some(Code::ConditionalCheckFailed),
            None,
        ]
    );
    let names: Vec<_> = output
        .responses
        .iter()
        .map(|response| response.table_name.as_deref())
        .collect();
    let things = Some("things");
    assert_eq!(
        names,
        [things, things, Some("nowhere"), None, things, things]
    );
    let item = Item::from([
        ("pk", AttributeValue::from("a")),
        ("sk", 1.into()),
        ("n", 1.into()),
    ]);
    assert_eq!(output.responses[5].item, Some(item.clone()));

    let read = BatchExecuteStatementInput::new(vec![
        BatchStatementRequest::new("SELECT * FROM things WHERE pk = 'a' AND sk = 1"),
        BatchStatementRequest::new("SELECT * FROM things WHERE pk = 'a' AND sk = 9"),
        BatchStatementRequest::new("SELECT * FROM things WHERE pk = 'a'"),
    ]);
    let output = db.batch_execute_statement(read).unwrap();
    assert_eq!(output.responses[0].item, Some(item));
    assert_eq!(
        (&output.responses[1].item, &output.responses[1].error),
        (&None, &None)
    );
    assert_eq!(
        output.responses[2].error.as_ref().unwrap().message,
        "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    );

    let mixed = BatchExecuteStatementInput::new(vec![
        BatchStatementRequest::new("SELECT * FROM things WHERE pk = 'a' AND sk = 1"),
        BatchStatementRequest::new("DELETE FROM things WHERE pk = 'a' AND sk = 1"),
    ]);
    assert_eq!(
        db.batch_execute_statement(mixed).unwrap_err().code(),
        ErrorCode::ValidationException
    );
}

#[test]
fn transactions_are_whole() {
    let (db, _dir) = open();
    fill(&db);
    let statement = |text: &str| ParameterizedStatement::new(text);
    let write = |token: &str, statements: &[&str]| {
        let statements = statements.iter().map(|text| statement(text)).collect();
        db.execute_transaction(ExecuteTransactionInput::new(statements).client_request_token(token))
    };
    let canceled = write(
        "failed",
        &[
            "DELETE FROM things WHERE pk = 'a' AND sk = 2",
            "INSERT INTO things VALUE {'pk': 'a', 'sk': 1}",
            "UPDATE things SET n = 1 WHERE pk = 'a' AND sk = 3 AND n = 31",
        ],
    );
    let Err(Error::TransactionCanceled(reasons)) = canceled else {
        panic!("{canceled:?}");
    };
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.name()).collect();
    assert_eq!(codes, ["None", "DuplicateItem", "ConditionalCheckFailed"]);
    assert_eq!(items(&db, "SELECT * FROM things WHERE pk = 'a'").len(), 3);

    let all = [
        "EXISTS(SELECT * FROM things WHERE pk = 'b' AND sk = 1 AND n = 10)",
        "DELETE FROM things WHERE pk = 'a' AND sk = 2",
        "INSERT INTO things VALUE {'pk': 'd', 'sk': 1, 'n': 1}",
        "UPDATE things SET n = n + 1 WHERE pk = 'a' AND sk = 3",
    ];
    assert_eq!(
        write("once", &all).unwrap().responses,
        [None, None, None, None]
    );
    // The same again is carried out once, another with its token not at all.
    write("once", &all).unwrap();
    let other = write("once", &["DELETE FROM things WHERE pk = 'c' AND sk = 1"]).unwrap_err();
    assert_eq!(
        other.code(),
        ErrorCode::IdempotentParameterMismatchException
    );

    let read = ExecuteTransactionInput::new(vec![
        statement("SELECT n FROM things WHERE pk = 'a' AND sk = 3"),
        statement("SELECT * FROM things WHERE pk = 'a' AND sk = 2"),
        statement("SELECT * FROM things WHERE pk = ? AND sk = 1 AND n > 1").parameter("d"),
    ]);
    let found = db.execute_transaction(read).unwrap().responses;
    assert_eq!(found, [Some(Item::from([("n", 31)])), None, None]);

    let partial =
        ExecuteTransactionInput::new(vec![statement("SELECT * FROM things WHERE pk = 'a'")]);
    assert_eq!(
        db.execute_transaction(partial).unwrap_err().to_string(),
        "Validation failed in TransactStatements[0]: Select statements within ExecuteTransaction must specify the primary key in \
         the where clause."
    );
    let twice = ExecuteTransactionInput::new(vec![
        statement("DELETE FROM things WHERE pk = 'a' AND sk = 1"),
        statement("UPDATE things SET n = 1 WHERE pk = 'a' AND sk = 1"),
    ]);
    assert_eq!(
        db.execute_transaction(twice).unwrap_err().to_string(),
        "Transaction request cannot include multiple operations on one item"
    );
    let mixed = ExecuteTransactionInput::new(vec![
        statement("SELECT * FROM things WHERE pk = 'a' AND sk = 1"),
        statement("DELETE FROM things WHERE pk = 'a' AND sk = 1"),
    ]);
    assert_eq!(
        db.execute_transaction(mixed).unwrap_err().code(),
        ErrorCode::ValidationException
    );
}
