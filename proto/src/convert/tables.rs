//! Operations on tables.

use sealdb_model::ops::GlobalSecondaryIndexUpdate;
use sealdb_model::{ScalarType, ops};

use crate::convert::WireError;
use crate::convert::field::{Field, Message, enums, same_fields};
use crate::v1;
use crate::v1::global_secondary_index_update::Change;

enums!(ScalarType, v1::ScalarAttributeType { S, N, B });
enums!(ops::KeyType, v1::KeyType { Hash, Range });
enums!(
    ops::BillingMode,
    v1::BillingMode {
        Provisioned,
        PayPerRequest
    }
);
enums!(ops::SseType, v1::SseType { Aes256, Kms });
enums!(ops::SseStatus, v1::SseStatus { Enabled, Updating });
enums!(
    ops::TableStatus,
    v1::TableStatus {
        Creating,
        Active,
        Updating,
        Deleting,
        InaccessibleEncryptionCredentials
    }
);

same_fields!(
    ops::AttributeDefinition, v1::AttributeDefinition,
    new(attribute_name: String, attribute_type: ScalarType)
);
same_fields!(
    ops::KeySchemaElement, v1::KeySchemaElement,
    new(attribute_name: String, key_type: ops::KeyType)
);
same_fields!(
    ops::ProvisionedThroughput,
    v1::ProvisionedThroughput,
    default(),
    read_capacity_units,
    write_capacity_units
);
same_fields!(
    ops::OnDemandThroughput,
    v1::OnDemandThroughput,
    default(),
    max_read_request_units,
    max_write_request_units
);
same_fields!(
    ops::WarmThroughput,
    v1::WarmThroughput,
    default(),
    read_units_per_second,
    write_units_per_second
);
same_fields!(
    ops::SseSpecification,
    v1::SseSpecification,
    new(),
    enabled,
    sse_type,
    kms_master_key_id
);

enums!(
    ops::ProjectionType,
    v1::ProjectionType {
        All,
        KeysOnly,
        Include
    }
);
enums!(
    ops::IndexStatus,
    v1::IndexStatus {
        Creating,
        Updating,
        Deleting,
        Active
    }
);
same_fields!(
    ops::Projection,
    v1::Projection,
    default(),
    projection_type,
    non_key_attributes
);
same_fields!(
    ops::LocalSecondaryIndex, v1::LocalSecondaryIndex,
    new(index_name: String; "", ""), key_schema, projection
);
same_fields!(
    ops::GlobalSecondaryIndex, v1::GlobalSecondaryIndex,
    new(index_name: String; &[], &[]),
    key_schema, projection, provisioned_throughput, on_demand_throughput, warm_throughput
);
same_fields!(
    ops::LocalSecondaryIndexDescription, v1::LocalSecondaryIndexDescription,
    new(index_name: String, key_schema: Vec<ops::KeySchemaElement>, projection: ops::Projection),
    index_size_bytes, item_count
);
same_fields!(
    ops::GlobalSecondaryIndexDescription, v1::GlobalSecondaryIndexDescription,
    new(index_name: String, key_schema: Vec<ops::KeySchemaElement>, projection: ops::Projection),
    index_status, backfilling, provisioned_throughput, index_size_bytes, item_count,
    on_demand_throughput, warm_throughput
);

enums!(
    ops::TableClass,
    v1::TableClass {
        Standard,
        StandardInfrequentAccess
    }
);
same_fields!(ops::Tag, v1::Tag, new(key: String, value: String));

impl Message for ops::SseDescription {
    type Wire = v1::SseDescription;
}

impl From<ops::SseDescription> for v1::SseDescription {
    fn from(sse: ops::SseDescription) -> Self {
        Self {
            status: sse.status.to_wire(),
            sse_type: sse.sse_type.to_wire(),
            kms_master_key_arn: sse.kms_master_key_arn,
            inaccessible_encryption_date_time_ms: sse.inaccessible_encryption_date_time,
            by_default: sse.by_default,
        }
    }
}

impl TryFrom<v1::SseDescription> for ops::SseDescription {
    type Error = WireError;

    fn try_from(sse: v1::SseDescription) -> Result<Self, WireError> {
        let mut model = Self::new(sse.kms_master_key_arn);
        model.status = Field::from_wire(sse.status, "status")?;
        model.sse_type = Field::from_wire(sse.sse_type, "sse_type")?;
        model.inaccessible_encryption_date_time = sse.inaccessible_encryption_date_time_ms;
        model.by_default = sse.by_default;
        Ok(model)
    }
}

impl Message for ops::TableDescription {
    type Wire = v1::TableDescription;
}

impl From<ops::TableDescription> for v1::TableDescription {
    fn from(table: ops::TableDescription) -> Self {
        Self {
            table_name: table.table_name,
            table_id: table.table_id,
            table_status: table.table_status.to_wire(),
            creation_date_time_ms: table.creation_date_time,
            key_schema: table.key_schema.to_wire(),
            attribute_definitions: table.attribute_definitions.to_wire(),
            item_count: table.item_count,
            table_size_bytes: table.table_size_bytes,
            billing_mode: table.billing_mode_summary.billing_mode.to_wire(),
            provisioned_throughput: table.provisioned_throughput.to_wire(),
            sse_description: table.sse_description.to_wire(),
            deletion_protection_enabled: table.deletion_protection_enabled,
            local_secondary_indexes: table.local_secondary_indexes.to_wire(),
            global_secondary_indexes: table.global_secondary_indexes.to_wire(),
            table_class: table.table_class.to_wire(),
            last_update_to_pay_per_request_date_time_ms: table
                .billing_mode_summary
                .last_update_to_pay_per_request_date_time,
            on_demand_throughput: table.on_demand_throughput.to_wire(),
            warm_throughput: table.warm_throughput.to_wire(),
            stream_specification: table.stream_specification.to_wire(),
            latest_stream_label: table.latest_stream_label,
            latest_stream_arn: table.latest_stream_arn,
        }
    }
}

impl TryFrom<v1::TableDescription> for ops::TableDescription {
    type Error = WireError;

    fn try_from(table: v1::TableDescription) -> Result<Self, WireError> {
        let mut model = Self::without_schema(table.table_name, table.table_id);
        model.table_status = Field::from_wire(table.table_status, "table_status")?;
        model.creation_date_time = table.creation_date_time_ms;
        model.key_schema = Field::from_wire(table.key_schema, "key_schema")?;
        model.attribute_definitions =
            Field::from_wire(table.attribute_definitions, "attribute_definitions")?;
        model.item_count = table.item_count;
        model.table_size_bytes = table.table_size_bytes;
        model.billing_mode_summary =
            ops::BillingModeSummary::new(Field::from_wire(table.billing_mode, "billing_mode")?);
        model
            .billing_mode_summary
            .last_update_to_pay_per_request_date_time =
            table.last_update_to_pay_per_request_date_time_ms;
        model.on_demand_throughput =
            Field::from_wire(table.on_demand_throughput, "on_demand_throughput")?;
        model.warm_throughput = Field::from_wire(table.warm_throughput, "warm_throughput")?;
        model.provisioned_throughput =
            Option::from_wire(table.provisioned_throughput, "provisioned_throughput")?
                .unwrap_or_default();
        model.sse_description = Field::from_wire(table.sse_description, "sse_description")?;
        model.deletion_protection_enabled = table.deletion_protection_enabled;
        model.local_secondary_indexes =
            Field::from_wire(table.local_secondary_indexes, "local_secondary_indexes")?;
        model.global_secondary_indexes =
            Field::from_wire(table.global_secondary_indexes, "global_secondary_indexes")?;
        model.table_class = Field::from_wire(table.table_class, "table_class")?;
        model.stream_specification =
            Field::from_wire(table.stream_specification, "stream_specification")?;
        model.latest_stream_label = table.latest_stream_label;
        model.latest_stream_arn = table.latest_stream_arn;
        Ok(model)
    }
}

same_fields!(
    ops::CreateTableInput, v1::CreateTableRequest,
    new(table_name: String),
    key_schema, attribute_definitions, billing_mode, provisioned_throughput, sse_specification,
    deletion_protection_enabled, local_secondary_indexes, global_secondary_indexes,
    table_class, tags, on_demand_throughput, warm_throughput, stream_specification
);
same_fields!(
    ops::CreateTableOutput, v1::CreateTableResponse,
    new(table_description: ops::TableDescription)
);
same_fields!(
    ops::DescribeTableInput, v1::DescribeTableRequest,
    new(table_name: String)
);
same_fields!(
    ops::DescribeTableOutput, v1::DescribeTableResponse,
    new(table: ops::TableDescription)
);
same_fields!(
    ops::ListTablesInput,
    v1::ListTablesRequest,
    new(),
    exclusive_start_table_name,
    limit
);
same_fields!(
    ops::ListTablesOutput, v1::ListTablesResponse,
    new(table_names: Vec<String>, last_evaluated_table_name: Option<String>)
);
same_fields!(
    ops::DeleteTableInput, v1::DeleteTableRequest,
    new(table_name: String)
);
same_fields!(
    ops::DeleteTableOutput, v1::DeleteTableResponse,
    new(table_description: ops::TableDescription)
);

same_fields!(
    ops::UpdateGlobalSecondaryIndex, v1::UpdateGlobalSecondaryIndex,
    new(index_name: String), provisioned_throughput, on_demand_throughput, warm_throughput
);

impl Message for GlobalSecondaryIndexUpdate {
    type Wire = v1::GlobalSecondaryIndexUpdate;
}

impl From<GlobalSecondaryIndexUpdate> for v1::GlobalSecondaryIndexUpdate {
    fn from(update: GlobalSecondaryIndexUpdate) -> Self {
        let change = match update {
            GlobalSecondaryIndexUpdate::Create(index) => Change::Create(index.into()),
            GlobalSecondaryIndexUpdate::Update(update) => Change::Update(update.into()),
            GlobalSecondaryIndexUpdate::Delete { index_name } => {
                Change::DeleteIndexName(index_name)
            }
        };
        Self {
            change: Some(change),
        }
    }
}

impl TryFrom<v1::GlobalSecondaryIndexUpdate> for GlobalSecondaryIndexUpdate {
    type Error = WireError;

    fn try_from(wire: v1::GlobalSecondaryIndexUpdate) -> Result<Self, WireError> {
        match wire.change {
            Some(Change::Create(index)) => {
                Field::from_wire(Some(index), "create").map(Self::Create)
            }
            Some(Change::Update(update)) => {
                Field::from_wire(Some(update), "update").map(Self::Update)
            }
            Some(Change::DeleteIndexName(index_name)) => Ok(Self::Delete { index_name }),
            None => Err(WireError::here(
                "has neither create nor update or delete_index_name",
            )),
        }
    }
}

same_fields!(
    ops::UpdateTableInput, v1::UpdateTableRequest,
    new(table_name: String),
    attribute_definitions, billing_mode, provisioned_throughput, global_secondary_index_updates,
    table_class, deletion_protection_enabled, on_demand_throughput, warm_throughput, sse_specification,
    stream_specification
);
same_fields!(
    ops::UpdateTableOutput, v1::UpdateTableResponse,
    new(table_description: ops::TableDescription)
);

impl Message for ops::TimeToLiveSpecification {
    type Wire = v1::TimeToLiveSpecification;
}

impl From<ops::TimeToLiveSpecification> for v1::TimeToLiveSpecification {
    fn from(wish: ops::TimeToLiveSpecification) -> Self {
        Self {
            enabled: wish.enabled,
            attribute_name: wish.attribute_name,
        }
    }
}

impl TryFrom<v1::TimeToLiveSpecification> for ops::TimeToLiveSpecification {
    type Error = WireError;

    fn try_from(wire: v1::TimeToLiveSpecification) -> Result<Self, WireError> {
        Ok(Self {
            enabled: wire.enabled,
            attribute_name: wire.attribute_name,
        })
    }
}

same_fields!(
    ops::UpdateTimeToLiveInput, v1::UpdateTimeToLiveRequest,
    new(table_name: String; "", false), time_to_live_specification
);
same_fields!(
    ops::UpdateTimeToLiveOutput, v1::UpdateTimeToLiveResponse,
    new(time_to_live_specification: ops::TimeToLiveSpecification)
);
same_fields!(
    ops::DescribeTimeToLiveInput, v1::DescribeTimeToLiveRequest,
    new(table_name: String)
);
enums!(
    ops::TimeToLiveStatus,
    v1::TimeToLiveStatus {
        Enabling,
        Disabling,
        Enabled,
        Disabled
    }
);
same_fields!(
    ops::DescribeTimeToLiveOutput, v1::DescribeTimeToLiveResponse,
    new(time_to_live_status: ops::TimeToLiveStatus, attribute_name: Option<String>)
);

same_fields!(
    ops::TagResourceInput, v1::TagResourceRequest,
    new(resource_arn: String, tags: Vec<ops::Tag>)
);
same_fields!(
    ops::UntagResourceInput, v1::UntagResourceRequest,
    new(resource_arn: String, tag_keys: Vec<String>)
);
same_fields!(
    ops::ListTagsOfResourceInput, v1::ListTagsOfResourceRequest,
    new(resource_arn: String), next_token
);
same_fields!(
    ops::ListTagsOfResourceOutput,
    v1::ListTagsOfResourceResponse,
    default(),
    tags
);

/// Operations that answer with nothing.
macro_rules! nothing {
    ($($wire:path)*) => {$(
        impl From<()> for $wire {
            fn from((): ()) -> Self {
                Self {}
            }
        }

        impl TryFrom<$wire> for () {
            type Error = WireError;

            fn try_from(_: $wire) -> Result<Self, WireError> {
                Ok(())
            }
        }
    )*};
}
nothing!(v1::TagResourceResponse v1::UntagResourceResponse);
