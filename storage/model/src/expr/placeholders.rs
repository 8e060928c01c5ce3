//! What the placeholders of a request's expressions stand for, and the rules that hold for the expressions of a request together.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::constant::Constant;
use crate::expr::parser::Step;
use crate::expr::path::{Part, Path};
use crate::map::Map;
use crate::size::{validate_value, value_size};
use crate::value::AttributeValue;

/// Longest key of ExpressionAttributeNames and ExpressionAttributeValues, in bytes.
const MAX_PLACEHOLDER: usize = 255;
/// Most bytes of all names, and of all values, with their keys.
const MAX_PLACEHOLDERS_SIZE: usize = 2 * 1024 * 1024;

/// Which parameters about expressions a request has.
pub(crate) struct Parameters<'r, 'a> {
    /// The expressions that the operation knows, and their texts.
    pub(crate) expressions: &'r [(&'static str, Option<&'a str>)],
    /// The older parameters that the operation knows, and whether they are given.
    pub(crate) legacy: &'r [(&'static str, bool)],
    pub(crate) names: Option<&'a BTreeMap<String, String>>,
    pub(crate) values: Option<&'a Map>,
}

/// What the placeholders stand for, and which of them were used.
#[derive(Default)]
pub(crate) struct Placeholders<'a> {
    names: Option<&'a BTreeMap<String, String>>,
    values: Option<&'a Map>,
    /// The values by their keys, which ascend.
    constants: Vec<(&'a str, Constant)>,
    /// Those that were met, as they stand in the expressions.
    used: Vec<&'a str>,
}

impl<'a> Parameters<'_, 'a> {
    /// Checks what holds before any expression is read.
    pub(crate) fn open(self) -> Result<Placeholders<'a>, ValidationError> {
        let any = self.expressions.iter().any(|(_, text)| text.is_some());
        if any && self.legacy.iter().any(|(_, given)| *given) {
            self.not_mixed()?;
        }
        if self.names.is_some() && !any {
            return Err(ValidationError::new(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if self.values.is_some() && !any {
            return Err(self.values_without_expression());
        }
        Placeholders::new(self.names, self.values)
    }

    fn not_mixed(&self) -> Result<(), ValidationError> {
        // KeyConditions may stand beside expressions, unless it is one of the key condition.
        let key_condition = self
            .expressions
            .iter()
            .any(|(name, text)| *name == "KeyConditionExpression" && text.is_some());
        let legacy: Vec<&str> = self
            .legacy
            .iter()
            .filter(|(name, given)| *given && (key_condition || *name != "KeyConditions"))
            .map(|(name, _)| *name)
            .collect();
        if legacy.is_empty() {
            return Ok(());
        }
        let given: Vec<&str> = self
            .expressions
            .iter()
            .filter(|(_, text)| text.is_some())
            .map(|(name, _)| *name)
            .collect();
        Err(ValidationError::new(format!(
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
             {{{}}} Expression parameters: {{{}}}",
            legacy.join(", "),
            given.join(", ")
        )))
    }

    fn values_without_expression(&self) -> ValidationError {
        // A projection has no values.
        let names: Vec<&str> = self
            .expressions
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "ProjectionExpression")
            .collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        ValidationError::new(format!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
            names.join(" and ")
        ))
    }
}

impl<'a> Placeholders<'a> {
    /// Checks the keys of both, and what they stand for.
    pub(crate) fn new(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a Map>,
    ) -> Result<Self, ValidationError> {
        if let Some(names) = names {
            check_names(names)?;
        }
        if let Some(values) = values {
            check_values(values)?;
        }
        let constants = values
            .iter()
            .flat_map(|values| values.iter())
            .map(|(key, value)| (key, Constant::from(value.clone())))
            .collect();
        Ok(Self {
            names,
            values,
            constants,
            used: Vec::new(),
        })
    }

    /// The name of a placeholder, which is used hereby.
    pub(crate) fn name(&mut self, placeholder: &'a str) -> Result<&'a str, String> {
        self.used.push(placeholder);
        self.defined_name(placeholder).ok_or_else(|| {
            format!(
                "An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            )
        })
    }

    /// The value of a placeholder, which is used hereby.
    pub(crate) fn value(&mut self, placeholder: &'a str) -> Result<&'a AttributeValue, String> {
        self.used.push(placeholder);
        self.defined_value(placeholder).ok_or_else(|| {
            format!(
                "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            )
        })
    }

    fn defined_name(&self, placeholder: &str) -> Option<&'a str> {
        self.names?.get(placeholder).map(String::as_str)
    }

    /// The value of a placeholder, if it is defined.
    pub(crate) fn defined_value(&self, placeholder: &str) -> Option<&'a AttributeValue> {
        self.values?.get(placeholder)
    }

    /// The value of a placeholder of an expression that was checked.
    pub(crate) fn checked_value(&self, placeholder: &str) -> Constant {
        let at = self
            .constants
            .binary_search_by_key(&placeholder, |(key, _)| *key);
        match at.ok().and_then(|at| self.constants.get(at)) {
            Some((_, constant)) => constant.clone(),
            None => AttributeValue::Null.into(),
        }
    }

    /// The path of steps of an expression that was checked.
    pub(crate) fn checked_path(&self, steps: &[Step<'a>]) -> Path {
        let name = |step: &Step<'a>| match *step {
            Step::Attribute(name) => Part::Name(name.into()),
            Step::Name(placeholder) => {
                Part::Name(self.defined_name(placeholder).unwrap_or_default().into())
            }
            Step::Index(index) => Part::Index(index as usize),
        };
        let mut parts = steps.iter().map(name);
        Path {
            head: match parts.next() {
                Some(Part::Name(head)) => head,
                _ => Box::default(),
            },
            rest: parts.collect(),
        }
    }

    /// To be called when all expressions of the request have been checked.
    pub(crate) fn all_used(&mut self) -> Result<(), ValidationError> {
        self.used.sort_unstable();
        let used = &self.used;
        let unused = |field: &str, keys: &mut dyn Iterator<Item = &'a str>| {
            // A message need not repeat a megabyte.
            let keys: Vec<&str> = keys
                .filter(|key| used.binary_search(key).is_err())
                .take(100)
                .collect();
            if keys.is_empty() {
                return Ok(());
            }
            Err(ValidationError::new(format!(
                "Value provided in {field} unused in expressions: keys: {{{}}}",
                keys.join(", ")
            )))
        };
        if let Some(names) = self.names {
            unused(
                "ExpressionAttributeNames",
                &mut names.keys().map(String::as_str),
            )?;
        }
        if let Some(values) = self.values {
            unused("ExpressionAttributeValues", &mut values.keys())?;
        }
        Ok(())
    }
}

fn check_names(names: &BTreeMap<String, String>) -> Result<(), ValidationError> {
    let field = "ExpressionAttributeNames";
    check_size(
        field,
        names.len(),
        names.iter().map(|(key, name)| key.len() + name.len()),
    )?;
    for (key, name) in names {
        check_key(field, key, '#')?;
        let problem = match name.len() {
            0 => "Empty attribute name",
            1..=crate::names::MAX_ATTRIBUTE_NAME => continue,
            _ => "Attribute name is too large, must be less than 65536 bytes",
        };
        return Err(ValidationError::new(format!(
            "{field} contains invalid value: {problem} for key {key}"
        )));
    }
    Ok(())
}

fn check_values(values: &Map) -> Result<(), ValidationError> {
    let field = "ExpressionAttributeValues";
    // Nesting is known to be bounded before the size is counted.
    for (key, value) in values.iter() {
        check_key(field, key, ':')?;
        validate_value(value).map_err(|error| {
            ValidationError::new(format!(
                "{field} contains invalid value: {error} for key {key}"
            ))
        })?;
    }
    check_size(
        field,
        values.len(),
        values
            .iter()
            .map(|(key, value)| key.len() + value_size(value)),
    )
}

fn check_size(
    field: &str,
    count: usize,
    sizes: impl Iterator<Item = usize>,
) -> Result<(), ValidationError> {
    if count == 0 {
        return Err(ValidationError::new(format!("{field} must not be empty")));
    }
    if sizes.sum::<usize>() > MAX_PLACEHOLDERS_SIZE {
        return Err(ValidationError::new(format!("{field} exceeds max size")));
    }
    Ok(())
}

fn check_key(field: &str, key: &str, sign: char) -> Result<(), ValidationError> {
    let well_formed = key.strip_prefix(sign).is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    let problem = if key.len() > MAX_PLACEHOLDER {
        "The expression attribute map contains a key that is too long".to_owned()
    } else if well_formed {
        return Ok(());
    } else {
        format!("Syntax error; key: \"{key}\"")
    };
    Err(ValidationError::new(format!(
        "{field} contains invalid key: {problem}"
    )))
}
