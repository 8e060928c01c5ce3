//! Rewrap: another KMS key guards a table, or a newer version of the same one. Its pages, log and streams stay as they are: only the
//! small key record is written anew.
//!
//! 1. The KMS wraps the table's key again. The new wrapping is unwrapped and compared with the commitment: one that gives another key is
//!    refused here.
//! 2. One log record tells of the new key record; from its sync on it is the table's.
//! 3. Two checkpoints rewrite the catalog and both roots. What held the old record, log segments and pages of the catalog, is overwritten.
//!
//! | crash | after recovery |
//! |---|---|
//! | before 2 is durable | the old record; the new one is on no disk |
//! | between 2 and 3 | the new record, and what is left of the old one goes on to be overwritten |
//!
//! The old wrapping gives the same key as the new one: who holds a copy of it, and the old KMS key, holds the key. Only a rekey
//! changes that.

use std::sync::Arc;

use sealdb_crypto::{
    Access, Caller, EncryptionContext, KeyId, KeyOperation, KeyRecord, KeyRef, Moment,
};

use crate::catalog::keys::{KeyRecords, Rekey};
use crate::error::Error;
use crate::options::Background;
use crate::shared::Shared;
use crate::table::{KeyStep, Table};

/// What a rewrap has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrapped {
    /// The table; `None`: the system.
    pub table: Option<String>,
    /// The KMS key before.
    pub from: KeyId,
    /// The KMS key that wraps the table's key now.
    pub to: KeyId,
    /// Whether the old wrapping is on none of the database's disks any more. If not, it will be after one of the next checkpoints.
    pub old_is_gone: bool,
}

/// The KMS key that is to guard a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NewKey {
    /// The one that does, in its newest version.
    Same,
    /// The database's default key.
    Default,
    /// This one.
    Named(KeyRef),
}

impl NewKey {
    /// The KMS key that it is for a table that is under this one.
    pub(crate) fn instead_of(&self, current: &KeyId) -> KeyRef {
        match self {
            NewKey::Same => KeyRef::Id(current.clone()),
            NewKey::Default => KeyRef::default_key(),
            NewKey::Named(key) => key.clone(),
        }
    }
}

/// A table's key records as they are to be; on no disk yet.
pub(crate) struct NewWrapping {
    before: KeyRecords,
    after: KeyRecords,
    /// Read before the KMS was asked.
    asked: Moment,
    /// Who may use the KMS key.
    access: Access,
}

impl NewWrapping {
    pub(crate) fn asked(&self) -> Moment {
        self.asked
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// The table's key records with the new wrapping.
    ///
    /// # Errors
    /// [`Error::TableInUse`] if they have changed since.
    pub(crate) fn onto(self, table: &Table) -> Result<KeyRecords, Error> {
        match table.record.lock().record.keys == self.before {
            true => Ok(self.after),
            false => Err(Error::TableInUse(table.name.clone(), "updated")),
        }
    }
}

impl Shared {
    /// Has the KMS wrap a table's keys again, the one that is retiring included. Blocks; nothing has changed yet.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::Key`].
    pub(crate) fn new_wrapping(
        &self,
        table: &Table,
        to: &NewKey,
        caller: &Caller,
    ) -> Result<NewWrapping, Error> {
        // Before the KMS refuses it, which could not say whom.
        self.check_keys_of(caller, KeyOperation::Decrypt, table)?;
        let before = table.record.lock().record.keys.clone();
        let asked = Moment::now(&*self.clock);
        let rewrapped = |record: &KeyRecord| {
            let to = to.instead_of(&record.key_id);
            self.check_wrapping(caller, &to, &table.name)?;
            Ok::<_, Error>(record.rewrapped(&*self.kms, caller, &to)?)
        };
        let rekey = before.rekey.as_ref().map(|rekey| {
            Ok::<_, Error>(Rekey {
                retiring: rewrapped(&rekey.retiring)?,
                ..rekey.clone()
            })
        });
        let after = KeyRecords {
            name: match to {
                NewKey::Same => before.name.clone(),
                NewKey::Default => String::new(),
                NewKey::Named(key) => key.to_string(),
            },
            active: rewrapped(&before.active)?,
            rekey: rekey.transpose()?,
            proof: before.proof.clone(),
        };
        let access = self.access(&KeyRef::Id(after.active.key_id.clone()))?;
        Ok(NewWrapping {
            before,
            after,
            asked,
            access,
        })
    }

    /// Rewraps a table's keys, and sees to it that the old wrapping is gone. Blocks.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], [`Error::TableInUse`], [`Error::Key`], and those of a commit: the old wrapping is in force then.
    pub(crate) fn rewrap_table(
        self: &Arc<Self>,
        name: &str,
        to: &NewKey,
        caller: &Caller,
    ) -> Result<Rewrapped, Error> {
        self.writable()?;
        self.trail.ready()?;
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        table.check_settled(self.clock.wall_ms())?;
        let wrapping = self.new_wrapping(&table, to, caller)?;
        let (from, to) = (
            wrapping.before.active.key_id.clone(),
            wrapping.after.active.key_id.clone(),
        );
        let (asked, access) = (wrapping.asked, wrapping.access.clone());
        {
            let _ddl = self.ddl.lock();
            self.still_there(&table)?;
            let records = wrapping.onto(&table)?;
            self.commit_keys(&table, records, KeyStep::None)?;
        }
        self.keys_replaced(&table, Some(asked));
        table.set_access(access);
        let what = (Some(&table.name), &to);
        self.trail
            .keys_changed(&*self.clock, caller, "RewrapTableKey", what);
        // A failure stays with the checkpoint: the new wrapping is durable.
        let old_is_gone =
            self.checkpoint_now().is_ok() && self.checkpoints.scrubbed() >= table.keys_changed();
        tracing::info!(table = %table.name, %from, %to, "table rewrapped");
        Ok(Rewrapped {
            table: Some(name.to_owned()),
            from,
            to,
            old_is_gone,
        })
    }

    /// Rewraps the system's key: its record stands in the head of both roots. Blocks.
    ///
    /// # Errors
    /// [`Error::Key`]: the old wrapping is in force then; those of a checkpoint: either may be, and both give the key.
    pub(crate) fn rewrap_system(self: &Arc<Self>, caller: &Caller) -> Result<Rewrapped, Error> {
        self.writable()?;
        self.trail.ready()?;
        let before = self.root().head.system_key.clone();
        let context = EncryptionContext::for_system(self.database, before.generation);
        debug_assert_eq!(context, before.context);
        let after = before.rewrapped(&*self.kms, caller, &KeyRef::system())?;
        let (from, to) = (before.key_id.clone(), after.key_id.clone());
        {
            let mut root = self.root();
            if root.head.system_key != before {
                return Err(Error::System(
                    "the system's key has changed meanwhile".into(),
                ));
            }
            root.head.system_key = after;
        }
        // Crash between the two: one root has the old wrapping, the other the new one.
        self.checkpoint_now()?;
        self.trail
            .keys_changed(&*self.clock, caller, "RewrapSystemKey", (None, &to));
        self.checkpoint_now()?;
        tracing::info!(%from, %to, "system key rewrapped");
        Ok(Rewrapped {
            table: None,
            from,
            to,
            old_is_gone: true,
        })
    }

    /// Whether a table has not been deleted meanwhile. The caller holds `ddl`.
    ///
    /// # Errors
    /// [`Error::TableNotFound`].
    pub(crate) fn still_there(&self, table: &Table) -> Result<(), Error> {
        let name = table.name.as_str();
        match self.table(name) {
            Some(other) if other.id == table.id => Ok(()),
            _ => Err(Error::TableNotFound(name.to_owned())),
        }
    }

    /// Makes other key records of a table durable. The caller holds `ddl`.
    ///
    /// # Errors
    /// Those of a commit; nothing has changed then.
    pub(crate) fn commit_keys(
        self: &Arc<Self>,
        table: &Arc<Table>,
        records: KeyRecords,
        step: KeyStep,
    ) -> Result<(), Error> {
        let changed = table.clone();
        self.commit_blocking(move |txn| txn.change_keys(&changed, &records, &step))
    }

    /// Other key records of a table are durable: those before are overwritten wherever they stand.
    pub(crate) fn keys_replaced(self: &Arc<Self>, table: &Table, asked: Option<Moment>) {
        self.keeper.replaced(table.id, asked);
        self.scrub_after(table.keys_changed());
        if self.options.background == Background::Inline {
            // A failure stays with the checkpoint.
            let _ = self.checkpoint_now();
        }
    }
}
