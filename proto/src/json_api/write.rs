//! JSON, written straight into the body of an answer.

use std::fmt::Display;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sealdb_model::{AttributeValue, Map};

/// An object under way. Its members' names are ours; only values come from outside.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, first: true }
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// A member's name; its value is to be written next.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        string(self.name(name), value);
    }

    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        display(self.name(name), value);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        display(self.name(name), value);
    }

    /// A time, in seconds since 1970 to the millisecond.
    pub(super) fn time(&mut self, name: &str, ms: u64) {
        display(
            self.name(name),
            format_args!("{}.{:03}", ms / 1000, ms % 1000),
        );
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        object(self.name(name), write);
    }

    pub(super) fn list<T>(
        &mut self,
        name: &str,
        elements: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        list(self.name(name), elements, write);
    }

    /// Attribute values by name: an item or a key.
    pub(super) fn values(&mut self, name: &str, values: &Map) {
        map(self.name(name), values);
    }
}

pub(super) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    let mut object = Object::begin(out);
    write(&mut object);
    object.end();
}

pub(super) fn list<T>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, element) in elements.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, element);
    }
    out.push(b']');
}

/// What prints without quotes, backslashes and control characters.
pub(super) fn display(out: &mut Vec<u8>, value: impl Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{value}");
}

pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
    {
        let (plain, behind) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = behind.chars();
        match characters.next() {
            Some(c @ ('"' | '\\')) => {
                out.push(b'\\');
                // Both are ASCII.
                out.push(c as u8);
            }
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some(c) => display(out, format_args!("\\u{:04x}", u32::from(c))),
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    display(out, value);
    out.push(b'"');
}

/// Attribute values by name. Recurses as deep as they are nested, which the model bounds.
pub(super) fn map(out: &mut Vec<u8>, values: &Map) {
    object(out, |object| {
        for (name, one) in values.iter() {
            value(object.name(name), one);
        }
    });
}

/// One attribute value.
pub(super) fn value(out: &mut Vec<u8>, value: &AttributeValue) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(value.attribute_type().name().as_bytes());
    out.extend_from_slice(b"\":");
    match value {
        AttributeValue::S(text) => string(out, text),
        AttributeValue::N(number) => quoted(out, number),
        AttributeValue::B(bytes) => binary(out, bytes),
        AttributeValue::Bool(flag) => display(out, flag),
        AttributeValue::Null => display(out, true),
        AttributeValue::M(values) => map(out, values),
        AttributeValue::L(values) => list(out, values, self::value),
        AttributeValue::Ss(set) => list(out, set, |out, text| string(out, text)),
        AttributeValue::Ns(set) => list(out, set, quoted),
        AttributeValue::Bs(set) => list(out, set, |out, bytes| binary(out, bytes)),
    }
    out.push(b'}');
}
