//! The `pkcs11:` URIs of RFC 7512: the one that says how to reach a token, and those that name its keys.

use std::path::PathBuf;
use std::str::FromStr;

use sealdb_crypto::{KeyRef, KmsError};

use crate::error::SetupError;
use crate::name::{attribute, value_of};

/// How to reach a token. As text it is a URI: `pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Settings {
    /// The token's label.
    pub token: String,
    /// The shared library that drives it.
    pub module: PathBuf,
    /// File that holds the PIN of the token's user.
    pub pin_file: PathBuf,
}

impl FromStr for Pkcs11Settings {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix("pkcs11:").and_then(|rest| {
            let (path, query) = rest.split_once('?')?;
            let queried = |name| value_of(query.split('&'), name);
            let pin = queried("pin-source")?;
            Some(Self {
                token: attribute(path, "token")?,
                module: queried("module-path")?.into(),
                pin_file: pin.strip_prefix("file:").unwrap_or(&pin).into(),
            })
        });
        parts.ok_or_else(|| {
            SetupError::Invalid(format!(
                "'{text}' is not of the form pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE"
            ))
        })
    }
}

/// The label of the key that a URI names; the token is the router's business. Attributes that would be left out of account are refused.
pub(super) fn object_of(key: &KeyRef) -> Result<String, KmsError> {
    let bad = || {
        KmsError::InvalidRequest(format!(
            "{key} is not of the form pkcs11:token=LABEL;object=LABEL"
        ))
    };
    let name = key.to_string();
    let path = name.strip_prefix("pkcs11:").ok_or_else(bad)?;
    let known = |pair: &str| {
        ["token=", "object="]
            .iter()
            .any(|name| pair.starts_with(name))
    };
    if path.contains('?') || !path.split(';').all(known) {
        return Err(bad());
    }
    attribute(path, "object").ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_reached_as_a_uri_says() {
        let text = "pkcs11:token=My%20token?module-path=/usr/lib/m.so&pin-source=file:/etc/pin";
        let settings = text.parse::<Pkcs11Settings>().unwrap();
        assert_eq!(settings.token, "My token");
        assert_eq!(settings.module, PathBuf::from("/usr/lib/m.so"));
        assert_eq!(settings.pin_file, PathBuf::from("/etc/pin"));
        for bad in [
            "/usr/lib/m.so",
            "pkcs11:token=t",
            "pkcs11:token=t?module-path=/m.so",
            "pkcs11:token=t?pin-source=/pin",
            "pkcs11:?module-path=/m.so&pin-source=/pin",
        ] {
            let error = bad.parse::<Pkcs11Settings>().unwrap_err().to_string();
            assert!(error.contains("pin-source"), "{error}");
        }
    }

    #[test]
    fn a_key_is_named_by_its_label_and_nothing_is_left_out_of_account() {
        let of = |name: &str| object_of(&name.parse().unwrap());
        assert_eq!(of("pkcs11:token=t;object=a%2fb").unwrap(), "a/b");
        for bad in [
            "pkcs11:token=t",
            "pkcs11:token=t;object=o;id=%01",
            "pkcs11:token=t;object=o?pin-value=1",
            "alias/films",
        ] {
            assert!(matches!(of(bad), Err(KmsError::InvalidRequest(_))), "{bad}");
        }
    }
}
