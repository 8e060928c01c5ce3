//! The keyring's journal: what was done to its keys, until an audit trail has it.
//!
//! An entry is written with the change that it tells of, in the same replacement of the file: there is no change without its
//! entry. Keys are administered beside the database (by the command line, while a server runs), which alone may write its
//! trail; it takes the entries over at its next call and they leave the keyring then.

use std::collections::HashSet;

use uuid::Uuid;

use super::format::Entry;
use super::{Keyring, KeyringError};
use crate::administration::Administration;
use crate::kms::{KeyId, KmsError};
use crate::provider::Provider;

/// A keyring that no database takes entries from keeps the newest ones.
const MAX_ENTRIES: usize = 4096;

/// Bytes of what is said about an act. The trail takes no event of more than 256 KiB, and a policy may be longer.
const MAX_DETAIL: usize = 8 << 10;

/// Notes one act.
pub(super) fn note(
    journal: &mut Vec<Entry>,
    now: u64,
    principal: &str,
    name: &str,
    key: Option<Uuid>,
    detail: String,
) {
    if journal.len() >= MAX_ENTRIES {
        journal.remove(0);
    }
    let mut id = [0; 16];
    // An id is no secret; without chance it is the time, and the change itself fails where it needs keys.
    if Provider::default_provider().random(&mut id).is_err() {
        id = u128::from(now).to_be_bytes();
    }
    journal.push(Entry {
        id: uuid::Builder::from_random_bytes(id).into_uuid(),
        time_ms: now,
        principal: principal.to_owned(),
        name: name.to_owned(),
        key,
        detail: cut(detail),
    });
}

fn cut(mut detail: String) -> String {
    let kept = detail.floor_char_boundary(MAX_DETAIL);
    let left_out = detail.len() - kept;
    if left_out > 0 {
        detail.truncate(kept);
        detail.push_str(&format!("… and {left_out} bytes more"));
    }
    detail
}

impl Keyring {
    /// Gives every entry to `record`, the oldest first, and lets go of those that it took.
    pub(super) fn hand_over(
        &self,
        record: &mut dyn FnMut(&Administration) -> Result<(), KmsError>,
    ) -> Result<(), KmsError> {
        let entries = {
            let state = self.current().map_err(|error| self.away(error))?;
            state.body.journal.clone()
        };
        let mut taken = HashSet::new();
        let mut outcome = Ok(());
        for entry in entries {
            outcome = record(&public(&entry));
            if outcome.is_err() {
                break;
            }
            taken.insert(entry.id);
        }
        // Crash here: the entries are handed over again, under the same ids.
        if !taken.is_empty() {
            self.change(|body, _| {
                body.journal.retain(|entry| !taken.contains(&entry.id));
                Ok::<_, KeyringError>(())
            })
            .map_err(|error| self.away(error))?;
        }
        outcome
    }
}

fn public(entry: &Entry) -> Administration {
    let key = entry
        .key
        .map(|id| KeyId::new(id.hyphenated().to_string()).expect("a UUID is a key id"));
    Administration {
        id: entry.id,
        time_ms: entry.time_ms,
        principal: entry.principal.clone(),
        name: entry.name.clone(),
        key,
        detail: entry.detail.clone(),
    }
}
