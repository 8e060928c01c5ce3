//! sealdb.

#[allow(dead_code, unused_imports)] // used by the rooms that come next
mod tree;

#[doc(hidden)]
pub use tree::fuzz_page;

pub use sealdb_crypto as crypto;
pub use sealdb_model as model;

pub use sealdb_model::ErrorCode;
