//! The older parameters, compiled to what expressions are compiled to. Their faults have AWS's messages of their own.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::condition::Comparator;
use crate::expr::path::{Path, PathTree};
use crate::expr::predicate::{ConditionExpression, Term, Test, order};
use crate::expr::update::{Action, Change, Operand, UpdateExpression, Value};
use crate::expr::update_check::is_set;
use crate::ops::{
    AttributeAction, AttributeValueUpdate, ComparisonOperator, Condition, ConditionalOperator,
    ExpectedAttributeValue,
};
use crate::size::validate_value;
use crate::value::{AttributeType, AttributeValue};

type Conditions = BTreeMap<String, Condition>;

/// The condition that Expected stands for, if it says anything.
pub(crate) fn expected(
    expected: Option<&BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<ConditionExpression>, ValidationError> {
    let tests = match expected {
        None => Vec::new(),
        Some(expected) => expected
            .iter()
            .map(|(name, value)| expected_test(name, value))
            .collect::<Result<_, _>>()?,
    };
    joined(tests, operator)
}

/// The condition that QueryFilter or ScanFilter stands for, if it says anything.
pub(crate) fn filter(
    conditions: Option<&Conditions>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<ConditionExpression>, ValidationError> {
    let tests = match conditions {
        None => Vec::new(),
        Some(conditions) => conditions
            .iter()
            .map(|(name, condition)| {
                let values = condition_values(condition)?;
                Ok(test(name, condition.comparison_operator, values))
            })
            .collect::<Result<_, ValidationError>>()?,
    };
    joined(tests, operator)
}

fn joined(
    tests: Vec<Test>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<ConditionExpression>, ValidationError> {
    if operator.is_some() && tests.len() < 2 {
        return Err(ValidationError::invalid_parameter(if tests.is_empty() {
            "ConditionalOperator cannot be used without Filter or Expected"
        } else {
            "ConditionalOperator can only be used when Filter or Expected has two or more elements"
        }));
    }
    if tests.is_empty() {
        return Ok(None);
    }
    Ok(Some(ConditionExpression::of(
        match operator.unwrap_or_default() {
            ConditionalOperator::And => Test::All(tests),
            ConditionalOperator::Or => Test::Any(tests),
        },
    )))
}

fn expected_test(name: &str, expected: &ExpectedAttributeValue) -> Result<Test, ValidationError> {
    let refused = |problem: &str| {
        Err(ValidationError::invalid_parameter(format_args!(
            "{problem} for Attribute: {name}"
        )))
    };
    if expected.value.is_some() && expected.attribute_value_list.is_some() {
        return refused("Value and AttributeValueList cannot be used together");
    }
    if let Some(operator) = expected.comparison_operator {
        if expected.exists.is_some() {
            return refused("Exists and ComparisonOperator cannot be used together");
        }
        let values = match (&expected.value, &expected.attribute_value_list) {
            (Some(value), _) => std::slice::from_ref(value),
            (None, Some(list)) => list.as_slice(),
            (None, None) if argument_count(operator) == (0, 0) => &[],
            (None, None) => {
                return refused(&format!(
                    "Value or AttributeValueList must be used with ComparisonOperator: {operator}"
                ));
            }
        };
        check_values(operator, values)?;
        return Ok(test(name, operator, values));
    }
    if expected.attribute_value_list.is_some() {
        return refused("AttributeValueList can only be used with a ComparisonOperator");
    }
    match (&expected.value, expected.exists) {
        (Some(value), None | Some(true)) => {
            validate_value(value)?;
            Ok(test(
                name,
                ComparisonOperator::Eq,
                std::slice::from_ref(value),
            ))
        }
        (None, Some(false)) => Ok(test(name, ComparisonOperator::Null, &[])),
        (None, None) => refused("Value must be provided when Exists is null"),
        (None, Some(true)) => refused("Value must be provided when Exists is true"),
        (Some(_), Some(false)) => refused("Value cannot be used when Exists is false"),
    }
}

/// The values of a condition, checked against its operator.
pub(super) fn condition_values(
    condition: &Condition,
) -> Result<&[AttributeValue], ValidationError> {
    let values = condition
        .attribute_value_list
        .as_deref()
        .unwrap_or_default();
    check_values(condition.comparison_operator, values)?;
    Ok(values)
}

/// How many values an operator takes, at least and at most.
fn argument_count(operator: ComparisonOperator) -> (usize, usize) {
    use ComparisonOperator as Op;
    match operator {
        Op::Null | Op::NotNull => (0, 0),
        Op::Between => (2, 2),
        Op::In => (1, usize::MAX),
        Op::Eq
        | Op::Ne
        | Op::Le
        | Op::Lt
        | Op::Ge
        | Op::Gt
        | Op::Contains
        | Op::NotContains
        | Op::BeginsWith => (1, 1),
    }
}

fn check_values(
    operator: ComparisonOperator,
    values: &[AttributeValue],
) -> Result<(), ValidationError> {
    use AttributeType as T;
    use ComparisonOperator as Op;
    values.iter().try_for_each(validate_value)?;
    let (least, most) = argument_count(operator);
    if values.len() < least || values.len() > most {
        return Err(ValidationError::invalid_parameter(format_args!(
            "Invalid number of argument(s) for the {operator} ComparisonOperator"
        )));
    }
    let fits = |kind| match operator {
        Op::Eq | Op::Ne | Op::Null | Op::NotNull => true,
        Op::BeginsWith => matches!(kind, T::S | T::B),
        Op::Contains | Op::NotContains => !matches!(kind, T::L | T::M) && !is_set(kind),
        Op::In | Op::Le | Op::Lt | Op::Ge | Op::Gt | Op::Between => {
            matches!(kind, T::S | T::N | T::B)
        }
    };
    let mut kinds = values.iter().map(AttributeValue::attribute_type);
    if let Some(kind) = kinds.clone().find(|kind| !fits(*kind)) {
        return Err(ValidationError::invalid_parameter(format_args!(
            "ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
        )));
    }
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        return Err(ValidationError::invalid_parameter(
            "AttributeValues inside AttributeValueList must all be of the same type",
        ));
    }
    if operator == Op::Between && order(values.first(), values.get(1)) == Some(Ordering::Greater) {
        return Err(ValidationError::new(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ));
    }
    Ok(())
}

/// The test of an attribute. The values are as many as the operator takes.
fn test(name: &str, operator: ComparisonOperator, values: &[AttributeValue]) -> Test {
    use ComparisonOperator as Op;
    let path = Term::Path(Path::attribute(name));
    let value = |at: usize| {
        Term::Value(
            values
                .get(at)
                .cloned()
                .unwrap_or(AttributeValue::Null)
                .into(),
        )
    };
    let compare = |comparator| Test::Compare(path.clone(), comparator, value(0));
    match operator {
        Op::Eq => compare(Comparator::Equal),
        Op::Ne => compare(Comparator::NotEqual),
        Op::Le => compare(Comparator::LessOrEqual),
        Op::Lt => compare(Comparator::Less),
        Op::Ge => compare(Comparator::GreaterOrEqual),
        Op::Gt => compare(Comparator::Greater),
        Op::In => {
            let values = values.iter().cloned();
            Test::In(
                path,
                values.map(|value| Term::Value(value.into())).collect(),
            )
        }
        Op::Between => Test::Between(path, value(0), value(1)),
        Op::NotNull => Test::Exists(path),
        Op::Null => Test::Not(Box::new(Test::Exists(path))),
        Op::Contains => Test::Contains(path, value(0)),
        Op::NotContains => Test::Not(Box::new(Test::Contains(path, value(0)))),
        Op::BeginsWith => Test::BeginsWith(path, value(0)),
    }
}

/// The update that AttributeUpdates stands for.
pub(crate) fn attribute_updates(
    updates: &BTreeMap<String, AttributeValueUpdate>,
) -> Result<UpdateExpression, ValidationError> {
    let actions: Vec<Action> = updates
        .iter()
        .map(|(name, update)| {
            Ok(Action {
                path: Path::attribute(name),
                change: change(update)?,
            })
        })
        .collect::<Result<_, ValidationError>>()?;
    let tree =
        PathTree::new(actions.iter().map(|action| &action.path)).map_err(ValidationError::new)?;
    Ok(UpdateExpression::of(
        actions,
        tree,
        "Type mismatch for attribute to update",
    ))
}

fn change(update: &AttributeValueUpdate) -> Result<Change, ValidationError> {
    let action = update.action.unwrap_or_default();
    let Some(value) = &update.value else {
        return match action {
            AttributeAction::Delete => Ok(Change::Remove),
            AttributeAction::Add | AttributeAction::Put => Err(ValidationError::invalid_parameter(
                "Only DELETE action is allowed when no attribute value is specified",
            )),
        };
    };
    validate_value(value)?;
    let kind = value.attribute_type();
    match action {
        AttributeAction::Put => Ok(Change::Set(Value::Operand(Operand::Value(
            value.clone().into(),
        )))),
        AttributeAction::Delete if is_set(kind) => Ok(Change::Delete(value.clone().into())),
        AttributeAction::Delete => Err(ValidationError::invalid_parameter(format_args!(
            "DELETE action with value is not supported for the type {kind}"
        ))),
        AttributeAction::Add
            if is_set(kind) || matches!(kind, AttributeType::N | AttributeType::L) =>
        {
            Ok(Change::Add(value.clone().into()))
        }
        AttributeAction::Add => Err(ValidationError::invalid_parameter(format_args!(
            "ADD action is not supported for the type {kind}"
        ))),
    }
}

#[cfg(test)]
mod tests;
