//! What holds for every condition, whatever it is used for: which functions there are and where they may stand, which
//! names are reserved, whether placeholders are defined, and which types operands may have.
//!
//! The order of the checks is AWS's, as far as it is known: an expression with two faults is reported by the first.

use crate::error::ValidationError;
use crate::expr::condition::{Comparator, Condition, Function, Operand, Parsed, parse};
use crate::expr::parser::Step;
use crate::expr::path::MAX_PATH;
use crate::expr::placeholders::Placeholders;
use crate::expr::reserved::is_reserved;
use crate::size::base64;
use crate::value::{AttributeType, AttributeValue};

/// Longest expression, in bytes.
const MAX_EXPRESSION: usize = 4096;
/// Most operators and functions of an expression.
pub(crate) const MAX_OPERATORS: usize = 300;
/// Most operands of IN, without the one that is looked for.
const MAX_IN_OPERANDS: usize = 100;

/// Reads and checks the condition of the request's field `field`.
pub(crate) fn parse_condition<'a>(
    field: &str,
    source: &'a str,
    placeholders: &mut Placeholders<'a>,
) -> Result<Condition<'a>, ValidationError> {
    invalid(field, read(source, placeholders))
}

fn read<'a>(source: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Condition<'a>, String> {
    check_length(source)?;
    let Parsed {
        condition,
        redundant_parentheses,
    } = parse(source).map_err(|error| error.to_string())?;
    if redundant_parentheses {
        return Err(REDUNDANT_PARENTHESES.to_owned());
    }
    for check in [known_functions, functions_in_place, not_reserved] {
        each_predicate(&condition, &mut |predicate| check(predicate))?;
    }
    each_predicate(&condition, &mut |predicate| {
        each_operand(predicate, &mut |operand| {
            operand_defined(operand, placeholders)
        })
    })?;
    check_operators(count_operators(&condition))?;
    for check in [operand_counts, operands_distinct, operand_types] {
        each_predicate(&condition, &mut |predicate| check(predicate, placeholders))?;
    }
    Ok(condition)
}

/// The message of parentheses around parentheses.
pub(crate) const REDUNDANT_PARENTHESES: &str = "The expression has redundant parentheses;";

/// The result of checking the expression of the request's field `field`.
pub(crate) fn invalid<T>(field: &str, result: Result<T, String>) -> Result<T, ValidationError> {
    result.map_err(|detail| ValidationError::new(format!("Invalid {field}: {detail}")))
}

/// An expression is neither empty nor too long.
pub(crate) fn check_length(source: &str) -> Check {
    match source.len() {
        0 => Err("The expression can not be empty;".to_owned()),
        1..=MAX_EXPRESSION => Ok(()),
        length => Err(format!(
            "Expression size has exceeded the maximum allowed size; expression size: {length}"
        )),
    }
}

/// An expression has not too many operators.
pub(crate) fn check_operators(count: usize) -> Check {
    if count <= MAX_OPERATORS {
        return Ok(());
    }
    Err(format!(
        "The expression contains too many operators; operator count: {}",
        MAX_OPERATORS + 1
    ))
}

/// How many operators there are: ANDs, ORs, NOTs, comparisons and functions.
fn count_operators(condition: &Condition<'_>) -> usize {
    match condition {
        Condition::Or(parts) | Condition::And(parts) => {
            parts.len() - 1 + parts.iter().map(count_operators).sum::<usize>()
        }
        Condition::Not(part) => 1 + count_operators(part),
        predicate => 1 + count_functions(|check| each_operand(predicate, check)),
    }
}

/// How many functions there are among the operands that `each` goes over.
pub(crate) fn count_functions<'c, 'a: 'c>(
    each: impl FnOnce(&mut dyn FnMut(&'c Operand<'a>) -> Check) -> Check,
) -> usize {
    let mut count = 0;
    let counted = each(&mut |operand| {
        count += usize::from(matches!(operand, Operand::Function(_)));
        Ok(())
    });
    debug_assert!(counted.is_ok(), "counting refuses nothing");
    count
}

/// The faults of an expression, without the field's name.
pub(crate) type Check = Result<(), String>;

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
    let mut each = |operand| each_within(operand, check);
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

/// Calls `check` for each operand within an operand, and then for itself.
pub(crate) fn each_within<'c, 'a>(
    operand: &'c Operand<'a>,
    check: &mut dyn FnMut(&'c Operand<'a>) -> Check,
) -> Check {
    if let Operand::Function(function) = operand {
        function
            .arguments
            .iter()
            .try_for_each(|argument| each_within(argument, check))?;
    }
    check(operand)
}

/// The functions of conditions, and how many operands each takes.
const CONDITION_FUNCTIONS: [(&str, usize); 6] = [
    ("attribute_exists", 1),
    ("attribute_not_exists", 1),
    ("attribute_type", 2),
    ("begins_with", 2),
    ("contains", 2),
    ("size", 1),
];

/// The functions of updates.
pub(crate) const UPDATE_FUNCTIONS: [(&str, usize); 2] = [("if_not_exists", 2), ("list_append", 2)];

fn is_one_of(name: &str, functions: &[(&str, usize)]) -> bool {
    functions.iter().any(|(known, _)| *known == name)
}

/// Whether a function is one of an update.
pub(crate) fn known_update_function(function: &Function<'_>) -> Check {
    known_function(function, &UPDATE_FUNCTIONS, || {
        is_one_of(function.name, &CONDITION_FUNCTIONS).then_some("an update")
    })
}

/// Whether a function is one of `functions`; `foreign` names the kind of expression if it is one of another kind.
fn known_function(
    function: &Function<'_>,
    functions: &[(&str, usize)],
    foreign: impl FnOnce() -> Option<&'static str>,
) -> Check {
    let name = function.name;
    if is_one_of(name, functions) {
        return Ok(());
    }
    Err(match foreign() {
        Some(kind) => {
            format!("The function is not allowed in {kind} expression; function: {name}")
        }
        None => format!("Invalid function name; function: {name}"),
    })
}

fn known_functions(predicate: &Condition<'_>) -> Check {
    each_function(predicate, &mut |function| {
        known_function(function, &CONDITION_FUNCTIONS, || {
            is_one_of(function.name, &UPDATE_FUNCTIONS).then_some("a condition")
        })
    })
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
    each_operand(predicate, &mut |operand| match operand {
        Operand::Path(steps) => no_reserved_step(steps),
        _ => Ok(()),
    })
}

/// No name of a path is a reserved word.
pub(crate) fn no_reserved_step(steps: &[Step<'_>]) -> Check {
    steps.iter().try_for_each(|step| match step {
        Step::Attribute(name) if is_reserved(name) => Err(format!(
            "Attribute name is a reserved keyword; reserved keyword: {name}"
        )),
        _ => Ok(()),
    })
}

/// A path is not too long, and its placeholders are defined.
pub(crate) fn path_fits<'a>(steps: &[Step<'a>], placeholders: &mut Placeholders<'a>) -> Check {
    if steps.len() > MAX_PATH {
        return Err(format!(
            "The document path has too many nesting levels; nesting levels: {}",
            steps.len()
        ));
    }
    steps.iter().try_for_each(|step| match step {
        Step::Name(placeholder) => placeholders.name(placeholder).map(drop),
        _ => Ok(()),
    })
}

/// The placeholders of an operand, of itself alone, are defined.
pub(crate) fn operand_defined<'a>(
    operand: &Operand<'a>,
    placeholders: &mut Placeholders<'a>,
) -> Check {
    match operand {
        Operand::Value(placeholder) => placeholders.value(placeholder).map(drop),
        Operand::Path(steps) => path_fits(steps, placeholders),
        Operand::Function(_) => Ok(()),
    }
}

/// Functions, and IN, have as many operands as they take.
fn operand_counts<'a>(predicate: &Condition<'a>, _: &Placeholders<'a>) -> Check {
    each_function(predicate, &mut |function| {
        takes(function, &CONDITION_FUNCTIONS)
    })?;
    match predicate {
        Condition::In(_, list) if list.len() > MAX_IN_OPERANDS => Err(format!(
            "The IN operator is provided with too many operands; number of operands: {}",
            list.len()
        )),
        _ => Ok(()),
    }
}

/// Nothing is compared with itself.
fn operands_distinct<'a>(predicate: &Condition<'a>, placeholders: &Placeholders<'a>) -> Check {
    each_function(
        predicate,
        &mut |function| match function.arguments.as_slice() {
            [first, second] => distinct(function.name, first, [second], placeholders),
            _ => Ok(()),
        },
    )?;
    match predicate {
        Condition::Compare(left, comparator, right) => {
            distinct(comparator.symbol(), left, [right], placeholders)
        }
        Condition::Between(value, low, high) => {
            distinct("BETWEEN", value, [low, high], placeholders)
        }
        Condition::In(value, list) => distinct("IN", value, list, placeholders),
        _ => Ok(()),
    }
}

/// Operands are of types that their functions and operators take.
fn operand_types<'a>(predicate: &Condition<'a>, placeholders: &Placeholders<'a>) -> Check {
    each_function(predicate, &mut |function| {
        function_fits(function, placeholders)
    })?;
    match predicate {
        Condition::Compare(_, Comparator::Equal | Comparator::NotEqual, _) => Ok(()),
        Condition::Compare(left, comparator, right) => {
            ordered(comparator.symbol(), left, placeholders)?;
            ordered(comparator.symbol(), right, placeholders)
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

/// Calls `check` for each function of a predicate, the inner ones first.
fn each_function<'c, 'a>(
    predicate: &'c Condition<'a>,
    check: &mut dyn FnMut(&'c Function<'a>) -> Check,
) -> Check {
    each_operand(predicate, &mut |operand| match operand {
        Operand::Function(function) => check(function),
        _ => Ok(()),
    })?;
    match predicate {
        Condition::Function(function) => check(function),
        _ => Ok(()),
    }
}

/// A function has as many operands as it takes.
pub(crate) fn takes(function: &Function<'_>, functions: &[(&str, usize)]) -> Check {
    let count = function.arguments.len();
    if functions.contains(&(function.name, count)) {
        return Ok(());
    }
    Err(format!(
        "Incorrect number of operands for operator or function; operator or function: {}, number of operands: {count}",
        function.name
    ))
}

/// The error of an operand of a type that the operator or function does not take.
pub(crate) fn mistyped(operator: &str, kind: impl std::fmt::Display) -> Check {
    Err(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
    ))
}

fn function_fits<'a>(function: &Function<'a>, placeholders: &Placeholders<'a>) -> Check {
    let name = function.name;
    let arguments = function.arguments.as_slice();
    let mistyped = |kind: &dyn std::fmt::Display| mistyped(name, kind);
    match (name, arguments) {
        ("attribute_exists" | "attribute_not_exists", [argument])
            if !matches!(argument, Operand::Path(_)) =>
        {
            Err(requires_path(name))
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
            Some(AttributeValue::S(text)) if AttributeType::from_name(text).is_none() => {
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

/// The message of a function whose first operand must be a path.
pub(crate) fn requires_path(function: &str) -> String {
    format!("Operator or function requires a document path; operator or function: {function}")
}

fn value_of<'a>(
    operand: &Operand<'_>,
    placeholders: &Placeholders<'a>,
) -> Option<&'a AttributeValue> {
    match operand {
        Operand::Value(placeholder) => placeholders.defined_value(placeholder),
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
        Some(kind) => mistyped(operator, kind),
    }
}

/// A path compared with itself is a mistake.
fn distinct<'o, 'a: 'o>(
    operator: &str,
    first: &Operand<'a>,
    others: impl IntoIterator<Item = &'o Operand<'a>>,
    placeholders: &Placeholders<'a>,
) -> Check {
    let Operand::Path(first) = first else {
        return Ok(());
    };
    let first = placeholders.checked_path(first);
    let same = others.into_iter().any(|other| match other {
        Operand::Path(other) => placeholders.checked_path(other) == first,
        _ => false,
    });
    if !same {
        return Ok(());
    }
    Err(format!(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: \
         {operator}, first operand: {first}"
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

/// A value as AWS's messages show it; long ones are cut.
fn quoted(value: &AttributeValue) -> String {
    let content = match value {
        AttributeValue::S(text) => text.chars().take(100).collect(),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::B(bytes) => base64(bytes.get(..75).unwrap_or(bytes)),
        _ => String::new(),
    };
    format!("AttributeValue: {{{}:{content}}}", value.attribute_type())
}
