//! Conditions as they are evaluated: ConditionExpression and FilterExpression, and the older parameters that mean the same.
//!
//! A condition is a truth value of an item, and never fails: a path that leads nowhere has no value, and a test of no value, or
//! of a value of another type, does not hold (but `<>` does, which is NOT `=`).

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::ValidationError;
use crate::expr::check::parse_condition;
use crate::expr::condition::{self, Comparator, Operand};
use crate::expr::constant::Constant;
use crate::expr::path::Path;
use crate::expr::placeholders::Placeholders;
use crate::map::Item;
use crate::number::Number;
use crate::schema::{KeyAttribute, KeySchema};
use crate::value::{AttributeType, AttributeValue};

/// A condition that was checked; its placeholders are resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct ConditionExpression {
    test: Test,
}

/// Lengths are told nowhere: names and values are data.
impl std::fmt::Debug for ConditionExpression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConditionExpression")
    }
}

/// What is true or false of an item.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Test {
    /// One holds.
    Any(Vec<Test>),
    /// All hold.
    All(Vec<Test>),
    Not(Box<Test>),
    Compare(Term, Comparator, Term),
    /// The value, the lower and the upper bound, both included.
    Between(Term, Term, Term),
    In(Term, Vec<Term>),
    Exists(Term),
    HasType(Term, AttributeType),
    BeginsWith(Term, Term),
    Contains(Term, Term),
}

/// What has a value, or none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Term {
    Path(Path),
    Value(Constant),
    Size(Box<Term>),
}

impl ConditionExpression {
    /// Reads and checks the condition of the request's field `field`.
    pub(crate) fn parse<'a>(
        field: &str,
        source: &'a str,
        placeholders: &mut Placeholders<'a>,
    ) -> Result<Self, ValidationError> {
        let condition = parse_condition(field, source, placeholders)?;
        Ok(Self::of(compile(&condition, placeholders)))
    }

    pub(crate) fn of(test: Test) -> Self {
        Self { test }
    }

    /// Whether the condition holds for an item, or for none. The item is as it is stored: its sets are in order.
    pub fn holds(&self, item: Option<&Item>) -> bool {
        const NONE: &Item = &Item::new();
        self.test.holds(item.unwrap_or(NONE))
    }

    /// A filter of a Query speaks of no attribute of the key that is read by. `parameter` is what AWS calls it in its message.
    ///
    /// # Errors
    /// AWS's message.
    pub(crate) fn has_none_of<'k>(
        &self,
        key: impl Iterator<Item = &'k KeyAttribute> + Clone,
        parameter: FilterParameter,
    ) -> Result<(), ValidationError> {
        let is_key = |name: &&str| {
            key.clone()
                .any(|attribute| attribute.name.as_str() == *name)
        };
        let Some(name) = self.attributes().into_iter().find(is_key) else {
            return Ok(());
        };
        let parameter = match parameter {
            FilterParameter::Where => return Ok(()),
            FilterParameter::FilterExpression => "Filter Expression",
            FilterParameter::QueryFilter => "QueryFilter",
            FilterParameter::ScanFilter => "ScanFilter",
        };
        Err(ValidationError::new(format!(
            "{parameter} can only contain non-primary key attributes: Primary key attribute: {name}"
        )))
    }

    /// The attributes that its paths begin with, in the order of the text.
    pub(crate) fn attributes(&self) -> Vec<&str> {
        let mut heads = Vec::new();
        self.test.each_path(&mut |path| heads.push(&*path.head));
        heads
    }

    /// Key attributes are scalars: nothing is nested in them.
    ///
    /// # Errors
    /// AWS's message.
    pub fn keys_are_scalars(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        key_is_scalar(schema, self.nested_heads())
    }

    /// The attributes into which its paths lead, in the order of the text.
    pub fn nested_heads(&self) -> impl Iterator<Item = &str> {
        let mut heads = Vec::new();
        self.test.each_path(&mut |path| {
            if !path.rest.is_empty() {
                heads.push(&*path.head);
            }
        });
        heads.into_iter()
    }
}

/// Which parameter a filter came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterParameter {
    /// FilterExpression.
    FilterExpression,
    /// QueryFilter.
    QueryFilter,
    /// ScanFilter.
    ScanFilter,
    /// WHERE of a statement, which may speak of the key.
    Where,
}

/// Whether an attribute is one of the key.
pub(super) fn is_key(schema: &KeySchema, name: &str) -> bool {
    schema
        .attributes()
        .any(|attribute| attribute.name.as_str() == name)
}

/// Refuses paths into the attributes `heads`, if one of them is of the key.
pub(super) fn key_is_scalar<'a>(
    schema: &KeySchema,
    mut heads: impl Iterator<Item = &'a str>,
) -> Result<(), ValidationError> {
    match heads.find(|head| is_key(schema, head)) {
        None => Ok(()),
        Some(head) => Err(nested_in_key("Key", head)),
    }
}

/// The error of a path into an attribute of a key.
pub(crate) fn nested_in_key(kind: &str, head: &str) -> ValidationError {
    ValidationError::new(format!(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {kind}: {head}"
    ))
}

/// What a checked condition means.
fn compile<'a>(condition: &condition::Condition<'a>, placeholders: &Placeholders<'a>) -> Test {
    use condition::Condition;
    let term = |operand: &Operand<'a>| Term::of(operand, placeholders);
    let terms = |operands: &[Operand<'a>]| operands.iter().map(term).collect();
    let tests = |parts: &[Condition<'a>]| {
        parts
            .iter()
            .map(|part| compile(part, placeholders))
            .collect()
    };
    match condition {
        Condition::Or(parts) => Test::Any(tests(parts)),
        Condition::And(parts) => Test::All(tests(parts)),
        Condition::Not(part) => Test::Not(Box::new(compile(part, placeholders))),
        Condition::Compare(left, comparator, right) => {
            Test::Compare(term(left), *comparator, term(right))
        }
        Condition::Between(value, low, high) => Test::Between(term(value), term(low), term(high)),
        Condition::In(value, list) => Test::In(term(value), terms(list)),
        Condition::Function(function) => match (function.name, function.arguments.as_slice()) {
            ("attribute_exists", [path]) => Test::Exists(term(path)),
            ("attribute_not_exists", [path]) => Test::Not(Box::new(Test::Exists(term(path)))),
            ("attribute_type", [value, kind]) => match term(kind) {
                Term::Value(name) => named_type(&name)
                    .map_or_else(Test::never, |kind| Test::HasType(term(value), kind)),
                _ => Test::never(),
            },
            ("begins_with", [value, prefix]) => Test::BeginsWith(term(value), term(prefix)),
            ("contains", [value, part]) => Test::Contains(term(value), term(part)),
            // The check let no other function pass.
            _ => Test::never(),
        },
    }
}

impl Test {
    /// Holds for no item.
    fn never() -> Self {
        Test::Any(Vec::new())
    }

    fn holds(&self, item: &Item) -> bool {
        match self {
            Test::Any(tests) => tests.iter().any(|test| test.holds(item)),
            Test::All(tests) => tests.iter().all(|test| test.holds(item)),
            Test::Not(test) => !test.holds(item),
            Test::Compare(left, comparator, right) => {
                compare(left.value(item), *comparator, right.value(item))
            }
            Test::Between(value, low, high) => {
                let value = value.value(item);
                order(value.as_deref(), low.value(item).as_deref()).is_some_and(Ordering::is_ge)
                    && order(value.as_deref(), high.value(item).as_deref())
                        .is_some_and(Ordering::is_le)
            }
            Test::In(value, list) => {
                let value = value.value(item);
                list.iter()
                    .any(|term| equal(value.as_deref(), term.value(item).as_deref()))
            }
            Test::Exists(term) => term.value(item).is_some(),
            Test::HasType(term, kind) => term
                .value(item)
                .is_some_and(|value| value.attribute_type() == *kind),
            Test::BeginsWith(value, prefix) => match (value.value(item), prefix.value(item)) {
                (Some(value), Some(prefix)) => begins_with(&value, &prefix),
                _ => false,
            },
            Test::Contains(value, part) => match (value.value(item), part.value(item)) {
                (Some(value), Some(part)) => contains(&value, &part),
                _ => false,
            },
        }
    }

    fn each_path<'t>(&'t self, see: &mut dyn FnMut(&'t Path)) {
        match self {
            Test::Any(tests) | Test::All(tests) => {
                tests.iter().for_each(|test| test.each_path(see))
            }
            Test::Not(test) => test.each_path(see),
            Test::Compare(left, _, right)
            | Test::BeginsWith(left, right)
            | Test::Contains(left, right) => {
                left.see_path(see);
                right.see_path(see);
            }
            Test::Between(value, low, high) => {
                [value, low, high]
                    .into_iter()
                    .for_each(|term| term.see_path(see));
            }
            Test::In(value, list) => {
                value.see_path(see);
                list.iter().for_each(|term| term.see_path(see));
            }
            Test::Exists(term) | Test::HasType(term, _) => term.see_path(see),
        }
    }
}

impl Term {
    fn of<'a>(operand: &Operand<'a>, placeholders: &Placeholders<'a>) -> Self {
        match operand {
            Operand::Path(steps) => Term::Path(placeholders.checked_path(steps)),
            Operand::Value(placeholder) => Term::Value(placeholders.checked_value(placeholder)),
            // `size` is the only function that is an operand, and has one.
            Operand::Function(function) => Term::Size(Box::new(
                function
                    .arguments
                    .first()
                    .map_or(Term::Value(AttributeValue::Null.into()), |argument| {
                        Term::of(argument, placeholders)
                    }),
            )),
        }
    }

    fn value<'t>(&'t self, item: &'t Item) -> Option<Cow<'t, AttributeValue>> {
        match self {
            Term::Path(path) => path.get(item).map(Cow::Borrowed),
            Term::Value(value) => Some(Cow::Borrowed(value)),
            Term::Size(term) => size(&*term.value(item)?)
                .map(|size| Cow::Owned(AttributeValue::N(Number::from(size as u64)))),
        }
    }

    fn see_path<'t>(&'t self, see: &mut dyn FnMut(&'t Path)) {
        match self {
            Term::Path(path) => see(path),
            Term::Value(_) => {}
            Term::Size(term) => term.see_path(see),
        }
    }
}

/// `size`: code units of a string in UTF-16, bytes of a binary, elements of a set, list or map. Other types have none.
fn size(value: &AttributeValue) -> Option<usize> {
    Some(match value {
        AttributeValue::S(text) => text.encode_utf16().count(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Ss(set) => set.len(),
        AttributeValue::Ns(set) => set.len(),
        AttributeValue::Bs(set) => set.len(),
        AttributeValue::L(list) => list.len(),
        AttributeValue::M(map) => map.len(),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
    })
}

/// The type that a value names.
fn named_type(name: &AttributeValue) -> Option<AttributeType> {
    AttributeType::from_name(name.as_s().ok()?)
}

/// Whether there are both, and they are equal. Both are in order: one comes from storage or is computed, or is a constant.
fn equal(a: Option<&AttributeValue>, b: Option<&AttributeValue>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a.equals_in_order(b))
}

/// How two values of one type are ordered, if the type has an order.
pub(crate) fn order(a: Option<&AttributeValue>, b: Option<&AttributeValue>) -> Option<Ordering> {
    match (a?, b?) {
        (AttributeValue::S(a), AttributeValue::S(b)) => Some(a.cmp(b)),
        (AttributeValue::N(a), AttributeValue::N(b)) => Some(a.cmp(b)),
        (AttributeValue::B(a), AttributeValue::B(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn compare(
    left: Option<Cow<'_, AttributeValue>>,
    comparator: Comparator,
    right: Option<Cow<'_, AttributeValue>>,
) -> bool {
    let equal = || equal(left.as_deref(), right.as_deref());
    let is =
        |test: fn(Ordering) -> bool| order(left.as_deref(), right.as_deref()).is_some_and(test);
    match comparator {
        Comparator::Equal => equal(),
        Comparator::NotEqual => !equal(),
        Comparator::Less => is(Ordering::is_lt),
        Comparator::LessOrEqual => is(Ordering::is_le),
        Comparator::Greater => is(Ordering::is_gt),
        Comparator::GreaterOrEqual => is(Ordering::is_ge),
    }
}

fn begins_with(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(value), AttributeValue::S(prefix)) => value.starts_with(&**prefix),
        (AttributeValue::B(value), AttributeValue::B(prefix)) => value.starts_with(prefix),
        _ => false,
    }
}

/// Whether a string or binary has a part, or a set or list an element.
fn contains(value: &AttributeValue, part: &AttributeValue) -> bool {
    match (value, part) {
        (AttributeValue::S(value), AttributeValue::S(part)) => value.contains(&**part),
        // In time proportional to the length of both, whatever they are; as `str::contains`.
        (AttributeValue::B(value), AttributeValue::B(part)) => {
            memchr::memmem::find(value, part).is_some()
        }
        (AttributeValue::Ss(set), AttributeValue::S(element)) => set.contains(element),
        (AttributeValue::Ns(set), AttributeValue::N(element)) => set.contains(element),
        (AttributeValue::Bs(set), AttributeValue::B(element)) => set.contains(element),
        (AttributeValue::L(list), part) => list.iter().any(|element| element.equals_in_order(part)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
