//! Changes of one global index, as an UpdateTable asks for them.

use std::collections::HashSet;
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::check_index_name;
use crate::ops::secondary_index::check_global_shape;
use crate::ops::throughput::Asked;
use crate::ops::{
    GlobalSecondaryIndex, OnDemandThroughput, ProvisionedThroughput, WarmThroughput, setters,
};

/// A change of one global index.
#[derive(Clone, PartialEq, Eq)]
pub enum GlobalSecondaryIndexUpdate {
    /// Make it, and fill it from the table.
    Create(GlobalSecondaryIndex),
    /// Change what it is to be able to take.
    Update(UpdateGlobalSecondaryIndex),
    /// Remove it.
    Delete {
        /// Its name.
        index_name: String,
    },
}

/// The kind; names of indexes stay out of logs.
impl fmt::Debug for GlobalSecondaryIndexUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GlobalSecondaryIndexUpdate::Create(_) => "Create",
            GlobalSecondaryIndexUpdate::Update(_) => "Update",
            GlobalSecondaryIndexUpdate::Delete { .. } => "Delete",
        })
    }
}

impl GlobalSecondaryIndexUpdate {
    pub(super) fn index_name(&self) -> &str {
        match self {
            GlobalSecondaryIndexUpdate::Create(index) => &index.index_name,
            GlobalSecondaryIndexUpdate::Update(update) => &update.index_name,
            GlobalSecondaryIndexUpdate::Delete { index_name } => index_name,
        }
    }
}

/// What a global index is to be able to take from now on; what is absent stays as it is.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct UpdateGlobalSecondaryIndex {
    /// Its name.
    pub index_name: String,
    /// Capacity units.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The most on demand.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is to be ready.
    pub warm_throughput: Option<WarmThroughput>,
}

/// Names of indexes stay out of logs.
impl fmt::Debug for UpdateGlobalSecondaryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateGlobalSecondaryIndex")
            .finish_non_exhaustive()
    }
}

impl UpdateGlobalSecondaryIndex {
    /// Changes nothing of this index yet.
    pub fn new(index_name: impl Into<String>) -> Self {
        Self {
            index_name: index_name.into(),
            provisioned_throughput: None,
            on_demand_throughput: None,
            warm_throughput: None,
        }
    }

    pub(super) fn asked(&self) -> Asked {
        Asked {
            provisioned: self.provisioned_throughput,
            on_demand: self.on_demand_throughput,
            warm: self.warm_throughput,
        }
    }
}

setters! { UpdateGlobalSecondaryIndex {
    /// Sets the capacity units.
    provisioned_throughput: ProvisionedThroughput => Some,
    /// Sets the most on demand.
    on_demand_throughput: OnDemandThroughput => Some,
    /// Sets what is to be ready.
    warm_throughput: WarmThroughput => Some,
}}

/// The constraints of a change's shape.
pub(super) fn check_index_update(
    update: &GlobalSecondaryIndexUpdate,
    at: &str,
    constraints: &mut Constraints,
) {
    match update {
        GlobalSecondaryIndexUpdate::Create(index) => {
            check_global_shape(index, &format!("{at}.create"), constraints);
        }
        GlobalSecondaryIndexUpdate::Update(update) => {
            let at = format!("{at}.update");
            check_index_name(&update.index_name, &format!("{at}.indexName"), constraints);
            update.asked().check_shape(&format!("{at}."), constraints);
        }
        GlobalSecondaryIndexUpdate::Delete { index_name } => {
            check_index_name(index_name, &format!("{at}.delete.indexName"), constraints);
        }
    }
}

/// No index is changed twice.
pub(super) fn one_update_each(
    updates: &[GlobalSecondaryIndexUpdate],
) -> Result<(), ValidationError> {
    let mut names = HashSet::new();
    match updates
        .iter()
        .map(GlobalSecondaryIndexUpdate::index_name)
        .find(|name| !names.insert(*name))
    {
        None => Ok(()),
        Some(name) => Err(ValidationError::invalid_parameter(format_args!(
            "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
        ))),
    }
}
