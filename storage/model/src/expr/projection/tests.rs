#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::map::Map;
use crate::value::AttributeValue;

fn parse(source: &str) -> Result<ProjectionExpression, ValidationError> {
    let names = BTreeMap::from([("#n".to_owned(), "name.with.dots".to_owned())]);
    let mut placeholders = Placeholders::new(Some(&names), None)?;
    ProjectionExpression::parse(source, &mut placeholders)
}

fn list(elements: &[&str]) -> AttributeValue {
    AttributeValue::L(elements.iter().map(|text| (*text).into()).collect())
}

fn item() -> Map {
    Map::from([
        ("a", AttributeValue::from(1)),
        ("l", list(&["zero", "one", "two", "three"])),
        (
            "m",
            Map::from([("x", list(&["mx"])), ("y", 2.into()), ("z", 3.into())]).into(),
        ),
        ("name.with.dots", "dots".into()),
        (
            "ll",
            AttributeValue::L(vec![list(&["a", "b"]), list(&["c", "d"])]),
        ),
    ])
}

#[test]
fn items_are_put_together_as_dynamodb_does() {
    for (source, expected) in [
        ("a", Map::from([("a", AttributeValue::from(1))])),
        ("gone, a.b, l[9], m.q", Map::new()),
        ("#n", Map::from([("name.with.dots", "dots")])),
        ("l[3], l[1]", Map::from([("l", list(&["one", "three"]))])),
        (
            "m.z, m.x[0]",
            Map::from([("m", Map::from([("x", list(&["mx"])), ("z", 3.into())]))]),
        ),
        (
            "ll[1][1], ll[0][0]",
            Map::from([("ll", AttributeValue::L(vec![list(&["a"]), list(&["d"])]))]),
        ),
    ] {
        assert_eq!(
            parse(source).unwrap().project(&item()),
            expected,
            "{source}"
        );
    }
}

#[test]
fn faults_are_named_as_aws_does() {
    let clash = |verb: &str, one: &str, two: &str| {
        format!(
            "Two document paths {verb} with each other; must remove or rewrite one of these paths; path one: {one}, \
             path two: {two}"
        )
    };
    let deep = format!("a{}", "[0]".repeat(32));
    for (source, detail) in [
        ("", "The expression can not be empty;".to_owned()),
        ("a,", "Syntax error; token: \"<EOF>\", near: \",\"".to_owned()),
        ("a b", "Syntax error; token: \"b\", near: \"a b\"".to_owned()),
        ("(a)", "Syntax error; token: \"(\", near: \"(a\"".to_owned()),
        (":a", "Syntax error; token: \":a\", near: \":a\"".to_owned()),
        ("a, Abort", "Attribute name is a reserved keyword; reserved keyword: Abort".to_owned()),
        ("a, #z", "An expression attribute name used in the document path is not defined; attribute name: #z".to_owned()),
        ("a, b, a", clash("overlap", "[a]", "[a]")),
        ("a.b, a", clash("overlap", "[a, b]", "[a]")),
        ("a, a.b[1]", clash("overlap", "[a]", "[a, b, [1]]")),
        ("a.b, a[1]", clash("conflict", "[a, b]", "[a, [1]]")),
        (&deep, "The document path has too many nesting levels; nesting levels: 33".to_owned()),
    ] {
        assert_eq!(
            parse(source).unwrap_err().to_string(),
            format!("Invalid ProjectionExpression: {detail}"),
            "{source}"
        );
    }
}

#[test]
fn older_projections_name_each_attribute_once() {
    let of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        ProjectionExpression::of_attributes(&names)
    };
    assert_eq!(
        of(&["name.with.dots", "a"]).unwrap().project(&item()),
        Map::from([
            ("a", AttributeValue::from(1)),
            ("name.with.dots", "dots".into())
        ])
    );
    assert_eq!(
        of(&["a", "b", "a"]).unwrap_err().to_string(),
        "One or more parameter values were invalid: Duplicate value in attribute name: a"
    );
    assert!(of(&[]).is_err());
}

#[test]
fn a_thousand_paths_are_checked_at_once() {
    let paths: Vec<String> = (0..1000).map(|at| format!("a[{at}]")).collect();
    let source = paths.join(",");
    let shortened = source.get(..4000).unwrap().rsplit_once(',').unwrap().0;
    assert!(parse(shortened).is_ok());
}
