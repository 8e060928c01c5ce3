//! Keys whose material somebody brings along, after AWS KMS's imported key material.
//!
//! Such a key is made without material, which is then imported: 32 bytes from an owner-only file, for ever or until a time. It can
//! be destroyed at once, without a waiting period, because its owner can import it again: exactly the same, which the keyring knows
//! by a fingerprint (HKDF of the material), and nothing else, or what the key wrapped would not open.

use std::path::Path;

use super::format::{KeyVersion, Origin};
use super::source;
use super::{Keyring, KeyringError, files};
use crate::kms::{Alias, KeyDescription, KeyRef, KeyState, KeyUsage};
use crate::provider::{Provider, ProviderError};
use crate::secret::SecretBytes32;

impl Keyring {
    /// Makes a new key without material: it waits for [`Keyring::import_material`].
    ///
    /// # Errors
    /// Those of [`Keyring::create_key`].
    pub fn create_external_key(
        &self,
        alias: Option<Alias>,
        description: &str,
    ) -> Result<KeyDescription, KeyringError> {
        self.add_key(
            alias,
            description,
            KeyUsage::Table,
            Origin::Imported([0; 32]),
        )
    }

    /// Imports a key's material from a file that only its owner may read: 32 bytes as they are, or as hexadecimal digits or base64.
    /// With `expires_ms` it is destroyed then.
    ///
    /// # Errors
    /// [`KeyringError::State`] for a key that waits for none; [`KeyringError::Refused`] for one that was made here, for other material than
    /// it had, and for an expiry in the past; those of reading and changing files.
    pub fn import_material(
        &self,
        key: &KeyRef,
        from: &Path,
        expires_ms: Option<u64>,
    ) -> Result<KeyDescription, KeyringError> {
        let file = files::read_owner_only(from)?;
        let material = SecretBytes32::copy_from(&file)
            .or_else(|| source::parse_key(&file))
            .ok_or_else(|| KeyringError::Source {
                source_name: format!("the file {}", from.display()),
                reason: "it must hold 32 bytes, as they are, as 64 hexadecimal digits or as base64"
                    .to_owned(),
            })?;
        self.change_key("ImportKeyMaterial", key, |key, now| {
            let Origin::Imported(before) = key.origin else {
                return Err(made_here());
            };
            if key.state != KeyState::PendingImport {
                return Err(key.wrong_state());
            }
            if expires_ms.is_some_and(|expires| expires <= now) {
                let why = "the material would expire in the past".to_owned();
                return Err(KeyringError::Refused(why));
            }
            let fingerprint = fingerprint(key.id.as_bytes(), &material)?;
            if before != [0; 32] && before != fingerprint {
                return Err(KeyringError::Refused(
                    "this is other material than the key had: what it wrapped would not open. Import the same again, or make another \
                     key for it"
                        .to_owned(),
                ));
            }
            key.origin = Origin::Imported(fingerprint);
            key.expires_ms = expires_ms.unwrap_or(0);
            key.overdue_ms = 0;
            key.state = KeyState::Enabled;
            key.versions.push(KeyVersion {
                number: 1,
                created_ms: now,
                material,
            });
            Ok(expires_ms.map_or_else(String::new, |expires| {
                format!("expires at {}", crate::audit::rfc3339(expires))
            }))
        })
    }

    /// Destroys a key's imported material at once. The key waits for the same material again.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::State`] if it has none; [`KeyringError::Refused`] for a key that was made here; those of
    /// changing the file.
    pub fn delete_material(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        self.change_key("DeleteImportedKeyMaterial", key, |key, _| {
            if key.origin == Origin::Made {
                return Err(made_here());
            }
            match key.state {
                KeyState::Enabled | KeyState::Disabled => key.without_material(),
                _ => return Err(key.wrong_state()),
            }
            Ok(String::new())
        })
    }
}

fn made_here() -> KeyringError {
    KeyringError::Refused(
        "the key's material was made here: it is neither imported nor deleted by itself (delete the key)"
            .to_owned(),
    )
}

/// Tells the same material again; says nothing about it.
fn fingerprint(key: &[u8; 16], material: &SecretBytes32) -> Result<[u8; 32], ProviderError> {
    let derived = Provider::default_provider().derive(
        material,
        key,
        &[b"sealdb keyring imported material 1"],
    )?;
    Ok(*derived.expose())
}
