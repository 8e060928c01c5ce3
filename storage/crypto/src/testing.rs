//! Doubles for tests of every room: a KMS that fails on command, a trail in memory, chance that repeats itself.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::administration::Administration;
use crate::audit::{AuditError, AuditEvent, AuditSink};
use crate::kms::{
    Caller, DataKey, DenyReason, EncryptionContext, KeyDescription, KeyRef, Kms, KmsError,
    KmsIdentity, Wrapped,
};
use crate::policy::Access;
use crate::provider::{Provider, ProviderError, ring};

/// A KMS in front of another: can be unreachable, for all keys or for single ones, can deny single keys, can be slow, and counts
/// calls.
///
/// ```
/// use std::sync::Arc;
/// use sealdb_crypto::{Caller, EncryptionContext, KeyRef, Kms, KmsError, Keyring, RootKeySource, SystemClock};
/// use sealdb_crypto::testing::ScriptedKms;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let source = RootKeySource::create_file(dir.join("root.key"))?;
/// let keyring = Keyring::create(dir.join("my.keyring"), source, Arc::new(SystemClock))?;
/// let kms = ScriptedKms::new(Arc::new(keyring));
/// kms.set_unavailable(true);
/// let answer = kms.generate_data_key(&Caller::database(), &KeyRef::default_key(), &EncryptionContext::new());
/// assert!(matches!(answer, Err(KmsError::Unavailable { .. })));
/// assert_eq!(kms.calls(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScriptedKms {
    inner: Arc<dyn Kms>,
    unavailable: AtomicBool,
    /// Ids and aliases as the keys may be named that cannot be reached.
    away: Mutex<BTreeSet<String>>,
    /// The same for the denied keys.
    denied: Mutex<BTreeSet<String>>,
    /// How long a Decrypt takes.
    delay: Mutex<Duration>,
    under_way: AtomicU64,
    most_at_once: AtomicU64,
    calls: AtomicU64,
    decrypts: AtomicU64,
}

impl ScriptedKms {
    /// Passes everything on until told otherwise.
    pub fn new(inner: Arc<dyn Kms>) -> Self {
        Self {
            inner,
            unavailable: AtomicBool::new(false),
            away: Mutex::default(),
            denied: Mutex::default(),
            delay: Mutex::default(),
            under_way: AtomicU64::new(0),
            most_at_once: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            decrypts: AtomicU64::new(0),
        }
    }

    /// From now on every call fails as if the KMS could not be reached; `false` ends that.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    /// The same for one key, however a caller names it.
    pub fn set_away(&self, key: &KeyRef, away: bool) {
        let names = self.names_of(key);
        let mut all = self.away.lock();
        all.retain(|name| !names.contains(name));
        if away {
            all.extend(names);
        }
    }

    /// From now on every Decrypt takes at least so long.
    pub fn set_delay(&self, delay: Duration) {
        *self.delay.lock() = delay;
    }

    /// How many Decrypts were under way at once, at most.
    pub fn most_at_once(&self) -> u64 {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Denies a key from now on, however a caller names it.
    pub fn deny(&self, key: &KeyRef) {
        let names = self.names_of(key);
        self.denied.lock().extend(names);
    }

    /// Ends the denial.
    pub fn allow(&self, key: &KeyRef) {
        let names = self.names_of(key);
        self.denied.lock().retain(|name| !names.contains(name));
    }

    /// How many calls came, failed ones included; `identity` does not count.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many of them were Decrypt.
    pub fn decrypts(&self) -> u64 {
        self.decrypts.load(Ordering::SeqCst)
    }

    fn names_of(&self, key: &KeyRef) -> Vec<String> {
        let mut names = vec![key.to_string()];
        if let Ok(description) = self.inner.describe_key(&Caller::new("test"), key) {
            names.push(description.id.to_string());
            names.extend(description.alias.map(|alias| alias.to_string()));
        }
        names
    }

    fn enter(&self, keys: &[&KeyRef]) -> Result<(), KmsError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let away = |key: &&KeyRef| self.away.lock().contains(&key.to_string());
        if self.unavailable.load(Ordering::SeqCst) || keys.iter().any(away) {
            return Err(KmsError::Unavailable {
                provider: "scripted".to_owned(),
                reason: "the test made it so".to_owned(),
                source: None,
            });
        }
        let denied = self.denied.lock();
        for key in keys.iter().map(ToString::to_string) {
            if denied.contains(&key) {
                return Err(KmsError::Denied {
                    key,
                    reason: DenyReason::AccessDenied,
                });
            }
        }
        Ok(())
    }
}

impl Kms for ScriptedKms {
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
        self.enter(&[key])?;
        self.inner.generate_data_key(caller, key, context)
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.enter(&[key])?;
        self.inner.encrypt(caller, key, plaintext, context)
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.decrypts.fetch_add(1, Ordering::SeqCst);
        self.enter(&[key])?;
        let at_once = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let delay = *self.delay.lock();
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let answer = self.inner.decrypt(caller, key, ciphertext, context);
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        self.enter(&[from.0, to.0])?;
        self.inner.re_encrypt(caller, ciphertext, from, to)
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        self.enter(&[key])?;
        self.inner.describe_key(caller, key)
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

/// A trail in memory; can be told to fail.
#[derive(Default)]
pub struct MemoryTrail {
    events: Mutex<Vec<AuditEvent>>,
    failing: AtomicBool,
}

impl MemoryTrail {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded.
    pub fn events(&self) -> Vec<AuditEvent> {
        self.events.lock().clone()
    }

    /// From now on every append fails; `false` ends that.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }
}

impl AuditSink for MemoryTrail {
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(AuditError::Scripted);
        }
        self.events.lock().push(event.clone());
        Ok(())
    }
}

/// The default provider with ids, salts and keys from a generator that a seed starts, one per thread: what is sealed with it is
/// open to everybody, and a run repeats itself to the last placement of a page. Nonces stay the system's.
///
/// ```
/// use sealdb_crypto::testing::{SEEDED_PROVIDER, seed_this_thread};
///
/// seed_this_thread(7);
/// let mut first = [0; 16];
/// SEEDED_PROVIDER.random(&mut first)?;
/// seed_this_thread(7);
/// let mut again = [0; 16];
/// SEEDED_PROVIDER.random(&mut again)?;
/// assert_eq!(first, again);
/// # Ok::<(), sealdb_crypto::ProviderError>(())
/// ```
pub static SEEDED_PROVIDER: Provider = Provider {
    name: "seeded, for tests",
    random: seeded,
    ..ring::PROVIDER
};

thread_local! {
    static CHANCE: Cell<u64> = const { Cell::new(0) };
}

/// What [`SEEDED_PROVIDER`] gives on this thread from here on.
pub fn seed_this_thread(seed: u64) {
    CHANCE.set(seed);
}

/// SplitMix64.
fn seeded(out: &mut [u8]) -> Result<(), ProviderError> {
    for chunk in out.chunks_mut(8) {
        let state = CHANCE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        CHANCE.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        for (to, from) in chunk.iter_mut().zip(z.to_le_bytes()) {
            *to = from;
        }
    }
    Ok(())
}
