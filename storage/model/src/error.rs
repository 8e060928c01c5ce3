//! What can be wrong with a request, and the names under which every adapter reports it.
//!
//! [`ErrorCode`] is the one list of exception names that the server, the wire format and the client share.
//! [`ValidationError`] is the one error of this crate's checks: DynamoDB reports all of them as
//! `ValidationException`, told apart by their message, so the message is AWS's to the letter where it is known.
//! A message may quote what the caller sent (a table name, an attribute name, a number that is none); it goes
//! back to that caller and never into a log.

use std::fmt;

/// A request that does not follow DynamoDB's rules. Retrying it unchanged cannot succeed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValidationError {
    message: String,
    of_key_value: bool,
}

impl ValidationError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            of_key_value: false,
        }
    }

    /// An error of a value that no attribute of a key may have, whatever its type: it is empty or too long.
    pub(crate) fn of_key_value(self) -> Self {
        Self {
            of_key_value: true,
            ..self
        }
    }

    /// Whether it is the error of a value that no attribute of a key may have. For these a transaction is refused as a request, where
    /// what else does not fit its table cancels it.
    pub fn is_of_key_value(&self) -> bool {
        self.of_key_value
    }

    /// AWS's commonest form: `One or more parameter values were invalid: ` and the detail.
    pub fn invalid_parameter(detail: impl fmt::Display) -> Self {
        Self::new(format!(
            "One or more parameter values were invalid: {detail}"
        ))
    }

    /// The form of a parameter that breaks a constraint of its shape:
    /// `1 validation error detected: Value '…' at '…' failed to satisfy constraint: …`.
    pub fn constraint(value: impl fmt::Display, at: &str, constraint: impl fmt::Display) -> Self {
        Self::new(format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// The message, as the caller will read it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Always [`ErrorCode::ValidationException`].
    pub fn code(&self) -> ErrorCode {
        ErrorCode::ValidationException
    }
}

/// Prints the length of the message, for it may quote the caller's data.
impl fmt::Debug for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ValidationError(message of {} bytes)",
            self.message.len()
        )
    }
}

/// Most constraints that one answer names, as in AWS.
const MOST_NAMED: usize = 10;

/// Collects the constraints that a request breaks: AWS reports them all at once, up to ten.
#[derive(Default)]
pub struct Constraints {
    broken: Vec<String>,
}

impl Constraints {
    /// Notes that `value` of the field `at` breaks `constraint`, unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        value: impl fmt::Display,
        at: &str,
        constraint: impl fmt::Display,
    ) {
        if !holds && self.broken.len() < MOST_NAMED {
            self.broken.push(format!(
                "Value '{value}' at '{at}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    /// Notes that the field `at` must be there and is not.
    pub fn not_null(&mut self, at: &str) {
        if self.broken.len() < MOST_NAMED {
            self.broken.push(format!(
                "Value null at '{at}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    /// `least <= value`
    pub fn at_least(&mut self, value: i64, least: i64, at: &str) {
        self.require(
            value >= least,
            value,
            at,
            format_args!("Member must have value greater than or equal to {least}"),
        );
    }

    /// `value <= most`
    pub fn at_most(&mut self, value: i64, most: i64, at: &str) {
        self.require(
            value <= most,
            value,
            at,
            format_args!("Member must have value less than or equal to {most}"),
        );
    }

    /// The length of a list or text, `least` to `most`. `value` is how the message shows it.
    pub fn length(
        &mut self,
        length: usize,
        least: usize,
        most: usize,
        value: impl fmt::Display,
        at: &str,
    ) {
        self.require(
            length >= least,
            &value,
            at,
            format_args!("Member must have length greater than or equal to {least}"),
        );
        self.require(
            length <= most,
            &value,
            at,
            format_args!("Member must have length less than or equal to {most}"),
        );
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// If any constraint was broken: one that names them all.
    pub fn finish(self) -> Result<(), ValidationError> {
        match self.broken.len() {
            0 => Ok(()),
            1 => Err(ValidationError::new(format!(
                "1 validation error detected: {}",
                self.broken.join("; ")
            ))),
            count => Err(ValidationError::new(format!(
                "{count} validation errors detected: {}",
                self.broken.join("; ")
            ))),
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $code:ident, $retryable:literal;)*) => {
        /// The name of an exception, as DynamoDB has it, and a few of our own where DynamoDB has none.
        ///
        /// The list is exhaustive on purpose: whoever maps it (to gRPC codes, to HTTP) is stopped by the compiler
        /// when a name is added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
        }

        impl ErrorCode {
            /// Every code, in the order of their declaration.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$code,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$code => stringify!($code),)*
                }
            }

            /// The code of a name, or `None` for a name that this version does not know.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($code) => Some(ErrorCode::$code),)*
                    _ => None,
                }
            }

            /// Whether the same request may succeed later, unchanged, and is known not to have been applied.
            /// [`ErrorCode::UnknownOutcomeException`] is not: only the caller knows whether to apply it twice.
            pub const fn retryable(self) -> bool {
                match self {
                    $(ErrorCode::$code => $retryable,)*
                }
            }
        }
    };
}

error_codes! {
    /// The credential does not allow this.
    AccessDeniedException, false;
    /// The backup does not exist.
    BackupNotFoundException, false;
    /// The condition of a write was false.
    ConditionalCheckFailedException, false;
    /// An item of that key exists (PartiQL INSERT).
    DuplicateItemException, false;
    /// The token of the credential is too old.
    ExpiredTokenException, false;
    /// The shard iterator is too old.
    ExpiredIteratorException, false;
    /// The export does not exist.
    ExportNotFoundException, false;
    /// The global table does not exist.
    GlobalTableNotFoundException, false;
    /// The same client token came with another request.
    IdempotentParameterMismatchException, false;
    /// The import does not exist.
    ImportNotFoundException, false;
    /// The signature lacks a part.
    IncompleteSignatureException, false;
    /// The index does not exist.
    IndexNotFoundException, false;
    /// Something failed on the server's side.
    InternalServerError, true;
    /// The signature is wrong.
    InvalidSignatureException, false;
    /// The items of one partition key with local indexes grew beyond 10 GB.
    ItemCollectionSizeLimitExceededException, false;
    /// Too many concurrent changes of tables, or too many tables.
    LimitExceededException, true;
    /// The call carries no credential.
    MissingAuthenticationTokenException, false;
    /// The table has no point in time to go back to.
    PointInTimeRecoveryUnavailableException, false;
    /// The resource has no policy.
    PolicyNotFoundException, false;
    /// Throughput of the table exceeded.
    ProvisionedThroughputExceededException, true;
    /// Throughput of the account exceeded.
    RequestLimitExceeded, true;
    /// The table exists, or is not in the state that the request needs.
    ResourceInUseException, false;
    /// The table or stream does not exist.
    ResourceNotFoundException, false;
    /// The request cannot be parsed.
    SerializationException, false;
    /// The server shuts down or is not ready.
    ServiceUnavailable, true;
    /// The table does not exist (older name, kept for backup and global tables).
    TableNotFoundException, false;
    /// Too many requests.
    ThrottlingException, true;
    /// A transaction was refused; its reasons stand beside it.
    TransactionCanceledException, false;
    /// The item is part of a transaction in progress.
    TransactionConflictException, true;
    /// A transaction of the same token is in progress.
    TransactionInProgressException, true;
    /// The stream record is older than the stream's retention.
    TrimmedDataAccessException, false;
    /// The operation is not one of ours.
    UnknownOperationException, false;
    /// The credential is unknown.
    UnrecognizedClientException, false;
    /// The request breaks a rule; see [`ValidationError`].
    ValidationException, false;
    /// Ours: the table's KMS key is disabled, gone, or could not be reached for too long. The table is closed
    /// until its KMS says yes again; other tables go on.
    InaccessibleEncryptionCredentialsException, false;
    /// Ours: the disk is full. The write was not applied; reads go on.
    StorageFullException, true;
    /// Ours: the write may or may not be found after the database is opened again.
    UnknownOutcomeException, false;
    /// Ours: the database takes no writes until it is opened again (after a failed sync).
    ReadOnlyException, false;
    /// Ours: bytes on the disk are not what was written. Nothing is silently dropped.
    DataCorruptionException, false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_codes() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
        }
        assert_eq!(ErrorCode::from_name("validationexception"), None);
    }

    #[test]
    fn an_unknown_outcome_is_not_retried_behind_the_callers_back() {
        assert!(!ErrorCode::UnknownOutcomeException.retryable());
        assert!(ErrorCode::ThrottlingException.retryable());
    }

    #[test]
    fn debug_hides_the_message() {
        let error = ValidationError::constraint("secret", "tableName", "Member must be nice");
        assert!(!format!("{error:?}").contains("secret"));
        assert!(error.to_string().contains("'secret'"));
    }
}
