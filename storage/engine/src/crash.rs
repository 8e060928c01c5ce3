//! The crash engine: a memory engine that remembers what is durable, and what a loss of power would leave.
//!
//! Each write and each sync is an operation with a number, from 1. The engine can be told to crash *at* operation k: k itself
//! fails, whatever it had begun may survive or not, and every later call fails with [`EngineError::Crashed`]. Then
//! [`survivor`](CrashEngine::survivor) rebuilds the bytes that a disk could hold, and a [`MemoryEngine`](crate::MemoryEngine)
//! or another crash engine opens them. Or the whole run is recorded, and [`History`] yields a survivor of every prefix.
//!
//! # What survives
//! | written | after the crash |
//! |---|---|
//! | and synced, the sync begun after the write returned | as written |
//! | not synced | kept, lost, or torn: each sector of 512 bytes old or new; a later write may survive an earlier one |
//! | a new segment, its directory not synced | there, full of zeros, or not there |
//! | a removed segment, its directory not synced | there or not there |
//! | a truncation of the page file, not synced | done or not done |
//!
//! The policy behind a seed draws one of five moods: all is lost; all is kept; a prefix in order is kept; only a late part is
//! kept; each write for itself is kept, lost or torn.
//!
//! It costs what the run writes: a survivor shares its units with the run, so tens of thousands of crash points take seconds.

use std::sync::Arc;

use parking_lot::RwLockReadGuard;

use crate::core::Core;
use crate::engine::delegate_engine;
use crate::image::{Device, Event, FileId, Image, Unit};
use crate::memory::{InMemory, in_memory};
use crate::rng::Rng;
use crate::{EngineError, SegmentSizes, UNIT};

/// A sector: the grain at which a write tears.
const SECTOR: usize = 512;

/// What becomes of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing of it survives.
    Nothing,
    /// All of it survives, as after the end of the process alone.
    Everything,
    /// Drawn from a seed: see the module.
    Seeded(u64),
}

/// A memory engine that can crash at each of its writes and syncs.
pub struct CrashEngine {
    core: Core<InMemory<Journal>>,
}

impl CrashEngine {
    /// A new, empty engine.
    #[must_use]
    pub fn new(sizes: SegmentSizes) -> Self {
        Self::from_image(Image::new(), sizes)
    }

    /// Opens what an image holds (a survivor, for the next crash). All of it counts as durable.
    #[must_use]
    pub fn from_image(image: Image, sizes: SegmentSizes) -> Self {
        Self::with_journal(Journal::new(image, false), sizes)
    }

    /// The same, and every operation is kept so that [`history`](Self::history) can replay them. Keeps all bytes ever written.
    #[must_use]
    pub fn recording(image: Image, sizes: SegmentSizes) -> Self {
        Self::with_journal(Journal::new(image, true), sizes)
    }

    /// The process ended and another opens what it left: all that was written is there, but what was not synced still is not, and a
    /// loss of power may take it from the new process, too. The operation that crashed, if one did, was not begun. As the engine's
    /// contract has it, opening makes roots and names durable.
    #[must_use]
    pub fn next_process(&self, sizes: SegmentSizes) -> Self {
        let before = self.journal();
        let mut journal = Journal::new(before.now.clone(), false);
        journal.disk = before.disk.clone();
        if before.cut_short {
            journal.disk.pending.pop();
        }
        let root = FileId::Root;
        journal.disk.finish(&Event::Sync { file: root });
        journal.disk.finish(&Event::SyncNames);
        Self::with_journal(journal, sizes)
    }

    fn with_journal(journal: Journal, sizes: SegmentSizes) -> Self {
        Self {
            core: in_memory(journal, sizes),
        }
    }

    fn journal(&self) -> RwLockReadGuard<'_, Journal> {
        self.core.medium.device.read()
    }

    /// Crashes at the operation with this number (counted from 1 since opening); it must lie ahead.
    pub fn crash_at(&self, operation: u64) {
        self.core.medium.device.write().crash_at = Some(operation);
    }

    /// Crashes now: between two operations.
    pub fn crash(&self) {
        self.core.medium.device.write().crashed = true;
    }

    /// Whether it has crashed.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.journal().crashed
    }

    /// How many operations were begun, a crashed one included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.journal().operations
    }

    /// A word on the operation begun last ("write log segment 3, 2 units"), for a failing test's message.
    #[must_use]
    pub fn last_operation(&self) -> String {
        self.journal()
            .last
            .clone()
            .map_or_else(|| "none".into(), |event| event.to_string())
    }

    /// The bytes that a disk could hold if the power failed now, or failed when the engine crashed.
    #[must_use]
    pub fn survivor(&self, survival: Survival) -> Image {
        self.journal().disk.survivor(survival)
    }

    /// All operations so far, if the engine is [recording](Self::recording); else an empty history.
    #[must_use]
    pub fn history(&self) -> History {
        let journal = self.journal();
        match &journal.recorded {
            Some((initial, events)) => History {
                initial: initial.clone(),
                events: events.clone(),
            },
            None => History {
                initial: journal.now.clone(),
                events: Vec::new(),
            },
        }
    }
}

delegate_engine!(impl[] for CrashEngine, |me| me.core);

/// Every operation of a recorded run.
pub struct History {
    initial: Image,
    events: Vec<Event>,
}

impl History {
    /// How many operations it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.events.len() as u64
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// For each operation k from 1: the bytes that a disk could hold if the power failed *during* k (a write may survive, a
    /// sync has promised nothing yet). The seed of operation k is drawn from `seed` and k.
    pub fn survivors(&self, seed: u64) -> impl Iterator<Item = (u64, Image)> + '_ {
        let mut disk = Disk::new(self.initial.clone());
        self.events.iter().zip(1..).map(move |(event, k)| {
            disk.begin(event);
            let image = disk.survivor(Survival::Seeded(Rng::new(seed ^ (k << 20)).next()));
            disk.finish(event);
            (k, image)
        })
    }
}

/// What is durable, and what is on its way.
#[derive(Clone)]
struct Disk {
    durable: Image,
    pending: Vec<Event>,
}

impl Disk {
    fn new(durable: Image) -> Self {
        Self {
            durable,
            pending: Vec::new(),
        }
    }

    /// From here on the event may survive a crash. A sync has no effect before it returns.
    fn begin(&mut self, event: &Event) {
        if !matches!(event, Event::Sync { .. } | Event::SyncNames) {
            self.pending.push(event.clone());
        }
    }

    /// The event has returned.
    fn finish(&mut self, event: &Event) {
        let done = |pending: &Event| match (event, pending) {
            (Event::Sync { file }, Event::Write { file: of, .. }) => file == of,
            (Event::Sync { file }, Event::Truncate { .. }) => *file == FileId::Pages,
            (Event::SyncNames, Event::CreateSegment { .. } | Event::RemoveSegment { .. }) => true,
            _ => false,
        };
        let (now_durable, still_pending) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(done);
        self.pending = still_pending;
        let now_durable: Vec<Event> = now_durable;
        for event in &now_durable {
            self.durable.play(event);
        }
    }

    fn survivor(&self, survival: Survival) -> Image {
        let mut image = self.durable.clone();
        match survival {
            Survival::Nothing => {}
            Survival::Everything => self.pending.iter().for_each(|event| image.play(event)),
            Survival::Seeded(seed) => self.draw(&mut Rng::new(seed), &mut image),
        }
        image
    }

    fn draw(&self, rng: &mut Rng, image: &mut Image) {
        let n = self.pending.len() as u64;
        let (kept, torn_too) = match rng.below(5) {
            0 => (0..0, false),
            1 => (0..n, false),
            2 => (0..rng.below(n + 1), true),
            3 => (rng.below(n + 1)..n, true),
            _ => {
                for event in &self.pending {
                    match rng.below(3) {
                        0 => {}
                        1 => image.play(event),
                        _ => tear(rng, event, image),
                    }
                }
                return;
            }
        };
        let edge = if kept.start == 0 {
            kept.end
        } else {
            kept.start.wrapping_sub(1)
        };
        for (i, event) in (0..).zip(&self.pending) {
            if kept.contains(&i) {
                image.play(event);
            } else if torn_too && i == edge {
                tear(rng, event, image);
            }
        }
    }
}

/// Plays a part of an event: some of its units, and of some of these only some sectors. Names do not tear.
fn tear(rng: &mut Rng, event: &Event, image: &mut Image) {
    let Event::Write { file, units } = event else {
        if rng.one_in(2) {
            image.play(event);
        }
        return;
    };
    let torn = units.iter().filter_map(|(no, new)| match rng.below(3) {
        0 => None,
        1 => Some((*no, new.clone())),
        _ => {
            let old = image.file(*file).and_then(|f| f.unit(*no));
            Some((*no, Some(mix(rng.next(), old, new.as_ref()))))
        }
    });
    let units = torn.collect();
    image.play(&Event::Write { file: *file, units });
}

/// A unit of which each sector is old or new, by the bits of `choice`.
fn mix(choice: u64, old: Option<&Arc<Unit>>, new: Option<&Arc<Unit>>) -> Arc<Unit> {
    let zeros = [0; UNIT as usize];
    let old = old.map_or(&zeros, |unit| &**unit);
    let mut mixed = *new.map_or(&zeros, |unit| &**unit);
    for (i, (to, from)) in mixed.chunks_mut(SECTOR).zip(old.chunks(SECTOR)).enumerate() {
        if choice >> i & 1 == 1 {
            to.copy_from_slice(from);
        }
    }
    Arc::new(mixed)
}

/// The device of the crash engine.
pub(crate) struct Journal {
    /// What reads see.
    now: Image,
    disk: Disk,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    /// The last of what is on its way is the operation that crashed.
    cut_short: bool,
    last: Option<Event>,
    recorded: Option<(Image, Vec<Event>)>,
}

impl Journal {
    fn new(image: Image, record: bool) -> Self {
        Self {
            now: image.clone(),
            recorded: record.then(|| (image.clone(), Vec::new())),
            disk: Disk::new(image),
            operations: 0,
            crash_at: None,
            crashed: false,
            cut_short: false,
            last: None,
        }
    }
}

impl Device for Journal {
    fn apply(&mut self, event: Event) -> Result<(), EngineError> {
        if self.crashed {
            return Err(EngineError::Crashed);
        }
        self.operations += 1;
        self.last = Some(event.clone());
        self.disk.begin(&event);
        if let Some((_, events)) = &mut self.recorded {
            events.push(event.clone());
        }
        if self.crash_at == Some(self.operations) {
            self.crashed = true;
            self.cut_short = !matches!(event, Event::Sync { .. } | Event::SyncNames);
            return Err(EngineError::Crashed);
        }
        self.now.play(&event);
        if matches!(event, Event::Sync { .. } | Event::SyncNames) {
            self.disk.finish(&event);
        }
        Ok(())
    }

    fn image(&self) -> &Image {
        &self.now
    }

    fn now(&self) -> Result<&Image, EngineError> {
        if self.crashed {
            Err(EngineError::Crashed)
        } else {
            Ok(&self.now)
        }
    }
}

#[cfg(test)]
mod tests;
