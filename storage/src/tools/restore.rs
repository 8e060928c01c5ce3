//! A backup of the keyring in the place of one that is lost, for a database that has seen later states of it.
//!
//! A database refuses a keyring from before a change that it has seen: an old copy brings back what was destroyed or forbidden since. But
//! every use may change the keyring (its journal moves to the trail, keys rotate by themselves), so each backup is soon such a copy.

use std::path::Path;
use std::sync::Arc;

use sealdb_crypto::keyring::KEYRING_FILE;
use sealdb_crypto::{
    Aes256Gcm, Caller, EncryptionContext, EpochLimits, Keyring, Kms, Provider, Purpose,
    RootKeySource, Scope, Sealing, SystemClock, TableId,
};
use sealdb_engine::FileEngine;

use crate::error::Error;
use crate::root::{RawRoot, read_roots};

/// Puts a backup of a database's keyring in place, and makes it count as newer than all that the database has seen, after it has opened the
/// database's root. It leaves an event, `RestoreKeyring`, in the trail. Keys made, imported or rotated after the backup are missing; states
/// and policies are as they were then, and what was destroyed since is back.
///
/// # Errors
/// If a keyring is there already, the backup is no such, or of another database, or opens no root: nothing is in place then.
pub fn restore_keyring(
    data_dir: impl AsRef<Path>,
    backup: impl AsRef<Path>,
    keyring_dir: impl AsRef<Path>,
    root_key: RootKeySource,
) -> Result<(), Error> {
    let roots = FileEngine::peek_roots(data_dir).map_err(super::no_database)?;
    let file = keyring_dir.as_ref().join(KEYRING_FILE);
    let keyring = Keyring::restore(backup.as_ref(), &file, root_key, Arc::new(SystemClock))?;
    // Crash here: the backup is in place as it is, and the database refuses it.
    let taken = seen(&roots, &keyring).and_then(|seen| Ok(keyring.take_over(seen)?));
    if taken.is_err() {
        // It was put here a moment ago, and would hold up the right one. The backup stays where it is.
        let _ = std::fs::remove_file(&file);
    }
    taken
}

/// The newest change of the keyring that the database has seen, as the newest root says that opens with it. What stands in the clear alone
/// is not believed: who can write to the directory could have the counter run out.
fn seen(roots: &[Option<Vec<u8>>; 2], keyring: &Keyring) -> Result<u64, Error> {
    let (roots, mut unreadable) = read_roots(roots)?;
    for (slot, raw) in roots {
        let mut identity = keyring.identity();
        identity.counter = identity.counter.max(raw.head.kms.counter);
        raw.head.kms.accepts(&identity)?;
        match opens(&raw, keyring) {
            Ok(()) => return Ok(raw.head.kms.counter),
            Err(why) => unreadable.push(format!("slot {slot}: {why}")),
        }
    }
    Err(Error::NoRoot(unreadable.join("; ")))
}

fn opens(raw: &RawRoot<'_>, keyring: &Keyring) -> Result<(), String> {
    let head = &raw.head;
    let context = EncryptionContext::for_system(head.database, head.system_key.generation);
    let key = head
        .system_key
        .unwrap(keyring, &Caller::database(), &context)
        .map_err(|error| error.to_string())?;
    let sealing = Aes256Gcm::new(
        Provider::default_provider(),
        EpochLimits::default(),
        Arc::new(SystemClock),
    );
    let scope = Scope {
        database: head.database,
        table: TableId::SYSTEM,
        purpose: Purpose::Root,
    };
    match raw.open(&*sealing.sealer(&Arc::new(key), scope)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
