//! Operations on tables.

use sealdb_model::ops::{
    AttributeDefinition, BillingMode, CreateTableInput, CreateTableOutput, DeleteTableInput,
    DeleteTableOutput, DescribeTableInput, DescribeTableOutput, KeySchemaElement, KeyType,
    ListTablesInput, ListTablesOutput, ProvisionedThroughput, SseDescription, SseSpecification,
    SseType, TableDescription,
};
use sealdb_model::{ScalarType, ValidationError};

use super::fields::Fields;
use super::indexes::{
    GLOBAL_INDEXES, LOCAL_INDEXES, global_index, local_index, write_global, write_local,
};
use super::shape::{
    BOOLEAN, KEY_NAME, NAME, POSITIVE_LONG, Shape, Structure, TABLE, TEXT, optional, required,
};
use super::write::{Object, object};
use super::{Request, Response};

static ATTRIBUTE_TYPE: Shape = Shape::one_of(&["B", "N", "S"]);
static ATTRIBUTE_DEFINITION: Shape = Shape::Structure(&Structure {
    name: "AttributeDefinition",
    members: &[
        required("AttributeName", &KEY_NAME),
        required("AttributeType", &ATTRIBUTE_TYPE),
    ],
});
pub(super) static ATTRIBUTE_DEFINITIONS: Shape = Shape::List(&ATTRIBUTE_DEFINITION, 0, usize::MAX);

static KEY_TYPE: Shape = Shape::one_of(&["HASH", "RANGE"]);
static KEY_SCHEMA_ELEMENT: Shape = Shape::Structure(&Structure {
    name: "KeySchemaElement",
    members: &[
        required("AttributeName", &KEY_NAME),
        required("KeyType", &KEY_TYPE),
    ],
});
static KEY_SCHEMA: Shape = Shape::List(&KEY_SCHEMA_ELEMENT, 1, 2);
/// A global index's may have several attributes of each role.
pub(super) static INDEX_KEY_SCHEMA: Shape = Shape::List(&KEY_SCHEMA_ELEMENT, 1, usize::MAX);

pub(super) static BILLING_MODE: Shape = Shape::one_of(&["PROVISIONED", "PAY_PER_REQUEST"]);
pub(super) static PROVISIONED_THROUGHPUT: Shape = Shape::Structure(&Structure {
    name: "ProvisionedThroughput",
    members: &[
        required("WriteCapacityUnits", &POSITIVE_LONG),
        required("ReadCapacityUnits", &POSITIVE_LONG),
    ],
});

static SSE_TYPE: Shape = Shape::one_of(&["AES256", "KMS"]);
pub(super) static SSE_SPECIFICATION: Shape = Shape::Structure(&Structure {
    name: "SSESpecification",
    members: &[
        optional("Enabled", &BOOLEAN),
        optional("SSEType", &SSE_TYPE),
        optional("KMSMasterKeyId", &TEXT),
    ],
});

/// A structure that is known but not carried out: refused if it is there.
static OPAQUE: Shape = Shape::Structure(&Structure {
    name: "Structure",
    members: &[],
});
static OPAQUE_LIST: Shape = Shape::List(&OPAQUE, 0, usize::MAX);

impl Request for CreateTableInput {
    const SHAPE: &'static Structure = &Structure {
        name: "CreateTableInput",
        members: &[
            required("AttributeDefinitions", &ATTRIBUTE_DEFINITIONS),
            TABLE,
            optional("BillingMode", &BILLING_MODE),
            optional("ProvisionedThroughput", &PROVISIONED_THROUGHPUT),
            required("KeySchema", &KEY_SCHEMA),
            optional("LocalSecondaryIndexes", &LOCAL_INDEXES),
            optional("GlobalSecondaryIndexes", &GLOBAL_INDEXES),
            optional("StreamSpecification", &OPAQUE),
            optional("SSESpecification", &SSE_SPECIFICATION),
            optional("Tags", &OPAQUE_LIST),
            optional("TableClass", &TEXT),
            optional("DeletionProtectionEnabled", &BOOLEAN),
            optional("ResourcePolicy", &TEXT),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = CreateTableInput::new(fields.required_text("TableName"))
            .attribute_definitions(attribute_definitions(fields).unwrap_or_default())
            .key_schema(key_schema(fields));
        input.billing_mode = fields.one_of("BillingMode", BillingMode::from_name);
        input.provisioned_throughput = throughput(fields);
        let list = |fields: &mut Fields, name| fields.structures(name).map(Vec::into_iter);
        input.local_secondary_indexes =
            list(fields, "LocalSecondaryIndexes").map(|given| given.map(local_index).collect());
        input.global_secondary_indexes =
            list(fields, "GlobalSecondaryIndexes").map(|given| given.map(global_index).collect());
        input.sse_specification = sse_specification(fields);
        input.deletion_protection_enabled =
            fields.flag("DeletionProtectionEnabled").unwrap_or(false);
        Ok(input)
    }
}

fn attribute_definitions(fields: &mut Fields) -> Option<Vec<AttributeDefinition>> {
    let definitions = fields.structures("AttributeDefinitions")?.into_iter();
    Some(
        definitions
            .filter_map(|mut one| {
                let kind = one.one_of("AttributeType", ScalarType::from_name)?;
                Some(AttributeDefinition::new(
                    one.required_text("AttributeName"),
                    kind,
                ))
            })
            .collect(),
    )
}

pub(super) fn key_schema(fields: &mut Fields) -> Vec<KeySchemaElement> {
    let elements = fields.structures("KeySchema").unwrap_or_default();
    elements
        .into_iter()
        .filter_map(|mut one| {
            let role = one.one_of("KeyType", KeyType::from_name)?;
            Some(KeySchemaElement::new(
                one.required_text("AttributeName"),
                role,
            ))
        })
        .collect()
}

pub(super) fn throughput(fields: &mut Fields) -> Option<ProvisionedThroughput> {
    let mut units = fields.structure("ProvisionedThroughput")?;
    Some(ProvisionedThroughput {
        read_capacity_units: units.long("ReadCapacityUnits")?,
        write_capacity_units: units.long("WriteCapacityUnits")?,
    })
}

fn sse_specification(fields: &mut Fields) -> Option<SseSpecification> {
    let mut given = fields.structure("SSESpecification")?;
    let mut specification = SseSpecification::new();
    specification.enabled = given.flag("Enabled");
    specification.sse_type = given.one_of("SSEType", SseType::from_name);
    specification.kms_master_key_id = given.text("KMSMasterKeyId");
    Some(specification)
}

/// A request that names a table and nothing else.
macro_rules! names_only {
    ($($input:ident),*) => {$(
        impl Request for $input {
            const SHAPE: &'static Structure = &Structure {
                name: stringify!($input),
                members: &[TABLE],
            };

            fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
                Ok($input::new(fields.required_text("TableName")))
            }
        }
    )*};
}

names_only!(DescribeTableInput, DeleteTableInput);

static TABLES_PER_PAGE: Shape = Shape::Integer(1, 100);

impl Request for ListTablesInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ListTablesInput",
        members: &[
            optional("ExclusiveStartTableName", &NAME),
            optional("Limit", &TABLES_PER_PAGE),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = ListTablesInput::new();
        input.exclusive_start_table_name = fields.text("ExclusiveStartTableName");
        input.limit = fields.integer("Limit");
        Ok(input)
    }
}

impl Response for CreateTableOutput {
    fn write(&self, object: &mut Object<'_>) {
        object.object("TableDescription", |object| {
            description(&self.table_description, object);
        });
    }
}

impl Response for DeleteTableOutput {
    fn write(&self, object: &mut Object<'_>) {
        object.object("TableDescription", |object| {
            description(&self.table_description, object);
        });
    }
}

impl Response for DescribeTableOutput {
    fn write(&self, object: &mut Object<'_>) {
        object.object("Table", |object| description(&self.table, object));
    }
}

impl Response for ListTablesOutput {
    fn write(&self, object: &mut Object<'_>) {
        object.list("TableNames", &self.table_names, |out, name| {
            super::write::string(out, name);
        });
        if let Some(last) = &self.last_evaluated_table_name {
            object.text("LastEvaluatedTableName", last);
        }
    }
}

fn description(table: &TableDescription, out: &mut Object<'_>) {
    out.list(
        "AttributeDefinitions",
        &table.attribute_definitions,
        |out, one| {
            object(out, |object| {
                object.text("AttributeName", &one.attribute_name);
                object.text("AttributeType", one.attribute_type.name());
            });
        },
    );
    out.text("TableName", &table.table_name);
    write_key_schema(out, &table.key_schema);
    out.text("TableStatus", table.table_status.name());
    out.time("CreationDateTime", table.creation_date_time);
    write_throughput(out, &table.provisioned_throughput);
    out.number("TableSizeBytes", table.table_size_bytes);
    out.number("ItemCount", table.item_count);
    let arn = table_arn(&table.table_name);
    out.text("TableArn", &arn);
    out.text("TableId", &table.table_id);
    // The service names the mode of on-demand tables only.
    if table.billing_mode_summary.billing_mode == BillingMode::PayPerRequest {
        out.object("BillingModeSummary", |out| {
            out.text("BillingMode", BillingMode::PayPerRequest.name());
        });
    }
    if !table.local_secondary_indexes.is_empty() {
        let indexes = &table.local_secondary_indexes;
        out.list("LocalSecondaryIndexes", indexes, |out, index| {
            write_local(out, index, &arn);
        });
    }
    if !table.global_secondary_indexes.is_empty() {
        let indexes = &table.global_secondary_indexes;
        out.list("GlobalSecondaryIndexes", indexes, |out, index| {
            write_global(out, index, &arn);
        });
    }
    if let Some(sse) = &table.sse_description {
        out.object("SSEDescription", |out| encryption(sse, out));
    }
    out.flag(
        "DeletionProtectionEnabled",
        table.deletion_protection_enabled,
    );
}

/// Region and account are nobody's: names of tables are all that tells them apart here.
fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:us-east-1:000000000000:table/{name}")
}

pub(super) fn write_key_schema(out: &mut Object<'_>, elements: &[KeySchemaElement]) {
    out.list("KeySchema", elements, |out, one| {
        object(out, |object| {
            object.text("AttributeName", &one.attribute_name);
            object.text("KeyType", one.key_type.name());
        });
    });
}

pub(super) fn write_throughput(out: &mut Object<'_>, units: &ProvisionedThroughput) {
    out.object("ProvisionedThroughput", |out| {
        out.number("NumberOfDecreasesToday", 0);
        out.number("ReadCapacityUnits", units.read_capacity_units);
        out.number("WriteCapacityUnits", units.write_capacity_units);
    });
}

fn encryption(sse: &SseDescription, out: &mut Object<'_>) {
    out.text("Status", sse.status.name());
    out.text("SSEType", sse.sse_type.name());
    out.text("KMSMasterKeyArn", &sse.kms_master_key_arn);
    if let Some(since) = sse.inaccessible_encryption_date_time {
        out.time("InaccessibleEncryptionDateTime", since);
    }
}
