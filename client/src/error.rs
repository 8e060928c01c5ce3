//! The one error of the client.

use std::fmt;

use sealdb_model::ops::CancellationReason;
use sealdb_model::{ErrorCode, Item};
use sealdb_proto::endpoint::EndpointError;
use sealdb_proto::{
    Detail, REQUEST_ID_METADATA, WireError, detail_of, error_from_status, named_error,
};
use tonic::codegen::StdError;
use tonic::{Code, Status};

use crate::connect::ConnectError;

/// Why an operation failed.
///
/// [`Error::code`] says what to do next; the message is for people.
#[derive(Debug)]
pub struct Error {
    code: ErrorCode,
    message: String,
    retryable: bool,
    request_id: Option<String>,
    detail: Detail,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: code.retryable(),
            request_id: None,
            detail: Detail::None,
            source: None,
        }
    }

    fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The name of the exception.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What is wrong, for people. It may quote what the caller sent.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same request may succeed later and does no harm when sent again. The client has done so already, as
    /// often as its [`crate::RetryPolicy`] says.
    pub fn retryable(&self) -> bool {
        self.retryable
    }

    /// The server's id of the request, to be found in its logs.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The item that a failed condition met, if the request asked for it.
    pub fn item(&self) -> Option<&Item> {
        match &self.detail {
            Detail::Item(item) => Some(item),
            _ => None,
        }
    }

    /// What became of each action of a transaction that was cancelled, in their order; of other errors nothing.
    pub fn cancellation_reasons(&self) -> &[CancellationReason] {
        match &self.detail {
            Detail::Reasons(reasons) => reasons,
            _ => &[],
        }
    }

    /// An error of a call. `harmless_twice`: carrying the request out twice is as carrying it out once.
    pub(crate) fn of_call(status: Status, harmless_twice: bool) -> Self {
        let request_id = status
            .metadata()
            .get(REQUEST_ID_METADATA)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut error = if let Some(failure) = ConnectError::in_chain_of(&status) {
            Self::of_connect(failure)
        } else if named_error(&status).is_some() {
            let (code, message) = error_from_status(&status);
            Self::new(code, message)
        } else if lost(status.code()) {
            // What broke lies between: the request may have arrived.
            Self::lost_answer(
                format!(
                    "the connection failed before the answer came: {}",
                    status.message()
                ),
                harmless_twice,
            )
        } else {
            let (code, message) = error_from_status(&status);
            Self::new(code, message)
        };
        error.request_id = request_id;
        error.detail = detail_of(&status);
        error.source.get_or_insert_with(|| Box::new(status));
        error
    }

    /// No answer: after this, only the caller knows whether to send the request again, unless that is harmless.
    pub(crate) fn lost_answer(message: String, harmless_twice: bool) -> Self {
        let mut error = if harmless_twice {
            Self::new(ErrorCode::ServiceUnavailable, message)
        } else {
            Self::new(
                ErrorCode::UnknownOutcomeException,
                format!("{message}; the request may or may not have been carried out"),
            )
        };
        error.retryable = harmless_twice;
        error
    }

    /// No connection, so nothing was sent.
    pub(crate) fn of_connect(failure: &ConnectError) -> Self {
        let code = if failure.is_distrust() {
            ErrorCode::AccessDeniedException
        } else {
            ErrorCode::ServiceUnavailable
        };
        Self::new(code, failure.to_string())
    }

    /// Where connecting failed for the first time.
    pub(crate) fn of_transport(error: StdError) -> Self {
        let found = match ConnectError::in_chain_of(&*error) {
            Some(failure) => Self::of_connect(failure),
            None => Self::new(
                ErrorCode::ServiceUnavailable,
                format!("cannot connect: {error}"),
            ),
        };
        found.with_source(error)
    }
}

/// Whether this gRPC code, without details of ours, means that the answer is lost rather than that it is no. A stream that was reset after the
/// request had arrived is among them, and tonic gives each reason of a reset a code: ResourceExhausted for ENHANCE_YOUR_CALM, PermissionDenied
/// for INADEQUATE_SECURITY.
fn lost(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::PermissionDenied
            | Code::Ok
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The answer of a server that this client does not understand.
impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        let mut failed = Self::new(
            ErrorCode::SerializationException,
            format!("the server's answer is malformed: {error}"),
        );
        failed.retryable = false;
        failed.with_source(error)
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        let code = match &error {
            EndpointError::NotFound { .. } | EndpointError::NoHome => ErrorCode::ServiceUnavailable,
            EndpointError::NotPrivate { .. } => ErrorCode::AccessDeniedException,
            EndpointError::Malformed { .. }
            | EndpointError::Version { .. }
            | EndpointError::Io { .. } => ErrorCode::ValidationException,
        };
        let mut failed = Self::new(code, error.to_string());
        failed.retryable = false;
        failed.with_source(error)
    }
}
