//! The contract that every engine keeps.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{EngineError, EngineStats, Freed, PageAddr, SegmentNo, SpaceId};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer to [`Engine::read_page`].
pub enum PageRead {
    /// The bytes were at hand.
    Ready(Result<Vec<u8>, EngineError>),
    /// They have to be fetched; the future waits for them without blocking its thread.
    Later(BoxFuture<'static, Result<Vec<u8>, EngineError>>),
}

impl PageRead {
    /// Waits for the bytes; at once if they are at hand.
    pub async fn bytes(self) -> Result<Vec<u8>, EngineError> {
        match self {
            Self::Ready(result) => result,
            Self::Later(future) => future.await,
        }
    }
}

/// Durable bytes: pages, two root slots and a log.
///
/// **Threads.** Every method may be called from several threads at once. Writes, syncs, creation, wiping and
/// [`read_page_blocking`](Self::read_page_blocking) may block on the device and are called only on threads that may. Only
/// [`read_page`](Self::read_page), [`allocate`](Self::allocate), [`free`](Self::free) and [`stats`](Self::stats) may be called
/// on a worker of an async runtime; `read_page` is the only one that has something to wait for, so only it is async.
///
/// **Visible and durable.** A write is visible to reads as soon as it returns. It is durable once the sync that belongs to it
/// ([`sync_pages`](Self::sync_pages) or [`log_sync`](Self::log_sync)), *begun after the write returned*, has returned `Ok`.
/// Until then a crash may keep it, lose it or keep a part of it, whatever the order of the writes.
///
/// **Atomic.** Nothing but names: a log segment exists as a whole or not at all. Pages, records and roots may tear at sectors
/// of 512 bytes; the caller's seal finds out.
///
/// **Failed syncs.** After [`EngineError::SyncFailed`] every later write and sync of that file gives the same error until the
/// engine is opened anew, because the system may have dropped the bytes and reports a failure only once. Reads go on.
///
/// **Opening.** The roots and the log segments that are found are durable, with their names, before the first call returns: a process
/// that was killed may have written them without a sync, and a loss of power after that would take from its successor what that built on.
/// Nothing of the kind holds for pages and for the records in a segment.
///
/// **Misuse.** A call outside the contract gives [`EngineError::Misuse`] and changes nothing.
pub trait Engine: Send + Sync {
    // ---- pages: written between allocate and free, never changed by the engine

    /// Gives out a place for `len` bytes (1 to [`MAX_PAGE_LEN`](crate::MAX_PAGE_LEN)) in `space`. No I/O.
    ///
    /// The place overlaps no other until it is freed. Consecutive calls for one space tend to get consecutive places, so
    /// that what is written in one batch goes out in runs. What stands there before the first write is unspecified.
    /// A new place is remembered only by an [`allocation_map`](Self::allocation_map) taken afterwards.
    fn allocate(&self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError>;

    /// Writes blocks to allocated places, in any order; the rest of each last unit is zeroed. The batch is not atomic: after
    /// an error any part of it may have been written, and the same batch may be given again.
    fn write_pages(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError>;

    /// Makes every page written or zeroed before this call durable.
    fn sync_pages(&self) -> Result<(), EngineError>;

    /// Reads `len` bytes at `addr`, without ever blocking the thread: from memory or the system's cache at once, else later.
    ///
    /// Any place may be read, also one that the allocator does not know (the allocation map itself lies in pages). Bytes
    /// beyond the end of the file give [`EngineError::Truncated`].
    fn read_page(&self, addr: PageAddr, len: u32) -> PageRead;

    /// The same, blocking.
    fn read_page_blocking(&self, addr: PageAddr, len: u32) -> Result<Vec<u8>, EngineError>;

    /// Gives places back at once: the next `allocate` may return them. The caller has made sure that no reader and no root
    /// that could still be opened needs them. A place that is not allocated in that space is left alone and counted in
    /// [`rejected_frees`](EngineStats::rejected_frees).
    fn free(&self, freed: &[Freed]);

    /// Gives every place of a space back at once, without reading any of it. An unknown space is no error.
    fn drop_space(&self, space: SpaceId);

    /// Overwrites allocated places with zeros, before they are freed. Durable after `sync_pages`.
    fn zero_pages(&self, freed: &[Freed]) -> Result<(), EngineError>;

    /// Overwrites with zeros what is free, up to the end of the page file, and tells where to go on; `None`: that was all. Durable
    /// after `sync_pages`.
    ///
    /// One call looks at free places from `from` on, `at_most` bytes of them (at least one unit), and leaves alone those that are
    /// zeros already: so a caller that goes on until `None` reads each free byte once and writes it at most once, and can do other
    /// things in between. The caller neither allocates nor writes a page while a call runs.
    fn zero_free(&self, from: PageAddr, at_most: u64) -> Result<Option<PageAddr>, EngineError>;

    /// The allocation state as it will be once `freed` and `dropped` are gone: opaque, compact bytes which the caller seals
    /// and stores. The state itself is not changed. Roughly a byte per full extent of 512 KiB and 17 per broken one.
    fn allocation_map(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8>;

    /// Replaces the allocation state. Called once after opening an existing database, before the first `allocate`.
    ///
    /// The bytes are treated as foreign: anything but a map gives [`EngineError::InvalidMap`] and changes nothing.
    /// Zeros behind the map are ignored, so the caller may reserve a place for it before it is taken.
    fn restore_allocation_map(&self, map: &[u8]) -> Result<(), EngineError>;

    /// From now on places are given out as low as possible, to be followed by `trim`: for a caller that rewrites what lies high.
    /// Slower than the usual way, which keeps neighbours together. Ends when told so, and with `restore_allocation_map`.
    fn pack(&self, low: bool);

    /// Gives trailing free space, and released log segments beyond the engine's reserve, back to the system.
    /// Every free place may be lost with its bytes; no allocated one is touched.
    fn trim(&self) -> Result<(), EngineError>;

    // ---- root: two slots in blocks of their own

    /// Writes a root of at most [`ROOT_MAX`](crate::ROOT_MAX) bytes into the slot that is not live, whole, and syncs it.
    /// On `Ok` it is durable and its slot is the live one. On an error, and after a crash, that slot holds anything, while
    /// the live slot is untouched. Makes no page durable: `sync_pages` comes first.
    fn install_root(&self, root: &[u8]) -> Result<(), EngineError>;

    /// Tells after opening which slot (0 or 1) holds the root in use, so that the other one is written next. Required
    /// before `install_root` if any slot holds a root.
    fn set_live_root_slot(&self, slot: usize);

    /// Both slots as they lie: `None` was never written or has no length that makes sense; anything else may be torn.
    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError>;

    // ---- log: segments of fixed capacity, filled with zeros once and reused in place

    /// Lends a segment of at least `min_len` bytes and tells its capacity. Durable on return (its name, not its use).
    ///
    /// A released segment is recycled if one is large enough, and then holds what was written there before. After opening,
    /// every segment found is in use until released: the caller knows from its root which ones it wants.
    fn log_create(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError>;

    /// Makes sure that the next `log_create(min_len)` needs no I/O. A hint to be called in the background; on an error
    /// (a full disk) nothing has changed.
    fn log_prepare(&self, min_len: u64) -> Result<(), EngineError>;

    /// All segments in existence, in use or released, by number.
    fn log_segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError>;

    /// Writes at an offset that is a multiple of [`UNIT`](crate::UNIT), inside the capacity, to a segment in use. The bytes
    /// behind the record in its last unit are left as they were.
    fn log_write(&self, segment: SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError>;

    /// Makes every `log_write` to this segment that returned before this call durable.
    fn log_sync(&self, segment: SegmentNo) -> Result<(), EngineError>;

    /// Reads `len` bytes at any offset inside the capacity. Blocking.
    fn log_read(&self, segment: SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, EngineError>;

    /// Gives a segment back for reuse. With `wipe` its bytes are zeros, durably, on return; if that fails the segment stays
    /// in use and half of it may be zeros.
    fn log_release(&self, segment: SegmentNo, wipe: bool) -> Result<(), EngineError>;

    /// Overwrites every released segment with zeros, durably: what was released without `wipe` is gone then, too. On an error any of
    /// them may be as it was.
    fn log_wipe_released(&self) -> Result<(), EngineError>;

    /// Counters and sizes.
    fn stats(&self) -> EngineStats;

    /// Lets go of what keeps others out, so that the database may be opened again, by this process or by another, while this
    /// value still lives. The caller has no call under way but reads, and makes none afterwards: an engine with a lock answers
    /// every later one with [`EngineError::Closed`].
    fn close(&self) {}
}

/// Implements [`Engine`] by handing every method on to an engine inside.
macro_rules! delegate_engine {
    (impl[$($generics:tt)*] for $name:ty, |$me:ident| $inner:expr) => {
        impl<$($generics)*> $crate::Engine for $name {
            fn allocate(&self, space: $crate::SpaceId, len: u32) -> Result<$crate::PageAddr, $crate::EngineError> {
                let $me = self;
                $inner.allocate(space, len)
            }
            fn write_pages(&self, batch: &[($crate::PageAddr, &[u8])]) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.write_pages(batch)
            }
            fn sync_pages(&self) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.sync_pages()
            }
            fn read_page(&self, addr: $crate::PageAddr, len: u32) -> $crate::PageRead {
                let $me = self;
                $inner.read_page(addr, len)
            }
            fn read_page_blocking(&self, addr: $crate::PageAddr, len: u32) -> Result<Vec<u8>, $crate::EngineError> {
                let $me = self;
                $inner.read_page_blocking(addr, len)
            }
            fn free(&self, freed: &[$crate::Freed]) {
                let $me = self;
                $inner.free(freed)
            }
            fn drop_space(&self, space: $crate::SpaceId) {
                let $me = self;
                $inner.drop_space(space)
            }
            fn zero_pages(&self, freed: &[$crate::Freed]) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.zero_pages(freed)
            }
            fn zero_free(&self, from: $crate::PageAddr, at_most: u64) -> Result<Option<$crate::PageAddr>, $crate::EngineError> {
                let $me = self;
                $inner.zero_free(from, at_most)
            }
            fn allocation_map(&self, freed: &[$crate::Freed], dropped: &[$crate::SpaceId]) -> Vec<u8> {
                let $me = self;
                $inner.allocation_map(freed, dropped)
            }
            fn restore_allocation_map(&self, map: &[u8]) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.restore_allocation_map(map)
            }
            fn pack(&self, low: bool) {
                let $me = self;
                $inner.pack(low)
            }
            fn trim(&self) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.trim()
            }
            fn install_root(&self, root: &[u8]) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.install_root(root)
            }
            fn set_live_root_slot(&self, slot: usize) {
                let $me = self;
                $inner.set_live_root_slot(slot)
            }
            fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], $crate::EngineError> {
                let $me = self;
                $inner.read_roots()
            }
            fn log_create(&self, min_len: u64) -> Result<($crate::SegmentNo, u64), $crate::EngineError> {
                let $me = self;
                $inner.log_create(min_len)
            }
            fn log_prepare(&self, min_len: u64) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.log_prepare(min_len)
            }
            fn log_segments(&self) -> Result<Vec<($crate::SegmentNo, u64)>, $crate::EngineError> {
                let $me = self;
                $inner.log_segments()
            }
            fn log_write(&self, segment: $crate::SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.log_write(segment, offset, bytes)
            }
            fn log_sync(&self, segment: $crate::SegmentNo) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.log_sync(segment)
            }
            fn log_read(&self, segment: $crate::SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, $crate::EngineError> {
                let $me = self;
                $inner.log_read(segment, offset, len)
            }
            fn log_release(&self, segment: $crate::SegmentNo, wipe: bool) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.log_release(segment, wipe)
            }
            fn log_wipe_released(&self) -> Result<(), $crate::EngineError> {
                let $me = self;
                $inner.log_wipe_released()
            }
            fn stats(&self) -> $crate::EngineStats {
                let $me = self;
                $inner.stats()
            }
            fn close(&self) {
                let $me = self;
                $inner.close()
            }
        }
    };
}
pub(crate) use delegate_engine;

delegate_engine!(impl[E: Engine + ?Sized] for Arc<E>, |me| **me);
