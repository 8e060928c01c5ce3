//! KeyConditionExpression: one partition key, and maybe a condition of the sort key.
//!
//! [`KeyConditionExpression`] is what can be checked before the table is known, [`KeyCondition`] what it means for a
//! table of a known key. AWS reports faults in that order too.

mod index_condition;

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::ValidationError;
use crate::expr::check::parse_condition;
use crate::expr::condition::{Comparator, Condition, Function, Operand};
use crate::expr::constant::Constant;
use crate::expr::legacy::condition_values;
use crate::expr::placeholders::Placeholders;
use crate::key::{KeyRole, key_value_bytes, scalar_bytes};
use crate::map::Map;
use crate::ops;
use crate::schema::{KeyAttribute, KeySchema};
use crate::value::AttributeValue;

pub use index_condition::IndexCondition;

/// A key condition without placeholders: tests of attributes, each attribute once.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyConditionExpression {
    tests: Vec<(String, Test)>,
}

/// A test of one attribute.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Test {
    Compare(Comparator, Constant),
    Between(Constant, Constant),
    BeginsWith(Constant),
}

/// How many attributes it tests; neither names nor values.
impl std::fmt::Debug for KeyConditionExpression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyConditionExpression({} attributes)", self.tests.len())
    }
}

impl KeyConditionExpression {
    /// Reads an expression and checks all that can be checked without the table. `names` and `values` are what
    /// `#…` and `:…` stand for, signs included; each must be used.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn parse(
        expression: &str,
        names: &BTreeMap<String, String>,
        values: &Map,
    ) -> Result<Self, ValidationError> {
        let mut placeholders = Placeholders::new(
            (!names.is_empty()).then_some(names),
            (!values.is_empty()).then_some(values),
        )?;
        let condition = parse_condition(Self::FIELD, expression, &mut placeholders)?;
        placeholders.all_used()?;
        Self::of(&condition, &placeholders)
    }

    /// The parameter that holds it.
    pub(crate) const FIELD: &'static str = "KeyConditionExpression";

    /// Takes a checked condition apart.
    pub(crate) fn of<'a>(
        condition: &Condition<'a>,
        placeholders: &Placeholders<'a>,
    ) -> Result<Self, ValidationError> {
        let mut tests = Vec::new();
        collect(condition, placeholders, &mut tests)?;
        Ok(Self { tests })
    }

    /// These tests of attributes, each attribute once.
    pub(crate) fn of_tests(tests: Vec<(String, Test)>) -> Self {
        Self { tests }
    }

    /// What KeyConditions stands for.
    pub(crate) fn of_conditions(
        conditions: &BTreeMap<String, ops::Condition>,
    ) -> Result<Self, ValidationError> {
        let tests = conditions
            .iter()
            .map(|(name, condition)| Ok((name.clone(), legacy_test(condition)?)))
            .collect::<Result<_, ValidationError>>()?;
        Ok(Self { tests })
    }

    /// A request names one or two attributes of a key; of an index, whose key may have more, as many as that.
    ///
    /// # Errors
    /// AWS's message.
    pub(crate) fn check_count(&self, of_index: bool) -> Result<(), ValidationError> {
        match self.tests.len() {
            1 | 2 => Ok(()),
            3.. if of_index => Ok(()),
            _ => Err(ValidationError::new(
                "Conditions can be of length 1 or 2 only",
            )),
        }
    }

    /// What the expression means for a table of this key.
    ///
    /// # Errors
    /// AWS's messages for an attribute that is not the key's, and for values of the wrong type, empty or too long.
    pub fn bind(&self, schema: &KeySchema) -> Result<KeyCondition, ValidationError> {
        let find = |attribute: &KeyAttribute| {
            self.tests
                .iter()
                .find(|(name, _)| name == attribute.name.as_str())
                .map(|(_, test)| test)
        };
        self.check_count(false)?;
        let partition = find(&schema.partition).ok_or_else(|| missed(&schema.partition))?;
        let sort = match (&schema.sort, self.tests.len()) {
            (_, 1) => None,
            (None, _) => return Err(unsupported()),
            (Some(attribute), _) => {
                Some((attribute, find(attribute).ok_or_else(|| missed(attribute))?))
            }
        };
        let Test::Compare(Comparator::Equal, partition) = partition else {
            return Err(unsupported());
        };
        check_value(&schema.partition, KeyRole::Partition, partition)?;
        Ok(KeyCondition {
            partition: (**partition).clone(),
            sort: sort
                .map(|(attribute, test)| sort_condition(attribute, test))
                .transpose()?,
        })
    }
}

fn missed(attribute: &KeyAttribute) -> ValidationError {
    ValidationError::new(format!(
        "Query condition missed key schema element: {}",
        attribute.name
    ))
}

fn unsupported() -> ValidationError {
    ValidationError::new("Query key condition not supported")
}

/// The test of one of KeyConditions.
fn legacy_test(condition: &ops::Condition) -> Result<Test, ValidationError> {
    use ops::ComparisonOperator as Op;
    let compare =
        |comparator, value: &AttributeValue| Test::Compare(comparator, value.clone().into());
    Ok(
        match (condition.comparison_operator, condition_values(condition)?) {
            (Op::Eq, [value]) => compare(Comparator::Equal, value),
            (Op::Lt, [value]) => compare(Comparator::Less, value),
            (Op::Le, [value]) => compare(Comparator::LessOrEqual, value),
            (Op::Gt, [value]) => compare(Comparator::Greater, value),
            (Op::Ge, [value]) => compare(Comparator::GreaterOrEqual, value),
            (Op::BeginsWith, [prefix]) => Test::BeginsWith(prefix.clone().into()),
            (Op::Between, [low, high]) => Test::Between(low.clone().into(), high.clone().into()),
            _ => {
                return Err(ValidationError::new(
                    "Attempted conditional constraint is not an indexable operation",
                ));
            }
        },
    )
}

fn check_value(
    attribute: &KeyAttribute,
    role: KeyRole,
    value: &AttributeValue,
) -> Result<(), ValidationError> {
    if !attribute.kind.fits(value) {
        return Err(ValidationError::invalid_parameter(
            "Condition parameter type does not match schema type",
        ));
    }
    key_value_bytes(attribute, role, value).map(drop)
}

fn sort_condition(attribute: &KeyAttribute, test: &Test) -> Result<SortCondition, ValidationError> {
    let checked = |value: &AttributeValue| -> Result<AttributeValue, ValidationError> {
        check_value(attribute, KeyRole::Sort, value)?;
        Ok(value.clone())
    };
    Ok(match test {
        Test::Between(low, high) => SortCondition::Between(checked(low)?, checked(high)?),
        Test::BeginsWith(prefix) => SortCondition::BeginsWith(checked(prefix)?),
        Test::Compare(comparator, value) => {
            let value = checked(value)?;
            match comparator {
                Comparator::Equal => SortCondition::Eq(value),
                Comparator::Less => SortCondition::Lt(value),
                Comparator::LessOrEqual => SortCondition::Le(value),
                Comparator::Greater => SortCondition::Gt(value),
                Comparator::GreaterOrEqual => SortCondition::Ge(value),
                Comparator::NotEqual => return Err(invalid_operator("<>")),
            }
        }
    })
}

fn invalid_operator(operator: &str) -> ValidationError {
    ValidationError::new(format!(
        "Invalid operator used in KeyConditionExpression: {operator}"
    ))
}

/// Takes a checked condition apart into tests of attributes, if it is a key condition.
fn collect<'a>(
    condition: &Condition<'a>,
    placeholders: &Placeholders<'a>,
    tests: &mut Vec<(String, Test)>,
) -> Result<(), ValidationError> {
    let mut add = |name: String, test: Test| {
        if tests.iter().any(|(earlier, _)| *earlier == name) {
            return Err(ValidationError::new(
                "KeyConditionExpressions must only contain one condition per key",
            ));
        }
        tests.push((name, test));
        Ok(())
    };
    let value = |placeholder: &str| placeholders.checked_value(placeholder);
    match condition {
        Condition::Or(_) => Err(invalid_operator("OR")),
        Condition::Not(_) => Err(invalid_operator("NOT")),
        Condition::In(..) => Err(invalid_operator("IN")),
        Condition::Compare(_, Comparator::NotEqual, _) => Err(invalid_operator("<>")),
        Condition::And(parts) => parts
            .iter()
            .try_for_each(|part| collect(part, placeholders, tests)),
        Condition::Compare(left, comparator, right) => {
            let name = attribute_of(&[left, right], placeholders)?;
            match (left, right) {
                (_, Operand::Value(right)) => add(name, Test::Compare(*comparator, value(right))),
                (Operand::Value(left), _) => {
                    add(name, Test::Compare(comparator.flipped(), value(left)))
                }
                _ => Err(multiple_attributes()),
            }
        }
        Condition::Between(tested, low, high) => {
            first_is_attribute("BETWEEN", tested)?;
            let name = attribute_of(&[tested, low, high], placeholders)?;
            match (low, high) {
                (Operand::Value(low), Operand::Value(high)) => {
                    add(name, Test::Between(value(low), value(high)))
                }
                _ => Err(multiple_attributes()),
            }
        }
        Condition::Function(Function {
            name: "begins_with",
            arguments,
        }) => {
            if let Some(first) = arguments.first() {
                first_is_attribute("begins_with", first)?;
            }
            let name = attribute_of(&arguments.iter().collect::<Vec<_>>(), placeholders)?;
            match arguments.get(1) {
                Some(Operand::Value(prefix)) => add(name, Test::BeginsWith(value(prefix))),
                _ => Err(multiple_attributes()),
            }
        }
        Condition::Function(function) => Err(invalid_operator(function.name)),
    }
}

fn first_is_attribute(operator: &str, first: &Operand<'_>) -> Result<(), ValidationError> {
    match first {
        Operand::Value(_) => Err(ValidationError::new(format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first \
             operand"
        ))),
        _ => Ok(()),
    }
}

fn multiple_attributes() -> ValidationError {
    ValidationError::new(
        "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
    )
}

/// The one attribute that a test speaks of. It is not nested, and nothing is computed.
fn attribute_of<'a>(
    operands: &[&Operand<'a>],
    placeholders: &Placeholders<'a>,
) -> Result<String, ValidationError> {
    let mut found = None;
    for operand in operands {
        match operand {
            Operand::Value(_) => {}
            Operand::Function(_) => {
                return Err(ValidationError::new(
                    "KeyConditionExpressions cannot contain nested operations",
                ));
            }
            Operand::Path(_) if found.is_some() => return Err(multiple_attributes()),
            Operand::Path(steps) => match steps.as_slice() {
                [step] => found = Some(placeholders.checked_path(&[*step]).head.into_string()),
                _ => {
                    return Err(ValidationError::new(
                        "KeyConditionExpressions cannot have conditions on nested attributes",
                    ));
                }
            },
        }
    }
    found.ok_or_else(|| {
        ValidationError::new(
            "Invalid condition in KeyConditionExpression: No key attribute specified",
        )
    })
}

/// A condition of the sort key. The values are of the sort key's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortCondition {
    /// `=`
    Eq(AttributeValue),
    /// `<`
    Lt(AttributeValue),
    /// `<=`
    Le(AttributeValue),
    /// `>`
    Gt(AttributeValue),
    /// `>=`
    Ge(AttributeValue),
    /// `BETWEEN … AND …`, both included; the first is not above the second.
    Between(AttributeValue, AttributeValue),
    /// `begins_with(…, …)`, of a string or binary.
    BeginsWith(AttributeValue),
}

/// A key condition that fits a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCondition {
    /// The partition key's value, of its type.
    pub partition: AttributeValue,
    /// The sort key's condition, if there is one.
    pub sort: Option<SortCondition>,
}

impl KeyCondition {
    /// Parses an expression and binds it to a table's key.
    ///
    /// # Errors
    /// As [`KeyConditionExpression::parse`] and [`KeyConditionExpression::bind`].
    pub fn parse(
        expression: &str,
        names: &BTreeMap<String, String>,
        values: &Map,
        schema: &KeySchema,
    ) -> Result<Self, ValidationError> {
        KeyConditionExpression::parse(expression, names, values)?.bind(schema)
    }

    /// Bytes of the partition key, as in [`crate::KeyBytes`].
    pub fn partition_bytes(&self) -> Vec<u8> {
        ordered_bytes(&self.partition)
    }

    /// The range of sort bytes (as in [`crate::KeyBytes`]) that meets the condition.
    pub fn sort_range(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        use SortCondition::{BeginsWith, Between, Eq, Ge, Gt, Le, Lt};
        match &self.sort {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(Eq(value)) => (
                Bound::Included(ordered_bytes(value)),
                Bound::Included(ordered_bytes(value)),
            ),
            Some(Lt(value)) => (Bound::Unbounded, Bound::Excluded(ordered_bytes(value))),
            Some(Le(value)) => (Bound::Unbounded, Bound::Included(ordered_bytes(value))),
            Some(Gt(value)) => (Bound::Excluded(ordered_bytes(value)), Bound::Unbounded),
            Some(Ge(value)) => (Bound::Included(ordered_bytes(value)), Bound::Unbounded),
            Some(Between(low, high)) => (
                Bound::Included(ordered_bytes(low)),
                Bound::Included(ordered_bytes(high)),
            ),
            Some(BeginsWith(prefix)) => {
                let prefix = ordered_bytes(prefix);
                let end = after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
                (Bound::Included(prefix), end)
            }
        }
    }
}

/// The bytes of a value of a key attribute's type. Other types have none; a checked condition holds no such value.
fn ordered_bytes(value: &AttributeValue) -> Vec<u8> {
    scalar_bytes(value).unwrap_or_default().into_owned()
}

/// The smallest bytes above all that begin with `prefix`, if there are any.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests;
