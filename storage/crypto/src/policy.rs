//! Who may use and administer a key, and for which tables: key policies and grants, after AWS KMS's.
//!
//! A key belongs to one account, the default one unless its policy names another. Without further rules every principal of that account is its
//! administrator and may use it for every table, and nobody of another account may do anything with it. The policy can name
//! administrators, users and tables; a grant lets one principal, of whatever account, use the key beyond that, until it is taken back.
//!
//! | operation | what it lets a principal do |
//! |---|---|
//! | Decrypt | read, write, change and delete what is under the key |
//! | GenerateDataKey | make a table under the key, or put one under it |
//! | Administer | have the keys of its tables wrapped again or replaced, and ask what depends on it |
//!
//! Callers without an identity are the database itself and programs that embed it: they hold the keyring and its root key, which no policy could
//! withhold from them. For the same reason nobody is locked out for good: who holds these two can change every policy.
//!
//! Patterns are names in which `*` stands for any characters, also none.

use std::sync::Arc;

use crate::kms::{Caller, EncryptionContext};

/// The account of keys, tables and credentials that name none.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// Whether a text is an account: twelve digits, as in AWS.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A principal as policies name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its account.
    pub account: String,
    /// Its name within the account.
    pub name: String,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOperation {
    /// Open what it wrapped.
    Decrypt,
    /// Wrap under it.
    GenerateDataKey,
    /// Change how tables are under it.
    Administer,
}

impl KeyOperation {
    /// Those that a grant can name.
    pub const GRANTABLE: [Self; 2] = [Self::Decrypt, Self::GenerateDataKey];

    /// AWS KMS's name, or one of ours where an administrator may do more than one thing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decrypt => "Decrypt",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::Administer => "AdministerKey",
        }
    }

    /// One that a grant can name, by its name.
    pub fn grantable(name: &str) -> Option<Self> {
        Self::GRANTABLE.into_iter().find(|one| one.name() == name)
    }
}

/// Who may do what with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Whose key it is.
    pub account: String,
    /// Patterns of the account's principals that may administer it; none: all.
    pub administrators: Vec<String>,
    /// Patterns of the account's principals that may use it; none: all.
    pub users: Vec<String>,
    /// Patterns of the tables that these may use it for; none: all.
    pub tables: Vec<String>,
    /// Who else may use it.
    pub grants: Vec<Grant>,
}

impl Default for KeyPolicy {
    /// Every principal of the default account, for every table.
    fn default() -> Self {
        Self {
            account: DEFAULT_ACCOUNT.to_owned(),
            administrators: Vec::new(),
            users: Vec::new(),
            tables: Vec::new(),
            grants: Vec::new(),
        }
    }
}

/// What one principal, of any account, may do beyond the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// By which it is taken back.
    pub id: uuid::Uuid,
    /// The grantee's account.
    pub account: String,
    /// Pattern of the grantee's name.
    pub grantee: String,
    /// What it may do: of [`KeyOperation::GRANTABLE`].
    pub operations: Vec<KeyOperation>,
    /// Patterns of the tables that it may use the key for; none: all.
    pub tables: Vec<String>,
}

impl KeyPolicy {
    /// Whether a caller may do this with the key for the table that a context names.
    pub fn allows_in(
        &self,
        caller: &Caller,
        operation: KeyOperation,
        context: &EncryptionContext,
    ) -> bool {
        let table = context.get("sealdb:table-name").unwrap_or_default();
        self.allows(caller, operation, table)
    }

    /// Whether a caller may do this with the key for a table. Administration is of the key, whatever the table.
    pub fn allows(&self, caller: &Caller, operation: KeyOperation, table: &str) -> bool {
        let Some(who) = &caller.identity else {
            return true;
        };
        let own = who.account == self.account
            && match operation {
                KeyOperation::Administer => any(&self.administrators, &who.name),
                KeyOperation::Decrypt | KeyOperation::GenerateDataKey => {
                    any(&self.users, &who.name) && any(&self.tables, table)
                }
            };
        own || self.grants.iter().any(|grant| {
            grant.account == who.account
                && matches(&grant.grantee, &who.name)
                && grant.operations.contains(&operation)
                && any(&grant.tables, table)
        })
    }
}

/// A key's policy as of some moment, to be asked without the key's provider.
#[derive(Debug, Clone)]
pub struct Access(Option<Arc<KeyPolicy>>);

impl Access {
    /// Nothing is known yet, so nobody may but the database itself.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// The provider has no policies: every principal of the default account may do everything, and nobody of another one anything.
    pub fn of_default_account() -> Self {
        Self::by(KeyPolicy::default())
    }

    /// As a policy says.
    pub fn by(policy: KeyPolicy) -> Self {
        Self(Some(Arc::new(policy)))
    }

    /// Whether a caller may do this with the key for a table.
    #[inline]
    pub fn allows(&self, caller: &Caller, operation: KeyOperation, table: &str) -> bool {
        match &self.0 {
            Some(policy) => policy.allows(caller, operation, table),
            None => caller.identity.is_none(),
        }
    }

    /// Whose key it is.
    pub fn account(&self) -> &str {
        self.0
            .as_ref()
            .map_or(DEFAULT_ACCOUNT, |policy| &policy.account)
    }
}

fn any(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a name fits a pattern. Greedy from the left: the first part stands at the beginning, the last at the end, each other where it is
/// found first.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("*", "", true),
            ("ord*", "orders", true),
            ("*ers", "orders", true),
            ("o*d*s", "orders", true),
            ("o*x*s", "orders", false),
            ("a*a", "a", false),
            ("a*ä*", "aä", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    fn caller(account: &str, name: &str) -> Caller {
        Caller::new("AKIA").with_identity(Arc::new(Identity {
            account: account.to_owned(),
            name: name.to_owned(),
        }))
    }

    #[test]
    fn an_account_uses_its_keys_and_others_need_a_grant() {
        let mut policy = KeyPolicy::default();
        let decrypt = |policy: &KeyPolicy, caller: &Caller, table| {
            policy.allows(caller, KeyOperation::Decrypt, table)
        };
        let (own, other) = (
            caller(DEFAULT_ACCOUNT, "ann"),
            caller("111111111111", "bob"),
        );
        assert!(decrypt(&policy, &own, "orders"));
        assert!(!decrypt(&policy, &other, "orders"));
        assert!(decrypt(&policy, &Caller::database(), "orders"));
        policy.users = vec!["ann".to_owned(), "app-*".to_owned()];
        policy.tables = vec!["orders".to_owned()];
        assert!(decrypt(&policy, &own, "orders"));
        assert!(!decrypt(&policy, &own, "users"));
        assert!(decrypt(
            &policy,
            &caller(DEFAULT_ACCOUNT, "app-7"),
            "orders"
        ));
        assert!(!decrypt(&policy, &caller(DEFAULT_ACCOUNT, "eve"), "orders"));
        policy.grants.push(Grant {
            id: uuid::Uuid::nil(),
            account: "111111111111".to_owned(),
            grantee: "bob".to_owned(),
            operations: vec![KeyOperation::Decrypt],
            tables: vec!["ord*".to_owned()],
        });
        assert!(decrypt(&policy, &other, "orders"));
        assert!(!decrypt(&policy, &other, "users"));
        assert!(!policy.allows(&other, KeyOperation::GenerateDataKey, "orders"));
        assert!(!decrypt(&policy, &caller("222222222222", "bob"), "orders"));
        assert!(!decrypt(
            &policy,
            &caller("111111111111", "bobby"),
            "orders"
        ));
    }

    #[test]
    fn who_administers_a_key_need_not_use_it_nor_the_other_way_round() {
        let policy = KeyPolicy {
            administrators: vec!["ann".to_owned()],
            users: vec!["bob".to_owned()],
            ..KeyPolicy::default()
        };
        let access = Access::by(policy);
        let may = |name, operation| access.allows(&caller(DEFAULT_ACCOUNT, name), operation, "t");
        assert!(may("ann", KeyOperation::Administer) && !may("ann", KeyOperation::Decrypt));
        assert!(may("bob", KeyOperation::Decrypt) && !may("bob", KeyOperation::Administer));
        let other = caller("111111111111", "ann");
        assert!(!access.allows(&other, KeyOperation::Administer, "t"));
        assert!(!Access::nobody().allows(&other, KeyOperation::Decrypt, "t"));
        assert!(Access::nobody().allows(&Caller::database(), KeyOperation::Decrypt, "t"));
    }
}
