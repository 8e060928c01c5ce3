//! The null sealer, and what the load harness (`sealdb-bench`) and the criterion benches share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`null`] | what "plain" means: the block transform without a seal |
//! | [`size`], [`random`] | sizes of items, and chance that can be repeated; the driver's, as peers have the same |
//! | [`store`] | a database of either kind, filled with items |
//! | [`load`] | what is done to a store and timed |
//! | [`compare`] | sealed against plain against plain again, interleaved in rounds |
//! | [`usage`] | processor, memory and device, as `/proc` tells them |
//! | [`rows`], [`targets`] | the quantities that come out, and what they have to reach |
//! | [`process`] | processes that the harness starts |
//! | [`serve`], [`grpc`] | servers in processes of their own, and the same comparison over gRPC |
//! | [`http`], [`requests`] | a client of the DynamoDB protocol, and requests in a second beside others that speak it |
//! | [`peers`] | other databases beside SealDB, all in processes of their own |
//! | [`long`] | what takes minutes |
//! | [`report`], [`html`] | the table for people, the JSON for programs, and the plots |
//! | [`machine`] | what the numbers were measured on |
//!
//! Numbers are worth something beside a peer of the same run only: every comparison runs in rounds, each round visits every
//! store, and the spread of plain against a second plain store is printed beside sealed against plain.

pub mod compare;
pub mod grpc;
pub mod html;
pub mod http;
pub mod load;
pub mod long;
pub mod machine;
pub mod null;
pub mod peers;
pub mod process;
mod reads;
pub mod report;
pub mod requests;
pub mod rows;
pub mod serve;
pub mod store;
pub mod targets;
pub mod usage;
mod writes;

pub use sealdb_bench_driver::{random, size};
