//! What an administrator does to keys, after AWS KMS's operations of the same names. Each leaves an entry in the journal.
//!
//! Two keys are protected from accidents. The system key guards the catalog, the log and the credentials: without it no table of any
//! database under the keyring opens. So it cannot be deleted at all, nor can the key that tables get which name none (delete the
//! keyring if all of it is to go), and disabling the system key needs [`Keyring::disable_system_key`].

use uuid::Uuid;

use super::format::{Body, Key, Origin, Rotation};
use super::time::{self, DAY_MS};
use super::{Keyring, KeyringError, describe, find_mut, journal, new_key};
use crate::kms::{Alias, KeyDescription, KeyId, KeyRef, KeyState, KeyUsage};
use crate::policy::KeyPolicy;

/// Days that a deletion may wait, as in AWS KMS.
pub const DELETION_DAYS: std::ops::RangeInclusive<u32> = 7..=30;
/// Days that a rotation period may have, as in AWS KMS.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u32> = 90..=2560;
/// Aliases below it are the keyring's own.
const RESERVED: &str = "alias/sealdb/";

/// All that the keyring knows about one of its keys, but its material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDetails {
    /// What every provider tells.
    pub description: KeyDescription,
    /// All its aliases, in the order in which it got them.
    pub aliases: Vec<Alias>,
    /// Whether its material was imported, or is to be.
    pub imported: bool,
    /// Pending deletion: when its time is over. Destroyed: when it was. In milliseconds since 1970, as all times.
    pub deletion_ms: Option<u64>,
    /// When its imported material expires.
    pub expires_ms: Option<u64>,
    /// Days between rotations.
    pub rotation_days: Option<u32>,
    /// When it is rotated by itself next.
    pub next_rotation_ms: Option<u64>,
    /// The numbers of its versions and when they were made, the oldest first.
    pub versions: Vec<(u32, u64)>,
    /// Who may administer and use it.
    pub policy: KeyPolicy,
}

impl Keyring {
    /// All that is known about every key, in the order of their creation.
    ///
    /// # Errors
    /// Those of reading the file anew, if it was changed.
    pub fn details(&self) -> Result<Vec<KeyDetails>, KeyringError> {
        Ok(self.current()?.body.keys.iter().map(details).collect())
    }

    /// The same about one key.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; those of reading the file anew.
    pub fn details_of(&self, key: &KeyRef) -> Result<KeyDetails, KeyringError> {
        let state = self.current()?;
        let found = super::find(&state.body.keys, key);
        found.map(details).ok_or_else(|| self.no_such_key(key))
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
        self.add_key(alias, description, usage, Origin::Made)
    }

    pub(super) fn add_key(
        &self,
        alias: Option<Alias>,
        description: &str,
        usage: KeyUsage,
        origin: Origin,
    ) -> Result<KeyDescription, KeyringError> {
        if let Some(alias) = &alias {
            not_reserved(alias)?;
        }
        if description.len() > 8192 {
            return Err(KeyringError::Refused(
                "a description has at most 8192 bytes".to_owned(),
            ));
        }
        self.change(|body, now| {
            if let Some(alias) = &alias {
                not_taken(body, alias)?;
            }
            let mut key = new_key(alias.as_ref().map(Alias::as_str), description, usage, now)?;
            if let Origin::Imported(_) = origin {
                key.versions.clear();
                key.state = KeyState::PendingImport;
            }
            key.origin = origin;
            let detail = alias.map(|alias| alias.to_string()).unwrap_or_default();
            self.note(body, now, "CreateKey", key.id, detail);
            let description = describe(&key);
            body.keys.push(key);
            Ok(description)
        })
    }

    /// Enables or disables a key. A key that is not enabled refuses every use from the next call on, in every process. Nothing is
    /// destroyed.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::State`] for a key that is to be deleted or has no material;
    /// [`KeyringError::Refused`] for the system key and for other states, which have methods of their own; those of changing the file.
    pub fn set_state(&self, key: &KeyRef, to: KeyState) -> Result<KeyDescription, KeyringError> {
        self.switch(key, to, false)
    }

    /// Disables `alias/sealdb/system`: every database under this keyring closes within its keys' max age, and no server starts, until the
    /// key is enabled again with [`Keyring::set_state`].
    ///
    /// # Errors
    /// Those of changing the file.
    pub fn disable_system_key(&self) -> Result<KeyDescription, KeyringError> {
        self.switch(&KeyRef::system(), KeyState::Disabled, true)
    }

    fn switch(
        &self,
        key: &KeyRef,
        to: KeyState,
        everything: bool,
    ) -> Result<KeyDescription, KeyringError> {
        let name = match to {
            KeyState::Enabled => "EnableKey",
            KeyState::Disabled => "DisableKey",
            KeyState::PendingDeletion | KeyState::PendingImport | KeyState::Destroyed => {
                let why = format!("a key is enabled or disabled; it does not become {to} that way");
                return Err(KeyringError::Refused(why));
            }
        };
        self.change_key(name, key, |key, _| {
            key.check_alive()?;
            if to == KeyState::Disabled && key.usage == KeyUsage::System && !everything {
                return Err(KeyringError::Refused(
                    "this key guards the catalog, the log and the credentials: without it every table of every database under \
                     this keyring closes and no server starts. If that is meant, say that everything is to close"
                        .to_owned(),
                ));
            }
            key.state = to;
            Ok(String::new())
        })
    }

    /// Adds a version of key material, which wraps from now on. Older versions go on unwrapping.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::State`] unless the key is enabled; [`KeyringError::Refused`] for imported material;
    /// those of changing the file.
    pub fn rotate(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        self.change_key("RotateKeyOnDemand", key, |key, now| {
            key.check_rotates()?;
            time::add_version(key, now).map(|number| format!("version {number}"))
        })
    }

    /// Rotates a key by itself whenever so many days have passed, counted from now; `None` ends that.
    ///
    /// # Errors
    /// As [`Keyring::rotate`]; [`KeyringError::Refused`] for a period outside [`ROTATION_DAYS`].
    pub fn set_rotation(
        &self,
        key: &KeyRef,
        days: Option<u32>,
    ) -> Result<KeyDescription, KeyringError> {
        let Some(days) = days else {
            return self.change_key("DisableKeyRotation", key, |key, _| {
                key.check_alive()?;
                key.rotation = Rotation::default();
                Ok(String::new())
            });
        };
        in_range("a rotation period", days, &ROTATION_DAYS)?;
        self.change_key("EnableKeyRotation", key, |key, now| {
            key.check_rotates()?;
            key.rotation = Rotation {
                days,
                since_ms: now,
            };
            Ok(format!("every {days} days"))
        })
    }

    /// Disables a key and has its material destroyed after so many days, by whoever opens or uses the keyring then. Until then the deletion
    /// can be cancelled; afterwards nothing that the key wrapped can be opened, by anyone, and the key stays as a name.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::State`] if it is under way or done; [`KeyringError::Refused`] for days outside
    /// [`DELETION_DAYS`] and for the keys that the keyring was made with; those of changing the file.
    pub fn schedule_deletion(
        &self,
        key: &KeyRef,
        days: u32,
    ) -> Result<KeyDescription, KeyringError> {
        in_range("the waiting period of a deletion", days, &DELETION_DAYS)?;
        self.change_key("ScheduleKeyDeletion", key, |key, now| {
            let own = key.aliases.iter().find(|alias| is_reserved(alias));
            if key.usage == KeyUsage::System || own.is_some() {
                let what = own.map_or("a key that guards the system", Alias::as_str);
                return Err(KeyringError::Refused(format!(
                    "{what} cannot be deleted: databases under this keyring do not open without it. To have all of it gone, \
                     delete the keyring and its backups"
                )));
            }
            if key.state == KeyState::PendingDeletion {
                return Err(key.wrong_state());
            }
            if key.state != KeyState::PendingImport {
                key.check_alive()?;
            }
            key.state = KeyState::PendingDeletion;
            key.ends_ms = now.saturating_add(u64::from(days).saturating_mul(DAY_MS));
            key.overdue_ms = 0;
            Ok(format!("in {days} days"))
        })
    }

    /// Cancels a deletion whose time is not over. The key is disabled afterwards, as in AWS KMS: enable it if it is to be used.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::State`] for a key that is not pending deletion; those of changing the file.
    pub fn cancel_deletion(&self, key: &KeyRef) -> Result<KeyDescription, KeyringError> {
        self.change_key("CancelKeyDeletion", key, |key, _| {
            if key.state != KeyState::PendingDeletion {
                return Err(key.wrong_state());
            }
            key.ends_ms = 0;
            key.overdue_ms = 0;
            key.state = match key.versions.is_empty() {
                true => KeyState::PendingImport,
                false => KeyState::Disabled,
            };
            Ok(String::new())
        })
    }

    /// Gives a key one more alias.
    ///
    /// # Errors
    /// [`KeyringError::AliasTaken`], [`KeyringError::NoSuchKey`], [`KeyringError::State`] for a key that is to be deleted,
    /// [`KeyringError::Refused`] for a reserved alias; those of changing the file.
    pub fn create_alias(&self, alias: &Alias, key: &KeyRef) -> Result<(), KeyringError> {
        not_reserved(alias)?;
        self.change(|body, now| {
            not_taken(body, alias)?;
            self.give_alias(body, now, "CreateAlias", alias, key)
        })
    }

    /// Moves an alias to another key of the same usage. Tables are not touched: each names the id of the key that wrapped its own.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`] also for the alias; otherwise those of [`Keyring::create_alias`].
    pub fn update_alias(&self, alias: &Alias, key: &KeyRef) -> Result<(), KeyringError> {
        not_reserved(alias)?;
        self.change(|body, now| {
            let holder = self.take_alias(body, alias)?;
            let to = find_mut(&mut body.keys, key).ok_or_else(|| self.no_such_key(key))?;
            if to.usage != holder {
                return Err(KeyringError::Refused(format!(
                    "{alias} is of a key for {holder}, and the other is for {}: an alias stays with one usage",
                    to.usage
                )));
            }
            self.give_alias(body, now, "UpdateAlias", alias, key)
        })
    }

    /// Deletes an alias. Its key and what is under it stay as they are.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`] for an alias that does not exist; [`KeyringError::Refused`] for a reserved one; those of changing the file.
    pub fn delete_alias(&self, alias: &Alias) -> Result<(), KeyringError> {
        not_reserved(alias)?;
        let key = KeyRef::Alias(alias.clone());
        self.change_key("DeleteAlias", &key, |key, _| {
            key.aliases.retain(|other| other != alias);
            Ok(alias.to_string())
        })
        .map(|_| ())
    }

    /// Takes an alias from its key; gives the usage of that.
    fn take_alias(&self, body: &mut Body, alias: &Alias) -> Result<KeyUsage, KeyringError> {
        let key = KeyRef::Alias(alias.clone());
        let holder = find_mut(&mut body.keys, &key).ok_or_else(|| self.no_such_key(&key))?;
        holder.aliases.retain(|other| other != alias);
        Ok(holder.usage)
    }

    fn give_alias(
        &self,
        body: &mut Body,
        now: u64,
        name: &'static str,
        alias: &Alias,
        key: &KeyRef,
    ) -> Result<(), KeyringError> {
        let key = find_mut(&mut body.keys, key).ok_or_else(|| self.no_such_key(key))?;
        if matches!(key.state, KeyState::PendingDeletion | KeyState::Destroyed) {
            return Err(key.wrong_state());
        }
        key.aliases.push(alias.clone());
        let id = key.id;
        self.note(body, now, name, id, alias.to_string());
        Ok(())
    }

    /// Changes one key and notes it; what `apply` gives is the entry's detail.
    pub(super) fn change_key(
        &self,
        name: &'static str,
        key: &KeyRef,
        apply: impl FnOnce(&mut Key, u64) -> Result<String, KeyringError>,
    ) -> Result<KeyDescription, KeyringError> {
        self.change(|body, now| {
            let found = find_mut(&mut body.keys, key).ok_or_else(|| self.no_such_key(key))?;
            let detail = apply(found, now)?;
            let (id, description) = (found.id, describe(found));
            self.note(body, now, name, id, detail);
            Ok(description)
        })
    }

    fn note(&self, body: &mut Body, now: u64, name: &str, key: Uuid, detail: String) {
        let journal = &mut body.journal;
        journal::note(journal, now, &self.principal, name, Some(key), detail);
    }
}

impl Key {
    pub(super) fn wrong_state(&self) -> KeyringError {
        KeyringError::State {
            key: self.id.hyphenated().to_string(),
            state: self.state,
        }
    }

    /// It has material and is not to lose it.
    fn check_alive(&self) -> Result<(), KeyringError> {
        match self.state {
            KeyState::Enabled | KeyState::Disabled => Ok(()),
            KeyState::PendingDeletion | KeyState::PendingImport | KeyState::Destroyed => {
                Err(self.wrong_state())
            }
        }
    }

    fn check_rotates(&self) -> Result<(), KeyringError> {
        if self.origin != Origin::Made {
            return Err(KeyringError::Refused(
                "a key with imported material is not rotated: import other material into a new key and move the alias there"
                    .to_owned(),
            ));
        }
        match self.state {
            KeyState::Enabled => Ok(()),
            _ => Err(self.wrong_state()),
        }
    }
}

fn in_range(
    what: &str,
    days: u32,
    range: &std::ops::RangeInclusive<u32>,
) -> Result<(), KeyringError> {
    if range.contains(&days) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let why = format!("{what} has {least} to {most} days, not {days}");
    Err(KeyringError::Refused(why))
}

fn is_reserved(alias: &Alias) -> bool {
    alias.as_str().starts_with(RESERVED)
}

fn not_reserved(alias: &Alias) -> Result<(), KeyringError> {
    match is_reserved(alias) {
        true => Err(KeyringError::Refused(format!(
            "{alias} is the keyring's own: aliases below {RESERVED} are neither made, moved nor deleted"
        ))),
        false => Ok(()),
    }
}

fn not_taken(body: &Body, alias: &Alias) -> Result<(), KeyringError> {
    match body.keys.iter().any(|key| key.aliases.contains(alias)) {
        true => Err(KeyringError::AliasTaken {
            alias: alias.to_string(),
        }),
        false => Ok(()),
    }
}

fn details(key: &Key) -> KeyDetails {
    let time = |ms: u64| (ms != 0).then_some(ms);
    KeyDetails {
        description: describe(key),
        aliases: key.aliases.clone(),
        imported: key.origin != Origin::Made,
        deletion_ms: time(key.ends_ms),
        expires_ms: time(key.expires_ms),
        rotation_days: (key.rotation.days != 0).then_some(key.rotation.days),
        next_rotation_ms: key.next_rotation_ms(),
        versions: key
            .versions
            .iter()
            .map(|version| (version.number, version.created_ms))
            .collect(),
        policy: key.policy.clone(),
    }
}

/// The id of a description as a reference.
impl From<&KeyDescription> for KeyRef {
    fn from(key: &KeyDescription) -> Self {
        Self::Id(KeyId::clone(&key.id))
    }
}
