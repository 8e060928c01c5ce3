//! A database of either kind, filled with items.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealdb::model::ops::{BatchWriteItemInput, GetItemInput};
use sealdb::{Database, Options, RootKeySource, blocking};

use crate::null::NullSealing;

pub use sealdb_bench_driver::Failure;
pub use sealdb_bench_driver::items::{BATCH, Items, PER_PARTITION, TABLE, partition};

/// Threads that fill a store.
pub const WRITERS: u64 = 4;

/// Which block transform a store uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AES-256-GCM, as everybody gets it.
    Sealed,
    /// The null sealer.
    Plain,
}

impl Kind {
    /// What a process of our own was told by `--plain`, or its absence.
    pub fn of(plain: bool) -> Self {
        match plain {
            true => Self::Plain,
            false => Self::Sealed,
        }
    }
}

/// How stores are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is in the store.
    pub items: Items,
    /// Settings of the database.
    pub options: Options,
}

/// What a checkpointed store takes of the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Bytes of pages in use, for each item.
    pub page_bytes: f64,
    /// The same for each byte of items.
    pub pages: f64,
    /// Length of the page file for each byte of items.
    pub page_file: f64,
    /// Bytes of all log segments, pre-filled: they do not grow with the items.
    pub log: f64,
}

/// An open database with a table of items.
pub struct Store {
    /// The database.
    pub db: blocking::Database,
    /// What it was made from.
    pub settings: Settings,
    /// Which block transform it uses.
    pub kind: Kind,
    dir: PathBuf,
}

impl Store {
    /// Makes a database with an empty table in a new directory.
    ///
    /// # Errors
    /// Those of the database.
    pub fn create(dir: &Path, kind: Kind, settings: &Settings) -> Result<Self, Failure> {
        let root_key = RootKeySource::create_file(dir.join("keyring").join("root.key"))?;
        let options = Options {
            // All stores order their partitions alike, so their trees differ in the block transform and in nothing else.
            hash_seed: Some(1),
            ..settings.options.clone()
        };
        let db = builder(dir, kind, &options, root_key).open_sync()?;
        db.create_table(settings.items.table())?;
        Ok(Store {
            db,
            settings: settings.clone(),
            kind,
            dir: dir.to_owned(),
        })
    }

    /// Opens the database that [`Store::create`] made there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn open(dir: &Path, kind: Kind, settings: &Settings) -> Result<Self, Failure> {
        Ok(Store {
            db: existing(dir, kind, &settings.options).open_sync()?,
            settings: settings.clone(),
            kind,
            dir: dir.to_owned(),
        })
    }

    /// Closes the database and opens it with other options.
    ///
    /// # Errors
    /// Those of the database.
    pub fn reopen(&mut self, options: Options) -> Result<(), Failure> {
        self.db.close()?;
        self.settings.options = options;
        self.db = existing(&self.dir, self.kind, &self.settings.options).open_sync()?;
        Ok(())
    }

    /// The directory of the database's files.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Puts every item once, durably, by BatchWriteItem from [`WRITERS`] threads, in an order that knows nothing of keys.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fill(&self) -> Result<(), Failure> {
        self.fill_part(0, 1)
    }

    /// Puts one of `parts` equal parts of the items.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fill_part(&self, part: u64, parts: u64) -> Result<(), Failure> {
        let batches = self.settings.items.batches();
        let next = AtomicU64::new(part * batches / parts);
        let end = (part + 1) * batches / parts;
        let write = || -> Result<(), Failure> {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= end {
                    return Ok(());
                }
                self.write(self.settings.items.batch(batch))?;
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

    /// Makes a BatchWriteItem of which nothing may be left over.
    ///
    /// # Errors
    /// Those of the database.
    pub fn write(&self, batch: BatchWriteItemInput) -> Result<(), Failure> {
        let output = self.db.batch_write_item(batch)?;
        match output.unprocessed_items.is_empty() {
            true => Ok(()),
            false => Err("some items of a batch were not processed".into()),
        }
    }

    /// Reads every item once, so that all pages are cached if the budget allows it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn warm(&self) -> Result<(), Failure> {
        for number in 0..self.settings.items.count {
            let input = GetItemInput::new(TABLE, self.settings.items.key(number));
            if self.db.get_item(input)?.item.is_none() {
                return Err(format!("item {number} is missing").into());
            }
        }
        Ok(())
    }

    /// Makes checkpoints until nothing waits for one, and gives back what the first left for older readers.
    ///
    /// # Errors
    /// Those of the database.
    pub fn settle(&self) -> Result<(), Failure> {
        self.db.checkpoint_now()?;
        Ok(self.db.checkpoint_now()?)
    }

    /// Makes a checkpoint and tells what the disk holds then.
    ///
    /// # Errors
    /// Those of the database.
    pub fn footprint(&self) -> Result<Footprint, Failure> {
        self.settle()?;
        let stats = self.db.stats();
        let bytes = stats.size_bytes as f64;
        Ok(Footprint {
            page_bytes: stats.page_used_bytes as f64 / stats.items as f64,
            pages: stats.page_used_bytes as f64 / bytes,
            page_file: stats.page_file_bytes as f64 / bytes,
            log: stats.log_segment_bytes as f64,
        })
    }

    /// Bytes written to pages and log since the database was opened.
    pub fn written(&self) -> u64 {
        let stats = self.db.stats();
        stats.page_bytes_written + stats.log_bytes_written
    }
}

/// What opens the database that [`Store::create`] made in `dir`.
pub fn existing(dir: &Path, kind: Kind, options: &Options) -> sealdb::Builder {
    let root_key = RootKeySource::File(dir.join("keyring").join("root.key"));
    builder(dir, kind, options, root_key).existing_only()
}

fn builder(dir: &Path, kind: Kind, options: &Options, root_key: RootKeySource) -> sealdb::Builder {
    let builder = Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key)
        .options(options.clone());
    match kind {
        Kind::Sealed => builder,
        Kind::Plain => builder.sealing(Arc::new(NullSealing)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::size::ItemSize;

    #[test]
    fn stores_of_both_kinds_hold_items_of_the_size_they_say() {
        for kind in [Kind::Sealed, Kind::Plain] {
            let dir = tempfile::tempdir().unwrap();
            let items = Items::new(150, ItemSize::Fixed(100));
            let settings = Settings {
                items,
                options: Options::default(),
            };
            let mut store = Store::create(dir.path(), kind, &settings).unwrap();
            store.fill_part(0, 3).unwrap();
            assert_eq!(store.db.stats().items, 50);
            store.fill_part(1, 3).unwrap();
            store.fill_part(2, 3).unwrap();
            store.warm().unwrap();
            let stats = store.db.stats();
            assert_eq!((stats.items, stats.size_bytes), (200, 20_000));
            assert!(store.footprint().unwrap().page_bytes > 100.0);
            store.reopen(Options::default()).unwrap();
            assert_eq!(store.db.stats().items, 200);
        }
    }
}
