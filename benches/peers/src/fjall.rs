//! fjall: a log-structured merge tree in Rust. It syncs once for each commit, so puts are committed in groups.

use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use sealdb_bench_driver::Failure;
use sealdb_bench_driver::group::Group;
use sealdb_bench_driver::items::{TABLE, decode, joined_key};
use sealdb_bench_driver::model::Item;
use sealdb_bench_driver::peer::{Client, Peer};
use sealdb_bench_driver::protocol::Opening;

use crate::bytes::{Put, put, puts};
use crate::{about, mib};

/// An open database; each client holds one.
#[derive(Clone)]
pub(crate) struct Fjall(Arc<Inner>);

struct Inner {
    db: Database,
    items: Keyspace,
    group: Group<Put>,
    about: String,
}

impl Fjall {
    pub(crate) fn open(opening: &Opening) -> Result<Self, Failure> {
        let db = Database::builder(&opening.dir)
            .cache_size(opening.cache_bytes as u64)
            .open()?;
        let items = db.keyspace(TABLE, KeyspaceCreateOptions::default)?;
        let settings = format!(
            "block cache of {} MiB, fdatasync of each group",
            mib(opening)
        );
        Ok(Self(Arc::new(Inner {
            db,
            items,
            group: Group::default(),
            about: about("fjall", &settings),
        })))
    }

    /// All or nothing, with one sync.
    fn commit(&self, puts: Vec<Put>) -> Result<(), Failure> {
        let mut batch = self.0.db.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in puts {
            batch.insert(&self.0.items, key, value);
        }
        Ok(batch.commit()?)
    }
}

impl Peer for Fjall {
    fn about(&self) -> String {
        self.0.about.clone()
    }

    fn client(&self) -> Result<Box<dyn Client>, Failure> {
        Ok(Box::new(self.clone()))
    }

    fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure> {
        self.commit(puts(&items)?)
    }

    fn scan(&self) -> Result<u64, Failure> {
        let mut count = 0;
        for found in self.0.items.iter() {
            std::hint::black_box(decode(&found.value()?)?);
            count += 1;
        }
        Ok(count)
    }

    fn settle(&self) -> Result<(), Failure> {
        self.0.items.rotate_memtable_and_wait()?;
        Ok(self.0.items.major_compact()?)
    }

    fn is_log(&self, file: &str) -> bool {
        file.ends_with(".jnl")
    }
}

impl Client for Fjall {
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
        let found = self.0.items.get(joined_key(number))?;
        Ok(found.map(|bytes| decode(&bytes)).transpose()?)
    }

    fn put(&mut self, number: u64, item: Item) -> Result<(), Failure> {
        let put = put(number, &item)?;
        std::hint::black_box(self.0.items.get(&put.0)?);
        self.0.group.submit(put, |puts| self.commit(puts))
    }
}
