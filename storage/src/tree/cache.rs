//! The page cache: counts the plaintext pages of all trees of a database and evicts clean ones.
//!
//! It owns no page. Cells hold their nodes; the cache holds weak references to the cells of clean pages, in the order of
//! their loading (CLOCK). Dropping a tree therefore drops its pages at once, and gives their bytes back.
//!
//! Guaranteed: after each load the hand moves until the bytes fit the budget or nothing more can go: dirty pages (they exist
//! nowhere else), pages somebody holds, inner pages with a child in memory, and the few pages loaded last, so that an
//! operation makes progress under any budget. Pages brought in by a scan queue apart and go first unless something else
//! uses them. Not guaranteed: a bound on dirty pages; writers are held back by whoever runs checkpoints.
//!
//! What goes is wiped (see `plaintext.rs`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::cell::{Body, Cell, Node};
use super::pointer::VALUE;

/// Loads during which a page stays whatever the budget: the working set of an operation.
const YOUNG: u64 = 16;
/// The same for values out of line, which may be large: an operation needs one at a time.
const YOUNG_VALUES: u64 = 3;
/// Pages that a scan may keep when room is short.
const SCAN_KEEPS: usize = 8;
/// Steps of the hand after one load, so that no reader pays for a whole round.
const MAX_STEPS: usize = 256;

/// Why a page is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A point read, a write or a query: likely to be wanted again.
    Keep,
    /// A scan passes by.
    Scan,
}

/// The cache of a database, shared by its trees.
pub(crate) struct PageCache {
    budget: AtomicUsize,
    clean: AtomicUsize,
    dirty: AtomicUsize,
    ring: Mutex<Ring>,
    counters: Counters,
}

#[derive(Default)]
struct Ring {
    kept: VecDeque<Entry>,
    scanned: VecDeque<Entry>,
    admitted: u64,
    purge_at: usize,
}

struct Entry {
    cell: Weak<Cell>,
    at: u64,
}

/// Events since the cache was made. Hits are not counted: that would be a shared write on every read. They are the reads
/// minus [`misses`](CacheStats::misses).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Pages read from the engine and opened.
    pub(crate) misses: u64,
    /// Pages dropped to make room.
    pub(crate) evictions: u64,
    /// Pages divided because they were full.
    pub(crate) splits: u64,
    /// Times that entries moved to a neighbour instead.
    pub(crate) shifts: u64,
    /// Pages joined because they were near empty.
    pub(crate) merges: u64,
    /// Values written out of line.
    pub(crate) out_of_line: u64,
    /// Pages and values sealed and written.
    pub(crate) flushed: u64,
    /// Bytes of pages in memory that could be read again.
    pub(crate) clean_bytes: u64,
    /// Bytes of pages that exist in memory only.
    pub(crate) dirty_bytes: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) misses: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) splits: AtomicU64,
    pub(super) shifts: AtomicU64,
    pub(super) merges: AtomicU64,
    pub(super) out_of_line: AtomicU64,
    pub(super) flushed: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl PageCache {
    /// A cache that aims to hold at most `budget` bytes, clean and dirty together.
    pub(crate) fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: AtomicUsize::new(budget),
            clean: AtomicUsize::new(0),
            dirty: AtomicUsize::new(0),
            ring: Mutex::new(Ring::default()),
            counters: Counters::default(),
        })
    }

    /// The budget in bytes.
    pub(crate) fn budget(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }

    /// Bytes of pages in memory that could be read again.
    pub(crate) fn clean_bytes(&self) -> usize {
        self.clean.load(Ordering::Relaxed)
    }

    /// Bytes of pages that exist in memory only, in all versions that somebody still holds.
    pub(crate) fn dirty_bytes(&self) -> usize {
        self.dirty.load(Ordering::Relaxed)
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            misses: read(&self.counters.misses),
            evictions: read(&self.counters.evictions),
            splits: read(&self.counters.splits),
            shifts: read(&self.counters.shifts),
            merges: read(&self.counters.merges),
            out_of_line: read(&self.counters.out_of_line),
            flushed: read(&self.counters.flushed),
            clean_bytes: self.clean_bytes() as u64,
            dirty_bytes: self.dirty_bytes() as u64,
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn counter(&self, dirty: bool) -> &AtomicUsize {
        if dirty { &self.dirty } else { &self.clean }
    }

    pub(super) fn count_in(&self, bytes: usize, dirty: bool) {
        self.counter(dirty).fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_out(&self, bytes: usize, dirty: bool) {
        self.counter(dirty).fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.clean_bytes().saturating_add(self.dirty_bytes()) > self.budget()
    }

    /// Takes the cells of pages that have just become clean into the ring, and makes room.
    pub(super) fn admit<'a>(&self, cells: impl IntoIterator<Item = &'a Arc<Cell>>, hint: Use) {
        let mut gone = Vec::new();
        {
            let mut ring = self.ring.lock();
            for cell in cells {
                ring.admitted += 1;
                let entry = Entry {
                    cell: Arc::downgrade(cell),
                    at: ring.admitted,
                };
                match hint {
                    Use::Keep => ring.kept.push_back(entry),
                    Use::Scan => ring.scanned.push_back(entry),
                }
            }
            ring.purge();
            self.sweep(&mut ring, &mut gone);
        }
        // Outside the lock: a dropped inner page drops its children's cells.
        drop(gone);
    }

    /// Makes room after dirty pages have grown. Does nothing if someone else is at it.
    pub(super) fn relieve(&self) {
        if !self.is_over() {
            return;
        }
        let mut gone = Vec::new();
        if let Some(mut ring) = self.ring.try_lock() {
            self.sweep(&mut ring, &mut gone);
        }
    }

    fn sweep(&self, ring: &mut Ring, gone: &mut Vec<Arc<Node>>) {
        // What is in `gone` still counts as clean until it is dropped.
        let mut freed = 0;
        let mut steps = MAX_STEPS.min(4 * (ring.kept.len() + ring.scanned.len()));
        while steps > 0
            && (self.clean_bytes() + self.dirty_bytes()).saturating_sub(freed) > self.budget()
        {
            steps -= 1;
            let from_scan = ring.scanned.len() > SCAN_KEEPS;
            let queue = if from_scan {
                &mut ring.scanned
            } else {
                &mut ring.kept
            };
            let Some(entry) = queue.pop_front() else {
                return;
            };
            let Some(cell) = entry.cell.upgrade() else {
                continue;
            };
            let age = ring.admitted - entry.at;
            match pass(&cell, age) {
                Pass::Gone => {}
                Pass::Stay if from_scan => ring.scanned.push_back(entry),
                Pass::Stay | Pass::Used => ring.kept.push_back(entry),
                Pass::Evict => {
                    if let Some(node) = cell.node.swap(None) {
                        freed += node.bytes();
                        gone.push(node);
                        count(&self.counters.evictions);
                    }
                }
            }
        }
    }
}

enum Pass {
    /// The page is not in memory any more.
    Gone,
    /// It cannot go now.
    Stay,
    /// It was used since the hand last passed.
    Used,
    Evict,
}

fn pass(cell: &Arc<Cell>, age: u64) -> Pass {
    let guard = cell.node.load();
    let Some(node) = guard.as_ref() else {
        return Pass::Gone;
    };
    if cell.ptr().is_none() {
        return Pass::Stay;
    }
    if age
        < if cell.level == VALUE {
            YOUNG_VALUES
        } else {
            YOUNG
        }
    {
        return Pass::Stay;
    }
    if cell.cool() {
        return Pass::Used;
    }
    if Arc::strong_count(node) > 1 {
        return Pass::Stay;
    }
    match &node.body {
        Body::Inner(inner) if inner.children().iter().any(|child| child.is_loaded()) => Pass::Stay,
        _ => Pass::Evict,
    }
}

impl Ring {
    /// Drops entries whose cells are gone, once they could be half of all.
    fn purge(&mut self) {
        if self.kept.len() + self.scanned.len() < self.purge_at.max(1024) {
            return;
        }
        self.kept.retain(|entry| entry.cell.strong_count() > 0);
        self.scanned.retain(|entry| entry.cell.strong_count() > 0);
        self.purge_at = 2 * (self.kept.len() + self.scanned.len());
    }
}
