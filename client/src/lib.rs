//! The Rust client of SealDB: typed, async, with retries and paginators.
//!
//! ```no_run
//! use sealdb_client::model::ops::{PutItemInput, QueryInput};
//! use sealdb_client::model::Item;
//! use sealdb_client::{Client, Endpoint, Error};
//!
//! # async fn example() -> Result<(), Error> {
//! let client = Client::connect(Endpoint::discover()?).await?;
//! client.put_item(PutItemInput::new("airports", Item::from([("country", "AT"), ("code", "LOWW")]))).await?;
//! let query = QueryInput::new("airports", "country = :c").value(":c", "AT");
//! let mut items = client.query_pages(query).items();
//! while let Some(item) = items.next().await {
//!     println!("{}", item?.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is guaranteed:
//!
//! - TLS 1.3, always. The server's certificate is checked, against a pin or against given roots, before the
//!   credential or anything else of the caller's is sent.
//! - A request is sent again by itself only if it is known not to have been carried out, or if carrying it out twice
//!   makes no difference ([`RetryPolicy`]).
//! - Secrets are neither printed nor logged, and marked sensitive for the HTTP/2 layer.
//!
//! What is not: a request whose answer is lost may have been carried out
//! ([`ErrorCode::UnknownOutcomeException`](sealdb_model::ErrorCode)).

mod batch;
mod call;
mod channel;
mod client;
mod connect;
mod endpoint;
mod error;
mod keys;
mod pages;
mod retry;
mod tail;
mod tls;

pub use batch::BatchWriteError;
pub use client::Client;
pub use endpoint::{Credential, Endpoint, Trust};
pub use error::Error;
pub use pages::{
    Items, ListTablesPages, PageStream, Pages, QueryPages, QueryStream, ScanPages, ScanStream,
};
pub use retry::RetryPolicy;
/// The model: values, items, and the inputs and outputs of the operations.
pub use sealdb_model as model;
pub use tail::{Tail, TailFrom};
