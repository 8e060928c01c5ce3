//! JSON <-> model, in two dialects, by value.
//!
//! | model | DynamoDB JSON ([`item_from_json`], [`item_to_json`]) | plain JSON ([`item_from_plain`], [`item_to_plain`]) |
//! |---|---|---|
//! | S | `{"S": "text"}` | `"text"` |
//! | N | `{"N": "12.5"}` | `12.5`, all its digits |
//! | B | `{"B": "aGV4"}` (base64, padded) | only from the model: the base64 |
//! | BOOL, NULL | `{"BOOL": true}`, `{"NULL": true}` | `true`, `null` |
//! | M, L | `{"M": {"a": …}}`, `{"L": [ … ]}` | `{"a": …}`, `[ … ]` |
//! | SS, NS, BS | `{"SS": ["a"]}`, `{"NS": ["1"]}`, `{"BS": ["aGV4"]}` | only from the model: arrays |
//!
//! DynamoDB JSON loses nothing in either direction. Plain JSON loses nothing on the way in; on the way out the
//! difference between binary and string, and between set and list, is lost.
//!
//! Errors name the place ([`WireError::path`]). Nesting beyond [`MAX_DEPTH`] is refused before it is followed, and
//! texts are parsed with serde_json's own limit of 128 levels, so no input exhausts the stack. Of a name that stands
//! twice in a text, serde_json keeps the last.

#![deny(clippy::indexing_slicing)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sealdb_model::{AttributeValue, Item, MAX_DEPTH, Map, Number, NumberError};
use serde_json::{Map as Object, Value};

use crate::convert::WireError;

/// Parses a text as JSON.
///
/// # Errors
/// Line and column of the problem; the text is not quoted.
pub fn parse(text: &str) -> Result<Value, WireError> {
    serde_json::from_str(text).map_err(|e| WireError::here(format!("invalid JSON: {e}")))
}

/// An item, or a key, of DynamoDB JSON: `{"pk": {"S": "AT"}, "elevation": {"N": "183"}}`.
///
/// # Errors
/// What does not follow the table above.
pub fn item_from_json(value: Value) -> Result<Item, WireError> {
    match value {
        Value::Object(object) => map_from_json(object, 0),
        other => Err(expected("an object of attributes", &other)),
    }
}

/// A value of DynamoDB JSON: `{"S": "text"}`.
///
/// # Errors
/// What does not follow the table above.
pub fn value_from_json(value: Value) -> Result<AttributeValue, WireError> {
    value_at(value, 0)
}

/// DynamoDB JSON of an item. Recurses as deep as the item is nested.
pub fn item_to_json(item: Item) -> Value {
    Value::Object(
        item.into_iter()
            .map(|(name, value)| (name, value_to_json(value)))
            .collect(),
    )
}

/// DynamoDB JSON of a value. Recurses as deep as the value is nested.
pub fn value_to_json(value: AttributeValue) -> Value {
    let content =
        |tag: &str, content: Value| Value::Object(Object::from_iter([(tag.to_owned(), content)]));
    let array = |tag: &str, elements: Vec<Value>| content(tag, Value::Array(elements));
    match value {
        AttributeValue::S(s) => content("S", Value::String(s)),
        AttributeValue::N(n) => content("N", Value::String(n.to_string())),
        AttributeValue::B(b) => content("B", Value::String(BASE64.encode(b))),
        AttributeValue::Bool(b) => content("BOOL", Value::Bool(b)),
        AttributeValue::Null => content("NULL", Value::Bool(true)),
        AttributeValue::M(map) => content("M", item_to_json(map)),
        AttributeValue::L(list) => array("L", list.into_iter().map(value_to_json).collect()),
        AttributeValue::Ss(set) => array("SS", set.into_iter().map(Value::String).collect()),
        AttributeValue::Ns(set) => array(
            "NS",
            set.iter().map(|n| Value::String(n.to_string())).collect(),
        ),
        AttributeValue::Bs(set) => array(
            "BS",
            set.iter()
                .map(|b| Value::String(BASE64.encode(b)))
                .collect(),
        ),
    }
}

/// An item, or a key, of plain JSON: `{"pk": "AT", "elevation": 183}`.
///
/// # Errors
/// No object, a number beyond DynamoDB's, nesting beyond [`MAX_DEPTH`].
pub fn item_from_plain(value: Value) -> Result<Item, WireError> {
    match value {
        Value::Object(object) => plain_map(object, 0),
        other => Err(expected("an object of attributes", &other)),
    }
}

/// A value of plain JSON.
///
/// # Errors
/// As [`item_from_plain`].
pub fn value_from_plain(value: Value) -> Result<AttributeValue, WireError> {
    plain_at(value, 0)
}

/// Plain JSON of an item. Recurses as deep as the item is nested.
pub fn item_to_plain(item: Item) -> Value {
    Value::Object(
        item.into_iter()
            .map(|(name, value)| (name, value_to_plain(value)))
            .collect(),
    )
}

/// Plain JSON of a value. Recurses as deep as the value is nested.
pub fn value_to_plain(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(s) => Value::String(s),
        AttributeValue::N(n) => plain_number(n),
        AttributeValue::B(b) => Value::String(BASE64.encode(b)),
        AttributeValue::Bool(b) => Value::Bool(b),
        AttributeValue::Null => Value::Null,
        AttributeValue::M(map) => item_to_plain(map),
        AttributeValue::L(list) => Value::Array(list.into_iter().map(value_to_plain).collect()),
        AttributeValue::Ss(set) => Value::Array(set.into_iter().map(Value::String).collect()),
        AttributeValue::Ns(set) => Value::Array(set.into_iter().map(plain_number).collect()),
        AttributeValue::Bs(set) => Value::Array(
            set.iter()
                .map(|b| Value::String(BASE64.encode(b)))
                .collect(),
        ),
    }
}

/// A JSON number of all the digits (serde_json's `arbitrary_precision` keeps the text).
fn plain_number(number: Number) -> Value {
    let text = number.to_string();
    match text.parse::<serde_json::Number>() {
        Ok(number) => Value::Number(number),
        // Not reached: the model's canonical form is one of JSON's.
        Err(_) => Value::String(text),
    }
}

fn expected(what: &str, found: &Value) -> WireError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    WireError::here(format!("expected {what}, found {found}"))
}

fn deeper(depth: usize) -> Result<usize, WireError> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(WireError::here(
            "Nesting Levels have exceeded supported limits",
        ))
    }
}

fn map_from_json(object: Object<String, Value>, depth: usize) -> Result<Map, WireError> {
    let mut entries = Vec::with_capacity(object.len());
    for (name, value) in object {
        match value_at(value, depth) {
            Ok(value) => entries.push((name, value)),
            Err(e) => return Err(e.under(&name)),
        }
    }
    Ok(entries.into_iter().collect())
}

/// `depth`: how many maps and lists surround the value.
fn value_at(value: Value, depth: usize) -> Result<AttributeValue, WireError> {
    let object = match value {
        Value::Object(object) => object,
        other => {
            return Err(expected(
                "an object of one type and its value, such as {\"S\": \"text\"}",
                &other,
            ));
        }
    };
    let mut entries = object.into_iter();
    let Some((tag, content)) = entries.next() else {
        return Err(WireError::here(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ));
    };
    if entries.next().is_some() {
        return Err(WireError::here(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
             datatypes",
        ));
    }
    let value = match tag.as_str() {
        "S" => string(content).map(AttributeValue::S),
        "N" => number(content).map(AttributeValue::N),
        "B" => binary(content).map(AttributeValue::B),
        "BOOL" => match content {
            Value::Bool(b) => Ok(AttributeValue::Bool(b)),
            other => Err(expected("true or false", &other)),
        },
        "NULL" => match content {
            Value::Bool(true) => Ok(AttributeValue::Null),
            Value::Bool(false) => Err(WireError::here(
                "Null attribute value types must have the value of true",
            )),
            other => Err(expected("true", &other)),
        },
        "M" => match content {
            Value::Object(map) => deeper(depth)
                .and_then(|depth| map_from_json(map, depth))
                .map(AttributeValue::M),
            other => Err(expected("an object", &other)),
        },
        "L" => deeper(depth)
            .and_then(|depth| elements(content, |value| value_at(value, depth)))
            .map(AttributeValue::L),
        "SS" => elements(content, string).map(AttributeValue::Ss),
        "NS" => elements(content, number).map(AttributeValue::Ns),
        "BS" => elements(content, binary).map(AttributeValue::Bs),
        _ => {
            return Err(WireError::here(
                "the type is none of S, N, B, BOOL, NULL, M, L, SS, NS, BS",
            ));
        }
    };
    value.map_err(|e| e.under(&tag))
}

fn elements<T>(
    value: Value,
    convert: impl Fn(Value) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let Value::Array(values) = value else {
        return Err(expected("an array", &value));
    };
    let mut converted = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        converted.push(convert(value).map_err(|e| e.at_index(index))?);
    }
    Ok(converted)
}

fn string(value: Value) -> Result<String, WireError> {
    match value {
        Value::String(s) => Ok(s),
        other => Err(expected("a string", &other)),
    }
}

fn number(value: Value) -> Result<Number, WireError> {
    match value {
        Value::String(text) => parse_number(&text),
        other => Err(expected(
            "a number written as a string, such as \"5\"",
            &other,
        )),
    }
}

fn parse_number(text: &str) -> Result<Number, WireError> {
    text.parse()
        .map_err(|e: NumberError| WireError::here(e.to_string()))
}

fn binary(value: Value) -> Result<Vec<u8>, WireError> {
    match value {
        Value::String(text) => BASE64
            .decode(text)
            .map_err(|_| WireError::here("expected base64 with padding, found another string")),
        other => Err(expected("a base64 string", &other)),
    }
}

fn plain_map(object: Object<String, Value>, depth: usize) -> Result<Map, WireError> {
    let mut entries = Vec::with_capacity(object.len());
    for (name, value) in object {
        match plain_at(value, depth) {
            Ok(value) => entries.push((name, value)),
            Err(e) => return Err(e.under(&name)),
        }
    }
    Ok(entries.into_iter().collect())
}

fn plain_at(value: Value, depth: usize) -> Result<AttributeValue, WireError> {
    Ok(match value {
        Value::Null => AttributeValue::Null,
        Value::Bool(b) => AttributeValue::Bool(b),
        Value::Number(n) => AttributeValue::N(parse_number(n.as_str())?),
        Value::String(s) => AttributeValue::S(s),
        Value::Array(_) => {
            let depth = deeper(depth)?;
            AttributeValue::L(elements(value, |value| plain_at(value, depth))?)
        }
        Value::Object(object) => AttributeValue::M(plain_map(object, deeper(depth)?)?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::convert::strategies as any_;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn dynamodb_json_and_back_is_identity(item in any_::map()) {
            let text = item_to_json(item.clone()).to_string();
            prop_assert_eq!(item_from_json(parse(&text).unwrap()), Ok(item));
        }

        #[test]
        fn plain_json_and_back_is_identity_without_binaries_and_sets(value in any_::plain_value()) {
            let text = value_to_plain(value.clone()).to_string();
            prop_assert_eq!(value_from_plain(parse(&text).unwrap()), Ok(value));
        }

        #[test]
        fn what_plain_json_writes_it_reads(item in any_::map()) {
            prop_assert!(item_from_plain(parse(&item_to_plain(item).to_string()).unwrap()).is_ok());
        }

        #[test]
        fn hostile_text_is_refused_or_read(text in "[\\[\\]{}\":,0-9SNBLM a-z.eE+-]{0,60}") {
            if let Ok(value) = parse(&text) {
                let _ = (item_from_json(value.clone()), item_from_plain(value));
            }
        }
    }

    fn refusal(text: &str) -> String {
        item_from_json(parse(text).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_dialects_read_what_the_documentation_shows() {
        let typed = parse(
            r#"{"pk": {"S": "AT"}, "elevation": {"N": "183"}, "raw": {"B": "aGV4"}, "f": {"BOOL": false}}"#,
        );
        let item = item_from_json(typed.unwrap()).unwrap();
        let plain =
            item_from_plain(parse(r#"{"pk": "AT", "elevation": 183.0, "f": false}"#).unwrap())
                .unwrap();
        assert_eq!(item.get("elevation"), plain.get("elevation"));
        assert_eq!(item.get("raw"), Some(&AttributeValue::B(b"hex".to_vec())));
        assert_eq!(
            item_to_plain(item).to_string(),
            r#"{"elevation":183,"f":false,"pk":"AT","raw":"aGV4"}"#
        );
    }

    #[test]
    fn plain_numbers_keep_all_their_digits() {
        let digits = "12345678901234567890123456789012345678";
        for text in [digits, "-0.1", "1e125", "1E-130", "100"] {
            let value = value_from_plain(parse(text).unwrap()).unwrap();
            assert_eq!(value, AttributeValue::N(text.parse().unwrap()));
            let back = value_to_plain(value.clone()).to_string();
            assert_eq!(value_from_plain(parse(&back).unwrap()), Ok(value));
        }
        let error = item_from_plain(parse(&format!("{{\"n\": {digits}9}}")).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "n: Attempting to store more than 38 significant digits in a Number"
        );
        assert!(value_from_plain(parse("1e126").unwrap()).is_err());
    }

    #[test]
    fn errors_name_the_place_and_the_problem() {
        assert_eq!(
            refusal("[]"),
            "expected an object of attributes, found an array"
        );
        assert_eq!(
            refusal(r#"{"a": "x"}"#),
            "a: expected an object of one type and its value, such as {\"S\": \"text\"}, found a string"
        );
        assert_eq!(
            refusal(r#"{"a": {"N": 5}}"#),
            "a.N: expected a number written as a string, such as \"5\", found a number"
        );
        assert_eq!(
            refusal(r#"{"a": {"L": [{"S": "x"}, {"B": "%"}]}}"#),
            "a.L[1].B: expected base64 with padding, found another string"
        );
        assert_eq!(
            refusal(r#"{"a": {"M": {"b": {"NS": ["1", "x"]}}}}"#),
            "a.M.b.NS[1]: The parameter cannot be converted to a numeric value: x"
        );
        assert_eq!(
            refusal(r#"{"a": {}}"#),
            "a: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
        );
        assert_eq!(
            refusal(r#"{"a": {"S": "x", "N": "1"}}"#),
            "a: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
        );
        assert_eq!(
            refusal(r#"{"a": {"X": "x"}}"#),
            "a: the type is none of S, N, B, BOOL, NULL, M, L, SS, NS, BS"
        );
        assert_eq!(
            refusal(r#"{"a": {"NULL": false}}"#),
            "a.NULL: Null attribute value types must have the value of true"
        );
        let error = parse("{\"secret\": }").unwrap_err().to_string();
        assert!(
            error.starts_with("invalid JSON: ") && error.contains("line 1 column 12"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn depth_32_passes_33_is_refused_and_10000_is_not_followed() {
        let typed = |depth: usize| {
            format!(
                "{{\"a\": {}{{\"S\": \"x\"}}{}}}",
                "{\"M\": {\"a\": ".repeat(depth),
                "}}".repeat(depth)
            )
        };
        let plain =
            |depth: usize| format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(item_from_json(parse(&typed(MAX_DEPTH)).unwrap()).is_ok());
        assert!(item_from_plain(parse(&plain(MAX_DEPTH)).unwrap()).is_ok());
        for error in [
            item_from_json(parse(&typed(MAX_DEPTH + 1)).unwrap()).unwrap_err(),
            item_from_plain(parse(&plain(MAX_DEPTH + 1)).unwrap()).unwrap_err(),
        ] {
            assert_eq!(
                error.problem(),
                "Nesting Levels have exceeded supported limits"
            );
        }
        assert!(parse(&typed(10_000)).is_err() && parse(&plain(10_000)).is_err());
    }
}
