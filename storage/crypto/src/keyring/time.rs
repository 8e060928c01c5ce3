//! What time alone does to keys: rotation by itself, the end of a deletion's waiting period, the expiry of imported material.
//!
//! No thread does it: whoever opens or uses the keyring looks first, and writes what is due. Until then a key whose time is over is refused
//! all the same, so only rotation can be late, by as long as nobody used the keyring.
//!
//! Destruction cannot be taken back, and a wall clock may run ahead for a moment. So the first look after the end only notes that the time
//! is over; the material goes with the first look an hour later that finds it over still (AWS KMS, too, waits for up to a day
//! longer than it was told). A clock that is set right within that hour destroys nothing. A clock that was set back only delays.

use super::error::KeyringError;
use super::format::{Body, Key, KeyVersion, Origin};
use super::journal;
use crate::kms::KeyState;
use crate::provider::Provider;

const HOUR_MS: u64 = 60 * 60 * 1000;
/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// How long a time must be seen to be over before material is destroyed.
const CONFIRM_MS: u64 = HOUR_MS;
/// Who acts when nobody but time does.
const PRINCIPAL: &str = "sealdb-keyring";

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A time is over for the first time.
    Note,
    /// It was over by a clock that was wrong.
    Forget,
    Destroy,
    Expire,
    Rotate,
    /// The days are counted from a time that has not come: by a clock that was wrong.
    Recount,
}

/// Whether anything is due.
pub(super) fn is_due(body: &Body, now: u64) -> bool {
    body.keys.iter().any(|key| step(key, now).is_some())
}

/// Does all that is due.
pub(super) fn pass(body: &mut Body, now: u64) -> Result<(), KeyringError> {
    let mut events = Vec::new();
    for key in &mut body.keys {
        // A rotation may follow the recount; nothing follows twice.
        while let Some(step) = step(key, now) {
            if let Some((name, detail)) = take(key, step, now)? {
                events.push((name, key.id, detail));
            }
        }
    }
    for (name, key, detail) in events {
        journal::note(&mut body.journal, now, PRINCIPAL, name, Some(key), detail);
    }
    Ok(())
}

/// Adds a version of new material, which wraps from now on.
pub(super) fn add_version(key: &mut Key, now: u64) -> Result<u32, KeyringError> {
    let newest = key.newest().map_or(0, |newest| newest.number);
    let number = newest
        .checked_add(1)
        .ok_or_else(|| KeyringError::Refused("no version is left".to_owned()))?;
    let material = Provider::default_provider().random_secret()?;
    key.versions.push(KeyVersion {
        number,
        created_ms: now,
        material,
    });
    Ok(number)
}

impl Key {
    /// Whether its imported material may not be used any longer.
    pub(super) fn has_expired(&self, now: u64) -> bool {
        self.expires_ms != 0 && now >= self.expires_ms
    }

    /// When it is rotated by itself next; `None` if it is not.
    pub(super) fn next_rotation_ms(&self) -> Option<u64> {
        let period = u64::from(self.rotation.days).saturating_mul(DAY_MS);
        (period > 0).then(|| self.rotation.since_ms.saturating_add(period))
    }
}

fn step(key: &Key, now: u64) -> Option<Step> {
    let (end, then) = match key.state {
        KeyState::PendingDeletion => (key.ends_ms, Step::Destroy),
        KeyState::Enabled | KeyState::Disabled if key.expires_ms != 0 => {
            (key.expires_ms, Step::Expire)
        }
        KeyState::Enabled => return rotation_step(key, now),
        KeyState::Disabled | KeyState::PendingImport | KeyState::Destroyed => return None,
    };
    match key.overdue_ms {
        0 if now < end => None,
        _ if now < end => Some(Step::Forget),
        0 => Some(Step::Note),
        noted if now < noted => Some(Step::Note),
        noted if now - noted >= CONFIRM_MS => Some(then),
        _ => None,
    }
}

fn rotation_step(key: &Key, now: u64) -> Option<Step> {
    let next = key.next_rotation_ms()?;
    if key.rotation.since_ms > now.saturating_add(DAY_MS) {
        return Some(Step::Recount);
    }
    (now >= next).then_some(Step::Rotate)
}

/// Takes one step; gives the event that it is, if it is one.
fn take(
    key: &mut Key,
    step: Step,
    now: u64,
) -> Result<Option<(&'static str, String)>, KeyringError> {
    Ok(match step {
        Step::Note => {
            key.overdue_ms = now;
            None
        }
        Step::Forget => {
            key.overdue_ms = 0;
            None
        }
        Step::Recount => {
            key.rotation.since_ms = now;
            None
        }
        Step::Rotate => {
            key.rotation.since_ms = now;
            let number = add_version(key, now)?;
            Some(("RotateKey", format!("version {number}, by its schedule")))
        }
        Step::Destroy => {
            let versions = key.versions.len();
            key.versions.clear();
            key.aliases.clear();
            key.state = KeyState::Destroyed;
            key.ends_ms = now;
            key.overdue_ms = 0;
            Some(("DeleteKey", format!("{versions} versions destroyed")))
        }
        Step::Expire => {
            key.without_material();
            Some(("DeleteExpiredKeyMaterial", String::new()))
        }
    })
}

impl Key {
    /// Destroys imported material; its fingerprint stays, so that only the same can be imported again.
    pub(super) fn without_material(&mut self) {
        debug_assert!(matches!(self.origin, Origin::Imported(_)));
        self.versions.clear();
        self.state = KeyState::PendingImport;
        self.expires_ms = 0;
        self.overdue_ms = 0;
    }
}
