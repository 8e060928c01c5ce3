//! `sealdb table update`, `ttl` and `tags`.

use sealdb_client::Client;
use sealdb_model::ops::{
    AttributeDefinition, BillingMode, DescribeTableInput, DescribeTimeToLiveInput,
    GlobalSecondaryIndexUpdate, ListTagsOfResourceInput, ProvisionedThroughput, SseSpecification,
    TableClass, Tag, TagResourceInput, UntagResourceInput, UpdateGlobalSecondaryIndex,
    UpdateTableInput, UpdateTimeToLiveInput,
};
use serde_json::{Value, json};

use crate::args::{Class, SettingArgs, TagArgs};
use crate::commands::table::{as_json, global_index};
use crate::error::CliError;
use crate::output::Output;
use crate::schema::index_definition;

impl From<Class> for TableClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Standard => TableClass::Standard,
            Class::InfrequentAccess => TableClass::StandardInfrequentAccess,
        }
    }
}

pub(super) async fn update(
    client: &Client,
    table: &str,
    settings: SettingArgs,
    output: Output,
) -> Result<(), CliError> {
    let mut input = UpdateTableInput::new(table);
    if let Some(index) = &settings.add_gsi {
        let index = index_definition(index)?;
        let definition = |(name, kind): &(String, _)| AttributeDefinition::new(name, *kind);
        input.attribute_definitions = Some(index.keys.iter().map(definition).collect());
        let index = global_index(index);
        input = input.index_update(GlobalSecondaryIndexUpdate::Create(index));
    }
    if let Some(index_name) = settings.drop_gsi {
        input = input.index_update(GlobalSecondaryIndexUpdate::Delete { index_name });
    }
    if settings.on_demand {
        input.billing_mode = Some(BillingMode::PayPerRequest);
    }
    if let Some(units) = &settings.provisioned {
        input = provisioned(client, input, units_of(units)?).await?;
    }
    input.stream_specification = settings.stream.map(Into::into);
    input.table_class = settings.class.map(Into::into);
    input.deletion_protection_enabled = match (settings.protect, settings.unprotect) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    input.sse_specification = settings.kms_key.map(|key| match key.as_str() {
        "default" => SseSpecification::new().enabled(true),
        key => SseSpecification::kms(key),
    });
    let updated = client.update_table(input).await?.table_description;
    if output.json {
        return output.value(&as_json(&updated));
    }
    output.done(&match settings.add_gsi {
        Some(_) => format!("updated table {table}; its new index is being filled"),
        None => format!("updated table {table}"),
    })
}

/// The same units for the table and for each of its global indexes, which the service wants to be told of as well.
async fn provisioned(
    client: &Client,
    mut input: UpdateTableInput,
    units: ProvisionedThroughput,
) -> Result<UpdateTableInput, CliError> {
    let described = DescribeTableInput::new(&input.table_name);
    let described = client.describe_table(described).await?.table;
    input.billing_mode = Some(BillingMode::Provisioned);
    input.provisioned_throughput = Some(units);
    for index in described.global_secondary_indexes {
        let update = UpdateGlobalSecondaryIndex::new(index.index_name);
        let update = update.provisioned_throughput(units);
        input = input.index_update(GlobalSecondaryIndexUpdate::Update(update));
    }
    Ok(input)
}

fn units_of(text: &str) -> Result<ProvisionedThroughput, CliError> {
    let units = text.split_once(',').and_then(|(read, write)| {
        Some(ProvisionedThroughput {
            read_capacity_units: read.trim().parse().ok()?,
            write_capacity_units: write.trim().parse().ok()?,
        })
    });
    units.ok_or_else(|| CliError::usage(format!("{text:?} is not READ,WRITE (for example 5,5)")))
}

pub(super) async fn time_to_live(
    client: &Client,
    table: &str,
    (enable, disable): (Option<String>, bool),
    output: Output,
) -> Result<(), CliError> {
    let described = client
        .describe_time_to_live(DescribeTimeToLiveInput::new(table))
        .await?;
    let change = match (enable, described.attribute_name) {
        (Some(attribute), _) => UpdateTimeToLiveInput::new(table, attribute, true),
        (None, Some(attribute)) if disable => UpdateTimeToLiveInput::new(table, attribute, false),
        (None, None) if disable => return output.remark("items do not expire"),
        (None, attribute) => {
            let status = described.time_to_live_status.name();
            let mut fields = vec![("Time to live", status.to_owned())];
            let mut value = json!({"TimeToLiveStatus": status});
            if let Some(attribute) = attribute {
                value["AttributeName"] = json!(attribute);
                fields.push(("Attribute", attribute));
            }
            let value = json!({"TimeToLiveDescription": value});
            return output.fields(&fields, &value);
        }
    };
    let made = client.update_time_to_live(change).await?;
    let wish = made.time_to_live_specification;
    if output.json {
        let value = json!({"Enabled": wish.enabled, "AttributeName": wish.attribute_name});
        return output.value(&json!({"TimeToLiveSpecification": value}));
    }
    output.done(&match wish.enabled {
        true => format!(
            "items of {table} expire at the time in {}",
            wish.attribute_name
        ),
        false => format!("items of {table} expire no more"),
    })
}

pub(super) async fn tags(client: &Client, args: TagArgs, output: Output) -> Result<(), CliError> {
    let TagArgs { table, set, remove } = args;
    if !set.is_empty() {
        let input = TagResourceInput::new(&table, parse_tags(&set)?);
        client.tag_resource(input).await?;
    }
    if !remove.is_empty() {
        let input = UntagResourceInput::new(&table, remove);
        client.untag_resource(input).await?;
    }
    let tags = client
        .list_tags_of_resource(ListTagsOfResourceInput::new(&table))
        .await?
        .tags;
    let value: Vec<Value> = tags
        .iter()
        .map(|tag| json!({"Key": tag.key, "Value": tag.value}))
        .collect();
    if tags.is_empty() && !output.json {
        return output.remark("no tags");
    }
    let rows: Vec<Vec<String>> = tags
        .into_iter()
        .map(|tag| vec![tag.key, tag.value])
        .collect();
    output.rows(&["key", "value"], &rows, &json!({"Tags": value}))
}

/// `KEY=VALUE` each.
pub(super) fn parse_tags(texts: &[String]) -> Result<Vec<Tag>, CliError> {
    let tag = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok(Tag::new(key, value)),
        None => Err(CliError::usage(format!(
            "{text:?} is not KEY=VALUE (for example owner=me)"
        ))),
    };
    texts.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_tags_are_typed_in_pairs() {
        let units = units_of("5, 6").unwrap();
        assert_eq!(
            (units.read_capacity_units, units.write_capacity_units),
            (5, 6)
        );
        for wrong in ["", "5", "5,", "a,b", "5,6,7"] {
            assert_eq!(units_of(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
        let tags = parse_tags(&["a=b=c".to_owned(), "d=".to_owned()]).unwrap();
        assert_eq!(tags, [Tag::new("a", "b=c"), Tag::new("d", "")]);
        assert!(parse_tags(&["a".to_owned()]).is_err());
    }
}
