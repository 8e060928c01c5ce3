//! sealdb.

#[allow(dead_code, unused_imports)] // used by the rooms that come next
mod tree;

#[doc(hidden)]
pub use tree::fuzz_page;
