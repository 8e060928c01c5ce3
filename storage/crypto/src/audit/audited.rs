//! A KMS of which every call leaves an event, durable before the answer is.

use std::sync::Arc;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::AuditSink;
use super::event::{AuditEvent, RequestParameters};
use crate::clock::Clock;
use crate::kms::{
    Caller, DataKey, EncryptionContext, KeyDescription, KeyRef, Kms, KmsError, KmsIdentity, Wrapped,
};
use crate::policy::Access;

/// Wraps a [`Kms`]: the event of a call is durable in the trail **before** the plaintext key, or anything else, is returned.
///
/// Failed calls are recorded too. If the trail cannot be written, the answer is dropped (and wiped) and the call fails with
/// [`KmsError::AuditTrail`], which counts as "unavailable": keys in use coast and then close.
pub struct AuditedKms {
    inner: Arc<dyn Kms>,
    trail: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    /// Held while what was done to keys is taken over, so that none of it is recorded twice: whether that failed the last time.
    taking: Mutex<bool>,
}

impl AuditedKms {
    /// Records the calls of `inner` in `trail`.
    pub fn new(inner: Arc<dyn Kms>, trail: Arc<dyn AuditSink>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            trail,
            clock,
            taking: Mutex::new(false),
        }
    }

    /// Records what was done to keys since, before anything that is done with them. Whoever finds another doing so goes on.
    fn take_administration(&self) {
        let Some(mut failing) = self.taking.try_lock() else {
            return;
        };
        let taken = self.inner.administration(&mut |act| {
            let event = act.event(self.clock.as_ref());
            let appended = self.trail.append(&event);
            appended.map_err(|error| KmsError::AuditTrail(Arc::new(error)))
        });
        match (taken, *failing) {
            (Ok(()), true) => {
                tracing::info!("what was done to keys can be taken into the audit trail again");
                *failing = false;
            }
            // It stays with the provider, and is asked for at each call: told once, or a provider that is away would fill the log.
            (Err(error), false) => {
                tracing::warn!(%error, "what was done to keys is not in the audit trail yet");
                *failing = true;
            }
            (Ok(()), false) | (Err(_), true) => {}
        }
    }

    /// Appends the event of a call; only then gives its result.
    fn record<R>(
        &self,
        name: &str,
        caller: &Caller,
        request: RequestParameters,
        result: Result<R, KmsError>,
        used_key: impl FnOnce(&R) -> String,
    ) -> Result<R, KmsError> {
        let event = AuditEvent::key(self.clock.as_ref(), name, caller, request);
        let event = match &result {
            Ok(answer) => event.used_key(&used_key(answer)),
            Err(error) => event.failed(error),
        };
        match self.trail.append(&event) {
            Ok(()) => result,
            // Crash or full disk here: the key was made or unwrapped, but nobody has it.
            Err(error) => Err(KmsError::AuditTrail(Arc::new(error))),
        }
    }
}

fn asked(key: &KeyRef, context: Option<&EncryptionContext>) -> RequestParameters {
    RequestParameters {
        key_id: Some(key.to_string()),
        encryption_context: context.cloned(),
        ..RequestParameters::default()
    }
}

impl Kms for AuditedKms {
    fn identity(&self) -> KmsIdentity {
        self.inner.identity()
    }

    fn provider_of(&self, key: &KeyRef) -> String {
        self.inner.provider_of(key)
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        self.inner.access(key)
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.take_administration();
        let result = self.inner.generate_data_key(caller, key, context);
        self.record(
            "GenerateDataKey",
            caller,
            asked(key, Some(context)),
            result,
            |key| key.key_id.to_string(),
        )
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.take_administration();
        let result = self.inner.encrypt(caller, key, plaintext, context);
        self.record(
            "Encrypt",
            caller,
            asked(key, Some(context)),
            result,
            |wrapped| wrapped.key_id.to_string(),
        )
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.take_administration();
        let result = self.inner.decrypt(caller, key, ciphertext, context);
        self.record("Decrypt", caller, asked(key, Some(context)), result, |_| {
            key.to_string()
        })
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.take_administration();
        let result = self.inner.re_encrypt(caller, ciphertext, from, to);
        let request = RequestParameters {
            destination_key_id: Some(to.0.to_string()),
            destination_encryption_context: Some(to.1.clone()),
            ..asked(from.0, Some(from.1))
        };
        self.record("ReEncrypt", caller, request, result, |wrapped| {
            wrapped.key_id.to_string()
        })
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.take_administration();
        let result = self.inner.describe_key(caller, key);
        self.record(
            "DescribeKey",
            caller,
            asked(key, None),
            result,
            |description| description.id.to_string(),
        )
    }
}
