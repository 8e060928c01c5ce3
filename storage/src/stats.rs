//! Counters of an open database, for operators.

use sealdb_crypto::KmsCalls;

/// What a database does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseState {
    /// Reads and writes are carried out.
    Open,
    /// Reads are; every write is refused, because a write or sync of its files failed, or a thread of it. Until it is opened again.
    ReadOnly,
    /// All are refused, because its system key is lost or it was closed. Until it is opened again.
    Closed,
}

/// What an open database has done and holds now. Counts are since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// What it does with requests.
    pub state: DatabaseState,
    /// Tables there are.
    pub tables: u64,
    /// Tables of them that are closed, because their KMS key cannot be used or they are damaged.
    pub tables_closed: u64,
    /// Items in all tables.
    pub items: u64,
    /// AWS's size of all items.
    pub size_bytes: u64,
    /// Sequence of the last published commit.
    pub sequence: u64,
    /// Bytes of cached pages that could be read again.
    pub cache_clean_bytes: u64,
    /// Bytes of pages that wait for a checkpoint.
    pub cache_dirty_bytes: u64,
    /// Pages read from the engine and opened.
    pub cache_misses: u64,
    /// Pages dropped to make room.
    pub cache_evictions: u64,
    /// Pages divided because they were full.
    pub splits: u64,
    /// Pages joined because they were near empty.
    pub merges: u64,
    /// Values written out of line.
    pub out_of_line: u64,
    /// Bytes written to pages.
    pub page_bytes_written: u64,
    /// Bytes written to the log.
    pub log_bytes_written: u64,
    /// Syncs of any file.
    pub syncs: u64,
    /// Length of the page file.
    pub page_file_bytes: u64,
    /// Bytes of the page file that hold pages.
    pub page_used_bytes: u64,
    /// Capacity of all log segments.
    pub log_segment_bytes: u64,
    /// Times that a log segment was used again.
    pub log_segments_recycled: u64,
    /// Whether opening met a record that a crash had torn, and took it as the log's end: 1 or 0.
    pub log_torn_tails: u64,
    /// Blocks sealed or opened under a derived key that was at hand.
    pub key_hits: u64,
    /// Times that the derived key had to be derived first: a new epoch, or one that is not in the cache.
    pub key_misses: u64,
    /// What the KMS was asked. A table's key is unwrapped when the table opens and refreshed at 4/5 of
    /// [`key_max_age`](crate::Options::key_max_age): no use of a table adds to it.
    pub kms_calls: KmsCalls,
    /// Rekeys that go on, those at rest included.
    pub rekeys: u64,
    /// How much of them is done, from 0 to 1; 1 where there are none.
    pub rekeys_done: f64,
    /// Blocks that rekeys have looked at.
    pub rekey_blocks: u64,
    /// Blocks of them that were of an old key, and were written again.
    pub rekey_blocks_resealed: u64,
    /// Frees of places that were not allocated. Anything but 0 is a bug.
    #[doc(hidden)]
    pub rejected_frees: u64,
}

impl Stats {
    pub(crate) fn new(stats: crate::core::Stats, kms_calls: KmsCalls) -> Self {
        let unit = u64::from(sealdb_engine::UNIT);
        Stats {
            state: stats.state,
            tables: stats.tables as u64,
            tables_closed: stats.tables_closed as u64,
            items: stats.counters.item_count,
            size_bytes: stats.counters.size_bytes,
            sequence: stats.sequence,
            cache_clean_bytes: stats.cache.clean_bytes,
            cache_dirty_bytes: stats.cache.dirty_bytes,
            cache_misses: stats.cache.misses,
            cache_evictions: stats.cache.evictions,
            splits: stats.cache.splits,
            merges: stats.cache.merges,
            out_of_line: stats.cache.out_of_line,
            page_bytes_written: stats.engine.page_bytes_written,
            log_bytes_written: stats.engine.log_bytes_written,
            syncs: stats.engine.syncs,
            page_file_bytes: stats.engine.page_file_len,
            page_used_bytes: stats.engine.used_units * unit,
            log_segment_bytes: stats.engine.log_segment_bytes,
            log_segments_recycled: stats.engine.log_segments_recycled,
            log_torn_tails: stats.torn_tails,
            key_hits: stats.keys.hits,
            key_misses: stats.keys.misses,
            kms_calls,
            rekeys: stats.rekeys.going_on,
            rekeys_done: stats.rekeys.done,
            rekey_blocks: stats.rekeys.blocks,
            rekey_blocks_resealed: stats.rekeys.resealed,
            rejected_frees: stats.engine.rejected_frees,
        }
    }
}
