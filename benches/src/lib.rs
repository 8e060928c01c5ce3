//! The null sealer, and what the load harness (`sealdb-bench`) and the criterion benches share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`null`] | what "plain" means: the block transform without a seal |
//! | [`store`] | a database of either kind, filled with items of one size |
//! | [`load`] | what is done to a store and timed |
//! | [`compare`] | sealed against plain against plain again, interleaved in rounds |
//! | [`rows`] | the quantities that come out |
//! | [`report`] | the table for people and the JSON for programs |
//! | [`machine`] | what the numbers were measured on |
//!
//! Numbers are worth something beside a peer of the same run only: every comparison runs in rounds, each round visits every
//! store, and the spread of plain against a second plain store is printed beside sealed against plain.

pub mod compare;
pub mod load;
pub mod machine;
pub mod null;
pub mod report;
pub mod rows;
pub mod store;
