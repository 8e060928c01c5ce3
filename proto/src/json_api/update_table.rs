//! UpdateTable.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    GlobalSecondaryIndexUpdate, TableClass, TableStatus, UpdateGlobalSecondaryIndex,
    UpdateTableInput, UpdateTableOutput,
};

use super::fields::Fields;
use super::indexes::{GLOBAL_INDEX, global_index};
use super::shape::{BOOLEAN, NAME, Shape, Structure, TABLE, TEXT, optional, required};
use super::streams::{STREAM_SPECIFICATION, stream_specification};
use super::tables::{
    ATTRIBUTE_DEFINITIONS, BILLING_MODE, OPAQUE_LIST, SSE_SPECIFICATION, TABLE_CLASS,
    THROUGHPUT_MODE, attribute_definitions, billing_mode, changing, sse_specification,
};
use super::throughput::{ON_DEMAND_THROUGHPUT, PROVISIONED_THROUGHPUT, WARM_THROUGHPUT};
use super::write::Object;
use super::{Request, Response};

static UPDATE_INDEX: Shape = Shape::Structure(&Structure {
    name: "UpdateGlobalSecondaryIndexAction",
    members: &[
        required("IndexName", &NAME),
        PROVISIONED_THROUGHPUT,
        ON_DEMAND_THROUGHPUT,
        WARM_THROUGHPUT,
    ],
});
static DELETE_INDEX: Shape = Shape::Structure(&Structure {
    name: "DeleteGlobalSecondaryIndexAction",
    members: &[required("IndexName", &NAME)],
});
static INDEX_UPDATE: Shape = Shape::Structure(&Structure {
    name: "GlobalSecondaryIndexUpdate",
    members: &[
        optional("Update", &UPDATE_INDEX),
        optional("Create", &GLOBAL_INDEX),
        optional("Delete", &DELETE_INDEX),
    ],
});
static INDEX_UPDATES: Shape = Shape::List(&INDEX_UPDATE, 0, usize::MAX);

impl Request for UpdateTableInput {
    const SHAPE: &'static Structure = &Structure {
        name: "UpdateTableInput",
        members: &[
            optional("AttributeDefinitions", &ATTRIBUTE_DEFINITIONS),
            TABLE,
            optional("BillingMode", &BILLING_MODE),
            THROUGHPUT_MODE,
            PROVISIONED_THROUGHPUT,
            optional("GlobalSecondaryIndexUpdates", &INDEX_UPDATES),
            optional("StreamSpecification", &STREAM_SPECIFICATION),
            optional("SSESpecification", &SSE_SPECIFICATION),
            optional("ReplicaUpdates", &OPAQUE_LIST),
            optional("TableClass", &TABLE_CLASS),
            optional("DeletionProtectionEnabled", &BOOLEAN),
            optional("MultiRegionConsistency", &TEXT),
            optional("GlobalTableWitnessUpdates", &OPAQUE_LIST),
            ON_DEMAND_THROUGHPUT,
            WARM_THROUGHPUT,
            optional("GlobalTableSettingsReplicationMode", &TEXT),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = UpdateTableInput::new(fields.required_text("TableName"));
        input.attribute_definitions = attribute_definitions(fields);
        input.billing_mode = billing_mode(fields);
        input.provisioned_throughput = fields.provisioned_throughput();
        input.on_demand_throughput = fields.on_demand_throughput();
        input.warm_throughput = fields.warm_throughput();
        input.stream_specification = stream_specification(fields);
        input.sse_specification = sse_specification(fields);
        input.table_class = fields.one_of("TableClass", TableClass::from_name);
        input.deletion_protection_enabled = fields.flag("DeletionProtectionEnabled");
        input.global_secondary_index_updates = fields
            .structures("GlobalSecondaryIndexUpdates")
            .map(|updates| updates.into_iter().map(index_update).collect())
            .transpose()?;
        Ok(input)
    }
}

fn index_update(mut fields: Fields) -> Result<GlobalSecondaryIndexUpdate, ValidationError> {
    let (update, create) = (fields.structure("Update"), fields.structure("Create"));
    match (update, create, fields.structure("Delete")) {
        (Some(update), None, None) => Ok(GlobalSecondaryIndexUpdate::Update(index_units(update))),
        (None, Some(create), None) => Ok(GlobalSecondaryIndexUpdate::Create(global_index(create))),
        (None, None, Some(mut delete)) => Ok(GlobalSecondaryIndexUpdate::Delete {
            index_name: delete.required_text("IndexName"),
        }),
        (None, None, None) => Err(ValidationError::invalid_parameter(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        _ => Err(ValidationError::invalid_parameter(
            "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must be specified",
        )),
    }
}

fn index_units(mut fields: Fields) -> UpdateGlobalSecondaryIndex {
    let mut update = UpdateGlobalSecondaryIndex::new(fields.required_text("IndexName"));
    update.provisioned_throughput = fields.provisioned_throughput();
    update.on_demand_throughput = fields.on_demand_throughput();
    update.warm_throughput = fields.warm_throughput();
    update
}

impl Response for UpdateTableOutput {
    fn write(&self, object: &mut Object<'_>) {
        changing(&self.table_description, TableStatus::Updating, object);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sealdb_model::ops::{OnDemandThroughput, ProvisionedThroughput};

    use super::super::tests::{read, validation};
    use super::*;

    #[test]
    fn changes_of_a_table_are_read() {
        let body = r#"{"TableName": "abc", "BillingMode": "PROVISIONED", "TableClass": "STANDARD",
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}, "DeletionProtectionEnabled": false,
            "OnDemandThroughput": {"MaxReadRequestUnits": -1}, "SSESpecification": {"Enabled": true},
            "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "old"}},
                {"Update": {"IndexName": "kept", "WarmThroughput": {"ReadUnitsPerSecond": 5}}},
                {"Create": {"IndexName": "new", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"}}}]}"#;
        let input = read::<UpdateTableInput>(body).unwrap();
        assert_eq!(
            input.provisioned_throughput,
            Some(ProvisionedThroughput {
                read_capacity_units: 1,
                write_capacity_units: 2
            })
        );
        assert_eq!(
            input.on_demand_throughput,
            Some(OnDemandThroughput {
                max_read_request_units: Some(-1),
                max_write_request_units: None
            })
        );
        assert_eq!(input.deletion_protection_enabled, Some(false));
        assert_eq!(input.global_secondary_index_updates.unwrap().len(), 3);
    }

    #[test]
    fn what_breaks_the_shape_is_reported_together() {
        assert_eq!(
            validation::<UpdateTableInput>(
                r#"{"TableName": "abc", "BillingMode": "x", "TableClass": "y", "ProvisionedThroughput":
                    {"ReadCapacityUnits": 0}, "GlobalSecondaryIndexUpdates": [{"Delete": {}}]}"#
            ),
            "5 validation errors detected: Value 'x' at 'billingMode' failed to satisfy constraint: Member must satisfy \
             enum value set: [PROVISIONED, PAY_PER_REQUEST]; Value null at 'provisionedThroughput.writeCapacityUnits' \
             failed to satisfy constraint: Member must not be null; Value '0' at 'provisionedThroughput.readCapacityUnits' \
             failed to satisfy constraint: Member must have value greater than or equal to 1; Value null at \
             'globalSecondaryIndexUpdates.1.member.delete.indexName' failed to satisfy constraint: Member must not be \
             null; Value 'y' at 'tableClass' failed to satisfy constraint: Member must satisfy enum value set: \
             [STANDARD, STANDARD_INFREQUENT_ACCESS]"
        );
        assert_eq!(
            validation::<UpdateTableInput>(
                r#"{"TableName": "abc", "GlobalSecondaryIndexUpdates": [{}]}"#
            ),
            "One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate.Update, \
             GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"
        );
        assert!(
            validation::<UpdateTableInput>(r#"{"TableName": "abc", "ReplicaUpdates": [{}]}"#)
                .contains("ReplicaUpdates is not supported")
        );
    }
}
