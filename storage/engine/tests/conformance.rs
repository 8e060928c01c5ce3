//! Every engine of the crate passes the suite.

use std::path::PathBuf;
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

struct Files {
    dir: tempfile::TempDir,
    next: AtomicU32,
    open: Mutex<Vec<(*const (), PathBuf)>>,
}

impl Files {
    fn open(&self, path: PathBuf) -> Arc<dyn Engine> {
        let options = FileOptions {
            segments: SIZES,
            ..FileOptions::default()
        };
        let engine: Arc<dyn Engine> =
            Arc::new(FileEngine::open(&path, options).expect("a directory is opened"));
        self.open.lock().push((Arc::as_ptr(&engine).cast(), path));
        engine
    }
}

impl Harness for Files {
    fn fresh(&self) -> Arc<dyn Engine> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.open(self.dir.path().join(n.to_string()))
    }

    fn reopen(&self, engine: Arc<dyn Engine>) -> Option<Arc<dyn Engine>> {
        let of = Arc::as_ptr(&engine).cast();
        let path = self
            .open
            .lock()
            .iter()
            .rev()
            .find(|(at, _)| *at == of)
            .map(|(_, path)| path.clone())?;
        drop(engine);
        Some(self.open(path))
    }
}

fn files(dir: tempfile::TempDir) -> Files {
    Files {
        dir,
        next: AtomicU32::new(0),
        open: Mutex::default(),
    }
}

#[test]
fn file() {
    whole(run(&files(
        tempfile::tempdir().expect("a temporary directory"),
    )));
}

/// tmpfs knows no `RWF_NOWAIT`: the other way of reading.
#[test]
fn file_in_shared_memory() {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() {
        whole(run(&files(
            tempfile::tempdir_in(shm).expect("a temporary directory"),
        )));
    }
}
