//! Who may call: `authorization: Bearer ACCESS_KEY_ID:SECRET` on every call.
//!
//! The access key id is public and looked up as it is; the secret is compared in constant time, as a SHA-256, so neither
//! its length nor its beginning shows in the time. Secrets have 256 random bits: a plain hash in memory is enough,
//! and guessing needs no further brake.
//!
//! Requests of the DynamoDB protocol are signed instead ([`crate::dynamodb`]), with keys derived from the secret itself.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sealdb::ErrorCode;
use sealdb::crypto::{Caller, Identity};
use subtle::ConstantTimeEq;

use crate::credentials::Credential;
use crate::dynamodb::SigningKeys;
use crate::refusals::Peer;
use crate::tls::sha256;

/// A caller that proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Named>);

#[derive(Debug, PartialEq, Eq)]
struct Named {
    access_key_id: Box<str>,
    identity: Arc<Identity>,
}

impl Principal {
    fn of(credential: &Credential) -> Self {
        Self(Arc::new(Named {
            access_key_id: credential.access_key_id.as_str().into(),
            identity: Arc::new(Identity {
                account: credential.account().to_owned(),
                name: credential.name().to_owned(),
            }),
        }))
    }

    /// The access key id.
    pub fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// The caller that the database sees: bound by the policies of keys.
    pub(crate) fn caller(&self, request_id: &str, peer: &Peer) -> Caller {
        Caller::with_request(self.access_key_id(), request_id)
            .with_origin(peer.origin())
            .with_identity(self.0.identity.clone())
    }
}

/// Why a caller is turned away. Unknown ids and wrong secrets are one: nobody learns which ids exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `authorization`.
    #[error(
        "no credential: send the metadata `authorization: Bearer ACCESS_KEY_ID:SECRET` (see `sealdb endpoint`)"
    )]
    Missing,
    /// Not of the form that is read.
    #[error("the metadata `authorization` is not of the form `Bearer ACCESS_KEY_ID:SECRET`")]
    Malformed,
    /// No such access key, or another secret.
    #[error("the access key does not exist, was revoked, or its secret is another")]
    Wrong,
}

impl Denied {
    /// The exception that says so.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Denied::Missing => ErrorCode::MissingAuthenticationTokenException,
            Denied::Malformed => ErrorCode::IncompleteSignatureException,
            Denied::Wrong => ErrorCode::UnrecognizedClientException,
        }
    }
}

/// The access key id that the content of `authorization` names.
pub(crate) fn claimed_id(authorization: Option<&[u8]>) -> Option<&str> {
    let text = std::str::from_utf8(authorization?).ok()?;
    let (_, credential) = text.trim().split_once(' ')?;
    Some(credential.trim().split_once(':')?.0)
}

/// What is known of an accepted credential.
struct Known {
    principal: Principal,
    secret_hash: [u8; 32],
    signing: SigningKeys,
}

#[derive(Default)]
struct Accepted(HashMap<Arc<str>, Known>);

/// The credentials that are accepted now. A clone sees the same.
#[derive(Clone, Default)]
pub struct Authenticator(Arc<RwLock<Arc<Accepted>>>);

impl Authenticator {
    /// Puts these credentials in the place of all others. Calls that have begun go on.
    pub fn replace(&self, credentials: &[Credential]) {
        let accepted = credentials
            .iter()
            .map(|credential| {
                (
                    credential.access_key_id.as_str().into(),
                    Known {
                        principal: Principal::of(credential),
                        secret_hash: sha256(credential.secret.as_bytes()),
                        signing: SigningKeys::new(&credential.secret),
                    },
                )
            })
            .collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Accepted(accepted));
    }

    fn accepted(&self) -> Arc<Accepted> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is an access key of this id. Ids are no secrets: each request carries one.
    pub(crate) fn knows(&self, access_key_id: &str) -> bool {
        self.accepted().0.contains_key(access_key_id)
    }

    /// Whether whoever proved to be this principal would be let in today, too. For calls that go on and on.
    pub(crate) fn still_accepts(&self, principal: &Principal) -> bool {
        let accepted = self.accepted();
        let known = accepted.0.get(principal.access_key_id());
        known.is_some_and(|known| known.principal == *principal)
    }

    /// Has a signature checked with the keys of an access key; `None`: there is no such key.
    pub(crate) fn signed<E>(
        &self,
        access_key_id: &str,
        verify: impl FnOnce(&SigningKeys) -> Result<(), E>,
    ) -> Option<Result<Principal, E>> {
        let accepted = self.accepted();
        let known = accepted.0.get(access_key_id)?;
        Some(verify(&known.signing).map(|()| known.principal.clone()))
    }

    /// Checks the content of `authorization`.
    pub fn check(&self, authorization: Option<&[u8]>) -> Result<Principal, Denied> {
        let authorization = authorization.ok_or(Denied::Missing)?;
        let text = std::str::from_utf8(authorization).map_err(|_| Denied::Malformed)?;
        let (scheme, credential) = text.trim().split_once(' ').ok_or(Denied::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::Malformed);
        }
        let (id, secret) = credential.trim().split_once(':').ok_or(Denied::Malformed)?;
        let accepted = self.accepted();
        let offered = sha256(secret.as_bytes());
        // An unknown id is compared with something too, so that it takes as long.
        let (known, expected) = match accepted.0.get(id) {
            Some(known) => (Some(known), &known.secret_hash),
            None => (None, &[0; 32]),
        };
        let same = bool::from(offered.ct_eq(expected));
        match known {
            Some(known) if same => Ok(known.principal.clone()),
            _ => Err(Denied::Wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_whole_credential_lets_in() {
        let one = Credential::generate("one", false, 0).unwrap();
        let two = Credential::generate("two", false, 0).unwrap();
        let authenticator = Authenticator::default();
        let header = |id: &str, secret: &str| format!("Bearer {id}:{secret}").into_bytes();
        let good = header(&one.access_key_id, &one.secret);
        assert_eq!(
            authenticator.check(Some(&good)),
            Err(Denied::Wrong),
            "nobody is accepted yet"
        );
        authenticator.replace(&[one.clone(), two.clone()]);
        assert_eq!(
            authenticator.check(Some(&good)).unwrap().access_key_id(),
            one.access_key_id
        );
        let lower = good.to_ascii_lowercase();
        assert_eq!(authenticator.check(Some(&lower)), Err(Denied::Wrong));
        let mixed = header(&one.access_key_id, &two.secret);
        assert_eq!(authenticator.check(Some(&mixed)), Err(Denied::Wrong));
        let cut = &good[..good.len() - 1];
        assert_eq!(authenticator.check(Some(cut)), Err(Denied::Wrong));
        assert_eq!(
            authenticator.check(Some(&header(&one.access_key_id, ""))),
            Err(Denied::Wrong)
        );
        assert_eq!(
            authenticator.check(Some(&header("", ""))),
            Err(Denied::Wrong)
        );
        assert_eq!(authenticator.check(None), Err(Denied::Missing));
        for malformed in [
            &b"Bearer"[..],
            b"Basic abc:def",
            b"Bearer abc",
            b"",
            b"Bearer \xff:x",
        ] {
            assert_eq!(
                authenticator.check(Some(malformed)),
                Err(Denied::Malformed),
                "{malformed:?}"
            );
        }
        let principal = authenticator.check(Some(&good)).unwrap();
        authenticator.replace(&[one.clone(), two.clone()]);
        assert!(authenticator.still_accepts(&principal), "read anew");
        let mut of_another_user = one.clone();
        of_another_user.account = Some("111111111111".to_owned());
        authenticator.replace(&[of_another_user]);
        assert!(!authenticator.still_accepts(&principal));
        authenticator.replace(&[two]);
        assert!(!authenticator.still_accepts(&principal));
        assert_eq!(
            authenticator.check(Some(&good)),
            Err(Denied::Wrong),
            "revoked"
        );
    }
}
