//! `sealdb key`: the keys of a local keyring. Works on the keyring's file; a running server notices changes.

use std::sync::Arc;

use sealdb_crypto::{KeyDescription, KeyRef, Keyring, SystemClock};
use serde_json::{Value, json};

use crate::args::KeyCommand;
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn run(command: KeyCommand, output: Output) -> Result<(), CliError> {
    match command {
        KeyCommand::List(keyring) => {
            let keys = keyring.place(None)?.open()?.list()?;
            let rows: Vec<Vec<String>> = keys
                .iter()
                .map(|key| {
                    vec![
                        key.alias
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                        key.id.to_string(),
                        key.state.to_string(),
                        key.usage.to_string(),
                        key.description.clone(),
                    ]
                })
                .collect();
            let value = json!({ "Keys": keys.iter().map(as_json).collect::<Vec<_>>() });
            output.rows(
                &["alias", "id", "state", "usage", "description"],
                &rows,
                &value,
            )
        }
        KeyCommand::Describe { key, keyring } => {
            let opened = keyring.place(None)?.open()?;
            let reference: KeyRef = key
                .parse()
                .map_err(|error| CliError::usage(format!("{error}")))?;
            let key = opened.describe(&reference)?;
            let fields = [
                ("Id", key.id.to_string()),
                (
                    "Alias",
                    key.alias
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                ),
                ("Description", key.description.clone()),
                ("State", key.state.to_string()),
                ("Usage", key.usage.to_string()),
                ("Versions", key.versions.to_string()),
            ];
            output.fields(&fields, &as_json(&key))
        }
        KeyCommand::Backup { to, keyring } => {
            keyring.place(None)?.open()?.backup(&to)?;
            output.done(&format!("copied the sealed keyring to {}; it opens with the same root key, so keep that elsewhere", to.display()))
        }
        KeyCommand::Restore { from, keyring } => {
            let place = keyring.place(None)?;
            let file = place.file();
            Keyring::restore(&from, &file, place.root, Arc::new(SystemClock))?;
            output.done(&format!("restored the keyring in {}", file.display()))
        }
        KeyCommand::Reroot { keyring, to } => {
            let opened = keyring.place(None)?.open()?;
            let source = to.source()?;
            let name = source.to_string();
            opened.reroot(source)?;
            output.done(&format!("the keyring now opens with {name}, and no longer with what opened it before (but old backups of it do)"))
        }
    }
}

fn as_json(key: &KeyDescription) -> Value {
    json!({
        "KeyId": key.id.to_string(),
        "Alias": key.alias.as_ref().map(ToString::to_string),
        "Description": key.description,
        "KeyState": key.state.to_string(),
        "KeyUsage": key.usage.to_string(),
        "Versions": key.versions,
    })
}
