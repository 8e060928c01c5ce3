//! The data model of SealDB: values, numbers, items, schemas, keys, limits, expressions and PartiQL, and the inputs and outputs
//! of the operations, all as DynamoDB has them.
//!
//! Guaranteed: what passes a `validate` follows DynamoDB's rules; equal items are equal bytes; no bytes, however hostile,
//! make a decoder or parser panic, recurse without bound or allocate more than they justify; `Debug` of anything that
//! carries data prints lengths.
//! Not here: I/O, cryptography, wire formats.

#![deny(clippy::indexing_slicing)]

pub mod codec;
mod error;
pub mod expr;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod generate;
mod hexadecimal;
mod index;
mod key;
mod map;
mod names;
mod number;
pub mod ops;
pub mod partiql;
mod schema;
mod size;
mod value;

pub use error::{Constraints, ErrorCode, ValidationError};
pub use index::{
    IndexKey, IndexKeyBytes, IndexKind, IndexProjection, IndexSchema, MAX_INDEX_KEY_ATTRIBUTES,
    put_partition_bytes, put_sort_bytes, put_sort_prefix,
};
pub use key::{KeyBytes, KeyRole, MAX_PARTITION_KEY, MAX_SORT_KEY, PrimaryKey};
pub use map::{IntoIter, Item, Map};
pub use names::{AttributeName, IndexName, MAX_ATTRIBUTE_NAME, MAX_KEY_NAME, TableName, TableRef};
pub use number::{MAX_DIGITS, MAX_MAGNITUDE, MIN_MAGNITUDE, Number, NumberError};
pub use schema::{KeyAttribute, KeySchema, ScalarType, TableSchema};
pub use size::{
    MAX_DEPTH, MAX_ITEM_SIZE, item_size, rendered_size, validate_item, validate_key_map,
    validate_value, value_size,
};
pub use value::{AttributeType, AttributeValue};
