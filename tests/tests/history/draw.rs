//! What a seed draws before its first step: the engine, the sizes of everything, the kind of data.

use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::EpochLimits;
use sealdb::model::{AttributeValue, Item, MAX_ITEM_SIZE, item_size};
use sealdb::{Background, Durability, Options};
use sealdb_engine::SegmentSizes;

use crate::indexes::GROUPS;
use crate::model::{Key, Part, Shape};
use crate::rng::Rng;

/// What the local index holds of an item counts for the item's size: its keys, of 3 KB at most. Updates add to both.
const INDEXED: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Crashes anywhere, unsynced writes lost, torn or reordered.
    Crash,
    /// The process dies at most.
    Memory,
    /// Real files; the process dies at most.
    Files,
}

/// How large items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    Tiny,
    Small,
    /// Around the length from which a value lies out of line.
    Edge,
    Large,
    /// Up to 400 KB, mostly small.
    Huge,
}

#[derive(Clone, Debug)]
pub struct Draw {
    pub kind: Kind,
    pub options: Options,
    pub sizes: SegmentSizes,
    pub epochs: EpochLimits,
    pub payload: Payload,
    /// Distinct partition and sort keys.
    pub partitions: usize,
    pub sorts: usize,
    pub tables: usize,
    pub steps: usize,
    /// A history ends early once it has put so many bytes.
    pub bytes: usize,
    /// One in so many steps deletes, rather than puts.
    pub delete_one_in: usize,
    /// Disks fill up, calls fail.
    pub faults: bool,
}

impl Draw {
    pub fn new(rng: &mut Rng) -> Self {
        let kind = match rng.below(16) {
            0 => Kind::Files,
            1 | 2 => Kind::Memory,
            _ => Kind::Crash,
        };
        let kib = |n: usize| n << 10;
        let first = rng.pick(&[64u64 << 10, 64 << 10, 128 << 10, 512 << 10]);
        let sizes = SegmentSizes {
            first,
            max: first << rng.below(4),
            keep: rng.pick(&[0, 256 << 10, 256 << 20]),
        };
        let options = Options {
            cache_bytes: kib(rng.pick(&[64, 64, 96, 128, 256, 1024, 8192])),
            dirty_checkpoint: rng.pick(&[1.0 / 16.0, 1.0 / 8.0, 1.0 / 2.0]),
            dirty_slow: rng.pick(&[1.0 / 8.0, 1.0 / 4.0, 3.0 / 4.0]),
            dirty_stop: rng.pick(&[1.0 / 2.0, 7.0 / 8.0]),
            log_limit: rng.pick(&[32u64 << 10, 128 << 10, 512 << 10, 4 << 20, 256 << 20]),
            segment_first: sizes.first,
            segment_max: sizes.max,
            group_bytes: rng.pick(&[kib(1), kib(64), kib(1024)]),
            durability: if kind == Kind::Crash && rng.one_in(4) {
                Durability::Interval(Duration::from_secs(1))
            } else {
                Durability::Commit
            },
            background: Background::Inline,
            ..Options::default()
        };
        let epochs = EpochLimits {
            max_messages: rng.pick(&[3, 50, 1 << 24]),
            max_age: Duration::from_secs(rng.pick(&[60, 3600])),
            derived_key_cache: rng.pick(&[0, 2, 256]),
            ..EpochLimits::default()
        };
        let payload = rng.pick(&[
            Payload::Tiny,
            Payload::Tiny,
            Payload::Small,
            Payload::Edge,
            Payload::Large,
            Payload::Huge,
        ]);
        let (partitions, sorts) =
            rng.pick(&[(1, 300), (3, 60), (12, 12), (40, 4), (200, 1), (6, 400)]);
        Draw {
            kind,
            options,
            sizes,
            epochs,
            payload,
            partitions,
            sorts,
            tables: rng.between(1, 4),
            steps: rng.pick(&[40, 100, 100, 250]),
            bytes: 3 << 20,
            delete_one_in: rng.pick(&[2, 3, 5, 12]),
            faults: kind == Kind::Crash && rng.one_in(3),
        }
    }

    /// Whether an acknowledged write may be lost with the power, until it is synced.
    pub fn interval(&self) -> bool {
        self.options.durability != Durability::Commit
    }

    pub fn key(&self, rng: &mut Rng, shape: Shape) -> Key {
        (
            Part::draw(rng, shape.partition, self.partitions, 2048),
            shape
                .sort
                .map(|kind| Part::draw(rng, kind, self.sorts, 1024)),
        )
    }

    /// An item of this key that differs from every other of the history by its number.
    pub fn item(&self, rng: &mut Rng, key: &Key, number: u64) -> Arc<Item> {
        let mut item = Shape::key_map(key);
        item.insert("n", AttributeValue::N(number.into()));
        if !rng.one_in(3) {
            item.insert("g", rng.pick(&GROUPS));
        }
        item.insert("v", AttributeValue::S(String::new()));
        let most = MAX_ITEM_SIZE - INDEXED - item_size(&item);
        let len = match self.payload {
            Payload::Tiny => rng.between(1, 150),
            Payload::Small => rng.between(1, 1800),
            Payload::Edge => rng.between(1500, 2600),
            Payload::Large => rng.between(1, 40 << 10),
            Payload::Huge if rng.one_in(12) => rng.between(1, 400 << 10).min(most),
            Payload::Huge if rng.one_in(40) => most,
            Payload::Huge => rng.between(1, 600),
        };
        item.insert("v", value(rng, len.min(most)));
        assert!(item_size(&item) <= MAX_ITEM_SIZE);
        Arc::new(item)
    }
}

/// A value of `len` bytes by AWS's rules, or a little less.
fn value(rng: &mut Rng, len: usize) -> AttributeValue {
    let mut chance = rng.clone();
    let seed = rng.next();
    let bytes = |len: usize| -> Vec<u8> {
        let block: Vec<u8> = (0..61).map(|i| (seed >> (i % 57)) as u8).collect();
        block.iter().copied().cycle().take(len).collect()
    };
    let text = |len: usize| -> String {
        bytes(len)
            .iter()
            .map(|b| char::from(b'a' + b % 26))
            .collect()
    };
    match chance.below(4) {
        0 => AttributeValue::B(bytes(len.max(1))),
        1 if len > 40 => AttributeValue::L(vec![
            AttributeValue::S(text(len - 30)),
            AttributeValue::Bool(true),
            AttributeValue::Null,
            AttributeValue::N("-12.5".parse().unwrap()),
        ]),
        2 if len > 40 => AttributeValue::M(
            [
                ("inner", AttributeValue::S(text(len - 30))),
                ("set", AttributeValue::Ns(vec![3.into(), 1.into()])),
            ]
            .into_iter()
            .collect(),
        ),
        _ => AttributeValue::S(text(len)),
    }
}
