//! Refusals as the service words them: `__type`, status and message.

use sealdb::{Error, ErrorCode};
use sealdb_proto::Detail;
use sealdb_proto::json_api::{self, Refused};

use crate::detail::detail_of;

/// Names of the service itself.
const SERVICE: &str = "com.amazon.coral.service#";
/// Names of constraints and rules.
const VALIDATE: &str = "com.amazon.coral.validate#";
/// Names of overload.
const AVAILABILITY: &str = "com.amazon.coral.availability#";
/// Names of DynamoDB's API.
const API: &str = "com.amazonaws.dynamodb.v20120810#";

/// A request refused, or failed.
#[derive(Clone)]
pub(super) struct Exception {
    pub(super) code: ErrorCode,
    message: Option<String>,
    detail: Detail,
}

impl Exception {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Exception {
        Exception {
            code,
            message: Some(message.into()),
            detail: Detail::None,
        }
    }

    /// One that says no more than its name.
    pub(super) fn silent(code: ErrorCode) -> Exception {
        Exception {
            code,
            message: None,
            detail: Detail::None,
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        wire(self.code).1
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let kind = format!("{}{}", wire(self.code).0, self.code.name());
        // As the shapes of the service's model spell it, and for the first the protocol's own layer.
        let message_name = match self.code {
            ErrorCode::SerializationException
            | ErrorCode::IdempotentParameterMismatchException
            | ErrorCode::TransactionCanceledException
            | ErrorCode::TransactionInProgressException => "Message",
            _ => "message",
        };
        json_api::render_error(&kind, message_name, self.message.as_deref(), &self.detail)
    }
}

impl Exception {
    /// The database's error, as the operation's callers know it.
    pub(super) fn of(error: &Error, operation: &str) -> Exception {
        if let Error::TableNotFound(table) = error {
            return no_table(table, operation);
        }
        Exception {
            detail: detail_of(error),
            ..Exception::new(error.code(), error.told())
        }
    }
}

/// Only operations on tables name the one that is not there.
fn no_table(table: &str, operation: &str) -> Exception {
    let on_tables = ["Table", "TimeToLive", "Insights", "Destination"];
    let message = match operation {
        "DescribeContinuousBackups" | "ExportTableToPointInTime" | "RestoreTableToPointInTime" => {
            let message = format!("Table not found: {table}");
            return Exception::new(ErrorCode::TableNotFoundException, message);
        }
        _ if on_tables.iter().any(|end| operation.ends_with(end)) => {
            Error::TableNotFound(table.to_owned()).to_string()
        }
        _ => "Requested resource not found".to_owned(),
    };
    Exception::new(ErrorCode::ResourceNotFoundException, message)
}

impl From<Refused> for Exception {
    fn from(refused: Refused) -> Exception {
        match refused {
            Refused::Serialization(message) => Exception {
                code: ErrorCode::SerializationException,
                message,
                detail: Detail::None,
            },
            Refused::Validation(error) => Exception::new(error.code(), error.message()),
        }
    }
}

/// The namespace and the HTTP status of each exception. SDKs retry a 5xx by themselves, so an outcome that is unknown is none.
fn wire(code: ErrorCode) -> (&'static str, u16) {
    match code {
        ErrorCode::ValidationException => (VALIDATE, 400),
        ErrorCode::AccessDeniedException
        | ErrorCode::ExpiredTokenException
        | ErrorCode::IncompleteSignatureException
        | ErrorCode::InvalidSignatureException
        | ErrorCode::MissingAuthenticationTokenException
        | ErrorCode::SerializationException
        | ErrorCode::UnknownOperationException
        | ErrorCode::UnrecognizedClientException => (SERVICE, 400),
        ErrorCode::ThrottlingException => (AVAILABILITY, 400),
        ErrorCode::ServiceUnavailable => (AVAILABILITY, 503),
        ErrorCode::InternalServerError | ErrorCode::StorageFullException => (API, 500),
        ErrorCode::BackupNotFoundException
        | ErrorCode::ConditionalCheckFailedException
        | ErrorCode::DuplicateItemException
        | ErrorCode::ExpiredIteratorException
        | ErrorCode::ExportNotFoundException
        | ErrorCode::GlobalTableNotFoundException
        | ErrorCode::IdempotentParameterMismatchException
        | ErrorCode::ImportNotFoundException
        | ErrorCode::IndexNotFoundException
        | ErrorCode::ItemCollectionSizeLimitExceededException
        | ErrorCode::LimitExceededException
        | ErrorCode::PointInTimeRecoveryUnavailableException
        | ErrorCode::PolicyNotFoundException
        | ErrorCode::ProvisionedThroughputExceededException
        | ErrorCode::RequestLimitExceeded
        | ErrorCode::ResourceInUseException
        | ErrorCode::ResourceNotFoundException
        | ErrorCode::TableNotFoundException
        | ErrorCode::TransactionCanceledException
        | ErrorCode::TransactionConflictException
        | ErrorCode::TransactionInProgressException
        | ErrorCode::TrimmedDataAccessException
        | ErrorCode::InaccessibleEncryptionCredentialsException
        | ErrorCode::UnknownOutcomeException
        | ErrorCode::ReadOnlyException
        | ErrorCode::DataCorruptionException => (API, 400),
    }
}
