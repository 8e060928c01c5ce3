//! Secondary indexes as requests name them.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::index::{IndexKey, IndexKind, IndexProjection, IndexSchema, MAX_INDEX_KEY_ATTRIBUTES};
use crate::names::{AttributeName, IndexName, MAX_KEY_NAME, check_index_name, shortened};
use crate::ops::create_table::Definitions;
use crate::ops::throughput::{Asked, Of};
use crate::ops::{
    BillingMode, KeySchemaElement, KeyType, OnDemandThroughput, ProvisionedThroughput, Throughput,
    WarmThroughput, setters, wire_enum,
};
use crate::schema::{KeySchema, TableSchema};

/// Most local indexes of a table.
pub const MAX_LOCAL_INDEXES: usize = 5;
/// Most global indexes of a table.
pub const MAX_GLOBAL_INDEXES: usize = 20;
/// Most names in the projection of one index.
const MAX_PROJECTED: usize = 20;
/// Most names in the projections of all indexes.
const MAX_PROJECTED_IN_ALL: usize = 100;

wire_enum! {
    /// What an index holds beside the keys.
    ProjectionType {
        /// Everything.
        All = "ALL",
        /// Nothing.
        KeysOnly = "KEYS_ONLY",
        /// What is named.
        Include = "INCLUDE",
    }
}

/// What an index is to hold beside the keys.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// All, nothing, or what is named.
    pub projection_type: Option<ProjectionType>,
    /// The names, for INCLUDE only.
    pub non_key_attributes: Option<Vec<String>>,
}

/// The type; names of attributes stay out of logs.
impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.non_key_attributes.as_ref().map(Vec::len);
        write!(f, "Projection({:?}, {names:?})", self.projection_type)
    }
}

impl Projection {
    /// A projection of this type.
    pub fn new(projection_type: ProjectionType) -> Self {
        Self {
            projection_type: Some(projection_type),
            non_key_attributes: None,
        }
    }

    /// INCLUDE of these names.
    pub fn include<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self {
            projection_type: Some(ProjectionType::Include),
            non_key_attributes: Some(names.into_iter().map(Into::into).collect()),
        }
    }

    pub(super) fn of(projection: &IndexProjection) -> Self {
        match projection {
            IndexProjection::KeysOnly => Self::new(ProjectionType::KeysOnly),
            IndexProjection::Include(names) => {
                Self::include(names.iter().map(|name| name.as_str()))
            }
            IndexProjection::All => Self::new(ProjectionType::All),
        }
    }

    fn check_shape(&self, at: &str, constraints: &mut Constraints) {
        let Some(names) = &self.non_key_attributes else {
            return;
        };
        let shown = shortened(&format!("[{}]", names.join(", ")));
        let at = format!("{at}.projection.nonKeyAttributes");
        constraints.length(names.len(), 1, MAX_PROJECTED, shown, &at);
        for (i, name) in names.iter().enumerate() {
            let at = format!("{at}.{}.member", i + 1);
            constraints.length(name.len(), 1, MAX_KEY_NAME, shortened(name), &at);
        }
    }

    fn validate(&self) -> Result<IndexProjection, ValidationError> {
        let names = self.non_key_attributes.as_deref();
        match (self.projection_type, names) {
            (None, _) => Err(ValidationError::invalid_parameter(
                "Unknown ProjectionType: null",
            )),
            (Some(ProjectionType::Include), None) => Err(ValidationError::invalid_parameter(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            )),
            (Some(ProjectionType::Include), Some(names)) if has_twice(names) => Err(
                ValidationError::new("Cannot have two attributes with the same name"),
            ),
            (Some(ProjectionType::Include), Some(names)) => names
                .iter()
                .map(|name| AttributeName::new(name.as_str()))
                .collect::<Result<_, _>>()
                .map(IndexProjection::Include),
            (Some(kind), Some(_)) => Err(ValidationError::invalid_parameter(format_args!(
                "ProjectionType is {kind}, but NonKeyAttributes is specified"
            ))),
            (Some(ProjectionType::All), None) => Ok(IndexProjection::All),
            (Some(ProjectionType::KeysOnly), None) => Ok(IndexProjection::KeysOnly),
        }
    }
}

fn has_twice(names: &[String]) -> bool {
    let distinct: BTreeSet<&String> = names.iter().collect();
    distinct.len() < names.len()
}

/// A local index that CreateTable is to make.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct LocalSecondaryIndex {
    /// Its name.
    pub index_name: String,
    /// The table's partition key and another sort key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
}

/// A global index that CreateTable or UpdateTable is to make.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndex {
    /// Its name.
    pub index_name: String,
    /// Up to four HASH, then up to four RANGE.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// Capacity units; reported only.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The most on demand; reported only.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is to be ready; reported only.
    pub warm_throughput: Option<WarmThroughput>,
}

/// Names stay out of logs.
macro_rules! index_debug {
    ($($type:ident)*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("key_schema", &self.key_schema)
                    .field("projection", &self.projection)
                    .finish_non_exhaustive()
            }
        }
    )*};
}
pub(super) use index_debug;

index_debug! { LocalSecondaryIndex GlobalSecondaryIndex }

fn elements(partition: &[&str], sort: &[&str]) -> Vec<KeySchemaElement> {
    let of = |names: &[&str], role| -> Vec<_> {
        let element = |name: &&str| KeySchemaElement::new(*name, role);
        names.iter().map(element).collect()
    };
    [of(partition, KeyType::Hash), of(sort, KeyType::Range)].concat()
}

impl LocalSecondaryIndex {
    /// An index of all attributes by these keys.
    pub fn new(index_name: impl Into<String>, partition: &str, sort: &str) -> Self {
        Self {
            index_name: index_name.into(),
            key_schema: elements(&[partition], &[sort]),
            projection: Projection::new(ProjectionType::All),
        }
    }
}

setters! { LocalSecondaryIndex {
    /// Sets the whole key.
    key_schema: Vec<KeySchemaElement>,
    /// Sets what it holds.
    projection: Projection,
}}

impl GlobalSecondaryIndex {
    /// An index of all attributes by these keys.
    pub fn new(index_name: impl Into<String>, partition: &[&str], sort: &[&str]) -> Self {
        Self {
            index_name: index_name.into(),
            key_schema: elements(partition, sort),
            projection: Projection::new(ProjectionType::All),
            provisioned_throughput: None,
            on_demand_throughput: None,
            warm_throughput: None,
        }
    }

    fn asked(&self) -> Asked {
        Asked {
            provisioned: self.provisioned_throughput,
            on_demand: self.on_demand_throughput,
            warm: self.warm_throughput,
        }
    }
}

setters! { GlobalSecondaryIndex {
    /// Sets the whole key.
    key_schema: Vec<KeySchemaElement>,
    /// Sets what it holds.
    projection: Projection,
    /// Sets the capacity units.
    provisioned_throughput: ProvisionedThroughput => Some,
    /// Sets the most on demand.
    on_demand_throughput: OnDemandThroughput => Some,
    /// Sets what is to be ready.
    warm_throughput: WarmThroughput => Some,
}}

/// The constraints of the lists' shape.
pub(super) fn check_shape(
    local: Option<&[LocalSecondaryIndex]>,
    global: Option<&[GlobalSecondaryIndex]>,
    constraints: &mut Constraints,
) {
    for (i, index) in local.unwrap_or_default().iter().enumerate() {
        let at = format!("localSecondaryIndexes.{}.member", i + 1);
        check_index_name(&index.index_name, &format!("{at}.indexName"), constraints);
        check_elements(&index.key_schema, &at, constraints);
        index.projection.check_shape(&at, constraints);
    }
    for (i, index) in global.unwrap_or_default().iter().enumerate() {
        let at = format!("globalSecondaryIndexes.{}.member", i + 1);
        check_global_shape(index, &at, constraints);
    }
}

/// The constraints of one global index's shape.
pub(super) fn check_global_shape(
    index: &GlobalSecondaryIndex,
    at: &str,
    constraints: &mut Constraints,
) {
    check_index_name(&index.index_name, &format!("{at}.indexName"), constraints);
    check_elements(&index.key_schema, at, constraints);
    index.projection.check_shape(at, constraints);
    index.asked().check_shape(&format!("{at}."), constraints);
}

fn check_elements(elements: &[KeySchemaElement], at: &str, constraints: &mut Constraints) {
    constraints.length(
        elements.len(),
        1,
        usize::MAX,
        "[]",
        &format!("{at}.keySchema"),
    );
    for (i, element) in elements.iter().enumerate() {
        let name = &element.attribute_name;
        let at = format!("{at}.keySchema.{}.member.attributeName", i + 1);
        constraints.length(name.len(), 1, MAX_KEY_NAME, shortened(name), &at);
    }
}

/// The indexes of a CreateTable whose shape was checked.
pub(super) fn indexes(
    table: &KeySchema,
    definitions: &Definitions<'_>,
    local: Option<&[LocalSecondaryIndex]>,
    global: Option<&[GlobalSecondaryIndex]>,
    billing: BillingMode,
) -> Result<Vec<IndexSchema>, ValidationError> {
    let mut schema = TableSchema {
        key: table.clone(),
        indexes: Vec::new(),
    };
    if local.is_some_and(<[_]>::is_empty) {
        return Err(ValidationError::invalid_parameter(
            "List of LocalSecondaryIndexes is empty",
        ));
    }
    if global.is_some_and(<[_]>::is_empty) {
        return Err(ValidationError::invalid_parameter(
            "List of GlobalSecondaryIndexes is empty",
        ));
    }
    for index in local.unwrap_or_default() {
        let index = local_index(table, definitions, index)?;
        add(&mut schema, index)?;
    }
    for index in global.unwrap_or_default() {
        let index = global_index(definitions, index, billing)?;
        add(&mut schema, index)?;
    }
    Ok(schema.indexes)
}

/// Adds an index to those that a table has.
pub(super) fn add(schema: &mut TableSchema, index: IndexSchema) -> Result<(), ValidationError> {
    if schema.indexes.iter().any(|other| other.name == index.name) {
        return Err(ValidationError::invalid_parameter(format_args!(
            "Duplicate index name: {}",
            index.name
        )));
    }
    schema.indexes.push(index);
    let count = |kind| {
        schema
            .indexes
            .iter()
            .filter(|index| index.kind == kind)
            .count()
    };
    if count(IndexKind::Local) > MAX_LOCAL_INDEXES {
        return Err(ValidationError::invalid_parameter(
            "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ));
    }
    if count(IndexKind::Global) > MAX_GLOBAL_INDEXES {
        return Err(ValidationError::invalid_parameter(
            "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ));
    }
    let projected = |index: &IndexSchema| match &index.projection {
        IndexProjection::Include(names) => names.len(),
        _ => 0,
    };
    if schema.indexes.iter().map(projected).sum::<usize>() > MAX_PROJECTED_IN_ALL {
        return Err(ValidationError::invalid_parameter(
            "Number of projected attributes across all indexes exceeds the per-table limit of 100",
        ));
    }
    Ok(())
}

fn local_index(
    table: &KeySchema,
    definitions: &Definitions<'_>,
    index: &LocalSecondaryIndex,
) -> Result<IndexSchema, ValidationError> {
    let name = IndexName::new(index.index_name.as_str())?;
    if table.sort.is_none() {
        return Err(ValidationError::invalid_parameter(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    let key = index_key(definitions, &index.key_schema, &name, 1)?;
    let leading = key.partition.first().map(|attribute| &attribute.name);
    if leading != Some(&table.partition.name) {
        let leading = leading.map_or("", AttributeName::as_str);
        return Err(ValidationError::invalid_parameter(format_args!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash \
             key: {leading}, table hash key: {}",
            table.partition.name
        )));
    }
    if key.sort.is_empty() {
        return Err(ValidationError::invalid_parameter(format_args!(
            "Index KeySchema does not have a range key for index: {name}"
        )));
    }
    Ok(IndexSchema {
        name,
        kind: IndexKind::Local,
        key,
        projection: index.projection.validate()?,
        throughput: Throughput::default(),
    })
}

/// A global index whose shape was checked.
pub(super) fn global_index(
    definitions: &Definitions<'_>,
    index: &GlobalSecondaryIndex,
    billing: BillingMode,
) -> Result<IndexSchema, ValidationError> {
    let name = IndexName::new(index.index_name.as_str())?;
    let key = index_key(
        definitions,
        &index.key_schema,
        &name,
        MAX_INDEX_KEY_ATTRIBUTES,
    )?;
    let projection = index.projection.validate()?;
    match (billing, index.provisioned_throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return Err(ValidationError::invalid_parameter(format_args!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )));
        }
        (BillingMode::Provisioned, None) => {
            return Err(ValidationError::invalid_parameter(format_args!(
                "ProvisionedThroughput is not specified for index: {name}"
            )));
        }
        _ => index.asked().check(Of::Index(&name), billing)?,
    }
    Ok(IndexSchema {
        name,
        kind: IndexKind::Global,
        key,
        projection,
        throughput: Throughput::default().with(index.asked(), billing),
    })
}

/// The key of an index with up to `most` attributes in each role.
fn index_key(
    definitions: &Definitions<'_>,
    elements: &[KeySchemaElement],
    index: &IndexName,
    most: usize,
) -> Result<IndexKey, ValidationError> {
    let attributes = definitions.resolve(elements)?;
    let hashes = elements
        .iter()
        .take_while(|element| element.key_type == KeyType::Hash)
        .count();
    if hashes == 0 {
        return Err(ValidationError::new(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    let (partition, sort) = attributes.split_at(hashes);
    let ranges = elements.get(hashes..).unwrap_or_default();
    if ranges
        .iter()
        .any(|element| element.key_type != KeyType::Range)
        || hashes > most
    {
        return Err(match (elements.len(), most) {
            (2, _) | (_, 1) => ValidationError::new(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ),
            _ => too_many(index),
        });
    }
    if sort.len() > most {
        return Err(too_many(index));
    }
    for (i, attribute) in attributes.iter().enumerate() {
        if attributes
            .iter()
            .take(i)
            .any(|other| other.name == attribute.name)
        {
            return Err(ValidationError::new(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
    }
    Ok(IndexKey {
        partition: partition.to_vec(),
        sort: sort.to_vec(),
    })
}

fn too_many(index: &IndexName) -> ValidationError {
    ValidationError::invalid_parameter(format_args!(
        "Index KeySchema must consist of at most {MAX_INDEX_KEY_ATTRIBUTES} HASH elements followed by at most \
         {MAX_INDEX_KEY_ATTRIBUTES} RANGE elements for index: {index}"
    ))
}

#[cfg(test)]
mod tests;
