//! SealDB itself as a measured process: the embedded database, its blocking facade.

use std::sync::Arc;

use sealdb::Options;
use sealdb::model::Item;
use sealdb::model::ops::{BatchWriteItemInput, GetItemInput, PutItemInput};
use sealdb_bench_driver::child;
use sealdb_bench_driver::peer::{Client, Peer};
use sealdb_bench_driver::protocol::Opening;

use crate::load::calls;
use crate::store::{BATCH, Failure, Items, Kind, Settings, Store, TABLE};

/// Does what the lines of standard input say.
///
/// # Errors
/// Those of the database.
pub fn serve(kind: Kind) -> Result<(), Failure> {
    child::run(|opening| Ok(Box::new(Ours::create(kind, opening)?)))
}

/// An open database; each client holds one.
#[derive(Clone)]
struct Ours(Arc<Store>);

impl Ours {
    fn create(kind: Kind, opening: &Opening) -> Result<Self, Failure> {
        let settings = Settings {
            items: Items::new(1, opening.size),
            options: Options {
                cache_bytes: opening.cache_bytes,
                ..Options::default()
            },
        };
        let store = Store::create(&opening.dir, kind, &settings)?;
        Ok(Self(Arc::new(store)))
    }
}

impl Peer for Ours {
    fn about(&self) -> String {
        format!(
            "sealdb {}: {}, {} MiB of memory for pages, clean and dirty",
            env!("CARGO_PKG_VERSION"),
            match self.0.kind {
                Kind::Sealed => "AES-256-GCM",
                Kind::Plain => "the null sealer",
            },
            self.0.settings.options.cache_bytes >> 20
        )
    }

    fn client(&self) -> Result<Box<dyn Client>, Failure> {
        Ok(Box::new(self.clone()))
    }

    fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure> {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let batch = items.by_ref().take(BATCH as usize);
            let put = |input: BatchWriteItemInput, (_, item)| input.put(TABLE, item);
            self.0.write(batch.fold(BatchWriteItemInput::new(), put))?;
        }
        Ok(())
    }

    fn scan(&self) -> Result<u64, Failure> {
        Ok(calls::scan_and_count(&self.0)?.1)
    }

    fn settle(&self) -> Result<(), Failure> {
        self.0.settle()
    }

    fn is_log(&self, file: &str) -> bool {
        file.starts_with("log.")
    }
}

impl Client for Ours {
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
        let key = self.0.settings.items.key(number);
        Ok(self.0.db.get_item(GetItemInput::new(TABLE, key))?.item)
    }

    fn put(&mut self, _number: u64, item: Item) -> Result<(), Failure> {
        self.0.db.put_item(PutItemInput::new(TABLE, item))?;
        Ok(())
    }
}
