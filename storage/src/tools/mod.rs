//! Tools for a database that nobody has open: verify it, give its free space back, copy it; read its audit trail, which works
//! while it is open too; and put a backup of its keyring in place. All of them block.
//!
//! Those that open what is sealed exist for a local keyring and, as `*_with`, for any other [`Kms`].

mod check;
mod compact;
mod copy;
mod places;
mod restore;
#[cfg(test)]
mod tests;
mod trail;

use std::path::Path;
use std::sync::Arc;

use sealdb_crypto::keyring::KEYRING_FILE;
use sealdb_crypto::{
    Aes256Gcm, Clock, EpochLimits, Keyring, Kms, Provider, RootKeySource, SystemClock,
};
use sealdb_engine::{Engine, EngineError, FileEngine, FileOptions, OpenMode};

use crate::audit::Trail;
use crate::error::Error;
use crate::options::Options;
use crate::shared::Parts;

#[doc(hidden)]
pub use check::check_parts;
pub use check::{CheckReport, CheckedTable, TableState, check, check_with};
#[doc(hidden)]
pub use compact::compact_parts;
pub use compact::{CompactReport, compact, compact_with};
pub use copy::{CopyReport, copy};
pub use restore::restore_keyring;
pub use sealdb_crypto::TrailReader;
pub use trail::{read_trail, read_trail_with};

/// The keyring in a directory. Never makes one.
fn keyring(dir: &Path, root_key: RootKeySource) -> Result<Arc<dyn Kms>, Error> {
    let keyring = Keyring::open(dir.join(KEYRING_FILE), root_key, Arc::new(SystemClock))?;
    Ok(Arc::new(keyring))
}

/// The engine of a directory that holds a database, for reading. Its lock keeps everybody else out.
fn read_only(data_dir: &Path) -> Result<FileEngine, Error> {
    let options = FileOptions {
        mode: OpenMode::ReadOnly,
        ..FileOptions::default()
    };
    FileEngine::open(data_dir, options).map_err(no_database)
}

fn no_database(error: EngineError) -> Error {
    match error {
        EngineError::NotFound { path } => Error::NoDatabase(path),
        other => Error::from_engine(other),
    }
}

/// What a database is built from, as in production.
fn parts(engine: Arc<dyn Engine>, kms: Arc<dyn Kms>) -> Parts {
    let provider = Provider::default_provider();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Parts {
        engine,
        sealing: Arc::new(Aes256Gcm::new(
            provider,
            EpochLimits::default(),
            clock.clone(),
        )),
        kms,
        trail: Trail::None,
        clock,
        provider,
        options: Options::default(),
    }
}
