//! CreateTable: a new, empty table, sealed under a key of its own.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::{AttributeName, MAX_KEY_NAME, TableName, shortened};
use crate::ops::secondary_index::{self, GlobalSecondaryIndex, LocalSecondaryIndex};
use crate::ops::throughput::{Asked, Of};
use crate::ops::{
    BillingMode, NewKmsKey, OnDemandThroughput, ProvisionedThroughput, StreamSpecification,
    StreamViewType, TableClass, TableDescription, Tag, Throughput, WarmThroughput, setters, tags,
    wire_enum,
};
use crate::schema::{KeyAttribute, KeySchema, ScalarType, TableSchema};

wire_enum! {
    /// The part that an attribute plays in the key.
    KeyType {
        /// The partition key.
        Hash = "HASH",
        /// The sort key.
        Range = "RANGE",
    }
}

wire_enum! {
    /// The kind of encryption that a request asks for.
    SseType {
        /// Refused, as AWS does today.
        Aes256 = "AES256",
        /// A KMS key wraps the table's key.
        Kms = "KMS",
    }
}

/// The type of a key attribute.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// Its name.
    pub attribute_name: String,
    /// Its type.
    pub attribute_type: ScalarType,
}

impl AttributeDefinition {
    /// A definition.
    pub fn new(attribute_name: impl Into<String>, attribute_type: ScalarType) -> Self {
        Self {
            attribute_name: attribute_name.into(),
            attribute_type,
        }
    }
}

/// The type; names of attributes stay out of logs.
impl fmt::Debug for AttributeDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttributeDefinition({})", self.attribute_type)
    }
}

/// One attribute of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySchemaElement {
    /// Its name.
    pub attribute_name: String,
    /// Its part.
    pub key_type: KeyType,
}

impl KeySchemaElement {
    /// An element.
    pub fn new(attribute_name: impl Into<String>, key_type: KeyType) -> Self {
        Self {
            attribute_name: attribute_name.into(),
            key_type,
        }
    }
}

/// The part; names of attributes stay out of logs.
impl fmt::Debug for KeySchemaElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySchemaElement({})", self.key_type)
    }
}

/// What is asked for about a table's encryption. A table is encrypted whatever stands here.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseSpecification {
    /// `true`: under a KMS key of the caller's choice; `false` or absent: under the database's default KMS key.
    pub enabled: Option<bool>,
    /// KMS, or absent.
    pub sse_type: Option<SseType>,
    /// The KMS key, by id or alias. Absent: the database's default key.
    pub kms_master_key_id: Option<String>,
}

impl SseSpecification {
    /// Asks for nothing in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this KMS key.
    pub fn kms(kms_master_key_id: impl Into<String>) -> Self {
        Self {
            enabled: Some(true),
            sse_type: Some(SseType::Kms),
            kms_master_key_id: Some(kms_master_key_id.into()),
        }
    }

    /// The KMS key that is asked for, if one is.
    pub(super) fn validate(self) -> Result<Option<NewKmsKey>, ValidationError> {
        if self.enabled != Some(true)
            && (self.sse_type.is_some() || self.kms_master_key_id.is_some())
        {
            return Err(ValidationError::invalid_parameter(
                "SSEType and KMSMasterKeyId can only be specified when SSE is enabled",
            ));
        }
        if self.sse_type == Some(SseType::Aes256) {
            return Err(ValidationError::invalid_parameter(
                "SSEType AES256 is not supported",
            ));
        }
        match self.kms_master_key_id {
            Some(id) if id.is_empty() || id.len() > 2048 => {
                Err(ValidationError::invalid_parameter(
                    "KMSMasterKeyId must be 1 to 2048 characters long",
                ))
            }
            Some(id) => Ok(Some(NewKmsKey::Named(id))),
            None => Ok((self.enabled == Some(true)).then_some(NewKmsKey::Default)),
        }
    }
}

setters! { SseSpecification {
    /// Sets whether a KMS key of the caller's choice is asked for.
    enabled: bool => Some,
    /// Sets the kind.
    sse_type: SseType => Some,
    /// Sets the KMS key.
    kms_master_key_id: String => Some,
}}

/// What CreateTable takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTableInput {
    /// The new table's name.
    pub table_name: String,
    /// The types of the key attributes, of the table and of its indexes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The key: HASH, and maybe RANGE.
    pub key_schema: Vec<KeySchemaElement>,
    /// How throughput is charged; reported only. Default: PROVISIONED if throughput is given, else PAY_PER_REQUEST
    /// (where AWS would refuse).
    pub billing_mode: Option<BillingMode>,
    /// Capacity units; reported only.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The most on demand; reported only.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What is to be ready; reported only.
    pub warm_throughput: Option<WarmThroughput>,
    /// Local indexes; only CreateTable makes them.
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndex>>,
    /// Global indexes.
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>,
    /// The stream that is asked for.
    pub stream_specification: Option<StreamSpecification>,
    /// The encryption that is asked for.
    pub sse_specification: Option<SseSpecification>,
    /// The class; reported only.
    pub table_class: Option<TableClass>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Whether DeleteTable is to be refused. Default: no.
    pub deletion_protection_enabled: bool,
}

impl CreateTableInput {
    /// A table of this name, without a key yet.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            attribute_definitions: Vec::new(),
            key_schema: Vec::new(),
            billing_mode: None,
            provisioned_throughput: None,
            on_demand_throughput: None,
            warm_throughput: None,
            local_secondary_indexes: None,
            global_secondary_indexes: None,
            stream_specification: None,
            sse_specification: None,
            table_class: None,
            tags: Vec::new(),
            deletion_protection_enabled: false,
        }
    }

    /// Adds the partition key: its definition and its element of the key.
    #[must_use]
    pub fn partition_key(self, name: impl Into<String>, kind: ScalarType) -> Self {
        self.key(name.into(), kind, KeyType::Hash)
    }

    /// Adds the sort key: its definition and its element of the key.
    #[must_use]
    pub fn sort_key(self, name: impl Into<String>, kind: ScalarType) -> Self {
        self.key(name.into(), kind, KeyType::Range)
    }

    fn key(mut self, name: String, kind: ScalarType, role: KeyType) -> Self {
        self.attribute_definitions
            .push(AttributeDefinition::new(name.clone(), kind));
        self.key_schema.push(KeySchemaElement::new(name, role));
        self
    }

    /// Adds the definition of an attribute that only indexes use as a key.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, kind: ScalarType) -> Self {
        self.attribute_definitions
            .push(AttributeDefinition::new(name, kind));
        self
    }

    /// Adds a local index.
    #[must_use]
    pub fn local_index(mut self, index: LocalSecondaryIndex) -> Self {
        self.local_secondary_indexes
            .get_or_insert_default()
            .push(index);
        self
    }

    /// Adds a global index.
    #[must_use]
    pub fn global_index(mut self, index: GlobalSecondaryIndex) -> Self {
        self.global_secondary_indexes
            .get_or_insert_default()
            .push(index);
        self
    }

    /// Checks the request.
    ///
    /// # Errors
    /// A bad name, key, definition, index, throughput or encryption.
    pub fn validate(self) -> Result<CreateTable, ValidationError> {
        check_shape(&self)?;
        let table = TableName::of_request(self.table_name)?;
        let billing_mode = self
            .billing_mode
            .unwrap_or(match self.provisioned_throughput {
                Some(_) => BillingMode::Provisioned,
                None => BillingMode::PayPerRequest,
            });
        let asked = Asked {
            provisioned: self.provisioned_throughput,
            on_demand: self.on_demand_throughput,
            warm: self.warm_throughput,
        };
        if billing_mode == BillingMode::Provisioned && asked.provisioned.is_none() {
            return Err(ValidationError::invalid_parameter(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ));
        }
        asked.check(Of::NewTable, billing_mode)?;
        let definitions = Definitions(&self.attribute_definitions);
        let key = key_schema(&self.key_schema, &definitions)?;
        let indexes = secondary_index::indexes(
            &key,
            &definitions,
            self.local_secondary_indexes.as_deref(),
            self.global_secondary_indexes.as_deref(),
            billing_mode,
        )?;
        let schema = TableSchema { key, indexes };
        definitions.all_used(&schema)?;
        let stream = self.stream_specification;
        let stream = stream.map(StreamSpecification::for_new_table).transpose()?;
        Ok(CreateTable {
            table,
            schema,
            billing_mode,
            throughput: Throughput::default().with(asked, billing_mode),
            table_class: self.table_class,
            stream: stream.flatten(),
            tags: tags::checked(self.tags)?,
            kms_key: self.sse_specification.unwrap_or_default().validate()?,
            deletion_protection_enabled: self.deletion_protection_enabled,
        })
    }
}

setters! { CreateTableInput {
    /// Sets all definitions.
    attribute_definitions: Vec<AttributeDefinition>,
    /// Sets the whole key.
    key_schema: Vec<KeySchemaElement>,
    /// Sets how throughput is charged.
    billing_mode: BillingMode => Some,
    /// Sets the capacity units.
    provisioned_throughput: ProvisionedThroughput => Some,
    /// Sets the most on demand.
    on_demand_throughput: OnDemandThroughput => Some,
    /// Sets what is to be ready.
    warm_throughput: WarmThroughput => Some,
    /// Sets all local indexes.
    local_secondary_indexes: Vec<LocalSecondaryIndex> => Some,
    /// Sets all global indexes.
    global_secondary_indexes: Vec<GlobalSecondaryIndex> => Some,
    /// Sets the stream that is asked for.
    stream_specification: StreamSpecification => Some,
    /// Sets the encryption that is asked for.
    sse_specification: SseSpecification => Some,
    /// Sets the class.
    table_class: TableClass => Some,
    /// Sets all tags.
    tags: Vec<Tag>,
    /// Sets whether DeleteTable is to be refused.
    deletion_protection_enabled: bool,
}}

/// The constraints of the request's shape, which AWS reports all at once and before anything else.
fn check_shape(input: &CreateTableInput) -> Result<(), ValidationError> {
    let mut constraints = Constraints::default();
    for (at, definition) in input.attribute_definitions.iter().enumerate() {
        let name = &definition.attribute_name;
        let field = format!("attributeDefinitions.{}.member.attributeName", at + 1);
        constraints.length(name.len(), 1, MAX_KEY_NAME, shortened(name), &field);
    }
    let asked = Asked {
        provisioned: input.provisioned_throughput,
        ..Asked::default()
    };
    asked.check_shape("", &mut constraints);
    let elements = format!(
        "[{}]",
        names(
            input
                .key_schema
                .iter()
                .map(|element| element.attribute_name.as_str())
        )
    );
    constraints.length(
        input.key_schema.len(),
        1,
        2,
        shortened(&elements),
        "keySchema",
    );
    for (at, element) in input.key_schema.iter().enumerate() {
        let name = &element.attribute_name;
        let field = format!("keySchema.{}.member.attributeName", at + 1);
        constraints.length(name.len(), 1, MAX_KEY_NAME, shortened(name), &field);
    }
    secondary_index::check_shape(
        input.local_secondary_indexes.as_deref(),
        input.global_secondary_indexes.as_deref(),
        &mut constraints,
    );
    constraints.finish()
}

/// The types of the attributes that keys name.
pub(super) struct Definitions<'a>(pub(super) &'a [AttributeDefinition]);

impl Definitions<'_> {
    /// The attributes of a key's elements.
    pub(super) fn resolve(
        &self,
        elements: &[KeySchemaElement],
    ) -> Result<Vec<KeyAttribute>, ValidationError> {
        let attribute = |element: &KeySchemaElement| {
            let name = &element.attribute_name;
            let defined = |definition: &&AttributeDefinition| definition.attribute_name == *name;
            match self.0.iter().find(defined) {
                Some(definition) => Ok(KeyAttribute {
                    name: AttributeName::new(name.as_str())?,
                    kind: definition.attribute_type,
                }),
                None => Err(ValidationError::invalid_parameter(format_args!(
                    "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
                     AttributeDefinitions: [{}]",
                    names(
                        elements
                            .iter()
                            .map(|element| element.attribute_name.as_str())
                    ),
                    self.names(),
                ))),
            }
        };
        elements.iter().map(attribute).collect()
    }

    fn names(&self) -> String {
        names(
            self.0
                .iter()
                .map(|definition| definition.attribute_name.as_str()),
        )
    }

    /// Every definition belongs to a key.
    fn all_used(&self, schema: &TableSchema) -> Result<(), ValidationError> {
        let used = schema.key_attributes();
        if self.0.len() == used.len() {
            return Ok(());
        }
        Err(match schema.indexes.as_slice() {
            [] => ValidationError::invalid_parameter(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions",
            ),
            _ => ValidationError::invalid_parameter(format_args!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
                self.names(),
                names(used.iter().map(|attribute| attribute.name.as_str())),
            )),
        })
    }
}

/// The key of a request whose shape was checked.
fn key_schema(
    elements: &[KeySchemaElement],
    definitions: &Definitions<'_>,
) -> Result<KeySchema, ValidationError> {
    if elements.len() > definitions.0.len() {
        return Err(ValidationError::new(
            "Invalid KeySchema: Some index key attribute have no definition",
        ));
    }
    let mut attributes = definitions.resolve(elements)?.into_iter();
    let (Some(partition), sort, None) = (attributes.next(), attributes.next(), attributes.next())
    else {
        return Err(ValidationError::new(
            "Invalid KeySchema: it has one or two elements",
        ));
    };
    if sort
        .as_ref()
        .is_some_and(|sort| sort.name == partition.name)
    {
        return Err(ValidationError::new(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    let mut roles = elements.iter().map(|element| element.key_type);
    if roles.next() != Some(KeyType::Hash) {
        return Err(ValidationError::new(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    if roles.next().is_some_and(|role| role != KeyType::Range) {
        return Err(ValidationError::new(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ));
    }
    Ok(KeySchema { partition, sort })
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// A CreateTable that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// The new table's name.
    pub table: TableName,
    /// Its schema.
    pub schema: TableSchema,
    /// How throughput is charged.
    pub billing_mode: BillingMode,
    /// What it is to be able to take.
    pub throughput: Throughput,
    /// The class, if one is asked for.
    pub table_class: Option<TableClass>,
    /// What the records of its stream show, if it is to have one.
    pub stream: Option<StreamViewType>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The KMS key that is asked for. `None`: the database's default key.
    pub kms_key: Option<NewKmsKey>,
    /// Whether DeleteTable is to be refused.
    pub deletion_protection_enabled: bool,
}

/// What CreateTable gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTableOutput {
    /// The new table.
    pub table_description: TableDescription,
}

impl CreateTableOutput {
    /// An output with this description.
    pub fn new(table_description: TableDescription) -> Self {
        Self { table_description }
    }
}
