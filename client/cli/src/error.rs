//! Errors of the command line: one sentence on what is wrong, and where it helps one on what to do.

use std::io;
use std::path::{Path, PathBuf};

use sealdb_model::ops::CancellationCode;

use crate::output::counted;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command cannot mean anything, for a reason that its grammar does not know.
    #[error("{0}")]
    Usage(String),
    /// There is no such item.
    #[error("no item with this key")]
    NoItem,
    /// The server's answer, or none.
    #[error(transparent)]
    Client(#[from] sealdb_client::Error),
    /// Part of a batch was not written.
    #[error(transparent)]
    Batch(Box<sealdb_client::BatchWriteError>),
    /// No endpoint.
    #[error(transparent)]
    Endpoint(#[from] sealdb_proto::endpoint::EndpointError),
    /// A file of the user's.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a file of the user's.
    #[error("{}, line {line}: {message}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// stdout is gone or full.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The keyring.
    #[error(transparent)]
    Keyring(#[from] sealdb_crypto::keyring::KeyringError),
    /// The KMS said no.
    #[error(transparent)]
    Kms(#[from] sealdb_crypto::kms::KmsError),
    /// A closed database.
    #[error(transparent)]
    Database(#[from] sealdb::Error),
    /// `check` found damage; it has been printed.
    #[error("the database is damaged in {}, named above", counted(*.0, "place"))]
    Damaged(usize),
    /// The server's credentials.
    #[error(transparent)]
    Credential(#[from] sealdb_server::credentials::CredentialError),
    /// The server that `dev` starts.
    #[error("{0}")]
    Server(String),
    /// `audit verify` found something; it has been printed.
    #[error("the audit trail is not as it was recorded in {}, named above", counted(*.0, "place"))]
    Tampered(usize),
    /// A table that did not stay as it was while it was read.
    #[error("{0}")]
    Changed(String),
    /// Tables that were left as they are, a line each.
    #[error("these tables keep their keys:{0}")]
    Refused(String),
    /// A proof about the audit trail that cannot be made, or does not hold.
    #[error(transparent)]
    TrailProof(#[from] sealdb_crypto::audit::TrailProofError),
    /// A proof of another event than the one that is held.
    #[error("{0}")]
    OtherEvent(String),
    /// The audit trail.
    #[error(transparent)]
    Trail(#[from] sealdb_crypto::AuditError),
}

impl From<sealdb_client::BatchWriteError> for CliError {
    fn from(error: sealdb_client::BatchWriteError) -> Self {
        CliError::Batch(Box::new(error))
    }
}

impl CliError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        CliError::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        CliError::Usage(message.into())
    }

    /// What lies behind it, as far as it says something that the sentence does not.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut said = vec![self.to_string()];
        // gRPC's status holds the server's message once more, in quotes.
        let quoted = match self {
            CliError::Client(error) => Some(format!("{:?}", error.message())),
            _ => None,
        };
        let mut causes = match self {
            CliError::Client(error) => refusals(error),
            _ => Vec::new(),
        };
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let text = cause.to_string();
            let repeats = said.iter().any(|said| said.contains(&text))
                || quoted.as_ref().is_some_and(|quoted| text.contains(quoted));
            if !repeats {
                said.push(text.clone());
                causes.push(text);
            }
            source = cause.source();
        }
        causes
    }

    /// Exit code: 2 for a command that cannot be carried out as it was written, 1 otherwise.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::Usage(_) => 2,
            _ => 1,
        }
    }

    /// A reader of our output has gone (`sealdb scan t | head`): nothing to say.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What each action that made a transaction fail was refused for.
fn refusals(error: &sealdb_client::Error) -> Vec<String> {
    let numbered = (1..).zip(error.cancellation_reasons());
    let refused = numbered.filter(|(_, reason)| reason.code != CancellationCode::None);
    refused
        .map(|(number, reason)| {
            let message = reason.message.as_deref().unwrap_or_default();
            format!("action {number}: {}: {message}", reason.code)
        })
        .collect()
}
