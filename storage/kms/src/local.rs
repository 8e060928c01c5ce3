//! What providers share that wrap and unwrap and do nothing else: their data keys are made here.

use sealdb_crypto::{DataKey, KmsError, Provider, Wrapped};

use crate::error::unavailable;

/// A new data key, wrapped by the provider of this name.
///
/// # Errors
/// Those of `wrap`; without random bytes the provider counts as unavailable.
pub(crate) fn data_key(
    provider: impl Into<String>,
    wrap: impl FnOnce(&[u8]) -> Result<Wrapped, KmsError>,
) -> Result<DataKey, KmsError> {
    let plaintext = Provider::default_provider().random_secret();
    let plaintext = plaintext.map_err(|error| unavailable(provider, error))?;
    let wrapped = wrap(plaintext.expose())?;
    Ok(DataKey {
        plaintext,
        wrapped: wrapped.ciphertext,
        key_id: wrapped.key_id,
    })
}
