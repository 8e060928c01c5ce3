//! A provider in memory, for the tests of this room: every name is a key; it can be told to fail, to hang, or to leave the context out.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::kms::{Alias, KeyUsage};
use sealdb_crypto::{
    Access, Caller, DataKey, EncryptionContext, KeyDescription, KeyId, KeyRef, KeyState, Kms,
    KmsError, KmsIdentity, Provider, SecretBytes32, Wrapped,
};
use zeroize::Zeroizing;

pub(crate) struct MemoryKms {
    name: &'static str,
    secret: SecretBytes32,
    binds: AtomicBool,
    calls: AtomicU64,
    /// What the next calls answer instead.
    failures: Mutex<VecDeque<KmsError>>,
    hanging: Mutex<bool>,
    released: Condvar,
}

impl MemoryKms {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            secret: Provider::default_provider().random_secret().unwrap(),
            binds: AtomicBool::new(true),
            calls: AtomicU64::new(0),
            failures: Mutex::default(),
            hanging: Mutex::default(),
            released: Condvar::new(),
        })
    }

    /// From now on the context is left out of what is authenticated.
    pub(crate) fn unbind(&self) {
        self.binds.store(false, Ordering::SeqCst);
    }

    pub(crate) fn fail_next(&self, errors: impl IntoIterator<Item = KmsError>) {
        self.failures.lock().extend(errors);
    }

    /// Calls do not return until this is taken back.
    pub(crate) fn hang(&self, hanging: bool) {
        *self.hanging.lock() = hanging;
        self.released.notify_all();
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn enter(&self) -> Result<(), KmsError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut hanging = self.hanging.lock();
        while *hanging {
            self.released.wait(&mut hanging);
        }
        match self.failures.lock().pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn aad(&self, key: &KeyRef, context: &EncryptionContext) -> Vec<u8> {
        let mut aad = id(key).to_string().into_bytes();
        if self.binds.load(Ordering::SeqCst) {
            aad.extend(context.canonical());
        }
        aad
    }
}

/// An alias is another name of the key that is called as it is.
fn id(key: &KeyRef) -> KeyId {
    let name = key.to_string();
    KeyId::new(name.strip_prefix("alias/").unwrap_or(&name)).unwrap()
}

pub(crate) fn unavailable() -> KmsError {
    KmsError::Unavailable {
        provider: "memory".to_owned(),
        reason: "the test made it so".to_owned(),
        source: None,
    }
}

impl Kms for MemoryKms {
    fn identity(&self) -> KmsIdentity {
        KmsIdentity {
            provider: self.name.to_owned(),
            instance: "memory".to_owned(),
            counter: 0,
        }
    }

    fn provider_of(&self, _: &KeyRef) -> String {
        self.name.to_owned()
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        let plaintext = Provider::default_provider().random_secret().unwrap();
        let wrapped = self.encrypt(caller, key, plaintext.expose(), context)?;
        Ok(DataKey {
            plaintext,
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
        })
    }

    fn encrypt(
        &self,
        _: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.enter()?;
        let aad = self.aad(key, context);
        let sealed = Provider::default_provider().seal_blob(&self.secret, &aad, plaintext);
        Ok(Wrapped {
            ciphertext: sealed.unwrap(),
            key_id: id(key),
        })
    }

    fn decrypt(
        &self,
        _: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.enter()?;
        let aad = self.aad(key, context);
        let opened = Provider::default_provider().open_blob(&self.secret, &aad, ciphertext);
        opened.map_err(|_| KmsError::InvalidCiphertext {
            key: key.to_string(),
        })
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let plaintext = self.decrypt(caller, from.0, ciphertext, from.1)?;
        self.encrypt(caller, to.0, &plaintext, to.1)
    }

    fn describe_key(&self, _: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.enter()?;
        Ok(KeyDescription {
            id: id(key),
            alias: None::<Alias>,
            description: self.name.to_owned(),
            state: KeyState::Enabled,
            usage: KeyUsage::Table,
            versions: 1,
            created_ms: 0,
        })
    }

    fn access(&self, _: &KeyRef) -> Result<Access, KmsError> {
        Ok(Access::of_default_account())
    }
}
