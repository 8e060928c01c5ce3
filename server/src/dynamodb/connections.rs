//! Connections: each speaks HTTP/1.1, with keep-alive, until it or the server ends.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{mpsc, watch};

use crate::dynamodb::{DynamoDb, exchange};
use crate::listener::{self, Connection, Phase};

/// Time for the head of a request, silence between two requests included: longer than SDKs keep a connection unused.
const HEAD_DEADLINE: Duration = Duration::from_secs(90);
/// Largest head of a request.
const HEAD_LIMIT: usize = 64 << 10;
/// Most headers of a request.
const HEADERS: usize = 64;

/// Serves connections until the server drains and they have ended, or are cut.
pub(crate) async fn serve(
    service: Arc<DynamoDb>,
    connections: mpsc::Receiver<Connection>,
    phase: watch::Receiver<Phase>,
) {
    let draining = phase.clone();
    let one = |connection| one(Arc::clone(&service), connection, phase.clone());
    listener::serve(connections, draining, one).await;
}

async fn one(service: Arc<DynamoDb>, connection: Connection, mut phase: watch::Receiver<Phase>) {
    let info = connection.info();
    let answer = service_fn(move |request| {
        let (service, info) = (Arc::clone(&service), info.clone());
        async move { Ok::<_, Infallible>(exchange::exchange(&service, &info, request).await) }
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_header_size(HEAD_LIMIT)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(connection), answer)
    );
    // How a connection ends is the client's business.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = phase.wait_for(|phase| *phase > Phase::Serving) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
