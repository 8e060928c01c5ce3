//! Why a keyring cannot be opened, read or changed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::shares::ShareError;
use crate::kms::{InvalidKeyName, KeyState};

/// Failures of keyring files and root key sources. Each names the file, so that an operator knows where to look.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no keyring at the path.
    #[error("there is no keyring at {path}")]
    NotFound {
        /// Where.
        path: PathBuf,
    },
    /// Something stands where a new file was to be made. Nothing is ever overwritten.
    #[error("{path} exists already and is not overwritten")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Reading, writing or locking failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "{path} has mode {mode:04o}: others than its owner could read or change it; run: chmod 600 {path}"
    )]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file belongs to somebody else.
    #[error("{path} belongs to user {owner}, not to the user of this process ({user}) or root")]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who this process is.
        user: u32,
    },
    /// The file is no keyring.
    #[error("{path} is not a SealDB keyring")]
    NotAKeyring {
        /// Which file.
        path: PathBuf,
    },
    /// A format that this version does not read.
    #[error(
        "the keyring {path} has format {found}; this version of SealDB reads format {supported}"
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u16,
        /// The format read.
        supported: u16,
    },
    /// A field of the head is out of its range, or the length does not fit.
    #[error("the keyring {path} is damaged: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The keyring is sealed under another kind of root key.
    #[error("the keyring {path} is sealed under {sealed_under}, but {given} was given")]
    OtherSource {
        /// Which file.
        path: PathBuf,
        /// What its head names.
        sealed_under: &'static str,
        /// What was tried.
        given: String,
    },
    /// Wrong root key, or changed bytes; the two cannot be told apart.
    #[error(
        "the keyring {path} does not open with {tried}: it is the wrong one, or the keyring was changed"
    )]
    DoesNotOpen {
        /// Which file.
        path: PathBuf,
        /// The source that was tried.
        tried: String,
    },
    /// Argon2id parameters outside what is accepted.
    #[error("argon2id parameters are out of range: {what}")]
    Argon2 {
        /// Which, and the range.
        what: String,
    },
    /// The root key source gives no key.
    #[error("{source_name} gives no root key: {reason}")]
    Source {
        /// Which source.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A share of a root key is none, or does not go together with others.
    #[error("{from}{error}")]
    Share {
        /// The file that it is from and a colon, where it is from one.
        from: String,
        /// What is wrong.
        error: ShareError,
    },
    /// The file at the path was replaced by an older state, or another keyring, while this one was open.
    #[error("the keyring {path} was replaced while in use: {what}")]
    Replaced {
        /// Which file.
        path: PathBuf,
        /// By what.
        what: String,
    },
    /// No key of that name.
    #[error("there is no key {key} in the keyring {path}")]
    NoSuchKey {
        /// The key as named.
        key: String,
        /// Which file.
        path: PathBuf,
    },
    /// An alias is taken.
    #[error("the alias {alias} belongs to another key already")]
    AliasTaken {
        /// The alias.
        alias: String,
    },
    /// The key is in a state in which this is not done.
    #[error("KMSInvalidStateException: key {key} is {state}")]
    State {
        /// The key's id.
        key: String,
        /// Its state.
        state: KeyState,
    },
    /// Not a key id or alias.
    #[error(transparent)]
    InvalidName(#[from] InvalidKeyName),
    /// A change that the keyring does not make.
    #[error("{0}")]
    Refused(String),
    /// The keyring would lie inside the directory that it is to protect.
    #[error(
        "the keyring {keyring} lies inside the data directory {data_dir}: whoever copies the data would have the keyring too; \
         put it elsewhere"
    )]
    InsideData {
        /// The keyring.
        keyring: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The system's generator or the cryptographic provider failed.
    #[error(transparent)]
    Provider(#[from] crate::provider::ProviderError),
}

impl KeyringError {
    pub(super) fn io(
        action: &'static str,
        path: &std::path::Path,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
