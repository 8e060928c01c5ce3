//! TLS 1.3 with aws-lc-rs, and the two ways to trust a server: a pin, or certificate roots.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use sealdb_model::ErrorCode;

use crate::endpoint::Trust;
use crate::error::Error;

/// The client side's TLS settings for a way of trust.
pub(crate) fn client_config(trust: &Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| {
            Error::new(
                ErrorCode::ValidationException,
                format!("TLS 1.3 is not available: {e}"),
            )
        })?;
    let mut config = match trust {
        Trust::Pin(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinVerifier::new(*pin, &provider)))
            .with_no_client_auth(),
        Trust::Roots(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone()).map_err(|e| {
                    Error::new(
                        ErrorCode::ValidationException,
                        format!("a root certificate is malformed: {e}"),
                    )
                })?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The certificates of a PEM text, at least one.
pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let invalid = |reason: String| Error::new(ErrorCode::ValidationException, reason);
    let roots = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| invalid(format!("the root certificates are not PEM: {e}")))?;
    if roots.is_empty() {
        return Err(invalid("the PEM text holds no certificate".into()));
    }
    Ok(roots)
}

/// Trusts exactly the certificate of this SHA-256, whatever its names and dates, and whoever signed it.
#[derive(Debug)]
struct PinVerifier {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    fn new(pin: [u8; 32], provider: &CryptoProvider) -> Self {
        Self {
            pin,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match verify_slices_are_equal(digest(&SHA256, end_entity).as_ref(), &self.pin) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(_) => Err(CertificateError::Other(OtherError(Arc::new(PinMismatch))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Not reached: the configuration offers TLS 1.3 only.
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The pin names the certificate; this shows that the server holds its key.
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The server showed another certificate than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate is not the pinned one")]
struct PinMismatch;
