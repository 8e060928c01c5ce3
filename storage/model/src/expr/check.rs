//! What holds for every condition, whatever it is used for: which functions there are and where they may stand, which
//! names are reserved, whether placeholders are defined, and which types operands may have.
//!
//! The order of the checks is AWS's, as far as it is known: an expression with two faults is reported by the first.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::condition::{Comparator, Condition, Function, Operand, Parsed, Step, parse};
use crate::expr::reserved::is_reserved;
use crate::map::Map;
use crate::size::validate_value;
use crate::value::{AttributeType, AttributeValue};

/// Longest expression, in bytes.
pub(crate) const MAX_EXPRESSION: usize = 4096;

/// What the placeholders of a request's expressions stand for, and which of them were used.
pub(crate) struct Placeholders<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a Map,
    /// Those that were met, as they stand in the expressions.
    used: Vec<&'a str>,
}

impl<'a> Placeholders<'a> {
    /// Checks the keys of both, and the values.
    pub(crate) fn new(
        names: &'a BTreeMap<String, String>,
        values: &'a Map,
    ) -> Result<Self, ValidationError> {
        let is_placeholder = |key: &str, sign: char| {
            key.strip_prefix(sign).is_some_and(|rest| {
                !rest.is_empty()
                    && rest
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        let check = |field: &str, key: &str, sign| {
            if is_placeholder(key, sign) {
                return Ok(());
            }
            Err(ValidationError::new(format!(
                "{field} contains invalid key: Syntax error; key: \"{key}\""
            )))
        };
        for (key, name) in names {
            check("ExpressionAttributeNames", key, '#')?;
            if name.is_empty() || name.len() > crate::names::MAX_ATTRIBUTE_NAME {
                return Err(ValidationError::new(format!(
                    "ExpressionAttributeNames contains invalid value: Attribute name must be 1 to 65535 bytes long \
                     for key {key}"
                )));
            }
        }
        for (key, value) in values.iter() {
            check("ExpressionAttributeValues", key, ':')?;
            validate_value(value).map_err(|error| {
                ValidationError::new(format!(
                    "ExpressionAttributeValues contains invalid value: {error} for key {key}"
                ))
            })?;
        }
        Ok(Self {
            names,
            values,
            used: Vec::new(),
        })
    }

    fn name(&self, placeholder: &str) -> Result<&'a str, String> {
        self.names.get(placeholder).map(String::as_str).ok_or_else(|| {
            format!(
                "An expression attribute name used in the document path is not defined; attribute name: \
                 {placeholder}"
            )
        })
    }

    fn value(&self, placeholder: &str) -> Result<&'a AttributeValue, String> {
        self.values.get(placeholder).ok_or_else(|| {
            format!(
                "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            )
        })
    }

    /// The value of a placeholder of an expression that was checked.
    pub(crate) fn checked_value(&self, placeholder: &str) -> AttributeValue {
        self.values
            .get(placeholder)
            .cloned()
            .unwrap_or(AttributeValue::Null)
    }

    /// The name that a step of a checked expression stands for; an index has none.
    pub(crate) fn checked_name(&self, step: &Step<'a>) -> &'a str {
        match *step {
            Step::Attribute(name) => name,
            Step::Name(placeholder) => self.name(placeholder).unwrap_or_default(),
            Step::Index(_) => "",
        }
    }

    /// To be called when all expressions of the request have been checked.
    pub(crate) fn all_used(&self) -> Result<(), ValidationError> {
        let mut used = self.used.clone();
        used.sort_unstable();
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
        unused(
            "ExpressionAttributeNames",
            &mut self.names.keys().map(String::as_str),
        )?;
        unused("ExpressionAttributeValues", &mut self.values.keys())
    }
}

/// Reads and checks the condition of the request's field `field`.
pub(crate) fn parse_condition<'a>(
    field: &str,
    source: &'a str,
    placeholders: &mut Placeholders<'a>,
) -> Result<Condition<'a>, ValidationError> {
    let invalid = |detail: String| ValidationError::new(format!("Invalid {field}: {detail}"));
    if source.is_empty() {
        return Err(invalid("The expression can not be empty;".to_owned()));
    }
    if source.len() > MAX_EXPRESSION {
        return Err(invalid(format!(
            "Expression size has exceeded the maximum allowed size; expression size: {}",
            source.len()
        )));
    }
    let Parsed {
        condition,
        redundant_parentheses,
    } = parse(source).map_err(|error| invalid(error.to_string()))?;
    if redundant_parentheses {
        return Err(invalid(
            "The expression has redundant parentheses;".to_owned(),
        ));
    }
    for check in [known_functions, functions_in_place, not_reserved] {
        each_predicate(&condition, &mut |predicate| check(predicate)).map_err(invalid)?;
    }
    each_predicate(&condition, &mut |predicate| {
        operands_fit(predicate, placeholders)
    })
    .map_err(invalid)?;
    Ok(condition)
}

/// The faults of one predicate, without the field's name.
type Check = Result<(), String>;

/// Calls `check` for each condition that is not made of others, in the order of the text.
fn each_predicate<'a>(
    condition: &Condition<'a>,
    check: &mut dyn FnMut(&Condition<'a>) -> Check,
) -> Check {
    match condition {
        Condition::Or(parts) | Condition::And(parts) => parts
            .iter()
            .try_for_each(|part| each_predicate(part, check)),
        Condition::Not(part) => each_predicate(part, check),
        predicate => check(predicate),
    }
}

/// Calls `check` for each operand of a predicate and each operand within them, the inner ones first.
fn each_operand<'c, 'a>(
    predicate: &'c Condition<'a>,
    check: &mut dyn FnMut(&'c Operand<'a>) -> Check,
) -> Check {
    fn walk<'c, 'a>(
        operand: &'c Operand<'a>,
        check: &mut dyn FnMut(&'c Operand<'a>) -> Check,
    ) -> Check {
        if let Operand::Function(function) = operand {
            function
                .arguments
                .iter()
                .try_for_each(|argument| walk(argument, check))?;
        }
        check(operand)
    }
    let mut each = |operand| walk(operand, check);
    match predicate {
        Condition::Compare(left, _, right) => [left, right].into_iter().try_for_each(each),
        Condition::Between(value, low, high) => [value, low, high].into_iter().try_for_each(each),
        Condition::In(value, list) => {
            each(value)?;
            list.iter().try_for_each(each)
        }
        Condition::Function(function) => function.arguments.iter().try_for_each(each),
        Condition::Or(_) | Condition::And(_) | Condition::Not(_) => Ok(()),
    }
}

/// The functions, and how many operands each takes.
const FUNCTIONS: [(&str, usize); 6] = [
    ("attribute_exists", 1),
    ("attribute_not_exists", 1),
    ("attribute_type", 2),
    ("begins_with", 2),
    ("contains", 2),
    ("size", 1),
];

fn known_functions(predicate: &Condition<'_>) -> Check {
    let known = |function: &Function<'_>| {
        if FUNCTIONS.iter().any(|(name, _)| *name == function.name) {
            Ok(())
        } else {
            Err(format!(
                "Invalid function name; function: {}",
                function.name
            ))
        }
    };
    each_operand(predicate, &mut |operand| match operand {
        Operand::Function(function) => known(function),
        _ => Ok(()),
    })?;
    if let Condition::Function(function) = predicate {
        known(function)
    } else {
        Ok(())
    }
}

/// `size` gives a number and is an operand; all others give a truth value and are conditions.
fn functions_in_place(predicate: &Condition<'_>) -> Check {
    let misused = |name: &str| {
        Err(format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ))
    };
    each_operand(predicate, &mut |operand| match operand {
        Operand::Function(function) if function.name != "size" => misused(function.name),
        _ => Ok(()),
    })?;
    match predicate {
        Condition::Function(function) if function.name == "size" => misused(function.name),
        _ => Ok(()),
    }
}

fn not_reserved(predicate: &Condition<'_>) -> Check {
    each_operand(predicate, &mut |operand| {
        let Operand::Path(steps) = operand else {
            return Ok(());
        };
        steps.iter().try_for_each(|step| match step {
            Step::Attribute(name) if is_reserved(name) => Err(format!(
                "Attribute name is a reserved keyword; reserved keyword: {name}"
            )),
            _ => Ok(()),
        })
    })
}

/// Placeholders are defined; functions have as many operands as they take; operands differ and are of fitting types.
fn operands_fit<'a>(predicate: &Condition<'a>, placeholders: &mut Placeholders<'a>) -> Check {
    each_operand(predicate, &mut |operand| {
        match operand {
            Operand::Value(placeholder) => {
                placeholders.value(placeholder)?;
                placeholders.used.push(placeholder);
            }
            Operand::Path(steps) => {
                for step in steps {
                    if let Step::Name(placeholder) = step {
                        placeholders.name(placeholder)?;
                        placeholders.used.push(placeholder);
                    }
                }
            }
            Operand::Function(_) => {}
        }
        Ok(())
    })?;
    let placeholders = &*placeholders;
    each_operand(predicate, &mut |operand| match operand {
        Operand::Function(function) => function_fits(function, placeholders),
        _ => Ok(()),
    })?;
    match predicate {
        Condition::Function(function) => function_fits(function, placeholders),
        Condition::Compare(left, comparator, right) => {
            distinct(comparator.symbol(), left, right, placeholders)?;
            if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
                ordered(comparator.symbol(), left, placeholders)?;
                ordered(comparator.symbol(), right, placeholders)?;
            }
            Ok(())
        }
        Condition::Between(value, low, high) => {
            [value, low, high]
                .into_iter()
                .try_for_each(|operand| ordered("BETWEEN", operand, placeholders))?;
            bounds_fit(low, high, placeholders)
        }
        _ => Ok(()),
    }
}

fn function_fits(function: &Function<'_>, placeholders: &Placeholders<'_>) -> Check {
    let name = function.name;
    let arguments = function.arguments.as_slice();
    let takes = FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, takes)| *takes);
    if arguments.len() != takes {
        return Err(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: \
             {}",
            arguments.len()
        ));
    }
    if let [first, second] = arguments {
        distinct(name, first, second, placeholders)?;
    }
    let mistyped = |kind: &dyn std::fmt::Display| {
        Err(format!(
            "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
        ))
    };
    match (name, arguments) {
        ("attribute_exists" | "attribute_not_exists", [argument])
            if !matches!(argument, Operand::Path(_)) =>
        {
            Err(format!(
                "Operator or function requires a document path; operator or function: {name}"
            ))
        }
        ("begins_with", arguments) => {
            arguments
                .iter()
                .try_for_each(|argument| match operand_type(argument, placeholders) {
                    None | Some(AttributeType::S | AttributeType::B) => Ok(()),
                    Some(kind) => mistyped(&kind),
                })
        }
        ("attribute_type", [_, kind]) => match value_of(kind, placeholders) {
            Some(AttributeValue::S(text))
                if !AttributeType::ALL.iter().any(|known| known.name() == text) =>
            {
                Err(format!(
                    "Invalid attribute type name found; type: {text}, valid types: \
                     {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
                ))
            }
            Some(AttributeValue::S(_)) => Ok(()),
            Some(value) => mistyped(&value.attribute_type()),
            None => mistyped(&"{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        },
        ("size", [argument]) => match operand_type(argument, placeholders) {
            Some(kind @ (AttributeType::N | AttributeType::Bool | AttributeType::Null)) => {
                mistyped(&kind)
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn value_of<'a>(
    operand: &Operand<'_>,
    placeholders: &Placeholders<'a>,
) -> Option<&'a AttributeValue> {
    match operand {
        Operand::Value(placeholder) => placeholders.values.get(placeholder),
        _ => None,
    }
}

/// The type of an operand, if it is known before an item is.
fn operand_type(operand: &Operand<'_>, placeholders: &Placeholders<'_>) -> Option<AttributeType> {
    match operand {
        Operand::Function(function) if function.name == "size" => Some(AttributeType::N),
        operand => value_of(operand, placeholders).map(AttributeValue::attribute_type),
    }
}

/// Only strings, numbers and binaries have an order.
fn ordered(operator: &str, operand: &Operand<'_>, placeholders: &Placeholders<'_>) -> Check {
    match operand_type(operand, placeholders) {
        None | Some(AttributeType::S | AttributeType::N | AttributeType::B) => Ok(()),
        Some(kind) => Err(format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
        )),
    }
}

/// A path compared with itself is a mistake.
fn distinct(
    operator: &str,
    first: &Operand<'_>,
    second: &Operand<'_>,
    placeholders: &Placeholders<'_>,
) -> Check {
    let (Operand::Path(first), Operand::Path(second)) = (first, second) else {
        return Ok(());
    };
    let resolved = |steps: &[Step<'_>]| -> Vec<String> {
        steps
            .iter()
            .map(|step| match step {
                Step::Attribute(name) => (*name).to_owned(),
                Step::Name(placeholder) => placeholders
                    .name(placeholder)
                    .unwrap_or_default()
                    .to_owned(),
                Step::Index(index) => format!("[{index}]"),
            })
            .collect()
    };
    let first = resolved(first);
    if first != resolved(second) {
        return Ok(());
    }
    Err(format!(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: \
         {operator}, first operand: [{}]",
        first.join(", ")
    ))
}

fn bounds_fit(low: &Operand<'_>, high: &Operand<'_>, placeholders: &Placeholders<'_>) -> Check {
    let (Some(low), Some(high)) = (value_of(low, placeholders), value_of(high, placeholders))
    else {
        return Ok(());
    };
    let is_above = match (low, high) {
        (AttributeValue::S(low), AttributeValue::S(high)) => low > high,
        (AttributeValue::N(low), AttributeValue::N(high)) => low > high,
        (AttributeValue::B(low), AttributeValue::B(high)) => low > high,
        _ => {
            return Err(format!(
                "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: {}, \
                 upper bound operand: {}",
                quoted(low),
                quoted(high)
            ));
        }
    };
    if !is_above {
        return Ok(());
    }
    Err(format!(
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: \
         {}, upper bound operand: {}",
        quoted(low),
        quoted(high)
    ))
}

/// A value as AWS's messages show it; long ones are cut, binaries are given by their length.
fn quoted(value: &AttributeValue) -> String {
    let content = match value {
        AttributeValue::S(text) => text.chars().take(100).collect(),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::B(bytes) => format!("{} bytes", bytes.len()),
        _ => String::new(),
    };
    format!("AttributeValue: {{{}:{content}}}", value.attribute_type())
}
