//! What was done to credentials, until the audit trail has it.
//!
//! An act is written with the change that it tells of, in the same replacement of the file: there is no change without its act. `sealdb
//! credential` works beside the server, which alone may write its trail; it takes the acts over when it sees the change, or at its next start.

use sealdb::crypto::audit::{ACCOUNT_EVENTS, Resource, ResponseElements, rfc3339};
use sealdb::crypto::{AuditEvent, Caller, SystemClock};
use serde_json::{Map, Value, json};

use super::Credential;

/// A store from which no server takes acts keeps the newest ones.
const MAX_ACTS: usize = 1000;
const CREATE: &str = "CreateAccessKey";
const DELETE: &str = "DeleteAccessKey";

/// Notes that a credential was made.
pub(super) fn made(acts: &mut Vec<AuditEvent>, principal: &str, credential: &Credential) {
    let mut event = about(CREATE, principal, credential);
    let access_key = json!({
        "accessKeyId": credential.access_key_id,
        "userName": credential.name(),
        "status": "Active",
        "createDate": rfc3339(credential.created_ms),
    });
    event.response_elements = Some(ResponseElements {
        other: Map::from_iter([("accessKey".to_owned(), access_key)]),
        ..ResponseElements::default()
    });
    note(acts, event);
}

/// Notes that a credential was taken back.
pub(super) fn revoked(acts: &mut Vec<AuditEvent>, principal: &str, credential: &Credential) {
    let mut event = about(DELETE, principal, credential);
    let id = credential.access_key_id.as_str().into();
    let parameters = &mut event.request_parameters.other;
    parameters.insert("accessKeyId".to_owned(), id);
    note(acts, event);
}

/// Whether one of these acts made the access key.
pub(super) fn tell_of_making(acts: &[AuditEvent], access_key_id: &str) -> bool {
    let made = |event: &AuditEvent| {
        let answer = event.response_elements.as_ref()?;
        let id = answer
            .other
            .get("accessKey")?
            .get("accessKeyId")?
            .as_str()?;
        Some(id == access_key_id)
    };
    acts.iter().any(|event| made(event) == Some(true))
}

fn about(name: &str, principal: &str, credential: &Credential) -> AuditEvent {
    let (user, account) = (credential.name(), credential.account());
    let caller = Caller::new(principal);
    let mut event = AuditEvent::new(&SystemClock, ACCOUNT_EVENTS, name, &caller);
    event.recipient_account_id = account.to_owned();
    let parameters = &mut event.request_parameters.other;
    parameters.insert("userName".to_owned(), Value::from(user));
    event.resources.push(Resource {
        account_id: account.to_owned(),
        kind: "AWS::IAM::User".to_owned(),
        arn: format!("arn:aws:iam::{account}:user/{user}"),
    });
    event
}

fn note(acts: &mut Vec<AuditEvent>, event: AuditEvent) {
    if acts.len() >= MAX_ACTS {
        acts.remove(0);
    }
    acts.push(event);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_act_has_cloudtrails_shape_and_no_secret() {
        let mut acts = Vec::new();
        let mut credential = Credential::generate("canary", false, 0).unwrap();
        credential.user = Some("alice".to_owned());
        credential.account = Some("111122223333".to_owned());
        made(&mut acts, "uid:1000", &credential);
        revoked(&mut acts, "uid:1000", &credential);
        let text = serde_json::to_string(&acts).unwrap();
        assert!(!text.contains(credential.secret.as_str()) && !text.contains("canary"));
        let told = serde_json::to_value(&acts).unwrap();
        let id = &credential.access_key_id;
        for (event, name) in [(&told[0], CREATE), (&told[1], DELETE)] {
            assert_eq!(event["eventSource"], "iam.amazonaws.com");
            assert_eq!(event["eventName"], name);
            assert_eq!(event["userIdentity"]["type"], "Process");
            assert_eq!(event["userIdentity"]["principalId"], "uid:1000");
            assert_eq!(event["requestParameters"]["userName"], "alice");
            assert_eq!(event["recipientAccountId"], "111122223333");
            let arn = &event["resources"][0]["ARN"];
            assert_eq!(arn, "arn:aws:iam::111122223333:user/alice");
        }
        let answer = &told[0]["responseElements"]["accessKey"];
        assert_eq!(answer["accessKeyId"], id.as_str());
        assert_eq!(answer["createDate"], "1970-01-01T00:00:00.000Z");
        assert_eq!(told[1]["requestParameters"]["accessKeyId"], id.as_str());
        assert!(tell_of_making(&acts, id) && !tell_of_making(&acts[1..], id));
    }

    #[test]
    fn the_newest_are_kept() {
        let credential = Credential::generate("", false, 0).unwrap();
        let mut acts = Vec::new();
        made(&mut acts, "first", &credential);
        for _ in 0..MAX_ACTS {
            revoked(&mut acts, "later", &credential);
        }
        assert_eq!(acts.len(), MAX_ACTS);
        assert_eq!(acts[0].user_identity.principal, "later");
    }
}
