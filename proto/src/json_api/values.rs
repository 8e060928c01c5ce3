//! Attribute values of a text, straight into the model's.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sealdb_model::{AttributeValue, MAX_DEPTH, Map, Number, ValidationError};

use super::Refused;
use super::parse::{Parser, UNEXPECTED_ELEMENT, collection, wrong_type};
use super::reader::Token;
use super::shape::VALUES;

impl<'a> Parser<'a> {
    /// A map of attribute values inside of `depth` maps and lists.
    pub(super) fn value_map(&mut self, depth: usize) -> Result<Map, Refused> {
        self.expect_map(|| VALUES.java())?;
        let (mut pairs, mut first) = (Vec::<(Cow<'a, str>, AttributeValue)>::new(), true);
        while let Some(name) = self.reader.next_name(&mut first)? {
            if depth == 0 {
                self.wrong_values.key = name.clone();
            }
            pairs.push((name, self.value(depth)?));
        }
        Ok(pairs.into_iter().collect())
    }

    fn value(&mut self, depth: usize) -> Result<AttributeValue, Refused> {
        self.value_or(depth, UNEXPECTED_ELEMENT)
    }

    /// One attribute value. What is wrong with it is noted, and something else stands in its place. `unexpected` is what a scalar
    /// of JSON is called here.
    pub(super) fn value_or(
        &mut self,
        depth: usize,
        unexpected: &'static str,
    ) -> Result<AttributeValue, Refused> {
        match self.reader.peek()? {
            Token::Object => {}
            Token::Null => {
                self.reader.literal("null")?;
                return Ok(self.none());
            }
            Token::Array => {
                return Err(collection(
                    "class com.amazonaws.dynamodb.v20120810.AttributeValue",
                ));
            }
            _ => return Err(wrong_type(unexpected)),
        }
        self.reader.begin()?;
        let (mut found, mut first) = (None, true);
        while let Some(kind) = self.reader.next_name(&mut first)? {
            let Some(value) = self.of_kind(&kind, depth)? else {
                continue;
            };
            if found.replace(value).is_some() {
                self.note(ValidationError::new(
                    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
                     datatypes",
                ));
            }
        }
        Ok(found.unwrap_or_else(|| self.none()))
    }

    /// The value of a type; `None` if it is `null`, or no type of ours.
    fn of_kind(&mut self, kind: &str, depth: usize) -> Result<Option<AttributeValue>, Refused> {
        if self.reader.peek()? == Token::Null {
            self.reader.literal("null")?;
            return Ok(None);
        }
        Ok(Some(match kind {
            "S" => AttributeValue::S(self.text()?.into_owned()),
            "N" => AttributeValue::N(self.number()?),
            "B" => AttributeValue::B(self.binary()?),
            "BOOL" => AttributeValue::Bool(self.boolean()?),
            "NULL" => {
                if !self.boolean()? {
                    self.note(ValidationError::invalid_parameter(
                        "Null attribute value types must have the value of true",
                    ));
                }
                AttributeValue::Null
            }
            "M" => match self.deeper(depth) {
                Some(depth) => AttributeValue::M(self.value_map(depth)?),
                None => self.skipped()?,
            },
            "L" => match self.deeper(depth) {
                Some(depth) => AttributeValue::L(self.elements(|parser| parser.value(depth))?),
                None => self.skipped()?,
            },
            "SS" => AttributeValue::Ss(self.elements(|parser| parser.text().map(Cow::into_owned))?),
            "NS" => AttributeValue::Ns(self.elements(Parser::number)?),
            "BS" => AttributeValue::Bs(self.elements(Parser::binary)?),
            _ => {
                self.reader.skip()?;
                return Ok(None);
            }
        }))
    }

    fn elements<T>(
        &mut self,
        one: impl Fn(&mut Self) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        self.expect_list()?;
        let (mut elements, mut first) = (Vec::new(), true);
        while self.reader.next_element(&mut first)? {
            elements.push(one(self)?);
        }
        Ok(elements)
    }

    fn number(&mut self) -> Result<Number, Refused> {
        let text = self.text()?;
        Ok(text.parse().unwrap_or_else(|error| {
            self.note(ValidationError::from(error));
            Number::from(0)
        }))
    }

    fn binary(&mut self) -> Result<Vec<u8>, Refused> {
        let text = match self.reader.peek()? {
            Token::Text => self.reader.string()?,
            Token::Array => return Err(collection("class java.nio.ByteBuffer")),
            Token::Object => {
                return Err(wrong_type(
                    "Start of structure or map found where not expected",
                ));
            }
            _ => {
                return Err(wrong_type(
                    "only base-64-encoded strings are convertible to bytes",
                ));
            }
        };
        BASE64.decode(&*text).map_err(|_| wrong_base64(&text))
    }

    fn deeper(&mut self, depth: usize) -> Option<usize> {
        if depth < MAX_DEPTH {
            return Some(depth + 1);
        }
        self.note(ValidationError::new(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
        ));
        None
    }

    /// Goes over what is not kept.
    fn skipped(&mut self) -> Result<AttributeValue, Refused> {
        self.reader.skip()?;
        Ok(AttributeValue::Null)
    }

    fn none(&mut self) -> AttributeValue {
        self.note(ValidationError::new(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ));
        AttributeValue::Null
    }

    fn note(&mut self, error: ValidationError) {
        self.wrong_values.note(error);
    }
}

/// What the service says about a string that is no base64.
fn wrong_base64(text: &str) -> Refused {
    let quoted: String = text.chars().take(300).collect();
    let reason = if !text.len().is_multiple_of(4) {
        format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )
    } else {
        let padding = text.trim_end_matches('=').len();
        let wrong = text.char_indices().find(|(at, c)| {
            !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/') || (*c == '=' && *at >= padding))
        });
        match wrong {
            Some((_, c)) => format!("Invalid Base64 character: '{c}'"),
            None => "Invalid last non-pad Base64 character dectected".to_owned(),
        }
    };
    wrong_type(format!(
        "'{quoted}' can not be converted to a Blob: {reason}"
    ))
}
