//! What `sealdb-bench` shares with the databases that it is measured beside, which are processes of their own.
//!
//! | module | what it holds |
//! |---|---|
//! | [`items`], [`size`], [`random`] | the items that everybody stores, and chance that can be repeated |
//! | [`peer`] | what a database has to do to be measured |
//! | [`group`] | group commit for those that have none |
//! | [`protocol`] | the lines between the harness and such a process |
//! | [`child`] | the process: it reads commands, measures and answers |
//! | [`latency`], [`disk`] | how long calls took, and what the files take |
//!
//! Everybody is measured by the same loop in the same way; a peer's own file holds nothing but calls of its database. Of our rooms
//! it knows the model only, for the items and their codec.

use std::error::Error;

pub mod child;
pub mod disk;
pub mod group;
pub mod items;
pub mod latency;
mod measure;
pub mod peer;
pub mod protocol;
pub mod random;
pub mod size;

pub use sealdb_model as model;

/// What went wrong. It is only shown.
pub type Failure = Box<dyn Error + Send + Sync>;
