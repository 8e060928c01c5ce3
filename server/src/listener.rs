//! Accepting connections: bounded in number, with a deadline for the TLS handshake and one for the first login.
//!
//! The accept loop never waits for a client: handshakes run beside it, and what has shaken hands goes through a short queue to those who
//! serve it, each connection on a task of its own. A connection over the bound is closed at once, which a client sees as a refused
//! connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Limits;
use crate::metrics::{Metrics, Open};
use crate::stuck::Stuck;

/// After a failed accept (no file descriptors left, for one) the loop rests this long instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection whose other end takes nothing for so long is closed, and what was to be written is freed.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// What the gate can say to the connection that a call came on.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The other end.
    pub peer: SocketAddr,
    logged_in: Arc<AtomicBool>,
}

impl ConnectionInfo {
    /// A valid credential was seen: the connection may stay.
    pub fn logged_in(&self) {
        self.logged_in.store(true, Ordering::Relaxed);
    }
}

/// The bytes of a connection.
enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    /// On loopback only, and only if it was asked for.
    Plain(TcpStream),
}

/// A connection after its handshake. It ends by itself if nobody logs in or reads, or when `cut` becomes true.
pub struct Connection {
    stream: Stream,
    info: ConnectionInfo,
    stuck: Stuck,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    _permit: OwnedSemaphorePermit,
    _open: Open,
}

impl Connection {
    /// What its calls know of it.
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The HTTP/2 server always has a read pending, so this wakes it when the time comes.
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.stuck.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.stuck.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Plain(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.stuck.check(cx, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.stuck.check(cx, written)
    }
}

/// Whether new connections are taken, and when those that stay are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All is well.
    Serving,
    /// No new connections; those open may end their calls.
    Draining,
    /// Connections still open are closed now.
    Cut,
}

/// Accepts until the phase is past [`Phase::Serving`], then closes the listening socket. Without `tls` nothing is shaken.
pub async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    metrics: Metrics,
    phase: watch::Receiver<Phase>,
    ready: mpsc::Sender<Connection>,
) {
    let places = Arc::new(Semaphore::new(
        limits.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let mut draining = phase.clone();
    loop {
        let accepted = tokio::select! {
            _ = draining.wait_for(|phase| *phase > Phase::Serving) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&places).try_acquire_owned() else {
            metrics.connection_began("refused");
            tracing::debug!(%peer, limit = limits.max_connections, "connection refused: too many are open");
            continue;
        };
        let handshake = Handshake {
            tls: tls.clone(),
            limits: limits.clone(),
            metrics: metrics.clone(),
            phase: phase.clone(),
            permit,
        };
        let ready = ready.clone();
        tokio::spawn(async move {
            if let Some(connection) = handshake.run(stream, peer).await {
                // No more are served once the server drains; the connection is closed then.
                let _ = ready.send(connection).await;
            }
        });
    }
}

/// Serves each connection on a task of its own, until the server drains and all have ended, or are cut.
pub(crate) async fn serve<F>(
    mut connections: mpsc::Receiver<Connection>,
    mut phase: watch::Receiver<Phase>,
    one: impl Fn(Connection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            _ = phase.wait_for(|phase| *phase > Phase::Serving) => break,
            next = connections.recv() => match next {
                Some(connection) => {
                    open.spawn(one(connection));
                }
                None => break,
            },
            Some(_) = open.join_next() => {}
        }
    }
    while open.join_next().await.is_some() {}
}

struct Handshake {
    tls: Option<TlsAcceptor>,
    limits: Limits,
    metrics: Metrics,
    phase: watch::Receiver<Phase>,
    permit: OwnedSemaphorePermit,
}

impl Handshake {
    async fn run(self, stream: TcpStream, peer: SocketAddr) -> Option<Connection> {
        let open = self.metrics.connection();
        // Small answers are not to wait for more; an error here means that the peer is gone already.
        let _ = stream.set_nodelay(true);
        let stream = match &self.tls {
            Some(tls) => Stream::Tls(Box::new(self.shake(tls, stream, peer).await?)),
            None => Stream::Plain(stream),
        };
        self.metrics.connection_began("accepted");
        let info = ConnectionInfo {
            peer,
            logged_in: Arc::new(AtomicBool::new(false)),
        };
        let end = Box::pin(end_of(
            info.clone(),
            self.limits.login_timeout,
            self.phase,
            peer,
        ));
        Some(Connection {
            stream,
            info,
            stuck: Stuck::after(WRITE_DEADLINE),
            end,
            _permit: self.permit,
            _open: open,
        })
    }
}

impl Handshake {
    async fn shake(
        &self,
        tls: &TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(self.limits.handshake_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                self.metrics.connection_began("handshake_failed");
                tracing::debug!(%peer, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                self.metrics.connection_began("handshake_timeout");
                tracing::debug!(%peer, "TLS handshake took too long");
                None
            }
        }
    }
}

/// Returns when the connection has to end.
async fn end_of(
    info: ConnectionInfo,
    login: Duration,
    mut phase: watch::Receiver<Phase>,
    peer: SocketAddr,
) {
    let login = async {
        tokio::time::sleep(login).await;
        if info.logged_in.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = phase.wait_for(|phase| *phase == Phase::Cut) => {}
        () = login => tracing::debug!(%peer, "connection closed: nobody logged in"),
    }
}
