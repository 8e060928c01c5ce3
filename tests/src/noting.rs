//! A KMS that notes what passes by, for tests that look for it elsewhere.

use std::sync::Arc;

use parking_lot::Mutex;
use sealdb::crypto::administration::Administration;
use sealdb::crypto::{
    Access, Caller, DataKey, EncryptionContext, KeyDescription, KeyRef, Kms, KmsError, KmsIdentity,
    Wrapped,
};
use zeroize::Zeroizing;

/// Passes calls on, and notes the keys of tables that pass by.
pub struct Noting {
    inner: Arc<dyn Kms>,
    /// Wrapped: the heart of a key record.
    wrapped: Mutex<Vec<(String, Vec<u8>)>>,
    /// In the clear.
    unwrapped: Mutex<Vec<(String, Zeroizing<Vec<u8>>)>>,
}

impl Noting {
    /// Passes on to `inner`.
    pub fn new(inner: Arc<dyn Kms>) -> Self {
        Noting {
            inner,
            wrapped: Mutex::default(),
            unwrapped: Mutex::default(),
        }
    }

    /// Names and wrapped keys of all tables ever made.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.wrapped.lock().clone()
    }

    /// The wrapped key of the newest table of this name.
    ///
    /// # Panics
    /// None was made.
    pub fn of(&self, table: &str) -> Vec<u8> {
        let wrapped = self.wrapped.lock();
        let found = wrapped.iter().rev().find(|(name, _)| name == table);
        found.expect("a table of this name was made").1.clone()
    }

    /// The keys that were unwrapped for tables of this name, in the clear.
    pub fn unwrapped(&self, table: &str) -> Vec<Zeroizing<Vec<u8>>> {
        let unwrapped = self.unwrapped.lock();
        let of_table = unwrapped.iter().filter(|(name, _)| name == table);
        of_table.map(|(_, key)| key.clone()).collect()
    }
}

impl Kms for Noting {
    fn identity(&self) -> KmsIdentity {
        self.inner.identity()
    }

    fn provider_of(&self, key: &KeyRef) -> String {
        self.inner.provider_of(key)
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        let made = self.inner.generate_data_key(caller, key, context)?;
        let noted = (table_of(context), made.wrapped.clone());
        self.wrapped.lock().push(noted);
        Ok(made)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.inner.encrypt(caller, key, plaintext, context)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let plaintext = self.inner.decrypt(caller, key, ciphertext, context)?;
        let noted = (table_of(context), plaintext.clone());
        self.unwrapped.lock().push(noted);
        Ok(plaintext)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.inner.re_encrypt(caller, ciphertext, from, to)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.inner.describe_key(caller, key)
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        self.inner.access(key)
    }

    fn administration(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        self.inner.administration(record)
    }
}

fn table_of(context: &EncryptionContext) -> String {
    let name = context.get("sealdb:table-name").unwrap_or("(system)");
    name.to_owned()
}
