//! CreateTable: a new, empty table, sealed under a key of its own.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::{AttributeName, MAX_KEY_NAME, TableName, shortened};
use crate::ops::{BillingMode, ProvisionedThroughput, TableDescription, setters, wire_enum};
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

/// Most capacity units.
const MAX_UNITS: i64 = 1_000_000_000_000;

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
    fn validate(self) -> Result<Option<String>, ValidationError> {
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
            id => Ok(id),
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
    /// The types of the key attributes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The key: HASH, and maybe RANGE.
    pub key_schema: Vec<KeySchemaElement>,
    /// How throughput is charged; reported only. Default: PROVISIONED if throughput is given, else PAY_PER_REQUEST
    /// (where AWS would refuse).
    pub billing_mode: Option<BillingMode>,
    /// Capacity units; reported only.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// The encryption that is asked for.
    pub sse_specification: Option<SseSpecification>,
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
            sse_specification: None,
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

    /// Checks the request.
    ///
    /// # Errors
    /// A bad name, key, definition, throughput or encryption.
    pub fn validate(self) -> Result<CreateTable, ValidationError> {
        check_shape(&self)?;
        let table = TableName::new(self.table_name)?;
        let provisioned_throughput = throughput(self.billing_mode, self.provisioned_throughput)?;
        let schema = TableSchema {
            key: key_schema(&self.key_schema, &self.attribute_definitions)?,
        };
        let billing_mode = self
            .billing_mode
            .unwrap_or(if provisioned_throughput.is_some() {
                BillingMode::Provisioned
            } else {
                BillingMode::PayPerRequest
            });
        Ok(CreateTable {
            table,
            schema,
            billing_mode,
            provisioned_throughput: provisioned_throughput.unwrap_or_default(),
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
    /// Sets the encryption that is asked for.
    sse_specification: SseSpecification => Some,
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
    if let Some(units) = input.provisioned_throughput {
        constraints.at_least(
            units.write_capacity_units,
            1,
            "provisionedThroughput.writeCapacityUnits",
        );
        constraints.at_least(
            units.read_capacity_units,
            1,
            "provisionedThroughput.readCapacityUnits",
        );
    }
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
    constraints.finish()
}

/// The key of a request whose shape was checked.
fn key_schema(
    elements: &[KeySchemaElement],
    definitions: &[AttributeDefinition],
) -> Result<KeySchema, ValidationError> {
    let (partition, sort) = match elements {
        [partition] => (partition, None),
        [partition, sort] => (partition, Some(sort)),
        _ => {
            return Err(ValidationError::new(
                "Invalid KeySchema: it has one or two elements",
            ));
        }
    };
    if elements.len() > definitions.len() {
        return Err(ValidationError::new(
            "Invalid KeySchema: Some index key attribute have no definition",
        ));
    }
    let attribute = |element: &KeySchemaElement| {
        let name = AttributeName::new(element.attribute_name.as_str())?;
        match definitions
            .iter()
            .find(|definition| definition.attribute_name == element.attribute_name)
        {
            Some(definition) => Ok(KeyAttribute {
                name,
                kind: definition.attribute_type,
            }),
            None => Err(ValidationError::invalid_parameter(format_args!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: \
                 [{}]",
                names(
                    elements
                        .iter()
                        .map(|element| element.attribute_name.as_str())
                ),
                names(
                    definitions
                        .iter()
                        .map(|definition| definition.attribute_name.as_str())
                ),
            ))),
        }
    };
    let schema = KeySchema {
        partition: attribute(partition)?,
        sort: sort.map(attribute).transpose()?,
    };
    if sort.is_some_and(|sort| sort.attribute_name == partition.attribute_name) {
        return Err(ValidationError::new(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    if partition.key_type != KeyType::Hash {
        return Err(ValidationError::new(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    if sort.is_some_and(|sort| sort.key_type != KeyType::Range) {
        return Err(ValidationError::new(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ));
    }
    if definitions.len() > elements.len() {
        return Err(ValidationError::invalid_parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        ));
    }
    Ok(schema)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn throughput(
    mode: Option<BillingMode>,
    throughput: Option<ProvisionedThroughput>,
) -> Result<Option<ProvisionedThroughput>, ValidationError> {
    match (mode, throughput) {
        (Some(BillingMode::PayPerRequest), Some(_)) => Err(ValidationError::invalid_parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Some(BillingMode::Provisioned), None) => Err(ValidationError::invalid_parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (_, None) => Ok(None),
        (_, Some(units)) => {
            for (value, name) in [
                (units.read_capacity_units, "ReadCapacityUnits"),
                (units.write_capacity_units, "WriteCapacityUnits"),
            ] {
                if value > MAX_UNITS {
                    return Err(ValidationError::new(format!(
                        "Given value {value} for {name} is out of bounds"
                    )));
                }
            }
            Ok(Some(units))
        }
    }
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
    /// Capacity units; zeros for PAY_PER_REQUEST.
    pub provisioned_throughput: ProvisionedThroughput,
    /// The KMS key that is asked for. `None`: the database's default key.
    pub kms_key: Option<String>,
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
