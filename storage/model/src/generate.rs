//! Random values for property tests.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::map::{Item, Map};
use crate::number::{MAX_MAGNITUDE, MIN_MAGNITUDE, Number};
use crate::value::AttributeValue;

/// Numbers of any count of digits and any magnitude, small integers often.
pub(crate) fn number() -> impl Strategy<Value = Number> {
    let any_number = (
        any::<bool>(),
        1..=38u32,
        any::<u128>(),
        MIN_MAGNITUDE..=MAX_MAGNITUDE,
    )
        .prop_map(|(negative, count, digits, magnitude)| {
            let digits = digits % 10u128.pow(count);
            let length = digits.checked_ilog10().unwrap_or(0) as i32;
            Number::from_parts(negative, digits, magnitude - length).expect("within range")
        });
    prop_oneof![3 => any_number, 2 => any::<i8>().prop_map(Number::from), 1 => any::<i64>().prop_map(Number::from)]
}

fn scalar() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        ".{0,12}".prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        vec(any::<u8>(), 0..12).prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        btree_set(".{0,4}", 1..4)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().rev().collect())),
        btree_set(number(), 1..4)
            .prop_map(|set| AttributeValue::Ns(set.into_iter().rev().collect())),
        btree_set(vec(any::<u8>(), 0..4), 1..4)
            .prop_map(|set| AttributeValue::Bs(set.into_iter().rev().collect())),
    ]
}

/// Values of every type, nested a few levels. Sets come in no particular order.
pub(crate) fn value() -> impl Strategy<Value = AttributeValue> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            vec((".{1,6}", inner), 0..4)
                .prop_map(|map| AttributeValue::M(map.into_iter().collect())),
        ]
    })
}

/// Items that pass `validate_item`.
pub(crate) fn item() -> impl Strategy<Value = Item> {
    vec((".{1,8}", value()), 0..6).prop_map(|map| map.into_iter().collect::<Map>())
}

/// A list within a list within …, `depth` of them, as the only attribute.
pub(crate) fn nested(depth: usize) -> Item {
    let value = (0..depth).fold(AttributeValue::Null, |inner, level| {
        if level % 2 == 0 {
            AttributeValue::L(vec![inner])
        } else {
            AttributeValue::M(Map::from([("m", inner)]))
        }
    });
    Map::from([("a", value)])
}
