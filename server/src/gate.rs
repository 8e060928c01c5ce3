//! What every call passes before it reaches a service: a request id, the credential, and room.
//!
//! The health service is exempt from the credential (load balancers have none) and from the bound on calls in flight (its
//! watches last for ever). Reflection is not exempt: grpcurl sends its `-H` on reflection calls too.
//!
//! The place in flight is taken before the request's body is read, so the memory of half-received requests is bounded
//! by `max-in-flight` times `max-message-size`, and only those who hold a credential can take any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use sealdb::ErrorCode;
use sealdb_proto::REQUEST_ID_METADATA;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service};

use crate::auth::{Authenticator, Denied, Principal};
use crate::listener::ConnectionInfo;
use crate::metrics::Metrics;

const HEALTH: &str = "/grpc.health.v1.Health/";

/// What is known about a call: in the extensions of its request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Made here, given back as metadata, and named in the logs.
    pub request_id: Arc<str>,
    /// Who calls.
    pub principal: Principal,
    reached: Arc<AtomicBool>,
}

impl Call {
    /// Notes that the request was understood and is counted by the service.
    pub fn reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }
}

/// The layer. Shared by all connections.
#[derive(Clone)]
pub struct Gate {
    authenticator: Authenticator,
    metrics: Metrics,
    in_flight: Arc<Semaphore>,
    limit: usize,
}

impl Gate {
    /// A gate that lets `max_in_flight` calls through at once.
    pub fn new(authenticator: Authenticator, metrics: Metrics, max_in_flight: usize) -> Gate {
        let limit = max_in_flight.min(Semaphore::MAX_PERMITS);
        Gate {
            authenticator,
            metrics,
            in_flight: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// Whether no call is being worked on.
    pub fn is_idle(&self) -> bool {
        self.in_flight.available_permits() == self.limit
    }

    fn admit(&self, authorization: Option<&HeaderValue>) -> Result<Principal, Status> {
        self.authenticator
            .check(authorization.map(HeaderValue::as_bytes))
            .map_err(|denied| {
                self.metrics.rejected("unauthenticated");
                let code = match denied {
                    Denied::Missing => ErrorCode::MissingAuthenticationTokenException,
                    Denied::Malformed => ErrorCode::IncompleteSignatureException,
                    Denied::Wrong => ErrorCode::UnrecognizedClientException,
                };
                sealdb_proto::status_for(code, denied.to_string())
            })
    }
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
        let id_value = HeaderValue::from_str(&request_id).ok();
        let finish = move |mut response: Response<Body>| {
            if let Some(value) = id_value {
                response.headers_mut().insert(REQUEST_ID_METADATA, value);
            }
            Ok(response)
        };
        // Taken out, so that no layer or service below can log it.
        let authorization = request.headers_mut().remove(header::AUTHORIZATION);
        let principal = match self.gate.admit(authorization.as_ref()) {
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
        let Ok(permit) = Arc::clone(&self.gate.in_flight).try_acquire_owned() else {
            self.gate.metrics.rejected("overloaded");
            let message = format!(
                "the server already works on {} calls; try again later",
                self.gate.limit
            );
            let status = sealdb_proto::status_for(ErrorCode::ThrottlingException, message);
            return Box::pin(std::future::ready(finish(status.into_http())));
        };
        let reached = Arc::new(AtomicBool::new(false));
        let path = request.uri().path().to_owned();
        request.extensions_mut().insert(Call {
            request_id: request_id.as_str().into(),
            principal,
            reached: Arc::clone(&reached),
        });
        let metrics = self.gate.metrics.clone();
        let open = metrics.call();
        let future = self.inner.call(request);
        Box::pin(async move {
            let response = future.await?;
            drop((permit, open));
            let ours = path
                .strip_prefix('/')
                .and_then(|path| path.split('/').next());
            if ours == Some(sealdb_proto::SERVICE_NAME) && !reached.load(Ordering::Relaxed) {
                // Unknown operation, or bytes that are no such message, or too many of them.
                metrics.rejected("malformed");
                tracing::info!(request_id, path, "call that is not understood");
            }
            finish(response)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::credentials::Credential;
    use sealdb_proto::named_error;
    use std::convert::Infallible;
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

    #[tokio::test]
    async fn one_call_too_many_is_turned_away_and_health_is_not() {
        let credential = Credential::generate("x", false, 0).unwrap();
        let authenticator = Authenticator::default();
        authenticator.replace(std::slice::from_ref(&credential));
        let gate = Gate::new(authenticator, Metrics::new(|_| {}), 1);
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
}
