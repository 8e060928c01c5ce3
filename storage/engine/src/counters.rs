//! What an engine has done, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::EngineStats;

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) page_bytes_written: AtomicU64,
    pub(crate) page_writes: AtomicU64,
    pub(crate) log_bytes_written: AtomicU64,
    pub(crate) log_writes: AtomicU64,
    pub(crate) log_bytes_zeroed: AtomicU64,
    pub(crate) log_segments_recycled: AtomicU64,
    pub(crate) root_writes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) reads_cached: AtomicU64,
    pub(crate) reads_device: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Counters {
    /// Their values now; sizes are left at zero.
    pub(crate) fn now(&self) -> EngineStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EngineStats {
            page_bytes_written: get(&self.page_bytes_written),
            page_writes: get(&self.page_writes),
            log_bytes_written: get(&self.log_bytes_written),
            log_writes: get(&self.log_writes),
            log_bytes_zeroed: get(&self.log_bytes_zeroed),
            log_segments_recycled: get(&self.log_segments_recycled),
            root_writes: get(&self.root_writes),
            syncs: get(&self.syncs),
            reads_cached: get(&self.reads_cached),
            reads_device: get(&self.reads_device),
            ..EngineStats::default()
        }
    }
}
