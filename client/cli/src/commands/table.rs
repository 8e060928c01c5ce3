//! `sealdb table`: create, list, describe, delete.

use std::io::{IsTerminal, Write};

use sealdb_model::ops::{
    CreateTableInput, DeleteTableInput, DescribeTableInput, KeyType, ListTablesInput,
    SseSpecification, TableDescription,
};
use serde_json::json;

use crate::args::{Global, TableCommand};
use crate::connect;
use crate::error::CliError;
use crate::output::{Output, bytes};
use crate::schema::{Keys, key_definition};

pub(crate) async fn run(
    command: TableCommand,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    match command {
        TableCommand::Create {
            table,
            pk,
            sk,
            kms_key,
        } => {
            let (name, kind) = key_definition(&pk)?;
            let mut input = CreateTableInput::new(&table).partition_key(name, kind);
            if let Some(sk) = sk {
                let (name, kind) = key_definition(&sk)?;
                input = input.sort_key(name, kind);
            }
            if let Some(key) = kms_key {
                input = input.sse_specification(SseSpecification::kms(key));
            }
            let created = connect::client(global)
                .await?
                .create_table(input)
                .await?
                .table_description;
            if output.json {
                return output.value(&as_json(&created));
            }
            output.done(&format!(
                "created table {table}, sealed under a key of its own (wrapped by KMS key {})",
                key_id(&created)
            ))
        }
        TableCommand::List => {
            let client = connect::client(global).await?;
            let mut names = Vec::new();
            let mut pages = client.list_tables_pages(ListTablesInput::new());
            while let Some(page) = pages.next().await {
                names.extend(page?.table_names);
            }
            if output.json {
                return output.value(&json!({ "TableNames": names }));
            }
            if names.is_empty() {
                return output.remark("no tables");
            }
            names.iter().try_for_each(|name| crate::output::print(name))
        }
        TableCommand::Describe { table } => {
            let client = connect::client(global).await?;
            let described = client
                .describe_table(DescribeTableInput::new(&table))
                .await?
                .table;
            let keys = Keys::from_description(&described)?;
            let of = |(name, kind): &(String, sealdb_model::ScalarType)| {
                format!("{name} ({})", kind.name())
            };
            let mut fields = vec![
                ("Table", described.table_name.clone()),
                ("Status", described.table_status.name().to_owned()),
                ("Partition key", of(&keys.partition)),
            ];
            if let Some(sort) = &keys.sort {
                fields.push(("Sort key", of(sort)));
            }
            fields.extend([
                ("Items", described.item_count.to_string()),
                (
                    "Size",
                    format!(
                        "{} ({} bytes)",
                        bytes(described.table_size_bytes),
                        described.table_size_bytes
                    ),
                ),
                ("Encryption", encryption(&described)),
                ("Table id", described.table_id.clone()),
            ]);
            output.fields(&fields, &as_json(&described))
        }
        TableCommand::Delete { table, yes } => {
            if !yes && !confirmed(&table)? {
                return Err(CliError::usage("nothing was deleted"));
            }
            let client = connect::client(global).await?;
            let deleted = client
                .delete_table(DeleteTableInput::new(&table))
                .await?
                .table_description;
            if output.json {
                return output.value(&as_json(&deleted));
            }
            output.done(&format!("deleted table {table} and its key record"))
        }
    }
}

/// Deleting destroys the key: the name has to be typed. Without a terminal `--yes` is the only way.
#[allow(clippy::print_stderr)]
fn confirmed(table: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!(
            "deleting {table} destroys its items and its key: add --yes"
        )));
    }
    eprint!("This destroys all items of {table} and its key. Type the table's name to go on: ");
    std::io::stderr().flush().map_err(CliError::Output)?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(CliError::Output)?;
    Ok(answer.trim() == table)
}

fn key_id(table: &TableDescription) -> &str {
    table
        .sse_description
        .as_ref()
        .map_or("unknown", |sse| sse.kms_master_key_arn.as_str())
}

fn encryption(table: &TableDescription) -> String {
    match &table.sse_description {
        None => "unknown".to_owned(),
        Some(sse) => format!(
            "{}, {}, KMS key {}",
            sse.status.name(),
            sse.sse_type.name(),
            sse.kms_master_key_arn
        ),
    }
}

/// DynamoDB's shape of a TableDescription.
fn as_json(table: &TableDescription) -> serde_json::Value {
    let mut value = json!({
        "TableName": table.table_name,
        "TableId": table.table_id,
        "TableStatus": table.table_status.name(),
        "CreationDateTime": table.creation_date_time,
        "ItemCount": table.item_count,
        "TableSizeBytes": table.table_size_bytes,
        "AttributeDefinitions": table.attribute_definitions.iter().map(|definition| json!({
            "AttributeName": definition.attribute_name,
            "AttributeType": definition.attribute_type.name(),
        })).collect::<Vec<_>>(),
        "KeySchema": table.key_schema.iter().map(|key| json!({
            "AttributeName": key.attribute_name,
            "KeyType": match key.key_type { KeyType::Hash => "HASH", KeyType::Range => "RANGE" },
        })).collect::<Vec<_>>(),
        "BillingModeSummary": { "BillingMode": table.billing_mode_summary.billing_mode.name() },
    });
    if let (Some(sse), Some(object)) = (&table.sse_description, value.as_object_mut()) {
        object.insert(
            "SSEDescription".to_owned(),
            json!({ "Status": sse.status.name(), "SSEType": sse.sse_type.name(), "KMSMasterKeyArn": sse.kms_master_key_arn }),
        );
    }
    value
}
