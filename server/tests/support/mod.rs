//! A server in a temporary directory, and a gRPC channel to it that knows its certificate.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod http;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sealdb_proto::endpoint::EndpointFile;
use sealdb_proto::v1::seal_db_client::SealDbClient;
use sealdb_server::{Config, Running};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub struct Served {
    pub running: Running,
    pub dir: TempDir,
}

/// The configuration of a new database in `dir`, on a free port.
pub fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.join("D"));
    config.init = true;
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.publish_endpoint = false;
    config
}

pub async fn serve(change: impl FnOnce(&mut Config)) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    change(&mut config);
    Served {
        running: sealdb_server::start(config).await.unwrap(),
        dir,
    }
}

impl Served {
    pub fn endpoint(&self) -> EndpointFile {
        EndpointFile::read(&self.running.endpoint_file).unwrap()
    }

    pub async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.running.address, &self.running.certificate).await
    }

    pub async fn channel(&self) -> Channel {
        channel_to(self.running.address, &self.running.certificate).await
    }

    /// A client that signs in with the credential of the endpoint file.
    pub async fn client(&self) -> Client {
        client_on(self.channel().await, self.signed())
    }

    pub fn signed(&self) -> Signed {
        Signed::from(&self.endpoint())
    }
}

pub type Client = SealDbClient<tonic::service::interceptor::InterceptedService<Channel, Signed>>;

pub async fn channel_to(address: SocketAddr, certificate: &Path) -> Channel {
    let certificate = certificate.to_owned();
    Endpoint::from_static("https://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let certificate = certificate.clone();
            async move { connect(address, &certificate).await.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

pub fn client_on(channel: Channel, signed: Signed) -> Client {
    SealDbClient::with_interceptor(channel, signed)
        .max_decoding_message_size(64 << 20)
        .max_encoding_message_size(64 << 20)
}

impl From<&EndpointFile> for Signed {
    fn from(endpoint: &EndpointFile) -> Signed {
        Signed::new(&endpoint.access_key_id, endpoint.secret_access_key.expose())
    }
}

#[derive(Clone)]
pub struct Signed(MetadataValue<tonic::metadata::Ascii>);

impl Signed {
    pub fn new(access_key_id: &str, secret: &str) -> Signed {
        Signed(format!("Bearer {access_key_id}:{secret}").parse().unwrap())
    }
}

impl tonic::service::Interceptor for Signed {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

async fn connect(address: SocketAddr, certificate: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    connect_for(b"h2", address, certificate).await
}

/// TLS for a protocol by its name in ALPN.
pub async fn connect_for(
    protocol: &[u8],
    address: SocketAddr,
    certificate: &Path,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(certificate)?;
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}
