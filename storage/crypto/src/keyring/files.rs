//! Files that only their owner may read, replaced in one step.
//!
//! - [`replace`]: a temporary file beside the target is written and synced, renamed over it, and the directory synced. A crash
//!   at any point leaves the whole old or the whole new file, and at worst a temporary file that the next replacement overwrites.
//! - [`Lock`]: an exclusive `flock` on `NAME.lock` beside the file, held over read, change and replace, so that two processes
//!   do not lose each other's change. The lock file stays. Readers need no lock: they see one whole file or the other.
//! - [`Stamp`]: what `stat` says, to notice that another process replaced the file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use zeroize::Zeroizing;

use super::error::KeyringError;

/// Owner may read and write.
const OWNER_ONLY: u32 = 0o600;
/// Keyrings and root keys are far smaller.
pub(super) const MAX_FILE: u64 = 16 << 20;

/// Makes the directory of `path`, and those above, with mode 0700 where they are missing.
pub(super) fn create_dir_owner_only(path: &Path) -> Result<(), KeyringError> {
    let directory = directory_of(path);
    if directory.exists() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| KeyringError::io("create the directory", directory, error))
}

/// Writes a new owner-only file and syncs it and its directory. Refuses to overwrite.
pub(super) fn create_new(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let mut file =
        owner_only()
            .create_new(true)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => KeyringError::Exists {
                    path: path.to_owned(),
                },
                _ => KeyringError::io("create", path, error),
            })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a file would look like a damaged keyring and block the next attempt.
        let _ = std::fs::remove_file(path);
        return Err(KeyringError::io("write", path, error));
    }
    sync_directory(path)
}

/// Replaces the file in one step. The caller holds the [`Lock`].
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let temporary = beside(path, ".tmp");
    // A leftover of a crash is removed rather than reused, so that its mode cannot be anything but ours.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(KeyringError::io("remove", &temporary, error));
        }
        _ => {}
    }
    create_new(&temporary, bytes)?;
    // Crash here: the old file stands, the temporary file is left over.
    std::fs::rename(&temporary, path).map_err(|error| KeyringError::io("replace", path, error))?;
    // Crash here: either file may stand, each whole.
    sync_directory(path)
}

/// Reads a file that must belong to this user (or root) and be closed to everyone else.
pub(super) fn read_owner_only(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    read_stamped(path).map(|(bytes, _)| bytes)
}

/// The same, with the stamp of exactly the file that was read.
pub(super) fn read_stamped(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Stamp), KeyringError> {
    let file = open_for_reading(path)?;
    let metadata = file
        .metadata()
        .map_err(|error| KeyringError::io("read", path, error))?;
    check_owner_only(path, &metadata)?;
    if metadata.len() > MAX_FILE {
        return Err(KeyringError::Damaged {
            path: path.to_owned(),
            what: "it is far too long",
        });
    }
    // Reserved beforehand: a growing buffer would leave copies of a root key behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(|error| KeyringError::io("read", path, error))?;
    Ok((bytes, Stamp::of(&metadata)))
}

/// Reads a file whatever its mode: for backups, which are sealed and may have travelled.
pub(super) fn read_any(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let file = open_for_reading(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(|error| KeyringError::io("read", path, error))?;
    Ok(bytes)
}

fn open_for_reading(path: &Path) -> Result<File, KeyringError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyringError::NotFound {
            path: path.to_owned(),
        },
        _ => KeyringError::io("read", path, error),
    })
}

fn check_owner_only(path: &Path, metadata: &std::fs::Metadata) -> Result<(), KeyringError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyringError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && metadata.uid() != 0 {
        return Err(KeyringError::Owner {
            path: path.to_owned(),
            owner: metadata.uid(),
            user,
        });
    }
    Ok(())
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(OWNER_ONLY);
    options
}

fn sync_directory(path: &Path) -> Result<(), KeyringError> {
    let directory = directory_of(path);
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| KeyringError::io("sync the directory", directory, error))
}

pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// An exclusive lock over one file's read-change-replace; given back on drop.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock. Holders keep it for milliseconds (with a passphrase: for one argon2id).
    pub(super) fn acquire(path: &Path) -> Result<Self, KeyringError> {
        let lock_path = beside(path, ".lock");
        let file = owner_only()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| KeyringError::io("open the lock", &lock_path, error))?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(KeyringError::io("lock", &lock_path, error)),
            }
        }
    }
}

/// Identity and change time of a file. A replaced file has another inode or another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file at `path` now.
    pub(super) fn read(path: &Path) -> Result<Self, KeyringError> {
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeyringError::NotFound {
                path: path.to_owned(),
            },
            _ => KeyringError::io("stat", path, error),
        })?;
        Ok(Self::of(&metadata))
    }

    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
