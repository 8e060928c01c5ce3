#![allow(clippy::unwrap_used)]

use std::ops::RangeBounds;

use proptest::prelude::*;

use super::*;
use crate::fuzzing::fuzz_key_expression;
use crate::generate::number;
use crate::names::AttributeName;
use crate::number::Number;
use crate::schema::ScalarType;

fn attribute(name: &str, kind: ScalarType) -> KeyAttribute {
    KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind,
    }
}

/// `a` (S), `b` of the given type.
fn schema(sort: ScalarType) -> KeySchema {
    KeySchema {
        partition: attribute("a", ScalarType::S),
        sort: Some(attribute("b", sort)),
    }
}

/// The values of the test expressions: `:a`, `:b` are strings, `:n`, `:m` numbers, `:x` a binary, `:t` a truth value.
fn values(expression: &str) -> Map {
    let all = [
        (":a", AttributeValue::from("a")),
        (":b", "b".into()),
        (":n", 1.into()),
        (":m", 2.into()),
        (":x", vec![1, 255].into()),
        (":t", true.into()),
        (":e", "".into()),
    ];
    all.into_iter()
        .filter(|(key, _)| expression.contains(key))
        .collect()
}

fn parse(expression: &str) -> Result<KeyConditionExpression, ValidationError> {
    KeyConditionExpression::parse(expression, &BTreeMap::new(), &values(expression))
}

fn error(expression: &str) -> String {
    parse(expression).unwrap_err().to_string()
}

fn sort(expression: &str, kind: ScalarType) -> Option<SortCondition> {
    parse(expression).unwrap().bind(&schema(kind)).unwrap().sort
}

#[test]
fn reads_every_condition() {
    use SortCondition::*;
    let number = |value: i64| AttributeValue::from(value);
    assert_eq!(sort("a = :a", ScalarType::N), None);
    for (test, expected) in [
        ("b = :n", Eq(number(1))),
        ("b < :n", Lt(number(1))),
        ("b <= :n", Le(number(1))),
        ("b > :n", Gt(number(1))),
        ("b >= :n", Ge(number(1))),
        (":n < b", Gt(number(1))),
        (":n >= b", Le(number(1))),
        ("b BETWEEN :n AND :m", Between(number(1), number(2))),
        ("b between :n and :n", Between(number(1), number(1))),
    ] {
        for expression in [
            format!("a = :a AND {test}"),
            format!("{test} and a = :a"),
            format!("(:a = a) aNd ({test})"),
        ] {
            assert_eq!(
                sort(&expression, ScalarType::N),
                Some(expected.clone()),
                "{expression}"
            );
        }
    }
    assert_eq!(
        sort("begins_with(b, :b) AND a = :a", ScalarType::S),
        Some(BeginsWith("b".into()))
    );
    assert_eq!(
        sort("a = :a AND begins_with ( b , (:x) )", ScalarType::B),
        Some(BeginsWith(vec![1, 255].into()))
    );
}

#[test]
fn placeholders_of_names_stand_for_attributes() {
    let names = BTreeMap::from([
        ("#p".to_owned(), "a".to_owned()),
        ("#s".to_owned(), "b".to_owned()),
    ]);
    let expression = "#p = :a AND #s = :b";
    let condition = KeyCondition::parse(
        expression,
        &names,
        &values(expression),
        &schema(ScalarType::S),
    )
    .unwrap();
    assert_eq!(condition.partition, "a".into());
    assert_eq!(condition.sort, Some(SortCondition::Eq("b".into())));
}

#[test]
fn faults_of_the_text_are_named_as_aws_does() {
    let prefix = "Invalid KeyConditionExpression: ";
    for (expression, detail) in [
        ("", "The expression can not be empty;"),
        (
            "a = :a AND",
            "Syntax error; token: \"<EOF>\", near: \"AND\"",
        ),
        (
            "a = :a AND begins_with(b, :b",
            "Syntax error; token: \"<EOF>\", near: \":b\"",
        ),
        ("a == :a", "Syntax error; token: \"=\", near: \"== :a\""),
        ("a = 'x'", "Syntax error; token: \"'\", near: \"= 'x\""),
        (
            "a = :a; b = :b",
            "Syntax error; token: \";\", near: \":a; b\"",
        ),
        ("((a = :a))", "The expression has redundant parentheses;"),
        (
            "BegIns_WiTh(a, :a )",
            "Invalid function name; function: BegIns_WiTh",
        ),
        (
            "a = begins_with(b, :b)",
            "The function is not allowed to be used this way in an expression; function: begins_with",
        ),
        (
            "size(a)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "Status = :a",
            "Attribute name is a reserved keyword; reserved keyword: Status",
        ),
        (
            "a = :zz",
            "An expression attribute value used in expression is not defined; attribute value: :zz",
        ),
        (
            "#zz = :a",
            "An expression attribute name used in the document path is not defined; attribute name: #zz",
        ),
        (
            "begins_with(a)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "a < :t",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "attribute_type(a, :n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        (
            "attribute_exists(:a)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "a BETWEEN :n AND :a",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
        ),
        (
            "a BETWEEN :b AND :a",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}",
        ),
    ] {
        assert_eq!(
            error(expression),
            format!("{prefix}{detail}"),
            "{expression}"
        );
    }
    let long = format!("a = :a{}", " ".repeat(4096 - 6));
    assert!(parse(&long).is_ok());
    assert_eq!(
        error(&format!("{long} ")),
        format!(
            "{prefix}Expression size has exceeded the maximum allowed size; expression size: 4097"
        )
    );
}

#[test]
fn conditions_that_are_no_key_conditions_are_named_as_aws_does() {
    let operator = |name| format!("Invalid operator used in KeyConditionExpression: {name}");
    let condition = |detail: &str| format!("Invalid condition in KeyConditionExpression: {detail}");
    let nested = "KeyConditionExpressions cannot contain nested operations".to_owned();
    for (expression, message) in [
        ("a > b and size(b) > c or a > c", operator("OR")),
        ("a in (b, size(c), d)", operator("IN")),
        ("attribute_exists(a)", operator("attribute_exists")),
        ("contains(a.d, b)", operator("contains")),
        ("not a > b", operator("NOT")),
        ("a <> b", operator("<>")),
        (
            ":a between size(b) and size(a) and b > :b",
            condition("BETWEEN operator must have the key attribute as its first operand"),
        ),
        (
            "begins_with(:a, b) and a > :b",
            condition("begins_with operator must have the key attribute as its first operand"),
        ),
        ("size(b) > a AND a.b > b AND b > c", nested.clone()),
        ("a > size(b.d)", nested.clone()),
        ("a between size(b) and size(a)", nested),
        (
            "b > a.b",
            condition("Multiple attribute names used in one condition"),
        ),
        (
            "a between b and size(a)",
            condition("Multiple attribute names used in one condition"),
        ),
        (
            "begins_with(a, b)",
            condition("Multiple attribute names used in one condition"),
        ),
        (
            "b[0] > a",
            "KeyConditionExpressions cannot have conditions on nested attributes".to_owned(),
        ),
        (
            ":b > :a AND a < :b",
            condition("No key attribute specified"),
        ),
        (
            "(a > :a and b > :a) and (b > :a and c > :a)",
            "KeyConditionExpressions must only contain one condition per key".to_owned(),
        ),
    ] {
        assert_eq!(error(expression), message, "{expression}");
    }
}

#[test]
fn placeholders_are_all_used_and_well_formed() {
    let name = |key: &str| BTreeMap::from([(key.to_owned(), "a".to_owned())]);
    let error = |names: &BTreeMap<String, String>, values: &Map| {
        KeyConditionExpression::parse("a = :a", names, values)
            .unwrap_err()
            .to_string()
    };
    let value = Map::from([(":a", "x")]);
    assert_eq!(
        error(&name("#x"), &value),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}"
    );
    let more = Map::from([(":a", "x"), (":y", "x"), (":z", "x")]);
    assert_eq!(
        error(&BTreeMap::new(), &more),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y, :z}"
    );
    for key in ["a", "#", "#a-b", ":a"] {
        assert_eq!(
            error(&name(key), &value),
            format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"")
        );
    }
    assert_eq!(
        error(&BTreeMap::new(), &Map::from([("a", "x")])),
        "ExpressionAttributeValues contains invalid key: Syntax error; key: \"a\""
    );
    assert_eq!(
        error(
            &BTreeMap::new(),
            &Map::from([(":a", AttributeValue::Ss(vec![]))])
        ),
        "ExpressionAttributeValues contains invalid value: One or more parameter values were invalid: An string set  \
         may not be empty for key :a"
    );
}

#[test]
fn conditions_that_do_not_fit_the_key_are_named_as_aws_does() {
    let refused = |expression: &str, schema: &KeySchema| {
        parse(expression)
            .unwrap()
            .bind(schema)
            .unwrap_err()
            .to_string()
    };
    let with = schema(ScalarType::N);
    let without = KeySchema {
        partition: attribute("a", ScalarType::S),
        sort: None,
    };
    for (expression, message) in [
        (
            "a = :a AND b = :a AND c = :a",
            "Conditions can be of length 1 or 2 only",
        ),
        ("z = :a", "Query condition missed key schema element: a"),
        ("b = :n", "Query condition missed key schema element: a"),
        (
            "a = :a AND z = :n",
            "Query condition missed key schema element: b",
        ),
        ("a < :a", "Query key condition not supported"),
        ("begins_with(a, :a)", "Query key condition not supported"),
        (
            "a = :n",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "a = :a AND b = :b",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "a = :a AND begins_with(b, :b)",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "a = :e",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: a",
        ),
    ] {
        assert_eq!(refused(expression, &with), message, "{expression}");
    }
    assert_eq!(
        refused("a = :a AND b = :n", &without),
        "Query key condition not supported"
    );
}

#[test]
fn debug_gives_nothing_away() {
    let expression = parse("a = :a AND b = :b").unwrap();
    let condition = expression.bind(&schema(ScalarType::S)).unwrap();
    assert_eq!(
        format!("{expression:?}"),
        "KeyConditionExpression(2 attributes)"
    );
    assert_eq!(
        format!("{condition:?}"),
        "KeyCondition { partition: S(1 bytes), sort: Some(Eq(S(1 bytes))) }"
    );
}

#[test]
fn a_prefix_of_highest_bytes_has_no_upper_end() {
    let range = |prefix: &[u8]| {
        let sort = Some(SortCondition::BeginsWith(AttributeValue::B(
            prefix.to_vec(),
        )));
        KeyCondition {
            partition: "p".into(),
            sort,
        }
        .sort_range()
    };
    assert_eq!(
        range(&[1, 255]),
        (Bound::Included(vec![1, 255]), Bound::Excluded(vec![2]))
    );
    assert_eq!(
        range(&[255, 255]),
        (Bound::Included(vec![255, 255]), Bound::Unbounded)
    );
}

/// What a condition means, said without bytes.
fn meets<T: Ord>(condition: usize, value: &T, low: &T, high: &T, begins: bool) -> bool {
    match condition {
        0 => value == low,
        1 => value < low,
        2 => value <= low,
        3 => value > low,
        4 => value >= low,
        5 => low <= value && value <= high,
        _ => begins,
    }
}

fn condition(which: usize, low: AttributeValue, high: AttributeValue) -> KeyCondition {
    let sort = match which {
        0 => SortCondition::Eq(low),
        1 => SortCondition::Lt(low),
        2 => SortCondition::Le(low),
        3 => SortCondition::Gt(low),
        4 => SortCondition::Ge(low),
        5 => SortCondition::Between(low, high),
        _ => SortCondition::BeginsWith(low),
    };
    KeyCondition {
        partition: "p".into(),
        sort: Some(sort),
    }
}

fn number_bytes(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode_ordered(&mut bytes);
    bytes
}

proptest! {
    #[test]
    fn the_range_of_bytes_is_the_condition_of_strings(
        which in 0..7usize, value in "[ab\u{10FFFF}]{1,3}", low in "[ab\u{10FFFF}]{1,3}", high in "[ab]{1,3}",
    ) {
        let expected = meets(which, &value, &low, &high, value.starts_with(&low));
        let range = condition(which, low.into(), high.into()).sort_range();
        prop_assert_eq!(range.contains(&value.into_bytes()), expected);
    }

    #[test]
    fn the_range_of_bytes_is_the_condition_of_binaries(
        which in 0..7usize,
        value in prop::collection::vec(prop_oneof![Just(0), Just(254), Just(255)], 1..4),
        low in prop::collection::vec(prop_oneof![Just(0), Just(254), Just(255)], 1..4),
        high in prop::collection::vec(any::<u8>(), 1..4),
    ) {
        let expected = meets(which, &value, &low, &high, value.starts_with(&low));
        let range = condition(which, low.into(), high.into()).sort_range();
        prop_assert_eq!(range.contains(&value), expected);
    }

    #[test]
    fn the_range_of_bytes_is_the_condition_of_numbers(
        which in 0..6usize, value in number(), low in number(), high in number(), same in any::<bool>(),
    ) {
        let value = if same { low } else { value };
        let range = condition(which, low.into(), high.into()).sort_range();
        prop_assert_eq!(range.contains(&number_bytes(value)), meets(which, &value, &low, &high, false));
    }

    #[test]
    fn hostile_text_is_refused_or_leads_back(types in any::<u8>(), text in ".{0,80}") {
        fuzz_key_expression(&[&[types][..], text.as_bytes()].concat());
    }

    /// Text of the language's own words gets deeper into the parser.
    #[test]
    fn hostile_words_are_refused_or_lead_back(
        types in any::<u8>(),
        words in prop::collection::vec(
            prop::sample::select(vec![
                "pk", "sk", "#p", "#s", ":a", ":b", ":c", "=", "<", "<=", ">", ">=", "<>", "AND", "AND", "OR", "NOT", "IN",
                "BETWEEN", "(", ")", ",", ".", "[", "]", "0", "begins_with(", "begins_with(sk,", "size(", "pk = :p AND",
            ]),
            0..14,
        ),
    ) {
        fuzz_key_expression(&[&[types][..], words.join(" ").as_bytes()].concat());
    }

    #[test]
    fn key_conditions_lead_back(types in any::<u8>(), test in 0..9usize, partition_first in any::<bool>()) {
        let test = [
            "sk = :v1", "sk<:v1", "sk <= :v1", "sk > :v1", ":v1 > sk", "sk BETWEEN :v1 AND :v2", "begins_with(sk, :v1)",
            "#s >= :v1", "(:v1 = #s)",
        ][test];
        let names = if test.contains('#') { "#p" } else { "pk" };
        let text = if partition_first { format!("{names} = :p AND {test}") } else { format!("({test}) and :p = pk") };
        fuzz_key_expression(&[&[types][..], text.as_bytes()].concat());
    }
}
