//! Connections of gRPC: each speaks HTTP/2, until it or the server ends.
//!
//! A short call runs where it arrived, on the task of its connection, for as long as it need not wait. A get of what is in memory so costs no
//! task and no wake-up, and its answer leaves with the pass over the connection that read the request. What waits, and what may take
//! long, is a task of its own from there on: no call holds up the others of its connection.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sealdb_proto::v1::seal_db_server::{SERVICE_NAME, SealDbServer};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::service::Routes;
use tower::{Layer, Service as _};

use crate::again::Again;
use crate::config::Limits;
use crate::gate::{Gate, Gated};
use crate::gathered::Gathered;
use crate::listener::{self, Connection, ConnectionInfo, Phase};
use crate::service::Service;

/// Largest list of metadata of a call.
const HEADER_LIMIT: u32 = 16 << 10;

/// What a client may send on a call before somebody reads it. HTTP/2's default; what calls that wait for memory hold is at most
/// `max-in-flight` times this.
const STREAM_WINDOW: u32 = (64 << 10) - 1;

/// What all calls of a connection may send unread: so much that those which wait never hold up the one that is read.
fn connection_window(max_streams: u32) -> u32 {
    const MOST: u32 = (1 << 31) - 1;
    STREAM_WINDOW
        .saturating_mul(max_streams.saturating_add(1))
        .min(MOST)
}

/// Operations that run where they arrived: they touch one item, of 400 KB at most, and need not wait if it is in memory. A write waits for its sync in any
/// case, so nothing is gained where it begins.
const SHORT: [&str; 1] = ["/sealdb.v1.SealDb/GetItem"];

/// What connections are served with. A clone shares it.
#[derive(Clone)]
pub(crate) struct Grpc {
    services: Gated<Services>,
    protocol: http2::Builder<InPlace>,
}

impl Grpc {
    /// The services, behind the gate.
    pub(crate) fn new(
        gate: &Gate,
        seal_db: SealDbServer<Service>,
        others: Routes,
        limits: &Limits,
    ) -> Grpc {
        let mut protocol = http2::Builder::new(InPlace);
        protocol
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(connection_window(limits.max_streams))
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .max_header_list_size(HEADER_LIMIT);
        let services = Services {
            seal_db,
            others: others.prepare(),
        };
        Grpc {
            services: gate.layer(services),
            protocol,
        }
    }

    /// Answers a call of a connection.
    fn call(
        &self,
        info: ConnectionInfo,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let short = SHORT.contains(&request.uri().path());
        let deadline = deadline(request.headers());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(info);
        // Gate and services are always ready.
        let answer = self.services.clone().call(request);
        async move {
            if !short {
                // By the second time it is polled it is a task.
                tokio::task::yield_now().await;
            }
            let Some(deadline) = deadline else {
                return answer.await;
            };
            match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::cancelled("Timeout expired").into_http()),
            }
        }
    }
}

/// Serves connections until the server drains and they have ended, or are cut.
pub(crate) async fn serve(
    grpc: Grpc,
    connections: mpsc::Receiver<Connection>,
    phase: watch::Receiver<Phase>,
) {
    let draining = phase.clone();
    let one = |connection| Again::new(one(grpc.clone(), connection, phase.clone()));
    listener::serve(connections, draining, one).await;
}

async fn one(grpc: Grpc, connection: Connection, mut phase: watch::Receiver<Phase>) {
    let info = connection.info();
    let protocol = grpc.protocol.clone();
    let answer = service_fn(move |request| grpc.call(info.clone(), request));
    let io = TokioIo::new(Gathered::new(connection));
    let mut served = pin!(protocol.serve_connection(io, answer));
    // How a connection ends is the client's business.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = phase.wait_for(|phase| *phase > Phase::Serving) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// The services, found by their names. The one of items is called straight: the router clones it and boxes request and answer once more.
#[derive(Clone)]
pub(crate) struct Services {
    seal_db: SealDbServer<Service>,
    others: Routes,
}

impl tower::Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut parts = request.uri().path().split('/');
        match (parts.next(), parts.next()) {
            (Some(""), Some(SERVICE_NAME)) => self.seal_db.call(request),
            _ => Box::pin(self.others.call(request)),
        }
    }
}

/// Polls a call once, and makes a task of it if it waits.
#[derive(Clone, Copy)]
struct InPlace;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for InPlace {
    fn execute(&self, call: F) {
        let mut call = Box::pin(call);
        // Who sends many calls at once does not keep a worker for all of them: tokio counts what a task does before it lets go, and reads no more
        // from the connection then.
        if tokio::task::coop::has_budget_remaining() {
            // Nobody is to be woken: a task polls again first of all. A panic ends this call, as it would end a task, and not its connection.
            let mut once = Context::from_waker(Waker::noop());
            match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut once))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) | Err(_) => return,
            }
        }
        tokio::spawn(call);
    }
}

/// The time that a client gives its call, as [gRPC writes it](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): up to eight digits
/// and a unit. What is written otherwise is no deadline.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hyper::body::Bytes;
    use tonic::codegen::http::HeaderValue;

    use super::*;

    /// A connection, and the id of the task that serves it. What is asked for at `/short` is answered at once, at `/long` by a task, at `/wait` never,
    /// and at `/panic` the service fails. An answer names the task that it was made by.
    async fn connection() -> (h2::client::SendRequest<Bytes>, String) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let service = service_fn(|request: Request<Incoming>| async move {
            match request.uri().path() {
                "/panic" => panic!("the test wants it"),
                "/wait" => std::future::pending().await,
                "/long" => tokio::task::yield_now().await,
                _ => {}
            }
            let mut answer = Response::new(Body::empty());
            let task = HeaderValue::from_str(&tokio::task::id().to_string());
            answer.headers_mut().insert("task", task.unwrap());
            Ok::<_, Infallible>(answer)
        });
        let served = http2::Builder::new(InPlace).serve_connection(TokioIo::new(theirs), service);
        let serving = tokio::spawn(Again::new(served));
        let (calls, connection) = h2::client::handshake(ours).await.unwrap();
        tokio::spawn(connection);
        (calls, serving.id().to_string())
    }

    /// The task that answered, or `None` where the call failed.
    async fn ask(calls: &h2::client::SendRequest<Bytes>, path: &str) -> Option<String> {
        let request = Request::builder().uri(format!("https://here{path}"));
        let request = request.body(()).unwrap();
        let mut calls = calls.clone().ready().await.unwrap();
        let (answer, _) = calls.send_request(request, true).unwrap();
        let answer = answer.await.ok()?;
        Some(answer.headers().get("task")?.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn what_is_short_is_answered_by_the_connection_and_what_is_long_is_not() {
        let (calls, connection) = connection().await;
        assert_eq!(ask(&calls, "/short").await.as_ref(), Some(&connection));
        let long = ask(&calls, "/long").await;
        assert!(long.is_some_and(|task| task != connection));
    }

    #[tokio::test]
    async fn a_call_that_waits_holds_up_no_other() {
        let (calls, _) = connection().await;
        let waiting = ask(&calls, "/wait");
        tokio::select! {
            _ = waiting => panic!("nothing ends it"),
            answer = ask(&calls, "/short") => assert!(answer.is_some()),
        }
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_alone() {
        let (calls, connection) = connection().await;
        assert_eq!(ask(&calls, "/panic").await, None);
        assert_eq!(ask(&calls, "/short").await, Some(connection));
    }

    /// More at once than a task may do in a row: some are tasks, all are answered.
    #[tokio::test]
    async fn many_calls_at_once_are_all_answered() {
        let (calls, _) = connection().await;
        let asking = (0..300).map(|_| {
            let calls = calls.clone();
            tokio::spawn(async move { ask(&calls, "/short").await.is_some() })
        });
        for asked in asking.collect::<Vec<_>>() {
            assert!(asked.await.unwrap());
        }
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            deadline(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                value,
            )]))
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("20m"), Some(Duration::from_millis(20)));
        assert_eq!(read("20u"), Some(Duration::from_micros(20)));
        assert_eq!(read("20n"), Some(Duration::from_nanos(20)));
        for none in ["", "S", "1", "1s", "-1S", "+1S", "100000000S", "1 S"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(deadline(&HeaderMap::new()), None);
    }
}
