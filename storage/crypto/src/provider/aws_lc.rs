//! The default provider: AWS-LC, through `aws-lc-rs`.
//!
//! AWS-LC keeps the key schedule in memory of its own and wipes it when it is freed. Its random-nonce AES-GCM draws the nonce
//! inside the sealing call.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, RandomizedNonceKey, UnboundKey};
use aws_lc_rs::{hkdf, hmac};

use super::{NONCE_LEN, OpeningKey, Provider, ProviderError, SealingKey, TAG_LEN, Unauthentic};

/// AWS-LC for every part.
pub static PROVIDER: Provider = Provider {
    name: "aws-lc",
    sealing_key,
    opening_key,
    hkdf_sha256,
    hmac_sha256,
    random,
};

struct Sealing(RandomizedNonceKey);

impl SealingKey for Sealing {
    #[inline]
    fn seal(
        &self,
        aad: &[u8],
        in_out: &mut [u8],
        made_nonce: &mut [u8; NONCE_LEN],
        made_tag: &mut [u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        let (nonce, tag) = self
            .0
            .seal_in_place_separate_tag(Aad::from(aad), in_out)
            .map_err(|_| ProviderError)?;
        *made_nonce = *nonce.as_ref();
        *made_tag = tag.as_ref().try_into().map_err(|_| ProviderError)?;
        Ok(())
    }
}

/// `LessSafeKey`, because its opening takes the tag apart from the text and so moves nothing; it is never used to seal.
struct Opening(LessSafeKey);

impl OpeningKey for Opening {
    #[inline]
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Unauthentic> {
        match self
            .0
            .open_in_place_separate_tag(Nonce::from(nonce), Aad::from(aad), tag, in_out)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Unauthentic),
        }
    }
}

fn sealing_key(key: &[u8; 32]) -> Result<Box<dyn SealingKey>, ProviderError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| ProviderError)?;
    Ok(Box::new(Sealing(key)))
}

fn opening_key(key: &[u8; 32]) -> Result<Box<dyn OpeningKey>, ProviderError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| ProviderError)?;
    Ok(Box::new(Opening(LessSafeKey::new(key))))
}

pub(super) fn hkdf_sha256(
    secret: &[u8],
    salt: &[u8],
    info: &[&[u8]],
    out: &mut [u8],
) -> Result<(), ProviderError> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Len(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| ProviderError)
}

pub(super) fn hmac_sha256(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in message {
        context.update(part);
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref()); // SHA-256: 32 bytes
    mac
}

pub(super) fn random(out: &mut [u8]) -> Result<(), ProviderError> {
    aws_lc_rs::rand::fill(out).map_err(|_| ProviderError)
}

/// Encryption under a given nonce, for published vectors. Exists in this crate's tests only.
#[cfg(test)]
pub(crate) fn seal_with_nonce(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_LEN] {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let tag = key
        .seal_in_place_separate_tag(Nonce::from(nonce), Aad::from(aad), in_out)
        .unwrap();
    tag.as_ref().try_into().unwrap()
}
