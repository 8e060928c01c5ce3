//! What a condition says of a key: it decides how a statement is carried out.

use super::ast::{Condition, Operand, Value};
use super::bind::{Parameters, at_most, bounds_fit};
use crate::error::ValidationError;
use crate::expr::condition::Comparator;
use crate::expr::key_condition::Test;
use crate::expr::path::Path;
use crate::index::IndexSchema;
use crate::map::Map;
use crate::schema::{KeyAttribute, KeySchema};
use crate::value::{AttributeType, AttributeValue};

type Result<T> = std::result::Result<T, ValidationError>;

/// Most values of a partition key in one statement.
const MAX_PARTITIONS: usize = 50;

/// The attributes of the key of what is read: a table's, or an index's.
pub(super) struct KeyNames<'s> {
    /// At least one.
    pub(super) partition: Vec<&'s str>,
    pub(super) sort: Vec<&'s str>,
}

impl<'s> KeyNames<'s> {
    pub(super) fn of_table(schema: &'s KeySchema) -> Self {
        Self {
            partition: vec![schema.partition.name.as_str()],
            sort: schema
                .sort
                .iter()
                .map(|attribute| attribute.name.as_str())
                .collect(),
        }
    }

    pub(super) fn of_index(schema: &'s IndexSchema) -> Self {
        let names = |attributes: &'s [KeyAttribute]| {
            attributes
                .iter()
                .map(|attribute| attribute.name.as_str())
                .collect()
        };
        Self {
            partition: names(&schema.key.partition),
            sort: names(&schema.key.sort),
        }
    }
}

/// A condition of which the part that a key condition can express is taken out.
pub(super) struct Split<'c> {
    /// The values of the first attribute of the partition key, each once.
    pub(super) partitions: Vec<AttributeValue>,
    /// Tests of the other attributes of the key.
    pub(super) tests: Vec<(String, Test)>,
    /// What is left.
    pub(super) rest: Vec<&'c Condition>,
}

/// The conditions that must all hold.
pub(super) fn conjuncts(condition: Option<&Condition>) -> Vec<&Condition> {
    match condition {
        None => Vec::new(),
        Some(Condition::And(parts)) => parts
            .iter()
            .flat_map(|part| conjuncts(Some(part)))
            .collect(),
        Some(condition) => vec![condition],
    }
}

/// Takes the key condition out; `None` if the partition key is not fixed.
pub(super) fn split<'c>(
    mut conditions: Vec<&'c Condition>,
    names: &KeyNames<'_>,
    parameters: Parameters<'_>,
) -> Result<Option<Split<'c>>> {
    let Some((first, others)) = names.partition.split_first() else {
        return Ok(None);
    };
    let Some(at) = conditions
        .iter()
        .position(|condition| candidates(condition, first).is_some())
    else {
        return Ok(None);
    };
    let mut partitions: Vec<AttributeValue> = Vec::new();
    for value in candidates(conditions.remove(at), first).unwrap_or_default() {
        for value in value.values(parameters)? {
            if !partitions.contains(&value) {
                at_most(partitions.len() + 1, MAX_PARTITIONS)?;
                partitions.push(value);
            }
        }
    }
    let mut tests = Vec::new();
    for name in others {
        let Some(value) = take_equality(&mut conditions, name, parameters)? else {
            return Ok(None);
        };
        tests.push((
            (*name).to_owned(),
            Test::Compare(Comparator::Equal, value.into()),
        ));
    }
    for name in &names.sort {
        if let Some(value) = take_equality(&mut conditions, name, parameters)? {
            tests.push((
                (*name).to_owned(),
                Test::Compare(Comparator::Equal, value.into()),
            ));
            continue;
        }
        for at in 0..conditions.len() {
            let range = conditions
                .get(at)
                .map_or(Ok(None), |condition| range(condition, name, parameters))?;
            if let Some(test) = range {
                conditions.remove(at);
                tests.push(((*name).to_owned(), test));
                break;
            }
        }
        break;
    }
    Ok(Some(Split {
        partitions,
        tests,
        rest: conditions,
    }))
}

/// The whole primary key, if equalities fix it, and what is left.
pub(super) fn whole_key<'c>(
    mut conditions: Vec<&'c Condition>,
    schema: &KeySchema,
    parameters: Parameters<'_>,
) -> Result<Option<(Map, Vec<&'c Condition>)>> {
    let mut key = Map::with_capacity(2);
    for attribute in schema.attributes() {
        let name = attribute.name.as_str();
        match take_equality(&mut conditions, name, parameters)? {
            Some(value) => key.insert(name, value),
            None => return Ok(None),
        };
    }
    Ok(Some((key, conditions)))
}

/// One value, or a list of them.
enum Candidate<'c> {
    One(&'c Value),
    List(&'c Value),
}

impl Candidate<'_> {
    fn values(&self, parameters: Parameters<'_>) -> Result<Vec<AttributeValue>> {
        match self {
            Candidate::One(value) => Ok(vec![parameters.value(value)?]),
            Candidate::List(list) => parameters.candidates(list),
        }
    }
}

/// The values of which the attribute must have one, if the condition says that: `=`, IN, or these joined by OR.
fn candidates<'c>(condition: &'c Condition, name: &str) -> Option<Vec<Candidate<'c>>> {
    match condition {
        Condition::In(Operand::Path(path), list) if is(path, name) => {
            Some(vec![Candidate::List(list)])
        }
        Condition::Or(parts) => {
            let found: Option<Vec<_>> = parts.iter().map(|part| candidates(part, name)).collect();
            Some(found?.into_iter().flatten().collect())
        }
        condition => match comparison(condition, name)? {
            (Comparator::Equal, value) => Some(vec![Candidate::One(value)]),
            _ => None,
        },
    }
}

/// Takes out an equality of the attribute with a value.
fn take_equality(
    conditions: &mut Vec<&Condition>,
    name: &str,
    parameters: Parameters<'_>,
) -> Result<Option<AttributeValue>> {
    let found = conditions.iter().enumerate().find_map(|(at, condition)| {
        match comparison(condition, name)? {
            (Comparator::Equal, value) => Some((at, value)),
            _ => None,
        }
    });
    let Some((at, value)) = found else {
        return Ok(None);
    };
    let value = parameters.value(value)?;
    conditions.remove(at);
    Ok(Some(value))
}

/// A range of the attribute as a test of a sort key, if the condition is one.
fn range(condition: &Condition, name: &str, parameters: Parameters<'_>) -> Result<Option<Test>> {
    Ok(match condition {
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high))
            if is(path, name) =>
        {
            let (low, high) = (parameters.value(low)?, parameters.value(high)?);
            bounds_fit(&low, &high)?;
            Some(Test::Between(low.into(), high.into()))
        }
        Condition::BeginsWith(Operand::Path(path), Operand::Value(prefix)) if is(path, name) => {
            let prefix = parameters.value(prefix)?;
            // Of another type it is left to the filter, which refuses it.
            matches!(prefix.attribute_type(), AttributeType::S | AttributeType::B)
                .then_some(Test::BeginsWith(prefix.into()))
        }
        condition => match comparison(condition, name) {
            Some((Comparator::NotEqual, _)) | None => None,
            Some((comparator, value)) => {
                Some(Test::Compare(comparator, parameters.value(value)?.into()))
            }
        },
    })
}

/// A comparison of the attribute with a value, the attribute on its left.
fn comparison<'c>(condition: &'c Condition, name: &str) -> Option<(Comparator, &'c Value)> {
    match condition {
        Condition::Compare(Operand::Path(path), comparator, Operand::Value(value))
            if is(path, name) =>
        {
            Some((*comparator, value))
        }
        Condition::Compare(Operand::Value(value), comparator, Operand::Path(path))
            if is(path, name) =>
        {
            Some((comparator.flipped(), value))
        }
        _ => None,
    }
}

/// Whether the path is the attribute itself.
fn is(path: &Path, name: &str) -> bool {
    *path.head == *name && path.rest.is_empty()
}
