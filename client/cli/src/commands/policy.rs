//! `sealdb key grant`, and what `sealdb key describe` tells of a key's policy.

use sealdb_crypto::{Grant, KeyOperation, KeyPolicy};
use serde_json::{Value, json};

use super::key::open;
use crate::args::GrantCommand;
use crate::error::CliError;
use crate::output::Output;

pub(super) fn grant(command: GrantCommand, output: Output) -> Result<(), CliError> {
    match command {
        GrantCommand::Create {
            account,
            grantee,
            operations,
            tables,
            key,
        } => {
            let grantee = (account.as_str(), grantee.as_str());
            let keyring = open(&key.keyring)?;
            let id = keyring.create_grant(&key.key, grantee, operations, tables)?;
            let value = json!({ "GrantId": id.to_string() });
            output.fields(&[("Grant", id.to_string())], &value)
        }
        GrantCommand::Revoke { grant, key } => {
            open(&key.keyring)?.revoke_grant(&key.key, grant)?;
            output.done(&format!(
                "grant {grant} is taken back; who uses a table by it loses access within the key's max age, 5 minutes by default"
            ))
        }
    }
}

/// Who may do what with a key.
pub(super) fn fields(policy: &KeyPolicy) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Account", policy.account.clone()),
        ("Administrators", or_all(&policy.administrators)),
        ("Users", or_all(&policy.users)),
        ("For tables", or_all(&policy.tables)),
    ];
    fields.extend(policy.grants.iter().map(|grant| {
        let Grant {
            id,
            account,
            grantee,
            tables,
            ..
        } = grant;
        let operations = operations(grant).join(", ");
        let tables = or_all(tables);
        let told = format!("{id}: {grantee} of {account}: {operations}; for tables: {tables}");
        ("Grant", told)
    }));
    fields
}

pub(super) fn as_json(policy: &KeyPolicy) -> Value {
    let grants = policy.grants.iter().map(|grant| {
        json!({
            "GrantId": grant.id.to_string(),
            "Account": grant.account,
            "GranteePrincipal": grant.grantee,
            "Operations": operations(grant),
            "Tables": grant.tables,
        })
    });
    json!({
        "Account": policy.account,
        "Administrators": policy.administrators,
        "Users": policy.users,
        "Tables": policy.tables,
        "Grants": grants.collect::<Vec<_>>(),
    })
}

fn operations(grant: &Grant) -> Vec<&'static str> {
    let names = grant.operations.iter().copied().map(KeyOperation::name);
    names.collect()
}

fn or_all(names: &[String]) -> String {
    match names {
        [] => "all".to_owned(),
        names => names.join(", "),
    }
}
