//! CreateTable, DescribeTable, ListTables and DeleteTable.

use sealdb_model::{ScalarType, ops};

use crate::convert::{WireError, enums, optional_enum, set_enum};
use crate::v1;

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
        Deleting,
        InaccessibleEncryptionCredentials
    }
);

impl From<ops::AttributeDefinition> for v1::AttributeDefinition {
    fn from(definition: ops::AttributeDefinition) -> Self {
        Self {
            attribute_name: definition.attribute_name,
            attribute_type: v1::ScalarAttributeType::from(definition.attribute_type).into(),
        }
    }
}

impl TryFrom<v1::AttributeDefinition> for ops::AttributeDefinition {
    type Error = WireError;

    fn try_from(definition: v1::AttributeDefinition) -> Result<Self, WireError> {
        let kind: v1::ScalarAttributeType = set_enum("attribute_type", definition.attribute_type)?;
        Ok(Self::new(definition.attribute_name, kind.try_into()?))
    }
}

impl From<ops::KeySchemaElement> for v1::KeySchemaElement {
    fn from(element: ops::KeySchemaElement) -> Self {
        Self {
            attribute_name: element.attribute_name,
            key_type: v1::KeyType::from(element.key_type).into(),
        }
    }
}

impl TryFrom<v1::KeySchemaElement> for ops::KeySchemaElement {
    type Error = WireError;

    fn try_from(element: v1::KeySchemaElement) -> Result<Self, WireError> {
        let role: v1::KeyType = set_enum("key_type", element.key_type)?;
        Ok(Self::new(element.attribute_name, role.try_into()?))
    }
}

impl From<ops::ProvisionedThroughput> for v1::ProvisionedThroughput {
    fn from(units: ops::ProvisionedThroughput) -> Self {
        Self {
            read_capacity_units: units.read_capacity_units,
            write_capacity_units: units.write_capacity_units,
        }
    }
}

impl From<v1::ProvisionedThroughput> for ops::ProvisionedThroughput {
    fn from(units: v1::ProvisionedThroughput) -> Self {
        Self {
            read_capacity_units: units.read_capacity_units,
            write_capacity_units: units.write_capacity_units,
        }
    }
}

impl From<ops::SseSpecification> for v1::SseSpecification {
    fn from(wish: ops::SseSpecification) -> Self {
        Self {
            enabled: wish.enabled,
            sse_type: wish
                .sse_type
                .map(v1::SseType::from)
                .unwrap_or_default()
                .into(),
            kms_master_key_id: wish.kms_master_key_id,
        }
    }
}

impl TryFrom<v1::SseSpecification> for ops::SseSpecification {
    type Error = WireError;

    fn try_from(wish: v1::SseSpecification) -> Result<Self, WireError> {
        let mut model = Self::new();
        model.enabled = wish.enabled;
        model.sse_type = optional_enum::<v1::SseType>("sse_type", wish.sse_type)?
            .map(TryInto::try_into)
            .transpose()?;
        model.kms_master_key_id = wish.kms_master_key_id;
        Ok(model)
    }
}

impl From<ops::SseDescription> for v1::SseDescription {
    fn from(sse: ops::SseDescription) -> Self {
        Self {
            status: v1::SseStatus::from(sse.status).into(),
            sse_type: v1::SseType::from(sse.sse_type).into(),
            kms_master_key_arn: sse.kms_master_key_arn,
            inaccessible_encryption_date_time_ms: sse.inaccessible_encryption_date_time,
        }
    }
}

impl TryFrom<v1::SseDescription> for ops::SseDescription {
    type Error = WireError;

    fn try_from(sse: v1::SseDescription) -> Result<Self, WireError> {
        let mut model = Self::new(sse.kms_master_key_arn);
        model.status = set_enum::<v1::SseStatus>("status", sse.status)?.try_into()?;
        model.sse_type = set_enum::<v1::SseType>("sse_type", sse.sse_type)?.try_into()?;
        model.inaccessible_encryption_date_time = sse.inaccessible_encryption_date_time_ms;
        Ok(model)
    }
}

/// Each element of a list, with its place in the errors.
fn each<W, M: TryFrom<W, Error = WireError>>(
    field: &str,
    list: Vec<W>,
) -> Result<Vec<M>, WireError> {
    let mut converted = Vec::with_capacity(list.len());
    for (index, element) in list.into_iter().enumerate() {
        converted.push(M::try_from(element).map_err(|e| e.at_index(index).under(field))?);
    }
    Ok(converted)
}

impl From<ops::TableDescription> for v1::TableDescription {
    fn from(table: ops::TableDescription) -> Self {
        Self {
            table_name: table.table_name,
            table_id: table.table_id,
            table_status: v1::TableStatus::from(table.table_status).into(),
            creation_date_time_ms: table.creation_date_time,
            key_schema: table.key_schema.into_iter().map(Into::into).collect(),
            attribute_definitions: table
                .attribute_definitions
                .into_iter()
                .map(Into::into)
                .collect(),
            item_count: table.item_count,
            table_size_bytes: table.table_size_bytes,
            billing_mode: v1::BillingMode::from(table.billing_mode_summary.billing_mode).into(),
            provisioned_throughput: Some(table.provisioned_throughput.into()),
            sse_description: table.sse_description.map(Into::into),
            deletion_protection_enabled: table.deletion_protection_enabled,
        }
    }
}

impl TryFrom<v1::TableDescription> for ops::TableDescription {
    type Error = WireError;

    fn try_from(table: v1::TableDescription) -> Result<Self, WireError> {
        let billing_mode: v1::BillingMode = set_enum("billing_mode", table.billing_mode)?;
        let mut model = Self::without_schema(table.table_name, table.table_id);
        model.table_status =
            set_enum::<v1::TableStatus>("table_status", table.table_status)?.try_into()?;
        model.creation_date_time = table.creation_date_time_ms;
        model.key_schema = each("key_schema", table.key_schema)?;
        model.attribute_definitions = each("attribute_definitions", table.attribute_definitions)?;
        model.item_count = table.item_count;
        model.table_size_bytes = table.table_size_bytes;
        model.billing_mode_summary = ops::BillingModeSummary::new(billing_mode.try_into()?);
        model.provisioned_throughput = table
            .provisioned_throughput
            .map(Into::into)
            .unwrap_or_default();
        model.sse_description = table
            .sse_description
            .map(TryInto::try_into)
            .transpose()
            .map_err(|e: WireError| e.under("sse_description"))?;
        model.deletion_protection_enabled = table.deletion_protection_enabled;
        Ok(model)
    }
}

fn description(
    field: &str,
    table: Option<v1::TableDescription>,
) -> Result<ops::TableDescription, WireError> {
    table
        .ok_or_else(|| WireError::missing(field))?
        .try_into()
        .map_err(|e: WireError| e.under(field))
}

impl From<ops::CreateTableInput> for v1::CreateTableRequest {
    fn from(input: ops::CreateTableInput) -> Self {
        Self {
            table_name: input.table_name,
            key_schema: input.key_schema.into_iter().map(Into::into).collect(),
            attribute_definitions: input
                .attribute_definitions
                .into_iter()
                .map(Into::into)
                .collect(),
            billing_mode: input
                .billing_mode
                .map(v1::BillingMode::from)
                .unwrap_or_default()
                .into(),
            provisioned_throughput: input.provisioned_throughput.map(Into::into),
            sse_specification: input.sse_specification.map(Into::into),
            deletion_protection_enabled: input.deletion_protection_enabled,
        }
    }
}

impl TryFrom<v1::CreateTableRequest> for ops::CreateTableInput {
    type Error = WireError;

    fn try_from(request: v1::CreateTableRequest) -> Result<Self, WireError> {
        let mut input = Self::new(request.table_name);
        input.key_schema = each("key_schema", request.key_schema)?;
        input.attribute_definitions = each("attribute_definitions", request.attribute_definitions)?;
        input.billing_mode =
            optional_enum::<v1::BillingMode>("billing_mode", request.billing_mode)?
                .map(TryInto::try_into)
                .transpose()?;
        input.provisioned_throughput = request.provisioned_throughput.map(Into::into);
        input.sse_specification = request
            .sse_specification
            .map(TryInto::try_into)
            .transpose()
            .map_err(|e: WireError| e.under("sse_specification"))?;
        input.deletion_protection_enabled = request.deletion_protection_enabled;
        Ok(input)
    }
}

impl From<ops::CreateTableOutput> for v1::CreateTableResponse {
    fn from(output: ops::CreateTableOutput) -> Self {
        Self {
            table_description: Some(output.table_description.into()),
        }
    }
}

impl TryFrom<v1::CreateTableResponse> for ops::CreateTableOutput {
    type Error = WireError;

    fn try_from(response: v1::CreateTableResponse) -> Result<Self, WireError> {
        description("table_description", response.table_description).map(Self::new)
    }
}

impl From<ops::DescribeTableInput> for v1::DescribeTableRequest {
    fn from(input: ops::DescribeTableInput) -> Self {
        Self {
            table_name: input.table_name,
        }
    }
}

impl TryFrom<v1::DescribeTableRequest> for ops::DescribeTableInput {
    type Error = WireError;

    fn try_from(request: v1::DescribeTableRequest) -> Result<Self, WireError> {
        Ok(Self::new(request.table_name))
    }
}

impl From<ops::DescribeTableOutput> for v1::DescribeTableResponse {
    fn from(output: ops::DescribeTableOutput) -> Self {
        Self {
            table: Some(output.table.into()),
        }
    }
}

impl TryFrom<v1::DescribeTableResponse> for ops::DescribeTableOutput {
    type Error = WireError;

    fn try_from(response: v1::DescribeTableResponse) -> Result<Self, WireError> {
        description("table", response.table).map(Self::new)
    }
}

impl From<ops::ListTablesInput> for v1::ListTablesRequest {
    fn from(input: ops::ListTablesInput) -> Self {
        Self {
            exclusive_start_table_name: input.exclusive_start_table_name,
            limit: input.limit,
        }
    }
}

impl TryFrom<v1::ListTablesRequest> for ops::ListTablesInput {
    type Error = WireError;

    fn try_from(request: v1::ListTablesRequest) -> Result<Self, WireError> {
        let mut input = Self::new();
        input.exclusive_start_table_name = request.exclusive_start_table_name;
        input.limit = request.limit;
        Ok(input)
    }
}

impl From<ops::ListTablesOutput> for v1::ListTablesResponse {
    fn from(output: ops::ListTablesOutput) -> Self {
        Self {
            table_names: output.table_names,
            last_evaluated_table_name: output.last_evaluated_table_name,
        }
    }
}

impl TryFrom<v1::ListTablesResponse> for ops::ListTablesOutput {
    type Error = WireError;

    fn try_from(response: v1::ListTablesResponse) -> Result<Self, WireError> {
        Ok(Self::new(
            response.table_names,
            response.last_evaluated_table_name,
        ))
    }
}

impl From<ops::DeleteTableInput> for v1::DeleteTableRequest {
    fn from(input: ops::DeleteTableInput) -> Self {
        Self {
            table_name: input.table_name,
        }
    }
}

impl TryFrom<v1::DeleteTableRequest> for ops::DeleteTableInput {
    type Error = WireError;

    fn try_from(request: v1::DeleteTableRequest) -> Result<Self, WireError> {
        Ok(Self::new(request.table_name))
    }
}

impl From<ops::DeleteTableOutput> for v1::DeleteTableResponse {
    fn from(output: ops::DeleteTableOutput) -> Self {
        Self {
            table_description: Some(output.table_description.into()),
        }
    }
}

impl TryFrom<v1::DeleteTableResponse> for ops::DeleteTableOutput {
    type Error = WireError;

    fn try_from(response: v1::DeleteTableResponse) -> Result<Self, WireError> {
        description("table_description", response.table_description).map(Self::new)
    }
}
