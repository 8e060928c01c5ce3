//! One request, one answer.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use sealdb::ErrorCode;
use sealdb_proto::json_api;

use crate::auth::Principal;
use crate::dynamodb::answer::{self, Asked};
use crate::dynamodb::body::{self, Unread};
use crate::dynamodb::dispatch::Operation;
use crate::dynamodb::exception::Exception;
use crate::dynamodb::sigv4::{self, Claim};
use crate::dynamodb::{DynamoDb, account};
use crate::gate::Place;
use crate::health;
use crate::held::Held;
use crate::listener::ConnectionInfo;
use crate::measured::Who;
use crate::metrics::Rejected;
use crate::refusals::{Peer, Refusal};

/// Answers a request, whatever it is. The answer of a call keeps its place in flight.
pub(super) async fn exchange(
    service: &DynamoDb,
    connection: &ConnectionInfo,
    request: Request<Incoming>,
) -> Response<Held<Full<Bytes>>> {
    let mut place = None;
    let response = respond(service, connection, request, &mut place).await;
    response.map(|body| Held::new(body, place))
}

async fn respond(
    service: &DynamoDb,
    connection: &ConnectionInfo,
    request: Request<Incoming>,
    place: &mut Option<Place>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&parts.headers, request_id());
    match parts.method {
        Method::POST if asked.content_type.is_some() => {}
        Method::GET if parts.uri.path() == "/" => return told_health(service, &asked, &parts),
        Method::OPTIONS => return answer::preflight(&asked, &parts.headers),
        _ => {
            let xml = HeaderValue::from_static("application/xml");
            return answer::plain(
                &asked,
                404,
                xml,
                Bytes::from_static(b"<UnknownOperationException/>\n"),
            );
        }
    }
    match call(service, connection, &parts, body, &asked, place).await {
        Ok(body) => answer::json(&asked, 200, body).await,
        Err(Ended::Refused(exception)) => {
            answer::json(&asked, exception.status(), exception.body()).await
        }
        Err(Ended::Unread(status)) => {
            let text = HeaderValue::from_static("text/plain");
            answer::plain(&asked, status, text, Bytes::new())
        }
    }
}

/// How a call ended without an answer of its operation.
enum Ended {
    Refused(Exception),
    /// There was no body to carry out; the status that says so.
    Unread(u16),
}

impl From<Exception> for Ended {
    fn from(exception: Exception) -> Ended {
        Ended::Refused(exception)
    }
}

impl From<Unread> for Ended {
    fn from(unread: Unread) -> Ended {
        match unread {
            Unread::TooLong => Ended::Unread(413),
            Unread::Broken => Ended::Unread(408),
            Unread::NoRoom(message) => overloaded(message).into(),
        }
    }
}

async fn call(
    service: &DynamoDb,
    connection: &ConnectionInfo,
    parts: &Parts,
    body: Incoming,
    asked: &Asked,
    place: &mut Option<Place>,
) -> Result<Vec<u8>, Ended> {
    let told = Told {
        parts,
        asked,
        peer: Peer {
            address: Some(connection.peer.ip()),
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
        },
    };
    let (operation, claim) = match admit(service, parts) {
        Ok(admitted) => admitted,
        Err(exception) => {
            turned_away(service, &told, &exception);
            // What is no JSON is told so first.
            return Err(match body::glance(body, service.gate.budget()).await {
                Some(bytes) if !json_api::is_json(&bytes) => {
                    Exception::silent(ErrorCode::SerializationException).into()
                }
                _ => exception.into(),
            });
        }
    };
    let budget = service.gate.budget();
    let read = body::read(body, body::LIMIT, budget).await;
    let (arriving, bytes) = read.map_err(Ended::from).inspect_err(|ended| {
        if let Ended::Refused(exception) = ended {
            turned_away(service, &told, exception);
        }
    })?;
    let principal = verify(service, parts, &claim, &bytes).inspect_err(|exception| {
        turned_away(service, &told, exception);
    })?;
    connection.logged_in();
    let refused = |message: String| {
        let exception = overloaded(message);
        turned_away(service, &told, &exception);
        exception
    };
    *place = service.gate.enter();
    if place.is_none() {
        let message = "the server already works on as many calls as it may; try again later";
        return Err(refused(message.to_owned()).into());
    }
    let share = budget.reserve(bytes.len()).await.map_err(refused)?;
    drop(arriving);
    let unpacked = match is_gzip(&parts.headers) {
        true => body::unpack(&bytes, share, budget).await,
        false => Ok((share, bytes)),
    };
    let (_share, bytes) = unpacked.inspect_err(|exception| {
        turned_away(service, &told, exception);
        if rejected(exception.code) == Rejected::Malformed {
            let caller = principal.caller(&asked.request_id, &told.peer);
            let refusals = service.gate.refusals();
            refusals.malformed((operation.name(), ""), &caller, exception.code);
        }
    })?;
    let who = Who {
        request_id: asked.request_id.as_str().into(),
        principal: Some(principal),
        peer: told.peer,
    };
    let host = text(&parts.headers, header::HOST.as_str()).unwrap_or_default();
    Ok(operation.run(service, host, &bytes, who).await?)
}

/// What the head of a request alone tells.
fn admit<'a>(service: &DynamoDb, parts: &'a Parts) -> Result<(Operation, Claim<'a>), Exception> {
    let target = text(&parts.headers, "x-amz-target").unwrap_or_default();
    let operation = Operation::find(target).ok_or_else(|| unknown_operation(target))?;
    let claim = Claim::of(parts)?;
    if !service.authenticator.knows(claim.access_key_id()) {
        return Err(sigv4::unknown_key());
    }
    claim.check_date(service.clock.wall_ms())?;
    Ok((operation, claim))
}

fn overloaded(message: String) -> Exception {
    Exception::new(ErrorCode::ThrottlingException, message)
}

fn unknown_operation(target: &str) -> Exception {
    let code = ErrorCode::UnknownOperationException;
    match account::absent(target) {
        Some(name) => Exception::new(
            code,
            format!("{name} is not supported by this version of SealDB"),
        ),
        None => Exception::silent(code),
    }
}

fn verify(
    service: &DynamoDb,
    parts: &Parts,
    claim: &Claim<'_>,
    body: &[u8],
) -> Result<Principal, Exception> {
    service
        .authenticator
        .signed(claim.access_key_id(), |keys| {
            sigv4::verify(parts, claim, body, keys)
        })
        .unwrap_or_else(|| Err(sigv4::unknown_key()))
}

/// What is known of a request before it is carried out.
struct Told<'a> {
    parts: &'a Parts,
    asked: &'a Asked,
    peer: Peer,
}

/// Why what is answered so before an operation begins is turned away.
fn rejected(code: ErrorCode) -> Rejected {
    match code {
        ErrorCode::ThrottlingException => Rejected::Overloaded,
        ErrorCode::UnknownOperationException | ErrorCode::SerializationException => {
            Rejected::Malformed
        }
        // All else that is said here is about who calls.
        _ => Rejected::Unauthenticated,
    }
}

fn turned_away(service: &DynamoDb, told: &Told<'_>, exception: &Exception) {
    let why = rejected(exception.code);
    service.metrics.rejected(why);
    if why == Rejected::Unauthenticated {
        let target = text(&told.parts.headers, "x-amz-target").unwrap_or_default();
        let claim = Claim::of(told.parts).ok();
        service.gate.refusals().note(&Refusal {
            operation: Operation::find(target).map_or("Unknown", Operation::name),
            code: exception.code,
            access_key_id: claim.as_ref().map(Claim::access_key_id),
            request_id: &told.asked.request_id,
            peer: &told.peer,
        });
    }
    tracing::info!(
        request_id = told.asked.request_id,
        outcome = exception.code.name(),
        "request turned away"
    );
}

fn is_gzip(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_ENCODING.as_str())
        .is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `healthy: ` and the name of the service as the caller calls it, or that the database is closed.
fn told_health(service: &DynamoDb, asked: &Asked, parts: &Parts) -> Response<Full<Bytes>> {
    let text_plain = HeaderValue::from_static("text/plain");
    if !health::is_serving(&service.database) {
        let body = Bytes::from_static(b"unhealthy: the database is closed\n");
        return answer::plain(asked, 503, text_plain, body);
    }
    let host = text(&parts.headers, "host").unwrap_or_default();
    let name = match host.starts_with("dynamodb.") {
        true => host,
        false => "dynamodb.us-east-1.amazonaws.com",
    };
    let body = format!("healthy: {name} ");
    answer::plain(asked, 200, text_plain, body.into())
}

/// 52 characters, as the service's are.
fn request_id() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; 52];
    // Ids tell requests apart in logs; without randomness they would not, and nothing else would break.
    let _ = getrandom::fill(&mut random);
    random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect()
}
