//! `/metrics` for Prometheus on a listener of its own: the smallest HTTP/1.1 server that serves one page.
//!
//! Off unless asked for. On loopback it is plain HTTP without a credential: the page names operations and counts, never a
//! table or a value. On any other address it is served under the server's certificate and asks for a credential,
//! which Prometheus sends with `authorization: { type: Bearer, credentials: "ACCESS_KEY_ID:SECRET" }`. Who has none is counted and
//! noted in the audit trail as others are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tonic::codegen::http::HeaderValue;

use crate::gate::Gate;
use crate::listener::Phase;
use crate::metrics::Metrics;
use crate::refusals::Peer;

/// Scrapers at once; Prometheus is one or two.
const AT_ONCE: usize = 16;
/// Longest head of a request.
const HEAD_LIMIT: usize = 8 << 10;
/// For a whole exchange, handshake included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Serves the page.
#[derive(Clone)]
pub struct Scrape {
    /// What is served.
    pub metrics: Metrics,
    /// With these the page is served under TLS to those whom the gate lets in.
    pub guarded: Option<(TlsAcceptor, Gate)>,
}

impl Scrape {
    /// Serves until the server drains.
    pub async fn serve(self, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let accepted = tokio::select! {
                _ = phase.wait_for(|phase| *phase > Phase::Serving) => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let scrape = self.clone();
            tokio::spawn(async move {
                // A scraper that went away is not worth a line.
                let _ = tokio::time::timeout(DEADLINE, scrape.exchange(stream, peer)).await;
                drop(permit);
            });
        }
    }

    async fn exchange(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        match &self.guarded {
            None => self.answer(stream, peer).await,
            Some((tls, _)) => self.answer(tls.accept(stream).await?, peer).await,
        }
    }

    async fn answer(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
    ) -> io::Result<()> {
        let mut head = Vec::with_capacity(1 << 10);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if head.len() >= HEAD_LIMIT || stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let (status, body) = self.page(&String::from_utf8_lossy(&head), peer);
        let kind = match status {
            "200 OK" => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        let more = match status {
            "401 Unauthorized" => "WWW-Authenticate: Bearer\r\n",
            _ => "",
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }

    fn page(&self, head: &str, peer: SocketAddr) -> (&'static str, String) {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        if let Some((_, gate)) = &self.guarded {
            let header = |wanted: &str| {
                lines
                    .clone()
                    .filter_map(|line| line.split_once(':'))
                    .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .and_then(|(_, value)| HeaderValue::from_str(value.trim()).ok())
            };
            let peer = Peer {
                address: Some(peer.ip()),
                user_agent: header("user-agent"),
            };
            let request_id = uuid::Uuid::new_v4().to_string();
            let told = (path, request_id.as_str(), &peer);
            if let Err(denied) = gate.admit(header("authorization").as_ref(), told) {
                return ("401 Unauthorized", format!("{}\n", denied.message()));
            }
        }
        if path != "/metrics" && !path.starts_with("/metrics?") {
            return ("404 Not Found", "the page is /metrics\n".to_owned());
        }
        if method != "GET" {
            return ("405 Method Not Allowed", "only GET\n".to_owned());
        }
        match self.metrics.encode() {
            Ok(page) => ("200 OK", page),
            Err(_) => (
                "500 Internal Server Error",
                "the metrics cannot be encoded\n".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn exchange(scrape: &Scrape, request: &str) -> String {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        near.write_all(request.as_bytes()).await.unwrap();
        scrape
            .answer(far, ([127, 0, 0, 1], 9).into())
            .await
            .unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_page_is_served_and_nothing_else() {
        let scrape = Scrape {
            metrics: Metrics::new(|_| {}),
            guarded: None,
        };
        let page = exchange(&scrape, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(
            page.starts_with("HTTP/1.1 200 OK") && page.contains("sealdb_connections_open 0"),
            "{page}"
        );
        assert!(page.ends_with("# EOF\n"));
        assert!(
            exchange(&scrape, "GET / HTTP/1.1\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 404")
        );
        assert!(
            exchange(&scrape, "POST /metrics HTTP/1.1\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 405")
        );
        let endless = "x".repeat(HEAD_LIMIT + 1);
        assert_eq!(exchange(&scrape, &endless).await, "");
    }
}
