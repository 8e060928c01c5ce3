//! What the sled engine keeps in a directory, and in sled's trees.
//!
//! | in the directory | what it is |
//! |---|---|
//! | `lock` | as the file engine's |
//! | `sealdb.sled/` | sled's own files; its existence is what makes a directory a database of this engine |
//!
//! | tree | key, big-endian | value |
//! |---|---|---|
//! | `pages` | unit 8 | a unit of 4096 bytes without the zeros at its end; none: all zeros |
//! | `log` | segment 4, unit 8 | the same |
//! | `segments` | segment 4 | capacity 8 |
//! | `roots` | slot 1 | the root |

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sled::{Config, Db, Tree};

use crate::lock::SLED;
use crate::{EngineError, SegmentNo, UNIT};

/// How often, and after how long each time, sled's own lock is tried again.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// An open sled.
pub(super) struct Trees {
    db: Db,
    /// sled's data, for the `fdatasync` that sled does not do.
    file: File,
    pages: Tree,
    log: Tree,
    segments: Tree,
    roots: Tree,
    /// Bytes of the pages, up to the last unit that was ever written.
    pages_len: AtomicU64,
}

impl Trees {
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let config = Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None); // who needs a sync asks for one
        let db = open(&config)?;
        let tree = |name: &str| db.open_tree(name).map_err(failed("open"));
        let (pages, log, segments, roots) = (
            tree("pages")?,
            tree("log")?,
            tree("segments")?,
            tree("roots")?,
        );
        let io = |e| EngineError::io("open", folder.display().to_string(), e);
        let file = File::open(folder.join("db")).map_err(io)?;
        File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
        let last = pages.last().map_err(failed("read"))?;
        let end = last.and_then(|(key, _)| Some(u64::from_be_bytes(*key.first_chunk()?) + 1));
        let pages_len = AtomicU64::new(end.unwrap_or(0) * u64::from(UNIT));
        Ok(Self {
            db,
            file,
            pages,
            log,
            segments,
            roots,
            pages_len,
        })
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        let flushed = self.db.flush().map(drop).map_err(into_io);
        let synced = flushed.and_then(|()| self.file.sync_data());
        synced.map_err(|e| EngineError::SyncFailed {
            place: SLED.into(),
            source: Arc::new(e),
        })
    }

    pub(super) fn pages(&self) -> Units<'_> {
        Units {
            tree: &self.pages,
            prefix: Vec::new(),
        }
    }

    pub(super) fn log(&self, no: SegmentNo) -> Units<'_> {
        Units {
            tree: &self.log,
            prefix: no.0.to_be_bytes().into(),
        }
    }

    pub(super) fn pages_len(&self) -> u64 {
        self.pages_len.load(Ordering::Acquire)
    }

    /// The pages have at least this many bytes.
    pub(super) fn reaches(&self, len: u64) {
        self.pages_len.fetch_max(len, Ordering::AcqRel);
    }

    pub(super) fn read_page(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        if offset + len as u64 > self.pages_len() {
            return Err(EngineError::Truncated {
                place: format!("{SLED}, pages at byte {offset}"),
            });
        }
        self.pages().read(offset, len)
    }

    pub(super) fn truncate_pages(&self, len: u64) -> Result<(), EngineError> {
        self.pages().clear(len / u64::from(UNIT)..u64::MAX)?;
        self.pages_len.store(len, Ordering::Release);
        Ok(())
    }

    /// Segments with their capacities. What is no segment is passed over: nobody but this engine writes here.
    pub(super) fn segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        let mut found = Vec::new();
        for entry in self.segments.iter() {
            let (key, value) = entry.map_err(failed("read"))?;
            if let (Some(no), Some(capacity)) = (key.first_chunk(), value.first_chunk()) {
                let no = SegmentNo(u32::from_be_bytes(*no));
                found.push((no, u64::from_be_bytes(*capacity)));
            }
        }
        Ok(found)
    }

    pub(super) fn add_segment(&self, no: SegmentNo, capacity: u64) -> Result<(), EngineError> {
        let added = self
            .segments
            .insert(no.0.to_be_bytes(), &capacity.to_be_bytes());
        added.map(drop).map_err(failed("write"))
    }

    /// The units first: a crash between leaves an empty segment.
    pub(super) fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError> {
        self.log(no).clear(0..u64::MAX)?;
        let removed = self.segments.remove(no.0.to_be_bytes());
        removed.map(drop).map_err(failed("write"))
    }

    pub(super) fn roots(&self) -> Result<[Option<Vec<u8>>; 2], EngineError> {
        let root = |slot: u8| {
            let root = self.roots.get([slot]).map_err(failed("read"))?;
            Ok::<_, EngineError>(root.map(|root| root.to_vec()))
        };
        Ok([root(0)?, root(1)?])
    }

    pub(super) fn write_root(&self, slot: usize, root: &[u8]) -> Result<(), EngineError> {
        let written = self.roots.insert([slot as u8], root);
        written.map(drop).map_err(failed("write"))
    }
}

/// Opens sled, which panics over some of what a loss of power leaves, and which, when it is dropped, may keep its own lock for
/// a moment: ours says that nobody else has the directory.
fn open(config: &Config) -> Result<Db, EngineError> {
    for _ in 0..LOCK_TRIES {
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        match opened.unwrap_or_else(|_| Err(sled::Error::ReportableBug("it panicked".into()))) {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(e)) if e.to_string().contains("could not acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(e) => return Err(failed("open")(e)),
        }
    }
    Err(EngineError::io(
        "lock",
        SLED,
        io::ErrorKind::TimedOut.into(),
    ))
}

fn into_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(e) => e,
        other => io::Error::other(other.to_string()),
    }
}

fn failed(action: &'static str) -> impl Fn(sled::Error) -> EngineError {
    move |error| EngineError::io(action, SLED, into_io(error))
}

/// The pages, or a log segment, as units by number.
pub(super) struct Units<'a> {
    tree: &'a Tree,
    prefix: Vec<u8>,
}

impl Units<'_> {
    fn key(&self, no: u64) -> Vec<u8> {
        [&self.prefix[..], &no.to_be_bytes()].concat()
    }

    /// `len` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        let size = u64::from(UNIT);
        let end = offset + len as u64;
        let mut out = vec![0; len];
        for no in offset / size..end.div_ceil(size) {
            let Some(unit) = self.tree.get(self.key(no)).map_err(failed("read"))? else {
                continue;
            };
            let begins = no * size;
            let from = offset.saturating_sub(begins) as usize;
            let to = unit.len().min((end - begins) as usize);
            let at = begins.saturating_sub(offset) as usize;
            if let (Some(bytes), Some(rest)) = (unit.get(from..to), out.get_mut(at..)) {
                rest.iter_mut()
                    .zip(bytes)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        Ok(out)
    }

    /// Writes whole units; what the last one lacks is zeros.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        for (no, unit) in self.numbered(offset, bytes) {
            self.put(no, unit)?;
        }
        Ok(())
    }

    /// Writes from a whole unit on; what stands behind the bytes in the last one stays.
    pub(super) fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        for (no, new) in self.numbered(offset, bytes) {
            let old = match new.len() < UNIT as usize {
                true => self.tree.get(self.key(no)).map_err(failed("read"))?,
                false => None,
            };
            let behind = old.as_deref().and_then(|old| old.get(new.len()..));
            self.put(no, &[new, behind.unwrap_or_default()].concat())?;
        }
        Ok(())
    }

    fn numbered<'b>(&self, offset: u64, bytes: &'b [u8]) -> impl Iterator<Item = (u64, &'b [u8])> {
        (offset / u64::from(UNIT)..).zip(bytes.chunks(UNIT as usize))
    }

    fn put(&self, no: u64, unit: &[u8]) -> Result<(), EngineError> {
        let used = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        let put = match unit.get(..used) {
            None | Some([]) => self.tree.remove(self.key(no)),
            Some(bytes) => self.tree.insert(self.key(no), bytes),
        };
        put.map(drop).map_err(failed("write"))
    }

    /// Makes units zeros and tells how many were none.
    pub(super) fn clear(&self, units: Range<u64>) -> Result<u64, EngineError> {
        let mut cleared = 0;
        let found = self.tree.range(self.key(units.start)..self.key(units.end));
        for key in found.keys() {
            let key = key.map_err(failed("read"))?;
            self.tree.remove(key).map_err(failed("write"))?;
            cleared += 1;
        }
        Ok(cleared)
    }
}
