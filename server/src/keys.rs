//! Opening the keyring of a server, or making it together with a new database.
//!
//! | database | keyring | root key | `--init` | what happens |
//! |---|---|---|---|---|
//! | new | none | given | | a keyring is made under it |
//! | new | none | file named, but missing | yes | the file and a keyring are made |
//! | new | none | not given | yes | `D.keyring/root.key` and a keyring are made |
//! | new | none | not given | no | refused, with the lines to paste |
//! | any | there | given, or `D.keyring/root.key` | | the keyring is opened |
//! | there | none | | | refused: without its keyring the data cannot be opened |

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb::crypto::keyring::{RootKeyKind, Separation, Share, check_separate};
use sealdb::crypto::{Keyring, KeyringError, RootKeySource, SecretString, SystemClock};

use crate::config::{Config, RootKey};
use crate::files;

pub use sealdb::crypto::keyring::KEYRING_FILE;

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A new database, and no root key. The text tells what to paste.
    #[error("{0}")]
    NoRootKey(String),
    /// The database is there, its keyring is not.
    #[error(
        "the database {data_dir} exists, but its keyring {keyring} does not. Without it the data cannot be opened: put a \
         backup in its place (`sealdb key restore`), or name the right directory with --keyring"
    )]
    KeyringMissing {
        /// Directory of the database.
        data_dir: PathBuf,
        /// File of the keyring.
        keyring: PathBuf,
    },
    /// The keyring, or the root key, is refused.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A directory cannot be made or is open to others.
    #[error("the keyring's directory: {0}")]
    Directory(#[source] std::io::Error),
    /// The passphrase, or the shares, were to be asked for, but nobody did.
    #[error(
        "the passphrase or the shares were not asked for: this program must do it before it starts the server"
    )]
    NotAsked,
}

/// An open keyring.
pub struct Unlocked {
    /// Implements the KMS.
    pub keyring: Arc<Keyring>,
    /// It was made just now: its database must be new, too.
    pub created: bool,
    /// A root key file that was made just now.
    pub root_key_made: Option<PathBuf>,
}

/// Opens or makes the keyring as the table above says. Blocks (files, argon2id).
pub fn unlock(config: &Config) -> Result<Unlocked, KeysError> {
    let path = config.keyring.join(KEYRING_FILE);
    if check_separate(&config.keyring, &config.data_dir)? == Separation::SameDevice {
        tracing::warn!(
            keyring = %config.keyring.display(),
            data_dir = %config.data_dir.display(),
            "keyring and data lie on the same device: who takes the disk has both, and only the root key stands between. \
             Give --keyring a directory on another device"
        );
    }
    if path.exists() {
        let source = source_for_existing(config, &path)?;
        warn_about_root_key(config, &source);
        let keyring = Arc::new(Keyring::open(path, source, Arc::new(SystemClock))?);
        return Ok(Unlocked {
            keyring,
            created: false,
            root_key_made: None,
        });
    }
    if !is_new(&config.data_dir) {
        return Err(KeysError::KeyringMissing {
            data_dir: config.data_dir.clone(),
            keyring: path,
        });
    }
    let (source, root_key_made) = source_for_new(config)?;
    warn_about_root_key(config, &source);
    files::private_dir(&config.keyring).map_err(KeysError::Directory)?;
    // Crash here: a root key without a keyring; the next start with --init uses it.
    let keyring = Arc::new(Keyring::create(path, source, Arc::new(SystemClock))?);
    Ok(Unlocked {
        keyring,
        created: true,
        root_key_made,
    })
}

/// Whether there is no database yet: no directory, or an empty one (a mount point may hold `lost+found`).
pub fn is_new(data_dir: &Path) -> bool {
    match std::fs::read_dir(data_dir) {
        Ok(entries) => entries
            .flatten()
            .all(|entry| entry.file_name() == "lost+found"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn source_for_existing(config: &Config, keyring: &Path) -> Result<RootKeySource, KeysError> {
    if let Some(source) = given(config)? {
        return Ok(source);
    }
    let kind = Keyring::head_of(keyring)?.root_key;
    if kind == RootKeyKind::Shares {
        return Err(KeysError::NoRootKey(format!(
            "the keyring {} is sealed under a root key in shares: give --root-key-shares FILE,... with as many as are needed, or \
             --ask-shares and they are asked for",
            keyring.display()
        )));
    }
    if kind == RootKeyKind::Passphrase {
        return Err(KeysError::NoRootKey(format!(
            "the keyring {} is sealed under a passphrase: give --passphrase and it is asked for",
            keyring.display()
        )));
    }
    let default = config.default_root_key_file();
    if default.exists() {
        return Ok(RootKeySource::File(default));
    }
    Err(KeysError::NoRootKey(format!(
        "the keyring {} is sealed under {}: give --root-key-file FILE or --root-key-credential NAME",
        keyring.display(),
        kind.name()
    )))
}

fn source_for_new(config: &Config) -> Result<(RootKeySource, Option<PathBuf>), KeysError> {
    match given(config)? {
        Some(RootKeySource::File(path)) if config.init && !path.exists() => make_root_key(path),
        Some(RootKeySource::File(path)) if !path.exists() => Err(KeysError::NoRootKey(format!(
            "there is no root key file {}; make one with\n{}\nor let the server make it: add --init",
            path.display(),
            lines_for_file(&path)
        ))),
        Some(source) => Ok((source, None)),
        None if config.init => {
            let path = config.default_root_key_file();
            match path.exists() {
                true => Ok((RootKeySource::File(path), None)),
                false => {
                    files::private_dir(&config.keyring).map_err(KeysError::Directory)?;
                    make_root_key(path)
                }
            }
        }
        None => Err(KeysError::NoRootKey(how_to_begin(config))),
    }
}

fn make_root_key(path: PathBuf) -> Result<(RootKeySource, Option<PathBuf>), KeysError> {
    let source = RootKeySource::create_file(&path)?;
    Ok((source, Some(path)))
}

fn given(config: &Config) -> Result<Option<RootKeySource>, KeysError> {
    match &config.root_key {
        None => Ok(None),
        Some(RootKey::File(path)) => Ok(Some(RootKeySource::File(path.clone()))),
        Some(RootKey::Credential(name)) => Ok(Some(RootKeySource::Credential(name.clone()))),
        Some(RootKey::Passphrase(passphrase)) => Ok(Some(RootKeySource::Passphrase(
            SecretString::new(passphrase.as_str().to_owned()),
        ))),
        Some(RootKey::ShareFiles(files)) => {
            let shares = files.iter().map(|file| Share::read(file));
            Ok(Some(RootKeySource::Shares(
                shares.collect::<Result<_, _>>()?,
            )))
        }
        Some(RootKey::Shares(lines)) => {
            let shares = lines.iter().map(|line| Share::parse(line));
            let shares = shares.collect::<Result<_, _>>().map_err(|error| {
                let from = String::new();
                KeyringError::Share { from, error }
            })?;
            Ok(Some(RootKeySource::Shares(shares)))
        }
        Some(RootKey::AskPassphrase | RootKey::AskShares) => Err(KeysError::NotAsked),
    }
}

fn warn_about_root_key(config: &Config, source: &RootKeySource) {
    if let RootKeySource::File(path) = source
        && files::same_device(path, &config.data_dir) == Some(true)
    {
        tracing::warn!(
            root_key = %path.display(),
            "the root key file lies on the data's device: who takes the disk can open everything. Good for a trial; \
             otherwise use a systemd credential, a passphrase or a file on another device"
        );
    }
}

fn lines_for_file(path: &Path) -> String {
    let shown = path.display();
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => format!(
            "    install -d -m 700 '{}'\n    (umask 077; head -c 32 /dev/urandom | base64 > '{shown}')",
            parent.display()
        ),
        None => format!("    (umask 077; head -c 32 /dev/urandom | base64 > '{shown}')"),
    }
}

/// What a first start without a root key says.
fn how_to_begin(config: &Config) -> String {
    let data_dir = config.data_dir.display();
    let mut text = format!(
        "{data_dir} is a new database and needs a root key, which seals its keyring. Without both the data is gone for ever, so \
         choose where it is kept:\n"
    );
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "\n  for a trial, let the server make a key file beside the keyring:\n    \
         sealdb-server --data-dir '{data_dir}' --init\n\n  \
         a key file of your own, best on another device:\n    \
         (umask 077; head -c 32 /dev/urandom | base64 > /mnt/keys/root.key)\n    \
         sealdb-server --data-dir '{data_dir}' --root-key-file /mnt/keys/root.key\n\n  \
         a passphrase, asked for at each start:\n    \
         sealdb-server --data-dir '{data_dir}' --passphrase\n\n  \
         a credential of systemd, sealed by the machine's TPM:\n    \
         head -c 32 /dev/urandom | base64 | systemd-creds encrypt --name=root-key - /etc/sealdb/root-key.cred\n    \
         (and in the unit: LoadCredentialEncrypted=root-key:/etc/sealdb/root-key.cred, --root-key-credential root-key)"
    );
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use zeroize::Zeroizing;

    fn config(dir: &Path) -> Config {
        Config::new(dir.join("D"))
    }

    #[test]
    fn a_new_database_without_a_root_key_is_told_what_to_paste() {
        let dir = tempfile::tempdir().unwrap();
        let error = unlock(&config(dir.path())).err().unwrap().to_string();
        for part in ["--init", "--root-key-file", "--passphrase", "systemd-creds"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!dir.path().join("D.keyring").exists(), "nothing was made");
    }

    #[test]
    fn init_makes_an_owner_only_key_and_later_starts_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.init = true;
        let first = unlock(&config).unwrap();
        assert!(first.created);
        let key = first.root_key_made.unwrap();
        assert_eq!(key, dir.path().join("D.keyring/root.key"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&key), 0o600);
        assert_eq!(mode(&dir.path().join("D.keyring")), 0o700);
        config.init = false;
        let second = unlock(&config).unwrap();
        assert!(!second.created && second.root_key_made.is_none());
        assert_eq!(first.keyring.id(), second.keyring.id());
        config.init = true;
        assert!(!unlock(&config).unwrap().created);
    }

    #[test]
    fn a_named_key_file_is_made_by_init_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        let key = dir.path().join("keys/root.key");
        config.root_key = Some(RootKey::File(key.clone()));
        let error = unlock(&config).err().unwrap().to_string();
        assert!(
            error.contains("head -c 32") && error.contains("--init"),
            "{error}"
        );
        config.init = true;
        assert_eq!(unlock(&config).unwrap().root_key_made, Some(key));
        assert!(!config.default_root_key_file().exists());
        config.root_key = None;
        let error = unlock(&config).err().unwrap().to_string();
        assert!(error.contains("sealed under a root key file"), "{error}");
    }

    #[test]
    fn data_without_its_keyring_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        std::fs::create_dir(&config.data_dir).unwrap();
        std::fs::write(config.data_dir.join("pages"), "x").unwrap();
        config.init = true;
        let error = unlock(&config).err().unwrap();
        assert!(matches!(error, KeysError::KeyringMissing { .. }), "{error}");
    }

    #[test]
    fn the_wrong_passphrase_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.root_key = Some(RootKey::Passphrase(Zeroizing::new("right".to_owned())));
        assert!(unlock(&config).unwrap().created);
        assert!(unlock(&config).is_ok());
        config.root_key = Some(RootKey::Passphrase(Zeroizing::new("wrong".to_owned())));
        assert!(matches!(unlock(&config), Err(KeysError::Keyring(_))));
        config.root_key = Some(RootKey::AskPassphrase);
        assert!(matches!(unlock(&config), Err(KeysError::NotAsked)));
        config.root_key = None;
        let error = unlock(&config).err().unwrap().to_string();
        assert!(error.contains("--passphrase"), "{error}");
    }
}
