//! The faulty engine: wraps any engine and makes it fail as told.
//!
//! A [`Faults`] handle, shared with the test, holds the plan: this point, the n-th call from now, fails like that; or all
//! points, once in so many calls, from a seed; or the disk is full after so many bytes, until there is room again. A call
//! that no fault meets goes through unchanged.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::rng::Rng;
use crate::{
    Engine, EngineError, EngineStats, Freed, PageAddr, PageRead, SegmentNo, SpaceId, UNIT,
};

/// Where a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultPoint {
    /// `write_pages`.
    PageWrite,
    /// `zero_pages` and `zero_free`.
    PageZero,
    /// `sync_pages`.
    PageSync,
    /// `read_page` and `read_page_blocking`.
    PageRead,
    /// `install_root`. With [`Fault::Sync`] the root is written, and may be found after reopening.
    RootInstall,
    /// `read_roots`.
    RootRead,
    /// `log_create` and `log_prepare`.
    LogCreate,
    /// `log_write`.
    LogWrite,
    /// `log_sync`.
    LogSync,
    /// `log_read`.
    LogRead,
    /// `log_release`.
    LogRelease,
    /// `trim`.
    Trim,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An input/output error; nothing was done.
    Io,
    /// No space left; nothing was done.
    Full,
    /// About half of the bytes are written, then an input/output error. At a point that writes no bytes: as `Io`.
    Short,
    /// A failed sync. The file it belongs to takes no writes and syncs until [`Faults::reopen`].
    Sync,
    /// One bit of the bytes read is turned. At a point that reads nothing: no fault.
    FlipBit,
    /// The calling thread panics; nothing was done.
    Panic,
}

/// A file as far as a failed sync is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failed {
    Pages,
    Root,
    Log(SegmentNo),
}

/// Faults that strike by chance.
struct Random {
    rng: Rng,
    one_in: u64,
    faults: Vec<(FaultPoint, Fault)>,
}

#[derive(Default)]
struct Plan {
    scripted: BTreeMap<FaultPoint, Vec<(u64, Fault)>>,
    random: Option<Random>,
    room: Option<u64>,
    failed: BTreeMap<Failed, Arc<io::Error>>,
    reads_later: bool,
    calls: BTreeMap<FaultPoint, u64>,
    struck: u64,
}

/// The plan of a faulty engine. Clones share it.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    /// No faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` call at this point from now (1 = the next) fails.
    pub fn fail_nth(&self, point: FaultPoint, nth: u64, fault: Fault) {
        let mut plan = self.0.lock();
        let due = plan.calls.get(&point).copied().unwrap_or(0) + nth;
        plan.scripted.entry(point).or_default().push((due, fault));
    }

    /// From now on about one in `one_in` calls at one of these points fails, as the seed says.
    pub fn fail_randomly(&self, seed: u64, one_in: u64, faults: &[(FaultPoint, Fault)]) {
        self.0.lock().random = Some(Random {
            rng: Rng::new(seed),
            one_in,
            faults: faults.to_vec(),
        });
    }

    /// Room for this many more bytes of pages and new log segments, then [`EngineError::Full`]; `None` = enough.
    ///
    /// Counted are bytes given to `write_pages` in whole units, and what is asked for in a new segment. `log_write` needs no room: its segment
    /// was filled with zeros when it was made.
    pub fn room(&self, bytes: Option<u64>) {
        self.0.lock().room = bytes;
    }

    /// Page reads become [`PageRead::Later`], as if nothing were cached.
    pub fn reads_later(&self, later: bool) {
        self.0.lock().reads_later = later;
    }

    /// No more faults are planned. Failed syncs stay failed.
    pub fn clear(&self) {
        let mut plan = self.0.lock();
        plan.scripted.clear();
        plan.random = None;
        plan.room = None;
    }

    /// Forgets failed syncs, as opening the engine anew does. What was lost stays lost.
    pub fn reopen(&self) {
        self.0.lock().failed.clear();
    }

    /// How many faults have struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.0.lock().struck
    }

    /// How many calls this point has seen, failed ones included.
    #[must_use]
    pub fn calls(&self, point: FaultPoint) -> u64 {
        self.0.lock().calls.get(&point).copied().unwrap_or(0)
    }

    fn draw(&self, point: FaultPoint) -> Option<Fault> {
        let plan = &mut *self.0.lock();
        let calls = plan.calls.entry(point).or_default();
        *calls += 1;
        let now = *calls;
        let mut fault = None;
        if let Some(list) = plan.scripted.get_mut(&point)
            && let Some(at) = list.iter().position(|(due, _)| *due == now)
        {
            fault = Some(list.remove(at).1);
        }
        if fault.is_none()
            && let Some(Random {
                rng,
                one_in,
                faults,
            }) = &mut plan.random
        {
            let here: Vec<Fault> = faults
                .iter()
                .filter(|(at, _)| *at == point)
                .map(|(_, f)| *f)
                .collect();
            if !here.is_empty() && rng.one_in(*one_in) {
                fault = here.get(rng.below(here.len() as u64) as usize).copied();
            }
        }
        plan.struck += u64::from(fault.is_some());
        assert!(fault != Some(Fault::Panic), "told to panic");
        fault
    }

    /// Whether there is room for `bytes`, and takes it. What is left is lost if it is not enough: the disk stays full.
    fn take_room(&self, bytes: u64) -> bool {
        let plan = &mut *self.0.lock();
        let Some(room) = &mut plan.room else {
            return true;
        };
        let enough = *room >= bytes;
        *room = if enough { *room - bytes } else { 0 };
        plan.struck += u64::from(!enough);
        enough
    }

    fn check(&self, file: Failed) -> Result<(), EngineError> {
        match self.0.lock().failed.get(&file) {
            None => Ok(()),
            Some(source) => Err(EngineError::SyncFailed {
                place: format!("{file:?}"),
                source: Arc::clone(source),
            }),
        }
    }

    fn fail_sync(&self, file: Failed) -> EngineError {
        let source = Arc::new(injected());
        self.0.lock().failed.insert(file, Arc::clone(&source));
        EngineError::SyncFailed {
            place: format!("{file:?}"),
            source,
        }
    }
}

fn injected() -> io::Error {
    io::Error::other("injected by a test")
}

fn error(fault: Fault, action: &'static str, place: &str) -> EngineError {
    match fault {
        Fault::Full => EngineError::Full {
            place: place.into(),
        },
        _ => EngineError::io(action, place, injected()),
    }
}

fn flip(fault: Fault, mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    if fault == Fault::FlipBit
        && let Some(byte) = bytes.get_mut(middle)
    {
        *byte ^= 0x10;
    }
    bytes
}

/// An engine that fails as its [`Faults`] say.
pub struct FaultyEngine<E> {
    inner: E,
    faults: Faults,
    /// Released segments and their capacities: a request that one of them serves needs no room.
    released: Mutex<BTreeMap<SegmentNo, u64>>,
}

impl<E: Engine> FaultyEngine<E> {
    /// Wraps an engine.
    pub fn new(inner: E, faults: Faults) -> Self {
        Self {
            inner,
            faults,
            released: Mutex::new(BTreeMap::new()),
        }
    }

    /// The engine inside.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// The engine inside, for reopening what survived.
    pub fn into_inner(self) -> E {
        self.inner
    }

    /// Takes room for a new segment unless a released one will serve.
    fn room_for_segment(&self, min_len: u64) -> Result<(), EngineError> {
        let recycles = self
            .released
            .lock()
            .values()
            .any(|capacity| *capacity >= min_len);
        if recycles || self.faults.take_room(min_len.max(u64::from(UNIT))) {
            Ok(())
        } else {
            Err(EngineError::Full {
                place: "a log segment".into(),
            })
        }
    }

    /// A fault at a point that only succeeds or fails. A turned bit is none there.
    fn simple(
        &self,
        point: FaultPoint,
        action: &'static str,
        place: &str,
    ) -> Result<(), EngineError> {
        match self.faults.draw(point) {
            None | Some(Fault::FlipBit) => Ok(()),
            Some(fault) => Err(error(fault, action, place)),
        }
    }
}

impl<E: Engine> Engine for FaultyEngine<E> {
    fn allocate(&self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError> {
        self.inner.allocate(space, len)
    }

    fn write_pages(&self, batch: &[(PageAddr, &[u8])]) -> Result<(), EngineError> {
        self.faults.check(Failed::Pages)?;
        let half = || {
            self.inner
                .write_pages(batch.get(..batch.len() / 2).unwrap_or_default())
        };
        match self.faults.draw(FaultPoint::PageWrite) {
            None | Some(Fault::FlipBit) => {}
            Some(Fault::Short) => {
                half()?;
                return Err(error(Fault::Short, "write", "pages"));
            }
            Some(Fault::Sync) => return Err(self.faults.fail_sync(Failed::Pages)),
            Some(fault) => return Err(error(fault, "write", "pages")),
        }
        let bytes: u64 = batch
            .iter()
            .map(|(_, b)| (b.len() as u64).next_multiple_of(u64::from(UNIT)))
            .sum();
        if !self.faults.take_room(bytes) {
            half()?;
            return Err(EngineError::Full {
                place: "pages".into(),
            });
        }
        self.inner.write_pages(batch)
    }

    fn sync_pages(&self) -> Result<(), EngineError> {
        self.faults.check(Failed::Pages)?;
        match self.faults.draw(FaultPoint::PageSync) {
            None | Some(Fault::FlipBit) => self.inner.sync_pages(),
            Some(_) => Err(self.faults.fail_sync(Failed::Pages)),
        }
    }

    fn read_page(&self, addr: PageAddr, len: u32) -> PageRead {
        let fault = self.faults.draw(FaultPoint::PageRead);
        let later = self.faults.0.lock().reads_later;
        let read = match fault {
            None => self.inner.read_page(addr, len),
            Some(Fault::FlipBit) => match self.inner.read_page(addr, len) {
                PageRead::Ready(read) => {
                    PageRead::Ready(read.map(|bytes| flip(Fault::FlipBit, bytes)))
                }
                PageRead::Later(read) => PageRead::Later(Box::pin(async move {
                    read.await.map(|bytes| flip(Fault::FlipBit, bytes))
                })),
            },
            Some(fault) => PageRead::Ready(Err(error(fault, "read", "pages"))),
        };
        match read {
            PageRead::Ready(read) if later => PageRead::Later(Box::pin(async move { read })),
            read => read,
        }
    }

    fn read_page_blocking(&self, addr: PageAddr, len: u32) -> Result<Vec<u8>, EngineError> {
        match self.faults.draw(FaultPoint::PageRead) {
            None => self.inner.read_page_blocking(addr, len),
            Some(Fault::FlipBit) => Ok(flip(
                Fault::FlipBit,
                self.inner.read_page_blocking(addr, len)?,
            )),
            Some(fault) => Err(error(fault, "read", "pages")),
        }
    }

    fn free(&self, freed: &[Freed]) {
        self.inner.free(freed);
    }

    fn drop_space(&self, space: SpaceId) {
        self.inner.drop_space(space);
    }

    fn zero_pages(&self, freed: &[Freed]) -> Result<(), EngineError> {
        self.faults.check(Failed::Pages)?;
        self.simple(FaultPoint::PageZero, "write", "pages")?;
        self.inner.zero_pages(freed)
    }

    fn zero_free(&self, from: PageAddr, at_most: u64) -> Result<Option<PageAddr>, EngineError> {
        self.faults.check(Failed::Pages)?;
        self.simple(FaultPoint::PageZero, "write", "pages")?;
        self.inner.zero_free(from, at_most)
    }

    fn allocation_map(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8> {
        self.inner.allocation_map(freed, dropped)
    }

    fn restore_allocation_map(&self, map: &[u8]) -> Result<(), EngineError> {
        self.inner.restore_allocation_map(map)
    }

    fn pack(&self, low: bool) {
        self.inner.pack(low);
    }

    fn trim(&self) -> Result<(), EngineError> {
        self.faults.check(Failed::Pages)?;
        self.simple(FaultPoint::Trim, "shorten", "pages")?;
        self.inner.trim()?;
        let left = self.inner.log_segments()?;
        self.released
            .lock()
            .retain(|no, _| left.iter().any(|(l, _)| l == no));
        Ok(())
    }

    fn install_root(&self, root: &[u8]) -> Result<(), EngineError> {
        self.faults.check(Failed::Root)?;
        match self.faults.draw(FaultPoint::RootInstall) {
            None | Some(Fault::FlipBit) => self.inner.install_root(root),
            Some(Fault::Sync) => {
                self.inner.install_root(root)?;
                Err(self.faults.fail_sync(Failed::Root))
            }
            Some(fault) => Err(error(fault, "write", "root")),
        }
    }

    fn set_live_root_slot(&self, slot: usize) {
        self.inner.set_live_root_slot(slot);
    }

    fn read_roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        match self.faults.draw(FaultPoint::RootRead) {
            None => self.inner.read_roots(),
            Some(Fault::FlipBit) => Ok(self
                .inner
                .read_roots()?
                .map(|root| root.map(|bytes| flip(Fault::FlipBit, bytes)))),
            Some(fault) => Err(error(fault, "read", "root")),
        }
    }

    fn log_create(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError> {
        self.simple(FaultPoint::LogCreate, "create", "a log segment")?;
        self.room_for_segment(min_len)?;
        let (no, capacity) = self.inner.log_create(min_len)?;
        self.released.lock().remove(&no);
        Ok((no, capacity))
    }

    fn log_prepare(&self, min_len: u64) -> Result<(), EngineError> {
        self.simple(FaultPoint::LogCreate, "create", "a log segment")?;
        self.room_for_segment(min_len)?;
        let before = self.inner.log_segments()?;
        self.inner.log_prepare(min_len)?;
        let made = self
            .inner
            .log_segments()?
            .into_iter()
            .filter(|segment| !before.contains(segment));
        self.released.lock().extend(made);
        Ok(())
    }

    fn log_segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        self.inner.log_segments()
    }

    fn log_write(&self, segment: SegmentNo, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.faults.check(Failed::Log(segment))?;
        match self.faults.draw(FaultPoint::LogWrite) {
            None | Some(Fault::FlipBit) => self.inner.log_write(segment, offset, bytes),
            Some(Fault::Short) => {
                self.inner.log_write(
                    segment,
                    offset,
                    bytes.get(..bytes.len() / 2).unwrap_or_default(),
                )?;
                Err(error(Fault::Short, "write", "log"))
            }
            Some(Fault::Sync) => Err(self.faults.fail_sync(Failed::Log(segment))),
            Some(fault) => Err(error(fault, "write", "log")),
        }
    }

    fn log_sync(&self, segment: SegmentNo) -> Result<(), EngineError> {
        self.faults.check(Failed::Log(segment))?;
        match self.faults.draw(FaultPoint::LogSync) {
            None | Some(Fault::FlipBit) => self.inner.log_sync(segment),
            Some(_) => Err(self.faults.fail_sync(Failed::Log(segment))),
        }
    }

    fn log_read(&self, segment: SegmentNo, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        match self.faults.draw(FaultPoint::LogRead) {
            None => self.inner.log_read(segment, offset, len),
            Some(Fault::FlipBit) => Ok(flip(
                Fault::FlipBit,
                self.inner.log_read(segment, offset, len)?,
            )),
            Some(fault) => Err(error(fault, "read", "log")),
        }
    }

    fn log_release(&self, segment: SegmentNo, wipe: bool) -> Result<(), EngineError> {
        self.simple(FaultPoint::LogRelease, "release", "a log segment")?;
        self.inner.log_release(segment, wipe)?;
        let all = self.inner.log_segments()?;
        self.released
            .lock()
            .extend(all.into_iter().filter(|(no, _)| *no == segment));
        Ok(())
    }

    fn log_wipe_released(&self) -> Result<(), EngineError> {
        self.simple(FaultPoint::LogRelease, "wipe", "released log segments")?;
        self.inner.log_wipe_released()
    }

    fn stats(&self) -> EngineStats {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests;
