//! Who a request says it is from, and when it was signed. Nothing is verified here but the form and the date.

use std::borrow::Cow;
use std::collections::HashSet;

use hyper::http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sealdb::ErrorCode;

use super::{TOLERANCE, no_match, unknown_key};
use crate::dynamodb::exception::Exception;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Dates as they are signed: ISO 8601, basic.
const ISO_BASIC: &str = "%Y%m%dT%H%M%SZ";
/// Headers that a signature must cover.
const MUST_SIGN: [&str; 2] = ["host", "x-amz-target"];

/// A signature and what it says about itself.
pub(in crate::dynamodb) struct Claim<'a> {
    access_key_id: Cow<'a, str>,
    /// `date/region/service`
    scope: String,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    at: Timestamp,
    timestamp: String,
    in_query: bool,
}

impl<'a> Claim<'a> {
    /// Reads `Authorization`, or the query string.
    ///
    /// # Errors
    /// No signature, or not all of it: AWS's messages.
    pub(in crate::dynamodb) fn of(parts: &'a Parts) -> Result<Claim<'a>, Exception> {
        let header = parts
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let query = parts.uri.query().unwrap_or_default();
        let in_query = query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("X-Amz-Algorithm"));
        let written = match (header, in_query) {
            (Some(_), true) => {
                return Err(invalid(
                    "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
                ));
            }
            (Some(header), false) if header.trim_start().starts_with("AWS4-") => {
                Written::in_header(header.trim(), parts)?
            }
            (None, true) => Written::in_query(query)?,
            _ => {
                return Err(Exception::new(
                    ErrorCode::MissingAuthenticationTokenException,
                    "Request is missing Authentication Token",
                ));
            }
        };
        // Temporary credentials are not given out here, so no token is one of ours.
        if parts.headers.contains_key("x-amz-security-token") {
            return Err(unknown_key());
        }
        written.claim(in_query)
    }

    /// A claim of any service and headers, for AWS's test vectors.
    #[cfg(test)]
    pub(super) fn of_vector(scope: &str, signed_headers: &'a str, at: &str) -> Claim<'a> {
        Claim {
            access_key_id: "AKIDEXAMPLE".into(),
            scope: scope.to_owned(),
            signed_headers: signed_headers.into(),
            signature: "".into(),
            at: parse_date(at).expect("a date"),
            timestamp: at.to_owned(),
            in_query: false,
        }
    }

    /// Whose key it says it was signed with.
    pub(in crate::dynamodb) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn signed_headers(&self) -> &str {
        &self.signed_headers
    }

    pub(super) fn signature(&self) -> &str {
        &self.signature
    }

    pub(super) fn timestamp(&self) -> &str {
        &self.timestamp
    }

    pub(super) fn in_query(&self) -> bool {
        self.in_query
    }

    /// Checks that the request was signed about now.
    ///
    /// # Errors
    /// AWS's messages for too early and too late.
    pub(in crate::dynamodb) fn check_date(&self, now_ms: u64) -> Result<(), Exception> {
        let now = i64::try_from(now_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX);
        let age = now.duration_since(self.at);
        let iso = |at: Timestamp| at.strftime(ISO_BASIC).to_string();
        // Sums that leave the calendar are as far away as its ends.
        let limit = |shift: jiff::SignedDuration| iso(now.saturating_add(shift).unwrap_or(now));
        if age > TOLERANCE {
            return Err(invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - 15 min.)",
                self.timestamp,
                limit(-TOLERANCE),
                iso(now)
            )));
        }
        if age < -TOLERANCE {
            return Err(invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                self.timestamp,
                limit(TOLERANCE),
                iso(now)
            )));
        }
        Ok(())
    }
}

/// The parts as they are written.
struct Written<'a> {
    algorithm: Cow<'a, str>,
    credential: Cow<'a, str>,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    date: Cow<'a, str>,
}

impl<'a> Written<'a> {
    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
    fn in_header(header: &'a str, parts: &'a Parts) -> Result<Written<'a>, Exception> {
        let (algorithm, fields) = header.split_once(' ').unwrap_or((header, ""));
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|pair| pair.trim().split_once('='))
                .find(|(found, value)| *found == name && !value.is_empty())
                .map(|(_, value)| value)
        };
        let date = ["x-amz-date", "date"]
            .iter()
            .find_map(|name| parts.headers.get(*name))
            .and_then(|value| value.to_str().ok());
        let found = (
            field("Credential"),
            field("Signature"),
            field("SignedHeaders"),
            date,
        );
        if let (Some(credential), Some(signature), Some(signed_headers), Some(date)) = found {
            return Ok(Written {
                algorithm: algorithm.into(),
                credential: credential.into(),
                signed_headers: signed_headers.into(),
                signature: signature.into(),
                date: date.into(),
            });
        }
        let mut message = String::new();
        for (missing, name) in [
            (found.0.is_none(), "Credential"),
            (found.1.is_none(), "Signature"),
            (found.2.is_none(), "SignedHeaders"),
        ] {
            if missing {
                message.push_str(&format!(
                    "Authorization header requires '{name}' parameter. "
                ));
            }
        }
        if date.is_none() {
            message.push_str(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
            );
        }
        message.push_str(&format!("Authorization={header}"));
        Err(incomplete(message))
    }

    fn in_query(query: &'a str) -> Result<Written<'a>, Exception> {
        let mut message = String::new();
        let mut field = |name: &str| {
            let found = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(found, value)| *found == name && !value.is_empty())
                .map(|(_, value)| super::canonical::decode(value));
            if found.is_none() {
                message.push_str(&format!(
                    "AWS query-string parameters must include '{name}'. "
                ));
            }
            found.unwrap_or_default()
        };
        let written = Written {
            algorithm: field("X-Amz-Algorithm"),
            credential: field("X-Amz-Credential"),
            signature: field("X-Amz-Signature"),
            signed_headers: field("X-Amz-SignedHeaders"),
            date: field("X-Amz-Date"),
        };
        match message.is_empty() {
            true => Ok(written),
            false => Err(incomplete(format!(
                "{message}Re-examine the query-string parameters."
            ))),
        }
    }

    fn claim(self, in_query: bool) -> Result<Claim<'a>, Exception> {
        if self.algorithm != ALGORITHM {
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': '{}'.",
                self.algorithm
            )));
        }
        let parts: Vec<&str> = self.credential.split('/').collect();
        let &[access_key_id, date, region, service, terminator] = parts.as_slice() else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                self.credential
            )));
        };
        if service != "dynamodb" {
            return Err(invalid(
                "Credential should be scoped to correct service: 'dynamodb'. ",
            ));
        }
        if terminator != "aws4_request" {
            return Err(invalid(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            )));
        }
        let Some(at) = parse_date(&self.date) else {
            return Err(incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                self.date
            )));
        };
        let timestamp = at.strftime(ISO_BASIC).to_string();
        let day = timestamp.get(..8).unwrap_or_default();
        if date != day {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != \
                 '{day}', from '{timestamp}'."
            )));
        }
        for name in MUST_SIGN {
            if !self.signed_headers.split(';').any(|signed| signed == name) {
                return Err(invalid(format!(
                    "'{name}' must be a 'SignedHeader' in the AWS Authorization."
                )));
            }
        }
        // A canonical request has each header once, and is then no longer than the head. Named again and again, one long header would make it
        // thousands of times as long.
        let mut named = HashSet::new();
        let mut names = self.signed_headers.split(';');
        if !names.all(|name| named.insert(name.to_ascii_lowercase())) {
            return Err(no_match());
        }
        Ok(Claim {
            access_key_id: access_key_id.to_owned().into(),
            scope: format!("{date}/{region}/{service}"),
            signed_headers: self.signed_headers,
            signature: self.signature,
            at,
            timestamp,
            in_query,
        })
    }
}

/// `20150830T123600Z`, or the form of a `Date` header.
fn parse_date(text: &str) -> Option<Timestamp> {
    if text.len() == 16 {
        let date = DateTime::strptime(ISO_BASIC, text).ok()?;
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

fn incomplete(message: impl Into<String>) -> Exception {
    Exception::new(ErrorCode::IncompleteSignatureException, message)
}

fn invalid(message: impl Into<String>) -> Exception {
    Exception::new(ErrorCode::InvalidSignatureException, message)
}
