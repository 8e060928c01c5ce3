//! The second provider: the AEAD of the pure-Rust `aes-gcm` crate, the other parts the same. Feature `aes-gcm`; for tests.
//!
//! Two implementations that share no code and open each other's blocks show that the format is AES-256-GCM and not an accident
//! of one library. Key schedules are wiped on drop (the crate's `zeroize` feature), but are made on the stack and moved to the
//! heap: a reason more to leave this provider to tests.

use ::aes_gcm::aead::AeadInOut;
use ::aes_gcm::{Aes256Gcm, KeyInit};

use super::{
    NONCE_LEN, OpeningKey, Provider, ProviderError, SealingKey, TAG_LEN, Unauthentic, aws_lc,
};

/// Pure-Rust AES-256-GCM; HKDF, HMAC and randomness as in [`ring::PROVIDER`](super::ring::PROVIDER).
pub static PROVIDER: Provider = Provider {
    name: "aes-gcm",
    sealing_key: |key| Ok(Box::new(Key(Aes256Gcm::new(key.into())))),
    opening_key: |key| Ok(Box::new(Key(Aes256Gcm::new(key.into())))),
    hkdf_sha256: aws_lc::hkdf_sha256,
    hmac_sha256: aws_lc::hmac_sha256,
    random: aws_lc::random,
};

struct Key(Aes256Gcm);

impl SealingKey for Key {
    fn seal(
        &self,
        aad: &[u8],
        in_out: &mut [u8],
        made_nonce: &mut [u8; NONCE_LEN],
        made_tag: &mut [u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        aws_lc::random(made_nonce)?;
        let nonce = (&*made_nonce).into();
        let tag = self
            .0
            .encrypt_inout_detached(nonce, aad, in_out.into())
            .map_err(|_| ProviderError)?;
        *made_tag = tag.into();
        Ok(())
    }
}

impl OpeningKey for Key {
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Unauthentic> {
        self.0
            .decrypt_inout_detached(nonce.into(), aad, in_out.into(), tag.into())
            .map_err(|_| Unauthentic)
    }
}

/// Encryption under a given nonce, for published vectors. Exists in this crate's tests only.
#[cfg(test)]
pub(crate) fn seal_with_nonce(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_LEN] {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, in_out.into())
        .unwrap()
        .into()
}
