//! [`Map`]: a map of attribute names to values, and [`Item`], which is one.
//!
//! It is a vector sorted by name, with all names in one string: items are small, decoding one must neither hash nor
//! allocate for each name, and equal maps are equal vectors. Looking up is a binary search; inserting and removing
//! move what follows. Building a large one is done with `FromIterator`, which sorts once.

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
    /// The names, one after another, in the order of their bytes.
    names: String,
    /// The values in the order of their names.
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// Where the name ends in `names`. It begins where the one before ends, and both are between characters.
    end: usize,
    value: AttributeValue,
}

impl Map {
    /// An empty map.
    pub const fn new() -> Self {
        Self {
            names: String::new(),
            entries: Vec::new(),
        }
    }

    /// An empty map with room for this many attributes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            names: String::new(),
            entries: Vec::with_capacity(capacity),
        }
    }

    /// An empty map for the decoder, which knows its names: it calls `push` with each value, in their order.
    pub(crate) fn with_names(names: &str, capacity: usize) -> Self {
        Self {
            names: names.to_owned(),
            entries: Vec::with_capacity(capacity),
        }
    }

    /// The next value of a map made by `with_names`, and where its name ends. The names ascend and are all of `names`
    /// when the last one is pushed.
    pub(crate) fn push(&mut self, end: usize, value: AttributeValue) {
        self.entries.push(Entry { end, value });
    }

    /// All names in order, one after another.
    pub(crate) fn joined_names(&self) -> &str {
        &self.names
    }

    /// Where the name of the entry at `at` begins; for `at` = count of entries, where all end.
    #[inline]
    fn start(&self, at: usize) -> usize {
        at.checked_sub(1)
            .and_then(|before| self.entries.get(before))
            .map_or(0, |entry| entry.end)
    }

    #[inline]
    fn name(&self, at: usize) -> &str {
        let end = self.start(at + 1);
        self.names.get(self.start(at)..end).unwrap_or_default()
    }

    /// The name without a look at where its characters end.
    #[inline]
    fn name_bytes(&self, at: usize) -> &[u8] {
        let (start, end) = (self.start(at), self.start(at + 1));
        self.names.as_bytes().get(start..end).unwrap_or_default()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name_bytes(middle).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        let at = self.position(name).ok()?;
        self.entries.get(at).map(|entry| &entry.value)
    }

    /// The value of an attribute, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut AttributeValue> {
        let at = self.position(name).ok()?;
        self.entries.get_mut(at).map(|entry| &mut entry.value)
    }

    /// Whether the attribute is there.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Sets an attribute; gives its former value.
    pub fn insert(
        &mut self,
        name: impl AsRef<str>,
        value: impl Into<AttributeValue>,
    ) -> Option<AttributeValue> {
        let (name, value) = (name.as_ref(), value.into());
        match self.position(name) {
            Ok(at) => self
                .entries
                .get_mut(at)
                .map(|entry| std::mem::replace(&mut entry.value, value)),
            Err(at) => {
                let start = self.start(at);
                self.names.insert_str(start, name);
                for later in self.entries.iter_mut().skip(at) {
                    later.end += name.len();
                }
                self.entries.insert(
                    at,
                    Entry {
                        end: start + name.len(),
                        value,
                    },
                );
                None
            }
        }
    }

    /// Removes an attribute; gives its value.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        let at = self.position(name).ok()?;
        let start = self.start(at);
        let entry = self.entries.remove(at);
        self.names.replace_range(start..entry.end, "");
        for later in self.entries.iter_mut().skip(at) {
            later.end -= name.len();
        }
        Some(entry.value)
    }

    /// Keeps the attributes for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut AttributeValue) -> bool) {
        let names = std::mem::take(&mut self.names);
        let mut start = 0;
        self.entries.retain_mut(|entry| {
            let name = names.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            let kept = keep(name, &mut entry.value);
            if kept {
                self.names.push_str(name);
                entry.end = self.names.len();
            }
            kept
        });
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
            .enumerate()
            .map(|(at, entry)| (self.name(at), &entry.value))
    }

    /// Names and values, the values to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut AttributeValue)> {
        let names = self.names.as_str();
        let mut start = 0;
        self.entries.iter_mut().map(move |entry| {
            let name = names.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            (name, &mut entry.value)
        })
    }

    /// The names in the order of their bytes.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names.
    pub fn values(
        &self,
    ) -> impl DoubleEndedIterator<Item = &AttributeValue> + ExactSizeIterator + Clone {
        self.entries.iter().map(|entry| &entry.value)
    }
}

/// The count of attributes, neither names nor values.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} attributes)", self.len())
    }
}

/// Of equal names, the last one's value stays.
impl<N: AsRef<str>, V: Into<AttributeValue>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut pairs: Vec<(N, V)> = iter.into_iter().collect();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut map = Self::with_capacity(pairs.len());
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.into());
            match map.entries.len().checked_sub(1) {
                Some(last) if map.name(last) == name => {
                    if let Some(entry) = map.entries.last_mut() {
                        entry.value = value;
                    }
                }
                _ => {
                    map.names.push_str(name);
                    map.push(map.names.len(), value);
                }
            }
        }
        map
    }
}

impl<N: AsRef<str>, V: Into<AttributeValue>> Extend<(N, V)> for Map {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.insert(name, value);
        }
    }
}

impl<N: AsRef<str>, V: Into<AttributeValue>, const COUNT: usize> From<[(N, V); COUNT]> for Map {
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

impl From<Map> for BTreeMap<String, AttributeValue> {
    fn from(map: Map) -> Self {
        map.into_iter().collect()
    }
}

impl IntoIterator for Map {
    type Item = (String, AttributeValue);
    type IntoIter = IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter {
            names: self.names,
            start: 0,
            entries: self.entries.into_iter(),
        }
    }
}

/// The attributes of a [`Map`], names and values owned, in the order of the names' bytes.
pub struct IntoIter {
    names: String,
    start: usize,
    entries: std::vec::IntoIter<Entry>,
}

impl Iterator for IntoIter {
    type Item = (String, AttributeValue);

    fn next(&mut self) -> Option<Self::Item> {
        let Entry { end, value } = self.entries.next()?;
        let name = self
            .names
            .get(self.start..end)
            .unwrap_or_default()
            .to_owned();
        self.start = end;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn agrees_with_a_btree_map(steps in prop::collection::vec((0..4u8, "[ab\u{e4}]{0,2}", any::<i32>()), 0..40)) {
            let mut map = Map::new();
            let mut model: BTreeMap<String, AttributeValue> = BTreeMap::new();
            for (step, name, value) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(&name, value), model.insert(name, value.into())),
                    2 => prop_assert_eq!(map.remove(&name), model.remove(&name)),
                    _ => {
                        map.retain(|other, _| other >= name.as_str());
                        model.retain(|other, _| other.as_str() >= name.as_str());
                    }
                }
                prop_assert!(map.iter().eq(model.iter().map(|(name, value)| (name.as_str(), value))));
                prop_assert_eq!(&Map::from(model.clone()), &map);
                prop_assert!(map.iter_mut().map(|(name, _)| name.to_owned()).eq(model.keys().cloned()));
                for name in ["", "a", "\u{e4}", "bb"] {
                    prop_assert_eq!(map.get(name), model.get(name));
                }
            }
            prop_assert!(map.into_iter().eq(model));
        }
    }
}
