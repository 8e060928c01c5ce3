//! Requests and answers of the transit engine, as far as they matter here.

use std::collections::BTreeMap;

use sealdb_crypto::{DenyReason, KeyRef, KmsError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{denied, invalid_ciphertext};

/// All texts in base64.
#[derive(Serialize)]
pub(super) struct Encrypt<'a> {
    pub(super) plaintext: &'a str,
    pub(super) context: &'a str,
    pub(super) associated_data: &'a str,
}

#[derive(Serialize)]
pub(super) struct Decrypt<'a> {
    /// As Vault gave it; the others in base64.
    pub(super) ciphertext: &'a str,
    pub(super) context: &'a str,
    pub(super) associated_data: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Data<D> {
    pub(super) data: D,
}

#[derive(Deserialize)]
pub(super) struct Encrypted {
    pub(super) ciphertext: String,
}

#[derive(Deserialize)]
pub(super) struct Decrypted {
    pub(super) plaintext: Zeroizing<String>,
}

#[derive(Deserialize)]
pub(super) struct Described {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) latest_version: u32,
    /// Versions, each with its time in seconds, or for asymmetric keys with more.
    keys: BTreeMap<u32, serde_json::Value>,
}

impl Described {
    /// When the oldest version that is left was made.
    pub(super) fn created_ms(&self) -> u64 {
        let oldest = self.keys.values().next();
        oldest.and_then(serde_json::Value::as_u64).unwrap_or(0) * 1_000
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Errors {
    errors: Vec<String>,
}

/// What an answer other than 200 means; the table stands in [`super`].
pub(super) fn refusal(key: &KeyRef, url: &str, status: u16, body: &str) -> KmsError {
    let errors: Errors = serde_json::from_str(body).unwrap_or_default();
    let text = errors.errors.join("; ");
    let says = |part: &str| text.contains(part);
    match status {
        403 => denied(key, DenyReason::AccessDenied),
        404 => denied(key, DenyReason::NotFound),
        400 if says("encryption key not found") => denied(key, DenyReason::NotFound),
        400 if says("(too old)") => denied(key, DenyReason::Disabled),
        400 if says("message authentication failed") || says("invalid ciphertext") => {
            invalid_ciphertext(key)
        }
        400..=428 => KmsError::InvalidRequest(format!("Vault answered {status}: {text}")),
        _ => KmsError::Unavailable {
            provider: format!("{} {url}", super::PROVIDER),
            reason: format!("it answered {status}: {text}"),
            source: None,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_have_their_class() {
        let key = "vault:transit/films".parse().unwrap();
        let class = |status, text: &str| {
            let body = serde_json::json!({ "errors": [text] }).to_string();
            refusal(&key, "https://vault", status, &body).code()
        };
        for (status, text, code) in [
            (403, "permission denied", "AccessDeniedException"),
            (404, "", "NotFoundException"),
            (400, "encryption key not found", "NotFoundException"),
            (
                400,
                "ciphertext or signature version is disallowed by policy (too old)",
                "DisabledException",
            ),
            (
                400,
                "cipher: message authentication failed",
                "InvalidCiphertextException",
            ),
            (
                400,
                "invalid ciphertext: no prefix",
                "InvalidCiphertextException",
            ),
            (400, "missing plaintext to encrypt", "ValidationException"),
            (429, "", "DependencyTimeoutException"),
            (473, "", "DependencyTimeoutException"),
            (503, "Vault is sealed", "DependencyTimeoutException"),
            (307, "", "DependencyTimeoutException"),
        ] {
            assert_eq!(class(status, text), code, "{status} {text}");
        }
        let error = refusal(&key, "https://vault", 502, "<html>");
        assert!(error.is_transient());
    }
}
