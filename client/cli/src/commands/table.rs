//! `sealdb table`: create, list, describe, delete; what alters a table stands in `alter`.

use std::io::{IsTerminal, Write};

use sealdb_client::Client;
use sealdb_model::ScalarType;
use sealdb_model::ops::{
    BillingMode, CreateTableInput, DeleteTableInput, DescribeTableInput, DescribeTableOutput,
    GlobalSecondaryIndex, KeySchemaElement, ListTablesInput, LocalSecondaryIndex, Projection,
    ProjectionType, SseSpecification, StreamSpecification, TableClass, TableDescription,
};
use sealdb_proto::json_api;
use serde_json::json;

use crate::args::{Global, IndexArgs, TableCommand};
use crate::commands::alter::{self, parse_tags};
use crate::connect;
use crate::error::CliError;
use crate::output::{Output, bytes, counted};
use crate::schema::{IndexDefinition, Keys, index_definition, key_definition};

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
            indexes,
            class,
            protect,
            tag,
            stream,
        } => {
            let mut input = keyed(&table, &pk, sk.as_deref(), &indexes)?;
            input.sse_specification = kms_key.map(SseSpecification::kms);
            input.table_class = class.map(Into::into);
            input.deletion_protection_enabled = protect;
            input.tags = parse_tags(&tag)?;
            input.stream_specification =
                stream.map(|view| StreamSpecification::enabled(view.into()));
            create(&connect::client(global).await?, input, output).await
        }
        TableCommand::List => list(&connect::client(global).await?, output).await,
        TableCommand::Describe { table } => {
            describe(&connect::client(global).await?, &table, output).await
        }
        TableCommand::Update { table, settings } => {
            let client = connect::client(global).await?;
            alter::update(&client, &table, settings, output).await
        }
        TableCommand::Ttl {
            table,
            enable,
            disable,
        } => {
            let client = connect::client(global).await?;
            alter::time_to_live(&client, &table, (enable, disable), output).await
        }
        TableCommand::Tags(args) => {
            alter::tags(&connect::client(global).await?, args, output).await
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

/// A new table with its key and its indexes.
fn keyed(
    table: &str,
    pk: &str,
    sk: Option<&str>,
    indexes: &IndexArgs,
) -> Result<CreateTableInput, CliError> {
    let (partition, kind) = key_definition(pk)?;
    let mut input = CreateTableInput::new(table).partition_key(&partition, kind);
    if let Some(sk) = sk {
        let (name, kind) = key_definition(sk)?;
        input = input.sort_key(name, kind);
    }
    for index in &indexes.gsi {
        input = with_global_index(input, index_definition(index)?);
    }
    for index in &indexes.lsi {
        input = with_local_index(input, &partition, index_definition(index)?)?;
    }
    Ok(input)
}

async fn create(client: &Client, input: CreateTableInput, output: Output) -> Result<(), CliError> {
    let table = input.table_name.clone();
    let created = client.create_table(input).await?.table_description;
    if output.json {
        return output.value(&as_json(&created));
    }
    output.done(&format!(
        "created table {table}, sealed under a key of its own (wrapped by KMS key {})",
        key_id(&created)
    ))
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
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

async fn describe(client: &Client, table: &str, output: Output) -> Result<(), CliError> {
    let described = client
        .describe_table(DescribeTableInput::new(table))
        .await?
        .table;
    let keys = Keys::from_description(&described)?;
    let of = |(name, kind): &(String, ScalarType)| format!("{name} ({})", kind.name());
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
        ("Billing", billing(&described)),
        ("Table id", described.table_id.clone()),
    ]);
    if described.deletion_protection_enabled {
        fields.push(("Protected", "from deletion".to_owned()));
    }
    fields.extend(indexes(&described));
    fields.extend(stream(&described).map(|text| ("Stream", text)));
    output.fields(&fields, &as_json(&described))
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

fn billing(table: &TableDescription) -> String {
    let class = table.table_class.unwrap_or(TableClass::Standard);
    let units = table.provisioned_throughput;
    match table.billing_mode_summary.billing_mode {
        BillingMode::PayPerRequest => format!("by request, {class}"),
        BillingMode::Provisioned => format!(
            "{} read and {} write units, {class}",
            units.read_capacity_units, units.write_capacity_units
        ),
    }
}

/// Adds the type of a key attribute that no other key has named yet.
fn with_attribute(input: CreateTableInput, name: &str, kind: ScalarType) -> CreateTableInput {
    let mut definitions = input.attribute_definitions.iter();
    match definitions.any(|definition| definition.attribute_name == name) {
        true => input,
        false => input.attribute(name, kind),
    }
}

fn with_global_index(mut input: CreateTableInput, index: IndexDefinition) -> CreateTableInput {
    for (name, kind) in &index.keys {
        input = with_attribute(input, name, *kind);
    }
    input.global_index(global_index(index))
}

/// A global index as it is typed.
pub(super) fn global_index(index: IndexDefinition) -> GlobalSecondaryIndex {
    let names: Vec<&str> = index.keys.iter().map(|(name, _)| name.as_str()).collect();
    let (partition, sort) = names.split_at(1);
    GlobalSecondaryIndex::new(index.name, partition, sort).projection(index.projection)
}

fn with_local_index(
    input: CreateTableInput,
    partition: &str,
    index: IndexDefinition,
) -> Result<CreateTableInput, CliError> {
    let [(sort, kind)] = index.keys.as_slice() else {
        return Err(CliError::usage(format!(
            "the local index {} has one key of its own, its sort key",
            index.name
        )));
    };
    let local = LocalSecondaryIndex::new(index.name, partition, sort).projection(index.projection);
    Ok(with_attribute(input, sort, *kind).local_index(local))
}

/// A line for each index.
fn indexes(table: &TableDescription) -> Vec<(&'static str, String)> {
    let line = |name: &str, key: &[KeySchemaElement], held: &Projection, items: u64| {
        let key: Vec<&str> = key.iter().map(|key| key.attribute_name.as_str()).collect();
        let held = held.projection_type.map_or("", ProjectionType::name);
        format!(
            "{name}: {} ({held}), {}",
            key.join(", "),
            counted_items(items)
        )
    };
    let local = table.local_secondary_indexes.iter().map(|index| {
        let held = &index.projection;
        let text = line(&index.index_name, &index.key_schema, held, index.item_count);
        ("Local index", text)
    });
    let global = table.global_secondary_indexes.iter().map(|index| {
        let held = &index.projection;
        let text = line(&index.index_name, &index.key_schema, held, index.item_count);
        ("Global index", format!("{text}, {}", index.index_status))
    });
    local.chain(global).collect()
}

/// The table's latest stream.
fn stream(table: &TableDescription) -> Option<String> {
    let arn = table.latest_stream_arn.as_ref()?;
    let view = table
        .stream_specification
        .and_then(|stream| stream.stream_view_type);
    Some(match view {
        Some(view) => format!("{view}, {arn}"),
        None => format!("disabled, {arn}"),
    })
}

fn counted_items(items: u64) -> String {
    counted(usize::try_from(items).unwrap_or(usize::MAX), "item")
}

/// DynamoDB's JSON of a TableDescription, with the encryption told also where DynamoDB would keep silent: whoever
/// asks here wants to know the key, chosen or not.
pub(super) fn as_json(table: &TableDescription) -> serde_json::Value {
    let mut table = table.clone();
    if let Some(sse) = &mut table.sse_description {
        sse.by_default = false;
    }
    let described = DescribeTableOutput::new(table);
    serde_json::from_slice::<serde_json::Value>(&json_api::render(&described))
        .map(|mut value| value["Table"].take())
        .expect("what is rendered as JSON is JSON")
}
