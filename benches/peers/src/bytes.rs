//! Items as stores of bytes hold them.

use sealdb_bench_driver::Failure;
use sealdb_bench_driver::items::{encode, joined_key};
use sealdb_bench_driver::model::Item;

/// A key and the bytes of its item.
pub(crate) type Put = (String, Vec<u8>);

/// What puts an item.
pub(crate) fn put(number: u64, item: &Item) -> Result<Put, Failure> {
    Ok((joined_key(number), encode(item)?))
}

/// What puts some items.
pub(crate) fn puts(items: &[(u64, Item)]) -> Result<Vec<Put>, Failure> {
    items
        .iter()
        .map(|(number, item)| put(*number, item))
        .collect()
}
