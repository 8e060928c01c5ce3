//! sealdb-crypto: keys, sealing of blocks, key derivation.
//!
//! Knows no engine, no items and no wire format. See the modules for what each guarantees.

pub mod administration;
mod arena;
pub mod audit;
pub mod block;
pub mod clock;
pub mod counted;
pub mod epoch;
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod key_record;
pub mod keyring;
pub mod kms;
pub mod lease;
pub mod policy;
pub mod provider;
pub mod sealer;
pub mod secret;
pub mod signing;
pub mod testing;
mod wire;

pub use administration::Administration;
pub use audit::{
    AuditError, AuditEvent, AuditRecord, AuditSink, AuditTrail, AuditedKms, TrailAccess,
    TrailReader,
};
pub use block::{BlockHead, BlockKind, BlockTag, LogPlace, OpenError, Purpose, Scope, SealError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use counted::{CountedKms, KmsCalls};
pub use epoch::EpochLimits;
pub use ids::{DatabaseId, Generation, IdParseError, SegmentId, TableId, TreeId};
pub use key_record::{KeyRecord, KeyRecordError, KeyRecordState};
pub use keyring::{Keyring, KeyringError, RootKeySource};
pub use kms::{
    Alias, Caller, DataKey, DenyReason, EncryptionContext, IdentityMismatch, KeyDescription, KeyId,
    KeyRef, KeyState, KeyUsage, Kms, KmsError, KmsIdentity, Origin, Wrapped,
};
pub use lease::{KeyLease, LeasePolicy, LeaseState, Moment};
pub use policy::{Access, DEFAULT_ACCOUNT, Grant, Identity, KeyOperation, KeyPolicy, is_account};
pub use provider::{Provider, ProviderError, Unauthentic};
pub use sealer::{Aes256Gcm, KeyUses, Sealer, Sealing};
pub use secret::{SecretBytes32, SecretString, TableKey, TableKeys};
pub use signing::{PublicKey, SIGNATURE_LEN, SigningKey};
pub use wire::{WireError, hex, unhex};
