//! sealdb-crypto: keys, sealing of blocks, key derivation.
//!
//! Knows no engine, no items and no wire format. See the modules for what each guarantees.

pub mod block;
pub mod clock;
pub mod epoch;
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod provider;
pub mod sealer;
pub mod secret;

pub use block::{BlockHead, BlockKind, BlockTag, LogPlace, OpenError, Purpose, Scope, SealError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use epoch::EpochLimits;
pub use ids::{DatabaseId, Generation, IdParseError, SegmentId, TableId, TreeId};
pub use provider::{Provider, ProviderError, Unauthentic};
pub use sealer::{Aes256Gcm, Sealer, Sealing};
pub use secret::{SecretBytes32, SecretString, TableKey};
