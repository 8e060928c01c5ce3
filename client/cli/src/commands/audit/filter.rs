//! Which events `audit search` finds.

use sealdb::tools::TrailReader;
use sealdb_crypto::audit::Outcome;
use sealdb_crypto::{Alias, AuditEvent, KeyRef, Keyring, KeyringError};
use sealdb_model::codec;
use sealdb_proto::json;
use serde_json::Value;

use crate::args::FilterArgs;
use crate::error::CliError;
use crate::output::Output;

/// What conditions mean, looked up once.
pub(super) struct Meant {
    /// The hash of an item that events must name.
    pub(super) item: Option<String>,
    /// The names of a KMS key, of which events must have one; none: any key.
    pub(super) keys: Vec<String>,
}

impl FilterArgs {
    /// The hash of the item that is looked for.
    pub(super) fn item_hash(&self, trail: &TrailReader) -> Result<Option<String>, CliError> {
        let (Some(item), Some(table)) = (&self.item, &self.table) else {
            return Ok(None);
        };
        let wrong = |what: &dyn std::fmt::Display| CliError::usage(format!("--item: {what}"));
        let json = serde_json::from_str(item).map_err(|error| wrong(&error))?;
        let key = json::item_from_json(json).map_err(|error| wrong(&error))?;
        let mut bytes = Vec::new();
        codec::encode_item(&key, &mut bytes).map_err(|error| wrong(&error))?;
        Ok(Some(trail.item_hash(table, &bytes)))
    }

    /// The names of the KMS key that is looked for. Events name a key as it was named to the database, or by its id: who asks for an
    /// alias is shown both, of the key that has the alias now.
    pub(super) fn names_of_key(
        &self,
        keyring: &Keyring,
        output: Output,
    ) -> Result<Vec<String>, CliError> {
        let Some(named) = &self.key else {
            return Ok(Vec::new());
        };
        let mut names = vec![named.clone()];
        if let Ok(alias) = Alias::new(named) {
            match keyring.describe(&KeyRef::Alias(alias)) {
                Ok(key) => names.push(key.id.to_string()),
                Err(KeyringError::NoSuchKey { .. }) => output.remark(&format!(
                    "{named} names no key of the keyring now: only what named it so itself is found; search for the key's id, too"
                ))?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(names)
    }

    /// Whether all conditions hold for an event.
    pub(super) fn takes(&self, event: &AuditEvent, meant: &Meant) -> bool {
        let is =
            |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
        let user = &event.user_identity;
        let table = self.table.as_deref();
        let item = meant.item.as_deref();
        item.is_none_or(|hash| names_item(event, table, hash))
            && (meant.keys.is_empty() || meant.keys.iter().any(|key| is_with_key(event, key)))
            && is(&self.from, &|from| event.event_time.as_str() >= from)
            && is(&self.to, &|to| event.event_time.as_str() < to)
            && is(&self.principal, &|id| {
                let names = [&user.access_key_id, &user.user_name];
                user.principal == id || names.into_iter().any(|name| name.as_deref() == Some(id))
            })
            && is(&self.source, &|from| {
                event.source_ip_address.as_deref() == Some(from)
            })
            && is(&self.table, &|table| is_on_table(event, table))
            && is(&self.event, &|name| {
                event.event_name.eq_ignore_ascii_case(name)
            })
            && is(&self.outcome, &|outcome| ended(event, outcome))
    }
}

fn ended(event: &AuditEvent, wanted: &str) -> bool {
    match wanted.to_ascii_lowercase().as_str() {
        "success" | "ok" => event.outcome() == Outcome::Success,
        "failure" => event.outcome() == Outcome::Failure,
        _ => event.error_code.as_deref() == Some(wanted),
    }
}

/// The KMS key as it was named, also by who wanted a table under it.
pub(super) fn key_of(event: &AuditEvent) -> Option<&str> {
    let request = &event.request_parameters;
    let asked = request.other.get("sSESpecification");
    let asked = asked.and_then(|asked| asked.get("kMSMasterKeyId")?.as_str());
    request.key_id.as_deref().or(asked)
}

/// The table that an event names first.
pub(super) fn table_of(event: &AuditEvent) -> Option<&str> {
    let request = &event.request_parameters;
    let named = request.other.get("tableName").and_then(Value::as_str);
    let of_key = request.encryption_context.as_ref();
    let of_key = of_key.and_then(|context| context.get("sealdb:table-name"));
    let mut of_arns = event.resources.iter();
    named
        .or(of_key)
        .or_else(|| of_arns.find_map(|resource| table_in(&resource.arn)))
}

fn table_in(arn: &str) -> Option<&str> {
    arn.rsplit_once(":table/").map(|(_, name)| name)
}

fn is_on_table(event: &AuditEvent, table: &str) -> bool {
    let is_it = |arn: &str| arn == table || table_in(arn) == Some(table);
    table_of(event) == Some(table) || event.resources.iter().any(|resource| is_it(&resource.arn))
}

fn names_item(event: &AuditEvent, table: Option<&str>, hash: &str) -> bool {
    let request = &event.request_parameters.other;
    let of_table = |items: &Value| items.get(table.unwrap_or_default()).cloned();
    let items = match request.get("keyHashes") {
        Some(items) => Some(items.clone()),
        None => request.get("requestItems").and_then(of_table),
    };
    let items = items.as_ref().and_then(Value::as_array);
    items.is_some_and(|items| items.iter().any(|item| item.as_str() == Some(hash)))
}

fn is_with_key(event: &AuditEvent, key: &str) -> bool {
    let request = &event.request_parameters;
    let named = [key_of(event), request.destination_key_id.as_deref()];
    let arn = |arn: &str| arn == key || arn.rsplit_once(":key/").is_some_and(|(_, id)| id == key);
    named.contains(&Some(key)) || event.resources.iter().any(|resource| arn(&resource.arn))
}
