//! What Query and Scan need to know of an index beside the request itself.

use std::ops::RangeBounds;

use std::collections::BTreeSet;

use crate::error::ValidationError;
use crate::expr::IndexCondition;
use crate::expr::ProjectionExpression;
use crate::expr::predicate::nested_in_key;
use crate::index::{IndexKeyBytes, IndexKind, IndexProjection, IndexSchema};
use crate::key::KeyBytes;
use crate::map::Map;
use crate::ops::read::{Filter, INVALID_START, paths_fit};
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
    pub table: KeyBytes<'static>,
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
            table: table.key_of_item(key).ok()?.into_owned(),
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

impl IndexSchema {
    /// Key attributes are scalars, whatever is read or written: no path leads into them. `heads` are where the paths begin that lead
    /// into an attribute.
    ///
    /// # Errors
    /// AWS's message.
    pub fn keys_are_scalars(&self, heads: &[&str]) -> Result<(), ValidationError> {
        let is_key = |head: &&&str| self.key.attributes().any(|key| key.name.as_str() == **head);
        match heads.iter().find(is_key) {
            None => Ok(()),
            Some(head) => Err(nested_in_key("IndexKey", head)),
        }
    }

    /// A global index gives back and filters by what it holds only; a local one has the rest fetched from the table.
    fn check_holds(
        &self,
        table: &KeySchema,
        projection: Option<&ProjectionExpression>,
        filter: Option<&Filter>,
    ) -> Result<(), ValidationError> {
        if self.kind == IndexKind::Local {
            return Ok(());
        }
        let projected = projection
            .into_iter()
            .flat_map(ProjectionExpression::attributes);
        let filtered = filter.map(|filter| filter.condition.attributes());
        let lacking: BTreeSet<&str> = projected
            .chain(filtered.into_iter().flatten())
            .filter(|name| !self.holds(table, name))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let lacking: Vec<&str> = lacking.into_iter().collect();
        Err(ValidationError::invalid_parameter(format_args!(
            "Global secondary index {} does not project [{}]",
            self.name,
            lacking.join(", ")
        )))
    }

    /// Whether what is asked for has to be fetched from the table, because the index holds a part of it only.
    pub fn must_fetch(
        &self,
        table: &KeySchema,
        select: Select,
        projection: Option<&ProjectionExpression>,
        filter: Option<&Filter>,
    ) -> bool {
        if self.projection == IndexProjection::All {
            return false;
        }
        let lacks = |name: &str| !self.holds(table, name);
        select == Select::AllAttributes
            || projection.is_some_and(|projection| projection.attributes().any(lacks))
            || filter.is_some_and(|filter| filter.condition.attributes().into_iter().any(lacks))
    }
}

/// The error of a name that no index of the table has.
pub fn no_such_index(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "The table does not have the specified index: {name}"
    ))
}

/// The error of an index that is still being filled.
pub fn backfilling_index(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "Cannot read from backfilling global secondary index: {name}"
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
        if let Some(filter) = &self.filter {
            filter
                .condition
                .has_none_of(index.key.attributes(), filter.parameter)?;
        }
        paths_fit(self.filter.as_ref(), self.projection.as_ref(), table)?;
        index.check_holds(table, self.projection.as_ref(), self.filter.as_ref())?;
        let after = match &self.exclusive_start_key {
            None => None,
            Some(key) => {
                let key = index
                    .entry_key(table, key)
                    .ok_or_else(|| ValidationError::new(INVALID_START))?;
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
        index.check_holds(table, self.projection.as_ref(), self.filter.as_ref())?;
        let Some(key) = &self.exclusive_start_key else {
            return Ok(None);
        };
        index
            .entry_key(table, key)
            .ok_or_else(|| ValidationError::new(INVALID_START))
            .map(Some)
    }
}
