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

#![deny(clippy::indexing_slicing)]

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
    /// The key was wrapped by another kind of provider than the one at hand.
    #[error(
        "the key was wrapped by the provider '{expected}', but the provider at hand is '{found}'"
    )]
    OtherProvider {
        /// What the record names.
        expected: String,
        /// The provider at hand.
        found: String,
    },
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
            provider: kms.provider_of(&KeyRef::Id(data_key.key_id.clone())),
            wrapped: data_key.wrapped,
            key_id: data_key.key_id,
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
    /// [`KeyRecordError::OtherContext`] and [`KeyRecordError::OtherProvider`] without asking the KMS; those of
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
        let found = kms.provider_of(&key);
        if found != self.provider {
            return Err(KeyRecordError::OtherProvider {
                expected: self.provider.clone(),
                found,
            });
        }
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
            provider: kms.provider_of(&KeyRef::Id(wrapped.key_id.clone())),
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;
    use crate::ids::{DatabaseId, TableId};
    use crate::keyring::{Keyring, RootKeySource};
    use crate::kms::DenyReason;

    fn keyring(dir: &tempfile::TempDir) -> Keyring {
        let source = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
        Keyring::create(dir.path().join("k"), source, Arc::new(ManualClock::new())).unwrap()
    }

    fn context(name: &str, generation: u32) -> EncryptionContext {
        EncryptionContext::for_table(
            DatabaseId::from_bytes([1; 16]),
            TableId::from_bytes([2; 16]),
            name,
            "000000000000",
            Generation::new(generation),
        )
    }

    fn create(kms: &dyn Kms) -> (KeyRecord, TableKey) {
        let caller = Caller::database();
        let key = KeyRef::default_key();
        KeyRecord::create(kms, &caller, &key, context("t", 1), Generation::FIRST, 1).unwrap()
    }

    #[test]
    fn a_record_gives_its_key_back() {
        let dir = tempfile::tempdir().unwrap();
        let kms = keyring(&dir);
        let (record, key) = create(&kms);
        let decoded = KeyRecord::decode(&record.encode()).unwrap();
        assert_eq!(decoded, record);
        let again = decoded
            .unwrap(&kms, &Caller::database(), &context("t", 1))
            .unwrap();
        assert!(again.secret().ct_eq(key.secret()));
        assert_eq!(again.generation(), Generation::FIRST);
    }

    #[test]
    fn a_record_moved_elsewhere_does_not_unwrap() {
        let dir = tempfile::tempdir().unwrap();
        let kms = keyring(&dir);
        let (record, _) = create(&kms);
        let (database, table) = (
            |n| DatabaseId::from_bytes([n; 16]),
            |n| TableId::from_bytes([n; 16]),
        );
        let of = |database, table| {
            let account = "000000000000";
            EncryptionContext::for_table(database, table, "t", account, Generation::FIRST)
        };
        assert_eq!(of(database(1), table(2)), record.context);
        for expected in [
            context("u", 1),
            context("t", 2),
            context("t", 1).with("more", ""),
            of(database(9), table(2)),
            of(database(1), table(9)),
        ] {
            let answer = record
                .unwrap(&kms, &Caller::database(), &expected)
                .map(|_| ());
            assert!(
                matches!(answer, Err(KeyRecordError::OtherContext)),
                "{expected:?}"
            );
            // And if its context is rewritten to fit, the KMS refuses.
            let forged = KeyRecord {
                context: expected.clone(),
                ..record.clone()
            };
            let answer = forged
                .unwrap(&kms, &Caller::database(), &expected)
                .map(|_| ());
            assert!(
                matches!(
                    answer,
                    Err(KeyRecordError::Kms(KmsError::InvalidCiphertext { .. }))
                ),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn another_key_behind_the_same_context_breaks_the_commitment() {
        let dir = tempfile::tempdir().unwrap();
        let kms = keyring(&dir);
        let (record, _) = create(&kms);
        let (other, _) = create(&kms);
        let forged = KeyRecord {
            wrapped: other.wrapped,
            ..record
        };
        let answer = forged
            .unwrap(&kms, &Caller::database(), &context("t", 1))
            .map(|_| ());
        assert!(
            matches!(answer, Err(KeyRecordError::Commitment)),
            "{answer:?}"
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_gives_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let kms = keyring(&dir);
        let (record, _) = create(&kms);
        let bytes = record.encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let Ok(decoded) = KeyRecord::decode(&changed) else {
                    continue;
                };
                let answer = decoded
                    .unwrap(&kms, &Caller::database(), &context("t", 1))
                    .map(|_| ());
                // A key id in capitals is the same id.
                let same_id = decoded
                    .key_id
                    .as_str()
                    .eq_ignore_ascii_case(record.key_id.as_str())
                    && decoded.key_id != record.key_id;
                assert!(answer.is_err() || same_id, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_rewrapped_record_holds_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let kms = keyring(&dir);
        let (record, key) = create(&kms);
        let to = KeyRef::Id(
            kms.create_key(None, "", crate::kms::KeyUsage::Table)
                .unwrap()
                .id,
        );
        let rewrapped = record.rewrapped(&kms, &Caller::database(), &to).unwrap();
        assert_ne!(rewrapped.key_id, record.key_id);
        let again = rewrapped
            .unwrap(&kms, &Caller::database(), &context("t", 1))
            .unwrap();
        assert!(again.secret().ct_eq(key.secret()));
        // The system's key may not take over a table.
        let answer = record.rewrapped(&kms, &Caller::database(), &KeyRef::system());
        assert!(matches!(
            answer,
            Err(KeyRecordError::Kms(KmsError::Denied {
                reason: DenyReason::WrongUsage,
                ..
            }))
        ));
    }

    proptest! {
        #[test]
        fn decode_is_the_inverse_of_encode(
            wrapped in proptest::collection::vec(any::<u8>(), 0..300),
            key_id in "[!-~]{1,80}",
            provider in ".{0,20}",
            pairs in proptest::collection::btree_map(".{0,20}", ".{0,20}", 0..6),
            generation: u32,
            suite: u8,
            retiring: bool,
            commitment: [u8; 32],
        ) {
            let Ok(key_id) = KeyId::new(key_id) else { return Ok(()) };
            let context = pairs.into_iter().fold(EncryptionContext::new(), |all, (k, v)| all.with(k, v));
            let state = if retiring { KeyRecordState::Retiring } else { KeyRecordState::Active };
            let generation = Generation::new(generation);
            let record =
                KeyRecord { wrapped, key_id, provider, context, generation, suite, state, commitment };
            prop_assert_eq!(KeyRecord::decode(&record.encode()).unwrap(), record);
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = KeyRecord::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
