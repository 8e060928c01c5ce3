#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::fuzzing::fuzz_number;
use crate::generate::number;

fn ordered(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode_ordered(&mut bytes);
    bytes
}

#[test]
fn prints_what_dynamodb_prints() {
    for (text, printed) in [
        ("0", "0"),
        ("-0.000", "0"),
        ("0e999999999999999999999", "0"),
        ("00012", "12"),
        ("+5", "5"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0.00120", "-0.0012"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("12.5e-1", "1.25"),
        ("12.5e-4", "0.00125"),
        (
            "123456789012345678901234567890.12345678",
            "123456789012345678901234567890.12345678",
        ),
    ] {
        let number = text.parse::<Number>().unwrap();
        assert_eq!(number.to_string(), printed, "{text}");
        assert_eq!(number.decimal_length(), printed.len(), "{text}");
    }
    assert_eq!(
        "1e125".parse::<Number>().unwrap().to_string(),
        format!("1{}", "0".repeat(125))
    );
    assert_eq!(
        "-1e-130".parse::<Number>().unwrap().to_string(),
        format!("-0.{}1", "0".repeat(129))
    );
}

#[test]
fn refuses_what_is_no_number() {
    for text in [
        "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1 ", " 1", "abc", "0x10", "1_000", "NaN",
        "Infinity", "--1", "1e5.5", "١",
    ] {
        let error = text.parse::<Number>().unwrap_err();
        assert_eq!(error, NumberError::NotNumeric(text.to_owned()), "{text}");
    }
    assert_eq!(
        "abc".parse::<Number>().unwrap_err().to_string(),
        "The parameter cannot be converted to a numeric value: abc"
    );
    assert_eq!(
        "".parse::<Number>().unwrap_err().to_string(),
        "The parameter cannot be converted to a numeric value"
    );
    assert_eq!(
        "x".repeat(1 << 20)
            .parse::<Number>()
            .unwrap_err()
            .to_string()
            .len(),
        54 + 128
    );
}

#[test]
fn ends_where_dynamodb_ends() {
    let largest = "9".repeat(38) + &"0".repeat(88);
    assert_eq!(largest.parse::<Number>().unwrap().to_string(), largest);
    for (text, error) in [
        ("1e126", NumberError::Overflow),
        ("1e999999999", NumberError::Overflow),
        ("-1e99999999999999999999999999999", NumberError::Overflow),
        ("1e-131", NumberError::Underflow),
        ("1e-99999999999999999999999999999", NumberError::Underflow),
        (
            "123456789012345678901234567890123456789",
            NumberError::TooManyDigits,
        ),
        (
            "1.00000000000000000000000000000000000001",
            NumberError::TooManyDigits,
        ),
        (
            "1.00000000000000000000000000000000000001e999",
            NumberError::Overflow,
        ),
    ] {
        assert_eq!(text.parse::<Number>(), Err(error), "{text}");
    }
    // 38 digits, many zeros around them.
    let padded = format!("{}{}{}", "0".repeat(5_000), "1".repeat(38), "0".repeat(50));
    assert_eq!(padded.parse::<Number>().unwrap().significant_digits(), 38);
    assert_eq!(
        "1e-130".parse::<Number>().unwrap().to_parts(),
        (false, 1, -130)
    );
    let smallest = format!("1.{}e-130", "1".repeat(37));
    assert_eq!(smallest.parse::<Number>().unwrap().to_parts().2, -167);
}

#[test]
fn from_parts_agrees_with_the_text() {
    assert_eq!(Number::from_parts(true, 1_200, -3), "-1.2".parse());
    assert_eq!(Number::from_parts(true, 0, 500), Ok(Number::ZERO));
    assert_eq!(
        Number::from_parts(false, u128::MAX, 0),
        Err(NumberError::TooManyDigits)
    );
    assert_eq!(
        Number::from_parts(false, 1, i32::MAX),
        Err(NumberError::Overflow)
    );
    assert_eq!(
        Number::from_parts(false, 1, i32::MIN),
        Err(NumberError::Underflow)
    );
    assert_eq!(Number::from_parts(false, 10u128.pow(38), 0), "1e38".parse());
}

#[test]
fn integers_come_and_go() {
    for value in [0, 1, -1, 10, i64::MAX, i64::MIN, 1_000_000_000_000_000_000] {
        assert_eq!(Number::from(value).to_i64(), Some(value));
        assert_eq!(Number::from(value).to_string(), value.to_string());
    }
    for text in ["1.5", "9223372036854775808", "1e30", "1e125"] {
        assert_eq!(text.parse::<Number>().unwrap().to_i64(), None, "{text}");
    }
    assert_eq!("-0.1".parse::<Number>().unwrap().to_f64(), -0.1);
}

#[test]
fn sizes_follow_the_documented_rule() {
    for (text, size) in [
        ("0", 1),
        ("7", 2),
        ("-7", 3),
        ("12", 2),
        ("123", 3),
        ("100000", 2),
        ("0.1", 2),
        ("0.12", 2),
        ("1.2", 3),
        ("12.3", 3),
        ("-12.3456", 5),
        ("1.2345", 4),
        ("0.0001234", 4),
    ] {
        assert_eq!(text.parse::<Number>().unwrap().size(), size, "{text}");
    }
    assert_eq!("1".repeat(38).parse::<Number>().unwrap().size(), 20);
}

/// A fixture of the released format, in order.
#[test]
fn the_bytes_are_those_of_the_table() {
    let expected: [(&str, &[u8]); 8] = [
        ("-1e125", &[0x3F, 0x00, 0xF4, 0xFF]),
        ("-12.34", &[0x3F, 0x7C, 0xF2, 0xDC, 0xFF]),
        ("-12", &[0x3F, 0x7C, 0xF2, 0xFF]),
        ("0", &[0x80]),
        ("1e-130", &[0xC0, 0x00, 0x0B, 0x00]),
        ("5", &[0xC0, 0x82, 0x33, 0x00]),
        ("12", &[0xC0, 0x83, 0x0D, 0x00]),
        ("12.34", &[0xC0, 0x83, 0x0D, 0x23, 0x00]),
    ];
    for (text, bytes) in expected {
        assert_eq!(ordered(text.parse().unwrap()), bytes, "{text}");
    }
    assert!(expected.is_sorted_by_key(|(_, bytes)| *bytes));
}

#[test]
fn other_bytes_are_no_numbers() {
    for bytes in [
        &[][..],
        &[0xC0],
        &[0xC0, 0x82],
        &[0xC0, 0x82, 0x00],
        &[0xC0, 0x82, 0x33],
        &[0xC0, 0x82, 0x05, 0x00],
        &[0xC0, 0x82, 0x33, 0x01, 0x00],
        &[0xC0, 0x82, 0x66, 0x00],
        &[0x7F, 0x00],
    ] {
        assert_eq!(Number::decode_ordered(bytes), None, "{bytes:02x?}");
    }
    assert_eq!(
        Number::decode_ordered(&[0x80, 0x80]),
        Some((Number::ZERO, 1))
    );
    let long = [&[0xC0, 0x82][..], &[0x0B; 20], &[0x00]].concat();
    assert_eq!(Number::decode_ordered(&long), None, "40 digits");
}

#[test]
fn debug_gives_nothing_away() {
    let text = format!(
        "{:?} {:?}",
        Number::from(424_242),
        "secret".parse::<Number>().unwrap_err()
    );
    assert!(!text.contains("424") && !text.contains("secret"), "{text}");
}

/// The value as sign and digits of one common scale.
fn scaled(number: Number) -> (bool, String) {
    let text = number.to_string();
    let unsigned = text.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    (
        text.starts_with('-'),
        format!("{whole:0>130}{fraction:0<170}"),
    )
}

proptest! {
    #[test]
    fn text_leads_back(number in number()) {
        prop_assert_eq!(number.to_string().parse(), Ok(number));
        let (negative, digits, exponent) = number.to_parts();
        prop_assert_eq!(format!("{}{digits}e{exponent}", if negative { "-" } else { "" }).parse(), Ok(number));
    }

    #[test]
    fn order_is_by_value(a in number(), b in number()) {
        let (a_scaled, b_scaled) = (scaled(a), scaled(b));
        let expected = match (a_scaled.0, b_scaled.0) {
            (false, false) => a_scaled.1.cmp(&b_scaled.1),
            (true, true) => b_scaled.1.cmp(&a_scaled.1),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        };
        prop_assert_eq!(a.cmp(&b), expected);
    }

    #[test]
    fn bytes_order_as_the_numbers(a in number(), b in number()) {
        prop_assert_eq!(ordered(a).cmp(&ordered(b)), a.cmp(&b));
    }

    /// Neighbours share most of their bytes.
    #[test]
    fn bytes_order_as_close_numbers(a in number(), change in -5i128..=5) {
        let (negative, digits, exponent) = a.to_parts();
        let other = digits.checked_add_signed(change).map_or(Ok(a), |digits| Number::from_parts(negative, digits, exponent));
        if let Ok(b) = other {
            prop_assert_eq!(ordered(a).cmp(&ordered(b)), a.cmp(&b));
            prop_assert_eq!(a == b, change == 0 || digits.checked_add_signed(change).is_none());
        }
    }

    #[test]
    fn bytes_lead_back_and_know_their_end(number in number(), rest in prop::collection::vec(any::<u8>(), 0..4)) {
        let bytes = ordered(number);
        let length = bytes.len();
        prop_assert!(length <= 22);
        prop_assert_eq!(Number::decode_ordered(&[bytes, rest].concat()), Some((number, length)));
    }

    #[test]
    fn hostile_bytes_are_refused_or_lead_back(bytes in prop::collection::vec(any::<u8>(), 0..30), first in 0..4usize) {
        fuzz_number(&bytes);
        fuzz_number(&[&[[0xC0], [0x3F], [0x80], [b'-']][first][..], &bytes].concat());
    }

    #[test]
    fn hostile_text_is_refused_or_leads_back(text in "[-+]?[0-9.]{0,45}([eE][-+]?[0-9]{0,6})?") {
        fuzz_number(text.as_bytes());
    }
}
