//! What is counted and logged of an operation, by whichever protocol it came.
//!
//! The span and the event at its end name table, operation, sizes, outcome and duration. They never hold a value, a key
//! or a message of an error that a caller caused, for those may quote what the caller sent.

use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::Caller;
use sealdb::{Error, ErrorCode};
use tokio::time::Instant;

use crate::auth::Principal;
use crate::metrics::Metrics;
use crate::refusals::{Peer, Refusals};

/// Table names end at 255 bytes; what is longer is not one, and is cut in logs.
const NAME_LIMIT: usize = 255;

/// Who calls, and how the call is named.
pub(crate) struct Who {
    pub(crate) request_id: Arc<str>,
    /// `None` where nothing stands before the service, in tests.
    pub(crate) principal: Option<Principal>,
    pub(crate) peer: Peer,
}

/// An operation under way.
pub(crate) struct Begun {
    operation: &'static str,
    table: String,
    request_bytes: usize,
    who: Who,
    at: Instant,
}

impl Begun {
    /// Begins one; `table` is what the request names, unchecked.
    pub(crate) fn new(
        operation: &'static str,
        table: &str,
        request_bytes: usize,
        who: Who,
    ) -> Begun {
        Begun {
            operation,
            table: table.chars().take(NAME_LIMIT).collect(),
            request_bytes,
            who,
            at: Instant::now(),
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.who.request_id
    }

    pub(crate) fn principal(&self) -> &str {
        self.who
            .principal
            .as_ref()
            .map_or("", Principal::access_key_id)
    }

    /// The caller, as the database and its audit trail name it.
    pub(crate) fn caller(&self) -> Caller {
        match &self.who.principal {
            Some(principal) => principal.caller(self.request_id(), &self.who.peer),
            None => Caller::with_request("", self.request_id()),
        }
    }

    /// What its events lie in.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::debug_span!(
            "operation",
            operation = self.operation,
            table = self.table,
            request_id = self.request_id()
        )
    }

    pub(crate) fn ended_well(self, metrics: &Metrics, response_bytes: usize) {
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

    /// What was asked for could not be read.
    pub(crate) fn unread(self, metrics: &Metrics, refusals: &Refusals, code: ErrorCode) {
        refusals.malformed((self.operation, &self.table), &self.caller(), code);
        self.failed(metrics, code, None);
    }

    /// `error`: the database's, if it comes from there.
    pub(crate) fn failed(self, metrics: &Metrics, code: ErrorCode, error: Option<&Error>) {
        let took = self.at.elapsed();
        metrics.ended(self.operation, code.name(), took);
        metrics.bytes(self.operation, self.request_bytes, 0);
        match (error, ours(code)) {
            (Some(error), true) => tracing::error!(
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
