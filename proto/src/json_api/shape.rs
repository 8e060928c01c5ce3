//! The service's model of requests as data: which members there are, of which types, under which constraints.
//!
//! Taken from the service model that botocore carries (`dynamodb/2012-08-10`). Members stand in the order in which the service
//! reports their constraints, as far as it is known, else in the model's.

/// A structure and its members.
#[derive(Debug)]
pub struct Structure {
    /// Its name in the service's model.
    pub name: &'static str,
    /// Its members.
    pub members: &'static [Member],
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there, and who says so.
    pub required: Required,
    /// Its type.
    pub shape: &'static Shape,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// No.
    No,
    /// It is reported with the other constraints: `Value null at '…' failed to satisfy constraint: Member must not be null`.
    Constraint,
    /// It is reported before all others: `The parameter '…' is required but was not present in the request`.
    First,
}

/// The type of a member, with its constraints.
#[derive(Debug)]
pub enum Shape {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits, in this range.
    Integer(i64, i64),
    /// A whole number of 64 bits, in this range.
    Long(i64, i64),
    /// A string.
    Text(Text),
    /// An attribute value.
    Value,
    /// A list of so many elements.
    List(&'static Shape, usize, usize),
    /// A map of strings to so many values.
    Map(&'static Shape, usize, usize),
    /// The same, of which the strings are names of tables.
    ByTable(&'static Shape, usize, usize),
    /// A structure.
    Structure(&'static Structure),
}

/// The constraints of a string.
#[derive(Debug)]
pub struct Text {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Whether it is a name of `[a-zA-Z0-9_.-]+`.
    pub name: bool,
    /// Whether it may be the ARN of a table instead.
    pub arn: bool,
    /// Whether its length is checked before all constraints, with a message of its own: `TableName must be at least …`.
    pub length_first: bool,
    /// The values of an enumeration, in the service's order; empty: any.
    pub values: &'static [&'static str],
}

const ANY: usize = usize::MAX;

impl Shape {
    pub(super) const fn text(min: usize, max: usize) -> Shape {
        Shape::Text(Text {
            min,
            max,
            name: false,
            arn: false,
            length_first: false,
            values: &[],
        })
    }

    pub(super) const fn one_of(values: &'static [&'static str]) -> Shape {
        Shape::Text(Text {
            min: 0,
            max: ANY,
            name: false,
            arn: false,
            length_first: false,
            values,
        })
    }

    /// The type as the service's messages name it, inside of collections.
    pub(super) fn java(&self) -> String {
        match self {
            Shape::Boolean => "java.lang.Boolean".to_owned(),
            Shape::Integer(..) => "java.lang.Integer".to_owned(),
            Shape::Long(..) => "java.lang.Long".to_owned(),
            Shape::Text(_) => "java.lang.String".to_owned(),
            Shape::Value => "com.amazonaws.dynamodb.v20120810.AttributeValue".to_owned(),
            Shape::List(of, ..) => format!("java.util.List<{}>", of.java()),
            Shape::Map(of, ..) | Shape::ByTable(of, ..) => {
                format!("java.util.Map<java.lang.String, {}>", of.java())
            }
            Shape::Structure(structure) => {
                format!("com.amazonaws.dynamodb.v20120810.{}", structure.name)
            }
        }
    }
}

const fn name(arn: bool, length_first: bool) -> Shape {
    Shape::Text(Text {
        min: 3,
        max: 255,
        name: true,
        arn,
        length_first,
        values: &[],
    })
}

pub(super) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: Required::No,
        shape,
    }
}

pub(super) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: Required::Constraint,
        shape,
    }
}

/// The table's name in operations on tables.
pub(super) const TABLE: Member = Member {
    name: "TableName",
    required: Required::First,
    shape: &TABLE_NAME_OR_ARN,
};

/// The table's name in operations on items.
pub(super) const ITEMS_TABLE: Member = required("TableName", &ITEMS_TABLE_NAME);

pub(super) static BOOLEAN: Shape = Shape::Boolean;
pub(super) static TEXT: Shape = Shape::text(0, ANY);
pub(super) static ATTRIBUTE_NAME: Shape = Shape::text(0, 65_535);
pub(super) static KEY_NAME: Shape = Shape::text(1, 255);
pub(super) static NAME: Shape = name(false, false);
static ITEMS_TABLE_NAME: Shape = name(true, false);
/// A table's name in operations on tables.
pub(super) static TABLE_NAME: Shape = name(false, true);
static TABLE_NAME_OR_ARN: Shape = name(true, true);
pub(super) static POSITIVE: Shape = Shape::Integer(1, i64::MAX);
pub(super) static POSITIVE_LONG: Shape = Shape::Long(1, i64::MAX);
pub(super) static LONG: Shape = Shape::Long(i64::MIN, i64::MAX);
pub(super) static VALUE: Shape = Shape::Value;
pub(super) static VALUES: Shape = Shape::Map(&VALUE, 0, ANY);
/// ClientRequestToken.
pub(super) static TOKEN: Shape = Shape::text(1, 36);
