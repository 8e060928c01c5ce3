//! Administration of tables' keys: what is under a KMS key, and how that is changed while everything is in use.
//!
//! Rewrap changes the KMS key, rekey the table's own key; see the modules of these names.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb_crypto::{KeyId, KeyOperation, KeyRef};

use crate::blocking as sync;
use crate::database::Database;
use crate::error::Error;
use crate::rekey::{RekeyStatus, SignedProof};
use crate::rewrap::{NewKey, Rewrapped};
use crate::session::Asked;
use crate::table::Table;

/// Which tables are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyScope {
    /// One.
    Table(String),
    /// All under a KMS key.
    Key(KeyRef),
    /// All; of a rewrap, the system's key too.
    All,
}

/// What became of several tables: one that is refused holds none of the others up.
#[derive(Debug)]
#[non_exhaustive]
pub struct ForEach<T> {
    /// What was done, by table.
    pub done: Vec<T>,
    /// Tables that were left as they are, and why; `None`: the system.
    pub refused: Vec<(Option<String>, Error)>,
}

/// What stops if a KMS key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableImpact {
    /// The table.
    pub table: String,
    /// The KMS key that guards it.
    pub kms_key: String,
    /// Its items.
    pub items: u64,
    /// Their bytes, by DynamoDB's rules.
    pub bytes: u64,
    /// Its indexes.
    pub indexes: Vec<IndexImpact>,
    /// The ARNs' labels of its streams.
    pub streams: Vec<String>,
    /// Whether it is closed already.
    pub closed: bool,
}

/// An index of a table that stops.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexImpact {
    /// The index.
    pub index: String,
    /// Its entries.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<T> ForEach<T> {
    fn add(&mut self, table: Option<String>, outcome: Result<T, Error>) {
        match outcome {
            Ok(done) => self.done.push(done),
            Err(error) => self.refused.push((table, error)),
        }
    }
}

/// Async methods over blocking work, and the same for a thread that may block.
macro_rules! administration {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $output:ty => $work:ident;)*) => {
        impl Database {
            $(
                $(#[$doc])*
                pub async fn $name(&self, $($arg: $type),*) -> Result<$output, Error> {
                    let db = self.clone();
                    blocking::unblock(move || db.$work($($arg),*)).await
                }
            )*
        }

        impl sync::Database {
            $(
                $(#[$doc])*
                pub fn $name(&self, $($arg: $type),*) -> Result<$output, Error> {
                    self.inner().$work($($arg),*)
                }
            )*
        }
    };
}

administration! {
    /// Puts tables under another KMS key, or, without one, under the newest version of the one that each has: their keys are wrapped
    /// again, and the old wrappings overwritten. Their data stays as it is. Returns when that is done; the tables are in use all the while.
    ///
    /// # Errors
    /// Where one table is named: InaccessibleEncryptionCredentialsException if either KMS key says no, ResourceNotFoundException,
    /// ResourceInUseException. Where several are meant, such a table is among those refused. See [`Error::code`].
    rewrap(scope: KeyScope, key: Option<KeyRef>) -> ForEach<Rewrapped> => rewrap_blocking;

    /// Gives tables keys of their own that are new, under this KMS key, or the one that each has. From the return on everything is sealed
    /// under them; what is left of the old keys is sealed anew in the background, `pace` bytes a second (32 MiB without one). Tables that
    /// are being rekeyed already go on as they do, unless one is named.
    ///
    /// # Errors
    /// As those of [`rewrap`](Self::rewrap); ResourceInUseException if the one that is named is being rekeyed.
    rekey(scope: KeyScope, key: Option<KeyRef>, pace: Option<u64>) -> ForEach<RekeyStatus> => rekey_blocking;

    /// How far the rekeys that go on have come.
    ///
    /// # Errors
    /// See [`Error::code`].
    rekeys() -> Vec<RekeyStatus> => rekeys_blocking;

    /// Lets the rekey of a table rest, over restarts too. Everything new is sealed under the new key all the same.
    ///
    /// # Errors
    /// ResourceNotFoundException if it is not being rekeyed.
    pause_rekey(table: String) -> RekeyStatus => pause_blocking;

    /// Goes on with the rekey of a table, at another pace if one is given.
    ///
    /// # Errors
    /// ResourceNotFoundException if it is not being rekeyed.
    resume_rekey(table: String, pace: Option<u64>) -> RekeyStatus => resume_blocking;

    /// What the last rekey of a table that ended has proved.
    ///
    /// # Errors
    /// ResourceNotFoundException.
    rekey_proof(table: String) -> Option<SignedProof> => proof_blocking;

    /// What stops if a KMS key goes.
    ///
    /// # Errors
    /// InaccessibleEncryptionCredentialsException if there is no such key.
    key_impact(key: KeyRef) -> Vec<TableImpact> => impact_blocking;
}

impl Database {
    fn rewrap_blocking(
        &self,
        scope: KeyScope,
        key: Option<KeyRef>,
    ) -> Result<ForEach<Rewrapped>, Error> {
        let (shared, caller) = (self.core.shared(), self.caller());
        let to = key.map_or(NewKey::Same, NewKey::Named);
        let mut all = self.for_each(&scope, |table| shared.rewrap_table(table, &to, &caller))?;
        if scope == KeyScope::All && to == NewKey::Same {
            let checked = self.check_administrator(&KeyRef::system());
            all.add(None, checked.and_then(|()| shared.rewrap_system(&caller)));
        }
        Ok(all)
    }

    fn rekey_blocking(
        &self,
        scope: KeyScope,
        key: Option<KeyRef>,
        pace: Option<u64>,
    ) -> Result<ForEach<RekeyStatus>, Error> {
        let (shared, caller) = (self.core.shared(), self.caller());
        let to = key.map_or(NewKey::Same, NewKey::Named);
        let one = matches!(scope, KeyScope::Table(_));
        self.for_each(&scope, |name| {
            let going_on = shared
                .table(name)
                .and_then(|table| shared.rekey_status(&table));
            match going_on {
                Some(status) if !one => Ok(status),
                _ => shared.begin_rekey(name, &to, pace, &caller),
            }
        })
    }

    /// Does something to each table that is meant and of whose KMS key the caller is an administrator. The refusal of one that is named is the
    /// refusal of all.
    fn for_each<T>(
        &self,
        scope: &KeyScope,
        work: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<ForEach<T>, Error> {
        let mut all = ForEach {
            done: Vec::new(),
            refused: Vec::new(),
        };
        if let KeyScope::Key(key) = scope {
            self.check_administrator(key)?;
        }
        for table in self.tables_of(scope)? {
            let checked = self.check_administrator_of(&table);
            match (checked.and_then(|()| work(&table)), scope) {
                (Err(error), KeyScope::Table(_)) => return Err(error),
                (outcome, _) => all.add(Some(table), outcome),
            }
        }
        Ok(all)
    }

    fn rekeys_blocking(&self) -> Result<Vec<RekeyStatus>, Error> {
        let tables = self.core.tables()?;
        let in_order: BTreeMap<_, _> = tables.iter().collect();
        let (shared, caller) = (self.core.shared(), self.caller_ref());
        let administers = |table: &Table| {
            let key = KeyRef::Id(table.record.lock().record.keys.active.key_id.clone());
            let access = shared.access(&key);
            access.is_ok_and(|access| {
                access.allows(caller, KeyOperation::Administer, table.name.as_str())
            })
        };
        let statuses = in_order.into_values().filter_map(|table| {
            let status = shared.rekey_status(table)?;
            administers(table).then_some(status)
        });
        Ok(statuses.collect())
    }

    fn pause_blocking(&self, table: String) -> Result<RekeyStatus, Error> {
        let shared = self.core.shared();
        self.check_administrator_of(&table)?;
        let event = ("PauseRekey", &self.caller());
        shared.change_rekey(&table, event, |rekey| rekey.paused = true)
    }

    fn resume_blocking(&self, table: String, pace: Option<u64>) -> Result<RekeyStatus, Error> {
        let shared = self.core.shared();
        self.check_administrator_of(&table)?;
        let event = ("ResumeRekey", &self.caller());
        shared.change_rekey(&table, event, |rekey| rekey.resume(pace))
    }

    fn proof_blocking(&self, table: String) -> Result<Option<SignedProof>, Error> {
        self.check_administrator_of(&table)?;
        self.core.shared().rekey_proof(&table)
    }

    fn impact_blocking(&self, key: KeyRef) -> Result<Vec<TableImpact>, Error> {
        self.check_administrator(&key)?;
        let tables = self.tables_under(&key)?;
        Ok(tables.iter().map(|table| impact(table)).collect())
    }

    /// Refuses who may not administer a KMS key.
    fn check_administrator(&self, key: &KeyRef) -> Result<(), Error> {
        let asked = Asked {
            operation: KeyOperation::Administer,
            key,
            table: None,
        };
        self.core.shared().check_key(self.caller_ref(), &asked)
    }

    /// Refuses who may not administer the KMS key of a table.
    fn check_administrator_of(&self, table: &str) -> Result<(), Error> {
        let table = self.core.any_table(table)?;
        let operation = KeyOperation::Administer;
        self.core
            .shared()
            .check_keys_of(self.caller_ref(), operation, &table)
    }

    /// The names of the tables that are meant, in order.
    fn tables_of(&self, scope: &KeyScope) -> Result<Vec<String>, Error> {
        let tables = match scope {
            KeyScope::Table(table) => return Ok(vec![table.clone()]),
            KeyScope::Key(key) => self.tables_under(key)?,
            KeyScope::All => self.tables_where(|_| true)?,
        };
        Ok(tables.iter().map(|table| table.name.to_string()).collect())
    }

    /// The tables that a KMS key guards, also those of which only a retiring key is under it.
    fn tables_under(&self, key: &KeyRef) -> Result<Vec<Arc<Table>>, Error> {
        let shared = self.core.shared();
        // The call leaves an event that may take the whole reserve of a full disk, which is for the database's own.
        shared.trail.ready()?;
        // Also of an id: a provider may know a key by several.
        let described = shared.kms.describe_key(&self.caller(), key);
        let id: KeyId = match (described, key) {
            (Ok(described), _) => described.id,
            // Of a key that is gone, or away, tables know the id.
            (Err(_), KeyRef::Id(id)) => id.clone(),
            (Err(error), KeyRef::Alias(_)) => {
                return Err(sealdb_crypto::KeyRecordError::from(error).into());
            }
        };
        self.tables_where(|table| {
            let keys = &table.record.lock().record.keys;
            keys.iter().any(|record| record.key_id == id)
        })
    }

    fn tables_where(&self, meant: impl Fn(&Table) -> bool) -> Result<Vec<Arc<Table>>, Error> {
        let tables = self.core.tables()?;
        let mut tables: Vec<_> = tables.values().filter(|table| meant(table)).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tables.into_iter().cloned().collect())
    }
}

fn impact(table: &Table) -> TableImpact {
    let definition = table.definition();
    let derived = || definition.derived.iter().filter(|tree| !tree.leaving);
    let counters = table.counters();
    let index = |name: &str| {
        let (counters, _) = table.index_state(name);
        IndexImpact {
            index: name.to_owned(),
            items: counters.item_count,
            bytes: counters.size_bytes,
        }
    };
    TableImpact {
        table: table.name.to_string(),
        kms_key: table.record.lock().record.keys.active.key_id.to_string(),
        items: counters.item_count,
        bytes: counters.size_bytes,
        indexes: derived()
            .filter_map(|tree| tree.role.index())
            .map(|schema| index(schema.name.as_str()))
            .collect(),
        streams: derived()
            .filter_map(|tree| tree.role.stream())
            .map(|stream| stream.label())
            .collect(),
        closed: table.closed_reason().is_some(),
    }
}
