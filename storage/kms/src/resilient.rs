//! The patience that every provider gets: a time-out per attempt, retries with jitter, a circuit breaker.
//!
//! Only "unavailable" is tried again; a provider that says no, or that something is wrong with the call, has answered. By the defaults a
//! call takes at most ten seconds, which is as long as the database waits for one.
//!
//! **Guaranteed.** A call returns within its attempts' time-outs and the pauses between, whatever the provider does. A provider that failed
//! several times in a row is left alone for a while, after which one call at a time finds out whether it is back.
//!
//! **Not guaranteed.** That an attempt that was given up does not happen: its thread runs on until the provider lets go of it, and what it
//! brings is dropped, secrets wiped. So many threads at most.

mod breaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use parking_lot::Mutex;
use sealdb_crypto::{
    Access, Caller, Clock, DataKey, EncryptionContext, KeyDescription, KeyRef, Kms, KmsError,
    KmsIdentity, Provider, SystemClock, Wrapped,
};
use zeroize::Zeroizing;

use breaker::Breaker;

/// How patient to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How many attempts a call gets, the first included.
    pub attempts: u32,
    /// The longest pause before the second attempt; doubles with each further one. The pause is drawn evenly from zero to this
    /// ("full jitter"), so that many callers of a provider that comes back do not come at once.
    pub pause: Duration,
    /// What the pause does not grow beyond.
    pub longest_pause: Duration,
    /// Attempts that fail in a row before the provider is left alone.
    pub failures: u32,
    /// How long it is left alone.
    pub rest: Duration,
    /// Attempts under way at once, those included that were given up.
    pub threads: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            attempts: 3,
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(1),
            failures: 6,
            rest: Duration::from_secs(15),
            threads: 32,
        }
    }
}

/// Where time and chance come from.
#[derive(Clone)]
pub struct Pace {
    /// For the breaker.
    pub clock: Arc<dyn Clock>,
    /// Lets time pass between attempts.
    pub sleep: Arc<dyn Fn(Duration) + Send + Sync>,
    /// For the jitter.
    pub chance: &'static Provider,
}

impl Pace {
    /// The system's.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            sleep: Arc::new(std::thread::sleep),
            chance: Provider::default_provider(),
        }
    }
}

/// A provider in front of which patience stands.
pub struct Resilient {
    inner: Arc<dyn Kms>,
    patience: Patience,
    pace: Pace,
    breaker: Mutex<Breaker>,
    under_way: Arc<AtomicUsize>,
}

impl Resilient {
    /// Patience for `inner`.
    pub fn new(inner: Arc<dyn Kms>, patience: Patience, pace: Pace) -> Self {
        Self {
            inner,
            breaker: Mutex::new(Breaker::new(patience.failures, patience.rest)),
            patience,
            pace,
            under_way: Arc::default(),
        }
    }

    fn call<R: Send + 'static>(
        &self,
        work: impl Fn(&dyn Kms) -> Result<R, KmsError> + Send + Sync + 'static,
    ) -> Result<R, KmsError> {
        let work: Arc<Work<R>> = Arc::new(work);
        let mut attempt = 1;
        loop {
            let now = self.pace.clock.boot();
            let admitted = self.breaker.lock().admit(now);
            admitted.map_err(|reason| self.away(reason))?;
            let answer = self.attempt(&work);
            let failed = answer.as_ref().err().filter(|error| error.is_transient());
            let now = self.pace.clock.boot();
            self.breaker.lock().note(now, failed);
            if failed.is_none() || attempt >= self.patience.attempts {
                return answer;
            }
            (self.pace.sleep)(self.pause(attempt));
            attempt += 1;
        }
    }

    /// On a thread of its own, so that a provider that hangs takes that with it and not the caller.
    fn attempt<R: Send + 'static>(&self, work: &Arc<Work<R>>) -> Result<R, KmsError> {
        let place = Place::take(&self.under_way, self.patience.threads)
            .ok_or_else(|| self.away("too many calls are under way".to_owned()))?;
        let (answer, answered) = mpsc::sync_channel(1);
        let (inner, work) = (self.inner.clone(), work.clone());
        let thread = std::thread::Builder::new().name("sealdb-kms-call".into());
        thread
            .spawn(move || {
                let result = work(&*inner);
                drop(place);
                // Nobody listens any more: the answer comes back in the error, is dropped and wiped.
                let _ = answer.send(result);
            })
            .map_err(|error| self.away(format!("no thread to ask it with: {error}")))?;
        match answered.recv_timeout(self.patience.timeout) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                let waited = self.patience.timeout;
                Err(self.away(format!("no answer within {waited:?}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.away("the call ended without an answer".to_owned()))
            }
        }
    }

    /// Full jitter: evenly from nothing to the pause, which doubles.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt - 1);
        let longest = self.patience.pause.saturating_mul(doubled);
        let longest = longest.min(self.patience.longest_pause);
        let mut bytes = [0; 4];
        // Without chance, the whole pause.
        match self.pace.chance.random(&mut bytes) {
            Ok(()) => longest.mul_f64(f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)),
            Err(_) => longest,
        }
    }

    fn away(&self, reason: String) -> KmsError {
        KmsError::Unavailable {
            provider: self.inner.identity().to_string(),
            reason,
            source: None,
        }
    }
}

type Work<R> = dyn Fn(&dyn Kms) -> Result<R, KmsError> + Send + Sync;

/// One of the threads that may be under way; given back when dropped, also by a panic.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(under_way: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let one_more = |now| (now < most).then_some(now + 1);
        under_way
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        Some(Self(under_way.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Kms for Resilient {
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
        let (caller, key, context) = (caller.clone(), key.clone(), context.clone());
        self.call(move |kms| kms.generate_data_key(&caller, &key, &context))
    }

    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        let (caller, key, context) = (caller.clone(), key.clone(), context.clone());
        let plaintext = Zeroizing::new(plaintext.to_vec());
        self.call(move |kms| kms.encrypt(&caller, &key, &plaintext, &context))
    }

    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let (caller, key, context) = (caller.clone(), key.clone(), context.clone());
        let ciphertext = ciphertext.to_vec();
        self.call(move |kms| kms.decrypt(&caller, &key, &ciphertext, &context))
    }

    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let caller = caller.clone();
        let ciphertext = ciphertext.to_vec();
        let (from_key, from_context) = (from.0.clone(), from.1.clone());
        let (to_key, to_context) = (to.0.clone(), to.1.clone());
        self.call(move |kms| {
            let from = (&from_key, &from_context);
            kms.re_encrypt(&caller, &ciphertext, from, (&to_key, &to_context))
        })
    }

    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let (caller, key) = (caller.clone(), key.clone());
        self.call(move |kms| kms.describe_key(&caller, &key))
    }

    fn access(&self, key: &KeyRef) -> Result<Access, KmsError> {
        self.inner.access(key)
    }
}

#[cfg(test)]
mod tests;
