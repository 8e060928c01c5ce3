//! Answers: headers, checksum, compression.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// Content types of the protocol; the service takes the plain one too.
const JSON_TYPES: [&str; 3] = [
    "application/x-amz-json-1.0",
    "application/x-amz-json-1.1",
    "application/json",
];
/// Shorter bodies gain nothing from compression.
const WORTH_PACKING: usize = 1 << 10;
/// Longer ones are packed on a thread that may be busy for some milliseconds.
const TAKES_TIME: usize = 64 << 10;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
/// Seconds for which a browser remembers what a preflight allowed: as the service has it.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("172800");

/// What an answer needs to know of its request.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) request_id: String,
    /// The caller takes gzip.
    pub(super) gzip: bool,
    /// The caller is a page in a browser.
    pub(super) cross_origin: bool,
    /// The content type of the request, if it is one of the protocol's: the answer has the same.
    pub(super) content_type: Option<&'static str>,
}

impl Asked {
    /// Reads a request's headers.
    pub(super) fn of(headers: &HeaderMap, request_id: String) -> Asked {
        let accepts = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok());
        Asked {
            request_id,
            gzip: accepts.is_some_and(takes_gzip),
            cross_origin: headers.contains_key(header::ORIGIN),
            content_type: headers
                .get(header::CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok())
                .and_then(json_type),
        }
    }
}

/// The one of the protocol's content types that a header names.
fn json_type(header: &str) -> Option<&'static str> {
    let kind = header.split(';').next().unwrap_or_default().trim();
    JSON_TYPES.into_iter().find(|known| *known == kind)
}

/// Whether a list of encodings has gzip, and not with the weight 0.
fn takes_gzip(list: &str) -> bool {
    list.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        named && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// An answer of the protocol.
pub(super) async fn json(asked: &Asked, status: u16, body: Vec<u8>) -> Response<Full<Bytes>> {
    let kind = HeaderValue::from_static(asked.content_type.unwrap_or(JSON_TYPES[0]));
    if !asked.gzip || body.len() < WORTH_PACKING {
        return plain(asked, status, kind, body.into());
    }
    let packed = match body.len() {
        ..TAKES_TIME => pack(&body),
        _ => {
            let bytes = body.clone();
            tokio::task::spawn_blocking(move || pack(&bytes))
                .await
                .ok()
                .flatten()
        }
    };
    match packed {
        Some(packed) => {
            let mut response = plain(asked, status, kind, packed.into());
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        None => plain(asked, status, kind, body.into()),
    }
}

fn pack(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// Any answer, with the checksum of its bytes as they are sent.
pub(super) fn plain(
    asked: &Asked,
    status: u16,
    kind: HeaderValue,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut crc = Crc::new();
    crc.update(&body);
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(CRC32, HeaderValue::from(crc.sum()));
    if let Ok(id) = HeaderValue::from_str(&asked.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if asked.cross_origin {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
        );
    }
    response
}

/// The answer to a browser that asks before it sends.
pub(super) fn preflight(asked: &Asked, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let text = HeaderValue::from_static("text/plain");
    let mut response = plain(asked, 200, text, Bytes::new());
    let allowed = response.headers_mut();
    allowed.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    for (wish, granted) in [
        (
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
        ),
        (
            header::ACCESS_CONTROL_REQUEST_METHOD,
            header::ACCESS_CONTROL_ALLOW_METHODS,
        ),
    ] {
        if let Some(wish) = headers.get(wish) {
            allowed.insert(granted, wish.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for list in ["gzip", "deflate, gzip", "br;q=1.0, GZIP;q=0.5", "gzip;q=1"] {
            assert!(takes_gzip(list), "{list}");
        }
        for list in ["", "identity", "br", "gzip;q=0", "deflate, gzip; q=0"] {
            assert!(!takes_gzip(list), "{list}");
        }
    }
}
