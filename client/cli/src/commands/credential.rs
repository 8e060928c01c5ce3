//! `sealdb credential`: the access keys of a server. Works on its sealed store; a running server takes changes over within a second.

use std::sync::Arc;

use sealdb_server::Config;
use sealdb_server::credentials::{Credential, Store};
use serde_json::{Value, json};

use crate::args::{CredentialArgs, CredentialCommand};
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn run(command: CredentialCommand, output: Output) -> Result<(), CliError> {
    match command {
        CredentialCommand::Create {
            description,
            user,
            account,
            server,
        } => {
            let made = store(&server)?.create_for(&description, user, account)?;
            let secret = made.secret.as_str();
            let value = json!({ "AccessKeyId": made.access_key_id, "SecretAccessKey": secret });
            let fields = [
                ("Access key id", made.access_key_id.clone()),
                ("Secret access key", secret.to_owned()),
            ];
            output.fields(&fields, &value)?;
            output.remark("The secret is not shown again.")
        }
        CredentialCommand::List { server } => {
            let all = store(&server)?.list()?;
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|credential| {
                    vec![
                        credential.access_key_id.clone(),
                        credential.name().to_owned(),
                        credential.account().to_owned(),
                        created(credential),
                        credential.description.clone(),
                    ]
                })
                .collect();
            let value = json!({ "AccessKeys": all.iter().map(as_json).collect::<Vec<_>>() });
            let headings = ["access key id", "user", "account", "created", "description"];
            output.rows(&headings, &rows, &value)
        }
        CredentialCommand::Revoke {
            access_key_id,
            server,
        } => {
            store(&server)?.revoke(&access_key_id)?;
            output.done(&format!(
                "revoked {access_key_id}; a running server refuses it within a second"
            ))
        }
    }
}

fn store(args: &CredentialArgs) -> Result<Store, CliError> {
    let keyring = args.database.place()?.open()?;
    let run_dir = args
        .run_dir
        .clone()
        .unwrap_or_else(|| Config::new(&args.database.data_dir).run_dir);
    if !run_dir.is_dir() {
        return Err(CliError::usage(format!(
            "{} is no server's run directory: start the server once, or name it with --run-dir",
            run_dir.display()
        )));
    }
    Ok(Store::new(&run_dir, Arc::new(keyring)))
}

fn created(credential: &Credential) -> String {
    sealdb_crypto::audit::rfc3339(credential.created_ms)
}

fn as_json(credential: &Credential) -> Value {
    json!({
        "AccessKeyId": credential.access_key_id,
        "UserName": credential.name(),
        "Account": credential.account(),
        "CreateDate": created(credential),
        "Description": credential.description,
    })
}
