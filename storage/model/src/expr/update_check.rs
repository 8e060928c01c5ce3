//! What holds for every UpdateExpression before an item is known: functions, reserved words, placeholders, types of operands,
//! and paths that do not get in each other's way.

use crate::expr::check::{
    Check, REDUNDANT_PARENTHESES, UPDATE_FUNCTIONS, check_length, count_operators, each_within,
    known_update_function, mistyped, no_reserved_step, operand_defined, path_fits, requires_path,
    takes,
};
use crate::expr::condition::{Function, Operand};
use crate::expr::path::{Path, PathTree};
use crate::expr::placeholders::Placeholders;
use crate::expr::update_grammar::{Action, Change, Parsed, Value, parse};
use crate::value::AttributeType;

/// Reads and checks an update; gives it with its paths.
pub(super) fn read<'a>(
    source: &'a str,
    placeholders: &mut Placeholders<'a>,
) -> Result<(Vec<Action<'a>>, Vec<Path>, PathTree), String> {
    check_length(source)?;
    let Parsed {
        actions,
        redundant_parentheses,
    } = parse(source).map_err(|error| error.to_string())?;
    if redundant_parentheses {
        return Err(REDUNDANT_PARENTHESES.to_owned());
    }
    each_operand(&actions, &mut |operand| match operand {
        Operand::Function(function) => known_update_function(function),
        _ => Ok(()),
    })?;
    not_reserved(&actions)?;
    actions
        .iter()
        .try_for_each(|action| path_fits(&action.path, placeholders))?;
    let paths: Vec<Path> = actions
        .iter()
        .map(|action| placeholders.checked_path(&action.path))
        .collect();
    let tree = PathTree::new(paths.iter())?;
    let mut operators = 0;
    actions
        .iter()
        .try_for_each(|action| change_fits(&action.change, placeholders, &mut operators))?;
    Ok((actions, paths, tree))
}

fn operands<'c, 'a>(change: &'c Change<'a>) -> [Option<&'c Operand<'a>>; 2] {
    match change {
        Change::Set(Value::Operand(operand)) => [Some(operand), None],
        Change::Set(Value::Plus(left, right) | Value::Minus(left, right)) => {
            [Some(left), Some(right)]
        }
        Change::Remove | Change::Add(_) | Change::Delete(_) => [None, None],
    }
}

/// Calls `check` for each operand and each operand within them, the inner ones first.
fn each_operand<'c, 'a>(
    actions: &'c [Action<'a>],
    check: &mut dyn FnMut(&'c Operand<'a>) -> Check,
) -> Check {
    actions
        .iter()
        .flat_map(|action| operands(&action.change))
        .flatten()
        .try_for_each(|operand| each_within(operand, check))
}

fn not_reserved(actions: &[Action<'_>]) -> Check {
    for action in actions {
        no_reserved_step(&action.path)?;
        for operand in operands(&action.change).into_iter().flatten() {
            each_within(operand, &mut |operand| match operand {
                Operand::Path(steps) => no_reserved_step(steps),
                _ => Ok(()),
            })?;
        }
    }
    Ok(())
}

fn change_fits<'a>(
    change: &Change<'a>,
    placeholders: &mut Placeholders<'a>,
    operators: &mut usize,
) -> Check {
    for operand in operands(change).into_iter().flatten() {
        each_within(operand, &mut |operand| {
            operand_defined(operand, placeholders)?;
            match operand {
                Operand::Function(function) => {
                    count_operators(operators, 1)?;
                    function_fits(function, placeholders)
                }
                _ => Ok(()),
            }
        })?;
    }
    match change {
        Change::Set(Value::Operand(_)) | Change::Remove => Ok(()),
        Change::Set(Value::Plus(left, right)) => {
            numbers("+", [left, right], placeholders, operators)
        }
        Change::Set(Value::Minus(left, right)) => {
            numbers("-", [left, right], placeholders, operators)
        }
        Change::Add(placeholder) => {
            let kind = placeholders.value(placeholder)?.attribute_type();
            allowed("ADD", kind, kind == AttributeType::N || is_set(kind))
        }
        Change::Delete(placeholder) => {
            let kind = placeholders.value(placeholder)?.attribute_type();
            allowed("DELETE", kind, is_set(kind))
        }
    }
}

fn function_fits<'a>(function: &Function<'a>, placeholders: &Placeholders<'a>) -> Check {
    takes(function, &UPDATE_FUNCTIONS)?;
    match function.name {
        "if_not_exists" => match function.arguments.first() {
            Some(Operand::Path(_)) => Ok(()),
            _ => Err(requires_path(function.name)),
        },
        name => function.arguments.iter().try_for_each(|argument| {
            match operand_type(argument, placeholders) {
                None | Some(AttributeType::L) => Ok(()),
                Some(kind) => mistyped(name, kind),
            }
        }),
    }
}

fn numbers<'a>(
    operator: &str,
    sides: [&Operand<'a>; 2],
    placeholders: &Placeholders<'a>,
    operators: &mut usize,
) -> Check {
    count_operators(operators, 1)?;
    sides
        .into_iter()
        .try_for_each(|operand| match operand_type(operand, placeholders) {
            None | Some(AttributeType::N) => Ok(()),
            Some(kind) => mistyped(operator, kind),
        })
}

/// The type of an operand, if it is known before an item is.
fn operand_type(operand: &Operand<'_>, placeholders: &Placeholders<'_>) -> Option<AttributeType> {
    match operand {
        Operand::Path(_) => None,
        Operand::Value(placeholder) => {
            Some(placeholders.defined_value(placeholder)?.attribute_type())
        }
        Operand::Function(function) if function.name == "list_append" => Some(AttributeType::L),
        Operand::Function(_) => None,
    }
}

pub(super) fn is_set(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::Ss | AttributeType::Ns | AttributeType::Bs
    )
}

fn allowed(clause: &str, kind: AttributeType, allowed: bool) -> Check {
    if allowed {
        return Ok(());
    }
    let kind = match kind {
        AttributeType::S => "STRING",
        AttributeType::N => "NUMBER",
        AttributeType::B => "BINARY",
        AttributeType::Bool => "BOOLEAN",
        AttributeType::Null => "NULL",
        AttributeType::M => "MAP",
        AttributeType::L => "LIST",
        AttributeType::Ss => "STRING_SET",
        AttributeType::Ns => "NUMBER_SET",
        AttributeType::Bs => "BINARY_SET",
    };
    Err(format!(
        "Incorrect operand type for operator or function; operator: {clause}, operand type: {kind}, typeSet: \
         ALLOWED_FOR_{clause}_OPERAND"
    ))
}
