#![allow(clippy::unwrap_used)]

use super::*;
use crate::map::{Item, Map};

fn condition(operator: ComparisonOperator, values: &[AttributeValue]) -> Condition {
    Condition::new(operator).attribute_value_list(values.to_vec())
}

fn of(operator: ComparisonOperator, values: &[AttributeValue]) -> Result<bool, String> {
    let conditions = BTreeMap::from([("a".to_owned(), condition(operator, values))]);
    let item = Map::from([("a", "bcd")]);
    match filter(Some(&conditions), None) {
        Ok(condition) => Ok(condition.unwrap().holds(Some(&item))),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_operator_holds_as_documented() {
    use ComparisonOperator::*;
    let s = |text: &str| AttributeValue::from(text);
    for (operator, values, holds) in [
        (Eq, vec![s("bcd")], true),
        (Ne, vec![s("bcd")], false),
        (Ne, vec![1.into()], true),
        (In, vec![s("x"), s("bcd")], true),
        (Le, vec![s("bcd")], true),
        (Lt, vec![s("bcd")], false),
        (Ge, vec![1.into()], false),
        (Gt, vec![s("a")], true),
        (Between, vec![s("a"), s("c")], true),
        (NotNull, vec![], true),
        (Null, vec![], false),
        (Contains, vec![s("cd")], true),
        (NotContains, vec![s("cd")], false),
        (BeginsWith, vec![s("bc")], true),
    ] {
        assert_eq!(of(operator, &values), Ok(holds), "{operator}");
    }
}

#[test]
fn faults_of_conditions_are_named_as_aws_does() {
    use ComparisonOperator::*;
    let prefix = "One or more parameter values were invalid: ";
    for (operator, values, detail) in [
        (
            Eq,
            vec![],
            "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            Null,
            vec![1.into()],
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (
            In,
            vec![],
            "Invalid number of argument(s) for the IN ComparisonOperator",
        ),
        (
            Between,
            vec![1.into()],
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
        (
            BeginsWith,
            vec![1.into()],
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
        (
            Lt,
            vec![true.into()],
            "ComparisonOperator LT is not valid for BOOL AttributeValue type",
        ),
        (
            In,
            vec![1.into(), "a".into()],
            "AttributeValues inside AttributeValueList must all be of the same type",
        ),
    ] {
        assert_eq!(of(operator, &values), Err(format!("{prefix}{detail}")));
    }
    assert_eq!(
        of(Between, &[2.into(), 1.into()]).unwrap_err(),
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
    );
}

#[test]
fn conditions_are_joined_by_the_operator() {
    let holds = |count: usize, operator: Option<ConditionalOperator>| {
        let conditions: BTreeMap<String, Condition> = ["a", "b"]
            .into_iter()
            .take(count)
            .map(|name| {
                (
                    name.to_owned(),
                    condition(ComparisonOperator::Eq, &[1.into()]),
                )
            })
            .collect();
        let item = Map::from([("a", 1), ("b", 2)]);
        filter(Some(&conditions), operator)
            .map(|condition| condition.map(|condition| condition.holds(Some(&item))))
            .map_err(|error| error.to_string())
    };
    assert_eq!(holds(0, None), Ok(None));
    assert_eq!(holds(2, None), Ok(Some(false)));
    assert_eq!(holds(2, Some(ConditionalOperator::And)), Ok(Some(false)));
    assert_eq!(holds(2, Some(ConditionalOperator::Or)), Ok(Some(true)));
    let prefix = "One or more parameter values were invalid: ConditionalOperator";
    assert_eq!(
        holds(0, Some(ConditionalOperator::Or)),
        Err(format!(
            "{prefix} cannot be used without Filter or Expected"
        ))
    );
    assert_eq!(
        holds(1, Some(ConditionalOperator::Or)),
        Err(format!(
            "{prefix} can only be used when Filter or Expected has two or more elements"
        ))
    );
}

#[test]
fn expected_says_value_or_existence_or_an_operator() {
    let check = |value: ExpectedAttributeValue, item: Option<&Item>| {
        let expected_values = BTreeMap::from([("a".to_owned(), value)]);
        expected(Some(&expected_values), None)
            .map(|condition| condition.unwrap().holds(item))
            .map_err(|error| error.to_string())
    };
    let new = ExpectedAttributeValue::new;
    let item = Map::from([("a", 1)]);
    assert_eq!(check(new().value(1), Some(&item)), Ok(true));
    assert_eq!(check(new().value(1).exists(true), None), Ok(false));
    assert_eq!(check(new().exists(false), None), Ok(true));
    let op = ComparisonOperator::Gt;
    assert_eq!(
        check(new().comparison_operator(op).value(0), Some(&item)),
        Ok(true)
    );
    assert_eq!(
        check(new().comparison_operator(ComparisonOperator::Null), None),
        Ok(true)
    );
    let list = vec![AttributeValue::from(0)];
    for (value, detail) in [
        (new(), "Value must be provided when Exists is null"),
        (
            new().exists(true),
            "Value must be provided when Exists is true",
        ),
        (
            new().exists(false).value(1),
            "Value cannot be used when Exists is false",
        ),
        (
            new().value(1).attribute_value_list(list.clone()),
            "Value and AttributeValueList cannot be used together",
        ),
        (
            new().exists(true).comparison_operator(op),
            "Exists and ComparisonOperator cannot be used together",
        ),
        (
            new().comparison_operator(op),
            "Value or AttributeValueList must be used with ComparisonOperator: GT",
        ),
        (
            new().attribute_value_list(list),
            "AttributeValueList can only be used with a ComparisonOperator",
        ),
    ] {
        assert_eq!(
            check(value, None),
            Err(format!(
                "One or more parameter values were invalid: {detail} for Attribute: a"
            ))
        );
    }
}

#[test]
fn updates_of_attributes_do_as_documented() {
    let item = Map::from([
        ("n", AttributeValue::from(1)),
        ("l", AttributeValue::L(vec![1.into()])),
        ("s", AttributeValue::Ss(vec!["a".into(), "b".into()])),
    ]);
    let apply = |name: &str, action: AttributeAction, value: Option<AttributeValue>| {
        let mut update = AttributeValueUpdate::new().action(action);
        update.value = value;
        let updates = BTreeMap::from([(name.to_owned(), update)]);
        attribute_updates(&updates)
            .and_then(|update| update.apply(&Map::new(), Some(&item)))
            .map(|item| item.unwrap().get(name).cloned())
            .map_err(|error| error.to_string())
    };
    use AttributeAction::{Add, Delete, Put};
    let strings = |set: &[&str]| AttributeValue::Ss(set.iter().map(|s| (*s).to_owned()).collect());
    assert_eq!(apply("n", Put, Some("x".into())), Ok(Some("x".into())));
    assert_eq!(apply("n", Add, Some(2.into())), Ok(Some(3.into())));
    assert_eq!(apply("new", Add, Some(2.into())), Ok(Some(2.into())));
    assert_eq!(
        apply("l", Add, Some(AttributeValue::L(vec![2.into()]))),
        Ok(Some(AttributeValue::L(vec![1.into(), 2.into()])))
    );
    assert_eq!(
        apply("s", Add, Some(strings(&["c", "a"]))),
        Ok(Some(strings(&["a", "b", "c"])))
    );
    assert_eq!(
        apply("s", Delete, Some(strings(&["c", "a"]))),
        Ok(Some(strings(&["b"])))
    );
    assert_eq!(apply("n", Delete, None), Ok(None));
    let prefix = "One or more parameter values were invalid: ";
    for (action, value, detail) in [
        (
            Put,
            None,
            "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            Delete,
            Some(1.into()),
            "DELETE action with value is not supported for the type N",
        ),
        (
            Add,
            Some("x".into()),
            "ADD action is not supported for the type S",
        ),
    ] {
        assert_eq!(apply("n", action, value), Err(format!("{prefix}{detail}")));
    }
    assert_eq!(
        apply("n", Add, Some(strings(&["a"]))),
        Err("Type mismatch for attribute to update".to_owned())
    );
}
