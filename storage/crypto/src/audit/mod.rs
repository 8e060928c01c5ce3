//! The audit trail: every use of a KMS key leaves an event, durable before the key is handed out.
//!
//! One file of its own, `audit.trail`, in the data directory:
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic `SEALAUD\0` | clear |
//! | 8 | 2 | format version, 1 | clear |
//! | 10 | 2 | suite, 0 | clear |
//! | 12 | 16 | database id | clear |
//! | 28 | 16 | trail id, random | clear |
//! | 44 | 4 + n | key record of the audit key, wrapped under `alias/sealdb/system` | clear |
//! | .. 4064 | | zeros | |
//! | 4064 | 32 | HMAC-SHA256(audit key, `audit head` ‖ bytes 0 to 4063) | |
//! | 4096 | | records, each at a multiple of 16 bytes | |
//! | | 4 | length n of the block | clear |
//! | | 8 | sequence, from 1 | clear |
//! | | 4 | zeros | |
//! | | n | sealed block: sequence 8 ‖ tag of the record before 16 (zeros for the first) ‖ event as JSON | sealed |
//! | | | zeros up to a multiple of 16 | |
//! | | ≥ 1 MiB | zeros: the reserve | |
//!
//! Numbers are big-endian. Blocks have the kind `AuditRecord` and are bound to trail id and sequence.
//!
//! **Guaranteed.** [`AuditTrail::append`] returns after the event is durable. A record that was changed, cut out of the middle, or
//! moved is an error, never skipped. With [`AuditedKms`] no key is handed out without its event. At least 1 MiB of written zeros
//! lies ahead of the last record, kept for key events, so that a full disk does not close tables that a refresh would keep open
//! (on file systems that write in place; a copy-on-write one may need space even then).
//!
//! **Not guaranteed.** Records cut from the *end* are not noticed: that looks like a crash before they were written. An event can be
//! present whose key was never handed out (a crash in between). If the KMS refuses the audit key itself, at start, there is no
//! key to record the refusal with; it is logged. The audit key is held as long as the trail is open: who closes the database
//! because its system key was refused drops the trail too.

mod audited;
mod error;
mod event;
mod reader;
#[cfg(test)]
mod tests;
mod trail;

pub use audited::AuditedKms;
pub use error::AuditError;
pub use event::{
    AuditEvent, KEY_EVENTS, Outcome, RequestParameters, Resource, ResponseElements, UserIdentity,
    rfc3339,
};
pub(crate) use reader::fuzz;
pub use reader::{AuditRecord, TrailReader};
pub use trail::{AuditTrail, TrailAccess};

/// Where events go.
pub trait AuditSink: Send + Sync {
    /// Appends one event. **Blocking**; when it returns, the event is durable.
    ///
    /// # Errors
    /// Any error means that the event may be absent, and that what it records must not happen.
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError>;
}
