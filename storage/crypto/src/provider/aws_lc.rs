//! What every provider has in common: HKDF and HMAC from AWS-LC, through `aws-lc-rs`, and the system's generator.

use aws_lc_rs::{hkdf, hmac};

use super::ProviderError;

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

/// Not AWS-LC's own generator: before its first byte that one measures the processor's jitter, for half of what a server's start took.
pub(super) fn random(out: &mut [u8]) -> Result<(), ProviderError> {
    getrandom::fill(out).map_err(|_| ProviderError)
}
