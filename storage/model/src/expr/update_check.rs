//! What holds for every UpdateExpression before an item is known: functions, reserved words, placeholders, types of operands,
//! and paths that do not get in each other's way. The order of the checks is AWS's, as in [`super::check`].

use crate::expr::check::{
    Check, REDUNDANT_PARENTHESES, UPDATE_FUNCTIONS, check_length, check_operators, count_functions,
    each_within, known_update_function, mistyped, no_reserved_step, path_fits, requires_path,
    takes,
};
use crate::expr::condition::{Function, Operand};
use crate::expr::path::{Path, PathTree};
use crate::expr::placeholders::Placeholders;
use crate::expr::update_grammar::{Action, Change, Parsed, Value, parse};
use crate::value::{AttributeType, AttributeValue};

/// Reads and checks an update; gives it with its paths.
pub(super) fn read<'a>(
    source: &'a str,
    placeholders: &mut Placeholders<'a>,
) -> Result<(Vec<Action<'a>>, Vec<Path>, PathTree), String> {
    check_length(source)?;
    let Parsed {
        actions,
        redundant_parentheses,
        repeated,
    } = parse(source).map_err(|error| error.to_string())?;
    if redundant_parentheses {
        return Err(REDUNDANT_PARENTHESES.to_owned());
    }
    not_reserved(&actions)?;
    each_operand(&actions, &mut |operand| match operand {
        Operand::Function(function) => known_update_function(function),
        _ => Ok(()),
    })?;
    if let Some(clause) = repeated {
        return Err(format!(
            "The \"{clause}\" section can only be used once in an update expression;"
        ));
    }
    names_defined(&actions, placeholders)?;
    values_defined(&actions, placeholders)?;
    let paths: Vec<Path> = actions
        .iter()
        .map(|action| placeholders.checked_path(&action.path))
        .collect();
    let tree = PathTree::new(paths.iter())?;
    check_operators(count_operators(&actions))?;
    each_operand(&actions, &mut |operand| match operand {
        Operand::Function(function) => takes(function, &UPDATE_FUNCTIONS),
        _ => Ok(()),
    })?;
    actions
        .iter()
        .try_for_each(|action| change_fits(&action.change, placeholders))?;
    Ok((actions, paths, tree))
}

/// How many functions there are, and sums and differences.
fn count_operators(actions: &[Action<'_>]) -> usize {
    let sums = actions.iter().filter(|action| {
        matches!(
            action.change,
            Change::Set(Value::Plus(..) | Value::Minus(..))
        )
    });
    sums.count() + count_functions(|check| each_operand(actions, check))
}

/// The placeholders of names are defined, of those that are changed and of those that are read.
fn names_defined<'a>(actions: &[Action<'a>], placeholders: &mut Placeholders<'a>) -> Check {
    for action in actions {
        path_fits(&action.path, placeholders)?;
        for operand in operands(&action.change).into_iter().flatten() {
            each_within(operand, &mut |operand| match operand {
                Operand::Path(steps) => path_fits(steps, placeholders),
                _ => Ok(()),
            })?;
        }
    }
    Ok(())
}

/// The placeholders of values are defined.
fn values_defined<'a>(actions: &[Action<'a>], placeholders: &mut Placeholders<'a>) -> Check {
    for action in actions {
        if let Change::Add(placeholder) | Change::Delete(placeholder) = action.change {
            placeholders.value(placeholder)?;
        }
        for operand in operands(&action.change).into_iter().flatten() {
            each_within(operand, &mut |operand| match operand {
                Operand::Value(placeholder) => placeholders.value(placeholder).map(drop),
                _ => Ok(()),
            })?;
        }
    }
    Ok(())
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

fn change_fits<'a>(change: &Change<'a>, placeholders: &Placeholders<'a>) -> Check {
    for operand in operands(change).into_iter().flatten() {
        each_within(operand, &mut |operand| match operand {
            Operand::Function(function) => function_fits(function, placeholders),
            _ => Ok(()),
        })?;
    }
    let kind_of = |placeholder: &str| {
        placeholders
            .defined_value(placeholder)
            .map_or(AttributeType::Null, AttributeValue::attribute_type)
    };
    match change {
        Change::Set(Value::Operand(_)) | Change::Remove => Ok(()),
        Change::Set(Value::Plus(left, right)) => numbers("+", [left, right], placeholders),
        Change::Set(Value::Minus(left, right)) => numbers("-", [left, right], placeholders),
        Change::Add(placeholder) => {
            let kind = kind_of(placeholder);
            allowed("ADD", kind, kind == AttributeType::N || is_set(kind))
        }
        Change::Delete(placeholder) => {
            let kind = kind_of(placeholder);
            allowed("DELETE", kind, is_set(kind))
        }
    }
}

fn function_fits<'a>(function: &Function<'a>, placeholders: &Placeholders<'a>) -> Check {
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

fn numbers<'a>(operator: &str, sides: [&Operand<'a>; 2], placeholders: &Placeholders<'a>) -> Check {
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
