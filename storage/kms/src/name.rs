//! Which provider a key belongs to, by its name.
//!
//! | name | family |
//! |---|---|
//! | `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`, or `alias/NAME` in place of `key/ID` | AWS KMS of the region |
//! | `vault:MOUNT/KEY`, the mount may have several parts | the transit engine of the one Vault |
//! | `pkcs11:token=LABEL;object=LABEL` (RFC 7512) | the token of that label |
//! | anything else: a UUID, `alias/NAME` | the default: the local keyring |

use std::fmt;

use sealdb_crypto::KeyRef;

/// Keys that one provider holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// What no other family claims.
    Default,
    /// AWS KMS, one region.
    Aws {
        /// Such as `eu-central-1`.
        region: String,
    },
    /// HashiCorp Vault or OpenBao.
    Vault,
    /// One token behind a PKCS#11 module.
    Pkcs11 {
        /// Its label.
        token: String,
    },
}

impl Family {
    /// The family of a key. Whether there is such a key, and whether the name is well formed, says its provider.
    pub fn of(key: &KeyRef) -> Self {
        let KeyRef::Id(id) = key else {
            return Self::Default;
        };
        let id = id.as_str();
        let mut arn = id.splitn(6, ':');
        if let (Some("arn"), Some(_), Some("kms"), Some(region)) =
            (arn.next(), arn.next(), arn.next(), arn.next())
        {
            return Self::Aws {
                region: region.to_owned(),
            };
        }
        if id.starts_with("vault:") {
            return Self::Vault;
        }
        match id.strip_prefix("pkcs11:") {
            Some(attributes) => Self::Pkcs11 {
                token: attribute(attributes, "token").unwrap_or_default(),
            },
            None => Self::Default,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default provider"),
            Self::Aws { region } => write!(f, "AWS KMS in {region}"),
            Self::Vault => f.write_str("Vault"),
            Self::Pkcs11 { token } => write!(f, "the PKCS#11 token '{token}'"),
        }
    }
}

/// The value of a path attribute of a `pkcs11:` URI, without its percent encoding; `None` if it is not there, or is no text.
pub(crate) fn attribute(attributes: &str, name: &str) -> Option<String> {
    let path = attributes.split('?').next().unwrap_or_default();
    value_of(path.split(';'), name)
}

/// The value of one `name=value` among several.
pub(crate) fn value_of<'a>(mut pairs: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    let encoded = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut out = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn family(name: &str) -> Family {
        Family::of(&name.parse().unwrap())
    }

    #[test]
    fn a_name_tells_its_provider() {
        let aws = |region: &str| Family::Aws {
            region: region.to_owned(),
        };
        assert_eq!(
            family(
                "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            ),
            aws("eu-central-1")
        );
        assert_eq!(
            family("arn:aws-cn:kms:cn-north-1:111122223333:alias/films"),
            aws("cn-north-1")
        );
        assert_eq!(family("vault:team/transit/films"), Family::Vault);
        let token = |token: &str| Family::Pkcs11 {
            token: token.to_owned(),
        };
        assert_eq!(
            family("pkcs11:token=My%20token;object=films"),
            token("My token")
        );
        assert_eq!(family("pkcs11:object=films"), token(""));
        assert_eq!(family("pkcs11:object=films?token=no"), token(""));
        for name in [
            "alias/sealdb/default",
            "3f0c9a52-8c0e-4b9e-9d5f-2f0c6a1b7e11",
            "arn:aws:s3:eu-central-1:111122223333:key/1",
            "arn:aws:kms",
            "Vault:transit/films",
        ] {
            assert_eq!(family(name), Family::Default, "{name}");
        }
    }

    #[test]
    fn percent_encoding_that_is_none_gives_no_value() {
        for bad in ["token=%", "token=%4", "token=%zz", "token=%ff", "object=x"] {
            assert_eq!(attribute(bad, "token"), None, "{bad}");
        }
        assert_eq!(attribute("token=%3b%25", "token").unwrap(), ";%");
    }
}
