//! sealdb-kms: keys that other systems keep, beside the local keyring.
//!
//! Each provider is a [`sealdb_crypto::Kms`]. [`Router`] makes one of several by the names of keys, [`Resilient`] gives every provider the
//! same patience. Knows keys only: no table, no engine, no wire format of ours.

#[cfg(feature = "aws")]
pub mod aws;
mod binding;
mod error;
#[cfg(any(feature = "pkcs11", feature = "vault"))]
mod local;
mod name;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
mod resilient;
mod router;
#[cfg(test)]
mod testing;
#[cfg(any(feature = "aws", feature = "vault"))]
mod url;
#[cfg(feature = "vault")]
pub mod vault;

pub use binding::check_binding;
pub use error::SetupError;
pub use name::Family;
pub use resilient::{Pace, Patience, Resilient};
pub use router::{FamilyTaken, Router};
