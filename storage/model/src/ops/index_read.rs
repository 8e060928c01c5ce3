//! What Query and Scan need to know of an index beside the request itself.

use std::ops::RangeBounds;

use crate::error::ValidationError;
use crate::expr::IndexCondition;
use crate::index::{IndexKeyBytes, IndexKind, IndexProjection, IndexSchema};
use crate::key::KeyBytes;
use crate::map::Map;
use crate::ops::{Query, Scan, Select};
use crate::schema::KeySchema;

/// What a Query means for an index of a known schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPlan {
    /// The range of entries.
    pub condition: IndexCondition,
    /// The page begins after this entry, which is one of that range.
    pub after: Option<EntryKey>,
}

/// The key of one entry of an index: the index's, and the item's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryKey {
    /// That of the index.
    pub index: IndexKeyBytes,
    /// That of the table.
    pub table: KeyBytes,
}

impl IndexSchema {
    /// The entry that a start key names: by the attributes of [`IndexSchema::entry_attributes`] and no others. `None` if it names
    /// none.
    fn entry_key(&self, table: &KeySchema, key: &Map) -> Option<EntryKey> {
        if key.len() != self.entry_attributes(table).count() {
            return None;
        }
        Some(EntryKey {
            index: self.key.of_item(key)?,
            table: table.key_of_item(key).ok()?,
        })
    }

    /// Whether the index can be read like this.
    fn check_read(&self, consistent_read: bool, select: Select) -> Result<(), ValidationError> {
        if self.kind == IndexKind::Local {
            return Ok(());
        }
        if consistent_read {
            return Err(ValidationError::new(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        if select == Select::AllAttributes && self.projection != IndexProjection::All {
            return Err(ValidationError::invalid_parameter(format_args!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is \
                 not ALL",
                self.name
            )));
        }
        Ok(())
    }
}

/// The error of a name that no index of the table has.
pub fn no_such_index(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "The table does not have the specified index: {name}"
    ))
}

impl Query {
    /// Binds the key condition and the start key to an index.
    ///
    /// # Errors
    /// AWS's messages for a key condition, start key or Select that does not fit.
    pub fn plan_index(
        &self,
        table: &KeySchema,
        index: &IndexSchema,
    ) -> Result<IndexPlan, ValidationError> {
        index.check_read(self.consistent_read, self.select)?;
        let condition = self.condition.bind_index(&index.key)?;
        let after = match &self.exclusive_start_key {
            None => None,
            Some(key) => {
                let key = index
                    .entry_key(table, key)
                    .ok_or_else(|| ValidationError::new("The provided starting key is invalid"))?;
                if key.index.partition != condition.partition {
                    return Err(ValidationError::new(
                        "The provided starting key is outside query boundaries based on provided conditions",
                    ));
                }
                let range = (condition.lower.as_ref(), condition.upper.as_ref());
                if !range.contains(&key.index.sort) {
                    return Err(ValidationError::new(
                        "The provided starting key does not match the range key predicate",
                    ));
                }
                Some(key)
            }
        };
        Ok(IndexPlan { condition, after })
    }
}

impl Scan {
    /// The entry of an index that the start key names. Whether it lies in the segment is for the store to say.
    ///
    /// # Errors
    /// AWS's messages for a start key or Select that does not fit.
    pub fn start_entry(
        &self,
        table: &KeySchema,
        index: &IndexSchema,
    ) -> Result<Option<EntryKey>, ValidationError> {
        index.check_read(self.consistent_read, self.select)?;
        let Some(key) = &self.exclusive_start_key else {
            return Ok(None);
        };
        let entry = index.entry_key(table, key).ok_or_else(|| {
            ValidationError::new(
                "The provided starting key is invalid: The provided key element does not match the schema",
            )
        })?;
        Ok(Some(entry))
    }
}
