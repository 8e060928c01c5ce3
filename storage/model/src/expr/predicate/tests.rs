// How long a search may take is the system's time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::generate;
use crate::map::Map;

fn parse_with(
    source: &str,
    names: &BTreeMap<String, String>,
    values: &Map,
) -> Result<ConditionExpression, ValidationError> {
    let mut placeholders = Placeholders::new(
        (!names.is_empty()).then_some(names),
        (!values.is_empty()).then_some(values),
    )?;
    let parsed = ConditionExpression::parse("ConditionExpression", source, &mut placeholders)?;
    placeholders.all_used()?;
    Ok(parsed)
}

/// The values of the test expressions; only those that are used are handed in.
fn values(source: &str) -> Map {
    let strings = |set: &[&str]| AttributeValue::Ss(set.iter().map(|s| (*s).to_owned()).collect());
    let all: [(&str, AttributeValue); 16] = [
        (":s", "bcd".into()),
        (":bc", "bc".into()),
        (":one", 1.into()),
        (":two", 2.into()),
        (":three", 3.into()),
        (":five", 5.into()),
        (":bin", vec![1, 2].into()),
        (":true", true.into()),
        (":null", AttributeValue::Null),
        (":list", AttributeValue::L(vec!["x".into(), 1.into()])),
        (":map", Map::from([("k", 1)]).into()),
        (":set", strings(&["y", "x"])),
        (":nested", AttributeValue::L(vec![strings(&["y", "x"])])),
        (":N", "N".into()),
        (":SS", "SS".into()),
        (":Q", "Q".into()),
    ];
    let used = |key: &str| {
        source.match_indices(key).any(|(at, _)| {
            let after = source
                .get(at + key.len()..)
                .and_then(|rest| rest.chars().next());
            !after.is_some_and(|c| c.is_ascii_alphanumeric())
        })
    };
    all.into_iter().filter(|(key, _)| used(key)).collect()
}

fn parse(source: &str) -> Result<ConditionExpression, ValidationError> {
    parse_with(source, &BTreeMap::new(), &values(source))
}

fn item() -> Item {
    Map::from([
        ("s", AttributeValue::from("abcd")),
        // A code unit of UTF-16, and a pair.
        ("music", "é𝄞".into()),
        ("n", 2.into()),
        ("b", vec![0, 1, 2, 3].into()),
        ("t", true.into()),
        ("nothing", AttributeValue::Null),
        ("lst", AttributeValue::L(vec!["x".into(), 1.into()])),
        (
            "m",
            Map::from([
                ("k", AttributeValue::from(1)),
                (
                    "deep",
                    Map::from([("l", AttributeValue::L(vec![5.into()]))]).into(),
                ),
            ])
            .into(),
        ),
        ("ss", AttributeValue::Ss(vec!["x".into(), "y".into()])),
        (
            "nested",
            AttributeValue::L(vec![AttributeValue::Ss(vec!["x".into(), "y".into()])]),
        ),
        (
            "ns",
            AttributeValue::Ns(vec![Number::from(1), Number::from(2)]),
        ),
        ("bs", AttributeValue::Bs(vec![vec![1, 2]])),
    ])
}

#[test]
fn conditions_hold_as_documented() {
    for source in [
        "n = :two",
        "n <> :one",
        "n <> :s",
        "gone <> :one",
        "gone <> absent",
        ":one < n",
        "n <= :two AND n >= :two AND n > :one",
        "s > :bc OR s < :s",
        "n BETWEEN :one AND :five",
        "n BETWEEN :two AND :two",
        ":two BETWEEN m.k AND m.deep.l[0]",
        "n IN (:s, :two)",
        "ss = :set",
        "nested = :nested AND nested IN (:one, :nested) AND contains(nested, :set)",
        "lst = :list",
        "t = :true AND nothing = :null",
        "attribute_exists(m.deep.l[0])",
        "attribute_not_exists(m.deep.l[1])",
        "attribute_not_exists(s.k)",
        "attribute_not_exists(lst.k)",
        "attribute_type(n, :N)",
        "attribute_type(ss, :SS)",
        "begins_with(s, s2) OR contains(s, :bc)",
        "contains(s, :s)",
        "contains(b, :bin)",
        "contains(lst, :one)",
        "contains(ns, :two)",
        "contains(bs, :bin)",
        "NOT contains(ss, :set)",
        "size(s) = :five OR size(lst) = :two",
        "size(music) = :three",
        "size(m) = size(ns)",
        "size(m.deep) = :one",
        "NOT size(n) > :one",
        "NOT (n = :one) AND NOT gone > :one",
    ] {
        assert!(parse(source).unwrap().holds(Some(&item())), "{source}");
    }
    for source in [
        "n = :one",
        "n = gone",
        "gone = absent",
        "n < :one",
        "n < :s",
        "gone < :one",
        "lst < gone",
        "n BETWEEN :s AND s",
        "gone BETWEEN :one AND :two",
        "gone IN (absent, :one)",
        "s IN (:s, :bc)",
        "n <> :two",
        "attribute_exists(gone.k)",
        "attribute_type(gone, :N)",
        "begins_with(s, :bc)",
        "begins_with(n, :bc)",
        "contains(n, :one)",
        "contains(m, :one)",
        "size(n) = :one",
        "size(gone) <= :five",
    ] {
        assert!(!parse(source).unwrap().holds(Some(&item())), "{source}");
    }
    assert!(parse("attribute_not_exists(s)").unwrap().holds(None));
    assert!(!parse("attribute_exists(s)").unwrap().holds(None));
}

/// With time to spare: it takes a fraction of a second. What went through all of the value for each of its bytes took 10 s.
#[test]
fn searching_takes_time_in_proportion() {
    let begun = std::time::Instant::now();
    let zeros = vec![0; 400 * 1024];
    let mut part = zeros[..200 * 1024].to_vec();
    part.push(1);
    let item = Map::from([("b", zeros)]);
    let values = Map::from([(":v", part)]);
    let source = ["contains(b, :v)"; 10].join(" OR ");
    let condition = parse_with(&source, &BTreeMap::new(), &values).unwrap();
    assert!(!condition.holds(Some(&item)));
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

/// As above: sets that were sorted for each comparison took half a minute.
#[test]
fn sets_are_sorted_once() {
    let begun = std::time::Instant::now();
    let numbers = |last: i64| (0..80_000i64).chain([last]).map(Number::from);
    let item = Map::from([("ns", AttributeValue::Ns(numbers(100_000).collect()))]);
    let reversed: Vec<Number> = numbers(100_001).collect();
    let reversed = reversed.into_iter().rev().collect();
    let values = Map::from([(":v", AttributeValue::Ns(reversed))]);
    let source = format!("ns IN ({}:v)", ":v, ".repeat(99));
    let condition = parse_with(&source, &BTreeMap::new(), &values).unwrap();
    assert!(!condition.holds(Some(&item)));
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn all_uses_of_a_placeholder_share_its_value() {
    let condition = parse("n IN (:one, :two, :one)").unwrap();
    let Test::In(_, list) = &condition.test else {
        unreachable!("it is IN");
    };
    let addresses: Vec<_> = list
        .iter()
        .map(|term| match term {
            Term::Value(value) => std::ptr::from_ref(&**value),
            _ => unreachable!("they are placeholders"),
        })
        .collect();
    assert_eq!(addresses[0], addresses[2]);
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn faults_are_named_as_aws_does() {
    let hundred_and_one = format!("n IN ({}:one)", ":one, ".repeat(100));
    let operators = |count: usize| format!("n = :one{}", " OR n = :one".repeat(count));
    let deep = format!("a{} = :one", ".b".repeat(32));
    for (source, detail) in [
        ("", "The expression can not be empty;"),
        ("((n = :one))", "The expression has redundant parentheses;"),
        (
            "n = :one AND",
            "Syntax error; token: \"<EOF>\", near: \"AND\"",
        ),
        (
            "size(n) = :one AND nope(n)",
            "Invalid function name; function: nope",
        ),
        (
            "if_not_exists(n, :one) = :one",
            "The function is not allowed in a condition expression; function: if_not_exists",
        ),
        (
            "contains(n, :one) = :true",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "size(n)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "status = :one",
            "Attribute name is a reserved keyword; reserved keyword: status",
        ),
        (
            "n = :zzz",
            "An expression attribute value used in expression is not defined; attribute value: :zzz",
        ),
        (
            "#zzz = :one",
            "An expression attribute name used in the document path is not defined; attribute name: #zzz",
        ),
        (
            "attribute_exists(:one)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(n, :one)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "begins_with(n)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "attribute_type(n, :Q)",
            "Invalid attribute type name found; type: Q, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "size(:one) = :one",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        (
            "n < :true",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "n BETWEEN :two AND :one",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "n BETWEEN :one AND :s",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:bcd}",
        ),
        (
            "m.k[1] = m.k[1]",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [m, k, [1]]",
        ),
        (
            "n IN (:one, n)",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: IN, first operand: [n]",
        ),
        (
            &hundred_and_one,
            "The IN operator is provided with too many operands; number of operands: 101",
        ),
        (
            &operators(151),
            "The expression contains too many operators; operator count: 301",
        ),
        (
            "n[99999999999] = :one",
            "List index is not within the allowable range; index: [99999999999]",
        ),
        (
            &deep,
            "The document path has too many nesting levels; nesting levels: 33",
        ),
    ] {
        assert_eq!(
            parse(source).unwrap_err().to_string(),
            format!("Invalid ConditionExpression: {detail}"),
            "{source}"
        );
    }
    assert!(parse(&operators(149)).is_ok());
    assert!(parse(&deep.replacen(".b", "", 1)).is_ok());
}

#[test]
fn of_several_faults_the_first_kind_is_named() {
    for (source, detail) in [
        (
            "size(:one) = :one AND n = :z",
            "An expression attribute value used in expression is not defined; attribute value: :z",
        ),
        (
            "n < :true AND n = n AND begins_with(n)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of \
             operands: 1",
        ),
        (
            "n < :true AND n = n",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, \
             first operand: [n]",
        ),
    ] {
        assert_eq!(
            parse(source).unwrap_err().to_string(),
            format!("Invalid ConditionExpression: {detail}"),
            "{source}"
        );
    }
}

#[test]
fn unused_placeholders_are_named() {
    let values = Map::from([(":a", 1), (":b", 2)]);
    assert_eq!(
        parse_with("n = :a", &BTreeMap::new(), &values)
            .unwrap_err()
            .to_string(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}"
    );
    let names = BTreeMap::from([("#x".to_owned(), "y".to_owned())]);
    assert_eq!(
        parse_with("n = n2", &names, &Map::new())
            .unwrap_err()
            .to_string(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}"
    );
}

#[test]
fn hostile_nesting_is_refused_at_once() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("size(", ")"), ("NOT (", ")")] {
        let count = 4000 / (open.len() + close.len());
        let source = format!("{}n = :one{}", open.repeat(count), close.repeat(count));
        assert!(parse(&source).is_err());
    }
    let brackets = format!("n{} = :one", "[0]".repeat(1300));
    assert!(parse(&brackets).is_err());
}

#[test]
fn filters_of_queries_have_no_keys() {
    use crate::names::AttributeName;
    use crate::schema::{KeyAttribute, ScalarType};
    let attribute = |name| KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind: ScalarType::S,
    };
    let schema = KeySchema {
        partition: attribute("pk"),
        sort: Some(attribute("sk")),
    };
    let refused = |source: &str| {
        let parsed = parse(source).unwrap();
        parsed
            .has_none_of(
                [&schema.partition, schema.sort.as_ref().unwrap()].into_iter(),
                FilterParameter::FilterExpression,
            )
            .map_err(|error| error.to_string())
    };
    assert_eq!(refused("size(a) > :one"), Ok(()));
    assert_eq!(
        refused("NOT (a IN (:one, size(sk)))"),
        Err("Filter Expression can only contain non-primary key attributes: Primary key attribute: sk".into())
    );
    assert_eq!(
        parse("a = :one AND pk.x = :one")
            .unwrap()
            .keys_are_scalars(&schema)
            .unwrap_err()
            .to_string(),
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"
    );
}

/// A condition as it may be written, with what it means by the plainest reading.
#[derive(Clone, Debug)]
enum Model {
    Compare(usize, &'static str, usize),
    Exists(usize),
    Between(usize, usize, usize),
    Contains(usize, usize),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

/// Attributes of the model's item; the last two may be gone.
const ATTRIBUTES: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Model {
    /// Writes it with more parentheses than needed, but none twice.
    fn write(&self) -> String {
        let name = |at: &usize| ATTRIBUTES[*at];
        match self {
            Model::Compare(a, operator, b) => format!("{} {operator} {}", name(a), name(b)),
            Model::Exists(a) => format!("attribute_exists({})", name(a)),
            Model::Between(a, b, c) => format!("{} BETWEEN {} AND {}", name(a), name(b), name(c)),
            Model::Contains(a, b) => format!("contains({}, {})", name(a), name(b)),
            Model::Not(model) => format!("NOT ({})", model.write()),
            Model::And(a, b) => format!("({}) AND ({})", a.write(), b.write()),
            Model::Or(a, b) => format!("({}) or ({})", a.write(), b.write()),
        }
    }

    fn holds(&self, item: &Item) -> bool {
        let value = |at: &usize| item.get(ATTRIBUTES[*at]);
        let less = |a: &usize, b: &usize| match (value(a), value(b)) {
            (Some(AttributeValue::S(a)), Some(AttributeValue::S(b))) => {
                Some(a.as_bytes() < b.as_bytes())
            }
            (Some(AttributeValue::B(a)), Some(AttributeValue::B(b))) => Some(a < b),
            (Some(AttributeValue::N(a)), Some(AttributeValue::N(b))) => Some(a < b),
            _ => None,
        };
        let equal = |a: &usize, b: &usize| value(a).is_some() && value(a) == value(b);
        match self {
            Model::Compare(a, "=", b) => equal(a, b),
            Model::Compare(a, "<>", b) => !equal(a, b),
            Model::Compare(a, "<", b) => less(a, b) == Some(true),
            Model::Compare(a, "<=", b) => less(b, a) == Some(false),
            Model::Compare(a, ">", b) => less(b, a) == Some(true),
            Model::Compare(a, _, b) => less(a, b) == Some(false),
            Model::Exists(a) => value(a).is_some(),
            Model::Between(a, b, c) => less(a, b) == Some(false) && less(c, a) == Some(false),
            Model::Contains(a, b) => match (value(a), value(b)) {
                (Some(AttributeValue::S(text)), Some(AttributeValue::S(part))) => {
                    text.contains(part.as_str())
                }
                (Some(AttributeValue::L(list)), Some(part)) => {
                    list.iter().any(|element| element == part)
                }
                (Some(AttributeValue::Ss(set)), Some(AttributeValue::S(part))) => {
                    set.contains(part)
                }
                (Some(AttributeValue::Ns(set)), Some(AttributeValue::N(part))) => {
                    set.contains(part)
                }
                (Some(AttributeValue::Bs(set)), Some(AttributeValue::B(part))) => {
                    set.contains(part)
                }
                (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(part))) => {
                    (0..=bytes.len()).any(|at| bytes[at..].starts_with(part))
                }
                _ => false,
            },
            Model::Not(model) => !model.holds(item),
            Model::And(a, b) => a.holds(item) && b.holds(item),
            Model::Or(a, b) => a.holds(item) || b.holds(item),
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let two = (0..5usize, 1..5usize).prop_map(|(a, step)| (a, (a + step) % 5));
    let operator = proptest::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (two.clone(), operator).prop_map(|((a, b), operator)| Model::Compare(a, operator, b)),
        (0..5usize).prop_map(Model::Exists),
        (two.clone(), 1..5usize).prop_map(|((a, b), step)| Model::Between(a, b, (a + step) % 5)),
        two.prop_map(|(a, b)| Model::Contains(a, b)),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|model| Model::Not(Box::new(model))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Model::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Model::Or(Box::new(a), Box::new(b))),
        ]
    })
}

/// Few values, so that many are equal.
fn small_value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        "[ab]{0,2}".prop_map(AttributeValue::from),
        (0..3i32).prop_map(AttributeValue::from),
        proptest::collection::vec(0..2u8, 0..3).prop_map(AttributeValue::from),
        proptest::collection::btree_set("[ab]{0,1}", 1..3)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        proptest::collection::vec((0..3i32).prop_map(AttributeValue::from), 0..3)
            .prop_map(AttributeValue::L),
        generate::value(),
    ]
}

proptest! {
    #[test]
    fn conditions_hold_as_the_model_says(
        model in model(),
        all in proptest::collection::vec(small_value(), 3),
        maybe in proptest::collection::vec(proptest::option::of(small_value()), 2),
    ) {
        let values = all.into_iter().map(Some).chain(maybe);
        let stored = |mut value: AttributeValue| {
            value.put_sets_in_order();
            value
        };
        let item: Item = ATTRIBUTES.into_iter().zip(values).filter_map(|(name, value)| Some((name, stored(value?)))).collect();
        let text = model.write();
        let parsed = parse_with(&text, &BTreeMap::new(), &Map::new()).unwrap();
        prop_assert_eq!(parsed.holds(Some(&item)), model.holds(&item), "{}", text);
    }
}
