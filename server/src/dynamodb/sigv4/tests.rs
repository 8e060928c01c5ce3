//! AWS's published test vectors (aws-sig-v4-test-suite), and what a signature must not let through.

#![allow(clippy::unwrap_used)]

use hyper::Request;
use sealdb::ErrorCode;

use super::*;
use crate::dynamodb::exception::Exception;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DATE: &str = "20150830T123600Z";
/// 2015-08-30T12:36:00Z
const NOW_MS: u64 = 1_440_938_160_000;

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Method, path, further headers, signed headers, body, signature.
type Vector = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static str,
);

const VECTORS: &[Vector] = &[
    // get-vanilla
    (
        "GET",
        "/",
        &[],
        "host;x-amz-date",
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    // get-relative, get-slash-dot-slash: normal, they are the same
    (
        "GET",
        "/example/..",
        &[],
        "host;x-amz-date",
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "GET",
        "/./",
        &[],
        "host;x-amz-date",
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    // get-vanilla-query-order-key-case
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        "host;x-amz-date",
        "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    // get-vanilla-empty-query-key
    (
        "GET",
        "/?Param1=value1",
        &[],
        "host;x-amz-date",
        "",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    // get-unreserved
    (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "host;x-amz-date",
        "",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    // get-utf8
    (
        "GET",
        "/ሴ",
        &[],
        "host;x-amz-date",
        "",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    // get-header-value-trim
    (
        "GET",
        "/",
        &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        "host;my-header1;my-header2;x-amz-date",
        "",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    // post-vanilla
    (
        "POST",
        "/",
        &[],
        "host;x-amz-date",
        "",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    // post-x-www-form-urlencoded
    (
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded")],
        "content-type;host;x-amz-date",
        "Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
];

#[test]
fn published_vectors_have_their_signatures() {
    let keys = SigningKeys::new(SECRET);
    for &(method, uri, more, signed_headers, body, signature) in VECTORS {
        let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", DATE)];
        headers.extend(more);
        let parts = parts(method, uri, &headers);
        let claim = Claim::of_vector("20150830/us-east-1/service", signed_headers, DATE);
        let hash = hex(digest(&SHA256, body.as_bytes()).as_ref());
        let canonical = canonical::request(&parts, &claim, &hash);
        let text = string_to_sign(&claim, &canonical);
        let expected: [u8; SHA256_OUTPUT_LEN] = unhex(signature).unwrap();
        // Twice: derived, and kept.
        for _ in 0..2 {
            assert!(
                keys.verify(claim.scope(), text.as_bytes(), &expected),
                "{method} {uri}"
            );
        }
        assert!(!SigningKeys::new("another").verify(claim.scope(), text.as_bytes(), &expected));
    }
    // get-space: no URI of ours holds one, the canonical form does.
    assert_eq!(canonical::path("/example space/"), "/example%20space/");
    assert_eq!(canonical::path("/a%20b"), "/a%2520b");
    assert_eq!(
        canonical::query("b=%2f&a=x%20y&a=&c", false),
        "a=&a=x%20y&b=%2F&c="
    );
}

const TARGET: (&str, &str) = ("x-amz-target", "DynamoDB_20120810.ListTables");
const HOST: (&str, &str) = ("host", "localhost:8000");

/// A request signed as an SDK does, with what the case changes.
fn signed(change: impl Fn(&mut Vec<(&'static str, String)>)) -> Parts {
    let scope = "20150830/eu-west-1/dynamodb";
    let unsigned = parts("POST", "/", &[HOST, TARGET, ("x-amz-date", DATE)]);
    let claim = Claim::of_vector(scope, "host;x-amz-date;x-amz-target", DATE);
    let hash = hex(digest(&SHA256, b"{}").as_ref());
    let text = string_to_sign(&claim, &canonical::request(&unsigned, &claim, &hash));
    let signature = hex(&SigningKeys::new(SECRET).sign_for_test(scope, text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}"
    );
    let mut headers = vec![
        (HOST.0, HOST.1.to_owned()),
        (TARGET.0, TARGET.1.to_owned()),
        ("x-amz-date", DATE.to_owned()),
        ("authorization", authorization),
    ];
    change(&mut headers);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    parts("POST", "/", &headers)
}

fn outcome(parts: &Parts, body: &[u8], now_ms: u64) -> Result<(), (ErrorCode, String)> {
    let checked = || {
        let claim = Claim::of(parts)?;
        claim.check_date(now_ms)?;
        verify(parts, &claim, body, &SigningKeys::new(SECRET))
    };
    checked().map_err(|exception: Exception| {
        (exception.code, String::from_utf8(exception.body()).unwrap())
    })
}

fn refusal(parts: &Parts) -> (ErrorCode, String) {
    outcome(parts, b"{}", NOW_MS).unwrap_err()
}

#[test]
fn a_signature_covers_headers_body_and_date() {
    let good = signed(|_| {});
    assert_eq!(outcome(&good, b"{}", NOW_MS), Ok(()));
    assert_eq!(outcome(&good, b"{}", NOW_MS + 15 * 60_000), Ok(()));
    let wrong = ErrorCode::InvalidSignatureException;
    assert_eq!(outcome(&good, b"{ }", NOW_MS).unwrap_err().0, wrong);
    let other_target = signed(|headers| headers[1].1 = "DynamoDB_20120810.DeleteTable".to_owned());
    assert_eq!(refusal(&other_target).0, wrong);
    let other_date = signed(|headers| headers[2].1 = "20150830T123601Z".to_owned());
    assert_eq!(refusal(&other_date).0, wrong);
    let upper = signed(|headers| headers[3].1 = headers[3].1.replace("Signature=", "Signature=A"));
    assert_eq!(refusal(&upper).0, wrong);
}

#[test]
fn refusals_are_in_the_services_words() {
    let late = outcome(&signed(|_| {}), b"{}", NOW_MS + 16 * 60_000).unwrap_err();
    assert_eq!(late.0, ErrorCode::InvalidSignatureException);
    assert!(
        late.1.contains(
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123700Z (20150830T125200Z - 15 min.)"
        ),
        "{}",
        late.1
    );
    let early = outcome(&signed(|_| {}), b"{}", NOW_MS - 16 * 60_000).unwrap_err();
    assert!(
        early.1.contains("Signature not yet current: "),
        "{}",
        early.1
    );
    let edit = |from: &'static str, to: &'static str| {
        refusal(&signed(|headers| {
            headers[3].1 = headers[3].1.replace(from, to)
        }))
    };
    for (from, to, code, message) in [
        (
            "AWS4-HMAC-SHA256",
            "Bearer",
            ErrorCode::MissingAuthenticationTokenException,
            "Request is missing Authentication Token",
        ),
        (
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-MD5",
            ErrorCode::IncompleteSignatureException,
            "Unsupported AWS 'algorithm'",
        ),
        (
            "Credential",
            "Kredential",
            ErrorCode::IncompleteSignatureException,
            "Authorization header requires 'Credential' parameter. Authorization=AWS4",
        ),
        (
            "Signature=",
            "Nothing=",
            ErrorCode::IncompleteSignatureException,
            "Authorization header requires 'Signature' parameter. ",
        ),
        (
            "/dynamodb/",
            "/s3/",
            ErrorCode::InvalidSignatureException,
            "Credential should be scoped to correct service: 'dynamodb'. ",
        ),
        (
            "/aws4_request",
            "",
            ErrorCode::IncompleteSignatureException,
            "Credential must have exactly 5 slash-delimited elements",
        ),
        (
            "/20150830/",
            "/20150831/",
            ErrorCode::InvalidSignatureException,
            "Date in Credential scope does not match YYYYMMDD",
        ),
        (
            ";x-amz-target",
            "",
            ErrorCode::InvalidSignatureException,
            "'x-amz-target' must be a 'SignedHeader'",
        ),
        (
            "=host;",
            "=host;Host;",
            ErrorCode::InvalidSignatureException,
            "The request signature we calculated does not match",
        ),
    ] {
        let (found, text) = edit(from, to);
        assert_eq!(found, code, "{from}");
        assert!(text.contains(message), "{text}");
    }
    let without = |name: &str| {
        refusal(&signed(|headers| {
            headers.retain(|(known, _)| *known != name)
        }))
    };
    assert_eq!(
        without("authorization").0,
        ErrorCode::MissingAuthenticationTokenException
    );
    let (code, text) = without("x-amz-date");
    assert_eq!(code, ErrorCode::IncompleteSignatureException);
    assert!(
        text.contains("existence of either a 'X-Amz-Date' or a 'Date' header. "),
        "{text}"
    );
    let token = signed(|headers| headers.push(("x-amz-security-token", "t".to_owned())));
    assert_eq!(refusal(&token).0, ErrorCode::UnrecognizedClientException);
    let both = parts(
        "POST",
        "/?X-Amz-Algorithm=x",
        &[("authorization", "AWS4-HMAC-SHA256")],
    );
    assert!(refusal(&both).1.contains("Found both 'X-Amz-Algorithm'"));
}

/// Whoever names a header twice is refused before anything is made of it, even where both sides would hash the same.
#[test]
fn a_header_is_signed_once() {
    let claimed = |names: &str| {
        let headers = format!("SignedHeaders={names},");
        let changed = signed(|all| {
            all[3].1 = all[3]
                .1
                .replace("SignedHeaders=host;x-amz-date;x-amz-target,", &headers);
        });
        Claim::of(&changed)
            .map(|_| ())
            .map_err(|refused| refused.code)
    };
    assert_eq!(claimed("host;x-amz-target;a;b"), Ok(()));
    let repeated = format!("host;x-amz-target{}", ";a".repeat(15_500));
    for names in [&repeated, "host;x-amz-target;a;A", "host;host;x-amz-target"] {
        let refused = Err(ErrorCode::InvalidSignatureException);
        assert_eq!(claimed(names), refused);
    }
}

#[test]
fn any_bytes_are_refused_quietly() {
    for bytes in [
        &b"/\nAWS4-HMAC-SHA256 Credential=a/b/c/dynamodb/aws4_request, SignedHeaders=host;x-amz-target, Signature=00\n20150830T123600Z\n"[..],
        b"/?%\nAWS4-\n\xff\n",
        b"",
    ] {
        fuzz_sigv4(bytes);
    }
}
