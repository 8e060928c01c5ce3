//! The SealDB server: the database over gRPC and DynamoDB's JSON protocol, for many clients at once.
//!
//! A thin adapter: it authenticates, bounds, measures and translates; what a request means is decided in `sealdb`.
//!
//! # What is guaranteed
//! - Nothing listens without TLS 1.3 and a credential, but what is asked for on loopback: the metrics, and the DynamoDB protocol
//!   in plain HTTP, where requests are signed.
//! - What a client may use up is bounded: connections, calls, message sizes, time without a login.
//! - Neither logs nor metrics hold values, keys or secrets.
//! - After [`Running::shutdown`] every answered write is in the database's files, and a checkpoint ends them.

mod again;
pub mod auth;
mod budget;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod database;
mod detail;
pub mod dynamodb;
pub mod endpoint;
pub mod files;
pub mod gate;
mod gathered;
mod grpc;
mod health;
mod held;
pub mod keys;
pub mod listener;
pub mod logging;
mod measured;
pub mod metrics;
pub mod providers;
mod refusals;
pub mod scrape;
pub mod server;
pub mod service;
pub mod shutdown;
mod stuck;
pub mod tls;
pub mod units;

pub use config::{Config, ConfigError};
pub use server::{Running, StartError, StopError, run, start};
