//! The audit trail: every use of a KMS key leaves an event, durable before the key is handed out.

mod audited;
mod event;

use thiserror::Error;

pub use audited::AuditedKms;
pub use event::{
    AuditEvent, KEY_EVENTS, Outcome, RequestParameters, Resource, ResponseElements, UserIdentity,
};

/// Where events go.
pub trait AuditSink: Send + Sync {
    /// Appends one event. **Blocking**; when it returns, the event is durable.
    ///
    /// # Errors
    /// Any error means that the event may be absent, and that what it records must not happen.
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError>;
}

/// Why the trail cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Reading or writing failed.
    #[error("cannot {action} the audit trail {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The trail's file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
