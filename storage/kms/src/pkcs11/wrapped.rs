//! What a PKCS#11 token's key hands out as a wrapped key, format 1.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, 1 |
//! | 12 | nonce, random, or the token's own where it insists |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! Additional data: the canonical encryption context.

const FORMAT: u8 = 1;
pub(super) const NONCE_LEN: usize = 12;
pub(super) const TAG_BITS: u64 = 128;

/// `sealed` is the ciphertext with its tag, as tokens give it.
pub(super) fn join(nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Vec<u8> {
    [&[FORMAT], &nonce[..], sealed].concat()
}

/// The nonce, and the ciphertext with its tag.
pub(super) fn split(wrapped: &[u8]) -> Option<(&[u8; NONCE_LEN], &[u8])> {
    wrapped.strip_prefix(&[FORMAT])?.split_first_chunk()
}
