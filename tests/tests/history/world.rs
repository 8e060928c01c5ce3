//! Where a history's database lives, and what comes back after it was closed, dropped or struck by a loss of power.

use std::sync::Arc;

use sealdb::crypto::testing::{SEEDED_PROVIDER, seed_this_thread};
use sealdb::crypto::{Aes256Gcm, Keyring, Kms, ManualClock, RootKeySource};
use sealdb::{Database, Error, blocking};
use sealdb_engine::{CrashEngine, Engine, Image, MemoryEngine, Survival};
use tempfile::TempDir;

use crate::draw::{Draw, Kind};

/// A keyring for all histories of a test.
pub struct Keys {
    kms: Arc<dyn Kms>,
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
    Crash(Arc<CrashEngine>),
    Memory(Arc<MemoryEngine>),
    Files(TempDir),
}

pub struct World<'k> {
    keys: &'k Keys,
    draw: Draw,
    pub media: Media,
    pub clock: Arc<ManualClock>,
}

impl<'k> World<'k> {
    /// An empty disk. Chance on this thread begins anew.
    pub fn new(keys: &'k Keys, seed: u64, draw: Draw) -> Self {
        seed_this_thread(seed);
        let media = match draw.kind {
            Kind::Crash => Media::Crash(Arc::new(CrashEngine::new(draw.sizes))),
            Kind::Memory => Media::Memory(Arc::new(MemoryEngine::with_segments(draw.sizes))),
            Kind::Files => Media::Files(tempfile::tempdir().unwrap()),
        };
        World {
            keys,
            draw,
            media,
            clock: Arc::new(ManualClock::new()),
        }
    }

    pub fn open(&self) -> Result<blocking::Database, Error> {
        let engine: Option<Arc<dyn Engine>> = match &self.media {
            Media::Crash(engine) => Some(engine.clone()),
            Media::Memory(engine) => Some(engine.clone()),
            Media::Files(_) => None,
        };
        self.open_over(engine)
    }

    /// Opens what lies in this engine instead; `None`: in the directory.
    pub fn open_over(&self, engine: Option<Arc<dyn Engine>>) -> Result<blocking::Database, Error> {
        let dir = match &self.media {
            Media::Files(dir) => dir.path().join("data"),
            _ => "nowhere".into(),
        };
        let sealing = Aes256Gcm::new(&SEEDED_PROVIDER, self.draw.epochs, self.clock.clone());
        let mut builder = Database::builder(dir)
            .kms(self.keys.kms.clone())
            .clock(self.clock.clone())
            .provider(&SEEDED_PROVIDER)
            .sealing(Arc::new(sealing))
            .options(self.draw.options.clone());
        if let Some(engine) = engine {
            builder = builder.engine(engine);
        }
        builder.open_sync()
    }

    /// The engine, if it can crash.
    pub fn crash_engine(&self) -> Option<&Arc<CrashEngine>> {
        match &self.media {
            Media::Crash(engine) => Some(engine),
            _ => None,
        }
    }

    pub fn crashed(&self) -> bool {
        self.crash_engine().is_some_and(|engine| engine.crashed())
    }

    /// The process has ended, the machine goes on: another process finds all that was written.
    pub fn process_died(&mut self) {
        match &mut self.media {
            Media::Crash(_) => self.power_failed(Survival::Everything),
            Media::Memory(engine) => {
                let image = engine.image();
                *engine = Arc::new(MemoryEngine::from_image(image, self.draw.sizes));
            }
            Media::Files(_) => {}
        }
    }

    /// The power has failed.
    pub fn power_failed(&mut self, survival: Survival) {
        if let Media::Crash(engine) = &mut self.media {
            let image = engine.survivor(survival);
            *engine = Arc::new(CrashEngine::from_image(image, self.draw.sizes));
        }
    }

    /// An empty disk again.
    pub fn wiped(&mut self) {
        if let Media::Crash(engine) = &mut self.media {
            *engine = Arc::new(CrashEngine::from_image(Image::new(), self.draw.sizes));
        }
    }
}
