//! What a key condition means for a secondary index: one partition of it, and a range of its order.

use std::ops::Bound;

use super::{Comparator, KeyConditionExpression, SortCondition, Test, after_prefix};
use super::{check_value, ordered_bytes, sort_condition};
use crate::error::ValidationError;
use crate::index::{IndexKey, put_partition_bytes, put_sort_bytes, put_sort_prefix};
use crate::key::KeyRole;
use crate::schema::KeyAttribute;

/// A range of entries of an index. Bytes are those of [`crate::IndexKeyBytes`].
#[derive(Clone, PartialEq, Eq)]
pub struct IndexCondition {
    /// Bytes of the partition key.
    pub partition: Vec<u8>,
    /// Where the range of sort bytes, with whatever follows them, begins.
    pub lower: Bound<Vec<u8>>,
    /// And where it ends.
    pub upper: Bound<Vec<u8>>,
}

/// Lengths only.
impl std::fmt::Debug for IndexCondition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IndexCondition({} bytes)", self.partition.len())
    }
}

impl KeyConditionExpression {
    /// What the expression means for an index: every partition attribute has a value; of the sort attributes the first ones
    /// have values, and the one after those may have a condition.
    ///
    /// # Errors
    /// As [`KeyConditionExpression::bind`].
    pub fn bind_index(&self, key: &IndexKey) -> Result<IndexCondition, ValidationError> {
        self.check_count(key.attributes().count() > 2)?;
        let mut partition = Vec::new();
        let mut length = 0;
        for attribute in &key.partition {
            let Some(test) = self.test_of(attribute) else {
                return Err(super::missed(attribute));
            };
            let Test::Compare(Comparator::Equal, value) = test else {
                return Err(super::unsupported());
            };
            check_value(attribute, KeyRole::Partition, value)?;
            let bytes = ordered_bytes(value);
            length += bytes.len();
            put_partition_bytes(&mut partition, &bytes);
        }
        KeyRole::Partition.check_length(length)?;
        let mut bound = key.partition.len();
        let mut prefix = Vec::new();
        let mut range = None;
        for attribute in &key.sort {
            let Some(test) = self.test_of(attribute) else {
                break;
            };
            bound += 1;
            match sort_condition(attribute, test)? {
                SortCondition::Eq(value) => put_sort_bytes(&mut prefix, &ordered_bytes(&value)),
                other => {
                    range = Some(other);
                    break;
                }
            }
        }
        if bound < self.tests.len() {
            return Err(self.unbound(key));
        }
        let (lower, upper) = range_under(&prefix, range.as_ref());
        Ok(IndexCondition {
            partition,
            lower,
            upper,
        })
    }

    fn test_of(&self, attribute: &KeyAttribute) -> Option<&Test> {
        let named = |(name, _): &&(String, Test)| name == attribute.name.as_str();
        self.tests.iter().find(named).map(|(_, test)| test)
    }

    /// Why some test found no place: the sort attribute that should have been tested, or none is left.
    fn unbound(&self, key: &IndexKey) -> ValidationError {
        let untested = |attribute: &&KeyAttribute| self.test_of(attribute).is_none();
        match key.sort.iter().find(untested) {
            Some(attribute) => super::missed(attribute),
            None => super::unsupported(),
        }
    }
}

/// All sort bytes that begin with `prefix` and whose next attribute meets the condition.
fn range_under(
    prefix: &[u8],
    condition: Option<&SortCondition>,
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    use SortCondition::{BeginsWith, Between, Eq, Ge, Gt, Le, Lt};
    let with = |value| {
        let mut bytes = prefix.to_vec();
        put_sort_bytes(&mut bytes, &ordered_bytes(value));
        bytes
    };
    let after = |bytes: Vec<u8>| after_prefix(&bytes);
    let from = |bytes: Option<Vec<u8>>| bytes.map_or(Bound::Unbounded, Bound::Included);
    let until = |bytes: Option<Vec<u8>>| bytes.map_or(Bound::Unbounded, Bound::Excluded);
    let first = Some(prefix.to_vec());
    let end = after(prefix.to_vec());
    let (lower, upper) = match condition {
        None => (first, end),
        Some(Eq(value)) => (Some(with(value)), after(with(value))),
        Some(Lt(value)) => (first, Some(with(value))),
        Some(Le(value)) => (first, after(with(value))),
        Some(Gt(value)) => (after(with(value)), end),
        Some(Ge(value)) => (Some(with(value)), end),
        Some(Between(low, high)) => (Some(with(low)), after(with(high))),
        Some(BeginsWith(value)) => {
            let mut bytes = prefix.to_vec();
            put_sort_prefix(&mut bytes, &ordered_bytes(value));
            (Some(bytes.clone()), after(bytes))
        }
    };
    (from(lower), until(upper))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::ops::RangeBounds;

    use proptest::prelude::*;

    use super::*;
    use crate::map::Map;
    use crate::names::AttributeName;
    use crate::schema::ScalarType;
    use crate::value::AttributeValue;

    fn key() -> IndexKey {
        let attribute = |name: &str| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind: ScalarType::S,
        };
        IndexKey {
            partition: vec![attribute("p1"), attribute("p2")],
            sort: vec![attribute("s1"), attribute("s2")],
        }
    }

    fn bind(text: &str, values: &[(&str, &str)]) -> Result<IndexCondition, ValidationError> {
        let values: Map = values
            .iter()
            .map(|(name, value)| (format!(":{name}"), AttributeValue::from(*value)))
            .collect();
        KeyConditionExpression::parse(text, &BTreeMap::new(), &values)?.bind_index(&key())
    }

    fn sort_bytes(parts: [&str; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts {
            put_sort_bytes(&mut bytes, part.as_bytes());
        }
        // The hash of the item's key.
        bytes.extend([0x80; 16]);
        bytes
    }

    #[test]
    fn attributes_are_bound_from_the_left() {
        let p = [("p", "x"), ("q", "y")];
        let message = |text: &str, more: &[(&str, &str)]| {
            bind(text, &[&p[..], more].concat())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            bind("p1 = :p", &p[..1]).unwrap_err().to_string(),
            "Query condition missed key schema element: p2"
        );
        assert_eq!(
            message("p1 = :p AND p2 > :q", &[]),
            "Query key condition not supported"
        );
        assert_eq!(
            message("p1 = :p AND p2 = :q AND s2 = :a", &[("a", "1")]),
            "Query condition missed key schema element: s1"
        );
        assert_eq!(
            message(
                "p1 = :p AND p2 = :q AND s1 > :a AND s2 = :b",
                &[("a", "1"), ("b", "2")]
            ),
            "Query key condition not supported"
        );
        let all = [("p", "x"), ("q", "y"), ("a", "1"), ("b", "2")];
        let bound = bind("s2 >= :b AND p1 = :p AND s1 = :a AND p2 = :q", &all).unwrap();
        assert!((bound.lower.clone(), bound.upper.clone()).contains(&sort_bytes(["1", "2"])));
        assert!(!(bound.lower, bound.upper).contains(&sort_bytes(["1", "1"])));
    }

    proptest! {
        #[test]
        fn ranges_hold_what_meets_the_condition(
            s1 in "[\0-\u{1}a]{1,3}", s2 in "[\0-\u{1}a]{1,3}",
            a in "[\0-\u{1}a]{1,3}", b in "[\0-\u{1}a]{1,3}",
            form in 0usize..8,
        ) {
            let (condition, holds) = [
                ("s1 = :a", s1 == a),
                ("s1 < :a", s1 < a),
                ("s1 <= :a", s1 <= a),
                ("s1 > :a", s1 > a),
                ("s1 >= :a", s1 >= a),
                ("begins_with(s1, :a)", s1.starts_with(&a)),
                ("s1 = :a AND s2 > :b", s1 == a && s2 > b),
                ("s1 = :a AND begins_with(s2, :b)", s1 == a && s2.starts_with(&b)),
            ][form];
            let mut values = vec![("p", "x"), ("q", "y"), ("a", a.as_str())];
            if condition.contains(":b") {
                values.push(("b", b.as_str()));
            }
            let bound = bind(&format!("p1 = :p AND p2 = :q AND {condition}"), &values).unwrap();
            let found = (bound.lower, bound.upper).contains(&sort_bytes([&s1, &s2]));
            prop_assert_eq!(found, holds);
        }
    }
}
