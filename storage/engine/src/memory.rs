//! The memory engine: the whole contract, no disk.

use parking_lot::RwLock;

use crate::core::{Core, Medium};
use crate::engine::delegate_engine;
use crate::image::{Device, Event, FileId, Image, Sparse};
use crate::root::{encode_slot, slot_offset};
use crate::runs::Run;
use crate::{EngineError, PageRead, SegmentNo, SegmentSizes, UNIT};

/// Keeps everything in memory: for tests, and for databases that end with their process.
///
/// Nothing is durable beyond the process, but [`image`](Self::image) and [`from_image`](Self::from_image) stand for closing
/// and opening again. A sync does nothing and counts. Reads never wait.
pub struct MemoryEngine {
    core: Core<InMemory<Image>>,
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
        Self {
            core: in_memory(image, sizes),
        }
    }

    /// The bytes as they are now.
    #[must_use]
    pub fn image(&self) -> Image {
        self.core.medium.device.read().clone()
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

delegate_engine!(impl[] for MemoryEngine, |me| me.core);

/// A [`Device`] as a medium: what the memory and the crash engine have in common.
pub(crate) struct InMemory<D> {
    pub(crate) device: RwLock<D>,
}

/// The engine over a device, as after opening what the device holds.
pub(crate) fn in_memory<D: Device>(device: D, sizes: SegmentSizes) -> Core<InMemory<D>> {
    let image = device.image();
    let roots = image.roots();
    let logs = image.logs.iter();
    let found: Vec<_> = logs.map(|(no, log)| (*no, log.len, *no)).collect();
    let device = RwLock::new(device);
    Core::new(InMemory { device }, &roots, found, sizes)
}

impl<D: Device> InMemory<D> {
    fn apply(&self, event: Event) -> Result<(), EngineError> {
        self.device.write().apply(event)
    }

    /// New contents of whole units, from `offset` on.
    fn overwrite(&self, file: FileId, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let mut device = self.device.write();
        let overlay = |old: &Sparse| old.overlay(offset, bytes);
        let units = device.now()?.file(file).map(overlay).unwrap_or_default();
        device.apply(Event::Write { file, units })
    }

    fn read(&self, file: FileId, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        let device = self.device.read();
        let bytes = device.now()?.file(file).and_then(|f| f.read(offset, len));
        bytes.ok_or_else(|| EngineError::Truncated {
            place: format!("{file} at byte {offset}"),
        })
    }
}

impl<D: Device> Medium for InMemory<D> {
    type Segment = SegmentNo;

    /// The names.
    const SYNCS_OF_NEW_SEGMENT: u64 = 1;

    fn check(&self) -> Result<(), EngineError> {
        self.device.read().now().map(drop)
    }

    fn check_writable(&self) -> Result<(), EngineError> {
        self.check()
    }

    fn pages_len(&self) -> Result<u64, EngineError> {
        Ok(self.device.read().now()?.pages.len)
    }

    fn read_page(&self, offset: u64, len: usize) -> PageRead {
        PageRead::Ready(self.read_page_blocking(offset, len))
    }

    fn read_page_blocking(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        self.read(FileId::Pages, offset, len)
    }

    fn write_run(&self, run: &Run<'_>) -> Result<(), EngineError> {
        let mut units = Vec::with_capacity(run.units as usize);
        for block in &run.blocks {
            units.extend(Sparse::default().overlay(0, block));
        }
        // Each block was numbered from 0; together they go on from the run's start.
        for (no, unit) in (run.start..).zip(&mut units) {
            unit.0 = no;
        }
        self.apply(Event::Write {
            file: FileId::Pages,
            units,
        })
    }

    fn clear_pages(&self, start: u64, units: u64) -> Result<u64, EngineError> {
        let mut device = self.device.write();
        let pages = &device.now()?.pages;
        let nonzero = (start..start + units).filter(|no| pages.unit(*no).is_some());
        let units: Vec<_> = nonzero.map(|no| (no, None)).collect();
        let bytes = units.len() as u64 * u64::from(UNIT);
        if bytes > 0 {
            let file = FileId::Pages;
            device.apply(Event::Write { file, units })?;
        }
        Ok(bytes)
    }

    fn truncate_pages(&self, len: u64) -> Result<(), EngineError> {
        self.apply(Event::Truncate { len })
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.apply(Event::Sync {
            file: FileId::Pages,
        })
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        Ok(self.device.read().now()?.roots())
    }

    fn write_root(&self, slot: usize, root: &[u8]) -> Result<(), EngineError> {
        self.overwrite(FileId::Root, slot_offset(slot), &encode_slot(root))
    }

    fn sync_root(&self) -> Result<(), EngineError> {
        self.apply(Event::Sync { file: FileId::Root })
    }

    fn create_segment(&self, no: SegmentNo, capacity: u64) -> Result<SegmentNo, EngineError> {
        self.apply(Event::CreateSegment { no, capacity })?;
        self.sync_names()?;
        Ok(no)
    }

    fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError> {
        self.apply(Event::RemoveSegment { no })
    }

    fn sync_names(&self) -> Result<(), EngineError> {
        self.apply(Event::SyncNames)
    }

    fn write_log(&self, no: &SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.overwrite(FileId::Log(*no), offset, bytes)
    }

    fn wipe_log(&self, no: &SegmentNo, capacity: u64) -> Result<(), EngineError> {
        let units = 0..capacity / u64::from(UNIT);
        self.apply(Event::Write {
            file: FileId::Log(*no),
            units: units.map(|no| (no, None)).collect(),
        })
    }

    fn sync_log(&self, no: &SegmentNo) -> Result<(), EngineError> {
        self.apply(Event::Sync {
            file: FileId::Log(*no),
        })
    }

    fn read_log(&self, no: &SegmentNo, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        self.read(FileId::Log(*no), offset, len)
    }
}
