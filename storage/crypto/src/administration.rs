//! What is done to keys, as opposed to done with them: who made, rotated, disabled or deleted one.
//!
//! A provider whose keys are administered beside the database, as the local keyring's are by the command line, keeps these events until
//! the database's audit trail has them ([`Kms::administration`](crate::kms::Kms::administration)).

use uuid::Uuid;

use crate::audit::{AuditEvent, KEY_EVENTS, rfc3339};
use crate::clock::Clock;
use crate::kms::{Caller, KeyId};

/// One act of administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administration {
    /// Unique: an event that comes twice, because of a crash in between, is known by it.
    pub id: Uuid,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// Who.
    pub principal: String,
    /// AWS KMS's name of the operation: `"ScheduleKeyDeletion"`.
    pub name: String,
    /// Which key.
    pub key: Option<KeyId>,
    /// What else there is to say.
    pub detail: String,
}

impl Administration {
    /// The event as the trail records it. The one place that knows how.
    pub fn event(&self, clock: &dyn Clock) -> AuditEvent {
        let caller = Caller::with_request(self.principal.as_str(), self.id.to_string());
        let key = self.key.as_ref().map(ToString::to_string);
        let mut event = AuditEvent::new(clock, KEY_EVENTS, &self.name, &caller);
        event.event_time = rfc3339(self.time_ms);
        event.event_id = self.id.to_string();
        event.request_parameters.key_id.clone_from(&key);
        if let Some(key) = key {
            event = event.used_key(&key);
        }
        if !self.detail.is_empty() {
            let detail = self.detail.as_str().into();
            event
                .additional_event_data
                .insert("detail".to_owned(), detail);
        }
        event
    }
}
