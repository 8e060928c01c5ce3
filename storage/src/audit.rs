//! The audit trail of an open database: opened before the first call of the KMS, so that every later one leaves its event.
//!
//! The trail stands beside the database's files. If it is gone it is begun anew, with a warning in the log and a first record
//! that is younger than the database: whoever removed it cannot have that unseen, nor forge what it held.
//!
//! Who administers a table has an answer only after the event of it is durable (see [`administer`]). What nobody waits for, accesses to items
//! among it, is written once a second, by a thread of its own.

mod access;
mod administration;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use administration::administer;
pub use administration::malformed_administration;

use sealdb_crypto::audit::{AuditError, AuditTrail, TABLE_EVENTS, TrailAccess};
use sealdb_crypto::signing::SIGNATURE_LEN;
use sealdb_crypto::{
    AuditEvent, AuditSink, AuditedKms, Caller, Clock, DatabaseId, KeyId, PublicKey,
};
use sealdb_model::TableName;
use sealdb_model::ops::table_arn;

use crate::error::Error;
use crate::recovery::Patience;
use crate::shared::{Parts, Shared};

/// The audit trail of a database.
#[derive(Clone)]
pub enum Trail {
    /// There is none, in tests without files.
    None,
    /// It stands in this file, or will.
    At(PathBuf),
    /// It is open.
    Open(Arc<AuditTrail>),
}

impl Trail {
    /// Signs with the trail's key, if there is one.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<(PublicKey, [u8; SIGNATURE_LEN])> {
        match self {
            Trail::Open(trail) => trail.sign(message).ok(),
            Trail::None | Trail::At(_) => None,
        }
    }

    /// Refuses an administration whose event could not be recorded.
    ///
    /// # Errors
    /// [`Error::Trail`].
    pub(crate) fn ready(&self) -> Result<(), Error> {
        match self {
            Trail::Open(trail) => Ok(trail.ready()?),
            Trail::None | Trail::At(_) => Ok(()),
        }
    }

    /// An administration of the keys of a table, or of the system where none is named, which was carried out. The KMS's part in it has events
    /// of its own, without which it would not have been.
    pub(crate) fn keys_changed(
        &self,
        clock: &dyn Clock,
        caller: &Caller,
        name: &str,
        (table, kms_key): (Option<&TableName>, &KeyId),
    ) {
        let Trail::Open(trail) = self else { return };
        let mut event =
            AuditEvent::new(clock, TABLE_EVENTS, name, caller).used_key(kms_key.as_str());
        if let Some(table) = table {
            event = event.on("AWS::DynamoDB::Table", table_arn(table.as_str()));
        }
        if let Err(error) = trail.append(&event) {
            tracing::warn!(%error, name, "an event could not be recorded");
        }
    }

    /// Lets the next one open it.
    pub(crate) fn close(&self) {
        if let Trail::Open(trail) = self {
            trail.close();
        }
    }

    /// Ends the wait of the thread that writes it.
    pub(crate) fn wake(&self) {
        if let Trail::Open(trail) = self {
            trail.wake();
        }
    }

    /// Writes what was noted; says so if it cannot.
    pub(crate) fn flush(&self) -> bool {
        let Trail::Open(trail) = self else {
            return true;
        };
        match trail.flush() {
            Ok(()) | Err(AuditError::Closed { .. }) => true,
            Err(error) => {
                tracing::warn!(%error, "the audit trail lags behind");
                false
            }
        }
    }
}

/// How long what nobody waits for may wait.
const FLUSH: Duration = Duration::from_secs(1);
/// How long after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Writes what was noted, until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    let Trail::Open(trail) = &shared.trail else {
        return;
    };
    let mut wait = FLUSH;
    while !shared.stopping() {
        trail.wait(wait);
        wait = match shared.trail.flush() {
            true => FLUSH,
            false => RETRY,
        };
    }
    shared.trail.flush();
}

/// How old the trail must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Began {
    /// The database is being made, and its trail with it.
    WithDatabase,
    /// The database exists.
    Before,
}

impl Parts {
    /// From here on every call of the KMS leaves an event. Does nothing where there is no trail, or once it is open.
    pub(crate) fn audit(&mut self, database: DatabaseId, began: Began) -> Result<(), Error> {
        let Trail::At(path) = &self.trail else {
            return Ok(());
        };
        let path = path.clone();
        let access = TrailAccess {
            kms: self.kms.clone(),
            sealing: self.sealing.clone(),
            clock: self.clock.clone(),
            database,
            caller: Caller::database(),
        };
        let exists = path.exists();
        match began {
            Began::WithDatabase if exists => set_aside(&path)?,
            Began::Before if !exists => {
                tracing::warn!("the audit trail is missing and is begun anew");
            }
            _ => {}
        }
        let opens = exists && began == Began::Before;
        let trail = Patience::new(self).ask(move || match opens {
            true => AuditTrail::open(&path, &access),
            false => AuditTrail::create(&path, &access),
        })?;
        let trail = Arc::new(trail);
        self.kms = Arc::new(AuditedKms::new(
            self.kms.clone(),
            trail.clone(),
            self.clock.clone(),
        ));
        self.trail = Trail::Open(trail);
        Ok(())
    }
}

/// A creation that was cut short left a trail of a database that never was. It is kept, under another name.
fn set_aside(path: &Path) -> Result<(), Error> {
    for n in 1..1000 {
        let aside = path.with_extension(format!("trail.{n}"));
        if !aside.exists() {
            return std::fs::rename(path, &aside).map_err(|error| Error::System(error.to_string()));
        }
    }
    Err(Error::System(format!(
        "too many unfinished trails beside {}",
        path.display()
    )))
}
