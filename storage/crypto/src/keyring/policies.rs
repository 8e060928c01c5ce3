//! Policies and grants of the keyring's keys: set, given, taken back. Whoever can open and write the keyring may.

use uuid::Uuid;

use super::{Keyring, KeyringError};
use crate::kms::{KeyDescription, KeyRef, KeyUsage};
use crate::policy::{Grant, KeyOperation, KeyPolicy, is_account};
use crate::provider::Provider;

/// More than anybody needs: all of them may have to be looked at for each request.
const MAX_GRANTS: usize = 1000;
/// Of the names and patterns in one list.
const MAX_PATTERNS: usize = 1000;
/// As long as the longest name of a table.
const MAX_PATTERN_LEN: usize = 255;

impl Keyring {
    /// Replaces who of which account may administer and use a key, and for which tables. The key's grants stay, those of `policy` do not count.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::Refused`] for a system key, for what is no account, and for a pattern that nothing can
    /// fit: who is meant to be let in by it would be locked out. Those of changing the file.
    pub fn put_policy(
        &self,
        key: &KeyRef,
        policy: KeyPolicy,
    ) -> Result<KeyDescription, KeyringError> {
        check_account(&policy.account)?;
        check_names(&policy.administrators)?;
        check_names(&policy.users)?;
        check_tables(&policy.tables)?;
        let told = format!(
            "account {}, administrators {:?}, users {:?}, tables {:?}",
            policy.account, policy.administrators, policy.users, policy.tables
        );
        self.change_key("PutKeyPolicy", key, |key, _| {
            for_tables(key.usage)?;
            let grants = std::mem::take(&mut key.policy.grants);
            key.policy = KeyPolicy { grants, ..policy };
            Ok(told)
        })
    }

    /// Lets a principal, of whatever account, use a key; gives the id to take it back with.
    ///
    /// # Errors
    /// As [`Keyring::put_policy`]; [`KeyringError::Refused`] without an operation, and beyond a thousand grants of a key.
    pub fn create_grant(
        &self,
        key: &KeyRef,
        (account, grantee): (&str, &str),
        operations: Vec<KeyOperation>,
        tables: Vec<String>,
    ) -> Result<Uuid, KeyringError> {
        check_account(account)?;
        check_names(&[grantee.to_owned()])?;
        check_tables(&tables)?;
        let grantable = |one| KeyOperation::GRANTABLE.contains(one);
        if operations.is_empty() || !operations.iter().all(grantable) {
            let why = "a grant is for Decrypt, GenerateDataKey, or both".to_owned();
            return Err(KeyringError::Refused(why));
        }
        let mut id = [0; 16];
        Provider::default_provider().random(&mut id)?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        self.change_key("CreateGrant", key, |key, _| {
            for_tables(key.usage)?;
            if key.policy.grants.len() >= MAX_GRANTS {
                let why = format!("a key has at most {MAX_GRANTS} grants");
                return Err(KeyringError::Refused(why));
            }
            let told =
                format!("grant {id} to {grantee} of {account}: {operations:?}, tables {tables:?}");
            key.policy.grants.push(Grant {
                id,
                account: account.to_owned(),
                grantee: grantee.to_owned(),
                operations,
                tables,
            });
            Ok(told)
        })?;
        Ok(id)
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`]; [`KeyringError::Refused`] if the key has no such grant; those of changing the file.
    pub fn revoke_grant(&self, key: &KeyRef, grant: Uuid) -> Result<(), KeyringError> {
        self.change_key("RevokeGrant", key, |key, _| {
            let before = key.policy.grants.len();
            key.policy.grants.retain(|other| other.id != grant);
            if key.policy.grants.len() == before {
                return Err(KeyringError::Refused(format!(
                    "the key has no grant {grant}"
                )));
            }
            Ok(format!("grant {grant}"))
        })
        .map(|_| ())
    }
}

fn for_tables(usage: KeyUsage) -> Result<(), KeyringError> {
    match usage {
        KeyUsage::Table => Ok(()),
        KeyUsage::System => Err(KeyringError::Refused(
            "only the database itself uses this key: it has no policy".to_owned(),
        )),
    }
}

/// Patterns of principals: names, which hold no white space.
fn check_names(patterns: &[String]) -> Result<(), KeyringError> {
    check_patterns(patterns, "a principal", |char| {
        !char.is_whitespace() && !char.is_control()
    })
}

/// Patterns of tables, in the letters that their names are made of.
fn check_tables(patterns: &[String]) -> Result<(), KeyringError> {
    check_patterns(patterns, "a table", |char| {
        char.is_ascii_alphanumeric() || "_-.*".contains(char)
    })
}

fn check_patterns(
    patterns: &[String],
    of_what: &str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), KeyringError> {
    let fits = |pattern: &String| {
        (1..=MAX_PATTERN_LEN).contains(&pattern.len()) && pattern.chars().all(&allowed)
    };
    if let Some(wrong) = patterns.iter().find(|pattern| !fits(pattern)) {
        let why =
            format!("{wrong:?} fits the name of {of_what} never: nobody could use the key by it");
        return Err(KeyringError::Refused(why));
    }
    match patterns.len() > MAX_PATTERNS {
        true => Err(KeyringError::Refused(format!(
            "a list has at most {MAX_PATTERNS} names"
        ))),
        false => Ok(()),
    }
}

fn check_account(account: &str) -> Result<(), KeyringError> {
    match is_account(account) {
        true => Ok(()),
        false => Err(KeyringError::Refused(format!(
            "an account has 12 digits, not {account:?}"
        ))),
    }
}
