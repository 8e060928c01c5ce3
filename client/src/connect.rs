//! The connector: TCP, then TLS with the server's certificate checked, within one time limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use sealdb_model::ErrorCode;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::tls;

/// Why there is no connection. Nothing of the caller's was sent.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no server answers at {address}: {source}")]
    Unreachable {
        address: String,
        source: Arc<io::Error>,
    },
    #[error("no connection to {address} within {limit:?}")]
    TimedOut { address: String, limit: Duration },
    #[error("the server at {address} is not trusted, and nothing was sent to it: {reason}")]
    Distrust {
        address: String,
        reason: String,
        source: Arc<rustls::Error>,
    },
    #[error("TLS with {address} failed: {source}")]
    Tls {
        address: String,
        source: Arc<io::Error>,
    },
}

impl ConnectError {
    /// Whether the server may be somebody else. Trying again is no remedy.
    pub(crate) fn is_distrust(&self) -> bool {
        matches!(self, Self::Distrust { .. })
    }

    /// The connector's error that lies below another one.
    pub(crate) fn in_chain_of<'a>(
        error: &'a (dyn std::error::Error + 'static),
    ) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    fn of_handshake(address: String, error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(source @ rustls::Error::InvalidCertificate(problem)) => Self::Distrust {
                address,
                // rustls prints errors of other people's with Debug.
                reason: match problem {
                    CertificateError::Other(other) => other.0.to_string(),
                    problem => problem.to_string(),
                },
                source: Arc::new(source.clone()),
            },
            _ => Self::Tls {
                address,
                source: Arc::new(error),
            },
        }
    }
}

/// Connects to one address.
pub(crate) struct Connector {
    address: String,
    server_name: ServerName<'static>,
    tls: TlsConnector,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                ErrorCode::ValidationException,
                format!(
                    "'{}' is not an address of the form host:port",
                    endpoint.address
                ),
            )
        };
        let (host, port) = endpoint.address.rsplit_once(':').ok_or_else(invalid)?;
        port.parse::<u16>().map_err(|_| invalid())?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let server_name = ServerName::try_from(host.to_owned()).map_err(|_| invalid())?;
        let config: ClientConfig = tls::client_config(&endpoint.trust)?;
        Ok(Self {
            address: endpoint.address.clone(),
            server_name,
            tls: TlsConnector::from(Arc::new(config)),
            limit: endpoint.connect_timeout,
        })
    }

    /// Where to, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes a connection to whom is trusted.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        match tokio::time::timeout(self.limit, self.shake()).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::TimedOut {
                address: self.address.clone(),
                limit: self.limit,
            }),
        }
    }

    async fn shake(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable {
            address: self.address.clone(),
            source: Arc::new(source),
        };
        let tcp = TcpStream::connect(&self.address)
            .await
            .map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let shaken = self.tls.connect(self.server_name.clone(), tcp).await;
        shaken.map_err(|error| ConnectError::of_handshake(self.address.clone(), error))
    }
}
