//! Signatures that others can check: Ed25519 (RFC 8032).
//!
//! What is sealed is believed by whoever holds its key. What leaves the database, a checkpoint of the audit trail or a report, is to be
//! believed by people who hold none: it is signed, and the public key is theirs to keep.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::provider::{Provider, ProviderError};
use crate::secret::SecretBytes32;

/// Length of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// A private key. Kept as its seed, which whoever stores it seals.
pub struct SigningKey {
    seed: SecretBytes32,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn generate(provider: &Provider) -> Result<Self, ProviderError> {
        Self::from_seed(provider.random_secret()?)
    }

    /// The key of a seed.
    ///
    /// # Errors
    /// If the primitive fails; every seed is one.
    pub fn from_seed(seed: SecretBytes32) -> Result<Self, ProviderError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| ProviderError)?;
        Ok(Self { seed, pair })
    }

    /// The seed, to be sealed.
    pub fn seed(&self) -> &SecretBytes32 {
        &self.seed
    }

    /// What others check its signatures with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref()); // Ed25519: 32 bytes
        PublicKey(bytes)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.pair.sign(message).as_ref()); // Ed25519: 64 bytes
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public())
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these bytes. Whether they are a point of the curve shows at the first signature, which fails.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the holder of the private key signed this message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let mut out = [0; N];
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        }
        out
    }

    #[test]
    fn rfc_8032_test_2() {
        let mut seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::from_seed(SecretBytes32::take(&mut seed)).unwrap();
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(key.public(), PublicKey::from_bytes(public));
        let signature: [u8; SIGNATURE_LEN] = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(key.sign(&[0x72]), signature);
    }

    #[test]
    fn only_the_message_that_was_signed_verifies() {
        let provider = Provider::default_provider();
        let key = SigningKey::generate(provider).unwrap();
        let signature = key.sign(b"message");
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"messagf", &signature));
        assert!(!key.public().verifies(b"message", &signature[..63]));
        for at in 0..signature.len() {
            let mut changed = signature;
            changed[at] ^= 1;
            assert!(!key.public().verifies(b"message", &changed), "byte {at}");
        }
        let other = SigningKey::generate(provider).unwrap();
        assert!(!other.public().verifies(b"message", &signature));
        assert!(!PublicKey::from_bytes([7; 32]).verifies(b"message", &signature));
    }

    #[test]
    fn a_seed_makes_its_key_again_and_debug_shows_none_of_it() {
        let key = SigningKey::generate(Provider::default_provider()).unwrap();
        let again = SecretBytes32::copy_from(key.seed().expose()).unwrap();
        assert_eq!(SigningKey::from_seed(again).unwrap().public(), key.public());
        let seed: String = key
            .seed()
            .expose()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(!format!("{key:?}").contains(&seed[..8]));
    }
}
