//! What both users of SQLite share: the key, and files.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sealdb_bench_driver::Failure;

/// The key of encrypted databases, 32 bytes in hexadecimal. Given as it is, it saves the derivation from a passphrase.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Opens a database, encrypted or not. A connection belongs to one thread at a time.
pub(crate) fn connect(file: &Path, encrypted: bool) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    if encrypted {
        db.pragma_update(None, "key", format!("x'{KEY}'"))?;
    }
    Ok(db)
}

/// Whether a file is a write-ahead log or its index.
pub(crate) fn is_wal(file: &str) -> bool {
    file.ends_with("-wal") || file.ends_with("-shm")
}

/// Copies the write-ahead log into the database and empties it.
pub(crate) fn checkpoint(db: &Connection) -> Result<(), Failure> {
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    match busy {
        0 => Ok(()),
        _ => Err("a reader holds up the checkpoint".into()),
    }
}

/// The versions of both libraries.
pub(crate) fn libraries(db: &Connection) -> Result<String, Failure> {
    let cipher: String = db.query_row("PRAGMA cipher_version", [], |row| row.get(0))?;
    Ok(format!(
        "SQLCipher {cipher} (SQLite {})",
        rusqlite::version()
    ))
}
