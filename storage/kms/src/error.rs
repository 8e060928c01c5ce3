//! What goes wrong before the first call, and how answers become [`KmsError`]s.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb_crypto::{DenyReason, KeyRef, KmsError};
use thiserror::Error;

/// A provider that cannot be set up as it was asked for. Nothing was asked of it yet.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A setting has no meaning.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A library or module does not start.
    #[error("{what} does not start: {source}")]
    Start {
        /// Which.
        what: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SetupError {
    pub(crate) fn start(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Start {
            what: what.into(),
            source: source.into(),
        }
    }
}

/// Reads a small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::File {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn denied(key: &KeyRef, reason: DenyReason) -> KmsError {
    KmsError::Denied {
        key: key.to_string(),
        reason,
    }
}

pub(crate) fn invalid_ciphertext(key: &KeyRef) -> KmsError {
    KmsError::InvalidCiphertext {
        key: key.to_string(),
    }
}

/// `error` and all that is behind it, in one line, because its own text is often only "dispatch failure".
pub(crate) fn unavailable(
    provider: impl Into<String>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> KmsError {
    let mut reason = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        behind = error.source();
    }
    KmsError::Unavailable {
        provider: provider.into(),
        reason,
        source: Some(Arc::new(error)),
    }
}
