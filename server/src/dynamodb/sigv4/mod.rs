//! AWS Signature Version 4, the receiving side.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. A signature covers method,
//! path, query, the headers that it names and the whole body, and holds for [`TOLERANCE`] around its date. The secret itself
//! is never sent. `Authorization` as well as a signed query string are taken.
//!
//! Stricter than the service in one point: `host` and `x-amz-target` must be signed, or a signed GetItem could be sent again
//! as a DeleteItem.
//!
//! Not prevented: that the same request is sent again within the tolerance by someone who saw it. On TLS nobody sees it.

mod canonical;
mod claim;
mod keys;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use hyper::http::request::Parts;
use sealdb::ErrorCode;
use sealdb::crypto::{hex, unhex};

use crate::dynamodb::exception::Exception;

pub(super) use claim::Claim;
pub(crate) use keys::SigningKeys;

/// How far a request's date may be from ours.
const TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Checks a signature over a request. The date was checked before.
pub(super) fn verify(
    parts: &Parts,
    claim: &Claim<'_>,
    body: &[u8],
    keys: &SigningKeys,
) -> Result<(), Exception> {
    let canonical = canonical::request(parts, claim, &hex(digest(&SHA256, body).as_ref()));
    let signed = string_to_sign(claim, &canonical);
    let offered: Option<[u8; SHA256_OUTPUT_LEN]> = unhex(claim.signature());
    match offered.is_some_and(|offered| keys.verify(claim.scope(), signed.as_bytes(), &offered)) {
        true => Ok(()),
        false => Err(no_match()),
    }
}

/// What those hear whose signature is not the request's.
fn no_match() -> Exception {
    Exception::new(
        ErrorCode::InvalidSignatureException,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.",
    )
}

fn string_to_sign(claim: &Claim<'_>, canonical: &[u8]) -> String {
    format!(
        "AWS4-HMAC-SHA256\n{}\n{}/aws4_request\n{}",
        claim.timestamp(),
        claim.scope(),
        hex(digest(&SHA256, canonical).as_ref())
    )
}

/// What those hear whose access key is not known.
pub(super) fn unknown_key() -> Exception {
    Exception::new(
        ErrorCode::UnrecognizedClientException,
        "The security token included in the request is invalid.",
    )
}

/// Any bytes as path, headers and body of a request.
#[doc(hidden)]
pub fn fuzz_sigv4(bytes: &[u8]) {
    let mut fields = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || fields.next().unwrap_or_default();
    let (uri, authorization, date) = (next(), next(), next());
    let built = hyper::Request::post(uri)
        .header("authorization", authorization)
        .header("x-amz-date", date)
        .header("x-amz-target", "DynamoDB_20120810.GetItem")
        .body(());
    let Ok((parts, ())) = built.map(hyper::Request::into_parts) else {
        return;
    };
    if let Ok(claim) = Claim::of(&parts) {
        let _ = claim.check_date(0);
        let keys = SigningKeys::new("secret");
        assert!(verify(&parts, &claim, next(), &keys).is_err());
    }
}

#[cfg(test)]
mod tests;
