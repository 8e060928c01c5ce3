//! gRPC as a stranger speaks it: any bytes to any method, over TLS that trusts the server's own certificate only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sealdb_proto::endpoint::EndpointFile;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::server::{Home, Server};

/// Larger than any server takes: the client's own limit must not answer for it.
const NO_LIMIT: usize = 1 << 30;

/// A channel, and what signs its calls.
#[derive(Clone)]
pub struct Raw {
    /// The connection.
    pub channel: Channel,
    /// `Bearer ID:SECRET`, or whatever a test puts here; `None` sends nothing.
    pub authorization: Option<MetadataValue<Ascii>>,
}

impl Raw {
    /// Connects with the credential of the endpoint file.
    pub async fn connect(home: &Home, server: &Server) -> Raw {
        Raw {
            channel: channel(server.address(), &home.run_dir().join("tls.crt")).await,
            authorization: Some(authorization(&server.endpoint)),
        }
    }

    /// Calls a method of the service with any bytes as its message.
    pub async fn call(&self, method: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        self.call_path(
            &format!("/{}/{method}", sealdb_proto::SERVICE_NAME),
            message,
        )
        .await
    }

    /// Calls any path.
    pub async fn call_path(&self, path: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = Grpc::new(self.channel.clone())
            .max_decoding_message_size(NO_LIMIT)
            .max_encoding_message_size(NO_LIMIT);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        let path = PathAndQuery::try_from(path).unwrap();
        grpc.unary(request, path, Bytes)
            .await
            .map(tonic::Response::into_inner)
    }

    /// Whether the server says that it is well.
    pub async fn is_healthy(&self) -> bool {
        let mut client = tonic_health::pb::health_client::HealthClient::new(self.channel.clone());
        let request = tonic_health::pb::HealthCheckRequest {
            service: sealdb_proto::SERVICE_NAME.to_owned(),
        };
        client.check(request).await.is_ok_and(|answer| {
            answer.into_inner().status()
                == tonic_health::pb::health_check_response::ServingStatus::Serving
        })
    }
}

/// The metadata of a call with this credential.
pub fn authorization(endpoint: &EndpointFile) -> MetadataValue<Ascii> {
    format!(
        "Bearer {}:{}",
        endpoint.access_key_id,
        endpoint.secret_access_key.expose()
    )
    .parse()
    .unwrap()
}

/// A channel to this address.
pub async fn channel(address: &str, certificate: &Path) -> Channel {
    let (address, certificate): (String, PathBuf) = (address.to_owned(), certificate.to_owned());
    Endpoint::from_static("https://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let (address, certificate) = (address.clone(), certificate.clone());
            async move {
                tls(&address, &certificate, &[b"h2"])
                    .await
                    .map(TokioIo::new)
            }
        }))
        .await
        .unwrap()
}

/// A TLS connection without a protocol on it.
pub async fn tls(
    address: &str,
    certificate: &Path,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; prost::bytes::Buf::remaining(buffer)];
        prost::bytes::Buf::copy_to_slice(buffer, &mut message);
        Ok(Some(message))
    }
}
