#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::expr::path::MAX_PATH;

fn set(elements: &[&str]) -> AttributeValue {
    AttributeValue::Ss(elements.iter().map(|text| (*text).to_owned()).collect())
}

fn list(elements: &[&str]) -> AttributeValue {
    AttributeValue::L(elements.iter().map(|text| (*text).into()).collect())
}

/// The values of the test expressions.
fn values() -> Map {
    Map::from([
        (":s", AttributeValue::from("new")),
        (":one", 1.into()),
        (":max", AttributeValue::N("9.9e125".parse().unwrap())),
        (":list", list(&["x", "y"])),
        (":map", Map::from([("k", 1)]).into()),
        (":deep", Map::from([("k", Map::new())]).into()),
        (":set", set(&["b", "c"])),
        (":all", set(&["a", "b", "c"])),
        (":ns", AttributeValue::Ns(vec![1.into()])),
        (":true", true.into()),
        (":large", "x".repeat(MAX_ITEM_SIZE).into()),
    ])
}

fn parse(source: &str) -> Result<UpdateExpression, ValidationError> {
    let (names, values) = (
        BTreeMap::from([("#d".to_owned(), "x.y".to_owned())]),
        values(),
    );
    let mut placeholders = Placeholders::new(Some(&names), Some(&values))?;
    UpdateExpression::parse(source, &mut placeholders)
}

fn item() -> Item {
    Map::from([
        ("pk", AttributeValue::from("key")),
        ("n", 5.into()),
        ("s", "old".into()),
        ("l", list(&["0", "1", "2"])),
        ("tags", set(&["a", "b"])),
        (
            "m",
            Map::from([("x", AttributeValue::from(1)), ("l", list(&["m"]))]).into(),
        ),
    ])
}

fn key() -> Map {
    Map::from([("pk", "key")])
}

/// The item after the update, without its key.
fn updated(source: &str) -> Result<Item, String> {
    let update = parse(source).map_err(|error| error.to_string())?;
    let mut item = update
        .apply(&key(), Some(&item()))
        .map_err(|error| error.to_string())?
        .unwrap();
    item.remove("pk");
    Ok(item)
}

/// The test item with changes.
fn changed(changes: &[(&str, Option<AttributeValue>)]) -> Result<Item, String> {
    let mut item = item();
    item.remove("pk");
    for (name, value) in changes {
        match value {
            Some(value) => item.insert(name, value.clone()),
            None => item.remove(name),
        };
    }
    Ok(item)
}

#[test]
fn each_clause_does_as_documented() {
    let m = |x: AttributeValue, l: &[&str]| Some(Map::from([("x", x), ("l", list(l))]).into());
    for (source, changes) in [
        ("SET a = :s", vec![("a", Some("new".into()))]),
        ("SET #d = s", vec![("x.y", Some("old".into()))]),
        (
            "SET n = n + :one, s = n",
            vec![("n", Some(6.into())), ("s", Some(5.into()))],
        ),
        ("SET a = :one - n", vec![("a", Some((-4).into()))]),
        (
            "SET a = (if_not_exists(gone, n)) + (m.x)",
            vec![("a", Some(6.into()))],
        ),
        ("SET n = if_not_exists(n, gone)", vec![]),
        (
            "SET l = list_append(:list, l)",
            vec![("l", Some(list(&["x", "y", "0", "1", "2"])))],
        ),
        (
            "SET a = list_append(if_not_exists(a, :list), :list)",
            vec![("a", Some(list(&["x", "y", "x", "y"])))],
        ),
        (
            "SET m.x = :s, m.l[7] = :s",
            vec![("m", m("new".into(), &["m", "new"]))],
        ),
        (
            "SET l[9] = s, l[4] = :s, l[0] = n",
            vec![(
                "l",
                Some(AttributeValue::L(vec![
                    5.into(),
                    "1".into(),
                    "2".into(),
                    "new".into(),
                    "old".into(),
                ])),
            )],
        ),
        ("REMOVE n, gone, l[8], m.q", vec![("n", None)]),
        ("REMOVE l[0], l[2]", vec![("l", Some(list(&["1"])))]),
        (
            "SET l[3] = :s REMOVE l[0]",
            vec![("l", Some(list(&["1", "2", "new"])))],
        ),
        // Nothing is removed where there was nothing, though it lands there.
        (
            "SET l[10] = :s REMOVE l[3], l[1]",
            vec![("l", Some(list(&["0", "2", "new"])))],
        ),
        (
            "SET m.l[5] = :s DELETE m.l[1] :set",
            vec![("m", m(1.into(), &["m", "new"]))],
        ),
        (
            "ADD n :one, m.x :one",
            vec![("n", Some(6.into())), ("m", m(2.into(), &["m"]))],
        ),
        (
            "ADD a :one, tags :set, b :set",
            vec![
                ("a", Some(1.into())),
                ("tags", Some(set(&["a", "b", "c"]))),
                ("b", Some(set(&["b", "c"]))),
            ],
        ),
        (
            "DELETE tags :set, gone :set",
            vec![("tags", Some(set(&["a"])))],
        ),
        ("DELETE tags :all", vec![("tags", None)]),
        (
            "SET a = l REMOVE l",
            vec![("a", Some(list(&["0", "1", "2"]))), ("l", None)],
        ),
    ] {
        assert_eq!(updated(source), changed(&changes), "{source}");
    }
}

#[test]
fn faults_of_the_item_are_named_as_aws_does() {
    let path = "The document path provided in the update expression is invalid for update";
    let kind = "An operand in the update expression has an incorrect data type";
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    for (source, error) in [
        ("SET a = gone", missing),
        ("SET a = gone + :one", missing),
        ("SET a = l[3]", missing),
        ("SET a = s + :one", kind),
        ("SET a = list_append(l, s)", kind),
        ("ADD s :one", kind),
        ("ADD n :set", kind),
        ("ADD tags :ns", kind),
        ("DELETE n :set", kind),
        ("DELETE tags :ns", kind),
        ("SET gone.x = :s", path),
        ("SET m.gone.x = :s", path),
        ("SET l.x = :s", path),
        ("SET m[0] = :s", path),
        ("SET s.x = :s", path),
        ("REMOVE gone.x", path),
        ("REMOVE m[0]", path),
        ("REMOVE l.x", path),
        ("REMOVE n[0]", path),
        ("DELETE gone.x :set", path),
        (
            "SET a = :max + :max",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            "SET a = :max + :one",
            "Attempting to store more than 38 significant digits in a Number",
        ),
        (
            "SET a = :large",
            "Item size to update has exceeded the maximum allowed size",
        ),
    ] {
        assert_eq!(updated(source), Err(error.to_owned()), "{source}");
    }
}

#[test]
fn faults_of_the_text_are_named_as_aws_does() {
    let operand = "Incorrect operand type for operator or function; operator or function";
    let clash = |verb: &str, one: &str, two: &str| {
        format!(
            "Two document paths {verb} with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    let steps = format!("SET a{} = :one", ".b".repeat(MAX_PATH));
    for (source, detail) in [
        ("", "The expression can not be empty;".to_owned()),
        ("SET a = ((:s))", "The expression has redundant parentheses;".to_owned()),
        ("SET a = size(b)", "The function is not allowed in an update expression; function: size".to_owned()),
        ("SET a = nope(b)", "Invalid function name; function: nope".to_owned()),
        ("SET abort = :s", "Attribute name is a reserved keyword; reserved keyword: abort".to_owned()),
        ("SET a = abort", "Attribute name is a reserved keyword; reserved keyword: abort".to_owned()),
        ("SET #z = :s", "An expression attribute name used in the document path is not defined; attribute name: #z".to_owned()),
        ("ADD a :z", "An expression attribute value used in expression is not defined; attribute value: :z".to_owned()),
        ("SET a = :s, a.b = :s", clash("overlap", "[a]", "[a, b]")),
        ("SET a[0] = :s REMOVE a.b", clash("conflict", "[a, [0]]", "[a, b]")),
        ("SET a = if_not_exists(b)", "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1".to_owned()),
        ("SET a = if_not_exists(:s, b)", "Operator or function requires a document path; operator or function: if_not_exists".to_owned()),
        ("SET a = list_append(b, :s)", format!("{operand}: list_append, operand type: S")),
        ("SET a = b + :s", format!("{operand}: +, operand type: S")),
        ("SET a = list_append(b, b) - b", format!("{operand}: -, operand type: L")),
        ("ADD a :s", "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND".to_owned()),
        ("DELETE a :one", "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND".to_owned()),
        (&steps, "The document path has too many nesting levels; nesting levels: 33".to_owned()),
    ] {
        assert_eq!(updated(source), Err(format!("Invalid UpdateExpression: {detail}")), "{source}");
    }
}

#[test]
fn of_several_faults_the_first_kind_is_named() {
    for (source, detail) in [
        (
            "SET abort = nope(b) SET c = :s",
            "Attribute name is a reserved keyword; reserved keyword: abort",
        ),
        (
            "SET a = nope(b) SET c = :s",
            "Invalid function name; function: nope",
        ),
        (
            "SET a = :z REMOVE b set c = :s",
            "The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET a = :z, b = #z",
            "An expression attribute name used in the document path is not defined; attribute name: #z",
        ),
        (
            "SET a = :z, a = :s",
            "An expression attribute value used in expression is not defined; attribute value: :z",
        ),
        (
            "SET a[0] = :s, a.b = :s, c = list_append(:s), c = :s",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [c], path \
             two: [c]",
        ),
        (
            "SET a = b + :s, c = list_append(:list)",
            "Incorrect number of operands for operator or function; operator or function: list_append, number of \
             operands: 1",
        ),
    ] {
        let expected = Err(format!("Invalid UpdateExpression: {detail}"));
        assert_eq!(updated(source), expected, "{source}");
    }
}

#[test]
fn nothing_is_copied_before_it_is_known_to_fit() {
    let nulls = |count| AttributeValue::L(vec![AttributeValue::Null; count]);
    let item = Map::from([("a", nulls(MAX_ITEM_SIZE / 5)), ("c", nulls(3))]);
    let effects = |source: &str| {
        let update = parse(source).unwrap();
        let effects = update.effects(&item).map_err(|error| error.to_string())?;
        let borrowed = |effect: &Effect<'_>| matches!(effect, Effect::Write(Cow::Borrowed(_)));
        Ok(effects.iter().all(borrowed))
    };
    let copied = Ok(false);
    let shared = Ok(true);
    let too_large = Err("Item size to update has exceeded the maximum allowed size".to_owned());
    for (source, expected) in [
        ("SET b = a, d = if_not_exists(c, a), e = :list", &shared),
        ("SET b = if_not_exists(b, a) ADD d :set", &shared),
        ("SET b = a, d = a, e = a", &too_large),
        ("SET b = list_append(a, c)", &copied),
        ("SET b = list_append(a, a)", &copied),
        ("SET b = list_append(a, list_append(a, a))", &too_large),
        (
            "SET b = list_append(if_not_exists(z, list_append(a, a)), a)",
            &too_large,
        ),
    ] {
        assert_eq!(&effects(source), expected, "{source}");
    }
}

#[test]
fn types_that_are_certain_are_known_before_the_item_is() {
    use AttributeType::{L, N, S};
    let update = parse(
        "SET a = :s, b = n + :one, c = list_append(l, l), d = s, e.x = :s ADD f :one REMOVE g",
    )
    .unwrap();
    let types = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| update.type_of(name));
    let expected = [Some(S), Some(N), Some(L), None, None, Some(N), None, None];
    assert_eq!(types, expected);
    assert!(update.changes("e") && update.changes("g") && !update.changes("s"));
}

#[test]
fn an_item_is_made_of_its_key_unless_only_removals_are_asked_for() {
    let apply = |source: &str| parse(source).unwrap().apply(&key(), None);
    assert_eq!(
        apply("SET a = :one"),
        Ok(Some(Map::from([
            ("a", AttributeValue::from(1)),
            ("pk", "key".into())
        ])))
    );
    assert_eq!(
        UpdateExpression::none().apply(&key(), None),
        Ok(Some(key()))
    );
    assert_eq!(apply("REMOVE a DELETE b :set"), Ok(None));
    assert!(apply("REMOVE a.b").is_err());
    assert!(
        apply("SET a = pk").is_err(),
        "operands see the item as it was"
    );
}

#[test]
fn the_key_is_spared() {
    use crate::names::AttributeName;
    use crate::schema::{KeyAttribute, ScalarType};
    let schema = KeySchema {
        partition: KeyAttribute {
            name: AttributeName::new("pk").unwrap(),
            kind: ScalarType::S,
        },
        sort: None,
    };
    assert_eq!(
        parse("SET a = :s REMOVE pk[0]")
            .unwrap()
            .spares_key_of(&schema)
            .unwrap_err()
            .to_string(),
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    );
    assert_eq!(parse("SET a = pk").unwrap().spares_key_of(&schema), Ok(()));
}

#[test]
fn nesting_stays_within_its_limit() {
    let path = |steps: usize| format!("a{}", ".a".repeat(steps));
    let deep = (0..31).fold(Map::new(), |inner, _| Map::from([("a", inner)]));
    let item = Map::from([("a", AttributeValue::from(deep))]);
    let set = |steps: usize, value: &str| {
        parse(&format!("SET {} = {value}", path(steps)))
            .unwrap()
            .apply(&key(), Some(&item))
    };
    assert!(set(30, ":map").is_ok());
    assert!(set(31, ":one").is_ok());
    assert_eq!(
        set(31, ":deep").unwrap_err().to_string(),
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    );
}

/// One action on one of a few attributes, by the plainest reading of what it does.
#[derive(Clone, Debug)]
enum Step {
    Set(i64),
    Copy(usize),
    Plus(usize, i64),
    IfNotExists(usize, i64),
    Remove,
    Add(i64),
}

proptest! {
    /// Each attribute gets one action; the order in which they are written makes no difference.
    #[test]
    fn updates_do_as_the_model_says(
        old in proptest::collection::vec(proptest::option::of(-9..9i64), 4),
        steps in proptest::collection::vec(proptest::option::of(prop_oneof![
            (-9..9i64).prop_map(Step::Set),
            (0..4usize).prop_map(Step::Copy),
            (0..4usize, -9..9i64).prop_map(|(from, n)| Step::Plus(from, n)),
            (0..4usize, -9..9i64).prop_map(|(from, n)| Step::IfNotExists(from, n)),
            Just(Step::Remove),
            (-9..9i64).prop_map(Step::Add),
        ]), 4),
        sets_last in any::<bool>(),
    ) {
        let name = |at: usize| format!("a{at}");
        let (mut sets, mut removes, mut adds) = (Vec::new(), Vec::new(), Vec::new());
        let mut values = Map::new();
        let mut value = |n: i64| {
            let placeholder = format!(":v{}", values.len());
            values.insert(&placeholder, n);
            placeholder
        };
        let mut expected: Option<Vec<Option<i64>>> = Some(old.clone());
        for (at, step) in steps.iter().enumerate() {
            let Some(step) = step else { continue };
            let new = match step {
                Step::Set(n) => {
                    sets.push(format!("{} = {}", name(at), value(*n)));
                    Some(Some(*n))
                }
                Step::Copy(from) => {
                    sets.push(format!("{} = {}", name(at), name(*from)));
                    old[*from].map(Some)
                }
                Step::Plus(from, n) => {
                    sets.push(format!("{} = {} + {}", name(at), name(*from), value(*n)));
                    old[*from].map(|old| Some(old + n))
                }
                Step::IfNotExists(from, n) => {
                    sets.push(format!("{} = if_not_exists({}, {})", name(at), name(*from), value(*n)));
                    Some(Some(old[*from].unwrap_or(*n)))
                }
                Step::Remove => {
                    removes.push(name(at));
                    Some(None)
                }
                Step::Add(n) => {
                    adds.push(format!("{} {}", name(at), value(*n)));
                    Some(Some(old[at].unwrap_or(0) + n))
                }
            };
            expected = match (expected, new) {
                (Some(mut items), Some(new)) => {
                    items[at] = new;
                    Some(items)
                }
                _ => None,
            };
        }
        let mut clauses: Vec<String> = [("SET", sets), ("REMOVE", removes), ("ADD", adds)]
            .into_iter()
            .filter(|(_, actions)| !actions.is_empty())
            .map(|(clause, actions)| format!("{clause} {}", actions.join(", ")))
            .collect();
        prop_assume!(!clauses.is_empty());
        if sets_last {
            clauses.reverse();
        }
        let item = |values: &[Option<i64>]| -> Item {
            let key = [("pk".to_owned(), AttributeValue::from("key"))];
            let rest = values.iter().enumerate().filter_map(|(at, n)| Some((name(at), AttributeValue::from((*n)?))));
            key.into_iter().chain(rest).collect()
        };
        let text = clauses.join(" ");
        let mut placeholders = Placeholders::new(None, (!values.is_empty()).then_some(&values)).unwrap();
        let update = UpdateExpression::parse(&text, &mut placeholders).unwrap();
        let new = update.apply(&key(), Some(&item(&old)));
        prop_assert_eq!(new.ok().flatten(), expected.map(|values| item(&values)), "{}", text);
    }

    /// Conditions, updates and projections; text of the languages' own words gets deepest.
    #[test]
    fn hostile_words_are_refused_or_keep_their_promises(
        types in any::<u8>(),
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b", "c", "pk", "#a", ":a", ":b", "=", "<", "<>", "AND", "OR", "NOT", "IN (", "BETWEEN", "(", ")", ",", ".a",
                ".b", "[0]", "[9]", "+", "-", "size(", "contains(a,", "attribute_exists(", "SET a =", "SET", "REMOVE", "ADD a",
                "DELETE c", "if_not_exists(b,", "list_append(c,",
            ]),
            0..12,
        ),
    ) {
        crate::fuzzing::fuzz_expressions(&[&[types][..], words.join(" ").as_bytes()].concat());
    }

    #[test]
    fn hostile_text_is_refused(types in any::<u8>(), text in ".{0,80}") {
        crate::fuzzing::fuzz_expressions(&[&[types][..], text.as_bytes()].concat());
    }
}
