//! One call from message to message: converted, run, counted, logged.
//!
//! The span and the event at its end name table, operation, sizes, outcome and duration. They never hold a value, a key
//! or a message of an error that a caller caused, for those may quote what the caller sent.

use std::time::Duration;

use prost::Message;
use sealdb::{Error, ErrorCode};
use sealdb_proto::WireError;
use sealdb_proto::v1;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::gate::Call;
use crate::metrics::Metrics;
use crate::service::Service;

/// Table names end at 255 bytes; what is longer is not one, and is cut in logs.
const NAME_LIMIT: usize = 255;

/// Which table a request names, if it names one.
pub(super) trait NamesTable {
    /// As sent, unchecked.
    fn table(&self) -> &str;
}

macro_rules! names_table {
    ($($request:ident),*) => {
        $(impl NamesTable for v1::$request {
            fn table(&self) -> &str {
                &self.table_name
            }
        })*
    };
}

names_table!(
    CreateTableRequest,
    DescribeTableRequest,
    DeleteTableRequest,
    PutItemRequest,
    GetItemRequest,
    DeleteItemRequest,
    QueryRequest,
    ScanRequest
);

impl NamesTable for v1::ListTablesRequest {
    fn table(&self) -> &str {
        ""
    }
}

impl NamesTable for v1::BatchWriteItemRequest {
    /// The first one; most batches have no other.
    fn table(&self) -> &str {
        self.request_items
            .first()
            .map_or("", |first| &first.table_name)
    }
}

/// Runs one operation.
pub(super) async fn run<Req, Res, Input, Output, Fut>(
    service: &Service,
    operation: &'static str,
    request: Request<Req>,
    work: impl FnOnce(Input) -> Fut,
) -> Result<Response<Res>, Status>
where
    Req: Message + NamesTable,
    Res: Message + From<Output>,
    Input: TryFrom<Req, Error = WireError>,
    Fut: Future<Output = Result<Output, Error>>,
{
    let metrics = &service.metrics;
    let call = request.extensions().get::<Call>().cloned();
    if let Some(call) = &call {
        call.reached();
    }
    let message = request.into_inner();
    let begun = Begun {
        operation,
        table: message.table().chars().take(NAME_LIMIT).collect(),
        request_bytes: message.encoded_len(),
        call,
        at: Instant::now(),
    };
    let span = tracing::debug_span!(
        "operation",
        operation,
        table = begun.table,
        request_id = begun.request_id()
    );
    let outcome = match Input::try_from(message) {
        Ok(input) => work(input)
            .instrument(span.clone())
            .await
            .map_err(Failure::Database),
        Err(error) => Err(Failure::Wire(error)),
    };
    let _entered = span.entered();
    match outcome {
        Ok(output) => {
            let response = Res::from(output);
            let bytes = response.encoded_len();
            if bytes > service.max_message_size {
                let failure = Failure::TooLong(bytes, service.max_message_size);
                return Err(begun.failed(metrics, failure));
            }
            begun.ended_well(metrics, bytes);
            Ok(Response::new(response))
        }
        Err(failure) => Err(begun.failed(metrics, failure)),
    }
}

enum Failure {
    Wire(WireError),
    Database(Error),
    /// The answer's bytes, and how many it may have.
    TooLong(usize, usize),
}

struct Begun {
    operation: &'static str,
    table: String,
    request_bytes: usize,
    call: Option<Call>,
    at: Instant,
}

impl Begun {
    fn request_id(&self) -> &str {
        self.call.as_ref().map_or("", |call| &call.request_id)
    }

    fn principal(&self) -> &str {
        self.call
            .as_ref()
            .map_or("", |call| call.principal.access_key_id())
    }

    fn ended_well(self, metrics: &Metrics, response_bytes: usize) {
        let took = self.at.elapsed();
        metrics.ended(self.operation, "ok", took);
        metrics.bytes(self.operation, self.request_bytes, response_bytes);
        tracing::debug!(
            operation = self.operation,
            table = self.table,
            outcome = "ok",
            request_bytes = self.request_bytes,
            response_bytes,
            duration_us = micros(took),
            request_id = self.request_id(),
            principal = self.principal(),
            "call"
        );
    }

    fn failed(self, metrics: &Metrics, failure: Failure) -> Status {
        let took = self.at.elapsed();
        let (code, status) = match &failure {
            Failure::Wire(error) => (error.code(), Status::from(error.clone())),
            Failure::Database(error) => (
                error.code(),
                sealdb_proto::status_for(error.code(), error.to_string()),
            ),
            Failure::TooLong(bytes, limit) => {
                let code = ErrorCode::ValidationException;
                let message = format!(
                    "the answer has {bytes} bytes, and this server gives at most {limit} (max-message-size); ask for fewer \
                     items at once with Limit"
                );
                (code, sealdb_proto::status_for(code, message))
            }
        };
        metrics.ended(self.operation, code.name(), took);
        metrics.bytes(self.operation, self.request_bytes, 0);
        match (&failure, ours(code)) {
            (Failure::Database(error), true) => tracing::error!(
                operation = self.operation,
                table = self.table,
                outcome = code.name(),
                error = chain(error),
                request_bytes = self.request_bytes,
                duration_us = micros(took),
                request_id = self.request_id(),
                principal = self.principal(),
                "call failed on the server's side"
            ),
            _ => tracing::debug!(
                operation = self.operation,
                table = self.table,
                outcome = code.name(),
                request_bytes = self.request_bytes,
                duration_us = micros(took),
                request_id = self.request_id(),
                principal = self.principal(),
                "call"
            ),
        }
        status
    }
}

/// Whether an operator, and not the caller, has to look after it. Only these errors' texts are logged: they tell of files
/// and keys of ours, not of the caller's data.
fn ours(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InternalServerError
            | ErrorCode::StorageFullException
            | ErrorCode::UnknownOutcomeException
            | ErrorCode::ReadOnlyException
            | ErrorCode::DataCorruptionException
            | ErrorCode::InaccessibleEncryptionCredentialsException
    )
}

/// An error and what lies behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text.push_str(": ");
        text.push_str(&behind.to_string());
        source = behind.source();
    }
    text
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
