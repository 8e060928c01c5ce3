#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sealdb_model::ops::{
    BatchGetItemInput, BatchWriteItemInput, CreateTableInput, DeleteTableInput, GetItemInput,
    GetItemOutput, ListTablesInput, ListTablesOutput, PutItemInput, QueryInput, QueryOutput,
    ScanInput, UpdateItemInput,
};
use sealdb_model::{AttributeValue, Item, Map};

use super::*;
use crate::convert::strategies as any_;

pub(super) fn read<R: Request>(body: &str) -> Result<R, Refused> {
    Ok(input(parse::<R>(body.as_bytes())?)?)
}

fn refused<R: Request>(body: &str) -> Refused {
    read::<R>(body).err().unwrap()
}

pub(super) fn validation<R: Request>(body: &str) -> String {
    match refused::<R>(body) {
        Refused::Validation(error) => error.message().to_owned(),
        Refused::Serialization(message) => panic!("serialization: {message:?}"),
    }
}

fn serialization<R: Request>(body: &str) -> Option<String> {
    match refused::<R>(body) {
        Refused::Serialization(message) => message,
        Refused::Validation(error) => panic!("validation: {error}"),
    }
}

/// The item of a request, through its JSON.
fn item_of(text: &str) -> Item {
    let body = format!("{{\"TableName\": \"abc\", \"Item\": {text}}}");
    read::<PutItemInput>(&body).unwrap().item
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_item_is_the_same_after_an_answer_and_a_request(item in any_::map()) {
        let answer = render(&GetItemOutput::new(Some(item.clone())));
        let text = std::str::from_utf8(&answer).unwrap();
        prop_assert_eq!(item_of(&text["{\"Item\":".len()..text.len() - 1]), item.clone());
        // A JSON parser of others reads the same.
        let parsed = crate::json::parse(text).unwrap();
        prop_assert_eq!(crate::json::item_from_json(parsed["Item"].clone()).unwrap(), item);
    }

    #[test]
    fn hostile_text_is_refused_or_read(text in "[\\[\\]{}\":,0-9SNBLMTableNameItem \\\\u.eE+-]{0,80}") {
        fuzz_json_request(text.as_bytes());
        let inside = format!("{{\"TableName\":\"abc\",\"Item\":{text}}}");
        fuzz_json_request(inside.as_bytes());
    }
}

#[test]
fn values_of_all_types_and_escapes_are_read() {
    let item = item_of(
        r#"{"s": {"S": "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}, "n": {"N": "1.50e2"}, "b": {"B": "aGV4"}}"#,
    );
    assert_eq!(
        item.get("s"),
        Some(&AttributeValue::from(
            "a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}"
        ))
    );
    assert_eq!(item.get("n"), Some(&AttributeValue::from(150)));
    assert_eq!(item.get("b"), Some(&AttributeValue::B(b"hex".to_vec())));
    let twice = item_of(r#"{"a": {"S": "first"}, "a": {"S": "last"}}"#);
    assert_eq!(twice, Map::from([("a", "last")]));
    // Nulls are absent, unknown types and members are skipped.
    let nulls = item_of(r#"{"a": {"S": null, "N": "5", "X": [{}]}}"#);
    assert_eq!(nulls, Map::from([("a", 5)]));
}

#[test]
fn wrong_json_types_have_the_services_words() {
    for (body, message) in [
        (
            r#"{"TableName": 5}"#,
            "NUMBER_VALUE cannot be converted to String",
        ),
        (
            r#"{"TableName": 5.5}"#,
            "DECIMAL_VALUE cannot be converted to String",
        ),
        (
            r#"{"TableName": true}"#,
            "TRUE_VALUE cannot be converted to String",
        ),
        (
            r#"{"TableName": []}"#,
            "Unrecognized collection type class java.lang.String",
        ),
        (
            r#"{"TableName": {}}"#,
            "Start of structure or map found where not expected",
        ),
        (r#"{"Item": "x"}"#, "Unexpected field type"),
        (
            r#"{"Item": []}"#,
            "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
        ),
        (
            r#"{"Item": {"a": {"S": 5}}}"#,
            "NUMBER_VALUE cannot be converted to String",
        ),
        (
            r#"{"Item": {"a": {"SS": {}}}}"#,
            "Start of structure or map found where not expected",
        ),
        (
            r#"{"Item": {"a": {"BOOL": "true"}}}"#,
            "Unexpected token received from parser",
        ),
        (
            r#"{"Item": {"a": {"B": "abc"}}}"#,
            "'abc' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3",
        ),
        (
            r#"{"Item": {"a": {"B": "ab;d"}}}"#,
            "'ab;d' can not be converted to a Blob: Invalid Base64 character: ';'",
        ),
        (
            r#"{"Expected": {"a": "x"}}"#,
            "Unexpected value type in payload",
        ),
        (
            r#"{"Expected": {"a": {"Value": "x"}}}"#,
            "Unexpected field type",
        ),
        (
            r#"{"Expected": []}"#,
            "Unrecognized collection type java.util.Map<java.lang.String, \
             com.amazonaws.dynamodb.v20120810.ExpectedAttributeValue>",
        ),
    ] {
        assert_eq!(
            serialization::<PutItemInput>(body).as_deref(),
            Some(message),
            "{body}"
        );
    }
    assert_eq!(
        serialization::<ListTablesInput>(r#"{"Limit": "5"}"#).as_deref(),
        Some("STRING_VALUE cannot be converted to Integer")
    );
    assert_eq!(
        serialization::<QueryInput>(r#"{"ScanIndexForward": 1}"#).as_deref(),
        Some("NUMBER_VALUE cannot be converted to Boolean")
    );
    for no_json in [
        "",
        "[]",
        "5",
        "{",
        "{}x",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"TableName\": \"\\ud800\"}",
        "{\"a\":01}",
        "{\"a\":\"\u{1}\"}",
    ] {
        assert_eq!(serialization::<GetItemInput>(no_json), None, "{no_json}");
    }
    assert!(matches!(
        parse::<GetItemInput>(b"{\"a\": \"\xff\"}"),
        Err(Refused::Serialization(None))
    ));
}

#[test]
fn constraints_are_reported_together() {
    assert_eq!(
        validation::<GetItemInput>("{}"),
        "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; \
         Value null at 'key' failed to satisfy constraint: Member must not be null"
    );
    assert_eq!(
        validation::<PutItemInput>(
            r#"{"TableName": "a;", "ReturnConsumedCapacity": "hi", "Item": {}}"#
        ),
        "3 validation errors detected: Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: Member must \
         satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'a;' at 'tableName' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a;' at 'tableName' failed to satisfy constraint: \
         Member must have length greater than or equal to 3"
    );
    assert_eq!(
        validation::<CreateTableInput>(
            r#"{"TableName": "abc", "AttributeDefinitions": [{"AttributeType": "X"}], "KeySchema": []}"#
        ),
        "3 validation errors detected: Value null at 'attributeDefinitions.1.member.attributeName' failed to satisfy \
         constraint: Member must not be null; Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy \
         constraint: Member must satisfy enum value set: [B, N, S]; Value '[]' at 'keySchema' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    assert_eq!(
        validation::<ScanInput>(r#"{"TableName": "abc", "Limit": 0, "TotalSegments": 1e99}"#),
        "2 validation errors detected: Value '2147483647' at 'totalSegments' failed to satisfy constraint: Member must have \
         value less than or equal to 1000000; Value '0' at 'limit' failed to satisfy constraint: Member must have value \
         greater than or equal to 1"
    );
    assert_eq!(
        validation::<BatchWriteItemInput>(r#"{"RequestItems": {"abc": [{"PutRequest": {}}]}}"#),
        "1 validation error detected: Value null at 'requestItems.abc.member.1.member.putRequest.item' failed to satisfy \
         constraint: Member must not be null"
    );
    let many = "{\"DeleteRequest\": {\"Key\": {}}},".repeat(26);
    let body = format!(
        "{{\"RequestItems\": {{\"abc\": [{}]}}}}",
        many.trim_end_matches(',')
    );
    assert!(
        validation::<BatchWriteItemInput>(&body).ends_with(
            "' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length \
             less than or equal to 25, Member must have length greater than or equal to 1]"
        )
    );
    assert_eq!(
        validation::<DeleteTableInput>("{}"),
        "The parameter 'TableName' is required but was not present in the request"
    );
}

#[test]
fn wrong_values_come_after_constraints() {
    let put = |value: &str| {
        validation::<PutItemInput>(&format!(
            "{{\"TableName\": \"abc\", \"Item\": {{\"a\": {value}}}}}"
        ))
    };
    assert_eq!(
        put("{}"),
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
    assert_eq!(
        put(r#"{"S": "a", "N": "1"}"#),
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    );
    assert_eq!(
        put(r#"{"N": "x"}"#),
        "The parameter cannot be converted to a numeric value: x"
    );
    assert_eq!(
        put(r#"{"NULL": false}"#),
        "One or more parameter values were invalid: Null attribute value types must have the value of true"
    );
    assert!(put(r#"{"N": "1e1000000000"}"#).starts_with("Number overflow"));
    let both = r#"{"Item": {"a": {}}, "ReturnValues": "x", "TableName": "abc"}"#;
    assert!(validation::<PutItemInput>(both).contains("enum value set"));
    let later = r#"{"Item": {"a": {}, "b": 5}}"#;
    assert_eq!(
        serialization::<PutItemInput>(later).as_deref(),
        Some("Unexpected value type in payload")
    );
}

#[test]
fn wrong_values_are_named_by_their_place_after_parameters_that_do_not_go_together() {
    let empty =
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    let put = |more: &str| {
        validation::<PutItemInput>(&format!(
            "{{\"TableName\": \"abc\", \"Item\": {{\"a\": {{}}}}, {more}}}"
        ))
    };
    assert_eq!(
        put(
            r#""ConditionExpression": "a = :b", "ExpressionAttributeValues": {":a": {"S": ""}, ":b": {"N": ""}}"#
        ),
        "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value for key :b"
    );
    assert_eq!(
        put(r#""ConditionExpression": "a = :b", "Expected": {"a": {"Value": {}}}"#),
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {Expected} Expression parameters: {ConditionExpression}"
    );
    assert_eq!(
        put(r#""ExpressionAttributeValues": {}"#),
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    );
    assert_eq!(put(r#""ReturnValues": "ALL_NEW""#), empty);
    let scan = r#"{"TableName": "abc", "ExclusiveStartKey": {"a": {"M": {"b": {}}}}}"#;
    assert_eq!(
        validation::<ScanInput>(scan),
        format!("The provided starting key is invalid: {empty}")
    );
}

#[test]
fn names_of_tables_are_checked_first_where_the_request_is_about_one() {
    let short = "TableName must be at least 3 characters long and at most 255 characters long";
    assert_eq!(
        validation::<CreateTableInput>(r#"{"TableName": "a;"}"#),
        short
    );
    assert_eq!(
        validation::<DeleteTableInput>(r#"{"TableName": ""}"#),
        short
    );
    assert_eq!(
        validation::<ListTablesInput>(r#"{"ExclusiveStartTableName": "ab", "Limit": 0}"#),
        format!("ExclusiveStart{short}")
    );
    assert_eq!(
        validation::<ListTablesInput>(r#"{"ExclusiveStartTableName": "abc;", "Limit": 500}"#),
        "2 validation errors detected: Value 'abc;' at 'exclusiveStartTableName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '500' at 'limit' failed to satisfy constraint: Member \
         must have value less than or equal to 100"
    );
    assert_eq!(
        validation::<BatchGetItemInput>(r#"{"RequestItems": {"a": {}}}"#),
        "2 validation errors detected: Value '{a=KeysAndAttributes(keys=null, attributesToGet=null, consistentRead=null, \
         projectionExpression=null, expressionAttributeNames=null)}' at 'requestItems' failed to satisfy constraint: Map \
         keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater \
         than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]; Value null at \
         'requestItems.a.member.keys' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn a_table_is_provisioned_unless_the_request_says_otherwise() {
    let table = |more: &str| {
        let body = format!(
            r#"{{"TableName": "abc", "KeySchema": [{{"AttributeName": "a", "KeyType": "HASH"}}],
            "AttributeDefinitions": [{{"AttributeName": "a", "AttributeType": "S"}}]{more}}}"#
        );
        read::<CreateTableInput>(&body).unwrap().validate()
    };
    assert_eq!(
        table("").unwrap_err().message(),
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when \
         BillingMode is PROVISIONED"
    );
    assert!(table(r#", "BillingMode": "PAY_PER_REQUEST""#).is_ok());
}

#[test]
fn what_is_not_carried_out_is_refused_and_what_is_unknown_is_skipped() {
    let body = r#"{"TableName": "abc", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "AttributeDefinitions":
        [{"AttributeName": "a", "AttributeType": "S"}], "ResourcePolicy": "x"}"#;
    assert!(validation::<CreateTableInput>(body).contains("ResourcePolicy is not supported"));
    assert!(read::<CreateTableInput>(&body.replace("ResourcePolicy", "Unheard")).is_ok());
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        format!(
            "{{\"TableName\": \"abc\", \"Item\": {{\"a\": {}{{\"S\": \"x\"}}{}}}}}",
            "{\"L\": [".repeat(depth),
            "]}".repeat(depth)
        )
    };
    assert!(read::<PutItemInput>(&nested(32)).is_ok());
    assert!(validation::<PutItemInput>(&nested(33)).starts_with("Nesting Levels have exceeded"));
    assert_eq!(serialization::<PutItemInput>(&nested(10_000)), None);
    let unknown = format!(
        "{{\"x\": {}1{}}}",
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    assert_eq!(serialization::<PutItemInput>(&unknown), None);
}

#[test]
fn thousands_of_attributes_are_updated_at_once() {
    let updates: Vec<String> = (0..10_000)
        .map(|at| format!("\"k{at}\": {{\"Value\": {{\"N\": \"1\"}}}}"))
        .collect();
    let body = format!(
        "{{\"TableName\": \"abc\", \"Key\": {{\"a\": {{\"S\": \"x\"}}}}, \"AttributeUpdates\": {{{}}}}}",
        updates.join(",")
    );
    let input = read::<UpdateItemInput>(&body).unwrap();
    assert_eq!(input.attribute_updates.unwrap().len(), 10_000);
}

#[test]
// How long it takes is what is tested.
#[allow(clippy::disallowed_methods)]
fn a_million_tiny_fields_are_refused_at_once() {
    let begun = std::time::Instant::now();
    let parts = format!(
        "{{\"RequestItems\": {{\"abc\": [{}{{}}]}}}}",
        "{},".repeat(1_000_000)
    );
    assert_eq!(serialization::<BatchWriteItemInput>(&parts), None);
    let unknown: String = (0..1_000_000).map(|at| format!("\"{at}\":0,")).collect();
    assert!(
        validation::<GetItemInput>(&format!("{{{unknown}\"x\":0}}"))
            .starts_with("2 validation errors")
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn answers_are_what_the_service_gives() {
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    assert_eq!(text(render(&GetItemOutput::new(None))), "{}");
    let names = vec!["abc".to_owned(), "de\"f".to_owned()];
    assert_eq!(
        text(render(&ListTablesOutput::new(names, Some("x".to_owned())))),
        r#"{"TableNames":["abc","de\"f"],"LastEvaluatedTableName":"x"}"#
    );
    let item = Map::from([("a", AttributeValue::from("\u{1}é")), ("b", true.into())]);
    let page = QueryOutput::new(vec![item], 1, 2, Some(Map::from([("a", 1)])));
    assert_eq!(
        text(render(&page)),
        r#"{"Count":1,"Items":[{"a":{"S":"\u0001é"},"b":{"BOOL":true}}],"LastEvaluatedKey":{"a":{"N":"1"}},"ScannedCount":2}"#
    );
    let none = QueryOutput::default();
    assert_eq!(
        text(render(&none)),
        r#"{"Count":0,"Items":[],"ScannedCount":0}"#
    );
    let mut counted = QueryOutput::default();
    counted.counted_only = true;
    assert_eq!(text(render(&counted)), r#"{"Count":0,"ScannedCount":0}"#);
    assert_eq!(
        text(render_error(
            "com.amazon.coral.validate#ValidationException",
            "message",
            Some("no"),
            &Detail::None
        )),
        r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}"#
    );
}

#[test]
fn a_record_has_the_services_members() {
    use sealdb_model::ops::{self, GetRecordsOutput};
    let change = |at: u64| ops::StreamRecord {
        approximate_creation_date_time: at,
        keys: Map::from([("id", 1)]),
        new_image: None,
        old_image: Some(Map::from([
            ("id", AttributeValue::from(1)),
            ("t", "x".into()),
        ])),
        sequence_number: ops::SequenceNumber {
            commit: 17,
            record: 2,
        },
        stream_view_type: ops::StreamViewType::OldImage,
    };
    let record = ops::Record {
        event_id: "0af1".into(),
        event_name: ops::OperationType::Remove,
        dynamodb: change(1_432_155_070_999),
        user_identity: Some(ops::Identity::TIME_TO_LIVE),
    };
    let body = render(&GetRecordsOutput::new(vec![record], Some("next".into())));
    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"NextShardIterator":"next","Records":[{"awsRegion":"us-east-1","dynamodb":{"#
            .to_owned()
            + r#""ApproximateCreationDateTime":1432155070,"Keys":{"id":{"N":"1"}},"#
            + r#""OldImage":{"id":{"N":"1"},"t":{"S":"x"}},"SequenceNumber":"100000000000017000002","#
            + r#""SizeBytes":10,"StreamViewType":"OLD_IMAGE"},"eventID":"0af1","eventName":"REMOVE","#
            + r#""eventSource":"aws:dynamodb","eventVersion":"1.1","#
            + r#""userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}}]}"#
    );
}

#[test]
fn requests_about_streams_are_read_and_checked() {
    use sealdb_model::ops::{
        GetRecordsInput, GetShardIteratorInput, ShardIteratorType, StreamSpecification,
        StreamViewType,
    };
    let table = r#"{"TableName": "abc", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}], "StreamSpecification": "#;
    let view = r#"{"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}"#;
    let input = read::<CreateTableInput>(&format!("{table}{view}")).unwrap();
    assert_eq!(
        input.stream_specification,
        Some(StreamSpecification::enabled(StreamViewType::KeysOnly))
    );
    assert_eq!(
        validation::<CreateTableInput>(&format!("{table}{{\"StreamViewType\": \"ALL\"}}}}")),
        "2 validation errors detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: Member must \
         not be null; Value 'ALL' at 'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy enum \
         value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]"
    );
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/2015-05-20T20:51:10.252";
    let body = format!(
        r#"{{"StreamArn": "{arn}", "ShardId": "shardId-00000001432155070252-00000001", "ShardIteratorType": "LATEST"}}"#
    );
    let input = read::<GetShardIteratorInput>(&body).unwrap();
    assert_eq!(input.shard_iterator_type, ShardIteratorType::Latest);
    assert_eq!(input.stream_arn, arn);
    assert_eq!(
        validation::<GetRecordsInput>(r#"{"ShardIterator": "x", "Limit": 1001}"#),
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or \
         equal to 1000"
    );
}
