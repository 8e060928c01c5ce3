//! Step 1: a text becomes fields, by its shape.
//!
//! Messages of wrong types are the service's.

use std::borrow::Cow;

use sealdb_model::ValidationError;

use super::Refused;
use super::fields::{Fields, Node};
use super::reader::{Reader, Token};
use super::shape::{Shape, Structure};

/// Most parts of a request that are not attribute values: the largest legitimate ones name ten thousand attributes, in
/// AttributeUpdates with four parts for each. A text of `[{},{},…]` would otherwise grow a hundredfold.
const MAX_PARTS: usize = 100_000;

pub(super) struct Parser<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) wrong_values: WrongValues<'a>,
    parts: usize,
}

/// The first attribute values that are none. Wrong types that come later, and constraints, are reported before them.
#[derive(Default)]
pub(super) struct WrongValues<'a> {
    /// The member that is being read.
    member: &'static str,
    /// What the value that is being read is called, in a map of such values.
    pub(super) key: Cow<'a, str>,
    /// Of those for which placeholders stand, which the service looks at before all others.
    placeholder: Option<ValidationError>,
    other: Option<ValidationError>,
}

impl WrongValues<'_> {
    /// Notes what is wrong with the value that is being read, in the words of its place.
    pub(super) fn note(&mut self, error: ValidationError) {
        let message = error.message();
        match self.member {
            "ExpressionAttributeValues" => {
                self.placeholder.get_or_insert_with(|| {
                    ValidationError::new(format!(
                        "ExpressionAttributeValues contains invalid value: {message} for key {}",
                        self.key
                    ))
                });
            }
            "ExclusiveStartKey" => {
                self.other.get_or_insert_with(|| {
                    ValidationError::new(format!("The provided starting key is invalid: {message}"))
                });
            }
            _ => {
                self.other.get_or_insert(error);
            }
        }
    }

    fn first(self) -> Option<ValidationError> {
        self.placeholder.or(self.other)
    }
}

/// The fields of a body, and what is wrong with the first attribute value that is wrong.
pub(super) fn fields(
    structure: &'static Structure,
    body: &[u8],
) -> Result<(Fields, Option<ValidationError>), Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::Serialization(None))?;
    let mut parser = Parser {
        reader: Reader::new(text),
        wrong_values: WrongValues::default(),
        parts: 0,
    };
    if parser.reader.peek()? != Token::Object {
        return Err(Refused::Serialization(None));
    }
    let fields = parser.structure(structure)?;
    parser.reader.end()?;
    Ok((fields, parser.wrong_values.first()))
}

/// Whether a body is JSON.
pub(super) fn is_json(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let mut reader = Reader::new(text);
    reader.skip().and_then(|()| reader.end()).is_ok()
}

pub(super) fn wrong_type(message: impl Into<String>) -> Refused {
    Refused::Serialization(Some(message.into()))
}

/// What the service says of a scalar in a structure's member that is to be a list, map or structure.
const UNEXPECTED: &str = "Unexpected field type";
/// The same of an element of a list or map that is to be a structure.
pub(super) const UNEXPECTED_ELEMENT: &str = "Unexpected value type in payload";
const STRUCTURE_FOUND: &str = "Start of structure or map found where not expected";

impl<'a> Parser<'a> {
    fn node(&mut self, shape: &'static Shape, unexpected: &'static str) -> Result<Node, Refused> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Refused::Serialization(None));
        }
        let token = self.reader.peek()?;
        if token == Token::Null {
            self.reader.literal("null")?;
            return Ok(Node::Absent);
        }
        match shape {
            Shape::Boolean => self.boolean().map(Node::Boolean),
            Shape::Integer(..) => {
                let number = self.whole("Integer")?;
                Ok(Node::Integer(
                    number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)),
                ))
            }
            Shape::Long(..) => self.whole("Long").map(Node::Integer),
            Shape::Text(_) => Ok(Node::Text(self.text()?.into_owned())),
            Shape::Value => self.value_or(0, unexpected).map(Node::Value),
            Shape::List(of, ..) => self.list(of),
            Shape::Map(Shape::Value, ..) => self.value_map(0).map(Node::Values),
            Shape::Map(of, ..) | Shape::ByTable(of, ..) => self.map(shape, of),
            Shape::Structure(structure) => match token {
                Token::Object => self.structure(structure).map(Node::Structure),
                Token::Array => Err(collection(&format!("class {}", shape.java()))),
                _ => Err(wrong_type(unexpected)),
            },
        }
    }

    fn structure(&mut self, structure: &'static Structure) -> Result<Fields, Refused> {
        let mut fields = Fields::new(structure);
        self.parts += structure.members.len();
        self.reader.begin()?;
        let mut first = true;
        while let Some(name) = self.reader.next_name(&mut first)? {
            let Some((at, slot)) = fields.slot(&name) else {
                self.reader.skip()?;
                continue;
            };
            let member = structure.members.get(at);
            *slot = match member {
                Some(member) => {
                    self.wrong_values.member = member.name;
                    self.node(member.shape, UNEXPECTED)?
                }
                None => Node::Absent,
            };
        }
        Ok(fields)
    }

    fn list(&mut self, of: &'static Shape) -> Result<Node, Refused> {
        self.expect_list()?;
        let (mut list, mut first) = (Vec::new(), true);
        while self.reader.next_element(&mut first)? {
            list.push(self.node(of, UNEXPECTED_ELEMENT)?);
        }
        Ok(Node::List(list))
    }

    /// Consumes the beginning of a list.
    pub(super) fn expect_list(&mut self) -> Result<(), Refused> {
        match self.reader.peek()? {
            Token::Array => Ok(self.reader.begin()?),
            Token::Object => Err(wrong_type(STRUCTURE_FOUND)),
            _ => Err(wrong_type(UNEXPECTED)),
        }
    }

    fn map(&mut self, shape: &'static Shape, of: &'static Shape) -> Result<Node, Refused> {
        self.expect_map(|| shape.java())?;
        let (mut map, mut first) = (Vec::<(String, Node)>::new(), true);
        while let Some(name) = self.reader.next_name(&mut first)? {
            let node = self.node(of, UNEXPECTED_ELEMENT)?;
            map.push((name.into_owned(), node));
        }
        // Of a name that stands twice the last counts.
        map.reverse();
        map.sort_by(|a, b| a.0.cmp(&b.0));
        map.dedup_by(|later, earlier| later.0 == earlier.0);
        Ok(Node::Map(map))
    }

    /// Consumes the beginning of a map.
    pub(super) fn expect_map(&mut self, java: impl Fn() -> String) -> Result<(), Refused> {
        match self.reader.peek()? {
            Token::Object => Ok(self.reader.begin()?),
            Token::Array => Err(collection(&java())),
            _ => Err(wrong_type(UNEXPECTED)),
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Refused> {
        match self.reader.peek()? {
            Token::True => self.reader.literal("true")?,
            Token::False => {
                self.reader.literal("false")?;
                return Ok(false);
            }
            Token::Text => return Err(wrong_type("Unexpected token received from parser")),
            Token::Number => return Err(self.not_a("Boolean")?),
            Token::Array => return Err(collection("class java.lang.Boolean")),
            Token::Object | Token::Null => return Err(wrong_type(STRUCTURE_FOUND)),
        }
        Ok(true)
    }

    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Refused> {
        match self.reader.peek()? {
            Token::Text => Ok(self.reader.string()?),
            Token::Array => Err(collection("class java.lang.String")),
            Token::Object => Err(wrong_type(STRUCTURE_FOUND)),
            _ => Err(self.not_a("String")?),
        }
    }

    /// A whole number. As the service does, a fraction is cut off, and what is too large becomes the largest.
    fn whole(&mut self, kind: &str) -> Result<i64, Refused> {
        match self.reader.peek()? {
            Token::Number => {
                let text = self.reader.number()?;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "it saturates, which is what is wanted"
                )]
                Ok(text
                    .parse()
                    .unwrap_or_else(|_| text.parse::<f64>().map_or(0, |number| number as i64)))
            }
            Token::Array => Err(collection(&format!("class java.lang.{kind}"))),
            Token::Object => Err(wrong_type(STRUCTURE_FOUND)),
            _ => Err(self.not_a(kind)?),
        }
    }

    /// The refusal of a scalar of another type.
    fn not_a(&mut self, kind: &str) -> Result<Refused, Refused> {
        let found = match self.reader.peek()? {
            Token::True => "TRUE_VALUE",
            Token::False => "FALSE_VALUE",
            Token::Text => "STRING_VALUE",
            Token::Null => "NULL_VALUE",
            _ => match self.reader.number()?.contains(['.', 'e', 'E']) {
                true => "DECIMAL_VALUE",
                false => "NUMBER_VALUE",
            },
        };
        Ok(wrong_type(format!("{found} cannot be converted to {kind}")))
    }
}

pub(super) fn collection(java: &str) -> Refused {
    wrong_type(format!("Unrecognized collection type {java}"))
}
