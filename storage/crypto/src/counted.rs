//! A KMS of which the calls are counted, for operators: what is asked costs time, money and a provider's quota.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::administration::Administration;
use crate::kms::{
    Caller, DataKey, EncryptionContext, KeyDescription, KeyRef, Kms, KmsError, KmsIdentity, Wrapped,
};
use crate::policy::Access;

const OPERATIONS: [&str; 5] = [
    "GenerateDataKey",
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "DescribeKey",
];
const OUTCOMES: [&str; 3] = ["ok", "refused", "unavailable"];

/// How many calls of each kind were made, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KmsCalls([[u64; OUTCOMES.len()]; OPERATIONS.len()]);

impl KmsCalls {
    /// Operation as AWS KMS names it; outcome, `ok`, `refused` or `unavailable`; how many there were.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let rows = OPERATIONS.into_iter().zip(self.0);
        rows.flat_map(|(operation, row)| {
            let counts = OUTCOMES.into_iter().zip(row);
            counts.map(move |(outcome, count)| (operation, outcome, count))
        })
    }

    /// All calls, whatever became of them.
    pub fn total(&self) -> u64 {
        self.iter().map(|(.., count)| count).sum()
    }
}

/// Counts the calls of another [`Kms`], those that fail too.
pub struct CountedKms {
    inner: Arc<dyn Kms>,
    counts: [[AtomicU64; OUTCOMES.len()]; OPERATIONS.len()],
}

impl CountedKms {
    /// Counts the calls of `inner` from here on.
    pub fn new(inner: Arc<dyn Kms>) -> Self {
        Self {
            inner,
            counts: Default::default(),
        }
    }

    /// What was counted so far.
    pub fn calls(&self) -> KmsCalls {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        KmsCalls(self.counts.each_ref().map(|row| row.each_ref().map(read)))
    }

    fn count<R>(&self, operation: &str, result: Result<R, KmsError>) -> Result<R, KmsError> {
        let outcome = match &result {
            Ok(_) => "ok",
            Err(error) if error.is_transient() => "unavailable",
            Err(_) => "refused",
        };
        let rows = OPERATIONS.iter().zip(&self.counts);
        for (_, row) in rows.filter(|(name, _)| **name == operation) {
            let counts = OUTCOMES.iter().zip(row);
            for (_, count) in counts.filter(|(name, _)| **name == outcome) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        result
    }
}

impl Kms for CountedKms {
    fn identity(&self) -> KmsIdentity {
        self.inner.identity()
    }

    fn provider_of(&self, key: &KeyRef) -> String {
        self.inner.provider_of(key)
    }

    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        let result = self.inner.generate_data_key(caller, key, context);
        self.count("GenerateDataKey", result)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        let result = self.inner.encrypt(caller, key, plaintext, context);
        self.count("Encrypt", result)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let result = self.inner.decrypt(caller, key, ciphertext, context);
        self.count("Decrypt", result)
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let result = self.inner.re_encrypt(caller, ciphertext, from, to);
        self.count("ReEncrypt", result)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let result = self.inner.describe_key(caller, key);
        self.count("DescribeKey", result)
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        self.inner.access(key)
    }

    fn administration(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        self.inner.administration(record)
    }
}
