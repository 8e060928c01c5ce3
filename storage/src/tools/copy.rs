//! `copy`: a closed database, sealed as it is, in another directory.
//!
//! No key is needed and none is used: the files are copied byte by byte, the audit trail with them, and the copy opens with the same
//! keyring. The lock is held meanwhile, so nobody changes anything. A database that was not closed is copied as the crash left
//! it, and recovers when the copy is opened.
//!
//! The file that makes a directory a database gets its name last, after everything else is synced. Crash before: the target is no
//! database, and is not taken for one.
//!
//! Copy and original are the same database to everybody who holds the keyring: same id, same table keys. Both may be opened and
//! written to; no nonce is used twice, because each opening seals under fresh salts.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sealdb_engine::{EngineError, FileEngine};

use crate::database::TRAIL_FILES;
use crate::error::Error;

/// What a copy has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Bytes copied.
    pub bytes: u64,
}

/// Copies a closed database to a directory that does not exist or is empty. Durable when it returns.
///
/// # Errors
/// [`Error::NoDatabase`]; if somebody has it open; if the target holds anything or lies inside of the database. After an error
/// nothing is left of the copy.
pub fn copy(data_dir: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<CopyReport, Error> {
    let (from, to) = (data_dir.as_ref(), to.as_ref());
    let engine = super::read_only(from)?;
    let target = Target::make(to, engine.path())?;
    let bytes = target.fill(&engine)?;
    target.keep();
    Ok(CopyReport { bytes })
}

fn failed(action: &'static str, path: &Path, error: io::Error) -> Error {
    Error::from_engine(EngineError::io(action, path.display().to_string(), error))
}

/// The directory that is being filled. Emptied when dropped, unless it is kept.
struct Target {
    dir: PathBuf,
    made: bool,
    kept: bool,
}

impl Target {
    fn make(to: &Path, source: &Path) -> Result<Self, Error> {
        let made = match std::fs::read_dir(to) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(failed(
                        "copy to",
                        to,
                        io::Error::new(
                            io::ErrorKind::DirectoryNotEmpty,
                            "the directory is not empty",
                        ),
                    ));
                }
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(to)
                    .map_err(|error| failed("create", to, error))?;
                true
            }
            Err(error) => return Err(failed("open", to, error)),
        };
        let dir = to
            .canonicalize()
            .map_err(|error| failed("open", to, error))?;
        let target = Target {
            dir,
            made,
            kept: false,
        };
        if target.dir.starts_with(source) {
            return Err(failed(
                "copy to",
                to,
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it lies inside of the database's own directory",
                ),
            ));
        }
        Ok(target)
    }

    fn fill(&self, engine: &FileEngine) -> Result<u64, Error> {
        let from = engine.path();
        let mut names = engine.files();
        // Last of all the one that makes it a database.
        let root = names.pop();
        for entry in std::fs::read_dir(from).map_err(|error| failed("list", from, error))? {
            let name = entry
                .map_err(|error| failed("list", from, error))?
                .file_name()
                .to_string_lossy()
                .into_owned();
            // The trail, its older files, and what was set aside of one.
            if name.starts_with(TRAIL_FILES) && !name.ends_with(".tmp") {
                names.push(name);
            }
        }
        names.extend(root);
        let mut bytes = 0;
        for (i, name) in names.iter().enumerate() {
            let last = i + 1 == names.len();
            if last {
                sync_dir(&self.dir)?;
            }
            bytes += self.copy_file(from, name)?;
        }
        // Crash here: the name may not be durable yet, the file is whole.
        sync_dir(&self.dir)?;
        if let (true, Some(parent)) = (self.made, self.dir.parent()) {
            sync_dir(parent)?;
        }
        Ok(bytes)
    }

    /// Whole and synced before it gets its name.
    fn copy_file(&self, from: &Path, name: &str) -> Result<u64, Error> {
        let source = from.join(name);
        let temporary = self.dir.join(format!("{name}.new"));
        let mut read = File::open(&source).map_err(|error| failed("open", &source, error))?;
        let copied = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut write| {
                let bytes = io::copy(&mut read, &mut write)?;
                write.sync_all()?;
                std::fs::rename(&temporary, self.dir.join(name))?;
                Ok(bytes)
            });
        copied.map_err(|error| failed("write", &temporary, error))
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // It was empty, so everything in it is ours. What cannot be removed is no database.
        if let Ok(entries) = std::fs::read_dir(&self.dir) {
            for entry in entries.flatten() {
                drop(std::fs::remove_file(entry.path()));
            }
        }
        if self.made {
            drop(std::fs::remove_dir(&self.dir));
        }
    }
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| failed("sync", dir, error))
}
