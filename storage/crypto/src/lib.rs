//! sealdb-crypto: keys, sealing of blocks, key derivation.
//!
//! Knows no engine, no items and no wire format. See the modules for what each guarantees.

pub mod clock;
pub mod ids;
pub mod provider;
pub mod secret;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{DatabaseId, Generation, IdParseError, SegmentId, TableId, TreeId};
pub use provider::{Provider, ProviderError, Unauthentic};
pub use secret::{SecretBytes32, SecretString, TableKey};
