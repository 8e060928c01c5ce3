//! Secondary indexes as requests name them and as DescribeTable tells of them.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::index::{IndexKey, IndexKind, IndexProjection, IndexSchema, MAX_INDEX_KEY_ATTRIBUTES};
use crate::names::{AttributeName, IndexName, MAX_KEY_NAME, check_index_name, shortened};
use crate::ops::create_table::{Definitions, check_units, check_units_shape};
use crate::ops::{
    BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput, setters, wire_enum,
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

    fn of(projection: &IndexProjection) -> Self {
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
}

/// Names stay out of logs.
macro_rules! index_debug {
    ($($type:ident)*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("key_schema", &self.key_schema)
                    .field("projection", &self.projection)
                    .finish_non_exhaustive()
            }
        }
    )*};
}
index_debug! {
    LocalSecondaryIndex GlobalSecondaryIndex
    LocalSecondaryIndexDescription GlobalSecondaryIndexDescription
}

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
    check_units_shape(index.provisioned_throughput, &format!("{at}."), constraints);
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
        throughput: ProvisionedThroughput::default(),
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
        (_, Some(units)) => check_units(units, Some(&name))?,
        (_, None) => {}
    }
    Ok(IndexSchema {
        name,
        kind: IndexKind::Global,
        key,
        projection,
        throughput: index.provisioned_throughput.unwrap_or_default(),
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
    /// AWS's size of what it holds.
    pub index_size_bytes: u64,
    /// Count of its items.
    pub item_count: u64,
}

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
            provisioned_throughput: index.throughput,
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
            index_size_bytes: 0,
            item_count: 0,
        }
    }
}

fn key_elements(key: &IndexKey) -> Vec<KeySchemaElement> {
    let names = |attributes: &'_ [crate::schema::KeyAttribute], role| -> Vec<_> {
        let element = |attribute: &crate::schema::KeyAttribute| {
            KeySchemaElement::new(attribute.name.as_str(), role)
        };
        attributes.iter().map(element).collect()
    };
    [
        names(&key.partition, KeyType::Hash),
        names(&key.sort, KeyType::Range),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::{AttributeDefinition, CreateTableInput, TableDescription};
    use crate::schema::ScalarType;

    /// A table by `pk` and `sk`, with further definitions of attributes.
    fn table(others: &[&str]) -> CreateTableInput {
        let input = CreateTableInput::new("Airports")
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::N);
        others
            .iter()
            .fold(input, |input, name| input.attribute(*name, ScalarType::S))
    }

    fn refused(input: CreateTableInput) -> String {
        input.validate().unwrap_err().to_string()
    }

    const INVALID: &str = "One or more parameter values were invalid: ";

    #[test]
    fn indexes_are_read_and_described() {
        let created = table(&["city", "region", "code"])
            .local_index(
                LocalSecondaryIndex::new("by-code", "pk", "code")
                    .projection(Projection::new(ProjectionType::KeysOnly)),
            )
            .global_index(
                GlobalSecondaryIndex::new("by-place", &["region", "city"], &["sk", "pk"])
                    .projection(Projection::include(["name"])),
            )
            .validate()
            .unwrap();
        let [local, global] = created.schema.indexes.as_slice() else {
            panic!("two indexes");
        };
        assert_eq!(
            (local.kind, global.kind),
            (IndexKind::Local, IndexKind::Global)
        );
        assert_eq!(local.projection, IndexProjection::KeysOnly);
        let names = |attributes: &[crate::schema::KeyAttribute]| -> Vec<String> {
            attributes.iter().map(|a| a.name.to_string()).collect()
        };
        assert_eq!(names(&global.key.partition), ["region", "city"]);
        assert_eq!(names(&global.key.sort), ["sk", "pk"]);
        let described = TableDescription::new("Airports", "id", &created.schema);
        assert_eq!(described.attribute_definitions.len(), 5);
        assert_eq!(
            described.attribute_definitions.last(),
            Some(&AttributeDefinition::new("city", ScalarType::S))
        );
        let index = &described.global_secondary_indexes[0];
        assert_eq!(
            index.key_schema,
            elements(&["region", "city"], &["sk", "pk"])
        );
        assert_eq!(index.index_status, IndexStatus::Active);
        assert_eq!(
            described.local_secondary_indexes[0].projection,
            Projection::new(ProjectionType::KeysOnly)
        );
    }

    #[test]
    fn create_table_refuses_indexes_as_aws_does() {
        let local =
            |partition: &str, sort: &str| LocalSecondaryIndex::new("local", partition, sort);
        let global = |partition: &[&str], sort: &[&str]| {
            GlobalSecondaryIndex::new("global", partition, sort)
        };
        let only_pk = CreateTableInput::new("Airports").partition_key("pk", ScalarType::S);
        for (input, expected) in [
            (
                table(&[]).global_secondary_indexes(Vec::new()),
                "List of GlobalSecondaryIndexes is empty",
            ),
            (
                table(&[]).local_secondary_indexes(Vec::new()),
                "List of LocalSecondaryIndexes is empty",
            ),
            (
                only_pk
                    .attribute("a", ScalarType::S)
                    .local_index(local("pk", "a")),
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ),
            (
                table(&["a"]).local_index(local("a", "sk")),
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: local. index hash \
                 key: a, table hash key: pk",
            ),
            (
                table(&[]).local_index(local("pk", "sk").key_schema(elements(&["pk"], &[]))),
                "Index KeySchema does not have a range key for index: local",
            ),
            (
                table(&["a"]).global_index(global(&["b"], &[])),
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [b], AttributeDefinitions: \
                 [pk, sk, a]",
            ),
            (
                table(&["a", "b"]).global_index(global(&["a"], &[])),
                "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, a, b], keys used: [pk, sk, a]",
            ),
            (
                table(&[])
                    .global_index(global(&["pk"], &[]))
                    .global_index(global(&["sk"], &[])),
                "Duplicate index name: global",
            ),
            (
                table(&[]).global_index(global(&["pk"], &[]).projection(Projection::default())),
                "Unknown ProjectionType: null",
            ),
            (
                table(&[]).global_index(
                    global(&["pk"], &[]).projection(Projection::new(ProjectionType::Include)),
                ),
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            ),
            (
                table(&[]).global_index(global(&["pk"], &[]).projection(Projection {
                    projection_type: Some(ProjectionType::All),
                    ..Projection::include(["x"])
                })),
                "ProjectionType is ALL, but NonKeyAttributes is specified",
            ),
            (
                table(&[])
                    .billing_mode(BillingMode::Provisioned)
                    .provisioned_throughput(ProvisionedThroughput {
                        read_capacity_units: 1,
                        write_capacity_units: 1,
                    })
                    .global_index(global(&["pk"], &[])),
                "ProvisionedThroughput is not specified for index: global",
            ),
            (
                table(&[]).global_index(global(&["pk"], &[]).provisioned_throughput(
                    ProvisionedThroughput {
                        read_capacity_units: 1,
                        write_capacity_units: 1,
                    },
                )),
                "ProvisionedThroughput should not be specified for index: global when BillingMode is PAY_PER_REQUEST",
            ),
            (
                (0..=MAX_GLOBAL_INDEXES).fold(table(&[]), |input, i| {
                    input.global_index(GlobalSecondaryIndex::new(format!("index{i}"), &["sk"], &[]))
                }),
                "GlobalSecondaryIndex count exceeds the per-table limit of 20",
            ),
            (
                (0..=MAX_LOCAL_INDEXES).fold(table(&[]), |input, i| {
                    input.local_index(LocalSecondaryIndex::new(format!("index{i}"), "pk", "sk"))
                }),
                "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
            ),
            (
                (0..6).fold(table(&[]), |input, i| {
                    let names = (0..20).map(|n| format!("n{n}"));
                    input.global_index(
                        GlobalSecondaryIndex::new(format!("index{i}"), &["sk"], &[])
                            .projection(Projection::include(names)),
                    )
                }),
                "Number of projected attributes across all indexes exceeds the per-table limit of 100",
            ),
        ] {
            assert_eq!(refused(input), format!("{INVALID}{expected}"));
        }
        for (input, expected) in [
            (
                table(&[]).global_index(global(&[], &["pk"])),
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ),
            (
                table(&[]).local_index(local("pk", "sk").key_schema(elements(&["pk", "sk"], &[]))),
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ),
            (
                table(&[]).global_index(global(&["pk"], &["pk"])),
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ),
            (
                table(&[]).global_index(GlobalSecondaryIndex::new("no", &["pk"], &[])),
                "1 validation error detected: Value 'no' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy \
                 constraint: Member must have length greater than or equal to 3",
            ),
        ] {
            assert_eq!(refused(input), expected);
        }
        let five = ["a", "b", "c", "d", "e"];
        assert!(refused(table(&five).global_index(global(&five, &[]))).contains("at most 4 HASH"));
        assert!(refused(table(&five).global_index(global(&["pk"], &five))).contains("at most 4"));
        assert!(
            table(&five[..4])
                .global_index(global(&five[..4], &["pk"]))
                .validate()
                .is_ok()
        );
    }
}
