//! redb: a copy-on-write B+tree in Rust. It syncs once for each commit, so puts are committed in groups.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use sealdb_bench_driver::Failure;
use sealdb_bench_driver::group::Group;
use sealdb_bench_driver::items::{TABLE, decode, joined_key};
use sealdb_bench_driver::model::Item;
use sealdb_bench_driver::peer::{Client, Peer};
use sealdb_bench_driver::protocol::Opening;

use crate::bytes::{Put, put, puts};
use crate::{about, mib};

const ITEMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new(TABLE);

/// An open database; each client holds one.
#[derive(Clone)]
pub(crate) struct Redb(Arc<Inner>);

struct Inner {
    db: Database,
    group: Group<Put>,
    about: String,
}

impl Redb {
    pub(crate) fn open(opening: &Opening) -> Result<Self, Failure> {
        let db = Database::builder()
            .set_cache_size(opening.cache_bytes)
            .create(opening.dir.join("items.redb"))?;
        let settings = format!("cache of {} MiB, durability immediate", mib(opening));
        let peer = Self(Arc::new(Inner {
            db,
            group: Group::default(),
            about: about("redb", &settings),
        }));
        // The table is made by the first that opens it to write.
        peer.commit(Vec::new())?;
        Ok(peer)
    }

    /// All or nothing, with the syncs of one commit.
    fn commit(&self, puts: Vec<Put>) -> Result<(), Failure> {
        let transaction = self.0.db.begin_write()?;
        {
            let mut items = transaction.open_table(ITEMS)?;
            for (key, value) in &puts {
                let old = items.insert(key.as_str(), value.as_slice())?;
                std::hint::black_box(old.map(|old| old.value().len()));
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Peer for Redb {
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
        for found in self.0.db.begin_read()?.open_table(ITEMS)?.iter()? {
            std::hint::black_box(decode(found?.1.value())?);
            count += 1;
        }
        Ok(count)
    }

    fn settle(&self) -> Result<(), Failure> {
        // There is no log. An empty commit frees what the last ones replaced.
        self.commit(Vec::new())
    }

    fn is_log(&self, _file: &str) -> bool {
        false
    }
}

impl Client for Redb {
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
        let items = self.0.db.begin_read()?.open_table(ITEMS)?;
        let found = items.get(joined_key(number).as_str())?;
        Ok(found.map(|bytes| decode(bytes.value())).transpose()?)
    }

    fn put(&mut self, number: u64, item: Item) -> Result<(), Failure> {
        let put = put(number, &item)?;
        self.0.group.submit(put, |puts| self.commit(puts))
    }
}
