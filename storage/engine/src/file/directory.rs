//! The directory of a database: names, creation, and the lock that keeps a second writer out.
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

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::OpenMode;
use super::durable::DurableFile;
use crate::root::AREA_LEN;
use crate::{EngineError, SegmentNo};

const LOCK: &str = "lock";
pub(super) const PAGES: &str = "pages.seal";
pub(super) const ROOT: &str = "root.seal";
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

/// Directories open in this process, by canonical path. `flock` alone would refuse a second open too, but could not tell that
/// it is this process which holds it.
static OPEN_HERE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// An entry of the table of open directories, for as long as it lives.
struct Claim(PathBuf);

impl Claim {
    fn new(path: &Path) -> Result<Self, EngineError> {
        if OPEN_HERE.lock().insert(path.to_path_buf()) {
            Ok(Self(path.to_path_buf()))
        } else {
            Err(EngineError::AlreadyOpen {
                path: path.to_path_buf(),
            })
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        OPEN_HERE.lock().remove(&self.0);
    }
}

/// An open, locked directory.
///
/// The lock is `flock` on a descriptor with CLOEXEC, released by closing it, never by `LOCK_UN`: a forked child shares the
/// descriptor, and its exit must not unlock what its parent holds.
pub(super) struct Directory {
    path: PathBuf,
    handle: DurableFile,
    lock: Mutex<Option<Lock>>,
}

/// What keeps others out.
struct Lock {
    // In this order: the lock is let go before the claim, so that the next open in this process finds both or none.
    _flock: File,
    _claim: Claim,
}

impl Directory {
    /// Locks the directory, and makes what is missing if the mode says so.
    pub(super) fn open(path: &Path, mode: OpenMode) -> Result<Self, EngineError> {
        let creates = matches!(mode, OpenMode::OpenOrCreate | OpenMode::Create);
        if creates {
            create_directory(path)?;
        }
        let shown = path.to_path_buf();
        let path = path.canonicalize().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => EngineError::NotFound { path: shown },
            _ => EngineError::io("open", shown.display().to_string(), e),
        })?;
        let existed = path.join(ROOT).exists();
        match mode {
            OpenMode::Create if existed => return Err(EngineError::Exists { path }),
            OpenMode::Open | OpenMode::ReadOnly if !existed => return Err(missing_root(&path)),
            OpenMode::OpenOrCreate | OpenMode::Create if !existed => refuse_foreign_files(&path)?,
            _ => {}
        }
        let claim = Claim::new(&path)?;
        let lock = lock(&path, mode)?;
        let handle = open_file(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let handle = DurableFile::new(handle, path.display().to_string());
        let directory = Self {
            path,
            handle,
            lock: Mutex::new(Some(Lock {
                _flock: lock,
                _claim: claim,
            })),
        };
        if mode != OpenMode::ReadOnly {
            directory.remove_if_there(ROOT_NEW)?;
            directory.remove_if_there(LOG_NEW)?;
            let exists = directory.path.join(ROOT).exists();
            if exists && mode == OpenMode::Create {
                return Err(EngineError::Exists {
                    path: directory.path,
                }); // made while we waited for the lock
            }
            if creates && !exists {
                directory.create_database()?;
            }
        }
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the next one in.
    pub(super) fn unlock(&self) {
        *self.lock.lock() = None;
    }

    /// Opens a file that must exist.
    pub(super) fn file(&self, name: &str, mode: OpenMode) -> Result<DurableFile, EngineError> {
        let access = if mode == OpenMode::ReadOnly {
            OFlags::RDONLY
        } else {
            OFlags::RDWR
        };
        let file = open_file(&self.path.join(name), access)?;
        Ok(DurableFile::new(file, name))
    }

    /// Segments in existence with their lengths in whole units.
    pub(super) fn segments(&self) -> Result<Vec<(SegmentNo, u64)>, EngineError> {
        let mut found = Vec::new();
        for name in names(&self.path)? {
            if let Some(no) = log_number(&name) {
                let place = self.path.join(&name);
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
            drop(std::fs::remove_file(self.path.join(LOG_NEW)));
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
        let pages = open_file(&self.path.join(PAGES), OFlags::RDWR | OFlags::CREATE)?;
        let pages = DurableFile::new(pages, PAGES);
        if pages.len()? != 0 || !no_logs {
            // Someone took the root away. Making a new one would bury what is left.
            return Err(EngineError::MissingFile {
                path: self.path.join(ROOT),
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
        let from = self.path.join(temporary);
        let file = open_file(&from, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        let file = DurableFile::new(file, name);
        file.write_zeros(0, len)?;
        file.sync()?;
        // Crash here: the temporary name is removed at the next open.
        std::fs::rename(&from, self.path.join(name))
            .map_err(|e| EngineError::io("name", name, e))?;
        self.sync()?;
        Ok(file)
    }

    fn remove_if_there(&self, name: &str) -> Result<(), EngineError> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(EngineError::io("remove", name, e))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the directory holds a database.
pub(super) fn exists(path: &Path) -> bool {
    path.join(ROOT).exists()
}

/// The root file's bytes, read without a lock.
pub(super) fn peek_root(path: &Path) -> Result<Vec<u8>, EngineError> {
    if !exists(path) {
        return Err(missing_root(path));
    }
    DurableFile::new(open_file(&path.join(ROOT), OFlags::RDONLY)?, ROOT).read_exact_at(0, AREA_LEN)
}

/// Makes the directory, owner-only, and its name durable. One that exists is taken as it is.
fn create_directory(path: &Path) -> Result<(), EngineError> {
    if path.is_dir() {
        return Ok(());
    }
    let failed = |e| EngineError::io("create", path.display().to_string(), e);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    let parent = path.canonicalize().map_err(failed)?;
    if let Some(parent) = parent.parent() {
        File::open(parent)
            .and_then(|d| d.sync_all())
            .map_err(failed)?;
    }
    Ok(())
}

fn open_file(path: &Path, flags: OFlags) -> Result<File, EngineError> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::NOENT) => Err(EngineError::MissingFile {
            path: path.to_path_buf(),
        }),
        Err(e) => Err(EngineError::io(
            "open",
            path.display().to_string(),
            e.into(),
        )),
    }
}

fn lock(path: &Path, mode: OpenMode) -> Result<File, EngineError> {
    let name = path.join(LOCK);
    let mut file = match mode {
        // A directory that may not be written (a snapshot, another's backup) may lack the file; then it has no writer.
        OpenMode::ReadOnly => match open_file(&name, OFlags::RDONLY) {
            Err(EngineError::MissingFile { .. }) => {
                open_file(path, OFlags::RDONLY | OFlags::DIRECTORY)?
            }
            other => other?,
        },
        _ => open_file(&name, OFlags::RDWR | OFlags::CREATE)?,
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let holder = read_holder(&mut file);
            let path = path.to_path_buf();
            // The same directory under another path, a bind mount for example.
            return Err(match holder {
                Some(pid) if pid == std::process::id() => EngineError::AlreadyOpen { path },
                _ => EngineError::Locked { path, holder },
            });
        }
        Err(e) => {
            return Err(EngineError::io(
                "lock",
                name.display().to_string(),
                e.into(),
            ));
        }
    }
    if mode != OpenMode::ReadOnly {
        let note = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        note.map_err(|e| EngineError::io("write", name.display().to_string(), e))?;
    }
    Ok(file)
}

fn read_holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn names(path: &Path) -> Result<Vec<String>, EngineError> {
    let failed = |e| EngineError::io("list", path.display().to_string(), e);
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let name = |entry: io::Result<std::fs::DirEntry>| {
        entry.map(|e| e.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().map_err(failed)
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

/// A database is made in a directory of its own: not, by a slip, in somebody's home.
fn refuse_foreign_files(path: &Path) -> Result<(), EngineError> {
    let ours = |name: &str| {
        matches!(name, LOCK | PAGES | ROOT_NEW | LOG_NEW | "lost+found")
            || name.starts_with("audit")
            || log_number(name).is_some()
    };
    match names(path)?.into_iter().find(|name| !ours(name)) {
        None => Ok(()),
        Some(found) => Err(EngineError::ForeignFiles {
            path: path.to_path_buf(),
            found,
        }),
    }
}
