//! Step 2: the constraints of the service's model, all that are broken at once, ten at most.

use sealdb_model::{Constraints, TableName, ValidationError};

use super::fields::{Fields, Node};
use super::shape::{Member, Required, Shape, Text};

/// Longest text that a message repeats, in characters.
const SHOWN: usize = 300;

/// Checks all constraints of a request.
pub(super) fn constraints(fields: &Fields) -> Result<(), ValidationError> {
    for (member, node) in members(fields) {
        before_all(member, node)?;
    }
    let mut constraints = Constraints::default();
    structure(fields, "", &mut constraints);
    constraints.finish()
}

/// What is said by itself, before any constraint: of names of tables in operations on tables.
fn before_all(member: &Member, node: &Node) -> Result<(), ValidationError> {
    match (member.shape, node) {
        (_, Node::Absent) if member.required == Required::First => {
            Err(ValidationError::new(format!(
                "The parameter '{}' is required but was not present in the request",
                member.name
            )))
        }
        (Shape::Text(rules), Node::Text(value))
            if rules.length_first && !(rules.min..=rules.max).contains(&value.chars().count()) =>
        {
            Err(ValidationError::new(format!(
                "{} must be at least {} characters long and at most {} characters long",
                member.name, rules.min, rules.max
            )))
        }
        _ => Ok(()),
    }
}

fn members(fields: &Fields) -> impl Iterator<Item = (&'static Member, &Node)> {
    fields.structure.members.iter().zip(&fields.members)
}

fn structure(fields: &Fields, path: &str, constraints: &mut Constraints) {
    for (member, node) in members(fields) {
        if matches!(node, Node::Absent) {
            if member.required == Required::Constraint {
                constraints.not_null(&at(path, member.name));
            }
            continue;
        }
        if is_free(member.shape) {
            continue;
        }
        one(member.shape, node, &|| at(path, member.name), constraints);
    }
}

/// Whether nothing can be wrong with it: spares the hot ones a path.
fn is_free(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Boolean | Shape::Value | Shape::Map(Shape::Value, 0, usize::MAX)
    )
}

fn one(shape: &Shape, node: &Node, path: &dyn Fn() -> String, constraints: &mut Constraints) {
    match (shape, node) {
        (Shape::Text(rules), Node::Text(value)) => text(rules, value, path, constraints),
        (Shape::Integer(min, max) | Shape::Long(min, max), Node::Integer(value)) => {
            if value < min {
                constraints.at_least(*value, *min, &path());
            }
            if value > max {
                constraints.at_most(*value, *max, &path());
            }
        }
        (Shape::List(of, min, max), Node::List(list)) => {
            if !(*min..=*max).contains(&list.len()) {
                constraints.length(list.len(), *min, *max, show(node), &path());
            }
            elements(of, list, path, constraints);
        }
        (Shape::Map(of, min, max), Node::Map(map)) => {
            if !(*min..=*max).contains(&map.len()) {
                constraints.length(map.len(), *min, *max, show(node), &path());
            }
            values(of, node, map, path, constraints);
        }
        (Shape::ByTable(of, min, max), Node::Map(map)) => {
            if !(*min..=*max).contains(&map.len()) {
                constraints.length(map.len(), *min, *max, show(node), &path());
            }
            if !map.iter().all(|(table, _)| is_table_name(table)) {
                constraints.require(
                    false,
                    show(node),
                    &path(),
                    "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have \
                     length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
                );
            }
            values(of, node, map, path, constraints);
        }
        (Shape::Structure(_), Node::Structure(fields)) => structure(fields, &path(), constraints),
        (_, Node::Absent) => {
            constraints.not_null(&path());
        }
        _ => {}
    }
}

fn elements(of: &Shape, list: &[Node], path: &dyn Fn() -> String, constraints: &mut Constraints) {
    for (index, element) in list.iter().enumerate() {
        let path = || format!("{}.{}.member", path(), index + 1);
        one(of, element, &path, constraints);
    }
}

/// The values of a map. Lists that are too long are reported as the map's fault; one that is empty is the model's to refuse.
fn values(
    of: &Shape,
    node: &Node,
    map: &[(String, Node)],
    path: &dyn Fn() -> String,
    constraints: &mut Constraints,
) {
    for (name, value) in map {
        let below = || format!("{}.{name}.member", path());
        match (of, value) {
            (Shape::List(_, least, most), Node::List(list)) if list.len() > *most => {
                let rule = format_args!(
                    "Map value must satisfy constraint: [Member must have length less than or equal to {most}, Member must \
                     have length greater than or equal to {least}]"
                );
                constraints.require(false, show(node), &path(), rule);
                return;
            }
            (Shape::List(of, ..), Node::List(list)) => elements(of, list, &below, constraints),
            _ => one(of, value, &below, constraints),
        }
    }
}

fn text(rules: &Text, value: &str, path: &dyn Fn() -> String, constraints: &mut Constraints) {
    if rules.arn && TableName::of_arn(value).is_some() {
        return;
    }
    if !rules.values.is_empty() && !rules.values.contains(&value) {
        let set = rules.values.join(", ");
        constraints.require(
            false,
            shortened(value),
            &path(),
            format_args!("Member must satisfy enum value set: [{set}]"),
        );
    }
    if rules.name && !is_name(value) {
        constraints.require(
            false,
            shortened(value),
            &path(),
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        );
    }
    if rules.length_first {
        return;
    }
    // Bytes are at least as many as characters; only what looks wrong is counted.
    if value.len() < rules.min || value.len() > rules.max {
        let length = value.chars().count();
        constraints.length(length, rules.min, rules.max, shortened(value), &path());
    }
}

/// `[a-zA-Z0-9_.-]+`
fn is_name(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && text.bytes().all(is_name)
}

fn is_table_name(text: &str) -> bool {
    is_name(text) && (3..=255).contains(&text.len()) || TableName::of_arn(text).is_some()
}

/// The path of a member: names begin with a small letter.
fn at(path: &str, name: &str) -> String {
    let mut lower = name.to_owned();
    if let Some(first) = lower.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    match path {
        "" => lower,
        path => format!("{path}.{lower}"),
    }
}

/// A collection as Java prints it, not longer than a message should be.
fn show(node: &Node) -> String {
    let mut text = String::new();
    print(node, &mut text);
    shortened(&text).into_owned()
}

fn print(node: &Node, out: &mut String) {
    if out.len() > 4 * SHOWN {
        return;
    }
    let separate = |out: &mut String, first: &mut bool| {
        if !std::mem::take(first) {
            out.push_str(", ");
        }
    };
    let mut first = true;
    match node {
        Node::Absent => out.push_str("null"),
        Node::Boolean(value) => out.push_str(&value.to_string()),
        Node::Integer(value) => out.push_str(&value.to_string()),
        Node::Text(value) => out.push_str(value),
        Node::Value(_) => out.push_str("AttributeValue"),
        Node::Values(values) => {
            out.push('{');
            for name in values.keys().take(SHOWN) {
                separate(out, &mut first);
                out.push_str(name);
                out.push_str("=AttributeValue");
            }
            out.push('}');
        }
        Node::List(list) => {
            out.push('[');
            for element in list.iter().take(SHOWN) {
                separate(out, &mut first);
                print(element, out);
            }
            out.push(']');
        }
        Node::Map(map) => {
            out.push('{');
            for (name, value) in map.iter().take(SHOWN) {
                separate(out, &mut first);
                out.push_str(name);
                out.push('=');
                print(value, out);
            }
            out.push('}');
        }
        Node::Structure(fields) => {
            out.push_str(fields.structure.name);
            out.push('(');
            for (member, value) in members(fields) {
                separate(out, &mut first);
                out.push_str(&at("", member.name));
                out.push('=');
                print(value, out);
            }
            out.push(')');
        }
    }
}

fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}
