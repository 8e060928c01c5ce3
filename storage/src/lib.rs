//! SealDB: an embedded, DynamoDB-like table store whose data is sealed before it reaches any disk.
//!
//! Every page, log record and catalog entry is AES-256-GCM ciphertext under keys derived from a table key that a KMS has wrapped.
//! The caller notices nothing: operations take and give DynamoDB's shapes.
//!
//! **Without the keyring and its root key the data is gone.** There is no other way in.
//!
//! ```
//! use sealdb::model::ops::{CreateTableInput, GetItemInput, PutItemInput, QueryInput};
//! use sealdb::model::{AttributeValue, Item, ScalarType};
//! use sealdb::{RootKeySource, blocking};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let root_key = RootKeySource::create_file(dir.join("root.key"))?;
//! let db = sealdb::Database::builder(dir.join("data")).keyring(dir.join("keyring"), root_key).open_sync()?;
//!
//! db.create_table(
//!     CreateTableInput::new("airports").partition_key("country", ScalarType::S).sort_key("icao", ScalarType::S),
//! )?;
//! db.put_item(PutItemInput::new(
//!     "airports",
//!     Item::from([("country", AttributeValue::from("IS")), ("icao", "BIRK".into()), ("elevation", 48.into())]),
//! ))?;
//!
//! let key = Item::from([("country", AttributeValue::from("IS")), ("icao", "BIRK".into())]);
//! let item = db.get_item(GetItemInput::new("airports", key))?.item.expect("was just put");
//! assert_eq!(item.get("elevation"), Some(&48.into()));
//!
//! let page = db.query(
//!     QueryInput::new("airports", "country = :c AND begins_with(icao, :p)").value(":c", "IS").value(":p", "BI"),
//! )?;
//! assert_eq!(page.count, 1);
//! db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is guaranteed, and what not, stands in the project's ARCHITECTURE.md and SECURITY.md.

mod tree;

mod audit;
pub mod blocking;
mod catalog;
mod checkpoint;
mod commit;
mod core;
#[cfg(test)]
mod core_tests;
mod database;
mod ddl;
mod error;
mod keeper;
mod key_admin;
mod log;
mod ops;
mod options;
mod pins;
mod plaintext;
mod recovery;
mod rekey;
mod replay;
mod rewrap;
mod root;
mod session;
mod shared;
mod stats;
mod stream;
mod table;
mod tend;
#[cfg(test)]
mod testing;
mod tokens;
pub mod tools;
mod trees;
mod wire;

#[doc(hidden)]
pub use catalog::record::fuzz_catalog_record;
#[doc(hidden)]
pub use log::frame::fuzz_log_record;
#[doc(hidden)]
pub use root::fuzz_root;
#[doc(hidden)]
pub use tree::fuzz_page;

pub use audit::malformed_administration;
pub use database::{Builder, Database};
pub use error::{ClosedReason, Error};
pub use key_admin::{ForEach, IndexImpact, KeyScope, TableImpact};
pub use options::{AuditData, Background, Durability, EngineKind, Options};
pub use rekey::{
    DEFAULT_PACE, MIN_PACE, ProofError, RekeyProof, RekeyStatus, RekeyStep, SignedProof, WalkedTree,
};
pub use rewrap::Rewrapped;
#[doc(hidden)]
pub use shared::Parts;
pub use stats::{DatabaseState, Stats};

pub use sealdb_crypto as crypto;
pub use sealdb_crypto::RootKeySource;
pub use sealdb_model as model;

pub use sealdb_model::ErrorCode;
