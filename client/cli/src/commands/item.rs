//! `sealdb item`: put, get, batch-get, update, delete, transact.

use std::io::Read;
use std::path::Path;

use sealdb_model::ops::{
    BatchGetItemInput, DeleteItemInput, GetItemInput, KeysAndAttributes, PutItemInput, ReturnValue,
    TransactWriteItemsInput, UpdateItemInput,
};
use sealdb_model::{Item, Map};
use sealdb_proto::{json, json_api};

use crate::args::{ChangeArgs, ConditionArgs, Global, ItemCommand, ProjectionArgs, Returned};
use crate::connect;
use crate::error::CliError;
use crate::expressions::names;
use crate::output::{Output, counted};
use crate::schema::Keys;

/// No item is larger as text: 400 KB, every byte escaped.
const MAX_INPUT: u64 = 4 * 1024 * 1024;
/// No transaction or list of keys is, as long as it is of use.
const MAX_INPUT_FILE: u64 = 48 * 1024 * 1024;

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
        ItemCommand::BatchGet {
            table,
            file,
            typed,
            projection,
        } => batch_get(&table, &file, typed, projection, global, output).await,
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
        ItemCommand::Transact { file } => {
            let input = transaction(&text_of(&file, MAX_INPUT_FILE)?)?;
            let count = input.transact_items.len();
            let client = connect::client(global).await?;
            client.transact_write_items(input).await?;
            output.done(&format!("carried out {}", counted(count, "action")))
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

async fn batch_get(
    table: &str,
    file: &Path,
    typed: bool,
    projection: ProjectionArgs,
    global: &Global,
    output: Output,
) -> Result<(), CliError> {
    let text = text_of(file, MAX_INPUT_FILE)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys: Vec<Map> = lines
        .map(|line| parse(line, typed))
        .collect::<Result<_, _>>()?;
    let mut wanted = KeysAndAttributes::new(Vec::new());
    wanted.expression_attribute_names = names(projection.names.as_deref())?;
    wanted.projection_expression = projection.projection;
    let client = connect::client(global).await?;
    let schema = Keys::of(&client, table).await?;
    let mut items = Vec::new();
    for keys in keys.chunks(MAX_KEYS) {
        let mut wanted = wanted.clone();
        wanted.keys = keys.to_vec();
        let input = BatchGetItemInput::new().keys(table, wanted);
        items.extend(client.batch_get_all(input).await?.into_values().flatten());
    }
    output.items(&items, &schema.names())
}

/// Most keys of one BatchGetItem.
const MAX_KEYS: usize = 100;

/// The input of TransactWriteItems in DynamoDB's notation, or its actions alone, as the AWS CLI takes them.
fn transaction(text: &str) -> Result<TransactWriteItemsInput, CliError> {
    let wrapped;
    let body = match text.trim_start().starts_with('[') {
        true => {
            wrapped = format!("{{\"TransactItems\": {text}}}");
            &wrapped
        }
        false => text,
    };
    let refused = |error: json_api::Refused| {
        CliError::usage(match error {
            json_api::Refused::Serialization(None) => "the transaction is no JSON".to_owned(),
            json_api::Refused::Serialization(Some(message)) => message,
            json_api::Refused::Validation(error) => error.to_string(),
        })
    };
    let fields = json_api::parse::<TransactWriteItemsInput>(body.as_bytes()).map_err(refused)?;
    json_api::input(fields).map_err(|error| refused(error.into()))
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
    text_of(Path::new("-"), MAX_INPUT)
}

/// The text of a file, or of stdin for `-`, up to so many bytes.
pub(super) fn text_of(file: &Path, most: u64) -> Result<String, CliError> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(most).read_to_string(&mut text))
    }
    .map_err(|source| CliError::file(file, source))?;
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

    #[test]
    fn a_transaction_may_be_its_actions_alone() {
        let actions = r#"[{"Delete": {"TableName": "airports", "Key": {"id": {"S": "x"}}}}]"#;
        let alone = transaction(actions).unwrap();
        let whole = transaction(&format!("{{\"TransactItems\": {actions}}}")).unwrap();
        assert_eq!(alone.transact_items.len(), 1);
        assert_eq!(alone, whole);
        for wrong in ["", "[{}]", "[]", "{", r#"[{"Delete": {"Key": 1}}]"#] {
            assert_eq!(transaction(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
