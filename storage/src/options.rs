//! Settings of an open database: plain data with defaults.
//!
//! # The cache of keys, beside that of the AWS Encryption SDK
//! There, one cache holds data keys, and a data key seals messages. Here a table key seals nothing: keys derived from it do, for one epoch each.
//! So what bounds *sealing* stands with the epochs and needs no KMS, and what bounds *holding* a key stands here.
//!
//! | caching materials manager | here | default |
//! |---|---|---|
//! | max age | [`Options::key_max_age`], hard; refreshed at 4/5 of it. And [`EpochLimits::max_age`], for sealing | 5 min; 1 h |
//! | max messages, max bytes | [`EpochLimits::max_messages`], [`EpochLimits::max_bytes`]: a new key is derived, the KMS is not asked | 2^24; 64 GiB |
//! | capacity | [`EpochLimits::derived_key_cache`] for derived keys. Table keys: one for each open table, two during a rekey; none is displaced, for a table without its key is closed | 256 |
//! | | [`Options::key_coast`]: there is nothing like it there | 30 min |
//!
//! [`EpochLimits::max_age`]: sealdb_crypto::EpochLimits::max_age
//! [`EpochLimits::max_messages`]: sealdb_crypto::EpochLimits::max_messages
//! [`EpochLimits::max_bytes`]: sealdb_crypto::EpochLimits::max_bytes
//! [`EpochLimits::derived_key_cache`]: sealdb_crypto::EpochLimits::derived_key_cache
//!
//! Components (KMS, clock, sealing, an engine of one's own) are not settings; they enter through the builder.

use std::collections::BTreeSet;
use std::time::Duration;

/// When a write is acknowledged. Chosen once per open; never weaker than it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Each acknowledged write is on the device: it survives kill -9 and power loss. Concurrent writes share a sync.
    #[default]
    Commit,
    /// Acknowledged writes survive the death of the process at once, and a power loss after this long and the time of a sync.
    Interval(Duration),
}

/// Which engine keeps the bytes of a database in its directory. A directory of one is refused by the others, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EngineKind {
    /// Files of our own: what all promises are made for.
    #[default]
    File,
    /// sled 0.34, for those who run it already. Slower, and not to be trusted with a loss of power: a database may not open after
    /// one, or lack what was acknowledged. A deleted table's wrapped key stays in sled's files for a while, and the tools of
    /// [`tools`](crate::tools) do not read them.
    #[cfg(feature = "sled")]
    Sled,
}

/// Who drives what otherwise runs in the background.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Background {
    /// Threads of the database: log, checkpoints, log room, key keeper.
    #[default]
    Threads,
    /// No thread at all. The caller drives `checkpoint_now` and `keeper_tick`; commits run inline; a checkpoint that
    /// is due runs inside the commit that made it due. With seeded components a history replays exactly.
    Inline,
}

/// Which accesses to items leave events in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditData {
    /// Gets, queries, scans, records of streams.
    pub reads: bool,
    /// Puts, updates, deletes. A PartiQL statement, which may be either, leaves an event if either is asked for.
    pub writes: bool,
    /// Of these tables only. Empty: of all.
    pub tables: BTreeSet<String>,
}

/// Settings of an open database. All sizes in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Memory for pages, decrypted, clean and dirty together. An eighth is set aside for what an allocator loses around them, so that
    /// a process stays near this with any amount of data. Default 128 MiB; at least 64 KiB.
    pub cache_bytes: usize,
    /// A checkpoint starts when dirty pages reach this share of `cache_bytes`. Default 1/8.
    pub dirty_checkpoint: f64,
    /// Writers wait, in proportion, from this share on. Default 1/4.
    pub dirty_slow: f64,
    /// Writers stop at this share until pages are clean. Default 1/2.
    pub dirty_stop: f64,
    /// A checkpoint starts when the log holds this much since the last one. Default 256 MiB.
    pub log_limit: u64,
    /// The engine of the database's directory. Default: files.
    pub engine: EngineKind,
    /// Size of the first log segment; each further one is twice as long. For the engine. Default 1 MiB.
    pub segment_first: u64,
    /// Largest size of a log segment. For the engine. Default 32 MiB.
    pub segment_max: u64,
    /// When a write is acknowledged. Default: each commit.
    pub durability: Durability,
    /// A plaintext table key is refreshed before it is this old, by one call of its KMS at 4/5 of it. Default 5 minutes.
    pub key_max_age: Duration,
    /// So long beyond `key_max_age` a key is used while its KMS cannot be reached. Default 30 minutes; may be 0.
    pub key_coast: Duration,
    /// A closed table is tried again at its KMS this often. Default 10 seconds.
    pub key_retry: Duration,
    /// A reader that is older gives up its places on the disk. Default 60 seconds.
    pub pin_max_age: Duration,
    /// Largest group of a commit: bytes of its log parts. Default 1 MiB.
    pub group_bytes: usize,
    /// Largest group of a commit: mutations. Default 1,024.
    pub group_mutations: usize,
    /// So long a new table says CREATING, a deleted one DELETING before it is, and one that UpdateTable changed UPDATING. Default 0:
    /// who waits for a table has it at once. For programs that want to see what they do meanwhile.
    pub table_window: Duration,
    /// Which accesses to items leave events in the audit trail. Default: none.
    pub audit_data: AuditData,
    /// For tests: who drives the background work.
    #[doc(hidden)]
    pub background: Background,
    /// For tests: hash keys of new tables come from this instead of the system's generator, so that a history replays exactly.
    #[doc(hidden)]
    pub hash_seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 128 << 20,
            dirty_checkpoint: 1.0 / 8.0,
            dirty_slow: 1.0 / 4.0,
            dirty_stop: 1.0 / 2.0,
            log_limit: 256 << 20,
            engine: EngineKind::File,
            segment_first: 1 << 20,
            segment_max: 32 << 20,
            durability: Durability::Commit,
            key_max_age: Duration::from_secs(5 * 60),
            key_coast: Duration::from_secs(30 * 60),
            key_retry: Duration::from_secs(10),
            pin_max_age: Duration::from_secs(60),
            group_bytes: 1 << 20,
            group_mutations: 1024,
            table_window: Duration::ZERO,
            audit_data: AuditData::default(),
            background: Background::Threads,
            hash_seed: None,
        }
    }
}

/// A share of the cache budget in bytes. Not below a page or two, or a tiny cache would never take a write.
fn share(budget: usize, part: f64) -> usize {
    // Precision does not matter here: budgets are far below 2^52.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let bytes = (budget as f64 * part) as usize;
    bytes.max(16 << 10)
}

impl Options {
    /// What the pages themselves may take.
    pub(crate) fn page_bytes(&self) -> usize {
        self.cache_bytes - self.cache_bytes / 8
    }

    pub(crate) fn dirty_checkpoint_bytes(&self) -> usize {
        share(self.cache_bytes, self.dirty_checkpoint)
    }

    pub(crate) fn dirty_slow_bytes(&self) -> usize {
        share(self.cache_bytes, self.dirty_slow).max(2 * self.dirty_checkpoint_bytes())
    }

    pub(crate) fn dirty_stop_bytes(&self) -> usize {
        share(self.cache_bytes, self.dirty_stop).max(2 * self.dirty_slow_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_rise_even_in_the_smallest_cache() {
        for cache_bytes in [64 << 10, 1 << 20, 128 << 20] {
            let o = Options {
                cache_bytes,
                ..Options::default()
            };
            assert!(o.dirty_checkpoint_bytes() < o.dirty_slow_bytes());
            assert!(o.dirty_slow_bytes() < o.dirty_stop_bytes());
        }
        let o = Options::default();
        assert_eq!(o.dirty_checkpoint_bytes(), 16 << 20);
        assert_eq!(o.dirty_stop_bytes(), 64 << 20);
    }
}
