//! NextToken of ExecuteStatement: where a SELECT goes on.
//!
//! It is the hexadecimal form of: 8 bytes fingerprint of the request ‖ 4 bytes number of the read, both big-endian ‖ the key to go
//! on after as an item in its stored form, if there is one. It holds nothing that its caller was not told.

use crate::codec::{decode_item, encode_item};
use crate::error::ValidationError;
use crate::hexadecimal::{from_hexadecimal, to_hexadecimal};
use crate::map::Map;
use crate::value::AttributeValue;

/// A place in the results of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextToken {
    /// Which of the statement's reads is next, from 0.
    pub read: u32,
    /// The key in it to go on after; `None`: from its start.
    pub after: Option<Map>,
}

impl NextToken {
    /// The token as the caller sees it. `fingerprint` is that of the request.
    pub fn encode(&self, fingerprint: u64) -> Result<String, ValidationError> {
        let mut bytes = [&fingerprint.to_be_bytes()[..], &self.read.to_be_bytes()[..]].concat();
        if let Some(key) = &self.after {
            encode_item(key, &mut bytes)
                .map_err(|error| ValidationError::new(error.to_string()))?;
        }
        Ok(to_hexadecimal(&bytes))
    }

    /// Reads a token that the request of this fingerprint was given.
    ///
    /// # Errors
    /// AWS's messages: for what is no token, and for that of another request.
    pub fn decode(token: &str, fingerprint: u64) -> Result<Self, ValidationError> {
        let invalid = || ValidationError::new("Invalid NextToken");
        let bytes = from_hexadecimal(token).ok_or_else(invalid)?;
        let (found, rest) = bytes.split_first_chunk().ok_or_else(invalid)?;
        let (read, key) = rest.split_first_chunk().ok_or_else(invalid)?;
        let after = match key {
            [] => None,
            key => Some(decode_item(key).map_err(|_| invalid())?),
        };
        if u64::from_be_bytes(*found) != fingerprint {
            return Err(ValidationError::new("NextToken does not match request"));
        }
        Ok(Self {
            read: u32::from_be_bytes(*read),
            after,
        })
    }
}

/// What a request's tokens are told from another's by: FNV-1a of its [`identity`]. A caller who forges one only begins elsewhere.
pub(crate) fn fingerprint(statement: &str, parameters: &[AttributeValue]) -> u64 {
    identity(statement, parameters)
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Bytes that two statements with their parameters share just if they are the same.
pub(crate) fn identity(statement: &str, parameters: &[AttributeValue]) -> Vec<u8> {
    let mut bytes = [&statement.len().to_be_bytes()[..], statement.as_bytes()].concat();
    let parameters = Map::from([("p", AttributeValue::L(parameters.to_vec()))]);
    // Parameters that cannot be stored are refused when they are bound.
    let _ = encode_item(&parameters, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place_in_its_request_only() {
        for after in [
            None,
            Some(Map::from([
                ("pk", AttributeValue::from("a")),
                ("sk", 1.into()),
            ])),
        ] {
            let token = NextToken { read: 3, after };
            let text = token.encode(7).unwrap();
            assert_eq!(NextToken::decode(&text, 7), Ok(token));
            let refused = |text: &str, fingerprint| {
                let error = NextToken::decode(text, fingerprint).unwrap_err();
                error.message().to_owned()
            };
            assert_eq!(refused(&text, 8), "NextToken does not match request");
            for text in [&text[1..], &text[..8], "", "é", "zz"] {
                assert_eq!(refused(text, 7), "Invalid NextToken");
            }
        }
    }

    #[test]
    fn fingerprints_tell_requests_apart() {
        let one = fingerprint("SELECT 1", &[AttributeValue::from("a")]);
        assert_eq!(one, fingerprint("SELECT 1", &[AttributeValue::from("a")]));
        assert_ne!(one, fingerprint("SELECT 2", &[AttributeValue::from("a")]));
        assert_ne!(one, fingerprint("SELECT 1", &[AttributeValue::from("b")]));
        assert_ne!(one, fingerprint("SELECT 1", &[]));
    }
}
