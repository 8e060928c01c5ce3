//! CreateTable, DescribeTable, ListTables and DeleteTable.

use std::sync::Arc;

use sealdb_crypto::{Caller, KeyRef};
use sealdb_model::ValidationError;
use sealdb_model::ops::{
    BillingMode, BillingModeSummary, CreateTableInput, CreateTableOutput, DeleteTableInput,
    DeleteTableOutput, DescribeTableInput, DescribeTableOutput, ListTablesInput, ListTablesOutput,
    ProvisionedThroughput, SseDescription, TableDescription, TableStatus,
};

use super::Via;
use crate::catalog::record::Billing;
use crate::core::{Core, NewTable};
use crate::error::Error;
use crate::table::Table;

pub(crate) async fn create_table(
    core: &Core,
    via: Via,
    caller: Caller,
    input: CreateTableInput,
) -> Result<CreateTableOutput, Error> {
    let create = input.validate()?;
    if create.deletion_protection_enabled {
        // Kept to oneself, such a wish would be a table that its owner believes to be safe.
        let refusal = "DeletionProtectionEnabled: this version cannot protect a table from DeleteTable; leave it out";
        return Err(ValidationError::new(refusal).into());
    }
    let key = create.kms_key.map(|key| key.parse::<KeyRef>()).transpose();
    let units = create.provisioned_throughput;
    let new = NewTable {
        name: create.table,
        schema: create.schema,
        billing: Billing {
            on_demand: create.billing_mode == BillingMode::PayPerRequest,
            read_units: units.read_capacity_units.try_into().unwrap_or(0),
            write_units: units.write_capacity_units.try_into().unwrap_or(0),
        },
        key: key.map_err(|error| ValidationError::new(format!("KMSMasterKeyId: {error}")))?,
    };
    let table = match via {
        Via::Async => core.create_table(new, caller).await?,
        Via::Blocking => core.create_table_blocking(new, &caller)?,
    };
    Ok(CreateTableOutput::new(describe(
        &table,
        TableStatus::Active,
    )))
}

pub(crate) fn describe_table(
    core: &Core,
    input: DescribeTableInput,
) -> Result<DescribeTableOutput, Error> {
    let table = core.table(input.validate()?.table.as_str())?;
    Ok(DescribeTableOutput::new(describe(&table, status(&table))))
}

pub(crate) fn list_tables(core: &Core, input: ListTablesInput) -> Result<ListTablesOutput, Error> {
    let list = input.validate()?;
    let tables = core.tables()?;
    let mut names: Vec<_> = tables
        .keys()
        .filter(|name| list.after.as_ref().is_none_or(|after| *name > after))
        .collect();
    names.sort_unstable();
    let more = names.len() > list.limit;
    names.truncate(list.limit);
    let names: Vec<String> = names.into_iter().map(ToString::to_string).collect();
    let last = names.last().filter(|_| more).cloned();
    Ok(ListTablesOutput::new(names, last))
}

pub(crate) async fn delete_table(
    core: &Core,
    via: Via,
    input: DeleteTableInput,
) -> Result<DeleteTableOutput, Error> {
    let name = input.validate()?.table.into_string();
    let table = match via {
        Via::Async => core.delete_table(name).await?,
        Via::Blocking => core.delete_table_blocking(&name)?,
    };
    Ok(DeleteTableOutput::new(describe(
        &table,
        TableStatus::Deleting,
    )))
}

fn status(table: &Table) -> TableStatus {
    match table.closed_reason() {
        None => TableStatus::Active,
        Some(_) => TableStatus::InaccessibleEncryptionCredentials,
    }
}

/// What is true of a table now. Its counters are exact while it is open, and those of its closing afterwards.
fn describe(table: &Arc<Table>, status: TableStatus) -> TableDescription {
    let (schema, counters) = (table.table_schema(), table.counters());
    let billing = table.billing;
    let mut description = TableDescription::new(table.name.as_str(), table.id.to_string(), &schema);
    description.table_status = status;
    description.creation_date_time = table.created_ms;
    description.item_count = counters.item_count;
    description.table_size_bytes = counters.size_bytes;
    description.billing_mode_summary = BillingModeSummary::new(match billing.on_demand {
        true => BillingMode::PayPerRequest,
        false => BillingMode::Provisioned,
    });
    description.provisioned_throughput = ProvisionedThroughput {
        read_capacity_units: billing.read_units.try_into().unwrap_or(i64::MAX),
        write_capacity_units: billing.write_units.try_into().unwrap_or(i64::MAX),
    };
    for index in &mut description.local_secondary_indexes {
        let counters = table.index_counters(&index.index_name);
        (index.item_count, index.index_size_bytes) = (counters.item_count, counters.size_bytes);
    }
    for index in &mut description.global_secondary_indexes {
        let counters = table.index_counters(&index.index_name);
        (index.item_count, index.index_size_bytes) = (counters.item_count, counters.size_bytes);
    }
    description.sse_description = Some(SseDescription::new(
        table.record.lock().record.key.key_id.as_str(),
    ));
    description
}
