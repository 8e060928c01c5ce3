//! Errors on the wire: DynamoDB's exception name in `google.rpc.ErrorInfo`, beside a gRPC code for those who know
//! only gRPC; and what DynamoDB's exceptions carry beyond a message ([`Detail`]) in messages of ours.
//!
//! The message goes to the caller as it is; whoever makes the status sees to it that it holds nothing else's data.

use std::collections::HashMap;

use prost::Message;
use prost_types::Any;
use sealdb_model::ops::CancellationReason;
use sealdb_model::{ErrorCode, Item};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt, pb};

use crate::convert::WireError;
use crate::{ERROR_DOMAIN, v1};

/// The gRPC code that stands for an error. The one place where the two meet.
pub fn grpc_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::AccessDeniedException => Code::PermissionDenied,
        ErrorCode::ConditionalCheckFailedException
        | ErrorCode::InaccessibleEncryptionCredentialsException
        | ErrorCode::PointInTimeRecoveryUnavailableException
        | ErrorCode::ReadOnlyException => Code::FailedPrecondition,
        ErrorCode::DuplicateItemException | ErrorCode::ResourceInUseException => {
            Code::AlreadyExists
        }
        ErrorCode::ExpiredTokenException
        | ErrorCode::IncompleteSignatureException
        | ErrorCode::InvalidSignatureException
        | ErrorCode::MissingAuthenticationTokenException
        | ErrorCode::UnrecognizedClientException => Code::Unauthenticated,
        ErrorCode::ExpiredIteratorException | ErrorCode::TrimmedDataAccessException => {
            Code::OutOfRange
        }
        ErrorCode::IdempotentParameterMismatchException
        | ErrorCode::SerializationException
        | ErrorCode::ValidationException => Code::InvalidArgument,
        ErrorCode::BackupNotFoundException
        | ErrorCode::ExportNotFoundException
        | ErrorCode::GlobalTableNotFoundException
        | ErrorCode::ImportNotFoundException
        | ErrorCode::IndexNotFoundException
        | ErrorCode::PolicyNotFoundException
        | ErrorCode::ResourceNotFoundException
        | ErrorCode::TableNotFoundException => Code::NotFound,
        ErrorCode::InternalServerError => Code::Internal,
        ErrorCode::ItemCollectionSizeLimitExceededException
        | ErrorCode::LimitExceededException
        | ErrorCode::ProvisionedThroughputExceededException
        | ErrorCode::RequestLimitExceeded
        | ErrorCode::StorageFullException
        | ErrorCode::ThrottlingException => Code::ResourceExhausted,
        ErrorCode::ServiceUnavailable => Code::Unavailable,
        ErrorCode::TransactionCanceledException
        | ErrorCode::TransactionConflictException
        | ErrorCode::TransactionInProgressException => Code::Aborted,
        ErrorCode::UnknownOperationException => Code::Unimplemented,
        ErrorCode::UnknownOutcomeException => Code::Unknown,
        ErrorCode::DataCorruptionException => Code::DataLoss,
    }
}

/// The status of a failed call.
pub fn status_for(code: ErrorCode, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(code.name(), ERROR_DOMAIN, HashMap::new());
    Status::with_error_details(grpc_code(code), message, details)
}

/// What an error carries beside its name and message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// The item that a failed condition met.
    Item(Item),
    /// What became of each action of a failed transaction.
    Reasons(Vec<CancellationReason>),
}

/// Errors travel in the head of an answer, whose length clients and proxies bound (ours at 8 MiB, base64 included). What is longer than this
/// goes without the items: why a transaction was cancelled matters more than what its conditions met.
const DETAIL_LIMIT: usize = 4 << 20;

const CONDITIONAL_CHECK_FAILED: &str = "type.googleapis.com/sealdb.v1.ConditionalCheckFailed";
const TRANSACTION_CANCELED: &str = "type.googleapis.com/sealdb.v1.TransactionCanceled";

impl Detail {
    fn into_any(self) -> Option<Any> {
        let (type_url, value) = match self {
            Detail::None => return None,
            Detail::Item(item) => {
                let item = Some(item.into());
                let message = v1::ConditionalCheckFailed { item };
                (CONDITIONAL_CHECK_FAILED, message.encode_to_vec())
            }
            Detail::Reasons(reasons) => {
                let reasons = reasons.into_iter().map(Into::into).collect();
                let mut message = v1::TransactionCanceled { reasons };
                if message.encoded_len() > DETAIL_LIMIT {
                    message.reasons.iter_mut().for_each(|one| one.item = None);
                }
                (TRANSACTION_CANCELED, message.encode_to_vec())
            }
        };
        Some(Any {
            type_url: type_url.to_owned(),
            value,
        })
    }

    /// `None` if it is no detail of ours, or not one that this version understands.
    fn from_any(any: &Any) -> Option<Self> {
        match any.type_url.as_str() {
            CONDITIONAL_CHECK_FAILED => {
                let message = v1::ConditionalCheckFailed::decode(any.value.as_slice()).ok()?;
                message.item?.try_into().ok().map(Detail::Item)
            }
            TRANSACTION_CANCELED => {
                let message = v1::TransactionCanceled::decode(any.value.as_slice()).ok()?;
                let reasons = message.reasons.into_iter().map(TryInto::try_into);
                reasons.collect::<Result<_, _>>().ok().map(Detail::Reasons)
            }
            _ => None,
        }
    }
}

/// The status of a failed call whose error carries something: reasons without their items, if those are longer than 4 MiB together.
pub fn status_with(code: ErrorCode, message: impl Into<String>, detail: Detail) -> Status {
    let status = status_for(code, message);
    let Some(any) = detail.into_any() else {
        return status;
    };
    let mut details =
        pb::Status::decode(status.details()).expect("the details that were just encoded");
    details.details.push(any);
    Status::with_details(
        status.code(),
        status.message(),
        details.encode_to_vec().into(),
    )
}

/// What the error that a status stands for carries; nothing where the status is not ours.
pub fn detail_of(status: &Status) -> Detail {
    if named_error(status).is_none() {
        return Detail::None;
    }
    pb::Status::decode(status.details())
        .ok()
        .and_then(|details| details.details.iter().find_map(Detail::from_any))
        .unwrap_or_default()
}

impl From<WireError> for Status {
    fn from(error: WireError) -> Self {
        status_for(error.code(), error.to_string())
    }
}

/// The error and message that a status stands for.
///
/// A status without our details comes from what lies between (the gRPC library, a proxy) and is read by its gRPC
/// code. It says nothing about whether the request was carried out, except that it was not where the code cannot
/// mean otherwise; where it is unknown, the error is [`ErrorCode::UnknownOutcomeException`].
pub fn error_from_status(status: &Status) -> (ErrorCode, String) {
    (
        named_error(status).unwrap_or_else(|| foreign_error(status.code())),
        status.message().to_owned(),
    )
}

/// The error that the server named, if the status carries our details with a name that this version knows.
pub fn named_error(status: &Status) -> Option<ErrorCode> {
    let info = status.get_details_error_info()?;
    if info.domain == ERROR_DOMAIN {
        ErrorCode::from_name(&info.reason)
    } else {
        None
    }
}

fn foreign_error(code: Code) -> ErrorCode {
    match code {
        Code::InvalidArgument => ErrorCode::SerializationException,
        // A message that is too long.
        Code::OutOfRange => ErrorCode::ValidationException,
        Code::NotFound => ErrorCode::ResourceNotFoundException,
        Code::AlreadyExists => ErrorCode::ResourceInUseException,
        Code::PermissionDenied => ErrorCode::AccessDeniedException,
        Code::ResourceExhausted => ErrorCode::ThrottlingException,
        Code::FailedPrecondition => ErrorCode::ValidationException,
        Code::Aborted => ErrorCode::TransactionConflictException,
        Code::Unimplemented => ErrorCode::UnknownOperationException,
        Code::Unavailable => ErrorCode::ServiceUnavailable,
        Code::DataLoss => ErrorCode::DataCorruptionException,
        Code::Unauthenticated => ErrorCode::UnrecognizedClientException,
        Code::Ok | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal => {
            ErrorCode::UnknownOutcomeException
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_wire() {
        for &code in ErrorCode::ALL {
            let sent = status_for(code, "what is wrong");
            assert_ne!(sent.code(), Code::Ok, "{code}");
            // As a client sees it: rebuilt from the code, the message and the details.
            let received =
                Status::with_details(sent.code(), sent.message(), sent.details().to_vec().into());
            assert_eq!(
                error_from_status(&received),
                (code, "what is wrong".to_owned())
            );
            assert_eq!(
                received
                    .get_details_error_info()
                    .map(|info| info.domain)
                    .as_deref(),
                Some("sealdb")
            );
        }
    }

    #[test]
    fn what_an_error_carries_survives_the_wire() {
        let item = Item::from([("pk", "AT")]);
        let reasons = vec![
            CancellationReason::none(),
            CancellationReason::condition(Some(item.clone())),
        ];
        for (code, detail) in [
            (ErrorCode::ValidationException, Detail::None),
            (
                ErrorCode::ConditionalCheckFailedException,
                Detail::Item(item),
            ),
            (
                ErrorCode::TransactionCanceledException,
                Detail::Reasons(reasons),
            ),
        ] {
            let sent = status_with(code, "why", detail.clone());
            let received =
                Status::with_details(sent.code(), sent.message(), sent.details().to_vec().into());
            assert_eq!(error_from_status(&received), (code, "why".to_owned()));
            assert_eq!(detail_of(&received), detail);
        }
    }

    #[test]
    fn reasons_that_are_too_long_for_a_head_go_without_their_items() {
        let item = Item::from([("b", vec![7u8; 400_000])]);
        let reasons = |count| {
            let met = CancellationReason::condition(Some(item.clone()));
            let mut reasons = vec![met; count];
            reasons.push(CancellationReason::none());
            reasons
        };
        let code = ErrorCode::TransactionCanceledException;
        let received =
            |count| detail_of(&status_with(code, "why", Detail::Reasons(reasons(count))));
        assert_eq!(received(10), Detail::Reasons(reasons(10)));
        let mut without = reasons(100);
        without.iter_mut().for_each(|one| one.item = None);
        assert_eq!(received(100), Detail::Reasons(without));
    }

    #[test]
    fn foreign_details_are_not_believed() {
        let details =
            ErrorDetails::with_error_info("ThrottlingException", "elsewhere", HashMap::new());
        let status = Status::with_error_details(Code::NotFound, "no", details);
        assert_eq!(named_error(&status), None);
        assert_eq!(
            error_from_status(&status).0,
            ErrorCode::ResourceNotFoundException
        );
        let details = ErrorDetails::with_error_info("NewException", ERROR_DOMAIN, HashMap::new());
        let status = Status::with_error_details(Code::Unavailable, "no", details);
        assert_eq!(error_from_status(&status).0, ErrorCode::ServiceUnavailable);
        let item = Detail::Item(Item::new()).into_any();
        let foreign = pb::Status {
            details: item.into_iter().collect(),
            ..Default::default()
        };
        let status = Status::with_details(Code::Aborted, "no", foreign.encode_to_vec().into());
        assert_eq!(detail_of(&status), Detail::None);
        let garbage = Status::with_details(Code::Internal, "no", vec![0xff; 40].into());
        assert_eq!(
            error_from_status(&garbage).0,
            ErrorCode::UnknownOutcomeException
        );
    }
}
