#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::fuzzing::fuzz_item_codec;
use crate::generate::{item, nested};
use crate::size::{MAX_ITEM_SIZE, validate_item};

fn encoded(item: &Item) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_item(item, &mut bytes).unwrap();
    bytes
}

/// A fixture of the released formats: these bytes must be read for ever.
#[test]
fn the_bytes_are_those_of_version_2_and_version_1_is_read() {
    let item = Item::from([
        ("s", AttributeValue::from("ä")),
        (
            "n",
            AttributeValue::from("-12.5".parse::<Number>().unwrap()),
        ),
        ("z", AttributeValue::from(0)),
        ("b", AttributeValue::from(vec![0xFF])),
        ("t", AttributeValue::from(true)),
        ("u", AttributeValue::Null),
        ("m", AttributeValue::M(Map::from([("k", "v")]))),
        ("l", AttributeValue::L(vec![false.into(), 256.into()])),
        ("x", AttributeValue::Ss(vec!["q".into(), "p".into()])),
        ("y", AttributeValue::Ns(vec![1.into(), Number::from(-1)])),
        ("w", AttributeValue::Bs(vec![vec![2], vec![]])),
    ]);
    #[rustfmt::skip]
    let expected = [
        &b"\x02\x2c\x11"[..],
        "blmnstuwxyzkväpq".as_bytes(),
        b"\x0b\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
        b"\x05\x01\xff",                                  // b
        b"\x07\x02\x01\x04\x02\xa7\x01\x01\x00",          // l
        b"\x06\x01\x01\x03\x01",                          // m
        b"\x04\x81\xa6\x01\x7d",                          // n
        b"\x03\x02",                                      // s
        b"\x02\x00",                                      // t, u
        b"\x0a\x02\x00\x01\x02",                          // w
        b"\x08\x02\x01\x01",                              // x
        b"\x09\x02\x81\xa7\x01\x01\x01\xa7\x01\x01",      // y
        b"\x04\x00",                                      // z
    ]
    .concat();
    assert_eq!(encoded(&item), expected);
    assert_eq!(decode_item(&expected), Ok(item.clone()));
    // There -12.5 and -1 counted as 12.5 and 1 do.
    let before = [&b"\x01\x2a\x11"[..], &expected[3..]].concat();
    assert_eq!(decode_item(&before), Ok(item));
    assert_eq!(encoded_item_size(&before), Ok(42));
    let mixed = [&b"\x01\x2c\x11"[..], &expected[3..]].concat();
    assert!(decode_item(&mixed).is_err(), "the size of another version");
}

#[test]
fn depth_ends_at_32() {
    let bytes = encoded(&nested(32));
    assert_eq!(decode_item(&bytes), Ok(nested(32)));
    let mut out = Vec::new();
    assert_eq!(encode_item(&nested(33), &mut out), Err(CodecError::TooDeep));
    assert!(out.is_empty());
    // Lists of one element within each other, 100,000 of them.
    let mut hostile = vec![VERSION, 0, 1, b'a', 1, 1];
    hostile.extend([L, 1].repeat(100_000));
    assert_eq!(decode_item(&hostile), Err(CodecError::TooDeep));
}

#[test]
fn the_largest_item_passes() {
    let item = Item::from([("a", AttributeValue::from("x".repeat(MAX_ITEM_SIZE - 1)))]);
    assert_eq!(validate_item(&item), Ok(MAX_ITEM_SIZE));
    let bytes = encoded(&item);
    assert_eq!(encoded_item_size(&bytes), Ok(MAX_ITEM_SIZE));
    assert_eq!(decode_item(&bytes), Ok(item));
}

#[test]
fn a_part_too_large_for_the_format_is_refused() {
    let item = Item::from([("a", AttributeValue::B(vec![0; MAX_VARINT + 1]))]);
    assert_eq!(
        encode_item(&item, &mut Vec::new()),
        Err(CodecError::TooLarge)
    );
}

#[test]
fn what_is_not_written_is_not_read() {
    let refused = |bytes: &[u8]| decode_item(bytes).unwrap_err();
    assert_eq!(refused(&[]), CodecError::Truncated);
    assert_eq!(refused(&[3, 0, 0, 0]), CodecError::Version(3));
    assert_eq!(refused(&[VERSION, 0, 0, 0, 0]), CodecError::Trailing);
    assert_eq!(
        refused(&[VERSION, 0, 1, b'a', 0]),
        CodecError::Trailing,
        "text that nobody takes"
    );
    assert_eq!(
        refused(&[VERSION, 0x80, 0, 0, 0]),
        CodecError::Malformed("a varint is longer than needed")
    );
    assert_eq!(
        refused(&[VERSION, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        CodecError::Malformed("a varint is longer than 4 bytes")
    );
    assert_eq!(
        refused(&[VERSION, 1, 0, 0]),
        CodecError::Malformed("its size is not the stated one")
    );
    assert_eq!(
        refused(&[VERSION, 2, 1, 0xFF, 1, 1, NULL]),
        CodecError::Malformed("its text is not UTF-8")
    );
    assert_eq!(
        refused(&[VERSION, 2, 1, b'a', 1, 1, 11]),
        CodecError::Malformed("unknown tag of a value")
    );
    let two = |first, second| [VERSION, 4, 2, first, second, 2, 1, 1, NULL, NULL];
    assert!(decode_item(&two(b'a', b'b')).is_ok());
    for (first, second) in [(b'b', b'a'), (b'a', b'a')] {
        assert_eq!(
            refused(&two(first, second)),
            CodecError::Malformed("the names of a map do not ascend")
        );
    }
    let split = [VERSION, 4, 2, 0xC3, 0xA4, 2, 1, 1, NULL, NULL];
    assert_eq!(
        refused(&split),
        CodecError::Malformed("a string ends within a character")
    );
    let number = |bytes: &[u8]| [&[VERSION, 3, 1, b'a', 1, 1, N][..], bytes].concat();
    assert!(decode_item(&number(&[1, 0xA7, 1, 1])).is_ok());
    for bytes in [
        &[0x80][..],
        &[1, 0xA7, 1, 10],
        &[2, 0xA7, 1, 0, 1],
        &[17, 0xA7, 1],
        &[1, 0xFF, 0x7F, 1],
    ] {
        assert_eq!(
            refused(&number(bytes)),
            CodecError::Malformed("a number is not in its shortest form"),
            "{bytes:?}"
        );
    }
    let set = [VERSION, 3, 3, b'a', b'c', b'b', 1, 1, SS, 2, 1, 1];
    assert_eq!(
        refused(&set),
        CodecError::Malformed("the elements of a set do not ascend")
    );
}

#[test]
fn counts_that_the_bytes_cannot_hold_ask_for_no_memory() {
    for tag in [M, L, SS, NS, BS] {
        assert_eq!(
            decode_item(&[VERSION, 0, 1, b'a', 1, 1, tag, 0xFF, 0xFF, 0xFF, 0x7F]),
            Err(CodecError::Truncated)
        );
    }
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(item in item()) {
        let bytes = encoded(&item);
        prop_assert_eq!(decode_item(&bytes), Ok(item.clone()));
        prop_assert_eq!(encoded_item_size(&bytes), Ok(item_size(&item)));
        fuzz_item_codec(&bytes);
    }

    #[test]
    fn no_prefix_is_an_item(item in item(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&item);
        prop_assert!(decode_item(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn mutated_items_are_refused_or_lead_back(
        item in item(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&item);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fuzz_item_codec(&bytes);
    }

    #[test]
    fn random_bytes_are_refused_or_lead_back(bytes in prop::collection::vec(prop_oneof![0..12u8, any::<u8>()], 0..40)) {
        fuzz_item_codec(&bytes);
        fuzz_item_codec(&[&[VERSION][..], &bytes].concat());
    }
}
