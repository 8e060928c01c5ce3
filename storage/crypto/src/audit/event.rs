//! One audit event, in the shape of CloudTrail's records for AWS KMS.
//!
//! ```json
//! {"eventVersion":"1.0","eventTime":"2026-01-02T03:04:05.678Z","eventSource":"kms.sealdb","eventName":"Decrypt",
//!  "userIdentity":{"principal":"sealdb"},
//!  "requestParameters":{"keyId":"3f0c…","encryptionContext":{"sealdb:table-name":"airports"}},
//!  "responseElements":{"keyId":"3f0c…"},
//!  "resources":[{"type":"SealDB::KMS::Key","id":"3f0c…"}],
//!  "requestID":"…","eventID":"…","outcome":"Success"}
//! ```
//!
//! A failed call has `errorCode` and `errorMessage` (AWS KMS's exception names) and `"outcome":"Failure"`. Neither plaintext nor
//! wrapped keys ever stand in an event.

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::kms::{Caller, EncryptionContext, KmsError};

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// An access key id, a user of the machine, or `sealdb` for the database itself.
    pub principal: String,
}

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestParameters {
    /// The key as it was named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<String>,
    /// The encryption context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encryption_context: Option<EncryptionContext>,
    /// ReEncrypt: the key to wrap under.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub destination_key_id: Option<String>,
    /// ReEncrypt: the context to wrap with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub destination_encryption_context: Option<EncryptionContext>,
}

/// What was answered, without anything secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseElements {
    /// The key that was used, by its id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// A thing acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// `SealDB::KMS::Key`, for example.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was not; see `error_code`.
    Failure,
}

/// One event. Unknown fields of newer versions are skipped when read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Of this shape: `"1.0"`.
    pub event_version: String,
    /// RFC 3339, UTC, milliseconds.
    pub event_time: String,
    /// `"kms.sealdb"` for key events.
    pub event_source: String,
    /// The operation: `"Decrypt"`.
    pub event_name: String,
    /// Who.
    pub user_identity: UserIdentity,
    /// What was asked.
    #[serde(default)]
    pub request_parameters: RequestParameters,
    /// What was answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_elements: Option<ResponseElements>,
    /// What it was done to.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// The request on whose behalf it was done.
    #[serde(rename = "requestID")]
    pub request_id: String,
    /// Unique.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The exception's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<String>,
}

/// The source of key events.
pub const KEY_EVENTS: &str = "kms.sealdb";

impl AuditEvent {
    /// A successful event of this moment; the fields are public and may be filled further.
    pub fn new(clock: &dyn Clock, source: &str, name: &str, caller: &Caller) -> Self {
        Self {
            event_version: "1.0".to_owned(),
            event_time: rfc3339(clock.wall_ms()),
            event_source: source.to_owned(),
            event_name: name.to_owned(),
            user_identity: UserIdentity {
                principal: caller.principal.clone(),
            },
            request_parameters: RequestParameters::default(),
            response_elements: None,
            resources: Vec::new(),
            request_id: caller.request_id.clone(),
            event_id: uuid::Uuid::new_v4().hyphenated().to_string(),
            outcome: Outcome::Success,
            error_code: None,
            error_message: None,
        }
    }

    /// A key event.
    pub fn key(clock: &dyn Clock, name: &str, caller: &Caller, request: RequestParameters) -> Self {
        Self {
            request_parameters: request,
            ..Self::new(clock, KEY_EVENTS, name, caller)
        }
    }

    /// Names the key that was used.
    #[must_use]
    pub fn used_key(mut self, key_id: &str) -> Self {
        self.response_elements = Some(ResponseElements {
            key_id: Some(key_id.to_owned()),
            detail: None,
        });
        self.resources.push(Resource {
            kind: "SealDB::KMS::Key".to_owned(),
            id: key_id.to_owned(),
        });
        self
    }

    /// Makes it a failure.
    #[must_use]
    pub fn failed(mut self, error: &KmsError) -> Self {
        self.outcome = Outcome::Failure;
        self.error_code = Some(error.code().to_owned());
        self.error_message = Some(error.to_string());
        self
    }

    /// Whether it records the use of a key; only these may use the reserve of a full disk.
    pub fn is_key_event(&self) -> bool {
        self.event_source == KEY_EVENTS
    }
}

/// The time as RFC 3339, in UTC, to the millisecond.
pub fn rfc3339(wall_ms: u64) -> String {
    let time = i64::try_from(wall_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    // Beyond the year 9999 there is no such time; the clock is broken, and the raw number says more than nothing.
    time.map_or_else(|| wall_ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::kms::DenyReason;

    #[test]
    fn an_event_has_cloudtrails_shape() {
        let clock = ManualClock::new();
        let context = EncryptionContext::new().with("sealdb:table-name", "airports");
        let request = RequestParameters {
            key_id: Some("alias/x".to_owned()),
            encryption_context: Some(context),
            ..RequestParameters::default()
        };
        let caller = Caller::with_request("ops", "req-1");
        let event = AuditEvent::key(&clock, "Decrypt", &caller, request).used_key("k-1");
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["eventTime"], "2025-01-01T00:00:00.000Z");
        assert_eq!(json["eventSource"], "kms.sealdb");
        assert_eq!(json["userIdentity"]["principal"], "ops");
        assert_eq!(json["requestParameters"]["keyId"], "alias/x");
        assert_eq!(
            json["requestParameters"]["encryptionContext"]["sealdb:table-name"],
            "airports"
        );
        assert_eq!(json["resources"][0]["id"], "k-1");
        assert_eq!(json["requestID"], "req-1");
        assert_eq!(json["outcome"], "Success");
        assert!(json.get("errorCode").is_none());
        assert_eq!(serde_json::from_value::<AuditEvent>(json).unwrap(), event);

        let denied = KmsError::Denied {
            key: "alias/x".to_owned(),
            reason: DenyReason::Disabled,
        };
        let json = serde_json::to_value(event.failed(&denied)).unwrap();
        assert_eq!(json["outcome"], "Failure");
        assert_eq!(json["errorCode"], "DisabledException");
    }
}
