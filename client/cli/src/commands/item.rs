//! `sealdb item`: put, get, delete.

use std::io::Read;

use sealdb_model::Item;
use sealdb_model::ops::{DeleteItemInput, GetItemInput, PutItemInput, ReturnValue};
use sealdb_proto::json;

use crate::args::{Global, ItemCommand};
use crate::connect;
use crate::error::CliError;
use crate::output::Output;
use crate::schema::Keys;

/// No item is larger as text: 400 KB, every byte escaped.
const MAX_INPUT: u64 = 4 * 1024 * 1024;

pub(crate) async fn run(
    command: ItemCommand,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    match command {
        ItemCommand::Put {
            table,
            item,
            typed,
            return_old,
        } => {
            let item = parse(&read(item)?, typed)?;
            let client = connect::client(global).await?;
            let old = client
                .put_item(PutItemInput::new(&table, item).return_values(returned(return_old)))
                .await?
                .attributes;
            answer(old, return_old, &format!("put 1 item into {table}"), output)
        }
        ItemCommand::Get(key) => {
            let client = connect::client(global).await?;
            let keys = Keys::of(&client, &key.table).await?;
            let input = GetItemInput::new(&key.table, keys.key(&key.pk, key.sk.as_deref())?);
            let item = client.get_item(input).await?.item.ok_or(CliError::NoItem)?;
            output.item(&item, &keys.names())
        }
        ItemCommand::Delete { key, return_old } => {
            let client = connect::client(global).await?;
            let keys = Keys::of(&client, &key.table).await?;
            let input = DeleteItemInput::new(&key.table, keys.key(&key.pk, key.sk.as_deref())?)
                .return_values(returned(return_old));
            let old = client.delete_item(input).await?.attributes;
            answer(
                old,
                return_old,
                &format!("deleted the item, if there was one, from {}", key.table),
                output,
            )
        }
    }
}

fn returned(old: bool) -> ReturnValue {
    if old {
        ReturnValue::AllOld
    } else {
        ReturnValue::None
    }
}

fn answer(old: Option<Item>, return_old: bool, done: &str, output: Output) -> Result<(), CliError> {
    match old {
        Some(old) => output.item(&old, &[]),
        None if return_old => output.remark("there was no item with this key"),
        None => output.done(done),
    }
}

/// The argument itself, or stdin for `-`.
fn read(argument: String) -> Result<String, CliError> {
    if argument != "-" {
        return Ok(argument);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|source| CliError::usage(format!("cannot read an item from stdin: {source}")))?;
    Ok(text)
}

fn parse(text: &str, typed: bool) -> Result<Item, CliError> {
    let parsed = json::parse(text).and_then(|value| {
        if typed {
            json::item_from_json(value)
        } else {
            json::item_from_plain(value)
        }
    });
    parsed.map_err(|error| CliError::usage(format!("the item is not usable: {error}")))
}
