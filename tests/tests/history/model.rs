//! What the database should hold: tables of items in plain maps, ordered by the values of their keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb::model::ops::{
    CreateTableInput, KeyType, StreamSpecification, StreamViewType, TableDescription, WriteRequest,
};
use sealdb::model::{
    AttributeName, AttributeValue, Item, KeyAttribute, KeySchema, Number, ScalarType, codec,
    item_size,
};

use crate::indexes;
use crate::rng::Rng;

/// One half of a key. All of one table's are of one kind, so that the derived order is the order of the values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    S(String),
    N(Number),
    B(Vec<u8>),
}

impl Part {
    pub fn value(&self) -> AttributeValue {
        match self {
            Part::S(s) => AttributeValue::S(s.clone()),
            Part::N(n) => AttributeValue::N(*n),
            Part::B(b) => AttributeValue::B(b.clone()),
        }
    }

    fn of(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::S(s) => Part::S(s.clone()),
            AttributeValue::N(n) => Part::N(*n),
            AttributeValue::B(b) => Part::B(b.clone()),
            other => panic!("{other:?} is no key attribute"),
        }
    }

    /// Whether this begins with `prefix`; numbers have no prefixes.
    pub fn begins_with(&self, prefix: &Part) -> bool {
        match (self, prefix) {
            (Part::S(a), Part::S(b)) => a.starts_with(b.as_str()),
            (Part::B(a), Part::B(b)) => a.starts_with(b),
            _ => false,
        }
    }

    /// A key attribute among about `many`: short ones with common beginnings, seldom a very long one.
    pub fn draw(rng: &mut Rng, kind: ScalarType, many: usize, longest: usize) -> Self {
        let n = rng.below(many);
        match kind {
            ScalarType::N => {
                let n = n as i64 - many as i64 / 2;
                let text = match n % 3 {
                    0 => format!("{n}"),
                    1 => format!("{n}.5"),
                    _ => format!("{n}e20"),
                };
                Part::N(text.parse().unwrap())
            }
            ScalarType::S => Part::S(text(n, many, longest)),
            ScalarType::B => {
                let mut bytes = text(n, many, longest).into_bytes();
                if n.is_multiple_of(5) {
                    bytes[0] = 0xff;
                }
                if n.is_multiple_of(7) {
                    let end = bytes.len() - 1;
                    bytes[end] = 0;
                    bytes.truncate(longest);
                }
                // Still one key for one number.
                bytes.extend((n as u16).to_be_bytes());
                bytes.truncate(longest);
                Part::B(bytes)
            }
        }
    }
}

/// The n-th text: a few families with common beginnings, as real keys have.
fn text(n: usize, many: usize, longest: usize) -> String {
    let family = ["a", "ab", "flight#", "ü#"][n % 4];
    if n % 23 == 11 {
        let mut long = format!("{family}{n:04}");
        long.push_str(&"x".repeat(longest - long.len() - 4 - (n % 3)));
        return long;
    }
    if many > 20 && n.is_multiple_of(2) {
        format!("{family}{n:04}")
    } else {
        format!("{family}{n}")
    }
}

/// Partition and, if the table has one, sort key.
pub type Key = (Part, Option<Part>);

/// A table's key attributes and indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub partition: ScalarType,
    pub sort: Option<ScalarType>,
    /// Whether it has the global index, and if so whether of whole items.
    pub global: Option<bool>,
    /// Whether it has the local one.
    pub local: bool,
}

impl Shape {
    pub fn draw(rng: &mut Rng) -> Self {
        let kinds = [ScalarType::S, ScalarType::N, ScalarType::B];
        let sort = (!rng.one_in(5)).then(|| rng.pick(&kinds));
        Shape {
            partition: rng.pick(&kinds),
            sort,
            global: rng.pick(&[None, None, Some(false), Some(true)]),
            local: sort.is_some() && rng.one_in(3),
        }
    }

    /// Most tables have a stream, which tells of every change.
    pub fn create(&self, name: &str) -> CreateTableInput {
        let mut input = CreateTableInput::new(name).partition_key("pk", self.partition);
        if self.partition != ScalarType::N {
            let both = StreamViewType::NewAndOldImages;
            input = input.stream_specification(StreamSpecification::enabled(both));
        }
        if let Some(kind) = self.sort {
            input = input.sort_key("sk", kind);
        }
        if self.global.is_some() || self.local {
            input = input.attribute("n", ScalarType::N);
        }
        if let Some(whole) = self.global {
            let index = indexes::global(whole);
            input = input.attribute("g", ScalarType::S).global_index(index);
        }
        match self.local {
            true => input.local_index(indexes::local()),
            false => input,
        }
    }

    pub fn of(described: &TableDescription) -> Self {
        let kind_of = |role: KeyType| {
            let element = described
                .key_schema
                .iter()
                .find(|element| element.key_type == role)?;
            described
                .attribute_definitions
                .iter()
                .find(|definition| definition.attribute_name == element.attribute_name)
                .map(|definition| definition.attribute_type)
        };
        Shape {
            partition: kind_of(KeyType::Hash).expect("a table has a partition key"),
            sort: kind_of(KeyType::Range),
            global: indexes::global_of(described),
            local: !described.local_secondary_indexes.is_empty(),
        }
    }

    /// The key attributes as a map.
    pub fn key_map(key: &Key) -> Item {
        let mut map = Item::new();
        map.insert("pk", key.0.value());
        if let Some(sort) = &key.1 {
            map.insert("sk", sort.value());
        }
        map
    }

    pub fn key_of(&self, item: &Item) -> Key {
        let part = |name| Part::of(item.get(name).expect("an item has its key"));
        (part("pk"), self.sort.map(|_| part("sk")))
    }

    fn schema(&self) -> KeySchema {
        let attribute = |name, kind| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        };
        KeySchema {
            partition: attribute("pk", self.partition),
            sort: self.sort.map(|kind| attribute("sk", kind)),
        }
    }

    /// Bytes that a request of a batch counts with when it is cut into pieces: the stored key (hash, length, parts) and the item.
    pub fn stored_bytes(&self, key: &Key, item: Option<&Item>) -> usize {
        let map = Self::key_map(key);
        let bytes = self.schema().key_of_key(&map).unwrap();
        let mut encoded = Vec::new();
        if let Some(item) = item {
            codec::encode_item(item, &mut encoded).unwrap();
        }
        8 + 2 + bytes.partition.len() + bytes.sort.len() + encoded.len()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub shape: Shape,
    pub items: BTreeMap<Key, Arc<Item>>,
}

impl Table {
    pub fn size(&self) -> u64 {
        self.items.values().map(|item| item_size(item) as u64).sum()
    }
}

/// One change of the whole.
#[derive(Clone)]
pub enum Change {
    Put(String, Key, Arc<Item>),
    Delete(String, Key),
    Create(String, Shape),
    /// The global index is as in [`Shape`] from here on.
    Index(String, Option<bool>),
    Drop(String),
}

impl Change {
    pub fn request(&self) -> (&str, WriteRequest) {
        match self {
            Change::Put(table, _, item) => (table, WriteRequest::Put((**item).clone())),
            Change::Delete(table, key) => (table, WriteRequest::Delete(Shape::key_map(key))),
            _ => unreachable!("no request of a batch"),
        }
    }
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub tables: BTreeMap<String, Table>,
}

impl Model {
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(table, key, item) => {
                self.items(table).insert(key.clone(), item.clone());
            }
            Change::Delete(table, key) => {
                self.items(table).remove(key);
            }
            Change::Create(name, shape) => {
                let table = Table {
                    shape: *shape,
                    items: BTreeMap::new(),
                };
                self.tables.insert(name.clone(), table);
            }
            Change::Index(name, global) => {
                let table = self.tables.get_mut(name);
                table.expect("a table of the model").shape.global = *global;
            }
            Change::Drop(name) => {
                self.tables.remove(name);
            }
        }
    }

    pub fn with(&self, changes: &[Change]) -> Self {
        let mut model = self.clone();
        changes.iter().for_each(|change| model.apply(change));
        model
    }

    fn items(&mut self, table: &str) -> &mut BTreeMap<Key, Arc<Item>> {
        &mut self
            .tables
            .get_mut(table)
            .expect("a table of the model")
            .items
    }

    /// In words, where `found` differs from this: the first few places.
    pub fn difference(&self, found: &Model) -> String {
        let mut out = Vec::new();
        for name in self.tables.keys().chain(found.tables.keys()) {
            match (self.tables.get(name), found.tables.get(name)) {
                (Some(_), None) => out.push(format!("table {name} is missing")),
                (None, Some(_)) => out.push(format!("table {name} should not be there")),
                (Some(a), Some(b)) => {
                    if a.shape != b.shape {
                        out.push(format!("table {name} is {:?}, not {:?}", b.shape, a.shape));
                    }
                    for key in a.items.keys().chain(b.items.keys()) {
                        let (expected, found) = (a.items.get(key), b.items.get(key));
                        if expected != found {
                            out.push(format!(
                                "{name} {key:?}: expected {expected:?}, found {found:?}"
                            ));
                        }
                    }
                }
                (None, None) => {}
            }
        }
        out.dedup();
        let more = out.len().saturating_sub(6);
        out.truncate(6);
        for line in &mut out {
            if line.len() > 300 {
                let cut = (0..=300).rev().find(|at| line.is_char_boundary(*at));
                line.truncate(cut.unwrap_or(0));
                line.push('…');
            }
        }
        if more > 0 {
            out.push(format!("… and {more} more"));
        }
        out.join("\n  ")
    }
}
