#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

mod parameters;

use super::*;
use crate::error::ValidationError;
use crate::map::Map;
use crate::names::AttributeName;
use crate::schema::{KeyAttribute, KeySchema, ScalarType};
use crate::size::MAX_ITEM_SIZE;
use crate::value::AttributeValue;

fn message<T: std::fmt::Debug>(result: Result<T, ValidationError>) -> String {
    result.unwrap_err().to_string()
}

fn schema() -> KeySchema {
    let attribute = |name, kind| KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind,
    };
    KeySchema {
        partition: attribute("pk", ScalarType::S),
        sort: Some(attribute("sk", ScalarType::N)),
    }
}

fn key(pk: &str, sk: i32) -> Map {
    Map::from([("pk", AttributeValue::from(pk)), ("sk", sk.into())])
}

const SHORT_NAME: &str =
    "TableName must be at least 3 characters long and at most 255 characters long";

#[test]
fn every_operation_checks_the_tables_name() {
    let bad = "ab";
    for refused in [
        message(
            CreateTableInput::new(bad)
                .partition_key("pk", ScalarType::S)
                .validate(),
        ),
        message(DescribeTableInput::new(bad).validate()),
        message(DeleteTableInput::new(bad).validate()),
        message(PutItemInput::new(bad, key("a", 1)).validate()),
        message(GetItemInput::new(bad, key("a", 1)).validate()),
        message(DeleteItemInput::new(bad, key("a", 1)).validate()),
        message(
            BatchWriteItemInput::new()
                .delete(bad, key("a", 1))
                .validate(),
        ),
        message(QueryInput::new(bad, "pk = :p").value(":p", "a").validate()),
        message(ScanInput::new(bad).validate()),
    ] {
        assert_eq!(refused, SHORT_NAME);
    }
    let list = ListTablesInput::new()
        .exclusive_start_table_name(bad)
        .validate();
    assert_eq!(
        message(list),
        "ExclusiveStartTableName must be at least 3 characters long and at most 255 characters long"
    );
}

#[test]
fn create_table_reads_the_key() {
    let created = CreateTableInput::new("Airports")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N)
        .sse_specification(SseSpecification::kms("alias/mine"))
        .validate()
        .unwrap();
    assert_eq!(created.schema.key, schema());
    assert_eq!(created.billing_mode, BillingMode::PayPerRequest);
    assert_eq!(created.kms_key, Some(NewKmsKey::Named("alias/mine".into())));
    let described = TableDescription::new("Airports", "id", &created.schema);
    assert_eq!(
        described.key_schema,
        [
            KeySchemaElement::new("pk", KeyType::Hash),
            KeySchemaElement::new("sk", KeyType::Range)
        ]
    );
    assert_eq!(
        described.attribute_definitions,
        [
            AttributeDefinition::new("pk", ScalarType::S),
            AttributeDefinition::new("sk", ScalarType::N)
        ]
    );
}

#[test]
fn create_table_refuses_as_aws_does() {
    let input = |elements: &[(&str, KeyType)], definitions: &[&str]| {
        CreateTableInput::new("abc")
            .key_schema(
                elements
                    .iter()
                    .map(|(name, role)| KeySchemaElement::new(*name, *role))
                    .collect::<Vec<_>>(),
            )
            .attribute_definitions(
                definitions
                    .iter()
                    .map(|name| AttributeDefinition::new(*name, ScalarType::S))
                    .collect::<Vec<_>>(),
            )
    };
    use KeyType::{Hash, Range};
    let units = |read_capacity_units, write_capacity_units| ProvisionedThroughput {
        read_capacity_units,
        write_capacity_units,
    };
    for (refused, expected) in [
        (
            input(&[], &[]),
            "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have \
             length greater than or equal to 1",
        ),
        (
            input(&[], &[]).provisioned_throughput(units(-1, 0)),
            "3 validation errors detected: Value '0' at 'provisionedThroughput.writeCapacityUnits' failed to satisfy \
             constraint: Member must have value greater than or equal to 1; Value '-1' at \
             'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater \
             than or equal to 1; Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ),
        (
            input(&[("a", Hash), ("b", Range), ("c", Range)], &["a", "b", "c"]),
            "1 validation error detected: Value '[a, b, c]' at 'keySchema' failed to satisfy constraint: Member must \
             have length less than or equal to 2",
        ),
        (
            input(&[("", Hash)], &["a"]),
            "1 validation error detected: Value '' at 'keySchema.1.member.attributeName' failed to satisfy \
             constraint: Member must have length greater than or equal to 1",
        ),
        (
            input(&[("a", Hash)], &[]),
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (
            input(&[("a", Hash)], &["b"]),
            "One or more parameter values were invalid: Some index key attributes are not defined in \
             AttributeDefinitions. Keys: [a], AttributeDefinitions: [b]",
        ),
        (
            input(&[("a", Hash), ("a", Range)], &["a", "b"]),
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            input(&[("a", Range)], &["a"]),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            input(&[("a", Hash), ("b", Hash)], &["a", "b"]),
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            input(&[("a", Hash)], &["a", "b"]),
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
             number of attributes defined in AttributeDefinitions",
        ),
        (
            input(&[("a", Hash)], &["a"])
                .billing_mode(BillingMode::PayPerRequest)
                .provisioned_throughput(units(1, 1)),
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be \
             specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            input(&[("a", Hash)], &["a"]).billing_mode(BillingMode::Provisioned),
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be \
             specified when BillingMode is PROVISIONED",
        ),
        (
            input(&[("a", Hash)], &["a"]).provisioned_throughput(units(1_000_000_000_001, 1)),
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
        ),
        (
            input(&[("a", Hash)], &["a"]).sse_specification(
                SseSpecification::new()
                    .sse_type(SseType::Aes256)
                    .enabled(true),
            ),
            "One or more parameter values were invalid: SSEType AES256 is not supported",
        ),
        (
            input(&[("a", Hash)], &["a"])
                .sse_specification(SseSpecification::new().kms_master_key_id("k")),
            "One or more parameter values were invalid: SSEType and KMSMasterKeyId can only be specified when SSE is \
             enabled",
        ),
    ] {
        assert_eq!(message(refused.validate()), expected);
    }
    // Accepted and reported; it limits nothing.
    let accepted = input(&[("a", Hash)], &["a"])
        .provisioned_throughput(units(5, 6))
        .validate()
        .unwrap();
    assert_eq!(accepted.billing_mode, BillingMode::Provisioned);
    assert_eq!(accepted.throughput.provisioned, units(5, 6));
}

#[test]
fn list_tables_has_pages_of_up_to_100() {
    assert_eq!(ListTablesInput::new().validate().unwrap().limit, 100);
    assert_eq!(ListTablesInput::new().limit(7).validate().unwrap().limit, 7);
    for (limit, constraint) in [
        (0, "greater than or equal to 1"),
        (-5, "greater than or equal to 1"),
        (101, "less than or equal to 100"),
    ] {
        assert_eq!(
            message(ListTablesInput::new().limit(limit).validate()),
            format!(
                "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must \
                 have value {constraint}"
            )
        );
    }
}

#[test]
fn put_item_checks_the_item() {
    let put = PutItemInput::new("abc", key("a", 1))
        .return_values(ReturnValue::AllOld)
        .validate()
        .unwrap();
    assert_eq!(
        (put.size, put.return_values),
        (2 + 1 + 2 + 2, ReturnValue::AllOld)
    );
    let large = Map::from([("pk", "x".repeat(MAX_ITEM_SIZE))]);
    assert_eq!(
        message(PutItemInput::new("abc", large).validate()),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn batches_have_1_to_25_requests_each_of_another_key() {
    let batch = |count: i32| {
        (0..count).fold(BatchWriteItemInput::new(), |batch, at| {
            batch.put(format!("table{}", at % 2), key("a", at))
        })
    };
    assert_eq!(
        message(batch(0).validate()),
        "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have \
         length greater than or equal to 1"
    );
    assert_eq!(
        message(batch(26).validate()),
        "Too many items requested for the BatchWriteItem call"
    );
    let valid = batch(25).validate().unwrap();
    assert_eq!(
        valid
            .tables
            .iter()
            .map(|table| table.requests.len())
            .collect::<Vec<_>>(),
        [13, 12]
    );
    assert_eq!(valid.tables[0].keys(&schema()).unwrap().len(), 13);
    let empty =
        BatchWriteItemInput::new().request_items(BTreeMap::from([("abc".to_owned(), vec![])]));
    assert_eq!(
        message(empty.validate()),
        "The batch write request list for a table cannot be null or empty: abc"
    );
    let mistyped = BatchWriteItemInput::new()
        .delete("abc", Map::from([("pk", "a")]))
        .validate()
        .unwrap();
    assert_eq!(
        message(mistyped.tables[0].keys(&schema())),
        "The provided key element does not match the schema"
    );
    let large =
        BatchWriteItemInput::new().put("abc", Map::from([("pk", "x".repeat(MAX_ITEM_SIZE))]));
    assert_eq!(
        message(large.validate()),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn queries_and_scans_look_at_one_item_at_least() {
    let refused = "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have \
                   value greater than or equal to 1";
    assert_eq!(
        message(
            QueryInput::new("abc", "pk = :p")
                .value(":p", "a")
                .limit(0)
                .validate()
        ),
        refused
    );
    assert_eq!(message(ScanInput::new("abc").limit(0).validate()), refused);
    assert_eq!(
        ScanInput::new("abc").limit(3).validate().unwrap().limit,
        Some(3)
    );
    let mut without = QueryInput::new("abc", "");
    without.key_condition_expression = None;
    assert_eq!(
        message(without.validate()),
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
    );
}

#[test]
fn queries_begin_within_their_partition_and_range() {
    let query = |start: Map| {
        QueryInput::new("abc", "#p = :p AND sk > :s")
            .name("#p", "pk")
            .value(":p", "a")
            .value(":s", 5)
            .exclusive_start_key(start)
            .scan_index_forward(false)
            .validate()
            .unwrap()
            .plan(&schema())
    };
    let plan = query(key("a", 6)).unwrap();
    assert_eq!(plan.partition, b"a");
    assert_eq!(plan.after, Some(schema().key_of_key(&key("a", 6)).unwrap()));
    for (start, expected) in [
        (
            Map::from([("pk", "a")]),
            "The provided starting key is invalid",
        ),
        (
            Map::from([("pk", "a"), ("zk", "b")]),
            "The provided starting key is invalid",
        ),
        (
            Map::from([("pk", "a"), ("sk", "b")]),
            "The provided starting key is invalid",
        ),
        (
            key("b", 6),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            key("a", 5),
            "The provided starting key does not match the range key predicate",
        ),
    ] {
        assert_eq!(message(query(start)), expected);
    }
}

#[test]
fn scans_have_both_parts_of_a_segment_or_none() {
    let scan = |segment: Option<i32>, total: Option<i32>| {
        let mut input = ScanInput::new("abc");
        (input.segment, input.total_segments) = (segment, total);
        input.validate().map(|scan| scan.segment)
    };
    assert_eq!(scan(None, None), Ok(ScanSegment::WHOLE));
    assert_eq!(
        scan(Some(999_999), Some(1_000_000)),
        Ok(ScanSegment {
            segment: 999_999,
            total: 1_000_000
        })
    );
    let constraint = |value: i32, at: &str, rule: &str| {
        format!(
            "Value '{value}' at '{at}' failed to satisfy constraint: Member must have value {rule}"
        )
    };
    for (segment, total, expected) in [
        (
            Some(0),
            None,
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is \
             present"
                .to_owned(),
        ),
        (
            None,
            Some(1),
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is \
             present"
                .to_owned(),
        ),
        (
            Some(4),
            Some(4),
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not \
             less than TotalSegments: 4"
                .to_owned(),
        ),
        (
            Some(-1),
            Some(0),
            format!(
                "2 validation errors detected: {}; {}",
                constraint(-1, "segment", "greater than or equal to 0"),
                constraint(0, "totalSegments", "greater than or equal to 1")
            ),
        ),
        (
            Some(1_000_000),
            Some(1_000_001),
            format!(
                "2 validation errors detected: {}; {}",
                constraint(1_000_000, "segment", "less than or equal to 999999"),
                constraint(1_000_001, "totalSegments", "less than or equal to 1000000")
            ),
        ),
    ] {
        assert_eq!(message(scan(segment, total)), expected);
    }
}

#[test]
fn scans_begin_at_a_key_of_the_table() {
    let scan = |start: Map| {
        ScanInput::new("abc")
            .exclusive_start_key(start)
            .validate()
            .unwrap()
    };
    assert_eq!(
        scan(key("a", 1)).start_key(&schema()),
        schema().key_of_key(&key("a", 1)).map(Some)
    );
    assert_eq!(
        message(scan(Map::from([("pk", "a")])).start_key(&schema())),
        "The provided starting key is invalid: The provided key element does not match the schema"
    );
    assert!(
        scan(key("a", 1))
            .outside_segment()
            .to_string()
            .ends_with("TotalSegments: 1 Segment: 0")
    );
}

#[test]
fn names_of_values_lead_back() {
    for status in TableStatus::ALL {
        assert_eq!(TableStatus::from_name(status.name()), Some(*status));
    }
    assert_eq!(ReturnValue::from_name("ALL_OLD"), Some(ReturnValue::AllOld));
    assert_eq!(Select::from_name("specific_attributes"), None);
}

#[test]
fn debug_of_inputs_gives_no_data_away() {
    let input = QueryInput::new("abc", "secretname = :p")
        .name("#x", "secretname")
        .value(":p", "secretvalue")
        .exclusive_start_key(Map::from([("secretname", "secretvalue")]));
    let create = CreateTableInput::new("abc").partition_key("secretname", ScalarType::S);
    let put = PutItemInput::new("abc", Map::from([("secretname", "secretvalue")]));
    let text = format!(
        "{input:?} {create:?} {put:?} {:?}",
        create.clone().validate().unwrap()
    );
    assert!(!text.contains("secret"), "{text}");
}
