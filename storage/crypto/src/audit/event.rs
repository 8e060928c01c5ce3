//! One audit event, in the shape of CloudTrail's records, so that what reads those reads these.
//!
//! ```json
//! {"sequence":17,"previous":"9f2c…","eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"SEAL…","accountId":"000000000000",
//!  "accessKeyId":"SEAL…"},"eventTime":"2026-01-02T03:04:05.678Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"us-east-1",
//!  "sourceIPAddress":"192.0.2.7","userAgent":"Boto3/1.40","requestParameters":{"keyId":"3f0c…","encryptionContext":{"sealdb:table-name":"airports"}},
//!  "responseElements":{"keyId":"3f0c…"},"requestID":"…","eventID":"…","readOnly":true,
//!  "resources":[{"accountId":"000000000000","type":"AWS::KMS::Key","ARN":"arn:aws:kms:us-east-1:000000000000:key/3f0c…"}],
//!  "eventType":"AwsApiCall","managementEvent":true,"eventCategory":"Management","recipientAccountId":"000000000000"}
//! ```
//!
//! `sequence` and `previous` are the trail's own: the number of the event, and the hash of the line before (see the room's
//! documentation). A failed call has `errorCode` and `errorMessage`. Neither keys, plain or wrapped, nor values of items ever stand in an
//! event.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::kms::{Caller, EncryptionContext, KmsError, UNAVAILABLE};

/// The version of CloudTrail's record that this is the shape of.
const VERSION: &str = "1.11";
/// The region in all ARNs of a database: SealDB knows none.
const REGION: &str = "us-east-1";
/// The account in all ARNs of a database.
const ACCOUNT: &str = "000000000000";
/// Texts that a client chose are cut to so many characters.
const FOREIGN_CHARS: usize = 256;

/// The source of key events.
pub const KEY_EVENTS: &str = "kms.amazonaws.com";
/// The source of events of tables and items.
pub const TABLE_EVENTS: &str = "dynamodb.amazonaws.com";
/// The source of events of access keys.
pub const ACCOUNT_EVENTS: &str = "iam.amazonaws.com";
/// The source of what the trail says about itself.
pub const TRAIL_EVENTS: &str = "trail.sealdb";

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// `IAMUser` for an access key, `AWSService` for the database itself and the server, `Process` for a program that embeds it and for a user of
    /// the machine who administers keys, `Unknown` for who did not prove it.
    #[serde(rename = "type")]
    pub kind: String,
    /// An access key id, a user of the machine, or `sealdb` for the database itself.
    #[serde(rename = "principalId")]
    pub principal: String,
    /// The account.
    pub account_id: String,
    /// Of an access key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access_key_id: Option<String>,
    /// As policies of keys name the principal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_name: Option<String>,
}

impl UserIdentity {
    fn of(caller: &Caller) -> Self {
        let principal = caller.principal.as_str();
        let identity = caller.identity.as_deref();
        let kind = match principal {
            // Who has an identity proved it with a credential, whatever its access key is called.
            _ if identity.is_some() => "IAMUser",
            "" => "Unknown",
            "sealdb" => "AWSService",
            // Parts of the server that work on their own account. No access key has a hyphen.
            name if name.starts_with("sealdb-") => "AWSService",
            name if name.starts_with("process:") || name.starts_with("uid:") => "Process",
            _ => "IAMUser",
        };
        Self {
            kind: kind.to_owned(),
            principal: principal.to_owned(),
            account_id: identity.map_or(ACCOUNT, |who| &who.account).to_owned(),
            access_key_id: (kind == "IAMUser").then(|| principal.to_owned()),
            user_name: identity.map(|who| who.name.clone()),
        }
    }
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
    /// What other operations have.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What was answered, without anything secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseElements {
    /// The key that was used, by its id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<String>,
    /// What other operations have.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A thing acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The account that it is of.
    pub account_id: String,
    /// `AWS::KMS::Key`, for example.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name in full.
    #[serde(rename = "ARN")]
    pub arn: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was not; see `error_code`.
    Failure,
}

/// Of what kind the call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    /// Of keys, tables and the trail.
    Management,
    /// Of items.
    Data,
}

/// One event. Unknown fields of newer versions are skipped when read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Of this shape.
    pub event_version: String,
    /// Who.
    pub user_identity: UserIdentity,
    /// RFC 3339, UTC, milliseconds.
    pub event_time: String,
    /// [`KEY_EVENTS`], [`TABLE_EVENTS`], [`ACCOUNT_EVENTS`] or [`TRAIL_EVENTS`].
    pub event_source: String,
    /// The operation: `"Decrypt"`.
    pub event_name: String,
    /// A region, where readers of CloudTrail expect one.
    pub aws_region: String,
    /// Where the request came from.
    #[serde(
        rename = "sourceIPAddress",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub source_ip_address: Option<String>,
    /// What the client says that it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_agent: Option<String>,
    /// The exception's name, of what was not done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<String>,
    /// What was asked.
    #[serde(default)]
    pub request_parameters: RequestParameters,
    /// What was answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_elements: Option<ResponseElements>,
    /// What CloudTrail has no field for.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub additional_event_data: Map<String, Value>,
    /// The request on whose behalf it was done.
    #[serde(rename = "requestID")]
    pub request_id: String,
    /// Unique.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// What it was done to.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// `AwsApiCall`, or `AwsServiceEvent` for what nobody asked for.
    pub event_type: String,
    /// Whether it is of the category Management.
    pub management_event: bool,
    /// Of what kind the call was.
    pub event_category: Category,
    /// The account.
    pub recipient_account_id: String,
    /// What an event of the service itself says: the text of a checkpoint.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub service_event_details: Map<String, Value>,
}

impl AuditEvent {
    /// A successful event of this moment that changes something; the fields are public and may be filled further.
    pub fn new(clock: &dyn Clock, source: &str, name: &str, caller: &Caller) -> Self {
        Self {
            event_version: VERSION.to_owned(),
            user_identity: UserIdentity::of(caller),
            event_time: rfc3339(clock.wall_ms()),
            event_source: source.to_owned(),
            event_name: name.to_owned(),
            aws_region: REGION.to_owned(),
            source_ip_address: caller.origin.address.map(|address| address.to_string()),
            user_agent: caller.origin.user_agent.as_deref().map(cut),
            error_code: None,
            error_message: None,
            request_parameters: RequestParameters::default(),
            response_elements: None,
            additional_event_data: Map::new(),
            request_id: caller.request_id.clone(),
            event_id: uuid::Uuid::new_v4().hyphenated().to_string(),
            read_only: false,
            resources: Vec::new(),
            event_type: "AwsApiCall".to_owned(),
            management_event: true,
            event_category: Category::Management,
            recipient_account_id: ACCOUNT.to_owned(),
            service_event_details: Map::new(),
        }
    }

    /// A key event.
    pub fn key(clock: &dyn Clock, name: &str, caller: &Caller, request: RequestParameters) -> Self {
        Self {
            request_parameters: request,
            // AWS KMS has it so: what only uses a key changes nothing.
            read_only: matches!(
                name,
                "GenerateDataKey" | "Encrypt" | "Decrypt" | "ReEncrypt" | "DescribeKey"
            ),
            ..Self::new(clock, KEY_EVENTS, name, caller)
        }
    }

    /// What the trail says about itself.
    pub(super) fn of_trail(clock: &dyn Clock, name: &str, caller: &Caller) -> Self {
        Self {
            event_type: "AwsServiceEvent".to_owned(),
            ..Self::new(clock, TRAIL_EVENTS, name, caller)
        }
    }

    /// Names the key that was used.
    #[must_use]
    pub fn used_key(mut self, key_id: &str) -> Self {
        self.response_elements = Some(ResponseElements {
            key_id: Some(key_id.to_owned()),
            ..ResponseElements::default()
        });
        let arn = match key_id.starts_with("arn:") {
            true => key_id.to_owned(),
            false => format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}"),
        };
        self.on("AWS::KMS::Key", arn)
    }

    /// Names a thing that was acted on.
    #[must_use]
    pub fn on(mut self, kind: &str, arn: String) -> Self {
        self.resources.push(Resource {
            account_id: ACCOUNT.to_owned(),
            kind: kind.to_owned(),
            arn,
        });
        self
    }

    /// Makes it a failure of the KMS.
    #[must_use]
    pub fn failed(self, error: &KmsError) -> Self {
        self.refused(error.code(), Some(&error.to_string()))
    }

    /// Makes it a failure. A message that may quote what a caller sent does not belong here.
    #[must_use]
    pub fn refused(mut self, code: &str, message: Option<&str>) -> Self {
        self.error_code = Some(code.to_owned());
        self.error_message = message.map(cut);
        self
    }

    /// Tells of as many before it that were not noted; see [`Allowance`](super::Allowance).
    #[must_use]
    pub fn after_others(mut self, left_out: u64) -> Self {
        if left_out > 0 {
            let data = &mut self.additional_event_data;
            data.insert("refusalsLeftOut".to_owned(), left_out.into());
        }
        self
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        match self.error_code {
            None => Outcome::Success,
            Some(_) => Outcome::Failure,
        }
    }

    /// Whether it records the use of a key, or that the KMS said no; only these may take the whole reserve of a full disk. A KMS that
    /// cannot be reached is asked again and again.
    pub fn may_take_the_reserve(&self) -> bool {
        self.event_source == KEY_EVENTS && self.error_code.as_deref() != Some(UNAVAILABLE)
    }
}

/// A text of a client's, not longer than need be.
fn cut(text: &str) -> String {
    text.chars().take(FOREIGN_CHARS).collect()
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
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::kms::{DenyReason, Origin};
    use crate::policy::Identity;

    #[test]
    fn an_event_has_cloudtrails_shape() {
        let clock = ManualClock::new();
        let context = EncryptionContext::new().with("sealdb:table-name", "airports");
        let request = RequestParameters {
            key_id: Some("alias/x".to_owned()),
            encryption_context: Some(context),
            ..RequestParameters::default()
        };
        let caller = Caller::with_request("ops", "req-1").with_origin(Origin {
            address: Some("192.0.2.7".parse().unwrap()),
            user_agent: Some("x".repeat(1000).into()),
        });
        let event = AuditEvent::key(&clock, "Decrypt", &caller, request).used_key("k-1");
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["eventTime"], "2025-01-01T00:00:00.000Z");
        assert_eq!(json["eventSource"], "kms.amazonaws.com");
        assert_eq!(json["userIdentity"]["type"], "IAMUser");
        assert_eq!(json["userIdentity"]["principalId"], "ops");
        assert_eq!(json["userIdentity"]["accessKeyId"], "ops");
        assert_eq!(json["sourceIPAddress"], "192.0.2.7");
        assert_eq!(json["userAgent"].as_str().unwrap().len(), FOREIGN_CHARS);
        assert_eq!(json["requestParameters"]["keyId"], "alias/x");
        assert_eq!(
            json["requestParameters"]["encryptionContext"]["sealdb:table-name"],
            "airports"
        );
        assert_eq!(
            json["resources"][0]["ARN"],
            "arn:aws:kms:us-east-1:000000000000:key/k-1"
        );
        assert_eq!(json["requestID"], "req-1");
        assert_eq!(json["readOnly"], true);
        assert_eq!(json["eventCategory"], "Management");
        assert_eq!(event.outcome(), Outcome::Success);
        assert!(json.get("errorCode").is_none());
        assert_eq!(serde_json::from_value::<AuditEvent>(json).unwrap(), event);

        // An access key that has the database's own name does not make its holder the database.
        let identity = Identity {
            account: ACCOUNT.to_owned(),
            name: "eve".to_owned(),
        };
        let eve = Caller::new("sealdb").with_identity(Arc::new(identity));
        let kinds = [&eve, &Caller::database(), &Caller::new("uid:0")].map(|caller| {
            let who = AuditEvent::new(&clock, TABLE_EVENTS, "E", caller).user_identity;
            (who.kind, who.access_key_id.is_some())
        });
        let kinds = kinds.each_ref().map(|(kind, key)| (kind.as_str(), *key));
        let expected = [("IAMUser", true), ("AWSService", false), ("Process", false)];
        assert_eq!(kinds, expected);

        let denied = KmsError::Denied {
            key: "alias/x".to_owned(),
            reason: DenyReason::Disabled,
        };
        let failed = event.failed(&denied);
        assert_eq!(failed.outcome(), Outcome::Failure);
        let json = serde_json::to_value(failed).unwrap();
        assert_eq!(json["errorCode"], "DisabledException");
    }
}
