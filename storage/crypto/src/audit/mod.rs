//! The audit trail: who used which key, changed which table, was refused, and, if asked for, read or wrote which item.
//!
//! A file of its own, `audit.trail`, in the data directory. When it is 64 MiB long it is put aside as `audit-ID-NNNNNN.trail` (eight digits of
//! the trail's id, the number of the file) and a new one goes on where it ended. Nothing is ever deleted: files that were put aside may
//! be moved away, the oldest first, and what is left still verifies.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic `SEALAUD\0` | clear |
//! | 8 | 2 | format version, 2 | clear |
//! | 10 | 2 | suite, 0 | clear |
//! | 12 | 16 | database id | clear |
//! | 28 | 16 | trail id, random | clear |
//! | 44 | 4 + n | key record of the audit key, wrapped under `alias/sealdb/system` | clear |
//! | .. | 4 + n | where the file begins, sealed under a key derived from the audit key, bound to the first 44 bytes | sealed |
//! | .. 8160 | | zeros | |
//! | 8160 | 32 | HMAC-SHA256(audit key, `audit head` ‖ bytes 0 to 8159) | |
//! | 8192 | | records, each at a multiple of 16 bytes | |
//! | | 4 | length n of the block, 256 KiB at most | clear |
//! | | 8 | sequence, from 1, through all files | clear |
//! | | 4 | zeros | |
//! | | n | sealed block: sequence 8 ‖ tag of the record before 16 (zeros for the first) ‖ events, a line each | sealed |
//! | | | zeros up to a multiple of 16 | |
//! | | ≥ 1 MiB | zeros: the reserve | |
//!
//! **Where a file begins**: seed of the Ed25519 key that signs checkpoints 32 ‖ number of the file 8 ‖ sequence of the first record 8 ‖ tag of the
//! record before 16 ‖ hash of the line before 32 ‖ size 8 and root 32 of the last checkpoint ‖ events before 8 ‖ a hash for each bit that is set in
//! that number, the roots of the full trees that they make, the largest first.
//!
//! Numbers are big-endian. Blocks have the kind `AuditRecord` and are bound to trail id and sequence.
//!
//! **An event's line** is its JSON (see `event.rs`) with its number and the hash of the line before in front. What is hashed is
//! `SHA-256(0x00 ‖ line)`, the leaf of a Merkle tree as in RFC 6962. After 1024 events, or ten minutes if any came, and at a close, an event holds a
//! signed checkpoint: size and root of the tree over all events before it (see `checkpoint.rs`).
//!
//! **Guaranteed.** [`AuditTrail::append`](AuditSink::append) returns after the event is durable. A record that was changed, cut out of the middle, or
//! moved is an error, never skipped. With [`AuditedKms`] no key is handed out without its event. At least 1 MiB of written zeros
//! lies ahead of the last record, kept for key events, so that a full disk does not close tables that a refresh would keep open
//! (on file systems that write in place; a copy-on-write one may need space even then). Against a checkpoint that was kept elsewhere any
//! change of what came before it shows, a cut end included, also to those who hold no key ([`Verification`]).
//!
//! **Not guaranteed.** Records cut from the *end* are not noticed without such a checkpoint: that looks like a crash before they were written.
//! An event can be present whose key was never handed out (a crash in between). What was only noted ([`AuditTrail::note`]: refusals,
//! accesses to items) is durable with the next flush, within a second. If the KMS refuses the audit key itself, at start, there is no
//! key to record the refusal with; it is logged. The audit key is held as long as the trail is open: who closes the database
//! because its system key was refused drops the trail too. Who holds the keyring, its root key and the files holds the signing key
//! as well, and can write another trail from any point on: only checkpoints that are out of their reach show that.

mod allowance;
mod audited;
mod chain;
mod checkpoint;
mod error;
mod event;
mod head;
pub mod merkle;
mod pending;
mod proof;
mod reader;
#[cfg(test)]
mod tests;
mod trail;
mod verify;

pub use allowance::Allowance;
pub use audited::AuditedKms;
pub use chain::AuditRecord;
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, Verifier};
pub use error::AuditError;
pub use event::{
    ACCOUNT_EVENTS, AuditEvent, Category, KEY_EVENTS, Outcome, RequestParameters, Resource,
    ResponseElements, TABLE_EVENTS, TRAIL_EVENTS, UserIdentity, rfc3339,
};
pub use proof::{Proven, TrailClaim, TrailProof, TrailProofError};
pub use reader::TrailReader;
pub(crate) use reader::fuzz;
pub use trail::{AuditTrail, TrailAccess};
pub use verify::{Beginning, Finding, Verification, Verified};

/// Where events go.
pub trait AuditSink: Send + Sync {
    /// Appends one event. **Blocking**; when it returns, the event is durable.
    ///
    /// # Errors
    /// Any error means that the event may be absent, and that what it records must not happen.
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError>;
}
