//! Every engine of the crate passes the suite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use sealdb_engine::conformance::{Harness, Report, run};
use sealdb_engine::{
    CrashEngine, Engine, Faults, FaultyEngine, FileEngine, FileOptions, Image, MemoryEngine,
    SegmentSizes, Survival,
};

const SIZES: SegmentSizes = SegmentSizes {
    first: 16 << 10,
    max: 128 << 10,
    keep: 64 << 10,
};

/// Keeps each engine made, so that reopening finds the concrete one behind the trait object.
struct Kept<E, M, I, O> {
    make: M,
    image: I,
    open: O,
    made: Mutex<Vec<Arc<E>>>,
}

impl<E, M, I, O> Harness for Kept<E, M, I, O>
where
    E: Engine + 'static,
    M: Fn() -> E,
    I: Fn(&E) -> Image,
    O: Fn(Image) -> E,
{
    fn fresh(&self) -> Arc<dyn Engine> {
        let engine = Arc::new((self.make)());
        self.made.lock().push(Arc::clone(&engine));
        engine
    }

    fn reopen(&self, engine: Arc<dyn Engine>) -> Option<Arc<dyn Engine>> {
        let mut made = self.made.lock();
        let concrete = made
            .iter()
            .find(|m| std::ptr::addr_eq(Arc::as_ptr(m), Arc::as_ptr(&engine)))?;
        let reopened = Arc::new((self.open)((self.image)(concrete)));
        made.push(Arc::clone(&reopened));
        Some(reopened)
    }
}

fn whole(report: Report) {
    assert!(report.passed >= 37 && report.skipped == 0, "{report:?}");
}

#[test]
fn memory() {
    whole(run(&Kept {
        make: || MemoryEngine::with_segments(SIZES),
        image: MemoryEngine::image,
        open: |image| MemoryEngine::from_image(image, SIZES),
        made: Mutex::default(),
    }));
}

#[test]
fn crash_without_a_crash() {
    let image = |e: &CrashEngine| e.survivor(Survival::Everything);
    let open = |image| CrashEngine::from_image(image, SIZES);
    whole(run(&Kept {
        make: || CrashEngine::new(SIZES),
        image,
        open,
        made: Mutex::default(),
    }));
}

/// Whatever the suite wants to find again it has synced, so it does not miss what a power loss takes.
#[test]
fn crash_with_a_power_loss_for_closing() {
    let image = |e: &CrashEngine| e.survivor(Survival::Nothing);
    let open = |image| CrashEngine::recording(image, SIZES);
    whole(run(&Kept {
        make: || CrashEngine::new(SIZES),
        image,
        open,
        made: Mutex::default(),
    }));
}

#[test]
fn faulty_without_faults() {
    let later = || {
        let faults = Faults::new();
        faults.reads_later(true);
        faults
    };
    whole(run(&Kept {
        make: || FaultyEngine::new(MemoryEngine::with_segments(SIZES), later()),
        image: |e: &FaultyEngine<MemoryEngine>| e.inner().image(),
        open: |image| FaultyEngine::new(MemoryEngine::from_image(image, SIZES), later()),
        made: Mutex::default(),
    }));
}

/// Engines in directories.
struct Directories {
    dir: tempfile::TempDir,
    open: fn(&Path) -> Arc<dyn Engine>,
    next: AtomicU32,
    made: Mutex<Vec<(*const (), PathBuf)>>,
}

impl Directories {
    fn new(dir: tempfile::TempDir, open: fn(&Path) -> Arc<dyn Engine>) -> Self {
        Self {
            dir,
            open,
            next: AtomicU32::new(0),
            made: Mutex::default(),
        }
    }

    fn open(&self, path: PathBuf) -> Arc<dyn Engine> {
        let engine = (self.open)(&path);
        self.made.lock().push((Arc::as_ptr(&engine).cast(), path));
        engine
    }
}

impl Harness for Directories {
    fn fresh(&self) -> Arc<dyn Engine> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.open(self.dir.path().join(n.to_string()))
    }

    fn reopen(&self, engine: Arc<dyn Engine>) -> Option<Arc<dyn Engine>> {
        let of = Arc::as_ptr(&engine).cast();
        let path = self
            .made
            .lock()
            .iter()
            .rev()
            .find(|(at, _)| *at == of)
            .map(|(_, path)| path.clone())?;
        drop(engine);
        Some(self.open(path))
    }
}

fn open_files(path: &Path) -> Arc<dyn Engine> {
    let options = FileOptions {
        segments: SIZES,
        ..FileOptions::default()
    };
    Arc::new(FileEngine::open(path, options).expect("a directory is opened"))
}

#[test]
fn file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    whole(run(&Directories::new(dir, open_files)));
}

/// tmpfs knows no `RWF_NOWAIT`: the other way of reading.
#[test]
fn file_in_shared_memory() {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        let dir = tempfile::tempdir_in(shm).expect("a temporary directory");
        whole(run(&Directories::new(dir, open_files)));
    }
}

#[cfg(feature = "sled")]
#[test]
fn sled() {
    use sealdb_engine::{SledEngine, SledOptions};

    let dir = tempfile::tempdir().expect("a temporary directory");
    whole(run(&Directories::new(dir, |path| {
        let options = SledOptions {
            segments: SIZES,
            ..SledOptions::default()
        };
        Arc::new(SledEngine::open(path, options).expect("a directory is opened"))
    })));
}
