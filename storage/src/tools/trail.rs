//! Reading the audit trail of a database, also while it is open.

use std::path::Path;
use std::sync::Arc;

use sealdb_crypto::{AuditTrail, Caller, Kms, RootKeySource, TrailAccess, TrailReader};
use sealdb_engine::FileEngine;

use crate::database::TRAIL_FILE;
use crate::error::Error;
use crate::root::read_roots;

/// Reads the trail of a database with a local keyring, from its first record on. Leaves no trace of itself in it, and works
/// beside a database that is open: asked again at its end, the reader goes on with what was appended since.
///
/// # Errors
/// If there is no database or no trail, or the keyring does not open or is another one.
pub fn read_trail(
    data_dir: impl AsRef<Path>,
    keyring_dir: impl AsRef<Path>,
    root_key: RootKeySource,
) -> Result<TrailReader, Error> {
    read_trail_with(data_dir, super::keyring(keyring_dir.as_ref(), root_key)?)
}

/// The same with any KMS.
///
/// # Errors
/// As [`read_trail`].
pub fn read_trail_with(
    data_dir: impl AsRef<Path>,
    kms: Arc<dyn Kms>,
) -> Result<TrailReader, Error> {
    let data_dir = data_dir.as_ref();
    // The database id stands in the clear. A slot that is just being written may be torn; the other one is whole then.
    let roots = FileEngine::peek_roots(data_dir).map_err(super::no_database)?;
    let (roots, unreadable) = read_roots(&roots)?;
    let Some((_, root)) = roots.into_iter().next() else {
        return Err(Error::NoRoot(unreadable.join("; ")));
    };
    let head = root.head;
    // The counter in the root may be ahead of a keyring that is being changed right now: only another keyring is refused.
    let mut identity = kms.identity();
    identity.counter = identity.counter.max(head.kms.counter);
    head.kms.accepts(&identity)?;
    // No engine is needed for this.
    let provider = sealdb_crypto::Provider::default_provider();
    let clock: Arc<dyn sealdb_crypto::Clock> = Arc::new(sealdb_crypto::SystemClock);
    let access = TrailAccess {
        kms,
        sealing: Arc::new(sealdb_crypto::Aes256Gcm::new(
            provider,
            sealdb_crypto::EpochLimits::default(),
            clock.clone(),
        )),
        clock,
        database: head.database,
        caller: Caller::database(),
    };
    Ok(AuditTrail::open_read_only(
        &data_dir.join(TRAIL_FILE),
        &access,
    )?)
}
