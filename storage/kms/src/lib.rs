//! sealdb-kms: keys that other systems keep, beside the local keyring.
//!
//! Each provider is a [`sealdb_crypto::Kms`]. [`Router`] makes one of several by the names of keys, [`Resilient`] gives every provider the
//! same patience. Knows keys only: no table, no engine, no wire format of ours.

mod binding;
mod name;
mod resilient;
mod router;
#[cfg(test)]
mod testing;

pub use binding::check_binding;
pub use name::Family;
pub use resilient::{Pace, Patience, Resilient};
pub use router::{FamilyTaken, Router};
