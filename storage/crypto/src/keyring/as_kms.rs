//! The keyring as a [`Kms`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::format::{Key, KeyVersion};
use super::{Keyring, KeyringError, describe, find, key_id, wrapping};
use crate::administration::Administration;
use crate::kms::{
    Caller, DataKey, DenyReason, EncryptionContext, KeyDescription, KeyRef, KeyState, Kms,
    KmsError, KmsIdentity, Wrapped,
};
use crate::policy::{Access, KeyOperation};
use crate::provider::Provider;

/// As key records and the root name it.
const PROVIDER: &str = "keyring";
/// AWS KMS's limit for Encrypt.
const MAX_PLAINTEXT: usize = 4096;

impl Kms for Keyring {
    fn identity(&self) -> KmsIdentity {
        KmsIdentity {
            provider: PROVIDER.to_owned(),
            instance: self.id.hyphenated().to_string(),
            counter: self.counter.load(Ordering::Acquire),
        }
    }

    fn provider_of(&self, _key: &KeyRef) -> String {
        PROVIDER.to_owned()
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        let plaintext = Provider::default_provider()
            .random_secret()
            .map_err(|error| self.away(error.into()))?;
        let wrapped = self.wrap(caller, key, context, plaintext.expose())?;
        Ok(DataKey {
            plaintext,
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
        })
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        if plaintext.is_empty() || plaintext.len() > MAX_PLAINTEXT {
            return Err(KmsError::InvalidRequest(format!(
                "plaintext has 1 to {MAX_PLAINTEXT} bytes"
            )));
        }
        self.wrap(caller, key, context, plaintext)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.unwrap(caller, key, context, ciphertext)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let plaintext = self.unwrap(caller, from.0, from.1, ciphertext)?;
        self.wrap(caller, to.0, to.1, &plaintext)
    }

    fn describe_key(&self, _caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let state = self.current().map_err(|error| self.away(error))?;
        find(&state.body.keys, key)
            .map(describe)
            .ok_or_else(|| denied(key, DenyReason::NotFound))
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        let state = self.current().map_err(|error| self.away(error))?;
        find(&state.body.keys, key)
            .map(|found| Access::by(found.policy.clone()))
            .ok_or_else(|| denied(key, DenyReason::NotFound))
    }

    fn administration(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        self.hand_over(record)
    }
}

impl Keyring {
    fn wrap(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Wrapped, KmsError> {
        let operation = KeyOperation::GenerateDataKey;
        self.with_key((caller, operation), key, context, |found, newest| {
            let ciphertext = wrapping::wrap(found, newest, context, plaintext)
                .map_err(|error| self.away(error.into()))?;
            Ok(Wrapped {
                ciphertext,
                key_id: key_id(found),
            })
        })
    }

    fn unwrap(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let operation = KeyOperation::Decrypt;
        self.with_key((caller, operation), key, context, |found, _| {
            wrapping::unwrap(found, context, wrapped).ok_or_else(|| KmsError::InvalidCiphertext {
                key: key.to_string(),
            })
        })
    }

    /// Finds a key that may be used for this context, in the newest state of the file.
    fn with_key<R>(
        &self,
        (caller, operation): (&Caller, KeyOperation),
        key: &KeyRef,
        context: &EncryptionContext,
        work: impl FnOnce(&Key, &KeyVersion) -> Result<R, KmsError>,
    ) -> Result<R, KmsError> {
        let state = self.current().map_err(|error| self.away(error))?;
        let found = find(&state.body.keys, key).ok_or_else(|| denied(key, DenyReason::NotFound))?;
        // Before its state is told: that is no business of who may not use it.
        if !found.policy.allows_in(caller, operation, context) {
            return Err(denied(key, DenyReason::AccessDenied));
        }
        match found.state {
            KeyState::Enabled => {}
            KeyState::Disabled => return Err(denied(key, DenyReason::Disabled)),
            KeyState::PendingDeletion => return Err(denied(key, DenyReason::PendingDeletion)),
            KeyState::PendingImport => return Err(denied(key, DenyReason::PendingImport)),
            KeyState::Destroyed => return Err(denied(key, DenyReason::Destroyed)),
        }
        if found.has_expired(self.clock.wall_ms()) {
            return Err(denied(key, DenyReason::PendingImport));
        }
        if !found.usage.allows(context) {
            return Err(denied(key, DenyReason::WrongUsage));
        }
        let newest = found
            .newest()
            .ok_or_else(|| denied(key, DenyReason::NotFound))?;
        work(found, newest)
    }

    /// The file is gone, unreadable or not ours: it may come back, so this is never a "no".
    pub(super) fn away(&self, error: KeyringError) -> KmsError {
        KmsError::Unavailable {
            provider: format!("keyring {}", self.path.display()),
            reason: error.to_string(),
            source: Some(Arc::new(error)),
        }
    }
}

fn denied(key: &KeyRef, reason: DenyReason) -> KmsError {
    KmsError::Denied {
        key: key.to_string(),
        reason,
    }
}
