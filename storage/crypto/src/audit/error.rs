//! Why the trail cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::block::SealError;
use crate::key_record::KeyRecordError;

/// Failures of the audit trail. Each names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Reading or writing failed.
    #[error("cannot {action} the audit trail {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The trail's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no trail at the path.
    #[error("there is no audit trail at {path}")]
    NotFound {
        /// Where.
        path: PathBuf,
    },
    /// Something stands where a new trail was to be made.
    #[error("{path} exists already and is not overwritten")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Another process writes the trail.
    #[error("the audit trail {path} is in use by another process")]
    Locked {
        /// Where.
        path: PathBuf,
    },
    /// The trail was closed.
    #[error("the audit trail {path} is closed")]
    Closed {
        /// Where.
        path: PathBuf,
    },
    /// The file is no trail.
    #[error("{path} is not a SealDB audit trail")]
    NotATrail {
        /// Where.
        path: PathBuf,
    },
    /// A format or suite that this version does not read.
    #[error(
        "the audit trail {path} has format {found}; this version of SealDB reads format {supported}"
    )]
    Format {
        /// Where.
        path: PathBuf,
        /// The format found.
        found: u16,
        /// The format read.
        supported: u16,
    },
    /// The trail belongs to another database.
    #[error("the audit trail {path} belongs to another database")]
    OtherDatabase {
        /// Where.
        path: PathBuf,
    },
    /// One of the files beside the trail is of another one.
    #[error("{path} belongs to another audit trail")]
    OtherTrail {
        /// Where.
        path: PathBuf,
    },
    /// The head does not authenticate.
    #[error("the head of the audit trail {path} is damaged: {what}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A record was changed, cut out or moved.
    #[error(
        "the audit trail {path} is corrupt at record {sequence}: it was changed, cut out or moved"
    )]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// The first record that is wrong.
        sequence: u64,
    },
    /// The KMS does not give the audit key.
    #[error("the key of the audit trail is not available")]
    Key(#[from] KeyRecordError),
    /// The disk is full: the reserve is kept for key events, or used up.
    #[error("the disk is full; the audit trail {path} takes no further event of this kind")]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// An earlier write or sync failed; what is durable is unknown until the trail is opened again.
    #[error("the audit trail {path} is closed after a failed write; it must be opened again")]
    Broken {
        /// Where.
        path: PathBuf,
    },
    /// An event too large to record.
    #[error("an audit event of {len} bytes is too large")]
    TooLarge {
        /// Its length.
        len: usize,
    },
    /// Sealing failed.
    #[error("an audit record could not be sealed")]
    Seal(#[from] SealError),
    /// An event could not be written as JSON.
    #[error("an audit event could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// The system's generator failed.
    #[error(transparent)]
    Provider(#[from] crate::provider::ProviderError),
    /// Scripted by a test double.
    #[error("the audit trail was told to fail")]
    Scripted,
}

impl AuditError {
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
