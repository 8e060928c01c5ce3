//! Bytes of a table's key records: which keys it has, how they are wrapped, and how far a change of them has come.
//!
//! | bytes | what |
//! |---|---|
//! | 2 + n | the KMS key as it was last named; empty: the default key |
//! | 2 + n | key record of the key that seals |
//! | 1 | 1 if a rekey goes on |
//! | 2 + n | only then: key record of the key before, which is retiring |
//! | 8 + 8 + 1 | only then: since when, milliseconds since 1970; bytes resealed in a second; 1 if it is paused |
//! | 2 + n | the proof of the last rekey that ended; empty: there is none |

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use sealdb_crypto::{
    Caller, DatabaseId, EncryptionContext, Generation, KeyRecord, KeyRecordError, KeyRef, Kms,
    TableId, TableKey, TableKeys,
};

use super::definition::flag;
use crate::rekey::MIN_PACE;
use crate::wire::{Malformed, Reader, Write};

/// The account that encryption contexts name.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The keys of a table, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRecords {
    /// The KMS key as it was last named; empty for the default key.
    pub(crate) name: String,
    /// Everything new is sealed under it.
    pub(crate) active: KeyRecord,
    /// The change of keys that goes on.
    pub(crate) rekey: Option<Rekey>,
    /// What the last rekey that ended has proved, signed.
    pub(crate) proof: Vec<u8>,
}

/// A rekey that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rekey {
    /// The key before, under which blocks may be left.
    pub(crate) retiring: KeyRecord,
    /// In milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Bytes that are resealed in a second.
    pub(crate) pace: u64,
    pub(crate) paused: bool,
}

impl Rekey {
    /// It goes on, at another pace if one is given.
    pub(crate) fn resume(&mut self, pace: Option<u64>) {
        self.paused = false;
        if let Some(pace) = pace {
            self.pace = pace.max(MIN_PACE);
        }
    }
}

/// The encryption context that a key record of a table must have.
pub(crate) fn table_context(
    database: DatabaseId,
    table: TableId,
    name: &str,
    generation: Generation,
) -> EncryptionContext {
    EncryptionContext::for_table(database, table, name, ACCOUNT, generation)
}

impl KeyRecords {
    /// The keys of a new table.
    pub(crate) fn new(name: String, active: KeyRecord) -> Self {
        KeyRecords {
            name,
            active,
            rekey: None,
            proof: Vec::new(),
        }
    }

    /// All of them, the older one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyRecord> {
        let retiring = self.rekey.as_ref().map(|rekey| &rekey.retiring);
        retiring.into_iter().chain([&self.active])
    }

    /// With the contexts that they must have, to be unwrapped.
    pub(crate) fn bound(&self, database: DatabaseId, table: TableId, name: &str) -> BoundKeys {
        let context = |key: &KeyRecord| table_context(database, table, name, key.generation);
        BoundKeys(self.iter().map(|key| (key.clone(), context(key))).collect())
    }

    /// Whether these are the keys of these records.
    pub(crate) fn are(&self, keys: &TableKeys) -> bool {
        keys.generations()
            .eq(self.iter().map(|record| record.generation))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_short_bytes(self.name.as_bytes());
        out.put_short_bytes(&self.active.encode());
        out.put_u8(u8::from(self.rekey.is_some()));
        if let Some(rekey) = &self.rekey {
            out.put_short_bytes(&rekey.retiring.encode());
            out.put_u64(rekey.since_ms);
            out.put_u64(rekey.pace);
            out.put_u8(u8::from(rekey.paused));
        }
        out.put_short_bytes(&self.proof);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(KeyRecords {
            name: r.text("key name")?.to_owned(),
            active: read_key(r)?,
            rekey: match flag(r, "rekey")? {
                false => None,
                true => Some(Rekey {
                    retiring: read_key(r)?,
                    since_ms: r.u64("time of a rekey")?,
                    pace: r.u64("pace of a rekey")?,
                    paused: flag(r, "pause of a rekey")?,
                }),
            },
            proof: r.short_bytes("proof")?.to_vec(),
        })
    }
}

fn read_key(r: &mut Reader<'_>) -> Result<KeyRecord, Malformed> {
    KeyRecord::decode(r.short_bytes("key record")?).map_err(|_| Malformed("key record"))
}

/// Key records with the contexts that they must have, the older one first.
#[derive(Debug, Clone)]
pub(crate) struct BoundKeys(Vec<(KeyRecord, EncryptionContext)>);

impl BoundKeys {
    /// The only key of something.
    pub(crate) fn one(record: KeyRecord, context: EncryptionContext) -> Self {
        BoundKeys(vec![(record, context)])
    }

    /// The provider that is asked for them.
    pub(crate) fn provider(&self) -> &str {
        self.0.last().map_or("", |(record, _)| &record.provider)
    }

    /// Has the KMS unwrap all of them. Blocks.
    ///
    /// # Errors
    /// Those of [`KeyRecord::unwrap`]: without one of them a table's blocks do not all open.
    pub(crate) fn unwrap(
        &self,
        kms: &dyn Kms,
        caller: &Caller,
    ) -> Result<TableKeys, KeyRecordError> {
        let mut keys: Option<TableKeys> = None;
        for (record, context) in &self.0 {
            let key: Arc<TableKey> = Arc::new(record.unwrap(kms, caller, context)?);
            match &keys {
                None => keys = Some(TableKeys::new(key)),
                Some(keys) if keys.succeed(key) => {}
                Some(_) => return Err(KeyRecordError::OtherContext),
            }
        }
        let (newest, _) = self.0.last().ok_or(KeyRecordError::OtherContext)?;
        let access = kms.access(&KeyRef::Id(newest.key_id.clone()));
        let keys = keys.ok_or(KeyRecordError::OtherContext)?;
        Ok(keys.with_access(access.map_err(KeyRecordError::Kms)?))
    }
}
