//! Sizes by AWS's documented rules, and the checks that every item from outside passes.
//!
//! | value            | bytes |
//! |------------------|-------|
//! | name             | its UTF-8 bytes |
//! | S, B             | their bytes |
//! | N                | 1 for 0; else 1, one for every pair of digits, and one more if it is negative ([`crate::Number::size`]) |
//! | BOOL, NULL       | 1 |
//! | M, L             | 3, and 1 for each element, and the elements (names included) |
//! | SS, NS, BS       | the elements |
//!
//! Source: "DynamoDB item sizes and formats" in AWS's developer guide. Its rule for numbers is "approximately" that of the table, which is
//! what users of the service measured.

use crate::error::ValidationError;
use crate::map::{Item, Map};
use crate::names::MAX_ATTRIBUTE_NAME;
use crate::number::Number;
use crate::value::{AttributeValue, sorted};

/// Largest item, names and values together, in bytes.
pub const MAX_ITEM_SIZE: usize = 400 * 1024;
/// Most levels of maps and lists within each other. An attribute that is a map or a list is the first.
pub const MAX_DEPTH: usize = 32;

/// The size of an item by AWS's rules. Recurses as deep as the item is nested.
pub fn item_size(item: &Item) -> usize {
    map_size(item, Number::size)
}

/// The same, as it was counted before: numbers by their digits alone.
pub(crate) fn item_size_by_digits(item: &Item) -> usize {
    map_size(item, |number| {
        1 + number.significant_digits().div_ceil(2) as usize
    })
}

/// The size of a value by AWS's rules, without a name.
pub fn value_size(value: &AttributeValue) -> usize {
    size_of(value, Number::size)
}

fn map_size(map: &Map, number: impl Fn(Number) -> usize + Copy) -> usize {
    map.iter()
        .map(|(name, value)| name.len() + size_of(value, number))
        .sum()
}

fn size_of(value: &AttributeValue, number_size: impl Fn(Number) -> usize + Copy) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_size(*number),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null => 1,
        AttributeValue::M(map) => {
            CONTAINER_SIZE + map.len() * ELEMENT_SIZE + map_size(map, number_size)
        }
        AttributeValue::L(list) => {
            CONTAINER_SIZE
                + list
                    .iter()
                    .map(|value| ELEMENT_SIZE + size_of(value, number_size))
                    .sum::<usize>()
        }
        AttributeValue::Ss(set) => set.iter().map(String::len).sum(),
        AttributeValue::Ns(set) => set.iter().map(|number| number_size(*number)).sum(),
        AttributeValue::Bs(set) => set.iter().map(Vec::len).sum(),
    }
}

/// How many bytes an item takes in JSON, which is more than in a message: numbers in decimal, binaries in base64, strings with escapes.
/// DynamoDB's own size bounds it only by a factor of 50.
pub fn rendered_size(item: &Item) -> usize {
    /// Quotes, a colon and a comma.
    const PUNCTUATION: usize = 4;
    item.iter()
        .map(|(name, value)| escaped_size(name) + PUNCTUATION + rendered_value_size(value))
        .sum()
}

fn rendered_value_size(value: &AttributeValue) -> usize {
    /// Quotes and a comma.
    const ELEMENT: usize = 3;
    let base64 = |bytes: &Vec<u8>| bytes.len().div_ceil(3) * 4;
    let (envelope, content) = match value {
        AttributeValue::S(text) => (r#"{"S":""}"#, escaped_size(text)),
        AttributeValue::N(number) => (r#"{"N":""}"#, number.decimal_length()),
        AttributeValue::B(bytes) => (r#"{"B":""}"#, base64(bytes)),
        AttributeValue::Bool(_) => (r#"{"BOOL":false}"#, 0),
        AttributeValue::Null => (r#"{"NULL":true}"#, 0),
        AttributeValue::M(map) => (r#"{"M":{}}"#, rendered_size(map)),
        AttributeValue::L(list) => {
            let sizes = list.iter().map(|value| rendered_value_size(value) + 1);
            (r#"{"L":[]}"#, sizes.sum())
        }
        AttributeValue::Ss(set) => {
            let sizes = set.iter().map(|text| escaped_size(text) + ELEMENT);
            (r#"{"SS":[]}"#, sizes.sum())
        }
        AttributeValue::Ns(set) => {
            let sizes = set.iter().map(|number| number.decimal_length() + ELEMENT);
            (r#"{"NS":[]}"#, sizes.sum())
        }
        AttributeValue::Bs(set) => {
            let sizes = set.iter().map(|bytes| base64(bytes) + ELEMENT);
            (r#"{"BS":[]}"#, sizes.sum())
        }
    };
    envelope.len() + content
}

/// Control characters take six bytes, such as `\u0001`.
fn escaped_size(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// What a map or a list counts for by itself.
pub(crate) const CONTAINER_SIZE: usize = 3;
/// What an element of a map or a list counts for beside its content.
pub(crate) const ELEMENT_SIZE: usize = 1;

/// Checks an item from outside: nesting, sets, names and size. Gives its size.
///
/// # Errors
/// AWS's messages. The keys of the item need the schema: [`crate::KeySchema::key_of_item`].
pub fn validate_item(item: &Item) -> Result<usize, ValidationError> {
    // Before the size, whose recursion relies on it.
    validate_map(item, 0)?;
    checked_item_size(item)
}

/// The size of an item whose attributes were checked.
pub(crate) fn checked_item_size(item: &Item) -> Result<usize, ValidationError> {
    let size = item_size(item);
    if size > MAX_ITEM_SIZE {
        return Err(ValidationError::new(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    Ok(size)
}

/// Checks a key from outside, as far as that can be done without the schema.
///
/// # Errors
/// AWS's messages.
pub fn validate_key_map(key: &Map) -> Result<(), ValidationError> {
    validate_map(key, 0)
}

/// Checks one value from outside, such as one of `ExpressionAttributeValues`.
///
/// # Errors
/// AWS's messages.
pub fn validate_value(value: &AttributeValue) -> Result<(), ValidationError> {
    validate_nested(value, 0)
}

/// Checks the name of any attribute.
pub(crate) fn attribute_name(name: &str) -> Result<(), ValidationError> {
    match name.len() {
        1..=MAX_ATTRIBUTE_NAME => Ok(()),
        _ => Err(ValidationError::invalid_parameter(
            "Attribute name must be 1 to 65535 bytes long",
        )),
    }
}

fn validate_map(map: &Map, depth: usize) -> Result<(), ValidationError> {
    for (name, value) in map.iter() {
        attribute_name(name)?;
        validate_nested(value, depth)?;
    }
    Ok(())
}

fn validate_nested(value: &AttributeValue, depth: usize) -> Result<(), ValidationError> {
    let deeper = || {
        if depth < MAX_DEPTH {
            Ok(depth + 1)
        } else {
            Err(ValidationError::new(
                "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
            ))
        }
    };
    match value {
        AttributeValue::M(map) => validate_map(map, deeper()?),
        AttributeValue::L(list) => {
            let depth = deeper()?;
            list.iter()
                .try_for_each(|value| validate_nested(value, depth))
        }
        AttributeValue::Ss(set) => validate_set(set, "An string set  may not be empty", |set| {
            let shown = set.join(", ").chars().take(300).collect::<String>();
            format!(
                "One or more parameter values were invalid: Input collection [{shown}] contains duplicates."
            )
        }),
        AttributeValue::Ns(set) => validate_set(set, "An number set  may not be empty", |_| {
            "Input collection contains duplicates".to_owned()
        }),
        AttributeValue::Bs(set) => validate_set(set, "Binary sets should not be empty", |set| {
            let shown: Vec<String> = set.iter().map(|bytes| base64(bytes)).collect();
            let shown = shown.join(", ").chars().take(300).collect::<String>();
            // The missing space is the service's.
            format!(
                "One or more parameter values were invalid: Input collection [{shown}]of type BS contains duplicates."
            )
        }),
        _ => Ok(()),
    }
}

/// Bytes as the service's messages show them: the start of long ones.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| {
        DIGITS
            .get(bits as usize & 63)
            .map_or('=', |digit| char::from(*digit))
    };
    let mut text = String::new();
    for part in bytes.chunks(3).take(100) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | u32::from(part.get(at).copied().unwrap_or(0))
        });
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(digit);
        text.extend(digits.iter().take(part.len() + 1));
        text.push_str(match part.len() {
            1 => "==",
            2 => "=",
            _ => "",
        });
    }
    text
}

/// Checks a set. The messages differ by type, and are AWS's as they are.
fn validate_set<T: Ord>(
    set: &[T],
    empty: &str,
    duplicates: impl FnOnce(&[T]) -> String,
) -> Result<(), ValidationError> {
    if set.is_empty() {
        return Err(ValidationError::invalid_parameter(empty));
    }
    if !set.is_sorted_by(|a, b| a < b) && !sorted(set).is_sorted_by(|a, b| a < b) {
        return Err(ValidationError::new(duplicates(set)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::generate::nested;
    use crate::number::Number;

    fn message(item: &Item) -> String {
        validate_item(item).unwrap_err().to_string()
    }

    #[test]
    fn sizes_follow_the_documented_rules() {
        let number = |text: &str| AttributeValue::N(text.parse().unwrap());
        for (value, size) in [
            (AttributeValue::from("ä"), 2),
            (vec![0, 1, 2].into(), 3),
            (number("12345"), 4),
            (true.into(), 1),
            (AttributeValue::Null, 1),
            (AttributeValue::L(vec![]), 3),
            (AttributeValue::M(Map::new()), 3),
            (
                AttributeValue::L(vec!["ab".into(), AttributeValue::Null]),
                3 + 2 + 2 + 1,
            ),
            (AttributeValue::M(Map::from([("key", "ab")])), 3 + 1 + 3 + 2),
            (AttributeValue::Ss(vec!["a".into(), "bc".into()]), 3),
            (
                AttributeValue::Ns(vec![Number::from(1), Number::from(123)]),
                5,
            ),
            (AttributeValue::Bs(vec![vec![1], vec![]]), 1),
        ] {
            assert_eq!(value_size(&value), size, "{value:?}");
            assert_eq!(item_size(&Map::from([("name", value)])), size + 4);
        }
    }

    #[test]
    fn rendered_sizes_are_those_of_json() {
        let number = |text: &str| text.parse::<Number>().unwrap();
        for (value, json) in [
            (AttributeValue::from("a\"\n"), r#"{"S":"a\"\u000a"}"#),
            (AttributeValue::N(number("-1.5e-3")), r#"{"N":"-0.0015"}"#),
            (vec![0, 1, 2, 3].into(), r#"{"B":"AAECAw=="}"#),
            (false.into(), r#"{"BOOL":false}"#),
            (AttributeValue::Null, r#"{"NULL":true}"#),
            (
                AttributeValue::L(vec![Map::from([("k", "v")]).into()]),
                r#"{"L":[{"M":{"k":{"S":"v"},}},]}"#,
            ),
            (
                AttributeValue::Ss(vec!["a".into(), "b".into()]),
                r#"{"SS":["a","b",]}"#,
            ),
            (
                AttributeValue::Ns(vec![number("1e3")]),
                r#"{"NS":["1000",]}"#,
            ),
            (AttributeValue::Bs(vec![vec![0]]), r#"{"BS":["AA==",]}"#),
        ] {
            assert_eq!(rendered_value_size(&value), json.len(), "{json}");
        }
    }

    #[test]
    fn an_item_has_at_most_400_kb() {
        let item = |length: usize| Map::from([("ab", "x".repeat(length))]);
        assert_eq!(validate_item(&item(MAX_ITEM_SIZE - 2)), Ok(MAX_ITEM_SIZE));
        assert_eq!(
            message(&item(MAX_ITEM_SIZE - 1)),
            "Item size has exceeded the maximum allowed size"
        );
    }

    #[test]
    fn an_item_is_nested_at_most_32_deep() {
        assert!(validate_item(&nested(32)).is_ok());
        let refused = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                       supported limit";
        assert_eq!(message(&nested(33)), refused);
        assert_eq!(
            validate_key_map(&nested(33)).unwrap_err().to_string(),
            refused
        );
    }

    #[test]
    fn sets_hold_something_and_nothing_twice() {
        let item = |value| Map::from([("a", value)]);
        let strings = |set: &[&str]| {
            item(AttributeValue::Ss(
                set.iter().map(|text| text.to_string()).collect(),
            ))
        };
        let numbers = |set: &[i64]| {
            item(AttributeValue::Ns(
                set.iter().map(|value| (*value).into()).collect(),
            ))
        };
        assert!(validate_item(&strings(&["b", "a", ""])).is_ok());
        assert!(validate_item(&numbers(&[3, 1, 2])).is_ok());
        let prefix = "One or more parameter values were invalid: ";
        assert_eq!(
            message(&strings(&[])),
            format!("{prefix}An string set  may not be empty")
        );
        assert_eq!(
            message(&numbers(&[])),
            format!("{prefix}An number set  may not be empty")
        );
        assert_eq!(
            message(&item(AttributeValue::Bs(vec![]))),
            format!("{prefix}Binary sets should not be empty")
        );
        assert_eq!(
            message(&strings(&["b", "a", "b"])),
            format!("{prefix}Input collection [b, a, b] contains duplicates.")
        );
        assert_eq!(
            message(&numbers(&[1, 1])),
            "Input collection contains duplicates"
        );
        let binaries = [&b"b"[..], b"foobar", b"b"];
        assert_eq!(
            message(&item(AttributeValue::Bs(
                binaries.map(<[u8]>::to_vec).to_vec()
            ))),
            format!(
                "{prefix}Input collection [Yg==, Zm9vYmFy, Yg==]of type BS contains duplicates."
            )
        );
        let inner = AttributeValue::L(vec![AttributeValue::M(Map::from([(
            "s",
            AttributeValue::Ss(vec![]),
        )]))]);
        assert!(
            validate_item(&item(inner)).is_err(),
            "within other values too"
        );
    }

    #[test]
    fn names_are_neither_empty_nor_too_long() {
        assert!(validate_item(&Map::from([("", 1)])).is_err());
        assert!(validate_item(&Map::from([("x".repeat(MAX_ATTRIBUTE_NAME), 1)])).is_ok());
        assert!(validate_item(&Map::from([("x".repeat(MAX_ATTRIBUTE_NAME + 1), 1)])).is_err());
    }
}
