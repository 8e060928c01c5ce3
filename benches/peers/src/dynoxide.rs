//! dynoxide: DynamoDB's operations over SQLite, plain or with SQLCipher, through its own embedded API.

use std::collections::HashMap;
use std::path::PathBuf;

use ::dynoxide::actions::batch_write_item::{BatchWriteItemRequest, PutRequest, WriteRequest};
use ::dynoxide::actions::get_item::GetItemRequest;
use ::dynoxide::actions::put_item::PutItemRequest;
use ::dynoxide::actions::scan::ScanRequest;
use ::dynoxide::{AttributeValue, Database};
use sealdb_bench_driver::Failure;
use sealdb_bench_driver::items::{BATCH, TABLE, partition, sort};
use sealdb_bench_driver::model::{self, Item};
use sealdb_bench_driver::peer::{Client, Peer};
use sealdb_bench_driver::protocol::Opening;

use crate::sqlite::{KEY, checkpoint, connect, is_wal, libraries};
use crate::{about, mib};

/// An item as dynoxide has it.
type Theirs = HashMap<String, AttributeValue>;

/// An open database.
pub(crate) struct Dynoxide {
    db: Database,
    file: PathBuf,
    encrypted: bool,
    about: String,
}

impl Dynoxide {
    /// Without encryption.
    pub(crate) fn plain(opening: &Opening) -> Result<Self, Failure> {
        Self::open(opening, false)
    }

    /// With SQLCipher.
    pub(crate) fn encrypted(opening: &Opening) -> Result<Self, Failure> {
        Self::open(opening, true)
    }

    fn open(opening: &Opening, encrypted: bool) -> Result<Self, Failure> {
        let (db, about) = database(opening, encrypted)?;
        db.create_table(serde_json::from_value(serde_json::json!({
            "TableName": TABLE,
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "S" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
        }))?)?;
        Ok(Self {
            db,
            file: opening.dir.join(FILE),
            encrypted,
            about,
        })
    }
}

/// Its file.
const FILE: &str = "items.db";

/// A new database without tables, and what it is.
pub(crate) fn database(opening: &Opening, encrypted: bool) -> Result<(Database, String), Failure> {
    let file = opening.dir.join(FILE);
    let library = give_cache(&file, encrypted, opening.cache_bytes)?;
    let path = file.to_str().ok_or("its path has to be UTF-8")?;
    let db = match encrypted {
        true => Database::new_encrypted(path, KEY)?,
        false => Database::new(path)?,
    };
    let key = if encrypted {
        "encrypted"
    } else {
        "without a key"
    };
    let settings = format!(
        "{key} over {library}, WAL, synchronous = FULL, cache of {} MiB",
        mib(opening)
    );
    Ok((db, about("dynoxide-rs", &settings)))
}

/// Writes the size of the cache into the new database's head, as dynoxide has no setting for it and would have 2 MB: SQLite takes it
/// from there at each opening.
fn give_cache(file: &std::path::Path, encrypted: bool, bytes: usize) -> Result<String, Failure> {
    const PAGE: usize = 4096;
    let db = connect(file, encrypted)?;
    db.pragma_update(None, "default_cache_size", i64::try_from(bytes / PAGE)?)?;
    libraries(&db)
}

impl Peer for Dynoxide {
    fn about(&self) -> String {
        self.about.clone()
    }

    fn client(&self) -> Result<Box<dyn Client>, Failure> {
        Ok(Box::new(DynoxideClient(self.db.clone())))
    }

    fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure> {
        let mut items = items.into_iter().map(|(_, item)| theirs(item)).peekable();
        while items.peek().is_some() {
            let put = |item: Result<Theirs, Failure>| {
                Ok(WriteRequest {
                    put_request: Some(PutRequest { item: item? }),
                    delete_request: None,
                })
            };
            let batch = items.by_ref().take(BATCH as usize).map(put);
            let batch = batch.collect::<Result<Vec<_>, Failure>>()?;
            let output = self.db.batch_write_item(BatchWriteItemRequest {
                request_items: HashMap::from([(TABLE.to_owned(), batch)]),
                ..BatchWriteItemRequest::default()
            })?;
            if !output.unprocessed_items.is_empty() {
                return Err("some items of a batch were not processed".into());
            }
        }
        Ok(())
    }

    fn scan(&self) -> Result<u64, Failure> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.db.scan(ScanRequest {
                table_name: TABLE.to_owned(),
                exclusive_start_key: after,
                ..ScanRequest::default()
            })?;
            count += page.items.map_or(0, |items| items.len() as u64);
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    fn settle(&self) -> Result<(), Failure> {
        checkpoint(&connect(&self.file, self.encrypted)?)
    }

    fn is_log(&self, file: &str) -> bool {
        is_wal(file)
    }
}

struct DynoxideClient(Database);

impl Client for DynoxideClient {
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
        let key = [("pk", partition(number)), ("sk", sort(number))];
        let output = self.0.get_item(GetItemRequest {
            table_name: TABLE.to_owned(),
            key: key
                .map(|(name, key)| (name.to_owned(), AttributeValue::S(key)))
                .into(),
            ..GetItemRequest::default()
        })?;
        output.item.map(ours).transpose()
    }

    fn put(&mut self, _number: u64, item: Item) -> Result<(), Failure> {
        self.0.put_item(PutItemRequest {
            table_name: TABLE.to_owned(),
            item: theirs(item)?,
            ..PutItemRequest::default()
        })?;
        Ok(())
    }
}

/// Moves the strings of an item; there is nothing else in those that are measured.
fn theirs(item: Item) -> Result<Theirs, Failure> {
    let value = |(name, value): (_, model::AttributeValue)| match value {
        model::AttributeValue::S(text) => Ok((String::from(name), AttributeValue::S(text))),
        _ => Err("an item holds something else than strings".into()),
    };
    item.into_iter().map(value).collect()
}

fn ours(item: Theirs) -> Result<Item, Failure> {
    let mut out = Item::new();
    for (name, value) in item {
        let AttributeValue::S(text) = value else {
            return Err("an item holds something else than strings".into());
        };
        out.insert(name, text);
    }
    Ok(out)
}
