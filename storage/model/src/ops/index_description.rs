//! What DescribeTable and its like say about secondary indexes.

use crate::index::{IndexKey, IndexSchema};
use crate::ops::secondary_index::index_debug;
use crate::ops::{
    KeySchemaElement, KeyType, OnDemandThroughput, Projection, ProvisionedThroughput,
    WarmThroughput, wire_enum,
};
use crate::schema::KeyAttribute;

wire_enum! {
    /// The state of an index.
    IndexStatus {
        /// Being filled.
        Creating = "CREATING",
        /// Its settings are being changed.
        Updating = "UPDATING",
        /// Being removed.
        Deleting = "DELETING",
        /// In use.
        Active = "ACTIVE",
    }
}

/// A local index, described.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndexDescription {
    /// Its name.
    pub index_name: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// AWS's size of what it holds.
    pub index_size_bytes: u64,
    /// Count of its items.
    pub item_count: u64,
}

/// A global index, described.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndexDescription {
    /// Its name.
    pub index_name: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// Its state.
    pub index_status: IndexStatus,
    /// Whether it is being filled from the table. Absent once that is over, and for the indexes of CreateTable.
    pub backfilling: Option<bool>,
    /// Capacity units; zeros for PAY_PER_REQUEST.
    pub provisioned_throughput: ProvisionedThroughput,
    /// The most on demand, if there is a limit.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is ready.
    pub warm_throughput: Option<WarmThroughput>,
    /// AWS's size of what it holds.
    pub index_size_bytes: u64,
    /// Count of its items.
    pub item_count: u64,
}

index_debug! { LocalSecondaryIndexDescription GlobalSecondaryIndexDescription }

impl LocalSecondaryIndexDescription {
    /// An empty index of this schema.
    pub fn of(index: &IndexSchema) -> Self {
        Self::new(
            index.name.as_str(),
            key_elements(&index.key),
            Projection::of(&index.projection),
        )
    }

    /// An empty index.
    pub fn new(
        index_name: impl Into<String>,
        key_schema: Vec<KeySchemaElement>,
        projection: Projection,
    ) -> Self {
        Self {
            index_name: index_name.into(),
            key_schema,
            projection,
            index_size_bytes: 0,
            item_count: 0,
        }
    }
}

impl GlobalSecondaryIndexDescription {
    /// An empty, active index of this schema.
    pub fn of(index: &IndexSchema) -> Self {
        Self {
            provisioned_throughput: index.throughput.provisioned,
            on_demand_throughput: index.throughput.told_on_demand(),
            ..Self::new(
                index.name.as_str(),
                key_elements(&index.key),
                Projection::of(&index.projection),
            )
        }
    }

    /// An empty, active index.
    pub fn new(
        index_name: impl Into<String>,
        key_schema: Vec<KeySchemaElement>,
        projection: Projection,
    ) -> Self {
        Self {
            index_name: index_name.into(),
            key_schema,
            projection,
            index_status: IndexStatus::Active,
            backfilling: None,
            provisioned_throughput: ProvisionedThroughput::default(),
            on_demand_throughput: None,
            warm_throughput: None,
            index_size_bytes: 0,
            item_count: 0,
        }
    }
}

fn key_elements(key: &IndexKey) -> Vec<KeySchemaElement> {
    let names = |attributes: &'_ [KeyAttribute], role| -> Vec<_> {
        let element =
            |attribute: &KeyAttribute| KeySchemaElement::new(attribute.name.as_str(), role);
        attributes.iter().map(element).collect()
    };
    [
        names(&key.partition, KeyType::Hash),
        names(&key.sort, KeyType::Range),
    ]
    .concat()
}
