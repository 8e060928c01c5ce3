//! The memory engine: the whole contract, no disk.

use parking_lot::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::alloc::{Allocator, FreeRuns, units_of};
use crate::engine::delegate_engine;
use crate::image::{Device, Event, FileId, Image};
use crate::root::{NextSlot, encode_slot, slot_offset};
use crate::runs::runs;
use crate::segments::Segments;
use crate::{
    Engine, EngineError, EngineStats, Freed, MAX_PAGE_LEN, PageAddr, PageRead, SegmentNo,
    SegmentSizes, SpaceId, UNIT,
};

/// Keeps everything in memory: for tests, and for databases that end with their process.
///
/// Nothing is durable beyond the process, but [`image`](Self::image) and [`from_image`](Self::from_image) stand for closing
/// and opening again. A sync does nothing and counts. Reads never wait.
pub struct MemoryEngine {
    core: Core<Image>,
}

impl MemoryEngine {
    /// An empty engine with the usual segment sizes.
    #[must_use]
    pub fn new() -> Self {
        Self::from_image(Image::new(), SegmentSizes::default())
    }

    /// An empty engine with other segment sizes.
    #[must_use]
    pub fn with_segments(sizes: SegmentSizes) -> Self {
        Self::from_image(Image::new(), sizes)
    }

    /// Opens what an image holds, as the file engine opens a directory: all segments in use, no allocation state.
    #[must_use]
    pub fn from_image(image: Image, sizes: SegmentSizes) -> Self {
        let roots = image.roots();
        let found: Vec<(SegmentNo, u64)> =
            image.logs.iter().map(|(no, log)| (*no, log.len)).collect();
        Self {
            core: Core::new(image, &roots, found, sizes),
        }
    }

    /// The bytes as they are now.
    #[must_use]
    pub fn image(&self) -> Image {
        self.core.state.read().device.clone()
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

delegate_engine!(impl[] for MemoryEngine, |me| me.core);

/// An engine over a [`Device`]: what the memory and the crash engine have in common.
pub(crate) struct Core<D> {
    pub(crate) state: RwLock<State<D>>,
    reads: AtomicU64,
}

pub(crate) struct State<D> {
    pub(crate) device: D,
    alloc: Allocator,
    segments: Segments<()>,
    next_slot: NextSlot,
    stats: EngineStats,
}

impl<D: Device> Core<D> {
    pub(crate) fn new(
        device: D,
        roots: &[Option<Vec<u8>>; 2],
        found: Vec<(SegmentNo, u64)>,
        sizes: SegmentSizes,
    ) -> Self {
        let state = State {
            device,
            alloc: Allocator::default(),
            segments: Segments::new(
                sizes,
                found.into_iter().map(|(no, capacity)| (no, capacity, ())),
            ),
            next_slot: NextSlot::at_open(roots),
            stats: EngineStats::default(),
        };
        Self {
            state: RwLock::new(state),
            reads: AtomicU64::new(0),
        }
    }
}

impl<D: Device> State<D> {
    fn sync(&mut self, file: FileId) -> Result<(), EngineError> {
        self.device.apply(Event::Sync { file })?;
        self.stats.syncs += 1;
        Ok(())
    }

    fn sync_names(&mut self) -> Result<(), EngineError> {
        self.device.apply(Event::SyncNames)?;
        self.stats.syncs += 1;
        Ok(())
    }

    fn read(&self, file: FileId, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        let bytes = self
            .device
            .now()?
            .file(file)
            .and_then(|f| f.read(offset, len as usize));
        bytes.ok_or_else(|| EngineError::Truncated {
            place: format!("{file} at byte {offset}"),
        })
    }

    fn create_segment(
        &mut self,
        min_len: u64,
        in_use: bool,
    ) -> Result<(SegmentNo, u64), EngineError> {
        let (no, capacity) = self.segments.plan(min_len)?;
        self.device.apply(Event::CreateSegment { no, capacity })?;
        self.sync_names()?;
        self.stats.log_bytes_zeroed += capacity;
        self.segments.insert(no, capacity, in_use, ());
        Ok((no, capacity))
    }
}

impl<D: Device> Engine for Core<D> {
    fn allocate(&self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError> {
        let mut state = self.state.write();
        state.device.now()?;
        state.alloc.allocate(space, len)
    }

    fn write_pages(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        check_batch(&state.alloc, batch)?;
        for run in runs(batch) {
            let mut units = Vec::with_capacity(run.units as usize);
            let mut at = run.start;
            for block in run.blocks {
                for (_, unit) in crate::image::Sparse::default().overlay(0, block) {
                    units.push((at, unit));
                    at += 1;
                }
            }
            state.device.apply(Event::Write {
                file: FileId::Pages,
                units,
            })?;
            state.stats.page_writes += 1;
            state.stats.page_bytes_written += run.units * u64::from(UNIT);
        }
        Ok(())
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.state.write().sync(FileId::Pages)
    }

    fn read_page(&self, addr: PageAddr, len: u32) -> PageRead {
        PageRead::Ready(self.read_page_blocking(addr, len))
    }

    fn read_page_blocking(&self, addr: PageAddr, len: u32) -> Result<Vec<u8>, EngineError> {
        check_read_len(len)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.state
            .read()
            .read(FileId::Pages, addr.0.saturating_mul(u64::from(UNIT)), len)
    }

    fn free(&self, freed: &[Freed]) {
        self.state.write().alloc.free(freed);
    }

    fn drop_space(&self, space: SpaceId) {
        self.state.write().alloc.drop_space(space);
    }

    fn zero_pages(&self, freed: &[Freed]) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        check_freed(&state.alloc, freed)?;
        for f in freed {
            let units = (f.addr.0..f.addr.0 + units_of(f.len))
                .map(|no| (no, None))
                .collect();
            state.device.apply(Event::Write {
                file: FileId::Pages,
                units,
            })?;
            state.stats.page_writes += 1;
            state.stats.page_bytes_written += units_of(f.len) * u64::from(UNIT);
        }
        Ok(())
    }

    fn zero_free(&self, from: PageAddr, at_most: u64) -> Result<Option<PageAddr>, EngineError> {
        let state = &mut *self.state.write();
        let image = state.device.now()?;
        let mut runs = FreeRuns::new(from, at_most, image.pages.len);
        let mut dirty = Vec::new();
        while let Some((start, units)) = runs.next(&state.alloc) {
            let nonzero = (start..start + units).filter(|no| image.pages.unit(*no).is_some());
            dirty.extend(nonzero.map(|no| (no, None)));
        }
        if !dirty.is_empty() {
            state.stats.page_writes += 1;
            state.stats.page_bytes_written += dirty.len() as u64 * u64::from(UNIT);
            state.device.apply(Event::Write {
                file: FileId::Pages,
                units: dirty,
            })?;
        }
        Ok(runs.goes_on())
    }

    fn allocation_map(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8> {
        self.state.read().alloc.map_without(freed, dropped)
    }

    fn restore_allocation_map(&self, map: &[u8]) -> Result<(), EngineError> {
        let alloc = Allocator::decode(map)?;
        self.state.write().alloc = alloc;
        Ok(())
    }

    fn pack(&self, low: bool) {
        self.state.write().alloc.pack(low);
    }

    fn trim(&self) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        let len = state.alloc.trim() * u64::from(UNIT);
        if state.device.now()?.pages.len > len {
            state.device.apply(Event::Truncate { len })?;
        }
        let mut removed = false;
        while let Some(no) = state.segments.excess() {
            state.device.apply(Event::RemoveSegment { no })?;
            state.segments.remove(no);
            removed = true;
        }
        if removed { state.sync_names() } else { Ok(()) }
    }

    fn install_root(&self, root: &[u8]) -> Result<(), EngineError> {
        let bytes = encode_slot(root)?;
        let state = &mut *self.state.write();
        let slot = state.next_slot.get()?;
        let units = state.device.now()?.root.overlay(slot_offset(slot), &bytes);
        state.device.apply(Event::Write {
            file: FileId::Root,
            units,
        })?;
        state.sync(FileId::Root)?;
        state.next_slot = NextSlot::with_live(slot);
        state.stats.root_writes += 1;
        Ok(())
    }

    fn set_live_root_slot(&self, slot: usize) {
        self.state.write().next_slot = NextSlot::with_live(slot);
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        Ok(self.state.read().device.now()?.roots())
    }

    fn log_create(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError> {
        let state = &mut *self.state.write();
        state.device.now()?;
        if let Some(recycled) = state.segments.recycle(min_len) {
            state.stats.log_segments_recycled += 1;
            return Ok(recycled);
        }
        state.create_segment(min_len, true)
    }

    fn log_prepare(&self, min_len: u64) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        if state.segments.released_for(min_len).is_none() {
            state.create_segment(min_len, false)?;
        }
        Ok(())
    }

    fn log_segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        let state = self.state.read();
        state.device.now()?;
        Ok(state.segments.list())
    }

    fn log_write(&self, segment: SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        state
            .segments
            .for_write(segment, offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let file = FileId::Log(segment);
        let units = state
            .device
            .now()?
            .file(file)
            .map(|f| f.overlay(offset, bytes))
            .unwrap_or_default();
        state.device.apply(Event::Write { file, units })?;
        state.stats.log_writes += 1;
        state.stats.log_bytes_written += bytes.len() as u64;
        Ok(())
    }

    fn log_sync(&self, segment: SegmentNo) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        state.segments.in_use(segment)?;
        state.sync(FileId::Log(segment))
    }

    fn log_read(&self, segment: SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        let state = self.state.read();
        state.segments.for_read(segment, offset, u64::from(len))?;
        state.read(FileId::Log(segment), offset, len)
    }

    fn log_release(&self, segment: SegmentNo, wipe: bool) -> Result<(), EngineError> {
        let state = &mut *self.state.write();
        state.device.now()?;
        let ((), capacity) = state.segments.in_use(segment)?;
        if wipe {
            let units = (0..capacity / u64::from(UNIT))
                .map(|no| (no, None))
                .collect();
            state.device.apply(Event::Write {
                file: FileId::Log(segment),
                units,
            })?;
            state.sync(FileId::Log(segment))?;
            state.stats.log_bytes_zeroed += capacity;
        }
        state.segments.release(segment);
        Ok(())
    }

    fn stats(&self) -> EngineStats {
        let state = self.state.read();
        EngineStats {
            reads_cached: self.reads.load(Ordering::Relaxed),
            page_file_len: state.device.now().map_or(0, |image| image.pages.len),
            log_segment_bytes: state.segments.bytes(),
            log_segments_in_use: state.segments.in_use_count(),
            ..with_allocator(state.stats, &state.alloc)
        }
    }
}

/// The counters that the allocator keeps.
pub(crate) fn with_allocator(stats: EngineStats, alloc: &Allocator) -> EngineStats {
    EngineStats {
        used_units: alloc.used_units(),
        free_units: alloc.free_units(),
        rejected_frees: alloc.rejected_frees(),
        ..stats
    }
}

/// Every block of a batch lies in an allocated place.
pub(crate) fn check_batch(
    alloc: &Allocator,
    batch: &[(PageAddr, &[u8])],
) -> Result<(), EngineError> {
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
pub(crate) fn check_freed(alloc: &Allocator, freed: &[Freed]) -> Result<(), EngineError> {
    match freed
        .iter()
        .all(|f| alloc.is_allocated(Some(f.space), f.addr, f.len))
    {
        true => Ok(()),
        false => Err(EngineError::Misuse {
            reason: "only an allocated place is zeroed",
        }),
    }
}

/// A read is no longer than the longest block, whatever a pointer says.
pub(crate) fn check_read_len(len: u32) -> Result<(), EngineError> {
    if len > MAX_PAGE_LEN {
        Err(EngineError::Misuse {
            reason: "a block has at most 64 MiB",
        })
    } else {
        Ok(())
    }
}
