//! What can go wrong with durable bytes, by what the caller would do next.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// An engine's error. Cheap to clone, because one failed sync answers many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The disk or the quota is full. The write did not happen or happened in part; it may be tried again.
    #[error("no space left to write {place}")]
    Full {
        /// Which file, and where in it.
        place: String,
    },
    /// The operating system refused. It may be tried again.
    #[error("cannot {action} {place}: {source}")]
    Io {
        /// What was tried: "read", "write", "open" ...
        action: &'static str,
        /// Which file, and where in it.
        place: String,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// A sync of this file failed, now or earlier. What was written since the last good sync may be lost although the system
    /// would now report success; the file takes no writes until the engine is opened anew.
    #[error("a sync of {place} failed, so it takes no more writes until reopened: {source}")]
    SyncFailed {
        /// Which file.
        place: String,
        /// The system's answer to the first sync that failed.
        source: Arc<io::Error>,
    },
    /// Bytes that should exist lie beyond the end of the file.
    #[error("{place} ends before the bytes that were asked for")]
    Truncated {
        /// Which file, and where in it.
        place: String,
    },
    /// Another process has the directory open.
    #[error("{} is in use by another process{}", path.display(), holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        holder: Option<u32>,
    },
    /// This process has the directory open already.
    #[error("{} is open in this process already", path.display())]
    AlreadyOpen {
        /// The directory.
        path: PathBuf,
    },
    /// The engine was opened by another process, of which this one is a fork. Open it in one of them only.
    #[error(
        "opened by process {owner}, but used by process {caller}: an open database does not survive a fork"
    )]
    ForeignProcess {
        /// The process that opened it.
        owner: u32,
        /// The process that called.
        caller: u32,
    },
    /// The engine was opened for reading only.
    #[error("opened for reading only")]
    ReadOnly,
    /// The engine was closed.
    #[error("closed")]
    Closed,
    /// There is no database in the directory.
    #[error("no database in {}", path.display())]
    NotFound {
        /// The directory.
        path: PathBuf,
    },
    /// A database was to be created where one exists.
    #[error("{} holds a database already", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds things that are not ours, so no database is made there.
    #[error("{} holds other files ({found}): a database needs a directory of its own", path.display())]
    ForeignFiles {
        /// The directory.
        path: PathBuf,
        /// One of the names found.
        found: String,
    },
    /// The directory holds a database that another engine made.
    #[error("{} holds a database of the {engine} engine", path.display())]
    OtherEngine {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        engine: &'static str,
    },
    /// A file that belongs to an existing database is missing.
    #[error("{} is missing", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// The bytes given as an allocation map are not one.
    #[error("not an allocation map: {reason}")]
    InvalidMap {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The call breaks the contract of the trait. Nothing was done.
    #[error("misuse of the engine: {reason}")]
    Misuse {
        /// Which clause.
        reason: &'static str,
    },
    /// A double has reached the operation at which it was told to crash.
    #[error("the engine has crashed, as it was told to")]
    Crashed,
}

impl EngineError {
    /// An error of the system, with "disk full" and "quota exceeded" told apart from the rest.
    pub fn io(action: &'static str, place: impl Into<String>, source: io::Error) -> Self {
        let place = place.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { place },
            io::ErrorKind::UnexpectedEof => Self::Truncated { place },
            _ => Self::Io {
                action,
                place,
                source: Arc::new(source),
            },
        }
    }

    /// Whether the same call may succeed later, once space or the device is back.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. })
    }
}
