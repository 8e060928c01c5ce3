//! `sealdb key`: the keys of a local keyring. Works on the keyring's file; a running server notices changes, but not of the root key.

use std::path::Path;
use std::sync::Arc;

use sealdb::tools;
use sealdb_crypto::audit::rfc3339;
use sealdb_crypto::keyring::{KeyDetails, Share};
use sealdb_crypto::{
    Clock, KeyDescription, KeyPolicy, KeyRef, KeyState, KeyUsage, Keyring, KeyringError,
    RootKeySource, SystemClock,
};
use serde_json::{Value, json};

use super::policy;
use crate::args::{AliasCommand, KeyCommand, KeyringArgs, OneKey};
use crate::error::CliError;
use crate::output::{Output, counted};

/// What a change of a key gives: what it is like now.
type Changed = Result<KeyDescription, KeyringError>;

pub(crate) fn run(command: KeyCommand, output: Output) -> Result<(), CliError> {
    match command {
        // Of tables that a server has open: not here.
        KeyCommand::Tables(_) => Ok(()),
        KeyCommand::List(keyring) => list(&keyring, output),
        KeyCommand::Describe(one) => show(&open(&one.keyring)?.details_of(&one.key)?, output),
        KeyCommand::Create {
            alias,
            description,
            external,
            keyring,
        } => {
            let opened = open(&keyring)?;
            let made = match external {
                true => opened.create_external_key(alias, &description)?,
                false => opened.create_key(alias, &description, KeyUsage::Table)?,
            };
            show(&opened.details_of(&KeyRef::from(&made))?, output)
        }
        KeyCommand::Enable(one) => {
            let enable =
                |keyring: &Keyring, key: &KeyRef| keyring.set_state(key, KeyState::Enabled);
            change(&one, output, enable, "tables under it open by themselves")
        }
        KeyCommand::Disable {
            close_everything,
            key,
        } => disable(&key, close_everything, output),
        KeyCommand::Rotate(one) => {
            let told = "what it wraps from now on is under its newest version, older versions go on opening";
            change(&one, output, Keyring::rotate, told)
        }
        KeyCommand::AutoRotate { days, off, key } => {
            let period = (!off).then_some(days);
            let told = match period {
                Some(days) => {
                    format!("it is rotated every {days} days, by whoever uses the keyring then")
                }
                None => "it is rotated only on demand".to_owned(),
            };
            change(
                &key,
                output,
                |keyring, key| keyring.set_rotation(key, period),
                &told,
            )
        }
        KeyCommand::ScheduleDeletion { days, key } => {
            let told = format!(
                "it refuses every use from now on, and its material is destroyed in {days} days. What is under it is gone then, for \
                 ever; until then `sealdb key cancel-deletion` keeps it"
            );
            change(
                &key,
                output,
                |keyring, key| keyring.schedule_deletion(key, days),
                &told,
            )
        }
        KeyCommand::CancelDeletion(one) => {
            let told = "it is kept; `sealdb key enable` lets it be used again";
            change(&one, output, Keyring::cancel_deletion, told)
        }
        KeyCommand::Policy {
            account,
            administrators,
            users,
            tables,
            key,
        } => {
            let told =
                "a server takes its policy over within the key's max age, 5 minutes by default";
            let policy = KeyPolicy {
                account,
                administrators,
                users,
                tables,
                grants: Vec::new(),
            };
            let put = |keyring: &Keyring, key: &KeyRef| keyring.put_policy(key, policy);
            change(&key, output, put, told)
        }
        KeyCommand::Grant(command) => policy::grant(command, output),
        KeyCommand::Alias(command) => alias(command, output),
        KeyCommand::Import {
            material,
            valid_days,
            key,
        } => {
            let day = 24 * 60 * 60 * 1000;
            let expires = valid_days.map(|days| SystemClock.wall_ms() + u64::from(days) * day);
            let told = "keep the file elsewhere, or destroy it: with it the material can be imported again";
            let import =
                |keyring: &Keyring, key: &KeyRef| keyring.import_material(key, &material, expires);
            change(&key, output, import, told)
        }
        KeyCommand::DeleteMaterial(one) => {
            let told = "tables under it close within minutes; they open when the same material is imported again";
            change(&one, output, Keyring::delete_material, told)
        }
        KeyCommand::Backup { to, keyring } => {
            open(&keyring)?.backup(&to)?;
            output.done(&format!("copied the sealed keyring to {}; it opens with the same root key, so keep that elsewhere", to.display()))
        }
        KeyCommand::Restore {
            from,
            database,
            keyring,
        } => restore(&from, database.as_deref(), &keyring, output),
        KeyCommand::Split {
            shares,
            threshold,
            to,
            keyring,
        } => split(&keyring, (shares, threshold), &to, output),
        KeyCommand::Reroot { keyring, to } => {
            let opened = open(&keyring)?;
            let source = to.source()?;
            let name = source.to_string();
            opened.reroot(source)?;
            output.done(&format!("the keyring now opens with {name}, and no longer with what opened it before (but old backups of it do). {RESTART}"))
        }
    }
}

pub(super) fn open(keyring: &KeyringArgs) -> Result<Keyring, CliError> {
    keyring.place(None)?.open()
}

/// Changes a key and says what that means.
fn change(
    one: &OneKey,
    output: Output,
    work: impl FnOnce(&Keyring, &KeyRef) -> Changed,
    told: &str,
) -> Result<(), CliError> {
    let key = work(&open(&one.keyring)?, &one.key)?;
    output.done(&format!("key {} is {}: {told}", key.id, key.state))
}

fn disable(one: &OneKey, close_everything: bool, output: Output) -> Result<(), CliError> {
    let keyring = open(&one.keyring)?;
    let described = keyring.describe(&one.key)?;
    let system = described.usage == KeyUsage::System;
    let key = match (system, close_everything) {
        (true, true) => keyring.disable_system_key()?,
        (false, true) => {
            return Err(CliError::usage(
                "--close-everything is for alias/sealdb/system; another key closes its own tables",
            ));
        }
        (true, false) => {
            return Err(CliError::usage(
                "this key guards the catalog, the log and the credentials: without it every database under this keyring closes \
                 within minutes and no server starts. If that is meant, add --close-everything",
            ));
        }
        (false, false) => keyring.set_state(&one.key, KeyState::Disabled)?,
    };
    output.done(&format!(
        "key {} is {}: what is under it closes within minutes, and keeps its data until the key is enabled again",
        key.id, key.state
    ))
}

/// A server knows how to open the keyring only as it was when the server started.
const RESTART: &str = "Start servers that use it again, with the new one: they lose the keyring within the key's max age and coast, \
     35 minutes by default";

/// The shares are in their files, and were read back from there, before the keyring needs them.
fn split(
    keyring: &KeyringArgs,
    (shares, threshold): (u8, u8),
    to: &Path,
    output: Output,
) -> Result<(), CliError> {
    let opened = open(keyring)?;
    let file = |number: u8| to.join(format!("share-{number}"));
    for share in opened.new_shares(shares, threshold)? {
        share.write(&file(share.number()))?;
    }
    // Crash here: files that open nothing; the keyring opens as before.
    let first = (1..=threshold).map(|number| Share::read(&file(number)));
    opened.reroot(RootKeySource::Shares(first.collect::<Result<_, _>>()?))?;
    output.done(&format!(
        "the keyring now opens with any {threshold} of the {shares} shares in {}, and no longer with what opened it before (but old \
         backups of it do). {RESTART}. Give each to somebody else, and delete the files here: with fewer than {threshold} the data is gone",
        to.display()
    ))
}

fn restore(
    from: &Path,
    database: Option<&Path>,
    keyring: &KeyringArgs,
    output: Output,
) -> Result<(), CliError> {
    let place = keyring.place_of(database, from)?;
    let file = place.file();
    let mut told = format!("restored the keyring in {}", file.display());
    match database {
        None => drop(Keyring::restore(
            from,
            file,
            place.root,
            Arc::new(SystemClock),
        )?),
        Some(database) => {
            tools::restore_keyring(database, from, &place.directory, place.root)?;
            told.push_str(
                ", and the database takes it as the newest. Look at `sealdb key list`: keys made, imported or rotated after the backup are \
                 missing, and tables under them stay closed; states and policies are as they were then, and what was destroyed since is back",
            );
        }
    }
    output.done(&told)
}

fn alias(command: AliasCommand, output: Output) -> Result<(), CliError> {
    match command {
        AliasCommand::Create { alias, key } => {
            open(&key.keyring)?.create_alias(&alias, &key.key)?;
            output.done(&format!("{alias} is a name of key {}", key.key))
        }
        AliasCommand::Update { alias, key } => {
            open(&key.keyring)?.update_alias(&alias, &key.key)?;
            output.done(&format!(
                "{alias} is a name of key {} from now on; tables stay under the keys that they have",
                key.key
            ))
        }
        AliasCommand::Delete { alias, keyring } => {
            open(&keyring)?.delete_alias(&alias)?;
            output.done(&format!("{alias} names no key any more"))
        }
    }
}

fn list(keyring: &KeyringArgs, output: Output) -> Result<(), CliError> {
    let keys = open(keyring)?.details()?;
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let told = &key.description;
            vec![
                aliases(key),
                told.id.to_string(),
                told.state.to_string(),
                told.usage.to_string(),
                told.description.clone(),
            ]
        })
        .collect();
    let value = json!({ "Keys": keys.iter().map(as_json).collect::<Vec<_>>() });
    let heads = ["alias", "id", "state", "usage", "description"];
    output.rows(&heads, &rows, &value)
}

fn show(key: &KeyDetails, output: Output) -> Result<(), CliError> {
    let told = &key.description;
    let mut fields = vec![
        ("Id", told.id.to_string()),
        ("Alias", aliases(key)),
        ("Description", told.description.clone()),
        ("State", told.state.to_string()),
        ("Usage", told.usage.to_string()),
        ("Created", rfc3339(told.created_ms)),
        ("Versions", versions(key)),
        ("Rotation", rotation(key)),
        ("Origin", origin(key).to_owned()),
    ];
    fields.extend(policy::fields(&key.policy));
    if let Some(expires) = key.expires_ms {
        fields.push(("Expires", when(expires)));
    }
    if let Some(deletion) = key.deletion_ms {
        fields.push(("Deletion", when(deletion)));
    }
    output.fields(&fields, &as_json(key))
}

fn aliases(key: &KeyDetails) -> String {
    let names: Vec<_> = key.aliases.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn versions(key: &KeyDetails) -> String {
    match key.versions.last() {
        None => "none: it has no material".to_owned(),
        Some((_, made)) => format!("{}, the newest of {}", key.versions.len(), rfc3339(*made)),
    }
}

fn rotation(key: &KeyDetails) -> String {
    match (key.rotation_days, key.next_rotation_ms) {
        (Some(days), Some(next)) => format!("every {days} days, next at {}", when(next)),
        _ => "on demand".to_owned(),
    }
}

fn origin(key: &KeyDetails) -> &'static str {
    match key.imported {
        true => "EXTERNAL",
        false => "SEALDB",
    }
}

/// A time, and how far away it is.
fn when(ms: u64) -> String {
    let now = SystemClock.wall_ms();
    let days = |ms: u64| {
        counted(
            usize::try_from(ms / 86_400_000).unwrap_or(usize::MAX),
            "day",
        )
    };
    let told = match ms >= now {
        true => format!("in {}", days(ms - now)),
        false => format!("{} ago", days(now - ms)),
    };
    format!("{} ({told})", rfc3339(ms))
}

fn as_json(key: &KeyDetails) -> Value {
    let told = &key.description;
    json!({
        "KeyId": told.id.to_string(),
        "Alias": told.alias.as_ref().map(ToString::to_string),
        "Aliases": key.aliases.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "Description": told.description,
        "KeyState": told.state.to_string(),
        "KeyUsage": told.usage.to_string(),
        "CreationDate": rfc3339(told.created_ms),
        "Versions": told.versions,
        "RotationPeriodInDays": key.rotation_days,
        "NextRotationDate": key.next_rotation_ms.map(rfc3339),
        "Origin": origin(key),
        "ValidTo": key.expires_ms.map(rfc3339),
        "DeletionDate": key.deletion_ms.map(rfc3339),
        "Policy": policy::as_json(&key.policy),
    })
}
