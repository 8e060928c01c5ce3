//! Signing keys: derived from a secret, a day, a region and a service, and kept for as long as they are asked for.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Scopes kept for a secret: of a client or two, around midnight.
const KEPT: usize = 4;

/// The secret of an access key, and the keys derived from it.
pub(crate) struct SigningKeys {
    /// `AWS4` and the secret.
    root: Zeroizing<Vec<u8>>,
    derived: RwLock<VecDeque<(String, Key)>>,
}

impl SigningKeys {
    pub(crate) fn new(secret: &str) -> SigningKeys {
        let mut root = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        root.extend_from_slice(b"AWS4");
        root.extend_from_slice(secret.as_bytes());
        SigningKeys {
            root,
            derived: RwLock::default(),
        }
    }

    /// Whether this is the signature of a text under the key of a scope, `date/region/service`. Compared in constant time.
    pub(super) fn verify(&self, scope: &str, text: &[u8], signature: &[u8]) -> bool {
        let same = |key: &Key| bool::from(sign(key, text).as_ref().ct_eq(signature));
        let known = {
            let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
            let known = derived.iter().find(|(known, _)| known == scope);
            known.map(|(_, key)| same(key))
        };
        known.unwrap_or_else(|| {
            let key = self.derive(scope);
            let same = same(&key);
            // Only who has the secret may choose what is kept.
            if same {
                self.keep(scope, key);
            }
            same
        })
    }

    /// A signature, as a client makes it.
    #[cfg(test)]
    pub(super) fn sign_for_test(&self, scope: &str, text: &[u8]) -> Vec<u8> {
        sign(&self.derive(scope), text).as_ref().to_vec()
    }

    fn derive(&self, scope: &str) -> Key {
        let mut key = Key::new(HMAC_SHA256, &self.root);
        for part in scope.split('/').chain(["aws4_request"]) {
            key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
        }
        key
    }

    /// The number is bounded: the oldest goes.
    fn keep(&self, scope: &str, key: Key) {
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        if derived.iter().any(|(known, _)| known == scope) {
            return;
        }
        if derived.len() == KEPT {
            derived.pop_front();
        }
        derived.push_back((scope.to_owned(), key));
    }
}
