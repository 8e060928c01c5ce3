//! The sled engine: pages, log and roots as keys of a [sled](https://docs.rs/sled/0.34.7) 0.34 database. Behind the feature `sled`,
//! for those who run sled already and know it.
//!
//! Places, spaces and misuse are the business of the bookkeeping that all engines share: dropping a space reads and writes nothing in
//! sled, and its units lie there until their places are written again.
//!
//! # What it is not
//! The engine passes the conformance suite, which does not pull the plug. sled 0.34.7 does badly where somebody does, and is slow
//! under this load:
//!
//! - **It loses what was synced.** `tests/power_loss.rs` mixes the sectors of a directory at its last sync with those of a little later,
//!   as a loss of power may: 25 of 200 times the newest root or a page was gone, or sled panicked when it opened (an error here).
//!   The file engine: none of 200. The prototype of SealDB, on a harder disk: 3, 6 and 12 of 20 over sled; none of 60 over fjall and
//!   RocksDB.
//! - Its `flush` calls `sync_file_range`, which empties no disk's cache and does not write the file's length. This engine calls
//!   `fdatasync` after it; the 25 of 200 are with that.
//! - **It is slow**: a load took the prototype 20 times as long. `sealdb-bench --only engines`, built with the feature, tells how much it
//!   is on your machine.
//!
//! And by its nature:
//!
//! - **Nothing is wiped.** sled appends; what is zeroed, wiped or written over stays in its files until it uses their segments
//!   again. So the wrapped key of a deleted table can still be found there by who has the KMS's key.
//! - A read never answers at once: sled does not say whether it would wait for the disk.
//! - There is no opening for reading only, and the tools for closed databases (check, compact, copy) do not know it.

#[cfg(test)]
mod tests;
mod trees;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use self::trees::Trees;
use crate::core::{Core, Medium};
use crate::counters::count;
use crate::engine::delegate_engine;
use crate::lock::{Held, OpenMode, SLED, create_directory, enter, refuse_foreign_files};
use crate::runs::Run;
use crate::{EngineError, PageRead, SegmentNo, SegmentSizes, UNIT};

/// Settings of the sled engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledOptions {
    /// Whether to open or create. [`OpenMode::ReadOnly`] is refused: sled writes when it opens.
    pub mode: OpenMode,
    /// Sizes of log segments.
    pub segments: SegmentSizes,
    /// What sled keeps in memory, in bytes. Default 32 MiB: the caller has a cache of its own.
    pub cache_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            mode: OpenMode::default(),
            segments: SegmentSizes::default(),
            cache_bytes: 32 << 20,
        }
    }
}

/// Durable bytes in sled, as far as sled is durable. See the module for that, and [`Engine`](crate::Engine) for what is asked.
pub struct SledEngine {
    core: Core<Sled>,
}

impl SledEngine {
    /// Opens a directory and locks it until the engine is closed or dropped.
    ///
    /// # Errors
    /// [`EngineError::Locked`] or [`EngineError::AlreadyOpen`] if somebody has it open; [`EngineError::NotFound`],
    /// [`EngineError::Exists`], [`EngineError::ForeignFiles`], [`EngineError::OtherEngine`] by what lies there; and sled's errors.
    pub fn open(dir: impl AsRef<Path>, options: SledOptions) -> Result<Self, EngineError> {
        let mode = options.mode;
        if mode == OpenMode::ReadOnly {
            return Err(EngineError::Misuse {
                reason: "sled has no opening for reading only",
            });
        }
        let path = enter(dir.as_ref(), "sled", mode)?;
        if path.join(SLED).exists() {
            if mode == OpenMode::Create {
                return Err(EngineError::Exists { path });
            }
        } else if mode == OpenMode::Open {
            return Err(EngineError::NotFound { path });
        } else {
            refuse_foreign_files(&path, |_| false)?;
        }
        let held = Held::lock(path, mode)?;
        let folder = held.path().join(SLED);
        create_directory(&folder)?;
        let trees = Trees::open(&folder, options.cache_bytes)?;
        let (roots, found) = (trees.roots()?, trees.segments()?);
        let sled = Sled {
            held,
            shared: Arc::new(Shared {
                trees: RwLock::new(Some(trees)),
                failed: OnceLock::new(),
            }),
        };
        // Written by a process that was killed before its sync: only the system's cache may hold it.
        sled.sync()?;
        let found = found.into_iter().map(|(no, capacity)| (no, capacity, no));
        let core = Core::new(sled, &roots, found, options.segments);
        count(&core.counters.syncs, 1);
        Ok(Self { core })
    }
}

delegate_engine!(impl[] for SledEngine, |me| me.core);

/// An open sled in a locked directory.
struct Sled {
    held: Held,
    shared: Arc<Shared>,
}

/// What a read that is under way holds.
struct Shared {
    /// `None` once closed: sled lets go of its files only when its last handle is gone.
    trees: RwLock<Option<Trees>>,
    /// The first failed sync. From then on nothing is written.
    failed: OnceLock<EngineError>,
}

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&Trees) -> Result<T, EngineError>) -> Result<T, EngineError> {
        self.trees
            .read()
            .as_ref()
            .map_or(Err(EngineError::Closed), f)
    }

    fn writing<T>(
        &self,
        f: impl FnOnce(&Trees) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match self.failed.get() {
            None => self.with(f),
            Some(error) => Err(error.clone()),
        }
    }
}

impl Sled {
    fn sync(&self) -> Result<(), EngineError> {
        let synced = self.shared.writing(Trees::sync);
        if let Err(error @ EngineError::SyncFailed { .. }) = &synced {
            self.shared.failed.get_or_init(|| error.clone());
        }
        synced
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        self.close();
    }
}

impl Medium for Sled {
    type Segment = SegmentNo;

    const SYNCS_OF_NEW_SEGMENT: u64 = 1;

    fn check(&self) -> Result<(), EngineError> {
        self.held.check()
    }

    fn check_writable(&self) -> Result<(), EngineError> {
        self.held.check_writable()
    }

    fn close(&self) {
        self.held.shut();
        // Waits for the reads that are under way.
        let trees = self.shared.trees.write().take();
        if self.held.is_foreign() {
            // sled flushes when it is dropped: in a forked child, over what its parent goes on to write.
            std::mem::forget(trees);
        }
        self.held.unlock();
    }

    fn pages_len(&self) -> Result<u64, EngineError> {
        self.shared.with(|trees| Ok(trees.pages_len()))
    }

    fn read_page(&self, offset: u64, len: usize) -> PageRead {
        let shared = Arc::clone(&self.shared);
        PageRead::Later(Box::pin(blocking::unblock(move || {
            shared.with(|trees| trees.read_page(offset, len))
        })))
    }

    fn read_page_blocking(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        self.shared.with(|trees| trees.read_page(offset, len))
    }

    fn write_run(&self, run: &Run<'_>) -> Result<(), EngineError> {
        self.shared.writing(|trees| {
            let mut at = run.start * u64::from(UNIT);
            for block in &run.blocks {
                trees.pages().write(at, block)?;
                at += (block.len() as u64).next_multiple_of(u64::from(UNIT));
            }
            trees.reaches(at);
            Ok(())
        })
    }

    fn clear_pages(&self, start: u64, units: u64) -> Result<u64, EngineError> {
        self.shared.writing(|trees| {
            let cleared = trees.pages().clear(start..start + units)?;
            Ok(cleared * u64::from(UNIT))
        })
    }

    fn truncate_pages(&self, len: u64) -> Result<(), EngineError> {
        self.shared.writing(|trees| trees.truncate_pages(len))
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.sync()
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        self.shared.with(Trees::roots)
    }

    fn write_root(&self, slot: usize, root: &[u8]) -> Result<(), EngineError> {
        self.shared.writing(|trees| trees.write_root(slot, root))
    }

    fn sync_root(&self) -> Result<(), EngineError> {
        self.sync()
    }

    fn create_segment(&self, no: SegmentNo, capacity: u64) -> Result<SegmentNo, EngineError> {
        self.shared
            .writing(|trees| trees.add_segment(no, capacity))?;
        self.sync()?;
        Ok(no)
    }

    fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError> {
        self.shared.writing(|trees| trees.remove_segment(no))
    }

    fn sync_names(&self) -> Result<(), EngineError> {
        self.sync()
    }

    fn write_log(&self, no: &SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.shared
            .writing(|trees| trees.log(*no).overwrite(offset, bytes))
    }

    fn wipe_log(&self, no: &SegmentNo, capacity: u64) -> Result<(), EngineError> {
        let units = 0..capacity / u64::from(UNIT);
        self.shared
            .writing(|trees| trees.log(*no).clear(units).map(drop))
    }

    fn sync_log(&self, _: &SegmentNo) -> Result<(), EngineError> {
        self.sync()
    }

    fn read_log(&self, no: &SegmentNo, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        self.shared.with(|trees| trees.log(*no).read(offset, len))
    }
}
