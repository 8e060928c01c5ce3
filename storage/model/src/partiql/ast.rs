//! Statements as they are read. They print as PartiQL, in one form: what is printed is read as the same statement.

use std::fmt;

use crate::expr::condition::Comparator;
use crate::expr::path::{Part as Step, Path};
use crate::ops::ReturnValue;
use crate::value::{AttributeType, AttributeValue};

/// A statement.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Statement {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    /// `EXISTS(…)`: a condition of an item that a transaction does not write.
    Exists(Select),
}

/// `SELECT … FROM … [WHERE …] [ORDER BY …]`
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Select {
    /// `None`: `*`.
    pub(super) columns: Option<Vec<Path>>,
    pub(super) table: String,
    pub(super) index: Option<String>,
    pub(super) condition: Option<Condition>,
    pub(super) order: Vec<Order>,
}

/// One entry of ORDER BY.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Order {
    pub(super) path: Path,
    pub(super) descending: bool,
}

/// `INSERT INTO … VALUE …`
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Insert {
    pub(super) table: String,
    pub(super) item: Value,
}

/// `UPDATE … (SET … | REMOVE …)… [WHERE …] [RETURNING …]`
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Update {
    pub(super) table: String,
    /// At least one.
    pub(super) changes: Vec<Change>,
    pub(super) condition: Option<Condition>,
    pub(super) returning: ReturnValue,
}

/// `DELETE FROM … [WHERE …] [RETURNING …]`
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Delete {
    pub(super) table: String,
    pub(super) condition: Option<Condition>,
    pub(super) returning: ReturnValue,
}

/// A change of an attribute, or of what is nested in one.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Change {
    Set(Path, Source),
    Remove(Path),
}

/// What a path is set to.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Source {
    Operand(SetOperand),
    Plus(SetOperand, SetOperand),
    Minus(SetOperand, SetOperand),
    /// `set_add(path, value)`
    SetAdd(Path, Value),
    /// `set_delete(path, value)`
    SetDelete(Path, Value),
}

#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum SetOperand {
    Path(Path),
    Value(Value),
    /// `list_append(operand, operand)`
    ListAppend(Box<SetOperand>, Box<SetOperand>),
}

/// A value as it is written.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Value {
    /// A string, number, truth value or null.
    Scalar(AttributeValue),
    /// `?`: which of the parameters, from 0.
    Parameter(usize),
    List(Vec<Value>),
    /// In the order in which it is written.
    Map(Vec<(String, Value)>),
    /// `<<…>>`
    Set(Vec<Value>),
}

/// A condition.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Condition {
    /// Two or more.
    Or(Vec<Condition>),
    /// Two or more.
    And(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    /// A list, or a parameter that is one.
    In(Operand, Value),
    /// `IS MISSING`
    IsMissing(Path),
    /// `IS` and the name of a type.
    Is(Path, AttributeType),
    /// `begins_with(…, …)`
    BeginsWith(Operand, Operand),
    /// `contains(…, …)`
    Contains(Operand, Operand),
    /// `attribute_type(…, …)`
    HasType(Operand, Value),
}

/// What is compared.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Operand {
    Path(Path),
    Value(Value),
    /// `size(…)`
    Size(Path),
}

/// The names of types that `IS` knows, each type's own first. Sets have none.
pub(super) const TYPE_NAMES: [(&str, AttributeType); 12] = [
    ("NULL", AttributeType::Null),
    ("BOOLEAN", AttributeType::Bool),
    ("BOOL", AttributeType::Bool),
    ("NUMERIC", AttributeType::N),
    ("DECIMAL", AttributeType::N),
    ("INTEGER", AttributeType::N),
    ("FLOAT", AttributeType::N),
    ("STRING", AttributeType::S),
    ("BLOB", AttributeType::B),
    ("LIST", AttributeType::L),
    ("STRUCT", AttributeType::M),
    ("TUPLE", AttributeType::M),
];

impl Statement {
    pub(super) fn table(&self) -> &str {
        match self {
            Statement::Select(select) | Statement::Exists(select) => &select.table,
            Statement::Insert(insert) => &insert.table,
            Statement::Update(update) => &update.table,
            Statement::Delete(delete) => &delete.table,
        }
    }

    pub(super) fn returning(&self) -> ReturnValue {
        match self {
            Statement::Update(update) => update.returning,
            Statement::Delete(delete) => delete.returning,
            Statement::Select(_) | Statement::Exists(_) | Statement::Insert(_) => ReturnValue::None,
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Select(select) => select.fmt(f),
            Statement::Exists(select) => write!(f, "EXISTS({select})"),
            Statement::Insert(Insert { table, item }) => {
                write!(f, "INSERT INTO {} VALUE {item}", Name(table))
            }
            Statement::Update(update) => {
                write!(f, "UPDATE {}", Name(&update.table))?;
                update
                    .changes
                    .iter()
                    .try_for_each(|change| write!(f, " {change}"))?;
                write_end(f, update.condition.as_ref(), update.returning)
            }
            Statement::Delete(delete) => {
                write!(f, "DELETE FROM {}", Name(&delete.table))?;
                write_end(f, delete.condition.as_ref(), delete.returning)
            }
        }
    }
}

fn write_end(
    f: &mut fmt::Formatter<'_>,
    condition: Option<&Condition>,
    returning: ReturnValue,
) -> fmt::Result {
    if let Some(condition) = condition {
        write!(f, " WHERE {condition}")?;
    }
    match returned(returning) {
        None => Ok(()),
        Some(returned) => write!(f, " RETURNING {returned} *"),
    }
}

/// What a RETURNING clause says of its items; `None` if there is no such clause.
pub(super) fn returned(returning: ReturnValue) -> Option<&'static str> {
    match returning {
        ReturnValue::None => None,
        ReturnValue::AllOld => Some("ALL OLD"),
        ReturnValue::AllNew => Some("ALL NEW"),
        ReturnValue::UpdatedOld => Some("MODIFIED OLD"),
        ReturnValue::UpdatedNew => Some("MODIFIED NEW"),
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        match &self.columns {
            None => f.write_str("*")?,
            Some(columns) => write_list(f, columns, |f, path| Quoted(path).fmt(f))?,
        }
        write!(f, " FROM {}", Name(&self.table))?;
        if let Some(index) = &self.index {
            write!(f, ".{}", Name(index))?;
        }
        write_end(f, self.condition.as_ref(), ReturnValue::None)?;
        if self.order.is_empty() {
            return Ok(());
        }
        f.write_str(" ORDER BY ")?;
        write_list(f, &self.order, |f, order| {
            let direction = if order.descending { "DESC" } else { "ASC" };
            write!(f, "{} {direction}", Quoted(&order.path))
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Remove(path) => write!(f, "REMOVE {}", Quoted(path)),
            Change::Set(path, source) => write!(f, "SET {} = {source}", Quoted(path)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Operand(operand) => operand.fmt(f),
            Source::Plus(left, right) => write!(f, "{left} + {right}"),
            Source::Minus(left, right) => write!(f, "{left} - {right}"),
            Source::SetAdd(path, value) => write!(f, "set_add({}, {value})", Quoted(path)),
            Source::SetDelete(path, value) => write!(f, "set_delete({}, {value})", Quoted(path)),
        }
    }
}

impl fmt::Display for SetOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetOperand::Path(path) => Quoted(path).fmt(f),
            SetOperand::Value(value) => value.fmt(f),
            SetOperand::ListAppend(first, second) => write!(f, "list_append({first}, {second})"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let display = |f: &mut fmt::Formatter<'_>, value: &Value| value.fmt(f);
        match self {
            Value::Scalar(AttributeValue::S(text)) => write_quoted(f, text, '\''),
            Value::Scalar(AttributeValue::N(number)) => number.fmt(f),
            Value::Scalar(AttributeValue::Bool(true)) => f.write_str("TRUE"),
            Value::Scalar(AttributeValue::Bool(false)) => f.write_str("FALSE"),
            // The other types are written in other ways.
            Value::Scalar(_) => f.write_str("NULL"),
            Value::Parameter(_) => f.write_str("?"),
            Value::List(list) => {
                f.write_str("[")?;
                write_list(f, list, display)?;
                f.write_str("]")
            }
            Value::Set(set) => {
                f.write_str("<<")?;
                write_list(f, set, display)?;
                f.write_str(">>")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                write_list(f, map, |f, (name, value)| {
                    write_quoted(f, name, '\'')?;
                    write!(f, ": {value}")
                })?;
                f.write_str("}")
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Or(parts) => write_joined(f, parts, " OR "),
            Condition::And(parts) => write_joined(f, parts, " AND "),
            Condition::Not(part) => write!(f, "NOT {}", Part(part)),
            Condition::Compare(left, comparator, right) => {
                write!(f, "{left} {} {right}", comparator.symbol())
            }
            Condition::Between(value, low, high) => write!(f, "{value} BETWEEN {low} AND {high}"),
            Condition::In(value, list) => write!(f, "{value} IN {list}"),
            Condition::IsMissing(path) => write!(f, "{} IS MISSING", Quoted(path)),
            Condition::Is(path, kind) => {
                let name = TYPE_NAMES.iter().find(|(_, named)| named == kind);
                write!(
                    f,
                    "{} IS {}",
                    Quoted(path),
                    name.map_or("NULL", |(name, _)| *name)
                )
            }
            Condition::BeginsWith(value, prefix) => write!(f, "begins_with({value}, {prefix})"),
            Condition::Contains(value, part) => write!(f, "contains({value}, {part})"),
            Condition::HasType(value, kind) => write!(f, "attribute_type({value}, {kind})"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Path(path) => Quoted(path).fmt(f),
            Operand::Value(value) => value.fmt(f),
            Operand::Size(path) => write!(f, "size({})", Quoted(path)),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], joint: &str) -> fmt::Result {
    for (count, part) in parts.iter().enumerate() {
        if count > 0 {
            f.write_str(joint)?;
        }
        write!(f, "{}", Part(part))?;
    }
    Ok(())
}

/// A condition within another.
struct Part<'a>(&'a Condition);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            joined @ (Condition::Or(_) | Condition::And(_)) => write!(f, "({joined})"),
            other => other.fmt(f),
        }
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (count, element) in list.iter().enumerate() {
        if count > 0 {
            f.write_str(", ")?;
        }
        write(f, element)?;
    }
    Ok(())
}

/// A name in quotation marks.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quoted(f, self.0, '"')
    }
}

/// A path whose names are in quotation marks.
struct Quoted<'a>(&'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Name(&self.0.head).fmt(f)?;
        self.0.rest.iter().try_for_each(|part| match part {
            Step::Name(name) => write!(f, ".{}", Name(name)),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str, mark: char) -> fmt::Result {
    use fmt::Write;
    f.write_char(mark)?;
    for character in text.chars() {
        if character == mark {
            f.write_char(mark)?;
        }
        f.write_char(character)?;
    }
    f.write_char(mark)
}

/// Statements quote data: the table, and what kind of statement it is.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Statement::Select(_) => "Select",
            Statement::Exists(_) => "Exists",
            Statement::Insert(_) => "Insert",
            Statement::Update(_) => "Update",
            Statement::Delete(_) => "Delete",
        };
        write!(f, "{kind}({})", self.table())
    }
}
