//! Operations on tables.

use sealdb_model::ops::{
    AttributeDefinition, BillingMode, BillingModeSummary, CreateTableInput, CreateTableOutput,
    DeleteTableInput, DeleteTableOutput, DescribeTableInput, DescribeTableOutput, KeySchemaElement,
    KeyType, ListTablesInput, ListTablesOutput, SseDescription, SseSpecification, SseStatus,
    SseType, TableClass, TableDescription, TableStatus, table_arn,
};
use sealdb_model::{ScalarType, ValidationError};

use super::fields::Fields;
use super::indexes::{
    GLOBAL_INDEXES, LOCAL_INDEXES, global_index, local_index, write_global, write_local,
};
use super::shape::{
    BOOLEAN, KEY_NAME, Member, Shape, Structure, TABLE, TABLE_NAME, TEXT, optional, required,
};
use super::streams::{STREAM_SPECIFICATION, stream_specification, write_stream_specification};
use super::tags::TAGS;
use super::throughput::{
    ON_DEMAND_THROUGHPUT, PROVISIONED_THROUGHPUT, WARM_THROUGHPUT, write_on_demand,
    write_provisioned, write_warm,
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
pub(super) static KEY_SCHEMA: Shape = Shape::List(&KEY_SCHEMA_ELEMENT, 1, 2);
/// A global index's may have several attributes of each role.
pub(super) static INDEX_KEY_SCHEMA: Shape = Shape::List(&KEY_SCHEMA_ELEMENT, 1, usize::MAX);

pub(super) static BILLING_MODE: Shape = Shape::one_of(&["PROVISIONED", "PAY_PER_REQUEST"]);
/// Another name of BillingMode, which no model of the service knows. Where both stand BillingMode counts.
pub(super) const THROUGHPUT_MODE: Member = optional("TableThroughputMode", &BILLING_MODE);
pub(super) static TABLE_CLASS: Shape = Shape::one_of(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"]);

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
pub(super) static OPAQUE: Shape = Shape::Structure(&Structure {
    name: "Structure",
    members: &[],
});
pub(super) static OPAQUE_LIST: Shape = Shape::List(&OPAQUE, 0, usize::MAX);

impl Request for CreateTableInput {
    const SHAPE: &'static Structure = &Structure {
        name: "CreateTableInput",
        members: &[
            required("AttributeDefinitions", &ATTRIBUTE_DEFINITIONS),
            TABLE,
            optional("BillingMode", &BILLING_MODE),
            THROUGHPUT_MODE,
            PROVISIONED_THROUGHPUT,
            required("KeySchema", &KEY_SCHEMA),
            optional("LocalSecondaryIndexes", &LOCAL_INDEXES),
            optional("GlobalSecondaryIndexes", &GLOBAL_INDEXES),
            optional("StreamSpecification", &STREAM_SPECIFICATION),
            optional("SSESpecification", &SSE_SPECIFICATION),
            optional("Tags", &TAGS),
            optional("TableClass", &TABLE_CLASS),
            optional("DeletionProtectionEnabled", &BOOLEAN),
            WARM_THROUGHPUT,
            optional("ResourcePolicy", &TEXT),
            ON_DEMAND_THROUGHPUT,
            optional("GlobalTableSourceArn", &TEXT),
            optional("GlobalTableSettingsReplicationMode", &TEXT),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = CreateTableInput::new(fields.required_text("TableName"))
            .attribute_definitions(attribute_definitions(fields).unwrap_or_default())
            .key_schema(key_schema(fields));
        // What is absent is PROVISIONED here, and then the units are required.
        input.billing_mode = billing_mode(fields).or(Some(BillingMode::Provisioned));
        input.provisioned_throughput = fields.provisioned_throughput();
        input.on_demand_throughput = fields.on_demand_throughput();
        input.warm_throughput = fields.warm_throughput();
        let list = |fields: &mut Fields, name| fields.structures(name).map(Vec::into_iter);
        input.local_secondary_indexes =
            list(fields, "LocalSecondaryIndexes").map(|given| given.map(local_index).collect());
        input.global_secondary_indexes =
            list(fields, "GlobalSecondaryIndexes").map(|given| given.map(global_index).collect());
        input.stream_specification = stream_specification(fields);
        input.sse_specification = sse_specification(fields);
        input.table_class = fields.one_of("TableClass", TableClass::from_name);
        input.tags = fields.tags();
        input.deletion_protection_enabled =
            fields.flag("DeletionProtectionEnabled").unwrap_or(false);
        Ok(input)
    }
}

pub(super) fn billing_mode(fields: &mut Fields) -> Option<BillingMode> {
    let mode = fields.one_of("BillingMode", BillingMode::from_name);
    let alias = fields.one_of("TableThroughputMode", BillingMode::from_name);
    mode.or(alias)
}

pub(super) fn attribute_definitions(fields: &mut Fields) -> Option<Vec<AttributeDefinition>> {
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

pub(super) fn sse_specification(fields: &mut Fields) -> Option<SseSpecification> {
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
            optional("ExclusiveStartTableName", &TABLE_NAME),
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
        changing(&self.table_description, TableStatus::Creating, object);
    }
}

/// Of a table that goes the service tells neither the schema nor when it was made.
impl Response for DeleteTableOutput {
    fn write(&self, object: &mut Object<'_>) {
        let table = &self.table_description;
        object.object("TableDescription", |out| {
            out.text("TableName", &table.table_name);
            out.text("TableStatus", TableStatus::Deleting.name());
            state(table, TableStatus::Deleting.name(), out);
            settings(table, out);
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

/// A table that the request changes. The service always answers before it has done so; here it may be done already.
pub(super) fn changing(table: &TableDescription, status: TableStatus, object: &mut Object<'_>) {
    let mut table = table.clone();
    table.set_status(status);
    if status == TableStatus::Creating {
        // It is told once the table is there.
        let billing = &mut table.billing_mode_summary;
        billing.last_update_to_pay_per_request_date_time = None;
    }
    object.object("TableDescription", |object| description(&table, object));
}

fn description(table: &TableDescription, out: &mut Object<'_>) {
    let status = table.table_status.name();
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
    out.text("TableStatus", status);
    out.time("CreationDateTime", table.creation_date_time);
    state(table, status, out);
    indexes(table, out);
    settings(table, out);
}

/// What the table is able to take, what it holds, and how it is billed.
fn state(table: &TableDescription, status: &str, out: &mut Object<'_>) {
    write_provisioned(out, &table.provisioned_throughput);
    write_on_demand(out, table.on_demand_throughput.as_ref());
    write_warm(out, table.warm_throughput.as_ref(), status);
    out.number("TableSizeBytes", table.table_size_bytes);
    out.number("ItemCount", table.item_count);
    out.text("TableArn", &table_arn(&table.table_name));
    out.text("TableId", &table.table_id);
    billing(&table.billing_mode_summary, out);
    if let Some(class) = table.table_class {
        out.object("TableClassSummary", |out| {
            out.text("TableClass", class.name());
        });
    }
}

fn indexes(table: &TableDescription, out: &mut Object<'_>) {
    let arn = table_arn(&table.table_name);
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
}

/// Stream, encryption and protection.
fn settings(table: &TableDescription, out: &mut Object<'_>) {
    if let Some(stream) = table.stream_specification {
        write_stream_specification(out, stream);
    }
    if let Some(label) = &table.latest_stream_label {
        out.text("LatestStreamLabel", label);
    }
    if let Some(arn) = &table.latest_stream_arn {
        out.text("LatestStreamArn", arn);
    }
    if let Some(sse) = table.sse_description.as_ref().filter(|sse| is_told(sse)) {
        out.object("SSEDescription", |out| encryption(sse, out));
    }
    out.flag(
        "DeletionProtectionEnabled",
        table.deletion_protection_enabled,
    );
}

pub(super) fn write_key_schema(out: &mut Object<'_>, elements: &[KeySchemaElement]) {
    out.list("KeySchema", elements, |out, one| {
        object(out, |object| {
            object.text("AttributeName", &one.attribute_name);
            object.text("KeyType", one.key_type.name());
        });
    });
}

/// The service tells it of tables only that are, or once were, billed by request.
fn billing(summary: &BillingModeSummary, out: &mut Object<'_>) {
    let since = summary.last_update_to_pay_per_request_date_time;
    if summary.billing_mode != BillingMode::PayPerRequest && since.is_none() {
        return;
    }
    // The service tells it twice: the second no model knows.
    for (name, mode) in [
        ("BillingModeSummary", "BillingMode"),
        ("TableThroughputModeSummary", "TableThroughputMode"),
    ] {
        out.object(name, |out| {
            out.text(mode, summary.billing_mode.name());
            if let Some(since) = since {
                out.time("LastUpdateToPayPerRequestDateTime", since);
            }
        });
    }
}

/// The service tells nothing of the encryption of a table whose key nobody chose, unless something is going on.
fn is_told(sse: &SseDescription) -> bool {
    !sse.by_default
        || sse.status != SseStatus::Enabled
        || sse.inaccessible_encryption_date_time.is_some()
}

fn encryption(sse: &SseDescription, out: &mut Object<'_>) {
    out.text("Status", sse.status.name());
    out.text("SSEType", sse.sse_type.name());
    out.text("KMSMasterKeyArn", &sse.kms_master_key_arn);
    if let Some(since) = sse.inaccessible_encryption_date_time {
        out.time("InaccessibleEncryptionDateTime", since);
    }
}

#[cfg(test)]
mod tests;
