//! The file engine: the default. One directory, one page file, one root file, a handful of log segments.
//!
//! Durability rests on `fdatasync` and on writing a new file whole and synced before it gets its name. Nothing rests on the
//! order in which the system writes back: the log's records and the roots are sealed above, and what was not synced does
//! not count.
//!
//! The allocator, the segments' table and the root's slot each have a lock of their own, held without I/O, but for
//! [`trim`](crate::Engine::trim), which keeps the allocator still while it cuts the page file.

mod directory;
mod durable;
mod materialise;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use self::directory::{Directory, PAGES, ROOT, log_name};
use self::durable::DurableFile;
use crate::alloc::{Allocator, FreeRuns};
use crate::memory::{check_batch, check_freed, check_read_len, with_allocator};
use crate::root::{AREA_LEN, NextSlot, decode_area, encode_slot, slot_offset};
use crate::runs::runs;
use crate::segments::Segments;
use crate::{
    Engine, EngineError, EngineStats, Freed, PageAddr, PageRead, SegmentNo, SegmentSizes, SpaceId,
    UNIT,
};

/// How a directory is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMode {
    /// Opens the database, or makes one where there is none.
    #[default]
    OpenOrCreate,
    /// Makes a new one; [`EngineError::Exists`] if there is one.
    Create,
    /// Opens an existing one; [`EngineError::NotFound`] if there is none.
    Open,
    /// The same, for reading only: nothing in the directory is changed. Still alone: not beside a writer.
    ReadOnly,
}

/// Settings of the file engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether to open, create, or only read.
    pub mode: OpenMode,
    /// Sizes of log segments.
    pub segments: SegmentSizes,
}

/// Durable bytes in a directory. See the module for its files, and [`Engine`] for what it promises.
pub struct FileEngine {
    directory: Directory,
    mode: OpenMode,
    /// The process that opened it.
    owner: u32,
    closed: AtomicBool,
    pages: Arc<DurableFile>,
    root: DurableFile,
    alloc: Mutex<Allocator>,
    segments: Mutex<Segments<Arc<DurableFile>>>,
    /// Held while a segment is made, so that a request waits for one that is being prepared instead of making another.
    creating: Mutex<()>,
    /// Held while a root is written.
    next_slot: Mutex<NextSlot>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    page_bytes_written: AtomicU64,
    page_writes: AtomicU64,
    log_bytes_written: AtomicU64,
    log_writes: AtomicU64,
    log_bytes_zeroed: AtomicU64,
    log_segments_recycled: AtomicU64,
    root_writes: AtomicU64,
    syncs: AtomicU64,
    reads_cached: AtomicU64,
    reads_device: AtomicU64,
}

fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl FileEngine {
    /// Opens a directory and locks it until the engine is closed or dropped.
    ///
    /// # Errors
    /// [`EngineError::Locked`] or [`EngineError::AlreadyOpen`] if somebody has it open; [`EngineError::NotFound`],
    /// [`EngineError::Exists`], [`EngineError::ForeignFiles`], [`EngineError::MissingFile`] by what lies there; and the
    /// system's errors.
    pub fn open(dir: impl AsRef<Path>, options: FileOptions) -> Result<Self, EngineError> {
        let FileOptions {
            mode,
            segments: sizes,
        } = options;
        let directory = Directory::open(dir.as_ref(), mode)?;
        let pages = Arc::new(directory.file(PAGES, mode)?);
        let root = directory.file(ROOT, mode)?;
        let counters = Counters::default();
        if mode != OpenMode::ReadOnly {
            // Written or named by a process that was killed before its sync: only the system's cache may hold it.
            root.sync()?;
            directory.sync()?;
            count(&counters.syncs, 2);
        }
        let roots = decode_area(&root.read_exact_at(0, AREA_LEN)?);
        let mut found = Vec::new();
        for (no, capacity) in directory.segments()? {
            found.push((no, capacity, Arc::new(directory.file(&log_name(no), mode)?)));
        }
        Ok(Self {
            directory,
            mode,
            owner: std::process::id(),
            closed: AtomicBool::new(false),
            pages,
            root,
            alloc: Mutex::new(Allocator::default()),
            segments: Mutex::new(Segments::new(sizes, found)),
            creating: Mutex::new(()),
            next_slot: Mutex::new(NextSlot::at_open(&roots)),
            counters,
        })
    }

    /// Whether the directory holds a database, open or not.
    #[must_use]
    pub fn exists(dir: impl AsRef<Path>) -> bool {
        directory::exists(dir.as_ref())
    }

    /// The root slots of a directory as they lie, without a lock, also while somebody has it open: then a slot that is just
    /// being written may be torn.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] or [`EngineError::MissingFile`] if there is no database; the system's errors.
    pub fn peek_roots(dir: impl AsRef<Path>) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        Ok(decode_area(&directory::peek_root(dir.as_ref())?))
    }

    /// The directory, as the system names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Names of the files that hold the database, for a copy; the last one is the root file.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let segments = self.segments.lock().list();
        let mut names = vec![PAGES.to_owned()];
        names.extend(segments.into_iter().map(|(no, _)| log_name(no)));
        names.push(ROOT.to_owned());
        names
    }

    /// Refuses whoever has no lock: after a close, and in a forked child, which shares the lock with its parent, but not what the
    /// parent changes in memory.
    fn check_owner(&self) -> Result<(), EngineError> {
        let caller = std::process::id();
        if caller != self.owner {
            return Err(EngineError::ForeignProcess {
                owner: self.owner,
                caller,
            });
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(EngineError::Closed);
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), EngineError> {
        self.check_owner()?;
        if self.mode == OpenMode::ReadOnly {
            Err(EngineError::ReadOnly)
        } else {
            Ok(())
        }
    }

    fn write_batch(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        for run in runs(batch) {
            self.pages.write_run(run.start * u64::from(UNIT), &run)?;
            count(&self.counters.page_writes, 1);
            count(
                &self.counters.page_bytes_written,
                run.units * u64::from(UNIT),
            );
        }
        Ok(())
    }

    fn sync_file(&self, file: &DurableFile) -> Result<(), EngineError> {
        count(&self.counters.syncs, 1);
        file.sync()
    }

    fn recycle(&self, min_len: u64) -> Option<(SegmentNo, u64)> {
        let recycled = self.segments.lock().recycle(min_len)?;
        count(&self.counters.log_segments_recycled, 1);
        Some(recycled)
    }

    /// Makes a segment; the caller holds `creating`.
    fn create_segment(&self, min_len: u64, in_use: bool) -> Result<(SegmentNo, u64), EngineError> {
        let (no, capacity) = self.segments.lock().plan(min_len)?;
        let file = self.directory.create_segment(no, capacity)?;
        count(&self.counters.syncs, 2);
        count(&self.counters.log_bytes_zeroed, capacity);
        self.segments
            .lock()
            .insert(no, capacity, in_use, Arc::new(file));
        Ok((no, capacity))
    }
}

/// Byte offset of a page; one that no file can have is beyond its end.
fn page_offset(addr: PageAddr) -> Result<u64, EngineError> {
    let offset = addr
        .0
        .checked_mul(u64::from(UNIT))
        .filter(|o| *o < i64::MAX as u64 / 2);
    offset.ok_or_else(|| EngineError::Truncated {
        place: format!("{PAGES} at unit {}", addr.0),
    })
}

impl Engine for FileEngine {
    fn allocate(&self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError> {
        self.check_writable()?;
        self.alloc.lock().allocate(space, len)
    }

    fn write_pages(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        self.check_writable()?;
        check_batch(&self.alloc.lock(), batch)?;
        self.write_batch(batch)
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.check_writable()?;
        self.sync_file(&self.pages)
    }

    fn read_page(&self, addr: PageAddr, len: u32) -> PageRead {
        let place = self
            .check_owner()
            .and_then(|()| check_read_len(len))
            .and_then(|()| page_offset(addr));
        let offset = match place {
            Ok(offset) => offset,
            Err(e) => return PageRead::Ready(Err(e)),
        };
        if let Some(read) = self.pages.read_cached(offset, len as usize) {
            count(&self.counters.reads_cached, 1);
            return PageRead::Ready(read);
        }
        count(&self.counters.reads_device, 1);
        let pages = Arc::clone(&self.pages);
        PageRead::Later(Box::pin(blocking::unblock(move || {
            pages.read_exact_at(offset, len as usize)
        })))
    }

    fn read_page_blocking(&self, addr: PageAddr, len: u32) -> Result<Vec<u8>, EngineError> {
        self.check_owner()?;
        check_read_len(len)?;
        count(&self.counters.reads_device, 1);
        self.pages.read_exact_at(page_offset(addr)?, len as usize)
    }

    fn free(&self, freed: &[Freed]) {
        self.alloc.lock().free(freed);
    }

    fn drop_space(&self, space: SpaceId) {
        self.alloc.lock().drop_space(space);
    }

    fn zero_pages(&self, freed: &[Freed]) -> Result<(), EngineError> {
        self.check_writable()?;
        check_freed(&self.alloc.lock(), freed)?;
        let zeros = vec![0; freed.iter().map(|f| f.len as usize).max().unwrap_or(0)];
        let batch: Vec<(PageAddr, &[u8])> = freed
            .iter()
            .filter_map(|f| Some((f.addr, zeros.get(..f.len as usize)?)))
            .collect();
        self.write_batch(&batch)
    }

    fn zero_free(&self, from: PageAddr, at_most: u64) -> Result<Option<PageAddr>, EngineError> {
        self.check_writable()?;
        let unit = u64::from(UNIT);
        let mut runs = FreeRuns::new(from, at_most, self.pages.len()?);
        loop {
            let run = runs.next(&self.alloc.lock());
            let Some((start, units)) = run else {
                return Ok(runs.goes_on());
            };
            let written = self.pages.clear(start * unit, units * unit)?;
            if written > 0 {
                count(&self.counters.page_writes, 1);
                count(&self.counters.page_bytes_written, written);
            }
        }
    }

    fn allocation_map(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8> {
        self.alloc.lock().map_without(freed, dropped)
    }

    fn restore_allocation_map(&self, map: &[u8]) -> Result<(), EngineError> {
        self.check_owner()?;
        let restored = Allocator::decode(map)?;
        *self.alloc.lock() = restored;
        Ok(())
    }

    fn pack(&self, low: bool) {
        self.alloc.lock().pack(low);
    }

    fn trim(&self) -> Result<(), EngineError> {
        self.check_writable()?;
        {
            let mut alloc = self.alloc.lock();
            let len = alloc.trim() * u64::from(UNIT);
            if self.pages.len()? > len {
                self.pages.truncate(len)?;
            }
        }
        let mut segments = self.segments.lock();
        let mut removed = false;
        while let Some(no) = segments.excess() {
            self.directory.remove_segment(no)?;
            segments.remove(no);
            removed = true;
        }
        drop(segments);
        if removed {
            count(&self.counters.syncs, 1);
            self.directory.sync()?;
        }
        Ok(())
    }

    fn install_root(&self, root: &[u8]) -> Result<(), EngineError> {
        self.check_writable()?;
        let bytes = encode_slot(root)?;
        let mut next = self.next_slot.lock();
        let slot = next.get()?;
        // Crash here or in between: this slot tears, the live one stands.
        self.root.write_all_at(slot_offset(slot), &bytes)?;
        self.sync_file(&self.root)?;
        *next = NextSlot::with_live(slot);
        count(&self.counters.root_writes, 1);
        Ok(())
    }

    fn set_live_root_slot(&self, slot: usize) {
        *self.next_slot.lock() = NextSlot::with_live(slot);
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        self.check_owner()?;
        Ok(decode_area(&self.root.read_exact_at(0, AREA_LEN)?))
    }

    fn log_create(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError> {
        self.check_writable()?;
        if let Some(recycled) = self.recycle(min_len) {
            return Ok(recycled);
        }
        let _creating = self.creating.lock();
        match self.recycle(min_len) {
            Some(prepared_meanwhile) => Ok(prepared_meanwhile),
            None => self.create_segment(min_len, true),
        }
    }

    fn log_prepare(&self, min_len: u64) -> Result<(), EngineError> {
        self.check_writable()?;
        let _creating = self.creating.lock();
        let have = self.segments.lock().released_for(min_len).is_some();
        if !have {
            self.create_segment(min_len, false)?;
        }
        Ok(())
    }

    fn log_segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        self.check_owner()?;
        Ok(self.segments.lock().list())
    }

    fn log_write(&self, segment: SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.check_writable()?;
        let file = self
            .segments
            .lock()
            .for_write(segment, offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        file.write_all_at(offset, bytes)?;
        count(&self.counters.log_writes, 1);
        count(&self.counters.log_bytes_written, bytes.len() as u64);
        Ok(())
    }

    fn log_sync(&self, segment: SegmentNo) -> Result<(), EngineError> {
        self.check_writable()?;
        let (file, _) = self.segments.lock().in_use(segment)?;
        self.sync_file(&file)
    }

    fn log_read(&self, segment: SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        self.check_owner()?;
        let file = self
            .segments
            .lock()
            .for_read(segment, offset, u64::from(len))?;
        file.read_exact_at(offset, len as usize)
    }

    fn log_release(&self, segment: SegmentNo, wipe: bool) -> Result<(), EngineError> {
        self.check_writable()?;
        let (file, capacity) = self.segments.lock().in_use(segment)?;
        if wipe {
            file.write_zeros(0, capacity)?;
            self.sync_file(&file)?;
            count(&self.counters.log_bytes_zeroed, capacity);
        }
        self.segments.lock().release(segment);
        Ok(())
    }

    fn stats(&self) -> EngineStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = &self.counters;
        let (log_segment_bytes, log_segments_in_use) = {
            let segments = self.segments.lock();
            (segments.bytes(), segments.in_use_count())
        };
        let counted = EngineStats {
            page_bytes_written: get(&c.page_bytes_written),
            page_writes: get(&c.page_writes),
            log_bytes_written: get(&c.log_bytes_written),
            log_writes: get(&c.log_writes),
            log_bytes_zeroed: get(&c.log_bytes_zeroed),
            log_segments_recycled: get(&c.log_segments_recycled),
            root_writes: get(&c.root_writes),
            syncs: get(&c.syncs),
            reads_cached: get(&c.reads_cached),
            reads_device: get(&c.reads_device),
            page_file_len: self.pages.len().unwrap_or(0),
            log_segment_bytes,
            log_segments_in_use,
            ..EngineStats::default()
        };
        with_allocator(counted, &self.alloc.lock())
    }

    fn close(&self) {
        // A forked child only closes its copies of the descriptors.
        self.closed.store(true, Ordering::Release);
        self.directory.unlock();
    }
}
