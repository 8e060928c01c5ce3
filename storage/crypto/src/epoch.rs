//! Epochs: one salt, one derived key, so many messages and no more.
//!
//! ```text
//! epoch key = HKDF-SHA256(secret = table key, salt = 16 random bytes, info)
//! ```
//!
//! | bytes of `info` | |
//! |---|---|
//! | 21 | `sealdb block epoch v1` |
//! | 1 | suite |
//! | 1 | purpose: 1 pages, 2 log, 3 root, 4 audit |
//! | 4 | tree id, big-endian; 0 where the purpose is not pages |
//!
//! Guaranteed: no epoch seals more than its limits allow, nor more than 2^32 messages whatever the limits say, also with many
//! threads. 2^32 is the bound that NIST SP 800-38D (8.3) sets for random 96-bit nonces under one key. Derived keys of salts met
//! while opening are kept in a cache of bounded size and wiped when they leave it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};

use crate::block::{self, PREFIX_LEN, Purpose, SALT_LEN, SUITE_AES_256_GCM};
use crate::ids::Generation;
use crate::provider::{OpeningKey, Provider, ProviderError, SealingKey};
use crate::secret::{SecretBytes32, TableKey};

/// No epoch seals more messages than this, whatever its limits say.
pub const MESSAGES_CEILING: u64 = 1 << 32;

/// An epoch that ended as it began would seal nothing.
pub const SHORTEST_EPOCH: Duration = Duration::from_secs(1);

const LABEL: &[u8] = b"sealdb block epoch v1";

/// When a new epoch begins, and how many derived keys are kept for opening. Plain data; the defaults suit everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EpochLimits {
    /// No epoch seals longer than this, by [`Clock::coarse`](crate::Clock::coarse). At least [`SHORTEST_EPOCH`]; what is less counts as
    /// that. Default: 1 hour.
    pub max_age: Duration,
    /// Nor more messages. At least 1, at most [`MESSAGES_CEILING`]; what lies outside counts as the nearer of the two.
    /// Default: 2^24.
    pub max_messages: u64,
    /// Nor more bytes of plaintext, but for a first message that is larger by itself. Default: 64 GiB.
    pub max_bytes: u64,
    /// Derived keys kept for opening, for each sealer: about 1 KiB of memory each. 0 derives anew for each block (some
    /// microseconds). Default: 256.
    pub derived_key_cache: usize,
}

impl Default for EpochLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(3600),
            max_messages: 1 << 24,
            max_bytes: 64 << 30,
            derived_key_cache: 256,
        }
    }
}

/// The key of one salt.
fn derive(
    provider: &Provider,
    key: &TableKey,
    purpose: Purpose,
    salt: &[u8; SALT_LEN],
) -> Result<SecretBytes32, ProviderError> {
    let info: [&[u8]; 3] = [
        LABEL,
        &[SUITE_AES_256_GCM, purpose.number()],
        &purpose.tree().get().to_be_bytes(),
    ];
    provider.derive(key.secret(), salt, &info)
}

/// An epoch in which blocks are sealed.
pub(crate) struct Epoch {
    /// Of its blocks, with the salt in it.
    prefix: [u8; PREFIX_LEN],
    generation: Generation,
    key: Box<dyn SealingKey>,
    expires: Duration,
    max_messages: u64,
    max_bytes: u64,
    /// Tickets drawn, refused ones included.
    messages: AtomicU64,
    /// Bytes asked for, refused ones included.
    bytes: AtomicU64,
}

impl Epoch {
    /// A new epoch under a fresh salt, and the key that opens what it seals.
    pub(crate) fn begin(
        provider: &Provider,
        key: &TableKey,
        purpose: Purpose,
        limits: &EpochLimits,
        now: Duration,
    ) -> Result<(Self, Derived), ProviderError> {
        let mut salt = [0; SALT_LEN];
        provider.random(&mut salt)?;
        let secret = derive(provider, key, purpose, &salt)?;
        let opening = Derived {
            salt,
            key: (provider.opening_key)(secret.expose())?,
        };
        let epoch = Self {
            prefix: block::prefix_of_any_kind(key.generation(), &salt),
            generation: key.generation(),
            key: (provider.sealing_key)(secret.expose())?,
            expires: now.saturating_add(limits.max_age.max(SHORTEST_EPOCH)),
            max_messages: limits.max_messages.clamp(1, MESSAGES_CEILING),
            max_bytes: limits.max_bytes,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        Ok((epoch, opening))
    }

    /// Whether one more message of `len` bytes may be sealed here. Each `true` is good for one message.
    ///
    /// The counters only grow, so of all tickets drawn at most `max_messages` are admitted, in whatever order threads run.
    #[inline]
    pub(crate) fn admit(&self, len: u64, now: Duration) -> bool {
        if now >= self.expires || self.messages.fetch_add(1, Ordering::Relaxed) >= self.max_messages
        {
            return false;
        }
        let before = self.bytes.fetch_add(len, Ordering::Relaxed);
        before == 0 || before.saturating_add(len) <= self.max_bytes
    }

    /// Of the key that it was derived from.
    #[inline]
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    #[inline]
    pub(crate) fn prefix(&self) -> &[u8; PREFIX_LEN] {
        &self.prefix
    }

    #[inline]
    pub(crate) fn key(&self) -> &dyn SealingKey {
        &*self.key
    }
}

/// The opening key of one salt.
pub(crate) struct Derived {
    salt: [u8; SALT_LEN],
    key: Box<dyn OpeningKey>,
}

impl Derived {
    pub(crate) fn new(
        provider: &Provider,
        key: &TableKey,
        purpose: Purpose,
        salt: &[u8; SALT_LEN],
    ) -> Result<Self, ProviderError> {
        let secret = derive(provider, key, purpose, salt)?;
        Ok(Self {
            salt: *salt,
            key: (provider.opening_key)(secret.expose())?,
        })
    }

    #[inline]
    pub(crate) fn key(&self) -> &dyn OpeningKey {
        &*self.key
    }
}

/// A key lent by the cache: no reference count that threads would fight over.
pub(crate) struct Lent(Guard<Option<Arc<Derived>>>);

impl Lent {
    #[inline]
    pub(crate) fn key(&self) -> Option<&dyn OpeningKey> {
        self.0.as_ref().map(|derived| derived.key())
    }
}

/// Derived keys by salt: a set-associative cache, read and written without a lock.
///
/// Salts are random, so their own bytes choose the set. A lookup that meets a concurrent insertion may miss; the caller then
/// derives the key again.
pub(crate) struct DerivedKeys {
    ways: Box<[Way]>,
    ways_per_set: usize,
    sets: usize,
    /// Which way of a full set goes next.
    hand: AtomicUsize,
}

/// Stored key before hint, so a hint that matches finds its key or a stranger's, which the salt tells apart.
#[derive(Default)]
struct Way {
    /// The salt's first half: spares the look at keys of other salts.
    hint: AtomicU64,
    derived: ArcSwapOption<Derived>,
}

const WAYS_PER_SET: usize = 4;

impl DerivedKeys {
    /// A cache of at most `capacity` keys.
    pub(crate) fn new(capacity: usize) -> Self {
        let ways_per_set = capacity.min(WAYS_PER_SET);
        let sets = capacity.checked_div(ways_per_set).unwrap_or(0);
        let ways = std::iter::repeat_with(Way::default)
            .take(sets * ways_per_set)
            .collect();
        Self {
            ways,
            ways_per_set,
            sets,
            hand: AtomicUsize::new(0),
        }
    }

    /// The set in which a salt's key may lie, and the salt's hint.
    #[inline]
    fn set_of(&self, salt: &[u8; SALT_LEN]) -> (&[Way], u64) {
        let [low, high] = halves(salt);
        // A random half scaled to the number of sets: always below it, and no division.
        let set = (u128::from(high) * self.sets as u128) >> 64;
        let start = set as usize * self.ways_per_set;
        (
            self.ways
                .get(start..start + self.ways_per_set)
                .unwrap_or_default(),
            low,
        )
    }

    #[inline]
    pub(crate) fn get(&self, salt: &[u8; SALT_LEN]) -> Option<Lent> {
        let (set, hint) = self.set_of(salt);
        for way in set {
            if way.hint.load(Ordering::Acquire) == hint {
                let derived = way.derived.load();
                if derived
                    .as_ref()
                    .is_some_and(|derived| derived.salt == *salt)
                {
                    return Some(Lent(derived));
                }
            }
        }
        None
    }

    /// Puts a key in; one that another thread has put in meanwhile is replaced by its equal.
    pub(crate) fn insert(&self, derived: Derived) {
        let (set, hint) = self.set_of(&derived.salt);
        let same_or_empty = set.iter().find(|way| match &*way.derived.load() {
            None => true,
            Some(kept) => kept.salt == derived.salt,
        });
        let victim = || set.get(self.hand.fetch_add(1, Ordering::Relaxed) % set.len().max(1));
        if let Some(way) = same_or_empty.or_else(victim) {
            way.derived.store(Some(Arc::new(derived)));
            way.hint.store(hint, Ordering::Release);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.ways
            .iter()
            .filter(|way| way.derived.load().is_some())
            .count()
    }
}

#[inline]
fn halves(salt: &[u8; SALT_LEN]) -> [u64; 2] {
    let salt = u128::from_le_bytes(*salt);
    [salt as u64, (salt >> 64) as u64] // the two halves, cut on purpose
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TreeId;

    fn table_key() -> TableKey {
        TableKey::new(SecretBytes32::take(&mut [7; 32]), Generation::FIRST)
    }

    fn epoch(limits: EpochLimits) -> Epoch {
        let provider = Provider::default_provider();
        Epoch::begin(
            provider,
            &table_key(),
            Purpose::Log,
            &limits,
            Duration::from_secs(10),
        )
        .unwrap()
        .0
    }

    const NOW: Duration = Duration::from_secs(10);

    #[test]
    fn an_epoch_ends_by_age() {
        let epoch = epoch(EpochLimits {
            max_age: Duration::from_secs(5),
            ..Default::default()
        });
        assert!(epoch.admit(1, NOW));
        assert!(epoch.admit(1, Duration::from_millis(14_999)));
        assert!(!epoch.admit(1, Duration::from_secs(15)));
    }

    #[test]
    fn an_epoch_ends_by_messages() {
        let epoch = epoch(EpochLimits {
            max_messages: 3,
            ..Default::default()
        });
        let admitted: Vec<bool> = (0..5).map(|_| epoch.admit(1, NOW)).collect();
        assert_eq!(admitted, [true, true, true, false, false]);
    }

    #[test]
    fn an_epoch_ends_by_bytes() {
        let limits = EpochLimits {
            max_bytes: 100,
            ..Default::default()
        };
        let epoch1 = epoch(limits);
        assert!(epoch1.admit(60, NOW));
        assert!(epoch1.admit(40, NOW));
        assert!(!epoch1.admit(1, NOW));
        let epoch2 = epoch(limits);
        assert!(
            epoch2.admit(1000, NOW),
            "a first message is sealed whatever its size"
        );
        assert!(!epoch2.admit(1, NOW));
    }

    #[test]
    fn no_limit_lifts_the_ceiling() {
        let epoch = epoch(EpochLimits {
            max_messages: u64::MAX,
            ..Default::default()
        });
        epoch
            .messages
            .store(MESSAGES_CEILING - 1, Ordering::Relaxed);
        assert!(epoch.admit(1, NOW));
        assert!(!epoch.admit(1, NOW));
    }

    #[test]
    fn a_limit_of_none_still_seals_one() {
        let limits = EpochLimits {
            max_age: Duration::ZERO,
            max_messages: 0,
            max_bytes: 0,
            ..Default::default()
        };
        assert!(epoch(limits).admit(5, NOW));
    }

    #[test]
    fn threads_together_stay_within_the_limit() {
        let epoch = epoch(EpochLimits {
            max_messages: 1000,
            ..Default::default()
        });
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| epoch.admit(1, NOW)).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(admitted, 1000);
    }

    /// Pins label, order and widths: computed with Python's hmac module.
    #[test]
    fn derivation_is_as_documented() {
        let provider = Provider::default_provider();
        let hex = |purpose| {
            let key = derive(provider, &table_key(), purpose, &[9; 16]).unwrap();
            key.expose()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            hex(Purpose::Pages(TreeId::BASE)),
            "e1286d4326acc7ec61df14e6408e1c9f28d41705d7c13d4456e3f3441302064e"
        );
        assert_eq!(
            hex(Purpose::Pages(TreeId::new(0x0102_0304))),
            "5c4fd10f268a534c394ec8a425aef08a8a2fe1a89bfa62f7aebda4696dfe3b60"
        );
        assert_eq!(
            hex(Purpose::Log),
            "e205b42b16d7ca7292c21c9b73e595c4ccc1ff095278d5c214df349a67eb867d"
        );
        assert_eq!(
            hex(Purpose::Root),
            "44b4f0172353b8c6bc4f40b4cfa40a7b7b66be2ad2763a06a056f14f48cead47"
        );
        assert_eq!(
            hex(Purpose::Audit),
            "435fc18dc01e3a2fc52f6a5a02bb1d443d4dab38ae9946812960cde7d98368a5"
        );
    }

    fn derived(salt: [u8; 16]) -> Derived {
        Derived::new(
            Provider::default_provider(),
            &table_key(),
            Purpose::Log,
            &salt,
        )
        .unwrap()
    }

    #[test]
    fn the_cache_is_bounded_and_finds_what_it_keeps() {
        let provider = Provider::default_provider();
        for capacity in [0, 1, 2, 3, 4, 5, 16] {
            let cache = DerivedKeys::new(capacity);
            let mut salts = Vec::new();
            for _ in 0..100 {
                let mut salt = [0; 16];
                provider.random(&mut salt).unwrap();
                cache.insert(derived(salt));
                assert_eq!(
                    cache.get(&salt).is_some(),
                    capacity > 0,
                    "the newest is kept"
                );
                salts.push(salt);
            }
            let kept = salts
                .iter()
                .filter(|salt| cache.get(salt).is_some())
                .count();
            assert_eq!(kept, cache.len());
            assert_eq!(
                kept,
                if capacity == 5 { 4 } else { capacity },
                "capacity {capacity}"
            );
        }
    }

    #[test]
    fn a_salt_stands_in_the_cache_once() {
        let cache = DerivedKeys::new(8);
        for _ in 0..5 {
            cache.insert(derived([1; 16]));
        }
        assert_eq!(cache.len(), 1);
        let mut zeros = [0; 16];
        assert!(cache.get(&zeros).is_none(), "an empty way is no key");
        cache.insert(derived(zeros));
        assert!(cache.get(&zeros).is_some());
        zeros[15] = 1; // same hint, other salt
        assert!(cache.get(&zeros).is_none());
    }
}
