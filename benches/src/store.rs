//! A database of either kind, filled with items of one size.
//!
//! Items have a partition key, a sort key and one string that fills them up to their size by AWS's rules. [`PER_PARTITION`] items
//! share a partition key, so that queries have something to walk. Everything is made from the item's number.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealdb::model::ops::{BatchWriteItemInput, CreateTableInput, GetItemInput};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Database, Options, RootKeySource, blocking};

use crate::null::NullSealing;

/// What went wrong. The harness only shows it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The table.
pub const TABLE: &str = "items";
/// Items of one partition key.
pub const PER_PARTITION: u64 = 100;
/// Threads that fill a store.
pub const WRITERS: usize = 4;
/// Requests of one BatchWriteItem.
const BATCH: u64 = 25;
/// Names and keys of an item: pk 2 + 9, sk 2 + 3, v 1.
const OVERHEAD: usize = 17;

/// Which block transform a store uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AES-256-GCM, as everybody gets it.
    Sealed,
    /// The null sealer.
    Plain,
}

/// How stores are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Items in the store. Rounded up to whole partitions.
    pub items: u64,
    /// Size of an item by AWS's rules, in bytes.
    pub item_bytes: usize,
    /// Settings of the database.
    pub options: Options,
}

/// What a checkpointed store takes of the disk and has written to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Bytes of pages in use, for each item.
    pub page_bytes: f64,
    /// Bytes written to pages and log since the store was made, for each byte of items.
    pub written: f64,
}

/// An open database with a table of items.
pub struct Store {
    /// The database.
    pub db: blocking::Database,
    /// What it was made from.
    pub settings: Settings,
}

impl Store {
    /// Makes a database with an empty table in a new directory.
    ///
    /// # Errors
    /// Those of the database.
    pub fn create(dir: &Path, kind: Kind, settings: &Settings) -> Result<Self, Failure> {
        let root_key = RootKeySource::create_file(dir.join("keyring").join("root.key"))?;
        let mut builder = Database::builder(dir.join("data"))
            .keyring(dir.join("keyring"), root_key)
            .options(settings.options.clone());
        if kind == Kind::Plain {
            builder = builder.sealing(Arc::new(NullSealing));
        }
        let db = builder.open_sync()?;
        db.create_table(
            CreateTableInput::new(TABLE)
                .partition_key("pk", ScalarType::S)
                .sort_key("sk", ScalarType::S),
        )?;
        let mut settings = settings.clone();
        settings.items = settings.items.next_multiple_of(PER_PARTITION);
        Ok(Store { db, settings })
    }

    /// Puts every item once, durably, by BatchWriteItem from [`WRITERS`] threads, in an order that knows nothing of keys.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fill(&self) -> Result<(), Failure> {
        let batches = self.settings.items / BATCH;
        let next = AtomicU64::new(0);
        let write = || -> Result<(), Failure> {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches {
                    return Ok(());
                }
                let mut input = BatchWriteItemInput::new();
                for i in 0..BATCH {
                    // The items of one batch belong to different partitions.
                    input = input.put(TABLE, self.item(batch + i * batches, 0));
                }
                if !self
                    .db
                    .batch_write_item(input)?
                    .unprocessed_items
                    .is_empty()
                {
                    return Err("some items of a batch were not processed".into());
                }
            }
        };
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
            writers.into_iter().try_for_each(|writer| {
                writer
                    .join()
                    .unwrap_or_else(|_| Err("a writer panicked".into()))
            })
        })
    }

    /// Reads every item once, so that all pages are cached if the budget allows it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn warm(&self) -> Result<(), Failure> {
        for number in 0..self.settings.items {
            let input = GetItemInput::new(TABLE, self.key(number));
            if self.db.get_item(input)?.item.is_none() {
                return Err(format!("item {number} is missing").into());
            }
        }
        Ok(())
    }

    /// Makes a checkpoint and tells what the disk holds then.
    ///
    /// # Errors
    /// Those of the database.
    #[allow(clippy::cast_precision_loss)]
    pub fn footprint(&self) -> Result<Footprint, Failure> {
        // The second gives back what the first left for older readers.
        self.db.checkpoint_now()?;
        self.db.checkpoint_now()?;
        let stats = self.db.stats();
        Ok(Footprint {
            page_bytes: stats.page_used_bytes as f64 / stats.items as f64,
            written: (stats.page_bytes_written + stats.log_bytes_written) as f64
                / stats.size_bytes as f64,
        })
    }

    /// The item of this number; `version` changes its string, but not its size.
    pub fn item(&self, number: u64, version: u64) -> Item {
        let mut item = self.key(number);
        let filler = self.settings.item_bytes.saturating_sub(OVERHEAD);
        let mut text = format!("{version:016x}");
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
}

/// The partition key of an item.
pub fn partition(number: u64) -> String {
    format!("p{:08}", number / PER_PARTITION)
}

/// The sort key of an item.
pub fn sort(number: u64) -> String {
    format!("{:03}", number % PER_PARTITION)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sealdb::model::item_size;

    use super::*;

    #[test]
    fn stores_of_both_kinds_hold_items_of_the_size_they_say() {
        for kind in [Kind::Sealed, Kind::Plain] {
            let dir = tempfile::tempdir().unwrap();
            let settings = Settings {
                items: 150,
                item_bytes: 100,
                options: Options::default(),
            };
            let store = Store::create(dir.path(), kind, &settings).unwrap();
            store.fill().unwrap();
            store.warm().unwrap();
            assert_eq!(item_size(&store.item(7, 3)), 100);
            assert_ne!(store.item(7, 3), store.item(7, 4));
            let stats = store.db.stats();
            assert_eq!((stats.items, stats.size_bytes), (200, 20_000));
            assert!(store.footprint().unwrap().page_bytes > 100.0);
        }
    }
}
