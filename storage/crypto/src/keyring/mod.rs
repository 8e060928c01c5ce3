//! The local keyring: a KMS in one sealed file.
//!
//! Guaranteed:
//! - The file (see [`format`](self#bytes)) is sealed as a whole under a root key that is not in it; any flipped bit is refused.
//! - It and its temporary and lock files are owner-only. It is replaced in one step under a lock: a crash leaves the old file or the
//!   new one, and two processes do not lose each other's change.
//! - A keyring in use notices that its file was replaced (it is looked at before each use) and reads it anew. If the file is gone,
//!   does not open, is another keyring or an older state, every call is [`KmsError::Unavailable`] until it is back: tables coast, then
//!   close. A copy in memory is never used instead.
//! - Key material and the root key are wiped when dropped. The passphrase is not kept.
//!
//! Not guaranteed: that a keyring which was replaced by an older copy while no database was open is noticed by the keyring itself.
//! The database's root remembers the [`KmsIdentity`] and refuses it.
//!
//! A new keyring holds two keys, `alias/sealdb/system` (usage System) and `alias/sealdb/default` (usage Table).
//!
//! # Bytes
//! The tables of the file stand at the top of `keyring/format.rs`, of a wrapped key in `keyring/wrapping.rs`.
//!
//! ```
//! use std::sync::Arc;
//! use sealdb_crypto::{SystemClock, keyring::{Keyring, RootKeySource}};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let source = RootKeySource::create_file(dir.join("root.key"))?;
//! let keyring = Keyring::create(dir.join("my.keyring"), source, Arc::new(SystemClock))?;
//! assert_eq!(keyring.list()?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod as_kms;
mod error;
mod files;
mod format;
mod separate;
mod source;
#[cfg(test)]
mod tests;
mod wrapping;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use uuid::Uuid;

pub use error::KeyringError;
pub(crate) use format::fuzz;
pub use separate::{Separation, check_separate};
pub use source::{Argon2Costs, RootKeyKind, RootKeySource};

use crate::clock::Clock;
use crate::kms::{
    ALIAS_DEFAULT, ALIAS_SYSTEM, Alias, KeyDescription, KeyId, KeyRef, KeyState, KeyUsage,
};
use crate::provider::Provider;
use crate::secret::SecretBytes32;
use files::{Lock, Stamp};
use format::{Head, Key, KeyVersion};
use source::Stretching;

/// The keyring's file in the directory that a database's keyring has to itself.
pub const KEYRING_FILE: &str = "keyring.seal";
/// The root key file that is looked for beside it when no other source is named.
pub const ROOT_KEY_FILE: &str = "root.key";

/// A keyring file, opened with its root key. Implements [`Kms`](crate::kms::Kms). Shared between threads.
pub struct Keyring {
    path: PathBuf,
    id: Uuid,
    clock: Arc<dyn Clock>,
    /// The highest change counter seen; readable without waiting for the state.
    counter: AtomicU64,
    state: Mutex<State>,
}

struct State {
    head: Head,
    /// Of the file that `keys` were read from; `None` after a failed change, so that the next use reads anew.
    stamp: Option<Stamp>,
    body_key: SecretBytes32,
    /// To take the root key from again if the file was sealed anew. `None` for a passphrase, which is not kept.
    source: Option<RootKeySource>,
    /// The source for messages.
    tried: String,
    keys: Vec<Key>,
}

/// What the clear head of a keyring file says; not authenticated before the keyring is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyringHead {
    /// The keyring's id.
    pub id: Uuid,
    /// Its change counter.
    pub counter: u64,
    /// The kind of root key that it needs.
    pub root_key: RootKeyKind,
}

impl Keyring {
    /// Makes a new keyring with its two keys. Missing directories are made with mode 0700.
    ///
    /// # Errors
    /// [`KeyringError::Exists`] if anything stands at `path`; those of the root key source.
    pub fn create(
        path: impl Into<PathBuf>,
        source: RootKeySource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyringError> {
        Self::create_with_costs(path, source, Argon2Costs::default(), clock)
    }

    /// The same with other costs of argon2id; they matter for passphrases only.
    ///
    /// # Errors
    /// Those of [`Keyring::create`]; [`KeyringError::Argon2`] for costs outside the accepted range.
    pub fn create_with_costs(
        path: impl Into<PathBuf>,
        source: RootKeySource,
        costs: Argon2Costs,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyringError> {
        let path = path.into();
        if path.exists() {
            // Said before a passphrase is stretched; `create_new` decides.
            return Err(KeyringError::Exists { path });
        }
        let stretching = Stretching::for_source(&source, costs)?;
        let root = source.root_key(&stretching)?;
        let mut id = [0; 16];
        Provider::default_provider().random(&mut id)?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let head = Head {
            kind: source.kind(),
            id,
            counter: 1,
            stretching,
        };
        let body_key = head.body_key(&root)?;
        let now = clock.wall_ms();
        let keys = vec![
            new_key(
                Some(ALIAS_SYSTEM),
                "Guards the system and audit keys",
                KeyUsage::System,
                now,
            )?,
            new_key(
                Some(ALIAS_DEFAULT),
                "Guards tables that name no key",
                KeyUsage::Table,
                now,
            )?,
        ];
        files::create_dir_owner_only(&path)?;
        files::create_new(&path, &format::seal(&head, &body_key, &keys)?)?;
        let stamp = Some(Stamp::read(&path)?);
        let state = State {
            head,
            stamp,
            body_key,
            tried: source.to_string(),
            source: kept(source),
            keys,
        };
        Ok(Self::assemble(path, clock, state))
    }

    /// Opens a keyring.
    ///
    /// # Errors
    /// [`KeyringError::NotFound`], [`KeyringError::NotAKeyring`], [`KeyringError::Format`], [`KeyringError::Permissions`],
    /// [`KeyringError::OtherSource`], [`KeyringError::DoesNotOpen`], and those of the root key source.
    pub fn open(
        path: impl Into<PathBuf>,
        source: RootKeySource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyringError> {
        let path = path.into();
        let (file, stamp) = files::read_stamped(&path)?;
        let (head, body_key, keys) = open_with(&path, &file, &source)?;
        let state = State {
            head,
            stamp: Some(stamp),
            body_key,
            tried: source.to_string(),
            source: kept(source),
            keys,
        };
        Ok(Self::assemble(path, clock, state))
    }

    /// Puts a backup in place, after it was opened with `source` once, and opens it.
    ///
    /// # Errors
    /// [`KeyringError::Exists`] if anything stands at `to`; those of [`Keyring::open`] for the backup.
    pub fn restore(
        from: &Path,
        to: impl Into<PathBuf>,
        source: RootKeySource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyringError> {
        let to = to.into();
        if to.exists() {
            return Err(KeyringError::Exists { path: to });
        }
        let file = files::read_any(from)?;
        let (head, body_key, keys) = open_with(from, &file, &source)?;
        files::create_dir_owner_only(&to)?;
        files::create_new(&to, &file)?;
        let stamp = Some(Stamp::read(&to)?);
        let state = State {
            head,
            stamp,
            body_key,
            tried: source.to_string(),
            source: kept(source),
            keys,
        };
        Ok(Self::assemble(to, clock, state))
    }

    /// Reads the clear head of a keyring file: which kind of root key it needs, without having it.
    ///
    /// # Errors
    /// Those of reading the file and its head.
    pub fn head_of(path: &Path) -> Result<KeyringHead, KeyringError> {
        let file = files::read_any(path)?;
        let (head, _) = Head::decode(path, &file)?;
        Ok(KeyringHead {
            id: head.id,
            counter: head.counter,
            root_key: head.kind,
        })
    }

    fn assemble(path: PathBuf, clock: Arc<dyn Clock>, state: State) -> Self {
        Self {
            path,
            id: state.head.id,
            clock,
            counter: AtomicU64::new(state.head.counter),
            state: Mutex::new(state),
        }
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id, made once.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// All keys, in the order of their creation.
    ///
    /// # Errors
    /// Those of reading the file anew, if it was changed.
    pub fn list(&self) -> Result<Vec<KeyDescription>, KeyringError> {
        let mut state = self.state.lock();
        self.refresh(&mut state)?;
        Ok(state.keys.iter().map(describe).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; those of reading the file anew.
    pub fn describe(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        let mut state = self.state.lock();
        self.refresh(&mut state)?;
        find(&state.keys, key)
            .map(describe)
            .ok_or_else(|| self.no_such_key(key))
    }

    /// Makes a new key, enabled, with one version.
    ///
    /// # Errors
    /// [`KeyringError::AliasTaken`]; [`KeyringError::Refused`] for an alias that is reserved; those of changing the file.
    pub fn create_key(
        &self,
        alias: Option<Alias>,
        description: &str,
        usage: KeyUsage,
    ) -> Result<KeyDescription, KeyringError> {
        if alias
            .as_ref()
            .is_some_and(|alias| alias.as_str().starts_with("alias/sealdb/"))
        {
            return Err(KeyringError::Refused(
                "aliases below alias/sealdb/ are reserved".to_owned(),
            ));
        }
        if description.len() > 8192 {
            return Err(KeyringError::Refused(
                "a description has at most 8192 bytes".to_owned(),
            ));
        }
        let now = self.clock.wall_ms();
        self.change(|keys| {
            if let Some(alias) = &alias
                && keys.iter().any(|key| key.alias.as_ref() == Some(alias))
            {
                return Err(KeyringError::AliasTaken {
                    alias: alias.to_string(),
                });
            }
            let key = new_key(alias.as_ref().map(Alias::as_str), description, usage, now)?;
            let description = describe(&key);
            keys.push(key);
            Ok(description)
        })
    }

    /// Enables or disables a key, or marks it for deletion. A key that is not enabled refuses every use from the next call on,
    /// in every process. Nothing is destroyed: any state can be left again.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; those of changing the file.
    pub fn set_state(&self, key: &KeyRef, to: KeyState) -> Result<KeyDescription, KeyringError> {
        self.change(|keys| {
            let key = find_mut(keys, key).ok_or_else(|| self.no_such_key(key))?;
            key.state = to;
            Ok(describe(key))
        })
    }

    /// Adds a version of key material, which wraps from now on. Older versions go on unwrapping.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; those of changing the file.
    pub fn rotate(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        let now = self.clock.wall_ms();
        self.change(|keys| {
            let key = find_mut(keys, key).ok_or_else(|| self.no_such_key(key))?;
            let number = key
                .newest()
                .map_or(Some(1), |newest| newest.number.checked_add(1));
            let number =
                number.ok_or_else(|| KeyringError::Refused("no version is left".to_owned()))?;
            let material = Provider::default_provider().random_secret()?;
            key.versions.push(KeyVersion {
                number,
                created_ms: now,
                material,
            });
            Ok(describe(key))
        })
    }

    /// Copies the keyring, sealed as it is (the same root key opens it), after it was opened once.
    ///
    /// # Errors
    /// [`KeyringError::Exists`] if anything stands at `to`; those of reading the file.
    pub fn backup(&self, to: &Path) -> Result<(), KeyringError> {
        let mut state = self.state.lock();
        self.refresh(&mut state)?;
        let file = files::read_owner_only(&self.path)?;
        let (head, sealed) = Head::decode(&self.path, &file)?;
        if format::open(&head, &state.body_key, sealed).is_none() {
            return Err(KeyringError::DoesNotOpen {
                path: self.path.clone(),
                tried: state.tried.clone(),
            });
        }
        files::create_dir_owner_only(to)?;
        files::create_new(to, &file)
    }

    /// Seals the keyring under another root key. The old one opens it no longer (but still opens older copies and backups).
    ///
    /// # Errors
    /// Those of the new source, and of changing the file; the old root key then stays valid.
    pub fn reroot(&self, source: RootKeySource) -> Result<(), KeyringError> {
        self.reroot_with_costs(source, Argon2Costs::default())
    }

    /// The same with other costs of argon2id.
    ///
    /// # Errors
    /// Those of [`Keyring::reroot`]; [`KeyringError::Argon2`] for costs outside the accepted range.
    pub fn reroot_with_costs(
        &self,
        source: RootKeySource,
        costs: Argon2Costs,
    ) -> Result<(), KeyringError> {
        // Slow with a passphrase, so before anything is locked.
        let stretching = Stretching::for_source(&source, costs)?;
        let root = source.root_key(&stretching)?;
        let mut state = self.state.lock();
        let _lock = Lock::acquire(&self.path)?;
        self.refresh(&mut state)?;
        let head = Head {
            kind: source.kind(),
            stretching,
            ..state.head
        };
        let body_key = head.body_key(&root)?;
        self.write(&mut state, head, Some(body_key))?;
        state.tried = source.to_string();
        state.source = kept(source);
        Ok(())
    }

    /// Reads, changes and replaces the file under the lock. `apply` checks everything before it changes anything.
    fn change<R>(
        &self,
        apply: impl FnOnce(&mut Vec<Key>) -> Result<R, KeyringError>,
    ) -> Result<R, KeyringError> {
        let mut state = self.state.lock();
        let _lock = Lock::acquire(&self.path)?;
        self.refresh(&mut state)?;
        let result = apply(&mut state.keys)?;
        let head = state.head;
        self.write(&mut state, head, None)?;
        Ok(result)
    }

    /// Writes the state with the next counter. The caller holds the lock and has refreshed the state.
    fn write(
        &self,
        state: &mut State,
        head: Head,
        new_body_key: Option<SecretBytes32>,
    ) -> Result<(), KeyringError> {
        let counter = state.head.counter.checked_add(1);
        let counter = counter
            .ok_or_else(|| KeyringError::Refused("the change counter has run out".to_owned()))?;
        let head = Head { counter, ..head };
        // Whatever fails from here on, the memory may differ from the file: read it anew at the next use.
        state.stamp = None;
        let file = format::seal(
            &head,
            new_body_key.as_ref().unwrap_or(&state.body_key),
            &state.keys,
        )?;
        files::replace(&self.path, &file)?;
        state.head = head;
        if let Some(body_key) = new_body_key {
            state.body_key = body_key;
        }
        self.counter.store(counter, Ordering::Release);
        state.stamp = Some(Stamp::read(&self.path)?);
        Ok(())
    }

    /// Reads the file anew if it is not the one that the state came from.
    fn refresh(&self, state: &mut State) -> Result<(), KeyringError> {
        let stamp = Stamp::read(&self.path)?;
        if state.stamp == Some(stamp) {
            return Ok(());
        }
        let (file, stamp) = files::read_stamped(&self.path)?;
        let (head, sealed) = Head::decode(&self.path, &file)?;
        if head.id != self.id {
            let what = format!("keyring {} stands in the place of {}", head.id, self.id);
            return Err(KeyringError::Replaced {
                path: self.path.clone(),
                what,
            });
        }
        if head.counter < state.head.counter {
            let what = format!(
                "an older state, change {} after change {}",
                head.counter, state.head.counter
            );
            return Err(KeyringError::Replaced {
                path: self.path.clone(),
                what,
            });
        }
        let does_not_open = || KeyringError::DoesNotOpen {
            path: self.path.clone(),
            tried: state.tried.clone(),
        };
        let (body_key, keys) = match format::open(&head, &state.body_key, sealed) {
            Some(keys) => (None, keys),
            // Sealed under another root key since: a file or credential may hold the new one by now.
            None => {
                let source = state.source.as_ref().ok_or_else(does_not_open)?;
                let (_, body_key, keys) = open_with(&self.path, &file, source)?;
                (Some(body_key), Ok(keys))
            }
        };
        state.keys = keys.map_err(|error| KeyringError::Damaged {
            path: self.path.clone(),
            what: error.0,
        })?;
        if let Some(body_key) = body_key {
            state.body_key = body_key;
        }
        state.head = head;
        state.stamp = Some(stamp);
        self.counter.store(head.counter, Ordering::Release);
        Ok(())
    }

    fn no_such_key(&self, key: &KeyRef) -> KeyringError {
        KeyringError::NoSuchKey {
            key: key.to_string(),
            path: self.path.clone(),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A source worth keeping: a passphrase is not.
fn kept(source: RootKeySource) -> Option<RootKeySource> {
    match source {
        RootKeySource::File(_) | RootKeySource::Credential(_) => Some(source),
        RootKeySource::Passphrase(_) => None,
    }
}

/// Opens the bytes of a keyring file with a root key source.
fn open_with(
    path: &Path,
    file: &[u8],
    source: &RootKeySource,
) -> Result<(Head, SecretBytes32, Vec<Key>), KeyringError> {
    let (head, sealed) = Head::decode(path, file)?;
    if !source.fits(head.kind) {
        return Err(KeyringError::OtherSource {
            path: path.to_owned(),
            sealed_under: head.kind.name(),
            given: source.to_string(),
        });
    }
    let root = source.root_key(&head.stretching)?;
    let body_key = head.body_key(&root)?;
    let keys = format::open(&head, &body_key, sealed)
        .ok_or_else(|| KeyringError::DoesNotOpen {
            path: path.to_owned(),
            tried: source.to_string(),
        })?
        .map_err(|error| KeyringError::Damaged {
            path: path.to_owned(),
            what: error.0,
        })?;
    Ok((head, body_key, keys))
}

fn new_key(
    alias: Option<&str>,
    description: &str,
    usage: KeyUsage,
    now: u64,
) -> Result<Key, KeyringError> {
    let mut id = [0; 16];
    Provider::default_provider().random(&mut id)?;
    let material = Provider::default_provider().random_secret()?;
    Ok(Key {
        id: uuid::Builder::from_random_bytes(id).into_uuid(),
        alias: alias.map(Alias::new).transpose()?,
        description: description.to_owned(),
        state: KeyState::Enabled,
        usage,
        created_ms: now,
        versions: vec![KeyVersion {
            number: 1,
            created_ms: now,
            material,
        }],
    })
}

fn find<'a>(keys: &'a [Key], wanted: &KeyRef) -> Option<&'a Key> {
    keys.iter().find(|key| is(key, wanted))
}

fn find_mut<'a>(keys: &'a mut [Key], wanted: &KeyRef) -> Option<&'a mut Key> {
    keys.iter_mut().find(|key| is(key, wanted))
}

fn is(key: &Key, wanted: &KeyRef) -> bool {
    match wanted {
        KeyRef::Id(id) => Uuid::try_parse(id.as_str()).is_ok_and(|id| id == key.id),
        KeyRef::Alias(alias) => key.alias.as_ref() == Some(alias),
    }
}

fn key_id(key: &Key) -> KeyId {
    KeyId::new(key.id.hyphenated().to_string()).expect("a UUID is a key id")
}

fn describe(key: &Key) -> KeyDescription {
    KeyDescription {
        id: key_id(key),
        alias: key.alias.clone(),
        description: key.description.clone(),
        state: key.state,
        usage: key.usage,
        versions: u32::try_from(key.versions.len()).unwrap_or(u32::MAX),
        created_ms: key.created_ms,
    }
}
