//! The file engine: the default. One directory, one page file, one root file, a handful of log segments.
//!
//! Durability rests on `fdatasync` and on writing a new file whole and synced before it gets its name. Nothing rests on the
//! order in which the system writes back: the log's records and the roots are sealed above, and what was not synced does
//! not count.

mod directory;
mod durable;
mod materialise;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::directory::{Directory, PAGES, log_name};
use self::durable::DurableFile;
use crate::core::{Core, Medium};
use crate::counters::count;
use crate::engine::delegate_engine;
use crate::lock::{OpenMode, ROOT};
use crate::root::{AREA_LEN, decode_area, encode_slot, slot_offset};
use crate::runs::Run;
use crate::{EngineError, PageRead, SegmentNo, SegmentSizes, UNIT};

/// Settings of the file engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether to open, create, or only read.
    pub mode: OpenMode,
    /// Sizes of log segments.
    pub segments: SegmentSizes,
}

/// Durable bytes in a directory. See the module for its files, and [`Engine`](crate::Engine) for what it promises.
pub struct FileEngine {
    core: Core<Files>,
}

impl FileEngine {
    /// Opens a directory and locks it until the engine is closed or dropped.
    ///
    /// # Errors
    /// [`EngineError::Locked`] or [`EngineError::AlreadyOpen`] if somebody has it open; [`EngineError::NotFound`],
    /// [`EngineError::Exists`], [`EngineError::ForeignFiles`], [`EngineError::MissingFile`], [`EngineError::OtherEngine`] by what
    /// lies there; and the system's errors.
    pub fn open(dir: impl AsRef<Path>, options: FileOptions) -> Result<Self, EngineError> {
        let FileOptions { mode, segments } = options;
        let directory = Directory::open(dir.as_ref(), mode)?;
        let files = Files {
            pages: Arc::new(directory.file(PAGES)?),
            root: directory.file(ROOT)?,
            directory,
        };
        let writes = mode != OpenMode::ReadOnly;
        if writes {
            // Written or named by a process that was killed before its sync: only the system's cache may hold it.
            files.root.sync()?;
            files.directory.sync()?;
        }
        let roots = files.read_roots()?;
        let mut found = Vec::new();
        for (no, capacity) in files.directory.segments()? {
            found.push((no, capacity, Arc::new(files.directory.file(&log_name(no))?)));
        }
        let core = Core::new(files, &roots, found, segments);
        count(&core.counters.syncs, if writes { 2 } else { 0 });
        Ok(Self { core })
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
        self.core.medium.directory.held().path()
    }

    /// Names of the files that hold the database, for a copy; the last one is the root file.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut names = vec![PAGES.to_owned()];
        names.extend(self.core.segments().into_iter().map(log_name));
        names.push(ROOT.to_owned());
        names
    }
}

delegate_engine!(impl[] for FileEngine, |me| me.core);

/// The open files of a directory.
struct Files {
    directory: Directory,
    pages: Arc<DurableFile>,
    root: DurableFile,
}

impl Medium for Files {
    type Segment = Arc<DurableFile>;

    /// The file and the directory.
    const SYNCS_OF_NEW_SEGMENT: u64 = 2;

    fn check(&self) -> Result<(), EngineError> {
        self.directory.held().check()
    }

    fn check_writable(&self) -> Result<(), EngineError> {
        self.directory.held().check_writable()
    }

    fn close(&self) {
        self.directory.held().unlock();
    }

    fn pages_len(&self) -> Result<u64, EngineError> {
        self.pages.len()
    }

    fn read_page(&self, offset: u64, len: usize) -> PageRead {
        if let Some(read) = self.pages.read_cached(offset, len) {
            return PageRead::Ready(read);
        }
        let pages = Arc::clone(&self.pages);
        PageRead::Later(Box::pin(blocking::unblock(move || {
            pages.read_exact_at(offset, len)
        })))
    }

    fn read_page_blocking(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        self.pages.read_exact_at(offset, len)
    }

    fn write_run(&self, run: &Run<'_>) -> Result<(), EngineError> {
        self.pages.write_run(run.start * u64::from(UNIT), run)
    }

    fn clear_pages(&self, start: u64, units: u64) -> Result<u64, EngineError> {
        let unit = u64::from(UNIT);
        self.pages.clear(start * unit, units * unit)
    }

    fn truncate_pages(&self, len: u64) -> Result<(), EngineError> {
        self.pages.truncate(len)
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.pages.sync()
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        Ok(decode_area(&self.root.read_exact_at(0, AREA_LEN)?))
    }

    fn write_root(&self, slot: usize, root: &[u8]) -> Result<(), EngineError> {
        self.root
            .write_all_at(slot_offset(slot), &encode_slot(root))
    }

    fn sync_root(&self) -> Result<(), EngineError> {
        self.root.sync()
    }

    fn create_segment(&self, no: SegmentNo, capacity: u64) -> Result<Self::Segment, EngineError> {
        Ok(Arc::new(self.directory.create_segment(no, capacity)?))
    }

    fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError> {
        self.directory.remove_segment(no)
    }

    fn sync_names(&self) -> Result<(), EngineError> {
        self.directory.sync()
    }

    fn write_log(
        &self,
        file: &Self::Segment,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        file.write_all_at(offset, bytes)
    }

    fn wipe_log(&self, file: &Self::Segment, capacity: u64) -> Result<(), EngineError> {
        file.write_zeros(0, capacity)
    }

    fn sync_log(&self, file: &Self::Segment) -> Result<(), EngineError> {
        file.sync()
    }

    fn read_log(
        &self,
        file: &Self::Segment,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, EngineError> {
        file.read_exact_at(offset, len)
    }
}
