//! Small things for the tests of this crate: a KMS in memory that says no when told to, sealers with a throw-away key.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::{
    Aes256Gcm, Caller, DataKey, DatabaseId, DenyReason, EncryptionContext, EpochLimits, Generation,
    KeyDescription, KeyId, KeyRecord, KeyRef, Kms, KmsError, KmsIdentity, ManualClock, Provider,
    Purpose, Scope, Sealer, Sealing, SecretBytes32, TableId, TableKey, Wrapped,
};
use zeroize::Zeroizing;

/// How the test KMS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Away,
    /// None at all, until another answer is set; then yes.
    Hang,
}

/// A KMS in memory. The wrapped form of a key is its number.
pub(crate) struct TestKms {
    state: Mutex<State>,
    answered: Condvar,
}

struct State {
    keys: Vec<([u8; 32], EncryptionContext)>,
    answers: HashMap<String, Answer>,
    identity: KmsIdentity,
    calls: u64,
    /// Calls that hang.
    hanging: u64,
}

impl TestKms {
    pub(crate) fn new() -> Arc<Self> {
        let identity = KmsIdentity {
            provider: "test".into(),
            instance: "one".into(),
            counter: 7,
        };
        Arc::new(TestKms {
            state: Mutex::new(State {
                keys: Vec::new(),
                answers: HashMap::new(),
                identity,
                calls: 0,
                hanging: 0,
            }),
            answered: Condvar::new(),
        })
    }

    /// Sets the answer for keys of a purpose or table name (`system`, or the table's name).
    pub(crate) fn answer(&self, of: &str, answer: Answer) {
        self.state.lock().answers.insert(of.to_owned(), answer);
        self.answered.notify_all();
    }

    /// How many calls hang.
    pub(crate) fn hanging(&self) -> u64 {
        self.state.lock().hanging
    }

    pub(crate) fn set_identity(&self, change: impl FnOnce(&mut KmsIdentity)) {
        change(&mut self.state.lock().identity);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    fn check(&self, context: &EncryptionContext) -> Result<(), KmsError> {
        let mut state = self.state.lock();
        state.calls += 1;
        let of = context
            .get("sealdb:table-name")
            .or(context.get(sealdb_crypto::kms::CONTEXT_PURPOSE))
            .unwrap_or("");
        state.hanging += 1;
        while state.answers.get(of) == Some(&Answer::Hang) {
            self.answered.wait(&mut state);
        }
        state.hanging -= 1;
        match state.answers.get(of).copied().unwrap_or(Answer::Yes) {
            Answer::Yes | Answer::Hang => Ok(()),
            Answer::No => Err(KmsError::Denied {
                key: of.to_owned(),
                reason: DenyReason::Disabled,
            }),
            Answer::Away => Err(KmsError::Unavailable {
                provider: "test".into(),
                reason: "told to be away".into(),
                source: None,
            }),
        }
    }
}

impl Kms for TestKms {
    fn identity(&self) -> KmsIdentity {
        self.state.lock().identity.clone()
    }

    fn generate_data_key(
        &self,
        _: &Caller,
        _: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.check(context)?;
        let mut state = self.state.lock();
        let mut key = [0; 32];
        Provider::default_provider().random(&mut key).unwrap();
        state.keys.push((key, context.clone()));
        Ok(DataKey {
            plaintext: SecretBytes32::copy_from(&key).unwrap(),
            wrapped: (state.keys.len() as u64 - 1).to_be_bytes().to_vec(),
            key_id: KeyId::new("test-key").unwrap(),
        })
    }

    fn encrypt(
        &self,
        _: &Caller,
        key: &KeyRef,
        _: &[u8],
        _: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        Err(KmsError::InvalidRequest(format!("not in tests: {key}")))
    }

    fn decrypt(
        &self,
        _: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.check(context)?;
        let state = self.state.lock();
        let number = <[u8; 8]>::try_from(ciphertext)
            .map(u64::from_be_bytes)
            .ok()
            .and_then(|n| usize::try_from(n).ok());
        match number.and_then(|number| state.keys.get(number)) {
            Some((secret, bound)) if bound == context => Ok(Zeroizing::new(secret.to_vec())),
            _ => Err(KmsError::InvalidCiphertext {
                key: key.to_string(),
            }),
        }
    }

    fn re_encrypt(
        &self,
        _: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        _: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.check(from.1)?;
        Ok(Wrapped {
            ciphertext: ciphertext.to_vec(),
            key_id: KeyId::new("test-key").unwrap(),
        })
    }

    fn describe_key(&self, _: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        Err(KmsError::InvalidRequest(format!("not in tests: {key}")))
    }
}

/// A key record of no table in particular.
pub(crate) fn test_key_record() -> KeyRecord {
    let context = EncryptionContext::for_system(DatabaseId::from_bytes([3; 16]), Generation::FIRST);
    KeyRecord::create(
        &*TestKms::new(),
        &Caller::database(),
        &KeyRef::system(),
        context,
        Generation::FIRST,
        1,
    )
    .unwrap()
    .0
}

/// Sealing as in production.
pub(crate) fn test_sealing() -> Arc<dyn Sealing> {
    Arc::new(Aes256Gcm::new(
        Provider::default_provider(),
        EpochLimits::default(),
        Arc::new(ManualClock::new()),
    ))
}

/// A sealer of the system's log under a throw-away key.
pub(crate) fn test_sealer() -> Arc<dyn Sealer> {
    let secret = Provider::default_provider().random_secret().unwrap();
    let key = Arc::new(TableKey::new(secret, Generation::FIRST));
    let scope = Scope {
        database: DatabaseId::from_bytes([3; 16]),
        table: TableId::SYSTEM,
        purpose: Purpose::Root,
    };
    test_sealing().sealer(&key, scope)
}
