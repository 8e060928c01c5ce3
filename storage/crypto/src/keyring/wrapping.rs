//! What the keyring hands out as a wrapped key, format 1.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, 1 |
//! | 16 | key id (UUID) |
//! | 4 | version of the key's material |
//! | 12 | nonce |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! Additional data: the first 21 bytes ‖ the canonical encryption context.

#![deny(clippy::indexing_slicing)]

use uuid::Uuid;
use zeroize::Zeroizing;

use super::format::{Key, KeyVersion};
use crate::kms::EncryptionContext;
use crate::provider::{Provider, ProviderError};
use crate::wire::{Put, Reader, WireError};

const FORMAT: u8 = 1;
const HEAD_LEN: usize = 21;

/// Wraps under one version of a key.
pub(super) fn wrap(
    key: &Key,
    version: &KeyVersion,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, ProviderError> {
    let mut wrapped = Vec::with_capacity(HEAD_LEN + 28 + plaintext.len());
    wrapped.put_u8(FORMAT);
    wrapped.extend_from_slice(key.id.as_bytes());
    wrapped.put_u32(version.number);
    let aad = additional(&wrapped, context);
    wrapped.extend_from_slice(&Provider::default_provider().seal_blob(
        &version.material,
        &aad,
        plaintext,
    )?);
    Ok(wrapped)
}

/// Unwraps what `key` wrapped. `None` for anything that is not that: one answer without detail.
pub(super) fn unwrap(
    key: &Key,
    context: &EncryptionContext,
    wrapped: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (id, version) = head(wrapped).ok()?;
    if id != key.id {
        return None;
    }
    let version = key.version(version)?;
    let (head, blob) = wrapped.split_at_checked(HEAD_LEN)?;
    Provider::default_provider()
        .open_blob(&version.material, &additional(head, context), blob)
        .ok()
}

fn head(wrapped: &[u8]) -> Result<(Uuid, u32), WireError> {
    let mut reader = Reader::new(wrapped);
    if reader.u8()? != FORMAT {
        return Err(WireError("unknown format of a wrapped key"));
    }
    Ok((Uuid::from_bytes(reader.array()?), reader.u32()?))
}

fn additional(head: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut aad = head.to_vec();
    aad.extend_from_slice(&context.canonical());
    aad
}
