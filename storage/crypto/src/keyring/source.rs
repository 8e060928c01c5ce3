//! Where the root key comes from: the key that seals the keyring file.
//!
//! | source | root key |
//! |---|---|
//! | file | 32 random bytes as 64 hexadecimal digits or base64, in a file that only its owner may read |
//! | credential | the same text in `$CREDENTIALS_DIRECTORY/NAME`, where systemd puts it (systemd.exec(5)) |
//! | passphrase | argon2id (RFC 9106) of the passphrase, with salt and costs from the keyring's head |
//! | shares | 32 random bytes, combined from as many shares as the split asks for (`keyring/shares.rs`) |
//!
//! The modes of a credential are systemd's business (it grants the service's user by ACL, which shows as group bits) and are
//! not checked. Floor for argon2id: 64 MiB and 3 passes, the second choice of RFC 9106, section 4. Costs in a file below the
//! floor are refused, for whoever could write them would have them guessed cheaply; so are costs above the ceiling, for they
//! would only stall the start.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::KeyringError;
use super::files;
use super::shares::{self, Share};
use crate::provider::Provider;
use crate::secret::{SecretBytes32, SecretString};

/// Where the root key comes from.
#[derive(Debug)]
pub enum RootKeySource {
    /// A file with 32 random bytes in hexadecimal or base64, mode 0600 or 0400.
    File(PathBuf),
    /// A systemd credential of this name.
    Credential(String),
    /// A passphrase.
    Passphrase(SecretString),
    /// Shares of the root key, as many as are needed.
    Shares(Vec<Share>),
}

/// What a keyring's head says about its root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootKeyKind {
    /// 32 bytes from a file.
    File,
    /// 32 bytes from a systemd credential.
    Credential,
    /// argon2id of a passphrase.
    Passphrase,
    /// 32 bytes in shares.
    Shares,
}

impl RootKeyKind {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Credential => 2,
            Self::Passphrase => 3,
            Self::Shares => 4,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::File),
            2 => Some(Self::Credential),
            3 => Some(Self::Passphrase),
            4 => Some(Self::Shares),
            _ => None,
        }
    }

    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "a root key file",
            Self::Credential => "a systemd credential",
            Self::Passphrase => "a passphrase",
            Self::Shares => "a root key in shares",
        }
    }
}

impl fmt::Display for RootKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the root key file {}", path.display()),
            Self::Credential(name) => write!(f, "the systemd credential '{name}'"),
            Self::Passphrase(_) => f.write_str("the given passphrase"),
            Self::Shares(shares) => {
                let numbers: Vec<_> = shares
                    .iter()
                    .map(|share| share.number().to_string())
                    .collect();
                write!(f, "the shares {}", numbers.join(", "))
            }
        }
    }
}

impl RootKeySource {
    /// Makes a new root key file: 32 random bytes as a line of hexadecimal digits, mode 0600, synced. Missing directories are
    /// made with mode 0700. The source to use it with is returned.
    ///
    /// # Errors
    /// [`KeyringError::Exists`] if anything stands at `path`: a root key is never overwritten.
    pub fn create_file(path: impl Into<PathBuf>) -> Result<Self, KeyringError> {
        let path = path.into();
        let secret = Provider::default_provider().random_secret()?;
        let mut text = Zeroizing::new(Vec::with_capacity(65));
        for byte in secret.expose() {
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 15));
        }
        text.push(b'\n');
        files::create_dir_owner_only(&path)?;
        files::create_new(&path, &text)?;
        Ok(Self::File(path))
    }

    /// Which kind it is.
    pub fn kind(&self) -> RootKeyKind {
        match self {
            Self::File(_) => RootKeyKind::File,
            Self::Credential(_) => RootKeyKind::Credential,
            Self::Passphrase(_) => RootKeyKind::Passphrase,
            Self::Shares(_) => RootKeyKind::Shares,
        }
    }

    /// Whether a keyring of `kind` can be opened with this source at all. File and credential both hold 32 bytes and may stand
    /// in for each other.
    pub(super) fn fits(&self, kind: RootKeyKind) -> bool {
        match self {
            Self::File(_) | Self::Credential(_) => {
                matches!(kind, RootKeyKind::File | RootKeyKind::Credential)
            }
            Self::Passphrase(_) => kind == RootKeyKind::Passphrase,
            Self::Shares(_) => kind == RootKeyKind::Shares,
        }
    }

    /// The root key of a keyring. `stretching` is what its head says, and used for passphrases only.
    pub(super) fn root_key(
        &self,
        keyring: Uuid,
        stretching: &Stretching,
    ) -> Result<SecretBytes32, KeyringError> {
        match self {
            Self::File(path) => {
                let text = files::read_owner_only(path).map_err(|error| match error {
                    KeyringError::NotFound { path } => KeyringError::Source {
                        source_name: self.to_string(),
                        reason: format!("there is no file {}", path.display()),
                    },
                    other => other,
                })?;
                self.parse(&text)
            }
            Self::Credential(name) => {
                let path =
                    credential_path(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref(), name)
                        .map_err(|reason| KeyringError::Source {
                            source_name: self.to_string(),
                            reason,
                        })?;
                let text = std::fs::read(&path).map(Zeroizing::new).map_err(|error| {
                    KeyringError::Source {
                        source_name: self.to_string(),
                        reason: format!("{}: {error}", path.display()),
                    }
                })?;
                self.parse(&text)
            }
            Self::Passphrase(passphrase) => {
                if passphrase.expose().is_empty() {
                    return Err(KeyringError::Source {
                        source_name: self.to_string(),
                        reason: "it is empty".to_owned(),
                    });
                }
                stretching.stretch(passphrase)
            }
            Self::Shares(given) => {
                shares::combine(keyring, given).map_err(|error| KeyringError::Share {
                    from: String::new(),
                    error,
                })
            }
        }
    }

    fn parse(&self, text: &[u8]) -> Result<SecretBytes32, KeyringError> {
        parse_key(text).ok_or_else(|| KeyringError::Source {
            source_name: self.to_string(),
            reason: "it must hold 32 bytes as 64 hexadecimal digits or as base64".to_owned(),
        })
    }
}

fn credential_path(directory: Option<&std::ffi::OsStr>, name: &str) -> Result<PathBuf, String> {
    let directory = directory
        .ok_or("$CREDENTIALS_DIRECTORY is not set; the service was not started with credentials")?;
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err("a credential's name is one file name".to_owned());
    }
    Ok(Path::new(directory).join(name))
}

/// 64 hexadecimal digits, or base64 (with or without padding) of 32 bytes; surrounding white space does not matter.
pub(super) fn parse_key(text: &[u8]) -> Option<SecretBytes32> {
    let text = text.trim_ascii();
    if text.len() == 64 {
        return SecretBytes32::fill_with(|key| {
            for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
                let [high, low] = pair else { return Err(()) };
                *byte = hex_value(*high).ok_or(())? << 4 | hex_value(*low).ok_or(())?;
            }
            Ok(())
        })
        .ok();
    }
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let bytes = Zeroizing::new(engine.decode(text).ok()?);
    SecretBytes32::copy_from(&bytes)
}

pub(super) fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + (nibble - 10),
    }
}

pub(super) fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Costs of argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Costs {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Argon2Costs {
    /// 64 MiB, 3 passes, 1 lane: the least that is accepted, and the default.
    pub const FLOOR: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// 1 GiB, 32 passes, 16 lanes: the most that is accepted.
    pub const CEILING: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 32,
        lanes: 16,
    };

    pub(super) fn check(self) -> Result<(), KeyringError> {
        let fields = [
            (
                "memory (KiB)",
                self.memory_kib,
                Self::FLOOR.memory_kib,
                Self::CEILING.memory_kib,
            ),
            (
                "passes",
                self.passes,
                Self::FLOOR.passes,
                Self::CEILING.passes,
            ),
            ("lanes", self.lanes, Self::FLOOR.lanes, Self::CEILING.lanes),
        ];
        for (name, value, least, most) in fields {
            if value < least || value > most {
                return Err(KeyringError::Argon2 {
                    what: format!("{name} {value}, accepted are {least} to {most}"),
                });
            }
        }
        Ok(())
    }
}

impl Default for Argon2Costs {
    fn default() -> Self {
        Self::FLOOR
    }
}

/// How a passphrase becomes a root key; stands in the keyring's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretching {
    pub(super) salt: [u8; 16],
    pub(super) costs: Argon2Costs,
}

impl Stretching {
    /// For sources that need none: all zero.
    pub(super) const NONE: Self = Self {
        salt: [0; 16],
        costs: Argon2Costs {
            memory_kib: 0,
            passes: 0,
            lanes: 0,
        },
    };

    /// What a new keyring under `source` gets.
    pub(super) fn for_source(
        source: &RootKeySource,
        costs: Argon2Costs,
    ) -> Result<Self, KeyringError> {
        match source {
            RootKeySource::File(_) | RootKeySource::Credential(_) | RootKeySource::Shares(_) => {
                Ok(Self::NONE)
            }
            RootKeySource::Passphrase(_) => {
                costs.check()?;
                let mut salt = [0; 16];
                Provider::default_provider().random(&mut salt)?;
                Ok(Self { salt, costs })
            }
        }
    }

    fn stretch(&self, passphrase: &SecretString) -> Result<SecretBytes32, KeyringError> {
        self.costs.check()?;
        let bad = |error: argon2::Error| KeyringError::Argon2 {
            what: error.to_string(),
        };
        let params = argon2::Params::new(
            self.costs.memory_kib,
            self.costs.passes,
            self.costs.lanes,
            Some(32),
        )
        .map_err(bad)?;
        let argon2 =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        SecretBytes32::fill_with(|key| {
            argon2.hash_password_into(passphrase.expose().as_bytes(), &self.salt, key)
        })
        .map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base64_give_the_same_key() {
        let hex: String = (0..32u8).map(|b| format!("{b:02X}")).collect();
        let expected: Vec<u8> = (0..32u8).collect();
        let padded = base64::engine::general_purpose::STANDARD.encode(&expected);
        for text in [
            hex.clone(),
            format!("  {}\n", hex.to_lowercase()),
            padded.clone(),
            padded.replace('=', ""),
        ] {
            assert_eq!(
                parse_key(text.as_bytes()).unwrap().expose().as_slice(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_key() {
        for text in [
            "",
            "00",
            &"0".repeat(63),
            &"g".repeat(64),
            &"0".repeat(66),
            "correct horse battery staple",
        ] {
            assert!(parse_key(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn costs_outside_the_range_are_refused() {
        let floor = Argon2Costs::FLOOR;
        assert!(floor.check().is_ok() && Argon2Costs::CEILING.check().is_ok());
        for costs in [
            Argon2Costs {
                memory_kib: floor.memory_kib - 1,
                ..floor
            },
            Argon2Costs { passes: 2, ..floor },
            Argon2Costs { lanes: 0, ..floor },
            Argon2Costs {
                memory_kib: 1024 * 1024 + 1,
                ..floor
            },
            Argon2Costs {
                passes: 33,
                ..floor
            },
            Argon2Costs { lanes: 17, ..floor },
        ] {
            assert!(
                matches!(costs.check(), Err(KeyringError::Argon2 { .. })),
                "{costs:?}"
            );
        }
    }

    #[test]
    fn a_credential_is_one_file_in_the_credentials_directory() {
        let directory = std::ffi::OsStr::new("/run/credentials/sealdb.service");
        assert_eq!(
            credential_path(Some(directory), "root-key"),
            Ok(PathBuf::from("/run/credentials/sealdb.service/root-key"))
        );
        assert!(credential_path(Some(directory), "../other").is_err());
        assert!(
            credential_path(None, "root-key")
                .unwrap_err()
                .contains("CREDENTIALS_DIRECTORY")
        );
    }

    #[test]
    fn a_source_never_prints_its_secret() {
        let source = RootKeySource::Passphrase(SecretString::new("hunter2".to_owned()));
        assert!(!format!("{source} {source:?}").contains("hunter2"));
    }
}
