//! The default provider: AES-256-GCM from `ring`, HKDF and HMAC from AWS-LC, randomness from the system.
//!
//! `ring` because of one thing: it has BoringSSL's code for processors with wide AES instructions and without AVX-512 (VAES with AVX2), on which
//! it seals and opens a page in little more than half the time that AWS-LC takes. Elsewhere the two run the same code, or nearly.
//!
//! It leaves the wiping of its key schedules to us. Guaranteed: a schedule is wiped when its key is dropped, and so is the stack that it was
//! made on.

use std::hint::black_box;

use ::ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::{
    NONCE_LEN, OpeningKey, Provider, ProviderError, SealingKey, TAG_LEN, Unauthentic, aws_lc,
};

/// `ring`'s AES-256-GCM; the other parts those that every provider has.
pub static PROVIDER: Provider = Provider {
    name: "ring",
    sealing_key: |key| Ok(Box::new(Key::new(key)?)),
    opening_key: |key| Ok(Box::new(Key::new(key)?)),
    hkdf_sha256: aws_lc::hkdf_sha256,
    hmac_sha256: aws_lc::hmac_sha256,
    random: aws_lc::random,
};

/// `LessSafeKey`, because it opens with the tag apart from the text, and seals under a nonce that we draw at random.
struct Key(Box<LessSafeKey>);

impl Key {
    fn new(key: &[u8; 32]) -> Result<Self, ProviderError> {
        let key = boxed(key);
        wipe_stack();
        key.map(Self)
    }

    fn seal_under(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(aad),
                in_out,
            )
            .map_err(|_| ProviderError)?;
        tag.as_ref().try_into().map_err(|_| ProviderError)
    }
}

impl SealingKey for Key {
    #[inline]
    fn seal(
        &self,
        aad: &[u8],
        in_out: &mut [u8],
        made_nonce: &mut [u8; NONCE_LEN],
        made_tag: &mut [u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        aws_lc::random(made_nonce)?;
        *made_tag = self.seal_under(made_nonce, aad, in_out)?;
        Ok(())
    }
}

impl OpeningKey for Key {
    #[inline]
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Unauthentic> {
        let (nonce, tag) = (Nonce::assume_unique_for_key(*nonce), Tag::from(*tag));
        match self
            .0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, in_out, 0..)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Unauthentic),
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // The schedule of another key in its place, all of it; `black_box`, because who frees memory need not have written it.
        if let Ok(blank) = UnboundKey::new(&AES_256_GCM, &[0; 32]) {
            *self.0 = LessSafeKey::new(blank);
            black_box(&mut *self.0);
        }
    }
}

/// Expands a key, on the stack, and moves it to the heap.
#[inline(never)]
fn boxed(key: &[u8; 32]) -> Result<Box<LessSafeKey>, ProviderError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| ProviderError)?;
    Ok(Box::new(LessSafeKey::new(key)))
}

/// Writes over the stack below the caller, where [`boxed`] was: half a KiB a copy of a schedule, and a few of them.
#[inline(never)]
fn wipe_stack() {
    black_box(&mut [0_u8; 8 << 10]);
}

/// Encryption under a given nonce, for published vectors. Exists in this crate's tests only.
#[cfg(test)]
pub(crate) fn seal_with_nonce(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_LEN] {
    let key = Key::new(key).unwrap();
    key.seal_under(nonce, aad, in_out).unwrap()
}
