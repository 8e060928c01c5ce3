//! CreateTable, DescribeTable, ListTables and DeleteTable.

use std::sync::Arc;

use sealdb_crypto::{Caller, KeyRef};
use sealdb_model::ValidationError;
use sealdb_model::ops::{
    CreateTableInput, CreateTableOutput, DeleteTableInput, DeleteTableOutput, DescribeTableInput,
    DescribeTableOutput, IndexStatus, ListTablesInput, ListTablesOutput, NewKmsKey, SseDescription,
    SseStatus, StreamArn, StreamSpecification, TableDescription, TableStatus,
};

use super::Via;
use crate::audit::administer;
use crate::catalog::definition::Definition;
use crate::core::Core;
use crate::ddl::NewTable;
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;
use crate::trees::TreeDef;

pub(crate) async fn create_table(
    core: &Session,
    via: Via,
    caller: Caller,
    input: CreateTableInput,
) -> Result<CreateTableOutput, Error> {
    let by = caller.clone();
    administer(core, via, &by, input, |input| {
        create(core, via, caller, input)
    })
    .await
}

async fn create(
    core: &Session,
    via: Via,
    caller: Caller,
    input: CreateTableInput,
) -> Result<CreateTableOutput, Error> {
    let create = input.validate()?;
    let key = create.kms_key.map(kms_key).transpose()?;
    let new = NewTable {
        name: create.table,
        schema: create.schema,
        billing_mode: create.billing_mode,
        throughput: create.throughput,
        class: create.table_class,
        protected: create.deletion_protection_enabled,
        stream: create.stream,
        tags: create.tags,
        key,
    };
    let table = match via {
        Via::Async => core.create_table(new, caller).await?,
        Via::Blocking => core.create_table_blocking(new, &caller)?,
    };
    Ok(CreateTableOutput::new(describe(core, &table)))
}

/// A KMS key as a request asks for it.
pub(super) fn kms_key(key: NewKmsKey) -> Result<KeyRef, Error> {
    match key {
        NewKmsKey::Unchosen | NewKmsKey::Default => Ok(KeyRef::default_key()),
        NewKmsKey::Named(name) => name.parse().map_err(|error| {
            let told = format!("KMSMasterKeyId: {error}");
            ValidationError::new(told).into()
        }),
    }
}

pub(crate) fn describe_table(
    core: &Core,
    input: DescribeTableInput,
) -> Result<DescribeTableOutput, Error> {
    let table = core.any_table(input.validate()?.table.as_str())?;
    Ok(DescribeTableOutput::new(describe(core, &table)))
}

pub(crate) fn list_tables(core: &Core, input: ListTablesInput) -> Result<ListTablesOutput, Error> {
    let list = input.validate()?;
    let tables = core.tables()?;
    let mut names: Vec<_> = tables
        .keys()
        .filter(|name| list.after.as_ref().is_none_or(|after| *name > after))
        .collect();
    let more = names.len() > list.limit;
    names.truncate(list.limit);
    let names: Vec<String> = names.into_iter().map(ToString::to_string).collect();
    let last = names.last().filter(|_| more).cloned();
    Ok(ListTablesOutput::new(names, last))
}

pub(crate) async fn delete_table(
    core: &Session,
    via: Via,
    caller: Caller,
    input: DeleteTableInput,
) -> Result<DeleteTableOutput, Error> {
    administer(core, via, &caller, input, |input| delete(core, via, input)).await
}

async fn delete(
    core: &Session,
    via: Via,
    input: DeleteTableInput,
) -> Result<DeleteTableOutput, Error> {
    let name = input.validate()?.table;
    core.check_change(via, &name).await?;
    let name = name.into_string();
    let table = match via {
        Via::Async => core.delete_table(name).await?,
        Via::Blocking => core.delete_table_blocking(&name)?,
    };
    let mut description = describe(core, &table);
    description.set_status(TableStatus::Deleting);
    Ok(DeleteTableOutput::new(description))
}

fn status(table: &Table, definition: &Definition, now_ms: u64) -> TableStatus {
    let changing = |tree: &Arc<TreeDef>| tree.leaving && tree.role.index().is_some();
    if definition.deleting.is_some() {
        TableStatus::Deleting
    } else if !table.is_serving() {
        TableStatus::Creating
    } else if table.closed_reason().is_some() {
        TableStatus::InaccessibleEncryptionCredentials
    } else if definition.derived.iter().any(changing) || table.is_updating(now_ms) {
        TableStatus::Updating
    } else {
        TableStatus::Active
    }
}

/// What is true of a table now. Its counters are exact while it is open, and those of its closing afterwards.
pub(super) fn describe(core: &Core, table: &Table) -> TableDescription {
    let (definition, schema, counters) =
        (table.definition(), table.table_schema(), table.counters());
    let mut description = TableDescription::new(table.name.as_str(), table.id.to_string(), &schema);
    description.creation_date_time = table.created_ms;
    description.item_count = counters.item_count;
    description.table_size_bytes = counters.size_bytes;
    let billing = &definition.billing;
    description.set_throughput(billing.summary(), &billing.throughput, &schema);
    description.table_class = definition.class;
    description.deletion_protection_enabled = definition.protected;
    let mut streams = definition
        .derived
        .iter()
        .filter_map(|tree| tree.role.stream());
    // They stand in the order in which they were made.
    if let Some(stream) = streams.next_back() {
        let arn = StreamArn {
            table: table.name.clone(),
            label: stream.label(),
        };
        description.latest_stream_arn = Some(arn.to_string());
        description.latest_stream_label = Some(arn.label);
        let enabled = stream.disabled_ms.is_none();
        description.stream_specification =
            enabled.then(|| StreamSpecification::enabled(stream.view));
    }
    for index in &mut description.local_secondary_indexes {
        let (counters, _) = table.index_state(&index.index_name);
        (index.item_count, index.index_size_bytes) = (counters.item_count, counters.size_bytes);
    }
    for index in &mut description.global_secondary_indexes {
        let (counters, filled) = table.index_state(&index.index_name);
        (index.item_count, index.index_size_bytes) = (counters.item_count, counters.size_bytes);
        let mut trees = definition.derived.iter();
        let tree = trees.find(|tree| tree.role.is_index(&index.index_name));
        if tree.is_some_and(|tree| tree.leaving) {
            index.index_status = IndexStatus::Deleting;
        } else if !filled {
            index.index_status = IndexStatus::Creating;
            index.backfilling = Some(true);
        }
    }
    description.set_status(status(table, &definition, core.shared().clock.wall_ms()));
    description.sse_description = Some(encryption(core, table));
    description
}

/// How a table's key is wrapped. It is being updated while anything is left of what was before.
fn encryption(core: &Core, table: &Table) -> SseDescription {
    let keys = &table.record.lock().record.keys;
    let mut told = SseDescription::new(keys.active.key_id.as_str());
    told.by_default = keys.name.is_empty();
    let scrubbed = core.shared().checkpoints.scrubbed();
    if keys.rekey.is_some() || table.keys_changed() > scrubbed {
        told.status = SseStatus::Updating;
    }
    told.inaccessible_encryption_date_time = table.closed_since();
    told
}
