//! The database for one caller: tables are found by whoever may use the keys that they are under.
//!
//! What a key's policy says stands at the table since the last unwrapping of the table's key, so for items asking costs no call, and the answer is
//! as old as that at most. Who makes, changes or deletes a table, or administers its key, is looked up in the policy as it is now.
//!
//! Names and descriptions of tables are no secrets: they are found without a look at policies.

use std::ops::Deref;
use std::sync::Arc;

use sealdb_crypto::audit::RequestParameters;
use sealdb_crypto::{
    Access, AuditEvent, Caller, EncryptionContext, KeyOperation, KeyRecordError, KeyRef,
};
use sealdb_model::TableName;
use sealdb_model::ops::table_arn;

use crate::audit::Trail;
use crate::core::Core;
use crate::error::Error;
use crate::ops::Via;
use crate::shared::Shared;
use crate::table::Table;

/// An open database and who calls it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    core: Arc<Core>,
    caller: Caller,
}

impl Session {
    pub(crate) fn new(core: Arc<Core>, caller: Caller) -> Self {
        Session { core, caller }
    }

    /// The same database for another caller.
    pub(crate) fn of(&self, caller: Caller) -> Self {
        Session::new(self.core.clone(), caller)
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The table of this name, if it serves requests, for a caller who may use its items.
    ///
    /// # Errors
    /// As [`Core::table`]; [`Error::AccessDenied`].
    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, Error> {
        let table = self.core.table(name)?;
        self.check(&table)?;
        Ok(table)
    }

    /// Whether the caller may use what is under the table's key.
    ///
    /// # Errors
    /// [`Error::AccessDenied`]; of a closed table that it is one, because it may be that nobody knows who may use it.
    #[inline]
    pub(crate) fn check(&self, table: &Table) -> Result<(), Error> {
        if self.caller.identity.is_none() {
            return Ok(());
        }
        let (operation, name) = (KeyOperation::Decrypt, table.name.as_str());
        match table.access().allows(&self.caller, operation, name) {
            true => Ok(()),
            false => Err(self.refusal(table)),
        }
    }

    #[cold]
    fn refusal(&self, table: &Table) -> Error {
        if let Some(reason) = table.closed_reason() {
            return table.inaccessible(&reason);
        }
        let key = KeyRef::Id(table.record.lock().record.keys.active.key_id.clone());
        let access = table.access();
        let asked = Asked {
            operation: KeyOperation::Decrypt,
            key: &key,
            table: Some(&table.name),
        };
        self.core.shared().refusal(&self.caller, &access, &asked)
    }

    /// Whether the caller may change, or delete, a table: who may use its items, as of now.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], [`Error::AccessDenied`], and [`Error::Key`] if the key's provider does not say.
    pub(crate) async fn check_change(&self, via: Via, table: &TableName) -> Result<(), Error> {
        if self.caller.identity.is_none() {
            return Ok(());
        }
        let table = self.core.any_table(table.as_str())?;
        let (shared, caller) = (self.core.shared().clone(), self.caller.clone());
        via.wait(move || shared.check_keys_of(&caller, KeyOperation::Decrypt, &table))
            .await
    }
}

impl Deref for Session {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.core
    }
}

/// What somebody wants to do with a KMS key, for which table.
pub(crate) struct Asked<'a> {
    pub(crate) operation: KeyOperation,
    pub(crate) key: &'a KeyRef,
    /// `None` where it is about the key itself.
    pub(crate) table: Option<&'a TableName>,
}

impl Shared {
    /// Who may use and administer a KMS key. Blocks.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub(crate) fn access(&self, key: &KeyRef) -> Result<Access, Error> {
        let access = self.kms.access(key);
        access.map_err(|error| KeyRecordError::Kms(error).into())
    }

    /// Refuses who may not do what is asked. Blocks.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], and [`Error::Key`] if the key's provider does not say.
    pub(crate) fn check_key(&self, caller: &Caller, asked: &Asked<'_>) -> Result<(), Error> {
        if caller.identity.is_none() {
            return Ok(());
        }
        let access = self.access(asked.key)?;
        let table = asked.table.map_or("", |table| table.as_str());
        match access.allows(caller, asked.operation, table) {
            true => Ok(()),
            false => Err(self.refusal(caller, &access, asked)),
        }
    }

    /// Refuses who may not put a table under a KMS key. What else is wrong with the key is told by the call that is made next. Blocks.
    ///
    /// # Errors
    /// [`Error::AccessDenied`].
    pub(crate) fn check_wrapping(
        &self,
        caller: &Caller,
        key: &KeyRef,
        table: &TableName,
    ) -> Result<(), Error> {
        let asked = Asked {
            operation: KeyOperation::GenerateDataKey,
            key,
            table: Some(table),
        };
        match self.check_key(caller, &asked) {
            Err(Error::Key(_)) => Ok(()),
            checked => checked,
        }
    }

    /// Refuses who may not do this with the KMS keys of a table, the one that is retiring included. Blocks.
    ///
    /// # Errors
    /// As [`Shared::check_key`].
    pub(crate) fn check_keys_of(
        &self,
        caller: &Caller,
        operation: KeyOperation,
        table: &Table,
    ) -> Result<(), Error> {
        let keys: Vec<KeyRef> = {
            let records = &table.record.lock().record.keys;
            let ids = records.iter().map(|record| record.key_id.clone());
            ids.map(KeyRef::Id).collect()
        };
        keys.iter().try_for_each(|key| {
            let table = Some(&table.name);
            self.check_key(
                caller,
                &Asked {
                    operation,
                    key,
                    table,
                },
            )
        })
    }

    /// The error of a refusal, which leaves its event in the trail.
    fn refusal(&self, caller: &Caller, access: &Access, asked: &Asked<'_>) -> Error {
        let Some(who) = caller.identity.clone() else {
            return Error::System("a caller whom no policy binds was refused".into());
        };
        self.note_refusal(caller, asked);
        Error::AccessDenied {
            who,
            operation: asked.operation,
            key: key_arn(asked.key, access.account()),
        }
    }

    fn note_refusal(&self, caller: &Caller, asked: &Asked<'_>) {
        let Trail::Open(trail) = &self.trail else {
            return;
        };
        let Some(left_out) = self.keeper.refused.lock().take(self.clock.boot()) else {
            return;
        };
        let context = asked
            .table
            .map(|table| EncryptionContext::new().with("sealdb:table-name", table.as_str()));
        let request = RequestParameters {
            key_id: Some(asked.key.to_string()),
            encryption_context: context,
            ..RequestParameters::default()
        };
        let mut event = AuditEvent::key(&*self.clock, asked.operation.name(), caller, request);
        if let Some(table) = asked.table {
            event = event.on("AWS::DynamoDB::Table", table_arn(table.as_str()));
        }
        trail.note(
            &event
                .refused("AccessDeniedException", None)
                .after_others(left_out),
        );
    }
}

/// A key's ARN, as AWS KMS would give it to one of the account.
fn key_arn(key: &KeyRef, account: &str) -> String {
    match key {
        KeyRef::Id(id) if id.as_str().starts_with("arn:") => id.to_string(),
        KeyRef::Id(id) => format!("arn:aws:kms:us-east-1:{account}:key/{id}"),
        KeyRef::Alias(alias) => format!("arn:aws:kms:us-east-1:{account}:{alias}"),
    }
}
