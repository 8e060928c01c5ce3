//! Small things for the tests of this crate: a KMS in memory that says no when told to, sealers with a throw-away key.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::{
    Access, Aes256Gcm, Caller, DataKey, DatabaseId, DenyReason, EncryptionContext, EpochLimits,
    Generation, KeyDescription, KeyId, KeyRecord, KeyRef, Kms, KmsError, KmsIdentity, ManualClock,
    Provider, Purpose, Scope, Sealer, Sealing, SecretBytes32, TableId, TableKey, Wrapped,
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

/// What a wrapped key stands for.
struct Wrapping {
    secret: [u8; 32],
    context: EncryptionContext,
    key: KeyId,
}

struct State {
    keys: Vec<Wrapping>,
    answers: HashMap<String, Answer>,
    identity: KmsIdentity,
    calls: u64,
    /// Calls that hang.
    hanging: u64,
    /// Given as the answer to the next call that wraps, whatever it asks for.
    replay: Option<Vec<u8>>,
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
                replay: None,
            }),
            answered: Condvar::new(),
        })
    }

    /// The next call that wraps gets this wrapped key for an answer.
    pub(crate) fn replay(&self, wrapped: &[u8]) {
        self.state.lock().replay = Some(wrapped.to_vec());
    }

    /// Sets the answer for keys of a purpose or table name (`system`, or the table's name), or of a KMS key (its id).
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

    fn check(&self, key: &KeyId, context: &EncryptionContext) -> Result<(), KmsError> {
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
        let of_key = state.answers.get(key.as_str()).copied();
        let of_context = state.answers.get(of).copied();
        match of_key.or(of_context).unwrap_or(Answer::Yes) {
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

    fn provider_of(&self, _: &KeyRef) -> String {
        self.state.lock().identity.provider.clone()
    }

    fn generate_data_key(
        &self,
        _: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        let key = id_of(key);
        self.check(&key, context)?;
        let mut secret = [0; 32];
        Provider::default_provider().random(&mut secret).unwrap();
        let wrapped = self.state.lock().wrap(secret, context, &key);
        Ok(DataKey {
            plaintext: SecretBytes32::copy_from(&secret).unwrap(),
            wrapped,
            key_id: key,
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
        self.check(&id_of(key), context)?;
        let state = self.state.lock();
        let number = <[u8; 8]>::try_from(ciphertext)
            .map(u64::from_be_bytes)
            .ok()
            .and_then(|n| usize::try_from(n).ok());
        match number.and_then(|number| state.keys.get(number)) {
            Some(held) if held.context == *context && held.key == id_of(key) => {
                Ok(Zeroizing::new(held.secret.to_vec()))
            }
            _ => Err(KmsError::InvalidCiphertext {
                key: key.to_string(),
            }),
        }
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let secret = self.decrypt(caller, from.0, ciphertext, from.1)?;
        let key_id = id_of(to.0);
        self.check(&key_id, to.1)?;
        let secret = secret.as_slice().try_into().unwrap();
        let ciphertext = self.state.lock().wrap(secret, to.1, &key_id);
        Ok(Wrapped { ciphertext, key_id })
    }

    fn describe_key(&self, _: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        Err(KmsError::InvalidRequest(format!("not in tests: {key}")))
    }

    fn access(&self, _: &KeyRef) -> Result<Access, KmsError> {
        Ok(Access::of_default_account())
    }
}

impl State {
    fn wrap(&mut self, secret: [u8; 32], context: &EncryptionContext, key: &KeyId) -> Vec<u8> {
        self.keys.push(Wrapping {
            secret,
            context: context.clone(),
            key: key.clone(),
        });
        let wrapped = (self.keys.len() as u64 - 1).to_be_bytes().to_vec();
        self.replay.take().unwrap_or(wrapped)
    }
}

/// Each alias is of a key of its own, but those that a new keyring has.
fn id_of(key: &KeyRef) -> KeyId {
    match key {
        KeyRef::Id(id) => id.clone(),
        KeyRef::Alias(alias) => match alias.as_str().strip_prefix("alias/sealdb/") {
            Some("system") => KeyId::new("system-key").unwrap(),
            Some(_) => KeyId::new("test-key").unwrap(),
            None => KeyId::new(alias.as_str().trim_start_matches("alias/")).unwrap(),
        },
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
