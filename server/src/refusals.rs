//! Refusals in the audit trail: who was turned away, from where, and why; and which changes of tables were asked for in a way that cannot
//! be read, which therefore never reach the database and its events.
//!
//! Whoever is turned away has proved nothing, and must not be able to fill the disk or to slow others: a refusal is noted, not waited
//! for, and only as an [`Allowance`] lets it. Those who proved who they are have one of their own, so that no stranger uses it up.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sealdb::ErrorCode;
use sealdb::crypto::audit::{Allowance, TABLE_EVENTS};
use sealdb::crypto::{AuditEvent, AuditTrail, Caller, Clock, Origin};
use tonic::codegen::http::HeaderValue;

/// The other end of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<HeaderValue>,
}

impl Peer {
    /// As the trail names it.
    pub(crate) fn origin(&self) -> Origin {
        let user_agent = self.user_agent.as_ref();
        Origin {
            address: self.address,
            user_agent: user_agent.map(|value| String::from_utf8_lossy(value.as_bytes()).into()),
        }
    }
}

/// A call that was turned away.
pub(crate) struct Refusal<'a> {
    pub(crate) operation: &'a str,
    pub(crate) code: ErrorCode,
    /// Whose key it said it has.
    pub(crate) access_key_id: Option<&'a str>,
    pub(crate) request_id: &'a str,
    pub(crate) peer: &'a Peer,
}

/// Notes refusals. A clone counts with the others.
#[derive(Clone)]
pub(crate) struct Refusals(Arc<Inner>);

struct Inner {
    trail: Option<Arc<AuditTrail>>,
    clock: Arc<dyn Clock>,
    strangers: Mutex<Allowance>,
    callers: Mutex<Allowance>,
}

impl Refusals {
    /// Notes them in this trail.
    pub(crate) fn new(trail: Option<Arc<AuditTrail>>, clock: Arc<dyn Clock>) -> Refusals {
        Refusals(Arc::new(Inner {
            trail,
            clock,
            strangers: Mutex::default(),
            callers: Mutex::default(),
        }))
    }

    /// Notes one, if there is room for it.
    pub(crate) fn note(&self, refusal: &Refusal<'_>) {
        let caller =
            Caller::with_request("", refusal.request_id).with_origin(refusal.peer.origin());
        self.0.note(&self.0.strangers, || {
            let clock = &*self.0.clock;
            let mut event = AuditEvent::new(clock, TABLE_EVENTS, refusal.operation, &caller)
                .refused(refusal.code.name(), None);
            event.user_identity.access_key_id = refusal
                .access_key_id
                .filter(|id| is_key_id(id))
                .map(str::to_owned);
            Some(event)
        });
    }

    /// Notes a request of somebody known that could not be read, if it was to change a table and there is room for it.
    pub(crate) fn malformed(&self, asked: (&str, &str), caller: &Caller, code: ErrorCode) {
        self.0.note(&self.0.callers, || {
            sealdb::malformed_administration(&*self.0.clock, asked, caller, code)
        });
    }
}

impl Inner {
    fn note(&self, allowance: &Mutex<Allowance>, event: impl FnOnce() -> Option<AuditEvent>) {
        let Some(trail) = &self.trail else { return };
        let Some(event) = event() else { return };
        let left_out = {
            let mut allowance = allowance.lock().unwrap_or_else(PoisonError::into_inner);
            allowance.take(self.clock.boot())
        };
        if let Some(left_out) = left_out {
            trail.note(&event.after_others(left_out));
        }
    }
}

/// What may be the id of an access key. Anything else might be a secret that stood in the wrong place.
fn is_key_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_place_is_no_key_id() {
        assert!(is_key_id("SDBAABCDEFGHIJKLMNOP") && is_key_id("AKIAIOSFODNN7EXAMPLE"));
        assert!(!is_key_id("") && !is_key_id("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
        assert!(!is_key_id("q2xvM1b0Zk9xYzJ0d2FyZXNlY3JldGtleWhlcmU"));
    }
}
