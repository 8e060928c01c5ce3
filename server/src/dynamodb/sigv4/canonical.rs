//! The canonical form of a request: what both sides hash.
//!
//! | line | |
//! |---|---|
//! | method | |
//! | path | dots resolved, slashes joined, each byte that is not unreserved as `%XX` |
//! | query | decoded, encoded, sorted; without the signature itself |
//! | headers | those that are signed: `name:values`, spaces joined; then an empty line |
//! | signed headers | as the signature lists them |
//! | payload | SHA-256 of the body |

use std::borrow::Cow;

use hyper::http::request::Parts;

use super::Claim;

const SIGNATURE: &str = "X-Amz-Signature";

/// The canonical request.
pub(super) fn request(parts: &Parts, claim: &Claim<'_>, payload_hash: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    let mut line = |content: &[u8]| {
        text.extend_from_slice(content);
        text.push(b'\n');
    };
    line(parts.method.as_str().as_bytes());
    line(path(parts.uri.path()).as_bytes());
    line(query(parts.uri.query().unwrap_or_default(), claim.in_query()).as_bytes());
    for name in claim.signed_headers().split(';') {
        line(&header(parts, name));
    }
    line(b"");
    line(claim.signed_headers().as_bytes());
    text.extend_from_slice(payload_hash.as_bytes());
    text
}

/// A path, normal and encoded.
pub(super) fn path(path: &str) -> Cow<'_, str> {
    if path == "/" {
        return path.into();
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len() + 16);
    for segment in &segments {
        normal.push('/');
        encode(segment.as_bytes(), &mut normal);
    }
    if segments.is_empty() || path.ends_with('/') {
        normal.push('/');
    }
    normal.into()
}

/// The parameters of a query, in order; `without_signature` for one that carries its own.
pub(super) fn query(query: &str, without_signature: bool) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| !(without_signature && *name == SIGNATURE))
        .map(|(name, value)| (again(name), again(value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Decoded and encoded: one form, whatever the sender encoded.
fn again(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    encode(&decode_bytes(text), &mut encoded);
    encoded
}

/// Text without its `%XX`.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    match text.contains('%') {
        false => text.into(),
        true => String::from_utf8_lossy(&decode_bytes(text))
            .into_owned()
            .into(),
    }
}

fn decode_bytes(text: &str) -> Vec<u8> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high << 4 | low).unwrap_or(b'%'));
                bytes = ahead;
            }
            (byte, ..) => decoded.push(byte),
        }
    }
    decoded
}

fn encode(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(*byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// `name:value,value`, each value without spaces around it and with single ones in it.
fn header(parts: &Parts, name: &str) -> Vec<u8> {
    let mut line = name.as_bytes().to_vec();
    line.push(b':');
    for (at, value) in parts.headers.get_all(name).iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        let mut space = false;
        for byte in value.as_bytes().trim_ascii() {
            if *byte != b' ' || !space {
                line.push(*byte);
            }
            space = *byte == b' ';
        }
    }
    line
}
