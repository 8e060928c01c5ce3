//! [`Map`]: a map of attribute names to values, and [`Item`], which is one.
//!
//! It is a vector sorted by name: items are small, decoding one must not hash, and equal maps are equal vectors.
//! Looking up is a binary search; inserting shifts what follows. Building a large one is done with `FromIterator`,
//! which sorts once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::value::AttributeValue;

/// An item: its attributes by name.
pub type Item = Map;

/// Attribute names and their values, sorted by name, each name once.
///
/// ```
/// # use sealdb_model::{AttributeValue, Item};
/// let mut item = Item::new();
/// item.insert("pk", "AT");
/// item.insert("elevation", 183);
/// assert_eq!(item.get("pk"), Some(&AttributeValue::from("AT")));
/// assert_eq!(item, Item::from([("elevation", 183.into()), ("pk", AttributeValue::from("AT"))]));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Map {
    entries: Vec<(String, AttributeValue)>,
}

impl Map {
    /// An empty map.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// An empty map with room for this many attributes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
        }
    }

    /// For the decoder, which has checked that the names ascend.
    pub(crate) fn from_sorted(entries: Vec<(String, AttributeValue)>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
        Self { entries }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(entry, _)| entry.as_str().cmp(name))
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        let at = self.position(name).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The value of an attribute, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut AttributeValue> {
        let at = self.position(name).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the attribute is there.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Sets an attribute; gives its former value.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> Option<AttributeValue> {
        let (name, value) = (name.into(), value.into());
        match self.position(&name) {
            Ok(at) => self
                .entries
                .get_mut(at)
                .map(|entry| std::mem::replace(&mut entry.1, value)),
            Err(at) => {
                self.entries.insert(at, (name, value));
                None
            }
        }
    }

    /// Removes an attribute; gives its value.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let at = self.position(name).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Keeps the attributes for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut AttributeValue) -> bool) {
        self.entries.retain_mut(|(name, value)| keep(name, value));
    }

    /// Count of attributes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values in the order of the names' bytes.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&str, &AttributeValue)> + ExactSizeIterator + Clone {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Names and values, the values to be changed.
    pub fn iter_mut(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = (&str, &mut AttributeValue)> + ExactSizeIterator {
        self.entries
            .iter_mut()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The names in the order of their bytes.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// The values in the order of their names.
    pub fn values(
        &self,
    ) -> impl DoubleEndedIterator<Item = &AttributeValue> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }
}

/// The count of attributes, neither names nor values.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} attributes)", self.len())
    }
}

/// Of equal names, the last one's value stays.
impl<N: Into<String>, V: Into<AttributeValue>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut entries: Vec<(String, AttributeValue)> = iter
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        // `dedup_by` hands over the later element first and drops it: let the earlier one take its value.
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Self { entries }
    }
}

impl<N: Into<String>, V: Into<AttributeValue>> Extend<(N, V)> for Map {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.insert(name, value);
        }
    }
}

impl<N: Into<String>, V: Into<AttributeValue>, const COUNT: usize> From<[(N, V); COUNT]> for Map {
    fn from(entries: [(N, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl From<HashMap<String, AttributeValue>> for Map {
    fn from(map: HashMap<String, AttributeValue>) -> Self {
        map.into_iter().collect()
    }
}

impl From<BTreeMap<String, AttributeValue>> for Map {
    fn from(map: BTreeMap<String, AttributeValue>) -> Self {
        map.into_iter().collect()
    }
}

impl From<Map> for HashMap<String, AttributeValue> {
    fn from(map: Map) -> Self {
        map.into_iter().collect()
    }
}

impl IntoIterator for Map {
    type Item = (String, AttributeValue);
    type IntoIter = std::vec::IntoIter<(String, AttributeValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_a_map() {
        let mut map = Map::new();
        assert_eq!(map.insert("b", 1), None);
        assert_eq!(map.insert("a", "x"), None);
        assert_eq!(map.insert("b", 2), Some(1.into()));
        assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(map.remove("a"), Some("x".into()));
        assert_eq!(map.remove("a"), None);
        assert!(map.contains_key("b") && !map.contains_key("a"));
    }

    #[test]
    fn collecting_keeps_the_last_of_equal_names() {
        let map = Map::from([("a", 1), ("b", 2), ("a", 3), ("a", 4)]);
        assert_eq!(map.len(), 2);
        assert_eq!(map.get("a"), Some(&4.into()));
        assert_eq!(Map::from(HashMap::from(map.clone())), map);
    }

    #[test]
    fn debug_gives_nothing_away() {
        let map = Map::from([
            ("secretname", AttributeValue::from("secretvalue")),
            ("n", 424_242.into()),
        ]);
        let text = format!("{map:?} {:?}", map.values().collect::<Vec<_>>());
        assert!(!text.contains("secret") && !text.contains("424"), "{text}");
    }
}
