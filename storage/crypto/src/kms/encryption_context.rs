//! What a wrapped key is bound to: the [`EncryptionContext`], which the provider authenticates with it.
//!
//! **Canonical context encoding** (what is authenticated): pairs in ascending byte order of their names, each
//! `u32 length ‖ name ‖ u32 length ‖ value`, preceded by the u32 count of pairs. The encoding is injective: two contexts
//! that differ in one byte have different encodings, and no pair can pretend to be two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{DatabaseId, Generation, TableId};
use crate::wire::{Put, Reader, WireError};

/// Name of the context pair that says what the wrapped key is for; see [`EncryptionContext::for_table`].
pub const CONTEXT_PURPOSE: &str = "sealdb:purpose";

/// Names and values that a wrapped key is bound to. Not secret: it stands in audit events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// An empty context.
    pub fn new() -> Self {
        Self::default()
    }

    /// The context of a table key. A key wrapped under it opens for this table, database and generation only.
    pub fn for_table(
        database: DatabaseId,
        table: TableId,
        table_name: &str,
        account: &str,
        generation: Generation,
    ) -> Self {
        Self::new()
            .with(CONTEXT_PURPOSE, "table")
            .with("sealdb:table-name", table_name)
            .with("sealdb:table-id", table.to_string())
            .with("sealdb:account", account)
            .with("sealdb:database-id", database.to_string())
            .with("sealdb:generation", generation.to_string())
    }

    /// The context of the system table key (catalog, root, log frames).
    pub fn for_system(database: DatabaseId, generation: Generation) -> Self {
        Self::of_purpose("system", database, generation)
    }

    /// The context of the audit key.
    pub fn for_audit(database: DatabaseId, generation: Generation) -> Self {
        Self::of_purpose("audit", database, generation)
    }

    /// The context of the key that seals a server's credentials. They belong to the keyring, not to a database's id: the
    /// command line edits them without opening the database, and one keyring serves one database.
    pub fn for_credentials() -> Self {
        Self::new().with(CONTEXT_PURPOSE, "credentials")
    }

    fn of_purpose(purpose: &str, database: DatabaseId, generation: Generation) -> Self {
        Self::new()
            .with(CONTEXT_PURPOSE, purpose)
            .with("sealdb:database-id", database.to_string())
            .with("sealdb:generation", generation.to_string())
    }

    /// Adds or replaces one pair.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All pairs in ascending order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The canonical encoding of the module's documentation.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.put_u32(u32::try_from(self.0.len()).expect("a context has a handful of pairs"));
        for (name, value) in &self.0 {
            out.put_bytes(name.as_bytes());
            out.put_bytes(value.as_bytes());
        }
        out
    }

    /// Reads the canonical encoding; any other order or a name twice is refused.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u32()?;
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            let name = reader.string()?;
            let value = reader.string()?;
            if pairs
                .last_key_value()
                .is_some_and(|(last, _)| *last >= name)
            {
                return Err(WireError("context names are not in order"));
            }
            pairs.insert(name, value);
        }
        reader.end()?;
        Ok(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        // Few letters, so that neighbours which only differ in where one part ends do occur.
        proptest::collection::btree_map("[ab]{0,3}", "[ab]{0,3}", 0..4).prop_map(EncryptionContext)
    }

    proptest! {
        #[test]
        fn the_canonical_encoding_is_injective(a in contexts(), b in contexts()) {
            prop_assert_eq!(a == b, a.canonical() == b.canonical());
            prop_assert_eq!(EncryptionContext::from_canonical(&a.canonical()), Ok(a));
        }

        #[test]
        fn any_bytes_are_canonical_or_refused(bytes in proptest::collection::vec(0u8..4, 0..60)) {
            if let Ok(context) = EncryptionContext::from_canonical(&bytes) {
                prop_assert_eq!(context.canonical(), bytes);
            }
        }
    }
}
