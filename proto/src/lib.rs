//! The gRPC wire format of SealDB: the generated messages and service, and the ways between them and
//! the model.
//!
//! What is guaranteed:
//!
//! - Every model value that passes the model's checks becomes a message and back without loss.
//! - A message that does not become a model value is refused with an error that names the field and
//!   says what is wrong ([`WireError`]). No message makes a conversion panic or recurse without bound.
//! - `Debug` of a message that carries data prints lengths, never content.
//!
//! What is not: conversions check shapes (a value is set, names are unique, a number is a number,
//! nesting stays in bounds), not DynamoDB's rules about tables, keys and sizes. Those are the model's,
//! checked by `XInput::validate`.

pub mod codec;
mod convert;
mod debug;
pub mod endpoint;
mod fuzz;
pub mod json;
pub mod json_api;
mod status;

pub use convert::WireError;
#[doc(hidden)]
pub use fuzz::fuzz_protobuf;
/// The trait of all messages: encoding and decoding.
pub use prost::Message;
pub use status::{
    Detail, detail_of, error_from_status, grpc_code, named_error, status_for, status_with,
};

/// Generated code: messages, and the service's client and server.
pub mod v1 {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    tonic::include_proto!("sealdb.v1");
}

/// The compiled .proto files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/sealdb_v1_descriptor.bin"));

/// Full name of the service, as health checks ask for it.
pub const SERVICE_NAME: &str = v1::seal_db_server::SERVICE_NAME;

/// Full name of the service that administers keys.
pub const KEY_SERVICE_NAME: &str = v1::key_admin_server::SERVICE_NAME;

/// Longest request, in bytes: 16 MiB of payload and room for the envelope.
///
/// The largest legitimate request is a batch of 25 items of 400 KB.
pub const MAX_MESSAGE_LEN: usize = 16 * 1024 * 1024 + 64 * 1024;

/// Longest answer, in bytes.
///
/// Numbers travel in decimal: three bytes of an item, by DynamoDB's rules of size, may be a number that takes 140 here. So an item of
/// 400 KB has up to 19 MB, and a page of 1 MB up to 50.
pub const MAX_ANSWER_LEN: usize = 64 * 1024 * 1024;

/// Response metadata that holds the server's id of the request.
pub const REQUEST_ID_METADATA: &str = "sealdb-request-id";

/// Domain of the `google.rpc.ErrorInfo` of failed calls.
pub const ERROR_DOMAIN: &str = "sealdb";
