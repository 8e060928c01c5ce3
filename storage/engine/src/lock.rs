//! The directory of a database: how it is entered, whose it is, and the lock that keeps a second writer out. Shared by the
//! engines that have one.
//!
//! The lock is `flock` on the file `lock`, by a descriptor with CLOEXEC, released by closing it, never by `LOCK_UN`: a forked child
//! shares the descriptor, and its exit must not unlock what its parent holds. The file holds the holder's process id in
//! decimal, for the message only.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::EngineError;

/// How a directory is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMode {
    /// Opens the database, or makes one where there is none.
    #[default]
    OpenOrCreate,
    /// Makes a new one; [`EngineError::Exists`] if there is one.
    Create,
    /// Opens an existing one; [`EngineError::NotFound`] if there is none.
    Open,
    /// The same, for reading only: nothing in the directory is changed. Still alone: not beside a writer.
    ReadOnly,
}

impl OpenMode {
    /// Whether it makes a database where there is none.
    pub(crate) fn creates(self) -> bool {
        matches!(self, Self::OpenOrCreate | Self::Create)
    }
}

const LOCK: &str = "lock";

/// What makes a directory a database, by engine.
const MARKS: [(&str, &str); 2] = [("file", ROOT), ("sled", SLED)];

/// The root file of the file engine.
pub(crate) const ROOT: &str = "root.seal";
/// The folder of the sled engine.
pub(crate) const SLED: &str = "sealdb.sled";

/// Whether a directory holds a database, of whichever engine, open or not.
#[must_use]
pub fn database_exists(dir: impl AsRef<Path>) -> bool {
    let dir = dir.as_ref();
    MARKS.iter().any(|(_, mark)| dir.join(mark).exists())
}

/// The directory as the system names it, if it may be opened in this mode by this engine: made if the mode says so and it is
/// missing, refused if another engine's database is in it.
pub(crate) fn enter(path: &Path, engine: &str, mode: OpenMode) -> Result<PathBuf, EngineError> {
    if mode.creates() {
        create_directory(path)?;
    }
    let canonical = path.canonicalize().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => EngineError::NotFound { path: path.into() },
        _ => EngineError::io("open", path.display().to_string(), e),
    })?;
    let theirs = |(other, mark): &&(&str, &str)| *other != engine && canonical.join(mark).exists();
    match MARKS.iter().find(theirs) {
        None => Ok(canonical),
        Some((other, _)) => Err(EngineError::OtherEngine {
            path: canonical,
            engine: other,
        }),
    }
}

/// Makes the directory, owner-only, and its name durable. One that exists is taken as it is.
pub(crate) fn create_directory(path: &Path) -> Result<(), EngineError> {
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

/// A database is made in a directory of its own: not, by a slip, in somebody's home. Names that begin with `audit` belong to the
/// room above.
pub(crate) fn refuse_foreign_files(
    path: &Path,
    ours: impl Fn(&str) -> bool,
) -> Result<(), EngineError> {
    let known =
        |name: &str| matches!(name, LOCK | "lost+found") || name.starts_with("audit") || ours(name);
    match names(path)?.into_iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(found) => Err(EngineError::ForeignFiles {
            path: path.to_path_buf(),
            found,
        }),
    }
}

/// Names in a directory.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, EngineError> {
    let failed = |e| EngineError::io("list", path.display().to_string(), e);
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let name = |entry: io::Result<std::fs::DirEntry>| {
        entry.map(|e| e.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().map_err(failed)
}

/// Opens a file, or makes it, for the owner alone.
pub(crate) fn open_file(path: &Path, flags: OFlags) -> Result<File, EngineError> {
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

/// A directory that nobody else has open, until this is closed or dropped.
pub(crate) struct Held {
    path: PathBuf,
    mode: OpenMode,
    /// The process that opened it.
    owner: u32,
    closed: AtomicBool,
    lock: Mutex<Option<Lock>>,
}

/// What keeps others out.
struct Lock {
    // In this order: the lock is let go before the claim, so that the next open in this process finds both or none.
    _flock: File,
    _claim: Claim,
}

impl Held {
    /// Locks a directory that [`enter`] gave.
    pub(crate) fn lock(path: PathBuf, mode: OpenMode) -> Result<Self, EngineError> {
        let claim = Claim::new(&path)?;
        let flock = lock(&path, mode)?;
        Ok(Self {
            path,
            mode,
            owner: std::process::id(),
            closed: AtomicBool::new(false),
            lock: Mutex::new(Some(Lock {
                _flock: flock,
                _claim: claim,
            })),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn mode(&self) -> OpenMode {
        self.mode
    }

    /// Whether this is a forked child of the process that opened it.
    pub(crate) fn is_foreign(&self) -> bool {
        std::process::id() != self.owner
    }

    /// Refuses whoever has no lock: after a close, and in a forked child, which shares the lock with its parent, but not what the
    /// parent changes in memory.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        if self.is_foreign() {
            return Err(EngineError::ForeignProcess {
                owner: self.owner,
                caller: std::process::id(),
            });
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(EngineError::Closed);
        }
        Ok(())
    }

    /// The same, and whoever opened for reading only.
    pub(crate) fn check_writable(&self) -> Result<(), EngineError> {
        self.check()?;
        match self.mode {
            OpenMode::ReadOnly => Err(EngineError::ReadOnly),
            _ => Ok(()),
        }
    }

    /// From now on every check refuses. The lock stays.
    pub(crate) fn shut(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Lets the next one in. A forked child only closes its copy of the descriptor.
    pub(crate) fn unlock(&self) {
        self.shut();
        *self.lock.lock() = None;
    }

    /// As if the parent had opened it and this were the child.
    #[cfg(test)]
    pub(crate) fn forked(&mut self) {
        self.owner = self.owner.wrapping_add(1);
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
