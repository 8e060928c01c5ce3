//! The seam to whoever keeps the keys that wrap ours: the [`Kms`] trait, its vocabulary and its errors.
//!
//! A KMS key never leaves its provider. What leaves is a data key, wrapped under it together with an
//! [`EncryptionContext`]: a wrapped key unwraps only with exactly the context that it was wrapped with, so one that was
//! moved to another table, database or generation does not open. A provider that cannot bind the context must not
//! implement this trait.
//!
//! The verbs are AWS KMS's (GenerateDataKey, Encrypt, Decrypt, ReEncrypt, DescribeKey), because operators know them. The local
//! keyring ([`crate::keyring::Keyring`]) is one provider; those that need a network or a module live in a room of their own.

mod encryption_context;
mod key_name;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::administration::Administration;
use crate::policy::{Access, Identity};
use crate::secret::SecretBytes32;
use crate::wire::{Put, Reader, WireError};

pub use encryption_context::{CONTEXT_PURPOSE, EncryptionContext};
pub use key_name::{ALIAS_DEFAULT, ALIAS_SYSTEM, Alias, InvalidKeyName, KeyId, KeyRef};

/// A provider of keys.
///
/// **Blocking by contract**: a call may take as long as a network round trip and is made only on threads that may block
/// (the key keeper, a blocking pool), never on a runtime's worker and never on the path of a read or a write.
///
/// Implementations answer [`KmsError::Denied`] only when the provider itself says no; whatever may pass by itself
/// (timeouts, a missing file, a refused connection) is [`KmsError::Unavailable`]. The difference decides whether tables
/// close at once or coast.
pub trait Kms: Send + Sync {
    /// Who this provider is and how new its state is. Does not block.
    fn identity(&self) -> KmsIdentity;

    /// Kind of the provider that holds keys of such a name; a key record remembers it. One kind where one provider answers, the
    /// key's own where several do. Does not block, and does not say that there is such a key.
    fn provider_of(&self, key: &KeyRef) -> String;

    /// Makes 32 random bytes and returns them together with their wrapping under `key` and `context`.
    fn generate_data_key(
        &self,
        caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError>;

    /// Wraps `plaintext` (at most 4 KiB, AWS's limit) under the newest version of `key`.
    fn encrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError>;

    /// Unwraps what `generate_data_key`, `encrypt` or `re_encrypt` wrapped under `key` with the same context.
    fn decrypt(
        &self,
        caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError>;

    /// Unwraps and wraps again under another key or context without showing the plaintext to the caller.
    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError>;

    /// What the provider tells about a key.
    fn describe_key(&self, caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError>;

    /// Who may use and administer a key, as of now. A provider that knows no principals of ours, but the database as a whole, says
    /// [`Access::of_default_account`]. There is no default, so that nobody who stands before another provider forgets to ask it.
    ///
    /// # Errors
    /// As for any call.
    fn access(&self, key: &KeyRef) -> Result<Access, KmsError>;

    /// Gives what was done to keys beside this trait, and is in no trail yet, to `record`, the oldest first. What it took is not
    /// given again, unless a crash comes in between. Providers with a trail of their own have nothing to give.
    ///
    /// # Errors
    /// Those of `record`, which ends it, and of the provider.
    fn administration(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        let _ = record;
        Ok(())
    }
}

/// Why a KMS call failed, by what the caller does next.
#[derive(Debug, Clone, Error)]
pub enum KmsError {
    /// The KMS says no. The key must not be used any longer: close what it guards.
    #[error("access to key {key} is denied: {reason}")]
    Denied {
        /// The key as it was named in the call.
        key: String,
        /// Why.
        reason: DenyReason,
    },
    /// The KMS cannot be reached, or not now. Coast, and try again.
    #[error("the key provider {provider} is unavailable: {reason}")]
    Unavailable {
        /// Which provider.
        provider: String,
        /// What is wrong, for an operator.
        reason: String,
        /// The underlying error, where there is one.
        #[source]
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// The ciphertext does not open under this key and context: it was changed, or wrapped for something else. Deliberately
    /// without detail.
    #[error("the wrapped key does not open under key {key} and its encryption context")]
    InvalidCiphertext {
        /// The key as it was named in the call.
        key: String,
    },
    /// The call itself is wrong (plaintext too long, for example).
    #[error("invalid key request: {0}")]
    InvalidRequest(String),
    /// The audit trail could not be written, so the key was not handed out. Treated like `Unavailable`.
    #[error("the audit trail could not be written, so no key is handed out")]
    AuditTrail(#[source] Arc<crate::audit::AuditError>),
}

impl KmsError {
    /// Whether the failure may pass by itself, so that a key in use may coast.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::AuditTrail(_) => true,
            Self::Denied { .. } | Self::InvalidCiphertext { .. } | Self::InvalidRequest(_) => false,
        }
    }

    /// The name that the audit trail records, after AWS KMS's exceptions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied { reason, .. } => reason.code(),
            Self::Unavailable { .. } => UNAVAILABLE,
            Self::InvalidCiphertext { .. } => "InvalidCiphertextException",
            Self::InvalidRequest(_) => "ValidationException",
            Self::AuditTrail(_) => "KMSInternalException",
        }
    }
}

/// The code of [`KmsError::Unavailable`].
pub(crate) const UNAVAILABLE: &str = "DependencyTimeoutException";

/// Why a KMS says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenyReason {
    /// There is no such key or alias.
    NotFound,
    /// The key is disabled.
    Disabled,
    /// The key is about to be deleted.
    PendingDeletion,
    /// The key has no material: it is to be imported, or has expired.
    PendingImport,
    /// The key was deleted and its material destroyed.
    Destroyed,
    /// The key may not be used for this: a system key for a table, or a table's key for the system.
    WrongUsage,
    /// The caller has no permission.
    AccessDenied,
    /// Keys of such a name belong to a provider that is not registered here.
    NoProvider,
    /// The provider unwraps under another encryption context than the one that it wrapped under.
    UnboundContext,
}

impl DenyReason {
    /// AWS KMS's exception name for the reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound | Self::NoProvider | Self::Destroyed => "NotFoundException",
            Self::Disabled => "DisabledException",
            Self::PendingDeletion | Self::PendingImport => "KMSInvalidStateException",
            Self::WrongUsage | Self::UnboundContext => "InvalidKeyUsageException",
            Self::AccessDenied => "AccessDeniedException",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such key",
            Self::Disabled => "the key is disabled",
            Self::PendingDeletion => "the key is pending deletion",
            Self::PendingImport => "the key has no material: import it (again)",
            Self::Destroyed => "the key was deleted and its material destroyed",
            Self::WrongUsage => {
                "its usage does not allow it (a system key guards the system and audit keys only, a table key guards tables only)"
            }
            Self::AccessDenied => "the caller has no permission",
            Self::NoProvider => "its provider is not registered here",
            Self::UnboundContext => {
                "its provider does not bind the encryption context, so a wrapped key could be used for another table"
            }
        })
    }
}

/// Which provider holds the keys. Kept in the root record, so that another or an older one is refused by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsIdentity {
    /// Kind of provider: `"keyring"`, for one.
    pub provider: String,
    /// Which one of its kind: the keyring's UUID.
    pub instance: String,
    /// Grows with each change of the provider's state; 0 where a provider has none.
    pub counter: u64,
}

impl KmsIdentity {
    /// Whether `self`, recorded earlier, is the same provider as `now`, and `now` not older than what was recorded.
    pub fn accepts(&self, now: &KmsIdentity) -> Result<(), IdentityMismatch> {
        if self.provider != now.provider || self.instance != now.instance {
            return Err(IdentityMismatch::Other {
                expected: self.to_string(),
                found: now.to_string(),
            });
        }
        if now.counter < self.counter {
            return Err(IdentityMismatch::Older {
                identity: now.to_string(),
                expected: self.counter,
                found: now.counter,
            });
        }
        Ok(())
    }

    /// Encodes as `string ‖ string ‖ u64`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.provider.as_bytes());
        out.put_bytes(self.instance.as_bytes());
        out.put_u64(self.counter);
    }

    /// Reads what [`KmsIdentity::encode`] wrote, and nothing more.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let identity = Self {
            provider: reader.string()?,
            instance: reader.string()?,
            counter: reader.u64()?,
        };
        reader.end()?;
        Ok(identity)
    }
}

impl fmt::Display for KmsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.instance)
    }
}

/// The provider at hand is not the one that a database was made with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityMismatch {
    /// Another provider or instance.
    #[error("the database belongs to {expected}, but {found} was given")]
    Other {
        /// What the database names.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The same one, but from before a change that the database has already seen.
    #[error(
        "{identity} is older than what the database has seen (change {found}, expected at least {expected}): \
         an old copy was put back. If it is all that is left, move it elsewhere and take it on purpose: \
         sealdb key restore COPY --for DATA_DIR"
    )]
    Older {
        /// The provider.
        identity: String,
        /// The counter that the database has seen.
        expected: u64,
        /// The counter found.
        found: u64,
    },
}

/// Who asks, for the audit trail and for policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who: an access key id, a user of the machine, or `sealdb` for the database itself.
    pub principal: String,
    /// The request on whose behalf the call is made.
    pub request_id: String,
    /// As whom policies of keys know the principal; `None` for the database itself and for the program that embeds it: they hold the keys'
    /// provider, and no policy binds them.
    pub identity: Option<Arc<Identity>>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The other end of the connection.
    pub address: Option<IpAddr>,
    /// What the client says that it is.
    pub user_agent: Option<Arc<str>>,
}

impl Caller {
    /// A caller with a fresh request id.
    pub fn new(principal: impl Into<String>) -> Self {
        Self::with_request(principal, uuid::Uuid::new_v4().to_string())
    }

    /// The database itself (opening tables, refreshing keys), with a fresh request id.
    pub fn database() -> Self {
        Self::new("sealdb")
    }

    /// A caller acting for a known request.
    pub fn with_request(principal: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            principal: principal.into(),
            request_id: request_id.into(),
            identity: None,
            origin: Origin::default(),
        }
    }

    /// The same, from there.
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The same, bound by the policies of keys as this principal.
    #[must_use]
    pub fn with_identity(self, identity: Arc<Identity>) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }
}

/// A data key, plain and wrapped.
pub struct DataKey {
    /// The 32 random bytes.
    pub plaintext: SecretBytes32,
    /// The same, wrapped by the KMS.
    pub wrapped: Vec<u8>,
    /// The key that wrapped it.
    pub key_id: KeyId,
}

/// Something wrapped by the KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Opaque to everyone but the provider.
    pub ciphertext: Vec<u8>,
    /// The key that wrapped it.
    pub key_id: KeyId,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// In use.
    Enabled,
    /// Refused until it is enabled again.
    Disabled,
    /// Refused; its material is destroyed when its time is over, unless the deletion is cancelled.
    PendingDeletion,
    /// Refused until its material is imported (again).
    PendingImport,
    /// Refused for ever: its material is destroyed. What is left is its name.
    Destroyed,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::Destroyed => "Destroyed",
        })
    }
}

/// What a key may guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyUsage {
    /// System, audit and credential keys only.
    System,
    /// Anything but these: tables.
    Table,
}

impl KeyUsage {
    /// Whether a key of this usage may wrap under a context, by its [`CONTEXT_PURPOSE`].
    pub fn allows(self, context: &EncryptionContext) -> bool {
        let purpose = context.get(CONTEXT_PURPOSE);
        let for_system = matches!(purpose, Some("system" | "audit" | "credentials"));
        match self {
            Self::System => for_system,
            Self::Table => !for_system,
        }
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Table => "Table",
        })
    }
}

/// What is told about a key; never its material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDescription {
    /// The provider's id.
    pub id: KeyId,
    /// Its alias, where it has one.
    pub alias: Option<Alias>,
    /// For people.
    pub description: String,
    /// Whether it may be used.
    pub state: KeyState,
    /// What it may guard.
    pub usage: KeyUsage,
    /// How many versions of key material it has; the newest wraps.
    pub versions: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DatabaseId, Generation, TableId};

    #[test]
    fn another_or_older_provider_is_refused_by_name() {
        let seen = KmsIdentity {
            provider: "keyring".into(),
            instance: "a".into(),
            counter: 5,
        };
        assert_eq!(seen.accepts(&seen), Ok(()));
        assert_eq!(
            seen.accepts(&KmsIdentity {
                counter: 6,
                ..seen.clone()
            }),
            Ok(())
        );
        let older = seen
            .accepts(&KmsIdentity {
                counter: 4,
                ..seen.clone()
            })
            .unwrap_err();
        assert!(older.to_string().contains("older"), "{older}");
        let other = seen
            .accepts(&KmsIdentity {
                instance: "b".into(),
                ..seen.clone()
            })
            .unwrap_err();
        assert!(other.to_string().contains("keyring a") && other.to_string().contains("keyring b"));
        let mut bytes = Vec::new();
        seen.encode(&mut bytes);
        assert_eq!(KmsIdentity::decode(&bytes), Ok(seen));
    }

    #[test]
    fn usage_follows_the_purpose() {
        let database = DatabaseId::from_bytes([1; 16]);
        let table = TableId::from_bytes([2; 16]);
        let system = EncryptionContext::for_system(database, Generation::FIRST);
        let audit = EncryptionContext::for_audit(database, Generation::FIRST);
        let table = EncryptionContext::for_table(database, table, "t", "a", Generation::FIRST);
        assert!(KeyUsage::System.allows(&system) && KeyUsage::System.allows(&audit));
        assert!(
            !KeyUsage::System.allows(&table) && !KeyUsage::System.allows(&EncryptionContext::new())
        );
        assert!(
            KeyUsage::Table.allows(&table) && KeyUsage::Table.allows(&EncryptionContext::new())
        );
        assert!(!KeyUsage::Table.allows(&system) && !KeyUsage::Table.allows(&audit));
    }
}
