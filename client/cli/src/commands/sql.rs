//! `sealdb sql`: statements in PartiQL.

use std::path::Path;

use sealdb_client::Client;
use sealdb_model::ops::{ExecuteStatementInput, ExecuteTransactionInput, ParameterizedStatement};
use sealdb_model::partiql::Statement;
use sealdb_model::{AttributeValue, Item};
use sealdb_proto::json;
use serde_json::Value;

use crate::args::{Global, SqlArgs};
use crate::commands::item::text_of;
use crate::connect;
use crate::error::CliError;
use crate::output::{Output, counted};

/// No statement that the server takes is longer: 8,192 characters.
const MAX_STATEMENT: u64 = 64 * 1024;

pub(crate) async fn run(args: SqlArgs, global: &Global, output: Output) -> Result<(), CliError> {
    let statements = args
        .statements
        .iter()
        .map(|statement| match statement.as_str() {
            "-" => text_of(Path::new("-"), MAX_STATEMENT),
            text => Ok(text.to_owned()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let parameters = args.parameters.as_deref().map(parameters).transpose()?;
    if parameters.is_some() && statements.len() > 1 {
        return Err(CliError::usage("--parameters go with one statement"));
    }
    let client = connect::client(global).await?;
    if args.transact {
        return transact(&client, &statements, output).await;
    }
    for statement in &statements {
        let input = ExecuteStatementInput::new(statement.trim());
        one(&client, input, parameters.clone(), args.limit, output).await?;
    }
    Ok(())
}

/// A list of values in DynamoDB's notation, or one value.
fn parameters(text: &str) -> Result<Vec<AttributeValue>, CliError> {
    let parsed = json::parse(text).and_then(|value| match value {
        Value::Array(values) => values.into_iter().map(json::value_from_json).collect(),
        other => Ok(vec![json::value_from_json(other)?]),
    });
    parsed.map_err(|error| CliError::usage(format!("--parameters: {error}")))
}

/// Carries out a statement, page after page.
async fn one(
    client: &Client,
    mut input: ExecuteStatementInput,
    parameters: Option<Vec<AttributeValue>>,
    limit: Option<u64>,
    output: Output,
) -> Result<(), CliError> {
    input.parameters = parameters;
    let limit = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let mut items = Vec::new();
    loop {
        let page = client.execute_statement(input.clone()).await?;
        items.extend(page.items);
        input.next_token = page.next_token;
        if input.next_token.is_none() || items.len() >= limit {
            break;
        }
    }
    items.truncate(limit);
    show(&input.statement, &items, output)
}

/// What a statement gave; one that writes gives something only if it asks for it.
fn show(statement: &str, items: &[Item], output: Output) -> Result<(), CliError> {
    let reads = Statement::parse(statement).is_ok_and(|statement| statement.is_select());
    if !reads && items.is_empty() && !output.json {
        return output.done("done");
    }
    output.items(items, &[])
}

async fn transact(client: &Client, statements: &[String], output: Output) -> Result<(), CliError> {
    let each = |statement: &String| ParameterizedStatement::new(statement.trim());
    let input = ExecuteTransactionInput::new(statements.iter().map(each).collect());
    let found = client.execute_transaction(input).await?.responses;
    let items: Vec<Item> = found.into_iter().flatten().collect();
    if items.is_empty() && !output.json {
        return output.done(&format!(
            "carried out {}",
            counted(statements.len(), "statement")
        ));
    }
    output.items(&items, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_in_dynamodbs_notation() {
        let values = parameters(r#"[{"S": "x"}, {"N": "1"}]"#).unwrap();
        assert_eq!(values, ["x".into(), 1.into()]);
        for wrong in ["", "{}", "[1]", r#"[{"Q": "x"}]"#] {
            assert_eq!(parameters(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
