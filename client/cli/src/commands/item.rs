//! `sealdb item`: put, get, update, delete.

use std::io::Read;

use sealdb_model::Item;
use sealdb_model::ops::{
    DeleteItemInput, GetItemInput, PutItemInput, ReturnValue, UpdateItemInput,
};
use sealdb_proto::json;

use crate::args::{ChangeArgs, ConditionArgs, Global, ItemCommand, Returned};
use crate::connect;
use crate::error::CliError;
use crate::expressions::names;
use crate::output::Output;
use crate::schema::Keys;

/// No item is larger as text: 400 KB, every byte escaped.
const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// Sets what [`ConditionArgs`] say in the input of a write.
macro_rules! conditional {
    ($input:ident, $condition:ident) => {
        let ConditionArgs {
            condition,
            placeholders,
        } = $condition;
        $input.expression_attribute_names = placeholders.names()?;
        $input.expression_attribute_values = placeholders.values()?;
        $input.condition_expression = condition;
    };
}

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
            condition,
        } => {
            let item = parse(&argument(item)?, typed)?;
            let mut input = PutItemInput::new(&table, item).return_values(returned(return_old));
            conditional!(input, condition);
            let client = connect::client(global).await?;
            let old = client.put_item(input).await?.attributes;
            answer(old, return_old, &format!("put 1 item into {table}"), output)
        }
        ItemCommand::Get { key, projection } => {
            let client = connect::client(global).await?;
            let keys = Keys::of(&client, &key.table).await?;
            let mut input = GetItemInput::new(&key.table, keys.key(&key.pk, key.sk.as_deref())?);
            input.expression_attribute_names = names(projection.names.as_deref())?;
            input.projection_expression = projection.projection;
            let item = client.get_item(input).await?.item.ok_or(CliError::NoItem)?;
            output.item(&item, &shown(&item, &keys))
        }
        ItemCommand::Update {
            key,
            change,
            condition,
            returned,
        } => {
            let client = connect::client(global).await?;
            let keys = Keys::of(&client, &key.table).await?;
            let mut input = UpdateItemInput::new(&key.table, keys.key(&key.pk, key.sk.as_deref())?)
                .update_expression(change.expression());
            if let Some(which) = returned {
                input.return_values = which.into();
            }
            conditional!(input, condition);
            let attributes = client.update_item(input).await?.attributes;
            match attributes {
                Some(item) => output.item(&item, &shown(&item, &keys)),
                None if returned.is_some() => output.remark("there are no such attributes"),
                None => output.done(&format!("updated 1 item of {}", key.table)),
            }
        }
        ItemCommand::Delete {
            key,
            return_old,
            condition,
        } => {
            let client = connect::client(global).await?;
            let keys = Keys::of(&client, &key.table).await?;
            let mut input = DeleteItemInput::new(&key.table, keys.key(&key.pk, key.sk.as_deref())?)
                .return_values(returned(return_old));
            conditional!(input, condition);
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

impl ChangeArgs {
    /// The clauses together.
    fn expression(&self) -> String {
        let clauses = [
            ("SET", &self.set),
            ("REMOVE", &self.remove),
            ("ADD", &self.add),
            ("DELETE", &self.delete),
        ];
        let given = clauses.iter().filter(|(_, actions)| !actions.is_empty());
        let texts: Vec<String> = given
            .map(|(clause, actions)| format!("{clause} {}", actions.join(", ")))
            .collect();
        texts.join(" ")
    }
}

impl From<Returned> for ReturnValue {
    fn from(which: Returned) -> Self {
        match which {
            Returned::Old => ReturnValue::AllOld,
            Returned::New => ReturnValue::AllNew,
            Returned::UpdatedOld => ReturnValue::UpdatedOld,
            Returned::UpdatedNew => ReturnValue::UpdatedNew,
        }
    }
}

/// The key attributes that an item shows, to stand first.
fn shown(item: &Item, keys: &Keys) -> Vec<String> {
    let names = keys.names().into_iter();
    names.filter(|name| item.get(name).is_some()).collect()
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
fn argument(argument: String) -> Result<String, CliError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_become_an_expression() {
        let change = ChangeArgs {
            set: vec!["a = :a".into(), "b = b + :b".into()],
            remove: vec!["c".into()],
            add: vec![],
            delete: vec!["s :s".into()],
        };
        assert_eq!(
            change.expression(),
            "SET a = :a, b = b + :b REMOVE c DELETE s :s"
        );
    }
}
