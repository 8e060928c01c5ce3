//! The events of table administration.
//!
//! An event names the table and what was asked for, as far as that tells nothing of items: no names of attributes, no values of tags, and
//! of a refusal its code only, because its text may quote them.

use std::sync::Arc;

use sealdb_crypto::audit::{AuditTrail, TABLE_EVENTS};
use sealdb_crypto::{AuditEvent, AuditSink, Caller, Clock};
use sealdb_model::ops::{
    CreateTableInput, DeleteTableInput, GlobalSecondaryIndexUpdate, SseSpecification,
    StreamSpecification, TagResourceInput, UntagResourceInput, UpdateTableInput,
    UpdateTimeToLiveInput, table_arn,
};
use sealdb_model::{ErrorCode, TableName};
use serde_json::{Map, Value, json};

use super::Trail;
use crate::core::Core;
use crate::error::Error;
use crate::ops::Via;

/// Parameters that are longer are told by their length only: no valid request has them.
const PARAMETERS_LEN: usize = 32 << 10;
/// Longest name of a table, in characters; what is longer is none.
const NAME_CHARS: usize = 255;

/// What an operation that changes a table leaves in the trail.
pub(crate) trait Administration {
    /// Its name.
    const NAME: &'static str;

    /// The table, by its name or ARN, unchecked.
    fn table(&self) -> &str;

    /// What else was asked for.
    fn parameters(&self) -> Value;
}

/// The names of all that leave such an event.
const OPERATIONS: [&str; 6] = [
    CreateTableInput::NAME,
    DeleteTableInput::NAME,
    UpdateTableInput::NAME,
    TagResourceInput::NAME,
    UntagResourceInput::NAME,
    UpdateTimeToLiveInput::NAME,
];

/// The event of a change of a table that a protocol refused, because it could not read what was asked for; for programs around a database.
/// `table` is as it was sent, empty where none could be read. `None`: the operation changes no table.
pub fn malformed_administration(
    clock: &dyn Clock,
    (operation, table): (&str, &str),
    caller: &Caller,
    code: ErrorCode,
) -> Option<AuditEvent> {
    let name = OPERATIONS.into_iter().find(|name| *name == operation)?;
    let event = AuditEvent::new(clock, TABLE_EVENTS, name, caller).refused(code.name(), None);
    Some(match table {
        "" => event,
        _ => on_table(event, table),
    })
}

/// Carries out an administration. The answer is given only after its event is durable; if the trail cannot take one, nothing is
/// carried out.
///
/// # Errors
/// Those of `work`; [`Error::Trail`], and if that comes after `work` it was carried out all the same.
pub(crate) async fn administer<I: Administration, O, F>(
    core: &Core,
    via: Via,
    caller: &Caller,
    input: I,
    work: impl FnOnce(I) -> F,
) -> Result<O, Error>
where
    F: Future<Output = Result<O, Error>>,
{
    let Trail::Open(trail) = &core.shared().trail else {
        return work(input).await;
    };
    let event = event(
        &input,
        AuditEvent::new(&*core.shared().clock, TABLE_EVENTS, I::NAME, caller),
    );
    let mut unfinished = Unfinished {
        trail: trail.clone(),
        event: Some(event),
    };
    let ready = trail.clone();
    via.wait(move || ready.ready()).await?;
    // Crash in here after the commit: the administration is there, its event is not.
    let result = work(input).await;
    let Some(event) = unfinished.event.take() else {
        return result;
    };
    let event = match &result {
        Ok(_) => event,
        Err(error) => event.refused(error.code().name(), None),
    };
    let trail = trail.clone();
    let recorded = via.wait(move || trail.append(&event)).await;
    let output = result?;
    recorded?;
    Ok(output)
}

/// Whoever does not wait for the answer leaves an event all the same.
pub(super) struct Unfinished {
    pub(super) trail: Arc<AuditTrail>,
    pub(super) event: Option<AuditEvent>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            let message = "the caller did not wait for the outcome";
            self.trail
                .note(&event.refused("UnknownOutcome", Some(message)));
        }
    }
}

/// The name of a table that a request names, by its ARN too; of what names none, as much as a name can be long.
pub(super) fn table_name(table: &str) -> String {
    match TableName::of_arn(table) {
        Some(name) => name.to_string(),
        None => table.chars().take(NAME_CHARS).collect(),
    }
}

/// Names the table, by its name or ARN.
fn on_table(event: AuditEvent, table: &str) -> AuditEvent {
    let table = table_name(table);
    let arn = match table.starts_with("arn:") {
        true => table.clone(),
        false => table_arn(&table),
    };
    let mut event = event.on("AWS::DynamoDB::Table", arn);
    let other = &mut event.request_parameters.other;
    other.insert("tableName".to_owned(), table.into());
    event
}

fn event<I: Administration>(input: &I, event: AuditEvent) -> AuditEvent {
    let mut event = on_table(event, input.table());
    let other = &mut event.request_parameters.other;
    let parameters = input.parameters();
    let len = parameters.to_string().len();
    match parameters {
        Value::Object(parameters) if len <= PARAMETERS_LEN => {
            other.extend(parameters.into_iter().filter(|(_, value)| !value.is_null()));
        }
        _ => {
            other.insert("omittedBytes".to_owned(), len.into());
        }
    }
    event
}

fn encryption(asked: Option<&SseSpecification>) -> Value {
    asked.map_or(
        Value::Null,
        |asked| json!({ "enabled": asked.enabled, "kMSMasterKeyId": asked.kms_master_key_id }),
    )
}

fn stream(asked: Option<StreamSpecification>) -> Value {
    asked.map_or(Value::Null, |asked| {
        let view = asked.stream_view_type.map(|view| view.name());
        json!({ "streamEnabled": asked.stream_enabled, "streamViewType": view })
    })
}

impl Administration for CreateTableInput {
    const NAME: &'static str = "CreateTable";

    fn table(&self) -> &str {
        &self.table_name
    }

    fn parameters(&self) -> Value {
        let global = self.global_secondary_indexes.iter().flatten();
        let local = self.local_secondary_indexes.iter().flatten();
        json!({
            "globalSecondaryIndexes": global.map(|index| &*index.index_name).collect::<Vec<_>>(),
            "localSecondaryIndexes": local.map(|index| &*index.index_name).collect::<Vec<_>>(),
            "billingMode": self.billing_mode.map(|mode| mode.name()),
            "sSESpecification": encryption(self.sse_specification.as_ref()),
            "streamSpecification": stream(self.stream_specification),
            "deletionProtectionEnabled": self.deletion_protection_enabled,
            "tagKeys": self.tags.iter().map(|tag| &*tag.key).collect::<Vec<_>>(),
        })
    }
}

impl Administration for DeleteTableInput {
    const NAME: &'static str = "DeleteTable";

    fn table(&self) -> &str {
        &self.table_name
    }

    fn parameters(&self) -> Value {
        Map::new().into()
    }
}

impl Administration for UpdateTableInput {
    const NAME: &'static str = "UpdateTable";

    fn table(&self) -> &str {
        &self.table_name
    }

    fn parameters(&self) -> Value {
        let updates = self.global_secondary_index_updates.as_ref();
        let updates = updates.map(|updates| updates.iter().map(index_update).collect::<Vec<_>>());
        json!({
            "globalSecondaryIndexUpdates": updates,
            "billingMode": self.billing_mode.map(|mode| mode.name()),
            "sSESpecification": encryption(self.sse_specification.as_ref()),
            "streamSpecification": stream(self.stream_specification),
            "deletionProtectionEnabled": self.deletion_protection_enabled,
        })
    }
}

fn index_update(update: &GlobalSecondaryIndexUpdate) -> Value {
    match update {
        GlobalSecondaryIndexUpdate::Create(index) => json!({ "create": index.index_name }),
        GlobalSecondaryIndexUpdate::Update(index) => json!({ "update": index.index_name }),
        GlobalSecondaryIndexUpdate::Delete { index_name } => json!({ "delete": index_name }),
    }
}

impl Administration for TagResourceInput {
    const NAME: &'static str = "TagResource";

    fn table(&self) -> &str {
        &self.resource_arn
    }

    fn parameters(&self) -> Value {
        json!({ "tagKeys": self.tags.iter().map(|tag| &*tag.key).collect::<Vec<_>>() })
    }
}

impl Administration for UntagResourceInput {
    const NAME: &'static str = "UntagResource";

    fn table(&self) -> &str {
        &self.resource_arn
    }

    fn parameters(&self) -> Value {
        json!({ "tagKeys": self.tag_keys })
    }
}

impl Administration for UpdateTimeToLiveInput {
    const NAME: &'static str = "UpdateTimeToLive";

    fn table(&self) -> &str {
        &self.table_name
    }

    fn parameters(&self) -> Value {
        json!({ "timeToLiveSpecification": { "enabled": self.time_to_live_specification.enabled } })
    }
}
