//! Whether a provider binds the encryption context, found out by trying.

use sealdb_crypto::{Caller, DenyReason, EncryptionContext, KeyRef, Kms, KmsError, Provider};

/// The pair that is another one in the second context.
const VARIED: &str = "sealdb:generation";

/// Wraps random bytes under `context`, unwraps them again, and tries to unwrap them under the context of another generation, which
/// must fail. So a key that wraps but does not unwrap is found, too, before anything is wrapped that could never be opened.
///
/// It is a key that is tried, not a provider: what is bound may depend on the key's type, or on rights that the provider gives for it.
///
/// # Errors
/// [`DenyReason::UnboundContext`] if the other context opens it; what the provider answered, if it refuses or cannot be reached.
pub fn check_binding(
    kms: &dyn Kms,
    caller: &Caller,
    key: &KeyRef,
    context: &EncryptionContext,
) -> Result<(), KmsError> {
    // Generations count from 1.
    let other = context.clone().with(VARIED, "0");
    let mut bytes = [0; 32];
    let chance = Provider::default_provider().random(&mut bytes);
    chance.map_err(|error| KmsError::Unavailable {
        provider: kms.provider_of(key),
        reason: error.to_string(),
        source: None,
    })?;
    let wrapped = kms.encrypt(caller, key, &bytes, context)?;
    let by_id = KeyRef::Id(wrapped.key_id);
    let again = kms.decrypt(caller, &by_id, &wrapped.ciphertext, context)?;
    if again.as_slice() != bytes {
        return Err(KmsError::InvalidCiphertext {
            key: key.to_string(),
        });
    }
    match kms.decrypt(caller, &by_id, &wrapped.ciphertext, &other) {
        Err(KmsError::InvalidCiphertext { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(KmsError::Denied {
            key: key.to_string(),
            reason: DenyReason::UnboundContext,
        }),
    }
}
