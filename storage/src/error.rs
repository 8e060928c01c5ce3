//! What can go wrong, by what the caller would do next.
//!
//! Cheap to clone: one failed sync answers every caller of its group. A failure to authenticate names the place, never the
//! content, and never says in which way it failed.

use std::path::PathBuf;
use std::sync::Arc;

use sealdb_crypto::kms::IdentityMismatch;
use sealdb_crypto::{AuditError, Identity, KeyOperation, KeyRecordError, KeyringError, TableId};
use sealdb_engine::EngineError;
use sealdb_model::ops::{CONDITION_FAILED, CancellationReason, StreamArn};
use sealdb_model::{ErrorCode, Item, TableName, ValidationError};

use crate::tree::TreeError;
use crate::wire::Malformed;

/// The error of every operation of the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    // ---- the request
    /// The request breaks a rule; the message is AWS's where known.
    #[error(transparent)]
    Validation(#[from] ValidationError),
    /// There is no such table.
    #[error("Requested resource not found: Table: {0} not found")]
    TableNotFound(String),
    /// There is no table of this ARN. The service spells it like this.
    #[error("Requested resource not found: ResourcArn: {0} not found")]
    ResourceNotFound(String),
    /// CreateTable names a table that exists.
    #[error("Table already exists: {0}")]
    TableExists(TableName),
    /// The table is being created, updated or deleted.
    #[error("Attempt to change a resource which is still in use: Table is being {1}: {0}")]
    TableInUse(TableName, &'static str),
    /// What is asked of a rekey, where none goes on.
    #[error("Requested resource not found: Table: {0} is not being rekeyed")]
    NotRekeyed(TableName),
    /// DeleteTable of a table that is protected from it.
    #[error(
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    )]
    Protected,
    /// More than one index is made or removed at a time.
    #[error(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
    )]
    TooManyIndexChanges,
    /// An index that is to be removed is not there.
    #[error("Requested resource not found: Index: {index} for table: {table}")]
    IndexNotFound {
        /// Which table.
        table: TableName,
        /// Which index.
        index: String,
    },

    /// There is no such stream.
    #[error("Requested resource not found: Stream: {0} not found")]
    StreamNotFound(StreamArn),
    /// The stream has no such shard.
    #[error("Requested resource not found: Shard does not exist")]
    ShardNotFound,
    /// The records that are asked for have been removed: they were too old.
    #[error("The data you are trying to access has been trimmed")]
    TrimmedDataAccess,
    /// The iterator was given out too long ago.
    #[error(
        "The shard iterator has expired and can no longer be used to retrieve stream records. A shard iterator expires 15 minutes after it \
         is retrieved using the GetShardIterator action."
    )]
    ExpiredIterator,

    /// The condition of a write was false. Nothing was written.
    #[error("{CONDITION_FAILED}")]
    ConditionFailed {
        /// The item that it met, if that was asked for and there was one.
        item: Option<Box<Item>>,
    },
    /// A statement inserts an item of a key that has one. Nothing was written.
    #[error("Duplicate primary key exists in table")]
    DuplicateItem,
    /// A transaction was refused, by at least one of its actions. Nothing was written.
    #[error("{}", CancellationReason::summary(.0))]
    TransactionCanceled(Arc<[CancellationReason]>),
    /// The token came with another request within its ten minutes.
    #[error(
        "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token that was \
         already used."
    )]
    IdempotentParameterMismatch,
    /// A transaction holds the item.
    #[error("Transaction is ongoing for the item")]
    TransactionConflict,
    /// A transaction of the same token is under way.
    #[error("The transaction with the given request token is already in progress.")]
    TransactionInProgress,

    // ---- the table's key
    /// The policy of a KMS key does not let this principal do that with it.
    #[error(
        "User: arn:aws:iam::{}:user/{} is not authorized to perform: kms:{} on resource: {key} because no resource-based policy allows \
         the kms:{} action", .who.account, .who.name, .operation.name(), .operation.name()
    )]
    AccessDenied {
        /// Who.
        who: Arc<Identity>,
        /// What.
        operation: KeyOperation,
        /// The ARN of the key.
        key: String,
    },
    /// The table's key is not at hand: its KMS says no, or has been away for too long. Other tables go on.
    #[error("table {table} is closed: {reason}")]
    TableInaccessible {
        /// Which table.
        table: TableName,
        /// Why.
        reason: ClosedReason,
    },
    /// A key could not be made or unwrapped.
    #[error(transparent)]
    Key(#[from] KeyRecordError),
    /// The system's key is not at hand: the whole database is closed until it is.
    #[error("the database is closed: its system key is not at hand: {0}")]
    SystemKeyLost(ClosedReason),

    // ---- the state of the database
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
    /// A write of the log, or a sync of any file, failed earlier: reads go on, writes only after the database was opened again.
    #[error("the database is read-only until it is opened again: {0}")]
    ReadOnly(Arc<Error>),
    /// The write may or may not have happened: its log record could not be made durable.
    #[error("the outcome of the write is unknown, because the log could not be written: {0}")]
    UnknownOutcome(#[source] EngineError),
    /// No space is left. Nothing was written; the write may be repeated once there is space.
    #[error("the disk is full: nothing was written")]
    StorageFull,
    /// The snapshot is older than readers may be; read anew.
    #[error("the read took too long, and its snapshot has been given up")]
    SnapshotExpired,

    // ---- opening
    /// There is no database, and none was to be made.
    #[error("there is no database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// Neither a keyring nor a KMS was named.
    #[error("no keys: name a keyring, or hand in a KMS, to open a database with")]
    NoKeys,
    /// The keyring cannot be opened or made.
    #[error(transparent)]
    KeyringFile(Arc<KeyringError>),
    /// The audit trail cannot be opened, made or written.
    #[error(transparent)]
    Trail(Arc<AuditError>),
    /// No root can be read: creation was cut short, or both are damaged.
    #[error("no root of the database can be read ({0})")]
    NoRoot(String),
    /// Written by a newer version of SealDB.
    #[error(
        "the database has format version {found}; this version of SealDB reads up to {supported}"
    )]
    NewerFormat {
        /// The version in the root.
        found: u16,
        /// The newest that this program reads.
        supported: u16,
    },
    /// Sealed with another suite.
    #[error("the database is sealed with suite {found}, not with {expected}")]
    OtherSuite {
        /// The suite in the root.
        found: u8,
        /// The suite that was handed in.
        expected: u8,
    },
    /// The keyring is not the one that the database was made with, or an older copy of it.
    #[error(transparent)]
    Keyring(#[from] IdentityMismatch),
    /// A log segment that the root names is not there.
    #[error("log segment {0} is missing")]
    MissingSegment(u32),

    // ---- damage
    /// A block does not open, is not the one that was written, or contradicts another.
    #[error("data corruption: {0}")]
    Corruption(String),
    /// The storage below.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Sealing a block failed.
    #[error("cannot seal a block: {0}")]
    Seal(String),
    /// A thread could not be started, or randomness not be had.
    #[error("the system refused: {0}")]
    System(String),
}

/// Why a table, or the database, is closed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClosedReason {
    /// The KMS says no.
    #[error("{0}")]
    Denied(KeyRecordError),
    /// The KMS has been away for longer than keys may be used without it.
    #[error("its key expired while the key provider could not be reached: {0}")]
    Expired(KeyRecordError),
    /// Deleted while the caller held it.
    #[error("it was deleted")]
    Deleted,
    /// What was carried along for it could not be applied.
    #[error("{0}")]
    Damaged(Arc<Error>),
}

impl From<KeyringError> for Error {
    fn from(error: KeyringError) -> Self {
        Error::KeyringFile(Arc::new(error))
    }
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        Error::Trail(Arc::new(error))
    }
}

impl Error {
    /// DynamoDB's name for it, or one of ours where DynamoDB has none.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Validation(error) => error.code(),
            Error::TableNotFound(_) | Error::ResourceNotFound(_) | Error::NotRekeyed(_) => {
                ErrorCode::ResourceNotFoundException
            }
            Error::ConditionFailed { .. } => ErrorCode::ConditionalCheckFailedException,
            Error::DuplicateItem => ErrorCode::DuplicateItemException,
            Error::TransactionCanceled(_) => ErrorCode::TransactionCanceledException,
            Error::IdempotentParameterMismatch => ErrorCode::IdempotentParameterMismatchException,
            Error::TransactionConflict => ErrorCode::TransactionConflictException,
            Error::TransactionInProgress => ErrorCode::TransactionInProgressException,
            Error::TableExists(_) | Error::TableInUse(..) => ErrorCode::ResourceInUseException,
            Error::IndexNotFound { .. } | Error::StreamNotFound(_) | Error::ShardNotFound => {
                ErrorCode::ResourceNotFoundException
            }
            Error::TrimmedDataAccess => ErrorCode::TrimmedDataAccessException,
            Error::ExpiredIterator => ErrorCode::ExpiredIteratorException,
            Error::TooManyIndexChanges => ErrorCode::LimitExceededException,
            Error::AccessDenied { .. } => ErrorCode::AccessDeniedException,
            Error::Protected => ErrorCode::ValidationException,
            Error::TableInaccessible {
                reason: ClosedReason::Damaged(_),
                ..
            } => ErrorCode::DataCorruptionException,
            Error::Trail(error) if matches!(**error, AuditError::Key(_)) => {
                ErrorCode::InaccessibleEncryptionCredentialsException
            }
            Error::Trail(error) if matches!(**error, AuditError::Full { .. }) => {
                ErrorCode::StorageFullException
            }
            Error::Trail(error)
                if matches!(
                    **error,
                    AuditError::Corrupt { .. }
                        | AuditError::Damaged { .. }
                        | AuditError::NotATrail { .. }
                ) =>
            {
                ErrorCode::DataCorruptionException
            }
            Error::TableInaccessible { .. } | Error::Key(_) | Error::SystemKeyLost(_) => {
                ErrorCode::InaccessibleEncryptionCredentialsException
            }
            Error::Closed => ErrorCode::ServiceUnavailable,
            Error::ReadOnly(_) => ErrorCode::ReadOnlyException,
            Error::UnknownOutcome(_) => ErrorCode::UnknownOutcomeException,
            Error::StorageFull => ErrorCode::StorageFullException,
            Error::Corruption(_)
            | Error::NoRoot(_)
            | Error::MissingSegment(_)
            | Error::Engine(EngineError::Truncated { .. } | EngineError::MissingFile { .. }) => {
                ErrorCode::DataCorruptionException
            }
            Error::SnapshotExpired
            | Error::NoDatabase(_)
            | Error::NoKeys
            | Error::KeyringFile(_)
            | Error::Trail(_)
            | Error::NewerFormat { .. }
            | Error::OtherSuite { .. }
            | Error::Keyring(_)
            | Error::Engine(_)
            | Error::Seal(_)
            | Error::System(_) => ErrorCode::InternalServerError,
        }
    }

    /// What a client on a network is told: the same, but not where the keys of this database lie. That stands in its log.
    pub fn told(&self) -> String {
        match self {
            Error::TableInaccessible {
                table,
                reason: ClosedReason::Expired(_),
            } => {
                format!(
                    "table {table} is closed: its key expired while the key provider could not be reached"
                )
            }
            Error::Key(error) if error.is_transient() => {
                "the key provider cannot be reached".to_owned()
            }
            Error::SystemKeyLost(_) => {
                "the database is closed: its system key is not at hand".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Whether bytes on the disk are not what was written.
    pub(crate) fn is_damage(&self) -> bool {
        self.code() == ErrorCode::DataCorruptionException
    }

    /// Whether a write that failed with this certainly changed nothing, and may be sent again.
    pub(crate) fn nothing_happened(&self) -> bool {
        !matches!(self, Error::UnknownOutcome(_))
    }

    /// A block at `place` is not what it must be.
    pub(crate) fn corrupt(place: impl Into<String>) -> Self {
        Error::Corruption(place.into())
    }

    pub(crate) fn malformed(place: &str, what: Malformed) -> Self {
        Error::Corruption(format!("{place}: {}", what.0))
    }

    pub(crate) fn malformed_part(table: TableId, sequence: u64, what: Malformed) -> Self {
        Error::Corruption(format!(
            "log record {sequence}, part of table {table}: {}",
            what.0
        ))
    }
}

impl From<sealdb_crypto::SealError> for Error {
    fn from(error: sealdb_crypto::SealError) -> Self {
        Error::Seal(error.to_string())
    }
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Engine(error) => Error::from_engine(error),
            other => Error::Corruption(other.to_string()),
        }
    }
}

impl Error {
    /// An engine's error outside the log: a full disk is told apart.
    pub(crate) fn from_engine(error: EngineError) -> Self {
        match error {
            EngineError::Full { .. } => Error::StorageFull,
            EngineError::Closed => Error::Closed,
            other => Error::Engine(other),
        }
    }
}
