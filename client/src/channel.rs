//! The connection that calls share: HTTP/2, with nothing between a call and the connection's own task.
//!
//! tonic's channel hands each call to a task of its own, from which it goes to another of hyper's, and a third waits for the answer. Here a call
//! writes to the connection and waits by itself, which spares it four changes of task. The connection is made by the first call that finds
//! none, or one that broke; the others wait for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http_body::{Body as _, Frame};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::codegen::{Bytes, Service, StdError};

use crate::connect::Connector;

/// Longest header list of an answer. Errors travel in it, in base64: a transaction whose conditions fail gives back the items that it met,
/// up to 4 MiB.
const ERROR_LIMIT: u32 = 8 * 1024 * 1024;
/// A page of 1 MB fits, so that it needs no round trip for more room.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// While calls wait, so often the other end is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time for its answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("sealdb-client/", env!("CARGO_PKG_VERSION")));

/// A clone shares the connection. It ends with the last clone and the last answer.
#[derive(Clone)]
pub(crate) struct Channel(Arc<Shared>);

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", self.0.connector.address())
    }
}

struct Shared {
    connector: Connector,
    open: Mutex<Option<Open>>,
    /// Held by who connects.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection that was made, and may have broken since.
#[derive(Clone)]
struct Open {
    calls: SendRequest<Bytes>,
    underway: Underway,
}

/// Counts calls whose answers have not come to their end, by its clones.
#[derive(Clone, Default)]
struct Underway(Arc<()>);

impl Underway {
    /// Whether there is any call.
    fn any(&self) -> bool {
        // The channel's own and that of the connection's task.
        Arc::strong_count(&self.0) > 2
    }
}

impl Channel {
    /// Connects.
    pub(crate) async fn connect(connector: Connector) -> Result<Self, StdError> {
        let channel = Self(Arc::new(Shared {
            connector,
            open: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }));
        channel.0.open().await?;
        Ok(channel)
    }
}

impl Shared {
    /// A connection that takes a call.
    async fn open(&self) -> Result<Open, StdError> {
        if let Some(open) = self.usable().await {
            return Ok(open);
        }
        let _turn = self.connecting.lock().await;
        // Whose turn it was before may have connected.
        if let Some(open) = self.usable().await {
            return Ok(open);
        }
        let open = Open::new(self.connector.connect().await?).await?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open.clone());
        Ok(open)
    }

    /// The one that is there, unless it broke.
    async fn usable(&self) -> Option<Open> {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Open { calls, underway } = open?;
        let calls = calls.ready().await.ok()?;
        Some(Open { calls, underway })
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Answer>, StdError> {
        let Open {
            mut calls,
            underway,
        } = self.open().await?;
        let (mut head, body) = request.into_parts();
        head.headers.insert(header::USER_AGENT, USER_AGENT);
        let (answer, mut sending) = calls.send_request(Request::from_parts(head, ()), false)?;
        let mut body = std::pin::pin!(body);
        let mut last = Bytes::new();
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            // A request has no trailers.
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let before = std::mem::replace(&mut last, data);
            if !before.is_empty() {
                let _ = sending.send_data(before, false);
            }
        }
        // The piece that ends a request says so, and no frame of nothing has to. Why one cannot be sent, the answer says.
        let _ = sending.send_data(last, true);
        Ok(answer.await?.map(|stream| Answer {
            stream,
            data_ended: false,
            _underway: underway,
        }))
    }
}

impl Open {
    async fn new(stream: TlsStream<TcpStream>) -> Result<Open, StdError> {
        let (calls, connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(ERROR_LIMIT)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await?;
        let underway = Underway::default();
        tokio::spawn(run(connection, underway.clone()));
        Ok(Open { calls, underway })
    }
}

/// Moves the connection's bytes, until it breaks, falls silent, or nobody needs it any more.
async fn run(mut connection: Connection<TlsStream<TcpStream>>, underway: Underway) {
    let pings = connection.ping_pong();
    let silence = async {
        match pings {
            Some(pings) => silence(pings, &underway, PING_INTERVAL, PING_TIMEOUT).await,
            None => std::future::pending().await,
        }
    };
    // What broke is told to the calls.
    tokio::select! {
        _ = connection => {}
        () = silence => {}
    }
}

/// Completes when calls wait and the other end does not answer.
async fn silence(mut pings: PingPong, underway: &Underway, interval: Duration, limit: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if underway.any() {
            let answer = pings.ping(Ping::opaque());
            if !matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(_))) {
                return;
            }
        }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Answer>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.call(request).await })
    }
}

/// The body of an answer.
pub(crate) struct Answer {
    stream: RecvStream,
    data_ended: bool,
    _underway: Underway,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.data_ended {
            match ready!(this.stream.poll_data(cx)).transpose()? {
                Some(data) => {
                    // What is read makes room for more.
                    this.stream.flow_control().release_capacity(data.len())?;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                None => this.data_ended = true,
            }
        }
        let trailers = ready!(this.stream.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn silence_ends_a_connection_on_which_calls_wait_and_no_other() {
        let (ours, _theirs) = tokio::io::duplex(64 << 10);
        let (_calls, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        let underway = Underway::default();
        let _channel = underway.clone();
        let short = Duration::from_millis(5);
        let mut silence = std::pin::pin!(silence(pings, &underway, short, short));
        let idle = tokio::time::timeout(20 * short, silence.as_mut()).await;
        assert!(idle.is_err(), "nobody waits for anything");
        let _call = underway.clone();
        let waits = tokio::time::timeout(1000 * short, silence.as_mut()).await;
        assert!(waits.is_ok(), "the other end says nothing");
    }
}
