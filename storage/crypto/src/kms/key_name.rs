//! How keys are named: by their provider's id, or by an alias of the keyring.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// Alias of the key that guards the system and audit keys. It may not guard a table.
pub const ALIAS_SYSTEM: &str = "alias/sealdb/system";
/// Alias of the key that guards tables which name none.
pub const ALIAS_DEFAULT: &str = "alias/sealdb/default";

/// A key or alias name that is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{name}' is not a valid {what}")]
pub struct InvalidKeyName {
    name: String,
    what: &'static str,
}

/// The provider's own name of a key: a UUID in the keyring, an ARN in AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Accepts 1 to 2,048 printable ASCII characters without spaces (AWS's limit) that do not begin like an alias.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidKeyName> {
        let id = id.into();
        let fits = (1..=2048).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if fits && !id.starts_with("alias/") {
            Ok(Self(id))
        } else {
            Err(InvalidKeyName {
                name: id,
                what: "key id",
            })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A second name of a key: `alias/` and 1 to 250 characters of `[A-Za-z0-9/_-]` (AWS's rule).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Alias(String);

impl Alias {
    /// Checks the rule.
    pub fn new(alias: impl Into<String>) -> Result<Self, InvalidKeyName> {
        let alias = alias.into();
        let fits = alias.strip_prefix("alias/").is_some_and(|name| {
            (1..=250).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
        });
        if fits {
            Ok(Self(alias))
        } else {
            Err(InvalidKeyName {
                name: alias,
                what: "alias (alias/ and up to 250 letters, digits, /, _ or -)",
            })
        }
    }

    /// The alias as text, `alias/` included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Alias {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a caller names a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyRef {
    /// By the provider's id.
    Id(KeyId),
    /// By alias; resolved by the provider at each call.
    Alias(Alias),
}

impl KeyRef {
    /// `alias/sealdb/system`.
    pub fn system() -> Self {
        Self::Alias(Alias(ALIAS_SYSTEM.to_owned()))
    }

    /// `alias/sealdb/default`.
    pub fn default_key() -> Self {
        Self::Alias(Alias(ALIAS_DEFAULT.to_owned()))
    }
}

impl From<KeyId> for KeyRef {
    fn from(id: KeyId) -> Self {
        Self::Id(id)
    }
}

impl FromStr for KeyRef {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("alias/") {
            Alias::new(text).map(Self::Alias)
        } else {
            KeyId::new(text).map(Self::Id)
        }
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_id_or_alias() {
        assert_eq!("alias/sealdb/system".parse(), Ok(KeyRef::system()));
        assert!(matches!("3f0c".parse(), Ok(KeyRef::Id(_))));
        for bad in [
            "",
            "alias/",
            "alias/with space",
            "alias/ä",
            "two words",
            "a\nb",
        ] {
            assert!(bad.parse::<KeyRef>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(2049).parse::<KeyRef>().is_err());
    }
}
