//! The record of one wrapped table key: what stands in the catalog for a table, in the root for the system key, and in the
//! head of the audit trail for the audit key.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, 1 |
//! | 1 | suite that the key seals with |
//! | 4 | generation |
//! | 1 | state: 1 active, 2 retiring |
//! | 4 + n | provider |
//! | 4 + n | key id |
//! | 4 + n | wrapped key |
//! | 4 + n | encryption context, canonical |
//! | 32 | commitment |
//!
//! **Commitment**: HMAC-SHA256(key, "commit" ‖ suite ‖ generation ‖ canonical context). The context holds database id, table id
//! and name. AES-GCM alone does not commit to a key: a wrapped blob can be made that opens to two keys under two wrapping
//! keys. The commitment is compared, in constant time, before the key is used.
//!
//! What a record does not give is its own authenticity: who can rewrite it can replace it by an older one of the same table.
//! That is the catalog's business, which is sealed. What it does give: moved to another table, database or generation it does
//! not unwrap, because [`KeyRecord::unwrap`] is told by its caller what the context must be.

use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::ids::Generation;
use crate::kms::{Caller, EncryptionContext, KeyId, KeyRef, Kms, KmsError};
use crate::provider::Provider;
use crate::secret::{SecretBytes32, TableKey};
use crate::wire::{Put, Reader, WireError};

const FORMAT: u8 = 1;
const COMMITMENT_LEN: usize = 32;

/// A wrapped key and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key as the KMS wrapped it.
    pub wrapped: Vec<u8>,
    /// The KMS key that wrapped it.
    pub key_id: KeyId,
    /// The kind of provider that holds the KMS key.
    pub provider: String,
    /// The encryption context that it was wrapped with.
    pub context: EncryptionContext,
    /// Which of the table's keys.
    pub generation: Generation,
    /// The suite that the key seals with; 1 is AES-256-GCM.
    pub suite: u8,
    /// Whether new blocks are sealed with it.
    pub state: KeyRecordState,
    commitment: [u8; COMMITMENT_LEN],
}

/// Whether new blocks are sealed with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRecordState {
    /// Writers use it.
    Active,
    /// A newer generation has taken over; blocks under this one are still being resealed.
    Retiring,
}

/// Why a key record gives no key.
#[derive(Debug, Clone, Error)]
pub enum KeyRecordError {
    /// The KMS did not give it.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The record belongs to another table, database or generation.
    #[error(
        "the key record was made for something else: its encryption context is not the one expected here"
    )]
    OtherContext,
    /// The KMS gave bytes that are not the key that was committed to.
    #[error("the unwrapped key is not the one that the key record commits to")]
    Commitment,
    /// The record's bytes are damaged.
    #[error("the key record is damaged")]
    Malformed(#[from] WireError),
    /// A newer format.
    #[error("the key record has format {found}; this version of SealDB reads format {FORMAT}")]
    Format {
        /// The format found.
        found: u8,
    },
}

impl KeyRecordError {
    /// Whether the failure may pass by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Kms(error) if error.is_transient())
    }
}

impl KeyRecord {
    /// Has the KMS make a key under `key` and commits to it.
    ///
    /// # Errors
    /// Those of [`Kms::generate_data_key`].
    pub fn create(
        kms: &dyn Kms,
        caller: &Caller,
        key: &KeyRef,
        context: EncryptionContext,
        generation: Generation,
        suite: u8,
    ) -> Result<(Self, TableKey), KeyRecordError> {
        let data_key = kms.generate_data_key(caller, key, &context)?;
        let commitment = commit(&data_key.plaintext, suite, generation, &context);
        let record = Self {
            wrapped: data_key.wrapped,
            key_id: data_key.key_id,
            provider: kms.identity().provider,
            context,
            generation,
            suite,
            state: KeyRecordState::Active,
            commitment,
        };
        Ok((record, TableKey::new(data_key.plaintext, generation)))
    }

    /// Has the KMS unwrap the key, for use as `expected` only.
    ///
    /// # Errors
    /// [`KeyRecordError::OtherContext`] without asking the KMS if the record was made for something else; those of
    /// [`Kms::decrypt`]; [`KeyRecordError::Commitment`] if the answer is not the key that was committed to.
    pub fn unwrap(
        &self,
        kms: &dyn Kms,
        caller: &Caller,
        expected: &EncryptionContext,
    ) -> Result<TableKey, KeyRecordError> {
        if self.context != *expected {
            return Err(KeyRecordError::OtherContext);
        }
        let key = KeyRef::Id(self.key_id.clone());
        let plaintext = kms.decrypt(caller, &key, &self.wrapped, expected)?;
        let secret = SecretBytes32::copy_from(&plaintext).ok_or(KeyRecordError::Commitment)?;
        let commitment = commit(&secret, self.suite, self.generation, &self.context);
        if bool::from(commitment.ct_eq(&self.commitment)) {
            Ok(TableKey::new(secret, self.generation))
        } else {
            Err(KeyRecordError::Commitment)
        }
    }

    /// The same key wrapped under another KMS key (or a newer version of the same), unwrapped once and compared before it is
    /// returned. The old record stays valid until its holder replaces it.
    ///
    /// # Errors
    /// Those of [`Kms::re_encrypt`] and of [`KeyRecord::unwrap`].
    pub fn rewrapped(
        &self,
        kms: &dyn Kms,
        caller: &Caller,
        to: &KeyRef,
    ) -> Result<Self, KeyRecordError> {
        let from = KeyRef::Id(self.key_id.clone());
        let wrapped = kms.re_encrypt(
            caller,
            &self.wrapped,
            (&from, &self.context),
            (to, &self.context),
        )?;
        let record = Self {
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
            provider: kms.identity().provider,
            ..self.clone()
        };
        record.unwrap(kms, caller, &self.context)?;
        Ok(record)
    }

    /// The bytes of the module's table.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.put_u8(FORMAT);
        out.put_u8(self.suite);
        out.put_u32(self.generation.get());
        out.put_u8(match self.state {
            KeyRecordState::Active => 1,
            KeyRecordState::Retiring => 2,
        });
        out.put_bytes(self.provider.as_bytes());
        out.put_bytes(self.key_id.as_str().as_bytes());
        out.put_bytes(&self.wrapped);
        out.put_bytes(&self.context.canonical());
        out.extend_from_slice(&self.commitment);
        out
    }

    /// Reads what [`KeyRecord::encode`] wrote, and nothing more.
    ///
    /// # Errors
    /// [`KeyRecordError::Format`] for a newer format, [`KeyRecordError::Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyRecordError> {
        let mut reader = Reader::new(bytes);
        let found = reader.u8()?;
        if found != FORMAT {
            return Err(KeyRecordError::Format { found });
        }
        let suite = reader.u8()?;
        let generation = Generation::new(reader.u32()?);
        let state = match reader.u8()? {
            1 => KeyRecordState::Active,
            2 => KeyRecordState::Retiring,
            _ => return Err(WireError("unknown state of a key record").into()),
        };
        let provider = reader.string()?;
        let key_id = KeyId::new(reader.string()?).map_err(|_| WireError("not a key id"))?;
        let wrapped = reader.bytes()?.to_vec();
        let context = EncryptionContext::from_canonical(reader.bytes()?)?;
        let commitment = reader.array()?;
        reader.end()?;
        Ok(Self {
            wrapped,
            key_id,
            provider,
            context,
            generation,
            suite,
            state,
            commitment,
        })
    }
}

fn commit(
    key: &SecretBytes32,
    suite: u8,
    generation: Generation,
    context: &EncryptionContext,
) -> [u8; COMMITMENT_LEN] {
    let generation = generation.get().to_be_bytes();
    Provider::default_provider().hmac_sha256(
        key,
        &[b"commit", &[suite], &generation, &context.canonical()],
    )
}
