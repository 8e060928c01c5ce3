//! The primitives that everything else here is made of, as a plain struct with one field per part.
//!
//! [`ring`] is what production uses. `aes_gcm` (feature `aes-gcm`) replaces its AEAD with the pure-Rust crate of that
//! name and keeps the other parts: an independent implementation to test against, never faster. Each opens what the other
//! sealed.
//!
//! A nonce is made inside the call that seals, from the system's generator. No function here takes one for sealing.

mod aws_lc;
pub mod ring;

#[cfg(any(test, feature = "aes-gcm"))]
pub mod aes_gcm;

#[cfg(test)]
mod vectors;

use zeroize::Zeroizing;

use crate::secret::SecretBytes32;

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes of an authentication tag.
pub const TAG_LEN: usize = 16;

/// A primitive refused to work: the system's generator failed, or a length is beyond what the algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic provider failed")]
pub struct ProviderError;

/// Ciphertext, tag, nonce, authenticated data or key do not belong together. Deliberately without detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct Unauthentic;

/// AES-256-GCM for sealing under one key.
pub trait SealingKey: Send + Sync {
    /// Encrypts in place under a fresh random nonce, and writes out the nonce and the tag.
    ///
    /// # Errors
    /// If the generator fails. `in_out` is then unspecified and must not be used.
    fn seal(
        &self,
        aad: &[u8],
        in_out: &mut [u8],
        made_nonce: &mut [u8; NONCE_LEN],
        made_tag: &mut [u8; TAG_LEN],
    ) -> Result<(), ProviderError>;
}

/// AES-256-GCM for opening under one key.
pub trait OpeningKey: Send + Sync {
    /// Verifies and decrypts in place.
    ///
    /// # Errors
    /// If anything does not belong together. `in_out` is then unspecified, and never holds plaintext.
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Unauthentic>;
}

/// A sealing key, made by a provider.
pub type BoxedSealingKey = Box<dyn SealingKey>;
/// An opening key, made by a provider.
pub type BoxedOpeningKey = Box<dyn OpeningKey>;
/// HKDF-SHA256 (RFC 5869), extract and expand: (secret, salt, parts of info, out).
pub type HkdfFn = fn(&[u8], &[u8], &[&[u8]], &mut [u8]) -> Result<(), ProviderError>;

/// A set of primitives. Passed about as `&'static Provider`; see [`Provider::default_provider`].
#[non_exhaustive]
pub struct Provider {
    /// For messages and benchmarks.
    pub name: &'static str,
    /// AES-256-GCM with random nonces (NIST SP 800-38D, 8.2.2).
    pub sealing_key: fn(key: &[u8; 32]) -> Result<BoxedSealingKey, ProviderError>,
    /// AES-256-GCM.
    pub opening_key: fn(key: &[u8; 32]) -> Result<BoxedOpeningKey, ProviderError>,
    /// Fills `out`, 8,160 bytes at most.
    pub hkdf_sha256: HkdfFn,
    /// HMAC-SHA256 (RFC 2104) of the parts one after the other.
    pub hmac_sha256: fn(key: &[u8], message: &[&[u8]]) -> [u8; 32],
    /// The system's random generator.
    pub random: fn(out: &mut [u8]) -> Result<(), ProviderError>,
}

impl Provider {
    /// The provider for production: [`ring::PROVIDER`].
    pub fn default_provider() -> &'static Provider {
        &ring::PROVIDER
    }

    /// Fills `out` from the system's generator.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn random(&self, out: &mut [u8]) -> Result<(), ProviderError> {
        (self.random)(out)
    }

    /// A new random secret.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn random_secret(&self) -> Result<SecretBytes32, ProviderError> {
        SecretBytes32::fill_with(|bytes| (self.random)(bytes))
    }

    /// HMAC-SHA256 of the parts one after the other. The caller makes the parts unambiguous (fixed widths or lengths).
    pub fn hmac_sha256(&self, key: &SecretBytes32, message: &[&[u8]]) -> [u8; 32] {
        (self.hmac_sha256)(key.expose(), message)
    }

    /// HKDF-SHA256 from one secret to another.
    ///
    /// # Errors
    /// Never for a provider that works: the output length is within HKDF's bound.
    pub fn derive(
        &self,
        secret: &SecretBytes32,
        salt: &[u8],
        info: &[&[u8]],
    ) -> Result<SecretBytes32, ProviderError> {
        SecretBytes32::fill_with(|out| (self.hkdf_sha256)(secret.expose(), salt, info, out))
    }

    /// Seals a small blob (a wrapped key, a keyring) under an explicit key:
    ///
    /// | bytes | |
    /// |---|---|
    /// | 12 | nonce, random |
    /// | n | ciphertext |
    /// | 16 | tag |
    ///
    /// The caller bounds how often one key is used (2^32 at most) and binds in `aad` what the blob belongs to.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn seal_blob(
        &self,
        key: &SecretBytes32,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, ProviderError> {
        let key = (self.sealing_key)(key.expose())?;
        let (mut nonce, mut tag) = ([0; NONCE_LEN], [0; TAG_LEN]);
        let mut text = Zeroizing::new(plaintext.to_vec());
        key.seal(aad, &mut text, &mut nonce, &mut tag)?;
        Ok([&nonce[..], &text, &tag].concat())
    }

    /// Opens what [`Provider::seal_blob`] sealed.
    ///
    /// # Errors
    /// One, for anything that is wrong with blob, key or `aad`.
    pub fn open_blob(
        &self,
        key: &SecretBytes32,
        aad: &[u8],
        blob: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unauthentic> {
        let (nonce, rest) = blob.split_first_chunk::<NONCE_LEN>().ok_or(Unauthentic)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Unauthentic)?;
        let opening = (self.opening_key)(key.expose()).map_err(|ProviderError| Unauthentic)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        opening.open(nonce, aad, &mut text, tag)?;
        Ok(text)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_opens_only_under_its_key_and_context() {
        let provider = Provider::default_provider();
        let key = provider.random_secret().unwrap();
        let other = provider.random_secret().unwrap();
        let blob = provider.seal_blob(&key, b"context", b"secret").unwrap();
        assert_eq!(blob.len(), NONCE_LEN + 6 + TAG_LEN);
        assert_eq!(
            provider
                .open_blob(&key, b"context", &blob)
                .unwrap()
                .as_slice(),
            b"secret"
        );
        assert_eq!(
            provider.open_blob(&key, b"contexT", &blob).unwrap_err(),
            Unauthentic
        );
        assert_eq!(
            provider.open_blob(&other, b"context", &blob).unwrap_err(),
            Unauthentic
        );
        for at in 0..blob.len() {
            let mut bad = blob.clone();
            bad[at] ^= 1;
            assert!(
                provider.open_blob(&key, b"context", &bad).is_err(),
                "byte {at} flipped"
            );
            assert!(
                provider.open_blob(&key, b"context", &blob[..at]).is_err(),
                "cut to {at}"
            );
        }
        assert_ne!(
            blob,
            provider.seal_blob(&key, b"context", b"secret").unwrap(),
            "a fresh nonce each time"
        );
    }

    #[test]
    fn hmac_joins_its_parts() {
        let provider = Provider::default_provider();
        let key = SecretBytes32::take(&mut [3; 32]);
        assert_eq!(
            provider.hmac_sha256(&key, &[b"ab", b"c"]),
            provider.hmac_sha256(&key, &[b"abc"])
        );
        assert_ne!(
            provider.hmac_sha256(&key, &[b"abc"]),
            provider.hmac_sha256(&key, &[b"abd"])
        );
    }

    #[test]
    fn hkdf_refuses_more_than_it_can_give() {
        let mut out = vec![0; 255 * 32 + 1];
        assert_eq!(
            (Provider::default_provider().hkdf_sha256)(b"s", b"", &[b""], &mut out),
            Err(ProviderError)
        );
        out.pop();
        assert_eq!(
            (Provider::default_provider().hkdf_sha256)(b"s", b"", &[b""], &mut out),
            Ok(())
        );
    }
}
