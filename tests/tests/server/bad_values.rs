//! Values that no client of ours would send: every operation refuses them by name and says what is wrong.

use prost::Message;
use sealdb_client::model::ErrorCode;
use sealdb_proto::named_error;
use sealdb_proto::v1::attribute_value::Value;
use sealdb_proto::v1::write_request::Request as Write;
use sealdb_proto::v1::{
    AttributeValue, BatchWriteItemRequest, DeleteItemRequest, DeleteTableRequest,
    DescribeTableRequest, GetItemRequest, GetItemResponse, ListTablesRequest, MapValue, NumberSet,
    PutItemResponse, QueryResponse, ScanRequest, ScanResponse, StringSet,
};
use sealdb_tests::raw::Raw;

use super::wire::*;

/// Sends a message that must be refused with this exception and a text that names what is wrong.
async fn refused(raw: &Raw, method: &str, message: &impl Message, reason: ErrorCode, part: &str) {
    let answer = raw.call(method, message.encode_to_vec()).await;
    let status = answer
        .err()
        .unwrap_or_else(|| panic!("{method} took what is wrong with {part:?}"));
    assert_eq!(
        named_error(&status),
        Some(reason),
        "{method}, {part:?}: {status:?}"
    );
    assert!(
        status.message().contains(part),
        "{method}: {part:?} is not in {:?}",
        status.message()
    );
}
#[tokio::test]
async fn tables_are_refused_by_what_is_wrong() {
    use ErrorCode::{ResourceInUseException, ResourceNotFoundException, ValidationException};
    let (home, server, raw) = with_table().await;
    let long = "x".repeat(256);
    let good = (&[("pk", 1)][..], &[("pk", 1)][..]);
    for (request, part) in [
        (create("", good.0, good.1), "at least 3 characters"),
        (create("ab", good.0, good.1), "at least 3 characters"),
        (create(&long, good.0, good.1), "at most 255 characters"),
        (create("a/b", good.0, good.1), "[a-zA-Z0-9_.-]+"),
        (create("tä\u{0}ble", good.0, good.1), "[a-zA-Z0-9_.-]+"),
        (create("new", &[], good.1), "keySchema"),
        (create("new", good.0, &[]), "no definition"),
        (create("new", &[("id", 1)], good.1), "Keys: [id]"),
        (create("new", &[("pk", 0)], good.1), "key_type"),
        (create("new", &[("pk", 99)], good.1), "key_type"),
        (create("new", &[("pk", 2)], good.1), "HASH"),
        (create("new", good.0, &[("pk", 0)]), "attribute_type"),
        (create("new", good.0, &[("pk", 99)]), "attribute_type"),
        (create("new", &[("pk", 1), ("pk", 2)], good.1), "KeySchema"),
        (
            create(
                "new",
                &[("a", 1), ("b", 2), ("c", 2)],
                &[("a", 1), ("b", 1), ("c", 1)],
            ),
            "keySchema",
        ),
        (
            create("new", &[("a", 1), ("b", 1)], &[("a", 1), ("b", 1)]),
            "RANGE",
        ),
        (create("new", &[("", 1)], &[("", 1)]), "ttributeName"),
        (create("new", &[(&long, 1)], &[(&long, 1)]), "255"),
        (
            create("new", good.0, &[("pk", 1), ("other", 1)]),
            "attribute",
        ),
    ] {
        refused(&raw, "CreateTable", &request, ValidationException, part).await;
    }
    let mut request = create("new", good.0, good.1);
    request.billing_mode = 77;
    refused(
        &raw,
        "CreateTable",
        &request,
        ValidationException,
        "billing_mode",
    )
    .await;
    request.billing_mode = 1;
    refused(
        &raw,
        "CreateTable",
        &request,
        ValidationException,
        "WriteCapacityUnits",
    )
    .await;
    let mut request = create("new", good.0, good.1);
    request.sse_specification = Some(sealdb_proto::v1::SseSpecification {
        enabled: Some(true),
        sse_type: 1,
        kms_master_key_id: None,
    });
    refused(&raw, "CreateTable", &request, ValidationException, "AES256").await;
    if let Some(sse) = &mut request.sse_specification {
        sse.sse_type = 2;
        sse.kms_master_key_id = Some("alias/no-such-key".to_owned());
    }
    let status = raw
        .call("CreateTable", request.encode_to_vec())
        .await
        .unwrap_err();
    assert!(status.message().contains("no-such-key"), "{status:?}");
    let request = create("table", good.0, good.1);
    refused(
        &raw,
        "CreateTable",
        &request,
        ResourceInUseException,
        "table",
    )
    .await;

    for (name, reason, part) in [
        ("", ValidationException, "at least 3 characters"),
        ("x y z", ValidationException, "[a-zA-Z0-9_.-]+"),
        ("nowhere", ResourceNotFoundException, "nowhere"),
    ] {
        let table_name = name.to_owned();
        let describe = DescribeTableRequest {
            table_name: table_name.clone(),
        };
        refused(&raw, "DescribeTable", &describe, reason, part).await;
        refused(
            &raw,
            "DeleteTable",
            &DeleteTableRequest { table_name },
            reason,
            part,
        )
        .await;
        let part = if reason == ResourceNotFoundException {
            ""
        } else {
            part
        };
        refused(&raw, "PutItem", &put(name, Some(key())), reason, part).await;
        let get = GetItemRequest {
            table_name: name.to_owned(),
            key: Some(key()),
            ..Default::default()
        };
        refused(&raw, "GetItem", &get, reason, part).await;
        let delete = DeleteItemRequest {
            table_name: name.to_owned(),
            key: Some(key()),
            ..Default::default()
        };
        refused(&raw, "DeleteItem", &delete, reason, part).await;
        let write = batch(name, vec![Some(Write::PutItem(key()))]);
        refused(&raw, "BatchWriteItem", &write, reason, part).await;
        let mut read = query("pk = :p", &[(":p", text("a"))]);
        read.table_name = name.to_owned();
        refused(&raw, "Query", &read, reason, part).await;
        let scan = ScanRequest {
            table_name: name.to_owned(),
            ..Default::default()
        };
        refused(&raw, "Scan", &scan, reason, part).await;
    }
    for limit in [0, -1, 101] {
        let request = ListTablesRequest {
            limit: Some(limit),
            ..Default::default()
        };
        refused(&raw, "ListTables", &request, ValidationException, "limit").await;
    }
    let request = ListTablesRequest {
        exclusive_start_table_name: Some("!".to_owned()),
        ..Default::default()
    };
    refused(
        &raw,
        "ListTables",
        &request,
        ValidationException,
        "xclusiveStartTableName",
    )
    .await;
    well(&home, server, &raw).await;
}

#[tokio::test]
async fn items_and_keys_are_refused_by_what_is_wrong() {
    use ErrorCode::ValidationException;
    let (home, server, raw) = with_table().await;
    let none = AttributeValue { value: None };
    let bad_items = [
        (map(&[]), "Missing the key pk"),
        (map(&[("pk", text("a"))]), "Missing the key sk"),
        (
            map(&[("pk", number("1")), ("sk", number("1"))]),
            "Type mismatch for key pk",
        ),
        (
            map(&[("pk", text("a")), ("sk", text("1"))]),
            "Type mismatch for key sk",
        ),
        (
            map(&[("pk", text("")), ("sk", number("1"))]),
            "empty string",
        ),
        (
            map(&[("pk", text(&"x".repeat(2049))), ("sk", number("1"))]),
            "2048",
        ),
        (item("pk", text("b")), "a name stands twice"),
        (item("", text("b")), "ttribute name"),
        (item(&"n".repeat(65_536), text("b")), "ttribute name"),
        (
            item("empty", none.clone()),
            "must contain exactly one of the supported datatypes",
        ),
        (item("false", value(Value::Null(false))), "value of true"),
        (item("number", number("twelve")), "numeric"),
        (item("number", number("")), "numeric"),
        (item("number", number("1e126")), "agnitude"),
        (item("number", number("1e-131")), "agnitude"),
        (item("number", number(&"1".repeat(39))), "38"),
        (
            item("set", value(Value::Ss(StringSet { values: vec![] }))),
            "set",
        ),
        (
            item(
                "set",
                value(Value::Ss(StringSet {
                    values: vec!["a".into(), "a".into()],
                })),
            ),
            "duplicates",
        ),
        (
            item(
                "set",
                value(Value::Ns(NumberSet {
                    values: vec!["1".into(), "1.0".into()],
                })),
            ),
            "duplicates",
        ),
        (
            item(
                "set",
                value(Value::Ns(NumberSet {
                    values: vec!["x".into()],
                })),
            ),
            "numeric",
        ),
        (item("large", text(&"x".repeat(400 * 1024))), "Item size"),
        (
            MapValue {
                names: vec!["pk".into(), "sk".into(), "x".into()],
                values: vec![text("a"), number("1")],
            },
            "3 names and 2 values",
        ),
        (
            MapValue {
                names: vec!["pk".into()],
                values: vec![text("a"), number("1")],
            },
            "1 names and 2 values",
        ),
    ];
    for (bad, part) in bad_items {
        refused(
            &raw,
            "PutItem",
            &put("table", Some(bad.clone())),
            ValidationException,
            part,
        )
        .await;
        let write = batch(
            "table",
            vec![Some(Write::PutItem(key())), Some(Write::PutItem(bad))],
        );
        let part = if part.starts_with("Missing") || part.starts_with("Type") {
            "key"
        } else {
            part
        };
        refused(&raw, "BatchWriteItem", &write, ValidationException, part).await;
    }
    refused(
        &raw,
        "PutItem",
        &put("table", None),
        ValidationException,
        "item",
    )
    .await;
    let mut returning = put("table", Some(key()));
    returning.return_values = 9;
    refused(
        &raw,
        "PutItem",
        &returning,
        ValidationException,
        "return_values",
    )
    .await;

    let bad_keys = [
        (Some(map(&[])), "match the schema"),
        (None, "key"),
        (Some(map(&[("pk", text("a"))])), "match the schema"),
        (Some(item("other", text("a"))), "match the schema"),
        (
            Some(map(&[("pk", number("1")), ("sk", number("1"))])),
            "match the schema",
        ),
        (
            Some(map(&[("pk", text("a")), ("sk", number("one"))])),
            "numeric",
        ),
        (
            Some(map(&[("pk", text("a")), ("pk", text("b"))])),
            "a name stands twice",
        ),
        (
            Some(map(&[("pk", text("a")), ("sk", none)])),
            "supported datatypes",
        ),
        (
            Some(map(&[("pk", text("")), ("sk", number("1"))])),
            "empty string",
        ),
    ];
    for (bad, part) in bad_keys {
        let get = GetItemRequest {
            table_name: "table".to_owned(),
            key: bad.clone(),
            ..Default::default()
        };
        refused(&raw, "GetItem", &get, ValidationException, part).await;
        let delete = DeleteItemRequest {
            table_name: "table".to_owned(),
            key: bad.clone(),
            ..Default::default()
        };
        refused(&raw, "DeleteItem", &delete, ValidationException, part).await;
        let Some(bad) = bad else { continue };
        let write = batch("table", vec![Some(Write::DeleteKey(bad.clone()))]);
        refused(&raw, "BatchWriteItem", &write, ValidationException, part).await;
        let scan = ScanRequest {
            table_name: "table".to_owned(),
            exclusive_start_key: Some(bad.clone()),
            ..Default::default()
        };
        let part = if part == "match the schema" {
            "starting key"
        } else {
            part
        };
        refused(&raw, "Scan", &scan, ValidationException, part).await;
        let mut read = query("pk = :p", &[(":p", text("a"))]);
        read.exclusive_start_key = Some(bad);
        let status = raw.call("Query", read.encode_to_vec()).await.unwrap_err();
        assert_eq!(
            named_error(&status),
            Some(ValidationException),
            "{status:?}"
        );
    }
    let empty = BatchWriteItemRequest {
        request_items: vec![],
        ..BatchWriteItemRequest::default()
    };
    refused(
        &raw,
        "BatchWriteItem",
        &empty,
        ValidationException,
        "equestItems",
    )
    .await;
    refused(
        &raw,
        "BatchWriteItem",
        &batch("table", vec![]),
        ValidationException,
        "table",
    )
    .await;
    refused(
        &raw,
        "BatchWriteItem",
        &batch("table", vec![None]),
        ValidationException,
        "neither put_item nor delete_key",
    )
    .await;
    let twice = vec![Some(Write::PutItem(key())), Some(Write::DeleteKey(key()))];
    refused(
        &raw,
        "BatchWriteItem",
        &batch("table", twice),
        ValidationException,
        "duplicates",
    )
    .await;
    let many = (0..26).map(|sk| {
        let item = map(&[("pk", text("a")), ("sk", number(&sk.to_string()))]);
        Some(Write::PutItem(item))
    });
    refused(
        &raw,
        "BatchWriteItem",
        &batch("table", many.collect()),
        ValidationException,
        "Too many items",
    )
    .await;
    let mut tables_twice = batch("table", vec![Some(Write::PutItem(key()))]);
    tables_twice
        .request_items
        .push(tables_twice.request_items[0].clone());
    refused(
        &raw,
        "BatchWriteItem",
        &tables_twice,
        ValidationException,
        "twice",
    )
    .await;
    // Nothing of all that was written.
    let scan = ScanRequest {
        table_name: "table".to_owned(),
        ..Default::default()
    };
    let scanned = raw.call("Scan", scan.encode_to_vec()).await.unwrap();
    assert_eq!(ScanResponse::decode(&*scanned).unwrap().count, 0);
    well(&home, server, &raw).await;
}

#[tokio::test]
async fn queries_and_scans_are_refused_by_what_is_wrong() {
    use ErrorCode::ValidationException;
    let (home, server, raw) = with_table().await;
    let p = || (":p", text("a"));
    for (request, part) in [
        (query("", &[]), "KeyConditionExpression"),
        (query("pk", &[]), "KeyConditionExpression"),
        (query("pk = :p", &[]), ":p"),
        (query("pk = :p", &[p(), (":unused", text("b"))]), ":unused"),
        (query("pk = :p AND", &[p()]), "KeyConditionExpression"),
        (query("pk = :p OR sk = :p", &[p()]), "OR"),
        (query("pk > :p", &[p()]), "key condition"),
        (query("sk = :p", &[p()]), "missed key schema element: pk"),
        (
            query("pk = :p AND other = :p", &[p()]),
            "reserved keyword: other",
        ),
        (query("pk = :p", &[(":p", number("1"))]), "type"),
        (
            query(
                "pk = :p AND begins_with(sk, :s)",
                &[p(), (":s", number("1"))],
            ),
            "begins_with",
        ),
        (
            query(
                "pk = :p AND sk BETWEEN :b AND :a",
                &[p(), (":a", number("1")), (":b", number("2"))],
            ),
            "BETWEEN",
        ),
        (
            query(&format!("pk = :p{}", " ".repeat(5000)), &[p()]),
            "expression size: 5007",
        ),
        (
            query(
                &format!("{}pk = :p{}", "(".repeat(2000), ")".repeat(2000)),
                &[p()],
            ),
            "",
        ),
        (query("#n = :p", &[p()]), "#n"),
        (query("pk = :p", &[(":p", text(""))]), "empty"),
        (query("\u{0}\u{feff}", &[p()]), "KeyConditionExpression"),
    ] {
        refused(&raw, "Query", &request, ValidationException, part).await;
    }
    let mut without = query("pk = :p", &[p()]);
    without.key_condition_expression = None;
    refused(
        &raw,
        "Query",
        &without,
        ValidationException,
        "KeyConditionExpression",
    )
    .await;
    for limit in [0, -1, i32::MIN] {
        let mut request = query("pk = :p", &[p()]);
        request.limit = Some(limit);
        refused(&raw, "Query", &request, ValidationException, "limit").await;
        let scan = ScanRequest {
            table_name: "table".to_owned(),
            limit: Some(limit),
            ..Default::default()
        };
        refused(&raw, "Scan", &scan, ValidationException, "limit").await;
    }
    let mut request = query("pk = :p", &[p()]);
    request.select = 55;
    refused(&raw, "Query", &request, ValidationException, "select").await;
    for (segment, total, part) in [
        (Some(0), None, "TotalSegments"),
        (None, Some(2), "Segment"),
        (Some(2), Some(2), "less than"),
        (Some(-1), Some(2), "segment"),
        (Some(0), Some(0), "totalSegments"),
        (Some(0), Some(1_000_001), "totalSegments"),
    ] {
        let scan = ScanRequest {
            table_name: "table".to_owned(),
            segment,
            total_segments: total,
            ..Default::default()
        };
        refused(&raw, "Scan", &scan, ValidationException, part).await;
    }
    well(&home, server, &raw).await;
}

#[tokio::test]
async fn nesting_of_32_passes_everywhere_and_33_nowhere() {
    use ErrorCode::ValidationException;
    let (home, server, raw) = with_table().await;
    let deep = item("deep", nested(32));
    raw.call("PutItem", put("table", Some(deep.clone())).encode_to_vec())
        .await
        .unwrap();
    let write = batch("table", vec![Some(Write::PutItem(deep.clone()))]);
    raw.call("BatchWriteItem", write.encode_to_vec())
        .await
        .unwrap();
    let get = GetItemRequest {
        table_name: "table".to_owned(),
        key: Some(key()),
        ..Default::default()
    };
    let same = |found: &MapValue| {
        let mut found: Vec<_> = found.names.iter().zip(&found.values).collect();
        found.sort_by(|a, b| a.0.cmp(b.0));
        let mut sent: Vec<_> = deep.names.iter().zip(&deep.values).collect();
        sent.sort_by(|a, b| a.0.cmp(b.0));
        assert!(found == sent);
    };
    let got = raw.call("GetItem", get.encode_to_vec()).await.unwrap();
    same(&GetItemResponse::decode(&*got).unwrap().item.unwrap());
    let found = raw
        .call(
            "Query",
            query("pk = :p", &[(":p", text("a"))]).encode_to_vec(),
        )
        .await
        .unwrap();
    same(&QueryResponse::decode(&*found).unwrap().items[0]);
    let scan = ScanRequest {
        table_name: "table".to_owned(),
        ..Default::default()
    };
    let found = raw.call("Scan", scan.encode_to_vec()).await.unwrap();
    same(&ScanResponse::decode(&*found).unwrap().items[0]);
    let mut replaced = put("table", Some(deep.clone()));
    replaced.return_values = 2;
    let old = raw.call("PutItem", replaced.encode_to_vec()).await.unwrap();
    same(&PutItemResponse::decode(&*old).unwrap().attributes.unwrap());
    let delete = DeleteItemRequest {
        table_name: "table".to_owned(),
        key: Some(key()),
        return_values: 2,
        ..DeleteItemRequest::default()
    };
    let old = raw
        .call("DeleteItem", delete.encode_to_vec())
        .await
        .unwrap();
    same(
        &sealdb_proto::v1::DeleteItemResponse::decode(&*old)
            .unwrap()
            .attributes
            .unwrap(),
    );

    // One level more, many more, and more than the decoder of protobuf takes.
    for (depth, reason, part) in [
        (33, ValidationException, "Nesting Levels"),
        (40, ValidationException, "Nesting Levels"),
        (49, ErrorCode::SerializationException, "recursion"),
        (1000, ErrorCode::SerializationException, "recursion"),
        (20_000, ErrorCode::SerializationException, "recursion"),
    ] {
        let bytes = deep_put(depth);
        let status = raw.call("PutItem", bytes).await.unwrap_err();
        let named = named_error(&status);
        assert!(
            named == Some(reason) || depth == 49 && named == Some(ValidationException),
            "{depth}: {status:?}"
        );
        assert!(
            status.message().contains(part) || depth == 49,
            "{depth}: {status:?}"
        );
    }
    let deeper = item("deep", nested(33));
    let write = batch("table", vec![Some(Write::PutItem(deeper.clone()))]);
    refused(
        &raw,
        "BatchWriteItem",
        &write,
        ValidationException,
        "Nesting Levels",
    )
    .await;
    let write = batch("table", vec![Some(Write::DeleteKey(deeper.clone()))]);
    refused(
        &raw,
        "BatchWriteItem",
        &write,
        ValidationException,
        "Nesting Levels",
    )
    .await;
    let get = GetItemRequest {
        table_name: "table".to_owned(),
        key: Some(deeper.clone()),
        ..Default::default()
    };
    refused(&raw, "GetItem", &get, ValidationException, "Nesting Levels").await;
    let delete = DeleteItemRequest {
        table_name: "table".to_owned(),
        key: Some(deeper.clone()),
        ..Default::default()
    };
    refused(
        &raw,
        "DeleteItem",
        &delete,
        ValidationException,
        "Nesting Levels",
    )
    .await;
    let scan = ScanRequest {
        table_name: "table".to_owned(),
        exclusive_start_key: Some(deeper.clone()),
        ..Default::default()
    };
    refused(&raw, "Scan", &scan, ValidationException, "Nesting Levels").await;
    let mut read = query("pk = :p", &[(":p", nested(33))]);
    refused(&raw, "Query", &read, ValidationException, "Nesting Levels").await;
    read.expression_attribute_values = Some(map(&[(":p", text("a"))]));
    read.exclusive_start_key = Some(deeper);
    refused(&raw, "Query", &read, ValidationException, "Nesting Levels").await;
    // 32 levels where only a key may stand: refused for what it is, not for its depth.
    let read = query("pk = :p", &[(":p", nested(32))]);
    let status = raw.call("Query", read.encode_to_vec()).await.unwrap_err();
    assert!(!status.message().contains("Nesting"), "{status:?}");
    well(&home, server, &raw).await;
}

/// PutItem with an attribute of this many nested maps, encoded by hand: prost itself would run out of stack.
fn deep_put(depth: usize) -> Vec<u8> {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
        bytes.extend(content);
        bytes
    }
    let mut inner = text("core").encode_to_vec();
    for _ in 0..depth {
        // AttributeValue { m: MapValue { names: ["a"], values: [inner] } }
        let content = [field(1, b"a"), field(2, &inner)].concat();
        inner = field(6, &content);
    }
    let mut item = key().encode_to_vec();
    item.extend([field(1, b"deep"), field(2, &inner)].concat());
    [field(1, b"table"), field(2, &item)].concat()
}
