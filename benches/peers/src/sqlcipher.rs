//! SQLCipher: SQLite whose pages are encrypted (AES-256-CBC and HMAC-SHA512), through rusqlite. A commit syncs once, so puts are
//! committed in groups, by one connection that keeps its cache; each client reads through a connection of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use sealdb_bench_driver::Failure;
use sealdb_bench_driver::group::Group;
use sealdb_bench_driver::items::{decode, joined_key};
use sealdb_bench_driver::model::Item;
use sealdb_bench_driver::peer::{Client, Peer};
use sealdb_bench_driver::protocol::Opening;

use crate::bytes::{Put, put, puts};
use crate::sqlite::{checkpoint, connect, is_wal, libraries};
use crate::{about, mib};

/// SQLite's documentation advises tables without row ids for rows up to a twentieth of a page (https://sqlite.org/withoutrowid.html).
const SMALL: f64 = 4096.0 / 20.0;
const GET: &str = "SELECT item FROM items WHERE key = ?1";
const PUT: &str =
    "INSERT INTO items (key, item) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET item = excluded.item";

/// An open database.
pub(crate) struct SqlCipher(Arc<Inner>);

struct Inner {
    writer: Mutex<Connection>,
    group: Group<Put>,
    file: PathBuf,
    cache_bytes: usize,
    about: String,
}

impl SqlCipher {
    pub(crate) fn open(opening: &Opening) -> Result<Self, Failure> {
        let file = opening.dir.join("items.db");
        let writer = session(&file, opening.cache_bytes)?;
        let without = if opening.size.mean() <= SMALL {
            "WITHOUT ROWID"
        } else {
            ""
        };
        writer.execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE items (key TEXT PRIMARY KEY NOT NULL, item BLOB NOT NULL) {without};"
        ))?;
        let settings = format!(
            "{}, WAL, synchronous = FULL, cache of {} MiB a connection",
            libraries(&writer)?,
            mib(opening)
        );
        Ok(Self(Arc::new(Inner {
            writer: Mutex::new(writer),
            group: Group::default(),
            file,
            cache_bytes: opening.cache_bytes,
            about: about("rusqlite", &settings),
        })))
    }
}

/// A connection with its settings.
fn session(file: &std::path::Path, cache_bytes: usize) -> Result<Connection, Failure> {
    let db = connect(file, true)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Negative: in KiB.
    db.pragma_update(None, "cache_size", -i64::try_from(cache_bytes >> 10)?)?;
    Ok(db)
}

impl Inner {
    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All or nothing, with one sync.
    fn commit(&self, puts: Vec<Put>) -> Result<(), Failure> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        {
            let mut get = transaction.prepare_cached(GET)?;
            let mut put = transaction.prepare_cached(PUT)?;
            for (key, value) in puts {
                let old = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob()?.len());
                std::hint::black_box(get.query_row([&key], old).optional()?);
                put.execute(params![key, value])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Peer for SqlCipher {
    fn about(&self) -> String {
        self.0.about.clone()
    }

    fn client(&self) -> Result<Box<dyn Client>, Failure> {
        let inner = self.0.clone();
        Ok(Box::new(SqlClient {
            inner,
            reader: None,
        }))
    }

    fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure> {
        self.0.commit(puts(&items)?)
    }

    fn scan(&self) -> Result<u64, Failure> {
        let writer = self.0.writer();
        let mut all = writer.prepare_cached("SELECT item FROM items ORDER BY key")?;
        let mut rows = all.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            std::hint::black_box(decode(row.get_ref(0)?.as_blob()?)?);
            count += 1;
        }
        Ok(count)
    }

    fn settle(&self) -> Result<(), Failure> {
        checkpoint(&self.0.writer())
    }

    fn is_log(&self, file: &str) -> bool {
        is_wal(file)
    }
}

/// A client. Its connection is made when it first reads: those that only put need none.
struct SqlClient {
    inner: Arc<Inner>,
    reader: Option<Connection>,
}

impl Client for SqlClient {
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(session(&self.inner.file, self.inner.cache_bytes)?),
        };
        let mut get = reader.prepare_cached(GET)?;
        let mut rows = get.query([joined_key(number)])?;
        match rows.next()? {
            Some(row) => Ok(Some(decode(row.get_ref(0)?.as_blob()?)?)),
            None => Ok(None),
        }
    }

    fn put(&mut self, number: u64, item: Item) -> Result<(), Failure> {
        let put = put(number, &item)?;
        self.inner.group.submit(put, |puts| self.inner.commit(puts))
    }
}
