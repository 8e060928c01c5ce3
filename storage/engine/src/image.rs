//! Files as sparse maps of units: what the memory and crash engines keep instead of a disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::root::{AREA_LEN, decode_area};
use crate::{EngineError, SegmentNo, UNIT};

/// The bytes of one unit.
pub(crate) type Unit = [u8; UNIT as usize];

/// One of the files of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileId {
    Pages,
    Root,
    Log(SegmentNo),
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pages => f.write_str("pages"),
            Self::Root => f.write_str("root"),
            Self::Log(no) => write!(f, "log segment {}", no.0),
        }
    }
}

/// Units that are copied together when one of them changes in a shared file.
const CHUNK: u64 = 64;

type Chunk = [Option<Arc<Unit>>; CHUNK as usize];

/// A file whose absent units are zeros. A clone shares everything until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    /// Length in bytes, whole units.
    pub(crate) len: u64,
    /// None of them is empty.
    chunks: BTreeMap<u64, Arc<Chunk>>,
}

impl Sparse {
    pub(crate) fn of_len(len: u64) -> Self {
        Self {
            len,
            chunks: BTreeMap::new(),
        }
    }

    /// A unit; `None` is zeros.
    pub(crate) fn unit(&self, no: u64) -> Option<&Arc<Unit>> {
        self.chunks
            .get(&(no / CHUNK))?
            .get((no % CHUNK) as usize)?
            .as_ref()
    }

    /// The units that are not zeros.
    pub(crate) fn units(&self) -> impl Iterator<Item = (u64, &Unit)> {
        self.chunks.iter().flat_map(|(chunk, units)| {
            let numbered = (chunk * CHUNK..).zip(units.iter());
            numbered.filter_map(|(no, unit)| Some((no, &**unit.as_ref()?)))
        })
    }

    /// `len` bytes at `offset`, or `None` beyond the end.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let end = offset
            .checked_add(len as u64)
            .filter(|end| *end <= self.len)?;
        let mut out = Vec::with_capacity(len);
        let mut at = offset;
        while at < end {
            let (unit, from) = (at / u64::from(UNIT), (at % u64::from(UNIT)) as usize);
            let to = (UNIT as usize).min(from + (end - at) as usize);
            match self.unit(unit) {
                Some(bytes) => out.extend_from_slice(bytes.get(from..to)?),
                None => out.resize(out.len() + to - from, 0),
            }
            at += (to - from) as u64;
        }
        Some(out)
    }

    /// New contents of the units that a write at a whole unit touches: the rest of the last unit as it is.
    pub(crate) fn overlay(&self, offset: u64, bytes: &[u8]) -> Vec<(u64, Option<Arc<Unit>>)> {
        let first = offset / u64::from(UNIT);
        let chunks = bytes.chunks(UNIT as usize).enumerate();
        chunks
            .map(|(i, chunk)| {
                let no = first + i as u64;
                let mut unit = match self.unit(no) {
                    Some(old) if chunk.len() < UNIT as usize => **old,
                    _ => [0; UNIT as usize],
                };
                if let Some(head) = unit.get_mut(..chunk.len()) {
                    head.copy_from_slice(chunk);
                }
                (no, Some(Arc::new(unit)))
            })
            .collect()
    }

    /// Puts a unit; `None` is zeros.
    pub(crate) fn set(&mut self, no: u64, unit: Option<Arc<Unit>>) {
        self.len = self.len.max((no + 1) * u64::from(UNIT));
        if unit.is_none() && !self.chunks.contains_key(&(no / CHUNK)) {
            return;
        }
        let zeros = || Arc::new([const { None }; CHUNK as usize]);
        let emptied = unit.is_none();
        let chunk = Arc::make_mut(self.chunks.entry(no / CHUNK).or_insert_with(zeros));
        if let Some(place) = chunk.get_mut((no % CHUNK) as usize) {
            *place = unit;
        }
        if emptied && chunk.iter().all(Option::is_none) {
            self.chunks.remove(&(no / CHUNK));
        }
    }

    /// Cuts the file to `len` bytes, whole units, if it is longer.
    pub(crate) fn truncate(&mut self, len: u64) {
        if len >= self.len {
            return;
        }
        let end = len / u64::from(UNIT);
        drop(self.chunks.split_off(&end.div_ceil(CHUNK)));
        for no in end..end.next_multiple_of(CHUNK) {
            self.set(no, None);
        }
        self.len = len;
    }
}

/// The bytes of an engine at one moment: pages, roots and log segments. Cheap to clone: the units are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub(crate) pages: Sparse,
    pub(crate) root: Sparse,
    pub(crate) logs: BTreeMap<SegmentNo, Sparse>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            pages: Sparse::default(),
            root: Sparse::of_len(AREA_LEN as u64),
            logs: BTreeMap::new(),
        }
    }
}

impl Image {
    /// The image of a new, empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `needle` stands anywhere in it, free places and slack included (within a file).
    #[must_use]
    pub fn contains(&self, needle: &[u8]) -> bool {
        let whole = |file: &Sparse| file.read(0, file.len as usize).unwrap_or_default();
        let found =
            |bytes: Vec<u8>| !needle.is_empty() && bytes.windows(needle.len()).any(|w| w == needle);
        found(whole(&self.pages))
            || found(whole(&self.root))
            || self.logs.values().any(|l| found(whole(l)))
    }

    pub(crate) fn roots(&self) -> [Option<Vec<u8>>; 2] {
        decode_area(&self.root.read(0, AREA_LEN).unwrap_or_default())
    }

    pub(crate) fn file(&self, id: FileId) -> Option<&Sparse> {
        match id {
            FileId::Pages => Some(&self.pages),
            FileId::Root => Some(&self.root),
            FileId::Log(no) => self.logs.get(&no),
        }
    }

    fn file_mut(&mut self, id: FileId) -> Option<&mut Sparse> {
        match id {
            FileId::Pages => Some(&mut self.pages),
            FileId::Root => Some(&mut self.root),
            FileId::Log(no) => self.logs.get_mut(&no),
        }
    }

    /// Does what the event says. An event for a segment that does not exist is without effect.
    pub(crate) fn play(&mut self, event: &Event) {
        match event {
            Event::Write { file, units } => {
                if let Some(file) = self.file_mut(*file) {
                    for (no, unit) in units {
                        file.set(*no, unit.clone());
                    }
                }
            }
            Event::Truncate { len } => self.pages.truncate(*len),
            Event::CreateSegment { no, capacity } => {
                self.logs.insert(*no, Sparse::of_len(*capacity));
            }
            Event::RemoveSegment { no } => {
                self.logs.remove(no);
            }
            Event::Sync { .. } | Event::SyncNames => {}
        }
    }
}

/// Something that an engine does to its disk. Each one is a moment at which the power may fail.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// New contents of whole units; `None` is zeros.
    Write {
        file: FileId,
        units: Vec<(u64, Option<Arc<Unit>>)>,
    },
    /// The page file is cut to this many bytes.
    Truncate { len: u64 },
    /// What was written to the file is durable.
    Sync { file: FileId },
    /// A segment full of zeros, synced under another name, gets its own.
    CreateSegment { no: SegmentNo, capacity: u64 },
    /// A segment loses its name.
    RemoveSegment { no: SegmentNo },
    /// Names given and taken are durable.
    SyncNames,
}

/// Where events go: an image that forgets the past, or a journal that does not.
pub(crate) trait Device: Send + Sync {
    /// Does what the event says, or refuses.
    fn apply(&mut self, event: Event) -> Result<(), EngineError>;
    /// What was written.
    fn image(&self) -> &Image;
    /// The same for reads, which it refuses once it has crashed.
    fn now(&self) -> Result<&Image, EngineError> {
        Ok(self.image())
    }
}

impl Device for Image {
    fn apply(&mut self, event: Event) -> Result<(), EngineError> {
        self.play(&event);
        Ok(())
    }

    fn image(&self) -> &Image {
        self
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write { file, units } => write!(f, "write {file}, {} units", units.len()),
            Self::Truncate { len } => write!(f, "truncate pages to {len} bytes"),
            Self::Sync { file } => write!(f, "sync {file}"),
            Self::CreateSegment { no, .. } => write!(f, "create log segment {}", no.0),
            Self::RemoveSegment { no } => write!(f, "remove log segment {}", no.0),
            Self::SyncNames => f.write_str("sync the directory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sparse_file_is_a_map_of_units(ops in proptest::collection::vec((0u64..400, 0u8..6), 1..120)) {
            let mut file = Sparse::default();
            let mut model: BTreeMap<u64, u8> = BTreeMap::new();
            let mut len = 0;
            for (no, fill) in ops {
                let before = file.clone();
                match fill {
                    0 => {
                        file.set(no, None);
                        model.remove(&no);
                        len = len.max(no + 1);
                    }
                    1 => {
                        file.truncate(no * 4096);
                        model.split_off(&no);
                        len = len.min(no);
                    }
                    _ => {
                        file.set(no, Some(Arc::new([fill; 4096])));
                        model.insert(no, fill);
                        len = len.max(no + 1);
                    }
                }
                prop_assert!(before.units().all(|(no, unit)| before.read(no * 4096, 4096).as_deref() == Some(&unit[..])));
                prop_assert_eq!(file.len, len * 4096);
                let units: Vec<(u64, u8)> = file.units().map(|(no, unit)| (no, unit[77])).collect();
                prop_assert_eq!(units, model.clone().into_iter().collect::<Vec<_>>());
            }
            let bytes = file.read(0, file.len as usize).unwrap_or_default();
            for no in 0..len {
                prop_assert_eq!(bytes[no as usize * 4096], model.get(&no).copied().unwrap_or(0));
            }
            prop_assert_eq!(file.read(file.len, 1), None);
        }
    }
}
