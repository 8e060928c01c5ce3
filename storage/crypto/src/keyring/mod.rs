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

mod admin;
mod as_kms;
mod error;
mod files;
mod format;
mod imported;
mod journal;
#[cfg(test)]
mod life_tests;
mod policies;
mod policy_format;
#[cfg(test)]
mod policy_tests;
mod restored;
mod separate;
mod shares;
mod source;
#[cfg(test)]
mod tests;
mod time;
mod wrapping;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

pub use admin::{DELETION_DAYS, KeyDetails, ROTATION_DAYS};
pub use error::KeyringError;
pub(crate) use format::fuzz;
pub use separate::{Separation, check_separate};
pub use shares::{Share, ShareError, gather_shares};
pub use source::{Argon2Costs, RootKeyKind, RootKeySource};

use crate::clock::Clock;
use crate::kms::{
    ALIAS_DEFAULT, ALIAS_SYSTEM, Alias, KeyDescription, KeyId, KeyRef, KeyState, KeyUsage,
};
use crate::policy::KeyPolicy;
use crate::provider::Provider;
use crate::secret::SecretBytes32;
use files::{Lock, Stamp};
use format::{Body, Head, Key, KeyVersion, Origin, Rotation};
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
    /// Who administers, for the journal.
    principal: String,
    /// The highest change counter seen; readable without waiting for the state.
    counter: AtomicU64,
    state: Mutex<State>,
}

struct State {
    head: Head,
    /// Of the file that `body` was read from; `None` after a failed change, so that the next use reads anew.
    stamp: Option<Stamp>,
    body_key: SecretBytes32,
    /// To take the root key from again if the file was sealed anew. `None` for a passphrase and shares, which are not kept.
    source: Option<RootKeySource>,
    /// The source for messages.
    tried: String,
    body: Body,
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
        let mut id = [0; 16];
        Provider::default_provider().random(&mut id)?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let root = source.root_key(id, &stretching)?;
        let head = Head {
            format: format::FORMAT,
            kind: source.kind(),
            id,
            counter: 1,
            stretching,
        };
        let body_key = head.body_key(&root)?;
        let now = clock.wall_ms();
        let system = "Guards the system and audit keys";
        let default = "Guards tables that name no key";
        let body = Body {
            keys: vec![
                new_key(Some(ALIAS_SYSTEM), system, KeyUsage::System, now)?,
                new_key(Some(ALIAS_DEFAULT), default, KeyUsage::Table, now)?,
            ],
            journal: Vec::new(),
        };
        files::create_dir_owner_only(&path)?;
        files::create_new(&path, &format::seal(&head, &body_key, &body)?)?;
        let stamp = Some(Stamp::read(&path)?);
        let state = State {
            head,
            stamp,
            body_key,
            tried: source.to_string(),
            source: kept(source),
            body,
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
        let (head, body_key, body) = open_with(&path, &file, &source)?;
        let state = State {
            head,
            stamp: Some(stamp),
            body_key,
            tried: source.to_string(),
            source: kept(source),
            body,
        };
        let keyring = Self::assemble(path, clock, state);
        drop(keyring.current()?);
        Ok(keyring)
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
        let (head, body_key, body) = open_with(from, &file, &source)?;
        files::create_dir_owner_only(&to)?;
        files::create_new(&to, &file)?;
        let stamp = Some(Stamp::read(&to)?);
        let state = State {
            head,
            stamp,
            body_key,
            tried: source.to_string(),
            source: kept(source),
            body,
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
            principal: format!("uid:{}", rustix::process::geteuid().as_raw()),
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
        Ok(self.current()?.body.keys.iter().map(describe).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; those of reading the file anew.
    pub fn describe(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        find(&self.current()?.body.keys, key)
            .map(describe)
            .ok_or_else(|| self.no_such_key(key))
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

    /// Makes a new root key in `shares` shares, of which `threshold` give it. It becomes this keyring's with [`Keyring::reroot`], once the
    /// shares are kept safe; until then nothing has changed.
    ///
    /// # Errors
    /// [`KeyringError::Refused`] unless 2 <= threshold <= shares.
    pub fn new_shares(&self, shares: u8, threshold: u8) -> Result<Vec<Share>, KeyringError> {
        shares::split(self.id, shares, threshold)
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
        let root = source.root_key(self.id, &stretching)?;
        let mut state = self.state.lock();
        let _lock = Lock::acquire(&self.path)?;
        self.refresh(&mut state)?;
        let head = Head {
            kind: source.kind(),
            stretching,
            ..state.head
        };
        let body_key = head.body_key(&root)?;
        let (now, name) = (self.clock.wall_ms(), "ChangeRootKey");
        let detail = format!("to {source}");
        journal::note(
            &mut state.body.journal,
            now,
            &self.principal,
            name,
            None,
            detail,
        );
        self.write(&mut state, head, Some(body_key))?;
        state.tried = source.to_string();
        state.source = kept(source);
        Ok(())
    }

    /// The state of the file as it is now, with what time has brought.
    fn current(&self) -> Result<MutexGuard<'_, State>, KeyringError> {
        let mut state = self.state.lock();
        self.refresh(&mut state)?;
        if time::is_due(&state.body, self.clock.wall_ms()) {
            // What time ends is refused with or without this: a file that cannot be written now holds nobody up.
            if let Err(error) = self.change_state(&mut state, |_, _| Ok(())) {
                tracing::warn!(%error, keyring = %self.path.display(), "what is due of the keys cannot be written");
                self.refresh(&mut state)?;
            }
        }
        Ok(state)
    }

    /// Reads, changes and replaces the file under the lock. A change that fails is not seen.
    fn change<R>(
        &self,
        apply: impl FnOnce(&mut Body, u64) -> Result<R, KeyringError>,
    ) -> Result<R, KeyringError> {
        self.change_state(&mut self.state.lock(), apply)
    }

    fn change_state<R>(
        &self,
        state: &mut State,
        apply: impl FnOnce(&mut Body, u64) -> Result<R, KeyringError>,
    ) -> Result<R, KeyringError> {
        let _lock = Lock::acquire(&self.path)?;
        self.refresh(state)?;
        let now = self.clock.wall_ms();
        let changed = time::pass(&mut state.body, now).and_then(|()| apply(&mut state.body, now));
        let result = match changed {
            Ok(result) => result,
            Err(error) => {
                // Half a change in memory is no change.
                state.stamp = None;
                return Err(error);
            }
        };
        let head = state.head;
        self.write(state, head, None)?;
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
        let head = Head {
            format: format::FORMAT,
            counter,
            ..head
        };
        // Whatever fails from here on, the memory may differ from the file: read it anew at the next use.
        state.stamp = None;
        let file = format::seal(
            &head,
            new_body_key.as_ref().unwrap_or(&state.body_key),
            &state.body,
        )?;
        // What is longer would be refused when it is read.
        if file.len() as u64 > files::MAX_FILE || state.body.keys.len() > format::MAX_KEYS {
            return Err(KeyringError::Refused(
                "the keyring would be too long: it holds at most 100,000 keys, and 16 MiB in all"
                    .into(),
            ));
        }
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
        let (body_key, body) = match format::open(&head, &state.body_key, sealed) {
            Some(body) => (None, body),
            // Sealed under another root key since: a file or credential may hold the new one by now.
            None => {
                let source = state.source.as_ref().ok_or_else(does_not_open)?;
                let (_, body_key, body) = open_with(&self.path, &file, source)?;
                (Some(body_key), Ok(body))
            }
        };
        state.body = body.map_err(|error| KeyringError::Damaged {
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

/// A source worth keeping: what people hold, a passphrase or shares, is not.
fn kept(source: RootKeySource) -> Option<RootKeySource> {
    match source {
        RootKeySource::File(_) | RootKeySource::Credential(_) => Some(source),
        RootKeySource::Passphrase(_) | RootKeySource::Shares(_) => None,
    }
}

/// Opens the bytes of a keyring file with a root key source.
fn open_with(
    path: &Path,
    file: &[u8],
    source: &RootKeySource,
) -> Result<(Head, SecretBytes32, Body), KeyringError> {
    let (head, sealed) = Head::decode(path, file)?;
    if !source.fits(head.kind) {
        return Err(KeyringError::OtherSource {
            path: path.to_owned(),
            sealed_under: head.kind.name(),
            given: source.to_string(),
        });
    }
    let root = source.root_key(head.id, &head.stretching)?;
    let body_key = head.body_key(&root)?;
    let body = format::open(&head, &body_key, sealed)
        .ok_or_else(|| KeyringError::DoesNotOpen {
            path: path.to_owned(),
            tried: source.to_string(),
        })?
        .map_err(|error| KeyringError::Damaged {
            path: path.to_owned(),
            what: error.0,
        })?;
    Ok((head, body_key, body))
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
        aliases: alias.map(Alias::new).transpose()?.into_iter().collect(),
        description: description.to_owned(),
        state: KeyState::Enabled,
        usage,
        created_ms: now,
        ends_ms: 0,
        expires_ms: 0,
        overdue_ms: 0,
        rotation: Rotation::default(),
        origin: Origin::Made,
        policy: KeyPolicy::default(),
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
        KeyRef::Alias(alias) => key.aliases.contains(alias),
    }
}

fn key_id(key: &Key) -> KeyId {
    KeyId::new(key.id.hyphenated().to_string()).expect("a UUID is a key id")
}

fn describe(key: &Key) -> KeyDescription {
    KeyDescription {
        id: key_id(key),
        alias: key.aliases.first().cloned(),
        description: key.description.clone(),
        state: key.state,
        usage: key.usage,
        versions: u32::try_from(key.versions.len()).unwrap_or(u32::MAX),
        created_ms: key.created_ms,
    }
}
