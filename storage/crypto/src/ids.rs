//! Identities that sealing binds into each block: database, table, tree, log segment, key generation.
//!
//! The 16-byte ids are random UUIDs (version 4, RFC 9562) made from the provider's generator and never reused; the all-zero
//! table id is the system's own. They print and parse in the usual hyphenated form.

use std::fmt;
use std::str::FromStr;

use crate::provider::{Provider, ProviderError};

/// Text that is not a UUID in hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 32 hexadecimal digits in the form 8-4-4-4-12")]
pub struct IdParseError;

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new random id.
            ///
            /// # Errors
            /// If the system's generator fails.
            pub fn generate(provider: &Provider) -> Result<Self, ProviderError> {
                let mut bytes = [0; 16];
                provider.random(&mut bytes)?;
                Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
            }

            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes as they stand in files and in authenticated data.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;

            fn from_str(text: &str) -> Result<Self, IdParseError> {
                // 36 characters: the hyphenated form only, of the several that the uuid crate would take.
                match uuid::Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok(Self(id.into_bytes())),
                    _ => Err(IdParseError),
                }
            }
        }
    };
}

random_id! {
    /// A database: made once, at creation. A copied directory keeps it.
    DatabaseId
}
random_id! {
    /// A table: made at CreateTable. A table of the same name made later has another.
    TableId
}
random_id! {
    /// One life of a log segment: made each time a segment file is taken into use.
    SegmentId
}

impl TableId {
    /// The system's own "table": catalog, log frames, root, audit trail.
    pub const SYSTEM: TableId = TableId([0; 16]);
}

/// A tree inside one table: the base table's own, or that of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(u32);

impl TreeId {
    /// The tree of the table's items. Trees of indexes count from 1.
    pub const BASE: TreeId = TreeId(0);

    /// The tree with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Which of a table's keys: counts up by one with each rekey, from [`Generation::FIRST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(u32);

impl Generation {
    /// The generation that a table is created with.
    pub const FIRST: Generation = Generation(1);

    /// The generation with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after this; `None` after the last (2^32 - 1).
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let id = TableId::generate(Provider::default_provider()).unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 36);
        assert_eq!(id.to_string().as_bytes()[14], b'4', "version 4: {id}");
        assert_eq!(
            TableId::SYSTEM.to_string(),
            "00000000-0000-0000-0000-000000000000"
        );
        assert_eq!("".parse::<TableId>(), Err(IdParseError));
        assert_eq!(
            id.to_string().replace('-', "").parse::<TableId>(),
            Err(IdParseError)
        );
        assert_eq!(format!("{{{id}}}").parse::<TableId>(), Err(IdParseError));
    }

    #[test]
    fn ids_are_new_each_time() {
        let provider = Provider::default_provider();
        assert_ne!(
            DatabaseId::generate(provider).unwrap(),
            DatabaseId::generate(provider).unwrap()
        );
    }

    #[test]
    fn generations_end() {
        assert_eq!(Generation::FIRST.next(), Some(Generation::new(2)));
        assert_eq!(Generation::new(u32::MAX).next(), None);
    }
}
