//! What is refused, in whose words, and where in the statement.

use super::*;

#[test]
fn what_is_not_well_formed_is_refused_with_awss_words() {
    let prefix = "Statement wasn't well formed, can't be processed: ";
    for (text, detail) in [
        (
            "UPDATE Payment-x SET active=1 WHERE id='a'",
            "Expected data manipulation",
        ),
        ("UPDATE tab WHERE pk = 'a'", "Expected data manipulation"),
        ("GRANT ALL", "Expected data manipulation"),
        ("", "Expected data manipulation"),
        (
            "INSERT INTO urls (key, target) VALUES (1, 2)",
            "Unexpected term",
        ),
        ("SELECT * FROM tab WHERE key = 1", "Unexpected keyword"),
        ("SELECT key FROM tab", "Unexpected keyword"),
        ("SELECT * WHERE a = 1", "Expected FROM after SELECT list"),
        ("DELETE tab", "Expected FROM after DELETE"),
        (
            "DELETE FROM tab WHERE a = 1 RETURNING OLD *",
            "Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.",
        ),
        (
            "SELECT * FROM tab WHERE a = 1 extra",
            "Unexpected token after expression",
        ),
        (
            "SELECT * FROM tab WHERE a = 1 = 2",
            "Unexpected token after expression",
        ),
        ("SELECT * FROM tab WHERE a", "Unexpected term"),
        ("SELECT a. FROM tab", "Invalid path dot component"),
        (
            "UPDATE tab SET 'a' = 1 WHERE pk = 'a'",
            "Expected identifier for simple path",
        ),
        (
            "UPDATE tab SET a[x] = 1 WHERE pk = 'a'",
            "Invalid path component for simple path",
        ),
        ("SELECT * FROM tab WHERE a IS 5", "Expected type name"),
    ] {
        assert_eq!(refused(text), format!("{prefix}{detail}"), "{text}");
    }
    assert!(refused("SELECT * FROM tab; SELECT * FROM tab").contains("Only one query is allowed"));
}

#[test]
fn what_partiql_knows_and_the_service_does_not_is_told_with_its_place() {
    let alias = "Aliasing is not supported";
    let several = "Only select from a single table or index is supported.";
    for (text, message) in [
        (
            "SELECT * FROM tab\nWHERE a = 1 LIMIT 5",
            "Unsupported clause: LIMIT at 2:13:5",
        ),
        (
            "SELECT DISTINCT a FROM tab",
            "Unsupported clause: DISTINCT at 1:8:8",
        ),
        (
            "SELECT count(*) FROM tab",
            "Unsupported function: count at 1:8:5",
        ),
        (
            "SELECT a, b + 1 FROM tab",
            "Unsupported operator: + at 1:13:1",
        ),
        (
            "SELECT * FROM tab WHERE a - 1 = b",
            "Unsupported operator: - at 1:27:1",
        ),
        (
            "SELECT * FROM tab WHERE a LIKE 'x%'",
            "Unsupported operator: LIKE at 1:27:4",
        ),
        ("SELECT a AS b FROM tab", alias),
        ("SELECT a b FROM tab", alias),
        ("SELECT t.a FROM tab t", alias),
        ("SELECT * FROM tab, other", several),
        ("SELECT * FROM tab JOIN other ON a = b", several),
        ("SELECT * FROM (SELECT * FROM tab)", several),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn nesting_ends_at_once() {
    for (open, close) in [("(", ")"), ("NOT ", "")] {
        let text = |count| {
            format!(
                "SELECT * FROM tab WHERE {}a = 1{}",
                open.repeat(count),
                close.repeat(count)
            )
        };
        assert!(Statement::parse(&text(64)).is_ok());
        assert!(Statement::parse(&text(65)).is_err());
        assert!(Statement::parse(&text(10_000)).is_err());
    }
    for (open, close) in [("[", "]"), ("<<", ">>"), ("{'a':", "}")] {
        let text = format!(
            "INSERT INTO tab VALUE {{'a': {}1{}}}",
            open.repeat(10_000),
            close.repeat(10_000)
        );
        assert!(Statement::parse(&text).is_err());
    }
    let text = format!(
        "UPDATE tab SET a = {}b{}",
        "list_append(".repeat(10_000),
        ", c)".repeat(10_000)
    );
    assert!(Statement::parse(&text).is_err());
    assert!(Statement::parse(&format!("SELECT a{} FROM tab", "[0]".repeat(10_000))).is_err());
}

#[test]
fn order_by_has_conditions() {
    for (text, message) in [
        (
            "SELECT * FROM tab ORDER BY sk",
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ),
        (
            "SELECT * FROM tab WHERE b = 1 ORDER BY sk",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        (
            "SELECT * FROM tab WHERE pk = 'a' ORDER BY b",
            "Variable reference b in ORDER BY clause must be part of the primary key",
        ),
        (
            "SELECT * FROM tab WHERE pk IN ['a', 'b'] ORDER BY sk",
            "Must order by the hash key first when more than one hash key is selected",
        ),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn writes_name_the_whole_key() {
    for text in [
        "UPDATE tab SET a = 1",
        "UPDATE tab SET a = 1 WHERE pk = 'a'",
        "UPDATE tab SET a = 1 WHERE pk = 'a' AND sk > 1",
        "UPDATE tab SET a = 1 WHERE pk = 'a' OR sk = 1",
        "DELETE FROM tab",
        "DELETE FROM tab WHERE pk = 'a' AND begins_with(sk, 'a')",
        "DELETE FROM tab WHERE pk IN ['a'] AND sk = 1",
        "EXISTS(SELECT * FROM tab WHERE pk = 'a')",
    ] {
        assert_eq!(
            refused(text),
            "Where clause does not contain a mandatory equality on all key attributes",
            "{text}"
        );
    }
}
