//! One engine over any medium: the bookkeeping that all engines have in common.
//!
//! A [`Medium`] moves bytes. Which place is whose, which segment is lent out, which slot comes next, what is misuse and what is
//! counted stands here, once.
//!
//! The allocator, the segments' table and the root's slot each have a lock of their own, held without I/O, but for
//! [`trim`](Engine::trim), which keeps the allocator still while it cuts the pages, and the slot's while a root is written.

use parking_lot::Mutex;

use crate::alloc::{Allocator, FreeRuns};
use crate::counters::{Counters, count};
use crate::root::{NextSlot, check_root};
use crate::runs::{Run, runs};
use crate::segments::Segments;
use crate::{
    Engine, EngineError, EngineStats, Freed, MAX_PAGE_LEN, PageAddr, PageRead, SegmentNo,
    SegmentSizes, SpaceId, UNIT,
};

/// Where the bytes of an engine lie. Its promises are those of [`Engine`]'s methods of like names; who calls it has checked the
/// places.
pub(crate) trait Medium: Send + Sync {
    /// Handle of a log segment.
    type Segment: Clone + Send;

    /// Syncs that a new segment takes.
    const SYNCS_OF_NEW_SEGMENT: u64;

    /// Refuses who may not read.
    fn check(&self) -> Result<(), EngineError>;
    /// Refuses who may not write.
    fn check_writable(&self) -> Result<(), EngineError>;
    /// Lets the next one in.
    fn close(&self) {}

    /// Bytes of the pages, holes included.
    fn pages_len(&self) -> Result<u64, EngineError>;
    /// Reads pages without blocking the thread. `len` is at most [`MAX_PAGE_LEN`].
    fn read_page(&self, offset: u64, len: usize) -> PageRead;
    /// The same, blocking.
    fn read_page_blocking(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError>;
    /// Writes blocks that lie one behind the other, each padded with zeros to whole units.
    fn write_run(&self, run: &Run<'_>) -> Result<(), EngineError>;
    /// Makes units zeros, as far as the pages reach, and tells how many bytes were none before.
    fn clear_pages(&self, start: u64, units: u64) -> Result<u64, EngineError>;
    /// Cuts the pages to this many bytes. They are longer.
    fn truncate_pages(&self, len: u64) -> Result<(), EngineError>;
    fn sync_pages(&self) -> Result<(), EngineError>;

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError>;
    /// Writes a root of 1 to [`ROOT_MAX`](crate::ROOT_MAX) bytes into a slot.
    fn write_root(&self, slot: usize, root: &[u8]) -> Result<(), EngineError>;
    fn sync_root(&self) -> Result<(), EngineError>;

    /// Makes a segment full of zeros. Durable on return, with its name; on an error nothing is left.
    fn create_segment(&self, no: SegmentNo, capacity: u64) -> Result<Self::Segment, EngineError>;
    /// Removes a segment; durable after [`sync_names`](Self::sync_names).
    fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError>;
    fn sync_names(&self) -> Result<(), EngineError>;
    /// Writes at a whole unit; what stands behind the bytes in their last unit stays.
    fn write_log(
        &self,
        segment: &Self::Segment,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), EngineError>;
    /// Makes the whole segment zeros.
    fn wipe_log(&self, segment: &Self::Segment, capacity: u64) -> Result<(), EngineError>;
    fn sync_log(&self, segment: &Self::Segment) -> Result<(), EngineError>;
    fn read_log(
        &self,
        segment: &Self::Segment,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, EngineError>;
}

/// The engine.
pub(crate) struct Core<M: Medium> {
    pub(crate) medium: M,
    pub(crate) counters: Counters,
    alloc: Mutex<Allocator>,
    segments: Mutex<Segments<M::Segment>>,
    /// Held while a segment is made, so that a request waits for one that is being prepared instead of making another.
    creating: Mutex<()>,
    /// Held while a root is written.
    next_slot: Mutex<NextSlot>,
}

impl<M: Medium> Core<M> {
    /// The engine after opening: every segment found is in use, and there is no allocation state.
    pub(crate) fn new(
        medium: M,
        roots: &[Option<Vec<u8>>; 2],
        found: impl IntoIterator<Item = (SegmentNo, u64, M::Segment)>,
        sizes: SegmentSizes,
    ) -> Self {
        Self {
            medium,
            counters: Counters::default(),
            alloc: Mutex::new(Allocator::default()),
            segments: Mutex::new(Segments::new(sizes, found)),
            creating: Mutex::new(()),
            next_slot: Mutex::new(NextSlot::at_open(roots)),
        }
    }

    /// Numbers of all segments in existence.
    pub(crate) fn segments(&self) -> Vec<SegmentNo> {
        let list = self.segments.lock().list();
        list.into_iter().map(|(no, _)| no).collect()
    }

    fn recycle(&self, min_len: u64) -> Option<(SegmentNo, u64)> {
        let recycled = self.segments.lock().recycle(min_len)?;
        count(&self.counters.log_segments_recycled, 1);
        Some(recycled)
    }

    /// Makes a segment; the caller holds `creating`.
    fn create_segment(&self, min_len: u64, in_use: bool) -> Result<(SegmentNo, u64), EngineError> {
        let (no, usual) = self.segments.lock().plan(min_len)?;
        let least = min_len.max(1).next_multiple_of(u64::from(UNIT));
        let (handle, capacity) = match self.medium.create_segment(no, usual) {
            // What is needed may still fit.
            Err(EngineError::Full { .. }) if least < usual => {
                (self.medium.create_segment(no, least)?, least)
            }
            other => (other?, usual),
        };
        count(&self.counters.syncs, M::SYNCS_OF_NEW_SEGMENT);
        count(&self.counters.log_bytes_zeroed, capacity);
        self.segments.lock().insert(no, capacity, in_use, handle);
        Ok((no, capacity))
    }

    /// Makes a segment zeros, durably.
    fn wipe(&self, handle: &M::Segment, capacity: u64) -> Result<(), EngineError> {
        self.medium.wipe_log(handle, capacity)?;
        count(&self.counters.syncs, 1);
        self.medium.sync_log(handle)?;
        count(&self.counters.log_bytes_zeroed, capacity);
        Ok(())
    }

    fn write_batch(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        for run in runs(batch) {
            self.medium.write_run(&run)?;
            self.count_pages(run.units * u64::from(UNIT));
        }
        Ok(())
    }

    fn count_pages(&self, bytes: u64) {
        count(&self.counters.page_writes, 1);
        count(&self.counters.page_bytes_written, bytes);
    }

    /// Where a read begins, if the caller may read there.
    fn check_read(&self, addr: PageAddr, len: u32) -> Result<u64, EngineError> {
        self.medium.check()?;
        if len > MAX_PAGE_LEN {
            return Err(EngineError::Misuse {
                reason: "a block has at most 64 MiB",
            });
        }
        // An address that no file can have is beyond its end.
        let offset = addr.0.checked_mul(u64::from(UNIT));
        let offset = offset.filter(|offset| *offset < i64::MAX as u64 / 2);
        offset.ok_or_else(|| EngineError::Truncated {
            place: format!("the page area at unit {}", addr.0),
        })
    }
}

impl<M: Medium> Engine for Core<M> {
    fn allocate(&self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError> {
        self.medium.check_writable()?;
        self.alloc.lock().allocate(space, len)
    }

    fn write_pages(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        check_batch(&self.alloc.lock(), batch)?;
        self.write_batch(batch)
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        count(&self.counters.syncs, 1);
        self.medium.sync_pages()
    }

    fn read_page(&self, addr: PageAddr, len: u32) -> PageRead {
        let offset = match self.check_read(addr, len) {
            Ok(offset) => offset,
            Err(e) => return PageRead::Ready(Err(e)),
        };
        let read = self.medium.read_page(offset, len as usize);
        match &read {
            PageRead::Ready(_) => count(&self.counters.reads_cached, 1),
            PageRead::Later(_) => count(&self.counters.reads_device, 1),
        }
        read
    }

    fn read_page_blocking(&self, addr: PageAddr, len: u32) -> Result<Vec<u8>, EngineError> {
        let offset = self.check_read(addr, len)?;
        count(&self.counters.reads_device, 1);
        self.medium.read_page_blocking(offset, len as usize)
    }

    fn free(&self, freed: &[Freed]) {
        self.alloc.lock().free(freed);
    }

    fn drop_space(&self, space: SpaceId) {
        self.alloc.lock().drop_space(space);
    }

    fn zero_pages(&self, freed: &[Freed]) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        check_freed(&self.alloc.lock(), freed)?;
        let zeros = vec![0; freed.iter().map(|f| f.len as usize).max().unwrap_or(0)];
        let batch: Vec<(PageAddr, &[u8])> = freed
            .iter()
            .filter_map(|f| Some((f.addr, zeros.get(..f.len as usize)?)))
            .collect();
        self.write_batch(&batch)
    }

    fn zero_free(&self, from: PageAddr, at_most: u64) -> Result<Option<PageAddr>, EngineError> {
        self.medium.check_writable()?;
        let mut runs = FreeRuns::new(from, at_most, self.medium.pages_len()?);
        loop {
            let run = runs.next(&self.alloc.lock());
            let Some((start, units)) = run else {
                return Ok(runs.goes_on());
            };
            let written = self.medium.clear_pages(start, units)?;
            if written > 0 {
                self.count_pages(written);
            }
        }
    }

    fn allocation_map(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8> {
        self.alloc.lock().map_without(freed, dropped)
    }

    fn restore_allocation_map(&self, map: &[u8]) -> Result<(), EngineError> {
        self.medium.check()?;
        let restored = Allocator::decode(map)?;
        *self.alloc.lock() = restored;
        Ok(())
    }

    fn pack(&self, low: bool) {
        self.alloc.lock().pack(low);
    }

    fn trim(&self) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        {
            let mut alloc = self.alloc.lock();
            let len = alloc.trim() * u64::from(UNIT);
            if self.medium.pages_len()? > len {
                self.medium.truncate_pages(len)?;
            }
        }
        let mut segments = self.segments.lock();
        let mut removed = false;
        while let Some(no) = segments.excess() {
            self.medium.remove_segment(no)?;
            segments.remove(no);
            removed = true;
        }
        drop(segments);
        if removed {
            count(&self.counters.syncs, 1);
            self.medium.sync_names()?;
        }
        Ok(())
    }

    fn install_root(&self, root: &[u8]) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        check_root(root)?;
        let mut next = self.next_slot.lock();
        let slot = next.get()?;
        // Crash here or in between: this slot tears, the live one stands.
        self.medium.write_root(slot, root)?;
        count(&self.counters.syncs, 1);
        self.medium.sync_root()?;
        *next = NextSlot::with_live(slot);
        count(&self.counters.root_writes, 1);
        Ok(())
    }

    fn set_live_root_slot(&self, slot: usize) {
        *self.next_slot.lock() = NextSlot::with_live(slot);
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        self.medium.check()?;
        self.medium.read_roots()
    }

    fn log_create(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError> {
        self.medium.check_writable()?;
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
        self.medium.check_writable()?;
        let _creating = self.creating.lock();
        let have = self.segments.lock().released_for(min_len).is_some();
        if !have {
            self.create_segment(min_len, false)?;
        }
        Ok(())
    }

    fn log_segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        self.medium.check()?;
        Ok(self.segments.lock().list())
    }

    fn log_write(&self, segment: SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        let len = bytes.len() as u64;
        let handle = self.segments.lock().for_write(segment, offset, len)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.medium.write_log(&handle, offset, bytes)?;
        count(&self.counters.log_writes, 1);
        count(&self.counters.log_bytes_written, len);
        Ok(())
    }

    fn log_sync(&self, segment: SegmentNo) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        let (handle, _) = self.segments.lock().in_use(segment)?;
        count(&self.counters.syncs, 1);
        self.medium.sync_log(&handle)
    }

    fn log_read(&self, segment: SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        self.medium.check()?;
        let handle = self
            .segments
            .lock()
            .for_read(segment, offset, u64::from(len))?;
        self.medium.read_log(&handle, offset, len as usize)
    }

    fn log_release(&self, segment: SegmentNo, wipe: bool) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        let (handle, capacity) = self.segments.lock().in_use(segment)?;
        if wipe {
            self.wipe(&handle, capacity)?;
        }
        self.segments.lock().release(segment);
        Ok(())
    }

    fn log_wipe_released(&self) -> Result<(), EngineError> {
        self.medium.check_writable()?;
        // Lent to nobody else meanwhile.
        let lent = self.segments.lock().lend_released();
        let mut wiped = Ok(());
        for (no, capacity, handle) in lent {
            wiped = wiped.and_then(|()| self.wipe(&handle, capacity));
            self.segments.lock().release(no);
        }
        wiped
    }

    fn stats(&self) -> EngineStats {
        let (log_segment_bytes, log_segments_in_use) = {
            let segments = self.segments.lock();
            (segments.bytes(), segments.in_use_count())
        };
        let alloc = self.alloc.lock();
        EngineStats {
            page_file_len: self.medium.pages_len().unwrap_or(0),
            used_units: alloc.used_units(),
            free_units: alloc.free_units(),
            rejected_frees: alloc.rejected_frees(),
            log_segment_bytes,
            log_segments_in_use,
            ..self.counters.now()
        }
    }

    fn close(&self) {
        self.medium.close();
    }
}

/// Every block of a batch lies in an allocated place.
fn check_batch(alloc: &Allocator, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
    let placed = |(addr, bytes): &(PageAddr, &[u8])| {
        u32::try_from(bytes.len()).is_ok_and(|len| alloc.is_allocated(None, *addr, len))
    };
    match batch.iter().all(placed) {
        true => Ok(()),
        false => Err(EngineError::Misuse {
            reason: "a page is written to an allocated place",
        }),
    }
}

/// Every place is allocated in the space that it names.
fn check_freed(alloc: &Allocator, freed: &[Freed]) -> Result<(), EngineError> {
    let allocated = |f: &Freed| alloc.is_allocated(Some(f.space), f.addr, f.len);
    match freed.iter().all(allocated) {
        true => Ok(()),
        false => Err(EngineError::Misuse {
            reason: "only an allocated place is zeroed",
        }),
    }
}
