//! Sealing and opening blocks in place.
//!
//! A [`Sealer`] is the block transform of one scope (database, table, purpose); [`Sealing`] makes sealers and is what a database
//! carries. [`Aes256Gcm`] is the only `Sealing` of the product.
//!
//! Guaranteed by [`Aes256Gcm`]: a block opens only in the database, table, tree, kind and place that it was sealed for, under
//! a key of the table's that has the block's generation, with not one bit changed. A warm seal or open is one AEAD call, without
//! allocation or lock. A failure to open says nothing about its cause and leaves no plaintext behind.
//!
//! Not guaranteed: that a block is the newest that was sealed for its scope. That is what the tag in a pointer is for: pass it
//! as `expected`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;

use crate::block::{
    self, Aad, BlockKind, BlockTag, HEAD_LEN, LogPlace, OpenError, Parts, Prefix,
    SUITE_AES_256_GCM, Scope, ScopeAad, SealError, TAIL_LEN,
};
use crate::clock::Clock;
use crate::epoch::{Derived, DerivedKeys, Epoch, EpochLimits};
use crate::provider::{Provider, ProviderError};
use crate::secret::{TableKey, TableKeys};

/// The block transform of one scope.
pub trait Sealer: Send + Sync {
    /// Bytes that a block has before its text.
    fn head_len(&self) -> usize;

    /// Bytes that a block has after its text.
    fn tail_len(&self) -> usize;

    /// Seals in place. `block` is `head_len` free bytes, the plaintext, `tail_len` free bytes. `at` is given for the kinds that
    /// have a place ([`BlockKind::has_place`]), and only for them.
    ///
    /// # Errors
    /// If the buffer is too short, `at` does not fit the kind, or the system's generator fails.
    fn seal(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
    ) -> Result<BlockTag, SealError>;

    /// Opens in place: the plaintext then stands at `head_len .. len - tail_len`. With `expected`, the block's tag must be that
    /// one, which is looked at first.
    ///
    /// # Errors
    /// One without detail, but for a block that names a newer format.
    fn open(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
        expected: Option<&BlockTag>,
    ) -> Result<(), OpenError>;

    /// The tag of a sealed block; `None` if it is too short to be one.
    fn tag_of(&self, block: &[u8]) -> Option<BlockTag>;
}

/// Makes sealers.
pub trait Sealing: Send + Sync {
    /// The number of the suite, as it stands in blocks and roots.
    fn suite(&self) -> u8;

    /// The sealer of a scope under a table's keys. The first block that it seals begins an epoch of its own, and so does the first one
    /// under a newer key.
    fn sealer_of(&self, keys: &Arc<TableKeys>, scope: Scope) -> Arc<dyn Sealer>;

    /// The same under one key that no other follows.
    fn sealer(&self, key: &Arc<TableKey>, scope: Scope) -> Arc<dyn Sealer> {
        self.sealer_of(&Arc::new(TableKeys::new(key.clone())), scope)
    }

    /// How often its sealers had the key that they needed at hand. Nothing, where keys are not derived.
    fn key_uses(&self) -> KeyUses {
        KeyUses::default()
    }
}

/// How often a block was sealed or opened under a key that was at hand, and how often the key was derived for it first. The KMS takes no
/// part in either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyUses {
    /// The derived key was at hand.
    pub hits: u64,
    /// It was derived: a new epoch began, or a block of an epoch was met that is not in the cache.
    pub misses: u64,
}

#[derive(Default)]
struct Uses {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Uses {
    #[inline]
    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }
}

/// Suite 1: AES-256-GCM under keys derived per epoch.
///
/// ```
/// use std::sync::Arc;
/// use sealdb_crypto::*;
///
/// let provider = Provider::default_provider();
/// let sealing = Aes256Gcm::new(provider, EpochLimits::default(), Arc::new(SystemClock));
/// let key = Arc::new(TableKey::new(provider.random_secret()?, Generation::FIRST));
/// let scope = Scope {
///     database: DatabaseId::generate(provider)?,
///     table: TableId::generate(provider)?,
///     purpose: Purpose::Pages(TreeId::BASE),
/// };
/// let sealer = sealing.sealer(&key, scope);
///
/// let mut block = vec![0; sealer.head_len()];
/// block.extend_from_slice(b"a page");
/// block.resize(block.len() + sealer.tail_len(), 0);
///
/// let tag = sealer.seal(BlockKind::Leaf, None, &mut block)?;
/// sealer.open(BlockKind::Leaf, None, &mut block, Some(&tag))?;
/// assert_eq!(&block[sealer.head_len()..block.len() - sealer.tail_len()], b"a page");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Aes256Gcm {
    provider: &'static Provider,
    limits: EpochLimits,
    clock: Arc<dyn Clock>,
    /// Of all its sealers together.
    uses: Arc<Uses>,
}

impl Aes256Gcm {
    /// Sealing with these primitives, limits and time.
    pub fn new(provider: &'static Provider, limits: EpochLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            provider,
            limits,
            clock,
            uses: Arc::default(),
        }
    }
}

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aes256Gcm")
            .field("provider", &self.provider)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Sealing for Aes256Gcm {
    fn suite(&self) -> u8 {
        SUITE_AES_256_GCM
    }

    fn sealer_of(&self, keys: &Arc<TableKeys>, scope: Scope) -> Arc<dyn Sealer> {
        Arc::new(ScopeSealer {
            sealing: self.clone(),
            keys: Arc::clone(keys),
            scope,
            scope_aad: ScopeAad::new(&scope),
            epoch: ArcSwapOption::empty(),
            beginning: Mutex::new(()),
            derived: DerivedKeys::new(self.limits.derived_key_cache),
        })
    }

    fn key_uses(&self) -> KeyUses {
        KeyUses {
            hits: self.uses.hits.load(Ordering::Relaxed),
            misses: self.uses.misses.load(Ordering::Relaxed),
        }
    }
}

struct ScopeSealer {
    sealing: Aes256Gcm,
    keys: Arc<TableKeys>,
    scope: Scope,
    scope_aad: ScopeAad,
    /// The epoch that seals; none before the first seal.
    epoch: ArcSwapOption<Epoch>,
    /// Held by the thread that begins an epoch.
    beginning: Mutex<()>,
    derived: DerivedKeys,
}

impl ScopeSealer {
    /// An epoch that has admitted one message of `len` bytes.
    #[inline]
    fn admitting_epoch(&self, len: u64) -> Result<Guard<Option<Arc<Epoch>>>, SealError> {
        let mut epoch = self.epoch.load();
        let mut at_hand = true;
        loop {
            let newest = self.keys.active().generation();
            if epoch.as_ref().is_some_and(|epoch| {
                epoch.generation() == newest && epoch.admit(len, self.sealing.clock.coarse())
            }) {
                if at_hand {
                    self.sealing.uses.hit();
                }
                return Ok(epoch);
            }
            at_hand = false;
            epoch = self.begin_epoch(epoch.as_ref())?;
        }
    }

    /// Replaces the spent epoch, unless another thread has done so.
    #[cold]
    fn begin_epoch(
        &self,
        spent: Option<&Arc<Epoch>>,
    ) -> Result<Guard<Option<Arc<Epoch>>>, SealError> {
        let _beginning = self.beginning.lock();
        let current = self.epoch.load();
        let unchanged = match (current.as_ref(), spent) {
            (None, None) => true,
            (Some(current), Some(spent)) => Arc::ptr_eq(current, spent),
            _ => false,
        };
        if !unchanged {
            return Ok(current);
        }
        let Aes256Gcm {
            provider,
            limits,
            clock,
            uses,
        } = &self.sealing;
        uses.miss();
        let (epoch, opening) = Epoch::begin(
            provider,
            self.keys.active(),
            self.scope.purpose,
            limits,
            clock.coarse(),
        )?;
        self.derived.insert(opening);
        self.epoch.store(Some(Arc::new(epoch)));
        Ok(self.epoch.load())
    }
}

impl Sealer for ScopeSealer {
    fn head_len(&self) -> usize {
        HEAD_LEN
    }

    fn tail_len(&self) -> usize {
        TAIL_LEN
    }

    fn seal(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
    ) -> Result<BlockTag, SealError> {
        let Parts {
            prefix,
            nonce,
            text,
            tag,
        } = Parts::of(block).ok_or(SealError::TooShort)?;
        let admitted = self.admitting_epoch(text.len() as u64)?;
        let epoch = admitted.as_ref().ok_or(ProviderError)?; // never: an epoch has admitted

        let aad = Aad::new(epoch.prefix(), &self.scope_aad, kind, at).ok_or(SealError::Place)?;
        epoch.key().seal(aad.as_slice(), text, nonce, tag)?;
        *prefix = *aad.prefix();
        Ok(BlockTag::from_bytes(*tag))
    }

    fn open(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
        expected: Option<&BlockTag>,
    ) -> Result<(), OpenError> {
        let Parts {
            prefix,
            nonce,
            text,
            tag,
        } = Parts::of(block).ok_or(OpenError::Unauthentic)?;
        let head = Prefix::parse(prefix)?;
        if expected.is_some_and(|expected| expected.as_bytes() != tag) || head.kind != kind {
            return Err(OpenError::Unauthentic);
        }
        let key = self.keys.of(head.generation);
        let key = key.ok_or(OpenError::Unauthentic)?;
        let aad = Aad::new(prefix, &self.scope_aad, kind, at).ok_or(OpenError::Unauthentic)?;

        let lent = self.derived.get(head.salt);
        if let Some(derived) = lent.as_ref().and_then(|lent| lent.key()) {
            self.sealing.uses.hit();
            return Ok(derived.open(nonce, aad.as_slice(), text, tag)?);
        }
        self.sealing.uses.miss();
        let (provider, purpose) = (self.sealing.provider, self.scope.purpose);
        let derived = Derived::new(provider, key, purpose, head.salt)?;
        derived.key().open(nonce, aad.as_slice(), text, tag)?;
        // Only a salt that has proved itself: forged heads displace nothing.
        self.derived.insert(derived);
        Ok(())
    }

    fn tag_of(&self, block: &[u8]) -> Option<BlockTag> {
        block::tag_of(block)
    }
}

#[cfg(test)]
mod tests;
