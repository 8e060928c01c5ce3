//! What every call passes before it reaches a service: a request id, the credential, and room.
//!
//! The health service is exempt from the credential (load balancers have none) and from the bound on calls in flight (its
//! watches last for ever). Reflection is not exempt: grpcurl sends its `-H` on reflection calls too.
//!
//! The place in flight and the request's share of memory ([`crate::budget`]) are taken before its body is read, or where a signature covers the
//! body ([`crate::dynamodb`]) after it; only those who hold a credential can take any. The place is given back when the answer has been sent
//! ([`crate::held`]).
//!
//! What the gRPC library refuses before the service sees it (bytes that are no frame, an operation that does not exist) gets the
//! exception's name here, so that every refusal has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use sealdb::ErrorCode;
use sealdb::crypto::Caller;
use sealdb_proto::{REQUEST_ID_METADATA, named_error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::auth::{Authenticator, Principal, claimed_id};
use crate::budget::Budget;
use crate::held::Held;
use crate::listener::ConnectionInfo;
use crate::metrics::{Metrics, Open, Rejected};
use crate::refusals::{Peer, Refusal, Refusals};

const HEALTH: &str = "/grpc.health.v1.Health/";

/// What is known about a call: in the extensions of its request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Made here, given back as metadata, and named in the logs.
    pub request_id: Arc<str>,
    /// Who calls.
    pub principal: Principal,
    pub(crate) peer: Peer,
    reached: Arc<AtomicBool>,
}

impl Call {
    /// The caller, as the database and its audit trail name it.
    pub(crate) fn caller(&self) -> Caller {
        self.principal.caller(&self.request_id, &self.peer)
    }

    /// Notes that the request was understood and is counted by the service.
    pub fn reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }
}

/// The layer. Shared by all connections.
#[derive(Clone)]
pub struct Gate {
    authenticator: Authenticator,
    refusals: Refusals,
    metrics: Metrics,
    in_flight: Arc<Semaphore>,
    limit: usize,
    budget: Budget,
}

impl Gate {
    /// A gate that lets `max_in_flight` calls through at once.
    pub(crate) fn new(
        (authenticator, refusals): (Authenticator, Refusals),
        metrics: Metrics,
        max_in_flight: usize,
        budget: Budget,
    ) -> Gate {
        let limit = max_in_flight.min(Semaphore::MAX_PERMITS);
        Gate {
            authenticator,
            refusals,
            metrics,
            in_flight: Arc::new(Semaphore::new(limit)),
            limit,
            budget,
        }
    }

    /// A place in flight, for as long as the answer is alive; `None`: all are taken.
    pub(crate) fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.in_flight).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _open: self.metrics.call(),
        })
    }

    /// The memory of requests.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether no call is being worked on or answered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.available_permits() == self.limit
    }

    /// Who calls.
    ///
    /// # Errors
    /// Nobody known; it is counted and noted.
    pub(crate) fn admit(
        &self,
        authorization: Option<&HeaderValue>,
        (path, request_id, peer): (&str, &str, &Peer),
    ) -> Result<Principal, Status> {
        let authorization = authorization.map(HeaderValue::as_bytes);
        self.authenticator.check(authorization).map_err(|denied| {
            self.metrics.rejected(Rejected::Unauthenticated);
            let code = denied.code();
            self.refusals.note(&Refusal {
                operation: operation_of(path),
                code,
                access_key_id: claimed_id(authorization),
                request_id,
                peer,
            });
            sealdb_proto::status_for(code, denied.to_string())
        })
    }

    /// Notes who is turned away.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }
}

/// The last part of a path, if it can be the name of an operation.
fn operation_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        true => name,
        false => "Unknown",
    }
}

/// A place among the calls in flight, given back when it is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _open: Open,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            gate: self.clone(),
            inner,
        }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH) {
            return Box::pin(self.inner.call(request));
        }
        let request_id = uuid::Uuid::new_v4().to_string();
        let mut id_value = HeaderValue::from_str(&request_id).ok();
        if let Some(value) = &mut id_value {
            // No secret, but new in each answer: header compression would remember the last sixty, and compare each with all of them.
            value.set_sensitive(true);
        }
        let finish = move |mut response: Response<Body>| {
            if let Some(value) = id_value {
                response.headers_mut().insert(REQUEST_ID_METADATA, value);
            }
            Ok(response)
        };
        // Taken out, so that no layer or service below can log it.
        let authorization = request.headers_mut().remove(header::AUTHORIZATION);
        let connection = request.extensions().get::<ConnectionInfo>();
        let peer = Peer {
            address: connection.map(|connection| connection.peer.ip()),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
        };
        let told = (request.uri().path(), request_id.as_str(), &peer);
        let principal = match self.gate.admit(authorization.as_ref(), told) {
            Ok(principal) => principal,
            Err(status) => {
                tracing::info!(
                    request_id,
                    path = request.uri().path(),
                    "call without a valid credential"
                );
                return Box::pin(std::future::ready(finish(status.into_http())));
            }
        };
        if let Some(connection) = request.extensions().get::<ConnectionInfo>() {
            connection.logged_in();
        }
        let Some(place) = self.gate.enter() else {
            self.gate.metrics.rejected(Rejected::Overloaded);
            let message = format!(
                "the server already works on {} calls; try again later",
                self.gate.limit
            );
            let status = sealdb_proto::status_for(ErrorCode::ThrottlingException, message);
            return Box::pin(std::future::ready(finish(status.into_http())));
        };
        let reached = Arc::new(AtomicBool::new(false));
        let path = request.uri().path().to_owned();
        let call = Call {
            request_id: request_id.as_str().into(),
            principal,
            peer,
            reached: Arc::clone(&reached),
        };
        request.extensions_mut().insert(call.clone());
        let (metrics, refusals) = (self.gate.metrics.clone(), self.gate.refusals.clone());
        let service = path
            .strip_prefix('/')
            .and_then(|path| path.split('/').next());
        let ours = [sealdb_proto::SERVICE_NAME, sealdb_proto::KEY_SERVICE_NAME];
        if !service.is_some_and(|service| ours.contains(&service)) {
            let future = self.inner.call(request);
            return Box::pin(async move {
                let response = future.await?;
                drop(place);
                finish(response)
            });
        }
        let budget = self.gate.budget.clone();
        // The one that is ready goes into the future, its clone is made ready anew.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let share = match budget.admit(body).await {
                Ok((share, body)) => {
                    let response = inner.call(Request::from_parts(parts, body)).await?;
                    if reached.load(Ordering::Relaxed) {
                        return finish(
                            response.map(|body| Body::new(Held::new(body, Some(place)))),
                        );
                    }
                    Ok((share, response))
                }
                Err(status) => Err(status),
            };
            // An operation that does not exist, bytes that are no such message, too many of them, or no room for them.
            let status = match &share {
                Ok((_, response)) => named(refusal(response)),
                Err(status) => status.clone(),
            };
            drop((place, share));
            match named_error(&status) {
                Some(ErrorCode::ThrottlingException) => metrics.rejected(Rejected::Overloaded),
                code => {
                    metrics.rejected(Rejected::Malformed);
                    let code = code.unwrap_or(ErrorCode::SerializationException);
                    refusals.malformed((operation_of(&path), ""), &call.caller(), code);
                }
            }
            tracing::info!(request_id, path, outcome = ?status.code(), "call turned away");
            finish(status.into_http())
        })
    }
}

/// The status of an answer that is no message.
fn refusal(response: &Response<Body>) -> Status {
    response
        .extensions()
        .get::<Status>()
        .cloned()
        .or_else(|| Status::from_header_map(response.headers()))
        .unwrap_or_else(|| Status::internal("an answer without a status"))
}

/// The same with the name of an exception, for what the gRPC library refuses by itself. All of it is the sender's fault.
fn named(status: Status) -> Status {
    if named_error(&status).is_some() {
        return status;
    }
    // The generated router says it without a word; with one it is about a compression that is not known.
    if status.code() == Code::Unimplemented && status.message().is_empty() {
        let code = ErrorCode::UnknownOperationException;
        return sealdb_proto::status_for(code, "there is no such operation");
    }
    sealdb_proto::status_for(ErrorCode::SerializationException, status.message())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::credentials::Credential;
    use sealdb::crypto::SystemClock;
    use std::convert::Infallible;
    use std::time::Duration;
    use tokio::sync::Notify;
    use tower::service_fn;

    fn call(path: &str, credential: &Credential) -> Request<Body> {
        Request::builder()
            .uri(path)
            .header(
                "authorization",
                format!(
                    "Bearer {}:{}",
                    credential.access_key_id,
                    credential.secret.as_str()
                ),
            )
            .body(Body::empty())
            .unwrap()
    }

    /// A gate that one call at a time passes, and a credential for it.
    fn gate_of_one() -> (Gate, Credential) {
        let credential = Credential::generate("x", false, 0).unwrap();
        let authenticator = Authenticator::default();
        authenticator.replace(std::slice::from_ref(&credential));
        let gate = Gate::new(
            (authenticator, Refusals::new(None, Arc::new(SystemClock))),
            Metrics::new(|_| {}),
            1,
            Budget::new(1 << 20, 1 << 20, Duration::from_secs(1)),
        );
        (gate, credential)
    }

    #[tokio::test]
    async fn one_call_too_many_is_turned_away_and_health_is_not() {
        let (gate, credential) = gate_of_one();
        let go_on = Arc::new(Notify::new());
        let waits = Arc::clone(&go_on);
        let mut service = gate.layer(service_fn(move |request: Request<Body>| {
            let waits = Arc::clone(&waits);
            async move {
                assert!(
                    request.headers().get(header::AUTHORIZATION).is_none(),
                    "nobody below sees the secret"
                );
                if request.uri().path() == "/slow" {
                    assert!(request.extensions().get::<Call>().is_some());
                    waits.notified().await;
                }
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        }));
        assert!(gate.is_idle());
        let slow = tokio::spawn(service.call(call("/slow", &credential)));
        tokio::task::yield_now().await;
        assert!(!gate.is_idle());
        let refused = service.call(call("/other", &credential)).await.unwrap();
        let status = refused.extensions().get::<Status>().unwrap();
        assert_eq!(named_error(status), Some(ErrorCode::ThrottlingException));
        assert!(refused.headers().contains_key(REQUEST_ID_METADATA));
        let health = Request::builder()
            .uri("/grpc.health.v1.Health/Check")
            .body(Body::empty())
            .unwrap();
        assert!(
            service
                .call(health)
                .await
                .unwrap()
                .extensions()
                .get::<Status>()
                .is_none()
        );
        go_on.notify_one();
        slow.await.unwrap().unwrap();
        assert!(gate.is_idle());
        let admitted = service.call(call("/other", &credential)).await.unwrap();
        assert!(admitted.extensions().get::<Status>().is_none());
    }

    #[tokio::test]
    async fn an_answer_that_is_not_read_keeps_its_place() {
        let (gate, credential) = gate_of_one();
        let mut service = gate.layer(service_fn(|request: Request<Body>| async move {
            request.extensions().get::<Call>().unwrap().reached();
            let answer = http_body_util::Full::from("an answer");
            Ok::<_, Infallible>(Response::new(Body::new(answer)))
        }));
        let path = "/sealdb.v1.SealDb/BatchGetItem";
        let answer = service.call(call(path, &credential)).await.unwrap();
        assert!(!gate.is_idle());
        drop(answer);
        assert!(gate.is_idle());
    }
}
