//! The items that every store holds.
//!
//! Items have a partition key, a sort key, what indexes are by, if there are any, and one string that fills them up to their size by AWS's
//! rules. [`PER_PARTITION`] items share a partition key, so that queries have something to walk. Everything is made from the item's number.

use sealdb_model::codec::{CodecError, decode_item, encode_item};
use sealdb_model::ops::{
    BatchWriteItemInput, CreateTableInput, GlobalSecondaryIndex, Projection, ProjectionType,
    StreamSpecification, StreamViewType,
};
use sealdb_model::{AttributeValue, Item, ScalarType};

use crate::size::ItemSize;

/// The table.
pub const TABLE: &str = "items";
/// Items of one partition key.
pub const PER_PARTITION: u64 = 100;
/// Requests of one BatchWriteItem.
pub const BATCH: u64 = 25;
/// Names and keys of an item: pk 2 + 9, sk 2 + 3, v 1.
const OVERHEAD: usize = 17;
/// The same of what indexes are by: g 1 + 3, u 1 + 16.
const INDEX_OVERHEAD: usize = 21;
/// Items are divided into so many groups, by which indexes find them.
const GROUPS: u64 = 1000;

/// The items of a store: how many, how large, and whether there are indexes and a stream of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Items {
    /// How many. Whole partitions.
    pub count: u64,
    /// How large.
    pub size: ItemSize,
    /// Whether their table has two indexes and a stream, so that a put changes four trees: `by-group` holds the keys alone and stays as
    /// it is, `by-update` holds all of the items and has each put's at another place, the stream gets the item before and after.
    pub indexed: bool,
}

impl Items {
    /// At least so many items, in whole partitions.
    pub fn new(count: u64, size: ItemSize) -> Self {
        let count = count.max(1).next_multiple_of(PER_PARTITION);
        Self {
            count,
            size,
            indexed: false,
        }
    }

    /// The same with two indexes and a stream.
    pub fn indexed(self) -> Self {
        Self {
            indexed: true,
            ..self
        }
    }

    /// Attributes of each item.
    pub fn attributes(&self) -> usize {
        if self.indexed { 5 } else { 3 }
    }

    /// The item of this number; `version` changes its string, but not its size.
    pub fn item(&self, number: u64, version: u64) -> Item {
        let mut item = self.key(number);
        let mut overhead = OVERHEAD;
        if self.indexed {
            let mut group = String::new();
            push_padded(&mut group, number % GROUPS, 3);
            item.insert("g", group);
            item.insert("u", format!("{version:016x}"));
            overhead += INDEX_OVERHEAD;
        }
        let filler = self.size.of(number).saturating_sub(overhead);
        let mut text = String::with_capacity(filler.max(16));
        text.push_str(&format!("{version:016x}"));
        text.truncate(filler);
        text.extend(std::iter::repeat_n('x', filler - text.len()));
        item.insert("v", text);
        item
    }

    /// The key of the item of this number.
    pub fn key(&self, number: u64) -> Item {
        Item::from([
            ("pk", AttributeValue::S(partition(number))),
            ("sk", AttributeValue::S(sort(number))),
        ])
    }

    /// Batches that hold every item once.
    pub fn batches(&self) -> u64 {
        self.count / BATCH
    }

    /// One of them: its items belong to different partitions.
    pub fn batch(&self, batch: u64) -> BatchWriteItemInput {
        (0..BATCH).fold(BatchWriteItemInput::new(), |input, i| {
            input.put(TABLE, self.item(batch + i * self.batches(), 0))
        })
    }

    /// What makes the table.
    pub fn table(&self) -> CreateTableInput {
        let table = CreateTableInput::new(TABLE)
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::S);
        if !self.indexed {
            return table;
        }
        let keys = Projection::new(ProjectionType::KeysOnly);
        table
            .attribute("g", ScalarType::S)
            .attribute("u", ScalarType::S)
            .global_index(GlobalSecondaryIndex::new("by-group", &["g"], &["sk"]).projection(keys))
            .global_index(GlobalSecondaryIndex::new("by-update", &["g"], &["u"]))
            .stream_specification(StreamSpecification::enabled(
                StreamViewType::NewAndOldImages,
            ))
    }
}

/// The partition key of an item.
pub fn partition(number: u64) -> String {
    let mut key = String::with_capacity(24);
    push_partition(&mut key, number);
    key
}

/// The sort key of an item.
pub fn sort(number: u64) -> String {
    let mut key = String::with_capacity(24);
    push_sort(&mut key, number);
    key
}

/// Both keys of an item in one, for stores of bytes: of one length, so they are ordered as pairs.
pub fn joined_key(number: u64) -> String {
    let mut key = String::with_capacity(24);
    push_partition(&mut key, number);
    push_sort(&mut key, number);
    key
}

fn push_partition(key: &mut String, number: u64) {
    key.push('p');
    push_padded(key, number / PER_PARTITION, 8);
}

fn push_sort(key: &mut String, number: u64) {
    push_padded(key, number % PER_PARTITION, 3);
}

/// The number with leading zeros. By hand, because the making of a key stands in the measured time of a get: `format!` takes as
/// long as half of one.
fn push_padded(text: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 {
        at -= 1;
        digits[at] += (number % 10) as u8;
        number /= 10;
    }
    let from = at.min(digits.len() - width);
    text.extend(digits[from..].iter().map(|digit| char::from(*digit)));
}

/// An item as stores of bytes hold it.
///
/// # Errors
/// Those of the codec.
pub fn encode(item: &Item) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_item(item, &mut bytes)?;
    Ok(bytes)
}

/// The item in such bytes, owning all of its values.
///
/// # Errors
/// Those of the codec.
pub fn decode(bytes: &[u8]) -> Result<Item, CodecError> {
    decode_item(bytes)
}

/// `number` below `count`, each once, in an order that knows nothing of keys.
pub(crate) fn scattered(count: u64) -> impl Iterator<Item = u64> {
    /// The largest prime below 2^32: it shares no factor with a smaller count.
    const STEP: u64 = 4_294_967_291;
    (0..count).map(move |n| (u128::from(n) * u128::from(STEP) % u128::from(count)) as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use sealdb_model::item_size;

    use super::*;

    #[test]
    fn items_have_their_size_and_their_version() {
        let items = Items::new(150, ItemSize::Fixed(100));
        assert_eq!(items.count, 200);
        assert_eq!(item_size(&items.item(7, 3)), 100);
        assert_eq!(items.item(7, 3).len(), items.attributes());
        assert_ne!(items.item(7, 3), items.item(7, 4));
        let log = Items::new(1, ItemSize::LogUniform);
        assert_eq!(item_size(&log.item(9, 1)), log.size.of(9));
        let indexed = items.indexed();
        assert_eq!(item_size(&indexed.item(7, 3)), 100);
        assert_eq!(indexed.item(7, 3).len(), indexed.attributes());
    }

    #[test]
    fn keys_have_leading_zeros() {
        let keys = |number| (partition(number), sort(number));
        assert_eq!(keys(0), ("p00000000".into(), "000".into()));
        assert_eq!(
            keys(1_234_567_890_123),
            ("p12345678901".into(), "023".into())
        );
    }

    #[test]
    fn bytes_of_an_item_are_the_item_and_joined_keys_are_ordered_as_pairs() {
        let item = Items::new(1, ItemSize::Fixed(1024)).item(7, 3);
        assert_eq!(decode(&encode(&item).unwrap()).unwrap(), item);
        assert_eq!(joined_key(12_345), partition(12_345) + &sort(12_345));
        assert!((0..300).map(joined_key).is_sorted());
    }

    #[test]
    fn scattered_numbers_are_all_there_and_neighbours_are_not() {
        let numbers: Vec<u64> = scattered(1_000).collect();
        let all: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!((all.len(), all.last()), (1_000, Some(&999)));
        assert!(numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
    }
}
