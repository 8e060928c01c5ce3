//! DynamoDB's JSON protocol 1.0 over HTTP/1.1: what AWS's SDKs speak, unchanged.
//!
//! A second adapter beside gRPC, over the same database, behind the same gate: places in flight, memory of requests,
//! credentials, metrics and logs are shared. On TLS, or on loopback in plain HTTP if that is asked for: a request's signature
//! carries no secret, but its content could be read.
//!
//! A request passes, in this order:
//!
//! 1. its head: method, content type, operation ([`dispatch`]), signature's form, access key, date ([`sigv4`]);
//! 2. its body, within a deadline and the memory for what arrives ([`body`]), and then its signature, which covers the body;
//! 3. a place in flight and its share of the memory for requests;
//! 4. the operation, and the answer with its checksum ([`answer`]).
//!
//! Whoever does not know an access key's id sends no body that is kept. The id is no secret, though: who knows one can have the
//! server read a body, for at most [`body::DEADLINE`], and takes nothing by it that those need whose signature was right.

mod account;
mod answer;
mod body;
mod connections;
mod dispatch;
mod exception;
mod exchange;
mod sigv4;

use std::sync::Arc;

use sealdb::Database;
use sealdb::crypto::Clock;

use crate::auth::Authenticator;
use crate::gate::Gate;
use crate::metrics::Metrics;

pub(crate) use connections::serve;
pub(crate) use sigv4::SigningKeys;

/// What all connections share.
pub(crate) struct DynamoDb {
    pub(crate) database: Database,
    pub(crate) authenticator: Authenticator,
    pub(crate) gate: Gate,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Any bytes as what a signature stands in: none may panic.
#[doc(hidden)]
pub use sigv4::fuzz_sigv4;
