//! The directory of a database of files: names and creation.
//!
//! | name | what it is |
//! |---|---|
//! | `lock` | locked while open; holds the holder's process id in decimal, for the message only |
//! | `pages.seal` | the page file, units of 4096 bytes |
//! | `root.seal` | two root slots; its existence is what makes a directory a database |
//! | `log.NNNN` | log segments, at least four decimal digits |
//! | `root.seal.new`, `log.new` | being made; removed at the next open |
//!
//! Names that begin with `audit` belong to the room above and are left alone. Files are made with mode 0600, the directory,
//! if it is made here, with 0700. A new file is synced under another name before it gets its own, then the directory is synced,
//! so that each name stands for a whole file.

use std::io;
use std::path::Path;

use rustix::fs::OFlags;

use super::durable::DurableFile;
use crate::lock::{Held, OpenMode, ROOT, enter, names, open_file, refuse_foreign_files};
use crate::root::AREA_LEN;
use crate::{EngineError, SegmentNo};

pub(super) const PAGES: &str = "pages.seal";
const ROOT_NEW: &str = "root.seal.new";
const LOG_NEW: &str = "log.new";

/// The file of a segment.
pub(super) fn log_name(no: SegmentNo) -> String {
    format!("log.{:04}", no.0)
}

/// The segment of a file name, if it is one of ours in its only spelling.
fn log_number(name: &str) -> Option<SegmentNo> {
    let no = SegmentNo(name.strip_prefix("log.")?.parse().ok()?);
    (log_name(no) == name).then_some(no)
}

/// An open, locked directory.
pub(super) struct Directory {
    held: Held,
    handle: DurableFile,
}

impl Directory {
    /// Locks the directory, and makes what is missing if the mode says so.
    pub(super) fn open(path: &Path, mode: OpenMode) -> Result<Self, EngineError> {
        let path = enter(path, "file", mode)?;
        let existed = path.join(ROOT).exists();
        match mode {
            OpenMode::Create if existed => return Err(EngineError::Exists { path }),
            OpenMode::Open | OpenMode::ReadOnly if !existed => return Err(missing_root(&path)),
            OpenMode::OpenOrCreate | OpenMode::Create if !existed => {
                refuse_foreign_files(&path, is_ours)?;
            }
            _ => {}
        }
        let held = Held::lock(path, mode)?;
        let handle = open_file(held.path(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        let handle = DurableFile::new(handle, held.path().display().to_string());
        let directory = Self { held, handle };
        if mode != OpenMode::ReadOnly {
            directory.remove_if_there(ROOT_NEW)?;
            directory.remove_if_there(LOG_NEW)?;
            let path = directory.held.path();
            let exists = path.join(ROOT).exists();
            if exists && mode == OpenMode::Create {
                return Err(EngineError::Exists { path: path.into() }); // made while we waited for the lock
            }
            if mode.creates() && !exists {
                directory.create_database()?;
            }
        }
        Ok(directory)
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    #[cfg(test)]
    pub(super) fn held_mut(&mut self) -> &mut Held {
        &mut self.held
    }

    /// Opens a file that must exist.
    pub(super) fn file(&self, name: &str) -> Result<DurableFile, EngineError> {
        let access = match self.held.mode() {
            OpenMode::ReadOnly => OFlags::RDONLY,
            _ => OFlags::RDWR,
        };
        let file = open_file(&self.held.path().join(name), access)?;
        Ok(DurableFile::new(file, name))
    }

    /// Segments in existence with their lengths in whole units.
    pub(super) fn segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        let mut found = Vec::new();
        for name in names(self.held.path())? {
            if let Some(no) = log_number(&name) {
                let place = self.held.path().join(&name);
                let len = place
                    .metadata()
                    .map_err(|e| EngineError::io("look at", name, e))?
                    .len();
                found.push((no, len - len % u64::from(crate::UNIT)));
            }
        }
        Ok(found)
    }

    /// Makes a segment full of zeros. Durable on return, with its name; on an error nothing is left.
    pub(super) fn create_segment(
        &self,
        no: SegmentNo,
        capacity: u64,
    ) -> Result<DurableFile, EngineError> {
        self.handle.check()?;
        let name = log_name(no);
        let made = self.create_zeroed(LOG_NEW, &name, capacity);
        if made.is_err() {
            // Best effort: what is left here is removed or overwritten by the next attempt.
            drop(std::fs::remove_file(self.held.path().join(LOG_NEW)));
        }
        made
    }

    /// Removes a segment. The name is gone durably after [`sync`](Self::sync).
    pub(super) fn remove_segment(&self, no: SegmentNo) -> Result<(), EngineError> {
        self.handle.check()?;
        self.remove_if_there(&log_name(no))
    }

    /// Makes names given and taken durable.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        self.handle.sync()
    }

    /// The page file first, the root file last: a crash between leaves a directory that is still none of a database.
    fn create_database(&self) -> Result<(), EngineError> {
        let no_logs = self.segments()?.is_empty();
        let pages = open_file(&self.held.path().join(PAGES), OFlags::RDWR | OFlags::CREATE)?;
        let pages = DurableFile::new(pages, PAGES);
        if pages.len()? != 0 || !no_logs {
            // Someone took the root away. Making a new one would bury what is left.
            return Err(EngineError::MissingFile {
                path: self.held.path().join(ROOT),
            });
        }
        pages.sync()?;
        drop(self.create_zeroed(ROOT_NEW, ROOT, AREA_LEN as u64)?);
        Ok(())
    }

    fn create_zeroed(
        &self,
        temporary: &str,
        name: &str,
        len: u64,
    ) -> Result<DurableFile, EngineError> {
        let from = self.held.path().join(temporary);
        let file = open_file(&from, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        let file = DurableFile::new(file, name);
        file.write_zeros(0, len)?;
        file.sync()?;
        // Crash here: the temporary name is removed at the next open.
        std::fs::rename(&from, self.held.path().join(name))
            .map_err(|e| EngineError::io("name", name, e))?;
        self.sync()?;
        Ok(file)
    }

    fn remove_if_there(&self, name: &str) -> Result<(), EngineError> {
        match std::fs::remove_file(self.held.path().join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(EngineError::io("remove", name, e))
            }
            _ => Ok(()),
        }
    }
}

/// The root file's bytes, read without a lock.
pub(super) fn peek_root(path: &Path) -> Result<Vec<u8>, EngineError> {
    if !path.join(ROOT).exists() {
        return Err(missing_root(path));
    }
    DurableFile::new(open_file(&path.join(ROOT), OFlags::RDONLY)?, ROOT).read_exact_at(0, AREA_LEN)
}

/// No root: either nothing was ever here, or it was taken away.
fn missing_root(path: &Path) -> EngineError {
    let remains = names(path).is_ok_and(|names| names.iter().any(|n| log_number(n).is_some()));
    match remains || path.join(PAGES).metadata().is_ok_and(|m| m.len() > 0) {
        true => EngineError::MissingFile {
            path: path.join(ROOT),
        },
        false => EngineError::NotFound {
            path: path.to_path_buf(),
        },
    }
}

fn is_ours(name: &str) -> bool {
    matches!(name, PAGES | ROOT_NEW | LOG_NEW) || log_number(name).is_some()
}
