//! sealdb.

#![allow(dead_code)] // the public API that stands on it comes next

#[allow(dead_code, unused_imports)] // used by the rooms that come next
mod tree;

mod catalog;
mod checkpoint;
mod commit;
mod core;
#[cfg(test)]
mod core_tests;
mod error;
mod keeper;
mod log;
mod options;
mod pins;
mod recovery;
mod replay;
mod root;
mod shared;
mod table;
#[cfg(test)]
mod testing;
mod wire;

#[doc(hidden)]
pub use catalog::record::fuzz_catalog_record;
#[doc(hidden)]
pub use log::frame::fuzz_log_record;
#[doc(hidden)]
pub use root::fuzz_root;
#[doc(hidden)]
pub use tree::fuzz_page;

pub use catalog::record::Billing;
pub use error::{ClosedReason, Error};
pub use options::{Background, Durability, Options};
#[doc(hidden)]
pub use shared::Parts;

pub use sealdb_crypto as crypto;
pub use sealdb_model as model;

pub use sealdb_model::ErrorCode;
