//! Where a history's database lives, and what comes back after it was closed, dropped or struck by a loss of power.

use std::sync::Arc;

use sealdb::crypto::testing::{SEEDED_PROVIDER, seed_this_thread};
use sealdb::crypto::{Aes256Gcm, Keyring, Kms, ManualClock, RootKeySource};
use sealdb::tools::CheckReport;
use sealdb::{Builder, Database, Error, blocking};
use sealdb_engine::{CrashEngine, Engine, Faults, FaultyEngine, MemoryEngine, Survival};
use tempfile::TempDir;

use crate::draw::{Draw, Kind};

/// A keyring for all histories of a test.
pub struct Keys {
    pub kms: Arc<dyn Kms>,
    _dir: TempDir,
}

impl Keys {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root_key = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
        let clock = Arc::new(ManualClock::new());
        let keyring = Keyring::create(dir.path().join("keyring"), root_key, clock).unwrap();
        Keys {
            kms: Arc::new(keyring),
            _dir: dir,
        }
    }
}

pub enum Media {
    Crash(Arc<FaultyEngine<CrashEngine>>),
    Memory(Arc<MemoryEngine>),
    Files(TempDir),
}

pub struct World<'k> {
    keys: &'k Keys,
    draw: Draw,
    media: Media,
    pub clock: Arc<ManualClock>,
    /// What fails, if the engine is one that can.
    pub faults: Faults,
    /// Operations of engines before this one.
    before: u64,
    /// The operation to crash at, counted from the first of the history.
    crash_at: Option<u64>,
}

impl<'k> World<'k> {
    /// An empty disk. Chance on this thread begins anew.
    pub fn new(keys: &'k Keys, seed: u64, draw: Draw) -> Self {
        seed_this_thread(seed);
        let faults = Faults::new();
        let media = match draw.kind {
            Kind::Crash => Media::Crash(Arc::new(FaultyEngine::new(
                CrashEngine::new(draw.sizes),
                faults.clone(),
            ))),
            Kind::Memory => Media::Memory(Arc::new(MemoryEngine::with_segments(draw.sizes))),
            Kind::Files => Media::Files(tempfile::tempdir().unwrap()),
        };
        World {
            keys,
            draw,
            media,
            clock: Arc::new(ManualClock::new()),
            faults,
            before: 0,
            crash_at: None,
        }
    }

    pub fn open(&self) -> Result<blocking::Database, Error> {
        self.builder().open_sync()
    }

    /// Verifies what lies there while nobody has it open.
    pub fn check(&self) -> Result<CheckReport, Error> {
        self.builder().check()
    }

    fn builder(&self) -> Builder {
        let engine: Option<Arc<dyn Engine>> = match &self.media {
            Media::Crash(engine) => Some(engine.clone()),
            Media::Memory(engine) => Some(engine.clone()),
            Media::Files(_) => None,
        };
        let dir = match &self.media {
            Media::Files(dir) => dir.path().join("data"),
            _ => "nowhere".into(),
        };
        let sealing = Aes256Gcm::new(&SEEDED_PROVIDER, self.draw.epochs, self.clock.clone());
        let builder = Database::builder(dir)
            .kms(self.keys.kms.clone())
            .clock(self.clock.clone())
            .provider(&SEEDED_PROVIDER)
            .sealing(Arc::new(sealing))
            .options(self.draw.options.clone());
        match engine {
            Some(engine) => builder.engine(engine),
            None => builder,
        }
    }

    fn crash_engine(&self) -> Option<&CrashEngine> {
        match &self.media {
            Media::Crash(engine) => Some(engine.inner()),
            _ => None,
        }
    }

    pub fn can_crash(&self) -> bool {
        self.crash_engine().is_some()
    }

    pub fn crashed(&self) -> bool {
        self.crash_engine().is_some_and(CrashEngine::crashed)
    }

    /// Writes and syncs since the history began, as far as the engine counts them.
    pub fn operations(&self) -> u64 {
        self.before + self.crash_engine().map_or(0, CrashEngine::operations)
    }

    pub fn last_operation(&self) -> String {
        self.crash_engine()
            .map_or_else(String::new, CrashEngine::last_operation)
    }

    /// The operation of this number, counted from the first of the history, crashes.
    pub fn crash_at(&mut self, operation: u64) {
        self.crash_at = Some(operation);
        self.arm();
    }

    /// Whatever was planned.
    pub fn no_crash(&mut self) {
        self.crash_at = None;
    }

    fn arm(&self) {
        if let (Some(engine), Some(at)) = (self.crash_engine(), self.crash_at)
            && at > self.operations()
        {
            engine.crash_at(at - self.before);
        }
    }

    /// The process has ended, the machine goes on: another process finds all that was written.
    pub fn process_died(&mut self) {
        match &mut self.media {
            Media::Crash(engine) => {
                let inner = engine.inner().next_process(self.draw.sizes);
                self.next_life(inner);
            }
            Media::Memory(engine) => {
                let image = engine.image();
                *engine = Arc::new(MemoryEngine::from_image(image, self.draw.sizes));
            }
            Media::Files(_) => {}
        }
    }

    /// The power has failed.
    pub fn power_failed(&mut self, survival: Survival) {
        if let Some(engine) = self.crash_engine() {
            let image = engine.survivor(survival);
            self.next_life(CrashEngine::from_image(image, self.draw.sizes));
        }
    }

    /// An empty disk again.
    pub fn wiped(&mut self) {
        self.next_life(CrashEngine::new(self.draw.sizes));
    }

    fn next_life(&mut self, inner: CrashEngine) {
        self.before = self.operations();
        if let Media::Crash(engine) = &mut self.media {
            self.faults.reopen();
            *engine = Arc::new(FaultyEngine::new(inner, self.faults.clone()));
        }
        self.arm();
    }
}
