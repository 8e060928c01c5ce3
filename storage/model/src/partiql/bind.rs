//! Values and conditions of a statement with its parameters in their places.

use super::ast::{Condition, Operand, Value};
use crate::error::ValidationError;
use crate::expr::check::mistyped;
use crate::expr::condition::Comparator;
use crate::expr::predicate::{ConditionExpression, Term, Test, order};
use crate::map::Map;
use crate::size::validate_value;
use crate::value::{AttributeType, AttributeValue};

/// Most elements of IN, but for a partition key.
const MAX_CANDIDATES: usize = 100;

/// The parameters of a statement, one for each `?`.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a>(pub(super) &'a [AttributeValue]);

impl Parameters<'_> {
    /// A value of which everything is checked but where it stands.
    pub(super) fn value(self, value: &Value) -> Result<AttributeValue, ValidationError> {
        let value = self.unchecked(value)?;
        validate_value(&value)?;
        Ok(value)
    }

    fn unchecked(self, value: &Value) -> Result<AttributeValue, ValidationError> {
        let all = |values: &[Value]| {
            values
                .iter()
                .map(|value| self.unchecked(value))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match value {
            Value::Scalar(value) => value.clone(),
            Value::Parameter(at) => self.0.get(*at).cloned().ok_or_else(wrong_count)?,
            Value::List(list) => AttributeValue::L(all(list)?),
            Value::Set(set) => set_of(all(set)?)?,
            Value::Map(map) => AttributeValue::M(
                map.iter()
                    .map(|(name, value)| Ok((name.as_str(), self.unchecked(value)?)))
                    .collect::<Result<Map, ValidationError>>()?,
            ),
        })
    }

    /// What may stand behind IN.
    pub(super) fn candidates(self, list: &Value) -> Result<Vec<AttributeValue>, ValidationError> {
        match self.value(list)? {
            AttributeValue::L(list) => Ok(list),
            other => Err(wrong_type("IN", other.attribute_type())),
        }
    }

    /// What all of the conditions mean together; `None` if there are none.
    pub(super) fn all<'c>(
        self,
        conditions: impl IntoIterator<Item = &'c Condition>,
    ) -> Result<Option<ConditionExpression>, ValidationError> {
        let tests = self.tests(conditions)?;
        Ok((!tests.is_empty()).then(|| ConditionExpression::of(Test::All(tests))))
    }

    pub(super) fn tests<'c>(
        self,
        conditions: impl IntoIterator<Item = &'c Condition>,
    ) -> Result<Vec<Test>, ValidationError> {
        conditions
            .into_iter()
            .map(|condition| self.test(condition))
            .collect()
    }

    fn test(self, condition: &Condition) -> Result<Test, ValidationError> {
        Ok(match condition {
            Condition::Or(parts) => Test::Any(self.tests(parts)?),
            Condition::And(parts) => Test::All(self.tests(parts)?),
            Condition::Not(part) => Test::Not(Box::new(self.test(part)?)),
            Condition::Compare(left, comparator, right) => {
                let (left, right) = (self.term(left)?, self.term(right)?);
                if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
                    ordered(comparator.symbol(), [&left, &right])?;
                }
                Test::Compare(left, *comparator, right)
            }
            Condition::Between(value, low, high) => {
                let (value, low, high) = (self.term(value)?, self.term(low)?, self.term(high)?);
                ordered("BETWEEN", [&value, &low, &high])?;
                if let (Term::Value(low), Term::Value(high)) = (&low, &high) {
                    bounds_fit(low, high)?;
                }
                Test::Between(value, low, high)
            }
            Condition::In(value, list) => {
                let list = self.candidates(list)?;
                at_most(list.len(), MAX_CANDIDATES)?;
                Test::In(
                    self.term(value)?,
                    list.into_iter()
                        .map(|value| Term::Value(value.into()))
                        .collect(),
                )
            }
            Condition::IsMissing(path) => {
                Test::Not(Box::new(Test::Exists(Term::Path(path.clone()))))
            }
            Condition::Is(path, kind) => Test::HasType(Term::Path(path.clone()), *kind),
            Condition::BeginsWith(value, prefix) => {
                let (value, prefix) = (self.term(value)?, self.term(prefix)?);
                typed("begins_with", [&value, &prefix], |kind| {
                    matches!(kind, AttributeType::S | AttributeType::B)
                })?;
                Test::BeginsWith(value, prefix)
            }
            Condition::Contains(value, part) => Test::Contains(self.term(value)?, self.term(part)?),
            Condition::HasType(value, kind) => Test::HasType(self.term(value)?, self.kind(kind)?),
        })
    }

    fn term(self, operand: &Operand) -> Result<Term, ValidationError> {
        Ok(match operand {
            Operand::Path(path) => Term::Path(path.clone()),
            Operand::Value(value) => Term::Value(self.value(value)?.into()),
            Operand::Size(path) => Term::Size(Box::new(Term::Path(path.clone()))),
        })
    }

    /// The type that a string names.
    fn kind(self, name: &Value) -> Result<AttributeType, ValidationError> {
        let found = match self.value(name)? {
            AttributeValue::S(name) => AttributeType::from_name(&name).ok_or(name),
            other => return Err(wrong_type("attribute_type", other.attribute_type())),
        };
        found.map_err(|name| {
            ValidationError::new(format!(
                "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            ))
        })
    }
}

/// The error of a request whose parameters are not as many as the statement's.
pub(super) fn wrong_count() -> ValidationError {
    ValidationError::new("Number of parameters in request and statement don't match.")
}

/// Refuses an IN with more than `most` elements.
pub(super) fn at_most(count: usize, most: usize) -> Result<(), ValidationError> {
    if count <= most {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "The IN operator is provided with too many operands; number of operands: {count}"
    )))
}

/// Refuses a range whose end is below its beginning.
pub(super) fn bounds_fit(
    low: &AttributeValue,
    high: &AttributeValue,
) -> Result<(), ValidationError> {
    match order(Some(low), Some(high)) {
        Some(std::cmp::Ordering::Greater) => Err(ValidationError::new(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
        )),
        Some(_) => Ok(()),
        None => Err(ValidationError::new(
            "The BETWEEN operator requires same data type for lower and upper bounds",
        )),
    }
}

fn wrong_type(operator: &str, kind: AttributeType) -> ValidationError {
    ValidationError::new(mistyped(operator, kind).err().unwrap_or_default())
}

/// Only strings, numbers and binaries have an order.
fn ordered<'t>(
    operator: &str,
    terms: impl IntoIterator<Item = &'t Term>,
) -> Result<(), ValidationError> {
    typed(operator, terms, |kind| {
        matches!(kind, AttributeType::S | AttributeType::N | AttributeType::B)
    })
}

fn typed<'t>(
    operator: &str,
    terms: impl IntoIterator<Item = &'t Term>,
    fits: fn(AttributeType) -> bool,
) -> Result<(), ValidationError> {
    let wrong = terms.into_iter().find_map(|term| match term {
        Term::Value(value) => Some(value.attribute_type()).filter(|kind| !fits(*kind)),
        Term::Size(_) => Some(AttributeType::N).filter(|kind| !fits(*kind)),
        Term::Path(_) => None,
    });
    wrong.map_or(Ok(()), |kind| Err(wrong_type(operator, kind)))
}

/// The set of these elements, which are strings, numbers or binaries.
fn set_of(elements: Vec<AttributeValue>) -> Result<AttributeValue, ValidationError> {
    fn all<T>(
        elements: Vec<AttributeValue>,
        take: fn(AttributeValue) -> Option<T>,
        make: fn(Vec<T>) -> AttributeValue,
    ) -> Option<AttributeValue> {
        elements
            .into_iter()
            .map(take)
            .collect::<Option<Vec<T>>>()
            .map(make)
    }
    let set = match elements.first() {
        Some(AttributeValue::S(_)) => all(
            elements,
            |value| {
                if let AttributeValue::S(text) = value {
                    Some(text)
                } else {
                    None
                }
            },
            AttributeValue::Ss,
        ),
        Some(AttributeValue::N(_)) => all(
            elements,
            |value| {
                if let AttributeValue::N(number) = value {
                    Some(number)
                } else {
                    None
                }
            },
            AttributeValue::Ns,
        ),
        Some(AttributeValue::B(_)) => all(
            elements,
            |value| {
                if let AttributeValue::B(bytes) = value {
                    Some(bytes)
                } else {
                    None
                }
            },
            AttributeValue::Bs,
        ),
        _ => None,
    };
    set.ok_or_else(|| {
        ValidationError::invalid_parameter(
            "A set has at least one element, and all are strings, or numbers, or binaries",
        )
    })
}
