//! One KMS over several providers, chosen per key by its name (see [`Family`]).
//!
//! **Guaranteed.** Before anything is wrapped under a key of a registered provider, that key has shown once that the provider binds
//! the encryption context ([`check_binding`]); one that does not is refused by name. A key of a provider that is not registered is denied
//! without asking anybody. Where a key moves from one provider to another, its plaintext exists here only, and is wiped.
//!
//! **Not guaranteed.** That a provider which bound the context once does so for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use sealdb_crypto::{
    Access, Administration, Caller, DataKey, DenyReason, EncryptionContext, KeyDescription, KeyRef,
    Kms, KmsError, KmsIdentity, Wrapped,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::binding::check_binding;
use crate::name::Family;

/// Several providers as one.
pub struct Router {
    default: Arc<dyn Kms>,
    registered: Vec<Registered>,
}

struct Registered {
    family: Family,
    kms: Arc<dyn Kms>,
    /// Keys that have shown that they bind the context, as they were named.
    bound: Mutex<BTreeSet<String>>,
}

/// A family has its provider already.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is registered already")]
pub struct FamilyTaken(pub Family);

impl Router {
    /// Only `default` at first. It holds the system key, so its identity is the one that a database remembers.
    pub fn new(default: Arc<dyn Kms>) -> Self {
        Self {
            default,
            registered: Vec::new(),
        }
    }

    /// Sends the calls for a family's keys to `kms`.
    ///
    /// # Errors
    /// If the family has a provider; the default always has.
    pub fn register(&mut self, family: Family, kms: Arc<dyn Kms>) -> Result<(), FamilyTaken> {
        let taken = |other: &Registered| other.family == family;
        if family == Family::Default || self.registered.iter().any(taken) {
            return Err(FamilyTaken(family));
        }
        self.registered.push(Registered {
            family,
            kms,
            bound: Mutex::default(),
        });
        Ok(())
    }

    /// The registered provider of a key; `None` for one of the default's.
    fn registered(&self, key: &KeyRef) -> Result<Option<&Registered>, KmsError> {
        let family = Family::of(key);
        if family == Family::Default {
            return Ok(None);
        }
        let mut all = self.registered.iter();
        match all.find(|registered| registered.family == family) {
            Some(found) => Ok(Some(found)),
            None => Err(KmsError::Denied {
                key: key.to_string(),
                reason: DenyReason::NoProvider,
            }),
        }
    }

    fn provider(&self, key: &KeyRef) -> Result<&dyn Kms, KmsError> {
        let registered = self.registered(key)?;
        Ok(registered.map_or(&*self.default, |registered| &*registered.kms))
    }

    /// The provider of a key that is to wrap under a context.
    fn bound(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<&dyn Kms, KmsError> {
        match self.registered(key)? {
            // The keyring binds it by construction.
            None => Ok(&*self.default),
            Some(registered) => {
                registered.check_bound(caller, key, context)?;
                Ok(&*registered.kms)
            }
        }
    }
}

impl Registered {
    fn check_bound(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<(), KmsError> {
        let name = key.to_string();
        if !self.bound.lock().contains(&name) {
            check_binding(&*self.kms, caller, key, context)?;
            self.bound.lock().insert(name);
        }
        Ok(())
    }
}

impl Kms for Router {
    fn identity(&self) -> KmsIdentity {
        self.default.identity()
    }

    fn provider_of(&self, key: &KeyRef) -> String {
        match self.provider(key) {
            Ok(provider) => provider.provider_of(key),
            Err(_) => "none".to_owned(),
        }
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.bound(caller, key, context)?
            .generate_data_key(caller, key, context)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.bound(caller, key, context)?
            .encrypt(caller, key, plaintext, context)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.provider(key)?
            .decrypt(caller, key, ciphertext, context)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let target = self.bound(caller, to.0, to.1)?;
        if Family::of(from.0) == Family::of(to.0) {
            return target.re_encrypt(caller, ciphertext, from, to);
        }
        let plaintext = self.decrypt(caller, from.0, ciphertext, from.1)?;
        target.encrypt(caller, to.0, &plaintext, to.1)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.provider(key)?.describe_key(caller, key)
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        self.provider(key)?.access(key)
    }

    /// The keyring's. The others have trails of their own.
    fn administration(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        self.default.administration(record)
    }
}

#[cfg(test)]
mod tests;
